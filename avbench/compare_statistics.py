"""Paired permutation tests, Holm's correction and rank groups; pure functions of arrays.

Under the null hypothesis two models are exchangeable item by item: for each item a coin says whether the clips of A and B
change places. With b of k draws at least as far from 0 as what was observed, p = (b + 1) / (k + 1), which is never 0 and never
rejects more often than it says. All tests are two-sided.

Source:
    B. Phipson and G. K. Smyth, Permutation p-values should never be zero, 2010; S. Holm, A simple sequentially rejective
    multiple test procedure, 1979; the cluster rule of the WMT metrics task (google-research/mt-metrics-eval).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avbench import stats

Float64s = NDArray[np.float64]
Rows = Sequence[Float64s]
"""What each clip contributes, `(parts, d)`."""

ROW_PERMUTATIONS = 9_999
SET_PERMUTATIONS = 999
_BLOCK = 512
"""Draws that are made at once."""
_ROUNDING = 1e-9
"""Of the size of what is summed: draws that fall short of the observed by less are ties."""


def sign_flip(differences: Float64s, *, permutations: int = ROW_PERMUTATIONS, seed: int = 0) -> float:
    """The p-value of the mean of paired differences, by flipping signs.

    Args:
        differences: `(n,)`, finite.
        permutations: Number of draws.
        seed: Of the draws.
    """
    observed = abs(float(differences.sum()))
    least = observed - _ROUNDING * float(np.abs(differences).sum())
    found = 0
    for swaps in _swaps(len(differences), permutations, seed):
        found += int((np.abs((1.0 - 2.0 * swaps) @ differences) >= least).sum())
    return (found + 1) / (permutations + 1)


def swap_test(
    statistic: Callable[[NDArray[np.bool_]], Float64s], n: int, *, permutations: int = SET_PERMUTATIONS, seed: int = 0
) -> float:
    """The p-value of the difference of two sets' numbers, by swapping labels within items.

    Args:
        statistic: From swaps `(draws, n)` to differences `(draws,)`; see `frechet_differences`, `kernel_differences`,
            `score_differences`.
        n: Items.
        permutations: Number of draws.
        seed: Of the draws.
    """
    observed = float(statistic(np.zeros((1, n), dtype=bool))[0])
    least = abs(observed) * (1.0 - _ROUNDING)
    found = sum(int((np.abs(statistic(swaps)) >= least).sum()) for swaps in _swaps(n, permutations, seed))
    return (found + 1) / (permutations + 1)


def _swaps(n: int, permutations: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Which items change places, `(draws, n)`, block by block."""
    rng = np.random.Generator(np.random.PCG64(seed))
    sizes = [min(_BLOCK, permutations - start) for start in range(0, permutations, _BLOCK)]
    return (rng.random((size, n)) < 0.5 for size in sizes)


# ------------------------------------------------------------------ what a swap does to a set's number


def frechet_differences(a: Rows, b: Rows, reference: Float64s, *, ddof: int = 1) -> Callable[[NDArray[np.bool_]], Float64s]:
    """Fréchet distance of A to the reference minus that of B, after swaps.

    All that the distance needs of the rows are their products with a factor of the reference's covariance: a draw then costs
    two symmetric eigenvalue problems of the smaller of rows and dimensions, in place of two singular value problems.
    Eigenvalues of a squared matrix lose half the digits, which is 1e-7 of the distance.

    Args:
        a: One `(parts, d)` per item.
        b: The same items in the same order.
        reference: `(m, d)`.
        ddof: As in `stats.frechet`.
    """
    pool, item, second = _pooled(a, b)
    mean = reference.mean(axis=0)
    factor = (reference - mean) / np.sqrt(len(reference) - ddof)
    if len(factor) > factor.shape[1]:
        factor = np.asarray(np.linalg.qr(factor, mode="r"))
    centred = pool - mean  # the distance does not move with the origin, and the sums below lose fewer digits
    products, squares = centred @ factor.T, np.einsum("nd,nd->n", centred, centred)

    def distance(taken: NDArray[np.bool_]) -> float:
        n = int(taken.sum())
        shift = centred[taken].mean(axis=0)
        trace = (float(squares[taken].sum()) - n * float(shift @ shift)) / (n - ddof)
        inner = products[taken]
        inner = (inner - inner.mean(axis=0)) / np.sqrt(n - ddof)
        gram = inner @ inner.T if len(inner) < inner.shape[1] else inner.T @ inner
        root = float(np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0.0)).sum())
        return float(shift @ shift) + trace - 2.0 * root  # the reference's own trace is in both distances

    def differences(swaps: NDArray[np.bool_]) -> Float64s:
        taken = swaps[:, item] == second
        return np.array([distance(mask) - distance(~mask) for mask in taken])

    return differences


def kernel_differences(a: Rows, b: Rows, reference: Float64s) -> Callable[[NDArray[np.bool_]], Float64s]:
    """`stats.polynomial_mmd` of A to the reference minus that of B, after swaps.

    The kernel of all rows is computed once and held: 3 GB for 10,000 clips of each model.

    Args:
        a: One `(parts, d)` per item.
        b: The same items in the same order.
        reference: `(m, d)`.
    """
    pool, item, second = _pooled(a, b)
    kernel = (pool @ pool.T / pool.shape[1] + 1.0) ** 3
    np.fill_diagonal(kernel, 0.0)
    across = ((pool @ reference.T / pool.shape[1] + 1.0) ** 3).mean(axis=1)

    def distances(taken: Float64s) -> Float64s:
        n = taken.sum(axis=1)
        within = np.einsum("kn,kn->k", taken @ kernel, taken) / (n * (n - 1))
        return np.asarray(within - 2.0 * (taken @ across) / n)

    def differences(swaps: NDArray[np.bool_]) -> Float64s:
        taken = swaps[:, item] == second
        return distances(taken.astype(np.float64)) - distances((~taken).astype(np.float64))

    return differences


def score_differences(a: Rows, b: Rows, score: Callable[[Float64s], float]) -> Callable[[NDArray[np.bool_]], Float64s]:
    """Any number of a set, of A minus that of B, after swaps.

    Args:
        a: One `(parts, d)` per item.
        b: The same items in the same order.
        score: From rows `(n, d)` to the number.
    """
    pool, item, second = _pooled(a, b)

    def differences(swaps: NDArray[np.bool_]) -> Float64s:
        taken = swaps[:, item] == second
        return np.array([score(pool[mask]) - score(pool[~mask]) for mask in taken])

    return differences


def _pooled(a: Rows, b: Rows) -> tuple[Float64s, NDArray[np.intp], NDArray[np.bool_]]:
    """All rows in order of their items, since a score may look at the order, and of each its item and whether it is B's."""
    pool = np.concatenate([np.asarray(r, dtype=np.float64) for r in (*a, *b)])
    item = np.concatenate([np.repeat(np.arange(len(s)), [len(r) for r in s]) for s in (a, b)])
    second = np.repeat([False, True], [sum(len(r) for r in s) for s in (a, b)])
    order = np.argsort(item, kind="stable")
    return pool[order], item[order].astype(np.intp), second[order]


# ------------------------------------------------------------------ sizes, corrections, ranks


@dataclass(frozen=True)
class Effect:
    """Size of a paired difference.

    Args:
        low, high: 95 % interval of the mean difference (BCa bootstrap over items).
        dz: Mean over standard deviation of the differences (Cohen); NaN if all are equal.
    """

    low: float
    high: float
    dz: float


def effect(differences: Float64s, *, seed: int = 0) -> Effect:
    """Interval and standardised size of the mean of paired differences `(n,)`."""
    low, high = stats.mean_interval(differences, seed=seed)
    spread = float(np.std(differences, ddof=1)) if len(differences) > 1 and np.ptp(differences) > 0 else 0.0
    return Effect(low, high, float(differences.mean()) / spread if spread > 0 else float("nan"))


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p-values: those at most alpha can be claimed together with an error of alpha."""
    order = sorted(range(len(p)), key=lambda k: p[k])
    out, highest = [0.0] * len(p), 0.0
    for rank, k in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[k]))
        out[k] = highest
    return out


def rank_groups(order: Sequence[str], p: Mapping[frozenset[str], float], alpha: float) -> list[list[str]]:
    """Clusters of models that are not told apart.

    Args:
        order: Models, best first.
        p: Of each pair.
        alpha: A model opens a new group as soon as one of the current group beats it at this level.
    """
    groups: list[list[str]] = []
    for name in order:
        if groups and all(p[frozenset((name, other))] > alpha for other in groups[-1]):
            groups[-1].append(name)
        else:
            groups.append([name])
    return groups
