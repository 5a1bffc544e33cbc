"""Deterministic inputs of the video and audio-visual goldens (numpy only).

Frames and audio come from integer or IEEE-exact formulas, features from
numpy.random.Generator(PCG64(seed)); the goldens name the call that made their input.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def waves(frames: int, height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """uint8 (T, H, W, 3): wrapped integer gradients with an xor texture; much high frequency."""
    t, y, x, c = np.ogrid[:frames, :height, :width, :3]
    value = 7 * x * (c + 1) + 5 * y * (3 - c) + 11 * t * (c + 2) + ((x * y) >> 4) + ((x + 3 * t) ^ (y + 2 * t))
    return np.asarray(((value + 37 * seed) % 256).astype(np.uint8), dtype=np.uint8)


def smooth(frames: int, height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """uint8 (T, H, W, 3): triangle waves that drift; no wrap-around edges."""
    t, y, x, c = np.ogrid[:frames, :height, :width, :3]
    phase = (x * (c + 2) * 3 + y * (4 - c) * 2 + t * (5 + 3 * c) + 53 * seed) % 512
    return np.asarray(np.abs(255 - phase).clip(0, 255).astype(np.uint8), dtype=np.uint8)


def _disc_centre(frame: int, height: int, width: int, seed: int) -> tuple[int, int]:
    """Where the disc is: it rests, jumps 12 pixels over two frames in every 10, and rests again."""
    jumps, within = divmod(frame + seed, 10)
    step = 12 * jumps + (4 if within == 8 else 12 if within == 9 else 0)
    return height // 2 + (step // 3) % 9 - 4, 24 + step % max(1, width - 48)


def disc(frames: int, height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """uint8 (T, H, W, 3): a bright textured disc over a textured ground that moves in jumps."""
    y, x = np.mgrid[:height, :width]
    ground = 60 + ((x * 13 + y * 7 + ((x * y) >> 3)) % 50)
    out = np.empty((frames, height, width, 3), np.uint8)
    radius = max(8, min(height, width) // 6)
    for index in range(frames):
        cy, cx = _disc_centre(index, height, width, seed)
        inside = (y - cy) ** 2 + (x - cx) ** 2 <= radius**2
        texture = 170 + (((x - cx) * 11 + (y - cy) * 5) % 60)
        for channel in range(3):
            out[index, :, :, channel] = np.where(inside, texture - 20 * channel, ground + 8 * channel)
    return out


def clicks(samples: int, rate: int, times: Sequence[float], seed: int = 0, channels: int = 1) -> NDArray[np.int16]:
    """int16 (samples, channels): decaying 1 kHz-spaced square bursts at the given times over faint noise."""
    n = np.arange(samples)
    noise = ((n * 1103515245 + 12345 + 7919 * seed) >> 8) % 129 - 64
    out = noise.astype(np.int64)
    for k, time in enumerate(times):
        start = round(time * rate)
        length = min(rate // 8, max(0, samples - start))
        i = np.arange(length)
        period = max(2, rate // (500 * (1 + k % 4)))
        burst = np.where((i // max(1, period // 2)) % 2 == 0, 1, -1) * (12000 - (12000 * i) // max(1, rate // 8))
        out[start : start + length] += burst
    out = out.clip(-32768, 32767).astype(np.int16)
    return np.stack([np.roll(out, 3 * channel) for channel in range(channels)], axis=1)


def chirp(samples: int, rate: int, seed: int = 0, channels: int = 1) -> NDArray[np.int16]:
    """int16 (samples, channels): a square-ish sum of gliding integer phases."""
    n = np.arange(samples, dtype=np.int64)
    phase = (n * (200 + 13 * seed) + (n * n) // (40 + seed)) % (2 * rate)
    tone = np.abs(phase - rate) - rate // 2
    value = (tone * 16000) // rate + ((n * 69069 + 1 + seed) >> 5) % 257 - 128
    out = value.clip(-32768, 32767).astype(np.int16)
    return np.stack([np.roll(out, 11 * channel) for channel in range(channels)], axis=1)


def features(rows: int, columns: int, seed: int, shift: float = 0.0, spread: float = 1.0) -> NDArray[np.float32]:
    """float32 (rows, columns): normal features with uneven scales and one common factor."""
    rng = np.random.Generator(np.random.PCG64(seed))
    z = rng.standard_normal((rows, columns))
    u = rng.standard_normal((rows, 1))
    fixed = np.random.Generator(np.random.PCG64(424242))
    scale = fixed.uniform(0.3, 2.0, (1, columns))
    mean = fixed.standard_normal((1, columns))
    load = fixed.standard_normal((1, columns))
    return (spread * (scale * z + 0.7 * u * load) + mean + shift * scale).astype(np.float32)
