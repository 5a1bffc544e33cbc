"""A model in another environment: a program that speaks `avbench-worker/1` over its standard input and output.

`baselines/README.md` documents the protocol, `baselines/avbench_worker.py` is its other side. What can go wrong with a program
goes wrong with one item here: it is killed with all its children, started again, and the item fails. Whether a clip is any
good, and whether to try again or give up, is the run's business.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, ClassVar

from avbench import content, requests
from avbench.adapters.config import Described
from avbench.adapters.places import filled
from avbench.conditions import FILES
from avbench.errors import BadCondition, BadManifest, MissingData
from avbench.folders import file_name
from avbench.store import default_home
from avbench.types import Clip, ClipFile, Item, NoClip, Suite

PROTOCOL = 1
LONGEST_LINE = 1 << 20
"""Bytes of one message."""
_LARGEST_LOG = 10_000_000
_GRACE = 5.0
"""Seconds between asking a worker to end and killing it."""


class Worker(Described):
    """A program that makes clips, one at a time; several of them if its description says so."""

    command: ClassVar[tuple[str, ...]]
    cwd: ClassVar[str]
    env: ClassVar[Mapping[str, str]]
    timeout_seconds: ClassVar[float]
    start_seconds: ClassVar[float]
    workers: ClassVar[int]
    path_map: ClassVar[tuple[tuple[str, str], ...]]
    files: ClassVar[tuple[str, ...]]

    @staticmethod
    def read(table: Mapping[str, Any], where: str, folder: Path) -> dict[str, Any]:
        """The keys of a description that only a program has."""
        command = table["command"]
        if not command or not all(isinstance(part, str) for part in command):
            raise BadManifest(f"{where}: command must be a list of texts, got {command!r:.80}")
        if not all(isinstance(value, str) for value in table.get("env", {}).values()):
            raise BadManifest(f"{where}: [env]: values must be text, got {table['env']!r:.80}")
        pairs = table.get("path_map", [])
        if not all(isinstance(p, list) and len(p) == 2 and all(isinstance(q, str) for q in p) for p in pairs):
            raise BadManifest(f"{where}: path_map must be [[here, there], ...], got {pairs!r:.80}")
        if not all(isinstance(path, str) for path in table.get("files", [])):
            raise BadManifest(f"{where}: files must be a list of paths, got {table['files']!r:.80}")
        return {
            "command": tuple(command),
            "cwd": table.get("cwd", "{dir}"),
            "env": dict(table.get("env", {})),
            "timeout_seconds": float(table.get("timeout_s", 1800.0)),
            "start_seconds": float(table.get("start_timeout_s", 900.0)),
            "workers": int(table.get("workers", 1)),
            "path_map": tuple((here.rstrip("/"), there.rstrip("/")) for here, there in pairs),
            "files": tuple(table.get("files", [])),
        }

    def missing(self) -> tuple[str, ...]:
        """Variables, files and the program itself that are not there."""
        out: dict[str, None] = {}
        for text in (*self.command, self.cwd, *self.env.values(), *self.files, *(here for here, _ in self.path_map)):
            try:
                path = filled(text, self.folder_of_description())
            except MissingData as error:
                out[str(error)] = None
                continue
            if text in self.files and not Path(path).exists():
                out[f"{path} is not there"] = None
            if text == self.cwd and not Path(path).is_dir():
                out[f"the folder {path} is not there"] = None
            if text == self.command[0] and shutil.which(path, path=self._environment(0).get("PATH")) is None:
                out[f"the program {path} cannot be found"] = None
        return tuple(out)

    def request(self, item: Item, suite: Suite, seed: int) -> str:
        """Hash of the message that asks for the clip."""
        try:
            return str(requests.message(self, item, suite, seed, None)["request"])
        except BadCondition:
            return ""

    def generate(self, items: Sequence[Item], *, suite: Suite, seed: int, folder: Path) -> Iterator[Clip | ClipFile | NoClip]:
        """Ask the workers for one item after the other; clips come as they are ready.

        Raises:
            MissingData: if a worker cannot be started, cannot load its model, or speaks another protocol.
        """
        folder = folder.absolute()
        done: queue.Queue[tuple[_Hand, _Outcome]] = queue.Queue()
        count = min(self.workers, len(items))
        hands = [_Hand(self, number, folder / str(number), done) for number in range(count)]
        idle, busy, todo = list(reversed(hands)), 0, iter(items)
        try:
            while True:
                while idle:
                    item = next(todo, None)
                    if item is None:
                        break
                    try:
                        asked = requests.message(self, item, suite, seed, folder / "conditions")
                    except BadCondition as error:
                        yield NoClip(item.id, str(error), again=False)
                        continue
                    idle.pop().inbox.put((item, asked))
                    busy += 1
                if busy == 0:
                    return
                hand, outcome = done.get()
                idle.append(hand)
                busy -= 1
                if isinstance(outcome, BaseException):
                    raise outcome
                yield outcome
        finally:
            for hand in hands:
                hand.inbox.put(None)
            if busy:  # the run ends amid an item
                for hand in hands:
                    hand.program.kill()
            for hand in hands:
                hand.thread.join()

    # -------------------------------------------------------------- for the hands

    def started(self, number: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
        """A worker process in a process group of its own."""
        here = self.folder_of_description()
        try:
            return subprocess.Popen(  # noqa: S603  the user's own command
                [filled(part, here) for part in self.command],
                cwd=filled(self.cwd, here),
                env=self._environment(number),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            raise MissingData(
                f"model {self.name} cannot be started: {error}; its command is {' '.join(self.command)}"
            ) from error

    def _environment(self, number: int) -> dict[str, str]:
        out = {**os.environ, "AVBENCH_WORKER_GROUP": "1", "PYTHONUNBUFFERED": "1"}
        if self.workers > 1:
            devices = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
            known = [d for d in devices if d] or [str(n) for n in range(self.workers)]
            out["CUDA_VISIBLE_DEVICES"] = known[number % len(known)]
        for key, value in self.env.items():
            with contextlib.suppress(MissingData):
                out[key] = filled(value, self.folder_of_description())
        out["PYTHONPATH"] = os.pathsep.join(filter(None, [str(content.folder("baselines")), out.get("PYTHONPATH", "")]))
        return out

    def there(self, path: str) -> str:
        """A path of this machine as the worker sees it."""
        return _mapped(path, [(filled(a, self.folder_of_description()), b) for a, b in self.path_map])

    def here(self, path: str) -> str:
        """A path of the worker's as this machine sees it."""
        return _mapped(path, [(b, filled(a, self.folder_of_description())) for a, b in self.path_map])


def _mapped(path: str, pairs: Sequence[tuple[str, str]]) -> str:
    for before, after in pairs:
        if path == before or path.startswith(before + "/"):
            return after + path[len(before) :]
    return path


_Outcome = ClipFile | Clip | NoClip | BaseException


class _Hand:
    """One worker process and the thread that talks to it."""

    def __init__(self, model: Worker, number: int, folder: Path, done: queue.Queue[tuple[_Hand, _Outcome]]) -> None:
        self.inbox: queue.Queue[tuple[Item, dict[str, Any]] | None] = queue.Queue()
        self.program = _Program(model, number, folder)
        self.done = done
        self.thread = threading.Thread(target=self._work, daemon=True, name=f"{model.name}-{number}")
        self.thread.start()

    def _work(self) -> None:
        while (task := self.inbox.get()) is not None:
            try:
                outcome: _Outcome = self.program.ask(*task)
            except BaseException as error:  # noqa: BLE001  it is raised in the run's own thread
                outcome = error
            self.done.put((self, outcome))
        self.program.end()


class _Lost(Exception):
    """The worker hangs or is gone; the message says which."""


@dataclass
class _Program:
    """A worker process: started when it is first needed, and again after it was lost."""

    model: Worker
    number: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    lines: queue.Queue[bytes] = field(default_factory=queue.Queue)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def log(self) -> Path:
        """Where standard error goes."""
        return default_home() / "logs" / f"{file_name(self.model.name)}-{self.number}.log"

    def ask(self, item: Item, asked: Mapping[str, Any]) -> _Outcome:
        """One item's clip, or why there is none."""
        try:
            if self.process is None:
                self._start()
            sent = {**asked, "cond": {k: self._there(k, v) for k, v in asked["cond"].items()}}
            self._send(sent)
            return self._clip(item, self._result(asked))
        except _Lost as error:
            self.kill(again=True)
            return NoClip(item.id, f"{error}; the worker's log is {self.log}")

    def _there(self, name: str, value: Any) -> Any:
        return self.model.there(value) if name in FILES else value

    def _start(self) -> None:
        """Start, greet, configure, and wait until the model is loaded.

        Raises:
            MissingData: if that fails; without a model no item has a chance.
        """
        if self.stopped.is_set():
            raise _Lost("the run was stopped")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        fresh = not self.log.is_file() or self.log.stat().st_size > _LARGEST_LOG
        with self.log.open("wb" if fresh else "ab") as log:
            self.process = self.model.started(self.number, log)
        if self.stopped.is_set():  # between the first line and here
            self.kill()
            raise _Lost("the run was stopped")
        self.lines = queue.Queue()
        threading.Thread(target=_pump, args=(self.process.stdout, self.lines), daemon=True).start()
        deadline = time.monotonic() + self.model.start_seconds
        try:
            hello = self._next(("hello", "error"), deadline)
            if hello["type"] == "hello" and hello.get("protocol") != PROTOCOL:
                raise _Lost(f"it speaks protocol {hello.get('protocol')!r}, and avbench speaks {PROTOCOL}")
            if hello["type"] == "hello":
                out = self.model.there(str(self.folder.resolve()))
                self._send({"type": "configure", "out": out, "options": self.model.parameters()})
                hello = self._next(("ready", "error"), deadline)
            if hello["type"] == "error":
                raise _Lost(str(hello.get("error", "it gives no reason")))
        except _Lost as error:
            self.kill(again=True)
            if self.stopped.is_set():
                raise
            needs = "; ".join(f"{key}: {value}" for key, value in self.model.requires.items())
            raise MissingData(
                f"model {self.model.name} cannot be started: {error}; command: {' '.join(self.model.command)}; "
                f"{f'it needs {needs}; ' if needs else ''}the worker's log is {self.log}{self._tail()}"
            ) from error

    def _tail(self) -> str:
        with contextlib.suppress(OSError):
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return f", and ends with: {lines[-1][-300:]}" if lines else ""
        return ""

    def _result(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The result of this item; results of others are left aside."""
        deadline = time.monotonic() + self.model.timeout_seconds
        while True:
            result = self._next(("result",), deadline)
            if (result.get("id"), result.get("index", 0)) != (asked["id"], asked["index"]):
                self._note(f"a result of '{result.get('id')}' [{result.get('index')}] came, which is not under way: ignored")
            elif result.get("request", asked["request"]) not in ("", asked["request"]):
                self._note(f"a result of '{asked['id']}' came for another request: ignored")
            else:
                return result

    def _clip(self, item: Item, result: Mapping[str, Any]) -> _Outcome:
        if result.get("status") != "ok":
            return NoClip(item.id, " ".join(str(result.get("error", "the worker gives no reason")).split())[:500])
        meta = result.get("meta")
        meta = dict(meta) if isinstance(meta, Mapping) else {}
        found: dict[str, Path | None] = {}
        for stream in ("video", "audio"):
            named = result.get(stream)
            if named is None:
                found[stream] = None
                continue
            path = Path(self.model.here(str(named)))
            if not path.resolve().is_relative_to(self.folder.resolve()):
                return NoClip(item.id, f"the worker's {stream} {path} is not below the folder that it was given")
            if not path.is_file() or path.stat().st_size == 0:
                return NoClip(item.id, f"the worker's {stream} {path.name} {'is empty' if path.is_file() else 'is not there'}")
            found[stream] = path
        main = found["video"] or found["audio"]
        if main is not None:
            return ClipFile(item.id, main, found["audio"] if found["video"] is not None else None, item.prompt, meta=meta)
        if isinstance(result.get("text"), str) and result["text"].strip():
            return Clip(item.id, None, 0.0, None, 0, text=result["text"])
        return NoClip(item.id, "the worker gave neither video nor audio nor text")

    # -------------------------------------------------------------- lines

    def _send(self, message: Mapping[str, Any]) -> None:
        line = (json.dumps(message, ensure_ascii=True) + "\n").encode("ascii")
        if len(line) > LONGEST_LINE:
            raise _Lost(f"the request has {len(line)} bytes, more than a line may have ({LONGEST_LINE})")
        pipe = self.process.stdin if self.process is not None else None
        if pipe is None:
            raise _Lost("the worker is gone")
        try:
            pipe.write(line)
            pipe.flush()
        except OSError as error:
            raise _Lost(self._how_it_ended()) from error

    def _next(self, wanted: tuple[str, ...], deadline: float) -> dict[str, Any]:
        """The next message of one of these types.

        Raises:
            _Lost: if none comes in time, or the worker ends.
        """
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                waited = self.model.start_seconds if "result" not in wanted else self.model.timeout_seconds
                raise _Lost(f"the worker was silent for {waited:g} s: killed") from None
            if line == b"":
                raise _Lost(self._how_it_ended())
            try:
                message = json.loads(line)
            except (ValueError, RecursionError):
                message = None
            if not isinstance(message, dict) or not isinstance(message.get("type"), str):
                self._note(f"not a message: {line[:200]!r}")
            elif message["type"] in wanted:
                return message
            elif message["type"] != "progress":
                self._note(f"a message of type '{message['type'][:40]}' where {' or '.join(wanted)} was expected: ignored")

    def _note(self, text: str) -> None:
        with contextlib.suppress(OSError), self.log.open("a", encoding="utf-8") as log:
            log.write(f"avbench: {text}\n")

    def _how_it_ended(self) -> str:
        if self.process is None:
            return "the worker is gone"
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self.process.wait(timeout=_GRACE)
            name = f"signal {-code}"
            with contextlib.suppress(ValueError):
                name = signal.Signals(-code).name
            return f"the worker was killed by {name}" if code < 0 else f"the worker ended with exit status {code}"
        return "the worker closed its output and hangs"

    # -------------------------------------------------------------- the end

    def end(self) -> None:
        """Ask the worker to end, and wait for it a moment."""
        if self.process is None:
            return
        with contextlib.suppress(_Lost, subprocess.TimeoutExpired):
            self._send({"type": "end"})
            self.process.wait(timeout=_GRACE)
        self.kill()

    def kill(self, *, again: bool = False) -> None:
        """The worker and all its children, at once.

        Args:
            again: Whether another may be started in its place.
        """
        if not again:
            self.stopped.set()
        process, self.process = self.process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()


def _pump(pipe: IO[bytes] | None, lines: queue.Queue[bytes]) -> None:
    """Every line into the queue, then an empty one; a line that is too long comes in parts, which are no messages."""
    if pipe is not None:
        with pipe:
            while line := pipe.readline(LONGEST_LINE):
                lines.put(line)
    lines.put(b"")
