"""A table for a terminal or a log file.

In colour best is bold and second underlined; since a file keeps neither, the number also carries `*` or `+`.
"""

from __future__ import annotations

import io

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Drawn
from rich.text import Text

from avbench.tables.model import ARROWS, ORIGINS, Column, Mark, Table, count_text, interval_text, letter, number_text
from avbench.tables.names import visible

_SIGNS: dict[Mark, tuple[str, str]] = {"best": ("*", "bold"), "second": ("+", "underline")}
_WIDTH = 10_000
"""Lines are never broken: half a number is worse than a long line."""


def render(table: Table, *, colour: bool = False) -> str:
    """The table as text.

    Args:
        table: What to show.
        colour: With escape sequences for a terminal.
    """
    counts = table.counts
    drawn = Drawn(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, title_justify="left", title_style="bold")
    drawn.add_column(Text("model"), no_wrap=True)
    for column in table.columns:
        drawn.add_column(_heading(column), justify="right", no_wrap=True)
    if counts == "rows":
        drawn.add_column(Text("n"), justify="right", no_wrap=True)
    for group, numbers in table.row_groups:
        if group:
            drawn.add_row(Text(visible(group), style="italic"))
        for r in numbers:
            row = table.rows[r]
            name = Text(("  " if group else "") + visible(row.name) + (ORIGINS[row.origin][0] if row.origin else ""))
            cells = [_cell(table, r, column) for column in table.columns]
            drawn.add_row(name, *cells, *([Text(table.count(r))] if counts == "rows" else []))
        drawn.add_section()
    console = Console(
        file=io.StringIO(),
        width=_WIDTH,
        color_system="standard" if colour else None,
        force_terminal=colour,
        legacy_windows=False,
    )
    if table.title:
        console.print(Text(visible(table.title)))
    console.print(drawn)
    for line in _below(table):
        console.print(Text(line))
    assert isinstance(console.file, io.StringIO)  # noqa: S101 (for mypy)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def _heading(column: Column) -> Text:
    parts = [column.group, column.heading, ARROWS[column.better], f"({column.unit})" if column.unit else ""]
    return Text(" ".join(visible(p) for p in parts if p))


def _cell(table: Table, row: int, column: Column) -> Text:
    notes = "".join(letter(n) for n in table.refers.get((row, column.key), ()))
    notes = f" {notes}" if notes else ""
    cell = table.cell(row, column)
    if cell is None:
        return Text(("-" if column.key in table.rows[row].cells else "") + notes)
    digits = column.digits or 0
    sign, style = _SIGNS.get(table.marks.get((row, column.key), "none"), ("", ""))  # type: ignore[call-overload]
    out = Text(number_text(cell.value, digits), style=style)
    out.append(sign)
    rest = interval_text(cell, digits) if table.intervals else ""
    rest = f" {rest}" if rest else ""
    if table.counts == "cells" and cell.n is not None:
        rest += f" n={count_text(cell)}"
    return Text.assemble(out, rest, notes)


def _below(table: Table) -> list[str]:
    out = ["* best, + second"] if table.marks else []
    out += [f"{ORIGINS[o][0]} {ORIGINS[o][1]}" for o in table.origins]
    out += [visible(remark) for remark in table.remarks]
    return out + [f"{letter(n)} {visible(note)}" for n, note in enumerate(table.notes)]
