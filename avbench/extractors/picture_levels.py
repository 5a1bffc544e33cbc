"""Brightness and change of the picture, from a small grey copy of every frame.

Layers, each float64:

    luma             0..255  (T,)    mean brightness of each frame (Rec. 601 weights of RGB)
    change           0..255  (T-1,)  mean absolute change of brightness from each frame to the next
    unchanged_share  0..1    ()      pairs of neighbours without change, see below; 1 for a single frame
    black_share      0..1    ()      frames of which `BLACK_PART` of the picture is at or below `BLACK_LEVEL`
    constant         0 or 1  ()      whether the clip is a still picture

The small copy: every k-th row and column, k as small as leaves at most 128 of each, turned grey. That is cheap because most of
the frame is never touched, and 10 000 pixels are plenty for a mean.

A pair is unchanged in one of two ways:

* Its change is below `UNCHANGED` = 0.02 grey levels: a picture that stands still. Behind x264 (crf 18 to 38, veryfast to
  slow) it changes by at most 0.011 in 90 of 100 pairs and, but for key frames, 0.015 in nearly all. Almost motionless scenes,
  filmed or generated, start at 0.023.
* Its change is below a tenth (`REPEAT`) of the largest one within `AROUND` = 3 pairs before and also after it: a repeated frame
  amid motion. An encoder goes on correcting such a frame, by 0.02 to 0.3 levels, so no fixed threshold finds it. In clips
  whose frames were sent two or three times, or every fourth of them twice, through x264 at crf 18 and 23, 85 to 100 % of the
  repeats are found where neighbouring frames differ by 2 levels or more, few in talking heads and still scenes (0.1 to 0.6
  levels). Of 31 clips as they are, one turned out to repeat every sixth frame (25 to 30 Hz); in the others this rule adds at
  most 3 %, in most nothing.

A codec on a tight rate control (MPEG-1, 2 and 4, VP9 in real time, x264 with a mean bit rate) keeps improving a still picture
and is seen to change.

Constant: at least 90 % of the pairs are below `UNCHANGED`, and no frame is further than `STILL` = 6 grey levels (mean) from the
first. Both have to hold. The first leaves room for key frames, at which an encoder starts afresh: the still pictures above
jump by 1.0 to 4.6 levels there. The second refuses a slide show and a slow fade, whose pairs are nearly all below.

Black: the defaults of FFmpeg's blackdetect, 98 % of the picture within the darkest 10 % of the range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.errors import Unscorable
from avbench.types import ClipInfo, Extractor, Features, Preparation, Waveform

SIDE = 128
UNCHANGED = 0.02
REPEAT = 0.1
AROUND = 3
CONSTANT_PART = 0.9
STILL = 6.0
BLACK_LEVEL = 25
BLACK_PART = 0.98


@dataclass(frozen=True)
class PictureLevels(Extractor):
    """Brightness and change of the picture."""

    name: ClassVar[str] = "picture_levels"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("luma", "change", "unchanged_share", "black_share", "constant")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video",)
    packages: ClassVar[tuple[str, ...]] = ("numpy", "opencv-python-headless")

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Asks for every frame."""
        return _Picture(info.frames)


class _Picture(Preparation):
    """Keeps two small pictures, the first and the last one seen, and three numbers per frame."""

    def __init__(self, frames: int) -> None:
        self.frames = np.arange(frames, dtype=np.intp)
        self._first: NDArray[np.uint8] | None = None
        self._last: NDArray[np.uint8] | None = None
        self._luma: list[float] = []
        self._change: list[float] = []
        self._black = 0
        self._away = 0.0

    def take(self, index: int, image: NDArray[np.uint8]) -> None:
        import cv2

        small = shrink(image)
        self._luma.append(float(small.mean()))
        self._black += int(np.count_nonzero(small <= BLACK_LEVEL) >= BLACK_PART * small.size)
        if self._first is None or self._last is None:
            self._first = small
        else:
            self._change.append(cv2.norm(small, self._last, cv2.NORM_L1) / small.size)
            self._away = max(self._away, cv2.norm(small, self._first, cv2.NORM_L1) / small.size)
        self._last = small

    def finish(self, audio: Waveform | None) -> dict[str, NDArray[Any]]:
        if not self._luma:
            raise Unscorable("no_video")
        change = np.asarray(self._change, dtype=np.float64)
        still = float((change < UNCHANGED).mean()) if len(change) else 1.0
        return {
            "luma": np.asarray(self._luma, dtype=np.float64),
            "change": change,
            "unchanged_share": np.asarray(float(unchanged(change).mean()) if len(change) else 1.0),
            "black_share": np.asarray(self._black / len(self._luma)),
            "constant": np.asarray(float(still >= CONSTANT_PART and self._away <= STILL)),
        }


def unchanged(change: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which pairs stand still or repeat a frame, `(T-1,)`, from the changes of all pairs `(T-1,)`, T > 1."""
    padded = np.pad(change, AROUND)
    largest = np.lib.stride_tricks.sliding_window_view(padded, AROUND).max(axis=1)
    before, after = largest[: len(change)], largest[AROUND + 1 :]
    found: NDArray[np.bool_] = (change < UNCHANGED) | (change < REPEAT * np.minimum(before, after))
    return found


def shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Small grey copy of `(H, W, 3)` RGB: uint8 `(h, w)`, no side longer than 128."""
    import cv2

    step = -(-max(image.shape[:2]) // SIDE)
    grey = cv2.cvtColor(np.ascontiguousarray(image[::step, ::step]), cv2.COLOR_RGB2GRAY)
    return np.asarray(grey, dtype=np.uint8)
