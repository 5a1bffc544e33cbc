"""Published ways to choose frames of a clip: which of the decoded frames stand for which step of a time grid.

Source:
    FFmpeg `libavfilter/vf_fps.c` (release 5.1), what `-filter:v fps=N` and torio's `frame_rate` do;
    github.com/JavisVerse/JavisDiT `eval/javisbench/src/utils.py` `read_video_cv2` at b505b37.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avbench.types import Array, Preparation, Waveform

_TICKS = 6
"""Decimals of a step that are looked at: times come as binary fractions of seconds, and a half must stay a half."""


def ffmpeg_fps(times: NDArray[np.float64], end: float, rate: float) -> NDArray[np.intp]:
    """Frames as FFmpeg's `fps` filter gives them at a constant rate.

    A frame's time is rounded to the nearest step, halves away from zero. Each step shows the last frame that is not after
    it; the last frame is repeated up to the rounded end. The filter looks at times alone; `-r`, another way to a constant rate
    (`avbench.face_tracks.at_25`), looks at how long each frame is shown and lets places run ahead before it drops one, so that
    the two choose other frames of the same clip.

    Args:
        times: Display times of the frames, seconds from the first, rising, at least one.
        end: When the last frame ends, seconds.
        rate: Steps in a second.

    Returns:
        Index of a frame for every step.

    >>> ffmpeg_fps(np.arange(6) / 30.0, 6 / 30.0, 25.0).tolist()
    [0, 1, 2, 4, 5]
    """
    steps = _nearest(times * rate)
    count = int(_nearest(np.asarray([end * rate]))[0])
    return np.searchsorted(steps, np.arange(count), side="right") - 1


def _nearest(steps: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.floor(np.round(steps, _TICKS) + 0.5).astype(np.intp)


def evenly_spaced(count: int, wanted: int) -> NDArray[np.intp]:
    """`wanted` frames from first to last, some twice where there are fewer; spaced in float32 as by torch, halves to even.

    >>> evenly_spaced(5, 3).tolist()
    [0, 2, 4]
    """
    import torch

    return np.asarray(torch.linspace(0, count - 1, wanted).round().long().numpy(), dtype=np.intp)


@dataclass
class ChosenFrames(Preparation):
    """Frames in a chosen order; one that is shown twice is made once.

    Args:
        indices: The frame of each step.
        transform: `(H, W, 3)` RGB to what is kept of it.
    """

    indices: Sequence[int] | NDArray[np.intp]
    transform: Callable[[NDArray[np.uint8]], Array]
    made: dict[int, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.frames = np.unique(self.indices)

    def take(self, index: int, image: NDArray[np.uint8]) -> None:
        """Transform it."""
        self.made[index] = self.transform(image)

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        """`frames` (steps, ...)."""
        return {"frames": np.stack([self.made[int(index)] for index in self.indices])}
