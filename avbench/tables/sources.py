"""Rows of a table: from runs, and from numbers that papers report."""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avbench import registry, results
from avbench.errors import BadManifest, BadParameter, UnknownName
from avbench.results import Result
from avbench.tables.kinship import kinship
from avbench.tables.model import Cell, Column, Kin, Origin, Row

FOLDER = Path(__file__).parent / "reported"
_SOURCE_KEYS = {"paper", "table", "benchmark", "columns", "arxiv", "venue", "read_from", "page"}
_ROW_KEYS = {"model", "group", "values", "notes", "note"}


# ------------------------------------------------------------------ runs


def digest(result: Result) -> str:
    """Hash of everything that a result says; the same for equal results wherever they lie."""
    return hashlib.sha256(results.to_json(result).encode(errors="surrogatepass")).hexdigest()[:12]


def run_name(result: Result) -> str:
    """The model's name, or that of the folder whose clips were scored."""
    clips = str(result.request.get("clips") or "")
    return (
        registry.shown(result.model) or Path(clips).name or (result.folder.resolve().name if result.folder else "") or "clips"
    )


def of_run(result: Result, columns: Sequence[Column], *, name: str = "", group: str = "", origin: Origin = "") -> Row:
    """A run as a row of these columns."""
    scores = {s.metric: s for s in result.metrics}
    run = digest(result)
    cells = {}
    for column in columns:
        label = _filling(column, scores)
        if label is None or column.suite not in ("", result.suite.get("name", "")):
            continue
        score = scores[label]
        numbers = {k: getattr(score, k) * column.scale for k in ("value", "low", "high")}
        note = "" if label in column.metrics else f"measured as {label}"
        if not math.isfinite(score.value):
            note = f"no number: {score.n_scored} of {score.n_items} clips scored, interval {score.interval}"
        cells[column.key] = Cell(
            **numbers,
            n=score.n_scored,
            of=score.n_items,
            kin=kinship(result, score),
            signature=score.signature,
            run=run,
            note=note,
        )
    return Row(name or run_name(result), cells, group, origin)


def _filling(column: Column, labels: Iterable[str]) -> str | None:
    """What fills a column: one of its metrics, or else another variant of one, which the cell then says."""
    held = list(labels)
    names = [label.split("[")[0] for label in column.metrics]
    exact = (label for label in column.metrics if label in held)
    return next(exact, next((label for name in names for label in held if label.split("[")[0] == name), None))


def merged(rows: Sequence[Row]) -> list[Row]:
    """Rows of one model whose columns do not overlap become one row: a model's runs over several suites."""
    out: list[Row] = []
    for row in rows:
        for place, other in enumerate(out):
            same = (other.name, other.group, other.origin) == (row.name, row.group, row.origin)
            if same and not set(other.cells) & set(row.cells):
                out[place] = Row(row.name, {**other.cells, **row.cells}, row.group, row.origin)
                break
        else:
            out.append(row)
    return out


# ------------------------------------------------------------------ published numbers


@dataclass(frozen=True)
class Reported:
    """A table that a paper published.

    Args:
        name: Of its file.
        source: Paper and table, as it is cited.
        columns: The column set that it belongs to.
        rows: With values by the columns' keys, in the paper's scale.
    """

    name: str
    source: str
    columns: str
    rows: tuple[Row, ...]


def reported_names() -> list[str]:
    """Every published table that comes with avbench."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def reported(name: str) -> Reported:
    """A published table by its name, or from a file of the same schema.

    Raises:
        UnknownName: with the nearest name.
        BadManifest: if the file does not follow its schema.
    """
    path = FOLDER / f"{name}.toml" if name in reported_names() else Path(name)
    if path.suffix != ".toml" or not path.is_file():
        raise UnknownName("published table or TOML file", name, reported_names())
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadManifest(f"{path}: not a table of published numbers: {error}") from error
    source = table.get("source")
    if not isinstance(source, dict) or not isinstance(table.get("rows"), list) or not set(table) <= {"source", "rows"}:
        raise BadManifest(f"{path}: expected [source] and [[rows]], got {', '.join(table) or 'nothing'}")
    _check_texts(source, _SOURCE_KEYS, ("paper", "table"), f"{path}: [source]")
    cited = ", ".join(source[k] for k in ("paper", "venue", "table") if source.get(k))
    rows = tuple(_published(entry, number, cited, path) for number, entry in enumerate(table["rows"], start=1))
    return Reported(path.stem, cited, str(source.get("columns", "")), rows)


def _published(entry: Any, number: int, cited: str, path: Path) -> Row:
    where = f"{path}: row {number}"
    if not isinstance(entry, dict):
        raise BadManifest(f"{where}: expected a table, got {entry!r:.60}")
    values, notes = entry.get("values"), entry.get("notes", {})
    _check_texts({k: v for k, v in entry.items() if k not in ("values", "notes")}, _ROW_KEYS, ("model",), where)
    if not isinstance(values, dict) or not all(type(v) in (int, float) and math.isfinite(v) for v in values.values()):
        raise BadManifest(f"{where}: 'values' must hold finite numbers by column; leave out what was not published")
    if not isinstance(notes, dict) or not all(isinstance(v, str) for v in notes.values()) or not set(notes) <= {*values}:
        raise BadManifest(f"{where}: 'notes' must hold texts for columns that are in 'values'")
    kin: Kin = (("published in", cited),)
    made = {k: Cell(float(v), kin=kin, signature=cited, note=notes.get(k, "")) for k, v in values.items()}
    return Row(entry["model"], made, entry.get("group", ""), "reported")


def _check_texts(table: dict[str, Any], allowed: set[str], needed: Sequence[str], where: str) -> None:
    strange = [k for k, v in table.items() if k not in allowed or not isinstance(v, str)]
    missing = [k for k in needed if not table.get(k)]
    if strange or missing:
        raise BadManifest(
            f"{where}: expected texts {', '.join(sorted(allowed))} with {' and '.join(needed)}; "
            f"wrong: {', '.join(strange) or 'nothing'}, missing: {', '.join(missing) or 'nothing'}"
        )


def fitting(published: Reported, columns: Sequence[Column]) -> list[Row]:
    """Its rows, if these are its columns.

    Raises:
        BadParameter: if no column of the table is one of its.
    """
    keys = {c.key for c in columns}
    rows = [Row(r.name, {k: c for k, c in r.cells.items() if k in keys}, r.group, r.origin) for r in published.rows]
    if not any(row.cells for row in rows):
        known = ", ".join(dict.fromkeys(k for r in published.rows for k in r.cells))
        raise BadParameter(
            f"'{published.name}' has numbers for {known}, and none of them is a column of this table; "
            f"give --columns {published.columns or 'with its columns'}"
        )
    return rows
