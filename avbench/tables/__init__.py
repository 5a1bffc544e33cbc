"""Tables of results: a model that knows no format, and one file per format.

    columns.py    which metrics in which order, from the runs or from a paper's column set (`columns/*.toml`)
    sources.py    rows from runs and from published numbers (`reported/*.toml`)
    ranking.py    which cells may be ranked together, best, second, and why others are not
    text.py, markdown.py, latex.py, comma_separated.py, hypertext.py, macros.py   (csv.py would hide Python's own)

Column sets and published numbers lie inside the package rather than under `benchmarks/`, where every folder is a suite: they
describe papers, some of them over several suites, and here they are in the wheel without a rule of their own.
"""

from __future__ import annotations

from collections.abc import Callable

from avbench.tables import comma_separated, hypertext, latex, markdown, text
from avbench.tables.model import Cell, Column, Row, Table
from avbench.tables.ranking import build

FORMATS: dict[str, Callable[[Table], str]] = {
    "text": text.render,
    "markdown": markdown.render,
    "latex": latex.render,
    "csv": comma_separated.render,
    "html": hypertext.render,
}
"""From a table to its text, which ends with a newline and is the same for the same table."""

__all__ = ["FORMATS", "Cell", "Column", "Row", "Table", "build"]
