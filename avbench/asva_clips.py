"""Clips of 2 s as ASVA cuts them out of a longer one: twelve frames at 6 per second and a mel spectrogram.

Clips:
    One lies in the middle of what picture and sound have in common; several are spread from its beginning to its end.
Frames:
    The k-th is the first one not before start + k / 6 s that was not taken already; where the picture ends, its last frame is
    repeated. The sixths are summed up in float64, which makes the last of the twelve a little late: of a file of 2 s with 6
    frames a second the eleventh is seen twice and the twelfth never. The middle of the target shape, bilinear with
    antialiasing to the target size, bicubic with antialiasing to 224 x 224, all in float; CLIP's mean and deviation taken out.
Sound:
    `packets` is what the published evaluation hears: the packets of 1024 samples that begin between start and start + 2 s, and
    of them the middle 2 s at 16 kHz. It reads the interleaved samples of each packet as if its channels lay one after another.
    A single channel is left as it is; of two, what counts as the first is both in turn, at half the speed and half of the
    packet. The classifier was trained on sound that was read so. `whole` is what the repository's functions for sound files
    hear: the 2 s themselves, at 16 kHz, channels apart. Either way the mean over all channels is taken out and the first
    channel's spectrogram is ImageBind's.
Source:
    github.com/lzhangbj/ASVA `avgen/data/utils.py`, `avgen/evaluations/avsync/compute_avsync.py` at 6587938.
Differs from the source:
    Packets are taken to be 1024 samples long from the first sample on, which is so for AAC-LC. A clip of less than 11 / 6 s is
    refused; the source fills it up however short it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench import imagebind
from avbench.clip_input import SIDE, normalised
from avbench.errors import BadParameter, Unscorable
from avbench.resampling import torchaudio_resample
from avbench.types import Array, ClipInfo, Extractor, Features, Preparation, Waveform

Float32s = NDArray[np.float32]
Picture = Literal["256x256", "128x256"]
"""Height and width that frames are brought to before the networks' 224 x 224: 128x256 is for The Greatest Hits."""
Sound = Literal["packets", "whole"]

FRAMES, FRAME_RATE, SECONDS = 12, 6, 2
SAMPLE_RATE = imagebind.SAMPLE_RATE

PACKET = 1024
_LEAST_SECONDS = (FRAMES - 1) / FRAME_RATE
_NEAR = 1e-6


@dataclass(frozen=True)
class AsvaClips(Extractor):
    """What the extractors that see such clips share; they differ in their network.

    Args:
        clips: How many clips of 2 s stand for one clip; 1 is the middle, more are spread from beginning to end.
        picture: Size between the frame's own and the network's.
        sound: See the module.

    Raises:
        BadParameter: for another choice, or less than one clip.
    """

    clips: int = 1
    picture: Picture = "256x256"
    sound: Sound = "packets"

    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video", "audio")
    packages: ClassVar[tuple[str, ...]] = ("numpy", "torch")
    batch_size: ClassVar[int] = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clips < 1:
            raise BadParameter(f"{self.name}: clips must be at least 1, got {self.clips}")

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip.

        Raises:
            Unscorable: `too_short` if picture and sound have less than 1.83 s in common.
        """
        # the sum of a step and the last frame's time is not the whole number that the container says
        seconds = round(min(info.video_seconds, info.audio_seconds or info.video_seconds), 9)
        if seconds < _LEAST_SECONDS - _NEAR:
            raise Unscorable(
                "too_short", f"{self.label} needs {_LEAST_SECONDS:.2f} s of picture and sound, the clip has {seconds:.2f} s"
            )
        return _Clips(self, info, starts(seconds, self.clips))


def starts(seconds: float, clips: int) -> list[float]:
    """Where the clips begin, in seconds; before 0 in a clip of less than 2 s.

    >>> starts(5.0, 1), starts(5.0, 3)
    ([1.5], [0.0, 1.5, 3.0])
    """
    return [(seconds - SECONDS) / 2] if clips == 1 else np.linspace(0.0, seconds - SECONDS, clips).tolist()


def frames_from(times: NDArray[np.float64], start: float) -> list[int]:
    """Indices of a clip's twelve frames.

    Args:
        times: Of all frames, seconds, rising, at least one.
        start: Of the clip, seconds.

    >>> frames_from(np.arange(60) / 25.0, 0.2)
    [5, 10, 14, 18, 22, 26, 30, 35, 39, 43, 47, 51]
    """
    end = start + SECONDS + 1 / FRAME_RATE / 2
    found: list[int] = []
    due, index = start, -1
    while len(found) < FRAMES:
        index = max(index + 1, int(np.searchsorted(times, due)))
        if index == len(times) or times[index] > end:
            break
        found.append(index)
        due += 1 / FRAME_RATE  # summed up as published: the last bit decides where a frame is due just when it is shown
    filler = found[-1] if found else max(0, int(np.searchsorted(times, end)) - 1)
    return found + [filler] * (FRAMES - len(found))


@dataclass
class _Clips(Preparation):
    settings: AsvaClips
    info: ClipInfo
    starts: list[float]
    made: dict[int, Float32s] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chosen = [frames_from(self.info.frame_times, start) for start in self.starts]
        self.frames = np.unique(np.asarray(self.chosen, dtype=np.intp))

    def take(self, index: int, image: NDArray[np.uint8]) -> None:
        self.made[index] = seen(image, self.settings.picture)

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        """`pictures` (clips, 12, 3, 224, 224) and `mels` (clips, 128, 204) float32, `times` (clips, 12) float32 in seconds."""
        cut = packets if self.settings.sound == "packets" else whole
        mels = [spectrogram(cut(audio, start - self.info.audio_start_seconds)) for start in self.starts]
        return {
            "pictures": np.stack([[self.made[index] for index in chosen] for chosen in self.chosen]),
            "mels": np.stack(mels),
            "times": self.info.frame_times[np.asarray(self.chosen)].astype(np.float32),
        }


# ------------------------------------------------------------------ pictures


def seen(image: NDArray[np.uint8], picture: Picture) -> Float32s:
    """A frame as both networks see it: `(H, W, 3)` RGB to `(3, 224, 224)`."""
    import torch
    from torch.nn.functional import interpolate

    height, width = (int(side) for side in picture.split("x"))
    frame = torch.from_numpy(np.ascontiguousarray(middle(image, height / width))).permute(2, 0, 1)[None].float() / 255
    for size, mode in (((height, width), "bilinear"), ((SIDE, SIDE), "bicubic")):
        if tuple(frame.shape[-2:]) != size:
            frame = interpolate(frame, size=size, mode=mode, antialias=True, align_corners=False)
    return np.asarray(normalised(frame[0]).numpy())


def middle(image: Array, ratio: float) -> Array:
    """The middle of `(H, W, ...)` whose height is `ratio` times its width.

    >>> middle(np.zeros((90, 160)), 1.0).shape, middle(np.zeros((90, 160)), 0.5).shape
    ((90, 90), (80, 160))
    """
    height, width = image.shape[:2]
    if ratio >= height / width:
        kept = max(1, int(height / ratio))
        return image[:, (width - kept) // 2 : (width - kept) // 2 + kept]
    kept = max(1, int(width * ratio))
    return image[(height - kept) // 2 : (height - kept) // 2 + kept]


# ------------------------------------------------------------------ sound


def packets(audio: Waveform | None, start: float) -> Float32s:
    """The sound of a clip as the published evaluation reads it, `(channels, at most 32000)` at 16 kHz.

    Args:
        audio: The whole sound.
        start: Of the clip, seconds from the first sample.

    Raises:
        Unscorable: `no_audio`; `too_short` where nothing of it lies in the clip.
    """
    samples, rate = _there(audio)
    begin = np.arange(0, samples.shape[1], PACKET) / rate
    kept = np.flatnonzero((begin >= start - _NEAR) & (begin <= start + SECONDS + _NEAR))
    blocks = [samples[:, PACKET * n : PACKET * (n + 1)] for n in kept]
    if not blocks:
        raise Unscorable("too_short", f"no sound lies in the 2 s from {start:.2f} s on, it has {samples.shape[1] / rate:.2f} s")
    made = _at_16_khz(np.concatenate([b.T.reshape(b.shape) for b in blocks], axis=1), rate)
    surplus = max(0, made.shape[1] - SECONDS * SAMPLE_RATE)
    return made[:, surplus // 2 : surplus // 2 + SECONDS * SAMPLE_RATE]


def whole(audio: Waveform | None, start: float) -> Float32s:
    """The sound of a clip, `(channels, at most 32000)` at 16 kHz; arguments and errors as of `packets`."""
    samples, rate = _there(audio)
    made = _at_16_khz(samples, rate)
    first, end = int(start * SAMPLE_RATE), int((start + SECONDS) * SAMPLE_RATE)
    return made[:, max(0, first) : max(0, end)][:, : SECONDS * SAMPLE_RATE]


def spectrogram(samples: Float32s) -> Float32s:
    """Of a clip's sound, `(channels, N)` at 16 kHz to `(128, 204)`; columns beyond its end hold 0 before the scaling.

    Raises:
        Unscorable: `too_short` below the 25 ms of one column.
    """
    if samples.shape[1] < 400:
        raise Unscorable(
            "too_short", f"a spectrogram needs 0.025 s of sound, the clip has {samples.shape[1] / SAMPLE_RATE:.3f} s"
        )
    (made,) = imagebind.sound_clips(np.array(samples, dtype=np.float32))
    return np.asarray(made)


def _there(audio: Waveform | None) -> tuple[Float32s, int]:
    if audio is None or audio.samples.size == 0:
        raise Unscorable("no_audio")
    return audio.samples, audio.sample_rate


def _at_16_khz(samples: Float32s, rate: int) -> Float32s:
    return np.stack([torchaudio_resample(channel, rate, SAMPLE_RATE, functional=True) for channel in samples])
