"""AudioCLIP's audio head: an ESResNeXt on decibels of learned B-spline wavelets, 1024 numbers.

Definition:
    The waveform is mapped from [-32768, 32767] to [-1, 1] in float32. Frames of 1654 samples every 561, zeros on both sides up
    to whole frames, times the checkpoint's window (Blackman-Harris), zeros up to 2048. 1025 complex filters of that length,
    sqrt(b) sinc(b t / m)^m exp(-i f t) / sqrt(2048) on t from -pi to pi, with learned m, b and f. Squares of the magnitudes of
    what they answer, without the last two filters, in three channels of 341 neighbours; where a power is 0, 1e-18; decibels. A
    ResNeXt-50 32x4d whose four stages, and whose pooled output, are multiplied by a mask made of what goes into them; a linear
    layer.
Source:
    A. Guzhov et al., AudioCLIP, arXiv:2106.13043, and ESResNe(X)t-fbsp, arXiv:2104.11587; layout of the weights from
    github.com/AndreyGuzhov/AudioCLIP `model/esresnet` at 45327aa.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

UNUSED = ("positional_embedding", "text_projection", "logit_scale", "visual.", "transformer.", "token_embedding.", "ln_final.")
"""Prefixes of the published file's other parts: image and text encoders, temperatures."""

_FRAME = 1654
_HOP = 561
_FILTER = 2048
_FILTERS = _FILTER // 2 + 1
_CHANNELS = 3
_LEAST_POWER = 1e-18
_TINY = 1e-8


class _Wavelets(nn.Module):
    """Filters from the parameters of frequency B-spline wavelets."""

    def __init__(self) -> None:
        super().__init__()
        self.m = nn.Parameter(torch.zeros(_FILTERS))
        self.fb = nn.Parameter(torch.zeros(_FILTERS))
        self.fc = nn.Parameter(torch.zeros(_FILTERS))
        self.bias = nn.Parameter(torch.zeros(0))

    def filters(self) -> tuple[Tensor, Tensor]:
        """Real and imaginary part, `(1025, 2048)` each."""
        order, width, centre = (p[:, None] for p in (self.m, self.fb, self.fc))
        time = math.pi * torch.linspace(-1.0, 1.0, _FILTER, dtype=order.dtype, device=order.device) + _TINY
        at = width * time / (order + _TINY)
        sinc = torch.where(at == 0, torch.ones_like(at), torch.sin(at) / at)
        # sinc^m of a negative number is complex: m turns of its half circle
        size = (sinc**2) ** (0.5 * order)
        turn = order * torch.where(sinc < 0, math.pi, 0.0)
        scale = width.sqrt()
        cosine, sine = torch.cos(centre * time), -torch.sin(centre * time)
        real = scale * (size * torch.cos(turn) * cosine - size * torch.sin(turn) * sine)
        imaginary = scale * (size * torch.cos(turn) * sine + size * torch.sin(turn) * cosine)
        return real / _FILTER**0.5, imaginary / _FILTER**0.5


class _Mask(nn.Module):
    """Numbers from 0 to 1 that a stage's output is multiplied by."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        around = (kernel[0] // 2, kernel[1] // 2)
        self.conv_depth = nn.Conv2d(inputs, inputs, kernel, padding=around, groups=inputs)
        self.conv_point = nn.Conv2d(inputs, outputs, 1)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        pooled = functional.adaptive_max_pool2d(x, list(size))
        return torch.sigmoid(self.bn(self.conv_point(self.conv_depth(pooled))))


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, planes: int, stride: int) -> None:
        super().__init__()
        width, outputs = 2 * planes, 4 * planes
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, groups=32, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))
        self.downsample = shortcut if stride > 1 or inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        made = functional.relu(self.bn1(self.conv1(x)))
        made = functional.relu(self.bn2(self.conv2(made)))
        made = self.bn3(self.conv3(made))
        return functional.relu(made + (x if self.downsample is None else self.downsample(x)))


class AudioHead(nn.Module):
    """The network; module names are those of the published file behind `audio.`."""

    def __init__(self) -> None:
        super().__init__()
        self.window: Tensor
        self.register_buffer("window", torch.zeros(_FRAME))
        self.fbsp = _Wavelets()
        self.conv1 = nn.Conv2d(_CHANNELS, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for stage, (planes, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
            outputs, stride = 4 * planes, 1 if stage == 1 else 2
            first = _Bottleneck(inputs, planes, stride)
            rest = (_Bottleneck(outputs, planes, 1) for _ in range(blocks - 1))
            self.add_module(f"layer{stage}", nn.Sequential(first, *rest))
            self.add_module(f"att{stage}", _Mask(inputs, outputs, (3, 1) if stage % 2 else (1, 5)))
            inputs = outputs
        self.att5 = _Mask(inputs, inputs, (3, 5))
        self.fc = nn.Linear(inputs, 1024)

    def decibels(self, samples: Tensor) -> Tensor:
        """The picture of one waveform `(N,)`: `(3, 341, frames)`, dB; frames are 1 + ceil((N - 1654) / 561), at least 1."""
        # in this order: a waveform of the range [-1, 1] loses all but 8 or 9 bits here, and which it keeps shows
        x = ((samples + 32768.0) * 2.0) / 65535.0 - 1.0
        frames = 1 + max(0, math.ceil((len(x) - _FRAME) / _HOP))
        lacking = (frames - 1) * _HOP + _FRAME - len(x)
        x = functional.pad(x, (lacking // 2, lacking - lacking // 2)).unfold(0, _FRAME, _HOP) * self.window
        around = _FILTER - _FRAME
        x = functional.pad(x, (around // 2, around - around // 2))
        real, imaginary = self.fbsp.filters()
        power = (functional.linear(x, real) ** 2 + functional.linear(x, imaginary) ** 2).T
        bands = power[: _CHANNELS * (_FILTERS // _CHANNELS)].reshape(_CHANNELS, -1, frames)
        return 10.0 * torch.log10(torch.where(bands > 0.0, bands, _LEAST_POWER))

    def embedding(self, decibels: Tensor) -> Tensor:
        """`(B, 3, 341, frames)` to `(B, 1024)`, not of unit length."""
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(decibels))), 3, stride=2, padding=1)
        for stage in range(1, 5):
            made = self.get_submodule(f"layer{stage}")(x)
            x = made * self.get_submodule(f"att{stage}")(x, made.shape[-2:])
        pooled = x.mean(dim=(2, 3), keepdim=True)
        made = pooled * self.att5(x, pooled.shape[-2:])
        embedding: Tensor = self.fc(made.flatten(1))
        return embedding
