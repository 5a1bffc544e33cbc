"""Permutation tests, Holm, rank groups: against counting by hand, against the slow way, and calibrated under the null."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench import compare_statistics as tests
from avbench import stats

Float64s = NDArray[np.float64]


def draws(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def every_swap(n: int) -> NDArray[np.bool_]:
    return np.array(list(itertools.product([False, True], repeat=n)))


# ------------------------------------------------------------------ sign flips


def test_sign_flips_agree_with_all_flips_counted() -> None:
    """Sizes add to 2.4, the sum is 1.8: signs reach it that turn at most 0.3 round, 11 choices of sizes, either way up."""
    differences = np.array([0.5, -0.1, 0.3, 0.2, 0.4, -0.2, 0.6, 0.1])
    signs = 1.0 - 2.0 * every_swap(8)
    exact = float((np.abs(signs @ differences) >= differences.sum() - 1e-12).mean())
    assert exact == pytest.approx(22 / 256)
    assert tests.sign_flip(differences, permutations=40_000) == pytest.approx(exact, abs=0.004)


def test_a_p_value_is_never_zero_and_counts_itself() -> None:
    assert tests.sign_flip(np.ones(60), permutations=999) == 1 / 1000
    assert tests.sign_flip(np.zeros(5), permutations=99) == 1.0
    assert tests.sign_flip(np.array([1.0, -1.0]), permutations=99) == 1.0


def test_ties_up_to_rounding_count() -> None:
    """The sum is 0.7, and every choice of signs gives 0.7 or more, though floats put some of them a little below."""
    assert tests.sign_flip(np.array([0.9, 0.7, -0.9]), permutations=999) == 1.0


def test_the_same_seed_gives_the_same_p_and_order_and_sign_do_not_matter() -> None:
    values = draws().normal(0.2, 1.0, 40)
    p = tests.sign_flip(values, seed=3)
    assert tests.sign_flip(values, seed=3) == p
    assert tests.sign_flip(-values, seed=3) == p
    assert tests.sign_flip(values, seed=4) == pytest.approx(p, abs=0.02)


def test_sign_flips_agree_with_scipy() -> None:
    from scipy.stats import permutation_test

    a, b = draws().normal(0.3, 1.0, (2, 25))
    theirs = permutation_test((a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=20_000, rng=1)
    assert tests.sign_flip(a - b, permutations=20_000) == pytest.approx(theirs.pvalue, abs=0.015)


# ------------------------------------------------------------------ swaps of sets


def clips(n: int, d: int, shift: float = 0.0, seed: int = 0, parts: int = 1) -> list[Float64s]:
    draw = draws(seed)
    return [draw.normal(shift, 1.0, (parts, d)) for _ in range(n)]


def swapped(a: list[Float64s], b: list[Float64s], swap: NDArray[np.bool_]) -> tuple[Float64s, Float64s]:
    first = [y if s else x for x, y, s in zip(a, b, swap, strict=True)]
    second = [x if s else y for x, y, s in zip(a, b, swap, strict=True)]
    return np.concatenate(first), np.concatenate(second)


@pytest.mark.parametrize(("n", "d", "m", "parts"), [(6, 20, 9, 1), (30, 4, 50, 1), (8, 5, 40, 3), (12, 12, 12, 1)])
@pytest.mark.parametrize("ddof", [0, 1])
def test_fréchet_differences_are_those_of_the_slow_way(n: int, d: int, m: int, parts: int, ddof: int) -> None:
    a, b, reference = clips(n, d, parts=parts), clips(n, d, 0.5, 1, parts), np.concatenate(clips(m, d, 3.0, 2))
    swaps = draws(5).random((8, n)) < 0.5
    slow = [
        stats.frechet(x, reference, ddof=ddof) - stats.frechet(y, reference, ddof=ddof)
        for x, y in (swapped(a, b, swap) for swap in swaps)
    ]
    scale = stats.frechet(np.concatenate(a), reference, ddof=ddof)
    found = tests.frechet_differences(a, b, reference, ddof=ddof)(swaps)
    assert found == pytest.approx(slow, abs=1e-6 * scale)


@pytest.mark.parametrize(("n", "d", "parts"), [(6, 20, 1), (30, 4, 1), (8, 5, 3)])
def test_kernel_differences_are_those_of_the_slow_way(n: int, d: int, parts: int) -> None:
    a, b, reference = clips(n, d, parts=parts), clips(n, d, 0.5, 1, parts), np.concatenate(clips(15, d, 1.0, 2))
    swaps = draws(5).random((8, n)) < 0.5
    slow = [
        stats.polynomial_mmd(x, reference) - stats.polynomial_mmd(y, reference)
        for x, y in (swapped(a, b, swap) for swap in swaps)
    ]
    assert tests.kernel_differences(a, b, reference)(swaps) == pytest.approx(slow, rel=1e-9, abs=1e-12)


def test_clips_of_different_lengths_keep_their_parts_together() -> None:
    a = [np.full((k + 1, 2), float(k)) for k in range(4)]
    b = [np.full((2, 2), 10.0 + k) for k in range(4)]

    def score(x: Float64s) -> float:
        return float((np.arange(len(x)) * x[:, 0]).sum())  # looks at the order, as the splits of an inception score do

    slow = [score(x) - score(y) for x, y in (swapped(a, b, swap) for swap in every_swap(4))]
    assert tests.score_differences(a, b, score)(every_swap(4)) == pytest.approx(slow)


def test_swaps_agree_with_all_swaps_counted() -> None:
    a, b, reference = clips(8, 3, 0.0), clips(8, 3, 0.8, 1), np.concatenate(clips(40, 3, 0.0, 2))
    statistic = tests.frechet_differences(a, b, reference)
    every = np.abs(statistic(every_swap(8)))
    exact = float((every >= every[0] * (1 - 1e-9)).mean())
    assert tests.swap_test(statistic, 8, permutations=4_000) == pytest.approx(exact, abs=0.02)


def test_a_shifted_set_is_told_apart_and_the_same_set_is_not() -> None:
    a, reference = clips(40, 6), np.concatenate(clips(60, 6, 0.0, 2))
    for make in (tests.frechet_differences, tests.kernel_differences):
        assert tests.swap_test(make(a, clips(40, 6, 1.0, 1), reference), 40, permutations=199) == 1 / 200
        assert tests.swap_test(make(a, a, reference), 40, permutations=199) == 1.0


# ------------------------------------------------------------------ sizes, corrections, ranks


def test_effect_checked_by_hand() -> None:
    """Differences 1, 2, 3: mean 2, standard deviation 1."""
    found = tests.effect(np.array([1.0, 2.0, 3.0]))
    assert found.dz == 2.0
    assert 1.0 <= found.low < 2.0 < found.high <= 3.0
    assert np.isnan(tests.effect(np.full(4, 0.3)).dz)


def test_holm_checked_by_hand() -> None:
    """Smallest times 3, next times 2, largest times 1, never falling."""
    assert tests.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert tests.holm([0.5, 0.6]) == [1.0, 1.0]
    assert tests.holm([]) == []


def test_rank_groups_checked_by_hand() -> None:
    """b is not told apart from a, c is from a though not from b, d is from all."""
    p = {"ab": 0.3, "ac": 0.01, "ad": 0.001, "bc": 0.2, "bd": 0.001, "cd": 0.04}
    pairs = {frozenset(k): v for k, v in p.items()}
    assert tests.rank_groups("abcd", pairs, 0.05) == [["a", "b"], ["c"], ["d"]]
    assert tests.rank_groups("abcd", pairs, 0.005) == [["a", "b", "c"], ["d"]]
    assert tests.rank_groups("", {}, 0.05) == []


# ------------------------------------------------------------------ calibration


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 30])
@pytest.mark.parametrize("kind", ["normal", "skewed", "with ties"])
def test_sign_flips_reject_the_null_as_often_as_they_say(n: int, kind: str) -> None:
    """10,000 simulations: 4 to 6 % at 0.05, whatever the two models' common distribution."""
    draw = draws(11)
    rejected = 0
    for k in range(10_000):
        shared = draw.normal(size=n)
        a, b = (
            draw.normal(size=(2, n)) if kind != "skewed" else draw.exponential(size=(2, n)) ** 2
        ) + shared  # items differ in difficulty
        if kind == "with ties":
            a, b = np.round(4 * a) / 4, np.round(4 * b) / 4
        rejected += tests.sign_flip(a - b, permutations=199, seed=k) <= 0.05
    assert 0.04 <= rejected / 10_000 <= 0.06


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fréchet", "kernel"])
def test_swaps_reject_the_null_as_often_as_they_say(kind: str) -> None:
    """4,000 simulations: 4 to 6 % at 0.05."""
    draw = draws(12)
    reference = draw.normal(size=(40, 5))
    make = tests.frechet_differences if kind == "fréchet" else tests.kernel_differences
    rejected = 0
    for k in range(4_000):
        shared = draw.normal(size=(20, 1, 5))
        a, b = (list(shared + draw.normal(0.3, 1.0, size=(20, 1, 5))) for _ in range(2))
        rejected += tests.swap_test(make(a, b, reference), 20, permutations=99, seed=k) <= 0.05
    assert 0.04 <= rejected / 4_000 <= 0.06
