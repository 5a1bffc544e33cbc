"""A table as a fragment of HTML: everything escaped, no script, no style but classes."""

from __future__ import annotations

import html

from avbench.tables.model import ARROWS, ORIGINS, Column, Table, count_text, interval_text, letter, number_text
from avbench.tables.names import visible


def escaped(text: str) -> str:
    """Text between tags or inside a quoted attribute."""
    return html.escape(visible(text), quote=True)


def render(table: Table) -> str:
    """The table as `<table class="avbench">`, its notes as a list after it."""
    counts = table.counts
    width = 1 + len(table.columns) + (counts == "rows")
    lines = ['<table class="avbench">']
    if table.title:
        lines.append(f"<caption>{escaped(table.title)}</caption>")
    lines.append("<thead>")
    if table.column_groups:
        spans = "".join(f'<th colspan="{n}" scope="colgroup">{escaped(name)}</th>' for name, n in table.column_groups)
        lines.append(f"<tr><th></th>{spans}{'<th></th>' if counts == 'rows' else ''}</tr>")
    headings = "".join(f'<th scope="col">{_heading(c)}</th>' for c in table.columns)
    lines.append(f'<tr><th scope="col">model</th>{headings}{"<th>n</th>" if counts == "rows" else ""}</tr>')
    lines += ["</thead>", "<tbody>"]
    for group, numbers in table.row_groups:
        if group:
            lines.append(f'<tr class="group"><th colspan="{width}" scope="rowgroup"><bdi>{escaped(group)}</bdi></th></tr>')
        for r in numbers:
            row = table.rows[r]
            origin = f'<span class="origin">{ORIGINS[row.origin][0]}</span>' if row.origin else ""
            cells = "".join(_cell(table, r, c) for c in table.columns)
            count = f'<td class="count">{table.count(r)}</td>' if counts == "rows" else ""
            lines.append(f'<tr><th scope="row"><bdi>{escaped(row.name)}</bdi>{origin}</th>{cells}{count}</tr>')
    lines += ["</tbody>", "</table>"]
    below = [f"{ORIGINS[o][0]} {ORIGINS[o][1]}" for o in table.origins] + [escaped(remark) for remark in table.remarks]
    below += [f"<sup>{letter(n)}</sup> {escaped(note)}" for n, note in enumerate(table.notes)]
    if below:
        lines += ['<ul class="avbench-notes">', *(f"<li>{line}</li>" for line in below), "</ul>"]
    return "\n".join(lines) + "\n"


def _heading(column: Column) -> str:
    parts = [column.heading, ARROWS[column.better], f"({column.unit})" if column.unit else ""]
    return " ".join(escaped(p) for p in parts if p)


def _cell(table: Table, row: int, column: Column) -> str:
    notes = ",".join(letter(n) for n in table.refers.get((row, column.key), ()))
    notes = f"<sup>{notes}</sup>" if notes else ""
    cell = table.cell(row, column)
    if cell is None:
        dash = "\N{EN DASH}" if column.key in table.rows[row].cells else ""
        return f"<td>{dash}{notes}</td>"
    digits = column.digits or 0
    text = number_text(cell.value, digits)
    mark = table.marks.get((row, column.key))
    text = f"<strong>{text}</strong>" if mark == "best" else f"<u>{text}</u>" if mark == "second" else text
    if table.intervals and (interval := interval_text(cell, digits)):
        text += f' <span class="interval">{interval}</span>'
    if table.counts == "cells" and cell.n is not None:
        text += f' <span class="count">n={count_text(cell)}</span>'
    value = f' data-value="{cell.value!r}"'
    title = f' title="{escaped(cell.signature)}"' if cell.signature else ""
    return f"<td{value}{title}>{text}{notes}</td>"
