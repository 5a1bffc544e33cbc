"""Published resamplers whose filters move audio scores: torchaudio's and julius's sinc, and resampy's table of a sinc.

Definition:
    All weigh the input with a windowed sinc around the time of each output sample. torchaudio and julius evaluate that filter
    exactly at every time. resampy reads it from a table by linear interpolation and walks the table in whole steps, so that
    where the rate goes down its filter is a little too narrow, and differently so in different versions.
Source:
    github.com/pytorch/audio `torchaudio.functional.resample` at 2.11 (`hann`, `kaiser`).
    github.com/adefossez/julius `julius/resample.py` at 0.2.7.
    github.com/bmcfee/resampy 0.4.3 and 0.2.2, `kaiser_best`: the tables in these packages equal the formula here within 4e-16.
    J. O. Smith, Digital Audio Resampling, ccrma.stanford.edu/~jos/resample.
Differs from the source:
    Sums are float64 whatever the input, where torchaudio's are float32 (`torchaudio_resample_float32`). In NumPy, so that
    preparing sound imports no torch.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter

Float64s = NDArray[np.float64]
ResampyVersion = Literal["0.4.3", "0.2.2"]


@dataclass(frozen=True)
class Sinc:
    """A filter of `torchaudio.functional.resample`.

    Args:
        zeros: Zero crossings of the sinc on each side (`lowpass_filter_width`).
        rolloff: Cut-off as a share of the lower Nyquist frequency.
        beta: Of a Kaiser window; None for a Hann window.
    """

    zeros: int = 6
    rolloff: float = 0.99
    beta: float | None = None


HANN = Sinc()
"""torchaudio's default."""
KAISER_BEST = Sinc(zeros=64, rolloff=0.9475937167399596, beta=14.769656459379492)
"""What fadtk asks torchaudio for: the parameters of librosa's and resampy's old `kaiser_best`."""
JULIUS = Sinc(zeros=24, rolloff=0.945)
"""The filter of julius, which AudioCraft resamples with."""

_TABLES: dict[ResampyVersion, tuple[Sinc, int]] = {
    "0.4.3": (Sinc(zeros=50, rolloff=0.9173473712608761, beta=12.984585247040012), 8192),
    "0.2.2": (KAISER_BEST, 512),
}
"""Filter, and entries of the table per zero crossing."""

_GATHERED = 2**21
"""Samples that are laid out side by side at once."""
_LARGEST_KERNEL = 2**25
"""Entries of a kernel in float32."""


def torchaudio_resample(
    samples: NDArray[np.floating], from_rate: int, to_rate: int, sinc: Sinc = HANN, *, functional: bool = False
) -> NDArray[np.float32]:
    """Resampled as `torchaudio.transforms.Resample` or `torchaudio.functional.resample` do.

    Args:
        samples: `(N,)`.
        from_rate: Hz.
        to_rate: Hz.
        sinc: The filter.
        functional: Whether the filter's weights are worked out in float32, as `functional.resample` does, where `Resample` has
            them in float64. They differ by 1e-6, which shows in what is next to silent.

    Returns:
        `(ceil(N * to_rate / from_rate),)`; the samples themselves at equal rates.

    Raises:
        BadParameter: if a rate is not positive.
    """
    up, down = _ratio(from_rate, to_rate)
    if up == down:
        return np.asarray(samples, dtype=np.float32)
    times = _times(up).astype(np.float32) if functional else _times(up)
    return _resampled(samples, up, down, sinc, -(-len(samples) * up // down), times)


def julius_resample(samples: NDArray[np.floating], from_rate: int, to_rate: int) -> NDArray[np.float32]:
    """Resampled as `julius.resample_frac` does with its defaults.

    It is `functional.resample` with another filter, whose weights add up to 1 for every output sample, and with the first and
    the last sample repeated beyond the ends.

    Args:
        samples: `(N,)`.
        from_rate: Hz.
        to_rate: Hz.

    Returns:
        `(N * to_rate // from_rate,)`; the samples themselves at equal rates.

    Raises:
        BadParameter: if a rate is not positive.
    """
    up, down = _ratio(from_rate, to_rate)
    if up == down or not len(samples):
        return np.asarray(samples, dtype=np.float32)
    times = _times(up).astype(np.float32)
    return _resampled(samples, up, down, JULIUS, len(samples) * up // down, times, repeat=True, unit_sum=True)


def _resampled(
    samples: NDArray[np.floating],
    up: int,
    down: int,
    sinc: Sinc,
    count: int,
    times: NDArray[np.floating],
    *,
    repeat: bool = False,
    unit_sum: bool = False,
) -> NDArray[np.float32]:
    """The first `count` output samples, whose first `up` are at these times `(up, 1)` in the common period of both rates."""
    reach = _reach(up, down, sinc)
    taps = (np.arange(up) * down // up)[:, None] + np.arange(-reach, reach + 2)
    weights = _sinc_weights((taps / down).astype(times.dtype) - times, up, down, sinc).astype(np.float64)
    if unit_sum:
        weights = weights / weights.sum(axis=1, keepdims=True)
    starts = np.arange(count) * down // up - reach
    padded = _Padded(samples, weights.shape[1], repeat=repeat)
    out = np.empty(count, dtype=np.float32)
    for phase in range(min(up, count)):
        out[phase::up] = padded.sums(starts[phase::up], weights[phase])
    return out


def torchaudio_resample_float32(
    samples: NDArray[np.float32], from_rate: int, to_rate: int, sinc: Sinc = HANN
) -> NDArray[np.float32]:
    """`torchaudio_resample` with torchaudio's own convolution in float32, to the last bit if torch adds in the same order.

    For what rounds its result to fewer bits: there the last bit of a float32 sum decides. Where the rates have next to no
    common factor, so that torchaudio's kernel would fill the memory, the sums are float64 instead.

    Args:
        samples: `(N,)`.
        from_rate: Hz.
        to_rate: Hz.
        sinc: The filter.

    Returns:
        `(ceil(N * to_rate / from_rate),)`; the samples themselves at equal rates.

    Raises:
        BadParameter: if a rate is not positive.
    """
    up, down = _ratio(from_rate, to_rate)
    reach = _reach(up, down, sinc)
    if up == down or up * (2 * reach + down) > _LARGEST_KERNEL:
        return torchaudio_resample(samples, from_rate, to_rate, sinc)
    import torch

    taps = np.arange(-reach, reach + down)
    kernel = _sinc_weights(taps / down - _times(up), up, down, sinc).astype(np.float32)
    padded = torch.from_numpy(np.pad(np.asarray(samples, dtype=np.float32), (reach, reach + down)))
    with torch.inference_mode():
        made = torch.nn.functional.conv1d(padded[None, None], torch.from_numpy(kernel)[:, None], stride=down)
    return np.asarray(made[0].T.reshape(-1)[: -(-len(samples) * up // down)].numpy())


def resampy_resample(
    samples: NDArray[np.floating], from_rate: int, to_rate: int, version: ResampyVersion = "0.4.3"
) -> Float64s:
    """Resampled as `resampy.resample` does with its default filter `kaiser_best`.

    Args:
        samples: `(N,)`.
        from_rate: Hz.
        to_rate: Hz.
        version: Of resampy. Tables and step widths differ: noise at 44.1 kHz brought to 16 kHz differs by a tenth of its size.

    Returns:
        `(int(N * to_rate / from_rate),)`; the samples themselves at equal rates.

    Raises:
        BadParameter: if a rate is not positive.
    """
    up, down = _ratio(from_rate, to_rate)
    values = np.asarray(samples, dtype=np.float64)
    if up == down:
        return values
    ratio = to_rate / from_rate
    scale = min(1.0, ratio)
    count = int(len(values) * ratio) if version == "0.2.2" else int(len(values) * float(to_rate) / float(from_rate))
    increment = 1.0 / ratio
    if version == "0.2.2":
        # it adds up the time step by step, and rounding decides between two table entries where the time is a whole number
        times = np.add.accumulate(np.concatenate([[0.0], np.full(max(0, count - 1), increment)]))[:count]
    else:
        times = np.arange(count) * increment
    before = times.astype(np.int64)
    outputs = np.arange(count)
    # outputs of one phase share their weights, unless rounding puts a whole number on the other side
    phase = (outputs % up) * 2 + (before != outputs * down // up)
    taps = _taps(version, scale)
    padded = _Padded(values, taps.most)
    out = np.zeros(count)
    order = np.argsort(phase, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(phase[order])) + 1) if count else ():
        fraction = float(times[rows[0]] - before[rows[0]])
        left, right = taps.at(scale * fraction), taps.at(scale - scale * fraction)
        out[rows] = padded.sums(before[rows] - (len(left) - 1), np.concatenate([left[::-1], right]))
    return out


def _ratio(from_rate: int, to_rate: int) -> tuple[int, int]:
    if from_rate <= 0 or to_rate <= 0:
        raise BadParameter(f"sample rates must be positive, got {from_rate} and {to_rate} Hz")
    common = math.gcd(from_rate, to_rate)
    return to_rate // common, from_rate // common


def _reach(up: int, down: int, sinc: Sinc) -> int:
    """Input samples on each side of an output sample that torchaudio's filter covers."""
    return math.ceil(sinc.zeros * down / (min(up, down) * sinc.rolloff))


def _times(up: int) -> Float64s:
    """Times of the first output samples `(up, 1)`, in the common period of both rates.

    Torchaudio's `Resample` has them in float32 and everything else of the filter in float64; the error shows in the silence
    between the partials of a steady tone.
    """
    return (np.arange(up, dtype=np.float32) / np.float32(up)).astype(np.float64)[:, None]


def _sinc_weights(distance: NDArray[np.floating], up: int, down: int, sinc: Sinc) -> NDArray[np.floating]:
    """The filter of torchaudio at distances that are measured in the common period of both rates, in their precision."""
    lower = min(up, down) * sinc.rolloff
    zeros = np.clip(distance * lower, -sinc.zeros, sinc.zeros)
    shape = np.sinc(zeros) * (lower / down)
    if sinc.beta is None:
        return np.asarray(shape * np.cos(zeros * np.pi / sinc.zeros / 2) ** 2)
    # torchaudio keeps beta and the window's peak as float32, which moves the last bit of the weights
    beta = float(np.float32(sinc.beta))
    return np.asarray(shape * _bessel(zeros / sinc.zeros, beta) / float(np.float32(np.i0(beta))))


def _bessel(share: NDArray[np.floating], beta: float) -> Float64s:
    """Kaiser's window at positions from -1 to 1, before it is divided by its peak."""
    return np.asarray(np.i0(beta * np.sqrt(np.maximum(0.0, 1 - share**2))))


class _Padded:
    """Samples with zeros, or their first and last, beyond the ends.

    Args:
        samples: `(N,)`.
        margin: What is added on each side; no filter may be longer or reach beyond it.
        repeat: Whether the first and the last sample are repeated.
    """

    def __init__(self, samples: NDArray[np.floating], margin: int, *, repeat: bool = False) -> None:
        self.margin = margin
        self.values = np.pad(np.asarray(samples, dtype=np.float64), margin, mode="edge" if repeat else "constant")

    def sums(self, starts: NDArray[np.int64], weights: Float64s) -> Float64s:
        """Sums of the weights times the samples from each start on."""
        windows = np.lib.stride_tricks.sliding_window_view(self.values, len(weights))
        parts = np.array_split(starts + self.margin, -(-len(starts) * len(weights) // _GATHERED))
        return np.concatenate([windows[part] @ weights for part in parts])


@dataclass(frozen=True, eq=False)
class _Taps:
    table: Float64s
    per_zero: int
    scale: float

    @property
    def most(self) -> int:
        """Weights on both sides, at most, and a sample to spare on each."""
        return 2 * (len(self.table) // int(self.scale * self.per_zero) + 2)

    def at(self, distance: float) -> Float64s:
        """Weights of the samples on one side, the nearest at this distance from the output sample."""
        step = int(self.scale * self.per_zero)
        position = distance * self.per_zero
        offset = int(position)
        # one more entry after the last, equal to it: the table ends flat
        index = offset + np.arange((len(self.table) - offset) // step) * step
        following = np.minimum(index + 1, len(self.table) - 1)
        return np.asarray(self.table[index] + (position - offset) * (self.table[following] - self.table[index]))


@functools.lru_cache(maxsize=8)
def _taps(version: ResampyVersion, scale: float) -> _Taps:
    sinc, per_zero = _TABLES[version]
    beta = sinc.beta or 0.0
    zeros = np.linspace(0, sinc.zeros, sinc.zeros * per_zero + 1)
    window = _bessel(zeros / sinc.zeros, beta) / np.i0(beta)
    table = sinc.rolloff * np.sinc(sinc.rolloff * zeros) * window
    return _Taps(table * scale, per_zero, scale)
