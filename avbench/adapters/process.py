"""A model in another environment: a program that speaks `avbench-worker/1` over its standard input and output.

`baselines/README.md` documents the protocol, `baselines/avbench_worker.py` is its other side. What can go wrong with a program
goes wrong with one item here: it is killed with all its children, started again, and the item fails. Whether a clip is any
good, and whether to try again or give up, is the run's business.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, ClassVar

from avbench import content, requests
from avbench.adapters.config import Described
from avbench.adapters.places import filled
from avbench.adapters.program import Outcome, Program
from avbench.errors import BadCondition, BadManifest, MissingData
from avbench.types import Clip, ClipFile, Item, NoClip, Suite


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
        done: queue.Queue[tuple[_Hand, Outcome]] = queue.Queue()
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


class _Hand:
    """One worker process and the thread that talks to it."""

    def __init__(self, model: Worker, number: int, folder: Path, done: queue.Queue[tuple[_Hand, Outcome]]) -> None:
        self.inbox: queue.Queue[tuple[Item, dict[str, Any]] | None] = queue.Queue()
        self.program = Program(model, number, folder)
        self.done = done
        self.thread = threading.Thread(target=self._work, daemon=True, name=f"{model.name}-{number}")
        self.thread.start()

    def _work(self) -> None:
        while (task := self.inbox.get()) is not None:
            try:
                outcome: Outcome = self.program.ask(*task)
            except BaseException as error:  # noqa: BLE001  it is raised in the run's own thread
                outcome = error
            self.done.put((self, outcome))
        self.program.end()
