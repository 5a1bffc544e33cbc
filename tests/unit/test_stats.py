"""Intervals: they cover what they say, and they do not break at the ends."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from avbench.stats import frechet, mean_interval


@pytest.mark.parametrize(("n", "lowest", "highest"), [(20, 0.90, 0.97), (60, 0.925, 0.975)])
def test_the_interval_covers_the_mean_of_normals(n: int, lowest: float, highest: float) -> None:
    """95 % nominal; with 20 values a bootstrap of the mean is known to cover about 93 %. Seeds are fixed."""
    draw = np.random.default_rng(7)
    hits = 0
    trials = 400
    for trial in range(trials):
        low, high = mean_interval(draw.normal(1.0, 2.0, n), seed=trial, resamples=999)
        hits += low <= 1.0 <= high
    assert lowest <= hits / trials <= highest, hits / trials


def test_the_interval_of_skewed_values_is_not_symmetric() -> None:
    values = np.random.default_rng(0).lognormal(0.0, 1.0, 80)
    low, high = mean_interval(values)
    assert high - values.mean() > 1.1 * (values.mean() - low) > 0


def test_one_value_has_no_interval_and_equal_values_have_no_width() -> None:
    assert all(math.isnan(x) for x in mean_interval(np.array([0.3])))
    assert all(math.isnan(x) for x in mean_interval(np.array([])))
    assert mean_interval(np.full(10, 0.3)) == (0.3, 0.3)


def test_two_values_and_nearly_equal_values_give_numbers_and_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for values in (
            [0.0, 1.0],
            [0.0, 0.0, 1.0],
            [0.1, 0.1 + 1e-16, 0.1],
            [0.0] * 50 + [1.0],
            [1e-300, 2e-300, 3e-300],
            [1e12, 1e12 + 1, 1e12 + 2],
        ):
            low, high = mean_interval(np.array(values))
            assert min(values) <= low <= high <= max(values), values


def test_the_same_values_give_the_same_interval_whatever_their_order() -> None:
    values = np.random.default_rng(3).uniform(size=37)
    first = mean_interval(values)
    assert mean_interval(values) == first
    np.random.seed(1)  # noqa: NPY002 - the global state must not matter
    assert mean_interval(values) == first
    assert mean_interval(values, seed=1) != first
    assert mean_interval(values[::-1].copy()) == pytest.approx(first, rel=0.02)


def test_many_values_need_little_memory() -> None:
    import tracemalloc

    values = np.random.default_rng(3).uniform(size=20_000)
    tracemalloc.start()
    mean_interval(values, resamples=500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300 * 2**20


def test_rounding_alone_is_no_distance() -> None:
    x = np.random.default_rng(0).normal(size=(50, 20)) * 1e3
    assert frechet(x, x.copy()) == 0.0
    assert frechet(x, x + 0.1) == pytest.approx(0.2, rel=1e-3)
