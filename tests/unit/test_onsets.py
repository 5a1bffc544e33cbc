"""Onsets: librosa's strength and picks, the exact rule, 16-bit rounding, offsets, short and silent sounds."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench.errors import BadParameter, Unscorable
from avbench.extractors.onsets import HOP, Onsets, mono, onset_strength, pick_onsets
from avbench.media import Reader
from avbench.registry import extractor, needed
from avbench.types import Clip, ClipInfo, Features, Need, Waveform

RATES = (8000, 16000, 22050, 24000, 44100, 48000)
LIBROSA = """
import json, sys, warnings
import librosa, numpy as np
warnings.simplefilter("ignore")
given, out = np.load(sys.argv[1]), {}
for key in given.files:
    kind, rate = key.split("-")[:2]
    name = "y" if kind == "sound" else "onset_envelope"
    out[key] = librosa.onset.onset_detect(sr=int(rate), **{name: given[key]}).tolist()
json.dump(out, open(sys.argv[2], "w"))
"""


def _sounds() -> dict[str, NDArray[np.float32]]:
    """Noise, clicks, swells, glides, silence and sounds shorter than one frame, at every rate."""
    rng = np.random.default_rng(7)
    made = {}
    for rate in RATES:
        n = rate * 2
        t = np.arange(n) / rate
        clicks = np.zeros(n)
        for start in rng.uniform(0, 1.9, 7):
            k = int(start * rate)
            clicks[k : k + rate // 20] += np.exp(-np.arange(len(clicks[k : k + rate // 20])) / (rate / 100))
        sounds = {
            "noise": rng.standard_normal(n) * 0.1,
            "clicks": clicks * rng.uniform(0.2, 1) + rng.standard_normal(n) * 1e-3,
            "swells": rng.standard_normal(n) * 0.2 * np.maximum(0, np.sin(2 * np.pi * 3.3 * t)),
            "glide": 0.5 * np.sin(2 * np.pi * (200 + 700 * t) * t),
            "silence": np.zeros(n),
            "constant": np.full(n, 0.25),
            "short": rng.standard_normal(1500) * 0.1,
            "very_short": rng.standard_normal(3) * 0.1,
        }
        made.update({f"sound-{rate}-{k}": v.astype(np.float32) for k, v in sounds.items()})
    return made


def _strengths() -> dict[str, NDArray[np.float32]]:
    """Random curves, half of them with few levels, so that ties and thresholds are met exactly."""
    rng = np.random.default_rng(11)
    made = {}
    for number in range(240):
        curve = rng.gamma(0.6, 1.0, rng.integers(1, 200))
        if number % 2:
            curve = np.round(curve * 5) / 5
        made[f"strength-{RATES[number % len(RATES)]}-{number}"] = curve.astype(np.float32)
    return made


def _librosa(given: dict[str, NDArray[np.float32]], folder: Path) -> dict[str, list[int]]:
    """The picks of librosa itself, in a process of its own: its compiled picker has crashed with some versions of numba."""
    inputs, outputs = folder / "given.npz", folder / "picks.json"
    np.savez(inputs, **given)  # type: ignore[arg-type]
    done = subprocess.run(
        [sys.executable, "-c", LIBROSA, str(inputs), str(outputs)], capture_output=True, env=os.environ, check=False
    )
    if done.returncode < 0:
        pytest.skip(f"librosa's own peak picker ended with signal {-done.returncode}")
    assert done.returncode == 0, done.stderr.decode()
    picks: dict[str, list[int]] = json.loads(outputs.read_text())
    return picks


def _features(extract: Onsets, clip: Clip) -> Features:
    with Reader(clip) as reader:
        preparation = extract.start(reader.info, {})
        assert len(preparation.frames) == 0
        list(reader.frames())
        return preparation.finish(reader.audio())


def test_picks_are_librosas(tmp_path: Path) -> None:
    sounds, strengths = _sounds(), _strengths()
    want = _librosa(sounds | strengths, tmp_path)
    got = {k: pick_onsets(onset_strength(v, int(k.split("-")[1])), int(k.split("-")[1])).tolist() for k, v in sounds.items()}
    got |= {k: pick_onsets(v, int(k.split("-")[1])).tolist() for k, v in strengths.items()}
    assert got == want
    assert sum(map(len, want.values())) > 1000


@pytest.mark.real_media
def test_picks_are_librosas_on_real_sounds(tmp_path: Path) -> None:
    import soundfile

    media = Path(os.environ.get("AVBENCH_MEDIA") or Path(__file__).parents[3] / "shared")
    paths = [p for s in (".wav", ".flac", ".ogg") for p in sorted(media.rglob(f"*{s}"))]
    if not paths:
        pytest.skip("no sound files under the media folder")
    sounds = {}
    for number, path in enumerate(paths[:40]):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        sounds[f"sound-{rate}-{number}"] = samples[: rate * 10].mean(axis=1, dtype=np.float32)
    want = _librosa(sounds, tmp_path)
    assert {
        k: pick_onsets(onset_strength(v, int(k.split("-")[1])), int(k.split("-")[1])).tolist() for k, v in sounds.items()
    } == want


@pytest.mark.parametrize(
    ("rate", "curve", "picks"),
    [
        (22050, [0, 1, 0, 0], [1]),
        (22050, [1, 0, 0, 0], [0]),  # the first frame can be an onset
        (22050, [0, 1, 1, 0, 0, 0], [1]),  # two equal frames: the second is too soon after the first
        (22050, [0, 0.5, 1, 0, 0, 0, 0], [1]),  # the picker looks back only, so the rise is taken and the top is too soon
        (16000, [0, 0.5, 1, 0, 0, 0, 0], [1, 2]),  # neither a maximum nor a pause is asked for at 16 kHz
        (48000, [0, 0, 1, 0, 1, 0, 0, 0], [2]),  # two frames of pause at 48 kHz
        (22050, [0, 0, 1, 0, 1, 0, 0, 0], [2, 4]),
        (22050, [3, 3, 3], []),
        (22050, [], []),
        (22050, [0, np.nan, 1], []),
    ],
)
def test_rule(rate: int, curve: list[float], picks: list[int]) -> None:
    assert pick_onsets(np.asarray(curve, dtype=np.float32), rate).tolist() == picks


def test_threshold_is_seven_hundredths_above_the_mean() -> None:
    low, high = np.full(40, 0.5, np.float32), np.full(40, 0.5, np.float32)
    low[0], high[0] = low[-1], high[-1]
    low[20], high[20] = 0.57, 0.60  # over the mean of 9 frames: 0.062 and 0.089
    low[35], high[35] = 1.0, 1.0
    low[5], high[5] = 0.0, 0.0
    assert 20 not in pick_onsets(low, 22050)
    assert 20 in pick_onsets(high, 22050)


def test_known_clicks_are_found() -> None:
    sound = np.zeros(44100, np.float32)
    sound[[11025, 22050, 33075]] = 0.9
    got = _features(Onsets(sample_rate=None), Clip("a", None, 0, sound, 44100))
    np.testing.assert_allclose(got["times"], [0.25, 0.5, 0.75], atol=2.5 * HOP / 44100)
    assert got["strength"].shape == (1 + 44100 // HOP,)
    assert got["strength_rate"] == 44100 / HOP


def test_sixteen_bits_as_ffmpeg_rounds() -> None:
    samples = np.array([[0.5 / 32768, 1.5 / 32768, -0.5 / 32768, 1.0, -1.5, 0.25]], np.float32)
    got, _ = mono(Waveform(samples, 22050), 22050, pcm16=True)
    np.testing.assert_array_equal(got * 32768, [0, 2, 0, 32767, -32768, 8192])
    exact, _ = mono(Waveform(samples, 22050), None, pcm16=False)
    np.testing.assert_array_equal(exact, samples[0])


def test_channels_are_averaged_before_resampling() -> None:
    rng = np.random.default_rng(0)
    stereo = rng.uniform(-0.5, 0.5, (2, 4800)).astype(np.float32)
    got, rate = mono(Waveform(stereo, 48000), 22050, pcm16=False)
    alone, _ = mono(Waveform(stereo.mean(axis=0, keepdims=True), 48000), 22050, pcm16=False)
    assert rate == 22050
    np.testing.assert_array_equal(got, alone)


@pytest.mark.parametrize("keep", [False, True])
def test_offset_counts_only_if_asked_for(keep: bool) -> None:
    sound = np.zeros(22050, np.float32)
    sound[11025] = 0.9
    clip = Clip("a", np.zeros((4, 8, 8, 3), np.uint8), 4.0, sound, 22050, audio_start_seconds=0.25)
    here, there = _features(Onsets(), clip), _features(Onsets(keep_offset=keep), clip)
    np.testing.assert_allclose(there["times"] - here["times"], 0.25 if keep else 0.0, atol=1e-12)
    assert there["strength_start"] == (0.25 if keep else 0.0)


@pytest.mark.parametrize("samples", [1, 100, 2047, 2048])
@pytest.mark.parametrize("rate", [8000, 22050, 96000])
def test_short_sounds(samples: int, rate: int) -> None:
    got = _features(Onsets(sample_rate=None), Clip("a", None, 0, np.full(samples, 0.1, np.float32), rate))
    assert np.isfinite(got["strength"]).all()
    assert set(got) == set(Onsets.layers)


def test_silence_has_no_onsets() -> None:
    got = _features(Onsets(), Clip("a", None, 0, np.zeros((2, 48000), np.float32), 48000))
    assert got["times"].shape == (0,)
    assert not got["strength"].any()


def test_without_sound() -> None:
    info = ClipInfo("a", np.arange(3.0), 1.0, 8, 8, 0, 0, 0.0)
    with pytest.raises(Unscorable, match="no_audio"):
        Onsets().start(info, {}).finish(None)


def test_parameters() -> None:
    assert needed(Need.of("onsets", sample_rate=None)) == Onsets(None)
    assert pickle.loads(pickle.dumps(Onsets(16000))) == Onsets(16000) != Onsets()  # noqa: S301
    with pytest.raises(BadParameter, match="sample_rate must be positive"):
        extractor("onsets", sample_rate=0)
