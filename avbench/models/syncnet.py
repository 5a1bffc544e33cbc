"""SyncNet: five frames of a face and 0.2 s of its sound to one vector each; near to one another if they belong together.

Source:
    Chung and Zisserman, Out of time: automated lip sync in the wild, ACCV workshops 2016; github.com/joonson/syncnet_python
    `SyncNetModel.py` at 6efbb1c.
Differs from the source:
    Only the first convolution of the face tower looks over time, so a run of frames is given at once and every window of five
    comes out of it; the source cuts the windows out first and convolves each.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

FRAMES = 5
"""Frames of a window."""
STEPS = 20
"""Cepstra of a window, 100 per second."""
WIDTH = 1024
_AT_ONCE = 16
"""Windows that are computed at once; bounds memory (0.1 GB), moves no value beyond rounding."""


def _looked(before: int, after: int, kernel: tuple[int, int, int], stride: int = 1, padding: int = 0) -> list[nn.Module]:
    """Convolution over the picture, batch norm, ReLU."""
    convolution = nn.Conv3d(before, after, kernel, stride=(1, stride, stride), padding=(0, padding, padding))
    return [convolution, nn.BatchNorm3d(after), nn.ReLU(inplace=True)]


def _faces() -> nn.Sequential:
    return nn.Sequential(
        *_looked(3, 96, (FRAMES, 7, 7), stride=2),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
        *_looked(96, 256, (1, 5, 5), stride=2, padding=1),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        *(layer for _ in range(3) for layer in _looked(256, 256, (1, 3, 3), padding=1)),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
        *_looked(256, 512, (1, 6, 6)),
    )


def _heard(before: int, after: int, kernel: tuple[int, int] = (3, 3), padding: int = 1) -> list[nn.Module]:
    """Convolution over cepstra and time, batch norm, ReLU."""
    return [nn.Conv2d(before, after, kernel, padding=padding), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]


def _sound() -> nn.Sequential:
    return nn.Sequential(
        *_heard(1, 64),
        nn.Identity(),  # the source pools over 1 x 1 here, and the published names count it
        *_heard(64, 192),
        nn.MaxPool2d(3, (1, 2)),
        *_heard(192, 384),
        *_heard(384, 256),
        *_heard(256, 256),
        nn.MaxPool2d(3, (2, 2)),
        *_heard(256, 512, (5, 4), padding=0),
    )


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, WIDTH))


class SyncNet(nn.Module):
    """The network; module names are those of the published file."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud, self.netfcaud = _sound(), _head()
        self.netcnnlip, self.netfclip = _faces(), _head()

    def lips(self, frames: Tensor) -> Tensor:
        """Every window of five frames.

        Args:
            frames: `(T, 224, 224, 3)` RGB uint8, T at least 5.

        Returns:
            `(T - 4, 1024)`, the window that begins with each frame.
        """
        made = []
        for first in range(0, len(frames) - FRAMES + 1, _AT_ONCE):
            part = frames[first : first + _AT_ONCE + FRAMES - 1].flip(3)  # the network saw BGR
            maps = self.netcnnlip(part.permute(3, 0, 1, 2)[None].float())  # (1, 512, windows, 1, 1)
            made.append(self.netfclip(maps[0, :, :, 0, 0].T))
        return torch.cat(made)

    def sound(self, cepstra: Tensor) -> Tensor:
        """Windows of cepstra `(W, 13, 20)` to `(W, 1024)`."""
        made = [self.netfcaud(self.netcnnaud(part[:, None]).flatten(1)) for part in torch.split(cepstra.float(), 4 * _AT_ONCE)]
        return torch.cat(made)
