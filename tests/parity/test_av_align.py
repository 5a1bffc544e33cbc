"""AV-Align against its published implementations: flow, peaks and scores."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench.errors import Unscorable
from avbench.extractors.optical_flow import resized, target_size
from avbench.media import Reader
from avbench.metrics.av_align import LEAST_FLOW, AvAlign, Variant, peak_iou
from avbench.metrics.motion_score import MotionScore
from avbench.registry import extractor
from avbench.types import Item

from .harness import Case, cases, extract, features, pictures, score, source

VARIANTS: dict[Variant, tuple[str, str, str]] = {
    "tempotokens_2025": ("tempotokens_audio_peaks", "video_peaks_tempotokens", "score_tempotokens"),
    "seeing_and_hearing": ("tempotokens_audio_peaks", "video_peaks_javisdit", "score_seeing_and_hearing"),
    "javisbench": ("javisdit_audio_peaks", "video_peaks_javisdit", "score_javisdit"),
}


@pytest.mark.parametrize("case", cases("video/av_align*", "synthetic", "files", having=["flow_trajectory"]))
def test_flow_peaks_and_scores(case: Case) -> None:
    """All quantities of one case in one test, since the flow of a real clip takes most of a minute."""
    clip = source(case)
    with Reader(clip) as reader:
        assert (reader.info.sample_rate, reader.info.frame_rate) == (case["native_rate"], case["fps"])
        first = next(reader.frames())
    if "first_frame_mean_bgr" in case:
        assert list(first.shape[:2]) == case["size"]
        np.testing.assert_allclose(first[:, :, ::-1].mean(axis=(0, 1)), case["first_frame_mean_bgr"], rtol=1e-9)

    flow = extractor("optical_flow")
    got = extract(clip, [flow, extractor("onsets", sample_rate=22050), extractor("onsets", sample_rate=None)])
    curve = got[flow]["optical_flow.mean_magnitude"]
    assert len(curve) == case["frames"]
    case.family.close(curve, case["flow_trajectory"], "flow_trajectory")
    native = MotionScore("native")
    case.family.close(score(native, got[flow]), np.mean(case["flow_trajectory"][1:]), "flow_trajectory", "motion_score")
    for variant, (audio, video, wanted) in VARIANTS.items():
        made = AvAlign(variant)
        seen = made.trace(Item(case.name), features(made, got), None)
        case.family.close(seen["audio_peaks"], case[audio], "audio peaks", f"{variant}: audio peaks")
        _score_is(case, wanted, partial(_published, case, audio, video, variant))
        if _same_video_peaks(case, curve, seen["video_peaks"], case[video]):
            _score_is(case, wanted, partial(score, made, features(made, got)))


def _published(case: Case, audio: str, video: str, variant: Variant) -> float:
    """The score of the golden's own peaks."""
    return peak_iou(np.asarray(case[audio]), np.asarray(case[video]), case["fps"], variant)[0]


def _score_is(case: Case, key: str, compute: Callable[[], float]) -> None:
    """The golden's score, or the reason code where the published code divides by zero."""
    if isinstance(case[key], str):
        assert case[key].startswith("ZeroDivisionError")
        with pytest.raises(Unscorable, match="no_peaks"):
            compute()
    else:
        case.family.close(compute(), case[key], "score", key)


def _same_video_peaks(case: Case, curve: NDArray[np.float64], got: NDArray[np.float64], want: list[float]) -> bool:
    """False if peaks differ, but only at frames where the flow's own tolerance decides between peak and none."""
    frames = {round(t * case["fps"]) for t in got} ^ {round(t * case["fps"]) for t in want}
    allowed = case.family.data["tolerance"]["flow_trajectory"]
    for f in frames:
        margin = min(abs(curve[f] - curve[f - 1]), abs(curve[f] - curve[f + 1]), abs(curve[f] - LEAST_FLOW))
        assert margin <= 2 * (allowed["rtol"] * curve[f] + allowed["atol"]), f"frame {f} is a peak in one of the two only"
    if not frames:
        case.family.close(got, want, "video peaks")
    return not frames


@pytest.mark.parametrize("case", cases("video/av_align*", "synthetic", having=["shape", "corner"]))
def test_resized_pictures(case: Case) -> None:
    """Seeing-and-Hearing's resizing, which works on BGR."""
    scheme = re.search(r'resize scheme "([^"]+)"', case["input"])
    assert scheme is not None
    frames = np.ascontiguousarray(pictures(case["input"])[:, :, :, ::-1])
    got = np.stack([resized(frame, target_size(scheme[1], *frame.shape[:2])) for frame in frames])
    assert list(got.shape[1:]) == case["shape"]
    corner = np.asarray(case["corner"])
    np.testing.assert_array_equal(got[0, : corner.shape[0], : corner.shape[1]], corner)
    np.testing.assert_allclose(got.mean(axis=(1, 2, 3)), case["mean"], rtol=1e-12)
