"""What is drawn under a player: the waveform, the peaks of picture and sound, and the curves that metrics traced.

A curve travels as `[x of the first point, x of the last, lowest, highest, points]`, the points evenly spaced and as bytes from
0 to 254 in base64, 255 where there is none: a tenth of what JSON's numbers would take, and finer than a screen.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench import media as media_of
from avbench.errors import BadClip
from avbench.report.clips import Media
from avbench.report.gather import Found
from avbench.types import Array

Traces = Mapping[str, Mapping[str, Array]]
Packed = list[Any]

BINS = 240
POINTS = 160
_UNTRUSTED = {"crash", "timeout", "memory", "too_large"}
"""Clips that broke a decoder are not decoded here."""
_MOMENTARY = 0.1
"""Seconds between two values of momentary loudness."""


@dataclass(frozen=True)
class View:
    """One drawing under the players.

    Args:
        key: Names it in the page.
        title: What it shows.
        metrics: Names of metrics whose traces hold it; the first that a run has is taken.
        lines: Names of arrays: values, and where they stand on the x axis (empty for momentary loudness).
        windows: Names of arrays for values that hold from one time to another.
        x: `time` shares its axis with the player; others are shifts.
        needs: A further array without which this is another variant's trace.
    """

    key: str
    title: str
    metrics: tuple[str, ...]
    lines: tuple[tuple[str, str, str], ...] = ()
    windows: tuple[str, str, str] | None = None
    x: str = "time"
    needs: str = ""


VIEWS = (
    View("windows", "JavisScore of each window", ("javisscore",), windows=("window_scores", "window_starts", "window_ends")),
    View("frames", "cosine of each frame with the sound", ("avh_score",), (("cosine", "frame_cosines", "frame_times"),)),
    View("offset", "offset by Synchformer, s", ("desync",), (("offset", "offset", "start"),), needs="start"),
    View("shift", "sync score by offset, s", ("desync",), (("score", "score", "offset"),), x="offset, s", needs="score"),
    View("lips", "lip distance by shift, frames", ("lse_c", "lse_d"), (("distance", "distance", "shift"),), x="shift, frames"),
    View("confidence", "lip sync confidence", ("lse_c", "lse_d"), (("confidence", "confidence", "confidence_times"),)),
    View(
        "motion",
        "motion of the picture, and onsets of the sound",
        ("av_align",),
        (("motion", "flow", "flow_times"), ("onsets", "onset_strength", "onset_strength_times")),
    ),
    View(
        "curves",
        "motion and onsets, z-scored",
        ("av_curve_distance",),
        (("motion", "flow_z", "times"), ("onsets", "onset_strength_z", "times")),
    ),
    View("flow", "motion of the picture", ("motion_score",), (("motion", "flow", "flow_times"),)),
    View("loudness", "momentary loudness, LUFS", ("loudness",), (("loudness", "momentary", ""),)),
)  # fmt: skip


def view_titles(found: Found) -> list[dict[str, str]]:
    """Every drawing that a run's metrics could fill."""
    names = {s.metric.split("[")[0] for run in found.runs for s in run.result.metrics}
    return [{"key": v.key, "title": v.title, "x": v.x} for v in VIEWS if names & set(v.metrics)]


def collect(found: Found, chosen: Sequence[int], media: Media) -> dict[int, list[dict[str, Any]]]:
    """By item and run: `wave`, `peaks`, and a drawing by its key."""
    out: dict[int, list[dict[str, Any]]] = {number: [] for number in chosen}
    for r, run in enumerate(found.runs):
        wanted = {found.items[n].item.id for n in chosen}
        traces = {
            s.metric: read_traces(run.result.folder or Path(), s.metric, wanted) for s in run.result.metrics if s.n_scored
        }
        broken = {c for s in run.result.metrics for c, why in s.unscored.items() if why.partition(":")[0] in _UNTRUSTED}
        for number in chosen:
            id = found.items[number].item.id
            drawn = _drawings(id, traces)
            clip = media.files.get((number, r))
            if clip is not None and id not in broken:
                drawn |= _sound(clip)
            out[number].append(drawn)
    return out


def _drawings(id: str, traces: Mapping[str, Traces]) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    for view in VIEWS:
        for name in view.metrics:
            label = next((label for label in traces if label.split("[")[0] == name and id in traces[label]), None)
            if label is None or view.key in drawn:
                continue
            made = _drawing(view, traces[label][id])
            if made:
                drawn[view.key] = made
    label = next((label for label in traces if label.split("[")[0] == "av_align" and id in traces[label]), None)
    if label is not None:
        trace = traces[label][id]
        drawn["peaks"] = [
            [round(float(t), 3) for t in trace.get(k, ()) if np.isfinite(t)] for k in ("video_peaks", "audio_peaks")
        ]
    return drawn


def _drawing(view: View, trace: Mapping[str, Array]) -> Any:
    if view.needs and view.needs not in trace:
        return None
    if view.windows is not None:
        columns = [np.asarray(trace.get(name, ()), dtype=np.float64) for name in view.windows]
        if len({len(c) for c in columns}) != 1:
            return None
        return [
            [float(f"{x:.4g}") for x in (start, end, value)]
            for value, start, end in zip(*columns, strict=True)
            if np.isfinite([value, start, end]).all()
        ]
    lines = []
    for label, values, places in view.lines:
        y = np.asarray(trace.get(values, ()), dtype=np.float64)
        x = np.asarray(trace.get(places, ()) if places else _MOMENTARY * np.arange(len(y)), dtype=np.float64)
        if len(x) == len(y) and np.isfinite(x).any():
            lines.append([label, packed(x, y)])
    return lines


def packed(x: NDArray[np.float64], y: NDArray[np.float64]) -> Packed:
    """A curve on evenly spaced points; see the module."""
    x, y = x[np.isfinite(x)], y[np.isfinite(x)]
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    grid = np.linspace(x[0], x[-1], min(len(x), POINTS))
    told = np.isfinite(y)
    low, high = (float(y[told].min()), float(y[told].max())) if told.any() else (0.0, 0.0)
    level = (np.where(told, y, low) - low) / (high - low) if high > low else np.zeros(len(y))
    steps = np.rint(254 * np.interp(grid, x, level)).astype(np.uint8)
    # A point whose nearest measured one says nothing says nothing.
    nearest = np.abs(x[:, None] - grid[None, :]).argmin(axis=0) if not told.all() else None
    if nearest is not None:
        steps[~told[nearest]] = 255
    ends = [float(f"{v:.5g}") for v in (x[0], x[-1], low, high)]
    return [*ends, base64.b64encode(steps.tobytes()).decode()]


def _sound(clip: Any) -> dict[str, Any]:
    """The loudest sample of each of `BINS` pieces, and from when to when."""
    try:
        sound, start = media_of.sound_alone(clip)
    except (BadClip, OSError):
        return {}
    if sound is None or sound.samples.size == 0:
        return {"wave": None}
    level = np.abs(sound.samples).max(axis=0)
    edges = np.linspace(0, len(level), min(BINS, len(level)) + 1).astype(np.intp)[:-1]
    peaks = np.nan_to_num(np.maximum.reduceat(level, edges), nan=0.0, posinf=0.0)
    steps = np.rint(254 * np.clip(peaks, 0.0, 1.0)).astype(np.uint8)
    end = start + len(level) / sound.sample_rate
    return {"wave": [round(start, 4), round(end, 4), 0, 1, base64.b64encode(steps.tobytes()).decode()]}


def read_traces(folder: Path, label: str, wanted: set[str]) -> dict[str, dict[str, Array]]:
    """Traces of the wanted clips by name; empty if the metric traces nothing or the file is no trace."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "traces" / f"{label}.parquet"
    try:
        if not path.is_file():
            return {}
        table: Any = pq.ParquetFile(path).read(["clip", "name", "values"]).combine_chunks()
        if table.num_rows == 0:
            return {}
        column = table["values"].chunk(0)
        ends, flat = column.offsets.to_numpy(), column.values.to_numpy(zero_copy_only=False)
        clips, names = table["clip"].to_pylist(), table["name"].to_pylist()
    except (OSError, KeyError, ValueError, AttributeError, pa.ArrowException):
        return {}
    out: dict[str, dict[str, Array]] = {}
    for k, (clip, name) in enumerate(zip(clips, names, strict=True)):
        if clip in wanted:
            out.setdefault(clip, {})[name] = flat[ends[k] : ends[k + 1]]
    return out
