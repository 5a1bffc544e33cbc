"""Writing the site, and saying where it is not what the entries make."""

from __future__ import annotations

from pathlib import Path

from avbench.errors import BadFolder
from avbench.leaderboard.board import Board
from avbench.leaderboard.pages import files
from avbench.store import write_bytes

_MARK = "data/leaderboard.json"
"""A folder that holds it is a site, and its other files may be taken away."""


def write(board: Board, folder: Path) -> list[str]:
    """Write the site; files of an earlier one that are no longer made are taken away.

    Raises:
        BadFolder: if the folder holds something else than a site.
    """
    made = files(board)
    there = _there(folder)
    if there and _MARK not in there:
        raise BadFolder(f"{folder}: holds files and no {_MARK}, so it is no site; give --out with another folder")
    for name, text in made.items():
        write_bytes(folder / name, text.encode("utf-8", "backslashreplace"))
    for name in sorted(there - set(made)):
        (folder / name).unlink()
    return list(made)


def differences(board: Board, folder: Path) -> list[str]:
    """In words, each file that is missing, too many, or of other bytes, with the first line that differs."""
    made = {name: text.encode("utf-8", "backslashreplace") for name, text in files(board).items()}
    there = _there(folder)
    out = []
    for name in sorted({*made, *there}):
        if name not in there:
            out.append(f"{folder / name}: is not there")
        elif name not in made:
            out.append(f"{folder / name}: no entry makes it")
        elif (found := (folder / name).read_bytes()) != made[name]:
            out.append(f"{folder / name}: {_first(made[name], found)}")
    return out


def _there(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() or p.is_symlink()}


def _first(wanted: bytes, found: bytes) -> str:
    """The first line that differs, from where it does."""
    a, b = wanted.split(b"\n"), found.split(b"\n")
    line = next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    x, y = (lines[line] if line < len(lines) else b"(end)" for lines in (a, b))
    at = next((k for k, (p, q) in enumerate(zip(x, y, strict=False)) if p != q), min(len(x), len(y)))
    start = max(0, at - 20)
    show = [text[start : at + 40].decode("utf-8", "replace") for text in (x, y)]
    return f"line {line + 1}: the entries make {show[0]!r}, the file has {show[1]!r}"
