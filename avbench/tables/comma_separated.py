"""A table as comma-separated values: numbers in full, one line per model.

A text cell that a spreadsheet would take for a formula is led by an apostrophe.
"""

from __future__ import annotations

import csv
import io
import math

from avbench.tables.model import ARROWS, Table
from avbench.tables.names import visible

_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""First characters of a formula, the last four in their full-width forms."""


def escaped(text: str) -> str:
    """Text on one line that no spreadsheet takes for a formula."""
    return f"'{visible(text)}" if text.lstrip(" \u00a0\ufeff").startswith(_FORMULA) else visible(text)


def render(table: Table) -> str:
    """The table as CSV: model, group, origin, then value, interval, clips, mark and notes of each column."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    headings = ["model", "group", "origin"]
    for column in table.columns:
        parts = (column.group, column.heading, ARROWS[column.better], f"({column.unit})" if column.unit else "")
        name = escaped(" ".join(p for p in parts if p))
        headings += [name, *(f"{name} {what}" for what in ("low", "high", "n", "mark", "notes"))]
    writer.writerow(headings)
    for r, row in enumerate(table.rows):
        line: list[str | float] = [escaped(row.name), escaped(row.group), row.origin]
        for column in table.columns:
            cell = table.cell(r, column)
            notes = escaped("; ".join(table.notes[n] for n in table.refers.get((r, column.key), ())))
            if cell is None:
                line += ["", "", "", "", "", notes]
                continue
            line += [_number(cell.value), _number(cell.low), _number(cell.high), "" if cell.n is None else cell.n]
            line += [table.marks.get((r, column.key), ""), notes]
        writer.writerow(line)
    return out.getvalue()


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else ""
