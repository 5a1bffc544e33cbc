"""Damage that leaves time alone: noise, low-pass, blur. A measure of synchrony should hardly notice."""

from __future__ import annotations

import numpy as np

from avbench.distortions.base import Distortion, Edit, Frame, Source
from avbench.errors import Unscorable

_SNR = (40.0, 35.0, 30.0, 25.0, 20.0, 15.0, 10.0, 5.0, 0.0, -5.0)
_CUTOFF = (7000.0, 5500.0, 4000.0, 3000.0, 2000.0, 1500.0, 1000.0, 700.0, 500.0, 300.0)
_GREY = (2.0, 4.0, 7.0, 10.0, 15.0, 20.0, 30.0, 45.0, 65.0, 90.0)
_BLUR = (0.2, 0.4, 0.6, 0.9, 1.3, 1.8, 2.5, 3.5, 5.0, 7.0)

FILTER_ORDER = 5


def audio_noise(source: Source, ratio: float, rng: np.random.Generator) -> Edit:
    """White Gaussian noise at a signal-to-noise ratio in dB, against the clip's mean power; limited to full scale."""
    audio = source.sound
    power = float(np.mean(np.square(audio, dtype=np.float64)))
    if power <= 0:
        raise Unscorable("silent", "a silent sound has no signal-to-noise ratio")
    noise = rng.standard_normal(audio.shape, dtype=np.float32) * np.float32(np.sqrt(power / 10 ** (ratio / 10)))
    return Edit(source.unchanged().frames, np.clip(audio + noise, -1.0, 1.0))


def low_pass(source: Source, cutoff: float, rng: np.random.Generator) -> Edit:
    """Butterworth filter, run both ways so that nothing moves in time; sound without anything above stays as it is."""
    from scipy.signal import butter, sosfiltfilt

    audio = source.sound
    if cutoff < 0.49 * source.sample_rate:
        sections = butter(FILTER_ORDER, cutoff, fs=source.sample_rate, output="sos")
        reach = min(3 * (2 * len(sections) + 1), audio.shape[1] - 1)
        audio = np.asarray(sosfiltfilt(sections, audio, axis=1, padlen=reach), dtype=np.float32)
    return Edit(source.unchanged().frames, audio)


def video_noise(source: Source, deviation: float, rng: np.random.Generator) -> Edit:
    """Gaussian noise of each pixel and colour, standard deviation in grey levels of 255."""

    def look(image: Frame, place: int) -> Frame:
        noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(deviation)
        return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)

    return Edit(source.unchanged().frames, source.audio, look)


def blur(source: Source, deviation: float, rng: np.random.Generator) -> Edit:
    """Gaussian blur, standard deviation in percent of the picture's short side."""
    import cv2

    pixels = deviation / 100.0 * min(source.height, source.width)

    def look(image: Frame, place: int) -> Frame:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), pixels), dtype=np.uint8)

    return Edit(source.unchanged().frames, source.audio, look)


DISTORTIONS = (
    Distortion("10", "audio_noise", "white noise in the sound", "dB SNR", _SNR, tuple(-x for x in _SNR), "audio", audio_noise),
    Distortion("11", "low_pass", "high frequencies removed", "Hz", _CUTOFF, tuple(1 / x for x in _CUTOFF), "audio", low_pass),
    Distortion("12", "video_noise", "noise in the picture", "of 255", _GREY, _GREY, "video", video_noise),
    Distortion("13", "blur", "blurred picture", "% of side", _BLUR, _BLUR, "video", blur),
)
