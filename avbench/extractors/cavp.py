"""CAVP of Diff-Foley: unit vectors of picture and sound, 4 a second each.

Input:
    S is the clip's length in whole seconds. Picture: 4 frames a second as FFmpeg's `fps` filter chooses them, to 224 x 224 by
    PIL's bilinear filter, aspect ratio lost, [0, 1]; 40 frames at a time, so a longer clip is seen in parts. Sound: channel
    mean, 16 kHz by soxr, cut or filled with zeros to S seconds, the last sample dropped; magnitudes of 1024 points (Hann, hop
    250, centred on zeros), 128 Slaney mel bands from 125 to 7600 Hz, (20 log10(max(m, 1e-5)) + 80) / 100, clipped to [0, 1]:
    64 S frames.
Source:
    Luo et al., Diff-Foley, arXiv:2306.17203; github.com/JavisVerse/JavisDiT `eval/javisbench/src/metrics.py`, `utils.py`,
    `wav2spec.py`, `dataset.py` at b505b37.
Differs from the source:
    The source writes the chosen frames to a file at FFmpeg's default quality and reads that; here they are used as decoded. Its
    S is the length that the container states, which may be the sound's; here S is never more than the picture has frames for.
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

from avbench.errors import BadParameter, Unscorable
from avbench.frame_choice import ChosenFrames, ffmpeg_fps
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

FRAME_RATE = 4
SAMPLE_RATE = 16_000
SIDE = 224
_AT_ONCE = 40
"""Frames that the network sees together."""
_SIZE, _HOP = 1024, 250


@dataclass(frozen=True)
class Cavp(Extractor):
    """CAVP's rows of picture and sound.

    Layers: `visual` and `audio` (4 S, 512) float32, each row of length 1.

    Unused key of the checkpoint: `logit_scale`, the temperature of the training loss.
    """

    name: ClassVar[str] = "cavp"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("visual", "audio")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video", "audio")
    packages: ClassVar[tuple[str, ...]] = ("numpy", "librosa", "pillow", "soxr", "torch")
    weights: ClassVar[Checkpoint | None] = Checkpoint(
        file="cavp_epoch66.ckpt",
        urls=("https://huggingface.co/SimianLuo/Diff-Foley/resolve/main/diff_foley_ckpt/cavp_epoch66.ckpt",),
        licence="MIT",
        sha256="3472c2217a9481f530a96e32611c9e4611766f10b7f0d185a1ce35be7b7f9c80",
    )
    batch_size: ClassVar[int] = 4

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip.

        Raises:
            Unscorable: `too_short` if the picture has fewer than 4 steps of a quarter of a second.
        """
        indices = ffmpeg_fps(info.frame_times, info.video_seconds, FRAME_RATE)
        if len(indices) < FRAME_RATE:
            raise Unscorable("too_short", f"cavp needs 1 s, the picture has {info.video_seconds:.2f} s")
        return _Rows(indices, squeezed, video_seconds=info.video_seconds)

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network, ready on `device`: `frames` (clips, 4 S, 3, 224, 224) uint8 and `mels` (clips, 128, 64 S) to the layers.

        Raises:
            BadParameter: if the file is not in CAVP's published layout.
        """
        import torch

        from avbench.models.cavp import UNUSED, published
        from avbench.models.cavp import Cavp as Network
        from avbench.models.loading import load_exactly
        from avbench.weights import read

        if weights is None:
            raise BadParameter("cavp: weights are needed and None came")
        with torch.device("meta"):
            network = Network()
        load_exactly(network, published(read(weights)), weights, UNUSED)
        network.to(device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            parts = [network.visual(part.float() / 255) for part in batch["frames"].split(_AT_ONCE, dim=1)]
            return {"visual": torch.cat(parts, dim=1), "audio": network.audio(batch["mels"])}

        return forward


@dataclass
class _Rows(ChosenFrames):
    video_seconds: float = field(kw_only=True)

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        """`frames` (4 S, 3, 224, 224) uint8, `mels` (128, 64 S) float32."""
        if audio is None:
            raise Unscorable("no_audio")
        longer = max(self.video_seconds, audio.samples.shape[1] / audio.sample_rate)
        # a container states its length in hundredths of a second
        seconds = min(int(round(longer, 2)), len(self.indices) // FRAME_RATE)
        chosen = self.indices[: FRAME_RATE * seconds]
        return {"frames": np.stack([self.made[int(i)] for i in chosen]), "mels": mel_spectrogram(audio, seconds)}


def squeezed(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """To 224 x 224 by PIL's bilinear filter, aspect ratio lost: `(H, W, 3)` to `(3, 224, 224)`."""
    from PIL import Image

    small = Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))


def mel_spectrogram(audio: Waveform, seconds: int) -> NDArray[np.float32]:
    """The first whole seconds as CAVP takes them, `(128, 64 * seconds)` in [0, 1]."""
    import soxr

    samples = audio.mono
    if audio.sample_rate != SAMPLE_RATE:
        wanted = math.ceil(len(samples) * SAMPLE_RATE / audio.sample_rate)
        samples = soxr.resample(samples, audio.sample_rate, SAMPLE_RATE, quality="HQ")[:wanted]
    length = SAMPLE_RATE * seconds
    samples = np.pad(samples[:length], (0, max(0, length - len(samples))))[:-1].astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, _SIZE // 2), _SIZE)[::_HOP]
    magnitudes = np.abs(np.fft.rfft(frames * _window(), axis=1))
    decibels = 20.0 * np.log10(np.maximum(_bands() @ magnitudes.T, 1e-5))
    return np.clip((decibels - 20.0 + 100.0) / 100.0, 0.0, 1.0).astype(np.float32)


@functools.cache
def _window() -> NDArray[np.float64]:
    """A periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(_SIZE) / _SIZE)


@functools.cache
def _bands() -> NDArray[np.float64]:
    """Slaney's triangles of equal area from 125 to 7600 Hz, `(128, 513)`."""
    from librosa.filters import mel

    return np.asarray(mel(sr=SAMPLE_RATE, n_fft=_SIZE, n_mels=128, fmin=125.0, fmax=7600.0), dtype=np.float64)
