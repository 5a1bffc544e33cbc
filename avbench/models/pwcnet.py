"""PWC-Net: optical flow from two pictures.

Definition:
    A pyramid of six convolutional levels of both pictures, halved at each. From the coarsest level to the second, the second
    picture's features are warped by the flow so far, a cost volume compares them with the first picture's in a neighbourhood
    of 9 x 9, and a densely connected estimator makes the next flow. A context network of dilated convolutions adds to the flow
    of the second level, which is a quarter of the picture's size and a twentieth of its motion.
Layout:
    `pwc_net_sintel.pt`: names that begin `moduleExtractor`, `moduleSix` to `moduleTwo`, `moduleRefiner`, perhaps behind the
    prefix `module.` of parallel training.
Source:
    D. Sun et al., PWC-Net: CNNs for Optical Flow Using Pyramid, Warping, and Cost Volume, arXiv:1709.02371; behaviour and
    layout as in github.com/sniklaus/pytorch-pwc at f613890, which github.com/amazon-science/avgen-eval-toolkit at 9cf014b has.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_REACH = 4
_VOLUME = (2 * _REACH + 1) ** 2
_PYRAMID = (3, 16, 32, 64, 96, 128, 196)
"""Channels of the picture and of levels 1 to 6."""
_GROWTH = (128, 128, 96, 64, 32)
_CONTEXT = ((128, 1), (128, 2), (128, 4), (96, 8), (64, 16), (32, 1))
"""Channels and dilation of the context network's hidden layers."""
_FLOW_SCALE = 20.0
_MULTIPLE = 64
_LEVELS = {"One": 0, "Two": 1, "Thr": 2, "Fou": 3, "Fiv": 4, "Six": 5}


def cost_volume(first: Tensor, second: Tensor) -> Tensor:
    """Mean product over channels of each position with the 9 x 9 around it, row by row; what lies outside is zero.

    Args:
        first: (B, C, H, W).
        second: The same.

    Returns:
        (B, 81, H, W).
    """
    height, width = first.shape[2:]
    around = functional.pad(second, [_REACH] * 4)
    shifts = range(2 * _REACH + 1)
    moved = (around[:, :, down : down + height, right : right + width] for down in shifts for right in shifts)
    return torch.stack([(first * there).mean(dim=1) for there in moved], dim=1)


def warped(features: Tensor, flow: Tensor) -> Tensor:
    """Features taken from where the flow leads, zero wherever that touches the outside.

    The grid has its ends on the middles of the outer pixels, and is read as if on their edges: what `grid_sample` has done by
    default since torch 1.3 with code that is older. So a flow of zero does not give the features back.

    Args:
        features: (B, C, H, W).
        flow: (B, 2, H, W), pixels to the right and down.
    """
    height, width = flow.shape[2:]
    right = torch.linspace(-1.0, 1.0, width, device=flow.device, dtype=flow.dtype)
    down = torch.linspace(-1.0, 1.0, height, device=flow.device, dtype=flow.dtype)
    grid = torch.stack(
        [
            right[None, None, :] + flow[:, 0] / ((width - 1.0) / 2.0),
            down[None, :, None] + flow[:, 1] / ((height - 1.0) / 2.0),
        ],
        dim=3,
    )
    counted = torch.cat([features, torch.ones_like(features[:, :1])], dim=1)
    found = functional.grid_sample(counted, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return found[:, :-1] * (found[:, -1:] > 0.999)


def _halving(inputs: int, outputs: int) -> nn.Sequential:
    """One level of the pyramid."""
    layers: list[nn.Module] = []
    for number in range(3):
        layers += [nn.Conv2d(outputs if number else inputs, outputs, 3, 1 if number else 2, 1), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers)


class Estimator(nn.Module):
    """Flow of one level.

    Args:
        level: 2 to 6; the coarsest has neither an earlier flow nor the first picture's features to go by.
    """

    def __init__(self, level: int) -> None:
        super().__init__()
        coarsest = len(_PYRAMID) - 1
        inputs = _inputs(level)
        if level < coarsest:
            self.motion = 5.0 / 2 ** (level - 2)
            self.up_flow = nn.ConvTranspose2d(2, 2, 4, 2, 1)
            self.up_features = nn.ConvTranspose2d(_inputs(level + 1) + sum(_GROWTH), 2, 4, 2, 1)
        self.layers = nn.ModuleList(
            nn.Conv2d(inputs + sum(_GROWTH[:number]), outputs, 3, 1, 1) for number, outputs in enumerate((*_GROWTH, 2))
        )

    def forward(self, first: Tensor, second: Tensor, coarser: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Features (B, C, H, W) of both pictures and the coarser level's answer to flow (B, 2, H, W) and features."""
        if coarser is None:
            features = functional.leaky_relu(cost_volume(first, second), 0.1)
        else:
            flow, features = self.up_flow(coarser[0]), self.up_features(coarser[1])
            volume = functional.leaky_relu(cost_volume(first, warped(second, flow * self.motion)), 0.1)
            features = torch.cat([volume, first, flow, features], dim=1)
        for layer in self.layers[:-1]:
            features = torch.cat([functional.leaky_relu(layer(features), 0.1), features], dim=1)
        return self.layers[-1](features), features


def _inputs(level: int) -> int:
    """Channels that an estimator starts from."""
    return _VOLUME if level == len(_PYRAMID) - 1 else _VOLUME + _PYRAMID[level] + 2 + 2


class PwcNet(nn.Module):
    """The network."""

    def __init__(self) -> None:
        super().__init__()
        self.pyramid = nn.ModuleList(_halving(a, b) for a, b in itertools.pairwise(_PYRAMID))
        self.estimators = nn.ModuleList(Estimator(level) for level in range(2, len(_PYRAMID)))
        layers: list[nn.Module] = []
        channels = _inputs(2) + sum(_GROWTH)
        for outputs, dilation in _CONTEXT:
            layers += [nn.Conv2d(channels, outputs, 3, 1, dilation, dilation), nn.LeakyReLU(0.1)]
            channels = outputs
        self.context = nn.Sequential(*layers, nn.Conv2d(channels, 2, 3, 1, 1))

    def levels(self, pictures: Tensor) -> list[Tensor]:
        """Features of levels 1 to 6.

        Args:
            pictures: (B, 3, H, W) RGB, 0 to 255; brought to multiples of 64 without antialiasing.
        """
        blue_first = pictures.flip(1) / 255
        x = functional.interpolate(blue_first, size=_padded(pictures), mode="bilinear", align_corners=False)
        made = []
        for level in self.pyramid:
            x = level(x)
            made.append(x)
        return made

    def forward(self, pictures: Tensor) -> Tensor:
        """Flow from each picture to the next, in pixels to the right and down.

        Args:
            pictures: (N + 1, 3, H, W) RGB, 0 to 255.

        Returns:
            (N, 2, H, W).
        """
        *finer, coarsest = self.levels(pictures)[1:]
        flow, features = self.estimators[-1](coarsest[:-1], coarsest[1:], None)
        for estimator, level in zip(reversed(self.estimators[:-1]), reversed(finer), strict=True):
            flow, features = estimator(level[:-1], level[1:], (flow, features))
        (height, width), (tall, wide) = pictures.shape[2:], _padded(pictures)
        small = flow + self.context(features)
        flow = _FLOW_SCALE * functional.interpolate(small, size=(height, width), mode="bilinear", align_corners=False)
        return flow * flow.new_tensor([width / wide, height / tall])[:, None, None]


def _padded(pictures: Tensor) -> tuple[int, int]:
    height, width = pictures.shape[2:]
    return math.ceil(height / _MULTIPLE) * _MULTIPLE, math.ceil(width / _MULTIPLE) * _MULTIPLE


def published(state: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors of the published layout under the names of `PwcNet`; a name that is not of the layout stays as it is."""
    return {_own_name(key.removeprefix("module.")): value for key, value in state.items()}


def _own_name(key: str) -> str:
    if found := re.fullmatch(r"moduleExtractor\.module(\w+)\.(\d)\.(\w+)", key):
        return f"pyramid.{_LEVELS.get(found[1], found[1])}.{found[2]}.{found[3]}"
    if found := re.fullmatch(r"moduleRefiner\.moduleMain\.(\d+\.\w+)", key):
        return f"context.{found[1]}"
    if found := re.fullmatch(r"module(\w+)\.module(Upflow|Upfeat)\.(\w+)", key):
        part = {"Upflow": "up_flow", "Upfeat": "up_features"}[found[2]]
        return f"estimators.{_LEVELS.get(found[1], 0) - 1}.{part}.{found[3]}"
    if found := re.fullmatch(r"module(\w+)\.module(\w+)\.0\.(\w+)", key):
        return f"estimators.{_LEVELS.get(found[1], 0) - 1}.layers.{_LEVELS.get(found[2], found[2])}.{found[3]}"
    return key
