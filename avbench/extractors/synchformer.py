"""Synchformer: features of picture and sound in segments of 0.64 s, and 21 class scores of the offset between them.

Input:
    Picture: 25 frames a second as FFmpeg's `fps` filter chooses them; short side to 224 bicubic with antialiasing in 8 bits,
    centre crop, [-1, 1]. Sound: channel mean, 16 kHz by torchaudio's resampler, nothing taken off; a segment of 10240 samples
    makes 65 frames of 128 HTK mel bands (power of 1024 points, periodic Hann window of 400, hop 160, centred and mirrored),
    ln(m + 1e-6), a 66th frame of 0.0, then (x + 4.2677393) / (2 * 4.5689974). Segments begin every 0.32 s.
Scores:
    Classes are offsets from -2 to 2 s in steps of 0.2 s; a positive one says that the sound comes early (the source cuts it
    that much later than the picture). Fourteen segments (4.8 s) are compared at a time; `logits` holds every place where 14
    segments fit, one place every 0.32 s. With fewer segments there is one place, filled by repeating them from the first.
Verse-Bench:
    Short side to 256, the middle 224 x 224 of it; 4 s, of which the segments leave out the first and the last 0.08 s; eleven
    segments are compared as they are.
Source:
    Iashin et al., arXiv:2401.16423; github.com/hkchengrex/av-benchmark `extract_video.py`, `av_bench/extract.py`,
    `av_bench/data` at 050a5cd; github.com/JavisVerse/JavisDiT `eval/javisbench/src/dataset.py`, `metrics.py` at b505b37;
    github.com/Dorniwang/Verse-Bench `syncformer/cfg.yaml`, `syncformer/dataset/transforms.py` at 5645a09.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench import resampling
from avbench.errors import BadParameter, Unscorable
from avbench.frame_choice import ChosenFrames, ffmpeg_fps
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

Variant = Literal["av_benchmark", "javisbench", "verse_bench"]

FRAME_RATE = 25
SAMPLE_RATE = 16_000
SIDE = 224
VERSE_SHORT_SIDE = 256
SEGMENTS = 14
"""That are compared at a time."""
STEP_SECONDS = 8 / FRAME_RATE
"""From segment to segment."""
VERSE_SECONDS = 4.0
"""That Verse-Bench looks at."""
_FRAMES, _FRAME_STEP = 16, 8
_SAMPLES, _SAMPLE_STEP = 10_240, 5_120
_MEAN, _SPREAD = -4.2677393, 4.5689974
_MEL_FRAMES = 66
_HTK = 2595.0
_SEGMENTS_AT_ONCE = 8


@dataclass(frozen=True)
class Synchformer(Extractor):
    """Synchformer's features of both streams, and what it says of the offset between them.

    Layers: `visual` (S, 8, 768) and `audio` (S, 6, 768) float32 for S segments; `logits` (P, 21) float32, P = max(1, S - 13).

    Unused keys of the checkpoint: `vfeat_extractor.patch_embed.*`, which the published network keeps from its pretraining.

    Args:
        variant: `av_benchmark`: a clip that is shorter than `seconds` in picture or sound is refused. `javisbench`: black
            frames and zeros are added up to `seconds`, and the resampler's weights are float32. `verse_bench`: see the module;
            a shorter clip is refused.
        seconds: What is kept of the clip's beginning; at least 4.8 for `av_benchmark`, 0.64 for `javisbench`; 4 for
            `verse_bench`.

    Raises:
        BadParameter: for an unknown variant, or seconds that are too few.
    """

    variant: Variant = "av_benchmark"
    seconds: float = 8.0

    name: ClassVar[str] = "synchformer"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("visual", "audio", "logits")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video", "audio")
    packages: ClassVar[tuple[str, ...]] = ("numpy", "torch")
    weights: ClassVar[Checkpoint | None] = Checkpoint(
        file="synchformer_state_dict.pth",
        urls=("https://github.com/hkchengrex/MMAudio/releases/download/v0.1/synchformer_state_dict.pth",),
        licence="MIT",
    )
    batch_size: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variant == "verse_bench" and self.seconds != VERSE_SECONDS:
            raise BadParameter(f"synchformer[verse_bench]: seconds must be {VERSE_SECONDS:g}, got {self.seconds}")
        least = SEGMENTS if self.variant == "av_benchmark" else 1
        if self.segments < least:
            shortest = 0.64 + STEP_SECONDS * (least - 1)
            raise BadParameter(f"synchformer[{self.variant}]: seconds must be at least {shortest:g}, got {self.seconds}")

    @property
    def segments(self) -> int:
        """S, the same for picture and sound."""
        return (int(FRAME_RATE * self.seconds) - _FRAMES) // _FRAME_STEP + 1

    @property
    def unseen(self) -> int:
        """Frames before the first segment; `verse_bench` has the segments in the middle of its 4 s."""
        left = int(FRAME_RATE * self.seconds) - _FRAMES - _FRAME_STEP * (self.segments - 1)
        return left // 2 if self.variant == "verse_bench" else 0

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip.

        Raises:
            Unscorable: `too_short` if the picture is shorter than `seconds` and the variant adds nothing.
        """
        wanted = int(FRAME_RATE * self.seconds)
        indices = ffmpeg_fps(info.frame_times, info.video_seconds, FRAME_RATE)[:wanted]
        if self.variant != "javisbench" and len(indices) < wanted:
            raise Unscorable("too_short", f"{self.label} needs {self.seconds:g} s, the picture has {info.video_seconds:.2f} s")
        crop = functools.partial(cropped, verse_bench=self.variant == "verse_bench")
        return _Segments(indices[self.unseen :], crop, settings=self, wanted=wanted - self.unseen)

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network, ready on `device`: `frames` (clips, T, 3, 224, 224) uint8 and `mels` (clips, S, 128, 66) to the layers.

        Raises:
            BadParameter: if the file is not in Synchformer's published layout.
        """
        import torch

        from avbench.models.loading import load_exactly
        from avbench.models.synchformer import UNUSED
        from avbench.models.synchformer import Synchformer as Network
        from avbench.weights import read

        if weights is None:
            raise BadParameter("synchformer: weights are needed and None came")
        with torch.device("meta"):
            network = Network()
        load_exactly(network, read(weights), weights, UNUSED)
        network.to(device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            frames, mels = batch["frames"], batch["mels"]
            clips, segments = mels.shape[:2]
            starts = [(clip, _FRAME_STEP * n) for clip in range(clips) for n in range(segments)]
            visual = []
            for first in range(0, len(starts), _SEGMENTS_AT_ONCE):
                chunk = starts[first : first + _SEGMENTS_AT_ONCE]
                shown = torch.stack([frames[clip, at : at + _FRAMES] for clip, at in chunk])
                visual.append(network.visual((shown.float() / 255 - 0.5) / 0.5))
            seen = torch.cat(visual).view(clips, segments, 8, -1)
            heard = network.audio(mels.flatten(0, 1)).view(clips, segments, 6, -1)
            compared = [list(range(segments))] if self.variant == "verse_bench" else places(segments)
            logits = [network.compare(seen[:, place], heard[:, place]) for place in compared]
            return {"visual": seen, "audio": heard, "logits": torch.stack(logits, dim=1)}

        return forward


def places(segments: int) -> list[list[int]]:
    """The 14 segments of every place where they are compared; fewer are repeated in order from the first.

    >>> places(5)
    [[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3]]
    """
    return [[(first + n) % segments for n in range(SEGMENTS)] for first in range(max(1, segments - SEGMENTS + 1))]


@dataclass
class _Segments(ChosenFrames):
    """Frames on the grid of 25 a second."""

    settings: Synchformer = field(kw_only=True)
    wanted: int = field(kw_only=True)

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        """`frames` (T, 3, 224, 224) uint8, `mels` (S, 128, 66) float32."""
        if audio is None:
            raise Unscorable("no_audio")
        frames = np.zeros((self.wanted, 3, SIDE, SIDE), np.uint8)
        for step, index in enumerate(self.indices):
            frames[step] = self.made[int(index)]
        samples = waveform(audio, self.settings)[self.settings.unseen * SAMPLE_RATE // FRAME_RATE :]
        return {"frames": frames, "mels": normalised(segment_mels(samples)[: self.settings.segments])}


def cropped(image: NDArray[np.uint8], *, verse_bench: bool = False) -> NDArray[np.uint8]:
    """Short side to 224 bicubic with antialiasing, rounded to 8 bits, centre crop: `(H, W, 3)` to `(3, 224, 224)`.

    For `verse_bench` the short side is 256, and an odd last column or row is left out, as its encoder wants it.
    """
    import torch
    from torch.nn.functional import interpolate

    short = VERSE_SHORT_SIDE if verse_bench else SIDE
    height, width = image.shape[:2]
    frame = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
    if min(height, width) != short:
        size = (short, int(short * width / height)) if height <= width else (int(short * height / width), short)
        frame = interpolate(frame, size=size, mode="bicubic", antialias=True, align_corners=False)
        height, width = size
    height, width = (side - side % 2 if verse_bench else side for side in (height, width))
    top, left = round((height - SIDE) / 2), round((width - SIDE) / 2)
    return np.ascontiguousarray(frame[0, :, top : top + SIDE, left : left + SIDE].numpy())


def waveform(audio: Waveform, settings: Synchformer) -> NDArray[np.float32]:
    """The sound at 16 kHz, cut or filled to the wanted seconds, `(N,)`.

    Raises:
        Unscorable: `too_short` if there is less and the variant adds nothing.
    """
    fills = settings.variant == "javisbench"
    samples = resampling.torchaudio_resample(audio.mono, audio.sample_rate, SAMPLE_RATE, functional=fills)
    wanted = int(SAMPLE_RATE * settings.seconds)
    if not fills and len(samples) < wanted:
        seconds = len(samples) / SAMPLE_RATE
        raise Unscorable("too_short", f"{settings.label} needs {settings.seconds:g} s, the sound has {seconds:.2f} s")
    return np.pad(samples[:wanted], (0, max(0, wanted - len(samples))))


def segment_mels(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """ln(power + 1e-6) of 128 mel bands of every segment: `(N,)` at 16 kHz to `(S, 128, 65)`.

    In float32 throughout, as published: next to a loud sound the rounding of a transform is what fills an empty band.
    """
    import torch

    segments = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32)).unfold(0, _SAMPLES, _SAMPLE_STEP)
    window = torch.hann_window(400)
    spectrum = torch.stft(segments, 1024, 160, 400, window, center=True, pad_mode="reflect", return_complex=True)
    bands = spectrum.abs().pow(2.0).transpose(1, 2) @ torch.from_numpy(_bands())
    return np.ascontiguousarray(torch.log(bands.transpose(1, 2) + 1e-6).numpy())


def normalised(mels: NDArray[np.float32]) -> NDArray[np.float32]:
    """`(S, 128, 65)` as the network takes it, `(S, 128, 66)`; the added frame is 0.0 before the scaling, which is loud."""
    filled = np.pad(mels, ((0, 0), (0, 0), (0, _MEL_FRAMES - mels.shape[2])))
    return ((filled - np.float32(_MEAN)) / np.float32(2 * _SPREAD)).astype(np.float32)


@functools.cache
def _bands() -> NDArray[np.float32]:
    """Triangles of height 1 on the HTK mel scale from 0 to 8000 Hz, `(513, 128)`; edges in float32 as torchaudio has them."""
    import torch

    edges = 700.0 * (10.0 ** (torch.linspace(0.0, _HTK * math.log10(1.0 + 8000.0 / 700.0), 130) / _HTK) - 1.0)
    away = edges - torch.linspace(0, 8000, 513)[:, None]
    spacing = edges.diff()
    triangles = torch.minimum(-away[:, :-2] / spacing[:-1], away[:, 2:] / spacing[1:])
    return np.asarray(triangles.clamp(min=0.0).numpy())
