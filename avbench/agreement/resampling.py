"""Bootstrap over clusters of clips, for statistics that take weights.

A resample of prompts holds each clip a number of times. A statistic that takes these numbers as weights `(b, n)` is computed
for all resamples at once, and its jackknife (one cluster left out) comes from the same function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from avbench.errors import BadParameter

Floats = NDArray[np.float64]
Weighted = Callable[[Floats], Floats]
"""From weights `(b, n)` to the statistic `(b,)`; NaN where a resample has none."""

FEWEST_CLUSTERS = 4
MOST_LEFT_OUT = 2_000
"""With more clusters the jackknife would take longer than the bootstrap, and has nothing left to correct."""
_WEIGHTS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % interval.

    Args:
        value: Of the clips as they are; NaN where the statistic has none (a constant score).
        low, high: NaN without an interval.
        how: How the interval was made, or why there is none.
    """

    value: float
    low: float
    high: float
    how: str


def codes_of(clusters: NDArray[np.generic] | None, n: int) -> NDArray[np.intp]:
    """Cluster number of each clip, from 0; each clip its own without clusters.

    Raises:
        BadParameter: if there are not n of them.
    """
    if clusters is None:
        return np.arange(n)
    if len(clusters) != n:
        raise BadParameter(f"there are {n} clips and {len(clusters)} cluster labels; give one per clip")
    return np.asarray(np.unique(clusters, return_inverse=True)[1])


def bootstrap(
    statistic: Weighted,
    n: int,
    *,
    clusters: NDArray[np.generic] | None = None,
    resamples: int = 2_000,
    seed: int = 0,
    unit: str = "clips",
) -> Interval:
    """95 % BCa interval of a statistic over clusters drawn with replacement.

    Few clusters make bootstrap intervals too short; the quantiles are moved out as far as Student's t and the factor
    n / (n - 1) of the variance say ("expanded").

    Args:
        statistic: Of weights `(b, n)`.
        n: Number of clips.
        clusters: `(n,)` labels; clips with one label (of one prompt, of one source clip) are drawn together.
        resamples: Bootstrap samples.
        seed: Of the draws.
        unit: What the clusters are, for `how`.

    Returns:
        The interval; percentiles where the jackknife says nothing, corrected for bias alone for more than 2,000 clusters, none
        for fewer than 4 clusters or where more than one resample in ten has no value.

    Source:
        B. Efron, Better bootstrap confidence intervals, 1987; T. C. Hesterberg, What teachers should know about the
        bootstrap, 2015 (expansion); clusters as in C. A. Field and A. H. Welsh, Bootstrapping clustered data, 2007.
    """
    codes = codes_of(clusters, n)
    count = int(codes.max()) + 1 if n else 0
    value = float(statistic(np.ones((1, n)))[0]) if n else float("nan")
    if not np.isfinite(value):
        return Interval(value, float("nan"), float("nan"), "none: the statistic has no value, a side may be constant")
    if count < FEWEST_CLUSTERS:
        return Interval(value, float("nan"), float("nan"), f"none: {count} {unit}, {FEWEST_CLUSTERS} are needed")
    rng = np.random.Generator(np.random.PCG64(seed))
    at_once = max(1, _WEIGHTS_AT_ONCE // n)
    parts = []
    for first in range(0, resamples, at_once):
        drawn = rng.integers(0, count, (min(at_once, resamples - first), count))
        offsets = np.arange(len(drawn))[:, None] * count
        times = np.bincount((drawn + offsets).ravel(), minlength=len(drawn) * count).reshape(len(drawn), count)
        parts.append(statistic(times.astype(np.float64)[:, codes]))
    values = np.concatenate(parts)
    found = values[np.isfinite(values)]
    if len(found) < 0.9 * resamples:
        return Interval(
            value, float("nan"), float("nan"), f"none: {resamples - len(found)} of {resamples} resamples have no value"
        )
    shares, method = _bca(statistic, value, found, codes, count, at_once)
    low, high = (float(v) for v in np.quantile(found, shares))
    how = f"95 % {method} bootstrap over {count} {unit}, {resamples} resamples, seed {seed}"
    lost = resamples - len(found)
    return Interval(value, min(low, value), max(high, value), how + (f", {lost} without a value left out" if lost else ""))


def _bca(
    statistic: Weighted, value: float, found: Floats, codes: NDArray[np.intp], count: int, at_once: int
) -> tuple[Floats, str]:
    """Which quantiles of the bootstrap values end the interval."""
    reach = float(t.ppf(0.975, count - 1)) * np.sqrt(count / (count - 1))
    ends = np.array([-reach, reach])
    plain = np.asarray(norm.cdf(ends))
    below = float((found < value).mean() + 0.5 * (found == value).mean())
    if not 0 < below < 1:
        return plain, "percentile"
    bias = float(norm.ppf(below))
    moved = bias + ends
    if count > MOST_LEFT_OUT:
        return np.asarray(norm.cdf(bias + moved)), "bias-corrected"
    left_out = [
        statistic((codes[None, :] != np.arange(first, min(first + at_once, count))[:, None]).astype(np.float64))
        for first in range(0, count, at_once)
    ]
    jackknife = np.concatenate(left_out)
    apart = jackknife.mean() - jackknife
    spread = float((apart**2).sum())
    if not np.isfinite(spread) or spread <= 0:
        return plain, "percentile"
    skew = float((apart**3).sum()) / (6.0 * spread**1.5)
    return np.asarray(norm.cdf(bias + moved / (1.0 - skew * moved))), "BCa"
