"""Published ways from decoded sound to the waveform that a network is given: channel, mean, resampler, length.

Each function is one repository's reader. Embeddings, and every distance made of them, depend on it: values made through two
chains cannot be compared.
Source:
    github.com/hkchengrex/av-benchmark `av_bench/data/audio_dataset.py` at 050a5cd.
    github.com/haoheliu/audioldm_eval `audioldm_eval/datasets/load_mel.py` at 8dc07ee.
    github.com/harritaylor/torchvggish `torchvggish/vggish_input.py` at f3f9096.
    github.com/gudgud96/frechet-audio-distance `frechet_audio_distance/utils.py` at 55971f6.
    github.com/microsoft/fadtk `fadtk/fad.py`, `fadtk/model_loader.py` at ec74b1f.
Differs from the sources:
    A file that cannot be read is refused by name; av-benchmark takes the next file of its list instead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avbench.resampling import (
    KAISER_BEST,
    ResampyVersion,
    resampy_resample,
    torchaudio_resample,
    torchaudio_resample_float32,
)
from avbench.types import Waveform

Float32s = NDArray[np.float32]


def av_benchmark(audio: Waveform, rate: int, seconds: float | None = 8.0) -> Float32s:
    """Channels averaged, mean taken off, resampled by torchaudio's default, cut to the first seconds, never padded.

    Args:
        audio: The sound.
        rate: Hz of the network.
        seconds: Length that is kept; None for all. The published default is 8.

    Returns:
        `(N,)`.
    """
    mono = audio.mono
    resampled = torchaudio_resample(mono - mono.mean(dtype=np.float32), audio.sample_rate, rate)
    return resampled if seconds is None else resampled[: int(rate * seconds)]


def audioldm_eval(audio: Waveform, rate: int, at_least: int = 32_000) -> Float32s:
    """First channel alone, mean taken off, resampled by torchaudio's default, zeros added up to a least number of samples.

    Args:
        audio: The sound.
        rate: Hz of the network.
        at_least: Samples, whatever the rate.

    Returns:
        `(N,)`, N at least `at_least`.
    """
    first = audio.samples[0]
    centred = first - first.mean(dtype=np.float32)
    return _padded(torchaudio_resample(centred, audio.sample_rate, rate, functional=True), at_least)


def torchvggish(audio: Waveform, rate: int = 16_000, resampy: ResampyVersion = "0.4.3") -> NDArray[np.float64]:
    """16-bit samples, channels averaged in float64, resampled by resampy.

    Args:
        audio: The sound; rounded to 16 bits, which changes nothing that comes from a 16-bit file.
        rate: Hz of the network.
        resampy: Version whose filter is used.

    Returns:
        `(N,)`.
    """
    mono = pcm16(audio.samples).mean(axis=0, dtype=np.float64)
    return resampy_resample(mono, audio.sample_rate, rate, resampy)


def frechet_audio_distance(audio: Waveform, rate: int = 16_000, resampy: ResampyVersion = "0.4.3") -> Float32s:
    """Channels averaged in float32, resampled by resampy.

    Args:
        audio: The sound.
        rate: Hz of the network.
        resampy: Version whose filter is used.

    Returns:
        `(N,)`.
    """
    return resampy_resample(audio.mono, audio.sample_rate, rate, resampy).astype(np.float32)


def fadtk(audio: Waveform, rate: int, at_least_seconds: float = 1.0) -> Float32s:
    """Channels averaged, resampled by torchaudio's Kaiser window, stored with 16 bits, zeros added up to a least length.

    libsndfile stores them: rounded to 32 bits, of which the lower half is dropped. So a sample goes to the step below, not to
    the nearest one, and the last bit of the resampler's float32 decides where it lies on a step, as it does wherever the rate
    goes up.

    Args:
        audio: The sound.
        rate: Hz of the network.
        at_least_seconds: Least length.

    Returns:
        `(N,)`, whole 16-bit steps.
    """
    resampled = torchaudio_resample_float32(audio.mono, audio.sample_rate, rate, KAISER_BEST)
    wide = np.clip(np.rint(resampled.astype(np.float64) * 2.0**31), -(2.0**31), 2.0**31 - 1)
    return _padded((np.floor(wide / 2**16) / 2**15).astype(np.float32), int(rate * at_least_seconds))


def pcm16(samples: Float32s) -> Float32s:
    """Rounded to 16 bits, ties to even, and clipped to [-1, 1)."""
    return np.asarray(np.clip(np.rint(samples * np.float32(32768)), -32768, 32767) / np.float32(32768), dtype=np.float32)


def _padded(samples: Float32s, at_least: int) -> Float32s:
    return np.pad(samples, (0, max(0, at_least - len(samples))))
