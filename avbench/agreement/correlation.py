"""Pearson, Spearman and AUROC of weighted clips, all resamples at once.

A weight is how often a resample holds a clip; with weights of 1 the values are those of `scipy.stats`. NaN where a side is
constant.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avbench.agreement.resampling import Floats, Weighted
from avbench.errors import BadParameter


def checked(human: NDArray[np.generic], metric: NDArray[np.generic], fewest: int = 2) -> tuple[Floats, Floats]:
    """Both sides as float64 `(n,)`.

    Raises:
        BadParameter: for other shapes, fewer than `fewest` clips, or values that are not finite.
    """
    x, y = np.asarray(human, dtype=np.float64), np.asarray(metric, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise BadParameter(f"human and metric scores must both be (n,), got {x.shape} and {y.shape}")
    if len(x) < fewest:
        raise BadParameter(f"agreement needs {fewest} clips or more with a rating and a score, got {len(x)}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise BadParameter("human or metric scores hold NaN or infinite values; leave those clips out and say so")
    return x, y


def pearson(human: NDArray[np.generic], metric: NDArray[np.generic]) -> Weighted:
    """Pearson's correlation."""
    x, y = checked(human, metric)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return lambda weights: np.full(len(weights), np.nan)
    x, y = (x - x.mean()) / np.ptp(x), (y - y.mean()) / np.ptp(y)
    products = np.stack([x, y, x * x, y * y, x * y], axis=1)

    def statistic(weights: Floats) -> Floats:
        sums = weights @ products / weights.sum(axis=1, keepdims=True)
        mean_x, mean_y, xx, yy, xy = sums.T
        return _ratio(xy - mean_x * mean_y, xx - mean_x**2, yy - mean_y**2)

    return statistic


def spearman(human: NDArray[np.generic], metric: NDArray[np.generic]) -> Weighted:
    """Spearman's correlation: Pearson's of the mid-ranks within each resample."""
    rank_x, rank_y = (_Ranks(v) for v in checked(human, metric))

    def statistic(weights: Floats) -> Floats:
        total = weights.sum(axis=1, keepdims=True)
        x, y = rank_x(weights) - (total + 1) / 2, rank_y(weights) - (total + 1) / 2
        return _ratio((weights * x * y).sum(axis=1), (weights * x * x).sum(axis=1), (weights * y * y).sum(axis=1))

    return statistic


def auroc(label: NDArray[np.generic], metric: NDArray[np.generic]) -> Weighted:
    """Area under the ROC curve: chance that a clip with label 1 scores above one with label 0, ties count half.

    Args:
        label: `(n,)` of 0 and 1.
        metric: `(n,)`, turned round beforehand where lower is better.

    Raises:
        BadParameter: for labels other than 0 and 1.
    """
    labels, values = checked(label, metric)
    if not np.isin(labels, (0.0, 1.0)).all():
        raise BadParameter(f"labels must be 0 or 1, got {sorted(set(labels.tolist()) - {0.0, 1.0})[:3]}")
    ranks = _Ranks(values)

    def statistic(weights: Floats) -> Floats:
        positive = weights * labels
        up, down = positive.sum(axis=1), (weights - positive).sum(axis=1)
        of_positives = (positive * ranks(weights)).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((of_positives - up * (up + 1) / 2) / (up * down))

    return statistic


class _Ranks:
    """Mid-ranks `(b, n)` of one side within each resample, from weights `(b, n)`."""

    def __init__(self, values: Floats) -> None:
        _, self._group = np.unique(values, return_inverse=True)
        self._order = np.argsort(self._group, kind="stable")
        self._starts = np.searchsorted(self._group[self._order], np.arange(self._group.max() + 1))

    def __call__(self, weights: Floats) -> Floats:
        sizes = np.add.reduceat(weights[:, self._order], self._starts, axis=1)
        upto = np.cumsum(sizes, axis=1)
        return np.asarray((upto - sizes + (sizes + 1) / 2)[:, self._group])


def _ratio(together: Floats, of_x: Floats, of_y: Floats) -> Floats:
    """Correlation from a covariance and two variances; NaN where one is 0 up to rounding."""
    alive = (of_x > 1e-12 * max(1.0, float(of_x.max(initial=0)))) & (of_y > 1e-12 * max(1.0, float(of_y.max(initial=0))))
    out = np.full(len(together), np.nan)
    out[alive] = np.clip(together[alive] / np.sqrt(of_x[alive] * of_y[alive]), -1.0, 1.0)
    return out
