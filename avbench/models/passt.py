"""PaSST-S: a vision transformer on 16 x 16 patches of a mel spectrogram, with separate time and frequency positions.

Source:
    Koutini et al., Efficient training of audio transformers with patchout, arXiv:2110.05069;
    github.com/hkchengrex/passt_hear21 `hear21passt/models/passt.py` at 1ab7789 (evaluation: no patch is left out).
Differs from the source:
    The head of the distillation token (`head_dist.*`), which the source trains and does not evaluate, is not built.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

UNUSED = ("head_dist.",)
"""Prefixes of the keys of the published file that no feature depends on."""
FRAMES = 1000
"""Mel frames in 10 s, the most that the time positions reach."""
FEWEST_FRAMES = 16
_WIDTH, _HEADS, _BLOCKS, _PATCH, _STRIDE = 768, 12, 12, 16, 10


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(_WIDTH, 3 * _WIDTH)
        self.proj = nn.Linear(_WIDTH, _WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        query, key, value = self.qkv(x).view(batch, tokens, 3, _HEADS, _WIDTH // _HEADS).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        made: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, tokens, _WIDTH))
        return made


class _Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(_WIDTH, 4 * _WIDTH)
        self.fc2 = nn.Linear(4 * _WIDTH, _WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return made


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(_WIDTH, eps=1e-6)
        self.attn = _Attention()
        self.norm2 = nn.LayerNorm(_WIDTH, eps=1e-6)
        self.mlp = _Mlp()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        made: Tensor = x + self.mlp(self.norm2(x))
        return made


class _Patches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, _WIDTH, _PATCH, stride=_STRIDE)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.proj(x)
        return made


class Passt(nn.Module):
    """The network; module names are those of the published file.

    Args:
        classes: Number of classes, 527 in the published file.
    """

    def __init__(self, classes: int = 527) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, _WIDTH))
        self.dist_token = nn.Parameter(torch.zeros(1, 1, _WIDTH))
        self.new_pos_embed = nn.Parameter(torch.zeros(1, 2, _WIDTH))
        self.freq_new_pos_embed = nn.Parameter(torch.zeros(1, _WIDTH, 12, 1))
        self.time_new_pos_embed = nn.Parameter(torch.zeros(1, _WIDTH, 1, 99))
        self.patch_embed = _Patches()
        self.blocks = nn.Sequential(*(_Block() for _ in range(_BLOCKS)))
        self.norm = nn.LayerNorm(_WIDTH, eps=1e-6)
        self.head = nn.Sequential(nn.LayerNorm(_WIDTH), nn.Linear(_WIDTH, classes))

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Mel spectrograms to features; shorter ones take the first time positions.

        Args:
            mel: `(B, 128, frames)`, 16 to 1005 frames.

        Returns:
            Logits `(B, classes)`, and the mean of class and distillation token `(B, 768)`.
        """
        patches = self.patch_embed(mel.unsqueeze(1))
        patches = patches + self.time_new_pos_embed[..., : patches.shape[-1]] + self.freq_new_pos_embed
        tokens = torch.cat((self.cls_token, self.dist_token), dim=1) + self.new_pos_embed
        x = torch.cat((tokens.expand(len(mel), -1, -1), patches.flatten(2).transpose(1, 2)), dim=1)
        x = self.norm(self.blocks(x))
        embedding = x[:, :2].mean(dim=1)
        return self.head(embedding), embedding
