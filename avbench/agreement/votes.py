"""Votes to strengths: Bradley-Terry with ties, and whether a metric predicts votes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from avbench.agreement.resampling import Floats, codes_of
from avbench.errors import BadParameter

_PRIOR = 1e-8


@dataclass(frozen=True)
class Strengths:
    """Bradley-Terry strengths of systems.

    Args:
        names: Of the systems, best first.
        strength: Natural logarithm, mean 0: two systems that differ by d are ordered as d : 0 says, odds e^d without ties.
        low, high: 95 % percentile interval over resamples of votes (of whole clusters); NaN where there is none.
        best: Share of the resamples in which the system is the strongest.
        tie: Davidson's tie parameter; 0 without ties.
        first: Log odds that the clip that is shown first gains from that; NaN if it was not asked for.
        left_out: Resamples in which a system only ever won or only ever lost, so that its strength is infinite.
    """

    names: tuple[str, ...]
    strength: Floats
    low: Floats
    high: Floats
    best: Floats
    tie: float
    first: float
    left_out: int


def bradley_terry(
    a: NDArray[np.generic],
    b: NDArray[np.generic],
    outcome: NDArray[np.generic],
    *,
    clusters: NDArray[np.generic] | None = None,
    order_effect: bool = False,
    resamples: int = 500,
    seed: int = 0,
) -> Strengths:
    """Strengths of systems from votes with ties, by maximum likelihood of Davidson's model.

    a wins : b wins : tie = p_a e^f : p_b : t sqrt(p_a p_b), f the advantage of being shown first (0 unless asked for).

    Args:
        a: `(n,)`, the systems shown first.
        b: `(n,)`, the systems shown second.
        outcome: `(n,)`, 1 where a won, 0 where b won, 0.5 for a tie.
        clusters: `(n,)` labels of votes that the bootstrap draws together (prompts).
        order_effect: Estimate f.
        resamples: Bootstrap samples.
        seed: Of the draws.

    Raises:
        BadParameter: for other outcomes, a system against itself, or systems that cannot be compared because some never
            beat, or never lost to, any of the others.

    Source:
        R. R. Davidson, On extending the Bradley-Terry model to accommodate ties, 1970; order effect as R. R. Davidson and
        R. J. Beaver, 1977.
    """
    won = np.asarray(outcome, dtype=np.float64)
    if not len(a) == len(b) == len(won) or not len(won):
        raise BadParameter(f"one a, b and outcome per vote, got {len(a)}, {len(b)} and {len(won)}")
    if not np.isin(won, (0.0, 0.5, 1.0)).all():
        raise BadParameter("an outcome is 1 where a won, 0 where b won, 0.5 for a tie")
    names, both = np.unique(np.concatenate([np.asarray(a), np.asarray(b)]), return_inverse=True)
    one, two = both[: len(won)], both[len(won) :]
    if (one == two).any():
        raise BadParameter(f"vote {int(np.flatnonzero(one == two)[0]) + 1} compares '{names[one[one == two][0]]}' with itself")
    # Equal votes count together: the likelihood then costs the number of pairs of systems, not of votes.
    kinds, vote = np.unique(np.stack([one, two, (2 * won).astype(np.intp)]), axis=1, return_inverse=True)
    vote = vote.ravel()
    weights = np.bincount(vote).astype(np.float64)
    parts = _parts(kinds, weights, len(names))
    if parts is not None:
        groups = "; ".join(", ".join(str(n) for n in names[parts == g]) for g in range(int(parts.max()) + 1))
        raise BadParameter(
            f"votes do not connect all systems both ways, so strengths are infinite: {groups}; more votes are needed"
        )
    fitted = _fit(kinds, weights, len(names), order_effect)
    drawn, lost = _resampled(kinds, vote, codes_of(clusters, len(won)), len(names), order_effect, resamples, seed)
    strength = fitted[: len(names)]
    order = np.argsort(-strength, kind="stable")
    nothing = np.full(len(names), np.nan)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0) if len(drawn) >= 0.5 * resamples > 0 else (nothing, nothing)
    best = np.bincount(np.argmax(drawn, axis=1), minlength=len(names)) / len(drawn) if len(drawn) else nothing
    tie = float(np.exp(fitted[len(names)])) if (kinds[2] == 1).any() else 0.0
    return Strengths(
        tuple(str(names[i]) for i in order),
        strength[order],
        low[order],
        high[order],
        best[order],
        tie,
        float(fitted[-1]) if order_effect else float("nan"),
        lost,
    )


def _resampled(
    kinds: NDArray[np.intp],
    vote: NDArray[np.intp],
    cluster: NDArray[np.intp],
    systems: int,
    order_effect: bool,
    resamples: int,
    seed: int,
) -> tuple[Floats, int]:
    rng = np.random.Generator(np.random.PCG64(seed))
    count = int(cluster.max()) + 1
    drawn, lost = [], 0
    for _ in range(resamples):
        times = np.bincount(rng.integers(0, count, count), minlength=count)[cluster]
        weights = np.asarray(np.bincount(vote, weights=times, minlength=kinds.shape[1]), dtype=np.float64)
        if _parts(kinds, weights, systems) is None:
            drawn.append(_fit(kinds, weights, systems, order_effect)[:systems])
        else:
            lost += 1
    return np.array(drawn).reshape(-1, systems), lost


def _parts(kinds: NDArray[np.intp], weights: Floats, systems: int) -> NDArray[np.intp] | None:
    """Groups of systems between which all votes went one way; None if there is one group."""
    one, two, won = kinds[:, weights > 0]
    winner = np.r_[one[won > 0], two[won < 2]]
    loser = np.r_[two[won > 0], one[won < 2]]
    graph = csr_matrix((np.ones(len(winner)), (winner, loser)), shape=(systems, systems))
    count, groups = connected_components(graph, directed=True, connection="strong")
    return None if count == 1 else np.asarray(groups)


def _fit(kinds: NDArray[np.intp], weights: Floats, systems: int, order_effect: bool) -> Floats:
    one, two, won = kinds
    ties = bool((weights[won == 1] > 0).any())

    def loss(at: Floats) -> tuple[float, Floats]:
        shift = at[systems + 1] if order_effect else 0.0
        odds = np.stack(
            [at[two], at[systems] + (at[one] + at[two]) / 2 if ties else np.full(len(one), -np.inf), at[one] + shift]
        )
        top = odds.max(axis=0)
        chance = np.exp(odds - top)
        total = chance.sum(axis=0)
        chance /= total
        value = -float((weights * (odds[won, np.arange(len(won))] - top - np.log(total))).sum())
        hit = np.eye(3)[won].T
        gain = weights * (chance - hit)  # of the three log odds, downhill is minus this
        slope = np.zeros_like(at)
        np.add.at(slope, one, gain[2] + gain[1] / 2)
        np.add.at(slope, two, gain[0] + gain[1] / 2)
        slope[systems] = gain[1].sum() if ties else 0.0
        if order_effect:
            slope[systems + 1] = gain[2].sum()
        return value + _PRIOR * float(at @ at), slope + 2 * _PRIOR * at

    found = minimize(
        loss, np.zeros(systems + 1 + order_effect), jac=True, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-9}
    )
    out = np.asarray(found.x, dtype=np.float64)
    out[:systems] -= out[:systems].mean()
    return out


@dataclass(frozen=True)
class VoteAccuracy:
    """How well a metric predicts votes.

    Args:
        decided: Share of votes with a winner in which the metric scores the winner higher (equal scores count half).
        three_way: Share of all votes that are predicted, with differences up to `epsilon` as ties.
        cross_fit: The same with an epsilon from other clusters; NaN with fewer than ten.
        epsilon: That makes `three_way` highest.
        votes, ties: How many.
    """

    decided: float
    three_way: float
    cross_fit: float
    epsilon: float
    votes: int
    ties: int


def vote_accuracy(
    difference: NDArray[np.generic], outcome: NDArray[np.generic], *, clusters: NDArray[np.generic] | None = None, seed: int = 0
) -> VoteAccuracy:
    """Agreement of a metric with votes.

    Args:
        difference: `(n,)`, the metric's score of a less that of b, turned round where lower is better.
        outcome: `(n,)`, 1 where a won, 0 where b won, 0.5 for a tie.
        clusters: `(n,)` labels for the cross-fit.
        seed: Of the folds.

    Raises:
        BadParameter: for no votes, or shapes that do not fit.
    """
    apart, won = np.asarray(difference, dtype=np.float64), 2 * np.asarray(outcome, dtype=np.float64) - 1
    if apart.shape != won.shape or apart.ndim != 1 or not len(apart):
        raise BadParameter(f"one score difference and outcome per vote, got {apart.shape} and {won.shape}")
    decided = won != 0
    hits = (np.sign(apart) == won) + 0.5 * (apart == 0)
    codes = codes_of(clusters, len(apart))
    three, epsilon = _best_epsilon(apart, won)
    cross = float("nan")
    if int(codes.max()) + 1 >= 10:
        fold = (np.random.Generator(np.random.PCG64(seed)).permutation(int(codes.max()) + 1) % 5)[codes]
        right = 0.0
        for k in range(5):
            _, other = _best_epsilon(apart[fold != k], won[fold != k])
            right += float((_verdict(apart[fold == k], other) == won[fold == k]).sum())
        cross = right / len(apart)
    share = float(hits[decided].mean()) if decided.any() else float("nan")
    return VoteAccuracy(share, three, cross, epsilon, len(apart), int((~decided).sum()))


def _verdict(apart: Floats, epsilon: float) -> Floats:
    return np.where(np.abs(apart) <= epsilon, 0.0, np.sign(apart))


def _best_epsilon(apart: Floats, won: Floats) -> tuple[float, float]:
    order = np.argsort(np.abs(apart), kind="stable")
    size = np.abs(apart)[order]
    right, tied = (np.sign(apart) == won)[order].astype(float), (won == 0)[order].astype(float)
    ends = np.r_[np.flatnonzero(np.diff(size)), len(size) - 1]
    curve = right.sum() + np.cumsum(tied - right)[ends]
    thresholds = size[ends]
    if size[0] > 0:
        curve, thresholds = np.r_[right.sum(), curve], np.r_[0.0, thresholds]
    best = int(np.argmax(curve))
    return float(curve[best]) / len(apart), float(thresholds[best])
