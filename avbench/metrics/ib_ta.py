"""ImageBind score of caption and sound (IB-TA): whether what is heard is what was asked for.

Definition:
    The cosine between ImageBind's embeddings of the item's caption (`imagebind_text`) and of the clip's sound
    (`imagebind_audio`); the number of a run is the mean over clips.

    | variant | captions of more than 77 tokens | times |
    |---|---|---|
    | `jointdit` (default) | keep their end token, as ImageBind today | 100 |
    | `javisbench` | lose it, as in JavisDiT's copy | 1 |
Range:
    -1 to 1, -100 to 100 for `jointdit`; higher is better.
Source:
    arXiv:2305.05665 (ImageBind); see `SOURCES`.
Differs from the source:
    JavisBench compares the sound with a caption of its own (`audio_text`) where an item has one; here it is always the item's
    caption.
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
class IbTa(Metric):
    """Mean cosine of ImageBind's embeddings of caption and sound.

    Args:
        variant: See the module.
        positions: Where the pieces of 2 s begin, see `avbench.imagebind.Positions`.
        network: The extractors `<network>_text` and `<network>_audio`.

    Raises:
        BadParameter: for another choice.
    """

    variant: Literal["jointdit", "javisbench"] = "jointdit"
    positions: Positions = "pinned"
    network: Literal["imagebind"] = "imagebind"

    name: ClassVar[str] = "ib_ta"
    title: ClassVar[str] = "ImageBind score: cosine of caption and sound"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "; ".join(f"{k}: {v}" for k, v in SOURCES.items())
    columns: ClassVar[tuple[str, ...]] = ("ib_ta",)

    def extractors(self) -> tuple[Need, ...]:
        """Caption and sound of the clip."""
        truncation = "javisbench" if self.variant == "javisbench" else "imagebind"
        return (
            Need.of(f"{self.network}_text", truncation=truncation),
            Need.of(f"{self.network}_audio", positions=self.positions),
        )

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """The clip's cosine, times 100 for `jointdit`: `(1,)`."""
        found = cosine(got[f"{self.network}_text.embedding"], got[f"{self.network}_audio.embedding"])
        return np.array([found * (100.0 if self.variant == "jointdit" else 1.0)])

    def flags(self, got: Features) -> tuple[str, ...]:
        """`caption_truncated`, `caption_empty`."""
        return caption_flags(got, f"{self.network}_text")
