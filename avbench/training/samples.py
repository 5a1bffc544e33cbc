"""Cuts of a library's clips, changed a little as files and generators change them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avbench.mini.inputs import FRAME_RATE, SAMPLE_RATE, SIDE, clocked

Random = np.random.Generator


@dataclass(frozen=True)
class Spoiling:
    """How strongly a cut was changed, 0 to 1 each; networks learn to tell it, so that their features keep it."""

    noise: float = 0.0
    blur: float = 0.0


def spoiled_frames(frames: NDArray[np.uint8], random: Random) -> tuple[NDArray[np.uint8], Spoiling]:
    """Frames `(T, 64, 64, 3)`: mirrored, zoomed, recoloured; sometimes blurred, noisy, or compressed as JPEG."""
    import cv2

    if random.random() < 0.5:
        frames = frames[:, :, ::-1]
    if random.random() < 0.7:
        side = int(random.integers(54, SIDE))
        top, left = random.integers(0, SIDE - side + 1, 2)
        cut = frames[:, top : top + side, left : left + side]
        frames = np.stack([cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR) for image in cut])
    blur = float(random.uniform(0.2, 1.0)) if random.random() < 0.25 else 0.0
    if blur:
        frames = np.stack([cv2.GaussianBlur(image, (0, 0), 0.3 + 1.5 * blur) for image in frames])
    if random.random() < 0.25:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(30, 95))]
        frames = np.stack([np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], 1), np.uint8) for image in frames])
    if random.random() < 0.7:
        # A table of 256 values for each colour: gamma, contrast, brightness.
        levels = np.arange(256)[:, None] / 255.0
        table = levels ** np.exp(random.uniform(-0.25, 0.25)) * random.uniform(0.8, 1.2, 3) + random.uniform(-0.08, 0.08)
        table = np.clip(table * 255.0, 0.0, 255.0).astype(np.uint8)
        frames = np.stack([table[frames[..., c], c] for c in range(3)], axis=-1)
    noise = float(random.uniform(0.05, 1.0)) if random.random() < 0.3 else 0.0
    if noise:
        # One field of noise that is longer than a frame, read from another place for each: the generator is slow.
        size = frames[0].size
        grain = random.standard_normal(2 * size, dtype=np.float32) * np.float32(25.0 * noise**2 + 0.5)
        layers = np.stack([grain[start : start + size] for start in random.integers(0, size, len(frames))])
        frames = np.clip(frames + layers.reshape(frames.shape), 0.0, 255.0).astype(np.uint8)
    return np.ascontiguousarray(frames), Spoiling(noise, blur)


def at_another_rate(frames: NDArray[np.uint8], random: Random) -> NDArray[np.uint8]:
    """The same time with fewer pictures, as a clip with 8, 12, 15, 16 or 20 frames a second is read."""
    rate = float(random.choice([8.0, 12.0, 15.0, 16.0, 20.0]))
    seconds = len(frames) / FRAME_RATE
    shown = np.rint(np.arange(int(seconds * rate)) / rate * FRAME_RATE).astype(np.intp)
    return frames[shown[clocked(np.arange(len(shown)) / rate, FRAME_RATE, seconds, seconds)]]


def spoiled_sound(
    samples: NDArray[np.int16], random: Random, *, strongest: float = 1.0
) -> tuple[NDArray[np.float32], Spoiling]:
    """Sound at 16 kHz: louder or softer; sometimes with noise or without its highs; -1 to 1."""
    sound = samples.astype(np.float32) / 32767.0 * np.float32(10.0 ** (random.uniform(-15.0, 3.0) / 20.0))
    cut = float(random.uniform(0.1, 1.0)) * strongest if random.random() < 0.25 else 0.0
    if cut:
        spectrum = np.fft.rfft(sound)
        hertz = np.arange(len(spectrum)) / len(sound) * SAMPLE_RATE
        spectrum *= 1.0 / (1.0 + (hertz / (8000.0 * 2.0 ** (-3.0 * cut))) ** 8)
        sound = np.fft.irfft(spectrum, len(sound)).astype(np.float32)
    noise = float(random.uniform(0.05, 1.0)) * strongest if random.random() < 0.3 else 0.0
    if noise:
        level = 10.0 ** ((-65.0 + 50.0 * noise) / 20.0)
        sound = sound + random.standard_normal(len(sound), dtype=np.float32) * np.float32(level)
    return np.clip(sound, -1.0, 1.0), Spoiling(noise, cut)


def begin(random: Random, length: int, whole: int) -> int:
    """Where a cut begins: often at the start, where the suite's clips begin, else anywhere."""
    return 0 if random.random() < 0.35 else int(random.integers(0, whole - length + 1))
