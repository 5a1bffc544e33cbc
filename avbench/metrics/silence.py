"""Time without sound (%).

Definition:
    Percentage of the clip's sound in frames of 20 ms in which the RMS of every channel, its mean taken away, is below -60 dBFS.
Columns:
    silent: in %. mono_ratio: power of the average of the channels over their average power, dB, 0 to -120.
Range:
    0 to 100, lower is better. A pause is no fault: compare with the reference clips, which have pauses too.
Flags:
    silent: every frame is silent.
    antiphase: the average of the channels has less than a tenth of their power (-10 dB), so what is heard in stereo is nearly
    silent for the mono networks. Independent channels are at -3 dB, one full channel of eight at -9 dB; channels of opposite
    sign stay below -10 dB through AAC, which makes them less opposite.
Source:
    own definition; -60 dBFS is the default of FFmpeg's silencedetect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench.types import Better, Features, Item, Metric, Need

ANTIPHASE = -10.0
"""dB."""


@dataclass(frozen=True)
class Silence(Metric):
    """Mean percentage of silent time (%)."""

    name: ClassVar[str] = "silence"
    title: ClassVar[str] = "Time without sound"
    unit: ClassVar[str] = "%"
    better: ClassVar[Better] = "lower"
    revision: ClassVar[int] = 1
    always: ClassVar[bool] = True
    source: ClassVar[str] = "own definition; level of FFmpeg's silencedetect"
    columns: ClassVar[tuple[str, ...]] = ("silent", "mono_ratio")

    def extractors(self) -> tuple[Need, ...]:
        """Levels of the sound."""
        return (Need.of("sound_levels"),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Silent time (%) and mono ratio (dB) of one clip, `(2,)`."""
        return np.array([100.0 * got["sound_levels.silent_share"].item(), got["sound_levels.mono_ratio"].item()])

    def flags(self, got: Features) -> tuple[str, ...]:
        """`silent`, `antiphase`."""
        if got["sound_levels.all_silent"].item():
            return ("silent",)
        return ("antiphase",) if got["sound_levels.mono_ratio"].item() < ANTIPHASE else ()
