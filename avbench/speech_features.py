"""Mel-frequency cepstra and 16 kHz samples as SyncNet was trained and is scored with them.

Source:
    github.com/jameslyons/python_speech_features 0.6 `base.py`, `sigproc.py` (defaults of `mfcc`), which is not maintained.
    Samples: `ffmpeg -ac 1 -ar 16000 -acodec pcm_s16le`, that is FFmpeg's libswresample, which PyAV brings.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from avbench.types import Waveform

RATE = 16_000
_WINDOW, _STEP, _FFT, _BANDS, _CEPSTRA, _LIFTER = 400, 160, 512, 26, 13, 22
_EMPHASIS = 0.97


def mono_16k(audio: Waveform) -> NDArray[np.int16]:
    """The sound as FFmpeg makes 16-bit mono at 16 kHz of it: `(N,)`.

    Two channels are averaged; more are mixed as FFmpeg's default layout of that number says.
    """
    import av

    channels, length = audio.samples.shape
    if channels not in _LAYOUTS:
        audio, channels = Waveform(audio.mono[None], audio.sample_rate), 1
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    parts = []
    for first in range(0, length, audio.sample_rate):  # in blocks: FFmpeg's own are a few thousand samples
        block = np.ascontiguousarray(audio.samples[:, first : first + audio.sample_rate], dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=_LAYOUTS[channels])
        frame.sample_rate = audio.sample_rate
        parts += [made.to_ndarray()[0] for made in resampler.resample(frame)]
    parts += [made.to_ndarray()[0] for made in resampler.resample(None)]
    return np.concatenate(parts).astype(np.int16) if parts else np.zeros(0, np.int16)


_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def mfcc(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """13 cepstra every 10 ms; the first is the logarithm of the energy.

    Args:
        samples: `(N,)` at 16 kHz, integers (the level matters); N at least 1.

    Returns:
        `(1 + ceil((N - 400) / 160), 13)`, one row for fewer samples; zeros fill the last window of 25 ms.
    """
    x = np.asarray(samples, dtype=np.float64)
    x = np.append(x[0], x[1:] - _EMPHASIS * x[:-1])
    count = 1 + max(0, -(-(len(x) - _WINDOW) // _STEP))
    x = np.pad(x, (0, (count - 1) * _STEP + _WINDOW - len(x)))
    frames = np.lib.stride_tricks.sliding_window_view(x, _WINDOW)[::_STEP]
    spectrum = np.fft.rfft(frames, _FFT, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2) / _FFT
    bands = np.log(_positive(power @ _triangles().T))
    cepstra = (bands @ _cosines().T) * (1.0 + _LIFTER / 2 * np.sin(np.pi * np.arange(_CEPSTRA) / _LIFTER))
    cepstra[:, 0] = np.log(_positive(power.sum(axis=1)))
    return np.asarray(cepstra, dtype=np.float64)


def _positive(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Zeros, of digital silence, become the smallest step at 1."""
    return np.where(values == 0, np.finfo(np.float64).eps, values)


@functools.cache
def _triangles() -> NDArray[np.float64]:
    """26 triangles of height 1 whose corners lie on whole bins, `(26, 257)`, evenly spaced in mel from 0 to 8000 Hz."""
    mel = np.linspace(0.0, 2595.0 * np.log10(1.0 + RATE / 2 / 700.0), _BANDS + 2)
    corner = np.floor((_FFT + 1) * (700.0 * (10.0 ** (mel / 2595.0) - 1.0)) / RATE)
    bins = np.arange(_FFT // 2 + 1)
    low, mid, high = corner[:-2, None], corner[1:-1, None], corner[2:, None]
    rise = np.where((bins >= low) & (bins < mid), (bins - low) / np.maximum(mid - low, 1), 0.0)
    fall = np.where((bins >= mid) & (bins < high), (high - bins) / np.maximum(high - mid, 1), 0.0)
    return rise + fall


@functools.cache
def _cosines() -> NDArray[np.float64]:
    """The first 13 rows of the orthonormal discrete cosine transform of 26 values."""
    rows = np.cos(np.pi * np.arange(_CEPSTRA)[:, None] * (np.arange(_BANDS) + 0.5) / _BANDS)
    return np.asarray(rows * np.where(np.arange(_CEPSTRA) == 0, 1.0, np.sqrt(2.0))[:, None] / np.sqrt(_BANDS))
