"""What the mini networks are shown."""

from __future__ import annotations

import numpy as np
import pytest

from avbench.mini.inputs import (
    BANDS,
    MEL_RATE,
    SAMPLE_RATE,
    SIDE,
    bag,
    clocked,
    log_mel,
    samples_of,
    small,
)
from avbench.types import Waveform


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(24.0, [0, 1, 2, 3, 4, 5, 6, 7]), (12.0, [0, 0, 1, 1, 2, 2, 3, 3]), (48.0, [0, 2, 4, 6, 8, 10, 12, 14])],
)
def test_the_clock_takes_the_nearest_frame(rate: float, expected: list[int]) -> None:
    times = 5.0 + np.arange(round(rate / 3)) / rate
    assert clocked(times, 24.0, 1 / 3, 10.0).tolist() == expected


def test_the_clock_keeps_to_display_times_not_to_counts() -> None:
    # The second frame stays for half a second.
    assert clocked(np.asarray([0.0, 0.1, 0.6, 0.7]), 10.0, 0.8, 10.0).tolist() == [0, 1, 1, 1, 2, 2, 2, 3]


def test_times_that_were_rounded_to_milliseconds_do_not_move_the_clock() -> None:
    exact = np.arange(48) / 24
    assert clocked(np.round(exact, 3), 24.0, 2.0, 10.0).tolist() == list(range(48))
    assert clocked(np.round(np.arange(48) / 48, 3), 24.0, 1.0, 10.0).tolist() == list(range(0, 48, 2))


def test_the_clock_stops_at_its_longest_and_takes_a_still() -> None:
    assert len(clocked(np.arange(480) / 24, 24.0, 20.0, 10.0)) == 240
    assert clocked(np.zeros(1), 24.0, 1 / 8, 10.0).tolist() == [0, 0, 0]


def test_a_frame_is_cut_to_its_middle_and_averaged() -> None:
    image = np.zeros((128, 256, 3), np.uint8)
    image[:, 64:192] = 200
    assert small(image).shape == (SIDE, SIDE, 3)
    assert (small(image) == 200).all()
    checks = np.indices((256, 256)).sum(axis=0) % 2 * 255
    assert np.abs(small(np.repeat(checks[..., None], 3, axis=2).astype(np.uint8)).astype(int) - 127).max() <= 1
    assert small(np.zeros((32, 48, 3), np.uint8)).shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize("seconds", [0.0, 0.25, 1.0, 1.7])
def test_a_click_is_in_the_spectrogram_at_its_own_time(seconds: float) -> None:
    samples = np.zeros(2 * SAMPLE_RATE, np.float32)
    samples[round(seconds * SAMPLE_RATE)] = 1.0
    mels = log_mel(samples)
    assert mels.shape == (192, BANDS)
    assert abs(int(mels.mean(axis=1).argmax()) - seconds * MEL_RATE) <= 0.5


def test_every_band_hears_its_own_tone_and_no_band_is_deaf() -> None:
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    tones = [(0.5 * np.sin(2 * np.pi * f * t)).astype(np.float32) for f in (120, 500, 2000, 7000)]
    highest = [int(log_mel(tone)[20:-20].mean(axis=0).argmax()) for tone in tones]
    assert highest == sorted(set(highest))
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32) * 0.1
    assert log_mel(noise).std(axis=0).min() > 0.0
    assert log_mel(noise).mean(axis=0).min() > log_mel(np.zeros(SAMPLE_RATE, np.float32)).max() + 0.5


def test_the_spectrogram_takes_what_is_beyond_the_sound_as_silence() -> None:
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32) * 0.1
    longer = log_mel(noise, 192)
    np.testing.assert_array_equal(longer[:90], log_mel(noise)[:90])
    np.testing.assert_array_equal(longer[100:], log_mel(np.zeros(SAMPLE_RATE, np.float32), 92))


def test_sound_that_starts_late_is_preceded_by_silence_and_early_sound_is_cut() -> None:
    samples = np.linspace(0.1, 0.9, 4000, dtype=np.float32)
    wave = Waveform(np.stack([samples, samples]), SAMPLE_RATE)
    late, early = samples_of(wave, 0.1), samples_of(wave, -0.1)
    assert (late[:1600] == 0).all()
    np.testing.assert_array_equal(late[1600:], samples)
    np.testing.assert_array_equal(early, samples[1600:])
    assert len(samples_of(Waveform(samples[None], 8000))) == 8000


def test_captions_with_the_same_words_are_near() -> None:
    one, same, other = bag("A dog barks."), bag("a DOG barks"), bag("A violin is bowed")
    np.testing.assert_array_equal(one, same)
    assert one.sum() == pytest.approx(1.0)
    assert float(one @ bag("Dogs barking")) > 2 * float(one @ other)
    assert (bag("... ?") == 0).all()
