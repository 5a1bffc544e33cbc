"""AV-Align's peaks and variants, the reserved variant, and the distance between motion and onset-strength curves."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avbench.errors import BadParameter, Unscorable
from avbench.metrics.av_align import AvAlign, Variant, peak_iou, video_peaks
from avbench.metrics.av_curve_distance import AvCurveDistance
from avbench.registry import metric, needed, parse_spec
from avbench.types import Features, Item, Need

METRICS = Path(__file__).parents[2] / "metrics"
GOLDEN = json.loads((METRICS / "av_align" / "golden.json").read_text(encoding="utf-8"))
CURVES = json.loads((METRICS / "av_curve_distance" / "golden.json").read_text(encoding="utf-8"))
VARIANTS: list[Variant] = [v for v in get_args(Variant) if v != "jointdit_refined"]
ITEM = Item("a")

times = st.lists(st.integers(0, 400), max_size=25, unique=True).map(lambda n: np.sort(np.asarray(n, dtype=np.float64)) / 40)
rates = st.sampled_from([8.0, 23.976, 24.0, 30.0])


def _features(flow: list[float], audio: list[float], rate: float = 10.0, strength: list[float] | None = None) -> Features:
    """Features as the extractors lay them out; the onset strength is one value per frame unless it is given."""
    curve = np.asarray(flow if strength is None else strength, dtype=np.float32)
    return {
        "optical_flow.mean_magnitude": np.asarray(flow, dtype=np.float64),
        "optical_flow.frame_times": np.arange(len(flow)) / rate,
        "optical_flow.frame_rate": np.asarray(rate),
        "optical_flow.frame_size": np.asarray([48, 64]),
        "onsets.times": np.asarray(audio, dtype=np.float64),
        "onsets.strength": curve,
        "onsets.strength_rate": np.asarray(rate),
        "onsets.strength_start": np.asarray(0.0),
    }


# ------------------------------------------------------------------ peaks


@pytest.mark.parametrize(
    ("flow", "least", "frames"),
    [
        ([0, 0, 1, 0], 0.0, [2]),
        ([2, 2, 1, 0], 0.0, []),  # the first value repeats the second, so frame 1 is never a peak
        ([0, 1, 1, 0], 0.0, []),  # strict on both sides
        ([0, 0, 1], 0.0, []),  # nor is the last frame
        ([1, 1], 0.0, []),
        ([0, 0, 0.0999, 0, 0.1, 0], 0.1, [4]),
        ([0, 0, 0.0999, 0, 0.1, 0], 0.0, [2, 4]),
    ],
)
def test_video_peaks(flow: list[float], least: float, frames: list[int]) -> None:
    assert video_peaks(np.asarray(flow, dtype=np.float64), 25.0, least).tolist() == [f / 25.0 for f in frames]


@pytest.mark.parametrize("toy", GOLDEN["toys"], ids=lambda t: f"{t['variant']}-{t['name']}")
def test_toys(toy: dict[str, Any]) -> None:
    got, _ = peak_iou(np.asarray(toy["audio_peaks"]), np.asarray(toy["video_peaks"]), toy["frame_rate"], toy["variant"])
    assert got == pytest.approx(toy["score"], abs=GOLDEN["tolerance"]["toys"]["atol"], rel=0)


def test_one_video_peak_for_many_audio_peaks() -> None:
    audio, video = np.array([0.45, 0.50, 0.55]), np.array([0.5])
    assert peak_iou(audio, video, 10.0, "tempotokens_2023") == (3.0, 3)
    assert peak_iou(audio, video, 10.0, "seeing_and_hearing") == (3.0, 3)
    assert peak_iou(audio, video, 10.0, "tempotokens_2025") == (1 / 3, 1)
    assert peak_iou(audio, video, 10.0, "svg") == (1.0, 3)


def test_exactly_one_frame_apart_is_no_match() -> None:
    assert peak_iou(np.array([0.5]), np.array([0.375]), 8.0) == (0.0, 0)
    assert peak_iou(np.array([0.49]), np.array([0.375]), 8.0) == (1.0, 1)


def test_greedy_order_decides() -> None:
    """The first audio peak takes the first video peak, even if that leaves the second without one."""
    assert peak_iou(np.array([0.50, 0.52]), np.array([0.45, 0.60]), 8.0) == (1.0, 2)
    assert peak_iou(np.array([0.50, 0.52]), np.array([0.45, 0.70]), 8.0) == (1 / 3, 1)
    assert peak_iou(np.array([0.50, 0.40]), np.array([0.45, 0.60]), 8.0) == (1 / 3, 1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_peaks(variant: Variant) -> None:
    none, one = np.zeros(0), np.array([0.5])
    assert peak_iou(none, one, 24.0, variant) == peak_iou(one, none, 24.0, variant) == (0.0, 0)
    if variant in ("javisbench", "svg"):
        assert peak_iou(none, none, 24.0, variant) == (0.0, 0)
    else:
        with pytest.raises(Unscorable, match="no_peaks"):
            peak_iou(none, none, 24.0, variant)


@given(times, times, rates)
def test_bounds(audio: np.ndarray[Any, Any], video: np.ndarray[Any, Any], rate: float) -> None:
    for variant in VARIANTS:
        if len(audio) + len(video) == 0:
            continue
        value, matches = peak_iou(audio, video, rate, variant)
        assert value >= 0
        assert 0 <= matches <= len(audio)
        if variant in ("tempotokens_2025", "svg"):
            assert value <= 1
    one, many = (
        (peak_iou(audio, video, rate, v) for v in ("tempotokens_2025", "tempotokens_2023")) if len(audio) else ((0, 0),) * 2
    )
    assert one[0] <= many[0]
    assert one[1] <= min(len(video), many[1])


@given(times.filter(len), rates)
def test_equal_peaks_score_one(peaks: np.ndarray[Any, Any], rate: float) -> None:
    for variant in ("tempotokens_2025", "tempotokens_2023", "svg"):
        assert peak_iou(peaks, peaks, rate, variant)[0] == 1.0
    assert peak_iou(peaks, peaks, rate, "javisbench")[0] == pytest.approx(1.0, abs=1e-5)


@given(times.filter(len), times.filter(len), rates)
def test_one_to_one_and_svg_do_not_mind_the_roles(audio: Any, video: Any, rate: float) -> None:
    assert peak_iou(audio, video, rate, "svg")[0] == pytest.approx(peak_iou(video, audio, rate, "svg")[0], abs=1e-12)
    assert peak_iou(audio, video, rate) == pytest.approx(peak_iou(video, audio, rate), abs=1e-12)


# ------------------------------------------------------------------ the metric


def test_row_and_trace() -> None:
    got = _features([0, 0, 1, 0, 0.05, 0, 2, 0], [0.25, 0.75])
    row = AvAlign().row(ITEM, got, None)
    np.testing.assert_array_equal(row, [1 / 3, 2, 2, 1])
    np.testing.assert_array_equal(AvAlign("tempotokens_2023").row(ITEM, got, None), [1 / 4, 2, 3, 1])
    trace = AvAlign().trace(ITEM, got, None)
    np.testing.assert_allclose(trace["video_peaks"], [0.2, 0.6])
    assert len(trace["flow"]) == len(trace["flow_times"]) == 8
    assert len(trace["onset_strength"]) == len(trace["onset_strength_times"])
    rows = np.stack([row, [1.0, 1, 1, 1]])
    assert AvAlign().compute(rows) == pytest.approx(2 / 3)


def test_still_picture_and_silence() -> None:
    got = _features([0.005] * 10, [])
    with pytest.raises(Unscorable, match="no_peaks"):
        AvAlign().row(ITEM, got, None)
    np.testing.assert_array_equal(AvAlign("javisbench").row(ITEM, got, None), np.zeros(4))


@pytest.mark.parametrize("variant", VARIANTS)
def test_needs(variant: Variant) -> None:
    flow, onsets = (needed(n) for n in AvAlign(variant).extractors())
    assert flow.parameters() == {"resize": None}
    assert onsets.parameters()["sample_rate"] == (None if variant == "javisbench" else 22050)
    assert onsets.parameters()["keep_offset"] is False


def test_parameters_reach_the_extractors() -> None:
    made = metric("av_align", **dict(parse_spec("av_align[seeing_and_hearing,resize=min=64,keep_offset=true]").parameters))
    assert made == AvAlign("seeing_and_hearing", "min=64", True)
    assert [needed(n).label for n in made.extractors()] == ["optical_flow[resize=min=64]", "onsets[keep_offset=True]"]
    assert pickle.loads(pickle.dumps(made)) == made != AvAlign()  # noqa: S301
    assert AvAlign("svg").label == "av_align[svg]"


def test_reserved_and_unknown_variants() -> None:
    with pytest.raises(BadParameter, match=r"no definition of JointDiT's refined AV-Align .* av_curve_distance"):
        metric("av_align", variant="jointdit_refined")
    with pytest.raises(BadParameter, match="variant must be one of"):
        metric("av_align", variant="javis")
    with pytest.raises(BadParameter, match="variant must be one of"):
        AvAlign("javis")  # type: ignore[arg-type]


# ------------------------------------------------------------------ distance of curves


@pytest.mark.parametrize("toy", CURVES["toys"], ids=lambda t: t["name"])
def test_curve_distance_toys(toy: dict[str, Any]) -> None:
    got = dict(_features(toy["flow"], [], toy["frame_rate"], toy["strength"]))
    got["onsets.strength_rate"] = np.asarray(toy["strength_rate"])
    np.testing.assert_allclose(
        AvCurveDistance().row(ITEM, got, None), toy["row"], rtol=0, atol=CURVES["tolerance"]["toys"]["atol"]
    )


def test_curve_distance_is_the_correlation_in_other_words() -> None:
    rng = np.random.default_rng(3)
    flow, strength = rng.random(50), rng.random(50)
    distance, r = AvCurveDistance().row(ITEM, _features(flow.tolist(), [], strength=strength.tolist()), None)
    assert r == pytest.approx(np.corrcoef(flow, strength.astype(np.float32))[0, 1])
    assert distance == pytest.approx(np.sqrt(2 - 2 * r))


def test_curve_distance_has_the_ends_0_and_2() -> None:
    flow = [0.0, 0, 1, 0, 3, 0, 0, 2]
    same = AvCurveDistance().row(ITEM, _features(flow, []), None)
    opposite = AvCurveDistance().row(ITEM, _features(flow, [], strength=[3 - f for f in flow]), None)
    np.testing.assert_allclose(same, [0, 1], atol=1e-7)
    np.testing.assert_allclose(opposite, [2, -1], atol=1e-7)


@given(st.floats(0.1, 50), st.floats(0, 10), st.floats(0.1, 50))
def test_curve_distance_ignores_scale_and_level(scale: float, level: float, loudness: float) -> None:
    flow, strength = np.sin(np.arange(40.0)) + 1, np.cos(np.arange(40.0) * 1.3) + 1
    before = AvCurveDistance().row(ITEM, _features(flow.tolist(), [], strength=strength.tolist()), None)
    changed = _features((scale * flow + level).tolist(), [], strength=(loudness * strength).tolist())
    np.testing.assert_allclose(AvCurveDistance().row(ITEM, changed, None), before, atol=1e-5)


def test_curve_distance_uses_the_offset() -> None:
    flow = [0.0, 0, 0, 1, 0, 0, 0, 0, 2, 0]
    got = dict(_features(flow, [], strength=flow[2:]))
    late = AvCurveDistance().row(ITEM, got, None)
    got["onsets.strength_start"] = np.asarray(0.2)
    assert AvCurveDistance().row(ITEM, got, None)[0] == pytest.approx(0, abs=1e-7)
    assert late[0] > 1
    assert AvCurveDistance().extractors()[1] == Need.of("onsets", sample_rate=22050, keep_offset=True)
    assert AvCurveDistance(keep_offset=False).extractors()[1] == Need.of("onsets", sample_rate=22050, keep_offset=False)


@pytest.mark.parametrize(
    ("flow", "strength", "code"), [([1.0] * 5, [0.0, 1] * 2, "no_motion"), ([0.0, 1] * 2, [0.0] * 4, "no_peaks")]
)
def test_curve_distance_of_flat_curves(flow: list[float], strength: list[float], code: str) -> None:
    with pytest.raises(Unscorable, match=code):
        AvCurveDistance().row(ITEM, _features(flow, [], strength=strength), None)


def test_curve_distance_traces_both_curves() -> None:
    trace = AvCurveDistance().trace(ITEM, _features([0.0, 0, 1, 0, 3], []), None)
    assert {k: v.shape for k, v in trace.items()} == {"times": (5,), "flow_z": (5,), "onset_strength_z": (5,)}
    assert pickle.loads(pickle.dumps(AvCurveDistance())) == AvCurveDistance()  # noqa: S301
