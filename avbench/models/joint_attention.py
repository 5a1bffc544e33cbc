"""What makes a joint model of two: a layer in which every video and every audio token attends to all tokens of both.

Source: JointDiT (CVPR 2025), "Perceiver Joint Attention". Q and K of both modalities are projected to one common width, V to
another; one softmax runs over the concatenation [video, audio]; an output projection per modality leads back to its own width.
Every layer is modulated by adaptive layer norm (arXiv 2212.09748) with weights of its modality, from the time alone: no image
condition enters here. Positions enter by rotation (arXiv 2104.09864): (time, row, column) for video, (time, band) for audio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from avbench.errors import BadParameter

JointMode = Literal["full", "blockdiag", "removed", "uni"]
"""`full`: one softmax over both. `blockdiag`: each modality attends to itself, projections still used. `removed`: the attention
branch is skipped, feed-forward layers stay. `uni`: the whole joint block is skipped; what is left are the two base models."""
MODES: tuple[JointMode, ...] = ("full", "blockdiag", "removed", "uni")


def rotary(positions: Tensor, widths: Sequence[int], highest: float = 100.0) -> Tensor:
    """Angles of a rotary embedding over several axes.

    Args:
        positions: `(N, axes)`, in whatever unit; a step of 1 turns the fastest pair of numbers by 1 radian.
        widths: Numbers of a head that each axis gets, even.
        highest: Ratio of fastest to slowest pair of an axis.

    Returns:
        Cosine and sine, `(2, N, sum(widths) / 2)` float32.
    """
    if positions.ndim != 2 or positions.shape[1] != len(widths) or any(width % 2 or width < 2 for width in widths):
        raise BadParameter(f"rotary: positions must be (N, {len(widths)}) and widths even, got {positions.shape} and {widths}")
    angles = []
    for axis, width in enumerate(widths):
        speeds = highest ** (-torch.arange(width // 2, dtype=torch.float32, device=positions.device) / (width // 2))
        angles.append(positions[:, axis, None].float() * speeds)
    whole = torch.cat(angles, dim=1)
    return torch.stack([whole.cos(), whole.sin()])


def turned(x: Tensor, turns: Tensor) -> Tensor:
    """Heads `(..., N, width)` turned by `rotary`'s angles; number i of a head is paired with number i + width / 2."""
    cos, sin = turns.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


class Modulation(nn.Module):
    """Shift, scale and gate of an adaptive layer norm; all zero at first, so that a new layer changes nothing."""

    def __init__(self, condition: int, width: int, sets: int = 1) -> None:
        super().__init__()
        self.sets = sets
        self.linear = nn.Linear(condition, 3 * sets * width)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, condition: Tensor) -> tuple[Tensor, ...]:
        """`(B, condition)` to 3 x sets tensors `(B, 1, width)`: shift, scale, gate of each set."""
        made: Tensor = self.linear(functional.silu(condition))
        return made[:, None].chunk(3 * self.sets, dim=-1)


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Layer norm without weights of its own, then scale and shift."""
    return torch.addcmul(shift, functional.layer_norm(x, x.shape[-1:], eps=1e-6), 1.0 + scale)


class FeedForward(nn.Sequential):
    """Two linear layers with SiLU between (GELU takes several times as long in bfloat16 on a CPU)."""

    def __init__(self, width: int, ratio: int = 4) -> None:
        super().__init__(nn.Linear(width, ratio * width), nn.SiLU(), nn.Linear(ratio * width, width))


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """`softmax(q k^T / sqrt(width)) v` for heads `(B, heads, N, width)`; v may have another width."""
    if q.dtype is torch.bfloat16 and q.device.type == "cpu":
        # The fused kernel takes more than twice the time of the three steps in bfloat16 on a CPU.
        return torch.softmax((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2), dim=-1) @ v
    return functional.scaled_dot_product_attention(q, k, v)


class PerceiverJointAttention(nn.Module):
    """One softmax over the tokens of both modalities, with projections of their own.

    Args:
        video: Width of a video token.
        audio: Width of an audio token.
        qk: Common width of queries and keys.
        v: Common width of values.
        heads: They divide `qk` and `v`.
    """

    def __init__(self, video: int, audio: int, qk: int, v: int, heads: int) -> None:
        super().__init__()
        if qk % heads or v % heads or (qk // heads) % 2:
            raise BadParameter(f"joint attention: {heads} heads must divide qk {qk} (evenly per head) and v {v}")
        self.heads, self.qk, self.v = heads, qk, v
        self.video_in = nn.Linear(video, 2 * qk + v)
        self.audio_in = nn.Linear(audio, 2 * qk + v)
        self.video_out = nn.Linear(v, video)
        self.audio_out = nn.Linear(v, audio)
        self.video_norms = nn.Parameter(torch.ones(2, qk // heads))
        self.audio_norms = nn.Parameter(torch.ones(2, qk // heads))

    def _projected(self, x: Tensor, layer: nn.Linear, norms: Tensor, turns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        parts = torch.split(layer(x), [self.qk, self.qk, self.v], dim=-1)
        q, k, v = (part.reshape(*part.shape[:2], self.heads, -1).transpose(1, 2) for part in parts)
        q = functional.rms_norm(q, q.shape[-1:], eps=1e-6) * norms[0].to(q.dtype)
        k = functional.rms_norm(k, k.shape[-1:], eps=1e-6) * norms[1].to(k.dtype)
        return turned(q, turns), turned(k, turns), v

    def forward(
        self, video: Tensor, audio: Tensor, video_turns: Tensor, audio_turns: Tensor, *, blockdiag: bool = False
    ) -> tuple[Tensor, Tensor]:
        """`(B, N_v, video)` and `(B, N_a, audio)` to the same shapes.

        Args:
            video: Tokens, normalised and modulated.
            audio: The same.
            video_turns: Of `rotary` for the video tokens.
            audio_turns: The same for audio.
            blockdiag: Mask attention between the modalities.
        """
        qv, kv, vv = self._projected(video, self.video_in, self.video_norms, video_turns)
        qa, ka, va = self._projected(audio, self.audio_in, self.audio_norms, audio_turns)
        if blockdiag:
            seen, heard = attend(qv, kv, vv), attend(qa, ka, va)
        else:
            q, k, v = (torch.cat(pair, dim=2) for pair in ((qv, qa), (kv, ka), (vv, va)))
            seen, heard = torch.split(attend(q, k, v), [video.shape[1], audio.shape[1]], dim=2)
        return (
            self.video_out(seen.transpose(1, 2).flatten(2)),
            self.audio_out(heard.transpose(1, 2).flatten(2)),
        )


class JointLayer(nn.Module):
    """Joint attention, then a feed-forward layer per modality; each with adaptive layer norm of its own.

    Args:
        video: Width of a video token.
        audio: Width of an audio token.
        qk: Common width of queries and keys.
        v: Common width of values.
        heads: Of the attention.
        condition: Width of the time embeddings.
        ratio: Of the feed-forward layers.
    """

    def __init__(self, video: int, audio: int, qk: int, v: int, heads: int, condition: int, ratio: int = 4) -> None:
        super().__init__()
        self.attention = PerceiverJointAttention(video, audio, qk, v, heads)
        self.video_modulation = Modulation(condition, video, 2)
        self.audio_modulation = Modulation(condition, audio, 2)
        self.video_ffn = FeedForward(video, ratio)
        self.audio_ffn = FeedForward(audio, ratio)

    def forward(
        self,
        video: Tensor,
        audio: Tensor,
        video_time: Tensor,
        audio_time: Tensor,
        video_turns: Tensor,
        audio_turns: Tensor,
        mode: JointMode = "full",
    ) -> tuple[Tensor, Tensor]:
        """`(B, N_v, video)` and `(B, N_a, audio)` to the same shapes.

        Args:
            video: Tokens after the expert layer.
            audio: The same.
            video_time: `(B, condition)`, of the video's noise level.
            audio_time: `(B, condition)`, of the audio's.
            video_turns: Of `rotary`.
            audio_turns: Of `rotary`.
            mode: See `JointMode`.
        """
        if mode not in MODES:
            raise BadParameter(f"joint mode must be one of {', '.join(MODES)}, got '{mode}'")
        if mode == "uni":
            return video, audio
        v_shift, v_scale, v_gate, vf_shift, vf_scale, vf_gate = self.video_modulation(video_time)
        a_shift, a_scale, a_gate, af_shift, af_scale, af_gate = self.audio_modulation(audio_time)
        if mode != "removed":
            seen, heard = self.attention(
                modulated(video, v_shift, v_scale),
                modulated(audio, a_shift, a_scale),
                video_turns,
                audio_turns,
                blockdiag=mode == "blockdiag",
            )
            video, audio = torch.addcmul(video, v_gate, seen), torch.addcmul(audio, a_gate, heard)
        video = torch.addcmul(video, vf_gate, self.video_ffn(modulated(video, vf_shift, vf_scale)))
        audio = torch.addcmul(audio, af_gate, self.audio_ffn(modulated(audio, af_shift, af_scale)))
        return video, audio


def time_embedding(time: Tensor, width: int, longest: float = 1000.0) -> Tensor:
    """Cosines and sines of a number per item: `(B,)` to `(B, width)` float32.

    Args:
        time: Any real numbers; the fastest wave has a period of 2 pi / 1000 of a unit.
        width: Even.
        longest: Ratio of the fastest to the slowest wave.
    """
    half = width // 2
    speeds = 1000.0 * torch.exp(-math.log(longest) * torch.arange(half, dtype=torch.float32, device=time.device) / half)
    angles = time.float()[:, None] * speeds
    return torch.cat([angles.cos(), angles.sin()], dim=1)
