"""Permutation tests: which of two metrics agrees better, which of two systems is better, and soft pairwise accuracy.

p-values are (b + 1) / (k + 1), never 0, since the observed order is one of the permutations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from avbench.agreement.correlation import checked
from avbench.agreement.pairs import Pairs
from avbench.agreement.resampling import Floats, codes_of
from avbench.errors import BadParameter

Statistic = Literal["pearson", "spearman"]

_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Comparison:
    """Difference of two metrics' agreement with people.

    Args:
        difference: Agreement of the first less that of the second.
        p: Two-sided p-value.
        permutations: How many were drawn.
    """

    difference: float
    p: float
    permutations: int


def perm_both(
    human: NDArray[np.generic],
    first: NDArray[np.generic],
    second: NDArray[np.generic],
    *,
    statistic: Statistic = "spearman",
    clusters: NDArray[np.generic] | None = None,
    permutations: int = 2_000,
    seed: int = 0,
) -> Comparison:
    """Whether two metrics correlate equally with people: PERM-BOTH.

    Both metrics are standardised; in each permutation the two scores of a clip change places with chance one half, and both
    correlations are computed again.

    Args:
        human: `(n,)`.
        first: `(n,)`, a metric, turned round beforehand where lower is better.
        second: The other one.
        statistic: `pearson` or `spearman`.
        clusters: `(n,)` labels of clips that change places together; None for each clip by itself (the published test).
        permutations: Number k.
        seed: Of the draws.

    Raises:
        BadParameter: as in `correlation.checked`, or for a constant side.

    Source:
        D. Deutsch, R. Dror and D. Roth, A statistical analysis of summarization evaluation metrics using resampling
        methods, arXiv:2104.00054; mt-metrics-eval 68a481a, `PermutationSigDiff`, whose p-values may be 0 and one-sided.
    """
    x, a = checked(human, first, 3)
    _, b = checked(human, second, 3)
    if min(np.ptp(x), np.ptp(a), np.ptp(b)) == 0:
        raise BadParameter("people's or a metric's scores are constant, so there is no correlation to compare")
    a, b = ((v - v.mean()) / v.std() for v in (a, b))
    codes = codes_of(clusters, len(x))
    rng = np.random.Generator(np.random.PCG64(seed))
    target = rankdata(x) if statistic == "spearman" else x
    observed = float(_difference(target, a[None], b[None], statistic)[0])
    extreme, at_once = 0, max(1, _AT_ONCE // len(x))
    for start in range(0, permutations, at_once):
        k = min(at_once, permutations - start)
        swapped = rng.integers(0, 2, (k, int(codes.max()) + 1), dtype=np.int8).astype(bool)[:, codes]
        moved = _difference(target, np.where(swapped, b, a), np.where(swapped, a, b), statistic)
        extreme += int((np.abs(moved) >= abs(observed) - 1e-12).sum())
    return Comparison(observed, (extreme + 1) / (permutations + 1), permutations)


def _difference(target: Floats, a: Floats, b: Floats, statistic: Statistic) -> Floats:
    if statistic == "spearman":
        a, b = rankdata(a, axis=1), rankdata(b, axis=1)
    centred = target - target.mean()

    def correlation(v: Floats) -> Floats:
        v = v - v.mean(axis=1, keepdims=True)
        return np.asarray(v @ centred / np.sqrt((v * v).sum(axis=1) * (centred @ centred)))

    return correlation(a) - correlation(b)


def perm_pairs(
    human: NDArray[np.generic],
    first: NDArray[np.generic],
    second: NDArray[np.generic],
    *,
    groups: NDArray[np.generic] | None = None,
    permutations: int = 2_000,
    seed: int = 0,
) -> Comparison:
    """Whether two metrics have the same calibrated pairwise accuracy, as WMT tests it: each pair's verdicts change places.

    Pairs that share a clip are not independent, so it says "significant" too often; `perm_both` does not.

    Source:
        mt-metrics-eval 68a481a, `PairwisePermutationSigDiff`, with each metric's own epsilon.
    """
    one, two = Pairs(human, first, groups, seed=seed), Pairs(human, second, groups, seed=seed)
    verdicts = []
    for pairs in (one, two):
        _, epsilon = pairs.calibrated()
        verdicts.append(np.where(pairs.apart <= epsilon, pairs.tied, pairs.right))
    apart = (verdicts[0] - verdicts[1]) / one.size / one.groups
    return _signs(apart[apart != 0], permutations, seed)


def paired(a: NDArray[np.generic], b: NDArray[np.generic], *, permutations: int = 10_000, seed: int = 0) -> Comparison:
    """Whether two systems have the same mean score over the same prompts: random signs of the differences, two-sided.

    Args:
        a: `(n,)`, one score per prompt.
        b: The same of the other system.
        permutations: Number k.
        seed: Of the signs.
    """
    x, y = checked(a, b)
    return _signs((x - y) / len(x), permutations, seed)


def _signs(apart: Floats, permutations: int, seed: int) -> Comparison:
    """p-value of a sum under random signs."""
    observed = float(apart.sum())
    rng = np.random.Generator(np.random.PCG64(seed))
    slack = 1e-12 * float(np.abs(apart).sum())
    extreme, at_once = 0, max(1, _AT_ONCE // max(1, len(apart)))
    for start in range(0, permutations, at_once):
        signs = rng.integers(0, 2, (min(at_once, permutations - start), len(apart)), dtype=np.int8) * 2.0 - 1.0
        extreme += int((np.abs(signs @ apart) >= abs(observed) - slack).sum())
    return Comparison(observed, (extreme + 1) / (permutations + 1), permutations)


def soft_pairwise_accuracy(
    human: NDArray[np.generic], metric: NDArray[np.generic], *, permutations: int = 1_000, seed: int = 4
) -> float:
    """Agreement over systems: 1 less the mean difference of people's and the metric's confidence in each pair of systems.

    The confidence that system i is better than j is the share of sign flips of the prompts' differences that reach the
    observed difference; both sides see the same flips. (Here b / k, as published, since it is no test.)

    Args:
        human: `(systems, prompts)`.
        metric: The same, turned round beforehand where lower is better.
        permutations: Number of sign flips.
        seed: Of the flips.

    Returns:
        0 to 1.

    Raises:
        BadParameter: for fewer than two systems, other shapes or values that are not finite.

    Source:
        B. Thompson et al., Improving statistical significance in human evaluation of automatic metrics via soft pairwise
        accuracy, arXiv:2409.09598; mt-metrics-eval 68a481a, `pce.py`.
    """
    x, y = np.asarray(human, dtype=np.float64), np.asarray(metric, dtype=np.float64)
    if x.ndim != 2 or x.shape != y.shape or len(x) < 2 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise BadParameter(
            f"soft pairwise accuracy needs finite scores (systems, prompts) of two systems or more on both sides, "
            f"got {x.shape} and {y.shape}"
        )
    rng = np.random.Generator(np.random.PCG64(seed))
    signs = rng.integers(0, 2, (permutations, x.shape[1]), dtype=np.int8) * 2.0 - 1.0
    one, two = np.triu_indices(len(x), 1)

    def confidence(scores: Floats) -> Floats:
        flipped, whole = signs @ scores.T, scores.sum(axis=1)
        slack = 1e-12 * np.abs(scores).sum()
        return np.asarray((flipped[:, one] - flipped[:, two] >= whole[one] - whole[two] - slack).mean(axis=0))

    return 1.0 - float(np.abs(confidence(x) - confidence(y)).mean())


def holm(p: Sequence[float]) -> list[float]:
    """p-values adjusted for how many there are, in the given order.

    Source:
        S. Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    raised = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    out = np.empty_like(values)
    out[order] = np.minimum(raised, 1.0)
    return [float(v) for v in out]
