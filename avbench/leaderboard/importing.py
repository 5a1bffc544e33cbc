"""Reported entries from a list of published numbers."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path
from typing import cast

from avbench.errors import BadManifest
from avbench.leaderboard import entry
from avbench.leaderboard.entry import Number, Reported, Source
from avbench.types import Better

COLUMNS = ("paper", "arxiv", "table", "benchmark", "method", "process", "metric", "direction", "value", "note")
_DIRECTIONS = {"lower": "lower", "higher": "higher", "context": "none", "none": "none"}
_SUITES = (
    (r"avsync15", "avsync15"),
    (r"(the)?greatest ?hits", "greatesthits"),
    (r"landscapes?\b", "landscape"),
    (r"javisbench-mini", "javisbench-mini"),
    (r"javisbench", "javisbench"),
    (r"verse-bench", "verse-bench"),
    (r"aist\+\+", "aist++"),
)
"""Papers name a suite in many ways; which subset or resolution a table is about stays with the table."""


def read(path: Path) -> list[Reported]:
    """Entries of a CSV with the columns `COLUMNS`, one line per number: one entry for each row of a table.

    Raises:
        BadManifest: naming the line that is not as it should be, or is there twice.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise BadManifest(f"{path}: expected the columns {', '.join(COLUMNS)}")
            lines = [(reader.line_num, line) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadManifest(f"{path}: {error}") from error
    rows: dict[tuple[Source, str, str], list[Number]] = {}
    for number, line in lines:
        where = f"{path}: line {number}"
        if None in line or any(v is None for v in line.values()):
            raise BadManifest(f"{where}: expected {len(COLUMNS)} values")
        text = {k: v.strip() for k, v in line.items()}
        if text["direction"] not in _DIRECTIONS:
            raise BadManifest(f"{where}: direction: expected {', '.join(_DIRECTIONS)}, got '{text['direction']}'")
        if not all(text[k] for k in ("paper", "table", "benchmark", "method", "metric")):
            raise BadManifest(f"{where}: paper, table, benchmark, method and metric must be there")
        place = re.sub(r"^none \((.*)\)$", r"\1", text["arxiv"])
        source = Source(text["paper"], place, text["table"], text["benchmark"])
        better = cast(Better, _DIRECTIONS[text["direction"]])
        held = rows.setdefault((source, text["method"], text["process"]), [])
        if any(n.metric == text["metric"] for n in held):
            raise BadManifest(f"{where}: {text['metric']} of '{text['method']}' is there twice in {text['table']}")
        held.append(Number(text["metric"], better, text["value"] or None, text["note"]))
    return _entries(rows)


def _entries(rows: dict[tuple[Source, str, str], list[Number]]) -> list[Reported]:
    made: dict[str, Reported] = {}
    counts: dict[Source, int] = {}
    for (source, method, process), numbers in rows.items():
        row = counts[source] = counts.get(source, 0) + 1
        revision = entry.reported_revision(source)
        named = Reported(suite_of(source.benchmark), method, revision, process, source, row, tuple(numbers))
        if (there := made.get(entry.path_of(named))) is not None:  # a model twice in a table, or two tables under one heading
            other = entry.slug(process if there.source == source else source.benchmark)
            named = replace(named, revision=f"{revision}-{other}")
        if entry.path_of(named) in made:
            raise BadManifest(f"'{method}' stands twice in {source.table} of {source.paper} with the process '{process}'")
        entry.of_text(entry.to_json(named).encode(), f"{method} in {source.table}")
        made[entry.path_of(named)] = named
    return list(made.values())


def suite_of(benchmark: str) -> str:
    """The suite that a paper's benchmark is about."""
    for pattern, name in _SUITES:
        if re.match(pattern, benchmark, re.IGNORECASE):
            return name
    return entry.slug(re.split(r"[(,]", benchmark)[0].strip())
