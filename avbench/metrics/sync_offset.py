"""Sync offset of SyncNet: by how many frames the sound is early or late, whichever it is.

Definition:
    The shift with the least mean distance between face and sound, of 31 (`avbench.lip_sync`), without its sign. The row keeps
    the signed offset, positive where the sound comes early; signed offsets of many clips cancel, so they are not averaged.
Variants:
    They differ in the faces that are followed and in how tracks are averaged, see `avbench.lip_sync.LipSync`; numbers of
    different variants or detectors cannot be compared.
Shapes:
    row: (3,) absolute offset, signed offset, number of tracks.
Range:
    0 to 15 frames at 25 per second (0.04 s each), lower is better.
No face:
    `Unscorable("no_face")` where no face is followed for long enough.
Source:
    Prajwal et al., arXiv:2008.10010; Chung and Zisserman, 2016; code named in `avbench.lip_sync.SOURCES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from avbench.lip_sync import SOURCES, LipSync, Reading
from avbench.types import Better


@dataclass(frozen=True)
class SyncOffset(LipSync):
    """Mean absolute offset; parameters as of `LipSync`. `latentsync` cuts a clip's mean to a whole number, as published."""

    name: ClassVar[str] = "sync_offset"
    title: ClassVar[str] = "Sync offset: frames between lips and sound by SyncNet"
    unit: ClassVar[str] = "frames"
    better: ClassVar[Better] = "lower"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "Chung and Zisserman, 2016; " + "; ".join(f"{k}: {v}" for k, v in SOURCES.items())
    columns: ClassVar[tuple[str, ...]] = ("absolute_offset", "offset", "tracks")

    def columns_of(self, found: list[Reading]) -> list[float]:
        """Mean over the tracks, without and with the sign."""
        signed = float(np.mean([r.offset for r in found]))
        if self.variant == "latentsync":
            signed = float(int(signed))
            return [abs(signed), signed]
        return [float(np.mean([abs(r.offset) for r in found])), signed]
