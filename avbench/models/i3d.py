"""Inflated Inception: I3D for RGB, 400 classes of Kinetics.

Definition:
    Inception v1 with every filter inflated to time, batch norm and ReLU after each convolution, and "SAME" padding: an axis of
    n with stride s gives ceil(n / s), the odd zero at the end. The head averages 2 x 7 x 7 positions and has one 1 x 1 x 1
    convolution with bias; logits are averaged over the remaining time.
Layout:
    `i3d_pretrained_400.pt` and `rgb_imagenet.pt`: equal names and shapes, batch norm with an epsilon of 1e-5 and 1e-3.
    `i3d_rgb.pt` and `i3d_flow.pt`: other names (`two_stream`), 1e-5. `num_batches_tracked` may be absent.
Source:
    J. Carreira and A. Zisserman, Quo Vadis, Action Recognition?, arXiv:1705.07750; the layouts are those of
    github.com/wilson1yan/VideoGPT at 733d2b1, github.com/piergiaj/pytorch-i3d at 05783d1 and
    github.com/hassony2/kinetics_i3d_pytorch at 786fbae.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Three = tuple[int, int, int]


def same(x: Tensor, kernel: Three, stride: Three) -> Tensor:
    """Zeros around (B, C, T, H, W), so that a valid window gives ceil(n / stride) positions."""
    pads: list[int] = []
    for n, k, s in zip(x.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):
        total = max(k - (n % s or s), 0)
        pads += [total // 2, total - total // 2]
    return functional.pad(x, pads)


class Convolution(nn.Module):
    """Convolution, batch norm, ReLU; the classifier has a bias instead of the last two."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1, *, epsilon: float | None) -> None:
        super().__init__()
        self.kernel, self.stride = (size,) * 3, (stride,) * 3
        self.conv3d = nn.Conv3d(inputs, outputs, size, stride, bias=epsilon is None)
        self.bn = None if epsilon is None else nn.BatchNorm3d(outputs, epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, H, W) to (B, outputs, ceil(T / stride), ceil(H / stride), ceil(W / stride))."""
        x = self.conv3d(same(x, self.kernel, self.stride))
        return x if self.bn is None else functional.relu(self.bn(x), inplace=True)


class Pool(nn.Module):
    """Largest value of a window; zeros around do no harm after a ReLU."""

    def __init__(self, kernel: Three, stride: Three) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) to (B, C, ceil(T / stride), ...)."""
        return functional.max_pool3d(same(x, self.kernel, self.stride), self.kernel, self.stride)


class Mixed(nn.Module):
    """Four branches side by side: 1 x 1; 1 x 1 then 3 x 3; the same narrower; largest value then 1 x 1."""

    def __init__(self, inputs: int, widths: tuple[int, int, int, int, int, int], epsilon: float) -> None:
        super().__init__()
        self.b0 = Convolution(inputs, widths[0], 1, epsilon=epsilon)
        self.b1a = Convolution(inputs, widths[1], 1, epsilon=epsilon)
        self.b1b = Convolution(widths[1], widths[2], 3, epsilon=epsilon)
        self.b2a = Convolution(inputs, widths[3], 1, epsilon=epsilon)
        self.b2b = Convolution(widths[3], widths[4], 3, epsilon=epsilon)
        self.b3a = Pool((3, 3, 3), (1, 1, 1))
        self.b3b = Convolution(inputs, widths[5], 1, epsilon=epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, H, W) to (B, outputs, T, H, W)."""
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))], dim=1)


class I3d(nn.Module):
    """The network.

    Args:
        epsilon: Of the batch norms: 1e-3 for `rgb_imagenet.pt`, 1e-5 for the others.
        inputs: Channels: 3 for colours, 2 for optical flow.
    """

    def __init__(self, epsilon: float, inputs: int = 3) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Convolution(inputs, 64, 7, 2, epsilon=epsilon)
        self.Conv3d_2b_1x1 = Convolution(64, 64, 1, epsilon=epsilon)
        self.Conv3d_2c_3x3 = Convolution(64, 192, 3, epsilon=epsilon)
        self.Mixed_3b = Mixed(192, (64, 96, 128, 16, 32, 32), epsilon)
        self.Mixed_3c = Mixed(256, (128, 128, 192, 32, 96, 64), epsilon)
        self.Mixed_4b = Mixed(480, (192, 96, 208, 16, 48, 64), epsilon)
        self.Mixed_4c = Mixed(512, (160, 112, 224, 24, 64, 64), epsilon)
        self.Mixed_4d = Mixed(512, (128, 128, 256, 24, 64, 64), epsilon)
        self.Mixed_4e = Mixed(512, (112, 144, 288, 32, 64, 64), epsilon)
        self.Mixed_4f = Mixed(528, (256, 160, 320, 32, 128, 128), epsilon)
        self.Mixed_5b = Mixed(832, (256, 160, 320, 32, 128, 128), epsilon)
        self.Mixed_5c = Mixed(832, (384, 192, 384, 48, 128, 128), epsilon)
        self.flat = Pool((1, 3, 3), (1, 2, 2))
        self.deep = Pool((3, 3, 3), (2, 2, 2))
        self.last = Pool((2, 2, 2), (2, 2, 2))
        self.logits = Convolution(1024, 400, 1, epsilon=None)

    def maps(self, x: Tensor) -> dict[str, Tensor]:
        """Feature maps after each part, by name.

        Args:
            x: (B, inputs, T, H, W) in [-1, 1]; 224 x 224 in all published uses.
        """
        out = {"Conv3d_1a_7x7": self.Conv3d_1a_7x7(x)}  # (B, 64, T/2, 112, 112)
        x = self.flat(out["Conv3d_1a_7x7"])  # (B, 64, T/2, 56, 56)
        x = self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x))  # (B, 192, T/2, 56, 56)
        x = self.flat(x)  # (B, 192, T/2, 28, 28)
        x = self.Mixed_3b(x)  # (B, 256, T/2, 28, 28)
        out["Mixed_3c"] = self.Mixed_3c(x)  # (B, 480, T/2, 28, 28)
        x = self.deep(out["Mixed_3c"])  # (B, 480, T/4, 14, 14)
        x = self.Mixed_4c(self.Mixed_4b(x))  # (B, 512, T/4, 14, 14)
        x = self.Mixed_4e(self.Mixed_4d(x))  # (B, 528, T/4, 14, 14)
        out["Mixed_4f"] = self.Mixed_4f(x)  # (B, 832, T/4, 14, 14)
        x = self.last(out["Mixed_4f"])  # (B, 832, T/8, 7, 7)
        out["Mixed_5c"] = self.Mixed_5c(self.Mixed_5b(x))  # (B, 1024, T/8, 7, 7)
        return out

    def over_time(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, 400, T/8 - 1) and features (B, 1024, T/8 - 1), each T/8 rounded up."""
        pooled = functional.avg_pool3d(self.maps(x)["Mixed_5c"], (2, 7, 7), stride=1)  # (B, 1024, T/8 - 1, 1, 1)
        return self.logits(pooled)[..., 0, 0], pooled[..., 0, 0]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, inputs, T, 224, 224) to logits (B, 400) and features (B, 1024), averaged over time."""
        logits, features = self.over_time(x)
        return logits.mean(dim=2), features.mean(dim=2)


_BRANCHES = {"0": "b0", "1.0": "b1a", "1.1": "b1b", "2.0": "b2a", "2.1": "b2b", "3.1": "b3b"}


def two_stream(state: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors of `i3d_rgb.pt` or `i3d_flow.pt` under the names of `I3d`; a name that is not of the layout stays as it is."""

    def own(key: str) -> str:
        key = re.sub(r"^conv3d_0c_1x1\.", "logits.", key)
        key = re.sub(r"^(conv3d|mixed)_", lambda found: f"{found[1].capitalize()}_", key)
        key = re.sub(r"\.branch_(\d(?:\.\d)?)\.", lambda found: f".{_BRANCHES.get(found[1], found[1])}.", key)
        return key.replace(".batch3d.", ".bn.")

    return {own(key): value for key, value in state.items()}
