"""Time in which the picture stands still (%).

Definition:
    Percentage of the pairs of neighbouring frames without change. Change is the mean absolute difference of grey copies of at
    most 128 x 128; there is none below 0.02 of 255 levels, nor below a tenth of the change just before and just after. A clip
    of one frame is at 100.
Columns:
    unchanged: in %. black: frames of which 98 % is nearly black, in %. luma: mean brightness, 0 to 255.
Range:
    0 to 100, lower is better. A frame rate that was raised by repeating frames shows up here: 50 % for a doubled one.
Flags:
    constant_picture: the clip is a still picture: at least 90 % unchanged, and never far from its first frame.
    black_picture: more than half of the frames are black.
Source:
    own definition; black as in FFmpeg's blackdetect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench.types import Array, Better, Features, Item, Metric, Need

BLACK = 0.5
"""Share of the frames."""


@dataclass(frozen=True)
class StaticPicture(Metric):
    """Mean percentage of frame pairs without change (%)."""

    name: ClassVar[str] = "static_picture"
    title: ClassVar[str] = "Time in which the picture stands still"
    unit: ClassVar[str] = "%"
    better: ClassVar[Better] = "lower"
    revision: ClassVar[int] = 1
    always: ClassVar[bool] = True
    source: ClassVar[str] = "own definition; black as in FFmpeg's blackdetect"
    columns: ClassVar[tuple[str, ...]] = ("unchanged", "black", "luma")

    def extractors(self) -> tuple[Need, ...]:
        """Brightness and change of the picture."""
        return (Need.of("picture_levels"),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Unchanged pairs (%), black frames (%) and brightness (0 to 255) of one clip, `(3,)`."""
        unchanged, black = got["picture_levels.unchanged_share"].item(), got["picture_levels.black_share"].item()
        return np.array([100.0 * unchanged, 100.0 * black, got["picture_levels.luma"].mean()])

    def flags(self, got: Features) -> tuple[str, ...]:
        """`constant_picture`, `black_picture`."""
        raised = {
            "constant_picture": got["picture_levels.constant"].item(),
            "black_picture": got["picture_levels.black_share"].item() > BLACK,
        }
        return tuple(code for code, value in raised.items() if value)

    def trace(self, item: Item, got: Features, ref: Features | None) -> Mapping[str, Array]:
        """Brightness `(T,)` and change from frame to frame `(T-1,)`, 0 to 255."""
        return {"luma": got["picture_levels.luma"], "change": got["picture_levels.change"]}
