"""Optical flow on known motion, and the motion score made of it."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from avbench.errors import BadParameter, Unscorable
from avbench.extractors.optical_flow import OpticalFlow, target_size
from avbench.media import Reader
from avbench.metrics.motion_score import MotionScore
from avbench.registry import metric, needed
from avbench.types import Clip, Features, Item, Metric

ITEM = Item("a")
GOLDEN = json.loads((Path(__file__).parents[2] / "metrics" / "motion_score" / "golden.json").read_text(encoding="utf-8"))


def _texture(height: int, width: int, scale: float) -> NDArray[np.uint8]:
    """A smooth picture, about 6 times `scale` pixels to the wave."""
    y, x = np.mgrid[:height, :width] / scale
    grey = 127 + 50 * np.sin(x + 0.5 * y) + 50 * np.sin(0.7 * y - 0.4 * x + 1)
    return np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8)


def _moving(frames: int, step: int, *, size: int = 64, rate: float = 10.0) -> Clip:
    """The texture moving to the right by `step` pixels in every frame; picture and wave grow with `size`."""
    wide = _texture(size, size * 2 + frames * step, size / 64)
    start = frames * step
    pictures = [wide[:, start - i * step : start - i * step + size * 2] for i in range(frames)]
    return Clip("a", np.stack(pictures), rate, None, 0)


def _flow(clip: Clip, resize: str | None = None) -> Features:
    extractor = OpticalFlow(resize)
    with Reader(clip) as reader:
        preparation = extractor.start(reader.info, {})
        assert list(preparation.frames) == list(range(reader.info.frames))
        for index, image in enumerate(reader.frames()):
            preparation.take(index, image)
        made = preparation.finish(None)
    assert set(made) == set(OpticalFlow.layers)
    return {f"optical_flow.{k}": v for k, v in made.items()}


def _score(made: Metric, clip: Clip) -> float:
    extractor = needed(made.extractors()[0])
    assert isinstance(extractor, OpticalFlow)
    return float(made.row(ITEM, _flow(clip, extractor.resize), None)[0])


# ------------------------------------------------------------------ flow


def test_flow_of_known_motion() -> None:
    got = _flow(_moving(5, 2))
    flow = got["optical_flow.mean_magnitude"]
    assert flow.dtype == np.float64
    assert flow[0] == flow[1]
    np.testing.assert_allclose(flow, 2.0, rtol=0.1)
    np.testing.assert_array_equal(got["optical_flow.frame_size"], [64, 128])
    np.testing.assert_allclose(got["optical_flow.frame_times"], np.arange(5) / 10)
    assert got["optical_flow.frame_rate"] == 10.0


def test_flow_of_a_constant_picture() -> None:
    still = Clip("a", np.full((4, 32, 32, 3), 90, np.uint8), 8.0, None, 0)
    np.testing.assert_array_equal(_flow(still)["optical_flow.mean_magnitude"], np.zeros(4))


@pytest.mark.parametrize("frames", [0, 1])
def test_flow_needs_two_frames(frames: int) -> None:
    video = np.zeros((frames, 8, 8, 3), np.uint8) if frames else None
    with Reader(Clip("a", video, 8.0, np.zeros(8, np.float32), 8000)) as reader, pytest.raises(Unscorable, match="too_short"):
        OpticalFlow().start(reader.info, {})


@pytest.mark.parametrize(
    ("resize", "size"),
    [(None, (96, 160)), ("min=64", (64, 106)), ("min=200", (200, 333)), ("30:20", (20, 30)), ("1:1", (1, 1))],
)
def test_target_size(resize: str | None, size: tuple[int, int]) -> None:
    assert target_size(resize, 96, 160) == size


def test_flow_is_measured_on_the_resized_picture() -> None:
    got = _flow(_moving(3, 4, size=128), resize="min=64")
    np.testing.assert_array_equal(got["optical_flow.frame_size"], [64, 128])
    np.testing.assert_allclose(got["optical_flow.mean_magnitude"], 2.0, rtol=0.15)


@pytest.mark.parametrize("resize", ["", "64", "min=0", "min=6.5", "64x64", "0:9", "min=64 "])
def test_bad_resize(resize: str) -> None:
    with pytest.raises(BadParameter, match="resize must be"):
        OpticalFlow(resize)


def test_listing_loads_no_decoder() -> None:
    assert "cv2" not in vars(sys.modules["avbench.extractors.optical_flow"])
    assert pickle.loads(pickle.dumps(OpticalFlow("min=64"))) == OpticalFlow("min=64") != OpticalFlow()  # noqa: S301


# ------------------------------------------------------------------ score


@pytest.mark.parametrize("toy", GOLDEN["toys"])
def test_toys(toy: dict[str, Any]) -> None:
    got = {
        "optical_flow.mean_magnitude": np.asarray(toy["flow"]),
        "optical_flow.frame_times": np.asarray(toy["frame_times"]),
        "optical_flow.frame_size": np.asarray(toy["frame_size"]),
    }
    np.testing.assert_allclose(MotionScore(toy["variant"]).row(ITEM, got, None), toy["row"], **GOLDEN["tolerance"]["toys"])


def test_native_is_pixels_per_frame() -> None:
    made = metric("motion_score", variant="native")
    assert (made.unit, MotionScore().unit) == ("px/frame", "%/s")
    assert _score(made, _moving(5, 2)) == pytest.approx(2.0, rel=0.1)
    copy = pickle.loads(pickle.dumps(made))  # noqa: S301
    assert (copy, copy.unit, copy.better) == (made, "px/frame", "none")


def test_per_second_is_percent_of_the_short_side() -> None:
    """2 of 64 pixels in a frame, 10 frames a second: 31 % a second."""
    assert _score(MotionScore(), _moving(5, 2)) == pytest.approx(31.25, rel=0.1)


def test_per_second_does_not_depend_on_size() -> None:
    scores = [_score(MotionScore(), _moving(5, size // 32, size=size)) for size in (64, 128, 256)]
    np.testing.assert_allclose(scores, 31.25, rtol=0.1)


def test_per_second_does_not_depend_on_frame_rate() -> None:
    fast, slow = _moving(9, 1, rate=20.0), _moving(5, 2, rate=10.0)
    assert _score(MotionScore(), fast) == pytest.approx(_score(MotionScore(), slow), rel=0.1)
    assert fast.video is not None
    doubled = Clip("a", np.repeat(fast.video, 2, axis=0)[:-1], 40.0, None, 0)
    assert _score(MotionScore(), doubled) == pytest.approx(_score(MotionScore(), fast), rel=0.05)


@given(st.lists(st.floats(0, 20), min_size=2, max_size=30), st.floats(1, 60))
def test_row(flow: list[float], rate: float) -> None:
    got = {
        "optical_flow.mean_magnitude": np.asarray([flow[0], *flow]),
        "optical_flow.frame_times": np.arange(len(flow) + 1) / rate,
        "optical_flow.frame_size": np.asarray([256, 455]),
    }
    native, scaled = MotionScore("native").row(ITEM, got, None), MotionScore().row(ITEM, got, None)
    np.testing.assert_allclose(native, [np.mean(flow), np.max(flow)], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(scaled, native * rate / 2.56, rtol=1e-9, atol=1e-12)


def test_still_clip_scores_nothing() -> None:
    still = Clip("a", np.full((4, 32, 48, 3), 90, np.uint8), 8.0, None, 0)
    assert _score(MotionScore(), still) == _score(MotionScore("native"), still) == 0.0


def test_frames_without_time() -> None:
    got = dict(_flow(_moving(2, 1)))
    got["optical_flow.frame_times"] = np.zeros(2)
    with pytest.raises(Unscorable, match="too_short"):
        MotionScore().row(ITEM, got, None)
    assert set(MotionScore().trace(ITEM, got, None)) == {"flow", "flow_times"}


def test_unknown_variant() -> None:
    with pytest.raises(BadParameter, match="variant must be one of"):
        MotionScore("verse_bench")  # type: ignore[arg-type]
