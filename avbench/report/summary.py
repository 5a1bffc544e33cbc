"""The first table, and where each run stands."""

from __future__ import annotations

import numpy as np

from avbench import tables
from avbench.report.gather import Found
from avbench.tables import hypertext, sources
from avbench.tables.columns import chosen


def table(found: Found, columns: str | None, *, intervals: bool) -> tuple[str, list[list[int | None]]]:
    """The table as HTML, and by row and column which metric of the run a cell is."""
    runs = found.runs
    results = [run.result for run in runs]
    if not found.metrics:
        return "", []
    title, wanted = chosen(columns, results)
    rows = [sources.of_run(run.result, wanted, name=run.name) for run in runs]
    made = tables.build(wanted, rows, title=title, intervals=intervals)
    place = {metric.label: m for m, metric in enumerate(found.metrics)}
    cells = []
    for run, row in zip(runs, made.rows, strict=True):
        labels = {s.signature: s.metric for s in run.result.metrics}
        held = [row.cells.get(column.key) for column in made.columns]
        cells.append([None if cell is None else place.get(labels.get(cell.signature, "")) for cell in held])
    return hypertext.render(made), cells


def standing(found: Found) -> list[list[float | None]]:
    """By run and metric the share of all runs' clips that a clip of this run beats, ties as a half; None where nothing ranks.

    0.5 is a run like all the others together. It has no unit, so metrics can be laid side by side.
    """
    out: list[list[float | None]] = [[None] * len(found.metrics) for _ in found.runs]
    for m, metric in enumerate(found.metrics):
        held = [np.array(list(run.values.get(metric.label, {}).values())) for run in found.runs]
        if metric.better == "none" or sum(len(h) > 0 for h in held) < 2:
            continue
        everyone = np.sort(np.concatenate(held))
        for r, mine in enumerate(held):
            if len(mine) == 0:
                continue
            below = (np.searchsorted(everyone, mine, "left") + np.searchsorted(everyone, mine, "right")) / 2 / len(everyone)
            share = float(below.mean())
            out[r][m] = round(share if metric.better == "higher" else 1 - share, 4)
    return out
