"""LSE-C, lip-sync confidence of SyncNet: how much nearer face and sound are at the best shift than at the usual one.

Definition:
    Median less least of the mean distances between face and sound over 31 shifts (`avbench.lip_sync`).
Variants:
    They differ in the faces that are followed and in how tracks are averaged, see `avbench.lip_sync.LipSync`; numbers of
    different variants or detectors cannot be compared.
Shapes:
    row: (2,) confidence, number of tracks.
Range:
    0 and up, higher is better.
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
class LseC(LipSync):
    """Mean confidence; parameters as of `LipSync`."""

    name: ClassVar[str] = "lse_c"
    title: ClassVar[str] = "LSE-C: confidence of SyncNet that lips and sound belong together"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "Prajwal et al., arXiv:2008.10010; " + "; ".join(f"{k}: {v}" for k, v in SOURCES.items())
    columns: ClassVar[tuple[str, ...]] = ("lse_c", "tracks")

    def columns_of(self, found: list[Reading]) -> list[float]:
        """Mean confidence of the tracks."""
        return [float(np.mean([r.confidence for r in found]))]
