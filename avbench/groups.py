"""Numbers by category: of the suite's classes, and of each class of its aspects.

A group's number is the metric's own, from the rows of the group's clips alone. A metric that compares sets has numbers of the
aspects' classes only, which are few and large. Where a statistics file stands in for the
reference clips, a metric that compares sets gets the group's share of its rows if there is one row for each item of the
suite, in order, as in JavisBench's feature cache; otherwise the group has no number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from avbench.errors import AvbenchError
from avbench.reference_stats import Reference
from avbench.rows import Table
from avbench.types import Item, Metric, Suite


def groups(suite: Suite) -> dict[str, list[Item]]:
    """Items of each group: `category/dog_barking`, `Sound Type/Speech`; an item may be in several classes of an aspect."""
    found: dict[str, list[Item]] = {
        f"category/{c}": [i for i in suite.items if i.category == c] for c in sorted({i.category for i in suite.items} - {""})
    }
    members: dict[str, list[Item]] = {}
    for item in suite.items:
        for tag in item.tags:
            members.setdefault(tag, []).append(item)
    for aspect, classes in suite.aspects.items():
        found |= {f"{aspect}/{name}": members.get(f"{aspect}: {name}", []) for name in classes}
    return found


def scores(
    metric: Metric, table: Table, among: Mapping[str, Sequence[Item]], suite: Suite, reference: Reference | None
) -> dict[str, dict[str, Any]]:
    """The metric's number of each group, with how many clips it stands on and how many there should be.

    Args:
        metric: What is computed.
        table: Its rows, of all clips.
        among: Items of each group.
        suite: Of the run.
        reference: What stands in for the reference clips.
    """
    at = {id: n for n, id in enumerate(table.clips)}
    position = {item.id: n for n, item in enumerate(suite.items)}
    out = {}
    for name, items in among.items():
        if metric.needs_all and name.startswith("category/"):
            continue  # 309 distances of 2048 dimensions, of some 50 clips each, take an hour and say nothing
        rows = [table.rows[at[i.id]] for i in items if i.id in at]
        value = float("nan")
        if len(rows) >= max(1, metric.minimum):
            try:
                value = _score(metric, table, [at[i.id] for i in items if i.id in at], reference, position, items)
            except AvbenchError:
                value = float("nan")
        out[name] = {"value": value, "n_scored": len(rows), "n_items": len(items)}
    return out


def _score(
    metric: Metric,
    table: Table,
    chosen: Sequence[int],
    reference: Reference | None,
    position: Mapping[str, int],
    items: Sequence[Item],
) -> float:
    rows = np.concatenate([np.atleast_2d(table.rows[n]) for n in chosen])
    if reference is None:
        refs = np.concatenate([np.atleast_2d(table.ref_rows[n]) for n in chosen]) if table.ref_rows else None
        return metric.score(rows, refs)
    if reference.rows is None or len(reference.rows) != reference.clips or reference.clips != len(position):
        return float("nan")
    return metric.score(rows, reference.rows[[position[i.id] for i in items]])
