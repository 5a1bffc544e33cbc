"""CLAP's two towers, of transformers, with the weights of both published layouts: sound and text to unit vectors of 512.

HTS-AT is a Swin transformer over 1001 frames of 64 mel bands in decibels, RoBERTa-base reads the caption. LAION's layout has
other names for the same tensors, query, key and value of HTS-AT's attention in one, and brings its own spectrogram.

Source:
    Y. Wu et al., Large-scale contrastive language-audio pretraining with feature fusion and keyword-to-caption augmentation,
    arXiv:2211.06687; K. Chen et al., HTS-AT, arXiv:2202.00874; github.com/LAION-AI/CLAP `src/laion_clap/clap_module/model.py`
    at 1fd4c37; transformers `models/clap`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from avbench.errors import BadParameter
from avbench.models.cnn14 import LogMel, Transform
from avbench.torchvision_guard import ensure_torchvision
from avbench.weights import read

Size = Literal["tiny", "base"]

PAD = 1
"""Token that fills up short captions."""

_AUDIO: Mapping[Size, Mapping[str, Any]] = {
    "tiny": {"hidden_size": 768, "patch_embeds_hidden_size": 96, "depths": (2, 2, 6, 2)},
    "base": {"hidden_size": 1024, "patch_embeds_hidden_size": 128, "depths": (2, 2, 12, 2)},
}
_TEXT: Mapping[str, Any] = {"num_hidden_layers": 12, "attn_implementation": "eager"}
_ENCODER = "audio_model.audio_encoder."

AUDIO_UNUSED = (
    "logit_scale",
    "text_",
    "audio_transform.",
    *(_ENCODER + part for part in ("tscam_conv.", "head.", "patch_embed.mel_conv2d.", "patch_embed.fusion_model.")),
)
"""Prefixes that the audio tower leaves over: temperatures, the text tower, a projection and a class head that training alone
used, and in the fusion checkpoint what only clips of more than 10 s go through."""
TEXT_UNUSED = ("logit_scale", "audio_", "text_transform.")
"""Prefixes that the text tower leaves over: temperatures, the audio tower, a projection that training alone used."""
FRONT_END = (_ENCODER + "spectrogram_extractor.", _ENCODER + "logmel_extractor.")
"""Prefixes of LAION's own front end, which the fusion checkpoint's reference and transformers do not use."""

_INDICES = ("relative_position_index", "attn_mask", "position_ids", "token_type_ids")
"""Buffers that follow from the shapes; files hold them or not."""
_PARTS = ("query", "key", "value")
_RENAMED = (
    (r"^audio_branch\.bn0\.", _ENCODER + "batch_norm."),
    (r"^audio_branch\.", _ENCODER),
    (r"^text_branch\.", "text_model."),
    (r"^((?:audio|text)_projection)\.0\.", r"\1.linear1."),
    (r"^((?:audio|text)_projection)\.2\.", r"\1.linear2."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.attn\.", ".attention.self."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
)
"""LAION's names to those of transformers, one after another."""


class AudioTower(nn.Module):
    """A log mel spectrogram, or 10 s of samples, to a unit vector.

    Args:
        size: Of HTS-AT.
        front_end: Whether samples come and the checkpoint's own transform and mel bands are used.
    """

    def __init__(self, size: Size, *, front_end: bool) -> None:
        ensure_torchvision()
        from transformers import ClapAudioConfig
        from transformers.models.clap import modeling_clap as clap

        super().__init__()
        config = ClapAudioConfig(**_AUDIO[size])
        network = clap.ClapAudioModelWithProjection(config)
        self.audio_model, self.audio_projection = network.audio_model, network.audio_projection
        self.front_end = ("spectrogram_extractor", "logmel_extractor") if front_end else ()
        if front_end:
            self.audio_model.audio_encoder.add_module("spectrogram_extractor", Transform(1024, 480))
            self.audio_model.audio_encoder.add_module("logmel_extractor", LogMel(513))
        with torch.device("cpu"):
            one = clap.ClapAudioSelfAttention(config, 1, 1, config.window_size)  # type: ignore[no-untyped-call]
        _set_indices(self, {"relative_position_index": one.relative_position_index})

    def forward(self, sound: Tensor) -> Tensor:
        """`(B, 480000)` samples at 48 kHz, or `(B, 1001, 64)` dB, to `(B, 512)`."""
        for step in self.front_end:
            sound = self.audio_model.audio_encoder.get_submodule(step)(sound)
        pooled = self.audio_model(sound[:, None]).pooler_output
        return functional.normalize(self.audio_projection(pooled), dim=-1)


class TextTower(nn.Module):
    """Tokens to a unit vector.

    Args:
        eps: Added to variances by every layer norm. LAION-CLAP has RoBERTa's own 1e-5, transformers' CLAP 1e-12.
    """

    def __init__(self, eps: float) -> None:
        ensure_torchvision()
        from transformers import ClapTextConfig, ClapTextModelWithProjection

        super().__init__()
        config = ClapTextConfig(layer_norm_eps=eps, **_TEXT)
        network = ClapTextModelWithProjection(config)
        self.text_model, self.text_projection = network.text_model, network.text_projection
        with torch.device("cpu"):
            places = torch.arange(config.max_position_embeddings)[None]
            _set_indices(self, {"position_ids": places, "token_type_ids": torch.zeros_like(places)})

    def forward(self, tokens: Tensor) -> Tensor:
        """`(B, n)` int64 with `PAD` behind each text, n at most 512, to `(B, 512)`."""
        pooled = self.text_model(tokens, attention_mask=(tokens != PAD).long()).pooler_output
        return functional.normalize(self.text_projection(pooled), dim=-1)


def _set_indices(network: nn.Module, buffers: Mapping[str, Tensor]) -> None:
    """Buffers that follow from the shapes are there also if the network is built on `meta`, and are not looked for in files."""
    for module in network.modules():
        for name in buffers.keys() & dict(module.named_buffers(recurse=False)).keys():
            module.register_buffer(name, buffers[name], persistent=False)


# ------------------------------------------------------------------ published files


def read_transformers(path: Path) -> dict[str, Tensor]:
    """The tensors of `pytorch_model.bin` or `model.safetensors`.

    Raises:
        BadParameter: if it is no checkpoint that is safe to load.
    """
    return {str(key): value for key, value in read(path).items() if not str(key).endswith(_INDICES)}


def read_laion(path: Path) -> dict[str, Tensor]:
    """The tensors of a LAION-CLAP file under transformers' names; there they have `module.` before their names, or not.

    Raises:
        BadParameter: if it is no checkpoint that is safe to load, or has no state under `state_dict`.
    """
    with torch.serialization.safe_globals(_scalar_pickles()):
        state = read(path).get("state_dict")
    if not isinstance(state, Mapping):
        raise BadParameter(f"{path}: not a checkpoint of LAION-CLAP: it has no state under 'state_dict'")
    renamed = {}
    for key, value in state.items():
        name = str(key).removeprefix("module.")
        if name.endswith(_INDICES):
            continue
        for pattern, replacement in _RENAMED:
            name = re.sub(pattern, replacement, name)
        if ".qkv." in name and isinstance(value, Tensor) and value.ndim:
            renamed.update({name.replace("qkv", part): rows for part, rows in zip(_PARTS, value.tensor_split(3), strict=True)})
        else:
            renamed[name] = value
    return renamed


def _scalar_pickles() -> list[Any]:
    """What the training's counters refer to, which lie beside the state: NumPy numbers, under the names of NumPy 1 and 2."""
    import _codecs

    from numpy._core.multiarray import scalar

    kinds = (np.dtypes.Float64DType, np.dtypes.Float32DType, np.dtypes.Int64DType)
    return [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, *kinds, _codecs.encode]
