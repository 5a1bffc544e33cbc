"""Shots: where the picture changes as much as at a cut, in frames at 25 per second.

Definition:
    Every n-th pixel (n by the width) in hue, saturation and value; the change of a frame is the mean absolute difference to the
    frame before, over pixels and the three channels. A change of 30 or more is a cut, unless there was one less than 15 frames
    before.
Source:
    github.com/Breakthrough/PySceneDetect 0.5.1 `ContentDetector` with its defaults, as github.com/joonson/syncnet_python
    `run_pipeline.py` at 6efbb1c calls it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.face_tracks import at_25, change, cuts_of, hsv
from avbench.types import Array, ClipInfo, Extractor, Features, Preparation, Waveform


@dataclass(frozen=True)
class Shots(Extractor):
    """Cuts of the picture.

    Layers: `cuts` (n,) int64, the frame at 25 per second that begins each shot but the first; `content` (frames,) float64, the
    change against the frame before, 0 to 255, 0 for the first.
    """

    name: ClassVar[str] = "shots"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("cuts", "content")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video",)
    packages: ClassVar[tuple[str, ...]] = ("opencv-python-headless", "numpy")

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip."""
        return _Changes(at_25(info))


@dataclass
class _Changes(Preparation):
    order: NDArray[np.intp]
    before: NDArray[np.uint8] | None = None
    changes: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.frames = np.unique(self.order)

    def take(self, index: int, image: NDArray[np.uint8]) -> None:
        now = hsv(image)
        self.changes[index] = change(self.before, now) if self.before is not None else 0.0
        self.before = now

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        again = np.diff(self.order, prepend=-1) == 0  # a frame that is shown twice does not change
        content = np.where(again, 0.0, [self.changes[int(index)] for index in self.order])
        return {"cuts": cuts_of(content), "content": content}
