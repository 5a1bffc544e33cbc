"""One worker process of a model in another environment: start, greet, ask, and kill it with all its children."""

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
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from avbench.conditions import FILES
from avbench.errors import MissingData
from avbench.folders import file_name
from avbench.store import default_home
from avbench.types import Clip, ClipFile, Item, NoClip

if TYPE_CHECKING:
    from avbench.adapters.process import Worker

PROTOCOL = 1
LONGEST_LINE = 1 << 20
"""Bytes of one message."""
_LARGEST_LOG = 10_000_000
_GRACE = 5.0
"""Seconds between asking a worker to end and killing it."""

Outcome = ClipFile | Clip | NoClip | BaseException


class Lost(Exception):
    """The worker hangs or is gone; the message says which."""


@dataclass
class Program:
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

    def ask(self, item: Item, asked: Mapping[str, Any]) -> Outcome:
        """One item's clip, or why there is none."""
        try:
            if self.process is None:
                self._start()
            sent = {**asked, "cond": {k: self._there(k, v) for k, v in asked["cond"].items()}}
            self._send(sent)
            return self._clip(item, self._result(asked))
        except Lost as error:
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
            raise Lost("the run was stopped")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        fresh = not self.log.is_file() or self.log.stat().st_size > _LARGEST_LOG
        with self.log.open("wb" if fresh else "ab") as log:
            self.process = self.model.started(self.number, log)
        if self.stopped.is_set():  # between the first line and here
            self.kill()
            raise Lost("the run was stopped")
        self.lines = queue.Queue()
        threading.Thread(target=_pump, args=(self.process.stdout, self.lines), daemon=True).start()
        deadline = time.monotonic() + self.model.start_seconds
        try:
            hello = self._next(("hello", "error"), deadline)
            if hello["type"] == "hello" and hello.get("protocol") != PROTOCOL:
                raise Lost(f"it speaks protocol {hello.get('protocol')!r}, and avbench speaks {PROTOCOL}")
            if hello["type"] == "hello":
                out = self.model.there(str(self.folder.resolve()))
                self._send({"type": "configure", "out": out, "options": self.model.parameters()})
                hello = self._next(("ready", "error"), deadline)
            if hello["type"] == "error":
                raise Lost(str(hello.get("error", "it gives no reason")))
        except Lost as error:
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

    def _clip(self, item: Item, result: Mapping[str, Any]) -> Outcome:
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
            raise Lost(f"the request has {len(line)} bytes, more than a line may have ({LONGEST_LINE})")
        pipe = self.process.stdin if self.process is not None else None
        if pipe is None:
            raise Lost("the worker is gone")
        try:
            pipe.write(line)
            pipe.flush()
        except OSError as error:
            raise Lost(self._how_it_ended()) from error

    def _next(self, wanted: tuple[str, ...], deadline: float) -> dict[str, Any]:
        """The next message of one of these types.

        Raises:
            Lost: if none comes in time, or the worker ends.
        """
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                waited = self.model.start_seconds if "result" not in wanted else self.model.timeout_seconds
                raise Lost(f"the worker was silent for {waited:g} s: killed") from None
            if line == b"":
                raise Lost(self._how_it_ended())
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
        with contextlib.suppress(Lost, subprocess.TimeoutExpired):
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
