"""Clips to files: H.264 + AAC mp4 through PyAV, whole or not at all.

Encoding runs on one thread, so that the same clip gives the same bytes on any machine with the same FFmpeg.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import av.logging
import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter
from avbench.types import Clip

av.logging.set_level(av.logging.PANIC)

_AAC_FRAME = 1024


def write_clip(path: Path, clip: Clip, *, crf: int = 18, audio_bit_rate: int = 128_000) -> None:
    """Write a clip as mp4 (H.264 yuv420p + AAC).

    Args:
        path: Ends in `.mp4`; appears only when the whole file is written.
        clip: Needs a picture; without sound the file has no audio stream. Odd widths and heights lose their last column
            or row, since yuv420p has half-size colour.
        crf: x264's constant rate factor, 0 (lossless) to 51.
        audio_bit_rate: bit/s of the AAC stream.

    Raises:
        BadParameter: if the clip has no picture.
    """
    if clip.video is None:
        raise BadParameter(f"clip '{clip.id}': an mp4 needs a picture, and video is None")
    write_frames(
        path,
        clip.video,
        frame_rate=clip.frame_rate,
        audio=clip.audio,
        sample_rate=clip.sample_rate,
        audio_start_seconds=clip.audio_start_seconds,
        crf=crf,
        audio_bit_rate=audio_bit_rate,
    )


def write_frames(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    *,
    frame_rate: float,
    audio: NDArray[np.float32] | None = None,
    sample_rate: int = 0,
    audio_start_seconds: float = 0.0,
    crf: int = 18,
    audio_bit_rate: int = 128_000,
) -> None:
    """Write frames `(H, W, 3)` uint8 RGB, taken one at a time, and audio `(channels, N)` in [-1, 1]."""
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        with av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"}) as out:
            rate = Fraction(frame_rate).limit_denominator(30_000)
            video = out.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": "veryfast"})
            video.codec_context.thread_count = 1
            video.pix_fmt = "yuv420p"
            sound = _audio_stream(out, audio, sample_rate, audio_bit_rate)
            first = True
            for image in frames:
                image = np.ascontiguousarray(image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2])
                if first:
                    video.height, video.width = image.shape[:2]
                    first = False
                out.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            if first:
                raise BadParameter(f"{path.name}: there are no frames to write")
            out.mux(video.encode())
            if sound is not None and audio is not None:
                _encode_audio(out, sound, audio, sample_rate, audio_start_seconds)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def replace_audio(path: Path, picture: Path, audio: NDArray[np.float32], sample_rate: int) -> None:
    """Write a file with the pictures of another, copied packet by packet, and this sound (AAC, 192 kbit/s)."""
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        with av.open(str(picture)) as source, av.open(str(partial), "w", format="mp4") as out:
            before = source.streams.video[0]
            after = out.add_stream_from_template(before)
            sound = _audio_stream(out, audio, sample_rate, 192_000)
            for packet in source.demux(before):
                if packet.dts is not None:
                    packet.stream = after
                    out.mux(packet)
            if sound is not None:
                _encode_audio(out, sound, audio, sample_rate, 0.0)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_wav(path: Path, audio: NDArray[np.float32], sample_rate: int) -> None:
    """Write audio `(channels, N)` as 16-bit PCM WAV."""
    import soundfile

    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        soundfile.write(partial, np.clip(audio, -1.0, 1.0).T, sample_rate, format="WAV", subtype="PCM_16")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _audio_stream(
    out: av.container.OutputContainer, audio: NDArray[np.float32] | None, rate: int, bit_rate: int
) -> av.AudioStream | None:
    if audio is None:
        return None
    stream = out.add_stream("aac", rate=rate, layout="mono" if len(audio) == 1 else "stereo")
    stream.bit_rate = bit_rate
    return stream


def _encode_audio(
    out: av.container.OutputContainer, stream: av.AudioStream, audio: NDArray[np.float32], rate: int, start: float
) -> None:
    if len(audio) > 2:
        raise BadParameter(f"an mp4 of avbench has one or two audio channels, got {len(audio)}")
    for first in range(0, audio.shape[1], _AAC_FRAME):
        block = np.ascontiguousarray(audio[:, first : first + _AAC_FRAME], dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=stream.layout.name)
        frame.sample_rate = rate
        frame.time_base = Fraction(1, rate)
        frame.pts = first + round(start * rate)
        out.mux(stream.encode(frame))
    out.mux(stream.encode())
