"""RoBERTa-base, the text encoder of CLAP: tokens to the 768 numbers of its pooler.

Source:
    Y. Liu et al., RoBERTa, arXiv:1907.11692; layout of the weights from github.com/huggingface/transformers
    `models/roberta/modeling_roberta.py` at 4.57.1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

PAD = 1
"""Token that fills up short captions. Positions count from the one after it."""
MOST_TOKENS = 512
"""Positions that the network has, the two around the text included."""

_WIDTH = 768
_HEADS = 12
_BLOCKS = 12
_WORDS = 50_265


class _Residual(nn.Module):
    """A linear layer, added to what the block began with, normalised."""

    def __init__(self, inputs: int, eps: float) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, _WIDTH)
        self.LayerNorm = nn.LayerNorm(_WIDTH, eps=eps)

    def forward(self, made: Tensor, x: Tensor) -> Tensor:
        normalised: Tensor = self.LayerNorm(self.dense(made) + x)
        return normalised


class _Attention(nn.Module):
    def __init__(self, eps: float) -> None:
        super().__init__()
        projections = {part: nn.Linear(_WIDTH, _WIDTH) for part in ("query", "key", "value")}
        self.add_module("self", nn.ModuleDict(projections))
        self.output = _Residual(_WIDTH, eps)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """`(B, tokens, 768)`; `there` `(B, 1, 1, tokens)` says which tokens may be looked at."""
        projections = self.get_submodule("self")
        q, k, v = (
            projections.get_submodule(part)(x).reshape(*x.shape[:2], _HEADS, -1).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=there)
        made: Tensor = self.output(mixed.transpose(1, 2).reshape(x.shape), x)
        return made


class _Block(nn.Module):
    def __init__(self, eps: float) -> None:
        super().__init__()
        self.attention = _Attention(eps)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(_WIDTH, 4 * _WIDTH)})
        self.output = _Residual(4 * _WIDTH, eps)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        x = self.attention(x, there)
        made: Tensor = self.output(functional.gelu(self.intermediate["dense"](x)), x)
        return made


class Roberta(nn.Module):
    """The network; module names are those of the published file behind `text_branch.` or `text_model.`.

    Args:
        eps: Added to variances by every layer norm. LAION-CLAP has RoBERTa's own 1e-5, transformers' CLAP 1e-12.
    """

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(_WORDS, _WIDTH),
                "position_embeddings": nn.Embedding(MOST_TOKENS + PAD + 1, _WIDTH),
                "token_type_embeddings": nn.Embedding(1, _WIDTH),
                "LayerNorm": nn.LayerNorm(_WIDTH, eps=eps),
            }
        )
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(_Block(eps) for _ in range(_BLOCKS))})
        self.pooler = nn.ModuleDict({"dense": nn.Linear(_WIDTH, _WIDTH)})

    def forward(self, tokens: Tensor) -> Tensor:
        """`(B, n)` int64 with `PAD` behind each text, n at most 512, to `(B, 768)`."""
        there = tokens != PAD
        positions = torch.cumsum(there, dim=1) * there + PAD
        words, places = self.embeddings["word_embeddings"](tokens), self.embeddings["position_embeddings"](positions)
        kinds = self.embeddings["token_type_embeddings"](torch.zeros_like(tokens))
        x = self.embeddings["LayerNorm"](words + kinds + places)
        for block in self.encoder["layer"].children():
            x = block(x, there[:, None, None])
        return torch.tanh(self.pooler["dense"](x[:, 0]))
