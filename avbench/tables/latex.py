r"""A table in LaTeX, for `\input` inside a `table` environment.

It needs booktabs and siunitx (2 or 3), and is plain ASCII, so that any engine takes it. Numbers stand in `S` columns. Best is
bold; second is `\avbsecond{...}`, which a paper may define otherwise before. An underlined number is no number for siunitx, so
such a cell is text; all cells of a column have the same decimals and stand flush right, so points line up all the same.
"""

from __future__ import annotations

import unicodedata

from avbench.tables.model import Column, Origin, Table, count_text, interval_text, letter, number_text
from avbench.tables.names import visible
from avbench.types import Better

ARROWS: dict[Better, str] = {"higher": r"$\uparrow$", "lower": r"$\downarrow$", "none": ""}
ORIGINS: dict[Origin, tuple[str, str]] = {
    "reported": (r"\dag", "reported by the paper, not measured here"),
    "submitted": (r"\ddag", "submitted: the clips were made elsewhere and scored by avbench"),
    "reproduced": (r"\S", "reproduced: clips made and scored by avbench"),
}
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\symbol{34}",  # \textquotedbl is an error in LaTeX's first encoding, OT1
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "-": r"{-}",  # two would be a dash
    "[": r"{[}",  # after a line's end it would be a length
    "]": r"{]}",
    "*": r"{*}",
    "?": r"{?}",  # with ` an inverted mark
    "!": r"{!}",
    ",": r"{,}",
    "=": r"{=}",
    "\u00a0": "~",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "\u0131": r"\i{}",
    "\u2013": "--",
    "—": "---",
    "\u2018": r"\textquoteleft{}",
    "\u2019": r"\textquoteright{}",
    "“": r"\textquotedblleft{}",
    "”": r"\textquotedblright{}",
    "…": r"\dots{}",
    "\u00d7": r"$\times$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "∞": r"$\infty$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
    "↔": r"$\leftrightarrow$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "∥": r"$\parallel$",
    "†": r"\dag{}",
    "‡": r"\ddag{}",
    "§": r"\S{}",
    "°": r"\textdegree{}",
    "µ": r"\textmu{}",
    "²": r"\textsuperscript{2}",
    "³": r"\textsuperscript{3}",
}
_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi ? pi rho ? sigma tau upsilon phi chi psi omega"
)
_SPECIAL |= {chr(0x3B1 + k): rf"$\{word}$" for k, word in enumerate(_GREEK.split()) if word != "?"}
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".", "\u0308": '"',
    "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c", "\u0323": "d", "\u0331": "b",
}  # fmt: skip


def escaped(text: str) -> str:
    """Text that LaTeX sets as it is, in ASCII; what its fonts lack is written as `[U+1F600]`."""
    return "".join(_character(c) for c in visible(text))


def _character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if " " <= character <= "~":
        return character
    base, *marks = list(unicodedata.normalize("NFD", character))
    if base.isascii() and base.isalpha() and len(marks) == 1 and marks[0] in _ACCENTS:
        return rf"\{_ACCENTS[marks[0]]}{{{base}}}"
    return f"{{[}}U+{ord(character):04X}{{]}}"


def comment(text: str) -> str:
    """A line that LaTeX skips."""
    return "% " + visible(text).encode("ascii", "backslashreplace").decode()


def render(table: Table) -> str:
    """The table as a `tabular` with its notes below."""
    counts = table.counts
    per = 2 if table.intervals or counts == "cells" else 1
    body = [_group_line(table, per)] if table.column_groups else []
    headings = [rf"\multicolumn{{{per}}}{{c}}{{{_heading(c)}}}" for c in table.columns]
    body.append(" & ".join(["Model", *headings, *(["{$n$}"] if counts == "rows" else [])]) + r" \\")
    width = 1 + per * len(table.columns) + (counts == "rows")
    for group, numbers in table.row_groups:
        body.append(r"\midrule")
        if group:
            body.append(rf"\multicolumn{{{width}}}{{@{{}}l@{{}}}}{{\textit{{{escaped(group)}}}}} \\")
        for r in numbers:
            row = table.rows[r]
            name = escaped(row.name) + (rf"\textsuperscript{{{ORIGINS[row.origin][0]}}}" if row.origin else "")
            cells = [part for c in table.columns for part in _cell(table, r, c, per)]
            body.append(" & ".join([_opening(name), *cells, *([f"{{{table.count(r)}}}"] * (counts == "rows"))]) + r" \\")
    kinds = [_kind(table, c) + (r"@{\,}l" if per == 2 else "") for c in table.columns]
    columns = "".join(["@{}l", *kinds, "r" * (counts == "rows"), "@{}"])
    lines = [
        r"% avbench table; needs \usepackage{booktabs} and \usepackage{siunitx}",
        r"\providecommand{\avbsecond}[1]{\underline{#1}}",
        r"\begingroup",
        r"\sisetup{mode=text, detect-weight=true, table-number-alignment=right, table-text-alignment=right}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        *_below(table),
        r"\endgroup",
    ]
    if table.title:
        lines.insert(1, comment(table.title))
    return "\n".join(lines) + "\n"


def _opening(name: str) -> str:
    r"""A row's first cell, which must not look like something that `\\` or `\midrule` before it would take."""
    return name if name[:1].isalnum() else rf"\mbox{{}}{name}"


def _group_line(table: Table, per: int) -> str:
    cells, rules, at = [""], [], 2
    for name, span in table.column_groups:
        cells.append(rf"\multicolumn{{{span * per}}}{{c}}{{{escaped(name)}}}" if name else " &" * (span * per - 1))
        if name:
            rules.append(rf"\cmidrule(lr){{{at}-{at + span * per - 1}}}")
        at += span * per
    return " & ".join(cells) + r" \\" + "\n" + " ".join(rules)


def _heading(column: Column) -> str:
    parts = [escaped(column.heading), ARROWS[column.better], f"({escaped(column.unit)})" if column.unit else ""]
    return " ".join(p for p in parts if p)


def _kind(table: Table, column: Column) -> str:
    """`S[table-format=-4.1]` for what the column shows."""
    digits = column.digits or 0
    found = [cell for r in range(len(table.rows)) if (cell := table.cell(r, column)) is not None]
    shown = [number_text(cell.value, digits) for cell in found]
    whole = max((len(text.lstrip("-").split(".")[0]) for text in shown if "e" not in text), default=1)
    sign = "-" if any(text.startswith("-") for text in shown) else ""
    exponent = "e2" if any("e" in text for text in shown) else ""
    return f"S[table-format={sign}{whole}.{digits or (1 if exponent else 0)}{exponent}]"


def _cell(table: Table, row: int, column: Column, per: int) -> list[str]:
    r"""The number, and what stands in the small column behind it. Every part of `S` that is no number is in braces."""
    notes = ",".join(letter(n) for n in table.refers.get((row, column.key), ()))
    notes = rf"\rlap{{\textsuperscript{{{notes}}}}}" if notes else ""
    cell = table.cell(row, column)
    if cell is None:
        empty = "--" if column.key in table.rows[row].cells else ""
        return [f"{{{empty}{notes}}}" if empty or notes else "", ""][:per]
    digits = column.digits or 0
    number = number_text(cell.value, digits)
    mark = table.marks.get((row, column.key))
    if mark == "second":
        text = rf"{{\avbsecond{{\num{{{number}}}}}{notes}}}"
    else:
        text = (r"\bfseries " if mark == "best" else "") + number + (f" {{{notes}}}" if notes else "")
    if per == 1:
        return [text]
    extra = [rf"{interval_text(cell, digits)}"] if table.intervals and interval_text(cell, digits) else []
    if table.counts == "cells" and cell.n is not None:
        extra.append(f"$n$={count_text(cell)}")
    return [text, rf"{{\scriptsize {' '.join(extra)}}}" if extra else ""]


def _below(table: Table) -> list[str]:
    below = [rf"\textsuperscript{{{ORIGINS[o][0]}}} {ORIGINS[o][1]}" for o in table.origins]
    below += [escaped(remark) for remark in table.remarks]
    below += [rf"\textsuperscript{{{letter(n)}}} {escaped(note)}" for n, note in enumerate(table.notes)]
    return [r"\par\smallskip", rf"{{\footnotesize\noindent {'; '.join(below)}.\par}}"] if below else []
