"""Resamplers: lengths, gains, odd rates."""

from __future__ import annotations

import numpy as np
import pytest

from avbench.errors import BadParameter
from avbench.resampling import (
    HANN,
    KAISER_BEST,
    julius_resample,
    resampy_resample,
    torchaudio_resample,
    torchaudio_resample_float32,
)

RATES = [(44_100, 16_000), (48_000, 16_000), (8_000, 16_000), (22_050, 32_000), (16_001, 16_000)]


@pytest.mark.parametrize(("rate", "wanted"), RATES)
def test_a_tone_stays_a_tone(rate: int, wanted: int) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(rate // 2) / rate)
    want = np.sin(2 * np.pi * 440 * np.arange(wanted // 2) / wanted)
    for made, error in (
        (torchaudio_resample(tone, rate, wanted), 3e-3),
        (torchaudio_resample(tone, rate, wanted, KAISER_BEST), 1e-4),
        (torchaudio_resample_float32(tone.astype(np.float32), rate, wanted, KAISER_BEST), 1e-4),
        (julius_resample(tone, rate, wanted), 3e-4),
        (resampy_resample(tone, rate, wanted), 1e-2),
        (resampy_resample(tone, rate, wanted, "0.2.2"), 1e-2),
    ):
        assert abs(len(made) - len(want)) <= 1
        middle = slice(1000, min(len(made), len(want)) - 1000)
        assert np.abs(made[middle] - want[middle]).max() < error


def test_lengths() -> None:
    assert len(torchaudio_resample(np.zeros(441), 44_100, 16_000)) == 160
    assert len(torchaudio_resample(np.zeros(442), 44_100, 16_000)) == 161
    assert len(torchaudio_resample_float32(np.zeros(442, np.float32), 44_100, 16_000)) == 161
    assert len(resampy_resample(np.zeros(442), 44_100, 16_000)) == 160
    assert len(julius_resample(np.zeros(442), 44_100, 16_000)) == 160
    assert len(resampy_resample(np.zeros(0), 44_100, 16_000)) == 0
    assert len(torchaudio_resample(np.zeros(0), 44_100, 16_000)) == 0


def test_ends() -> None:
    """A constant stays one with julius and fades at the ends with the others."""
    constant = np.ones(4_410)
    np.testing.assert_allclose(julius_resample(constant, 44_100, 16_000), 1.0, rtol=1e-6)
    for made in (torchaudio_resample(constant, 44_100, 16_000), resampy_resample(constant, 44_100, 16_000)):
        assert made[0] < 0.95
        assert abs(made[800] - 1.0) < 1e-2


def test_equal_rates_change_nothing() -> None:
    samples = np.linspace(-1, 1, 50).astype(np.float32)
    for resample in (torchaudio_resample, torchaudio_resample_float32, julius_resample, resampy_resample):
        np.testing.assert_array_equal(resample(samples, 16_000, 16_000), samples)


def test_float32_convolution_is_the_same_filter() -> None:
    samples = np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    for sinc in (HANN, KAISER_BEST):
        apart = torchaudio_resample(samples, 44_100, 16_000, sinc) - torchaudio_resample_float32(samples, 44_100, 16_000, sinc)
        assert np.abs(apart).max() < 1e-5


@pytest.mark.parametrize("rates", [(0, 16_000), (16_000, 0), (-1, 16_000)])
def test_rates_are_positive(rates: tuple[int, int]) -> None:
    for resample in (torchaudio_resample, torchaudio_resample_float32, julius_resample, resampy_resample):
        with pytest.raises(BadParameter, match="positive"):
            resample(np.zeros(10, np.float32), *rates)
