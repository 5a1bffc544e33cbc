"""ImageBind: one embedding for a whole clip, the mean over short pieces of it and over three places in the picture.

Input:
    | clips | pieces of two frames | size |
    |---|---|---|
    | `imagebind` | first and last frame of each of 5 spans of 2 s | short side to 224 bilinear, no antialiasing, not rounded |
    | `av_benchmark` | neighbours among the frames at 0.5 per second | short side to 224 bicubic with antialiasing, 8 bits |

    Long sides are rounded down. From each piece three squares of 224 x 224: both ends and the middle of the long side. CLIP's
    mean and deviation are taken out. Spans begin at i (seconds - 2) / 4 (`positions` says more) and hold the frames from
    ceil(rate begin) to ceil(rate (begin + 2)), the end left out. FFmpeg's filter `fps=0.5`, which `av_benchmark` uses, gives
    for the time 2 n the last frame before 2 n + 1.
Source:
    arXiv:2305.05665; github.com/facebookresearch/ImageBind `imagebind/data.py` at 53680b0;
    github.com/facebookresearch/pytorchvideo at 28fe037; github.com/hkchengrex/av-benchmark `av_bench/data/video_dataset.py`,
    `extract_video.py` at 050a5cd.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.clip_input import SIDE, normalised
from avbench.errors import BadParameter, Unscorable
from avbench.frame_choice import ChosenFrames
from avbench.imagebind import (
    CHECKPOINT,
    CLIP_SECONDS,
    Positions,
    by_rows,
    clip_starts,
    network,
    three_crops,
)
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation

if TYPE_CHECKING:
    from torch import Tensor

Clips = Literal["imagebind", "av_benchmark"]

_SPANS = 5
_RATE = 0.5


@dataclass(frozen=True)
class ImagebindVideo(Extractor):
    """The clip embedding of the vision tower.

    Layers: `embedding` (1024,) float32: a mean of vectors of length 1.

    Unused keys of the checkpoint: the towers of depth, thermal and inertial data.

    Args:
        clips: Which frames and how they are resized; see the module.
        positions: Where the 5 spans of `imagebind` begin.
        seconds: What `av_benchmark` uses of a clip's beginning, at least 4; shorter clips are refused.

    Raises:
        BadParameter: for another choice, or seconds below 4.
    """

    clips: Clips = "imagebind"
    positions: Positions = "pinned"
    seconds: float = 8.0

    name: ClassVar[str] = "imagebind_video"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("embedding",)
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video",)
    packages: ClassVar[tuple[str, ...]] = ("numpy", "torch")
    weights: ClassVar[Checkpoint | None] = CHECKPOINT
    batch_size: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 4.0 <= self.seconds < math.inf:
            raise BadParameter(f"imagebind_video: seconds must be at least 4, which make two frames, got {self.seconds}")

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip.

        Raises:
            Unscorable: `too_short` if a span holds no frame (a rate below 0.5), or for fewer seconds than `av_benchmark` uses.
        """
        if self.clips == "imagebind":
            return ChosenFrames(spans(info.frames, info.frame_rate, self.positions), functools.partial(resized, smooth=False))
        indices = half_rate(info.frame_times, info.video_seconds, int(_RATE * self.seconds))
        return ChosenFrames(indices, functools.partial(resized, smooth=True))

    def load(self, weights: Path | None, device: str) -> Forward:
        """The vision tower, ready on `device`: `frames` (clips, F, 3, h, w) to the layers.

        Frames are uint8, or float32 in [0, 1]; one side is 224. For `imagebind` the two frames of a piece follow each other.

        Raises:
            BadParameter: if the file is not in ImageBind's layout.
        """
        import torch

        made = network(weights, "vision", device)

        step = 2 if self.clips == "imagebind" else 1

        def pieces(frames: Tensor) -> Tensor:
            """One clip, (F, 3, h, w) to (views, 3, 2, 224, 224)."""
            squares = three_crops(frames).transpose(1, 2)  # (3, 3, F, 224, 224)
            return squares.unfold(2, 2, step).permute(0, 2, 1, 5, 3, 4).flatten(0, 1)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            # The views of one clip fill the network's rows; those of a whole batch would fill the memory.
            rows = [by_rows(made.vision, pieces(normalised(clip))).mean(dim=0) for clip in batch["frames"]]
            return {"embedding": torch.stack(rows)}

        return forward


def spans(frames: int, frame_rate: float, positions: Positions) -> list[int]:
    """First and last frame of each of the spans of 2 s, one after the other; of one where all are equal.

    Raises:
        Unscorable: `too_short` if a span holds no frame.

    >>> spans(96, 24.0, "pinned")
    [0, 47, 12, 59, 24, 71, 36, 83, 48, 95]
    """
    starts = clip_starts(frames / frame_rate, _SPANS, positions)
    found = []
    for start in starts if starts[-1] > 0 else starts[:1]:
        first, end = math.ceil(frame_rate * start), min(math.ceil(frame_rate * (start + CLIP_SECONDS)), frames)
        if first >= end:
            raise Unscorable(
                "too_short", f"imagebind_video: no frame from {float(start):.3f} s on for 2 s, at {frame_rate:g} Hz"
            )
        found += [first, end - 1]
    return found


def half_rate(times: NDArray[np.float64], seconds: float, count: int) -> list[int]:
    """The first `count` frames that FFmpeg's filter `fps=0.5` gives.

    Args:
        times: Of the frames, seconds from the first.
        seconds: From the first frame to the end of the last.
        count: How many.

    Raises:
        Unscorable: `too_short` if it gives fewer.

    >>> half_rate(np.arange(192) / 24, 8.0, 4)
    [23, 71, 119, 167]
    """
    there = math.floor(seconds * _RATE + 0.5)
    if there < count:
        raise Unscorable(
            "too_short",
            f"imagebind_video[av_benchmark] needs {count} frames at 0.5 Hz, the {seconds:.2f} s of the clip make {there}",
        )
    slots = np.floor(times * _RATE + 0.5)
    return [int(np.searchsorted(slots, number, side="right")) - 1 for number in range(count)]


def resized(image: NDArray[np.uint8], *, smooth: bool) -> Array:
    """A frame with its short side at 224.

    Args:
        image: `(H, W, 3)` RGB.
        smooth: Bicubic with antialiasing, 8 bits, as av-benchmark; or bilinear without either, as ImageBind.

    Returns:
        `(3, h, w)`, uint8, or float32 in [0, 1].
    """
    import torch
    from torch.nn.functional import interpolate

    height, width = image.shape[:2]
    frame = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
    if smooth:
        size = (int(SIDE * height / width), SIDE) if width <= height else (SIDE, int(SIDE * width / height))
        made = interpolate(frame, size=size, mode="bicubic", align_corners=False, antialias=True)
    else:
        size = (math.floor(height / width * SIDE), SIDE) if width < height else (SIDE, math.floor(width / height * SIDE))
        made = interpolate(frame.float() / 255, size=size, mode="bilinear", align_corners=False)
    return np.asarray(made[0].contiguous().numpy())
