"""mini_audio: a log-mel classifier with a feature layer.

Layout of the weights: `mels.*`, `norm.*`, `logits.*`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avbench.models.mini_blocks import Mels

CLASSES = 15
SIZE = 128
WINDOW, HOP = 6, 3
"""Steps of 1/6 s that an embedding covers, and from one embedding to the next."""


class MiniAudio(nn.Module):
    """Spectrogram `(B, T, 64)` to class scores, features and embeddings of windows."""

    def __init__(self) -> None:
        super().__init__()
        self.mels = Mels(SIZE)
        self.norm = nn.BatchNorm1d(SIZE)
        self.logits = nn.Linear(SIZE, CLASSES)

    def steps(self, mels: Tensor) -> Tensor:
        """`(B, 128, T / 16)`, at least 0."""
        return torch.relu(self.norm(self.mels(mels)))

    def forward(self, mels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Class scores (B, 15) before softmax; features (B, 128); embeddings (B, windows, 128) of 1 s every 0.5 s.

        Features and embeddings are the mean of the mean and the maximum over their steps. What is left after the last whole
        window is in no embedding; a shorter sound is one window.
        """
        x = self.steps(mels)
        pieces = x.unfold(2, min(WINDOW, x.shape[2]), HOP)  # (B, 128, windows, steps)
        features = pooled(x)
        return self.logits(features), features, pooled(pieces).transpose(1, 2)


def pooled(x: Tensor) -> Tensor:
    """Mean of mean and maximum over the last axis."""
    return 0.5 * (x.mean(dim=-1) + x.amax(dim=-1))
