"""Pure functions of arrays: what is said of a number beside the number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 9_999


def mean_interval(values: NDArray[np.float64], *, seed: int = 0, resamples: int = RESAMPLES) -> tuple[float, float]:
    """95 % interval of a mean by BCa bootstrap over clips.

    Args:
        values: `(n,)`, finite.
        seed: Of the resampling.
        resamples: Bootstrap samples.

    Returns:
        Low and high; NaN for fewer than two values, the value itself twice if all are equal.
    """
    if len(values) < 2:
        return float("nan"), float("nan")
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    from scipy.stats import bootstrap

    # From 0 to 1, and back afterwards: the interval moves with the values, and values that differ by a rounding error alone
    # leave nothing to divide by.
    least, width = float(values.min()), float(np.ptp(values))
    made = bootstrap(
        ((values - least) / width,),
        np.mean,
        n_resamples=resamples,
        vectorized=True,
        batch=max(1, 2_000_000 // len(values)),
        rng=np.random.Generator(np.random.PCG64(seed)),
        method="BCa" if len(values) > 2 else "percentile",
    )
    low, high = (least + width * float(end) for end in made.confidence_interval)
    return low, min(high, float(values.max()))
