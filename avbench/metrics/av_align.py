"""AV-Align: how well onsets of the sound and peaks of motion coincide (intersection over union, no unit).

Definition:
    Audio peaks are onsets (`onsets`). Video peaks are frames whose mean flow magnitude is above both neighbours'
    (`optical_flow`), at frame number / frame rate. Peaks match if they are less than 1 / frame rate apart. With A audio peaks,
    V video peaks and n matches the score of a clip is n / (A + V - n); the score of a run is the mean over clips.
Variants:
    They differ in how matches are counted, see `AvAlign`; numbers of different variants cannot be compared.
Shapes:
    row: (4,) score, A, V, n.
Range:
    [0, 1], higher is better; `tempotokens_2023`, `seeing_and_hearing` and `javisbench` let one video peak match several audio
    peaks and can exceed 1.
Neither stream has a peak:
    `Unscorable("no_peaks")` where the published code divides by zero; 0 for `javisbench` and `svg`, as published.
Source:
    arXiv:2309.16429; code named in `SOURCES`.
Differs from the source:
    The 2023 code stops on an undefined name in its peak finder; what it says it does is computed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter, Unscorable
from avbench.types import Array, Better, Features, Item, Metric, Need

Variant = Literal["tempotokens_2025", "tempotokens_2023", "seeing_and_hearing", "javisbench", "svg", "jointdit_refined"]

SOURCES: Mapping[str, str] = {
    "tempotokens_2025": "github.com/guyyariv/TempoTokens av_align.py at bf0b1e3",
    "tempotokens_2023": "github.com/guyyariv/TempoTokens av_align.py at 34d9502",
    "seeing_and_hearing": "github.com/yzxing87/Seeing-and-Hearing eval/av-align/av-align.py at 75cdbbc",
    "javisbench": "github.com/JavisVerse/JavisDiT eval/javisbench/src/av_align.py at b505b37",
    "svg": "github.com/SonyResearch/SVG_baseline at e8ebd06",
}

LEAST_FLOW = 0.1
"""Pixels per frame; `tempotokens_2025` drops video peaks below."""


@dataclass(frozen=True)
class AvAlign(Metric):
    """Mean over clips of the intersection over union of audio and video peaks.

    Args:
        variant: `tempotokens_2025`: a video peak matches once, peaks of less than 0.1 px do not count. `tempotokens_2023` and
            `seeing_and_hearing`: an audio peak matches if any video peak is near. `javisbench`: the same, onsets at the
            sound's own sample rate, 1e-6 in the denominator. `svg`: shares of matched audio peaks p and of matched video peaks
            r, p r / (p + r - p r). `jointdit_refined`: reserved, raises.
        resize: Picture size for the flow, see `optical_flow`; published for `seeing_and_hearing` alone.
        keep_offset: Whether a late or early start of the sound counts; no published code looks at it.

    Raises:
        BadParameter: for an unknown variant, and for `jointdit_refined`, which has no public definition.
    """

    variant: Variant = "tempotokens_2025"
    resize: str | None = None
    keep_offset: bool = False

    name: ClassVar[str] = "av_align"
    title: ClassVar[str] = "AV-Align: intersection over union of sound onsets and motion peaks"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "Yariv et al., arXiv:2309.16429; " + "; ".join(f"{k}: {v}" for k, v in SOURCES.items())
    columns: ClassVar[tuple[str, ...]] = ("av_align", "audio_peaks", "video_peaks", "matches")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variant == "jointdit_refined":
            raise BadParameter(
                "av_align: no definition of JointDiT's refined AV-Align (lower is better) is public, so 'jointdit_refined' "
                "cannot be computed; the metric av_curve_distance is a candidate of the right size, not the authors' definition"
            )

    def extractors(self) -> tuple[Need, ...]:
        """Flow of the picture, onsets of the sound."""
        rate = None if self.variant == "javisbench" else 22050
        return (
            Need.of("optical_flow", resize=self.resize),
            Need.of("onsets", sample_rate=rate, keep_offset=self.keep_offset),
        )

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Score, numbers of audio and video peaks, number of matches: `(4,)`.

        Raises:
            Unscorable: `no_peaks`, where the published code divides by zero.
        """
        rate = float(got["optical_flow.frame_rate"])
        audio, video = got["onsets.times"], self._video_peaks(got)
        score, matches = peak_iou(audio, video, rate, self.variant)
        return np.array([score, len(audio), len(video), matches], dtype=np.float64)

    def trace(self, item: Item, got: Features, ref: Features | None) -> Mapping[str, Array]:
        """Flow and onset strength over time, and the times of their peaks, seconds."""
        strength = got["onsets.strength"]
        return {
            "flow": got["optical_flow.mean_magnitude"],
            "flow_times": got["optical_flow.frame_times"],
            "video_peaks": self._video_peaks(got),
            "onset_strength": strength,
            "onset_strength_times": got["onsets.strength_start"] + np.arange(len(strength)) / got["onsets.strength_rate"],
            "audio_peaks": got["onsets.times"],
        }

    def _video_peaks(self, got: Features) -> NDArray[np.float64]:
        least = LEAST_FLOW if self.variant == "tempotokens_2025" else 0.0
        return video_peaks(got["optical_flow.mean_magnitude"], float(got["optical_flow.frame_rate"]), least)


def video_peaks(flow: NDArray[np.float64], frame_rate: float, least: float = 0.0) -> NDArray[np.float64]:
    """Times of the frames that move more than the frame before and the frame after.

    Args:
        flow: Mean flow magnitude `(T,)`, pixels.
        frame_rate: Hz.
        least: Peaks below this many pixels are left out.

    Returns:
        Seconds `(n,)`, rising; first and last frame are never peaks, nor is one of equal neighbours.
    """
    inner = flow[1:-1]
    peak = (inner > flow[:-2]) & (inner > flow[2:]) & (inner >= least)
    return (np.flatnonzero(peak) + 1) / frame_rate


def peak_iou(
    audio: NDArray[np.float64], video: NDArray[np.float64], frame_rate: float, variant: Variant = "tempotokens_2025"
) -> tuple[float, int]:
    """Intersection over union of two sets of peaks, by one of the published rules.

    Args:
        audio: Times of the audio peaks `(A,)`, seconds, rising.
        video: Times of the video peaks `(V,)`, seconds, rising.
        frame_rate: Hz; peaks match if they are less than one frame apart.
        variant: The rule, see `AvAlign`.

    Returns:
        Score, and number of audio peaks that have a match.

    Raises:
        Unscorable: `no_peaks`, where the published code divides by zero.

    >>> peak_iou(np.array([0.40, 0.45, 0.60, 1.90]), np.array([0.50, 0.55, 1.50]), 8.0)
    (0.4, 2)
    """
    near = _near(audio, video, 1.0 / frame_rate)
    if variant == "svg":
        matches = int(near.any(axis=1).sum())
        if not matches:
            return 0.0, 0
        precision, recall = matches / len(audio), int(near.any(axis=0).sum()) / len(video)
        return precision * recall / (precision + recall - precision * recall), matches
    matches = _one_to_one(near) if variant == "tempotokens_2025" else int(near.any(axis=1).sum())
    union = len(audio) + len(video) - matches
    if variant == "javisbench":
        return matches / (union + 1e-6), matches
    if union == 0:
        raise Unscorable("no_peaks")
    return matches / union, matches


def _near(audio: NDArray[np.float64], video: NDArray[np.float64], window: float) -> NDArray[np.bool_]:
    """Which audio peak `(A, 1)` lies within the open window around which video peak `(1, V)`."""
    # Compared with both ends, not by the distance: at exactly one frame the two can round differently.
    a, v = np.asarray(audio)[:, None], np.asarray(video)[None, :]
    return np.asarray((v - window < a) & (a < v + window))


def _one_to_one(near: NDArray[np.bool_]) -> int:
    """Matches if every audio peak, in order, takes the first video peak near it that is still free."""
    free = np.ones(near.shape[1], dtype=bool)
    matches = 0
    for row in near:
        candidates = np.flatnonzero(row & free)
        if len(candidates):
            free[candidates[0]] = False
            matches += 1
    return matches
