"""From clips to the report: distort, score every cell, describe each metric's curve."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avbench import pipeline, results
from avbench.agreement.resampling import Floats
from avbench.agreement.scores import Values, read_scores
from avbench.distortions import files
from avbench.distortions.base import Distortion
from avbench.distortions.files import Progress
from avbench.distortions.making import ORIGINAL
from avbench.errors import AvbenchError
from avbench.folders import find_clips
from avbench.options import Options
from avbench.types import Metric
from avbench.validate import cells
from avbench.validate.curves import FEWEST_FOR_TEST, LARGE_EFFECT, Curve, Point, clip_curve, set_curve


def validate(
    metrics: Sequence[str],
    clips: Path,
    out: Path,
    distortions: Sequence[Distortion],
    levels: Sequence[int],
    *,
    seed: int = 0,
    limit: int | None = None,
    options: Options | None = None,
    resamples: int = 1_000,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Distort clips, score them, and describe each metric's curve; the same call goes on where it stopped.

    A metric of a set is a number of all clips of a level. One that needs references gets the user's clips as they are, for the
    clips encoded again without a distortion too, so that what encoding costs is in the number of `none`.

    Args:
        metrics: Labels of metrics that need no caption.
        clips: Folder of clips.
        out: Gets `clips/` (the distorted clips), `run/` (their scores, of metrics that score a clip by itself) and a ledger.
        distortions: As `catalogue.chosen` gives them.
        levels: 0 to 9.
        seed: Of distortions, bootstraps and tests.
        limit: Only the first clips.
        options: Of decoding and devices.
        resamples: Of the bootstrap.
        progress: Called with stage, done, total.

    Returns:
        What `validation.json` holds: `curves`, `failed` cells with reasons, `notes`.

    Raises:
        AvbenchError: as `distort` and `score` raise; if a metric cannot be had of these clips, or none has a value.
    """
    options = options or Options()
    found = find_clips(clips).clips[:limit]
    asked = cells.chosen(metrics, len(found), clips, options)
    made = files.distort(
        clips,
        out / "clips",
        distortions,
        levels,
        original=True,
        seed=seed,
        limit=limit,
        workers=options.workers,
        progress=progress,
    )
    failed = [{"clip": c, "type": t, "level": n, "reason": why} for (c, t, n), why in sorted(made.failed.items())]
    if not made.files:
        raise AvbenchError(f"no clip of {clips} could be distorted, such as '{failed[0]['clip']}': {failed[0]['reason']}")
    scored, notes = _by_itself([m for m in asked if cells.alone(m)], out, options, progress)
    others = [m for m in asked if not cells.alone(m)]
    if others:
        compared = cells.compare(others, found, made, out / "ledger.sqlite", options=options, progress=progress)
        scored.values |= compared.values
        scored.sets |= compared.sets
        scored.signatures |= compared.signatures
        scored.unscored |= compared.unscored
    wanted = [m for m in asked if m.label in scored.signatures]
    if not wanted:
        raise AvbenchError(f"none of {', '.join(metrics)} has a value per clip: {'; '.join(notes)}")
    sources = sorted({clip for clip, _, _ in made.files})
    curves = []
    for metric in wanted:
        for distortion in distortions:
            if metric.needs_all:
                curves.append(set_curve(metric, scored.sets[metric.label], distortion, levels))
                continue
            values = scored.values[metric.label]
            table = _table(values, made, sources, distortion, levels)
            reference = metric.needs_reference
            curves.append(clip_curve(metric.label, values, distortion, levels, table, resamples, seed, reference=reference))
    notes += _notes(sources, wanted, curves, scored)
    if not any(math.isfinite(p.mean.value) for c in curves for p in c.points):
        raise AvbenchError(f"there is no curve to draw: {'; '.join(notes)}")
    return {
        "schema": 1,
        "clips": str(clips),
        "sources": sources,
        "seed": seed,
        "signatures": {m.label: scored.signatures[m.label] for m in wanted},
        "curves": [plain(dataclasses.asdict(c)) for c in curves],
        "failed": failed,
        "unscored": {m.label: why for m in wanted if (why := scored.unscored[m.label])},
        "notes": notes,
    }


def _by_itself(
    metrics: Sequence[Metric], out: Path, options: Options, progress: Progress | None
) -> tuple[cells.Compared, list[str]]:
    """The metrics that score a clip by itself, from a run over the distorted clips, and what that run has to say."""
    if not metrics:
        return cells.Compared(), []
    labels = [m.label for m in metrics]
    pipeline.score(out / "clips", metrics=labels, out=out / "run", options=options, progress=progress)
    run, scores = results.read(out / "run"), read_scores(out / "run")
    # Every run reports its signal checks too; here only what was asked for counts.
    there = [label for label in labels if label in scores.metrics]
    return cells.Compared(
        values={label: scores.metrics[label] for label in there},
        signatures={label: run[label].signature for label in there},
        unscored={label: dict(run[label].unscored) for label in there},
    ), list(scores.notes)


def _notes(sources: Sequence[str], wanted: Sequence[Metric], curves: Sequence[Curve], scored: cells.Compared) -> list[str]:
    notes = []
    if len(sources) < FEWEST_FOR_TEST and not all(m.needs_all for m in wanted):
        notes.append(
            f"{len(sources)} clips are too few for a paired test over ten levels ({FEWEST_FOR_TEST} are needed); the mildest "
            f"level told from none is by effect size alone ({LARGE_EFFECT} or more)"
        )
    for metric in wanted:
        label, why = metric.label, scored.unscored[metric.label]
        points = [p for c in curves if c.metric == label for p in c.points]
        lacking = [p for p in points if not math.isfinite(p.mean.value)]
        if len(lacking) == len(points):
            first = f"; '{next(iter(why))}': {next(iter(why.values()))}" if why else ""
            notes.append(f"{label} has no value at any level: {_why(lacking[0])}{first}")
        elif metric.needs_all:
            notes += _of_set(metric, points)
    return notes


def _of_set(metric: Metric, points: Sequence[Point]) -> list[str]:
    """What a set metric's curves do not show by themselves."""
    label, notes, none = metric.label, [], points[0]
    levels = [p for p in points if p.level >= 0]
    if not math.isfinite(none.mean.low):
        notes.append(f"{label} has no interval without distortion ({_why(none)}), so no level can be told from none")
    if metric.needs_reference and metric.better == "lower" and none.mean.value < 0:
        notes.append(
            f"{label} is below 0 without distortion: it takes the two sets for independent, and here they are of the same "
            "clips; how far the levels lie apart counts, not where 0 is"
        )
    lacking = [p for p in levels if not math.isfinite(p.mean.value)]
    if lacking:
        notes.append(f"{label} has no value at {len(lacking)} of {len(levels)} levels, such as: {_why(lacking[0])}")
    fewer = sum(p.clips < none.clips for p in levels)
    if fewer:
        notes.append(f"{label}: {fewer} of {len(levels)} levels are of fewer clips than the {none.clips} without distortion")
    return notes


def _why(point: Point) -> str:
    return point.mean.how.removeprefix("none: ")


def _table(values: Values, made: files.Made, sources: Sequence[str], distortion: Distortion, levels: Sequence[int]) -> Floats:
    """Values `(sources, 1 + levels)`, undistorted first; NaN where there is none."""

    def value(clip: str, code: str, level: int) -> float:
        path = made.files.get((clip, code, level))
        return math.nan if path is None else values.by_clip.get(cells.name_of(path, made.folder), math.nan)

    return np.array([[value(c, ORIGINAL, 0), *(value(c, distortion.code, n) for n in levels)] for c in sources])


def plain(value: Any) -> Any:
    """What JSON takes: NaN is None, infinity a word."""
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
