"""AudioCLIP: 1024 numbers for the sound of a clip, as MM-Diffusion and JavisBench compare them.

Definition:
    The waveform of a variant goes through AudioCLIP's audio head (`avbench.models.audioclip`), in evaluation mode. The
    embedding is its output as it is, not brought to unit length.

    | variant | channels | Hz | length | range |
    |---|---|---|---|---|
    | `javisbench` (default) | mean | 16000, soxr | whole, or `seconds`: cut, or filled with zeros at the end | [-1, 1] |
    | `authors` | mean | 44100, soxr | the same | [-32768, 32768] |
    | `mmdiffusion_eval` | first | 44100, soxr | 1.6 s: the first, or filled with zeros | [-1, 1] |
    | `mmdiffusion` | | | refused, see below | |

    `authors` is what the network was trained for: its first step maps the 16-bit range to [-1, 1]. MM-Diffusion and JavisBench
    give it [-1, 1], which that step shrinks to 3e-5 around 1.5e-5, in 8 or 9 bits.
Refused:
    `mmdiffusion`: MM-Diffusion never leaves training mode, so batch norm takes mean and variance of the eight clips that happen
    to share a batch. An embedding is then no function of its clip, and neither batches nor order may move a value here.
    `mmdiffusion_eval` is the same preparation in evaluation mode; no published number was made with it.
Precision:
    Where the sound is silent or band-limited, the picture is the logarithm of float32 rounding, here as in the published code,
    so that other hardware gives other decibels there. Clips are therefore brought to decibels one by one, which keeps the
    values from depending on the batch.
Source:
    A. Guzhov et al., AudioCLIP, arXiv:2106.13043; github.com/JavisVerse/JavisDiT `eval/javisbench/src/AudioCLIP`,
    `dataset.py` at b505b37; github.com/researchmm/MM-Diffusion `mm_diffusion/evaluator.py` at 7250222.
Differs from the source:
    moviepy's resampler (FFmpeg's) is soxr here, in `mmdiffusion_eval`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter, Unscorable
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

Variant = Literal["javisbench", "authors", "mmdiffusion_eval", "mmdiffusion"]

_RATE: Mapping[Variant, int] = {"javisbench": 16_000, "authors": 44_100, "mmdiffusion_eval": 44_100}
_MM_DIFFUSION_SECONDS = 1.6


@dataclass(frozen=True)
class AudioClip(Extractor):
    """AudioCLIP's embedding of a clip's sound.

    Layers: `embedding` (1024,) float32, not of unit length.

    Unused parts of the checkpoint: image and text encoders and temperatures (`avbench.models.audioclip.UNUSED`).

    Args:
        variant: See the module.
        seconds: Length that every clip is cut or filled to (JavisBench's `max_audio_len_s`); None for whole clips.
            `mmdiffusion_eval` has its own.

    Raises:
        BadParameter: for `mmdiffusion`, another variant, or seconds below 0.001 or that the variant does not take.
    """

    variant: Variant = "javisbench"
    seconds: float | None = None

    name: ClassVar[str] = "audioclip"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("embedding",)
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("audio",)
    packages: ClassVar[tuple[str, ...]] = ("librosa", "numpy", "soxr", "torch")
    weights: ClassVar[Checkpoint | None] = Checkpoint(
        file="AudioCLIP-Full-Training.pt",
        urls=("https://github.com/AndreyGuzhov/AudioCLIP/releases/download/v0.1/AudioCLIP-Full-Training.pt",),
        licence="MIT, free for commercial use",
    )
    batch_size: ClassVar[int] = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variant == "mmdiffusion":
            raise BadParameter(
                "audioclip: mmdiffusion takes batch norm over the eight clips that share a batch, so its embedding is no "
                "function of the clip; mmdiffusion_eval is the same preparation in evaluation mode"
            )
        if self.seconds is not None and self.variant == "mmdiffusion_eval":
            raise BadParameter("audioclip: mmdiffusion_eval takes 1.6 s of each clip, so it takes no seconds")
        if self.seconds is not None and not 0.001 <= self.seconds < float("inf"):
            raise BadParameter(f"audioclip: seconds must be at least 0.001, got {self.seconds}")

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip; no frame is wanted."""
        return _Samples(self)

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network: `samples` (clips, N) to the layer.

        Raises:
            BadParameter: if the file is not in AudioCLIP's layout.
        """
        import torch

        from avbench.models.audioclip import UNUSED, AudioHead
        from avbench.models.loading import load_exactly
        from avbench.weights import read

        if weights is None:
            raise BadParameter("audioclip: weights are needed and None came")
        with torch.device("meta"):
            head = AudioHead()
        load_exactly(torch.nn.ModuleDict({"audio": head}), read(weights), weights, UNUSED)
        head.to(device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"embedding": head.embedding(torch.stack([head.decibels(clip) for clip in batch["samples"]]))}

        return forward


@dataclass
class _Samples(Preparation):
    settings: AudioClip

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        """`samples` (N,) float32."""
        if audio is None or audio.samples.size == 0:
            raise Unscorable("no_audio")
        return {"samples": waveform(audio, self.settings)}


def waveform(audio: Waveform, settings: AudioClip) -> NDArray[np.float32]:
    """What the network is given of a sound: `(N,)`, in the variant's range."""
    import librosa

    rate = _RATE[settings.variant]
    first = settings.variant == "mmdiffusion_eval"
    samples = audio.samples[0] if first else audio.mono
    if audio.sample_rate != rate:
        samples = librosa.resample(samples, orig_sr=audio.sample_rate, target_sr=rate, res_type="soxr_hq")
    seconds = _MM_DIFFUSION_SECONDS if first else settings.seconds
    if seconds is not None:
        count = int(seconds * rate)
        samples = np.pad(samples[:count], (0, max(0, count - len(samples))))
    scale = 32_768 if settings.variant == "authors" else 1
    return np.ascontiguousarray(samples, dtype=np.float32) * np.float32(scale)
