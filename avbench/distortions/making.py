"""One clip file to one distorted file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avbench.distortions.base import BLACK, Edit, Frame, Sound, Source, generator_for
from avbench.distortions.catalogue import DISTORTIONS
from avbench.encode import AAC_RATES, write_frames
from avbench.errors import BadClip
from avbench.media import FrameCount, Reader
from avbench.types import ClipFile, ClipInfo, Waveform

ORIGINAL = "00"
"""The clip as it is, encoded again: what distorted clips are to be compared with."""


def make(path: Path, clip: ClipFile, code: str, level: int, *, seed: int, lenders: Sequence[ClipFile] = ()) -> str:
    """Distort a clip and write it as mp4.

    Args:
        path: Appears only when it is whole.
        clip: What to distort.
        code: Of the distortion, or `ORIGINAL`.
        level: 0 to 9.
        seed: With the clip's id, code and level it settles everything that is drawn.
        lenders: Clips to take sound from, for `semantic_swap`; the first that has any.

    Returns:
        SHA-256 of the clip's bytes.

    Raises:
        BadClip: if the clip cannot be used, or no lender.
        AvbenchError: if the file cannot be written.
    """
    with Reader(clip) as reader:
        for _ in range(2):
            try:
                _write(path, reader, clip, code, level, seed, lenders)
            except FrameCount:  # now the reader knows how many there are
                continue
            return reader.sha256
    raise BadClip("damaged", "the number of frames is not the same twice")


def _write(path: Path, reader: Reader, clip: ClipFile, code: str, level: int, seed: int, lenders: Sequence[ClipFile]) -> None:
    info = reader.info
    if not info.frames:
        raise BadClip("no_video")
    audio, rate = _sound(reader, info)
    borrowed = _borrowed(lenders, rate, len(audio)) if audio is not None else None
    source = Source(info.frame_times, info.frame_rate, info.video_seconds, info.height, info.width, audio, rate, borrowed)
    if code == ORIGINAL:
        edit = source.unchanged()
    else:
        distortion = DISTORTIONS[code]
        edit = distortion.apply(source, distortion.parameters[level], generator_for(clip.id, code, level, seed))
    frames = _pictures(reader, edit, (info.height, info.width, 3))
    write_frames(path, frames, frame_rate=info.frame_rate, audio=edit.audio, sample_rate=rate)


# ------------------------------------------------------------------ pictures


def _pictures(reader: Reader, edit: Edit, shape: tuple[int, int, int]) -> Iterator[Frame]:
    """The output's frames; decoded on the way where they come in order, from a scratch file where they do not."""
    wanted = edit.frames[edit.frames != BLACK]
    ordered = _in_order if (np.diff(wanted) >= 0).all() else _from_scratch
    for place, image in enumerate(ordered(reader, edit.frames, np.zeros(shape, dtype=np.uint8))):
        yield edit.look(image, place) if edit.look is not None else image


def _in_order(reader: Reader, frames: NDArray[np.intp], black: Frame) -> Iterator[Frame]:
    at, place = -1, 0
    for at, image in enumerate(reader.frames()):
        while place < len(frames) and frames[place] in (BLACK, at):
            yield black if frames[place] == BLACK else image
            place += 1
    if place < len(frames):
        raise BadClip("damaged", f"frame {frames[place]} is not among the {at + 1} that can be decoded")


def _from_scratch(reader: Reader, frames: NDArray[np.intp], black: Frame) -> Iterator[Frame]:
    count = int(frames.max()) + 1
    with tempfile.TemporaryFile() as file:
        kept = np.memmap(file, dtype=np.uint8, mode="w+", shape=(count, *black.shape))
        for at, image in enumerate(reader.frames()):
            if at < count:
                kept[at] = image
        for index in frames:
            yield black if index == BLACK else np.asarray(kept[index])
        del kept


# ------------------------------------------------------------------ sound


def _sound(reader: Reader, info: ClipInfo) -> tuple[Sound | None, int]:
    """Sound from the first frame's time on, at a rate and with channels that AAC has."""
    for _ in reader.frames(picture=False):
        pass
    wave = reader.audio()
    if wave is None:
        return None, 0
    samples, rate = _fitted(wave)
    late = round(info.audio_start_seconds * rate)
    return (np.pad(samples, ((0, 0), (late, 0))) if late > 0 else samples[:, -late:]), rate


def _borrowed(lenders: Sequence[ClipFile], rate: int, channels: int) -> Sound | None:
    for clip in lenders:
        with suppress(BadClip):
            found = _sound_of(clip, rate, channels)
            if found is not None:
                return found
    return None


def _sound_of(clip: ClipFile, rate: int, channels: int) -> Sound | None:
    with Reader(clip) as reader:
        for _ in reader.frames(picture=False):
            pass
        wave = reader.audio()
    if wave is None:
        return None
    samples, own = _fitted(wave)
    mono = samples.mean(axis=0, keepdims=True) if len(samples) != channels else samples
    made = _resampled(mono, own, rate)
    return np.ascontiguousarray(np.broadcast_to(made, (channels, made.shape[1])))


def _fitted(wave: Waveform) -> tuple[Sound, int]:
    samples = wave.samples if len(wave.samples) <= 2 else wave.mono[None]
    rate = min(AAC_RATES, key=lambda r: (abs(r - wave.sample_rate), r))
    return _resampled(np.clip(samples, -1.0, 1.0), wave.sample_rate, rate), rate


def _resampled(samples: Sound, from_rate: int, to_rate: int) -> Sound:
    if from_rate == to_rate:
        return samples
    from scipy.signal import resample_poly

    common = int(np.gcd(from_rate, to_rate))
    made = resample_poly(samples, to_rate // common, from_rate // common, axis=1)
    return np.clip(np.asarray(made, dtype=np.float32), -1.0, 1.0)
