"""Sounds from formulas: damped modes, coloured noise, voices with formants, and the tape that they are mixed on.

SciPy is imported where it filters, since listing items imports this module and makes no sound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Samples = NDArray[np.float64]

_CONTROL_RATE = 250.0
_HIGHEST_HARMONIC = 9000.0


class Tape:
    """Mono sound that is being mixed.

    Args:
        count: Samples.
        rate: Hz.
        seed: Numbers that the noises are drawn from.
    """

    def __init__(self, count: int, rate: int, seed: Sequence[int]) -> None:
        self.rate = rate
        self.samples: Samples = np.zeros(count)
        self._seed = tuple(seed)

    def random(self, part: int) -> np.random.Generator:
        """A stream for one part of the sound, such as one event: a longer clip begins with the same sound."""
        return np.random.default_rng(np.random.SeedSequence([*self._seed, part]))

    def put(self, time: float, sound: Samples, gain: float = 1.0) -> None:
        """Add a sound that begins at `time` seconds; what lies outside the tape is cut."""
        first = round(time * self.rate)
        skip = max(-first, 0)
        first += skip
        length = min(len(sound) - skip, len(self.samples) - first)
        if length > 0:
            self.samples[first : first + length] += gain * sound[skip : skip + length]


def clock(seconds: float, rate: int) -> Samples:
    """Times of the samples of a sound of this length, `(n,)` seconds, at least one sample."""
    return np.arange(max(round(seconds * rate), 1)) / rate


def envelope(t: Samples, times: ArrayLike, values: ArrayLike) -> Samples:
    """Straight lines between break points, `(n,)`; the first and the last value hold outside."""
    return np.interp(t, np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64))


def decay(t: Samples, half_life: float, attack: float = 0.001) -> Samples:
    """A short attack, then halved every `half_life` seconds."""
    return np.minimum(t / attack, 1.0) * np.exp2(-t / half_life)


def modes(
    t: Samples, rate: int, frequencies: ArrayLike, half_lives: ArrayLike, gains: ArrayLike, attack: float = 0.0008
) -> Samples:
    """Struck things: damped sines. Modes above the Nyquist frequency are left out."""
    out = np.zeros_like(t)
    for frequency, half_life, gain in np.broadcast(frequencies, half_lives, gains):
        if frequency < 0.48 * rate:
            out += gain * np.sin(2.0 * math.pi * frequency * t) * np.exp2(-t / half_life)
    return out * np.minimum(t / attack, 1.0)


def noise(random: np.random.Generator, t: Samples) -> Samples:
    """White noise with variance 1, `(n,)`."""
    return random.standard_normal(len(t))


def band(x: Samples, rate: int, low: float, high: float, order: int = 2) -> Samples:
    """What lies between two frequencies in Hz; the upper one is lowered to fit the rate."""
    from scipy import signal

    high = min(high, 0.47 * rate)
    low = min(low, 0.8 * high)
    sections = signal.butter(order, [low, high], btype="bandpass", fs=rate, output="sos")
    filtered: Samples = signal.sosfilt(sections, x)
    return filtered


def sweep(t: Samples, frequency: ArrayLike) -> Samples:
    """Phase in radians of a tone whose frequency in Hz is given for each sample."""
    step = np.broadcast_to(np.asarray(frequency, dtype=np.float64), t.shape) * (t[1] - t[0] if len(t) > 1 else 0.0)
    phase: Samples = 2.0 * math.pi * np.cumsum(step)
    return phase


def voice(
    t: Samples,
    rate: int,
    pitch: Samples,
    formants: Sequence[tuple[ArrayLike, float, float]],
    *,
    tilt: float = 1.0,
    floor: float = 0.02,
) -> Samples:
    """Harmonics of a pitch, each as loud as the formants let it through at that moment.

    Args:
        t: `(n,)` seconds.
        rate: Hz.
        pitch: `(n,)` Hz.
        formants: For each: centre in Hz, one number or one per sample; bandwidth in Hz; gain.
        tilt: The source's harmonic k has amplitude k ** -tilt.
        floor: Gain between the formants.

    Returns:
        `(n,)`, root mean square about 0.3 where the voice is on all the time.
    """
    grid = np.arange(0.0, t[-1] + 2.0 / _CONTROL_RATE, 1.0 / _CONTROL_RATE)
    slow_pitch = np.interp(grid, t, pitch)
    centres = [np.interp(grid, t, np.broadcast_to(np.asarray(centre, dtype=np.float64), t.shape)) for centre, _, _ in formants]
    turn = np.exp(1j * sweep(t, pitch))
    harmonic = np.ones_like(turn)
    out = np.zeros_like(t)
    top = min(0.45 * rate, _HIGHEST_HARMONIC)
    for k in range(1, max(int(top / float(pitch.min())), 1) + 1):
        harmonic = harmonic * turn
        at = k * slow_pitch
        gain = np.full_like(grid, floor)
        for centre, (_, width, weight) in zip(centres, formants, strict=True):
            gain += weight / (1.0 + ((at - centre) / (0.5 * width)) ** 2)
        gain *= k**-tilt * np.clip((top - at) / (0.1 * top), 0.0, 1.0)
        out += np.interp(t, grid, gain) * harmonic.imag
    loudness = math.sqrt(float(np.mean(out**2)))
    return out * (0.3 / loudness) if loudness > 0.0 else out


def levelled(x: Samples, rate: int, window: float = 0.04) -> Samples:
    """The same sound with its loudness over `window` seconds made even."""
    half = max(round(0.5 * window * rate), 1)
    power = np.concatenate([[0.0], np.cumsum(x**2)])
    at = np.arange(len(x))
    low, high = np.maximum(at - half, 0), np.minimum(at + half, len(x))
    level = np.sqrt((power[high] - power[low]) / (high - low))
    even: Samples = x / np.maximum(level, 1e-3 * float(level.max()) + 1e-12)
    return even


def wander(random: np.random.Generator, t: Samples, rate: float) -> Samples:
    """A slow random curve around 0 with variance of about 1 that changes `rate` times a second."""
    count = int(t[-1] * rate) + 4
    return np.interp(t * rate, np.arange(count), random.standard_normal(count))


def pinkish(random: np.random.Generator, count: int, rate: int) -> Samples:
    """Noise that falls by about 3 dB an octave, root mean square 1."""
    from scipy import signal

    white = random.standard_normal(count)
    # Three one-pole filters whose corners lie two octaves apart add up to a slope of nearly 3 dB an octave.
    out = 0.05 * white
    for corner, weight in ((60.0, 1.0), (400.0, 0.4), (2600.0, 0.16)):
        pole = math.exp(-2.0 * math.pi * corner / rate)
        out = out + weight * signal.lfilter([math.sqrt(1.0 - pole**2)], [1.0, -pole], white)
    power = math.sqrt(float(np.mean(out**2)))
    scaled: Samples = out / power if power > 0.0 else out
    return scaled
