"""Which columns a table has: a paper's own, from a file, or what the runs hold."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avbench import registry
from avbench.errors import BadManifest, BadParameter, UnknownName
from avbench.results import Result
from avbench.tables.model import Column

FOLDER = Path(__file__).parent / "columns"
_KEYS = {"key", "heading", "better", "metric", "unit", "digits", "scale", "group", "suite"}


@dataclass(frozen=True)
class ColumnSet:
    """The columns of a paper's table.

    Args:
        name: Of its file.
        title: What the table shows.
        columns: In the paper's order.
    """

    name: str
    title: str
    columns: tuple[Column, ...]


def names() -> list[str]:
    """Every column set that comes with avbench."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> ColumnSet:
    """A column set by its name.

    Raises:
        UnknownName: with the nearest name.
        BadManifest: if the file does not follow its schema.
    """
    if name not in names():
        raise UnknownName("column set", name, names())
    path = FOLDER / f"{name}.toml"
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    columns = tuple(_column(entry, path) for entry in table["columns"])
    if len({c.key for c in columns}) != len(columns):
        raise BadManifest(f"{path}: two columns have the same key")
    return ColumnSet(name, table["title"], columns)


def _column(entry: dict[str, Any], path: Path) -> Column:
    if not set(entry) <= _KEYS or "heading" not in entry:
        raise BadManifest(f"{path}: a column has 'heading' and of {', '.join(sorted(_KEYS))}, got {', '.join(entry)}")
    metric = entry.pop("metric", [])
    labels = (metric,) if isinstance(metric, str) else tuple(metric)
    return Column(**{"key": entry["heading"], **entry}, metrics=labels)


def chosen(text: str | None, results: Sequence[Result]) -> tuple[str, tuple[Column, ...]]:
    """Title and columns for `--columns`.

    Args:
        text: A column set's name, or labels of metrics with commas between; None for all metrics that the runs were asked for.
        results: The runs.

    Raises:
        UnknownName: for a set that is not there and a metric that no run has.
        BadParameter: if the runs have no metric.
    """
    if text is None:
        return "", _of_runs(results)
    if text in names():
        found = load(text)
        return found.title, found.columns
    labels = split_labels(text)
    known = {s.metric for result in results for s in result.metrics}
    for label in labels:
        if label not in known:
            raise UnknownName("column set or metric of these runs", label, {*names(), *known})
    return "", tuple(_of_label(label, results) for label in labels)


def _of_runs(results: Sequence[Result]) -> tuple[Column, ...]:
    """The metrics of the runs in order of their first, without signal checks that every run reports, unless that is all."""
    labels = list(dict.fromkeys(s.metric for result in results for s in result.metrics))
    asked = [label for label in labels if not is_signal_check(label)] or labels
    if not asked:
        raise BadParameter("these runs have no metric, so there is no table; score them with --metrics")
    return tuple(_of_label(label, results) for label in asked)


def _of_label(label: str, results: Sequence[Result]) -> Column:
    score = next(s for result in results for s in result.metrics if s.metric == label)
    return Column(label, label, score.better, (label,), score.unit)


def is_signal_check(label: str) -> bool:
    """Whether it is a metric that every run reports, asked for or not."""
    name = label.split("[")[0]
    return name in registry.names("metrics") and registry.metric_class(name).always


def split_labels(text: str) -> list[str]:
    """Labels at commas, but not at those inside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [p.strip() for p in parts if p.strip()]
