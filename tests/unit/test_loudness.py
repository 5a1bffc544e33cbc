"""Loudness against the standard's values, the EBU's test signals and FFmpeg's ebur128 filter."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import resample_poly, sosfilt

from avbench.errors import Unscorable
from avbench.extractors.sound_levels import SoundLevels, block_powers, integrated, k_weighting
from avbench.media import Reader
from avbench.metrics.loudness import Loudness
from avbench.types import Clip, ClipFile, Item

ROOT = Path(__file__).parents[2]
MEDIA = Path(os.environ.get("AVBENCH_MEDIA", ROOT / ".." / "shared"))
GOLDEN = json.loads((ROOT / "metrics" / "loudness" / "golden.json").read_text(encoding="utf-8"))
LAYOUTS = {1: "mono", 2: "stereo", 5: "5.0", 6: "5.1"}


def tones(spec: dict[str, Any]) -> NDArray[np.float32]:
    """The sines of a golden case, `(channels, N)`."""
    rate, parts = spec["sample_rate"], []
    for seconds, levels in spec["segments"]:
        wave = np.sin(2 * np.pi * spec["hertz"] * np.arange(round(seconds * rate)) / rate)
        parts.append(np.stack([wave * (0.0 if level is None else 10 ** (level / 20)) for level in levels]))
    return np.concatenate(parts, axis=1).astype(np.float32)


def features(audio: NDArray[np.float32], rate: int) -> dict[str, NDArray[Any]]:
    with Reader(Clip("a", None, 0.0, audio, rate)) as reader:
        preparation = SoundLevels().start(reader.info, {})
        assert not list(reader.frames())
        return {f"sound_levels.{k}": v for k, v in preparation.finish(reader.audio()).items()}


def loudness(audio: NDArray[Any], rate: int) -> float:
    return integrated(block_powers(np.atleast_2d(audio).astype(np.float32), rate))


def ebur128(audio: NDArray[Any], rate: int) -> float:
    """Integrated loudness by FFmpeg."""
    audio = np.atleast_2d(audio).astype(np.float32)
    layout = LAYOUTS[len(audio)]
    graph = av.filter.Graph()
    nodes = [
        graph.add_abuffer(sample_rate=rate, format="fltp", layout=layout, time_base=Fraction(1, rate)),
        graph.add("ebur128", "metadata=1"),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(*nodes).configure()
    found = float("nan")
    for first in [*range(0, audio.shape[1], 4096), None]:
        if first is None:
            graph.push(None)
        else:
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(audio[:, first : first + 4096]), format="fltp", layout=layout
            )
            frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
            graph.push(frame)
        while True:
            try:
                out: Any = graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                break
            found = float(out.metadata.get("lavfi.r128.I", found))
    return found


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda c: c["name"])
def test_golden(case: dict[str, Any]) -> None:
    audio = tones(case["input"])
    row = Loudness().row(Item("a"), features(audio, case["input"]["sample_rate"]), None)
    assert row[0] == pytest.approx(case["value"], abs=case["tolerance"])


def test_the_filters_are_the_standards_at_48_khz() -> None:
    sections = k_weighting(48_000)
    np.testing.assert_allclose(sections[0, :3], [1.53512485958697, -2.69169618940638, 1.19839281085285], rtol=1e-14)
    np.testing.assert_allclose(sections[0, 4:], [-1.69065929318241, 0.73248077421585], rtol=1e-14)
    np.testing.assert_allclose(sections[1], [1, -2, 1, 1, -1.99004745483398, 0.99007225036621], rtol=1e-14)


@pytest.mark.parametrize("rate", [100, 2_000, 3_000, 4_000, 7_350, 8_000, 192_000])
def test_filters_are_stable_at_any_rate(rate: int) -> None:
    sections = k_weighting(rate)
    assert np.isfinite(sections).all()
    for section in sections:
        assert np.abs(np.roots(section[3:])).max() < 1.0


def test_relative_gate_leaves_quiet_parts_out() -> None:
    def mix(quiet: float) -> float:
        spec = {"sample_rate": 48_000, "hertz": 997, "segments": [[10, [-20]], [10, [quiet]]]}
        return loudness(tones(spec), 48_000)

    assert mix(-60) == pytest.approx(-23.01, abs=0.1)  # out: only the loud half counts
    assert mix(-26) == pytest.approx(-23.01 + 10 * np.log10((1 + 10**-0.6) / 2), abs=0.1)  # in: the mean of both
    # The mean of both parts is about -26.0 and the gate at -36.0: -35.01 is just in, -37.01 just out.
    assert mix(-32) == pytest.approx(-25.75, abs=0.1)
    assert mix(-34) == pytest.approx(-23.01, abs=0.1)


def test_absolute_gate() -> None:
    quiet = {"sample_rate": 48_000, "hertz": 997, "segments": [[30, [-69]], [2, [-60]]]}
    # At -72 LUFS the long part would pull the mean down and the relative gate with it.
    assert loudness(tones(quiet), 48_000) == pytest.approx(-63.01, abs=0.3)


def test_incomplete_last_block_is_left_out() -> None:
    rate = 48_000
    spec = {"sample_rate": rate, "hertz": 997, "segments": [[1.0, [-30]], [0.09, [0]]]}
    assert loudness(tones(spec), rate) == pytest.approx(-33.01, abs=0.05)


def test_long_sounds_are_filtered_without_a_seam() -> None:
    rng = np.random.default_rng(5)
    audio = rng.standard_normal((2, 44_100 * 23)).astype(np.float32) * 0.1
    whole = np.square(sosfilt(k_weighting(44_100), audio.astype(np.float64), axis=1)).sum(axis=0)
    powers = block_powers(audio, 44_100)
    assert len(powers) == 230 - 3
    np.testing.assert_allclose(powers, [whole[i * 4410 : (i + 4) * 4410].mean() for i in range(227)], rtol=1e-9)


@pytest.mark.parametrize("rate", [11_025, 22_050 + 7, 44_100, 48_000])
def test_steps_that_are_no_whole_number_of_samples(rate: int) -> None:
    audio = np.random.default_rng(0).standard_normal(round(2.05 * rate)) * 0.1
    assert len(block_powers(audio[None].astype(np.float32), rate)) == 17
    assert loudness(audio, rate) == pytest.approx(loudness(audio[: rate * 2], rate), abs=0.1)


def test_gain_moves_loudness_by_as_much() -> None:
    audio = np.random.default_rng(1).standard_normal((2, 48_000 * 3)) * 0.2
    assert loudness(audio * 0.1, 48_000) - loudness(audio, 48_000) == pytest.approx(-20.0, abs=1e-4)


@pytest.mark.parametrize("seconds", [0.0001, 0.01, 0.399, 0.4, 2.0])
def test_silence_has_no_loudness_and_no_nan(seconds: float) -> None:
    got = features(np.zeros((2, max(1, round(48_000 * seconds))), dtype=np.float32), 48_000)
    assert all(np.isfinite(v).all() for v in got.values())
    assert got["sound_levels.loudness"].item() == -120.0
    with pytest.raises(Unscorable, match="silent: the sound never exceeds -70 LUFS"):
        Loudness().row(Item("a"), got, None)


def test_a_sound_below_the_gate_is_told_by_its_value() -> None:
    got = features(tones({"sample_rate": 48_000, "hertz": 997, "segments": [[3, [-80]]]}), 48_000)
    assert got["sound_levels.loudness"].item() == pytest.approx(-83.01, abs=0.05)
    with pytest.raises(Unscorable, match="silent"):
        Loudness().row(Item("a"), got, None)


def test_momentary_is_the_trace() -> None:
    got = features(tones({"sample_rate": 48_000, "hertz": 997, "segments": [[1, [-20]], [1, [None]]]}), 48_000)
    trace = Loudness().trace(Item("a"), got, None)["momentary"]
    assert trace.shape == (17,)
    assert trace[0] == pytest.approx(-23.01, abs=0.05)
    assert trace[-1] == -120.0


# ------------------------------------------------------------------ parity with FFmpeg

SIGNALS = ["sine", "noise", "swelling", "bursts", "bass"]


def signal(kind: str, channels: int, rate: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(SIGNALS.index(kind))
    times = np.arange(rate * 8) / rate
    noise = rng.standard_normal((channels, len(times))) * 0.1
    if kind == "sine":
        return np.stack([np.sin(2 * np.pi * 440 * times) * 0.5 / (i + 1) for i in range(channels)])
    if kind == "bass":
        return noise * 0.01 + np.sin(2 * np.pi * 60 * times) * 0.3
    gain: dict[str, NDArray[np.float64]] = {
        "swelling": (1 + np.sin(2 * np.pi * 0.4 * times)) / 2,
        "bursts": np.where(times % 2 < 0.7, 1.0, 0.003),
    }
    return noise * gain.get(kind, np.ones(1))


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("kind", SIGNALS)
def test_same_as_ffmpeg(kind: str, channels: int) -> None:
    for rate in (44_100, 48_000):
        audio = signal(kind, channels, rate)
        assert loudness(audio, rate) == pytest.approx(ebur128(audio, rate), abs=0.05)


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 32_000, 96_000])
def test_same_as_ffmpeg_at_other_rates(rate: int) -> None:
    # FFmpeg's high-pass keeps the numerator 1, -2, 1 of 48 kHz at every rate, which makes it 0.09 dB too loud at 16 kHz.
    for kind in SIGNALS:
        audio = signal(kind, 2, rate)
        assert loudness(audio, rate) == pytest.approx(ebur128(audio, rate), abs=0.1)


MEDIA_FILES = [
    "media/audio/birds1_5s.flac",
    "media/audio/robin.ogg",
    "media/audio/speech_jfk.flac",
    "media/audio/whale_8s.ogg",
    "media/audio/digit_0_jackson.wav",
    "media/audio/speech_librispeech_198.ogg",
    "media/generated/ovi_two_men.mp4",
    "media/generated/universe1_419.mp4",
    "media/video/narration_nasa_jwst.mp4",
    "media/video/animal_bear.webm",
    "media/video/speech_grid_brbk7n.mpg",
    "media/video/speech_handcounting.mp4",
]


@pytest.mark.real_media
@pytest.mark.parametrize("name", MEDIA_FILES)
def test_same_as_ffmpeg_on_real_clips(name: str) -> None:
    path = MEDIA / name
    if not path.is_file():
        pytest.skip(f"{name} is not there")
    with Reader(ClipFile("a", path)) as reader:
        for _ in reader.frames():
            pass
        audio = reader.audio()
    assert audio is not None
    wave, rate = audio.samples, audio.sample_rate
    mine = loudness(wave, rate)
    if rate <= 16_000:  # FFmpeg is right at 48 kHz; see above
        wave, rate = resample_poly(wave.astype(np.float64), 48_000 // rate, 1, axis=1), 48_000
    assert mine == pytest.approx(ebur128(wave, rate), abs=0.1)
