"""Files to timed frames and samples; with `encode`, the only modules that know a decoder.

The reader is PyAV: FFmpeg comes inside its wheel, it reports when each stream starts, and it refuses damaged files instead of
repeating or dropping frames. Pictures are decoded at native size (resizing is each extractor's own), sound at its native
rate and channels.

A file is opened once. It is hashed, demuxed without decoding to learn the exact time of every frame (headers lie: WebM says 0
frames, cut MP4s say too many), and then decoded once, picture and sound together, through the same file object. Frames are
handed on one by one and never collected.

Untrusted files: demuxers are limited to `DEMUXERS`, no protocol but the given file object is reachable (so that a playlist
cannot open other files or addresses), and `Limits` bound what a header can ask for. Decoding itself belongs in a child process
(`avbench.worker`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import av.logging
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from avbench.errors import BadClip
from avbench.folders import shown
from avbench.store import joined_sha256
from avbench.types import Clip, ClipFile, ClipInfo, Waveform

av.logging.set_level(av.logging.PANIC)

READER = f"pyav-{av.__version__}"
"""Part of every feature's cache key."""

DEMUXERS = {
    "mov,mp4,m4a,3gp,3g2,mj2": (".mp4", ".mov", ".m4v", ".m4a"),
    "matroska,webm": (".mkv", ".webm"),
    "avi": (".avi",),
    "mpeg": (".mpg", ".mpeg"),
    "mpegvideo": (".mpg", ".mpeg"),
    "mpegts": (".mpg", ".mpeg", ".ts"),
    "wav": (".wav",),
    "flac": (".flac",),
    "ogg": (".ogg", ".opus"),
    "mp3": (".mp3",),
    "aac": (".aac",),
}
"""Allowed demuxers, and the suffixes that go with them."""

_INVISIBLE = {"vp8"}
"""Codecs with packets that are decoded but never shown, so that packets do not count frames."""


@dataclass(frozen=True)
class Limits:
    """What a file may ask for before it is refused as `too_large`."""

    seconds: float = 900.0
    frames: int = 60_000
    pixels: int = 8192 * 4608
    streams: int = 32
    audio_samples: int = 900 * 192_000 * 8


class Reader:
    """One clip, opened once: `info` first, then `frames()`, then `audio()`.

    Args:
        source: The clip; a `Clip` in memory is read the same way.
        limits: What a file may ask for.
        threads: Decoder threads; the frames do not depend on it.

    Raises:
        BadClip: from the constructor or while frames stream; `damaged` also if only a part can be decoded.
    """

    def __init__(self, source: ClipFile | Clip, *, limits: Limits | None = None, threads: int = 1) -> None:
        self._limits = limits or Limits()
        self._threads = threads
        self._stack = ExitStack()
        self._audio: Waveform | None = None
        self._audio_fault: BadClip | None = None
        self.source = source
        try:
            self._index()
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Reader:
        """The reader itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the files."""
        self._stack.close()

    # -------------------------------------------------------------- public

    info: ClipInfo
    sha256: str
    """Hash of the file's bytes, of both files' hashes for picture and sound apart, or of a `Clip`'s arrays and rates."""

    def frames(self, *, picture: bool = True) -> Iterator[NDArray[np.uint8]]:
        """Every frame in order, `(H, W, 3)` RGB at native size, turned as the container says; decodes the sound on the way.

        Args:
            picture: False yields nothing and decodes the sound alone.

        Raises:
            BadClip: `damaged`, where the decoder finds an error, conceals one, or frames are missing.
            FrameCount: if there are more or fewer frames than packets although nothing is damaged (VP8); `info` is then
                right, and the caller starts again.
        """
        if isinstance(self.source, Clip):
            if self.source.video is not None and picture:
                yield from self.source.video
            return
        with _faults():
            yield from self._decode(picture)

    def audio(self) -> Waveform | None:
        """The sound, once `frames` has ended; None without an audio stream.

        Raises:
            BadClip: `no_audio` for a stream without samples, `non_finite_audio`.
        """
        if self._audio_fault is not None:
            raise self._audio_fault
        return self._audio

    # -------------------------------------------------------------- first pass

    def _index(self) -> None:
        if isinstance(self.source, Clip):
            self._index_memory(self.source)
            return
        file = self._open(self.source.path)
        side = self._open(self.source.audio) if self.source.audio is not None else None
        self._file, self._side = file, side
        hashes = [hashlib.file_digest(f, "sha256").hexdigest() for f in (file, side) if f is not None]
        self.sha256 = joined_sha256(hashes)
        with _faults():
            self._index_file(self.source)

    def _open(self, path: Path) -> BufferedReader:
        try:
            file = self._stack.enter_context(path.open("rb"))
        except OSError as error:
            raise BadClip("unreadable", f"{shown(path.name)}: {error.strerror or error}") from error
        if not file.read(1):
            raise BadClip("empty_file", f"{shown(path.name)}: 0 bytes")
        file.seek(0)
        return file

    def _index_memory(self, clip: Clip) -> None:
        digest = hashlib.sha256(repr((clip.frame_rate, clip.sample_rate, clip.audio_start_seconds)).encode())
        for array in (clip.video, clip.audio):
            digest.update(b"none" if array is None else repr(array.shape).encode() + array.tobytes())
        self.sha256 = digest.hexdigest()
        video, audio = clip.video, clip.audio
        self.info = ClipInfo(
            id=clip.id,
            frame_times=np.zeros(0) if video is None else np.arange(len(video)) / clip.frame_rate,
            frame_rate=clip.frame_rate if video is not None else 0.0,
            width=0 if video is None else video.shape[2],
            height=0 if video is None else video.shape[1],
            sample_rate=clip.sample_rate if audio is not None else 0,
            channels=0 if audio is None else len(audio),
            audio_start_seconds=clip.audio_start_seconds,
            text=clip.text,
            audio_text=clip.audio_text,
            audio_seconds=0.0 if audio is None else audio.shape[1] / clip.sample_rate,
        )
        if audio is not None:
            self._keep_audio([audio], clip.sample_rate, expected=None)

    def _index_file(self, source: ClipFile) -> None:
        cut_short = _cut_short(self._file)
        with _container(self._file) as container:
            flags = _name_flags(source.path, container)
            if cut_short and container.format.name.startswith("mov,"):
                flags.append("cut_short")
            if len(container.streams) > self._limits.streams:
                raise BadClip("too_large", f"{len(container.streams)} streams, the limit is {self._limits.streams}")
            picture, sound = _video_stream(container), _audio_stream(container) if self._side is None else None
            if len([s for s in container.streams.video if not _is_cover(s)]) > 1 or len(container.streams.audio) > 1:
                flags.append("several_streams")
            self._invisible = picture is not None and picture.codec_context.name in _INVISIBLE
            if picture is None and not container.streams.audio:
                raise BadClip("damaged", f"{shown(source.path.name)}: there is neither a picture nor a sound in it")
            streams = [s for s in (picture, sound) if s is not None]
            first = _first_pass(container, streams, picture, self._limits) if streams else _FirstPass()
            rate = float(picture.guessed_rate or picture.average_rate or 25) if picture is not None else 0.0
            channels, sample_rate = (sound.codec_context.channels, sound.codec_context.rate) if sound is not None else (0, 0)
            audio_seconds = _seconds(container, sound)
            if picture is not None and _bits(picture) > 8:
                flags.append("high_bit_depth")
        if self._side is not None and source.audio is not None:
            with _container(self._side) as container:
                sound = _audio_stream(container)
                if sound is not None:
                    channels, sample_rate = sound.codec_context.channels, sound.codec_context.rate
                    audio_seconds = _seconds(container, sound)
                flags += _name_flags(source.audio, container)
        times, exact = first.frame_times(rate)
        start = first.audio_start - exact if first.audio_start is not None and len(times) else 0.0
        self.info = ClipInfo(
            id=source.id,
            frame_times=times,
            frame_rate=rate,
            width=first.width,
            height=first.height,
            sample_rate=sample_rate,
            channels=channels,
            audio_start_seconds=start,
            text=source.text,
            audio_text=source.audio_text,
            flags=tuple(flags + _content_flags(times, first.rotation, channels, sample_rate, start)),
            audio_seconds=audio_seconds,
        )

    # -------------------------------------------------------------- second pass

    def _decode(self, with_picture: bool) -> Iterator[NDArray[np.uint8]]:
        blocks: list[NDArray[np.float32]] = []
        count = samples = 0
        times: list[float] = []
        with _container(self._file) as container:
            picture = _video_stream(container) if with_picture else None
            sound = _audio_stream(container) if self._side is None else None
            if picture is not None:
                picture.codec_context.thread_count = self._threads
                picture.thread_type = "AUTO" if self._threads > 1 else "NONE"
            streams = [s for s in (picture, sound) if s is not None]
            for frame in container.decode(*streams) if streams else ():
                if isinstance(frame, av.AudioFrame):
                    blocks.append(_samples(frame))
                    samples += blocks[-1].size
                    if samples > self._limits.audio_samples:
                        raise BadClip("too_large", f"more than {self._limits.audio_samples} audio samples")
                    continue
                if frame.is_corrupt:
                    raise BadClip("damaged", f"frame {count} is damaged; a decoder can only guess it")
                count += 1
                times.append(frame.time if frame.time is not None else count / self.info.frame_rate)
                if count <= self.info.frames:
                    yield _image(frame)
            expected = float(sound.duration * sound.time_base) if sound is not None and sound.duration else None
        if self._side is not None:
            blocks, expected = self._decode_side()
        if picture is not None and count < self.info.frames and not self._invisible:
            raise BadClip("damaged", f"{count} of {self.info.frames} frames can be decoded")
        if picture is not None and count != self.info.frames:
            exact = np.asarray(times) - times[0] if times else np.zeros(0)
            self.info = dataclasses.replace(self.info, frame_times=exact)
            raise FrameCount
        if self.info.sample_rate:
            self._keep_audio(blocks, self.info.sample_rate, expected)

    def _decode_side(self) -> tuple[list[NDArray[np.float32]], float | None]:
        if self._side is None:
            raise AssertionError("called without a file beside the picture")
        with _container(self._side) as container:
            sound = _audio_stream(container)
            if sound is None:
                return [], None
            blocks = [_samples(frame) for frame in container.decode(sound)]
            return blocks, float(sound.duration * sound.time_base) if sound.duration else None

    def _keep_audio(self, blocks: list[NDArray[np.float32]], rate: int, expected: float | None) -> None:
        length = sum(b.shape[1] for b in blocks)
        if length == 0:
            self._audio_fault = BadClip("no_audio", "the audio stream holds no samples")
            return
        if expected is not None and length / rate < expected - max(0.5, 0.05 * expected):
            raise BadClip("damaged", f"the sound ends after {length / rate:.2f} s of {expected:.2f} s")
        samples = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)
        bad = int((~np.isfinite(samples)).sum())
        if bad:
            self._audio_fault = BadClip("non_finite_audio", f"{bad} of {samples.size} samples are NaN or infinite")
            return
        self._audio = Waveform(samples, rate)


def sound_alone(source: ClipFile) -> tuple[Waveform | None, float]:
    """The sound without a look at the picture, and the seconds into the file at which it starts; for drawings, not for numbers.

    Raises:
        BadClip: if there is nothing to decode, or too much.
    """
    path = source.audio or source.path
    blocks: list[NDArray[np.float32]] = []
    samples, start = 0, 0.0
    with path.open("rb") as file, _faults(), _container(file) as container:
        stream = _audio_stream(container)
        if stream is None:
            return None, start
        begin = container.start_time / av.time_base if container.start_time is not None else 0.0
        for frame in container.decode(stream):
            if not blocks and frame.time is not None:
                start = float(frame.time - begin)
            blocks.append(_samples(frame))
            samples += blocks[-1].size
            if samples > Limits.audio_samples:
                raise BadClip("too_large", f"more than {Limits.audio_samples} audio samples")
        rate = stream.sample_rate
    return (Waveform(np.concatenate(blocks, axis=1), rate), start) if blocks else (None, start)


class FrameCount(Exception):
    """The frames are not as many as the packets; start again with the reader's corrected `info`."""


# ------------------------------------------------------------------ streams


class _FirstPass:
    """What demuxing tells: packet times, and what the first decoded frame of each stream adds."""

    def __init__(self) -> None:
        self.times: list[float | None] = []
        self.audio_start: float | None = None
        self.width = self.height = self.rotation = 0

    def frame_times(self, rate: float) -> tuple[NDArray[np.float64], float]:
        """Display times from the first frame, and the first frame's own time."""
        known = [t for t in self.times if t is not None]
        if len(known) < len(self.times) or not known:
            return np.arange(len(self.times)) / (rate or 1.0), known[0] if known else 0.0
        ordered = np.sort(np.asarray(known))
        return ordered - ordered[0], float(ordered[0])


def _first_pass(container: Any, streams: list[Any], picture: Any, limits: Limits) -> _FirstPass:
    found = _FirstPass()
    seen_picture = False
    for packet in container.demux(*streams):
        if packet.size == 0:
            continue
        if packet.is_corrupt:
            raise BadClip("damaged", "the file ends in the middle of a packet")
        time = float(packet.pts * packet.time_base) if packet.pts is not None else None
        if time is not None and time > limits.seconds:
            raise BadClip("too_large", f"longer than {limits.seconds:.0f} s")
        if packet.stream is not picture:
            if found.audio_start is None:
                found.audio_start = next((f.time for f in packet.decode() if f.time is not None), None)
            continue
        if not packet.is_discard:
            found.times.append(time)
            if len(found.times) > limits.frames:
                raise BadClip("too_large", f"more than {limits.frames} frames")
        if not seen_picture:
            for frame in packet.decode():
                seen_picture, found.rotation = True, frame.rotation
                found.width, found.height = (frame.height, frame.width) if frame.rotation % 180 else (frame.width, frame.height)
                if frame.width * frame.height > limits.pixels:
                    raise BadClip("too_large", f"{frame.width} x {frame.height} pixels, the limit is {limits.pixels}")
                break
    return found


def _container(file: BufferedReader) -> Any:
    file.seek(0)
    options = {"format_whitelist": ",".join(DEMUXERS), "protocol_whitelist": ""}
    try:
        return av.open(file, options=options, metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise BadClip("unreadable", f"no allowed demuxer can open it: {error.strerror or error}") from error


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _video_stream(container: Any) -> Any:
    """The first stream that is not a cover picture, as OpenCV chooses."""
    stream = next((s for s in container.streams.video if not _is_cover(s)), None)
    if stream is None:
        return None
    size = stream.codec_context.width * stream.codec_context.height
    if size > Limits.pixels:
        raise BadClip("too_large", f"{stream.codec_context.width} x {stream.codec_context.height} pixels")
    return stream


def _bits(stream: Any) -> int:
    pixels = stream.codec_context.pix_fmt
    return max(c.bits for c in av.VideoFormat(pixels).components) if pixels else 8


def _audio_stream(container: Any) -> Any:
    return container.streams.audio[0] if container.streams.audio else None


def _seconds(container: Any, stream: Any) -> float:
    """Length that the stream, or else the whole file, says it has."""
    if stream is None:
        return 0.0
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return float(container.duration / av.time_base) if container.duration else 0.0


def _image(frame: Any) -> NDArray[np.uint8]:
    image: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _samples(frame: Any) -> NDArray[np.float32]:
    """`(channels, N)` float32; integers are divided by their full scale, as librosa and soundfile do."""
    raw = frame.to_ndarray()
    channels = frame.layout.nb_channels
    if not frame.format.is_planar:
        raw = raw.reshape(-1, channels).T
    if raw.dtype.kind == "f":
        return np.ascontiguousarray(raw, dtype=np.float32)
    if raw.dtype == np.uint8:
        return np.asarray((raw.astype(np.float32) - 128.0) / 128.0, dtype=np.float32)
    return np.asarray(raw / (float(np.iinfo(raw.dtype).max) + 1.0), dtype=np.float32)


def _name_flags(path: Path, container: Any) -> list[str]:
    expected = DEMUXERS.get(container.format.name, ())
    return [] if path.suffix.lower() in expected else ["extension_mismatch"]


def _cut_short(file: BufferedReader) -> bool:
    """Whether an mp4's last box says that it goes on after the end of the file, though every frame may still be there."""
    end, at = file.seek(0, os.SEEK_END), 0
    while at <= end - 8:
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        size = int.from_bytes(file.read(8), "big") if size == 1 else size
        if size < 8 or not kind.isalnum():
            return False
        at += size
    return at > end


def _content_flags(times: NDArray[np.float64], rotation: int, channels: int, rate: int, start: float) -> list[str]:
    steps = np.diff(times)
    flags = {
        "single_frame": len(times) == 1,
        "variable_frame_rate": len(steps) > 1 and bool((np.abs(steps - np.median(steps)) > 0.25 * np.median(steps)).any()),
        "rotated": rotation % 360 != 0,
        "surround": channels > 2,
        "low_sample_rate": 0 < rate < 16_000,
        "audio_offset": abs(start) > 0.02,
    }
    return [name for name, raised in flags.items() if raised]


@contextmanager
def _faults() -> Iterator[None]:
    """FFmpeg's errors become `BadClip`."""
    try:
        yield
    except (MemoryError, av.error.MemoryError) as error:
        raise BadClip("memory", "the decoder ran out of memory") from error
    except av.error.FFmpegError as error:
        raise BadClip("damaged", str(error.strerror or error)) from error
