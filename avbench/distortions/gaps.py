"""Sound, picture or both missing for a while: the AVS Benchmark's types 06 to 08.

The published code draws gaps from an unseeded generator; here they depend on clip, type, level and seed.
"""

from __future__ import annotations

import numpy as np

from avbench.distortions.base import AVS, BLACK, Distortion, Edit, Source
from avbench.errors import Unscorable

_LENGTHS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 4.0)
_SEVERITY = tuple(1 / x for x in _LENGTHS)

MUTE_SECONDS = 0.4
GAP_CHANCE = 0.4


def mute(source: Source, every: float, rng: np.random.Generator) -> Edit:
    """Silence of 0.4 s after every `every` s of sound."""
    audio = source.sound
    time = np.arange(audio.shape[1]) / source.sample_rate
    heard = np.mod(time + 1e-9, every + MUTE_SECONDS) < every
    return Edit(source.unchanged().frames, np.asarray(audio * heard, dtype=np.float32))


def gaps(source: Source, length: float, rng: np.random.Generator) -> Edit:
    """Segments of `length` s, each followed with chance 0.4 by black of the same length; the sound stays as it is.

    The picture gets longer than the sound, and what is left after the last whole segment is dropped.
    """
    count = int(source.seconds / length + 1e-9)
    if count < 1:
        raise Unscorable("too_short", f"{source.seconds:.2f} s hold no segment of {length:g} s")
    black = rng.random(count) < GAP_CHANCE
    pieces = np.concatenate([[k, BLACK] if gap else [k] for k, gap in enumerate(black)]).astype(np.intp)
    times = source.clock(len(pieces) * length)
    place = np.minimum(((times + 1e-9) / length).astype(np.intp), len(pieces) - 1)
    segment = pieces[place]
    frames = source.frames_at(segment * length + times - place * length)
    return Edit(np.where(segment == BLACK, BLACK, frames), source.audio)


def flicker(source: Source, longest: float, rng: np.random.Generator) -> Edit:
    """With chance 0.4 black and silence of up to `longest` s, otherwise `longest` s of the clip, until its end.

    Time goes on behind the gaps. A gap may reach beyond the end, and makes the clip that much longer.
    """
    starts, blank, time = [], [], 0.0
    while time < source.seconds:
        gap = bool(rng.random() < GAP_CHANCE)
        starts.append(time)
        blank.append(gap)
        time += float(rng.uniform(0, longest)) if gap else min(longest, source.seconds - time)
        if time >= source.seconds - 1e-9:
            break
    edges, missing = np.asarray(starts), np.asarray(blank)
    times = source.clock(max(time, source.seconds))

    def away(at: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        return np.asarray(missing[np.searchsorted(edges, at + 1e-9, side="right") - 1])

    frames = np.where(away(times), BLACK, source.frames_at(times))
    audio = source.audio
    if audio is not None:
        longer = max(0, source.samples(time) - audio.shape[1]) if blank[-1] else 0
        padded = np.pad(audio, ((0, 0), (0, longer)))
        audio = np.asarray(padded * ~away(np.arange(padded.shape[1]) / source.sample_rate), dtype=np.float32)
    return Edit(frames, audio)


DISTORTIONS = (
    Distortion("06", "audio_muting", "sound muted for 0.4 s again and again", "s", _LENGTHS, _SEVERITY, "audio", mute, AVS),
    Distortion("07", "video_gaps", "black gaps inserted into the picture", "s", _LENGTHS, _SEVERITY, "video", gaps, AVS),
    Distortion("08", "av_flicker", "picture and sound blank at times", "s", _LENGTHS, _SEVERITY, "both", flicker, AVS),
)
