"""A table in GitHub's Markdown: best in bold, second underlined."""

from __future__ import annotations

from avbench.tables.model import ARROWS, ORIGINS, Column, Table, count_text, interval_text, letter, number_text
from avbench.tables.names import visible

_SPECIAL = frozenset("\\`*_[]<>|~$&!:@^#")


def escaped(text: str) -> str:
    """Text that Markdown shows as it is: no markup, link, image, HTML, entity, formula or further cell."""
    safe = "".join(f"\\{c}" if c in _SPECIAL else c for c in visible(text))
    return safe.replace("www.", "www\\.").strip()


def render(table: Table) -> str:
    """The table as Markdown."""
    counts = table.counts
    lines = [f"**{escaped(table.title)}**", ""] if table.title else []
    headings = ["model", *(_heading(c) for c in table.columns), *(["n"] if counts == "rows" else [])]
    lines += [_line(headings), _line(["---", *["---:"] * (len(headings) - 1)])]
    for group, numbers in table.row_groups:
        if group:
            lines.append(_line([f"*{escaped(group)}*", *[""] * (len(headings) - 1)]))
        for r in numbers:
            row = table.rows[r]
            name = escaped(row.name) + (ORIGINS[row.origin][0] if row.origin else "")
            lines.append(_line([name, *(_cell(table, r, c) for c in table.columns), *([table.count(r)] * (counts == "rows"))]))
    below = [f"{ORIGINS[o][0]} {ORIGINS[o][1]}" for o in table.origins]
    below += [escaped(remark) for remark in table.remarks]
    below += [f"<sup>{letter(n)}</sup> {escaped(note)}" for n, note in enumerate(table.notes)]
    if below:
        lines += ["", *(f"- {line}" for line in below)]
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _heading(column: Column) -> str:
    parts = [column.group, column.heading, ARROWS[column.better], f"({column.unit})" if column.unit else ""]
    return " ".join(escaped(p) for p in parts if p)


def _cell(table: Table, row: int, column: Column) -> str:
    notes = ",".join(letter(n) for n in table.refers.get((row, column.key), ()))
    notes = f"<sup>{notes}</sup>" if notes else ""
    cell = table.cell(row, column)
    if cell is None:
        return ("\N{EN DASH}" if column.key in table.rows[row].cells else "") + notes
    digits = column.digits or 0
    text = number_text(cell.value, digits)
    mark = table.marks.get((row, column.key))
    text = f"**{text}**" if mark == "best" else f"<ins>{text}</ins>" if mark == "second" else text
    if table.intervals and (interval := interval_text(cell, digits)):
        text += " " + interval.replace("[", "\\[").replace("]", "\\]")
    if table.counts == "cells" and cell.n is not None:
        text += f" (n={count_text(cell)})"
    return text + notes
