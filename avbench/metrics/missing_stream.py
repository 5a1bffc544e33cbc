"""Clips without picture or without sound (%).

Definition:
    100 for a clip that lacks a stream, 0 for one with both; the score is the mean, the percentage of clips. A stream without
    frames or samples is missing.
Columns:
    missing, no_video, no_audio: each 0 or 100.
Range:
    0 to 100, lower is better.
Flags:
    no_video: there is no picture. no_audio: there is no sound.
Source:
    own definition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench.types import Better, Features, Item, Metric, Need


@dataclass(frozen=True)
class MissingStream(Metric):
    """Percentage of clips that lack picture or sound (%)."""

    name: ClassVar[str] = "missing_stream"
    title: ClassVar[str] = "Clips without picture or sound"
    unit: ClassVar[str] = "%"
    better: ClassVar[Better] = "lower"
    revision: ClassVar[int] = 1
    always: ClassVar[bool] = True
    source: ClassVar[str] = "own definition"
    columns: ClassVar[tuple[str, ...]] = ("missing", "no_video", "no_audio")

    def extractors(self) -> tuple[Need, ...]:
        """Which streams there are."""
        return (Need.of("stream_facts"),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Three times 0 or 100 for one clip, `(3,)`, in %."""
        no_video = 1.0 - got["stream_facts.has_video"].item()
        no_audio = 1.0 - got["stream_facts.has_audio"].item()
        return 100.0 * np.array([max(no_video, no_audio), no_video, no_audio])

    def flags(self, got: Features) -> tuple[str, ...]:
        """`no_video`, `no_audio`."""
        there = {"no_video": got["stream_facts.has_video"].item(), "no_audio": got["stream_facts.has_audio"].item()}
        return tuple(code for code, value in there.items() if not value)
