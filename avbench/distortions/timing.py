"""Sound and picture against each other: the AVS Benchmark's types 01 to 05 and 09.

Frames and samples are taken where the published code (MoviePy) takes them: the frame or sample shown at the time, without
blending or filtering, so that faster sound is higher. Streams may end at different times, as there: sound that is sped up
ends early, and so does a picture that is. Shuffling drops what is left after the last whole fragment.
"""

from __future__ import annotations

import numpy as np

from avbench.distortions.base import AVS, Distortion, Edit, Sound, Source
from avbench.errors import Unscorable

_SPEEDS = (0.025, 0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.4, 0.5, 0.75)
_SHIFTS = (1.0, 0.5, 0.125, -0.045, -0.1, -0.125, -0.25, -0.5, -1.0, -2.0)
_FRAGMENTS = (0.3, 0.4, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)


def shift(source: Source, seconds: float, rng: np.random.Generator) -> Edit:
    """Positive: the sound starts early, as much is cut from its end (so it stops twice as early); negative: it starts late."""
    audio, whole = source.sound, source.samples(source.seconds)
    by = source.samples(abs(seconds))
    if by >= whole or (seconds > 0 and 2 * by >= whole):
        raise Unscorable("too_short", f"a shift of {seconds:g} s leaves no sound in {source.seconds:.2f} s")
    if seconds > 0:
        moved = audio[:, by : whole - by]
    else:
        moved = np.concatenate([np.zeros((len(audio), by), dtype=np.float32), audio[:, : whole - by]], axis=1)
    if not moved.shape[1]:
        raise Unscorable("too_short", f"the sound ends before {seconds:g} s")
    return Edit(source.unchanged().frames, moved)


def audio_speed(source: Source, factor: float) -> Edit:
    """The sound played `factor` times as fast, pitch and all, cut at the end of the picture."""
    audio = source.sound
    length = min(int(audio.shape[1] / factor), source.samples(source.seconds))
    if not length:
        raise Unscorable("too_short", "no sound is left")
    taken = np.minimum((np.arange(length) * factor).astype(np.intp), audio.shape[1] - 1)
    return Edit(source.unchanged().frames, audio[:, taken])


def video_speed(source: Source, factor: float) -> Edit:
    """The picture played `factor` times as fast, cut at the end of the sound."""
    seconds = source.seconds / factor
    if source.audio is not None:
        seconds = min(seconds, max(source.audio.shape[1] / source.sample_rate, 1 / source.frame_rate))
    return Edit(source.frames_at(source.clock(seconds) * factor), source.audio)


def shuffle(source: Source, fragment: float, rng: np.random.Generator) -> Edit:
    """Whole fragments in another order, sound and picture together."""
    count = int(source.seconds / fragment + 1e-9)
    if count < 1:
        raise Unscorable("too_short", f"{source.seconds:.2f} s hold no fragment of {fragment:g} s")
    order = rng.permutation(count)
    times = source.clock(count * fragment)
    place = np.minimum(((times + 1e-9) / fragment).astype(np.intp), count - 1)
    frames = source.frames_at(order[place] * fragment + times - place * fragment)
    return Edit(frames, None if source.audio is None else _in_order(source, source.audio, order, fragment))


def _in_order(source: Source, audio: Sound, order: np.ndarray[tuple[int, ...], np.dtype[np.intp]], fragment: float) -> Sound:
    ends = [source.samples(k * fragment) for k in range(len(order) + 1)]
    # Sound that ends before the picture is silence in the fragments after it.
    missing = max(0, ends[-1] - audio.shape[1])
    padded = np.pad(audio, ((0, 0), (0, missing)))
    return np.concatenate([padded[:, ends[k] : ends[k + 1]] for k in order], axis=1)


DISTORTIONS = (
    Distortion(
        "01", "audio_shift", "sound early (+) or late (-)", "s", _SHIFTS, tuple(abs(s) for s in _SHIFTS), "audio", shift, AVS
    ),
    Distortion(
        "02", "audio_speed_up", "sound played faster", "", _SPEEDS, _SPEEDS, "audio", lambda s, x, _: audio_speed(s, 1 + x), AVS
    ),
    Distortion(
        "03",
        "video_speed_up",
        "picture played faster",
        "",
        _SPEEDS,
        _SPEEDS,
        "video",
        lambda s, x, _: video_speed(s, 1 + x),
        AVS,
    ),
    Distortion(
        "04",
        "audio_slow_down",
        "sound played slower",
        "",
        _SPEEDS,
        _SPEEDS,
        "audio",
        lambda s, x, _: audio_speed(s, 1 - x),
        AVS,
    ),
    Distortion(
        "05",
        "video_slow_down",
        "picture played slower",
        "",
        _SPEEDS,
        _SPEEDS,
        "video",
        lambda s, x, _: video_speed(s, 1 - x),
        AVS,
    ),
    Distortion(
        "09",
        "fragment_shuffle",
        "fragments in another order",
        "s",
        _FRAGMENTS,
        tuple(1 / x for x in _FRAGMENTS),
        "both",
        shuffle,
        AVS,
    ),
)
