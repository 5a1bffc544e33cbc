"""Perceiver joint attention against a direct evaluation in loops, and what its modes leave out."""

from __future__ import annotations

import math

import pytest
import torch

from avbench.errors import BadParameter
from avbench.models.joint_attention import (
    JointLayer,
    PerceiverJointAttention,
    attend,
    rotary,
    time_embedding,
    turned,
)

VIDEO, AUDIO, QK, V, HEADS = 12, 10, 8, 6, 2


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def attention() -> PerceiverJointAttention:
    torch.manual_seed(0)
    made = PerceiverJointAttention(VIDEO, AUDIO, QK, V, HEADS)
    torch.nn.init.normal_(made.video_norms)
    torch.nn.init.normal_(made.audio_norms)
    return made


def turns() -> tuple[torch.Tensor, torch.Tensor]:
    return rotary(drawn(5, 1), (4,)), rotary(drawn(3, 1, seed=1), (4,))


def by_hand(a: PerceiverJointAttention, video: torch.Tensor, audio: torch.Tensor, blockdiag: bool) -> list[torch.Tensor]:
    """One query after the other, one head after the other, as the formulas are written."""
    rotations = turns()
    q, k, v = [], [], []
    for x, layer, norms, rotation in (
        (video, a.video_in, a.video_norms, rotations[0]),
        (audio, a.audio_in, a.audio_norms, rotations[1]),
    ):
        for n in range(len(x)):
            both = layer.weight @ x[n] + layer.bias
            heads: dict[str, list[torch.Tensor]] = {"q": [], "k": []}
            for name, start, scale in (("q", 0, norms[0]), ("k", QK, norms[1])):
                for h in range(HEADS):
                    part = both[start + h * 4 : start + (h + 1) * 4]
                    part = part / torch.sqrt((part**2).mean() + 1e-6) * scale
                    out = torch.empty(4)
                    for pair in range(2):
                        c, s = rotation[0, n, pair], rotation[1, n, pair]
                        out[pair], out[pair + 2] = (
                            part[pair] * c - part[pair + 2] * s,
                            part[pair] * s + part[pair + 2] * c,
                        )
                    heads[name].append(out)
            q.append(heads["q"])
            k.append(heads["k"])
            v.append([both[2 * QK + h * 3 : 2 * QK + (h + 1) * 3] for h in range(HEADS)])
    mixed = []
    for i in range(8):
        parts = []
        for h in range(HEADS):
            may = [j for j in range(8) if not blockdiag or (i < 5) == (j < 5)]
            weights = torch.softmax(torch.stack([q[i][h] @ k[j][h] / math.sqrt(4) for j in may]), 0)
            parts.append(sum(w * v[j][h] for w, j in zip(weights, may, strict=True)))
        layer = a.video_out if i < 5 else a.audio_out
        mixed.append(layer.weight @ torch.cat(parts) + layer.bias)
    return mixed


@pytest.mark.parametrize("blockdiag", [False, True])
def test_one_softmax_runs_over_the_tokens_of_both_modalities(blockdiag: bool) -> None:
    a, video, audio = attention(), drawn(5, VIDEO), drawn(3, AUDIO, seed=1)
    with torch.no_grad():
        seen, heard = a(video[None], audio[None], *turns(), blockdiag=blockdiag)
        wanted = by_hand(a, video, audio, blockdiag)
    torch.testing.assert_close(seen[0], torch.stack(wanted[:5]))
    torch.testing.assert_close(heard[0], torch.stack(wanted[5:]))


def test_the_mask_keeps_each_modality_to_itself() -> None:
    a, video, audio = attention(), drawn(2, 5, VIDEO), drawn(2, 3, AUDIO, seed=1)
    other = drawn(2, 3, AUDIO, seed=2)
    masked, full = ([a(video, x, *turns(), blockdiag=blockdiag)[0] for x in (audio, other)] for blockdiag in (True, False))
    assert torch.equal(*masked)
    assert not torch.allclose(*full)


def test_rotation_makes_scores_depend_on_distances_alone() -> None:
    q, k = drawn(1, 1, 1, 12), drawn(1, 1, 1, 12, seed=1)
    at = torch.tensor([[0.5, 2.0, -1.0], [3.0, 1.0, 0.25]])
    scores = []
    for moved in (torch.zeros(3), torch.tensor([7.0, -2.0, 4.0])):
        angles = rotary(at + moved, (4, 4, 4))
        scores.append((turned(q, angles[:, :1]) * turned(k, angles[:, 1:])).sum())
    torch.testing.assert_close(scores[0], scores[1])
    torch.testing.assert_close(turned(q, rotary(torch.zeros(1, 3), (4, 4, 4))), q)
    with pytest.raises(BadParameter, match="widths even"):
        rotary(torch.zeros(2, 2), (4, 3))


def layer(*, opened: bool) -> JointLayer:
    torch.manual_seed(1)
    made = JointLayer(VIDEO, AUDIO, QK, V, HEADS, 16)
    if opened:
        for modulation in (made.video_modulation, made.audio_modulation):
            torch.nn.init.normal_(modulation.linear.weight, std=0.3)
            torch.nn.init.normal_(modulation.linear.bias, std=0.3)
    return made


def call(made: JointLayer, mode: str) -> tuple[torch.Tensor, torch.Tensor]:
    inputs = drawn(2, 5, VIDEO), drawn(2, 3, AUDIO, seed=1), drawn(2, 16, seed=2), drawn(2, 16, seed=3)
    out: tuple[torch.Tensor, torch.Tensor] = made(*inputs, *turns(), mode)
    return out


def test_a_new_joint_layer_changes_nothing_in_any_mode() -> None:
    for mode in ("full", "blockdiag", "removed", "uni"):
        seen, heard = call(layer(opened=False), mode)
        assert torch.equal(seen, drawn(2, 5, VIDEO))
        assert torch.equal(heard, drawn(2, 3, AUDIO, seed=1))


def test_the_removed_mode_skips_attention_and_keeps_the_feed_forward_layers() -> None:
    made = layer(opened=True)
    seen, heard = call(made, "removed")
    assert not torch.allclose(seen, call(made, "full")[0])
    for stream, x, time in (
        ("video", drawn(2, 5, VIDEO), drawn(2, 16, seed=2)),
        ("audio", drawn(2, 3, AUDIO, seed=1), drawn(2, 16, seed=3)),
    ):
        modulation, ffn = getattr(made, f"{stream}_modulation"), getattr(made, f"{stream}_ffn")
        shift, scale, gate = modulation.linear(torch.nn.functional.silu(time))[:, None].chunk(6, dim=-1)[3:]
        normal = (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-6)
        torch.testing.assert_close(seen if stream == "video" else heard, x + gate * ffn(normal * (1 + scale) + shift))
    # With feed-forward layers that say nothing, what is left is the stack without joint layers.
    for name, parameter in made.named_parameters():
        if "ffn.2" in name:
            torch.nn.init.zeros_(parameter)
    assert torch.equal(call(made, "removed")[0], call(made, "uni")[0])
    assert torch.equal(call(made, "removed")[1], call(made, "uni")[1])


def test_modes_and_widths_that_are_none_are_refused() -> None:
    with pytest.raises(BadParameter, match="joint mode must be one of"):
        call(layer(opened=False), "open")
    with pytest.raises(BadParameter, match="heads must divide"):
        PerceiverJointAttention(VIDEO, AUDIO, 9, 6, 2)


def test_attention_in_bfloat16_is_that_in_float32_but_for_rounding() -> None:
    q, k, v = (drawn(2, 2, 7, 8, seed=n) for n in range(3))
    torch.testing.assert_close(attend(q.bfloat16(), k.bfloat16(), v.bfloat16()).float(), attend(q, k, v), rtol=0.05, atol=0.05)


def test_time_embeddings_tell_neighbouring_times_apart() -> None:
    table = time_embedding(torch.linspace(0.0, 1.0, 1001), 128)
    assert table.shape == (1001, 128)
    near = torch.cdist(table, table) + 1e3 * torch.eye(1001)
    assert near.min() > 0.5
