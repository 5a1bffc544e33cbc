"""A small convolutional network after the patch codec: what 160 components leave of an edge is made an edge again."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Deblocking(nn.Module):
    """Adds a correction to decoded frames, which it finds from the frame and from the clip's first frame.

    Args:
        width: Channels.
    """

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.first = nn.Conv2d(6, width, 3, padding=1)
        self.middle = nn.ModuleList(nn.Conv2d(width, width, 3, padding=d, dilation=d) for d in (1, 2, 4, 1))
        self.last = nn.Conv2d(width, 3, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None  # noqa: S101 - made above
        nn.init.zeros_(self.last.bias)

    def forward(self, frames: Tensor, first: Tensor) -> Tensor:
        """Decoded frames and the first frame of each one's clip, both `(B, 3, H, W)` in [-1, 1], to better frames."""
        x = functional.silu(self.first(torch.cat([frames, first], dim=1)))
        for layer in self.middle:
            x = x + functional.silu(layer(x))
        made: Tensor = frames + self.last(x)
        return made
