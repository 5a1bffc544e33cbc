"""kd_* and fad_inf against golden.json, what they ask for, what they refuse, and what moments make of a Fréchet distance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench import registry, stats
from avbench.distances import FrechetDistance
from avbench.errors import BadParameter, UnknownName, Unscorable
from avbench.moments import Accumulator, moments_of
from avbench.types import Item
from tests.parity import matrices

ROOT = Path(__file__).parents[2]
KERNEL = ("kd_vggish", "kd_panns", "kd_passt", "kd_melception")
CASES = [
    pytest.param(metric, case, id=f"{metric}, {case['name']}")
    for metric in (*KERNEL, "fad_inf")
    for case in json.loads((ROOT / "metrics" / metric / "golden.json").read_text(encoding="utf-8"))["cases"]
]


def rows(recipe: dict[str, Any]) -> NDArray[np.float64]:
    return np.asarray(recipe["rows"] if "rows" in recipe else matrices.features(recipe), dtype=np.float64)


@pytest.mark.parametrize(("metric", "case"), CASES)
def test_golden(metric: str, case: dict[str, Any]) -> None:
    made = registry.metric(metric, **case["parameters"])
    got = made.compute(rows(case["generated"]), rows(case["reference"]))
    np.testing.assert_allclose(got, case["value"], **({"rtol": 0.0, "atol": 0.0} | case["tolerance"]))


@pytest.mark.parametrize("name", KERNEL)
def test_kernel_distances_stand_on_the_rows_of_their_frechet_distance(name: str) -> None:
    partner = {"kd_vggish": "fad_vggish", "kd_panns": "fd_panns", "kd_passt": "fd_passt", "kd_melception": "fad_melception"}[
        name
    ]
    made, other = registry.metric(name), registry.metric(partner)
    assert made.extractors() == other.extractors()
    assert made.row_kind() == other.row_kind()
    assert other.moments_suffice
    assert not made.moments_suffice
    layer = made.row_kind()
    got = {layer: np.ones((1, 5) if "passt" in name or "vggish" in name else (5,), np.float32)}
    np.testing.assert_array_equal(made.row(Item("x"), got, None), other.row(Item("x"), got, None))
    some = rows({"seed": 1, "n": 8, "d": 4})
    with pytest.raises(BadParameter, match="reference rows are needed"):
        made.score(some, None)
    with pytest.raises(BadParameter, match=f"{name}: its formula needs every reference row"):
        made.score_from_moments(some, moments_of([some]))
    with pytest.raises(BadParameter, match="are of the variant 'subsets'"):
        registry.metric(name, seed=3)
    with pytest.raises(BadParameter, match="at least 1 subset of 2 rows"):
        registry.metric(name, variant="subsets", size=1)
    low, high, how = made.interval(list(some), list(some[::-1] + 0.5), seed=0)
    assert low < made.score(some, some[::-1] + 0.5) < high
    assert "halves of the clips" in how


def test_chains_follow_the_frechet_distance() -> None:
    for variant in ("audioldm_eval_32k", "audioldm_eval_16k"):
        assert (
            registry.metric("kd_panns", chain=variant).extractors() == registry.metric("fd_panns", variant=variant).extractors()
        )
    assert registry.metric("kd_panns", chain="audioldm_eval_32k").row_kind() == "panns_cnn14_32k.embedding"
    made = registry.metric("kd_vggish", chain="torchvggish_pca", resampy="0.2.2")
    assert made.extractors() == registry.metric("fad_vggish", variant="torchvggish_pca", resampy="0.2.2").extractors()


@pytest.mark.parametrize("of", ["fad_vggish", "fd_panns", "fd_passt", "fad_melception", "fvd"])
def test_fad_inf_of_each(of: str) -> None:
    made, other = registry.metric("fad_inf", of=of), registry.metric(of)
    assert made.extractors() == other.extractors()
    assert made.row_kind() == other.row_kind()
    spec = registry.parse_spec(made.label)
    assert registry.metric(spec.name, **dict(spec.parameters)) == made


def test_fad_inf_takes_variants_and_refuses_what_is_none() -> None:
    made = registry.metric("fad_inf", variant="fadtk")
    assert made.label == "fad_inf[fadtk]"
    assert made.extractors() == registry.metric("fad_vggish", variant="fadtk").extractors()
    with pytest.raises(BadParameter, match="Fréchet distance"):
        registry.metric("fad_inf", of="kd_passt")
    with pytest.raises(UnknownName):
        registry.metric("fad_inf", of="no_such_metric")
    with pytest.raises(BadParameter, match="variant must be one of"):
        registry.metric("fad_inf", variant="other")
    with pytest.raises(BadParameter, match="at least 2 steps"):
        registry.metric("fad_inf", steps=1)
    some = rows({"seed": 1, "n": 40, "d": 4})
    with pytest.raises(Unscorable, match=r"too_short: .*40 rows are one size"):
        registry.metric("fad_inf", min_n=40).score(some, some)
    assert registry.metric("fad_inf", min_n=20).interval(list(some), list(some), seed=0)[2].startswith("none: ")


def test_fad_inf_of_moments_is_fad_inf() -> None:
    made = registry.metric("fad_inf", min_n=60, steps=5)
    x, y = rows({"seed": 1, "n": 200, "d": 8}), rows({"seed": 2, "n": 150, "d": 8, "shift": 0.3})
    assert made.score_from_moments(x, moments_of([y])) == pytest.approx(made.score(x, y), rel=1e-9)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("fad_vggish", {}),
        ("fad_vggish", {"variant": "frechet_audio_distance"}),
        ("fd_panns", {}),
        ("fd_passt", {}),
        ("fad_melception", {}),
        ("fvd", {"variant": "styleganv"}),
        ("fvd", {"variant": "javisbench_fixed"}),
        ("fvd", {"float64": True}),
    ],
)
def test_moments_in_place_of_rows(name: str, parameters: dict[str, Any]) -> None:
    """Full rank and fewer rows than dimensions; the published rounding of the means is what differs."""
    made = registry.metric(name, **parameters)
    for n in (400, 12):
        x, y = rows({"seed": 3, "n": n, "d": 16}), rows({"seed": 4, "n": n + 5, "d": 16, "shift": 0.3})
        assert made.score_from_moments(x, moments_of([y])) == pytest.approx(made.score(x, y), rel=2e-6)


@pytest.mark.parametrize(
    ("name", "variant"),
    [("fvd", "videogpt"), ("fvd", "javisbench"), ("fd_panns", "frechet_audio_distance_16k"), ("kvd", "videogpt")],
)
def test_what_moments_do_not_make_says_so(name: str, variant: str) -> None:
    made = registry.metric(name, variant=variant)
    some = rows({"seed": 1, "n": 8, "d": 4})
    with pytest.raises(BadParameter, match=rf"^{name}.*needs every reference row"):
        made.score_from_moments(some, moments_of([some]))


# ------------------------------------------------------------------ moments of rows that stream by


@pytest.mark.parametrize("sizes", [(1,) * 7, (3, 2_000, 1), (1_024,), (1_025, 1_023), (5, 0, 4)])
def test_accumulated_moments(sizes: tuple[int, ...]) -> None:
    draw = np.random.default_rng(0)
    parts = [(1e3 + draw.standard_normal((n, 6)) * np.arange(1, 7)).astype(np.float32) for n in sizes]
    whole = np.concatenate(parts)
    made = moments_of(parts)
    assert made.n == len(whole)
    np.testing.assert_allclose(made.mean, whole.mean(axis=0, dtype=np.float64), rtol=1e-14)
    np.testing.assert_allclose(made.covariance, np.cov(whole.astype(np.float64), rowvar=False), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(made.covariance, made.covariance.T)
    np.testing.assert_allclose(
        made.divided_by_n(), np.cov(whole.astype(np.float64), rowvar=False, ddof=0), rtol=1e-9, atol=1e-12
    )


def test_accumulated_moments_go_on_after_a_look() -> None:
    rows_ = np.random.default_rng(1).standard_normal((30, 4))
    made = Accumulator()
    made.add(rows_[:11])
    assert made.moments().n == 11
    made.add(rows_[11])
    made.add(rows_[12:])
    mean, covariance = stats.moments(rows_)
    np.testing.assert_allclose(made.moments().mean, mean, rtol=1e-12)
    np.testing.assert_allclose(made.moments().covariance, covariance, rtol=1e-12, atol=1e-15)


def test_accumulated_moments_refuse() -> None:
    made = Accumulator()
    made.add(np.ones(3))
    with pytest.raises(BadParameter, match="at least 2 rows, got 1"):
        made.moments()
    with pytest.raises(BadParameter, match=r"rows must be \(n, 3\)"):
        made.add(np.ones(4))


@pytest.mark.parametrize("name", [n for n in registry.names("metrics") if isinstance(registry.metric(n), FrechetDistance)])
def test_every_frechet_distance_is_extrapolated(name: str) -> None:
    distance, inf = registry.metric(name), registry.metric("fad_inf", of=name, min_n=100, steps=4)
    assert inf.extractors() == distance.extractors()
    assert inf.row_kind() == distance.row_kind()
    x, y = np.random.default_rng(0).normal(size=(2, 400, 6))
    assert abs(inf.compute(x + 3.0, y) - 54.0) < 8.0  # six squared distances of 3
