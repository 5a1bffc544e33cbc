"""mini_video: a classifier of short pictures' movement and content with a feature layer.

Layout of the weights: `frames.*`, `time.*`, `logits.*`.
"""

from __future__ import annotations

from torch import Tensor, nn

from avbench.models.mini_blocks import Frames, InTime

CLASSES = 15
SIZE = 128


class MiniVideo(nn.Module):
    """uint8 frames `(B, T, 64, 64, 3)` at 12 a second to class scores and features."""

    def __init__(self) -> None:
        super().__init__()
        self.frames = Frames((16, 32, 48, 64), SIZE)
        self.time = nn.Sequential(nn.BatchNorm1d(SIZE), nn.ReLU(), InTime(SIZE), InTime(SIZE))
        self.logits = nn.Linear(SIZE, CLASSES)

    def steps(self, frames: Tensor) -> Tensor:
        """`(B, 128, T)`, at least 0."""
        made: Tensor = self.time(self.frames(frames))
        return made

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Class scores (B, 15) before softmax, and features (B, 128), the mean over time."""
        features = self.steps(frames).mean(dim=2)
        return self.logits(features), features
