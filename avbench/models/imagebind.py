"""ImageBind: vision, audio and text towers that embed into one space.

Each tower is a pre-norm transformer (LayerNorm 1e-6, exact GELU, four times as wide inside). Vision: patches of 2 x 14 x 14, a
class token, 256 places, a LayerNorm before the blocks. Audio: 16 x 16 patches every 10 of a 128 x 204 mel spectrogram, a class
token, 228 places, and in every attention one more learned key and value. Text: 77 CLIP tokens under a causal mask, read at the
end token, which is the largest number in the row. A head of LayerNorm and matrix makes the embedding, which is brought to
length 1 and, for sound and text, multiplied by the tower's scale (at most 100).

Source:
    Girdhar et al., ImageBind: one embedding space to bind them all, arXiv:2305.05665; github.com/facebookresearch/ImageBind
    `imagebind/models` at 53680b0, whose checkpoint `imagebind_huge.pth` is loaded with its own keys.
Differs from the source:
    The towers for depth, thermal and inertial data are not built; their keys are in the file and are left out (`UNUSED`).
    Patches are cut out and multiplied, where the source convolves: the same sums, and no TF32 on a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

TOWERS = ("vision", "audio", "text")
UNUSED = tuple(
    f"modality_{part}.{sense}."
    for part in ("preprocessors", "trunks", "heads", "postprocessors")
    for sense in ("depth", "thermal", "imu")
)
"""Prefixes of the keys of the published file that no feature depends on: the towers of other senses."""

MELS, MEL_FRAMES, TOKENS, SIDE = 128, 204, 77, 224
_WORDS = 49_408
_PATCH, _MEL_PATCH, _MEL_STRIDE = 14, 16, 10
_LARGEST_SCALE = 100.0
_PUBLISHED_HEADS = {1280: 16, 1024: 16, 768: 12}
_OTHER_HEADS = 4


@dataclass(frozen=True)
class Size:
    """Width, number of blocks and number of attention heads of one tower."""

    width: int
    blocks: int
    heads: int


@dataclass(frozen=True)
class Config:
    """Sizes of the three towers, and of the embedding that they share."""

    vision: Size
    audio: Size
    text: Size
    embedding: int

    @staticmethod
    def of(state: Mapping[str, Any]) -> Config:
        """The sizes that a checkpoint's shapes tell.

        Shapes do not tell the number of heads: towers as wide as the published ones have theirs, any other width has 4.

        Args:
            state: Tensors by their published name; what it lacks is taken from `HUGE`, and then missed when it is loaded.
        """

        def size(tower: str, published: Size) -> Size:
            norm = state.get(f"modality_heads.{tower}.{'proj.0' if tower == 'text' else '0'}.weight")
            width = published.width if norm is None else len(norm)
            block = re.compile(rf"modality_trunks\.{tower}\.blocks\.(\d+)\.")
            blocks = {int(found[1]) for key in state if (found := block.match(key))}
            return Size(width, max(blocks) + 1 if blocks else published.blocks, _PUBLISHED_HEADS.get(width, _OTHER_HEADS))

        head = state.get("modality_heads.vision.2.weight")
        return Config(
            size("vision", HUGE.vision),
            size("audio", HUGE.audio),
            size("text", HUGE.text),
            HUGE.embedding if head is None else len(head),
        )


HUGE = Config(Size(1280, 32, 16), Size(768, 12, 12), Size(1024, 24, 16), 1024)
"""The published checkpoint."""


# ------------------------------------------------------------------ blocks


class _Attention(nn.Module):
    def __init__(self, size: Size, extra: bool) -> None:
        super().__init__()
        self.heads, self.extra = size.heads, extra
        self.in_proj_weight = nn.Parameter(torch.empty(3 * size.width, size.width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * size.width))
        self.out_proj = nn.Linear(size.width, size.width)
        if extra:
            self.bias_k = nn.Parameter(torch.empty(1, 1, size.width))
            self.bias_v = nn.Parameter(torch.empty(1, 1, size.width))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        rows, tokens, width = x.shape
        mixed = functional.linear(x, self.in_proj_weight, self.in_proj_bias)
        query, key, value = mixed.view(rows, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if self.extra:
            key, value = (
                torch.cat((own, learned.to(own.dtype).view(1, self.heads, 1, -1).expand(rows, -1, -1, -1)), dim=2)
                for own, learned in ((key, self.bias_k), (value, self.bias_v))
            )
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        made: Tensor = self.out_proj(seen.transpose(1, 2).reshape(rows, tokens, width))
        return made


class _Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return made


class _Block(nn.Module):
    def __init__(self, size: Size, extra: bool) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(size.width, eps=1e-6)
        self.attn = _Attention(size, extra)
        self.norm_2 = nn.LayerNorm(size.width, eps=1e-6)
        self.mlp = _Mlp(size.width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = x + self.attn(self.norm_1(x), mask)
        made: Tensor = x + self.mlp(self.norm_2(x))
        return made


class _Trunk(nn.Module):
    def __init__(self, size: Size, *, norm_first: bool = False, extra: bool = False) -> None:
        super().__init__()
        if norm_first:
            self.pre_transformer_layer = nn.Sequential(nn.LayerNorm(size.width, eps=1e-6))
        self.norm_first = norm_first
        self.blocks = nn.ModuleList(_Block(size, extra) for _ in range(size.blocks))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if self.norm_first:
            x = self.pre_transformer_layer(x)
        for block in self.blocks:
            x = block(x, mask)
        return x


# ------------------------------------------------------------------ inputs to tokens


class _Places(nn.Module):
    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.empty(1, count, width))


class _Stem(nn.Module):
    """Patches to tokens: a matrix, kept in the shape of the source's convolution, and a LayerNorm for sound."""

    def __init__(self, proj: nn.Module, norm: nn.Module | None) -> None:
        super().__init__()
        self.proj = proj
        if norm is not None:
            self.norm_layer = norm


class _Patches(nn.Module):
    """Tokens of pictures or spectrograms behind a class token, each with its place."""

    def __init__(self, stem: _Stem, places: int, width: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.rgbt_stem = stem
        self.pos_embedding_helper = _Places(places, width)

    def placed(self, tokens: Tensor) -> Tensor:
        first = self.cls_token.expand(len(tokens), -1, -1).to(tokens.dtype)
        return torch.cat((first, tokens), dim=1) + self.pos_embedding_helper.pos_embed


class _Pictures(_Patches):
    def __init__(self, width: int) -> None:
        # Registered as "1": in the source the picture is repeated by the first member of a sequence.
        proj = nn.ModuleDict({"1": nn.Conv3d(3, width, (2, _PATCH, _PATCH), stride=(2, _PATCH, _PATCH), bias=False)})
        super().__init__(_Stem(proj, None), 1 + (SIDE // _PATCH) ** 2, width)

    def forward(self, pictures: Tensor) -> Tensor:
        """`(B, 3, 2, 224, 224)`; a still picture `(B, 3, 224, 224)` stands for two equal ones."""
        if pictures.ndim == 4:
            pictures = pictures[:, :, None].expand(-1, -1, 2, -1, -1)
        weight: Tensor = self.rgbt_stem.proj["1"].weight  # type: ignore[index]
        across = SIDE // _PATCH
        cut = pictures.reshape(len(pictures), 3, 2, across, _PATCH, across, _PATCH).permute(0, 3, 5, 1, 2, 4, 6)
        return self.placed(functional.linear(cut.reshape(len(pictures), across * across, -1), weight.flatten(1)))


class _Mels(_Patches):
    def __init__(self, width: int) -> None:
        proj = nn.Conv2d(1, width, _MEL_PATCH, stride=_MEL_STRIDE, bias=False)
        rows, columns = (1 + (side - _MEL_PATCH) // _MEL_STRIDE for side in (MELS, MEL_FRAMES))
        super().__init__(_Stem(proj, nn.LayerNorm(width)), 1 + rows * columns, width)

    def forward(self, mel: Tensor) -> Tensor:
        """`(B, 128, 204)`."""
        weight: Tensor = self.rgbt_stem.proj.weight  # type: ignore[assignment]
        cut = functional.unfold(mel[:, None], _MEL_PATCH, stride=_MEL_STRIDE).transpose(1, 2)
        return self.placed(self.rgbt_stem.norm_layer(functional.linear(cut, weight.flatten(1))))


class _Words(nn.Module):
    mask: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.empty(1, TOKENS, width))
        self.token_embedding = nn.Embedding(_WORDS, width)
        self.register_buffer("mask", torch.full((TOKENS, TOKENS), float("-inf")).triu(1))

    def forward(self, tokens: Tensor) -> Tensor:
        made: Tensor = self.token_embedding(tokens) + self.pos_embed
        return made


class _Project(nn.Module):
    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(nn.LayerNorm(width, eps=1e-6), nn.Linear(width, embedding, bias=False))


class _Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.log_logit_scale = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.log_logit_scale.exp().clamp(max=_LARGEST_SCALE)


# ------------------------------------------------------------------ the network


class ImageBind(nn.Module):
    """Three towers; names and shapes are those of the published file.

    Args:
        config: Sizes of the towers.
    """

    def __init__(self, config: Config = HUGE) -> None:
        super().__init__()
        vision, audio, text = config.vision, config.audio, config.text

        def head(width: int) -> nn.ModuleDict:
            # Registered as "0" and "2": in the source the class token is taken in between.
            parts = {"0": nn.LayerNorm(width, eps=1e-6), "2": nn.Linear(width, config.embedding, bias=False)}
            return nn.ModuleDict(parts)

        self.modality_preprocessors = nn.ModuleDict(
            {"vision": _Pictures(vision.width), "audio": _Mels(audio.width), "text": _Words(text.width)}
        )
        self.modality_trunks = nn.ModuleDict(
            {"vision": _Trunk(vision, norm_first=True), "audio": _Trunk(audio, extra=True), "text": _Trunk(text)}
        )
        self.modality_heads = nn.ModuleDict(
            {"vision": head(vision.width), "audio": head(audio.width), "text": _Project(text.width, config.embedding)}
        )
        self.modality_postprocessors = nn.ModuleDict(
            {tower: nn.ModuleDict({"1": _Scale()}) for tower in ("audio", "text")}  # "0" in the source: to length 1
        )

    def parts(self, tower: str) -> Iterable[nn.Module]:
        """The modules of one tower."""
        groups = (self.modality_preprocessors, self.modality_trunks, self.modality_heads, self.modality_postprocessors)
        return [group[tower] for group in groups if tower in group]

    def vision(self, pictures: Tensor) -> Tensor:
        """Pictures to embeddings of length 1.

        Args:
            pictures: `(B, 3, 224, 224)`, or two of them in a row `(B, 3, 2, 224, 224)`; CLIP's mean and deviation taken out.

        Returns:
            `(B, embedding)`.
        """
        return functional.normalize(self._class_token("vision", pictures), dim=-1)

    def audio(self, mel: Tensor) -> Tensor:
        """Mel spectrograms to embeddings of the tower's scale (20).

        Args:
            mel: `(B, 128, 204)`, mean and deviation taken out.

        Returns:
            `(B, embedding)`.
        """
        return self._scaled("audio", self._class_token("audio", mel))

    def text(self, tokens: Tensor) -> Tensor:
        """CLIP tokens to embeddings of the tower's scale.

        Args:
            tokens: `(B, 77)`, filled up with zeros.

        Returns:
            `(B, embedding)`.
        """
        words: Any = self.modality_preprocessors["text"]
        x = self.modality_trunks["text"](words(tokens), words.mask.to(words.pos_embed.dtype))
        last = x[torch.arange(len(x), device=x.device), tokens.argmax(dim=-1)]
        head: Any = self.modality_heads["text"]
        return self._scaled("text", head.proj(last))

    def _class_token(self, tower: str, given: Tensor) -> Tensor:
        x = self.modality_trunks[tower](self.modality_preprocessors[tower](given))
        head: Any = self.modality_heads[tower]
        made: Tensor = head["2"](head["0"](x[:, 0]))
        return made

    def _scaled(self, tower: str, x: Tensor) -> Tensor:
        after: Any = self.modality_postprocessors[tower]
        made: Tensor = after["1"](functional.normalize(x, dim=-1))
        return made
