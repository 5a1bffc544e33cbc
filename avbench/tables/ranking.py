"""Which cells of a column may be ranked together, and which of them are best and second.

Measured cells are kin if suite, clip ids, number of clips, reference clips, weights, versions and every setting agree
(`kinship`); published ones if they stand in one table of one paper. The largest set of kin among the measured cells is
ranked, and every set of published cells is ranked in itself; a cell outside says why it is not ranked. Numbers are ranked as
they are shown: two cells that show the same number share the mark, and second is the next number that is shown, however many
cells share the best.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from avbench.tables.kinship import differences
from avbench.tables.model import Cell, Column, Kin, Mark, Row, Table, count_text, number_text


def build(columns: Sequence[Column], rows: Iterable[Row], *, title: str = "", intervals: bool = False) -> Table:
    """A table with its marks and notes.

    Args:
        columns: In order.
        rows: Those of one group are brought together, in order of their first.
        title: A line above it.
        intervals: Show intervals.
    """
    given = list(rows)
    order = list(dict.fromkeys(row.group for row in given))
    ordered = tuple(row for group in order for row in given if row.group == group)
    settled = tuple(_with_digits(column, ordered) for column in columns)
    marks: dict[tuple[int, str], Mark] = {}
    notes: dict[str, int] = {}
    refers: dict[tuple[int, str], tuple[int, ...]] = {}

    def note(row: int, column: Column, text: str) -> None:
        number = notes.setdefault(text, len(notes))
        refers[row, column.key] = (*refers.get((row, column.key), ()), number)

    for column in settled:
        cells = {r: row.cells[column.key] for r, row in enumerate(ordered) if column.key in row.cells}
        numbers = {r: cell for r, cell in cells.items() if math.isfinite(cell.value)}
        ranked = _ranked(numbers, ordered)
        for members in ranked:
            marks.update({(r, column.key): mark for r, mark in _marks(column, members).items()})
        among = {r for members in ranked for r in members}
        measured = next((m for m in ranked if ordered[min(m)].origin != "reported"), {})
        for r, cell in cells.items():
            if r in numbers and r not in among and measured and column.better != "none":
                note(r, column, f"not ranked: {'; '.join(differences(measured[min(measured)].kin, cell.kin))}")
            if cell.note:
                note(r, column, cell.note)
    remarks = _remarks(settled, ordered)
    return Table(title, settled, ordered, marks, tuple(notes), refers, remarks, intervals)


def _ranked(cells: dict[int, Cell], rows: Sequence[Row]) -> list[dict[int, Cell]]:
    """Sets of cells that are ranked, each in itself."""
    sets: dict[tuple[bool, Kin], dict[int, Cell]] = {}
    for r, cell in cells.items():
        sets.setdefault((rows[r].origin == "reported", cell.kin), {})[r] = cell
    reported = [members for (is_reported, _), members in sets.items() if is_reported]
    measured = [members for (is_reported, _), members in sets.items() if not is_reported]
    return reported + ([max(measured, key=len)] if measured else [])


def _marks(column: Column, cells: dict[int, Cell]) -> dict[int, Mark]:
    """Best and second; none where nothing is better or all show the same."""
    shown = {r: float(number_text(cell.value, column.digits or 0)) for r, cell in cells.items()}
    levels = sorted(set(shown.values()), reverse=column.better == "higher")
    if column.better == "none" or len(levels) < 2:
        return {}
    places: dict[float, Mark] = {levels[0]: "best", levels[1]: "second"}
    return {r: places[value] for r, value in shown.items() if value in places}


def _with_digits(column: Column, rows: Sequence[Row]) -> Column:
    """The column with its decimals: four digits of the largest number unless the column says otherwise."""
    if column.digits is not None:
        return column
    cells = [row.cells[column.key] for row in rows if column.key in row.cells]
    largest = max((abs(c.value) for c in cells if math.isfinite(c.value)), default=0.0)
    digits = 3 - math.floor(math.log10(largest)) if largest > 0 else 0
    return replace(column, digits=min(6, max(0, digits)))


def _remarks(columns: Sequence[Column], rows: Sequence[Row]) -> tuple[str, ...]:
    published = [row for row in rows if row.origin == "reported"]
    out = [f"published in: {source}" for source in dict.fromkeys(c.signature for row in published for c in row.cells.values())]
    measured = [row for row in rows if row.origin != "reported"]
    counts = {cell.n for row in rows for cell in row.cells.values() if cell.n is not None}
    if len(counts) == 1:
        texts = {count_text(c) for row in rows for c in row.cells.values() if c.n is not None}
        out.append(f"n = {', '.join(sorted(texts))} clips" + (" of the measured rows" if published else ""))
    none = [c.heading for c in columns if not c.metrics]
    if measured and none:
        out.append(f"no metric of avbench computes {', '.join(none)}")
    missing = [c.heading for c in columns if c.metrics and not any(c.key in row.cells for row in measured)]
    if measured and missing:
        out.append(f"no run here has {', '.join(missing)}")
    if measured and published:
        out.append("published numbers are ranked among those of their own table only")
    return tuple(out)
