"""A metric's curve over the levels of one distortion, and what the numbers say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.stats import rankdata

from avbench.agreement.permutation import holm, paired
from avbench.agreement.resampling import Floats, Interval, bootstrap
from avbench.agreement.scores import Values
from avbench.distortions.base import Distortion
from avbench.results import Score
from avbench.types import Better, Metric
from avbench.validate import cells

FEWEST_FOR_TEST = 9
"""Clips; with fewer, no order of signs is rare enough to pass Holm's adjustment over ten levels."""
LARGE_EFFECT = 0.8
ALPHA = 0.05
_WIDTH = 2 * 1.959963984540054
"""Of a 95 % interval, in standard errors."""


@dataclass(frozen=True)
class Point:
    """One level.

    Args:
        level: 0 to 9; -1 for the clips without distortion.
        parameter: Of the distortion; None without.
        severity: 0 without distortion.
        mean: Of the metric over clips; the number of a set metric, with the interval that the metric itself reports.
        clips: That have a value here and undistorted; those in the set.
        effect: Mean of the paired differences from undistorted over their standard deviation (Cohen's d_z); infinite where
            all differ alike. Of a set metric the difference from undistorted over its standard error, which the two intervals
            imply if they are taken for independent; NaN without them.
        p: Paired permutation test, adjusted by Holm over the levels; NaN with too few clips, and for a set metric.
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
        of: `clip` for a mean over clips, `set` for one number of all clips of a level.
        reference: Whether clips are compared with the undistorted ones.
        code, name, unit: Of the distortion.
        points: By rising severity, undistorted first.
        monotonicity: Spearman's correlation of severity and mean value, positive where the metric gets worse with the damage
            (where it rises, for a metric without direction). A set metric has one value per level, hence no interval.
        isotonic: Share of the spread of the means that a curve explains which only gets worse.
        told: Mildest level that the metric tells from none; None if it tells none.
        told_by: `test` (p adjusted at most 5 %), `effect size` (0.8 or more, with too few clips for a test) or, of a set
            metric, `intervals` (that of the level lies wholly beyond that of none, on either side).
    """

    metric: str
    better: str
    of: str
    reference: bool
    code: str
    name: str
    unit: str
    points: tuple[Point, ...]
    monotonicity: Interval
    isotonic: float
    told: int | None
    told_by: str


def clip_curve(
    label: str,
    values: Values,
    distortion: Distortion,
    levels: Sequence[int],
    table: Floats,
    resamples: int,
    seed: int,
    *,
    reference: bool = False,
) -> Curve:
    """Of a metric with a value per clip.

    Args:
        label: Of the metric.
        values: For its direction.
        distortion: What `table` is of.
        levels: Its columns after the first.
        table: `(clips, 1 + levels)`, undistorted first; NaN where there is none.
        resamples: Of the bootstrap.
        seed: Of bootstrap and tests.
        reference: Whether each clip was compared with its undistorted clip.
    """
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
    worse = _worse(values.better)
    return Curve(
        label,
        values.better,
        "clip",
        reference,
        distortion.code,
        distortion.name,
        distortion.unit,
        tuple(points),
        _monotonicity(table, both, severity, worse, resamples, seed),
        _isotonic([p.mean.value for p in points], worse),
        told,
        told_by,
    )


def set_curve(metric: Metric, scores: Mapping[cells.Cell, Score], distortion: Distortion, levels: Sequence[int]) -> Curve:
    """Of a set metric, from its number at each cell; a cell that is not there could not be made."""
    severity = np.array([0.0, *_ranked(distortion, levels)])
    places = [-1, *levels]
    none = _number(scores.get(cells.UNDISTORTED))
    points = []
    for k in np.argsort(severity, kind="stable"):
        score = scores.get(cells.UNDISTORTED if k == 0 else (distortion.code, places[k]))
        parameter = None if k == 0 else distortion.parameters[places[k]]
        number = _number(score)
        effect = 0.0 if k == 0 else _apart(number, none)
        clips = 0 if score is None else score.n_scored
        points.append(Point(places[k], parameter, float(severity[k]), number, clips, effect, math.nan))
    beyond = (p.level for p in points[1:] if p.mean.low > none.high or p.mean.high < none.low)
    worse = _worse(metric.better)
    found = np.array([p.mean.value for p in points])
    along = _spearman(np.array([p.severity for p in points]), found[None])[0]
    return Curve(
        metric.label,
        metric.better,
        "set",
        metric.needs_reference,
        distortion.code,
        distortion.name,
        distortion.unit,
        tuple(points),
        Interval(worse * float(along), math.nan, math.nan, "none: one value per level"),
        _isotonic([p.mean.value for p in points], worse),
        next(beyond, None),
        "intervals",
    )


def _number(score: Score | None) -> Interval:
    """A set metric's number, as the metric itself reports it."""
    if score is None:
        return Interval(math.nan, math.nan, math.nan, "none: no clip could be made")
    return Interval(score.value, score.low, score.high, score.interval)


def _apart(here: Interval, none: Interval) -> float:
    """Difference over its standard error, the two taken for independent."""
    difference = here.value - none.value
    error = math.hypot(here.high - here.low, none.high - none.low) / _WIDTH
    if error == 0:
        return math.copysign(math.inf, difference) if difference else 0.0
    return difference / error


def _worse(better: Better) -> float:
    """The sign of getting worse; a metric without direction is looked at as if it rose."""
    return -1.0 if better == "higher" else 1.0


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
    filled = np.where(both, table, 0.0)

    def statistic(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return worse * _spearman(severity, (weights @ filled) / (weights @ both))

    return bootstrap(statistic, len(table), resamples=resamples, seed=seed)


def _spearman(severity: Floats, means: Floats) -> Floats:
    """Of each row of means `(b, levels)`; NaN for one that is constant or has a gap."""
    ranks = rankdata(severity)
    out = np.full(len(means), np.nan)
    full = np.isfinite(means).all(axis=1) & (np.ptp(np.nan_to_num(means), axis=1) > 0)
    y = rankdata(means[full], axis=1)
    x, y = ranks - ranks.mean(), y - y.mean(axis=1, keepdims=True)
    out[full] = (y @ x) / np.sqrt((y * y).sum(axis=1) * (x @ x))
    return out


def _isotonic(means: Sequence[float], worse: float) -> float:
    values = worse * np.asarray(means)
    values = values[np.isfinite(values)]
    if len(values) < 3 or np.ptp(values) == 0:
        return math.nan
    fitted = isotonic_regression(values).x
    return 1.0 - float(((values - fitted) ** 2).sum() / ((values - values.mean()) ** 2).sum())
