"""Inception score against av-benchmark, audioldm_eval and SpecVQGAN, on given logits and as metrics."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from avbench.errors import BadParameter, Unscorable
from avbench.metrics.is_melception import IsMelception
from avbench.metrics.is_panns import IsPanns
from avbench.metrics.is_passt import IsPasst
from avbench.posteriors import inception_score

from .harness import Case, cases, matrix


@pytest.mark.parametrize("case", cases("audio/inception_score*", "cases"))
def test_score_and_deviation(case: Case) -> None:
    logits = matrix(case["logits"], "logits")
    splits, seed = case["splits"], case["rng_seed"] if case["samples_shuffle"] else None
    metric = IsPasst(splits=splits, seed=seed)
    want = [float(case["result"][f"inception_score_{key}"]) for key in ("mean", "std")]
    if math.isnan(want[0]):
        with pytest.raises(Unscorable, match="too_short"):
            inception_score(logits, splits=splits, seed=seed)
        with pytest.raises(Unscorable, match="too_short"):
            metric.compute(logits)
        return
    case.family.close(inception_score(logits, splits=splits, seed=seed), want, "default")
    case.family.close(metric.compute(logits), want[0], "default", "is_passt")


def test_formula_by_hand() -> None:
    logits = np.random.RandomState(3).standard_normal((20, 10)) * 3
    np.testing.assert_allclose(inception_score(logits, splits=2), (3.560490007598866, 0.8506192075797017), rtol=1e-12)
    np.testing.assert_allclose(inception_score(logits, splits=1, seed=None)[0], 3.8088573649233655, rtol=1e-12)


def test_certain_and_undecided() -> None:
    """One sure class each scores the number of classes; the same answer for all scores 1."""
    np.testing.assert_allclose(inception_score(np.eye(6) * 1e4, splits=1), (6.0, 0.0))
    np.testing.assert_allclose(inception_score(np.zeros((6, 4)), splits=2), (1.0, 0.0))


def test_minimum_is_the_number_of_splits() -> None:
    """A parameter moves it, it survives a pickle, and equality knows parameters alone."""
    metric = IsMelception(splits=3)
    assert (metric.minimum, pickle.loads(pickle.dumps(metric)).minimum, IsPanns().minimum) == (3, 3, 10)  # noqa: S301
    assert metric == IsMelception(splits=3)
    assert metric.label == "is_melception[splits=3]"
    with pytest.raises(BadParameter, match="splits"):
        IsPanns(splits=0)


def test_interval_needs_halves_of_enough_clips() -> None:
    rows = list(np.random.default_rng(0).normal(size=(30, 527)) * 3)
    low, high, how = IsPasst().interval(rows, None, seed=0)
    score = IsPasst().compute(np.stack(rows))
    assert low < score < high
    assert "halves" in how
    assert math.isnan(IsPasst().interval(rows[:18], None, seed=0)[0])
