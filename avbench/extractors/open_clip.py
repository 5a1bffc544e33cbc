"""CLIP's view of a clip's picture: one unit vector for each of some frames from the first to the last.

Input:
    `frames` frames at round(linspace(0, n - 1, frames)), repeated where there are fewer; PIL's bicubic filter to a short side
    of 224 in 8 bits, centre crop, the mean and deviation that CLIP was trained with.
Source:
    Radford et al., arXiv:2103.00020; frames: github.com/JavisVerse/JavisDiT `eval/javisbench/src/metrics.py`
    `calc_clip_score` at b505b37.
Differs from the source:
    float32 on every device, where OpenAI's loader uses half precision on a GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from avbench.clip_input import centre_crop, normalised
from avbench.errors import BadParameter
from avbench.frame_choice import ChosenFrames, evenly_spaced
from avbench.models.clip import FILES, Model
from avbench.types import Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation

_AT_ONCE = 64
"""Frames in one forward."""


@dataclass(frozen=True)
class OpenClip(Extractor):
    """CLIP embeddings of frames.

    Layers: `embedding` (frames, d) float32, rows of length 1; d is 512, 768 for ViT-L-14, 1024 for ViT-H-14.

    Args:
        model: The network. `ViT-B-32`, `ViT-B-16`, `ViT-L-14`: OpenAI's; `...-laion2b`: LAION's.
        frames: How many frames.

    Raises:
        BadParameter: for another model, or less than one frame.
    """

    model: Model = "ViT-B-32"
    frames: int = 48

    name: ClassVar[str] = "open_clip"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("embedding",)
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video",)
    packages: ClassVar[tuple[str, ...]] = ("numpy", "open_clip_torch", "pillow", "torch")
    weights: ClassVar[Checkpoint | None] = FILES["ViT-B-32"]
    alternatives: ClassVar[tuple[Checkpoint, ...]] = tuple(FILES[m] for m in FILES if m != "ViT-B-32")
    batch_size: ClassVar[int] = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frames < 1:
            raise BadParameter(f"open_clip: frames must be at least 1, got {self.frames}")
        object.__setattr__(self, "weights", FILES[self.model])

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip."""
        return ChosenFrames(evenly_spaced(info.frames, self.frames), centre_crop)

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network, ready on `device`: `frames` (clips, T, 3, 224, 224) uint8 to the layer.

        Raises:
            BadParameter: if the file is not that network's.
        """
        import torch

        from avbench.models.clip import clip

        network = clip(self.model, weights, "visual").to(device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            frames = batch["frames"]
            parts = [network(normalised(part)) for part in frames.flatten(0, 1).split(_AT_ONCE)]
            made = torch.nn.functional.normalize(torch.cat(parts), dim=-1)
            return {"embedding": made.view(*frames.shape[:2], -1)}

        return forward
