"""When sounds begin: librosa's onset strength, and the onsets that its default peak picker would pick, in seconds.

Definition:
    Strength: a power mel spectrogram (2048-point Hann frames every 512 samples, centred, 128 Slaney bands up to half the sample
    rate) in dB with a floor 80 dB under its maximum; the positive part of each band's rise over the frame before; the mean over
    bands.
    Onsets: the strength x is scaled to [0, 1]; frame n is an onset if x[n] is the maximum of x[n-a .. n], if x[n] is at least
    0.07 above the mean of x[n-c .. n+c], and if more than a frames have passed since the last onset. a and c are the whole
    frames in 30 and in 100 ms: 1 and 4 at 22050 Hz, 2 and 9 at 48 kHz, but 0 and 3 at 16 kHz, where the first and
    the third rule say nothing.
Source:
    librosa 0.11 `onset_strength` and `onset_detect` with their defaults (no backtracking), as AV-Align calls them:
    github.com/guyyariv/TempoTokens `av_align.py` at bf0b1e3.
Differs from the source:
    The rule is in NumPy here: librosa's compiled picker ended the process with some versions of numba. The picks are the same.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter, Unscorable
from avbench.types import Array, ClipInfo, Extractor, Features, Preparation, Waveform

HOP = 512
"""Samples from one frame of the strength to the next."""


@dataclass(frozen=True)
class Onsets(Extractor):
    """Onset times and onset strength of a clip's sound.

    Layers: `times` (n,) float64, seconds, rising; `strength` (frames,) float32, >= 0, frame k at
    `strength_start` + k / `strength_rate`; `strength_rate` () float64, Hz; `strength_start` () float64, seconds.

    Args:
        sample_rate: Hz the sound is resampled to (soxr, high quality) after the channels are averaged; None for its own rate.
        pcm16: Whether samples are rounded to 16 bits first. The references read 16-bit WAV files that FFmpeg made.
        keep_offset: Whether times count from the first frame of the picture. The references count them from the first sample,
            so a sound track that starts late is scored as if it started with the picture.

    Raises:
        BadParameter: if `sample_rate` is not positive.
    """

    sample_rate: int | None = 22050
    pcm16: bool = True
    keep_offset: bool = False

    name: ClassVar[str] = "onsets"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("times", "strength", "strength_rate", "strength_start")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("audio",)
    packages: ClassVar[tuple[str, ...]] = ("librosa", "numpy", "scipy", "soxr")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sample_rate is not None and self.sample_rate <= 0:
            raise BadParameter(f"onsets: sample_rate must be positive or none, got {self.sample_rate}")

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip; no frame is wanted."""
        return _Sound(self, info.audio_start_seconds if self.keep_offset else 0.0)


@dataclass
class _Sound(Preparation):
    settings: Onsets
    start: float

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        if audio is None:
            raise Unscorable("no_audio")
        samples, rate = mono(audio, self.settings.sample_rate, pcm16=self.settings.pcm16)
        strength = onset_strength(samples, rate)
        return {
            "times": pick_onsets(strength, rate) * HOP / rate + self.start,
            "strength": strength,
            "strength_rate": np.asarray(rate / HOP, dtype=np.float64),
            "strength_start": np.asarray(self.start, dtype=np.float64),
        }


def mono(audio: Waveform, sample_rate: int | None, *, pcm16: bool) -> tuple[NDArray[np.float32], int]:
    """One channel at the wanted rate, as `librosa.load` makes it.

    Args:
        audio: The sound.
        sample_rate: Hz; None for the sound's own.
        pcm16: Whether every channel is rounded to 16 bits first, ties to even, and clipped to [-1, 1).

    Returns:
        Samples `(N,)` and their rate.
    """
    import librosa

    if pcm16:
        rounded = np.clip(np.rint(audio.samples * np.float32(32768)), -32768, 32767) / np.float32(32768)
        audio = Waveform(rounded.astype(np.float32), audio.sample_rate)
    rate = audio.sample_rate if sample_rate is None else sample_rate
    samples = librosa.resample(audio.mono, orig_sr=audio.sample_rate, target_sr=rate, res_type="soxr_hq")
    return np.asarray(samples, dtype=np.float32), rate


def onset_strength(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Onset strength as librosa makes it with its defaults: `(N,)` to `(1 + N // 512,)`; zeros for silence."""
    import librosa

    with warnings.catch_warnings():
        # Shorter than one analysis frame, or mel bands narrower than a bin: librosa warns and goes on, so do the references.
        warnings.filterwarnings("ignore", message="n_fft=.* is too large", category=UserWarning)
        warnings.filterwarnings("ignore", message="Empty filters detected", category=UserWarning)
        return np.asarray(librosa.onset.onset_strength(y=samples, sr=sample_rate), dtype=np.float32)


def pick_onsets(strength: NDArray[np.float32], sample_rate: int) -> NDArray[np.int64]:
    """Frames of the onsets, by the rule in the module's docstring.

    Args:
        strength: Onset strength `(frames,)`, of any scale.
        sample_rate: Hz of the samples that the strength was made of.

    Returns:
        Frame numbers `(n,)`, rising; empty if the strength is all the same or not finite.
    """
    x = np.asarray(strength, dtype=np.float32)
    if not x.size or not np.isfinite(x).all():
        return np.zeros(0, dtype=np.int64)
    x = x - x.min()
    x = x / (x.max() + np.finfo(np.float32).tiny)
    if not x.any():
        return np.zeros(0, dtype=np.int64)
    back = int(0.03 * sample_rate // HOP)
    around = int(0.10 * sample_rate // HOP)
    picked = []
    n = 0
    while n < len(x):
        if _is_onset(x, n, back, around):
            picked.append(n)
            n += back
        n += 1
    return np.asarray(picked, dtype=np.int64)


def _is_onset(x: NDArray[np.float32], n: int, back: int, around: int) -> bool:
    if n and x[n] != x[max(0, n - back) : n + 1].max():
        return False
    near = x[max(0, n - around) : n + around + 1]
    mean = np.float32(np.add.accumulate(near)[-1] / np.float32(len(near)))  # summed in order in float32, as librosa does
    return bool(x[n] >= mean + np.float32(0.07))
