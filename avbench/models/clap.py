"""CLAP's two towers in both published layouts, LAION's and transformers': sound and text to unit vectors of 512.

Source:
    Y. Wu et al., Large-scale contrastive language-audio pretraining with feature fusion and keyword-to-caption augmentation,
    arXiv:2211.06687; github.com/LAION-AI/CLAP `src/laion_clap/clap_module/model.py` at 1fd4c37;
    github.com/huggingface/transformers `models/clap/modeling_clap.py` at 4.57.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from avbench.errors import BadParameter
from avbench.models.cnn14 import LogMel, Transform
from avbench.models.htsat import HtsAt, Size
from avbench.models.roberta import Roberta
from avbench.weights import read

DIMENSIONS = 512
_ROBERTA = 768
_AUDIO: dict[Size, int] = {"tiny": 768, "base": 1024}

AUDIO_UNUSED = (
    "logit_scale",
    "text_",
    "audio_transform.",
    "audio_branch.tscam_conv.",
    "audio_branch.head.",
    "audio_branch.patch_embed.mel_conv2d.",
    "audio_branch.patch_embed.fusion_model.",
)
"""Prefixes that the audio tower leaves over: temperatures, the text tower, a projection and a class head that training alone
used, and in the fusion checkpoint what only clips of more than 10 s go through."""
TEXT_UNUSED = ("logit_scale", "audio_", "text_transform.")
"""Prefixes that the text tower leaves over: temperatures, the audio tower, a projection that training alone used."""
FRONT_END = ("audio_branch.spectrogram_extractor.", "audio_branch.logmel_extractor.")
"""Prefixes of LAION's own front end, which the fusion checkpoint's reference and transformers do not use."""

_INDICES = ("relative_position_index", "attn_mask", "position_ids", "token_type_ids")
"""Buffers that follow from the shapes; files hold them or not."""
_RENAMED = (
    (r"^audio_model\.audio_encoder\.batch_norm\.", "audio_branch.bn0."),
    (r"^audio_model\.audio_encoder\.", "audio_branch."),
    (r"^text_model\.", "text_branch."),
    (r"^((?:audio|text)_projection)\.linear1\.", r"\1.0."),
    (r"^((?:audio|text)_projection)\.linear2\.", r"\1.2."),
    (r"^(audio_branch\..*)\.layernorm_before\.", r"\1.norm1."),
    (r"^(audio_branch\..*)\.layernorm_after\.", r"\1.norm2."),
    (r"^(audio_branch\..*)\.attention\.self\.", r"\1.attn."),
    (r"^(audio_branch\..*)\.attention\.output\.dense\.", r"\1.attn.proj."),
    (r"^(audio_branch\..*)\.intermediate\.dense\.", r"\1.mlp.fc1."),
    (r"^(audio_branch\..*)\.output\.dense\.", r"\1.mlp.fc2."),
)


class AudioTower(nn.Module):
    """A log mel spectrogram, or 10 s of samples, to a unit vector.

    Args:
        size: Of HTS-AT.
        front_end: Whether samples come and the checkpoint's own transform and mel bands are used.
    """

    def __init__(self, size: Size, *, front_end: bool) -> None:
        super().__init__()
        self.front_end = ("spectrogram_extractor", "logmel_extractor") if front_end else ()
        self.audio_branch = HtsAt(size)
        if front_end:
            self.audio_branch.add_module("spectrogram_extractor", Transform(1024, 480))
            self.audio_branch.add_module("logmel_extractor", LogMel(513))
        self.audio_projection = _projection(_AUDIO[size])

    def forward(self, sound: Tensor) -> Tensor:
        """`(B, 480000)` samples at 48 kHz, or `(B, 1001, 64)` dB, to `(B, 512)`."""
        for step in self.front_end:
            sound = self.audio_branch.get_submodule(step)(sound)
        return functional.normalize(self.audio_projection(self.audio_branch(sound)), dim=-1)


class TextTower(nn.Module):
    """Tokens to a unit vector.

    Args:
        eps: See `Roberta`.
    """

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.text_branch = Roberta(eps)
        self.text_projection = _projection(_ROBERTA)

    def forward(self, tokens: Tensor) -> Tensor:
        """`(B, n)` int64, see `Roberta`, to `(B, 512)`."""
        return functional.normalize(self.text_projection(self.text_branch(tokens)), dim=-1)


def _projection(inputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, DIMENSIONS), nn.ReLU(), nn.Linear(DIMENSIONS, DIMENSIONS))


# ------------------------------------------------------------------ published files


def read_transformers(path: Path) -> dict[str, Tensor]:
    """The tensors of `pytorch_model.bin` or `model.safetensors` under LAION's names.

    Raises:
        BadParameter: if it is no checkpoint that is safe to load.
    """
    state = {}
    for key, value in read(path).items():
        name = key
        for pattern, replacement in _RENAMED:
            name = re.sub(pattern, replacement, name)
        state[name] = value
    return _joined(_without_indices(state))


def read_laion(path: Path) -> dict[str, Tensor]:
    """The tensors of a LAION-CLAP file: under `state_dict`, with or without `module.` before each name.

    Raises:
        BadParameter: if it is no checkpoint that is safe to load, or has no state under `state_dict`.
    """
    with torch.serialization.safe_globals(_scalar_pickles()):
        state = read(path).get("state_dict")
    if not isinstance(state, Mapping):
        raise BadParameter(f"{path}: not a checkpoint of LAION-CLAP: it has no state under 'state_dict'")
    return _without_indices({str(key).removeprefix("module."): value for key, value in state.items()})


def _without_indices(state: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if not key.endswith(_INDICES)}


def _joined(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Query, key and value of HTS-AT's attention in one layer, as LAION has them."""
    found = [key for key in state if re.search(r"^audio_branch\..*\.attn\.query\.", key)]
    for key in found:
        parts = [key.replace(".query.", f".{part}.") for part in ("query", "key", "value")]
        if all(part in state for part in parts):
            state[key.replace(".query.", ".qkv.")] = torch.cat([state.pop(part) for part in parts])
    return state


def _scalar_pickles() -> list[Any]:
    """What the training's counters refer to, which lie beside the state: NumPy numbers, under the names of NumPy 1 and 2."""
    import _codecs

    from numpy._core.multiarray import scalar

    kinds = (np.dtypes.Float64DType, np.dtypes.Float32DType, np.dtypes.Int64DType)
    return [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, *kinds, _codecs.encode]
