"""Files with one fault each, made of a sound clip."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from avbench.encode import write_wav

from .support import moving


def write_any(
    path: Path,
    *,
    seed: int = 0,
    frames: int = 6,
    frame_rate: int = 10,
    times: list[int] | None = None,
    picture: bool = True,
    pixels: str = "yuv420p",
    layout: str | None = "mono",
    rate: int = 16_000,
    faststart: bool = True,
    audio: NDArray[np.float32] | None = None,
) -> None:
    """An mp4 with freely chosen streams; `times` are the frames' display times in hundredths of a second."""
    clip = moving("x", frames=frames, frame_rate=frame_rate, rate=rate, seed=seed)
    if clip.video is None or clip.audio is None:
        raise AssertionError("moving() has both streams")
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"} if faststart else {}) as out:
        video = None
        if picture:
            options = {"preset": "veryfast", "x264-params": "mbtree=0:bframes=0"}
            video = out.add_stream("libx264", rate=Fraction(frame_rate), options=options)
            video.width, video.height, video.pix_fmt = clip.video.shape[2], clip.video.shape[1], pixels
            video.codec_context.thread_count = 1
            video.time_base = video.codec_context.time_base = Fraction(1, 100)
        sound = out.add_stream("aac", rate=rate, layout=layout) if layout is not None else None
        for number, image in enumerate(clip.video if video is not None else ()):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.time_base, frame.pts = Fraction(1, 100), times[number] if times else number * 100 // frame_rate
            if video is not None:
                out.mux(video.encode(frame))
        if video is not None:
            out.mux(video.encode())
        if sound is not None:
            channels = len(sound.layout.channels)
            samples = np.repeat(clip.audio, channels, axis=0) if audio is None else audio
            for first in range(0, samples.shape[1], 1024):
                block = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(samples[:, first : first + 1024]), format="fltp", layout=sound.layout.name
                )
                block.sample_rate, block.time_base, block.pts = rate, Fraction(1, rate), first
                out.mux(sound.encode(block))
            out.mux(sound.encode())


def different(source: Path, target: Path, mark: int) -> None:
    """The same clip with other bytes: an ignored box at the end."""
    target.write_bytes(source.read_bytes() + struct.pack(">I4sQ", 16, b"free", mark))


def _cut(percent: int, faststart: bool) -> Callable[[Path, int], None]:
    def make(path: Path, seed: int) -> None:
        write_any(path, seed=seed, faststart=faststart)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * percent // 100])

    return make


def _bad_moov(path: Path, seed: int) -> None:
    write_any(path, seed=seed)
    data = bytearray(path.read_bytes())
    at = data.index(b"trak")
    data[at + 4 : at + 1200] = b"\xff" * 1196
    path.write_bytes(bytes(data))


def _rotated(path: Path, seed: int) -> None:
    write_any(path, seed=seed)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(data))


def _beside(samples: NDArray[np.float32]) -> Callable[[Path, int], None]:
    def make(path: Path, seed: int) -> None:
        write_any(path, seed=seed, layout=None)
        soundfile.write(path.with_suffix(".wav"), samples, 16_000, subtype="FLOAT")

    return make


def _silent_length(path: Path, seed: int) -> None:
    write_any(path, seed=seed)
    write_wav(path.with_suffix(".wav"), np.zeros((1, 0), dtype=np.float32), 16_000)


def _with(**options: object) -> Callable[[Path, int], None]:
    return lambda path, seed: write_any(path, seed=seed, **options)  # type: ignore[arg-type]


def _with_value(value: float) -> NDArray[np.float32]:
    samples = np.full(9_600, 0.1, dtype=np.float32)
    samples[77] = value
    return samples


KINDS: dict[str, tuple[Callable[[Path, int], None], str, str]] = {
    "zero bytes": (lambda path, seed: path.touch(), "", "empty_file"),
    "cut at 1 %": (_cut(1, True), "", "damaged unreadable"),
    "cut at 25 %": (_cut(25, True), "", "damaged unreadable"),
    "cut at 75 %": (_cut(75, False), "", "unreadable"),
    "cut at 99 %": (_cut(99, True), "", "damaged"),
    "bad moov": (_bad_moov, "", "unreadable damaged"),
    "wrong extension": (_with(), ".avi", "extension_mismatch"),
    "no audio": (_with(layout=None), "", "no_audio"),
    "no video": (_with(picture=False), "", "no_video"),
    "no samples": (_silent_length, "", "no_audio"),
    "one frame": (_with(frames=1), "", "single_frame"),
    "variable frame rate": (_with(times=[0, 10, 20, 60, 70, 80]), "", "variable_frame_rate"),
    "rotated": (_rotated, "", "rotated"),
    "10 bit": (_with(pixels="yuv420p10le"), "", "high_bit_depth"),
    "surround": (_with(layout="5.1", rate=48_000), "", "surround"),
    "8 kHz": (_with(rate=8_000), "", "low_sample_rate"),
}
"""How a file gets its fault, its suffix if it is not `.mp4`, and the codes or flags of which one has to be found."""

MORE: dict[str, tuple[Callable[[Path, int], None], str, str]] = {
    **{f"cut at {p} %, index first": (_cut(p, True), "", "damaged unreadable") for p in (1, 25, 75, 99)},
    **{f"cut at {p} %, index last": (_cut(p, False), "", "damaged unreadable") for p in (1, 25, 75)},
    "cut at 99 %, index last": (_cut(99, False), "", "damaged unreadable cut_short"),
    "NaN": (_beside(_with_value(np.nan)), "", "non_finite_audio"),
    "infinite": (_beside(_with_value(np.inf)), "", "non_finite_audio"),
    "negative infinite": (_beside(_with_value(-np.inf)), "", "non_finite_audio"),
}


def make(kind: tuple[Callable[[Path, int], None], str, str], folder: Path, id: str, seed: int) -> None:
    """`<folder>/<id>.<suffix>` with this fault."""
    path = folder / f"{id}.mp4"
    kind[0](path, seed)
    if kind[1]:
        shutil.move(path, path.with_suffix(kind[1]))
