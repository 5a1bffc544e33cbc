"""audioclip and fad_audioclip beside the goldens: lengths, ranges, batches, what is refused."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbench import registry
from avbench.errors import BadParameter, Unscorable
from avbench.extractors.audioclip import AudioClip, waveform
from avbench.metrics.fad_audioclip import FadAudioclip
from avbench.types import Array, Item, Waveform

ROOT = Path(__file__).parents[2]
FEATURES = runpy.run_path(str(ROOT / "tests" / "parity" / "matrices.py"))["features"]
CASES = json.loads((ROOT / "metrics" / "fad_audioclip" / "golden.json").read_text(encoding="utf-8"))["cases"]


def noise(seconds: float, rate: int = 16_000, channels: int = 1) -> Waveform:
    drawn = np.random.default_rng(0).uniform(-0.5, 0.5, (channels, round(seconds * rate)))
    return Waveform(drawn.astype(np.float32), rate)


# ------------------------------------------------------------------ sound


def test_lengths_and_ranges() -> None:
    sound = noise(3.0, channels=2)
    assert waveform(sound, AudioClip()).shape == (48_000,)
    np.testing.assert_array_equal(waveform(sound, AudioClip()), sound.mono)
    cut, filled = waveform(sound, AudioClip(seconds=2.0)), waveform(sound, AudioClip(seconds=4.0))
    np.testing.assert_array_equal(cut, sound.mono[:32_000])
    np.testing.assert_array_equal(filled, np.pad(sound.mono, (0, 16_000)))
    loud = waveform(noise(1.0, 44_100), AudioClip("authors"))
    np.testing.assert_array_equal(loud, noise(1.0, 44_100).mono * 32_768)
    short = waveform(noise(1.0, 44_100, channels=2), AudioClip("mmdiffusion_eval"))
    assert short.shape == (70_560,)
    np.testing.assert_array_equal(short[:44_100], noise(1.0, 44_100, channels=2).samples[0])
    assert not short[44_100:].any()
    assert waveform(noise(3.0, 44_100), AudioClip("mmdiffusion_eval")).shape == (70_560,)


def test_what_is_refused() -> None:
    with pytest.raises(BadParameter, match="mmdiffusion takes batch norm over the eight clips"):
        AudioClip("mmdiffusion")
    for seconds in (0.0, -1.0, 1e-6, float("nan"), float("inf")):
        with pytest.raises(BadParameter, match="seconds"):
            AudioClip(seconds=seconds)
        with pytest.raises(BadParameter, match="seconds"):
            FadAudioclip(seconds=seconds)
    with pytest.raises(BadParameter, match=r"takes 1\.6 s"):
        AudioClip("mmdiffusion_eval", seconds=4.0)
    with pytest.raises(BadParameter, match=r"takes 1\.6 s"):
        FadAudioclip("mmdiffusion_eval", seconds=4.0)
    with pytest.raises(BadParameter, match="weights"):
        AudioClip().load(None, "cpu")
    preparation = AudioClip().start(None, {})  # type: ignore[arg-type]
    with pytest.raises(Unscorable, match="no_audio"):
        preparation.finish(None)
    with pytest.raises(Unscorable, match="no_audio"):
        preparation.finish(Waveform(np.zeros((1, 0), np.float32), 16_000))
    assert preparation.finish(Waveform(np.zeros((1, 1), np.float32), 1_000_000))["samples"].shape == (1,)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random network's state, with filters that begin as those of a Fourier transform."""
    import torch

    from avbench.models.audioclip import AudioHead

    torch.manual_seed(0)
    head = AudioHead()
    with torch.no_grad():
        head.fbsp.fb.fill_(1.0)
        head.fbsp.fc.copy_(torch.arange(1025.0))
        head.window.fill_(1.0)
    at = tmp_path_factory.mktemp("audioclip") / "AudioCLIP-Full-Training.pt"
    torch.save({f"audio.{key}": value for key, value in head.state_dict().items()}, at)
    return at


def embeddings(weights: Path, samples: list[Array]) -> Array:
    import torch

    run = AudioClip().load(weights, "cpu")
    with torch.inference_mode():
        return np.asarray(run({"samples": torch.from_numpy(np.stack(samples))})["embedding"])


def test_neither_batch_nor_order_moves_a_value(weights: Path) -> None:
    """Silence among them, whose decibels are the logarithm of rounding."""
    drawn = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 8_000)).astype(np.float32)
    clips = [drawn[0], np.zeros(8_000, np.float32), drawn[1], np.pad(drawn[0, :2_000], (0, 6_000))]
    together = embeddings(weights, clips)
    assert np.isfinite(together).all()
    assert np.abs(together[0] - together[1]).max() > 1e-3
    np.testing.assert_allclose(embeddings(weights, clips[::-1])[::-1], together, atol=1e-5)
    for clip, row in zip(clips, together, strict=True):
        np.testing.assert_allclose(embeddings(weights, [clip])[0], row, atol=1e-5)


def test_the_shortest_clip(weights: Path) -> None:
    assert embeddings(weights, [np.ones(1, np.float32)]).shape == (1, 1024)


# ------------------------------------------------------------------ the metric


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_golden(case: dict[str, Any]) -> None:
    made = registry.metric("fad_audioclip", **case["parameters"])
    rows, refs = (np.asarray(FEATURES(case[side]), dtype=np.float64) for side in ("generated", "reference"))
    allowed = {"rtol": 0.0, "atol": 0.0} | case["tolerance"]
    np.testing.assert_allclose(made.compute(rows, refs + case.get("add_to_reference", 0.0)), case["value"], **allowed)


def test_rows_references_and_interval() -> None:
    metric = FadAudioclip(seconds=4.0)
    (need,) = metric.extractors()
    assert registry.needed(need) == AudioClip(seconds=4.0)
    assert metric.row(Item("a"), {"audioclip.embedding": np.ones(1024, np.float32)}, None).shape == (1024,)
    some = np.asarray(FEATURES({"seed": 1, "n": 12, "d": 4}), dtype=np.float64)
    with pytest.raises(BadParameter, match="reference rows"):
        metric.score(some, None)
    with pytest.raises(Unscorable, match="at least 2"):
        metric.compute(some[:1], some)
    low, high, _ = metric.interval(list(some), list(some + 0.5), seed=0)
    assert low < metric.compute(some, some + 0.5) < high
