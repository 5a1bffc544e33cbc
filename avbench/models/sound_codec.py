"""Sound as tokens, by principal components: fitted in closed form, linear, no training.

A token is 4 frames (50 ms) of all 64 bands of the log-mel spectrogram of `mel_inversion`. All components are divided by one
number, so that tokens have unit variance on average: dividing each by its own would make fine detail as loud as shape.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter

MELS = 4

Floats = NDArray[np.float32]


class SoundCodec:
    """Principal components of pieces of a log-mel spectrogram.

    Args:
        basis: `(numbers of a piece, components)`, columns of length 1 at right angles.
        mean: `(numbers of a piece,)`.
        scale: One number, positive; tokens are divided by it.
    """

    def __init__(self, basis: Floats, mean: Floats, scale: float) -> None:
        if basis.ndim != 2 or mean.shape != basis.shape[:1] or not scale > 0 or not np.isfinite(basis).all():
            raise BadParameter(f"codec: basis {basis.shape}, mean {mean.shape} and scale {scale} do not make a codec")
        self.basis, self.mean, self.scale = basis, mean, float(scale)

    @classmethod
    def fit(cls, mels: Iterable[Floats], components: int) -> SoundCodec:
        """The first components of spectrograms `(T, bands)` that come one by one, T a multiple of 4."""
        count, total, second = 0, np.zeros(1), np.zeros((1, 1))
        for clip in mels:
            pieces = clip.reshape(len(clip) // MELS, -1)
            count, total = count + len(pieces), total + pieces.sum(axis=0, dtype=np.float64)
            second = second + (pieces.T @ pieces).astype(np.float64)
        if count < components:
            raise BadParameter(f"codec: {components} components need as many pieces or more, got {count}")
        mean = total / count
        values, vectors = np.linalg.eigh(second / count - np.outer(mean, mean))
        order = np.argsort(values)[::-1][:components]
        basis = vectors[:, order]
        # The sign of a component is arbitrary: the largest entry is made positive, so that a fit repeats.
        basis = basis * np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(basis.shape[1])])
        scale = float(np.sqrt(np.maximum(values[order], 0.0).mean()))
        return cls(basis.astype(np.float32), mean.astype(np.float32), scale)

    def tokens(self, mels: Floats) -> Floats:
        """`(T, bands)` to `(T / 4, components)`."""
        pieces = mels.reshape(len(mels) // MELS, -1)
        return np.asarray((pieces - self.mean) @ self.basis / self.scale, dtype=np.float32)

    def mels(self, tokens: Floats) -> Floats:
        """Back from `tokens`, as far as the components reach."""
        pieces = tokens * self.scale @ self.basis.T + self.mean
        return np.asarray(pieces.reshape(len(tokens) * MELS, -1), dtype=np.float32)
