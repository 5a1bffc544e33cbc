"""Clips to files: H.264 + AAC mp4 through PyAV, whole or not at all.

Encoding runs on one thread, so that the same clip gives the same bytes on any machine with the same FFmpeg.
The quantiser is constant. x264's rate factor with its macroblock tree depends, at some widths, on memory that was never
written, so that two encodings of the same frames differ; without the tree it refines a still picture for a second, which
then seems to move.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import av.logging
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from avbench.errors import AvbenchError, BadParameter
from avbench.types import Clip

av.logging.set_level(av.logging.PANIC)

_AAC_FRAME = 1024

AAC_RATES = (7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
"""Hz."""


def write_clip(path: Path, clip: Clip, *, qp: int = 18, audio_bit_rate: int = 128_000) -> None:
    """Write a clip as mp4 (H.264 yuv420p + AAC).

    Args:
        path: Ends in `.mp4`; appears only when the whole file is written.
        clip: Needs a picture; without sound the file has no audio stream. Odd widths and heights lose their last column
            or row, since yuv420p has half-size colour.
        qp: x264's quantiser, 0 (lossless) to 51.
        audio_bit_rate: bit/s of the AAC stream.

    Raises:
        BadParameter: if the clip has no picture, and as in `write_frames`.
        AvbenchError: if the file cannot be written.
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
        qp=qp,
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
    qp: int = 18,
    audio_bit_rate: int = 128_000,
) -> None:
    """Write frames `(H, W, 3)` uint8 RGB of one size, taken one at a time, and audio `(channels, N)` in [-1, 1].

    Raises:
        BadParameter: for no frames, frames smaller than 2 x 2 or of different sizes, a rate that is not positive or that
            AAC does not have, more than two channels, or sound that is not finite.
        AvbenchError: if the file cannot be written.
    """
    if not 0 < frame_rate < 10_000:
        raise BadParameter(f"{path.name}: frame_rate must be positive, got {frame_rate}")
    with whole(path) as partial, av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"}) as out:
        rate = Fraction(frame_rate).limit_denominator(30_000)
        video = out.add_stream("libx264", rate=rate, options={"qp": str(qp), "preset": "veryfast"})
        video.codec_context.thread_count = 1
        video.pix_fmt = "yuv420p"
        sound = _audio_stream(out, path, audio, sample_rate, audio_bit_rate)
        size: tuple[int, ...] | None = None
        for image in frames:
            if size is None:
                size = image.shape
                if min(size[:2]) < 2:
                    raise BadParameter(f"{path.name}: frames must have 2 x 2 pixels or more, got {size[1]} x {size[0]}")
                video.height, video.width = size[0] // 2 * 2, size[1] // 2 * 2
            if image.shape != size:
                raise BadParameter(f"{path.name}: frames must have one size, got {size} and then {image.shape}")
            even = np.ascontiguousarray(image[: size[0] // 2 * 2, : size[1] // 2 * 2])
            out.mux(video.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        if size is None:
            raise BadParameter(f"{path.name}: there are no frames to write")
        out.mux(video.encode())
        if sound is not None and audio is not None:
            _encode_audio(out, sound, audio, sample_rate, audio_start_seconds)


def replace_audio(path: Path, picture: Path, audio: NDArray[np.float32], sample_rate: int) -> None:
    """Write a file with the pictures of another, copied packet by packet, and this sound (AAC, 192 kbit/s).

    Raises:
        BadParameter: if the other file has no picture, or for sound as in `write_frames`.
        AvbenchError: if the file cannot be read, or mp4 cannot hold its pictures.
    """
    with whole(path) as partial, av.open(str(picture)) as source, av.open(str(partial), "w", format="mp4") as out:
        before = next((s for s in source.streams.video if not s.disposition & Disposition.attached_pic), None)
        if before is None:
            raise BadParameter(f"{picture}: there is no picture to copy")
        after = out.add_stream_from_template(before)
        sound = _audio_stream(out, path, audio, sample_rate, 192_000)
        for packet in source.demux(before):
            if packet.dts is not None:
                packet.stream = after
                out.mux(packet)
        if sound is not None:
            _encode_audio(out, sound, audio, sample_rate, 0.0)


def drop_audio(path: Path, picture: Path) -> None:
    """Write a file with the pictures of another, copied packet by packet, and no sound.

    Raises:
        BadParameter: if the other file has no picture.
        AvbenchError: if the file cannot be read or written.
    """
    with whole(path) as partial, av.open(str(picture)) as source, av.open(str(partial), "w") as out:
        before = next((s for s in source.streams.video if not s.disposition & Disposition.attached_pic), None)
        if before is None:
            raise BadParameter(f"{picture}: there is no picture to copy")
        after = out.add_stream_from_template(before)
        for packet in source.demux(before):
            if packet.dts is not None:
                packet.stream = after
                out.mux(packet)


def write_wav(path: Path, audio: NDArray[np.float32], sample_rate: int) -> None:
    """Write audio `(channels, N)` as 16-bit PCM WAV."""
    import soundfile

    with whole(path) as partial:
        rounded = np.clip(np.rint(audio * 32768.0), -32768, 32767).astype(np.int16)  # soundfile would round down
        soundfile.write(partial, rounded.T, sample_rate, format="WAV", subtype="PCM_16")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name to write under, which becomes `path` at the end; two processes that make the same file do not meet.

    Raises:
        AvbenchError: for what FFmpeg or the system finds wrong.
    """
    partial = path.with_name(f".{path.stem[:80]}.{os.getpid()}-{threading.get_ident()}.partial{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    except (av.error.FFmpegError, OSError) as error:
        reason = str(error.strerror or error)
        raise AvbenchError(f"{path} cannot be written: {reason}") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _audio_stream(
    out: av.container.OutputContainer, path: Path, audio: NDArray[np.float32] | None, rate: int, bit_rate: int
) -> av.AudioStream | None:
    if audio is None:
        return None
    if len(audio) > 2:
        raise BadParameter(f"{path.name}: an mp4 of avbench has one or two audio channels, got {len(audio)}")
    if rate not in AAC_RATES:
        raise BadParameter(f"{path.name}: AAC has no {rate} Hz; resample to one of {', '.join(map(str, AAC_RATES))}")
    if not np.isfinite(audio).all():
        raise BadParameter(f"{path.name}: the sound holds NaN or infinite samples")
    stream = out.add_stream("aac", rate=rate, layout="mono" if len(audio) == 1 else "stereo")
    stream.bit_rate = bit_rate
    return stream


def _encode_audio(
    out: av.container.OutputContainer, stream: av.AudioStream, audio: NDArray[np.float32], rate: int, start: float
) -> None:
    for first in range(0, audio.shape[1], _AAC_FRAME):
        block = np.ascontiguousarray(audio[:, first : first + _AAC_FRAME], dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=stream.layout.name)
        frame.sample_rate = rate
        frame.time_base = Fraction(1, rate)
        frame.pts = first + round(start * rate)
        out.mux(stream.encode(frame))
    out.mux(stream.encode())
