"""What is done to one clip of a download, in a process of its own: looked at, or cut.

Cut clips follow MM-Diffusion's reader (github.com/researchmm/MM-Diffusion `mm_diffusion/video_datasets.py` at 7250222 and
torchvision's `VideoClips`): the video is brought to the wanted rate by leaving out or repeating frames, frame k being frame
floor(k fps / rate) of the file, and every run of so many frames is a window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.encode import write_frames, write_wav
from avbench.errors import BadClip
from avbench.media import FrameCount, Reader
from avbench.store import file_sha256
from avbench.types import ClipFile, ClipInfo

_AT_ONCE = 8
"""Windows that are held in memory at a time."""


def probe(path: Path, first_frame: Path | None) -> dict[str, Any]:
    """Facts of a clip, and its first frame as PNG.

    Args:
        path: The clip.
        first_frame: Where the picture goes; None for none.

    Raises:
        BadClip: if it cannot be used.
    """
    with Reader(ClipFile(path.stem, path)) as reader:
        if first_frame is not None and reader.info.frames:
            _write_png(first_frame, next(iter(reader.frames())))
        return {**_facts(reader.info), "sha256": reader.sha256, "size": path.stat().st_size}


def cut(path: Path, windows: Sequence[Mapping[str, Any]], frames: int, rate: float, quantiser: int) -> dict[str, Any]:
    """Windows of a video, each as a silent mp4 with its sound beside it as WAV.

    Args:
        path: The video.
        windows: `first` (of the frames at the wanted rate) and `out` (the mp4) of each.
        frames: Of each window.
        rate: Wanted frames per second.
        quantiser: x264's.

    Returns:
        Facts by `out`, with `audio` for the WAV.

    Raises:
        BadClip: if the video cannot be used.
    """
    made: dict[str, Any] = {}
    for begin in range(0, len(windows), _AT_ONCE):
        made |= _cut(path, windows[begin : begin + _AT_ONCE], frames, rate, quantiser)
    return made


def frame_choice(count: int, file_rate: float, rate: float) -> NDArray[np.intp]:
    """Indices of the file's frames that make the video at the wanted rate."""
    step = file_rate / rate
    if float(step).is_integer():
        return np.arange(0, count, int(step))
    chosen: NDArray[np.intp] = np.floor(np.arange(int(count / step)) * step).astype(np.intp)
    return chosen


def _cut(path: Path, windows: Sequence[Mapping[str, Any]], frames: int, rate: float, quantiser: int) -> dict[str, Any]:
    with Reader(ClipFile(path.stem, path)) as reader:
        info = reader.info
        chosen = frame_choice(info.frames, info.frame_rate, rate)
        kept = {w["out"]: chosen[w["first"] : w["first"] + frames] for w in windows}
        wanted = {int(i) for indices in kept.values() for i in indices}
        images: dict[int, NDArray[np.uint8]] = {}
        try:
            for number, image in enumerate(reader.frames()):
                if number in wanted:
                    images[number] = image
        except FrameCount as error:
            raise BadClip("damaged", "the number of frames is not the same twice") from error
        wave = reader.audio()
    made: dict[str, Any] = {}
    for name, indices in kept.items():
        out = Path(name)
        pictures = [images[int(i)] for i in indices]
        pictures += [pictures[-1]] * (frames - len(pictures))  # a short video repeats its last frame
        write_frames(out, pictures, frame_rate=rate, qp=quantiser)
        facts = {
            **_facts(info),
            **_hashed(out),
            "seconds": frames / rate,
            "frames": frames,
            "frame_rate": rate,
            "width": info.width // 2 * 2,
            "height": info.height // 2 * 2,
        }
        if wave is not None:
            start = float(info.frame_times[indices[0]]) - info.audio_start_seconds
            sound = _cut_sound(wave.samples, round(start * wave.sample_rate), round(frames / rate * wave.sample_rate))
            beside = out.with_suffix(".wav")
            write_wav(beside, sound, wave.sample_rate)
            facts["audio"] = _hashed(beside)
        made[name] = facts
    return made


def _cut_sound(samples: NDArray[np.float32], first: int, length: int) -> NDArray[np.float32]:
    """Samples from `first` on, zeros where there are none."""
    out = np.zeros((len(samples), length), dtype=np.float32)
    begin, end = max(0, first), min(samples.shape[1], first + length)
    if end > begin:
        out[:, begin - first : end - first] = samples[:, begin:end]
    return out


def _facts(info: ClipInfo) -> dict[str, Any]:
    return {
        "seconds": info.video_seconds or info.audio_seconds,
        "audio_seconds": info.audio_seconds,
        "frames": info.frames,
        "frame_rate": info.frame_rate,
        "width": info.width,
        "height": info.height,
        "sample_rate": info.sample_rate,
    }


def _hashed(path: Path) -> dict[str, Any]:
    return {"sha256": file_sha256(path), "size": path.stat().st_size}


def _write_png(path: Path, image: NDArray[np.uint8]) -> None:
    import cv2

    from avbench.store import write_bytes

    done, data = cv2.imencode(".png", image[:, :, ::-1])
    if not done:
        raise BadClip("damaged", f"its first frame, {image.shape}, cannot be written as PNG")
    write_bytes(path, data.tobytes())
