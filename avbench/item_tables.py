"""Items from a table that somebody else wrote: JavisBench's CSV, av-benchmark's captions, a CSV of one's own, JSON Lines.

Which it is, the header says:

    javisbench    `text` and `cat0_ind` ... `cat4_ind`: the row's number is the item, `sample_0000` the first
    captions      `name` and `caption`, what av-benchmark's `extract_text.py` takes
    table         `id` (or `name`, `file`, `path`), and any of `prompt` (or `text`, `caption`), `category` (or `label`),
                  `seconds`, `tags` (separated by `;`); every other column becomes a field of the item

A quoted cell may hold commas and line breaks. A mistake is an error with line and column, nothing is skipped.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from avbench.errors import BadManifest
from avbench.types import Item

ASPECTS: Mapping[str, tuple[str, ...]] = {
    "Event Scenario": ("Natural", "Urban", "Living", "Industrial", "Virtual"),
    "Visual Style": ("Camera Shooting", "2D-Animate", "3D-Animate"),
    "Sound Type": ("Ambient", "Biological", "Mechanical", "Musical", "Speech"),
    "Temporal Composition": ("Single event", "Sequential events", "Simultaneous events"),
    "Spatial Composition": ("Single subject", "Multiple subjects", "Off-screen sound"),
}
"""JavisBench's aspects and classes, in the order of `cat0_ind` to `cat4_ind` and of the numbers in them."""
_MOST_BYTES = 2**30
_IDS = ("id", "name", "file", "path", "video", "relpath")
_PROMPTS = ("prompt", "text", "caption")
_CATEGORIES = ("category", "label", "class")


def read(path: Path) -> tuple[Item, ...]:
    """The items of a CSV, TSV or JSON Lines file.

    Raises:
        BadManifest: with line and column of the first thing that is wrong.
    """
    if path.suffix.lower() in (".jsonl", ".json", ".ndjson"):
        from avbench.suites import read_items

        return read_items(path)
    header, rows = _table(path)
    columns = {name: number for number, name in enumerate(header)}
    if "cat0_ind" in columns:
        return _javisbench(path, columns, rows)
    return _plain(path, columns, rows)


def write(items: Sequence[Item], path: Path) -> None:
    """Items as JSON Lines, as `avbench.suites.read_items` reads them."""
    from avbench.store import write_bytes

    lines = []
    for item in items:
        entry = {f.name: getattr(item, f.name) for f in dataclasses.fields(item)}
        lines.append(
            json.dumps({k: v for k, v in entry.items() if k == "id" or v not in ("", (), None, {})}, ensure_ascii=False)
        )
    write_bytes(path, ("\n".join(lines) + "\n").encode())


# ------------------------------------------------------------------ the three kinds


def _javisbench(path: Path, columns: Mapping[str, int], rows: Iterator[tuple[int, list[str]]]) -> tuple[Item, ...]:
    wanted = ("text", *(f"cat{n}_ind" for n in range(len(ASPECTS))))
    for name in wanted:
        if name not in columns:
            raise BadManifest(f"{path}:1: column '{name}' is missing; a list of JavisBench has {', '.join(wanted)}")
    items = []
    for number, (line, cells) in enumerate(rows):
        tags = []
        for position, (aspect, classes) in enumerate(ASPECTS.items()):
            column = f"cat{position}_ind"
            for index in _indices(cells[columns[column]], len(classes), f"{path}:{line}: column {column}"):
                tags.append(f"{aspect}: {classes[index]}")
        kept = ("path", "audio_path", "audio_text", "pred_video_path", "pred_audio_path")
        fields = {name: cells[columns[name]] for name in kept if name in columns and cells[columns[name]]}
        if not cells[columns["text"]].strip():
            raise BadManifest(f"{path}:{line}: column text is empty")
        items.append(Item(f"sample_{number:04d}", prompt=cells[columns["text"]], tags=tuple(tags), fields=fields))
    return _some(items, path)


def _indices(cell: str, count: int, where: str) -> list[int]:
    """`2`, `2.0` (what pandas makes of a column with gaps) or `0,2`."""
    found = []
    for part in cell.split(","):
        try:
            index = float(part)
        except ValueError:
            index = math.nan
        if not (index == index and 0 <= index < count and index == int(index)):
            raise BadManifest(f"{where}: expected numbers of classes, 0 to {count - 1}, separated by commas, got {cell!r:.60}")
        if int(index) in found:
            raise BadManifest(f"{where}: class {int(index)} is given twice: {cell!r:.60}")
        found.append(int(index))
    return found


def _plain(path: Path, columns: Mapping[str, int], rows: Iterator[tuple[int, list[str]]]) -> tuple[Item, ...]:
    names = next((n for n in _IDS if n in columns), None)
    if names is None:
        raise BadManifest(f"{path}:1: no column names the items; expected one of {', '.join(_IDS)}, got {', '.join(columns)}")
    prompts = next((n for n in _PROMPTS if n in columns), None)
    categories = next((n for n in _CATEGORIES if n in columns), None)
    special = {names, prompts, categories, "seconds", "tags"}
    items: list[Item] = []
    seen: dict[str, int] = {}
    for line, cells in rows:
        value = {name: cells[number] for name, number in columns.items()}
        id = unicodedata.normalize("NFC", value[names].strip())
        id = id if names in ("id", "name") else str(Path(id).with_suffix("")) if id else id
        if not id:
            raise BadManifest(f"{path}:{line}: column {names} is empty")
        if id in seen:
            raise BadManifest(f"{path}:{line}: column {names}: '{id:.80}' is already on line {seen[id]}; ids must differ")
        seen[id] = line
        items.append(
            Item(
                id,
                prompt=value[prompts] if prompts else "",
                category=value[categories] if categories else "",
                tags=tuple(t.strip() for t in value.get("tags", "").split(";") if t.strip()),
                seconds=_seconds(value.get("seconds", ""), f"{path}:{line}: column seconds"),
                fields={name: text for name, text in value.items() if name not in special and text},
            )
        )
    return _some(items, path)


def _seconds(text: str, where: str) -> float | None:
    if not text.strip():
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < 1e12:
        raise BadManifest(f"{where}: expected a positive number, got {text!r:.60}")
    return seconds


def _some(items: list[Item], path: Path) -> tuple[Item, ...]:
    if not items:
        raise BadManifest(f"{path}: there are no items")
    return tuple(items)


# ------------------------------------------------------------------ CSV


def _table(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The header, and every other row with the number of its line."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise BadManifest(f"{path}: larger than {_MOST_BYTES / 2**30:g} GiB, which no list of items is")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadManifest(f"{path}: cannot be read: {error}") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise BadManifest(f"{path}:{line}: holds a zero byte; a table is text")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    rows = _rows(path, text, delimiter)
    first = next(rows, None)
    if first is None:
        raise BadManifest(f"{path}: is empty; expected a header")
    header = [cell.strip() for cell in first[1]]
    for number, name in enumerate(header, 1):
        if name in header[: number - 1]:
            raise BadManifest(f"{path}:1: column {number}: '{name:.60}' is there twice")
    return header, _checked(path, header, rows)


def _rows(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadManifest(f"{path}:{max(begins, reader.line_num)}: not a table: {error}") from error
        if cells:
            yield begins, cells
        begins = reader.line_num + 1


def _checked(path: Path, header: list[str], rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    for line, cells in rows:
        if len(cells) != len(header):
            raise BadManifest(f"{path}:{line}: {len(cells)} cells, the header has {len(header)} columns")
        yield line, cells
