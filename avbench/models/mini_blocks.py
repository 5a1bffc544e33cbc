"""What the mini networks are built of: blocks, the two ways in, and how their weights are loaded."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from avbench.models.loading import load_exactly
from avbench.weights import read


def convolved(inside: int, outside: int, size: int, stride: int | tuple[int, int] = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU; the edges are filled with zeros."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, size, stride, padding=size // 2, bias=False), nn.BatchNorm2d(outside), nn.ReLU()
    )


class InTime(nn.Module):
    """Residual convolution over time: `(B, C, T)` to the same shape; ends are repeated, so that nothing marks them."""

    def __init__(self, channels: int, size: int = 5) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(channels, channels, size, padding=size // 2, padding_mode="replicate", bias=False)
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x + torch.relu(self.norm(self.convolution(x)))


class Frames(nn.Module):
    """Each frame by itself, and what changed since the last one: uint8 `(B, T, 64, 64, 3)` to `(B, channels, T)`.

    The frame goes in as luma; the change as colours, so that the still background is 0.
    """

    def __init__(self, widths: tuple[int, int, int, int], channels: int) -> None:
        super().__init__()
        a, b, c, d = widths
        self.near = nn.Sequential(convolved(6, a, 5, 2), convolved(a, b, 3, 2))
        self.mix = nn.Conv3d(b, b, (3, 1, 1), padding=(1, 0, 0), padding_mode="replicate", bias=False)
        self.mix_norm = nn.BatchNorm3d(b)
        self.far = nn.Sequential(convolved(b, c, 3, 2), convolved(c, d, 3, 2))
        self.out = nn.Linear(2 * d, channels)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        count, time = frames.shape[:2]
        x = frames.float().permute(0, 1, 4, 2, 3) / 255.0 - 0.5  # (B, T, 3, 64, 64)
        change = 4.0 * (x[:, 1:] - x[:, :-1])
        # The first frame takes the change of the second: a frame without any would mark where the clip begins.
        change = torch.cat([change[:, :1], change], dim=1) if frames.shape[1] > 1 else torch.zeros_like(x)
        x = self.near(torch.cat([2.0 * x, change], dim=2).flatten(0, 1))
        x = x.unflatten(0, (count, time)).transpose(1, 2)
        x = x + torch.relu(self.mix_norm(self.mix(x)))
        x = self.far(x.transpose(1, 2).flatten(0, 1))
        x = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)
        made: Tensor = self.out(x).unflatten(0, (count, time)).transpose(1, 2)
        return made


class Mels(nn.Module):
    """Spectrogram `(B, T, 64)` to `(B, channels, ceil(T / 16))`: four convolutions, mean and maximum over the bands."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (1, 16, 32, 64, 96)
        self.near = nn.Sequential(*(convolved(a, b, 3, 2) for a, b in pairwise(widths)))
        self.out = nn.Conv1d(2 * 96, channels, 3, padding=1)

    def forward(self, mels: Tensor) -> Tensor:
        """See the class."""
        x = self.near(mels[:, None])
        made: Tensor = self.out(torch.cat([x.mean(dim=3), x.amax(dim=3)], dim=1))
        return made


def load(network: nn.Module, weights: Path, device: str) -> None:
    """Put a file of weights into a network made on `meta`, ready for inference on `device`.

    Raises:
        BadParameter: if names or shapes are not those of the network.
    """
    # The counters of batch norm say how long it was trained; inference does not read them, so they are not in the file.
    counters = {key: torch.zeros((), dtype=torch.int64) for key in network.state_dict() if key.endswith("num_batches_tracked")}
    load_exactly(network, counters | read(weights), weights)
    network.to(device)
