"""CLAP as transformers has it (`laion/clap-htsat-unfused`): a sound of up to 10 s as a unit vector of 512 numbers.

Input:
    Samples at 48 kHz, exactly 10 s, by one of the rules below. Power of 1024-point frames every 480 samples, centred and
    mirrored at the edges, under a periodic Hann window; 64 triangles from 50 to 14000 Hz, Slaney's scale and norm; decibels
    with a floor at -100 dB. 1001 frames go through HTS-AT and a projection (`avbench.models.clap`).

    | variant | channels, resampler | shorter than 10 s | longer than 10 s |
    |---|---|---|---|
    | `transformers` (default) | mean, soxr | repeated a whole number of times, then zeros | the middle 10 s |
    | `javisbench` | mean, soxr | zeros at the end | the middle 10 s |
    | `fadtk` | mean, torchaudio Kaiser, 16 bits twice | zeros at the end | a window of 10 s at every second |

    JavisBench asks transformers for `padding=True`, which takes the place of the checkpoint's own rule of repeating. `fadtk` is
    how fadtk cuts sound for LAION's CLAP, so the last windows are mostly zeros; it has no loader for this file.
Source:
    Y. Wu et al., arXiv:2211.06687; github.com/huggingface/transformers `models/clap` at 4.57.1; github.com/JavisVerse/JavisDiT
    `eval/javisbench/src/metrics.py` at b505b37; github.com/microsoft/fadtk `fadtk/model_loader.py` at ec74b1f.
Differs from the source:
    transformers crops a longer clip at a place from NumPy's global generator, so its value is another one each time. Here it is
    the middle.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench import audio_chains
from avbench.errors import BadParameter, Unscorable
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

Float32s = NDArray[np.float32]
Variant = Literal["transformers", "javisbench", "fadtk"]
Scale = Literal["slaney", "htk"]

SAMPLE_RATE = 48_000
WINDOW = 480_000
"""Samples in 10 s, which both CLAPs take."""
HOP = SAMPLE_RATE
"""Samples from one of fadtk's windows to the next."""
STEPS = 32_767
"""LAION's 16 bits: 1.0 is this whole number."""
_SIZE = 1_024
_MEL_HOP = 480
_LEAST_POWER = 1e-10


@dataclass(frozen=True)
class Clap(Extractor):
    """CLAP's embedding of a clip's sound, one row for each window.

    Layers: `embedding` (windows, 512) float32, rows of unit length. `transformers` and `javisbench` make one window.

    Unused parts of the checkpoint: the text tower (`clap_text`), temperatures, index buffers, which may be absent.

    Args:
        variant: See the module.

    Raises:
        BadParameter: for another variant.
    """

    variant: Variant = "transformers"

    name: ClassVar[str] = "clap"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("embedding",)
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("audio",)
    packages: ClassVar[tuple[str, ...]] = ("librosa", "numpy", "soxr", "torch", "transformers")
    weights: ClassVar[Checkpoint | None] = Checkpoint(
        file="clap-htsat-unfused.bin",
        urls=("https://huggingface.co/laion/clap-htsat-unfused/resolve/main/pytorch_model.bin",),
        licence="Apache-2.0, free for commercial use",
    )
    batch_size: ClassVar[int] = 8

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip; no frame is wanted."""
        return _Mels(self)

    def load(self, weights: Path | None, device: str) -> Forward:
        """The audio tower: `mels` (clips, windows, 1001, 64) to the layer; windows are run one after another.

        Raises:
            BadParameter: if the file is not in the layout of `pytorch_model.bin` or `model.safetensors`.
        """
        import torch

        from avbench.models.clap import AUDIO_UNUSED, AudioTower, read_transformers
        from avbench.models.loading import load_exactly

        if weights is None:
            raise BadParameter("clap: weights are needed and None came")
        with torch.device("meta"):
            network = AudioTower("tiny", front_end=False)
        load_exactly(network, read_transformers(weights), weights, AUDIO_UNUSED)
        network.to(device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"embedding": torch.stack([network(mel) for mel in batch["mels"].unbind(1)], dim=1)}

        return forward


@dataclass
class _Mels(Preparation):
    settings: Clap

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        """`mels` (windows, 1001, 64)."""
        if audio is None or audio.samples.size == 0:
            raise Unscorable("no_audio")
        return {"mels": np.stack([log_mel(window) for window in windows(audio, self.settings.variant)])}


def windows(audio: Waveform, variant: Variant) -> Float32s:
    """The sound as the variant gives it: `(windows, 480000)` at 48 kHz."""
    if variant == "fadtk":
        return np.asarray(hopped(steps(audio_chains.fadtk(audio, SAMPLE_RATE, 0.0))) / np.float32(STEPS))
    return ten_seconds(resampled(audio), repeat=variant == "transformers")[None]


# ------------------------------------------------------------------ sound of 10 s


def resampled(audio: Waveform) -> Float32s:
    """Channels averaged, at 48 kHz by soxr: `(N,)`."""
    import librosa

    mono = audio.mono
    if audio.sample_rate != SAMPLE_RATE:
        mono = librosa.resample(mono, orig_sr=audio.sample_rate, target_sr=SAMPLE_RATE, res_type="soxr_hq")
    return np.asarray(mono, dtype=np.float32)


def ten_seconds(samples: Float32s, *, repeat: bool = True) -> Float32s:
    """The middle 10 s of what is longer; what is shorter as often as it fits whole (or once), then zeros: `(480000,)`."""
    first = max(0, len(samples) - WINDOW) // 2
    kept = samples[first : first + WINDOW]
    kept = np.tile(kept, WINDOW // len(kept)) if repeat else kept
    return np.pad(kept, (0, WINDOW - len(kept)))


def hopped(samples: Array) -> Array:
    """Windows of 10 s that begin at every second of the sound, zeros behind its end: a view `(windows, 480000)`."""
    last = (len(samples) - 1) // HOP * HOP
    filled = np.pad(samples, (0, last + WINDOW - len(samples)))
    return np.lib.stride_tricks.sliding_window_view(filled, WINDOW)[::HOP]


def steps(samples: Float32s) -> NDArray[np.int16]:
    """LAION's 16 bits: clipped, times 32767, rounded towards zero."""
    return (np.clip(samples, -1.0, 1.0) * np.float32(STEPS)).astype(np.int16)


def log_mel(samples: Float32s, scale: Scale = "slaney") -> Float32s:
    """Decibels of mel bands, `(480000,)` to `(1001, 64)`.

    Args:
        samples: At 48 kHz.
        scale: `slaney` with areas of equal size; `htk` with triangles of equal height, which the fusion checkpoint hears.
    """
    mirrored = np.pad(np.asarray(samples, dtype=np.float64), _SIZE // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(mirrored, _SIZE)[::_MEL_HOP]
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(_SIZE) / _SIZE)
    spectrum = np.fft.rfft(frames * window, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2) @ _bands(scale).T
    return np.ascontiguousarray(10.0 * np.log10(np.maximum(power, _LEAST_POWER)), dtype=np.float32)


@functools.cache
def _bands(scale: Scale) -> NDArray[np.float64]:
    from librosa.filters import mel

    kind: dict[str, Any] = {"htk": True, "norm": None} if scale == "htk" else {"htk": False, "norm": "slaney"}
    return np.asarray(mel(sr=SAMPLE_RATE, n_fft=_SIZE, n_mels=64, fmin=50.0, fmax=14_000.0, dtype=np.float64, **kind))
