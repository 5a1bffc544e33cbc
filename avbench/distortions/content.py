"""Frames that stand still, and sound that belongs to another clip."""

from __future__ import annotations

import numpy as np

from avbench.distortions.base import Distortion, Edit, Source
from avbench.errors import Unscorable

_DROPPED = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_SWAPPED = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def drop(source: Source, chance: float, rng: np.random.Generator) -> Edit:
    """Each frame but the first is replaced with this chance by the one shown before it."""
    frames = source.unchanged().frames
    kept = rng.random(len(frames)) >= chance
    kept[0] = True
    last = np.maximum.accumulate(np.where(kept, np.arange(len(frames)), 0))
    return Edit(frames[last], source.audio)


def swap(source: Source, share: float, rng: np.random.Generator) -> Edit:
    """A stretch of the sound, this share of it, is another clip's, as loud as what it replaces."""
    audio, other = source.sound, source.other
    if other is None or not other.shape[1]:
        raise Unscorable("no_audio", "there is no other clip with sound to take it from")
    length = max(1, round(share * audio.shape[1]))
    first = int(rng.integers(0, audio.shape[1] - length + 1))
    begin = int(rng.integers(0, other.shape[1])) if other.shape[1] > length else 0
    taken = np.take(other, np.arange(begin, begin + length), axis=1, mode="wrap")
    loud, wanted = (float(np.sqrt(np.mean(np.square(a, dtype=np.float64)))) for a in (taken, audio[:, first : first + length]))
    if loud > 0:
        taken = taken * np.float32(wanted / loud)
    mixed = audio.copy()
    mixed[:, first : first + length] = np.clip(taken, -1.0, 1.0)
    return Edit(source.unchanged().frames, mixed)


DISTORTIONS = (
    Distortion("14", "frame_drop", "frames replaced by the one before", "chance", _DROPPED, _DROPPED, "video", drop),
    Distortion("15", "semantic_swap", "sound of another clip", "share", _SWAPPED, _SWAPPED, "audio", swap),
)
