"""Rows of a run's clips and of their reference clips, as they lie on disk, checked against the run's result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadManifest
from avbench.results import Result, Score
from avbench.types import Metric

Float64s = NDArray[np.float64]

_SAME_MEAN = 1e-9
"""Of the number: how far the mean of rows on disk may be from the result."""


def is_of_set(metric: Metric) -> bool:
    """Whether the number is anything but the mean of the rows' first column."""
    return metric.needs_all or type(metric).score is not Metric.score


def rows_of(result: Result, score: Score, metric: Metric) -> dict[str, Float64s]:
    """`(parts, columns)` of each scored clip, in the file's order.

    Raises:
        BadManifest: if they are not there, or do not give the result's number.
    """
    found = read_rows(result, "rows", score.metric)
    if is_of_set(metric):
        if len(found) != score.n_scored:
            raise BadManifest(f"{_path(result, 'rows', score.metric)} has {len(found)} clips, the result {score.n_scored}")
        return found
    value = float(np.concatenate(list(found.values()))[:, 0].mean()) if found else float("nan")
    if not abs(value - score.value) <= _SAME_MEAN * max(1.0, abs(score.value)):
        raise BadManifest(
            f"{_path(result, 'rows', score.metric)} gives {value:.6g}, the result {score.value:.6g}; they are not of one run"
        )
    return found


def reference_rows(result: Result, label: str, clips: Sequence[str]) -> list[Float64s] | None:
    """Rows of the items' reference clips; None if the folder was written before they were kept.

    Raises:
        BadManifest: if they are not of these clips.
    """
    if not _path(result, "references", label).is_file():
        return None
    found = read_rows(result, "references", label)
    if any(clip not in found for clip in clips):
        raise BadManifest(f"{_path(result, 'references', label)} lacks clips of the result; run the same command again")
    return [found[clip] for clip in clips]


def _path(result: Result, folder: str, label: str) -> Path:
    return (result.folder or Path()) / folder / f"{label}.parquet"


def read_rows(result: Result, folder: str, label: str) -> dict[str, Float64s]:
    """Rows by clip."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = _path(result, folder, label)
    if not path.is_file():
        raise BadManifest(f"{path}: the rows of {label} are not there; run the same command again")
    try:
        table: Any = pq.ParquetFile(path).read()  # read_table imports a quarter of a second of data sets
        names = [n for n in table.column_names if n not in ("clip", "part")]
        if names == ["row"]:
            values = np.array(table["row"].to_pylist(), dtype=np.float64)
        else:
            values = np.column_stack([table[n].to_numpy() for n in names]).astype(np.float64)
        clips = table["clip"].to_pylist()
    except (OSError, KeyError, ValueError, TypeError, pa.ArrowException) as error:
        raise BadManifest(f"{path}: not rows of a run: {error}; run the same command again") from error
    if values.ndim != 2 or not np.isfinite(values).all():
        raise BadManifest(f"{path}: rows must be finite and of one length; run the same command again")
    parts: dict[str, list[int]] = {}
    for number, clip in enumerate(clips):
        parts.setdefault(clip, []).append(number)
    return {clip: values[numbers] for clip, numbers in parts.items()}
