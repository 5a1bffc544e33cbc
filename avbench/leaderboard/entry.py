"""One entry: its schema, strict reading, and the text of its file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from avbench import results
from avbench.errors import BadManifest
from avbench.results import Result
from avbench.types import Better

SCHEMA = 1
MOST_BYTES = 16_000_000
"""Of an entry's JSON: 10,000 clips with reasons are 2 MB."""
_LONGEST = 2_000
"""Of a text."""
_LONGEST_NAME = 200
_NAMES = ("suite", "model", "revision", "process", "by")
REQUEST = ("verb", "model", "seed", "limit", "precision", "reference_stats")
"""What an entry keeps of a run's request; suite and metrics stand beside it, and where clips lay is their owner's affair."""
_DECIMAL = re.compile(r"-?\d{1,12}(\.\d{1,9})?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Number:
    """What a paper prints in one cell.

    Args:
        metric: As the paper has it.
        better: Which direction the paper ranks in.
        value: The printed digits; None for a cell that is lost or empty.
        note: What is to be known of it.
    """

    metric: str
    better: Better
    value: str | None
    note: str = ""


@dataclass(frozen=True)
class Source:
    """Where a reported number stands: paper, arXiv number or another place, table, and the benchmark as the paper names it."""

    paper: str
    place: str
    table: str
    benchmark: str


@dataclass(frozen=True)
class Reported:
    """A row of a paper's table.

    Args:
        suite, model, revision: What the path says.
        process: Generation process, may be empty.
        source: Of the numbers.
        row: Its number in the table, from 1.
        numbers: In the table's order.
    """

    suite: str
    model: str
    revision: str
    process: str
    source: Source
    row: int
    numbers: tuple[Number, ...]

    @property
    def origin(self) -> Literal["reported"]:
        """Who says so."""
        return "reported"


@dataclass(frozen=True)
class Rows:
    """A file of rows and which of its blocks each metric stands on."""

    file: str
    sha256: str
    blocks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """A run of avbench.

    Args:
        origin: `reproduced`: clips made and scored by the project; `submitted`: by someone else.
        suite, model, revision: What the path says.
        process: Generation process, may be empty.
        by: Who made the run.
        link: Where to read about the model, https or empty.
        note: May be empty.
        rows: Beside the entry.
        references: Of the suite's reference clips, by file name.
        result: The run.
    """

    origin: Literal["submitted", "reproduced"]
    suite: str
    model: str
    revision: str
    process: str
    by: str
    link: str
    note: str
    rows: Rows
    references: tuple[Rows, ...]
    result: Result


Entry = Reported | Measured


# ------------------------------------------------------------------ names


def slug(text: str) -> str:
    """A name of a file or folder, the same on every system; a name that loses more than spaces and case carries a hash."""
    lower = unicodedata.normalize("NFKC", text).lower()
    kept = re.sub(r"[^a-z0-9.+]+", "-", lower).strip("-.").lstrip("+")
    plain = re.sub(r"[ _/()-]+", "-", lower).strip("-.")
    if kept == plain and lower[:1].isalnum() and ".." not in kept and 0 < len(kept) <= 60:
        return kept
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:6]
    return "-".join(part for part in (re.sub(r"\.{2,}", ".", kept)[:50].strip("-."), digest) if part)


def path_of(entry: Entry) -> str:
    """Where the entry belongs, below `entries/`."""
    return f"{slug(entry.suite)}/{slug(entry.model)}/{entry.revision}.json"


def reported_revision(source: Source) -> str:
    """`jointdit-table-1`: the paper's short name and the table."""
    return slug(f"{source.paper.partition('(')[0].strip()} {source.table}")


# ------------------------------------------------------------------ text


def to_json(entry: Entry) -> str:
    """The entry's file, one way to write it."""
    table: dict[str, Any] = {"schema": SCHEMA, "origin": entry.origin}
    for f in dataclasses.fields(entry):
        value = getattr(entry, f.name)
        if f.name == "result":
            value = json.loads(results.to_json(value))
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = dataclasses.asdict(value)
        elif isinstance(value, tuple):
            value = [dataclasses.asdict(v) for v in value]
        table[f.name] = value
    return json.dumps(table, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read(path: Path) -> Entry:
    """An entry from its file, whoever wrote it.

    Raises:
        BadManifest: naming the file and what in it is not as the schema says.
    """
    if path.is_symlink() or not path.is_file():
        raise BadManifest(f"{path}: expected a file, not a link and not a folder")
    if path.stat().st_size > MOST_BYTES:
        raise BadManifest(f"{path}: {path.stat().st_size} bytes; an entry has at most {MOST_BYTES}")
    return of_text(path.read_bytes(), str(path))


def of_text(data: bytes, where: str) -> Entry:
    """An entry from the bytes of its file; raises as `read` does."""
    try:
        table = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadManifest(f"{where}: not an entry: {error}") from error
    if not isinstance(table, dict) or table.get("schema") != SCHEMA or isinstance(table["schema"], bool):
        found = table.get("schema") if isinstance(table, dict) else None
        raise BadManifest(f"{where}: schema: expected {SCHEMA}, got {found!r:.40}")
    origin = table.get("origin")
    if origin == "reported":
        return _reported(table, where)
    if origin in ("submitted", "reproduced"):
        return _measured(table, where)
    raise BadManifest(f"{where}: origin: expected reported, submitted or reproduced, got {origin!r:.60}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r:.60} is there twice")
        found[key] = value
    return found


def _no_constant(text: str) -> None:
    raise ValueError(f'{text} is no JSON; a number that does not exist is the text "NaN"')


def _keys(table: Any, wanted: set[str], where: str) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise BadManifest(f"{where}: expected an object, got {table!r:.60}")
    strange, missing = sorted(set(table) - wanted), sorted(wanted - set(table))
    if strange or missing:
        raise BadManifest(
            f"{where}: unknown keys: {', '.join(strange)[:200] or 'none'}; missing keys: {', '.join(missing) or 'none'}"
        )
    return table


def _text(value: Any, where: str, *, empty: bool, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest or not (empty or value.strip()):
        raise BadManifest(f"{where}: expected a text of at most {longest} characters, got {value!r:.60}")
    return value


def _texts(table: dict[str, Any], keys: tuple[str, ...], where: str, empty: tuple[str, ...] = ()) -> dict[str, str]:
    return {
        key: _text(table[key], f"{where}: {key}", empty=key in empty, longest=_LONGEST_NAME if key in _NAMES else _LONGEST)
        for key in keys
    }


def _reported(table: dict[str, Any], where: str) -> Reported:
    _keys(table, {"schema", "origin", "suite", "model", "revision", "process", "source", "row", "numbers"}, where)
    named = _texts(table, ("suite", "model", "revision", "process"), where, empty=("process",))
    fields = ("paper", "place", "table", "benchmark")
    source = Source(**_texts(_keys(table["source"], set(fields), f"{where}: source"), fields, f"{where}: source", ("place",)))
    if not isinstance(table["numbers"], list) or not table["numbers"]:
        raise BadManifest(f"{where}: numbers: expected a list of numbers")
    if type(table["row"]) is not int or not 0 < table["row"] < 10_000:
        raise BadManifest(f"{where}: row: expected the number of the row in the table, got {table['row']!r:.40}")
    numbers = tuple(_number(n, f"{where}: number {k}") for k, n in enumerate(table["numbers"], 1))
    return Reported(**named, source=source, row=table["row"], numbers=numbers)


def _number(table: Any, where: str) -> Number:
    _keys(table, {"metric", "better", "value", "note"}, where)
    named = _texts(table, ("metric", "note"), where, empty=("note",))
    if table["better"] not in ("lower", "higher", "none"):
        raise BadManifest(f"{where}: better: expected lower, higher or none, got {table['better']!r:.40}")
    value = table["value"]
    if value is not None and (not isinstance(value, str) or not _DECIMAL.fullmatch(value)):
        raise BadManifest(f'{where}: value: expected printed digits such as "0.123", or null, got {value!r:.40}')
    return Number(named["metric"], table["better"], value, named["note"])


def _measured(table: dict[str, Any], where: str) -> Measured:
    texts = ("suite", "model", "revision", "process", "by", "link", "note")
    _keys(table, {"schema", "origin", *texts, "rows", "references", "result"}, where)
    named = _texts(table, texts, where, empty=("process", "link", "note"))
    if named["link"] and not re.fullmatch(r"https://[A-Za-z0-9.-]+(/[A-Za-z0-9._~/%?=&#+-]*)?", named["link"]):
        raise BadManifest(f"{where}: link: expected a plain https address or nothing, got {named['link']!r:.80}")
    if not isinstance(table["references"], list):
        raise BadManifest(f"{where}: references: expected a list")
    return Measured(
        origin=table["origin"],
        **named,
        rows=_rows(table["rows"], f"{where}: rows"),
        references=tuple(_rows(r, f"{where}: references {k}") for k, r in enumerate(table["references"], 1)),
        result=results.of_table(table["result"], f"{where}: result"),
    )


def _rows(table: Any, where: str) -> Rows:
    _keys(table, {"file", "sha256", "blocks"}, where)
    named = _texts(table, ("file", "sha256"), where)
    if not _SHA256.fullmatch(named["sha256"]):
        raise BadManifest(f"{where}: sha256: expected 64 hexadecimal digits, got {named['sha256']!r:.80}")
    blocks = table["blocks"]
    if not isinstance(blocks, dict) or not all(isinstance(v, str) for v in blocks.values()):
        raise BadManifest(f"{where}: blocks: expected the name of a block for each metric")
    return Rows(**named, blocks=blocks)
