"""The ground truth with its sound too late: every measure of synchrony has to notice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench.encode import replace_audio
from avbench.errors import AvbenchError, BadClip, BadParameter
from avbench.folders import file_name
from avbench.generators.reference import reference_clips
from avbench.media import Reader
from avbench.types import Clip, ClipFile, Generator, Item, Suite, Waveform


@dataclass(frozen=True)
class Shifted(Generator):
    """Reference clips with the same pictures and the sound moved.

    Args:
        seconds: How much later the sound comes; what leaves the clip at its end is lost, silence comes in at its start.
            Negative is earlier.
    """

    seconds: float = 0.5

    name: ClassVar[str] = "shifted"
    title: ClassVar[str] = "ground truth with its sound moved, 0.5 s late unless said otherwise"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "avbench"
    conditions: ClassVar[tuple[str, ...]] = ("reference",)
    checked: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not np.isfinite(self.seconds):
            raise BadParameter(f"shifted: seconds must be a finite number, got {self.seconds}")

    def generate(self, items: Sequence[Item], *, suite: Suite, seed: int, folder: Path) -> Iterator[Clip | ClipFile]:
        """Copy the pictures packet by packet and write the moved sound."""
        clips = reference_clips(suite, items, self.name)
        for item in items:
            sound = sound_of(clips[item.id])
            path = folder / f"{file_name(item.id)}.mp4"
            moved = shift(sound.samples, round(self.seconds * sound.sample_rate))
            replace_audio(path, clips[item.id].path, moved, sound.sample_rate)
            yield ClipFile(item.id, path, None, item.prompt)


def shift(samples: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """`(channels, N)` moved right by `by` samples, silence moving in, same length."""
    out = np.zeros_like(samples)
    count = samples.shape[1] - abs(by)
    if count > 0:
        out[:, max(by, 0) : max(by, 0) + count] = samples[:, max(-by, 0) : max(-by, 0) + count]
    return out


def sound_of(clip: ClipFile) -> Waveform:
    """The sound of a reference clip, at most two channels.

    Raises:
        AvbenchError: if it has none or cannot be read.
    """
    try:
        with Reader(clip) as reader:
            for _ in reader.frames(picture=False):
                pass
            sound = reader.audio()
    except BadClip as error:
        raise AvbenchError(f"reference clip '{clip.id}' cannot be used: {error} ({clip.path})") from error
    if sound is None:
        raise AvbenchError(f"reference clip '{clip.id}' has no sound to move: {clip.path}")
    return Waveform(sound.samples[:2], sound.sample_rate)
