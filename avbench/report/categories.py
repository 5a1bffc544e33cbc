"""Numbers by category: what the suite says of its items, and JavisBench's five aspects with their nineteen classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from avbench.report.gather import Column, Found, Run
from avbench.tables.names import visible
from avbench.types import Item

ASPECTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Event Scenario", ("Natural", "Urban", "Living", "Industrial", "Virtual")),
    ("Visual Style", ("Camera Shooting", "2D-Animate", "3D-Animate")),
    ("Sound Type", ("Ambient", "Biological", "Mechanical", "Musical", "Speech")),
    ("Temporal Composition", ("Single event", "Sequential events", "Simultaneous events")),
    ("Spatial Composition", ("Single subject", "Multiple subjects", "Off-screen sound")),
)
"""JavisBench's aspects in the order of its columns `cat0_ind` to `cat4_ind`, which hold numbers of classes."""
_MOST = 60
"""A field with more different values is no category."""


def facets(items: Sequence[Item]) -> dict[str, dict[str, list[int]]]:
    """Ways to part the items: name, then class, then numbers of items. An item can be of several classes."""
    found: dict[str, dict[str, list[int]]] = {}

    def add(name: str, label: str, number: int) -> None:
        found.setdefault(name, {}).setdefault(label, []).append(number)

    for number, item in enumerate(items):
        if item.category:
            add("category", item.category, number)
        for tag in dict.fromkeys(item.tags):
            aspect, colon, label = tag.partition(": ")  # "Sound Type: Speech", as suites with aspects have it
            add(*((aspect, label) if colon else ("tag", tag)), number)
        for key, value in item.fields.items():
            name, labels = _classes(key, value)
            for label in dict.fromkeys(labels):
                add(name, label, number)
    kept = {name: by for name, by in found.items() if _parts(by, len(items))}
    order = {name: [c for c in classes if c in kept.get(name, {})] for name, classes in ASPECTS}
    named = {n: {c: kept[n][c] for c in (*order[n], *sorted(set(kept[n]) - set(order[n])))} for n in order if n in kept}
    return {**{n: by for n, by in kept.items() if n not in named}, **named}


def _classes(key: str, value: Any) -> tuple[str, list[str]]:
    """Name of a field as a way to part items, and the classes in it; none for a field that holds something else."""
    if len(key) == 8 and key.startswith("cat") and key.endswith("_ind") and key[3] in "01234":
        name, classes = ASPECTS[int(key[3])]
        numbers = value if isinstance(value, list) else str(value).split(",")
        told = [int(n) for n in map(str, numbers) if n.strip().isdigit()]
        return name, [classes[n] for n in told if n < len(classes)]
    name = next((n for n, _ in ASPECTS if n.lower().replace(" ", "_") == key.lower().replace(" ", "_")), key)
    if isinstance(value, str):
        return name, [value] if value else []
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return name, [v for v in value if v]
    return name, []


def _parts(by: Mapping[str, Sequence[int]], items: int) -> bool:
    """Whether this parts the items at all: not into one class, nor almost every item into its own, as ids and paths do."""
    held = len({n for numbers in by.values() for n in numbers})
    known = all(label in {c for _, classes in ASPECTS for c in classes} for label in by)
    return 2 * held >= items and (known or (1 < len(by) <= _MOST and (len(by) <= held / 2 or items < 6)))


def breakdown(found: Found) -> list[dict[str, Any]]:
    """By facet: its classes with their items, and `[mean, half of the interval, n]` by run, metric and class.

    The interval is Student's over clips. A metric of sets has no mean of clips; it has a number of a class, without an
    interval, where the run's result holds one.
    """
    out = []
    for name, by in facets([s.item for s in found.items]).items():
        means = [[_of_classes(found, run, metric, name, by) for metric in found.metrics] for run in found.runs]
        labels = [visible(label) for label in by]
        out.append({"name": visible(name), "labels": labels, "items": list(by.values()), "means": means})
    return out


def _of_classes(
    found: Found, run: Run, metric: Column, facet: str, by: Mapping[str, Sequence[int]]
) -> list[list[float | int | None] | None] | None:
    """Of each class; None if the run has nothing by class."""
    if values := run.values.get(metric.label):
        ids = [[found.items[n].item.id for n in numbers] for numbers in by.values()]
        return [_mean([values[id] for id in members if id in values]) for members in ids]
    groups: Mapping[str, Mapping[str, Any]] = getattr(found.score(run, metric), "groups", {})
    kept = [groups.get(f"{facet}/{label}", {}) for label in by]
    made = [_kept(group) for group in kept]
    return made if any(made) else None


def _kept(group: Mapping[str, Any]) -> list[float | int | None] | None:
    value, n = group.get("value"), group.get("n_scored")
    return (
        [float(f"{value:.6g}"), None, n] if isinstance(value, float) and math.isfinite(value) and isinstance(n, int) else None
    )


def _mean(values: Sequence[float]) -> list[float | int | None] | None:
    from scipy.special import stdtrit

    if not values:
        return None
    array = np.asarray(values)
    half = float(stdtrit(len(array) - 1, 0.975) * array.std(ddof=1) / math.sqrt(len(array))) if len(array) > 1 else None
    return [float(f"{array.mean():.6g}"), None if half is None else float(f"{half:.4g}"), len(array)]
