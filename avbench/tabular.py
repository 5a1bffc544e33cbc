"""Text files with one thing a line that somebody else wrote: CSV, TSV, JSON Lines, plain lists.

Everything is text of untrusted origin. What does not follow the format is an error that names file, line and column, counted
from 1; nothing is skipped or guessed. A quoted cell may hold delimiters, line breaks and doubled quotes (RFC 4180); a quote
inside a cell that does not begin with one is an ordinary character, as spreadsheets read it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avbench.errors import BadManifest
from avbench.folders import shown

MOST_BYTES = 2**30
"""Larger is no list of clips."""
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Args:
        line: Where it begins, from 1.
        cells: Text by column name.
        columns: Where each cell begins in its line, by column name.
        file: Of the table, as errors name it.
    """

    line: int
    cells: Mapping[str, str]
    columns: Mapping[str, int]
    file: str

    def where(self, column: str) -> str:
        """Of a cell, as errors begin."""
        return f"{self.file}:{self.line}:{self.columns[column]}: column '{column}'"


def text_of(path: Path) -> str:
    """The text of a file, UTF-8 with or without a byte order mark.

    Raises:
        BadManifest: if it cannot be read, is no UTF-8, holds a zero byte, or is larger than `MOST_BYTES`.
    """
    file = shown(str(path))
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise BadManifest(f"{file}: has {size:,} bytes, more than {MOST_BYTES:,}; this is no list")
        raw = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path itself
        raise BadManifest(f"{file}: cannot be read: {error}; give a text file") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadManifest(f"{file}:{_place_of_byte(raw, error.start)}: not UTF-8; save it as UTF-8") from error
    if "\0" in text:
        raise BadManifest(f"{file}:{_place(text, text.index(chr(0)))}: a zero byte, which no text has")
    return text


def table(
    path: Path, required: Sequence[str] = (), *, header: Sequence[str] = (), delimiter: str | None = None
) -> Iterator[Row]:
    """Rows of a CSV or TSV file; empty lines are none.

    Args:
        path: The file.
        required: Columns that have to be there; others may be.
        header: Names of the columns of a file that has no header line.
        delimiter: Between cells; None for a tab in `.tsv` and a comma in all else.

    Raises:
        BadManifest: for a header without a required column or with one twice, a row with more or fewer cells than the header, a
            quote that does not end or does not end its cell, and as in `text_of`.
    """
    file = shown(str(path))
    mark = delimiter or ("\t" if path.suffix.lower() == ".tsv" else ",")
    names = [*header]
    for line, cells in _split(text_of(path), mark, file):
        if not names:
            names = [text.strip() for _, text in cells]
            for number, name in enumerate(names):
                if name in names[:number]:
                    raise BadManifest(f"{file}:{line}:{cells[number][0]}: column '{name:.60}' is there twice")
            for name in required:
                if name not in names:
                    raise BadManifest(f"{file}:{line}:1: column '{name}' is missing; there are {', '.join(names)[:200]}")
            continue
        if len(cells) != len(names):
            at = cells[len(names)][0] if len(cells) > len(names) else cells[-1][0] + len(cells[-1][1])
            raise BadManifest(f"{file}:{line}:{at}: {len(cells)} cells, expected {len(names)}: {', '.join(names)[:200]}")
        yield Row(
            line,
            {name: text for name, (_, text) in zip(names, cells, strict=True)},
            {name: at for name, (at, _) in zip(names, cells, strict=True)},
            file,
        )
    if not names:
        raise BadManifest(f"{file}:1:1: is empty; expected a header{f' with {chr(44).join(required)}' if required else ''}")


def objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and object of each line of a JSON Lines file; empty lines are none.

    Raises:
        BadManifest: for a line that is no JSON object, and as in `text_of`.
    """
    file = shown(str(path))
    for line, text in enumerate(text_of(path).split("\n"), 1):
        if text.strip():
            yield line, json_object(text, f"{file}:{line}")


def json_object(text: str, where: str) -> dict[str, Any]:
    """One JSON object.

    Raises:
        BadManifest: for anything else; `where` and the column begin the message.
    """
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"{where}:{error.colno}" if error.lineno == 1 else f"{where} at {error.lineno}:{error.colno}"
        raise BadManifest(f"{place}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits, or brackets without end
        raise BadManifest(f"{where}:1: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise BadManifest(f"{where}:1: expected an object, got {type(found).__name__}")
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise BadManifest(f"{where}:1: half of a surrogate pair, which is no text: {ascii(error.object)[:80]}") from error
    except RecursionError as error:
        raise BadManifest(f"{where}:1: nested too deeply") from error
    return found


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not empty, without spaces around it; raises as `text_of` does."""
    for number, text in enumerate(text_of(path).split("\n"), 1):
        if text.strip():
            yield number, text.strip()


# ------------------------------------------------------------------ places and cells


def _place(text: str, at: int) -> str:
    begins = text.rfind("\n", 0, at) + 1
    return f"{text.count(chr(10), 0, at) + 1}:{at - begins + 1}"


def _place_of_byte(raw: bytes, at: int) -> str:
    begins = raw.rfind(b"\n", 0, at) + 1
    return f"{raw.count(10, 0, at) + 1}:{len(raw[begins:at].decode('utf-8', 'replace')) + 1}"


def _split(text: str, mark: str, file: str) -> Iterator[tuple[int, list[tuple[int, str]]]]:
    """Each row's first line, and its cells with the column where they begin."""
    rows = text.split("\n")
    number = 0
    while number < len(rows):
        first = number
        row = rows[number].removesuffix("\r")
        number += 1
        if not row.strip():
            continue
        if '"' not in row:
            cells, at = [], 1
            for part in row.split(mark):
                cells.append((at, part))
                at += len(part) + 1
            yield first + 1, cells
            continue
        cells, at = [], 0
        while True:
            if row[at : at + 1] != '"':
                end = row.find(mark, at)
                end = len(row) if end < 0 else end
                cells.append((at + 1, row[at:end]))
            else:
                opened, line = at + 1, number
                parts: list[str] = []
                at += 1
                while True:
                    end = row.find('"', at)
                    if end >= 0:
                        parts.append(row[at:end])
                        if row[end + 1 : end + 2] != '"':
                            break
                        parts.append('"')
                        at = end + 2
                        continue
                    if number >= len(rows):
                        raise BadManifest(f"{file}:{line}:{opened}: a quote that does not end")
                    parts += [row[at:], "\n"]
                    row = rows[number].removesuffix("\r")
                    number, at = number + 1, 0
                cells.append((opened, "".join(parts)))
                end += 1
                if end < len(row) and row[end] != mark:
                    raise BadManifest(f"{file}:{number}:{end + 1}: {row[end]!r} after a quoted cell; expected {mark!r}")
            if end >= len(row):
                break
            at = end + 1
        yield first + 1, cells
