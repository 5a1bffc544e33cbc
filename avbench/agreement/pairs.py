"""Pairs of clips: does the metric order them as people do, ties included?

Pairwise accuracy counts a pair as right if metric and people order it alike or both call it a tie. A metric of real numbers has
no ties, people on a scale of a few steps have many: metric differences up to epsilon count as ties, with the epsilon that
makes the metric's accuracy highest (tie calibration).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avbench.agreement.correlation import checked
from avbench.agreement.resampling import Floats, Interval, Weighted, bootstrap, codes_of
from avbench.errors import BadParameter

MOST_PAIRS = 500_000
"""More are thinned out at random, seeded."""
FOLDS = 5
_WORK = 300_000_000
_FEWEST_RESAMPLES = 200


@dataclass(frozen=True)
class PairAccuracy:
    """Pairwise accuracy of one metric.

    Args:
        value: At the calibrated epsilon, averaged over groups, with its interval; each resample calibrates anew.
        epsilon: Metric differences up to this are ties.
        cross_fit: Accuracy with an epsilon that was found on other clusters, free of the optimism of `value`; NaN with fewer
            than 10 clusters.
        without_ties: Accuracy at epsilon 0.
        pairs, groups: What it stands on.
    """

    value: Interval
    epsilon: float
    cross_fit: float
    without_ties: float
    pairs: int
    groups: int


class Pairs:
    """All pairs of clips within groups, and how the two sides order them.

    Args:
        human, metric: `(n,)`.
        groups: `(n,)` labels; only clips with one label are compared, and groups count alike, as in mt-metrics-eval's
            averages by item. None, or labels of which no two are alike: all clips are one group.
        seed: Of thinning out where there are more than `MOST_PAIRS`.
    """

    def __init__(
        self,
        human: NDArray[np.generic],
        metric: NDArray[np.generic],
        groups: NDArray[np.generic] | None = None,
        *,
        seed: int = 0,
    ) -> None:
        x, y = checked(human, metric)
        codes = codes_of(groups, len(x)) if groups is not None else np.zeros(len(x), dtype=np.intp)
        if codes.max() + 1 == len(x):
            codes = np.zeros(len(x), dtype=np.intp)
        self.n = len(x)
        self.first, self.second = pair_indices(codes, seed=seed)
        if not len(self.first):
            raise BadParameter("there is no pair of clips to compare; every group holds a single clip")
        rows, of_pair = np.unique(codes[self.first], return_inverse=True)
        self.groups = len(rows)
        self.size = np.bincount(of_pair)[of_pair]
        self.human = np.sign(x[self.first] - x[self.second])
        difference = y[self.first] - y[self.second]
        self.apart = np.abs(difference)
        self.right = (np.sign(difference) == self.human).astype(np.float64)
        self.tied = (self.human == 0).astype(np.float64)
        self.group = of_pair

    def accuracy(self, epsilon: float, weights: Floats | None = None) -> float:
        """Accuracy where metric differences up to `epsilon` are ties."""
        weights = 1.0 / self.size if weights is None else weights
        right = np.where(self.apart <= epsilon, self.tied, self.right)
        return float((weights * right).sum() / weights.sum())

    def calibrated(self, weights: Floats | None = None) -> tuple[float, float]:
        """The highest accuracy and the smallest epsilon that reaches it.

        Args:
            weights: Of each pair; those of the averages over groups without.
        """
        weights = 1.0 / self.size if weights is None else weights
        order = np.argsort(self.apart, kind="stable")
        values, thresholds = self._curve(weights[None, order], order)
        best = int(np.argmax(np.round(values[0], 12)))
        return float(values[0, best]), float(thresholds[best])

    def _curve(self, weights: Floats, order: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Accuracy `(b, t)` at each threshold `(t,)`, 0 first; weights `(b, p)` in the order of rising differences."""
        apart = self.apart[order]
        gain = weights * (self.tied - self.right)[order]
        ends = np.r_[np.flatnonzero(np.diff(apart)), len(apart) - 1]
        start = (weights * self.right[order]).sum(axis=1, keepdims=True)
        curve = start + np.cumsum(gain, axis=1)[:, ends]
        if apart[0] > 0:
            curve, ends = np.concatenate([start, curve], axis=1), np.r_[-1, ends]
        thresholds = np.where(ends < 0, 0.0, apart[ends])
        return curve / weights.sum(axis=1, keepdims=True), thresholds

    def statistic(self, epsilon: float | None = None) -> Weighted:
        """Accuracy of resamples, from weights of clips `(b, n)`; calibrated anew in each if `epsilon` is None."""
        order = np.argsort(self.apart, kind="stable")
        first, second, group = self.first[order], self.second[order], self.group[order]

        def one(weights: Floats) -> float:
            both = weights[first] * weights[second]
            if self.groups > 1:  # a group that is drawn twice counts twice, whatever the number of its pairs
                total = np.bincount(group, weights=both, minlength=self.groups)
                times = np.zeros(self.groups)
                times[group] = weights[first]  # alike for all clips of a group
                both = both * np.divide(times, total, out=np.zeros_like(times), where=total > 0)[group]
            if not both.any():
                return float("nan")
            if epsilon is None:
                return float(self._curve(both[None], order)[0].max())
            right = np.where(self.apart <= epsilon, self.tied, self.right)[order]
            return float((both * right).sum() / both.sum())

        return lambda weights: np.array([one(w) for w in weights])


def pair_indices(
    codes: NDArray[np.intp], *, most: int = MOST_PAIRS, seed: int = 0
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Both ends of every pair of clips with one code; `most` of them at random, without replacement, where there are more."""
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.r_[0, np.cumsum(sizes)[:-1]]
    count = int((sizes.astype(np.int64) * (sizes - 1) // 2).sum())
    if count <= most:
        found = [np.triu_indices(size, 1) for size in sizes]
        first = np.concatenate([start + a for start, (a, _) in zip(starts, found, strict=True)])
        second = np.concatenate([start + b for start, (_, b) in zip(starts, found, strict=True)])
        return order[first], order[second]
    rng = np.random.Generator(np.random.PCG64(seed))
    chosen = rng.choice(count, most, replace=False)
    ends = np.cumsum(sizes.astype(np.int64) * (sizes - 1) // 2)
    group = np.searchsorted(ends, chosen, side="right")
    inside = chosen - np.r_[0, ends[:-1]][group]
    # The k-th pair below the diagonal, row by row: (1, 0), (2, 0), (2, 1), ...
    row = np.floor((1 + np.sqrt(1 + 8 * inside.astype(np.float64))) / 2).astype(np.int64)
    row -= row * (row - 1) // 2 > inside
    row += (row + 1) * row // 2 <= inside
    column = inside - row * (row - 1) // 2
    return order[starts[group] + column], order[starts[group] + row]


def pair_accuracy(
    human: NDArray[np.generic],
    metric: NDArray[np.generic],
    *,
    groups: NDArray[np.generic] | None = None,
    clusters: NDArray[np.generic] | None = None,
    resamples: int = 2_000,
    seed: int = 0,
) -> PairAccuracy:
    """Pairwise accuracy with ties and calibrated epsilon (acc-eq, `acc23` with tie optimisation in mt-metrics-eval).

    Args:
        human: `(n,)`.
        metric: `(n,)`, turned round beforehand where lower is better.
        groups: `(n,)` labels of clips that are compared with each other (of one prompt); None for all.
        clusters: `(n,)` labels of clips that the bootstrap draws together, whole groups where there are several; None for
            `groups`.
        resamples: Bootstrap samples; fewer, at least 200, where there are many pairs.
        seed: Of folds, draws and thinning out.

    Raises:
        BadParameter: if there is no pair, or as in `correlation.checked`.

    Source:
        D. Deutsch et al., Ties Matter, arXiv:2305.14324; google-research/mt-metrics-eval 68a481a, `tau_optimization.py`.
    """
    pairs = Pairs(human, metric, groups, seed=seed)
    clusters = groups if clusters is None else clusters
    value, epsilon = pairs.calibrated()
    codes = codes_of(clusters, pairs.n)
    if pairs.groups > 1 and (codes[pairs.first] != codes[pairs.second]).any():
        raise BadParameter("clips that are compared with each other must lie in one cluster; give the groups as clusters")
    fewer = max(_FEWEST_RESAMPLES, min(resamples, _WORK // len(pairs.first)))
    interval = bootstrap(pairs.statistic(), pairs.n, clusters=clusters, resamples=fewer, seed=seed, unit=_unit(clusters))
    return PairAccuracy(
        Interval(value, interval.low, interval.high, interval.how),
        epsilon,
        _cross_fit(pairs, codes, seed),
        pairs.accuracy(0.0),
        len(pairs.first),
        pairs.groups,
    )


def _unit(clusters: NDArray[np.generic] | None) -> str:
    return "clips" if clusters is None else "prompts"


def _cross_fit(pairs: Pairs, codes: NDArray[np.intp], seed: int) -> float:
    """Mean accuracy over folds of clusters, each with the epsilon of the others."""
    count = int(codes.max()) + 1
    if count < 2 * FOLDS:
        return float("nan")
    rng = np.random.Generator(np.random.PCG64(seed))
    fold = (rng.permutation(count) % FOLDS)[codes]
    first, second = fold[pairs.first], fold[pairs.second]
    right = total = 0.0
    for k in range(FOLDS):
        held, others = (first == k) & (second == k), (first != k) & (second != k)
        if not held.any() or not others.any():
            continue
        weights = 1.0 / pairs.size
        _, epsilon = pairs.calibrated(np.where(others, weights, 0.0))
        right += pairs.accuracy(epsilon, np.where(held, weights, 0.0)) * float(weights[held].sum())
        total += float(weights[held].sum())
    return right / total if total else float("nan")


def kendall(human: NDArray[np.generic], metric: NDArray[np.generic]) -> Weighted:
    """Kendall's tau-b of resamples, from weights of clips `(b, n)`; over all pairs, equal to `scipy.stats.kendalltau`."""
    from scipy.stats import kendalltau

    x, y = checked(human, metric)
    if len(x) > 2_000:  # the matrices below would not fit; SciPy sorts instead

        def sorted_one(weights: Floats) -> Floats:
            taken = (np.repeat(np.arange(len(x)), w.astype(np.intp)) for w in weights)
            return np.array([kendalltau(x[t], y[t]).statistic for t in taken])

        return sorted_one
    sign_x, sign_y = np.sign(x[:, None] - x), np.sign(y[:, None] - y)
    matrices = [(m).astype(np.float32) for m in (sign_x * sign_y, sign_x != 0, sign_y != 0)]

    def statistic(weights: Floats) -> Floats:
        light = weights.astype(np.float32)
        together, of_x, of_y = ((light @ m * light).sum(axis=1, dtype=np.float64) for m in matrices)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(together / np.sqrt(of_x * of_y))

    return statistic
