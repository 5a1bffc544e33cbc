"""What a cascade does with files: a video made long enough for a stage, and one clip of a picture and a sound."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avbench import encode
from avbench.errors import BadClip, BadCondition
from avbench.folders import file_name
from avbench.media import Reader
from avbench.store import file_sha256
from avbench.types import ClipFile, Item

Length = Literal["video", "audio", "shortest"]
Preparation = Literal["none", "loop", "pad_last"]


def filled_window(video: Path, how: Preparation, seconds: float, folder: Path) -> Path:
    """A video that is at least this long: played again from its start, or its last frame held.

    Raises:
        BadCondition: if it cannot be read.
    """
    path = folder / f"{file_sha256(video)[:32]}-{how}-{seconds:g}.mp4"
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with Reader(ClipFile(video.stem, video)) as reader:
            count, rate = reader.info.frames, reader.info.frame_rate
        wanted = max(count, round(seconds * rate))
        encode.write_frames(path, itertools.islice(_again_and_again(video, how), wanted), frame_rate=rate)
    except BadClip as error:
        raise BadCondition(f"{video} cannot be prepared: {error}") from error
    return path


def _again_and_again(video: Path, how: Preparation) -> Iterator[NDArray[np.uint8]]:
    while True:
        last = None
        with Reader(ClipFile(video.stem, video)) as reader:
            for last in reader.frames():
                yield last
        if last is None:
            raise BadClip("no_video")
        if how == "pad_last":
            yield from itertools.repeat(last)


def join(item: Item, picture: Path, sound: Path, length: Length, folder: Path) -> ClipFile:
    """One clip of a picture and a sound: the picture's own packets, and the sound as WAV, cut or filled with silence.

    Args:
        item: Whose clip.
        picture: A file with the picture.
        sound: A file with the sound.
        length: Whose length the clip has. For the sound's, the picture is cut, or its last frame held, and encoded again.
        folder: For the clip's files.

    Raises:
        BadClip: if one of the files cannot be used.
    """
    with Reader(ClipFile(item.id, picture)) as reader:
        info = reader.info
    with Reader(ClipFile(item.id, sound)) as reader:
        for _ in reader.frames(picture=False):
            pass
        heard = reader.audio()
    if heard is None:
        raise BadClip("no_audio", f"{sound.name} has no sound")
    if info.frames == 0:
        raise BadClip("no_video", f"{picture.name} has no picture")
    seen = info.video_seconds
    sounding = heard.samples.shape[1] / heard.sample_rate
    wanted = {"video": seen, "audio": sounding, "shortest": min(seen, sounding)}[length]
    frames = max(1, round(wanted * info.frame_rate))
    path = folder / f"{file_name(item.id)}{picture.suffix.lower()}"
    if frames == info.frames or wanted == seen:
        shutil.copyfile(picture, path)
        wanted = seen
    else:
        path = path.with_suffix(".mp4")
        cut = itertools.islice(_again_and_again(picture, "pad_last"), frames)
        encode.write_frames(path, cut, frame_rate=info.frame_rate)
        wanted = frames / info.frame_rate
    count = round(wanted * heard.sample_rate)
    samples = np.zeros((len(heard.samples), count), dtype=np.float32)
    kept = min(count, heard.samples.shape[1])
    samples[:, :kept] = heard.samples[:, :kept]
    audio = path.with_suffix(".wav")
    encode.write_wav(audio, samples, heard.sample_rate)
    return ClipFile(item.id, path, audio, item.prompt)
