"""Fréchet distance, kernel distance and FAD-inf of given matrices against their published implementations."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from avbench import stats
from avbench.errors import BadParameter
from avbench.types import Array

from .harness import Case, cases, matrix

REFERENCES: dict[str, stats.FrechetVariant] = {
    "audioldm_eval_fad": "scipy",
    "audioldm_eval_fid": "scipy",
    "av_benchmark_compute_fd": "scipy",
    "frechet_audio_distance": "scipy_complex",
    "fadtk": "eig",
    "javisdit_frechet_distance": "tfgan_svd",
}


def pair(case: Case) -> tuple[Array, Array]:
    """Both matrices, checked against the golden's hashes."""
    made = matrix(case["a"]), matrix(case["b"])
    for values, side in zip(made, "ab", strict=True):
        if f"{side}_sha256" in case:
            assert hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest() == case[f"{side}_sha256"]
    return made


@pytest.mark.parametrize("case", cases("audio/frechet*", "cases", having=["results"]))
def test_published_variants(case: Case) -> None:
    """Where a reference fails (-1, or an error), the value of the same code under an older SciPy; our own never fails."""
    a, b = pair(case)
    if min(len(a), len(b)) < 2:
        for variant in REFERENCES.values():
            with pytest.raises(BadParameter, match="at least 2 rows"):
                stats.frechet_variant(a, b, variant)
        return
    singular = case.name in case.family.data["tolerance"]["singular"]["cases"]
    for name, variant in REFERENCES.items():
        known = [case[k][name] for k in ("results", "older") if name in case[k] and case[k][name].get("value", -1.0) != -1.0]
        if known:
            allowed = "javisdit" if variant == "tfgan_svd" else "singular" if singular else "default"
            case.family.close(stats.frechet_variant(a, b, variant), known[0]["value"], allowed, f"{case.name}: {name}")
    if a.dtype != np.float16:
        case.family.close(stats.frechet(a, b), case["symmetric_float64"], "singular" if singular else "default", case.name)
    # singular values of float64 factors have no singular case
    np.testing.assert_allclose(stats.frechet(a, b), case["nuclear_norm_float64"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", cases("audio/frechet*", "cases", having=["polynomial_mmd_before"]))
def test_centred_features(case: Case) -> None:
    """JavisBench's Fréchet distance centres its inputs; the kernel distance it computes next has lost the shift."""
    a, b = pair(case)
    case.family.close(stats.frechet_variant(a, b, "tfgan_svd"), case["frechet"], "javisdit")
    case.family.close(stats.polynomial_mmd(a, b), case["polynomial_mmd_before"], "javisdit")
    centred = (m.astype(np.float64) - m.mean(axis=0, dtype=np.float64) for m in (a, b))
    case.family.close(stats.polynomial_mmd(*centred), case["polynomial_mmd_after"], "javisdit")


@pytest.mark.parametrize("case", cases("audio/frechet*", "cases", having=["pooled_float64"]))
def test_moments(case: Case) -> None:
    """Statistics of all files together. fadtk merges those of each file: the same, but for float16 and files with one row."""
    files = [matrix(recipe) for recipe in case["files"]]
    mean, cov = stats.moments(np.concatenate(files))
    case.family.close(np.trace(cov), case["pooled_float64"]["cov_trace"], "default")
    if case["cov_trace"] != "nan" and files[0].dtype != np.float16:
        case.family.close(mean, case["mean"], "default")
        case.family.close(np.trace(cov), case["cov_trace"], "default")
        case.family.close(cov[0], case["cov_row_0"], "default")


@pytest.mark.parametrize("case", cases("audio/frechet*", "cases", having=["published_behaviour"]))
def test_one_long_vector(case: Case) -> None:
    """frechet-audio-distance with PANNs: one univariate Gaussian over all numbers of all clips."""
    a, b = pair(case)
    value = stats.frechet(a.reshape(-1, 1), b.reshape(-1, 1))
    case.family.close(value, case["published_behaviour"], "default")


@pytest.mark.parametrize("case", cases("audio/kid*", "cases"))
def test_kernel_distance(case: Case) -> None:
    a, b = pair(case)
    assert (case["degree"], case["gamma"], case["coef0"]) == (3, None, 1)
    got = stats.kid_subsets(a, b, subsets=case["subsets"], size=case["subset_size"], seed=case["rng_seed"])
    for value, name in zip(got, ("mean", "std"), strict=True):
        case.family.close(value, case["result"][f"kernel_inception_distance_{name}"], "default")
        case.family.close(value, case["double_precision"][f"kernel_inception_distance_{name}"], "double")
    case.family.close(stats.polynomial_mmd(a, b), case["javisdit_polynomial_mmd"], "default")
    case.family.close(stats.polynomial_mmd(a, b), case["javisdit_polynomial_mmd_double"], "double")


@pytest.mark.parametrize("case", cases("audio/fad_inf*", "cases"))
def test_fad_inf(case: Case) -> None:
    evaluation, background = matrix(case["evaluation"]), matrix(case["background"])
    got = stats.fad_inf(evaluation, background, steps=case["steps"], min_n=case["min_n"], seed=case["seed"])
    for name in ("score", "slope", "r2"):
        case.family.close(getattr(got, name), case["result"][name], name)
    case.family.close(np.array(got.points), case["result"]["points"], "score", "points")
