"""What the mini networks are shown: small frames on a fixed clock, log-mel spectrograms, bags of words.

Frames: every 1/24 s the frame whose display time is nearest (of two equally near ones the earlier), short side to 64 pixels by
area, centre crop.
Sound: mean of the channels, torchaudio's default resampler to 16 kHz; 96 frames a second, four for each of the picture, frame k
centred on sample round(k 16000 / 96) with silence outside; 512 samples under a periodic Hann window, power, 64 triangular bands
of area 1 evenly spaced between 50 and 7800 Hz on the mel scale 1127 ln(1 + f / 700); (log10(x + 1e-7) + 4) / 2.
Text: words in lower case and their letter triples, each counted in one of 2048 buckets by CRC-32.
"""

from __future__ import annotations

import functools
import re
import zlib

import numpy as np
from numpy.typing import NDArray

from avbench.resampling import torchaudio_resample
from avbench.types import Waveform

FRAME_RATE = 24.0
SAMPLE_RATE = 16_000
SIDE = 64
BANDS = 64
MELS_PER_FRAME = 4
MEL_RATE = FRAME_RATE * MELS_PER_FRAME
BUCKETS = 2048
_SIZE = 512


def clocked(times: NDArray[np.float64], rate: float, seconds: float, longest: float) -> NDArray[np.intp]:
    """Indices of the frames nearest to 0, 1/rate, 2/rate ... after the first frame.

    Args:
        times: Display times, rising, at least one.
        rate: Hz.
        seconds: Length of the picture; the clock stops there.
        longest: Seconds after which it stops in any case.

    >>> clocked(np.arange(4) / 12, 24.0, 4 / 12, 10.0).tolist()
    [0, 0, 1, 1, 2, 2, 3, 3]
    """
    count = max(1, round(min(seconds, longest) * rate))
    at = np.arange(count) / rate
    if len(times) == 1:
        return np.zeros(count, np.intp)
    between = (times[:-1] + times[1:]) / 2 - times[0]
    # A microsecond: the times of a file are rounded, and a tie must not hang on that.
    return np.searchsorted(between, at - 1e-6, side="left").astype(np.intp)


def small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One frame `(H, W, 3)` as uint8 `(64, 64, 3)`."""
    import cv2

    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    if side == SIDE:
        return np.ascontiguousarray(square)
    how = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (SIDE, SIDE), interpolation=how), dtype=np.uint8)


def samples_of(audio: Waveform, start: float = 0.0) -> NDArray[np.float32]:
    """The sound at 16 kHz, `(N,)`, from the first frame on.

    Args:
        audio: The whole sound, at least one sample.
        start: Its first sample's time minus the first frame's; silence is put before, or the head is cut.
    """
    samples = audio.mono
    if audio.sample_rate != SAMPLE_RATE:
        samples = torchaudio_resample(samples, audio.sample_rate, SAMPLE_RATE)
    first = round(start * SAMPLE_RATE)
    return np.pad(samples, (first, 0)) if first > 0 else samples[-first:]


def mel_count(samples: int) -> int:
    """Frames of the spectrogram of that many samples, at least 1."""
    return max(1, round(samples / SAMPLE_RATE * MEL_RATE))


def log_mel(samples: NDArray[np.float32], count: int | None = None) -> NDArray[np.float32]:
    """Spectrogram of a sound at 16 kHz: `(N,)` to `(count, 64)`; what is beyond the sound is silence.

    Args:
        samples: In [-1, 1].
        count: Frames; None for as many as the sound has.
    """
    wanted = mel_count(len(samples)) if count is None else count
    first = np.rint(np.arange(wanted) * (SAMPLE_RATE / MEL_RATE)).astype(np.intp)
    padded = np.zeros(int(first[-1]) + _SIZE, np.float32)
    kept = min(len(samples), len(padded) - _SIZE // 2)
    padded[_SIZE // 2 : _SIZE // 2 + kept] = samples[:kept]
    pieces = np.lib.stride_tricks.sliding_window_view(padded, _SIZE)[first]
    spectrum = np.fft.rfft(pieces * _window(), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    return np.asarray((np.log10(power @ _bands() + 1e-7) + 4.0) / 2.0, dtype=np.float32)


def bag(text: str) -> NDArray[np.float32]:
    """Shares of the words and letter triples of a caption, `(2048,)`, sum 1; all 0 for an empty one."""
    counts = np.zeros(BUCKETS, np.float32)
    for word in re.findall(r"[a-z0-9]+", text.lower()):
        marked = f"<{word}>"
        for token in (word, *(marked[n : n + 3] for n in range(len(marked) - 2))):
            counts[zlib.crc32(token.encode()) % BUCKETS] += 1.0
    return np.asarray(counts / max(float(counts.sum()), 1.0), dtype=np.float32)


@functools.cache
def _window() -> NDArray[np.float32]:
    return np.asarray(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(_SIZE) / _SIZE), dtype=np.float32)


@functools.cache
def _bands() -> NDArray[np.float32]:
    """Triangles of area 1 in bins, `(257, 64)`."""
    low, high = (1127.0 * np.log(1.0 + f / 700.0) for f in (50.0, 7800.0))
    edges = 700.0 * (np.exp(np.linspace(low, high, BANDS + 2) / 1127.0) - 1.0)
    hertz = np.arange(_SIZE // 2 + 1)[:, None] * (SAMPLE_RATE / _SIZE)
    rise = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    shape = np.maximum(0.0, np.minimum(rise, fall))
    # The lowest triangles are narrower than a bin and can miss every bin: each takes its nearest one then.
    for band in np.flatnonzero(shape.sum(axis=0) == 0.0):
        shape[np.abs(hertz[:, 0] - edges[band + 1]).argmin(), band] = 1.0
    return np.asarray(shape / shape.sum(axis=0), dtype=np.float32)
