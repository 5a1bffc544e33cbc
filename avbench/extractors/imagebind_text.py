"""ImageBind: the embedding of a clip's caption.

Input:
    The caption in lower case as CLIP's byte-pair tokens between a start and an end token, 77 in all, filled up with zeros. An
    empty caption is the start and the end token. Other languages and signs are spelled out in bytes; the network knows English.
Source:
    arXiv:2305.05665; github.com/facebookresearch/ImageBind `imagebind/models/multimodal_preprocessors.py` at 53680b0;
    github.com/JavisVerse/JavisDiT `eval/javisbench/src/ImageBind` at b505b37. The tokens are open_clip's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from avbench.clip_input import tokens
from avbench.imagebind import CHECKPOINT, network
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform


@dataclass(frozen=True)
class ImagebindText(Extractor):
    """The caption embedding of the text tower.

    Layers: `embedding` (1024,) float32, of the tower's learned length; `tokens` () int64, how many the whole caption has, more
    than 77 if words were cut off and 2 if it is empty.

    Unused keys of the checkpoint: the towers of depth, thermal and inertial data.

    Args:
        truncation: What is left of more than 77 tokens. `imagebind`: the first 76 and the end token. `javisbench`: the first
            77; without an end token the network reads at the largest number among them.
        caption: Which caption, see `ClipInfo.caption`.
    """

    truncation: Literal["imagebind", "javisbench"] = "imagebind"
    caption: Literal["text", "audio_text"] = "text"

    name: ClassVar[str] = "imagebind_text"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("embedding", "tokens")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("text",)
    packages: ClassVar[tuple[str, ...]] = ("ftfy", "numpy", "open_clip_torch", "regex", "torch")
    weights: ClassVar[Checkpoint | None] = CHECKPOINT
    batch_size: ClassVar[int] = 16

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip; no frame is wanted."""
        return _Tokens(info.caption(self.caption), self.truncation == "imagebind")

    def load(self, weights: Path | None, device: str) -> Forward:
        """The text tower, ready on `device`: `ids` (clips, 77) and `tokens` (clips,) to the layers.

        Raises:
            BadParameter: if the file is not in ImageBind's layout.
        """
        made = network(weights, "text", device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"embedding": made.text(batch["ids"]), "tokens": batch["tokens"]}

        return forward


@dataclass
class _Tokens(Preparation):
    text: str
    keep_end: bool

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        """`ids` (77,) and `tokens` ()."""
        ids, count = tokens(self.text, self.keep_end)
        return {"ids": ids, "tokens": np.array(count)}
