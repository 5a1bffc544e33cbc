"""mini_sync: two towers whose outputs are compared at every offset between picture and sound.

Layout of the weights: `frames.*`, `frames_time.*`, `frames_out.*`; `mels.*`, `mels_in.*`, `mels_time.*`, `mels_out.*`; `scale`,
`level`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avbench.mini.inputs import BANDS
from avbench.models.mini_blocks import Frames, InTime, convolved

STEPS = 24
"""Offsets to either side, each 1/24 s."""
LEAST_OVERLAP = 12
"""Steps that have to be compared for an offset to count."""
IMPOSSIBLE = -1e4
WIDTH = 96
SIZE = 64


class MiniSync(nn.Module):
    """Frames and sound to one unit vector each 1/24 s, and the score of each offset.

    The score of offset k is the sum over time of scale (v[t] . a[t + k] - level): evidence adds up, and steps that say nothing
    (v . a at `level`) do not count. Towers see at most half a second around each step, and nothing of where the clip begins.
    """

    def __init__(self) -> None:
        super().__init__()
        self.frames = Frames((16, 32, 48, 64), WIDTH)
        self.frames_time = nn.Sequential(nn.BatchNorm1d(WIDTH), nn.ReLU(), InTime(WIDTH), InTime(WIDTH), InTime(WIDTH))
        self.frames_out = nn.Conv1d(WIDTH, SIZE, 1)
        self.mels = nn.Sequential(convolved(1, 16, 3, (1, 2)), convolved(16, 32, 3, (2, 2)), convolved(32, 48, 3, (2, 2)))
        self.mels_in = nn.Linear(48 * (BANDS // 8), WIDTH)
        self.mels_time = nn.Sequential(nn.BatchNorm1d(WIDTH), nn.ReLU(), InTime(WIDTH), InTime(WIDTH), InTime(WIDTH))
        self.mels_out = nn.Conv1d(WIDTH, SIZE, 1)
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.level = nn.Parameter(torch.tensor(0.0))

    def seen(self, frames: Tensor) -> Tensor:
        """uint8 (B, T, 64, 64, 3) to (B, 96, T)."""
        made: Tensor = self.frames_time(self.frames(frames))
        return made

    def heard(self, mels: Tensor) -> Tensor:
        """(B, 4 T, 64) to (B, 96, T)."""
        x = self.mels(mels[:, None])  # (B, 48, T, 8)
        made: Tensor = self.mels_time(self.mels_in(x.transpose(1, 2).flatten(2)).transpose(1, 2))
        return made

    def scores(self, seen: Tensor, heard: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Towers' outputs (B, 96, T), (B, 96, T') to scores (B, 49) and unit vectors (B, T, 64), (B, T', 64).

        Score k is that of the sound being (k - 24) / 24 s late.
        """
        v = nn.functional.normalize(self.frames_out(seen), dim=1).transpose(1, 2)
        a = nn.functional.normalize(self.mels_out(heard), dim=1).transpose(1, 2)
        products = self.scale * (v @ a.transpose(1, 2) - self.level)  # (B, T, T')
        columns = []
        for offset in range(-STEPS, STEPS + 1):
            line = torch.diagonal(products, offset, dim1=1, dim2=2)
            enough = line.shape[1] >= LEAST_OVERLAP
            columns.append(line.sum(dim=1) if enough else torch.full_like(products[:, 0, 0], IMPOSSIBLE))
        return torch.stack(columns, dim=1), v, a

    def forward(self, frames: Tensor, mels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `seen`, `heard` and `scores`."""
        return self.scores(self.seen(frames), self.heard(mels))
