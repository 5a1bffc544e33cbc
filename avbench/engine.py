"""Clips to features: decode once, prepare in child processes, batch on the device, keep by content.

Each worker thread owns one child process (`avbench.worker`) and feeds it one clip at a time; prepared tensors come back
through a bounded queue to the caller's thread, which runs networks in batches across clips and stores the features. Memory is
bounded by prepared tensors, a network never waits for a decoder that hangs, and a clip that hangs, crashes or eats memory is
killed, tried a second time, and then quarantined with a reason.

A value does not depend on workers, order or on what was cached before: on one device a network always sees batches of the same
size (the last one is filled up by repeating rows), which keeps the results of a resumed run identical to the bit.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from avbench.batches import Batches
from avbench.child import Child, ChildLost, Stopped
from avbench.errors import REASONS, AvbenchError, BadParameter
from avbench.options import Options, Wanted
from avbench.store import DiskStore, Ledger, Store, Work
from avbench.types import Array, Clip, ClipFile
from avbench.worker import Answer, Job, Reply, Task, process

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done and how much there is."""

_TRIES = 2


@dataclass(frozen=True)
class Failure:
    """Why there are no features."""

    code: str
    detail: str

    def __str__(self) -> str:
        """As results show it."""
        return f"{self.code}: {self.detail}"


@dataclass
class Extraction:
    """What was made of each clip.

    Args:
        keys: Of the feature record, or a `Failure`, by (clip's position, extractor's position).
        sha256, flags: Of each clip.
        opens: How often clip files were opened.
        made: Feature records that were computed, not found.
    """

    store: Store
    keys: dict[tuple[int, int], str | Failure] = field(default_factory=dict)
    sha256: dict[int, str] = field(default_factory=dict)
    flags: dict[int, tuple[str, ...]] = field(default_factory=dict)
    opens: int = 0
    made: int = 0

    def features(self, clip: int, extractor: int) -> dict[str, Array] | Failure:
        """The layers of one clip."""
        key = self.keys[clip, extractor]
        if isinstance(key, Failure):
            return key
        layers = self.store.get(key)
        if layers is None:
            raise AvbenchError(f"feature record {key} was there and is damaged or gone; run the same command again")
        return layers


def extract(
    sources: Sequence[ClipFile | Clip],
    wanted: Sequence[Wanted],
    *,
    store: Store,
    options: Options | None = None,
    ledger: Ledger | None = None,
    progress: Progress | None = None,
) -> Extraction:
    """Features of every clip.

    Args:
        sources: The clips; files are decoded in child processes, clips in memory are used as they are.
        wanted: The extractors; those named in `after` must be among them, earlier in the list.
        store: Where features are kept.
        options: How to work.
        ledger: Where failures are remembered; none for a throw-away one.
        progress: Called after every clip.

    Returns:
        Keys and failures; a bad clip is a failure, never an exception and never missing.
    """
    options = options or Options()
    with contextlib.ExitStack() as stack:
        if ledger is None:
            ledger = stack.enter_context(contextlib.closing(Ledger(None)))
        run = _Run(list(sources), list(wanted), store, options, ledger, progress)
        for level in _levels(wanted):
            run.level(level)
        return run.result


def _levels(wanted: Sequence[Wanted]) -> list[list[int]]:
    """Positions of the extractors in the order of their passes over the clips."""
    depth: dict[str, int] = {}
    levels: list[list[int]] = []
    for position, want in enumerate(wanted):
        missing = [name for name in want.extractor.after if name not in depth]
        if missing:
            raise BadParameter(f"{want.extractor.name} works on the features of {missing[0]}, which must come before it")
        level = max((depth[name] + 1 for name in want.extractor.after), default=0)
        depth.setdefault(want.extractor.name, level)
        while len(levels) <= level:
            levels.append([])
        levels[level].append(position)
    return levels


class _Run:
    def __init__(
        self,
        sources: list[ClipFile | Clip],
        wanted: list[Wanted],
        store: Store,
        options: Options,
        ledger: Ledger,
        progress: Progress | None,
    ) -> None:
        self.sources, self.wanted, self.store, self.options = sources, wanted, store, options
        self.ledger, self.progress = ledger, progress
        self.result = Extraction(store)
        self.identities = [w.identity for w in wanted]
        self.lock = threading.Lock()
        self.refresh: set[int] = set()
        self.batches = [
            Batches(w, options, min(options.batch_size or w.extractor.batch_size, max(1, len(sources)))) for w in wanted
        ]

    def level(self, level: list[int]) -> None:
        """One pass over the clips: decode, prepare, run networks, store."""
        jobs: queue.Queue[int] = queue.Queue()
        lost = self.ledger.work("quarantined")
        for index in range(len(self.sources)):
            if not (lost and self._quarantined(index, level, lost)):
                jobs.put(index)
        todo = jobs.qsize()
        answers: queue.Queue[tuple[int, Reply | BaseException]] = queue.Queue(maxsize=2 * self.options.worker_count)
        stop = threading.Event()
        count = min(self.options.worker_count, max(1, todo))
        threads = [
            threading.Thread(target=self._serve, args=(jobs, answers, stop, level, count), daemon=True) for _ in range(count)
        ]
        for thread in threads:
            thread.start()
        try:
            done = 0
            while done < todo:
                index, reply = answers.get()
                if isinstance(reply, BaseException):
                    raise reply
                if self._collect(index, reply, level, jobs):
                    done += 1
                    if self.progress is not None:
                        self.progress("extract", done, todo)
            for position in level:
                self._store(self.batches[position].finish(), position)
        finally:
            stop.set()
            while any(t.is_alive() for t in threads):
                with contextlib.suppress(queue.Empty):
                    answers.get(timeout=0.05)

    # -------------------------------------------------------------- in the worker threads

    def _serve(
        self,
        jobs: queue.Queue[int],
        answers: queue.Queue[tuple[int, Reply | BaseException]],
        stop: threading.Event,
        level: list[int],
        threads: int,
    ) -> None:
        child = Child(self.options, stop)
        decoder_threads = 1 if threads > 1 else 2
        index = -1
        try:
            while not stop.is_set():
                try:
                    index = jobs.get(timeout=0.05)
                except queue.Empty:
                    continue
                job = self._job(index, level, decoder_threads)
                reply = _here(job) if isinstance(job.source, Clip) else self._supervised(child, job, level)
                answers.put((index, reply))
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - the caller's thread raises it
            answers.put((index, error))
        finally:
            child.kill()

    def _job(self, index: int, level: list[int], threads: int) -> Job:
        tasks = []
        for position in level:
            extractor = self.wanted[position].extractor
            earlier: dict[str, Array] = {}
            keys: list[str] = []
            for name in extractor.after:
                before = next(i for i, w in enumerate(self.wanted) if w.extractor.name == name)
                layers = self.result.features(index, before)
                if not isinstance(layers, Failure):
                    earlier.update({f"{name}.{layer}": value for layer, value in layers.items()})
                    keys.append(str(self.result.keys[index, before]))
            tasks.append(Task(extractor, self.identities[position], earlier, tuple(keys)))
        cache = self.store if isinstance(self.store, DiskStore) and index not in self.refresh else None
        return Job(self.sources[index], tuple(tasks), cache, self.options.limits, threads)

    def _supervised(self, child: Child, job: Job, level: list[int]) -> Reply:
        """The child's reply; a second try if it hangs or dies, then a failure of every task."""
        names = [self.wanted[p].extractor.label for p in level]
        clip = _ledger_id(job.source)
        with self.lock:
            self.ledger.started(clip, names)
        while True:
            try:
                return child.ask(job)
            except ChildLost as error:
                with self.lock:
                    attempts = self.ledger.died(clip, names)
                if attempts >= _TRIES:
                    detail = f"{REASONS[error.code]} ({error})"
                    return Reply([Answer(code=error.code, detail=detail) for _ in level])

    # -------------------------------------------------------------- in the caller's thread

    def _quarantined(self, index: int, level: list[int], lost: list[Work]) -> bool:
        """Whether the clip was given up in an earlier try of this run, and is still the same file."""
        source = self.sources[index]
        clip, names = _ledger_id(source), {self.wanted[p].extractor.label for p in level}
        found = [w for w in lost if w.clip == clip and w.extractor in names and w.key == _fingerprint(source)]
        for position in level if found else ():
            self.result.keys[index, position] = Failure(found[0].code, found[0].detail)
        return bool(found)

    def _collect(self, index: int, reply: Reply, level: list[int], jobs: queue.Queue[int]) -> bool:
        """Take over one reply; False if the clip has to go round again because a cached record was damaged."""
        if reply.sha256:
            self.result.sha256[index] = reply.sha256
            self.result.flags[index] = reply.flags
        self.result.opens += reply.opens
        for answer in reply.answers:
            cached = answer.prepared is None and not answer.code
            if cached and self.store.get(answer.key) is None:
                self.refresh.add(index)
                jobs.put(index)
                return False
        clip = _ledger_id(self.sources[index])
        with self.lock, self.ledger.batch():
            for position, answer in zip(level, reply.answers, strict=True):
                if answer.code:
                    lost = answer.code in ("timeout", "crash")
                    self.result.keys[index, position] = Failure(answer.code, answer.detail)
                    self.ledger.ended(
                        clip,
                        self.wanted[position].extractor.label,
                        _fingerprint(self.sources[index]) if lost else answer.key,
                        "quarantined" if lost else "failed",
                        answer.code,
                        answer.trace or answer.detail,
                    )
                else:
                    self.result.keys[index, position] = answer.key
                    if answer.prepared is None:
                        self.ledger.ended(clip, self.wanted[position].extractor.label, answer.key, "done")
        for position, answer in zip(level, reply.answers, strict=True):
            if answer.prepared is not None:
                self._store(self.batches[position].add(index, answer.prepared), position)
        return True

    def _store(self, ready: Iterator[tuple[int, dict[str, Array]]], position: int) -> None:
        label = self.wanted[position].extractor.label
        for index, layers in ready:
            key = str(self.result.keys[index, position])
            self.store.put(key, layers)
            self.result.made += 1
            with self.lock, self.ledger.batch():
                self.ledger.ended(_ledger_id(self.sources[index]), label, key, "done")


def _here(job: Job) -> Reply:
    """A clip in memory, in this thread, by the same arithmetic as a file in a worker process (see `avbench.child`)."""
    import cv2

    cv2.ipp.setUseIPP(False)  # of this thread alone
    return process(job)


def _ledger_id(source: ClipFile | Clip) -> str:
    """Generated and reference clips share ids, so files go by their path."""
    name = str(source.path) if isinstance(source, ClipFile) else source.id
    return name.encode("utf-8", "backslashreplace").decode()  # names that are no UTF-8 hold halves of surrogate pairs


def _fingerprint(source: ClipFile | Clip) -> str:
    """Size and times of the files: a quarantine ends when they change.

    The time of the last change of the inode is among them: it moves with every write, also one that sets the old times again.
    """
    if isinstance(source, Clip):
        return ""
    with contextlib.suppress(OSError):
        stats = [p.stat() for p in (source.path, source.audio) if p is not None]
        return ",".join(f"{s.st_size}:{s.st_mtime_ns}:{s.st_ctime_ns}" for s in stats)
    return ""
