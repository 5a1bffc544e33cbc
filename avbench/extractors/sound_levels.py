"""Levels of the whole sound: peak, RMS, loudness, clipping, silence, offset, and what a downmix to mono leaves.

Layers, each a float64 scalar `()` unless it says otherwise:

    peak           dBFS   largest |sample| of any channel; above 0 where a float sound goes over full scale
    rms            dBFS   root of the mean square over all channels; a full-scale sine is at -3.01
    loudness       LUFS   integrated loudness, gated; see below for what silence gives
    momentary      LUFS   (blocks,) loudness of each 400 ms block, one every 100 ms
    clipped_share  0..1   samples in a run of `CLIP_RUN` or more at or above `CLIP_LEVEL`, of all samples of all channels
    silent_share   0..1   time in frames of 20 ms in which no channel reaches `SILENCE_LEVEL`
    all_silent     0 or 1 whether every frame is silent
    dc_offset      -1..1  mean of the channel whose mean is furthest from 0
    mono_ratio     dB     power of the average of the channels over the average power of the channels

Nothing is ever infinite or NaN: every level is floored at `FLOOR` (-120 dB).

Loudness:
    K-weighted power per channel, weighted and summed over channels, in blocks of 400 ms that start every 100 ms; the mean
    power of the blocks above -70 LUFS gives a second gate 10 LU below it, and the mean power of the blocks above both is
    the result. A remainder shorter than a block is left out, except where the whole clip is shorter than 400 ms: then the
    clip is one block, and its ungated level is the result. Where no block is above -70 LUFS the result is the ungated mean,
    which is then at or below -70 LUFS and can be told by that.
    The standard lists filter coefficients for 48 kHz only. They are mapped back to their analogue prototypes by the
    inverse bilinear transform and from there to the clip's rate. The bilinear transform bends the frequency axis, so one
    frequency per stage is kept exact: 997 Hz for the shelf, where the standard calibrates, and the corner of 38 Hz for the
    high-pass. A sine of 997 Hz has the same loudness at every rate above 2.2 kHz.
    Channels weigh 1, surround channels 1.41, LFE 0, in FFmpeg's order for 5, 6 and 8 channels (7.1: sides 1.41, back 1);
    any other number of channels is taken as front channels.

Clipping:
    0.999 is 0.009 dB below full scale, room for requantising. One sample there is a normalised peak; three in a row are a
    flat top, for anything but a full-scale tone below 340 Hz (at 48 kHz), which stays there for up to 3 % of its period.
    A lossy codec roughens flat tops: AAC at 128 kbit/s leaves a tenth to a hundredth of the share, see the card.

Silence:
    -60 dBFS is the default of FFmpeg's silencedetect. The level of a frame is its RMS after the channel's mean over the
    clip is taken away, since a constant offset is not heard.

Downmix:
    0 dB for equal channels or one channel, -3.01 dB for two independent ones or for an empty one beside a full one, the floor
    for two of opposite sign, which every mono network hears as silence. Means are taken away first. A silent clip is at 0 dB.

Source:
    Recommendation ITU-R BS.1770-4 (10/2015), Annex 1; EBU R 128 (2020) and EBU Tech 3341 for the block overlap.
Differs from the source:
    The standard knows 48 kHz only. Below 16 kHz the shelf has little room under half the rate: at 8 kHz it is up to 0.44 dB
    too high around 2 kHz, and white noise reads 0.2 LU too loud.
    peak is the sample peak, not the true peak of an oversampled signal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.errors import Unscorable
from avbench.types import ClipInfo, Extractor, Features, Preparation, Waveform

FLOOR = -120.0
"""dB; stands for everything below it."""
CLIP_LEVEL = 0.999
CLIP_RUN = 3
SILENCE_LEVEL = -60.0
"""dBFS, RMS of a frame."""
GATE = -70.0
"""LUFS, the absolute gate."""

_SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
_HIGHPASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
_TABLE_RATE = 48_000
_WEIGHTS = {
    5: (1.0, 1.0, 1.0, 1.41, 1.41),
    6: (1.0, 1.0, 1.0, 0.0, 1.41, 1.41),
    8: (1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.41, 1.41),
}
_STRETCH = 100
"""Steps of 100 ms that are filtered at once; bounds the memory."""


@dataclass(frozen=True)
class SoundLevels(Extractor):
    """Levels of the whole sound."""

    name: ClassVar[str] = "sound_levels"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = (
        "peak",
        "rms",
        "loudness",
        "momentary",
        "clipped_share",
        "silent_share",
        "all_silent",
        "dc_offset",
        "mono_ratio",
    )
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("audio",)
    packages: ClassVar[tuple[str, ...]] = ("numpy", "scipy")

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Nothing is kept until the sound is there."""
        return _Sound()


class _Sound(Preparation):
    def finish(self, audio: Waveform | None) -> dict[str, NDArray[Any]]:
        if audio is None or audio.samples.size == 0:
            raise Unscorable("no_audio")
        powers = block_powers(audio.samples, audio.sample_rate)
        values = _levels(audio.samples, audio.sample_rate) | {"loudness": integrated(powers)}
        out = {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}
        out["momentary"] = np.asarray(_loudness(powers), dtype=np.float64)
        return out


def _decibel(power: float) -> float:
    return max(10.0 * float(np.log10(power)), FLOOR) if power > 0.0 else FLOOR


def _loudness(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """LUFS of a K-weighted power; -0.691 makes the K filter's gain at 1 kHz good."""
    floor = 10.0 ** ((FLOOR + 0.691) / 10.0)
    out: NDArray[np.float64] = np.maximum(-0.691 + 10.0 * np.log10(np.maximum(power, floor)), FLOOR)
    return out


# ------------------------------------------------------------------ loudness


def k_weighting(rate: int) -> NDArray[np.float64]:
    """The two stages of K-weighting at a sample rate, `(2, 6)` second-order sections."""
    return np.stack([_at_rate(*_SHELF, 997.0, rate), _at_rate(*_HIGHPASS, 38.0, rate)])


def _at_rate(b: tuple[float, ...], a: tuple[float, ...], anchor: float, rate: int) -> NDArray[np.float64]:
    """A 48 kHz section at another rate, `(6,)`, with the same gain and phase at `anchor` Hz."""
    # With z^-1 = (1 - s) / (1 + s) a section is a ratio of quadratics in s, the prototype with time in units of the rate;
    # the substitution is its own inverse but for a factor 4, which the division by a0 takes away.
    swap = np.array([[1.0, 1.0, 1.0], [2.0, 0.0, -2.0], [1.0, -1.0, 1.0]])
    # s = j tan(pi f / rate) on the frequency axis. Nothing can be kept in place above half the rate.
    stretch = np.tan(np.pi * anchor / _TABLE_RATE) / np.tan(np.pi * min(anchor / rate, 0.45))
    scale = stretch ** np.arange(3)
    b_new, a_new = swap @ (swap @ np.asarray(b) * scale), swap @ (swap @ np.asarray(a) * scale)
    section: NDArray[np.float64] = np.concatenate([b_new, a_new]) / a_new[0]
    return section


def block_powers(samples: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """K-weighted power of each gating block, summed over weighted channels.

    Args:
        samples: `(channels, N)`, N > 0.
        rate: Hz.

    Returns:
        `(blocks,)`, at least one; full scale is 1.
    """
    from scipy.signal import sosfilt

    channels, length = samples.shape
    weights = np.asarray(_WEIGHTS.get(channels, (1.0,) * channels))
    sections = k_weighting(rate)
    state = np.zeros((len(sections), channels, 2))
    steps = length * 10 // rate
    if steps < 4:
        filtered = sosfilt(sections, samples.astype(np.float64), axis=1)
        return np.array([weights @ np.square(filtered).mean(axis=1)])
    edges = (np.arange(steps + 1) * rate + 5) // 10
    sums = np.empty(steps)
    for first in range(0, steps, _STRETCH):
        part = edges[first : first + _STRETCH + 1]
        filtered, state = sosfilt(sections, samples[:, part[0] : part[-1]].astype(np.float64), axis=1, zi=state)
        sums[first : first + _STRETCH] = np.add.reduceat(weights @ np.square(filtered), part[:-1] - part[0])
    energy = sums[:-3] + sums[1:-2] + sums[2:-1] + sums[3:]
    out: NDArray[np.float64] = energy / (edges[4:] - edges[:-4])
    return out


def integrated(powers: NDArray[np.float64]) -> float:
    """Gated loudness of block powers `(blocks,)`, LUFS; the ungated one where nothing passes or there is one block."""
    levels = _loudness(powers)
    loud = levels > GATE
    if len(powers) == 1 or not loud.any():
        return float(_loudness(powers.mean()))
    relative = _loudness(powers[loud].mean()) - 10.0
    return float(_loudness(powers[loud & (levels > relative)].mean()))


# ------------------------------------------------------------------ everything else


def _levels(samples: NDArray[np.float32], rate: int) -> dict[str, float]:
    channels, length = samples.shape
    starts = np.unique((np.arange(-(-length * 50 // rate)) * rate + 25) // 50)
    starts = starts[starts < length]
    starts[0] = 0
    lengths = np.diff(starts, append=length)
    silent = np.ones(len(starts), dtype=bool)
    means, powers = np.empty(channels), np.empty(channels)
    peak, clipped = 0.0, 0
    for i, channel in enumerate(samples):  # one at a time, so that at most one channel is copied to float64
        wide = channel.astype(np.float64)
        sums = np.add.reduceat(wide, starts)
        squares = np.add.reduceat(np.square(wide), starts)
        means[i], powers[i] = sums.sum() / length, squares.sum() / length
        moving = (squares - 2.0 * means[i] * sums) / lengths + means[i] ** 2
        silent &= moving < 10.0 ** (SILENCE_LEVEL / 10.0)
        top = float(np.abs(channel).max())
        peak = max(peak, top)
        clipped += _in_runs(np.abs(channel) >= np.float32(CLIP_LEVEL)) if top >= CLIP_LEVEL else 0
    return {
        "peak": _decibel(peak**2),
        "rms": _decibel(float(powers.mean())),
        "clipped_share": clipped / (channels * length),
        "silent_share": float(lengths[silent].sum() / length),
        "all_silent": float(silent.all()),
        "dc_offset": float(means[np.abs(means).argmax()]),
        "mono_ratio": _mono_ratio(samples, means, powers),
    }


def _in_runs(high: NDArray[np.bool_]) -> int:
    """How many of `(N,)` are in a run of three or more."""
    middle = high[:-2] & high[1:-1] & high[2:]
    inside = np.zeros_like(high)
    for shift in range(CLIP_RUN):
        inside[shift : shift + len(middle)] |= middle
    return int(inside.sum())


def _mono_ratio(samples: NDArray[np.float32], means: NDArray[np.float64], powers: NDArray[np.float64]) -> float:
    channels, length = samples.shape
    apart = float((powers - means**2).mean())
    if channels == 1 or apart < 10.0 ** (FLOOR / 10.0):
        return 0.0
    mono = samples.mean(axis=0, dtype=np.float64) - means.mean()
    return _decibel(float(np.square(mono).sum() / length) / apart)
