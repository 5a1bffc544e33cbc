"""What a table is, before it has a format."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from avbench.types import Better

Origin = Literal["", "reported", "submitted", "reproduced"]
Mark = Literal["best", "second"]
Kin = tuple[tuple[str, str], ...]
"""What has to agree for two cells of a column to be ranked together: name of a setting, and its value."""

ARROWS: Mapping[Better, str] = {"higher": "↑", "lower": "↓", "none": ""}
ORIGINS: Mapping[Origin, tuple[str, str]] = {
    "reported": ("†", "reported by the paper, not measured here"),
    "submitted": ("‡", "submitted: the clips were made elsewhere and scored by avbench"),
    "reproduced": ("§", "reproduced: clips made and scored by avbench"),
}
_LARGEST = 1e7
"""From here on a number is written with an exponent."""


@dataclass(frozen=True)
class Column:
    """One metric of a table.

    Args:
        key: Names the column within its table, and the numbers of published rows.
        heading: As the paper or the metric has it.
        better: Decides the arrow and the ranking.
        metrics: Labels of metrics that may fill it: the first that a run has, or else another variant of one with a note; none
            for a number that only papers report.
        unit: Behind the heading; empty for a plain number.
        digits: Decimals; None chooses four digits of the column's largest number.
        scale: What measured numbers are multiplied with (100 where a paper prints percent).
        group: Heading over several columns.
        suite: Only runs over the suite of this name fill it; empty for any.
    """

    key: str
    heading: str
    better: Better = "none"
    metrics: tuple[str, ...] = ()
    unit: str = ""
    digits: int | None = None
    scale: float = 1.0
    group: str = ""
    suite: str = ""


@dataclass(frozen=True)
class Cell:
    """One number.

    Args:
        value: In the column's scale; NaN if there is none.
        low, high: 95 % interval; NaN without one.
        n: Clips that it stands on; None where that is not known.
        of: Clips that were expected.
        kin: See `Kin`.
        signature: Everything that moves the value; of a published number its source.
        run: Hash of the run's result; empty for a published number.
        note: What is to be known of this number.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    n: int | None = None
    of: int | None = None
    kin: Kin = ()
    signature: str = ""
    run: str = ""
    note: str = ""


@dataclass(frozen=True)
class Row:
    """One model.

    Args:
        name: Of the model.
        cells: By the column's key; a column without one stays empty.
        group: Generation process; rows of one group stand together.
        origin: Who made the numbers; empty for a run of one's own.
    """

    name: str
    cells: Mapping[str, Cell]
    group: str = ""
    origin: Origin = ""


@dataclass(frozen=True)
class Table:
    """Rows with their marks; made by `ranking.build`.

    Args:
        title: A line above it, may be empty.
        columns: In order; `digits` are set.
        rows: In order, those of one group together.
        marks: Best and second, by number of the row and key of the column.
        notes: Said of single cells, which refer to them by number.
        refers: The notes of a cell, by number of the row and key of the column.
        remarks: Said of the table as a whole.
        intervals: Whether intervals are shown.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    marks: Mapping[tuple[int, str], Mark] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    refers: Mapping[tuple[int, str], tuple[int, ...]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    intervals: bool = False

    @property
    def counts(self) -> Literal["none", "rows", "cells"]:
        """Where numbers of clips are shown: nowhere if all are equal, by row if a row has one number, else by cell."""
        by_row = [{c.n for c in row.cells.values() if c.n is not None} for row in self.rows]
        if len(set().union(*by_row)) <= 1:
            return "none"
        return "rows" if all(len(ns) <= 1 for ns in by_row) else "cells"

    @property
    def column_groups(self) -> list[tuple[str, int]]:
        """Headings over columns and how many each spans; empty if no column has one."""
        spans: list[tuple[str, int]] = []
        for column in self.columns:
            if spans and spans[-1][0] == column.group:
                spans[-1] = (column.group, spans[-1][1] + 1)
            else:
                spans.append((column.group, 1))
        return spans if any(name for name, _ in spans) else []

    @property
    def row_groups(self) -> list[tuple[str, list[int]]]:
        """Groups in order with the numbers of their rows."""
        groups: dict[str, list[int]] = {}
        for number, row in enumerate(self.rows):
            groups.setdefault(row.group, []).append(number)
        return list(groups.items())

    @property
    def origins(self) -> list[Origin]:
        """Which origins have to be explained, in a fixed order."""
        return [origin for origin in ORIGINS if any(row.origin == origin for row in self.rows)]

    def cell(self, row: int, column: Column) -> Cell | None:
        """A cell that holds a number; None for an empty one."""
        found = self.rows[row].cells.get(column.key)
        return found if found is not None and math.isfinite(found.value) else None

    def count(self, row: int) -> str:
        """Clips of a row, `148/150` where some are missing; empty without a number."""
        for cell in self.rows[row].cells.values():
            if cell.n is not None:
                return count_text(cell)
        return ""


def count_text(cell: Cell) -> str:
    """Clips that a number stands on, `148/150` where some are missing."""
    return f"{cell.n}" if cell.of in (None, cell.n) else f"{cell.n}/{cell.of}"


def number_text(value: float, digits: int) -> str:
    """A number as tables show it; cells that show the same are ranked as equal."""
    if abs(value) >= _LARGEST:
        return f"{value:.4g}"
    text = f"{value:.{digits}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def interval_text(cell: Cell, digits: int) -> str:
    """`[0.353, 0.395]`; empty without an interval."""
    if not (math.isfinite(cell.low) and math.isfinite(cell.high)):
        return ""
    return f"[{number_text(cell.low, digits)}, {number_text(cell.high, digits)}]"


def letter(number: int) -> str:
    """The mark of a note: a, b, ..., z, aa, ab, ..."""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("a") + rest) + text
    return text
