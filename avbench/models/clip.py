"""CLIP networks of open_clip, from the files as they are published.

The architecture is the library's own; the weights are read here, so that nothing is downloaded behind a user's back, every key
is accounted for, and OpenAI's half-precision values are used in float32 as OpenAI's own code does on a CPU.

Source:
    Radford et al., Learning transferable visual models from natural language supervision, arXiv:2103.00020;
    github.com/mlfoundations/open_clip (`open_clip_torch`), whose `pretrained.py` lists files, activation and normalisation.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from avbench import torchvision_guard
from avbench.errors import BadParameter
from avbench.types import Checkpoint

if TYPE_CHECKING:
    from torch import nn

Model = Literal["ViT-B-32", "ViT-B-16", "ViT-L-14", "ViT-B-32-laion2b", "ViT-H-14-laion2b"]

CONFIGURATIONS: Mapping[Model, str] = {
    # OpenAI's networks use x * sigmoid(1.702 x) where later ones use GELU; the keys do not show which
    "ViT-B-32": "ViT-B-32-quickgelu",
    "ViT-B-16": "ViT-B-16-quickgelu",
    "ViT-L-14": "ViT-L-14-quickgelu",
    "ViT-B-32-laion2b": "ViT-B-32",
    "ViT-H-14-laion2b": "ViT-H-14",
}
"""open_clip's name of the architecture."""
UNUSED = ("input_resolution", "context_length", "vocab_size")
"""Keys of OpenAI's archives that hold settings and no weights."""


def _openai(file: str, sha256: str) -> Checkpoint:
    return Checkpoint(file, (f"https://openaipublic.azureedge.net/clip/models/{sha256}/{file}",), "MIT", sha256)


def _laion(name: str) -> Checkpoint:
    url = f"https://huggingface.co/laion/{name}/resolve/main/open_clip_model.safetensors"
    return Checkpoint(f"{name}.safetensors", (url,), "MIT")


FILES: Mapping[Model, Checkpoint] = {
    "ViT-B-32": _openai("ViT-B-32.pt", "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"),
    "ViT-B-16": _openai("ViT-B-16.pt", "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f"),
    "ViT-L-14": _openai("ViT-L-14.pt", "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"),
    "ViT-B-32-laion2b": _laion("CLIP-ViT-B-32-laion2B-s34B-b79K"),
    "ViT-H-14-laion2b": _laion("CLIP-ViT-H-14-laion2B-s32B-b79K"),
}
"""LAION publishes every network as `open_clip_model.safetensors`; here each is named after its repository."""


def clip(model: Model, weights: Path | None, part: Literal["visual", "text"]) -> nn.Module:
    """The picture's or the caption's half of a network, in float32.

    Args:
        model: Which one.
        weights: Its file: OpenAI's TorchScript archive, safetensors, or a torch file of tensors.
        part: What is kept.

    Returns:
        For `visual` `(n, 3, 224, 224)` to `(n, d)`; for `text` the whole network without its picture half, whose
        `encode_text` takes tokens `(n, 77)`.

    Raises:
        BadParameter: if there is no file, or its keys or shapes are not those of the network.
    """
    import torch

    from avbench.models.loading import load_exactly

    if weights is None:
        raise BadParameter(f"open_clip: the weights of {model} are needed and None came")
    library = torchvision_guard.open_clip()
    with torch.device("meta"):  # its own initial values would take seconds
        network = library.CLIP(**library.get_model_config(CONFIGURATIONS[model]))
    load_exactly(network, _state(weights), weights, UNUSED)
    # no file holds it: no token sees a later one
    network.attn_mask = torch.full(network.attn_mask.shape, float("-inf")).triu(1)
    if part == "visual":
        kept: nn.Module = network.visual
        return kept
    del network.visual
    whole: nn.Module = network
    return whole


def _state(weights: Path) -> dict[str, Any]:
    """The tensors of a file by name; of an archive, those that its program holds, none of which is run."""
    import torch

    from avbench.models.loading import is_torchscript
    from avbench.weights import read

    if not is_torchscript(weights):
        return read(weights)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)  # OpenAI publishes no other form
        archive = torch.jit.load(str(weights), map_location="cpu")  # type: ignore[no-untyped-call]
    return {key: value.float() if value.is_floating_point() else value for key, value in archive.state_dict().items()}
