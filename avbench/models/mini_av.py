"""mini_av: frames, sounds and captions as unit vectors of one space.

Layout of the weights: `picture.*`, `picture_out.*`; `mels.*`, `mels_norm.*`, `mels_out.*`; `words.*`, `words_out.*`; `scale`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from avbench.mini.inputs import BUCKETS
from avbench.models.mini_audio import pooled
from avbench.models.mini_blocks import Mels, convolved

SIZE = 64


class MiniAv(nn.Module):
    """Three ways into one space; whatever is compared is compared by its cosine."""

    def __init__(self) -> None:
        super().__init__()
        self.picture = nn.Sequential(
            convolved(3, 16, 5, 2), convolved(16, 32, 3, 2), convolved(32, 64, 3, 2), convolved(64, 96, 3, 2)
        )
        self.picture_out = nn.Linear(2 * 96, SIZE)
        self.mels = Mels(128)
        self.mels_norm = nn.BatchNorm1d(128)
        self.mels_out = nn.Linear(128, SIZE)
        self.words = nn.Linear(BUCKETS, 96)
        self.words_out = nn.Linear(96, SIZE)
        self.scale = nn.Parameter(torch.tensor(2.0))

    def seen(self, frames: Tensor) -> Tensor:
        """uint8 frames (N, 64, 64, 3) to (N, 64)."""
        x = self.picture(frames.float().permute(0, 3, 1, 2) / 127.5 - 1.0)
        return normalize(self.picture_out(torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)), dim=1)

    def heard(self, mels: Tensor) -> Tensor:
        """Spectrograms (N, T, 64) to (N, 64)."""
        return normalize(self.mels_out(pooled(torch.relu(self.mels_norm(self.mels(mels))))), dim=1)

    def read(self, bags: Tensor) -> Tensor:
        """Bags of words (N, 2048) to (N, 64)."""
        return normalize(self.words_out(torch.relu(self.words(8.0 * bags))), dim=1)
