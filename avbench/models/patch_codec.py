"""Video and sound as tokens, by principal components of patches: fitted in closed form, linear, no training.

Video: what differs from the first frame, which the model is given. A token is a patch of 16 x 16 pixels over 3 frames of
12 a second, as its first components. What never moves costs nothing and stays as sharp as it is in the first frame.
Sound: the log-mel spectrogram of `mel_inversion`; a token is 4 frames (50 ms) of all 64 bands.
All components of a modality are divided by one number, so that tokens have unit variance on average: dividing each by its own
would make fine detail as loud as shape.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter

PATCH = 16
GROUP = 3
FRAME_RATE = 12.0
MELS = 4

Floats = NDArray[np.float32]


class PatchCodec:
    """Principal components of patches.

    Args:
        basis: `(numbers of a patch, components)`, columns of length 1 at right angles.
        mean: `(numbers of a patch,)`.
        scale: One number, positive; tokens are divided by it.
    """

    def __init__(self, basis: Floats, mean: Floats, scale: float) -> None:
        if basis.ndim != 2 or mean.shape != basis.shape[:1] or not scale > 0 or not np.isfinite(basis).all():
            raise BadParameter(f"codec: basis {basis.shape}, mean {mean.shape} and scale {scale} do not make a codec")
        self.basis, self.mean, self.scale = basis, mean, float(scale)

    @classmethod
    def fit(cls, patches: Iterable[Floats], components: int, *, centred: bool) -> PatchCodec:
        """The first components of patches `(n, numbers)` that come in portions.

        Args:
            patches: Portions.
            components: How many to keep.
            centred: Whether the mean is taken off first.
        """
        count, total, second = 0, np.zeros(1), np.zeros((1, 1))
        for portion in patches:
            count, total = count + len(portion), total + portion.sum(axis=0, dtype=np.float64)
            second = second + (portion.T @ portion).astype(np.float64)
        if count < components:
            raise BadParameter(f"codec: {components} components need as many patches or more, got {count}")
        mean = total / count if centred else np.zeros_like(total)
        values, vectors = np.linalg.eigh(second / count - np.outer(mean, mean))
        order = np.argsort(values)[::-1][:components]
        basis = vectors[:, order]
        # The sign of a component is arbitrary: the largest entry is made positive, so that a fit repeats.
        basis = basis * np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(basis.shape[1])])
        scale = float(np.sqrt(np.maximum(values[order], 0.0).mean()))
        return cls(basis.astype(np.float32), mean.astype(np.float32), scale)

    def encode(self, patches: Floats) -> Floats:
        """`(..., numbers)` to `(..., components)`."""
        return np.asarray((patches - self.mean) @ self.basis / self.scale, dtype=np.float32)

    def decode(self, tokens: Floats) -> Floats:
        """`(..., components)` to `(..., numbers)`."""
        return np.asarray(tokens * self.scale @ self.basis.T + self.mean, dtype=np.float32)


def video_patches(frames: NDArray[np.uint8]) -> Floats:
    """Differences from the first frame in patches: uint8 `(T, S, S, 3)` to `(T / 3 x (S / 16)^2, 2304)`.

    Raises:
        BadParameter: if T is no multiple of 3 or S none multiple of 16.
    """
    count, side = frames.shape[:2]
    if count % GROUP or side % PATCH or frames.shape != (count, side, side, 3):
        raise BadParameter(
            f"codec: frames must be (T, side, side, 3), T a multiple of {GROUP}, side of {PATCH}; got {frames.shape}"
        )
    new = (frames.astype(np.float32) - frames[:1].astype(np.float32)) / 127.5
    grid = side // PATCH
    cut = new.reshape(count // GROUP, GROUP, grid, PATCH, grid, PATCH, 3).transpose(0, 2, 4, 1, 3, 5, 6)
    return cut.reshape(-1, GROUP * PATCH * PATCH * 3)


def frames_of(patches: Floats, first: NDArray[np.uint8]) -> Floats:
    """Back from `video_patches`: `(n, 2304)` and the first frame `(S, S, 3)` to float32 `(T, S, S, 3)` in 0 to 255."""
    grid = first.shape[0] // PATCH
    steps = len(patches) // grid**2
    cut = patches.reshape(steps, grid, grid, GROUP, PATCH, PATCH, 3).transpose(0, 3, 1, 4, 2, 5, 6)
    moved = cut.reshape(steps * GROUP, *first.shape) * 127.5 + first
    return np.asarray(np.clip(moved, 0.0, 255.0), dtype=np.float32)


def sound_patches(mels: Floats) -> Floats:
    """`(T, 64)` to `(T / 4, 256)`."""
    return mels.reshape(len(mels) // MELS, -1)


def mels_of(patches: Floats) -> Floats:
    """Back from `sound_patches`."""
    return patches.reshape(len(patches) * MELS, -1)
