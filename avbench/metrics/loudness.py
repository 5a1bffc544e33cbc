"""Integrated loudness (LUFS).

Definition:
    K-weighted level of the whole clip with an absolute gate at -70 LUFS and a relative one 10 LU below; of one ungated block
    where the clip is shorter than 400 ms. The extractor `sound_levels` has the details.
Columns:
    loudness: LUFS. peak: sample peak, dBFS. rms: dBFS.
Range:
    -70 to about +3 LUFS; reported, not ranked: broadcast practice is -23, streaming about -14. The score is the mean of the
    clips' values in LUFS, not the loudness of the clips in a row.
Silence:
    A clip that never exceeds -70 LUFS has no loudness: reason `silent`.
Source:
    Recommendation ITU-R BS.1770-4 (10/2015), Annex 1; EBU R 128.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench.errors import Unscorable
from avbench.types import Array, Better, Features, Item, Metric, Need

GATE = -70.0
"""LUFS, the absolute gate."""


@dataclass(frozen=True)
class Loudness(Metric):
    """Mean integrated loudness (LUFS)."""

    name: ClassVar[str] = "loudness"
    title: ClassVar[str] = "Integrated loudness"
    unit: ClassVar[str] = "LUFS"
    better: ClassVar[Better] = "none"
    revision: ClassVar[int] = 1
    always: ClassVar[bool] = True
    source: ClassVar[str] = "ITU-R BS.1770-4 (10/2015), Annex 1; EBU R 128"
    columns: ClassVar[tuple[str, ...]] = ("loudness", "peak", "rms")

    def extractors(self) -> tuple[Need, ...]:
        """Levels of the sound."""
        return (Need.of("sound_levels"),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Loudness (LUFS), peak and RMS (dBFS) of one clip, `(3,)`.

        Raises:
            Unscorable: `silent`, if the sound never exceeds -70 LUFS.
        """
        loudness, peak, rms = (got[f"sound_levels.{layer}"].item() for layer in ("loudness", "peak", "rms"))
        if loudness <= GATE:
            raise Unscorable("silent", f"the sound never exceeds {GATE:.0f} LUFS; its peak is at {peak:.1f} dBFS")
        return np.array([loudness, peak, rms])

    def trace(self, item: Item, got: Features, ref: Features | None) -> Mapping[str, Array]:
        """Momentary loudness (LUFS), one value every 100 ms, each over the 400 ms that follow."""
        return {"momentary": got["sound_levels.momentary"]}
