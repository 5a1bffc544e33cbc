"""CLIP's view of a caption: a unit vector.

Input:
    The caption through CLIP's tokenizer (lower case, byte pairs); 77 tokens with those of start and end, a longer caption cut
    and ended. An empty caption is the two of them alone.
Source:
    Radford et al., arXiv:2103.00020; github.com/JavisVerse/JavisDiT `eval/javisbench/src/metrics.py` `calc_clip_score` at
    b505b37.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from avbench.clip_input import NO_WORDS, TOKENS, tokens
from avbench.models.clip import FILES, Model
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

_BLOCK = 256
"""Captions come as bytes filled to a multiple of this, so that those of a batch have one shape."""


@dataclass(frozen=True)
class OpenClipText(Extractor):
    """CLIP embedding of a caption.

    Layers: `embedding` (d,) float32 of length 1; `truncated` and `empty` () uint8, 1 if the caption was cut, or is nothing.

    Args:
        model: The network, see `open_clip`.
        prefix: Put before the caption.

    Raises:
        BadParameter: for another model.
    """

    model: Model = "ViT-B-32"
    prefix: str = ""

    name: ClassVar[str] = "open_clip_text"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("embedding", "truncated", "empty")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("text",)
    packages: ClassVar[tuple[str, ...]] = ("ftfy", "numpy", "open_clip_torch", "regex", "torch")
    weights: ClassVar[Checkpoint | None] = FILES["ViT-B-32"]
    alternatives: ClassVar[tuple[Checkpoint, ...]] = tuple(FILES[m] for m in FILES if m != "ViT-B-32")
    batch_size: ClassVar[int] = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "weights", FILES[self.model])

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip; its frames and sound are not used."""
        return _Caption(info.text)

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network, ready on `device`: `bytes` (clips, n) uint8 and `length` (clips,) of captions to the layers.

        Raises:
            BadParameter: if the file is not that network's.
        """
        import torch

        from avbench.models.clip import clip

        network: Any = clip(self.model, weights, "text").to(device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            rows = zip(batch["bytes"].cpu().numpy(), batch["length"].tolist(), strict=True)
            captions = [bytes(row[:length]).decode() for row, length in rows]
            ids, counts = zip(*(tokens(self.prefix + caption) for caption in captions), strict=True)
            return {
                "embedding": torch.nn.functional.normalize(
                    network.encode_text(torch.tensor(np.stack(ids), device=device)), dim=-1
                ),
                "truncated": torch.tensor([count > TOKENS for count in counts], dtype=torch.uint8),
                "empty": torch.tensor([tokens(caption)[1] == NO_WORDS for caption in captions], dtype=torch.uint8),
            }

        return forward


@dataclass
class _Caption(Preparation):
    text: str

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        """`bytes` (n,) uint8, UTF-8 filled with zeros, and their `length` () int64."""
        encoded = np.frombuffer(self.text.encode("utf-8", "replace"), dtype=np.uint8)
        filled = np.pad(encoded, (0, _BLOCK * max(1, -(-len(encoded) // _BLOCK)) - len(encoded)))
        return {"bytes": filled, "length": np.array(len(encoded), dtype=np.int64)}
