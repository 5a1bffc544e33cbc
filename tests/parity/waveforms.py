"""Synthetic test clips, by formula.

    python waveforms.py OUT_DIR          # write every clip as a 16-bit PCM WAV file
    python waveforms.py                  # print name, rate, channels, samples and sha256 of the PCM bytes

A clip is float64 arithmetic, then clipped to [-1, 1], multiplied by 32767, rounded
half to even and stored as little-endian int16; readers see int16 / 32768.  Noise is
numpy.random.Generator(PCG64(seed)).standard_normal.  t is time in seconds.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

from __future__ import annotations

import hashlib
import sys
import wave

import numpy as np


def _t(rate, seconds):
    return np.arange(round(rate * seconds)) / rate


def _noise(seed, count):
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(count)


def _chirp(t, low, high):
    span = t[-1] + t[1] - t[0]
    return np.sin(2 * np.pi * (low * t + 0.5 * (high - low) / span * t * t))


def _clicks(rate, seconds, period, start=0.1, decay=0.004):
    """One exponentially decaying 2 kHz ping every `period` seconds."""
    t = _t(rate, seconds)
    since = np.where(t >= start, np.mod(t - start, period), 1e9)
    return (
        np.exp(-np.minimum(since, 50 * decay) / decay)
        * np.cos(2 * np.pi * 2000 * np.minimum(since, 1.0))
        * (since < 50 * decay)
    )


def chirp_16k_4s():
    t = _t(16000, 4)
    return 16000, 0.5 * _chirp(t, 50, 7600)


def clicks_48k_stereo_10s():
    left = 0.9 * _clicks(48000, 10, 0.5)
    right = 0.7 * _clicks(48000, 10, 0.37, start=0.25)
    return 48000, np.stack([left, right], 1)


def noise_44k1_10s():
    return 44100, 0.1 * _noise(101, 441000)


def silence_16k_1s():
    return 16000, np.zeros(16000)


def clipped_22k05_4s():
    t = _t(22050, 4)
    return 22050, 1.8 * np.sin(2 * np.pi * 440 * t) + 0.4 * np.sin(2 * np.pi * 3310 * t)


def antiphase_48k_stereo_4s():
    t = _t(48000, 4)
    tone = 0.4 * _chirp(t, 100, 12000)
    return 48000, np.stack([tone, -0.9 * tone + 0.02 * _noise(102, len(t))], 1)


def tone_16k_0p3s():
    t = _t(16000, 0.3)
    return 16000, 0.3 * np.sin(2 * np.pi * 1000 * t)


def am_8k_1s():
    t = _t(8000, 1)
    return 8000, 0.6 * np.sin(2 * np.pi * 700 * t) * (0.5 + 0.5 * np.sin(2 * np.pi * 7 * t))


def vibrato_48k_12s():
    t = _t(48000, 12)
    phase = 2 * np.pi * 220 * t + 4.0 * np.sin(2 * np.pi * 5.5 * t)
    voice = sum(np.sin(k * phase) / k for k in range(1, 9)) * 0.25
    burst = 0.2 * _noise(103, len(t)) * (np.mod(t, 1.7) < 0.2)
    return 48000, voice * (0.6 + 0.4 * np.sin(2 * np.pi * 0.4 * t)) + burst


def offset_32k_4s():
    t = _t(32000, 4)
    return 32000, 0.3 + 0.2 * np.sin(2 * np.pi * 90 * t) + 0.05 * _noise(104, len(t))


def noise_32k_10s():
    t = _t(32000, 10)
    return 32000, 0.2 * _noise(105, 320000) * np.exp(-np.mod(t, 2.5))


def mix_44k1_stereo_1s():
    t = _t(44100, 1)
    left = 0.3 * np.sin(2 * np.pi * 523.25 * t) + 0.05 * _noise(106, len(t))
    right = 0.3 * np.sin(2 * np.pi * 659.25 * t) * (t < 0.5)
    return 44100, np.stack([left, right], 1)


def speechlike_24k_6s():
    """Voiced and unvoiced stretches: a pulse train through two resonances, then noise."""
    rate, seconds = 24000, 6
    t = _t(rate, seconds)
    pitch = 110 + 30 * np.sin(2 * np.pi * 0.7 * t)
    cycle = np.mod(np.cumsum(pitch) / rate, 1.0)
    pulse = np.exp(-cycle * 18.0) * np.sin(2 * np.pi * 620 * cycle / pitch) + 0.5 * np.exp(-cycle * 25.0) * np.sin(
        2 * np.pi * 1900 * cycle / pitch
    )
    gate = np.mod(t, 0.8)
    return rate, 0.5 * pulse * (gate < 0.5) + 0.08 * _noise(107, len(t)) * ((gate >= 0.5) & (gate < 0.65))


CLIPS = [
    chirp_16k_4s,
    clicks_48k_stereo_10s,
    noise_44k1_10s,
    silence_16k_1s,
    clipped_22k05_4s,
    antiphase_48k_stereo_4s,
    tone_16k_0p3s,
    am_8k_1s,
    vibrato_48k_12s,
    offset_32k_4s,
    noise_32k_10s,
    mix_44k1_stereo_1s,
    speechlike_24k_6s,
]


def pcm(clip):
    """(rate, int16 array of shape (samples, channels)) of one clip function."""
    rate, signal = clip()
    signal = np.asarray(signal, dtype=np.float64)
    signal = signal[:, None] if signal.ndim == 1 else signal
    return rate, np.rint(np.clip(signal, -1.0, 1.0) * 32767.0).astype("<i2")


def write(path, rate, samples):
    with wave.open(str(path), "wb") as handle:
        handle.setnchannels(samples.shape[1])
        handle.setsampwidth(2)
        handle.setframerate(rate)
        handle.writeframes(samples.tobytes())


if __name__ == "__main__":
    for clip in CLIPS:
        rate, samples = pcm(clip)
        if len(sys.argv) > 1:
            write(f"{sys.argv[1]}/{clip.__name__}.wav", rate, samples)
        print(clip.__name__, rate, samples.shape[1], len(samples), hashlib.sha256(samples.tobytes()).hexdigest())
