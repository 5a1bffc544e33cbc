"""A metric's curve over the levels of each distortion, on the user's own clips."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.stats import rankdata

from avbench import pipeline, registry, results
from avbench.agreement.permutation import holm, paired
from avbench.agreement.resampling import Floats, Interval, bootstrap
from avbench.agreement.scores import Values, read_scores
from avbench.distortions import files
from avbench.distortions.base import Distortion
from avbench.distortions.making import ORIGINAL
from avbench.errors import AvbenchError
from avbench.options import Options

FEWEST_FOR_TEST = 9
"""Clips; with fewer, no order of signs is rare enough to pass Holm's adjustment over ten levels."""
LARGE_EFFECT = 0.8
ALPHA = 0.05

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Point:
    """One level.

    Args:
        level: 0 to 9; -1 for the clips without distortion.
        parameter: Of the distortion; None without.
        severity: 0 without distortion.
        mean: Of the metric over clips.
        clips: That have a value here and undistorted.
        effect: Mean of the paired differences from undistorted over their standard deviation (Cohen's d_z); infinite where
            all differ alike.
        p: Paired permutation test, adjusted by Holm over the levels; NaN with too few clips.
    """

    level: int
    parameter: float | None
    severity: float
    mean: Interval
    clips: int
    effect: float
    p: float


@dataclass(frozen=True)
class Curve:
    """One metric under one distortion.

    Args:
        metric: Label.
        better: Of the metric.
        code, name, unit: Of the distortion.
        points: By rising severity, undistorted first.
        monotonicity: Spearman's correlation of severity and mean value, positive where the metric gets worse with the damage
            (where it rises, for a metric without direction).
        isotonic: Share of the spread of the means that a curve explains which only gets worse.
        told: Mildest level that the metric tells from none; None if it tells none.
        told_by: `test` (p adjusted at most 5 %) or `effect size` (0.8 or more, with too few clips for a test).
    """

    metric: str
    better: str
    code: str
    name: str
    unit: str
    points: tuple[Point, ...]
    monotonicity: Interval
    isotonic: float
    told: int | None
    told_by: str


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

    Args:
        metrics: Labels of metrics that need no reference.
        clips: Folder of clips.
        out: Gets `clips/` (the distorted clips) and `run/` (their scores).
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
        AvbenchError: as `distort` and `score` raise; if no metric has a value per clip.
    """
    workers = options.workers if options is not None else None
    made = files.distort(
        clips, out / "clips", distortions, levels, original=True, seed=seed, limit=limit, workers=workers, progress=progress
    )
    pipeline.score(out / "clips", metrics=metrics, out=out / "run", options=options, progress=progress)
    run = results.read(out / "run")
    scores = read_scores(out / "run")
    # Every run reports its signal checks too; here only what was asked for counts.
    asked = [registry.metric(spec.name, **dict(spec.parameters)).label for spec in map(registry.parse_spec, metrics)]
    wanted = [label for label in asked if label in scores.metrics]
    if not wanted:
        raise AvbenchError(f"none of {', '.join(metrics)} has a value per clip: {'; '.join(scores.notes)}")
    sources = sorted({clip for clip, _, _ in made.files})
    curves = []
    for label in wanted:
        for distortion in distortions:
            table = _table(scores.metrics[label], made, out / "clips", sources, distortion, levels)
            curves.append(_curve(label, scores.metrics[label], distortion, levels, table, resamples, seed))
    reasons = {label: dict(run[label].unscored) for label in wanted}
    failed = [{"clip": c, "type": t, "level": n, "reason": why} for (c, t, n), why in sorted(made.failed.items())]
    return {
        "schema": 1,
        "clips": str(clips),
        "sources": sources,
        "seed": seed,
        "signatures": {label: run[label].signature for label in wanted},
        "curves": [plain(dataclasses.asdict(c)) for c in curves],
        "failed": failed,
        "unscored": {label: why for label, why in reasons.items() if why},
        "notes": [*scores.notes, *_notes(sources)],
    }


def _notes(sources: Sequence[str]) -> list[str]:
    if len(sources) >= FEWEST_FOR_TEST:
        return []
    return [
        f"{len(sources)} clips are too few for a paired test over ten levels ({FEWEST_FOR_TEST} are needed); the mildest level "
        f"told from none is by effect size alone ({LARGE_EFFECT} or more)"
    ]


def _table(
    values: Values, made: files.Made, folder: Path, sources: Sequence[str], distortion: Distortion, levels: Sequence[int]
) -> Floats:
    """Values `(sources, 1 + levels)`, undistorted first; NaN where there is none."""

    def value(clip: str, code: str, level: int) -> float:
        path = made.files.get((clip, code, level))
        return math.nan if path is None else values.by_clip.get(path.relative_to(folder).with_suffix("").as_posix(), math.nan)

    return np.array([[value(c, ORIGINAL, 0), *(value(c, distortion.code, n) for n in levels)] for c in sources])


def _curve(
    label: str,
    values: Values,
    distortion: Distortion,
    levels: Sequence[int],
    table: Floats,
    resamples: int,
    seed: int,
) -> Curve:
    severity = np.array([0.0, *_ranked(distortion, levels)])
    places = [-1, *levels]
    both = np.isfinite(table) & np.isfinite(table[:, :1])
    means = [_mean(table[both[:, k], k], resamples, seed) for k in range(len(places))]
    apart = [table[both[:, k], k] - table[both[:, k], 0] for k in range(len(places))]
    tested = [k for k in range(1, len(places)) if len(apart[k]) >= FEWEST_FOR_TEST]
    adjusted = dict(zip(tested, holm([paired(apart[k], 0 * apart[k], seed=seed).p for k in tested]), strict=True))
    points = [
        Point(
            places[k],
            None if k == 0 else distortion.parameters[places[k]],
            float(severity[k]),
            means[k],
            len(apart[k]),
            0.0 if k == 0 else _effect(apart[k]),
            adjusted.get(k, math.nan),
        )
        for k in np.argsort(severity, kind="stable")
    ]
    told = next((p.level for p in points[1:] if p.p <= ALPHA), None)
    told_by = "test"
    if not tested:
        told = next((p.level for p in points[1:] if abs(p.effect) >= LARGE_EFFECT), None)
        told_by = "effect size"
    worse = -1.0 if values.better == "higher" else 1.0
    return Curve(
        label,
        values.better,
        distortion.code,
        distortion.name,
        distortion.unit,
        tuple(points),
        _monotonicity(table, both, severity, worse, resamples, seed),
        _isotonic([p.mean.value for p in points], worse),
        told,
        told_by,
    )


def _ranked(distortion: Distortion, levels: Sequence[int]) -> Floats:
    """1 for the mildest level; levels that are equally severe (a shift either way) share a rank."""
    return np.asarray(rankdata([round(distortion.severity[n], 9) for n in levels], method="dense"), dtype=np.float64)


def _mean(values: Floats, resamples: int, seed: int) -> Interval:
    if not len(values):
        return Interval(math.nan, math.nan, math.nan, "none: no clip has a value here and undistorted")
    return bootstrap(lambda w: w @ values / w.sum(axis=1), len(values), resamples=resamples, seed=seed)


def _effect(apart: Floats) -> float:
    if len(apart) < 2:
        return math.nan
    spread, mean = float(apart.std(ddof=1)), float(apart.mean())
    if spread <= 1e-12 * abs(mean) or spread == 0.0:
        return math.copysign(math.inf, mean) if mean else 0.0
    return mean / spread


def _monotonicity(table: Floats, both: Any, severity: Floats, worse: float, resamples: int, seed: int) -> Interval:
    ranks = rankdata(severity)
    filled = np.where(both, table, 0.0)

    def statistic(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            means = (weights @ filled) / (weights @ both)
        out = np.full(len(weights), np.nan)
        full = np.isfinite(means).all(axis=1) & (np.ptp(np.nan_to_num(means), axis=1) > 0)
        y = rankdata(means[full], axis=1)
        x, y = ranks - ranks.mean(), y - y.mean(axis=1, keepdims=True)
        out[full] = worse * (y @ x) / np.sqrt((y * y).sum(axis=1) * (x @ x))
        return out

    return bootstrap(statistic, len(table), resamples=resamples, seed=seed)


def _isotonic(means: Sequence[float], worse: float) -> float:
    values = worse * np.asarray(means)
    values = values[np.isfinite(values)]
    if len(values) < 3 or np.ptp(values) == 0:
        return math.nan
    fitted = isotonic_regression(values).x
    return 1.0 - float(((values - fitted) ** 2).sum() / ((values - values.mean()) ** 2).sum())


def plain(value: Any) -> Any:
    """What JSON takes: NaN is None, infinity a word."""
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
