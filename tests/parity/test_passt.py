"""PaSST against av-benchmark and hear21passt: mel spectrogram, class scores, embedding; and the checkpoint's keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avbench.errors import BadParameter, Unscorable
from avbench.extractors.passt import Passt, mel_spectrogram, windows
from avbench.media import Reader
from avbench.resampling import julius_resample
from avbench.types import Waveform

from .harness import Case, cases, forward, prepare, seeded_arrays, source

PIPELINES = {
    "av_benchmark_8s": Passt(),
    "av_benchmark_10s": Passt(seconds=10.0),
    "hear21passt_native": Passt("native"),
}
NETWORK = Passt()
"""The same for every pipeline, so it is loaded once."""


@pytest.mark.parametrize("case", cases("audio/passt*", "cases"))
def test_logits_and_embedding(case: Case) -> None:
    pipelines = [name for name in PIPELINES if name in case["outputs"]]
    assert pipelines
    for pipeline in pipelines:
        extractor = PIPELINES[pipeline]
        got = forward(NETWORK, prepare(source(case), [extractor])[extractor], case.family.checkpoint("passt"))
        for layer, golden in case["outputs"][pipeline].items():
            assert got[layer].shape[0] == 1
            case.family.close(got[layer][0], case.family.arrays[golden["array"]], layer, f"{pipeline}: {layer}")


@pytest.mark.parametrize("case", [c for c in cases("audio/passt*", "cases") if "mel" in c.values[0].data.get("outputs", {})])
def test_mel_spectrogram(case: Case) -> None:
    """With the tolerance of the logits, for the golden has none of its own."""
    with Reader(source(case)) as reader:
        audio = reader.audio()
    assert audio is not None
    samples = windows(audio, Passt())[0]
    want = case.family.arrays[case["outputs"]["mel"]["array"]]
    case.family.close(mel_spectrogram(samples)[:, : want.shape[1]], want, "logits", "mel")


@pytest.mark.parametrize(
    "case", [c for c in cases("audio/passt*", "cases") if "network_in_double" in c.values[0].data["outputs"]]
)
def test_network_in_double(case: Case) -> None:
    """In float64 the network is within the golden's own float error of the reference in float64, not of one in float32."""
    import torch

    from avbench.models.loading import load_exactly
    from avbench.models.passt import UNUSED
    from avbench.models.passt import Passt as Network
    from avbench.weights import read

    weights = case.family.checkpoint("passt")
    with torch.device("meta"):
        network = Network()
    load_exactly(network, read(weights), weights, UNUSED)
    mels = prepare(source(case), [NETWORK])[NETWORK]["mels"]
    with torch.inference_mode():
        made = network.double()(torch.from_numpy(mels).double())
    for layer, got in zip(NETWORK.layers, made, strict=True):
        golden = case["outputs"]["network_in_double"][layer]
        case.family.close(got[0].numpy(), case.family.arrays[golden["array"]], layer)


def test_every_key_is_used_or_named(tmp_path: Path) -> None:
    """A lacking key, a surplus key and another shape are refused; the head of training is the one unused part."""
    import torch

    arrays = seeded_arrays("passt_s_swa_p16_128_ap476.json", 1)
    state = {key: torch.from_numpy(np.array(value)) for key, value in arrays.items()}
    torch.save({k: v for k, v in state.items() if not k.startswith("head_dist.")}, tmp_path / "without.pt")
    Passt().load(tmp_path / "without.pt", "cpu")
    for name, changed in {
        "is missing": {k: v for k, v in state.items() if k != "norm.bias"},
        "is not known": state | {"surplus": state["norm.bias"]},
        r"is \(767,\)": state | {"norm.bias": state["norm.bias"][:-1]},
    }.items():
        torch.save(changed, tmp_path / "changed.pt")
        with pytest.raises(BadParameter, match=name):
            Passt().load(tmp_path / "changed.pt", "cpu")


def _noise(seconds: float, rate: int = 32_000) -> Waveform:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (1, round(seconds * rate)))
    return Waveform(samples.astype(np.float32), rate)


@pytest.mark.parametrize(
    ("variant", "seconds", "lengths"),
    [
        ("av_benchmark", 3.0, [320_000]),
        ("av_benchmark", 25.0, [320_000]),
        ("native", 3.0, [96_000]),
        ("audiocraft", 25.0, [320_000, 320_000, 160_000]),
        ("audiocraft", 20.15, [320_000, 320_000]),
        ("audiocraft", 20.16, [320_000, 320_000, 5_120]),
        ("stable", 1.4, [44_800]),
        ("stable", 3.0, [320_000]),
        ("stable", 15.0, [320_000, 320_000]),
        ("stable", 17.0, [320_000, 320_000, 320_000]),
    ],
)
def test_windows(variant: str, seconds: float, lengths: list[int]) -> None:
    """By hand from the published rules."""
    extractor = Passt(variant)  # type: ignore[arg-type]
    made = windows(_noise(seconds), extractor)
    assert [len(w) for w in made] == lengths
    if variant == "stable":
        np.testing.assert_allclose(max(np.abs(w).max() for w in made), 10 ** (-1 / 20), rtol=1e-6)


def test_refusals() -> None:
    for variant, seconds in (("native", 0.15), ("audiocraft", 0.1), ("stable", 0.1)):
        with pytest.raises(Unscorable, match="too_short"):
            windows(_noise(seconds), Passt(variant))  # type: ignore[arg-type]
    with pytest.raises(Unscorable, match="too_large"):
        windows(_noise(10.1), Passt("native"))
    with pytest.raises(Unscorable, match="silent"):
        windows(Waveform(np.zeros((1, 32_000), np.float32), 32_000), Passt("stable"))
    with pytest.raises(BadParameter, match="seconds"):
        Passt(seconds=10.5)


def test_a_short_last_window_follows_the_others() -> None:
    """Whole windows and a shorter last one keep their order, and a clip alone equals the clip in a batch."""
    case = cases("audio/passt", "cases")[0].values[0]
    weights = case.family.checkpoint("passt")
    extractor = Passt("audiocraft")
    sound = _noise(10.5)
    prepared = extractor.start(None, {}).finish(sound)  # type: ignore[arg-type]
    assert {k: v.shape for k, v in prepared.items()} == {"mels": (1, 128, 1000), "last": (128, 50)}
    got = forward(NETWORK, prepared, weights)
    assert got["logits"].shape == (2, 527)
    alone = forward(NETWORK, {"last": prepared["last"]}, weights)
    np.testing.assert_allclose(got["embedding"][1], alone["embedding"][0], atol=1e-5)


@pytest.mark.parametrize("rates", [(44_100, 32_000), (48_000, 32_000), (22_050, 32_000), (16_000, 32_000), (8_000, 32_000)])
def test_julius_keeps_a_constant_to_the_ends(rates: tuple[int, int]) -> None:
    """Its weights add up to 1 and the ends are held; a sine below both Nyquist frequencies keeps its values."""
    made = julius_resample(np.full(1_001, 0.5, np.float32), *rates)
    assert len(made) == 1_001 * rates[1] // rates[0]
    np.testing.assert_allclose(made, 0.5, atol=1e-6)
    seconds = [np.arange(rate // 10) / rate for rate in rates]
    before, after = (np.sin(2 * np.pi * 440 * t).astype(np.float32) for t in seconds)
    np.testing.assert_allclose(julius_resample(before, *rates)[300:-300], after[300:-300], atol=1e-3)
