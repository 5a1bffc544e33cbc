"""Samples at full scale (%).

Definition:
    Percentage of the samples of all channels that are in a run of three or more with a magnitude of at least 0.999.
Columns:
    clipped: in %. peak: largest magnitude, dBFS, above 0 where a float sound goes over full scale. dc_offset: mean of the
    channel whose mean is furthest from 0, in full scales.
Range:
    0 to 100, lower is better.
Flags:
    clipped: more than 0.01 % of the samples, 48 in a second at 48 kHz. Recordings that only touch full scale stay below it,
    also where AAC put their peaks over it.
Source:
    own definition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench.types import Better, Features, Item, Metric, Need

CLIPPED = 1e-4
"""Share of the samples."""


@dataclass(frozen=True)
class Clipping(Metric):
    """Mean percentage of clipped samples (%)."""

    name: ClassVar[str] = "clipping"
    title: ClassVar[str] = "Samples at full scale"
    unit: ClassVar[str] = "%"
    better: ClassVar[Better] = "lower"
    revision: ClassVar[int] = 1
    always: ClassVar[bool] = True
    source: ClassVar[str] = "own definition"
    columns: ClassVar[tuple[str, ...]] = ("clipped", "peak", "dc_offset")

    def extractors(self) -> tuple[Need, ...]:
        """Levels of the sound."""
        return (Need.of("sound_levels"),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Clipped samples (%), peak (dBFS) and offset of one clip, `(3,)`."""
        clipped, peak, offset = (got[f"sound_levels.{layer}"].item() for layer in ("clipped_share", "peak", "dc_offset"))
        return np.array([100.0 * clipped, peak, offset])

    def flags(self, got: Features) -> tuple[str, ...]:
        """`clipped`."""
        return ("clipped",) if got["sound_levels.clipped_share"].item() > CLIPPED else ()
