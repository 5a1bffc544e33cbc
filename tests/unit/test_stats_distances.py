"""Distances between sets, their identities and refusals, and intervals from halves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench import registry, stats
from avbench.errors import BadParameter, Unscorable
from avbench.metrics.fvd import Fvd
from avbench.metrics.kvd import Kvd
from avbench.types import Item

METRICS = Path(__file__).parents[2] / "metrics"
TOYS = [
    (name, toy["parameters"], toy["value"])
    for name in ("fvd", "kvd")
    for toy in json.loads((METRICS / name / "golden.json").read_text(encoding="utf-8"))["toys"]["values"]
]
Floats = NDArray[np.float64]


def x_and_y() -> tuple[Floats, Floats]:
    """The sets of the toys."""
    x = np.random.RandomState(0).standard_normal((64, 8))
    return x, np.random.RandomState(1).standard_normal((48, 8)) * 1.2 + 0.3


def normal(seed: int, n: int, d: int) -> Floats:
    return np.random.default_rng(seed).standard_normal((n, d))


@pytest.mark.parametrize(("name", "parameters", "value"), TOYS)
def test_toys(name: str, parameters: dict[str, Any], value: float) -> None:
    metric = registry.metric(name, **parameters)
    assert metric.compute(*x_and_y()) == pytest.approx(value, rel=1e-12)


def test_toys_of_the_functions() -> None:
    x, y = x_and_y()
    shift = x.mean(axis=0) - y.mean(axis=0)
    assert shift @ shift == pytest.approx(1.6077488676049918, rel=1e-12)
    assert stats.frechet(x, y) == pytest.approx(2.456068210790935, rel=1e-12)
    assert stats.frechet(x, y, ddof=0) == pytest.approx(2.43295903979584, rel=1e-12)
    assert stats.frechet_variant(x, y, "tfgan_svd") == pytest.approx(2.456068210790935, rel=1e-5)
    assert stats.polynomial_mmd(x, y) == pytest.approx(0.6111005677921955, rel=1e-12)
    assert stats.polynomial_mmd_float32(x, y) == pytest.approx(0.6111005677921955, rel=1e-5)
    mean, std = stats.kid_subsets(x, y, subsets=10, size=32)
    assert (mean, std) == pytest.approx((0.5400747586162176, 0.16177411672355133), rel=1e-12)


@pytest.mark.parametrize(("n", "d"), [(300, 16), (20, 64), (65, 64), (64, 64), (2, 3), (100, 1)])
def test_identical_sets_are_at_0(n: int, d: int) -> None:
    x = normal(n, n, d)
    trace = float(stats.moments(x)[1].trace())
    variants: tuple[stats.FrechetVariant, ...] = ("exact", "scipy", "scipy_complex", "eig", "stylegan", "eps_always")
    for variant in variants:
        assert stats.frechet_variant(x, x, variant) == pytest.approx(0.0, abs=1e-6 * trace)
    mean, cov = stats.moments(x)
    assert stats.frechet_of_moments(mean, cov, mean, cov) == pytest.approx(0.0, abs=1e-6 * trace)


@pytest.mark.parametrize("spread", [1e-6, 1e-3, 1.0])
def test_identical_sets_with_small_directions(spread: float) -> None:
    """Covariances from regular to singular: eigenvalues alone would be 1e-8 off per direction."""
    x = normal(0, 400, 48)
    x[:, 24:] = x[:, :24] + spread * x[:, 24:]
    x[:, 0] = 0.0
    assert stats.frechet(x, x) == pytest.approx(0.0, abs=1e-6 * float(stats.moments(x)[1].trace()))


@pytest.mark.parametrize(("n", "m", "d"), [(300, 200, 12), (20, 30, 64), (20, 300, 64), (300, 20, 64)])
def test_symmetry_and_rotation(n: int, m: int, d: int) -> None:
    x, y = normal(1, n, d), normal(2, m, d) * 1.3 + 0.2
    turn = np.linalg.qr(normal(3, d, d))[0]
    for distance in (stats.frechet, stats.polynomial_mmd):
        value = distance(x, y)
        assert distance(y, x) == pytest.approx(value, rel=1e-9, abs=1e-9)
        assert distance(x @ turn, y @ turn) == pytest.approx(value, rel=1e-9, abs=1e-9)
    assert stats.frechet(x + 5.0, y + 5.0) == pytest.approx(stats.frechet(x, y), rel=1e-9)


def test_known_gaussians() -> None:
    """Diagonal covariances and a shift: (3 - 1)^2 + (2 - 1)^2 + 4^2."""
    mean, other = np.zeros(2), np.array([4.0, 0.0])
    value = stats.frechet_of_moments(mean, np.diag([9.0, 4.0]), other, np.eye(2))
    assert value == pytest.approx(21.0, rel=1e-12)
    singular = stats.frechet_of_moments(mean, np.diag([9.0, 0.0]), other, np.diag([0.0, 1.0]))
    assert singular == pytest.approx(26.0, rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(900, 700), (30, 40), (30, 700)])
def test_both_ways_agree(n: int, m: int) -> None:
    x, y = normal(4, n, 96), normal(5, m, 96) * 0.9 + 0.1
    moments = (*stats.moments(x), *stats.moments(y))
    assert stats.frechet_of_moments(*moments) == pytest.approx(stats.frechet(x, y), rel=1e-8)


def test_moments_in_blocks() -> None:
    x = normal(6, 2500, 5) + 100.0
    mean, cov = stats.moments(x)
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(cov, np.cov(x, rowvar=False), rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(stats.moments(x, ddof=0)[1], np.cov(x, rowvar=False, ddof=0), rtol=1e-11, atol=1e-14)


def test_kernel_distance_in_blocks() -> None:
    """More rows than a block, against the formula written out."""
    x, y = normal(7, 1500, 6), normal(8, 1100, 6) + 0.1
    a, b, c = ((p @ q.T / 6 + 1) ** 3 for p, q in ((x, x), (y, y), (x, y)))
    n, m = len(x), len(y)
    plain = (a.sum() - np.trace(a)) / (n * (n - 1)) + (b.sum() - np.trace(b)) / (m * (m - 1)) - 2 * c.mean()
    assert stats.polynomial_mmd(x, y) == pytest.approx(plain, rel=1e-9)


def test_means_in_the_dtype_of_the_features() -> None:
    x, y = normal(9, 200, 8).astype(np.float16), (normal(10, 200, 8) + 0.3).astype(np.float16)
    shift = x.mean(axis=0) - y.mean(axis=0)
    exact = x.mean(axis=0, dtype=np.float64) - y.mean(axis=0, dtype=np.float64)
    moved = float(shift.dot(shift)) - float(exact @ exact)
    assert moved != 0
    assert stats.frechet_variant(x, y, "scipy") - stats.frechet(x, y) == pytest.approx(moved, rel=1e-9)


def test_ridge() -> None:
    x, y = normal(11, 50, 4), 2 * normal(12, 50, 4)
    off = stats.frechet_variant(x, y, "eps_always") - stats.frechet(x, y)
    assert 0 < abs(off) < 1e-5


@pytest.mark.parametrize(("x", "y"), [((1, 4), (5, 4)), ((5, 4), (5, 3)), ((5,), (5, 4)), ((0, 4), (5, 4))])
def test_sets_that_do_not_fit(x: tuple[int, ...], y: tuple[int, ...]) -> None:
    a, b = np.ones(x), np.ones(y)
    for distance in (stats.frechet, stats.polynomial_mmd, stats.polynomial_mmd_float32, stats.kid_subsets, stats.fad_inf):
        with pytest.raises(BadParameter, match=r"rows"):
            distance(a, b)
    variants: tuple[stats.FrechetVariant, ...] = ("exact", "scipy", "tfgan_svd", "stylegan", "eps_always", "eig")
    for variant in variants:
        with pytest.raises(BadParameter, match=r"rows"):
            stats.frechet_variant(a, b, variant)


def test_other_refusals() -> None:
    x = normal(0, 20, 3)
    with pytest.raises(BadParameter, match="no Fréchet variant"):
        stats.frechet_variant(x, x, "other")  # type: ignore[arg-type]
    with pytest.raises(BadParameter, match="two sizes"):
        stats.fad_inf(x, x, min_n=20)
    with pytest.raises(BadParameter, match=r"\(d, d\)"):
        stats.frechet_of_moments(np.zeros(3), np.eye(3), np.zeros(2), np.eye(2))


@pytest.mark.parametrize("metric", [Fvd(), Kvd(), Fvd("styleganv"), Kvd("javisbench")])
def test_too_few_clips(metric: Fvd | Kvd) -> None:
    with pytest.raises(Unscorable, match="too_short"):
        metric.compute(normal(0, 1, 4), normal(1, 9, 4))
    with pytest.raises(BadParameter, match="None came"):
        metric.compute(normal(0, 9, 4))
    with pytest.raises(BadParameter, match="None came"):
        metric.score(normal(0, 9, 4), None)
    low, high, how = metric.interval(list(normal(0, 4, 4)), list(normal(1, 4, 4)), seed=0)
    assert np.isnan([low, high]).all()
    assert how == "none: 4 clips, halves need 8"


def test_what_the_metrics_need() -> None:
    for metric in (Fvd("javisbench", frames=16), Kvd("javisbench", frames=16)):
        (need,) = metric.extractors()
        assert registry.needed(need).label == "i3d_k400[javisbench,frames=16]"
        assert (metric.needs_reference, metric.needs_all, metric.columns, metric.better) == (True, True, (), "lower")
        row = metric.row(Item("a"), {"i3d_k400.logits": np.arange(400, dtype=np.float32)}, None)
        assert row.shape == (400,)
        assert row.dtype == np.float64
        with pytest.raises(BadParameter, match="variant"):
            type(metric)("tf_original")  # type: ignore[arg-type]


def test_a_shift_counts_unless_features_are_centred() -> None:
    x, y = normal(0, 200, 8), normal(1, 200, 8)
    assert Kvd().compute(x, y + 1) > Kvd().compute(x, y) + 0.1
    assert Kvd("javisbench").compute(x, y + 1) == pytest.approx(Kvd("javisbench").compute(x, y), abs=1e-5)


# ------------------------------------------------------------------ intervals


def test_interval_of_halves_is_as_wide_as_that_of_the_mean() -> None:
    """For a mean the spread of halves is known: sigma / sqrt(n)."""
    for n in (200, 201):
        rows = list(normal(n, n, 1))
        low, high, how = stats.subset_interval(lambda x, _: float(x.mean()), rows, None, seed=1, subsets=2_000)
        whole = np.concatenate(rows)
        assert (low + high) / 2 == pytest.approx(whole.mean(), rel=1e-9)
        assert (high - low) / 2 == pytest.approx(1.96 * whole.std(ddof=1) / np.sqrt(n), rel=0.06)
        assert how == "95 % normal, 2000 halves of the clips without replacement, seed 1, around the value"


def test_pairs_stay_together() -> None:
    """The difference of paired rows is constant, so halves of pairs all agree; halves of unpaired rows do not."""
    rows = list(normal(0, 40, 1))
    refs = [r + 3.0 for r in rows]

    def score(x: Floats, y: Floats | None) -> float:
        assert y is not None
        return float(y.mean() - x.mean())

    low, high, _ = stats.subset_interval(score, rows, refs)
    assert (low, high) == pytest.approx((3.0, 3.0), abs=1e-12)
    low, high, _ = stats.subset_interval(score, rows, [*refs, refs[0]])
    assert high - low > 0.1


def test_parts_of_a_clip_stay_together() -> None:
    """Copies of a clip's row are no further clips: the interval is that of the clips."""
    rows = normal(0, 60, 2)
    single = stats.subset_interval(lambda x, _: float(x[:, 0].mean()), list(rows), None)
    several = stats.subset_interval(lambda x, _: float(x[:, 0].mean()), [np.tile(r, (7, 1)) for r in rows], None)
    assert several[:2] == pytest.approx(single[:2], rel=1e-9)


def test_interval_of_a_distance() -> None:
    """Around the value, though halves are biased upwards; the same for the same seed; about right in width."""
    x, y = normal(0, 400, 6), normal(1, 400, 6) + 0.5
    metric = Fvd("javisbench_fixed")
    low, high, how = metric.interval(list(x), list(y), seed=0)
    assert (low + high) / 2 == pytest.approx(metric.compute(x, y), rel=1e-12)
    assert (low, high, how) == metric.interval(list(x), list(y), seed=0)
    assert (low, high, how) != metric.interval(list(x), list(y), seed=1)
    drawn = [stats.frechet(normal(2 * s, 400, 6), normal(2 * s + 1, 400, 6) + 0.5) for s in range(1, 60)]
    assert (high - low) / 2 == pytest.approx(1.96 * np.std(drawn), rel=0.5)


def test_interval_without_a_better_rule() -> None:
    """Metrics whose number is the mean of a column keep the bootstrap; others have none unless they say how."""
    metric = registry.metric("motion_score")
    rows = [np.array([v, 0.0]) for v in normal(0, 20, 1)[:, 0]]
    low, high, how = metric.interval(rows, None, seed=0)
    assert (low, high) == stats.mean_interval(np.array([r[0] for r in rows]), seed=0)
    assert how == f"95 % BCa bootstrap over clips, {stats.RESAMPLES} resamples, seed 0"
