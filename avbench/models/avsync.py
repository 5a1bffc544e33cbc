"""AVSync classifier of ASVA: how well a sound of 2 s and twelve frames fit in time, as one number without bounds.

Two towers that know nothing of each other, and a head that compares what they found. The picture goes through an R(2+1)D
ResNet-18, each of whose 3 x 3 x 3 convolutions is one over the place and one over time; its stem is a whole 3D convolution. The
sound's mel spectrogram goes through nine 2D convolutions. Either ends in the mean over time and place, 512 numbers; the head is
three layers on both side by side, sound first.

Source:
    Zhang et al., Audio-synchronized visual animation, arXiv:2403.05659; towers: Morgado et al., Audio-visual instance
    discrimination, arXiv:2004.12943, and Tran et al., A closer look at spatiotemporal convolutions, arXiv:1711.11248; layout of
    the weights: github.com/lzhangbj/ASVA `avsync/models` at 6587938.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 512
"""Of either tower's embedding."""
_STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
"""Width of a stage of the video tower, and its stride in time and place."""
_SOUND = ((64, 2), (128, 2), (256, 2), (512, 1))
"""The same of the audio tower."""


def _over_place(inputs: int, outputs: int, stride: int = 1) -> nn.Conv3d:
    return nn.Conv3d(inputs, outputs, (1, 3, 3), stride=(1, stride, stride), padding=(0, 1, 1), bias=False)


def _over_time(width: int, stride: int = 1) -> nn.Conv3d:
    return nn.Conv3d(width, width, (3, 1, 1), stride=(stride, 1, 1), padding=(1, 0, 0), bias=False)


class _VideoBlock(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.spt_conv1 = _over_place(inputs, width, stride)
        self.spt_bn1 = nn.BatchNorm3d(width)
        self.tmp_conv1 = _over_time(width, stride)
        self.tmp_bn1 = nn.BatchNorm3d(width)
        self.spt_conv2 = _over_place(width, width)
        self.spt_bn2 = nn.BatchNorm3d(width)
        self.tmp_conv2 = _over_time(width)
        self.out_bn = nn.BatchNorm3d(width)
        self.res_conv = nn.Conv3d(inputs, width, 1, stride=stride, bias=False) if (inputs, stride) != (width, 1) else None

    def forward(self, maps: Tensor) -> Tensor:
        made = functional.relu(self.spt_bn1(self.spt_conv1(maps)))
        made = functional.relu(self.tmp_bn1(self.tmp_conv1(made)))
        made = functional.relu(self.spt_bn2(self.spt_conv2(made)))
        past = maps if self.res_conv is None else self.res_conv(maps)
        # the last batch norm is of the sum, not of the branch
        return functional.relu(self.out_bn(self.tmp_conv2(made) + past))


class VideoTower(nn.Module):
    """Twelve frames to an embedding; module names are those of the published file."""

    def __init__(self) -> None:
        super().__init__()
        stem = nn.Conv3d(3, 64, (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False)
        self.conv1 = nn.Sequential(stem, nn.BatchNorm3d(64))
        inputs = 64
        for number, (width, stride) in enumerate(_STAGES, 2):
            self.add_module(f"conv{number}x", nn.Sequential(_VideoBlock(inputs, width, stride), _VideoBlock(width, width, 1)))
            inputs = width

    def forward(self, pictures: Tensor) -> Tensor:
        """`(n, 12, 3, 224, 224)` without CLIP's mean and deviation to `(n, 512)`."""
        maps = functional.relu(self.conv1(pictures.transpose(1, 2)))
        maps = functional.max_pool3d(maps, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        for number in range(2, 2 + len(_STAGES)):
            maps = self.get_submodule(f"conv{number}x")(maps)
        return maps.mean(dim=(2, 3, 4))


class _AudioBlock(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, maps: Tensor) -> Tensor:
        made = functional.relu(self.bn1(self.conv1(maps)))
        return functional.relu(self.bn2(self.conv2(made)))


class AudioTower(nn.Module):
    """A mel spectrogram to an embedding; module names are those of the published file."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64))
        inputs = 64
        for number, (width, stride) in enumerate(_SOUND, 1):
            self.add_module(f"block{number}", _AudioBlock(inputs, width, stride))
            inputs = width

    def forward(self, mels: Tensor) -> Tensor:
        """`(n, 128, 204)` to `(n, 512)`."""
        maps = functional.relu(self.conv1(mels[:, None]))
        for number in range(1, 1 + len(_SOUND)):
            maps = self.get_submodule(f"block{number}")(maps)
        return maps.mean(dim=(2, 3))


class Head(nn.Module):
    """Embeddings of both towers to the score; module names are those of the published file."""

    def __init__(self) -> None:
        super().__init__()
        # 1, 2, 4 and 5 are activations and a dropout that does nothing; the numbers are the published names
        layers = {"0": nn.Linear(2 * WIDTH, WIDTH), "3": nn.Linear(WIDTH, WIDTH // 2), "6": nn.Linear(WIDTH // 2, 1)}
        self.fc = nn.ModuleDict(layers)

    def forward(self, sound: Tensor, picture: Tensor) -> Tensor:
        """`(n, 512)` twice to `(n,)`."""
        hidden = functional.relu(self.fc["0"](torch.cat((sound, picture), dim=1)))
        made: Tensor = self.fc["6"](functional.relu(self.fc["3"](hidden)))
        return made[:, 0]
