"""Motion score: how much the picture moves, from Farneback's optical flow (% of the short side per second).

Definition:
    `per_second`: every picture is resized to a short side of 256 pixels; the mean flow magnitudes of all steps from frame to
    frame are added up and divided by the time from the first to the last frame and by 256: 100 % means that the average pixel
    travels one short side per second. `native`: the mean flow magnitude over all steps at native size and frame rate, in
    pixels per frame.
Shapes:
    row: (2,) the score, and the largest single step in the same unit (steps count as evenly spaced).
Range:
    >= 0; neither direction is better: a still picture scores about 0, and so does a good clip of a still scene.
Constant picture, one frame:
    about 0 (Farneback leaves a few thousandths of a pixel on fine texture); one frame is `Unscorable("too_short")`.
Source:
    own definition on the flow of AV-Align (`optical_flow`). No published motion score is reproduced: Verse-Bench's uses
    RAFT and averages |u| and |v|, and no code is public for the score cited to Stable Video Diffusion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.errors import Unscorable
from avbench.types import Array, Better, Features, Item, Metric, Need

Variant = Literal["per_second", "native"]

SHORT_SIDE = 256
"""Pixels; `per_second` measures the flow at this size, since Farneback's window has a fixed number of pixels."""


@dataclass(frozen=True)
class MotionScore(Metric):
    """Mean over clips of the average speed of the picture.

    Args:
        variant: `per_second`, comparable across sizes and frame rates, in % of the short side per second; `native`, pixels per
            frame.

    Raises:
        BadParameter: for another variant.
    """

    variant: Variant = "per_second"

    name: ClassVar[str] = "motion_score"
    title: ClassVar[str] = "Motion score: average optical flow"
    unit: ClassVar[str] = "%/s"
    better: ClassVar[Better] = "none"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "own definition, on the optical flow of AV-Align (arXiv:2309.16429)"
    columns: ClassVar[tuple[str, ...]] = ("motion_score", "largest_step")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variant == "native":
            object.__setattr__(self, "unit", "px/frame")

    def extractors(self) -> tuple[Need, ...]:
        """Flow of the picture."""
        return (Need.of("optical_flow", resize=None if self.variant == "native" else f"min={SHORT_SIDE}"),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Average and largest motion of one clip: `(2,)`.

        Raises:
            Unscorable: `too_short` if the frames take no time.
        """
        steps = got["optical_flow.mean_magnitude"][1:]
        scale = 1.0 if self.variant == "native" else _percent_per_second(got)
        return np.array([steps.mean() * scale, steps.max() * scale], dtype=np.float64)

    def trace(self, item: Item, got: Features, ref: Features | None) -> Mapping[str, Array]:
        """The flow over time, pixels per frame."""
        return {"flow": got["optical_flow.mean_magnitude"], "flow_times": got["optical_flow.frame_times"]}


def _percent_per_second(got: Features) -> float:
    """What a mean step in pixels is multiplied with: steps per second, and percent of the short side in one pixel."""
    times = got["optical_flow.frame_times"]
    seconds = float(times[-1] - times[0])
    if not seconds > 0:
        raise Unscorable("too_short", "all frames have the same time")
    return 100.0 * (len(times) - 1) / seconds / float(got["optical_flow.frame_size"].min())
