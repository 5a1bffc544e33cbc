"""CLIP score between caption and picture (higher is better).

Definition:
    c_i is the cosine between CLIP's embedding of the caption (`open_clip_text`) and of frame i (`open_clip`), of 48 frames from
    the first to the last.

    | variant | caption | value of a clip |
    |---|---|---|
    | `javisbench` (default) | as it is | mean of c_i |
    | `torchmetrics` | as it is | max(100 mean of c_i, 0) |
    | `hessel` | behind "A photo depicts " | mean of 2.5 max(c_i, 0) |

    The score of a run is the mean over clips.
Columns:
    clip_tv: the value. cosine: the mean of c_i.
Range:
    -1 to 1 for `javisbench`, where 0.2 to 0.35 is usual; 0 to 100; 0 to 2.5.
Source:
    github.com/JavisVerse/JavisDiT `eval/javisbench/src/metrics.py` `calc_clip_score` at b505b37; torchmetrics `CLIPScore`;
    Hessel et al., CLIPScore, arXiv:2104.08718.
Differs from the source:
    The last two are defined for a picture; a clip's frames are averaged as the table says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.models.clip import Model
from avbench.types import Array, Better, Features, Item, Metric, Need

Variant = Literal["javisbench", "torchmetrics", "hessel"]

_PREFIX = "A photo depicts "


@dataclass(frozen=True)
class ClipTv(Metric):
    """Mean over clips of the similarity of caption and frames.

    Args:
        variant: See the module.
        model: The CLIP network. `ViT-B-32` is JavisBench's and Hessel's; torchmetrics' own default is `ViT-L-14`.
        frames: How many frames; 48 is JavisBench's.
        network: Which extractor gives the frames' embeddings; the caption's come from the one of that name with `_text`.

    Raises:
        BadParameter: for another variant or model, or less than one frame.
    """

    variant: Variant = "javisbench"
    model: Model = "ViT-B-32"
    frames: int = 48
    network: Literal["open_clip"] = "open_clip"

    name: ClassVar[str] = "clip_tv"
    title: ClassVar[str] = "CLIP score: similarity of caption and picture"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Radford et al., arXiv:2103.00020; javisbench: github.com/JavisVerse/JavisDiT eval/javisbench/src/metrics.py at b505b37"
        "; torchmetrics: torchmetrics.multimodal.CLIPScore; hessel: Hessel et al., arXiv:2104.08718"
    )
    columns: ClassVar[tuple[str, ...]] = ("clip_tv", "cosine")

    def __post_init__(self) -> None:
        super().__post_init__()
        from avbench.registry import needed

        needed(self.extractors()[0])  # refuses a number of frames that is none

    def extractors(self) -> tuple[Need, ...]:
        """CLIP on frames and caption."""
        prefix = _PREFIX if self.variant == "hessel" else ""
        return (
            Need.of(self.network, model=self.model, frames=self.frames),
            Need.of(f"{self.network}_text", model=self.model, prefix=prefix),
        )

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Value and mean cosine: `(2,)`."""
        cosines = self._cosines(got)
        match self.variant:
            case "javisbench":
                value = cosines.mean()
            case "torchmetrics":
                value = max(100.0 * cosines.mean(), 0.0)
            case "hessel":
                value = 2.5 * np.maximum(cosines, 0.0).mean()
        return np.array([value, cosines.mean()], dtype=np.float64)

    def trace(self, item: Item, got: Features, ref: Features | None) -> Mapping[str, Array]:
        """`similarity`: the cosine of each frame."""
        return {"similarity": self._cosines(got)}

    def flags(self, got: Features) -> tuple[str, ...]:
        """`caption_truncated` beyond 77 tokens; `caption_empty`, whose number says nothing."""
        return tuple(f"caption_{fault}" for fault in ("truncated", "empty") if got[f"{self.network}_text.{fault}"])

    def _cosines(self, got: Features) -> NDArray[np.float64]:
        frames, caption = got[f"{self.network}.embedding"], got[f"{self.network}_text.embedding"]
        return np.asarray(frames, dtype=np.float64) @ np.asarray(caption, dtype=np.float64)
