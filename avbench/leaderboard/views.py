"""What the site shows, before it is HTML: tables, rank groups, categories."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from avbench import compare_statistics as tests
from avbench import registry, suites
from avbench.compare_rows import is_of_set
from avbench.errors import AvbenchError
from avbench.leaderboard.board import Blocks, Board
from avbench.leaderboard.entry import Entry, Measured, Reported, Source
from avbench.tables import build
from avbench.tables.columns import chosen, is_signal_check
from avbench.tables.model import Cell, Column, Kin, Row, Table, number_text
from avbench.tables.sources import of_run
from avbench.types import Metric, Suite

ALPHA = 0.05
PERMUTATIONS = 1_999
"""Draws of each test: 36 pairs of nine models can still be told apart after Holm's correction."""


@dataclass(frozen=True)
class Section:
    """One table of a suite's page.

    Args:
        title: Over it.
        table: With marks and notes.
        places: Of each row's entry.
        entries: The same entries.
        ranks: First and last place of the cell's rank group, by number of the row and key of the column.
        source: Of a published table.
        remarks: What a published table's notes say of every number.
    """

    title: str
    table: Table
    places: tuple[str, ...]
    entries: tuple[Entry, ...]
    ranks: Mapping[tuple[int, str], tuple[int, int]] = field(default_factory=dict)
    source: Source | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Category:
    """Means of one metric by category.

    Args:
        metric: Its label.
        means: Mean and number of clips, by place of the entry and category.
    """

    metric: str
    means: Mapping[tuple[str, str], tuple[float, int]]


@dataclass(frozen=True)
class Page:
    """One suite.

    Args:
        suite: Its name.
        about: The suite, where it comes with avbench.
        sections: Measured ones first.
        categories: Of the measured ones.
        measured: The runs by their place.
    """

    suite: str
    about: Suite | None
    sections: tuple[Section, ...]
    categories: tuple[Category, ...]
    measured: Mapping[str, Measured]


def pages(board: Board) -> list[Page]:
    """Every suite of the leaderboard, those with runs first.

    Raises:
        AvbenchError: if an entry or its rows cannot be read.
    """
    by_suite: dict[str, dict[str, Entry]] = {}
    for place, made in board.read_all().items():
        by_suite.setdefault(made.suite, {})[place] = made
    made_pages = [_page(board, suite, entries) for suite, entries in sorted(by_suite.items())]
    return sorted(made_pages, key=lambda page: (not page.measured, page.suite))


def _page(board: Board, suite: str, entries: Mapping[str, Entry]) -> Page:
    measured = {place: e for place, e in entries.items() if isinstance(e, Measured)}
    reported = {place: e for place, e in entries.items() if isinstance(e, Reported)}
    known = suite in suites.names()
    # Without measured entries nothing of the items is shown, and they may not be on this machine.
    about = (suites.load(suite) if measured else suites.described(suite)) if known else None
    rows = {place: board.rows(e) for place, e in measured.items()}
    return Page(
        suite,
        about,
        (*_of_runs(measured, rows), *_of_papers(reported)),
        _categories(measured, rows, about),
        measured,
    )


# ------------------------------------------------------------------ runs


def _of_runs(measured: Mapping[str, Measured], rows: Mapping[str, Blocks]) -> list[Section]:
    if not measured:
        return []
    order = sorted(measured, key=lambda place: (measured[place].model.lower(), place))
    runs = [measured[place] for place in order]
    labels = list(dict.fromkeys(s.metric for e in runs for s in e.result.metrics))
    out = []
    for title, wanted in (
        ("Measured with avbench", [label for label in labels if not is_signal_check(label)]),
        ("Signal checks", [label for label in labels if is_signal_check(label)]),
    ):
        if not wanted:
            continue
        _, columns = chosen(", ".join(wanted), [e.result for e in runs])
        made = [of_run(e.result, columns, name=registry.shown(e.model), origin=e.origin) for e in runs]
        table = build(columns, made, title=f"{runs[0].suite}: {title}", intervals=True)
        ranks = {}
        for column in table.columns:
            ranks.update(
                _ranks(table, column, [_rows_of(e, rows[place], column.key) for place, e in zip(order, runs, strict=True)])
            )
        out.append(Section(title, table, tuple(order), tuple(runs), ranks))
    return out


def _rows_of(made: Measured, rows: Blocks, label: str) -> Mapping[str, tests.Float64s]:
    return rows.get(made.rows.blocks.get(label, ""), {})


def _ranks(
    table: Table, column: Column, rows: Sequence[Mapping[str, tests.Float64s]]
) -> dict[tuple[int, str], tuple[int, int]]:
    """Rank groups of a column's comparable cells; the group of a number tells from where to where its place may be."""
    if column.better == "none":
        return {}
    sets: dict[Kin, dict[str, Cell]] = {}
    for number in range(len(table.rows)):
        cell = table.cell(number, column)
        if cell is not None:
            sets.setdefault(cell.kin, {})[str(number)] = cell
    if not sets or len(cells := max(sets.values(), key=len)) < 2:
        return {}
    order = sorted(cells, key=lambda r: (cells[r].value * (-1 if column.better == "higher" else 1), int(r)))
    pairs = [(a, b) for k, a in enumerate(order) for b in order[k + 1 :]]
    p = _told_apart(column, cells, pairs, rows)
    groups = tests.rank_groups(order, p, ALPHA)
    out, first = {}, 1
    for group in groups:
        for name in group:
            out[int(name), column.key] = (first, first + len(group) - 1)
        first += len(group)
    return out


def _told_apart(
    column: Column, cells: Mapping[str, Cell], pairs: Sequence[tuple[str, str]], rows: Sequence[Mapping[str, tests.Float64s]]
) -> dict[frozenset[str], float]:
    """p-values of pairs: of paired clips after Holm's correction; of sets 0 if the intervals are apart and 1 if not."""
    metric = registry.metric_class(column.key.split("[")[0])
    digits = column.digits or 0
    if metric.needs_all or metric.score is not Metric.score:
        found = [0.0 if _apart(cells[a], cells[b]) else 1.0 for a, b in pairs]
    else:
        found = tests.holm([_p(rows[int(a)], rows[int(b)]) for a, b in pairs])
    same = [number_text(cells[a].value, digits) == number_text(cells[b].value, digits) for a, b in pairs]
    return {frozenset(pair): 1.0 if s else p for pair, p, s in zip(pairs, found, same, strict=True)}


def _apart(a: Cell, b: Cell) -> bool:
    return a.high < b.low or b.high < a.low


def _p(a: Mapping[str, tests.Float64s], b: Mapping[str, tests.Float64s]) -> float:
    paired = np.array([a[clip][0, 0] - b[clip][0, 0] for clip in a if clip in b])
    return tests.sign_flip(paired, permutations=PERMUTATIONS) if len(paired) > 1 else 1.0


# ------------------------------------------------------------------ papers


def _of_papers(reported: Mapping[str, Reported]) -> list[Section]:
    by_source: dict[Source, list[str]] = {}
    for place, made in reported.items():
        by_source.setdefault(made.source, []).append(place)
    out = []
    for source in sorted(by_source, key=lambda s: (s.paper.lower(), s.table, s.benchmark)):
        order = sorted(by_source[source], key=lambda place: (reported[place].row, place))
        rows = [reported[place] for place in order]
        common = _common(rows)
        table = _published(source, rows, common)
        title = f"{source.paper}, {source.table}"
        out.append(Section(title, table, tuple(order), tuple(rows), {}, source, common))
    return out


def _common(rows: Sequence[Reported]) -> tuple[str, ...]:
    """What is said of every number that is there; parts of a note stand between semicolons."""
    notes = [n.note.split("; ") for e in rows for n in e.numbers if n.value is not None]
    return tuple(part for part in notes[0] if part and all(part in other for other in notes)) if len(notes) > 1 else ()


def said_of(made: Reported, common: Sequence[str]) -> tuple[str, ...]:
    """What is said of every number of one row, beyond what the table says of all."""
    return tuple(part for part in _common([made]) if part not in common)


def _own(note: str, common: Sequence[str]) -> str:
    return "; ".join(part for part in note.split("; ") if part not in common)


def _published(source: Source, rows: Sequence[Reported], common: Sequence[str]) -> Table:
    cited = f"{source.paper}, {source.table}, {source.benchmark}"
    keys = list(dict.fromkeys((n.metric, n.better) for e in rows for n in e.numbers))
    columns = []
    for metric, better in keys:
        printed = [n.value for e in rows for n in e.numbers if (n.metric, n.better) == (metric, better) and n.value is not None]
        digits = max((len(text.partition(".")[2]) for text in printed), default=0)
        columns.append(Column(f"{metric} {better}", metric, better, digits=digits))
    kin: Kin = (("published in", cited),)
    of_rows = [(e, (*common, *said_of(e, common))) for e in rows]
    made = [
        Row(
            e.model,
            {
                f"{n.metric} {n.better}": Cell(float(n.value or "nan"), kin=kin, signature=cited, note=_own(n.note, said))
                for n in e.numbers
            },
            origin="reported",
        )
        for e, said in of_rows
    ]
    return build(columns, made, title=cited)


# ------------------------------------------------------------------ categories


def _categories(measured: Mapping[str, Measured], rows: Mapping[str, Blocks], suite: Suite | None) -> tuple[Category, ...]:
    """Metrics that are means of clips, by the suite's categories; a set of ten clips says nothing of a distance."""
    if suite is None or not any(item.category for item in suite.items):
        return ()
    clips: dict[str, list[str]] = {}
    for item in suite.items:
        clips.setdefault(item.category, []).append(item.id)
    labels = list(dict.fromkeys(s.metric for e in measured.values() for s in e.result.metrics))
    out = []
    for label in labels:
        try:
            metric = registry.metric(label.split("[")[0], **_parameters(label, measured))
        except AvbenchError:
            continue
        if is_of_set(metric) or metric.always:
            continue
        means = {}
        for place, made in measured.items():
            block = _rows_of(made, rows[place], label)
            for category, ids in clips.items():
                values = [float(block[clip][0, 0]) for clip in ids if clip in block]
                if values:
                    means[place, category] = (math.fsum(values) / len(values), len(values))
        out.append(Category(label, means))
    return tuple(out)


def _parameters(label: str, measured: Mapping[str, Measured]) -> dict[str, object]:
    return dict(next(s.parameters for e in measured.values() for s in e.result.metrics if s.metric == label))
