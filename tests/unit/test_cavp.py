"""CAVP score: whole seconds, rows side by side, clips that are bad; the network itself is in tests/parity."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from avbench.extractors.cavp import Cavp, mel_spectrogram, squeezed
from avbench.media import Limits
from avbench.metrics.cavp_av import CavpAv
from avbench.types import Array, Clip, Item, Waveform
from avbench.worker import Answer, Job, Task, process

GOLDEN = json.loads((Path(__file__).parents[2] / "metrics" / "cavp_av" / "golden.json").read_text(encoding="utf-8"))


def prepared(clip: Clip) -> Answer:
    """The CPU half of one clip, as in a worker."""
    reply = process(Job(clip, (Task(Cavp(), "{}"),), None, Limits(), 1))
    assert not reply.answers[0].trace, reply.answers[0].trace
    return reply.answers[0]


def features(cosines: list[float]) -> dict[str, Array]:
    """Unit vectors in the plane, row by row at these cosines."""
    audio = np.array([[c, (1 - c * c) ** 0.5] for c in cosines])
    return {"cavp.visual": np.tile([1.0, 0.0], (len(cosines), 1)), "cavp.audio": audio}


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda c: c["name"])
def test_golden(case: dict[str, Any]) -> None:
    row = CavpAv().row(Item("x"), features(case["cosines"]), None)
    assert row[0] == pytest.approx(case["value"], abs=GOLDEN["tolerance"]["atol"])
    assert row[1] == len(case["cosines"])


def test_equal_rows_are_one_and_the_curve_is_four_a_second() -> None:
    got = features([1.0, 1.0, 0.0, -1.0])
    metric = CavpAv()
    np.testing.assert_allclose(metric.row(Item("x"), got, None), [0.25, 4])
    trace = metric.trace(Item("x"), got, None)
    np.testing.assert_allclose(trace["start"], [0, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(trace["similarity"], [1, 1, 0, -1])


@pytest.mark.parametrize(
    ("video", "audio", "seconds"),
    [
        (4.0, 4.0, 4),
        (4.9, 4.9, 4),
        (4.0, 3.0, 4),
        (3.96, 4.02, 4),
        (3.5, 4.0, 3),
        (4.996, 4.0, 5),
        (1.0, 1.0, 1),
        (12.0, 12.0, 12),
    ],
)
def test_whole_seconds(make_clip: Callable[..., Clip], video: float, audio: float, seconds: int) -> None:
    """Of the longer stream, in hundredths as containers say them, but no more than the picture has quarters of a second for."""
    picture = make_clip("a", seconds=video, frame_rate=50.0, width=16, height=12)
    sound = make_clip("a", seconds=audio)
    answer = prepared(Clip("a", picture.video, 50.0, sound.audio, 16_000))
    assert answer.prepared is not None, answer.detail
    assert answer.prepared["frames"].shape == (4 * seconds, 3, 224, 224)
    assert answer.prepared["mels"].shape == (128, 64 * seconds)


def test_bad_clips_have_a_reason(make_clip: Callable[..., Clip]) -> None:
    short = prepared(make_clip("a", seconds=0.5))
    assert (short.code, short.detail) == ("too_short", "cavp needs 1 s, the picture has 0.50 s")
    assert prepared(make_clip("a", seconds=0.08, frame_rate=12.0)).code == "too_short"
    assert prepared(make_clip("a", seconds=2.0, audio=False)).code == "no_audio"
    assert prepared(make_clip("a", seconds=2.0, video=False)).code == "no_video"


def test_silence_is_zero_and_a_tone_is_in_its_band() -> None:
    silent = mel_spectrogram(Waveform(np.zeros((1, 16_000), np.float32), 16_000), 1)
    assert silent.shape == (128, 64)
    assert not silent.any()
    t = np.arange(44_100) / 44_100
    low, high = (
        mel_spectrogram(Waveform(np.sin(2 * np.pi * f * t).astype(np.float32)[None], 44_100), 1).mean(axis=1).argmax()
        for f in (300, 3000)
    )
    assert low < high
    stereo = np.stack([0.1 * np.sin(2 * np.pi * 300 * t), np.zeros(44_100)]).astype(np.float32)
    half = mel_spectrogram(Waveform(stereo, 44_100), 1).max()
    whole = mel_spectrogram(Waveform(stereo[:1], 44_100), 1).max()
    assert whole - half == pytest.approx(20 * np.log10(2) / 100, abs=1e-5)  # 6 dB of 100


def test_pictures_lose_their_shape_and_keep_their_colour() -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    made = squeezed(image)
    np.testing.assert_array_equal(made.transpose(1, 2, 0), np.asarray(Image.fromarray(image).resize((224, 224), 2)))
    square = np.random.default_rng(1).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    np.testing.assert_array_equal(squeezed(square), square.transpose(2, 0, 1))
