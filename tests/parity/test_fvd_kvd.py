"""FVD and KVD of given features against every published implementation."""

from __future__ import annotations

import numpy as np
import pytest

from avbench import stats
from avbench.metrics.fvd import Fvd
from avbench.metrics.kvd import Kvd
from avbench.types import Array

from .harness import Case, called, cases

FLOAT32 = (
    "videogpt_float32_threads1",
    "videogpt_float32_threads2",
    "javisdit_float32_threads1",
    "javisdit_float32_threads2",
    "common_metrics_videogpt_float32",
)


def single(fake: Array, real: Array) -> str:
    """Which tolerance a float32 implementation has: by rows against dimensions."""
    rows, dimensions = min(len(fake), len(real)), fake.shape[1]
    if rows <= dimensions:
        return "float32 torch variants, rank deficient"
    return f"float32 torch variants, n {'close to' if rows < 2 * dimensions else 'much larger than'} d"


@pytest.mark.parametrize("case", cases("video/fvd_kvd_from_features*", "cases"))
def test_distances(case: Case) -> None:
    fake, real = called(case["fake"]), called(case["real"])
    for made, name in ((fake, "fake_first_row"), (real, "real_first_row")):
        np.testing.assert_allclose(made[0, : len(case[name])], case[name], rtol=0)
    close = case.family.close
    double = f"float64 variants, {'rank deficient' if case['rank_deficient'] else 'full rank'}"

    for variant in ("videogpt", "javisbench", "mmdiffusion"):
        value = Fvd(variant).compute(fake, real)
        for name in FLOAT32:
            close(value, case[name], single(fake, real), f"{case.name}: {variant} against {name}")
    for name in ("videogpt_float64", "tf_style_float64"):
        for variant in ("videogpt", "javisbench", "mmdiffusion", "javisbench_fixed"):
            value = Fvd(variant, float64=True).compute(fake, real)  # type: ignore[arg-type]
            close(value, case[name], double, f"{case.name}: {variant} against {name}")
    value = stats.frechet_variant(fake.astype(np.float64), real.astype(np.float64), "scipy")
    close(value, case["styleganv_common_metrics_float64"], double, f"{case.name}: common_metrics")
    for variant in ("styleganv", "cdfvd"):
        value = Fvd(variant).compute(fake, real)  # type: ignore[arg-type]
        for name in ("styleganv_feature_stats", "content_debiased_fvd"):
            close(value, case[name], double, f"{case.name}: {variant} against {name}")

    for name in ("kvd_javisdit_function", "kvd_mmdiffusion_function"):
        close(Kvd("mmdiffusion").compute(fake, real), case[name], "kvd", f"{case.name}: {name}")
    for metric in (Kvd(), Kvd("mmdiffusion", float64=True)):
        close(metric.compute(fake, real), case["kvd_function_float64_inputs"], "kvd", f"{case.name}: {metric.label}")
    close(Kvd("javisbench").compute(fake, real), case["kvd_of_centred_features"], "kvd", f"{case.name}: centred")

    whole = case["javisdit_calc_fvd_kvd_fad_direct"]
    close(Fvd("javisbench").compute(fake, real), whole["fvd"], single(fake, real), f"{case.name}: JavisBench's FVD")
    close(Kvd("javisbench").compute(fake, real), whole["kvd"], "kvd", f"{case.name}: JavisBench's KVD")
    audio = called(whole["audio_fake"]), called(whole["audio_real"])
    value = 10_000 * stats.frechet_variant(*audio, "tfgan_svd")
    close(value, whole["fad_x10000"], single(*audio), f"{case.name}: JavisBench's FAD")


@pytest.mark.parametrize("case", cases("video/fvd_kvd_from_features*", "cases"))
def test_inputs_stay_as_they_are(case: Case) -> None:
    """The published code subtracts means in place."""
    fake, real = (np.asarray(called(case[side]), dtype=np.float64) for side in ("fake", "real"))
    before = fake.copy(), real.copy()
    for metric in (Fvd("videogpt"), Fvd("styleganv"), Kvd("javisbench")):
        metric.compute(fake, real)
    np.testing.assert_array_equal(fake, before[0])
    np.testing.assert_array_equal(real, before[1])
