"""What streams a clip has, and how long they are.

Layers, each a float64 scalar `()`:

    video_seconds   s      from the first frame to the end of the last; 0 without picture
    audio_seconds   s      samples over sample rate; 0 without sound
    has_video       0 or 1
    has_audio       0 or 1 0 also for an audio stream without samples
    frames                 number of frames
    frame_rate      Hz     as the container says, or what OpenCV would report; 0 without picture
    width, height   px     as shown, after rotation; 0 without picture
    sample_rate     Hz     0 without sound
    channels               0 without sound

It needs no stream, so that a clip without picture or sound is measured too. Lengths come from decoded samples and frame times,
not from headers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.types import ClipInfo, Extractor, Features, Preparation, Waveform


@dataclass(frozen=True)
class StreamFacts(Extractor):
    """What streams a clip has, and how long they are."""

    name: ClassVar[str] = "stream_facts"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = (
        "video_seconds",
        "audio_seconds",
        "has_video",
        "has_audio",
        "frames",
        "frame_rate",
        "width",
        "height",
        "sample_rate",
        "channels",
    )
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ()
    reads: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video", "audio")

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Wants no frames: their times are known."""
        return _Facts(info)


class _Facts(Preparation):
    def __init__(self, info: ClipInfo) -> None:
        self._info = info

    def finish(self, audio: Waveform | None) -> dict[str, NDArray[Any]]:
        info = self._info
        heard = audio if audio is not None and audio.samples.shape[1] else None
        values = {
            "video_seconds": info.video_seconds,
            "audio_seconds": heard.samples.shape[1] / heard.sample_rate if heard else 0.0,
            "has_video": info.frames > 0,
            "has_audio": heard is not None,
            "frames": info.frames,
            "frame_rate": info.frame_rate if info.frames else 0.0,
            "width": info.width if info.frames else 0,
            "height": info.height if info.frames else 0,
            "sample_rate": heard.sample_rate if heard else 0,
            "channels": len(heard.samples) if heard else 0,
        }
        return {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}
