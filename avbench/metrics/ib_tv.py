"""ImageBind score of caption and picture (IB-TV): whether what is seen is what was asked for.

Definition:
    The cosine between ImageBind's embeddings of the item's caption (`imagebind_text`) and of the clip's picture
    (`imagebind_video`); the number of a run is the mean over clips.

    | variant | captions of more than 77 tokens | times |
    |---|---|---|
    | `jointdit` (default) | keep their end token, as ImageBind today | 100 |
    | `javisbench` | lose it, as in JavisDiT's copy | 1 |
Range:
    -1 to 1, -100 to 100 for `jointdit`; higher is better.
Source:
    arXiv:2305.05665 (ImageBind); see `SOURCES`.
Differs from the source:
    JointDiT does not publish its code; that it samples frames as ImageBind's own loader does is an assumption.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.imagebind import Positions, caption_flags, cosine
from avbench.types import Better, Features, Item, Metric, Need

SOURCES: Mapping[str, str] = {
    "jointdit": "Table of the JointDiT paper (x100), no code published",
    "javisbench": "github.com/JavisVerse/JavisDiT eval/javisbench/src/metrics.py at b505b37",
}


@dataclass(frozen=True)
class IbTv(Metric):
    """Mean cosine of ImageBind's embeddings of caption and picture.

    Args:
        variant: See the module.
        positions: Where the spans of 2 s begin, see `avbench.imagebind.Positions`.
        network: The extractors `<network>_text` and `<network>_video`.

    Raises:
        BadParameter: for another choice.
    """

    variant: Literal["jointdit", "javisbench"] = "jointdit"
    positions: Positions = "pinned"
    network: Literal["imagebind"] = "imagebind"

    name: ClassVar[str] = "ib_tv"
    title: ClassVar[str] = "ImageBind score: cosine of caption and picture"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "; ".join(f"{k}: {v}" for k, v in SOURCES.items())
    columns: ClassVar[tuple[str, ...]] = ("ib_tv",)

    def extractors(self) -> tuple[Need, ...]:
        """Caption and picture of the clip."""
        truncation = "javisbench" if self.variant == "javisbench" else "imagebind"
        return (
            Need.of(f"{self.network}_text", truncation=truncation),
            Need.of(f"{self.network}_video", positions=self.positions),
        )

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """The clip's cosine, times 100 for `jointdit`: `(1,)`."""
        found = cosine(got[f"{self.network}_text.embedding"], got[f"{self.network}_video.embedding"])
        return np.array([found * (100.0 if self.variant == "jointdit" else 1.0)])

    def flags(self, got: Features) -> tuple[str, ...]:
        """`caption_truncated`, `caption_empty`."""
        return caption_flags(got, f"{self.network}_text")
