"""KL variants against av-benchmark, audioldm_eval, SpecVQGAN and stable-audio-metrics, on given logits and as metrics."""

from __future__ import annotations

import numpy as np
import pytest

from avbench.errors import BadParameter, Unscorable
from avbench.metrics.kl_melception import KlMelception
from avbench.metrics.kl_panns import KlPanns
from avbench.metrics.kl_passt import KlPasst
from avbench.posteriors import KL_RULES, kl, kl_by_rule
from avbench.types import Array, Features, Item, Metric

from .harness import Case, cases, matrix

RULES = {
    "av_benchmark_softmax": "av_benchmark",
    "av_benchmark_sigmoid": "av_benchmark_sigmoid",
    "audioldm_eval_softmax": "audioldm_softmax",
    "audioldm_eval_sigmoid": "audioldm_sigmoid",
    "softmax": "audioldm_softmax",
    "sigmoid": "audioldm_sigmoid",
    "specvqgan": "specvqgan",
    "stable_audio_metrics": "stable",
    "both": "av_benchmark",
    "second_only": "av_benchmark",
}
METRICS: dict[str, tuple[Metric, str]] = {
    "av_benchmark_softmax": (KlPasst(), "passt.logits"),
    "av_benchmark_sigmoid": (KlPanns("av_benchmark_sigmoid"), "panns_cnn14_16k.logits"),
    "audioldm_eval_softmax": (KlPanns("audioldm_softmax"), "panns_cnn14_16k.logits"),
    "audioldm_eval_sigmoid": (KlPanns("audioldm_sigmoid"), "panns_cnn14_16k.logits"),
    "specvqgan": (KlMelception(), "melception.logits"),
    "stable_audio_metrics": (KlPasst("stable"), "passt.logits"),
}


def _pairs(case: Case) -> tuple[Array, Array]:
    """Generated and target logits, row by row as the case's names pair them."""
    generated, target = matrix(case["generated"], "logits"), matrix(case["target"], "logits")
    if case["generated"].get("rows") == "first 10":
        return generated[2:10], target[:8]  # the names have 8 in common, two rows apart
    if len(generated) == 3 * len(target):
        if "note" in case:
            return generated[10:20], target  # of several sets the last one counts
        return generated, np.repeat(target, 3, axis=0)
    return generated, target


@pytest.mark.parametrize("case", cases("audio/kl*", "cases"))
def test_every_variant(case: Case) -> None:
    generated, target = _pairs(case)
    for quantity in ("results", "double_precision"):
        for name, want in case.data.get(quantity, {}).items():
            case.family.close(
                kl_by_rule(generated, target, KL_RULES[RULES[name]]).mean(), want, "default", f"{quantity}: {name}"
            )


@pytest.mark.parametrize("case", cases("audio/kl*", "cases", having=["double_precision"]))
def test_metrics(case: Case) -> None:
    """The same numbers from the metrics, pair by pair."""
    generated, target = _pairs(case)
    for name, (metric, key) in METRICS.items():
        shape = (1, -1) if key == "passt.logits" else (-1,)
        rows = [
            metric.row(Item("x"), {key: g.reshape(shape)}, {key: t.reshape(shape)})
            for g, t in zip(generated, target, strict=True)
        ]
        case.family.close(metric.compute(np.stack(rows)), case["results"][name], "default", name)


def test_formula_by_hand() -> None:
    p = np.random.RandomState(2).standard_normal((20, 10)) * 3
    q = np.random.RandomState(3).standard_normal((20, 10)) * 3
    np.testing.assert_allclose(kl(p, q).mean(), 4.364799248366703, rtol=1e-12)
    np.testing.assert_allclose(kl(p, q, eps=1e-6).mean(), 4.355074344833281, rtol=1e-12)
    np.testing.assert_allclose(kl(q, p).mean(), 5.164510853576127, rtol=1e-12)
    np.testing.assert_allclose(kl(p, q, posterior="sigmoid").mean(), 6.116121087068036, rtol=1e-12)
    np.testing.assert_allclose(kl(p, q, posterior="sigmoid", eps=1e-6).mean(), 6.115871658619606, rtol=1e-12)


def test_windows_are_pooled_as_published() -> None:
    """`stable` and `verse` pool logits and differ in direction; `audiocraft` averages over segments."""
    rng = np.random.default_rng(0)
    got: Features = {"passt.logits": rng.normal(size=(3, 527)).astype(np.float32)}
    ref: Features = {"passt.logits": rng.normal(size=(3, 527)).astype(np.float32)}
    g, r = (np.asarray(f["passt.logits"], dtype=np.float64) for f in (got, ref))
    pooled = {"stable": (g, r), "verse": (r, g)}
    for variant, (first, second) in pooled.items():
        want = kl(first.mean(axis=0)[None], second.mean(axis=0)[None], eps=1e-6)[0]
        row = KlPasst(variant).row(Item("x"), got, ref)  # type: ignore[arg-type]
        np.testing.assert_allclose(row[[0, 2]], [want, 3], rtol=1e-12)
    row = KlPasst("audiocraft").row(Item("x"), got, ref)
    np.testing.assert_allclose(row[:2], [kl(r, g, eps=1e-6).mean(), kl(g, r, eps=1e-6).mean()], rtol=1e-12)
    with pytest.raises(Unscorable, match="too_short: the generated clip makes 3 segments"):
        KlPasst("audiocraft").row(Item("x"), got, {"passt.logits": r[:2]})


def test_refusals() -> None:
    with pytest.raises(BadParameter, match="paired logits"):
        kl(np.zeros((3, 4)), np.zeros((2, 4)))
    with pytest.raises(BadParameter, match="takes no seconds"):
        KlPasst("stable", seconds=10.0)
    with pytest.raises(BadParameter, match="reference clip is needed"):
        KlPasst().row(Item("x"), {"passt.logits": np.zeros((1, 527))}, None)
