"""DeSync, AV-A and what stands before its network: frames on a grid of time, segments, windows, offsets, clips that are bad."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from avbench import registry
from avbench.errors import BadParameter
from avbench.extractors.synchformer import Synchformer, cropped, normalised, places, segment_mels, waveform
from avbench.frame_choice import evenly_spaced, ffmpeg_fps
from avbench.media import Limits
from avbench.metrics.av_a import AvA
from avbench.metrics.desync import OFFSETS, Desync, windows
from avbench.types import Clip, ClipInfo, Item, Waveform
from avbench.worker import Answer, Job, Task, process

GOLDEN, AV_A = (
    json.loads((Path(__file__).parents[2] / "metrics" / name / "golden.json").read_text(encoding="utf-8"))
    for name in ("desync", "av_a")
)


# ------------------------------------------------------------------ frames on a grid


def filtered(ticks: list[int], last: int, base: Fraction, rate: int) -> list[int]:
    """What FFmpeg's own fps filter gives, frame `n` being a picture of level `n`."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=16, height=16, format=av.VideoFormat("gray"), time_base=base)
    fps, sink = graph.add("fps", f"fps={rate}"), graph.add("buffersink")
    source.link_to(fps)
    fps.link_to(sink)
    graph.configure()
    for number, tick in enumerate(ticks):
        frame = av.VideoFrame.from_ndarray(np.full((16, 16), number, np.uint8), format="gray")
        frame.pts, frame.time_base, frame.duration = tick, base, last
        graph.push(frame)
    graph.push(None)
    found = []
    while True:
        try:
            found.append(int(graph.pull().to_ndarray()[0, 0]))
        except (av.error.EOFError, av.error.BlockingIOError):
            return found


@pytest.mark.parametrize("rate", [25, 4])
@pytest.mark.parametrize(
    ("frame_rate", "base"),
    [
        (24, Fraction(1, 12288)),
        (25, Fraction(1, 25)),
        (30, Fraction(1, 15360)),
        (Fraction(30000, 1001), Fraction(1, 30000)),
        (Fraction(24000, 1001), Fraction(1, 90000)),
        (12, Fraction(1, 12)),
        (50, Fraction(1, 1000)),
        (8, Fraction(1, 1000)),
        (60, Fraction(1, 90000)),
        (3, Fraction(1, 1000)),
    ],
)
def test_frames_are_those_of_ffmpegs_filter(frame_rate: Any, base: Fraction, rate: int) -> None:
    ticks = [round(n / frame_rate / base) for n in range(97)]
    last = ticks[-1] - ticks[-2]
    want = filtered(ticks, last, base, rate)
    assert len(want) > 3
    assert ffmpeg_fps(np.array([float(t * base) for t in ticks]), float((ticks[-1] + last) * base), rate).tolist() == want


@pytest.mark.parametrize("seed", range(5))
def test_frames_at_a_variable_rate(seed: int) -> None:
    steps = np.random.default_rng(seed).integers(1, 120, 90)
    ticks = [0, *np.cumsum(steps).tolist()]
    want = filtered(ticks, 40, Fraction(1, 1000), 25)
    assert ffmpeg_fps(np.array(ticks) / 1000.0, (ticks[-1] + 40) / 1000.0, 25).tolist() == want


def test_one_frame_fills_its_time() -> None:
    assert ffmpeg_fps(np.zeros(1), 0.04, 25).tolist() == [0]
    assert ffmpeg_fps(np.zeros(1), 1.0, 25).tolist() == [0] * 25
    assert evenly_spaced(1, 4).tolist() == [0, 0, 0, 0]
    assert evenly_spaced(6, 4).tolist() == [0, 2, 3, 5]


# ------------------------------------------------------------------ segments


def test_segments_of_both_streams_are_as_many() -> None:
    for seconds, count in ((8.0, 24), (4.8, 14), (4.0, 11), (0.64, 1), (10.0, 30), (5.03, 14), (2.0, 5)):
        extractor = Synchformer("javisbench", seconds)
        assert extractor.segments == count
        noise = np.random.default_rng(0).standard_normal(int(16_000 * seconds)).astype(np.float32)
        assert segment_mels(noise).shape == (count, 128, 65)
    assert normalised(np.zeros((1, 128, 65), np.float32)).shape == (1, 128, 66)
    with pytest.raises(BadParameter, match=r"seconds must be at least 0.64, got 0.6"):
        Synchformer("javisbench", 0.6)
    for made in (Synchformer, Desync):
        with pytest.raises(BadParameter, match=r"seconds must be at least 4.8, got 4"):
            made(seconds=4.0)
        made(seconds=4.8)


def test_a_place_for_every_window() -> None:
    assert places(14) == [list(range(14))]
    assert places(16) == [list(range(n, n + 14)) for n in range(3)]
    assert places(1) == [[0] * 14]
    assert places(11) == [[*range(11), 0, 1, 2]]


def test_a_frame_is_brought_to_its_middle_square() -> None:
    for height, width in ((224, 224), (720, 1280), (1280, 720), (90, 91), (3, 500)):
        assert cropped(np.full((height, width, 3), 77, np.uint8)).shape == (3, 224, 224)
    wide = np.zeros((224, 449, 3), np.uint8)
    wide[:, 112:336] = 255  # (449 - 224) / 2 = 112.5, which torchvision rounds to the even 112
    assert (cropped(wide) == 255).all()


def test_sound_is_filled_or_refused() -> None:
    tone = np.sin(np.arange(22_050) * 0.1).astype(np.float32)[None]
    made = waveform(Waveform(tone, 22_050), Synchformer("javisbench", 4.0))
    assert made.shape == (64_000,)
    assert np.abs(made[15_000:16_000]).max() > 0.5
    assert not made[16_000:].any()


# ------------------------------------------------------------------ windows and offsets


def test_classes_are_seconds() -> None:
    assert len(OFFSETS) == 21
    np.testing.assert_allclose(OFFSETS, 0.2 * np.arange(-10, 11), atol=1e-6)
    assert OFFSETS[10] == 0.0


@pytest.mark.parametrize(
    ("segments", "av_benchmark", "javisbench"),
    [(24, [0, 10], [0, 10]), (14, [0, 0], [0]), (15, [0, 1], [0, 1]), (28, [0, 14], [0, 14]), (29, [0, 15], [0, 14, 15])],
)
def test_windows(segments: int, av_benchmark: list[int], javisbench: list[int]) -> None:
    """`javisbench`: ceil(S / 14) windows, one after another; the last one ends with the clip."""
    count = len(places(segments))
    assert windows(count, "av_benchmark") == av_benchmark
    assert windows(count, "javisbench") == javisbench
    assert len(javisbench) == -(-segments // 14)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda c: c["name"])
def test_golden(case: dict[str, Any]) -> None:
    logits = np.zeros((case["places"], 21), np.float32)
    for place, values in case["logits"].items():
        logits[int(place)] = values
    for variant, value in case["values"].items():
        row = Desync(variant).row(Item("x"), {"synchformer.logits": logits}, None)
        assert row[0] == pytest.approx(value, abs=GOLDEN["tolerance"]["atol"]), variant


def test_signed_offsets_cancel_and_absolute_ones_do_not() -> None:
    logits = np.zeros((11, 21), np.float32)
    logits[0, 5], logits[10, 15] = 1.0, 1.0
    logits[1:10, 20] = 1.0
    metric = Desync()
    got = {"synchformer.logits": logits}
    np.testing.assert_allclose(metric.row(Item("x"), got, None), [1.0, 0.0, 2.0], atol=1e-6)
    trace = metric.trace(Item("x"), got, None)
    np.testing.assert_allclose(trace["offset"], [-1.0, *[2.0] * 9, 1.0], atol=1e-6)
    np.testing.assert_allclose(trace["start"], 0.32 * np.arange(11))
    np.testing.assert_allclose(trace["scored"], [0.0, 3.2])


def test_the_extractor_is_asked_for_what_the_metric_says() -> None:
    extractor = registry.needed(Desync("javisbench", 4.0).extractors()[0])
    assert extractor.parameters() == {"variant": "javisbench", "seconds": 4.0}


# ------------------------------------------------------------------ AV-A


@pytest.mark.parametrize("case", AV_A["cases"], ids=lambda c: c["name"])
def test_av_a_golden(case: dict[str, Any]) -> None:
    rows = {v: [] for v in ("verse_bench", "abs")}  # type: dict[str, list[Any]]
    for logits in case["logits"]:
        for variant, found in rows.items():
            metric = AvA(variant)  # type: ignore[arg-type]
            found.append(metric.row(Item("x"), {"synchformer.logits": np.asarray([logits], dtype=np.float32)}, None))
    for variant, value in case["values"].items():
        metric = AvA(variant)
        assert metric.compute(np.array(rows[variant])) == pytest.approx(value, abs=case["atol"])
        for row in rows[variant]:
            assert row[2] == abs(row[1]) == abs(row[0])


def test_av_a_shows_what_the_network_says() -> None:
    logits = np.zeros((1, 21), np.float32)
    logits[0, 3] = np.log(20.0)
    trace = AvA().trace(Item("x"), {"synchformer.logits": logits}, None)
    np.testing.assert_allclose(trace["probabilities"], [0.025] * 3 + [0.5] + [0.025] * 17, rtol=1e-5)
    assert trace["offsets"][3] == pytest.approx(-1.4)


def test_verse_bench_sees_the_middle_of_four_seconds() -> None:
    """Two frames and 1280 samples are left out before eleven segments, and as many behind them."""
    extractor = registry.needed(AvA().extractors()[0])
    assert isinstance(extractor, Synchformer)
    assert (extractor.segments, extractor.unseen) == (11, 2)
    video = np.tile(np.arange(110, dtype=np.uint8)[:, None, None, None], (1, 256, 300, 3))
    burst = np.zeros((1, 70_400), np.float32)
    burst[:, 5 * 5120 + 1280 :] = 0.5 * np.sin(np.arange(70_400 - 5 * 5120 - 1280) * 0.3)
    made = prepared(Clip("a", video, 25.0, burst, 16_000), extractor).prepared
    assert made is not None
    assert made["frames"].shape == (98, 3, 224, 224)
    assert (made["frames"][:, 0, 0, 0] == np.arange(2, 100)).all()
    assert made["mels"].shape == (11, 128, 66)
    loud = made["mels"][:, 5, :65].max(axis=1) > 0
    assert loud.tolist() == [False] * 4 + [True] * 7  # the fifth of eleven segments reaches into what the sixth begins with
    answer = prepared(Clip("b", video[:99], 25.0, burst, 16_000), extractor)
    assert answer.code == "too_short"
    assert "the picture has 3.96 s" in answer.detail
    for seconds in (8.0, 3.99):
        with pytest.raises(BadParameter, match=r"synchformer\[verse_bench\]: seconds must be 4"):
            Synchformer("verse_bench", seconds)


def test_verse_bench_crops_a_larger_picture() -> None:
    """The short side is 256, and an odd side loses its last line before the middle is cut out."""
    ramp = np.tile(np.arange(455) // 2, (256, 1)).astype(np.uint8)[..., None].repeat(3, axis=2)
    made = cropped(ramp, verse_bench=True)
    np.testing.assert_array_equal(made[0, 0], (np.arange(115, 339) // 2).astype(np.uint8))
    assert cropped(np.full((720, 1281, 3), 9, np.uint8), verse_bench=True).shape == (3, 224, 224)


# ------------------------------------------------------------------ bad input


def prepared(clip: Clip, extractor: Synchformer) -> Answer:
    """The CPU half of one clip, as in a worker."""
    reply = process(Job(clip, (Task(extractor, "{}"),), None, Limits(), 1))
    assert not reply.answers[0].trace, reply.answers[0].trace
    return reply.answers[0]


@pytest.mark.parametrize(
    ("made", "av_benchmark", "javisbench"),
    [
        ({"seconds": 8.0, "frame_rate": 24.0}, "", ""),
        ({"seconds": 8.2, "frame_rate": 30.0, "sample_rate": 44_100, "channels": 2}, "", ""),
        ({"seconds": 7.9}, "too_short", ""),
        ({"seconds": 0.1}, "too_short", ""),
        ({"seconds": 8.0, "audio": False}, "no_audio", "no_audio"),
        ({"seconds": 8.0, "video": False}, "no_video", "no_video"),
    ],
)
def test_bad_clips_have_a_reason(
    make_clip: Callable[..., Clip], made: dict[str, Any], av_benchmark: str, javisbench: str
) -> None:
    clip = make_clip("a", width=32, height=24, **made)
    for variant, code in (("av_benchmark", av_benchmark), ("javisbench", javisbench)):
        answer = prepared(clip, Synchformer(variant))  # type: ignore[arg-type]
        assert answer.code == code, answer.detail
        if not code:
            assert answer.prepared is not None
            assert answer.prepared["frames"].shape == (200, 3, 224, 224)
            assert answer.prepared["mels"].shape == (24, 128, 66)


def test_what_is_short_is_filled_with_black_and_silence(make_clip: Callable[..., Clip]) -> None:
    """One second of four, one frame of picture, five seconds of silence: values for `javisbench`, all of them numbers."""
    clip = make_clip("a", seconds=1.0, frame_rate=25.0)
    made = prepared(clip, Synchformer("javisbench", 4.0)).prepared
    assert made is not None
    assert made["frames"][:25].any(axis=(1, 2, 3)).all()
    assert not made["frames"][25:].any()
    quiet = np.log(np.float32(1e-6)) + 4.2677393
    np.testing.assert_allclose(made["mels"][-1, :, :65], quiet / (2 * 4.5689974), rtol=1e-5)
    np.testing.assert_allclose(made["mels"][:, :, 65], 4.2677393 / (2 * 4.5689974), rtol=1e-6)
    assert clip.video is not None
    still = Clip("b", clip.video[:1], 25.0, np.zeros((1, 80_000), np.float32), 16_000)
    made = prepared(still, Synchformer("javisbench", 5.0)).prepared
    assert made is not None
    assert np.isfinite(made["mels"]).all()
    assert made["frames"].any(axis=(1, 2, 3)).sum() == 1


def test_sound_that_ends_early_is_refused_by_av_benchmark(make_clip: Callable[..., Clip]) -> None:
    clip = make_clip("a", seconds=8.0)
    assert clip.audio is not None
    short = Clip("a", clip.video, clip.frame_rate, clip.audio[:, :-1], clip.sample_rate)
    answer = prepared(short, Synchformer())
    assert answer.code == "too_short"
    assert "the sound has 8.00 s" in answer.detail


def test_start_needs_no_frame_that_is_not_there() -> None:
    info = ClipInfo("x", np.arange(300) / 30.0, 30.0, 32, 32, 16_000, 1, 0.0)
    frames = Synchformer().start(info, {}).frames
    assert (min(frames), max(frames)) == (0, 239)
