"""Length of the clip (s).

Definition:
    The longer of picture and sound, from decoded frames and samples. A stream that is missing has length 0.
Columns:
    duration, video_seconds, audio_seconds, difference: all in s; difference is sound minus picture.
Range:
    >= 0; reported, not ranked.
Flags:
    lengths_differ: picture and sound are both there, and their lengths differ by more than 0.1 s and by more than 5 % of the
    longer one. 0.1 s allows for a codec's frame and padding (an AAC frame is 21 to 128 ms), 5 % for long clips.
Source:
    own definition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench.types import Better, Features, Item, Metric, Need

APART_SECONDS = 0.1
APART_PART = 0.05


@dataclass(frozen=True)
class Duration(Metric):
    """Mean length of the clips (s)."""

    name: ClassVar[str] = "duration"
    title: ClassVar[str] = "Length of the clip"
    unit: ClassVar[str] = "s"
    better: ClassVar[Better] = "none"
    revision: ClassVar[int] = 1
    always: ClassVar[bool] = True
    source: ClassVar[str] = "own definition"
    columns: ClassVar[tuple[str, ...]] = ("duration", "video_seconds", "audio_seconds", "difference")

    def extractors(self) -> tuple[Need, ...]:
        """The lengths of the streams."""
        return (Need.of("stream_facts"),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Lengths of one clip, `(4,)`, in s."""
        video, audio = got["stream_facts.video_seconds"].item(), got["stream_facts.audio_seconds"].item()
        return np.array([max(video, audio), video, audio, audio - video])

    def flags(self, got: Features) -> tuple[str, ...]:
        """`lengths_differ`."""
        video, audio = got["stream_facts.video_seconds"].item(), got["stream_facts.audio_seconds"].item()
        both = got["stream_facts.has_video"].item() and got["stream_facts.has_audio"].item()
        apart = abs(audio - video) > max(APART_SECONDS, APART_PART * max(audio, video))
        return ("lengths_differ",) if both and apart else ()
