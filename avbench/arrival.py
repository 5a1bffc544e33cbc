"""What is looked at when a model's clip arrives: a clip that is broken fails alone, and is made again by the same command.

Both streams that the model promises; one length for picture and sound; a length near what was asked for; no NaN; not one value
throughout. Everything else (silence, stillness, level, drift) is the metrics' affair.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadClip
from avbench.media import Reader
from avbench.types import Clip, ClipFile, Generator, Item, Stream, Suite, Waveform

WITHIN = 0.2
"""Of the wanted length."""
_LOSSLESS = (".wav", ".flac")
_CODEC_FRAME = 2048
"""Samples by which a lossy track may be longer than its sound."""


def fault(clip: Clip | ClipFile, item: Item, suite: Suite, generator: Generator) -> str | None:
    """What is wrong with a clip of a model, in a line; None for a sound one."""
    wanted = generator.clip_seconds or item.seconds or suite.seconds
    return fault_of(clip, generator.produces, wanted)


def fault_of(clip: Clip | ClipFile, produces: Iterable[Stream], wanted: float | None) -> str | None:
    """The same for the streams of a stage.

    Args:
        clip: In memory or on disk; a file is decoded to its end.
        produces: Streams that have to be there; what is there besides is not looked at.
        wanted: Length in seconds; None for any.
    """
    streams = set(produces)
    if streams == {"text"}:
        return None if isinstance(clip, Clip) and clip.text.strip() else "the model gave no text"
    try:
        with Reader(clip) as reader:
            if "video" in streams and reader.info.frames == 0:
                return "there is no picture, which the model promises"
            flat = _flat(reader.frames(picture="video" in streams))
            sound = reader.audio() if "audio" in streams else None
            info = reader.info
    except BadClip as error:
        return f"the clip cannot be used: {error}"
    if "video" in streams and flat:
        return "every pixel of the picture has the same value"
    if "audio" in streams:
        silent = _constant(sound)
        if silent is not None:
            return silent
    heard = 0.0 if sound is None else sound.samples.shape[1] / sound.sample_rate
    seen = info.video_seconds if "video" in streams else 0.0
    if seen and heard:
        spare = 0.0 if _lossless(clip) or sound is None else _CODEC_FRAME / sound.sample_rate
        if abs(seen - heard) > max(1.0 / info.frame_rate, 0.04) + spare:
            return f"the picture lasts {seen:.3f} s and the sound {heard:.3f} s"
    length = seen or heard
    if wanted is not None and abs(length - wanted) > WITHIN * wanted:
        return f"the clip lasts {length:.2f} s, and {wanted:g} s were asked for; a model of one length alone declares it"
    return None


def _flat(frames: Iterable[NDArray[np.uint8]]) -> bool:
    first: int | None = None
    flat = True
    for image in frames:  # to the end: what is damaged shows while it is decoded
        if flat:
            first = int(image.flat[0]) if first is None else first
            flat = int(image.min()) == first == int(image.max())
    return flat and first is not None


def _constant(sound: Waveform | None) -> str | None:
    if sound is None or sound.samples.shape[1] == 0:
        return "there is no sound, which the model promises"
    if not np.isfinite(sound.samples).all():
        return "the sound holds NaN or infinite samples"
    if float(sound.samples.min()) == float(sound.samples.max()):
        return f"every sample of the sound is {float(sound.samples.flat[0]):g}"
    return None


def _lossless(clip: Clip | ClipFile) -> bool:
    return isinstance(clip, Clip) or (clip.audio or Path(clip.path)).suffix.lower() in _LOSSLESS
