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
    arXiv:2305.05665 (ImageBind); see `avbench.imagebind_scores.SOURCES`.
Differs from the source:
    JointDiT does not publish its code; that it samples frames as ImageBind's own loader does is an assumption.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from avbench.imagebind_scores import CaptionScore


@dataclass(frozen=True)
class IbTv(CaptionScore):
    """Mean cosine of ImageBind's embeddings of caption and picture; parameters as of `CaptionScore`."""

    stream: ClassVar[Literal["audio", "video"]] = "video"

    name: ClassVar[str] = "ib_tv"
    title: ClassVar[str] = "ImageBind score: cosine of caption and picture"
    revision: ClassVar[int] = 1
    columns: ClassVar[tuple[str, ...]] = ("ib_tv",)
