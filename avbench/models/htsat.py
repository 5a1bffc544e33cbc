"""HTS-AT: a Swin transformer over a log mel spectrogram of 10 s, one embedding.

Definition:
    1001 frames of 64 mel bands, in decibels, normalised per band, stretched to 1024 frames (cubic), folded into a square: 4
    stretches of 256 frames under one another. Patches of 4 x 4; four stages of blocks with attention inside windows of 8 x 8,
    every other block with windows shifted by 4; between stages 2 x 2 neighbours become one token of twice the width. The
    embedding is the mean over the 64 tokens that are left.
Source:
    K. Chen et al., HTS-AT, arXiv:2202.00874; Z. Liu et al., Swin Transformer, arXiv:2103.14030; layout of the weights from
    github.com/LAION-AI/CLAP `src/laion_clap/clap_module/htsat.py` at 1fd4c37.
"""

from __future__ import annotations

import functools
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

Size = Literal["tiny", "base"]

_WIDTH: dict[Size, int] = {"tiny": 96, "base": 128}
_DEPTHS: dict[Size, tuple[int, ...]] = {"tiny": (2, 2, 6, 2), "base": (2, 2, 12, 2)}
_HEADS = (4, 8, 16, 32)
_BANDS = 64
_FRAMES = 1024
_FOLDS = 4
_PATCH = 4
_WINDOW = 8
_OUTSIDE = -100.0
"""Added to the attention between tokens that only the cyclic shift has brought together."""


@functools.lru_cache(maxsize=4)
def _positions(device: torch.device) -> Tensor:
    """Row of the bias table for each pair of tokens in a window, `(64 * 64,)`: their distance in rows, then in columns."""
    row, column = (c.flatten() for c in torch.meshgrid(torch.arange(_WINDOW), torch.arange(_WINDOW), indexing="ij"))
    reach = _WINDOW - 1
    rows, columns = row[:, None] - row + reach, column[:, None] - column + reach
    return (rows * (2 * reach + 1) + columns).flatten().to(device)


@functools.lru_cache(maxsize=16)
def _apart(side: int, device: torch.device) -> Tensor:
    """What is added to the attention of shifted windows, `(windows, 1, 64, 64)`; a square of `side` tokens."""
    strip = (torch.arange(side) >= side - _WINDOW).int() + (torch.arange(side) >= side - _WINDOW // 2).int()
    region = _windows((3 * strip[:, None] + strip)[None, :, :, None])[..., 0]
    return torch.where(region[:, :, None] == region[:, None, :], 0.0, _OUTSIDE)[:, None].to(device)


def _windows(x: Tensor) -> Tensor:
    """`(B, side, side, C)` to `(B * windows, 64, C)`."""
    batch, side, _, width = x.shape
    parts = x.reshape(batch, side // _WINDOW, _WINDOW, side // _WINDOW, _WINDOW, width)
    return parts.transpose(2, 3).reshape(-1, _WINDOW * _WINDOW, width)


def _whole(windows: Tensor, side: int) -> Tensor:
    """The way back from `_windows`."""
    parts = windows.reshape(-1, side // _WINDOW, side // _WINDOW, _WINDOW, _WINDOW, windows.shape[-1])
    return parts.transpose(2, 3).reshape(-1, side, side, windows.shape[-1])


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * _WINDOW - 1) ** 2, heads))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, windows: Tensor, apart: Tensor | None) -> Tensor:
        """`(n, 64, width)` to the same; `apart` `(windows of a picture, 1, 64, 64)`."""
        count, tokens, width = windows.shape
        q, k, v = self.qkv(windows).reshape(count, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        bias = self.relative_position_bias_table[_positions(windows.device)].reshape(tokens, tokens, -1).permute(2, 0, 1)[None]
        if apart is not None:
            bias = (bias + apart).repeat(count // len(apart), 1, 1, 1)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        made: Tensor = self.proj(mixed.transpose(1, 2).reshape(count, tokens, width))
        return made


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, shift: int) -> None:
        super().__init__()
        self.shift = shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = _Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor) -> Tensor:
        side = x.shape[1]
        made = torch.roll(self.norm1(x), (-self.shift, -self.shift), (1, 2))
        made = _whole(self.attn(_windows(made), _apart(side, x.device) if self.shift else None), side)
        x = x + torch.roll(made, (self.shift, self.shift), (1, 2))
        made = self.mlp["fc2"](functional.gelu(self.mlp["fc1"](self.norm2(x))))
        return x + cast(Tensor, made)


class _Merging(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        made: Tensor = self.reduction(self.norm(torch.cat(corners, dim=-1)))
        return made


class _Stage(nn.Module):
    def __init__(self, width: int, heads: int, depth: int, last: bool) -> None:
        super().__init__()
        # the last stage is one window large, so there is nothing to shift
        shifts = (0 if last or number % 2 == 0 else _WINDOW // 2 for number in range(depth))
        self.blocks = nn.Sequential(*(_Block(width, heads, shift) for shift in shifts))
        self.downsample = None if last else _Merging(width)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.blocks(x)
        return made if self.downsample is None else self.downsample(made)


class HtsAt(nn.Module):
    """The network; module names are those of the published file behind `audio_branch.`.

    Args:
        size: `tiny`: embeddings of 768. `base`: 1024.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        width = _WIDTH[size]
        self.bn0 = nn.BatchNorm2d(_BANDS)
        patches = nn.Conv2d(1, width, _PATCH, stride=_PATCH)
        self.patch_embed = nn.ModuleDict({"proj": patches, "norm": nn.LayerNorm(width)})
        last = len(_HEADS) - 1
        shapes = enumerate(zip(_HEADS, _DEPTHS[size], strict=True))
        self.layers = nn.Sequential(*(_Stage(width << n, heads, depth, n == last) for n, (heads, depth) in shapes))
        self.norm = nn.LayerNorm(width << last)

    def forward(self, mel: Tensor) -> Tensor:
        """`(B, 1001, 64)`, dB, to `(B, 768 or 1024)`."""
        # the first batch norm has one mean and deviation per band
        x = self.bn0(mel.transpose(1, 2)[..., None]).permute(0, 3, 2, 1)
        x = functional.interpolate(x, (_FRAMES, _BANDS), mode="bicubic", align_corners=True)
        x = x.reshape(len(mel), _FOLDS, _FRAMES // _FOLDS, _BANDS).transpose(2, 3).reshape(len(mel), 1, -1, _FRAMES // _FOLDS)
        x = self.patch_embed["norm"](self.patch_embed["proj"](x).permute(0, 2, 3, 1))
        made: Tensor = self.norm(self.layers(x)).mean(dim=(1, 2))
        return made
