"""How far people agree with each other: Krippendorff's alpha, and the ceiling that it sets for a metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import pearsonr, spearmanr

from avbench.agreement.resampling import Floats, Interval, bootstrap
from avbench.errors import BadParameter

Level = Literal["nominal", "ordinal", "interval"]

MOST_VALUES = 128


def krippendorff_alpha(
    units: NDArray[np.generic],
    values: NDArray[np.generic],
    *,
    level: Level = "ordinal",
    resamples: int = 2_000,
    seed: int = 0,
) -> Interval:
    """Krippendorff's alpha with a bootstrap interval over units: 1 for perfect agreement, 0 for chance.

    Written here because the `krippendorff` package is GPL, which an Apache-2.0 package cannot ask for.

    Args:
        units: `(n,)`, what each rating is of (clip, or one showing of it); one unit's ratings come from different annotators.
            Units with a single rating cannot be compared and do not count.
        values: `(n,)`, the ratings.
        level: How far two values are apart: `nominal` same or not; `ordinal` by how often the values between are used;
            `interval` their difference squared.
        resamples: Bootstrap samples.
        seed: Of the draws.

    Returns:
        NaN where no unit has two ratings or all ratings are alike.

    Raises:
        BadParameter: for shapes that do not fit, or more than 128 different values.

    Source:
        K. Krippendorff, Content analysis, 4th ed., ch. 12; Computing Krippendorff's alpha-reliability, 2011.
    """
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 1 or np.shape(units) != given.shape or not np.isfinite(given).all():
        raise BadParameter(f"alpha needs units (n,) and finite values (n,), got {np.shape(units)} and {given.shape}")
    _, unit = np.unique(units, return_inverse=True)
    known, value = np.unique(given, return_inverse=True)
    if len(known) > MOST_VALUES:
        raise BadParameter(
            f"alpha is made for rating scales; there are {len(known)} different values, the limit is {MOST_VALUES}"
        )
    counts = np.zeros((int(unit.max(initial=-1)) + 1, len(known)))
    np.add.at(counts, (unit, value), 1.0)
    counts = counts[counts.sum(axis=1) > 1]
    if not len(counts):
        return Interval(float("nan"), float("nan"), float("nan"), "none: no unit has two ratings")
    each = counts.sum(axis=1)

    def statistic(weights: Floats) -> Floats:
        return np.array([_alpha(w, counts, each, known, level) for w in weights])

    return bootstrap(statistic, len(counts), resamples=resamples, seed=seed, unit="rated units")


def _alpha(weights: Floats, counts: Floats, each: Floats, known: Floats, level: Level) -> float:
    share = weights / (each - 1.0)
    together = counts.T @ (share[:, None] * counts) - np.diag(share @ counts)
    used = together.sum(axis=1)
    total = float(used.sum())
    far = _apart(used, known, level)
    expected = float((np.outer(used, used) * far).sum())
    if expected <= 0 or total <= 1:
        return float("nan")
    return 1.0 - (total - 1.0) * float((together * far).sum()) / expected


def _apart(used: Floats, known: Floats, level: Level) -> Floats:
    if level == "nominal":
        return 1.0 - np.eye(len(known))
    if level == "interval":
        return np.asarray((known[:, None] - known) ** 2)
    index = np.arange(len(used))
    upto, low = np.cumsum(used), used[np.minimum.outer(index, index)]
    # From value c up to value k: all that lie between, and half of both ends.
    return np.asarray((np.abs(upto[:, None] - upto) + low - (used[:, None] + used) / 2.0) ** 2)


@dataclass(frozen=True)
class Ceiling:
    """What agreement with people's mean a metric can hope for.

    Args:
        split_half: Pearson's correlation of the means of two random halves of each clip's ratings; mean and 95 % range over
            splits.
        reliability: Of the mean of all ratings, by Spearman and Brown; a perfect metric's correlation with that mean is about
            its square root.
        one_against_rest_pearson, one_against_rest_spearman: Mean over annotators of the correlation of one annotator with
            the mean of the others; an annotator counts with 10 clips or more.
        annotators: That were compared with the rest.
        clips: With two ratings or more.
    """

    split_half: Interval
    reliability: float
    one_against_rest_pearson: Interval
    one_against_rest_spearman: Interval
    annotators: int
    clips: int


FEWEST_CLIPS = 10


def human_ceiling(
    clips: NDArray[np.generic], people: NDArray[np.generic], values: NDArray[np.generic], *, splits: int = 200, seed: int = 0
) -> Ceiling:
    """See `Ceiling`; every rating is one entry of the three arrays `(n,)`, one per clip and annotator.

    Raises:
        BadParameter: for shapes that do not fit.
    """
    rated = np.asarray(values, dtype=np.float64)
    if not len(clips) == len(people) == len(rated):
        raise BadParameter(f"one clip, annotator and value per rating, got {len(clips)}, {len(people)} and {len(rated)}")
    _, clip = np.unique(clips, return_inverse=True)
    size = np.bincount(clip)
    keep = size[clip] > 1
    _, clip = np.unique(clip[keep], return_inverse=True)
    rated, who = rated[keep], np.unique(np.asarray(people)[keep], return_inverse=True)[1]
    nothing = float("nan")
    if not len(rated) or int(clip.max()) + 1 < 3:
        none = Interval(nothing, nothing, nothing, "none: fewer than 3 clips have two ratings")
        return Ceiling(none, nothing, none, none, 0, int(clip.max(initial=-1)) + 1)
    halves = _split_half(clip, rated, splits, seed)
    r = float(np.mean(halves)) if len(halves) else nothing
    spread = np.quantile(halves, [0.025, 0.975]) if len(halves) else (nothing, nothing)
    reliability = 2 * r / (1 + r) if r > -1 else nothing
    product, ranks, compared = _one_against_rest(clip, who, rated, seed)
    how = f"mean and 95 % range of {splits} random halves, seed {seed}"
    return Ceiling(
        Interval(r, float(spread[0]), float(spread[1]), how), reliability, product, ranks, compared, int(clip.max()) + 1
    )


def _split_half(clip: NDArray[np.intp], rated: Floats, splits: int, seed: int) -> Floats:
    rng = np.random.Generator(np.random.PCG64(seed))
    starts = np.r_[0, np.cumsum(np.bincount(clip))[:-1]]
    made = []
    for _ in range(splits):
        order = np.lexsort((rng.random(len(clip)), clip))
        position = np.arange(len(clip)) - starts[clip[order]]
        # With an odd number of ratings the odd one falls to either half, by the clip's own coin.
        half = (position + rng.integers(0, 2, len(starts))[clip[order]]) % 2
        means = [
            np.bincount(clip[order][half == h], weights=rated[order][half == h]) / np.bincount(clip[order][half == h])
            for h in (0, 1)
        ]
        if np.ptp(means[0]) > 0 and np.ptp(means[1]) > 0:
            made.append(float(pearsonr(means[0], means[1]).statistic))
    return np.asarray(made)


def _one_against_rest(
    clip: NDArray[np.intp], who: NDArray[np.intp], rated: Floats, seed: int
) -> tuple[Interval, Interval, int]:
    total, number = np.bincount(clip, weights=rated), np.bincount(clip)
    product, ranks = [], []
    for annotator in range(int(who.max()) + 1):
        mine = who == annotator
        sums = np.bincount(clip[mine], weights=rated[mine], minlength=len(total))
        times = np.bincount(clip[mine], minlength=len(total))
        both = (times > 0) & (number > times)
        if both.sum() < FEWEST_CLIPS:
            continue
        own, others = sums[both] / times[both], (total - sums)[both] / (number - times)[both]
        if np.ptp(own) > 0 and np.ptp(others) > 0:
            product.append(float(pearsonr(own, others).statistic))
            ranks.append(float(spearmanr(own, others).statistic))
    if not product:
        nothing = float("nan")
        none = Interval(nothing, nothing, nothing, f"none: no annotator shares {FEWEST_CLIPS} clips with others")
        return none, none, 0
    return _mean(product, seed), _mean(ranks, seed), len(product)


def _mean(values: list[float], seed: int) -> Interval:
    found = np.asarray(values)
    return bootstrap(lambda weights: weights @ found / weights.sum(axis=1), len(found), seed=seed, unit="annotators")
