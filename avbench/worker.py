"""One clip through the CPU half of several extractors; run as a child process for files.

Decoders are fed files from anywhere. `python -m avbench.worker` therefore decodes in a process of its own, which the engine can
kill and which has a memory limit; a decoder that crashes takes nothing else with it. The child is a plain program, not a
`multiprocessing` child, so that avbench can be called from a script without a `__main__` guard.

Jobs come in as pickles from the parent. Answers go back as JSON and checked safetensors, never as pickles: a child that a
hostile file has taken over cannot run code in its parent.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from avbench.errors import BadClip, Unscorable
from avbench.media import FrameCount, Limits, Reader
from avbench.store import DiskStore, feature_key, pack, unpack
from avbench.types import Array, Clip, ClipFile, Extractor, Preparation, Waveform


@dataclass(frozen=True)
class Task:
    """One extractor for one clip.

    Args:
        extractor: With its parameters.
        identity: What besides the clip moves its values (`store.extractor_identity`).
        earlier: Features it is given.
        earlier_keys: Their keys.
    """

    extractor: Extractor
    identity: str
    earlier: Mapping[str, Array] = field(default_factory=dict)
    earlier_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """One clip, and what is wanted of it."""

    source: ClipFile | Clip
    tasks: tuple[Task, ...]
    cache: DiskStore | None
    limits: Limits
    threads: int


@dataclass
class Answer:
    """What became of one task: the key, and the prepared tensors or the reason why there are none.

    `prepared` is None for a cached feature and for a failure; `code` is empty unless it failed.
    """

    key: str = ""
    prepared: dict[str, Array] | None = None
    code: str = ""
    detail: str = ""
    trace: str = ""


@dataclass
class Reply:
    """What became of one clip: an answer per task, the clip's hash and flags, how often its files were opened."""

    answers: list[Answer]
    sha256: str = ""
    flags: tuple[str, ...] = ()
    opens: int = 0


def process(job: Job, alive: Callable[[], None] = lambda: None) -> Reply:
    """Open the clip once, decode it once at most, and prepare every task that is not cached.

    Args:
        job: The clip and its tasks.
        alive: Called after every frame and every finished task.
    """
    reply = Reply([Answer() for _ in job.tasks])
    try:
        with Reader(job.source, limits=job.limits, threads=job.threads) as reader:
            reply.sha256, reply.flags = reader.sha256, reader.info.flags
            todo = {}
            for index, task in enumerate(job.tasks):
                text = _captions(job.source) if "text" in task.extractor.needs + task.extractor.reads else ""
                key = feature_key(task.identity, reader.sha256, text, task.earlier_keys)
                reply.answers[index].key = key
                if job.cache is None or not job.cache.has(key):
                    todo[index] = task
            _prepare(reader, todo, reply, alive)
    except BadClip as error:
        _all_failed(job, reply, error.code, error.detail, "")
    except MemoryError:
        _all_failed(job, reply, "memory", "reading the clip went over the memory limit", "")
    except Exception as error:  # noqa: BLE001 - what a decoder raises besides its own errors belongs to this clip alone
        _all_failed(job, reply, "error", f"{type(error).__name__}: {error}", traceback.format_exc())
    return reply


def _captions(source: ClipFile | Clip) -> str:
    return f"{source.text}\0{source.audio_text}" if source.audio_text else source.text


def _all_failed(job: Job, reply: Reply, code: str, detail: str, trace: str) -> None:
    """Every task that is neither cached nor done nor failed already."""
    for answer in reply.answers:
        if answer.prepared is None and not answer.code and not (answer.key and job.cache and job.cache.has(answer.key)):
            answer.code, answer.detail, answer.trace = code, detail, trace


def _prepare(reader: Reader, todo: dict[int, Task], reply: Reply, alive: Callable[[], None]) -> None:
    for _ in range(2):
        started: dict[int, Preparation] = {}
        for index, task in todo.items():
            reply.answers[index] = Answer(reply.answers[index].key)
            with _noted(reply.answers[index]):
                _check_streams(reader, task.extractor)
                started[index] = task.extractor.start(reader.info, task.earlier)
        if not started:
            return
        wanted = {index: {int(f) for f in preparation.frames} for index, preparation in started.items()}
        picture = any(wanted.values())
        try:
            for number, image in enumerate(reader.frames(picture=picture)):
                alive()
                for index, frames in wanted.items():
                    if number in frames and index in started:
                        with _noted(reply.answers[index]):
                            started[index].take(number, image)
                        if reply.answers[index].code:
                            del started[index]
        except FrameCount:
            continue
        for index, preparation in started.items():
            alive()
            with _noted(reply.answers[index]):
                reply.answers[index].prepared = preparation.finish(_sound(reader, todo[index].extractor))
        return
    raise BadClip("damaged", "two decodings of the same file gave different numbers of frames")


def _sound(reader: Reader, extractor: Extractor) -> Waveform | None:
    """The sound, for an extractor that uses it; None where it has none and the extractor can do without."""
    if "audio" not in extractor.needs + extractor.reads:
        return None
    try:
        return reader.audio()
    except BadClip:
        if "audio" in extractor.needs:
            raise
        return None


def _check_streams(reader: Reader, extractor: Extractor) -> None:
    if "video" in extractor.needs and reader.info.frames == 0:
        raise Unscorable("no_video")
    if "audio" in extractor.needs and reader.info.sample_rate == 0:
        raise Unscorable("no_audio")


@contextlib.contextmanager
def _noted(answer: Answer) -> Iterator[None]:
    """A failure of one extractor is written down and does not touch the others."""
    try:
        yield
    except FrameCount:
        raise
    except BadClip as error:
        answer.code, answer.detail = error.code, error.detail
    except MemoryError:
        answer.code, answer.detail = "memory", "preparing the clip went over the memory limit"
    except Exception as error:  # noqa: BLE001 - one extractor's bug must not lose the clip for the others; it is reported
        answer.code, answer.detail = "error", f"{type(error).__name__}: {error}"
        answer.trace = traceback.format_exc()


# ------------------------------------------------------------------ the pipe


def write_message(pipe: IO[bytes], data: bytes) -> None:
    """Length, then the bytes."""
    pipe.write(struct.pack("<Q", len(data)))
    pipe.write(data)
    pipe.flush()


class _Pulse:
    """Tells the parent, at most once a second, that work goes on: an answer of length 0."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.pipe, self.last = pipe, time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self.last > 1.0:
            self.last = time.monotonic()
            write_message(self.pipe, b"")


def encode_reply(reply: Reply) -> bytes:
    """JSON, then one packed record per prepared task."""
    blobs = [pack(a.prepared) if a.prepared is not None else b"" for a in reply.answers]
    head = json.dumps(
        {
            "sha256": reply.sha256,
            "flags": reply.flags,
            "opens": reply.opens,
            "answers": [[a.key, a.code, a.detail, a.trace, len(b)] for a, b in zip(reply.answers, blobs, strict=True)],
        }
    ).encode()
    return b"".join([struct.pack("<Q", len(head)), head, *blobs])


def decode_reply(data: bytes) -> Reply:
    """The reply of `encode_reply`.

    Raises:
        ValueError: if it is no such reply, or a record is damaged.
    """
    try:
        (length,) = struct.unpack_from("<Q", data)
        head: dict[str, Any] = json.loads(data[8 : 8 + length])
        at, answers = 8 + length, []
        for key, code, detail, trace, size in head["answers"]:
            prepared = unpack(data[at : at + size]) if size else None
            if size and prepared is None:
                raise ValueError("a worker's answer does not match its checksum")
            answers.append(Answer(key, prepared, code, detail, trace))
            at += size
        return Reply(answers, head["sha256"], tuple(head["flags"]), head["opens"])
    except (struct.error, KeyError, TypeError) as error:
        raise ValueError(f"a worker's answer is not one: {error}") from error


def _limit(memory: int) -> None:
    """Bound this process's memory, and have it killed with its parent, where the system can do either."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes
        import signal

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main() -> None:
    """Serve jobs from standard input until it ends."""
    _limit(int(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    opened: list[str] = []
    sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event == "open" else None)
    while head := sys.stdin.buffer.read(8):
        job: Job = pickle.loads(sys.stdin.buffer.read(struct.unpack("<Q", head)[0]))  # noqa: S301 - from our own parent
        opened.clear()
        reply = process(job, _Pulse(answers))
        if isinstance(job.source, ClipFile):
            files = {str(job.source.path), str(job.source.audio)}
            reply.opens = sum(path in files for path in opened)
        write_message(answers, encode_reply(reply))


if __name__ == "__main__":
    main()
