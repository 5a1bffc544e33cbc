"""Statistics that are calibrated: under the null, 95 % intervals cover and paired tests reject as often as they say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench.agreement.correlation import auroc, pearson, spearman
from avbench.agreement.pairs import kendall
from avbench.agreement.permutation import paired, perm_both
from avbench.agreement.resampling import Weighted, bootstrap

SIMULATIONS = 10_000

Make = Callable[[NDArray[np.float64], NDArray[np.float64]], Weighted]


def coverage(make: Make, truth: float, *, n: int, prompts: int | None = None, simulations: int = SIMULATIONS) -> float:
    """Share of 95 % intervals that hold the truth where people and metric have nothing to do with each other.

    With prompts, both sides have an effect of the prompt, so that clips of one prompt are alike.
    """
    hits = 0
    for seed in range(simulations):
        rng = np.random.default_rng([7, seed])
        human, metric = rng.standard_normal((2, n))
        clusters = None
        if prompts is not None:
            clusters = np.arange(n) % prompts
            human, metric = human + rng.standard_normal(prompts)[clusters], metric + rng.standard_normal(prompts)[clusters]
        if make is auroc:
            human = (human > 0).astype(float)
        found = bootstrap(make(human, metric), n, clusters=clusters, resamples=500, seed=seed)
        hits += found.low <= truth <= found.high
    return hits / simulations


def rejections(test: Callable[[np.random.Generator, int], float], simulations: int = SIMULATIONS) -> float:
    """Share of p-values at or below 5 %."""
    return float(np.mean([test(np.random.default_rng([11, seed]), seed) <= 0.05 for seed in range(simulations)]))


def same_agreement(statistic: str) -> Callable[[np.random.Generator, int], float]:
    def test(rng: np.random.Generator, seed: int) -> float:
        human = rng.standard_normal(40)
        first, second = human + rng.standard_normal((2, 40))  # alike in how they agree, not in what they say
        return perm_both(human, first, second, statistic=statistic, permutations=199, seed=seed).p  # type: ignore[arg-type]

    return test


def same_mean(rng: np.random.Generator, seed: int) -> float:
    prompt = rng.standard_normal(30)
    a, b = prompt + rng.exponential(size=(2, 30))
    return paired(a, b, permutations=199, seed=seed).p


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "truth", "n", "prompts"),
    [
        (pearson, 0.0, 60, None),
        (spearman, 0.0, 60, None),
        (kendall, 0.0, 60, None),
        (auroc, 0.5, 80, None),
        (pearson, 0.0, 120, 40),
    ],
    ids=["pearson", "spearman", "kendall", "auroc", "pearson by prompt"],
)
def test_intervals_cover(make: Make, truth: float, n: int, prompts: int | None, figure: Callable[[str], None]) -> None:
    found = coverage(make, truth, n=n, prompts=prompts)
    figure(f"coverage of {make.__name__}{' by prompt' if prompts else ''}: {100 * found:.2f} %")
    assert 0.93 <= found <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(
    "test",
    [same_agreement("pearson"), same_agreement("spearman"), same_mean],
    ids=["perm_both pearson", "perm_both spearman", "paired"],
)
def test_paired_tests_reject_one_in_twenty(
    test: Callable[[np.random.Generator, int], float], figure: Callable[[str], None], request: pytest.FixtureRequest
) -> None:
    found = rejections(test)
    figure(f"rejections by {request.node.callspec.id}: {100 * found:.2f} %")
    assert 0.04 <= found <= 0.06


def test_a_few_simulations_are_not_far_off() -> None:
    assert 0.85 <= coverage(pearson, 0.0, n=60, simulations=200) <= 1.0
    assert rejections(same_mean, 200) <= 0.12
