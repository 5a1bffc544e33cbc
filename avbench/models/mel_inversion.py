"""Log-mel spectrograms, and the way back to a waveform without a learned vocoder.

16 kHz mono; periodic Hann window of 800 samples, one frame every 200, the first centred on sample 0 (mirrored at the ends);
magnitude; 64 triangular bands of area 1, evenly spaced between 40 and 8000 Hz on the mel scale 2595 log10(1 + f / 700);
natural logarithm with a floor. Back: the non-negative pseudo-inverse of the bands, then the phase by fast Griffin and Lim
(Perraudin, Balazs, Sondergaard 2013) from a random phase with a seed.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter

SAMPLE_RATE = 16_000
WINDOW = 800
HOP = 200
BANDS = 64
FLOOR = 1e-4
ITERATIONS = 48
MOMENTUM = 0.99


def log_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """`(N,)` in [-1, 1] to `(N // 200, 64)`.

    Raises:
        BadParameter: if the sound is shorter than half a window and one sample.
    """
    if samples.ndim != 1 or len(samples) <= WINDOW // 2:
        raise BadParameter(f"log_mel: sound must be (N,) with more than {WINDOW // 2} samples, got {samples.shape}")
    magnitude = np.abs(_transform(samples.astype(np.float32)))[: len(samples) // HOP]
    return np.asarray(np.log(np.maximum(magnitude @ _bands(), FLOOR)), dtype=np.float32)


def waveform(mels: NDArray[np.float32], *, seed: int = 0, iterations: int = ITERATIONS) -> NDArray[np.float32]:
    """`(T, 64)` to `(200 T,)`, limited to [-1, 1].

    Args:
        mels: As of `log_mel`; values below the floor are silence, those above 5 are taken as 5.
        seed: Of the phase to begin with.
        iterations: Of Griffin and Lim.

    Raises:
        BadParameter: if a value is not finite or the width is not 64.
    """
    if mels.ndim != 2 or mels.shape[1] != BANDS or len(mels) < 4 or not np.isfinite(mels).all():
        raise BadParameter(f"waveform: log-mel must be finite (T, {BANDS}) with 4 frames or more, got {mels.shape}")
    power = np.exp(np.minimum(mels, 5.0))
    power = np.where(mels <= np.log(FLOOR) + 0.05, 0.0, power)
    # One frame more than the spectrogram has: the window that is centred on the end.
    wanted = np.concatenate([power, power[-1:]]) @ _back()
    wanted = np.maximum(wanted, 0.0).astype(np.float32)
    phase = np.random.default_rng(seed).uniform(-np.pi, np.pi, wanted.shape)
    current = (wanted * np.exp(1j * phase)).astype(np.complex64)
    earlier = np.zeros_like(current)
    count = HOP * len(mels)
    for _ in range(iterations):
        consistent = _transform(_overlapped(current, count))
        moved = consistent + MOMENTUM * (consistent - earlier)
        earlier = consistent
        current = wanted * moved / np.maximum(np.abs(moved), 1e-9)
    return np.asarray(np.clip(_overlapped(current, count), -1.0, 1.0), dtype=np.float32)


def _transform(samples: NDArray[np.float32]) -> NDArray[np.complex64]:
    padded = np.pad(samples, (WINDOW // 2, WINDOW // 2 + HOP), mode="reflect")
    pieces = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][: len(samples) // HOP + 1]
    return np.asarray(np.fft.rfft(pieces * _window(), axis=1), dtype=np.complex64)


def _overlapped(spectrum: NDArray[np.complex64], count: int) -> NDArray[np.float32]:
    pieces = np.fft.irfft(spectrum, WINDOW, axis=1).astype(np.float32) * _window()
    parts = WINDOW // HOP
    out = np.zeros((len(pieces) + parts - 1, HOP), np.float32)
    weight = np.zeros_like(out)
    squares = (_window() ** 2).reshape(parts, HOP)
    for part in range(parts):
        out[part : part + len(pieces)] += pieces[:, part * HOP : (part + 1) * HOP]
        weight[part : part + len(pieces)] += squares[part]
    samples = (out / np.maximum(weight, 1e-3)).ravel()
    return np.asarray(samples[WINDOW // 2 : WINDOW // 2 + count], dtype=np.float32)


@functools.cache
def _window() -> NDArray[np.float32]:
    return np.asarray(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(WINDOW) / WINDOW), dtype=np.float32)


@functools.cache
def _bands() -> NDArray[np.float32]:
    """Triangles of area 1 in bins, `(401, 64)`."""
    low, high = (2595.0 * np.log10(1.0 + f / 700.0) for f in (40.0, 8000.0))
    edges = 700.0 * (10.0 ** (np.linspace(low, high, BANDS + 2) / 2595.0) - 1.0)
    hertz = np.arange(WINDOW // 2 + 1)[:, None] * (SAMPLE_RATE / WINDOW)
    shape = np.maximum(0.0, np.minimum((hertz - edges[:-2]) / np.diff(edges)[:-1], (edges[2:] - hertz) / np.diff(edges)[1:]))
    # Low triangles are narrower than a bin and can miss every bin: each takes its nearest one then.
    for band in np.flatnonzero(shape.sum(axis=0) == 0.0):
        shape[np.abs(hertz[:, 0] - edges[band + 1]).argmin(), band] = 1.0
    return np.asarray(shape / shape.sum(axis=0), dtype=np.float32)


@functools.cache
def _back() -> NDArray[np.float32]:
    """From bands to magnitudes, `(64, 401)`: each bin is the mean of the bands that cover it, so that nothing is negative."""
    cover = _bands().T * _bands().sum(axis=0).reshape(-1, 1)
    share = cover / np.maximum(cover.max(axis=1, keepdims=True), 1e-9)
    total = share.sum(axis=0, keepdims=True)
    nearest = np.zeros_like(share)
    for bin_ in np.flatnonzero(total[0] < 1e-6):
        nearest[np.abs(_bands().argmax(axis=0) - bin_).argmin(), bin_] = 1.0
    return np.asarray(share / np.maximum(total, 1e-6) + nearest, dtype=np.float32)
