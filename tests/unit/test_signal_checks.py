"""Duration, silence, still picture, missing stream, clipping, downmix: values, flags, and real encoding."""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from avbench import registry
from avbench.encode import write_clip, write_frames
from avbench.errors import Unscorable
from avbench.extractors.picture_levels import PictureLevels, shrink, unchanged
from avbench.extractors.sound_levels import SoundLevels
from avbench.extractors.stream_facts import StreamFacts
from avbench.media import Reader
from avbench.types import Clip, ClipFile, Extractor, Item, Metric

Feats = dict[str, NDArray[Any]]
METRICS = ["duration", "silence", "static_picture", "missing_stream", "clipping", "loudness"]
EXTRACTORS = ["sound_levels", "picture_levels", "stream_facts"]
GOLDEN = {
    name: json.loads((Path(__file__).parents[2] / "metrics" / name / "golden.json").read_text(encoding="utf-8"))
    for name in METRICS
}


def features(extractor: Extractor, source: ClipFile | Clip) -> Feats:
    with Reader(source) as reader:
        preparation = extractor.start(reader.info, {})
        wanted = {int(i) for i in preparation.frames}
        for i, image in enumerate(reader.frames()):
            if i in wanted:
                preparation.take(i, image)
        got = preparation.finish(reader.audio())
    assert tuple(sorted(got)) == tuple(sorted(extractor.layers))
    assert all(v.dtype == np.float64 and np.isfinite(v).all() for v in got.values())
    return {f"{extractor.name}.{k}": v for k, v in got.items()}


def measured(name: str, source: ClipFile | Clip) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Row and flags of one metric."""
    metric = registry.metric(name)
    got: Feats = {}
    for need in metric.extractors():
        got |= features(registry.needed(need), source)
    row = metric.row(Item("a"), got, None)
    assert row.shape == (len(metric.columns),)
    assert np.isfinite(row).all()
    return row, metric.flags(got)


def sound(audio: Any, rate: int = 48_000) -> Clip:
    return Clip("a", None, 0.0, np.asarray(audio, dtype=np.float32), rate)


def picture(video: Any, frame_rate: float = 24.0) -> Clip:
    return Clip("a", np.asarray(video, dtype=np.uint8), frame_rate, None, 0)


def sine(hertz: float = 997.0, amplitude: float = 1.0, seconds: float = 1.0, rate: int = 48_000) -> NDArray[np.float64]:
    wave: NDArray[np.float64] = amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return wave


def level(clip: Clip, layer: str) -> float:
    return float(features(SoundLevels(), clip)[f"sound_levels.{layer}"])


def photo(height: int = 240, width: int = 320, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth blotches of all sizes, as a photograph has."""
    import cv2

    rng = np.random.default_rng(seed)
    image: NDArray[np.float64] = np.full((height, width, 3), 128.0)
    for size in (4, 12, 40, 120):
        coarse = rng.uniform(-1, 1, (size, size, 3)) * 100 / size**0.4
        image = image + cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(image, 0, 255).astype(np.uint8)


def facts_clip(frames: int, frame_rate: float, samples: int, sample_rate: int) -> Clip:
    video = np.zeros((frames, 16, 16, 3), dtype=np.uint8) if frames else None
    audio = np.full((2, samples), 0.1, dtype=np.float32) if samples else None
    return Clip("a", video, frame_rate, audio, sample_rate)


def golden_clip(name: str, spec: dict[str, Any]) -> Clip:
    if name == "clipping":
        wave = sine(spec["hertz"], spec["amplitude"], spec["seconds"], spec["sample_rate"])
        return sound(np.clip(wave, -spec["cut"], spec["cut"]), spec["sample_rate"])
    if name == "silence":
        parts = [
            [sine(spec["hertz"], 0.0 if v is None else 10 ** (v / 20), seconds, spec["sample_rate"]) for v in levels]
            for seconds, levels in spec["segments"]
        ]
        return sound(np.concatenate(parts, axis=1), spec["sample_rate"])
    if name == "static_picture":
        frames = [np.random.default_rng(seed).integers(0, 256, (48, 64, 3)) for seed in range(spec["pictures"])]
        return picture(np.repeat(frames, spec["repeats"], axis=0))
    return facts_clip(**spec)


@pytest.mark.parametrize(
    ("name", "case"),
    [(name, case) for name in METRICS if name != "loudness" for case in GOLDEN[name]["cases"]],
    ids=lambda value: value if isinstance(value, str) else value["name"],
)
def test_golden(name: str, case: dict[str, Any]) -> None:
    row, _ = measured(name, golden_clip(name, case["input"]))
    assert row[0] == pytest.approx(case["value"], abs=case["tolerance"])


# ------------------------------------------------------------------ contract


@pytest.mark.parametrize("name", METRICS)
def test_metric_contract(name: str) -> None:
    metric: Metric = registry.metric(name)
    assert pickle.loads(pickle.dumps(metric)) == metric  # noqa: S301 - our own bytes
    assert hash(metric) == hash(registry.metric(name))
    assert metric.label == name == GOLDEN[name]["metric"]
    assert metric.unit == GOLDEN[name]["unit"]
    assert metric.needs_reference is False
    with pytest.raises(AttributeError):
        metric.extra = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", EXTRACTORS)
def test_extractor_contract(name: str) -> None:
    extractor = registry.extractor(name)
    assert pickle.loads(pickle.dumps(extractor)) == extractor  # noqa: S301 - our own bytes
    assert extractor.weights is None
    assert hash(extractor) == hash(registry.extractor(name))


def test_score_is_the_mean_of_the_first_column() -> None:
    rows = np.array([[100.0, 0.0, 100.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert registry.metric("missing_stream").compute(rows) == 25.0


# ------------------------------------------------------------------ levels


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000, 96_000])
def test_full_scale_sine(rate: int) -> None:
    clip = sound(sine(rate=rate), rate)
    assert level(clip, "rms") == pytest.approx(-3.0103, abs=0.001)
    assert level(clip, "peak") == pytest.approx(0.0, abs=0.35 if rate < 16_000 else 0.1)
    assert level(clip, "dc_offset") == pytest.approx(0.0, abs=1e-4)


def test_peak_and_rms_over_channels() -> None:
    clip = sound(np.stack([sine(amplitude=0.5), np.zeros(48_000)]))
    assert level(clip, "peak") == pytest.approx(-6.02, abs=0.01)
    assert level(clip, "rms") == pytest.approx(-6.02 - 6.02, abs=0.01)


def test_over_full_scale_is_above_0_dbfs() -> None:
    assert level(sound(sine(amplitude=2.0)), "peak") == pytest.approx(6.02, abs=0.01)


def test_offset_keeps_its_sign_and_is_no_sound() -> None:
    clip = sound(np.stack([np.full(48_000, 0.01), np.full(48_000, -0.4)]))
    assert level(clip, "dc_offset") == pytest.approx(-0.4, abs=1e-6)
    assert level(clip, "rms") == pytest.approx(10 * np.log10((0.01**2 + 0.4**2) / 2), abs=1e-4)
    row, flags = measured("silence", clip)
    assert row.tolist() == [100.0, 0.0]
    assert flags == ("silent",)


@pytest.mark.parametrize("samples", [1, 2, 3, 7, 959, 960, 961])
@pytest.mark.parametrize("rate", [10, 51, 8_000, 11_025, 48_000])
def test_any_length_at_any_rate_is_finite(samples: int, rate: int) -> None:
    for wave in (np.zeros((1, samples)), np.ones((2, samples)), np.random.default_rng(0).uniform(-2, 2, (3, samples))):
        got = features(SoundLevels(), sound(wave, rate))
        assert 0.0 <= got["sound_levels.silent_share"] <= 1.0
        assert 0.0 <= got["sound_levels.clipped_share"] <= 1.0


def test_tiny_values_stay_at_the_floor() -> None:
    got = features(SoundLevels(), sound(np.full((2, 4800), 1e-30)))
    for layer in ("peak", "rms", "loudness"):
        assert got[f"sound_levels.{layer}"] == -120.0


# ------------------------------------------------------------------ silence


def test_silence_is_flagged() -> None:
    row, flags = measured("silence", sound(np.zeros((2, 48_000))))
    assert row[0] == 100.0
    assert flags == ("silent",)


def test_a_click_is_not_silence() -> None:
    wave = np.zeros(48_000)
    wave[24_000] = 0.5
    row, flags = measured("silence", sound(wave))
    assert row[0] == pytest.approx(98.0)
    assert flags == ()


def test_frames_at_a_rate_that_20_ms_does_not_divide() -> None:
    wave = np.concatenate([sine(rate=11_025, amplitude=0.1), np.zeros(11_025)])
    row, _ = measured("silence", sound(wave, 11_025))
    assert row[0] == pytest.approx(50.0, abs=0.01)


# ------------------------------------------------------------------ downmix


def test_opposite_channels_are_flagged() -> None:
    wave = np.random.default_rng(0).standard_normal(48_000) * 0.1
    row, flags = measured("silence", sound(np.stack([wave, -wave])))
    assert row.tolist() == [0.0, -120.0]
    assert flags == ("antiphase",)


@pytest.mark.parametrize(
    ("right", "decibel"),
    [(1.0, 0.0), (0.0, -3.01), (-0.5, -10.0), (None, -3.01)],
    ids=["equal", "empty", "half and opposite", "independent"],
)
def test_mono_ratio(right: float | None, decibel: float) -> None:
    left, other = np.random.default_rng(0).standard_normal((2, 480_000)) * 0.1
    clip = sound(np.stack([left, other if right is None else left * right]))
    assert level(clip, "mono_ratio") == pytest.approx(decibel, abs=0.05)


def test_mono_and_surround_are_not_flagged() -> None:
    noise = np.random.default_rng(0).standard_normal((8, 48_000)) * 0.1
    noise[1:] = 0.0
    for clip in (sound(noise[:1]), sound(noise[:2]), sound(noise[:6]), sound(noise)):
        assert measured("silence", clip)[1] == ()


@pytest.mark.parametrize("kind", ["tone", "syllables", "noise"])
def test_opposite_channels_are_flagged_behind_aac(kind: str, tmp_path: Path) -> None:
    wave = {
        "tone": sine(440, 0.3, 3.0),
        "syllables": sine(220, 0.3, 3.0) * np.abs(sine(2, 1.0, 3.0)),
        "noise": np.random.default_rng(0).standard_normal(144_000) * 0.1,
    }[kind]
    video = np.zeros((12, 32, 32, 3), dtype=np.uint8)
    path = tmp_path / "a.mp4"
    write_clip(path, Clip("a", video, 4.0, np.stack([wave, -wave]).astype(np.float32), 48_000))
    assert measured("silence", ClipFile("a", path))[1] == ("antiphase",)


# ------------------------------------------------------------------ clipping


@pytest.mark.parametrize(("run", "counted"), [(1, 0), (2, 0), (3, 3), (4, 4), (9, 9)])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_runs_of_three(run: int, counted: int, sign: float) -> None:
    wave = np.zeros((2, 1000))
    wave[1, 500 : 500 + run] = sign
    assert level(sound(wave), "clipped_share") == counted / 2000


def test_runs_at_both_ends_and_in_neighbouring_channels() -> None:
    wave = np.zeros((2, 100))
    wave[0, :3] = wave[0, -4:] = 1.0
    wave[0, 50:52] = wave[1, 50] = 1.0  # no run in either channel
    assert level(sound(wave), "clipped_share") == 7 / 200


def test_clipping_flag() -> None:
    wave = sine(amplitude=0.5, seconds=1.0)
    wave[100:104] = 1.0
    row, flags = measured("clipping", sound(wave))
    assert row[0] == pytest.approx(100 * 4 / 48_000)
    assert flags == ()
    wave[200:203] = -1.0
    assert measured("clipping", sound(wave))[1] == ("clipped",)


def test_clipping_survives_16_bit_and_aac(tmp_path: Path) -> None:
    wave = np.clip(sine(440, 3.0, 3.0), -1.0, 1.0)
    rounded = np.round(wave * 32767) / 32768
    assert level(sound(rounded), "clipped_share") == pytest.approx(level(sound(wave), "clipped_share"), rel=1e-3)
    path = tmp_path / "a.mp4"
    write_clip(path, Clip("a", np.zeros((12, 32, 32, 3), dtype=np.uint8), 4.0, wave[None].astype(np.float32), 48_000))
    assert measured("clipping", ClipFile("a", path))[1] == ("clipped",)


def test_normalised_sound_is_not_clipped() -> None:
    wave = np.random.default_rng(0).standard_normal(480_000)
    row, flags = measured("clipping", sound(wave / np.abs(wave).max()))
    assert row[0] == 0.0
    assert flags == ()


# ------------------------------------------------------------------ picture


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 400), (400, 1), (64, 64), (128, 128), (129, 128), (1024, 1536), (1080, 1920)]
)
def test_small_copy(height: int, width: int) -> None:
    small = shrink(np.full((height, width, 3), (255, 0, 0), dtype=np.uint8))
    assert small.dtype == np.uint8
    assert max(small.shape) <= 128
    assert np.unique(small).tolist() == [76]  # 0.299 * 255


def test_luma_and_change() -> None:
    got = features(PictureLevels(), picture(np.repeat([10, 20, 50], 64 * 64 * 3).reshape(3, 64, 64, 3)))
    assert got["picture_levels.luma"].tolist() == [10.0, 20.0, 50.0]
    assert got["picture_levels.change"].tolist() == [10.0, 30.0]


def test_one_frame_is_a_constant_picture() -> None:
    row, flags = measured("static_picture", picture(photo()[None]))
    assert row[0] == 100.0
    assert flags == ("constant_picture",)


def test_black_frames() -> None:
    bright = np.full((4, 32, 32, 3), 90, dtype=np.uint8)
    for frames, flags in ((2, ("constant_picture",)), (0, ("constant_picture",))):
        assert measured("static_picture", picture(bright[frames:]))[1] == flags
    half = np.concatenate([bright, bright // 9])
    row, flags_of_half = measured("static_picture", picture(half))
    assert row.tolist() == [100 * 6 / 7, 50.0, 50.0]
    assert flags_of_half == ()
    row, flags_of_most = measured("static_picture", picture(half[1:]))
    assert row[1] == pytest.approx(100 * 4 / 7)
    assert flags_of_most == ("black_picture",)


def test_a_title_on_black_is_not_black() -> None:
    frame = np.zeros((100, 100, 3), dtype=np.uint8)
    frame[40:50, 30:60] = 255
    assert measured("static_picture", picture(np.stack([frame, frame])))[0][1] == 0.0


def still() -> Iterator[NDArray[np.uint8]]:
    image = photo()
    yield from (image for _ in range(260))  # beyond x264's longest distance between key frames, 250


def fixed_camera() -> Iterator[NDArray[np.uint8]]:
    """A still picture in which a part of 24 x 24 pixels, under a hundredth of it, moves by a pixel per frame."""
    image, patch = photo(), photo(24, 24, seed=1)
    for i in range(60):
        frame = image.copy()
        x = 100 + abs(i % 40 - 20)
        frame[90:114, x : x + 24] = patch
        yield frame


def doubled() -> Iterator[NDArray[np.uint8]]:
    wide = photo(240, 400)
    for i in range(48):
        yield wide[:, i // 2 * 3 : i // 2 * 3 + 320]


def slides() -> Iterator[NDArray[np.uint8]]:
    for seed in (0, 3):
        image = photo(seed=seed)
        yield from (image for _ in range(40))


def fade() -> Iterator[NDArray[np.uint8]]:
    image = photo().astype(np.float64)
    for i in range(120):
        yield np.round(image * (1 - i / 240)).astype(np.uint8)


def x264(path: Path, frames: Iterator[NDArray[np.uint8]], crf: int) -> None:
    """As most generators' clips are written: x264 as it is, constant rate factor."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=24, options={"crf": str(crf), "preset": "veryfast"})
        stream.pix_fmt = "yuv420p"
        for number, image in enumerate(frames):
            if number == 0:
                stream.height, stream.width = image.shape[:2]
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode())


@pytest.mark.parametrize("crf", [18, 23])
@pytest.mark.parametrize(
    ("frames", "low", "high", "flags"),
    [
        (still, 98.0, 100.0, ("constant_picture",)),
        (doubled, 44.0, 53.0, ()),
        (slides, 96.0, 99.0, ()),
        (fixed_camera, 0.0, 5.0, ()),
        (fade, 0.0, 60.0, ()),
    ],
)
def test_through_h264(frames: Any, low: float, high: float, flags: tuple[str, ...], crf: int, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    x264(path, frames(), crf)
    row, raised = measured("static_picture", ClipFile("a", path))
    assert low <= row[0] <= high
    assert raised == flags


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ([0.0, 0.019, 0.021], [True, True, False]),
        ([5.0, 0.2, 5.0, 0.2, 5.0], [False, True, False, True, False]),
        ([5.0, 0.2, 0.2, 5.0], [False, True, True, False]),
        ([5.0, 0.2, 0.2, 0.2, 5.0], [False, True, True, True, False]),
        ([5.0, 0.2, 0.2, 0.2, 0.2, 5.0], [False, False, True, True, False, False]),
        ([5.0, *[0.2] * 6, 5.0], [False] * 8),  # a pause in a noisy picture
        ([5.0, 0.6, 5.0], [False, False, False]),
        ([0.2, 0.2, 80.0, 0.2, 0.2], [False, False, False, False, False]),  # a cut
        ([0.2, 5.0, 5.0], [False, False, False]),  # at the end there is one side only
        ([0.3], [False]),
        ([0.0], [True]),
    ],
)
def test_which_pairs_are_unchanged(change: list[float], expected: list[bool]) -> None:
    assert unchanged(np.asarray(change)).tolist() == expected


def test_picture_keeps_two_small_pictures() -> None:
    clip = picture(np.random.default_rng(0).integers(0, 256, (5, 512, 768, 3)))
    with Reader(clip) as reader:
        preparation = PictureLevels().start(reader.info, {})
        for i, image in enumerate(reader.frames()):
            preparation.take(i, image)
    kept = [v for v in vars(preparation).values() if isinstance(v, np.ndarray) and v.ndim == 2]
    assert len(kept) == 2
    assert all(v.base is None or v.base.nbytes <= 128 * 128 for v in kept)
    assert sum(v.nbytes for v in kept) <= 2 * 128 * 128


@pytest.mark.perf
def test_costs_little_beside_decoding(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    wide = photo(1024, 1700)
    write_frames(path, (wide[:, 4 * i : 4 * i + 1536] for i in range(40)), frame_rate=24.0)
    ratios = []
    for _ in range(3):
        with Reader(ClipFile("a", path)) as reader:
            preparation = PictureLevels().start(reader.info, {})
            frames, decoding, taking, i = reader.frames(), 0.0, 0.0, 0
            while True:
                start = time.perf_counter()
                image = next(frames, None)
                middle = time.perf_counter()
                if image is None:
                    break
                preparation.take(i, image)
                decoding, taking, i = decoding + middle - start, taking + time.perf_counter() - middle, i + 1
        ratios.append(taking / decoding)
    print(f"picture_levels takes {min(ratios):.1%} of decoding time at 1536 x 1024")
    assert min(ratios) < 0.3


@pytest.mark.perf
def test_sound_levels_are_fast() -> None:
    clip = sound(np.random.default_rng(0).standard_normal((2, 480_000)) * 0.1)
    features(SoundLevels(), clip)
    start = time.perf_counter()
    features(SoundLevels(), clip)
    seconds = time.perf_counter() - start
    print(f"sound_levels takes {seconds * 1000:.0f} ms for 10 s of stereo at 48 kHz")
    assert seconds < 1.0


# ------------------------------------------------------------------ streams and lengths


@pytest.mark.parametrize(
    ("spec", "row", "flags"),
    [
        ((5, 24.0, 480, 48_000), [0, 0, 0], ()),
        ((5, 24.0, 0, 0), [100, 0, 100], ("no_audio",)),
        ((0, 0.0, 480, 48_000), [100, 100, 0], ("no_video",)),
        ((0, 0.0, 0, 0), [100, 100, 100], ("no_video", "no_audio")),
    ],
)
def test_missing_streams(spec: tuple[int, float, int, int], row: list[float], flags: tuple[str, ...]) -> None:
    found, raised = measured("missing_stream", facts_clip(*spec))
    assert found.tolist() == row
    assert raised == flags


@pytest.mark.parametrize(
    ("spec", "flags"),
    [
        ((24, 24.0, 48_000, 48_000), ()),
        ((24, 24.0, 52_000, 48_000), ()),  # 0.08 s
        ((24, 24.0, 53_000, 48_000), ("lengths_differ",)),  # 0.104 s of 1.1 s
        ((240, 24.0, 500_000, 48_000), ()),  # 0.42 s of 10.4 s, 4 %
        ((240, 24.0, 450_000, 48_000), ("lengths_differ",)),  # 0.63 s of 10 s
        ((240, 24.0, 0, 0), ()),
        ((0, 0.0, 4800, 48_000), ()),
    ],
)
def test_lengths(spec: tuple[int, float, int, int], flags: tuple[str, ...]) -> None:
    row, raised = measured("duration", facts_clip(*spec))
    assert raised == flags
    assert row[0] == max(row[1], row[2])
    assert row[3] == row[2] - row[1]


def test_stream_facts_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    audio = np.stack([sine(rate=44_100), sine(rate=44_100)]).astype(np.float32) * 0.1
    write_clip(path, Clip("a", np.stack([photo(96, 160)] * 25), 25.0, audio, 44_100))
    got = {k.split(".")[1]: v.item() for k, v in features(StreamFacts(), ClipFile("a", path)).items()}
    assert got["audio_seconds"] == pytest.approx(1.0, abs=0.06)
    del got["audio_seconds"]
    assert got == {
        "video_seconds": pytest.approx(1.0),
        "has_video": 1.0,
        "has_audio": 1.0,
        "frames": 25.0,
        "frame_rate": 25.0,
        "width": 160.0,
        "height": 96.0,
        "sample_rate": 44_100.0,
        "channels": 2.0,
    }


def test_extractors_without_their_stream_say_so() -> None:
    with pytest.raises(Unscorable, match="no_audio"):
        features(SoundLevels(), picture(photo()[None]))
    with pytest.raises(Unscorable, match="no_video"):
        features(PictureLevels(), sound(sine()))
