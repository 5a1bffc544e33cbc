"""Synchformer: how many seconds sound and picture are apart, as 21 class scores from -2 to 2 s.

Segments of 0.64 s go through two encoders on their own: a video transformer whose blocks attend first over time and then
over space, and an audio spectrogram transformer. Each of their feature maps is pooled over space or frequency by one more
block whose class token is kept, so that time remains: 8 rows for the picture of a segment, 6 for its sound. Fourteen segments
of both then go through a small transformer side by side.

Source:
    Iashin et al., Synchformer: efficient synchronization from sparse cues, arXiv:2401.16423; encoders: Patrick et al., Keeping
    your eye on the ball, arXiv:2106.05392 (divided attention), and Gong et al., AST, arXiv:2104.01778; layout of the weights:
    github.com/hkchengrex/av-benchmark `av_bench/synchformer` at 050a5cd.
Differs from the source:
    What no feature depends on is not computed: every row but the class token's in the two pooling blocks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SEGMENTS = 14
"""That the last transformer compares."""
CLASSES = 21
UNUSED = ("vfeat_extractor.patch_embed.",)
"""Prefixes of keys that the published network keeps and does not use: patches of single frames, as pretraining had them."""
_WIDTH = 768
_SIDE = 14
"""Patches along the side of a frame."""
_FRAMES = 8
"""Pairs of frames in a segment."""
_BANDS, _STEPS = 12, 6
"""Patches of a segment's spectrogram along frequency and time."""


def _attended(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention over the second last axis: `(..., queries, d)` from `(..., keys, d)`, all axes before alike."""
    lead = query.shape[:-2]
    query, key, value = (x.reshape(1, -1, *x.shape[-2:]) for x in (query, key, value))
    return functional.scaled_dot_product_attention(query, key, value).view(*lead, *query.shape[-2:])


def _split(x: Tensor, heads: int) -> Tensor:
    """`(B, tokens, width)` to `(B, heads, tokens, width / heads)`."""
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


def _merged(x: Tensor) -> Tensor:
    """The way back from `_split`."""
    return x.transpose(1, 2).flatten(2)


class _Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(_WIDTH, 4 * _WIDTH)
        self.fc2 = nn.Linear(4 * _WIDTH, _WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return made


# ------------------------------------------------------------------ pooling


class _SelfAttention(nn.Module):
    """Weights of `nn.MultiheadAttention`, under its names."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * _WIDTH, _WIDTH))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * _WIDTH))
        self.out_proj = nn.Linear(_WIDTH, _WIDTH)

    def first(self, x: Tensor) -> Tensor:
        """The first token's row: `(n, tokens, 768)` to `(n, 1, 768)`."""
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        rows = (x[:, :1], x, x)
        parts = [_split(functional.linear(r, w, b), self.heads) for r, w, b in zip(rows, weights, biases, strict=True)]
        made: Tensor = self.out_proj(_merged(_attended(*parts)))
        return made


class _Pool(nn.Module):
    """One transformer block over a class token and a set of rows; the class token's row is what remains."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, _WIDTH))
        self.self_attn = _SelfAttention(12)
        self.linear1 = nn.Linear(_WIDTH, 4 * _WIDTH)
        self.linear2 = nn.Linear(4 * _WIDTH, _WIDTH)
        self.norm1 = nn.LayerNorm(_WIDTH, eps=1e-6)
        self.norm2 = nn.LayerNorm(_WIDTH, eps=1e-6)

    def forward(self, rows: Tensor) -> Tensor:
        """`(n, rows, 768)` to `(n, 768)`."""
        x = torch.cat((self.cls_token.expand(len(rows), -1, -1), rows), dim=1)
        kept = x[:, :1] + self.self_attn.first(self.norm1(x))
        made: Tensor = kept + self.linear2(functional.gelu(self.linear1(self.norm2(kept))))
        return made[:, 0]


# ------------------------------------------------------------------ picture


class _DividedAttention(nn.Module):
    """The class token attends to everything; a patch to the class token and to the patches of its place or of its time."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(_WIDTH, 3 * _WIDTH)
        self.proj = nn.Linear(_WIDTH, _WIDTH)

    def forward(self, x: Tensor, over_time: bool) -> Tensor:
        """`(B, 1 + times * places, 768)`, places running fastest, to the same shape."""
        query, key, value = (_split(part, 12) for part in self.qkv(x).chunk(3, dim=-1))
        whole = _attended(query[:, :, :1], key, value)
        grouped = [self._grouped(part[:, :, 1:], over_time) for part in (query, key, value)]
        groups = grouped[0].shape[2]
        for index, part in ((1, key), (2, value)):
            token = part[:, :, None, :1].expand(-1, -1, groups, -1, -1)
            grouped[index] = torch.cat((token, grouped[index]), dim=3)
        patches = _attended(*grouped)
        patches = patches.transpose(2, 3) if over_time else patches
        made: Tensor = self.proj(_merged(torch.cat((whole, patches.flatten(2, 3)), dim=2)))
        return made

    @staticmethod
    def _grouped(patches: Tensor, over_time: bool) -> Tensor:
        """`(B, heads, times * places, d)` to `(B, heads, groups, patches of a group, d)`."""
        placed = patches.reshape(*patches.shape[:2], _FRAMES, -1, patches.shape[3])
        return placed.transpose(2, 3) if over_time else placed


class _VideoBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(_WIDTH, eps=1e-6)
        self.attn = _DividedAttention()
        self.timeattn = _DividedAttention()
        self.norm2 = nn.LayerNorm(_WIDTH, eps=1e-6)
        self.mlp = _Mlp()
        self.norm3 = nn.LayerNorm(_WIDTH, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.timeattn(self.norm3(x), over_time=True)
        x = x + self.attn(self.norm1(x), over_time=False)
        made: Tensor = x + self.mlp(self.norm2(x))
        return made


class _Tubes(nn.Module):
    """Patches of 16 x 16 pixels and two frames."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv3d(3, _WIDTH, (2, 16, 16), stride=(2, 16, 16))

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.proj(x)
        return made.flatten(2).transpose(1, 2)


class _Video(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, _WIDTH))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + _SIDE**2, _WIDTH))
        self.temp_embed = nn.Parameter(torch.empty(1, _FRAMES, _WIDTH))
        self.patch_embed_3d = _Tubes()
        self.blocks = nn.Sequential(*(_VideoBlock() for _ in range(12)))
        self.norm = nn.LayerNorm(_WIDTH, eps=1e-6)
        self.spatial_attn_agg = _Pool()

    def forward(self, frames: Tensor) -> Tensor:
        """`(n, 3, 16, 224, 224)` to `(n, 8, 768)`."""
        places = self.pos_embed[:, None, 1:] + self.temp_embed[:, :, None]
        patches = self.patch_embed_3d(frames) + places.flatten(1, 2)
        token = (self.cls_token + self.pos_embed[:, :1]).expand(len(frames), -1, -1)
        x = self.norm(self.blocks(torch.cat((token, patches), dim=1))[:, 1:])
        made: Tensor = self.spatial_attn_agg(x.reshape(-1, _SIDE**2, _WIDTH))
        return made.view(-1, _FRAMES, _WIDTH)


# ------------------------------------------------------------------ sound


class _AudioBlock(nn.Module):
    """A transformer block under the names of `transformers`' AST."""

    def __init__(self) -> None:
        super().__init__()
        heads = {name: nn.Linear(_WIDTH, _WIDTH) for name in ("query", "key", "value")}
        output = nn.ModuleDict({"dense": nn.Linear(_WIDTH, _WIDTH)})
        self.attention = nn.ModuleDict({"attention": nn.ModuleDict(heads), "output": output})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(_WIDTH, 4 * _WIDTH)})
        self.output = nn.ModuleDict({"dense": nn.Linear(4 * _WIDTH, _WIDTH)})
        self.layernorm_before = nn.LayerNorm(_WIDTH, eps=1e-12)
        self.layernorm_after = nn.LayerNorm(_WIDTH, eps=1e-12)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.layernorm_before(x)
        parts = [_split(self.get_submodule(f"attention.attention.{p}")(normed), 12) for p in ("query", "key", "value")]
        x = x + self.get_submodule("attention.output.dense")(_merged(_attended(*parts)))
        made: Tensor = x + self.output["dense"](functional.gelu(self.intermediate["dense"](self.layernorm_after(x))))
        return made


class _AudioTokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, _WIDTH))
        self.distillation_token = nn.Parameter(torch.empty(1, 1, _WIDTH))
        self.position_embeddings = nn.Parameter(torch.empty(1, 2 + _BANDS * _STEPS, _WIDTH))
        self.patch_embeddings = nn.ModuleDict({"projection": nn.Conv2d(1, _WIDTH, 16, stride=10)})

    def forward(self, mels: Tensor) -> Tensor:
        """`(n, 128, 66)` to `(n, 74, 768)`, steps of time running fastest."""
        patches = self.patch_embeddings["projection"](mels[:, None]).flatten(2).transpose(1, 2)
        tokens = torch.cat((self.cls_token, self.distillation_token), dim=1).expand(len(mels), -1, -1)
        return torch.cat((tokens, patches), dim=1) + self.position_embeddings


class _Ast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embeddings = _AudioTokens()
        self.encoder = nn.ModuleDict({"layer": nn.Sequential(*(_AudioBlock() for _ in range(12)))})
        self.layernorm = nn.LayerNorm(_WIDTH, eps=1e-12)

    def forward(self, mels: Tensor) -> Tensor:
        made: Tensor = self.layernorm(self.encoder["layer"](self.embeddings(mels)))
        return made[:, 2:]


class _Audio(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ast = _Ast()
        self.freq_attn_agg = _Pool()

    def forward(self, mels: Tensor) -> Tensor:
        """`(n, 128, 66)` to `(n, 6, 768)`."""
        bands = self.ast(mels).view(-1, _BANDS, _STEPS, _WIDTH).transpose(1, 2)
        made: Tensor = self.freq_attn_agg(bands.reshape(-1, _BANDS, _WIDTH))
        return made.view(-1, _STEPS, _WIDTH)


# ------------------------------------------------------------------ both


class _JointAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.key = nn.Linear(_WIDTH, _WIDTH)
        self.query = nn.Linear(_WIDTH, _WIDTH)
        self.value = nn.Linear(_WIDTH, _WIDTH)
        self.proj = nn.Linear(_WIDTH, _WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        parts = [_split(made(x), 8) for made in (self.query, self.key, self.value)]
        made: Tensor = self.proj(_merged(_attended(*parts)))
        return made


class _JointBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(_WIDTH)
        self.ln2 = nn.LayerNorm(_WIDTH)
        self.attn = _JointAttention()
        self.mlp = nn.Sequential(nn.Linear(_WIDTH, 4 * _WIDTH), nn.GELU(), nn.Linear(4 * _WIDTH, _WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln1(x))
        made: Tensor = x + self.mlp(self.ln2(x))
        return made


class _Places(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pos_emb = nn.Parameter(torch.empty(1, 2 + SEGMENTS * (_FRAMES + _STEPS), _WIDTH))


class _Joint(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.OFF_tok = nn.Parameter(torch.empty(1, 1, _WIDTH))
        self.MOD_tok = nn.Parameter(torch.empty(1, 1, _WIDTH))
        self.vis_in_lnorm = nn.LayerNorm(_WIDTH)
        self.aud_in_lnorm = nn.LayerNorm(_WIDTH)
        self.pos_emb_cfg = _Places()
        self.blocks = nn.Sequential(*(_JointBlock() for _ in range(3)))
        self.ln_f = nn.LayerNorm(_WIDTH)
        self.off_head = nn.Linear(_WIDTH, CLASSES)

    def forward(self, visual: Tensor, audio: Tensor) -> Tensor:
        first, between = (token.expand(len(visual), -1, -1) for token in (self.OFF_tok, self.MOD_tok))
        x = torch.cat((first, self.vis_in_lnorm(visual), between, self.aud_in_lnorm(audio)), dim=1)
        x = self.blocks(x + self.pos_emb_cfg.pos_emb[:, : x.shape[1]])
        made: Tensor = self.off_head(self.ln_f(x[:, 0]))
        return made


class Synchformer(nn.Module):
    """The network; module names are those of the published file."""

    def __init__(self) -> None:
        super().__init__()
        self.vfeat_extractor = _Video()
        self.afeat_extractor = _Audio()
        self.vproj = nn.Linear(_WIDTH, _WIDTH)
        self.aproj = nn.Linear(_WIDTH, _WIDTH)
        self.transformer = _Joint()

    def visual(self, frames: Tensor) -> Tensor:
        """Segments `(n, 16, 3, 224, 224)` in [-1, 1] to features `(n, 8, 768)`."""
        made: Tensor = self.vfeat_extractor(frames.transpose(1, 2))
        return made

    def audio(self, mels: Tensor) -> Tensor:
        """Normalised log mel spectrograms `(n, 128, 66)` of segments to features `(n, 6, 768)`."""
        made: Tensor = self.afeat_extractor(mels)
        return made

    def compare(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Features of 14 segments, `(n, 14, 8, 768)` and `(n, 14, 6, 768)`, to class scores `(n, 21)` before softmax.

        Fewer segments take the first of the learned places, one token after the other, so that the sound's are where some of
        the picture's were in training.
        """
        made: Tensor = self.transformer(self.vproj(visual).flatten(1, 2), self.aproj(audio).flatten(1, 2))
        return made
