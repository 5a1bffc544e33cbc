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
    arXiv:2305.05665 (ImageBind); see `avbench.imagebind_scores.SOURCES`.
Differs from the source:
    JavisBench compares the sound with a caption of its own (`audio_text`) where an item has one; here it is always the item's
    caption.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from avbench.imagebind_scores import CaptionScore


@dataclass(frozen=True)
class IbTa(CaptionScore):
    """Mean cosine of ImageBind's embeddings of caption and sound; parameters as of `CaptionScore`."""

    stream: ClassVar[Literal["audio", "video"]] = "audio"

    name: ClassVar[str] = "ib_ta"
    title: ClassVar[str] = "ImageBind score: cosine of caption and sound"
    revision: ClassVar[int] = 1
    columns: ClassVar[tuple[str, ...]] = ("ib_ta",)
