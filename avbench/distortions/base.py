"""What a distortion is: a plan of frames, a new sound and perhaps a new look, from a clip, a parameter and a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avbench.errors import Unscorable

Sound = NDArray[np.float32]
Frame = NDArray[np.uint8]

LEVELS = 10
BLACK = -1
_SLACK = 1e-5


@dataclass(frozen=True, eq=False)
class Source:
    """A clip as distortions see it.

    Args:
        times: Display times of the frames in s, from 0.
        frame_rate: Of the output, Hz.
        seconds: From the first frame to the end of the last.
        height: Of the pictures.
        width: Of the pictures.
        audio: `(channels, N)`, its first sample at time 0; None without sound.
        sample_rate: Hz.
        other: Sound of another clip at the same rate and with the same channels, for `semantic_swap`.
    """

    times: NDArray[np.float64]
    frame_rate: float
    seconds: float
    height: int
    width: int
    audio: Sound | None
    sample_rate: int
    other: Sound | None = None

    @property
    def sound(self) -> Sound:
        """The sound, where a distortion cannot do without.

        Raises:
            Unscorable: `no_audio`.
        """
        if self.audio is None or not self.audio.shape[1]:
            raise Unscorable("no_audio")
        return self.audio

    def frames_at(self, times: NDArray[np.float64]) -> NDArray[np.intp]:
        """The frame that is shown at each time; the last one after the end."""
        found = np.searchsorted(self.times, times + _SLACK / self.frame_rate, side="right") - 1
        return np.clip(found, 0, len(self.times) - 1)

    def clock(self, seconds: float) -> NDArray[np.float64]:
        """Times of the output's frames that fill so many seconds."""
        return np.arange(max(1, int(np.ceil(seconds * self.frame_rate - _SLACK)))) / self.frame_rate

    def samples(self, seconds: float) -> int:
        """Seconds as a number of samples."""
        return round(seconds * self.sample_rate)

    def unchanged(self) -> Edit:
        """The clip as it is."""
        return Edit(self.frames_at(self.clock(self.seconds)), self.audio)


@dataclass(frozen=True, eq=False)
class Edit:
    """What becomes of a clip.

    Args:
        frames: For each frame of the output, the source's frame, or `BLACK`.
        audio: `(channels, N)` from time 0; None without sound.
        look: Changes a picture, given its place in the output; None leaves it.
    """

    frames: NDArray[np.intp]
    audio: Sound | None
    look: Callable[[Frame, int], Frame] | None = None


Apply = Callable[[Source, float, np.random.Generator], Edit]


@dataclass(frozen=True)
class Distortion:
    """One kind of damage at ten levels.

    Args:
        code: Two digits; 01 to 09 are the AVS Benchmark's.
        name: One word.
        title: A line for lists.
        unit: Of the parameter.
        parameters: At level 0 to 9.
        severity: Of each level, rising with the damage; the unit is its own.
        stream: Which stream it damages.
        apply: Makes the edit.
        source: Where it is defined.
    """

    code: str
    name: str
    title: str
    unit: str
    parameters: tuple[float, ...]
    severity: tuple[float, ...]
    stream: Literal["audio", "video", "both"]
    apply: Apply
    source: str = "avbench"

    def __post_init__(self) -> None:
        if not len(self.parameters) == len(self.severity) == LEVELS:
            raise ValueError(f"distortion {self.name} must have {LEVELS} parameters and severities")


def generator_for(clip: str, code: str, level: int, seed: int) -> np.random.Generator:
    """Random numbers that depend on clip, distortion, level and seed alone."""
    digest = hashlib.sha256(repr((clip, code, level, seed)).encode("utf-8", "surrogatepass")).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


AVS = "AVS Benchmark (arXiv:2404.07336), amazon-science/avgen-eval-toolkit 9cf014b, mediadistortions/audiovisual_distortions.py"
