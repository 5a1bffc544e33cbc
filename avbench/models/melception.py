"""Melception: Inception v3 for one-channel mel spectrograms, without the two early max-pools, 309 classes of VGGSound.

Source:
    Szegedy et al., Rethinking the Inception architecture for computer vision, arXiv:1512.00567; V. Iashin and E. Rahtu, Taming
    visually guided sound generation, arXiv:2110.08791; github.com/v-iashin/SpecVQGAN
    `evaluation/feature_extractors/melception.py` at 33c601d.
Differs from the source:
    The auxiliary classifier (`AuxLogits.*`), which serves training alone, is not built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

UNUSED = ("AuxLogits.",)
"""Prefixes of the keys of the published file that no feature depends on."""


class _Conv(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int], stride: int, padding: tuple[int, int]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)), inplace=True)


@dataclass(frozen=True)
class _Step:
    """One convolution of a branch; padded to keep the size unless it strides."""

    name: str
    outputs: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1

    def build(self, inputs: int) -> _Conv:
        height, width = self.kernel
        padding = (height // 2, width // 2) if self.stride == 1 else (0, 0)
        return _Conv(inputs, self.outputs, self.kernel, self.stride, padding)


class _Block(nn.Module):
    """Branches side by side, concatenated over channels.

    Args:
        inputs: Channels of the input.
        branches: Each a chain of convolutions; the last two run side by side where `forks` holds the branch's number.
        forks: Numbers of the branches that end in a fork.
        pooled: Channels of the pooling branch; 0 for a max-pool that halves the size and has no convolution.
    """

    def __init__(self, inputs: int, branches: Sequence[Sequence[_Step]], pooled: int, forks: Sequence[int] = ()) -> None:
        super().__init__()
        self.chains: list[list[str]] = []
        self.forks = frozenset(forks)
        self.pooled = pooled
        self.outputs = pooled or inputs
        for number, branch in enumerate(branches):
            channels = inputs
            for position, step in enumerate(branch):
                self.add_module(step.name, step.build(channels))
                if not (number in self.forks and position == len(branch) - 2):
                    channels = step.outputs
            self.chains.append([step.name for step in branch])
            self.outputs += sum(step.outputs for step in branch[-2:]) if number in self.forks else branch[-1].outputs
        if pooled:
            self.branch_pool = _Conv(inputs, pooled, (1, 1), 1, (0, 0))

    def forward(self, x: Tensor) -> Tensor:
        made: list[Tensor] = []
        for number, chain in enumerate(self.chains):
            ends = chain[-2:] if number in self.forks else chain[-1:]
            y = x
            for name in chain[: -len(ends)]:
                y = self.get_submodule(name)(y)
            made.extend(self.get_submodule(name)(y) for name in ends)
        if self.pooled:
            made.append(self.branch_pool(functional.avg_pool2d(x, kernel_size=3, stride=1, padding=1)))
        else:
            made.append(functional.max_pool2d(x, kernel_size=3, stride=2))
        return torch.cat(made, dim=1)


def _block_a(inputs: int, pooled: int) -> _Block:
    """Mixed_5: 1 x 1, 5 x 5, two 3 x 3, pool."""
    return _Block(
        inputs,
        (
            (_Step("branch1x1", 64),),
            (_Step("branch5x5_1", 48), _Step("branch5x5_2", 64, (5, 5))),
            (
                _Step("branch3x3dbl_1", 64),
                _Step("branch3x3dbl_2", 96, (3, 3)),
                _Step("branch3x3dbl_3", 96, (3, 3)),
            ),
        ),
        pooled,
    )


def _block_b(inputs: int) -> _Block:
    """Mixed_6a, halves the size."""
    return _Block(
        inputs,
        (
            (_Step("branch3x3", 384, (3, 3), 2),),
            (
                _Step("branch3x3dbl_1", 64),
                _Step("branch3x3dbl_2", 96, (3, 3)),
                _Step("branch3x3dbl_3", 96, (3, 3), 2),
            ),
        ),
        0,
    )


def _block_c(inner: int) -> _Block:
    """Mixed_6b to 6e: 7 x 7 as rows and columns."""
    row, column = (1, 7), (7, 1)
    return _Block(
        768,
        (
            (_Step("branch1x1", 192),),
            (_Step("branch7x7_1", inner), _Step("branch7x7_2", inner, row), _Step("branch7x7_3", 192, column)),
            (
                _Step("branch7x7dbl_1", inner),
                _Step("branch7x7dbl_2", inner, column),
                _Step("branch7x7dbl_3", inner, row),
                _Step("branch7x7dbl_4", inner, column),
                _Step("branch7x7dbl_5", 192, row),
            ),
        ),
        192,
    )


def _block_d() -> _Block:
    """Mixed_7a, halves the size."""
    return _Block(
        768,
        (
            (_Step("branch3x3_1", 192), _Step("branch3x3_2", 320, (3, 3), 2)),
            (
                _Step("branch7x7x3_1", 192),
                _Step("branch7x7x3_2", 192, (1, 7)),
                _Step("branch7x7x3_3", 192, (7, 1)),
                _Step("branch7x7x3_4", 192, (3, 3), 2),
            ),
        ),
        0,
    )


def _block_e(inputs: int) -> _Block:
    """Mixed_7b and 7c: branches that end in a row beside a column."""
    row, column = (1, 3), (3, 1)
    return _Block(
        inputs,
        (
            (_Step("branch1x1", 320),),
            (_Step("branch3x3_1", 384), _Step("branch3x3_2a", 384, row), _Step("branch3x3_2b", 384, column)),
            (
                _Step("branch3x3dbl_1", 448),
                _Step("branch3x3dbl_2", 384, (3, 3)),
                _Step("branch3x3dbl_3a", 384, row),
                _Step("branch3x3dbl_3b", 384, column),
            ),
        ),
        192,
        forks=(1, 2),
    )


class Melception(nn.Module):
    """The network; module names are those of the published file.

    Args:
        classes: Number of classes, 309 in the published file.
    """

    def __init__(self, classes: int = 309) -> None:
        super().__init__()
        self.stem = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
        self.Conv2d_1a_3x3 = _Conv(1, 32, (3, 3), 2, (0, 0))
        self.Conv2d_2a_3x3 = _Conv(32, 32, (3, 3), 1, (0, 0))
        self.Conv2d_2b_3x3 = _Conv(32, 64, (3, 3), 1, (1, 1))
        self.Conv2d_3b_1x1 = _Conv(64, 80, (1, 1), 1, (0, 0))
        self.Conv2d_4a_3x3 = _Conv(80, 192, (3, 3), 1, (0, 0))
        blocks = {
            "Mixed_5b": _block_a(192, 32),
            "Mixed_5c": _block_a(256, 64),
            "Mixed_5d": _block_a(288, 64),
            "Mixed_6a": _block_b(288),
            "Mixed_6b": _block_c(128),
            "Mixed_6c": _block_c(160),
            "Mixed_6d": _block_c(160),
            "Mixed_6e": _block_c(192),
            "Mixed_7a": _block_d(),
            "Mixed_7b": _block_e(1280),
            "Mixed_7c": _block_e(2048),
        }
        self.mixed = tuple(blocks)
        for name, block in blocks.items():
            self.add_module(name, block)
        self.fc = nn.Linear(2048, classes)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Standardised mel spectrograms to features.

        Args:
            mel: `(B, 80, frames)`.

        Returns:
            Global average pool `(B, 2048)`, logits `(B, classes)`, and logits without the last layer's bias.
        """
        x = mel.unsqueeze(1)
        for name in (*self.stem, *self.mixed):
            x = self.get_submodule(name)(x)
        pooled = x.mean(dim=(2, 3))
        unbiased = functional.linear(pooled, self.fc.weight)
        return pooled, unbiased + self.fc.bias, unbiased
