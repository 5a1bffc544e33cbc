"""LSE-D, lip-sync distance of SyncNet: how far face and sound are from one another at the best shift.

Definition:
    Least of the mean distances between face and sound over 31 shifts (`avbench.lip_sync`).
Variants:
    They differ in the faces that are followed and in how tracks are averaged, see `avbench.lip_sync.LipSync`; numbers of
    different variants or detectors cannot be compared.
Shapes:
    row: (2,) distance, number of tracks.
Range:
    0 and up, lower is better.
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
class LseD(LipSync):
    """Mean least distance; parameters as of `LipSync`."""

    name: ClassVar[str] = "lse_d"
    title: ClassVar[str] = "LSE-D: distance of SyncNet between lips and sound at the best shift"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "lower"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "Prajwal et al., arXiv:2008.10010; " + "; ".join(f"{k}: {v}" for k, v in SOURCES.items())
    columns: ClassVar[tuple[str, ...]] = ("lse_d", "tracks")

    def columns_of(self, found: list[Reading]) -> list[float]:
        """Mean least distance of the tracks."""
        return [float(np.mean([r.distance for r in found]))]
