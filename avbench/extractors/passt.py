"""PaSST: 527 AudioSet class scores and a 768-d embedding of a sound of up to 10 s.

Input:
    A waveform x at 32 kHz, prepared by one of the published rules (`variant`). y[t] = x[t+1] - 0.97 x[t]; power of 1024-point
    frames every 320 samples, centred and mirrored at the edges, under a symmetric Hann window of 800 samples; 128 triangles
    evenly spaced on Kaldi's mel scale from 0 to 15000 Hz; (ln(m + 1e-5) + 4.5) / 5. 10 s make 1000 frames.
Source:
    Koutini et al., Efficient training of audio transformers with patchout, arXiv:2110.05069; front end and network:
    github.com/hkchengrex/passt_hear21 `hear21passt/models/preprocess.py`, `base.py` at 1ab7789. Rules: see `RULES`.
Differs from the source:
    The front end is computed in float64 but for the mel bands, and rounded once.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench import audio_chains, resampling
from avbench.errors import BadParameter, Unscorable
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

Variant = Literal["av_benchmark", "native", "audiocraft", "stable"]

RULES: Mapping[str, str] = {
    "av_benchmark": "github.com/hkchengrex/av-benchmark av_bench/data/audio_dataset.py, extract.py at 050a5cd",
    "native": "github.com/hkchengrex/passt_hear21 hear21passt/wrapper.py at 1ab7789",
    "audiocraft": "github.com/facebookresearch/audiocraft audiocraft/metrics/kld.py at 896ec7c",
    "stable": "github.com/Stability-AI/stable-audio-metrics src/passt_kld.py at fd55536",
}
SAMPLE_RATE = 32_000
WINDOW = 320_000
"""Samples in 10 s, the most that the network takes."""
_FEWEST = 4_801
"""Samples that make 16 mel frames, one patch."""
_HALF_FRAME = 512


@dataclass(frozen=True)
class Passt(Extractor):
    """PaSST's class scores and embedding, one row for each window of the sound.

    Layers: `logits` (windows, 527) float32, before softmax or sigmoid; `embedding` (windows, 768) float32, the mean of class
    and distillation token. `av_benchmark` and `native` make one window.

    Unused keys of the checkpoint: `head_dist.*`, a head that is used in training alone.

    Args:
        variant: `av_benchmark`: channels averaged, mean taken off, torchaudio's resampler, the first `seconds`, zeros up to 10
            s. `native`: channels averaged, torchaudio's resampler, nothing cut or filled; longer clips than 10 s are refused.
            `audiocraft`: julius's resampler, consecutive segments of 10 s, the last one as short as it is and left out if it
            has 0.15 s or less. `stable`: soxr, peak at -1 dBFS, a window of 10 s every 5 s, of which the last is filled with
            zeros; a clip of 1.5 s or less is not filled.
        seconds: What `av_benchmark` keeps of the clip's beginning, up to 10.

    Raises:
        BadParameter: for an unknown variant, or seconds that are not above 0 and at most 10.
    """

    variant: Variant = "av_benchmark"
    seconds: float = 8.0

    name: ClassVar[str] = "passt"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("logits", "embedding")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("audio",)
    packages: ClassVar[tuple[str, ...]] = ("numpy", "soxr", "torch")
    weights: ClassVar[Checkpoint | None] = Checkpoint(
        file="passt-s-f128-p16-s10-ap.476-swa.pt",
        urls=("https://github.com/kkoutini/PaSST/releases/download/v0.0.1-audioset/passt-s-f128-p16-s10-ap.476-swa.pt",),
        licence="Apache-2.0",
    )
    batch_size: ClassVar[int] = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.seconds <= WINDOW / SAMPLE_RATE:
            raise BadParameter(f"passt: seconds must be above 0 and at most 10, got {self.seconds}")

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip; no frame is wanted."""
        return _Mels(self)

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network, ready on `device`; windows are run one after another, clips side by side.

        Raises:
            BadParameter: if the file is not a PaSST-S checkpoint.
        """
        import torch

        from avbench.models.loading import load_exactly
        from avbench.models.passt import UNUSED
        from avbench.models.passt import Passt as Network
        from avbench.weights import read

        if weights is None:
            raise BadParameter("passt: weights are needed and None came")
        with torch.device("meta"):
            network = Network()
        load_exactly(network, read(weights), weights, UNUSED)
        network.to(device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            windows = [*batch["mels"].unbind(1)] if "mels" in batch else []
            windows += [batch["last"]] if "last" in batch else []
            logits, embeddings = zip(*(network(mel) for mel in windows), strict=True)
            return {"logits": torch.stack(logits, dim=1), "embedding": torch.stack(embeddings, dim=1)}

        return forward


@dataclass
class _Mels(Preparation):
    settings: Passt

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        """`mels` (windows, 128, 1000) and, where the last window is shorter, `last` (128, frames)."""
        if audio is None or audio.samples.size == 0:
            raise Unscorable("no_audio")
        mels = [mel_spectrogram(window) for window in windows(audio, self.settings)]
        short = mels.pop() if mels[-1].shape[1] < mels[0].shape[1] or mels[-1].shape[1] != _frames(WINDOW) else None
        made = {"mels": np.stack(mels)} if mels else {}
        return made if short is None else made | {"last": short}


# ------------------------------------------------------------------ windows


def windows(audio: Waveform, settings: Passt) -> list[NDArray[np.float32]]:
    """The waveforms at 32 kHz that the network is given, each `(N,)`, only the last of them shorter than 10 s.

    Raises:
        Unscorable: `too_short` where no window is long enough for the network (0.15 s), `too_large` for `native` and more than
            10 s, `silent` where `stable` cannot bring the peak to -1 dBFS.
    """
    if settings.variant == "av_benchmark":
        return [_filled(audio_chains.av_benchmark(audio, SAMPLE_RATE, settings.seconds))]
    if settings.variant == "native":
        samples = resampling.torchaudio_resample(audio.mono, audio.sample_rate, SAMPLE_RATE)
        if len(samples) > WINDOW:
            raise Unscorable("too_large", f"passt[native] takes 10 s, the clip has {len(samples) / SAMPLE_RATE:.2f} s")
        found = [samples]
    elif settings.variant == "audiocraft":
        samples = resampling.julius_resample(audio.mono, audio.sample_rate, SAMPLE_RATE)
        found = [samples[first : first + WINDOW] for first in range(0, len(samples), WINDOW)]
        found = [w for w in found if len(w) >= _FEWEST]
    else:
        found = _stable_windows(audio)
    if not found or len(found[-1]) < _FEWEST:
        raise Unscorable("too_short", f"passt needs more than 0.15 s of sound, the clip has {_seconds(audio):.3f} s")
    return found


def _stable_windows(audio: Waveform) -> list[NDArray[np.float32]]:
    import soxr

    samples = audio.mono
    if audio.sample_rate != SAMPLE_RATE:
        samples = soxr.resample(samples, audio.sample_rate, SAMPLE_RATE, quality="HQ")
    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0.0:
        raise Unscorable("silent", "stable-audio-metrics divides the sound by its peak, which is 0")
    samples = (samples * (10.0 ** (-1.0 / 20.0) / peak)).astype(np.float32)
    step = WINDOW // 2
    found = [samples[first : first + WINDOW] for first in range(0, max(step, len(samples) - step), step)]
    return [_filled(w) if len(w) > 0.15 * WINDOW else w for w in found]


def _filled(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut, or filled with zeros at the end, to 10 s."""
    return np.pad(samples[:WINDOW], (0, max(0, WINDOW - len(samples))))


def _seconds(audio: Waveform) -> float:
    return float(audio.samples.shape[-1] / audio.sample_rate)


# ------------------------------------------------------------------ front end


def mel_spectrogram(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """PaSST's mel spectrogram: `(N,)` at 32 kHz to `(128, 1 + (N - 1) // 320)`; N at least 514."""
    x = np.asarray(samples, dtype=np.float64)
    x = np.pad(x[1:] - 0.97 * x[:-1], _HALF_FRAME, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(x, 2 * _HALF_FRAME)[::320]
    spectrum = np.fft.rfft(frames * _window(), axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    return np.ascontiguousarray((np.log(power @ _bands().T + 1e-5).T + 4.5) / 5.0, dtype=np.float32)


def _frames(samples: int) -> int:
    return 1 + (samples - 1) // 320


@functools.cache
def _window() -> NDArray[np.float64]:
    """A symmetric Hann window of 800 samples in the middle of 1024."""
    return np.pad(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(800) / 799), 112)


@functools.cache
def _bands() -> NDArray[np.float64]:
    """Triangles of height 1, evenly spaced on Kaldi's mel scale, `(128, 513)`; the last bin is in none."""
    # In float32, as the source has them: a loud tone just outside a triangle leaks into it by the rounding of its edge.
    single = np.float32
    spacing = single(1127.0 * np.log(1.0 + 15_000.0 / 700.0) / 129)
    edges = np.arange(130, dtype=single)[:, None] * spacing
    hertz = np.arange(_HALF_FRAME, dtype=single) * single(SAMPLE_RATE / (2 * _HALF_FRAME))
    mel = single(1127.0) * np.log(single(1.0) + hertz / single(700.0))
    rise = (mel - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - mel) / (edges[2:] - edges[1:-1])
    return np.pad(np.maximum(single(0.0), np.minimum(rise, fall)), ((0, 0), (0, 1))).astype(np.float64)
