"""The command line, killed at a named point: `python faults.py <point>:<count> <arguments>`.

The process kills itself with SIGKILL when the point is reached for the count-th time. Points:

    rename-before, rename-after   a written file takes its name
    half-written                  half of a file's bytes are in the file
    unsynced                      a file is written and not yet flushed
    encoding                      a clip has its pictures and no sound yet
    clip-before, clip-after       a generated clip is noted in the ledger
    feature-before, feature-after a feature is noted in the ledger
    row                           the rows of a clip are made
"""

from __future__ import annotations

import os
import pathlib
import signal
import sys
from collections.abc import Callable
from typing import Any

POINTS = (
    "rename-before",
    "rename-after",
    "half-written",
    "unsynced",
    "encoding",
    "clip-before",
    "clip-after",
    "feature-before",
    "feature-after",
    "row",
)


def _arm(point: str, count: int) -> None:
    from avbench import encode, rows, store

    left = [count]

    def reached() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(owner: Any, name: str, when: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def wrapped(*given: Any, **named: Any) -> Any:
            if when == "before":
                reached()
            out = real(*given, **named)
            if when == "after":
                reached()
            return out

        setattr(owner, name, wrapped)

    if point.startswith("rename"):
        around(pathlib.Path, "replace", point.split("-")[1])
    elif point == "half-written":
        _halve(left, reached)
    elif point == "unsynced":
        around(os, "fsync", "before")
    elif point == "encoding":
        around(encode, "_encode_audio", "before")
    elif point.startswith("clip"):
        around(store.Ledger, "made", point.split("-")[1])
    elif point.startswith("feature"):
        around(store.Ledger, "ended", point.split("-")[1])
    elif point == "row":
        around(rows.Table, "add", "after")
    else:
        raise SystemExit(f"no point {point}")


def _halve(left: list[int], reached: Callable[[], None]) -> None:
    """Every way in which Python code writes a whole file stops in the middle of the count-th file."""

    def write_half(self: pathlib.Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            reached()
            return file.write(data[len(data) // 2 :])

    def write_half_text(self: pathlib.Path, data: str, **_: Any) -> int:
        return write_half(self, data.encode())

    real = os.fdopen

    def opened(handle: int, mode: str = "r", *given: Any, **named: Any) -> Any:
        file = real(handle, mode, *given, **named)
        return _Halved(file, reached) if "w" in mode else file

    pathlib.Path.write_bytes = write_half  # type: ignore[assignment, method-assign]
    pathlib.Path.write_text = write_half_text  # type: ignore[assignment, method-assign]
    os.fdopen = opened  # type: ignore[assignment]


class _Halved:
    def __init__(self, file: Any, reached: Callable[[], None]) -> None:
        self._file, self._reached = file, reached

    def __enter__(self) -> _Halved:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, data: bytes) -> int:
        self._file.write(data[: len(data) // 2])
        self._file.flush()
        self._reached()
        return int(self._file.write(data[len(data) // 2 :]))


if __name__ == "__main__":
    _name, _count = sys.argv.pop(1).split(":")
    _arm(_name, int(_count))
    from avbench.cli import main

    main()
