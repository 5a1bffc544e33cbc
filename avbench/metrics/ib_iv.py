"""ImageBind score of the given picture and the made picture (IB-IV): whether a clip shows what it was asked to begin with.

Definition:
    The cosine between ImageBind's embeddings of the picture that the generator was given and of the clip's picture
    (`imagebind_video`), times 100; the number of a run is the mean over clips. The given picture is the first frame of the
    item's reference clip (`imagebind_frames[frames=first]`).
Range:
    -100 to 100; higher is better.
Source:
    arXiv:2305.05665 (ImageBind); the JointDiT paper, no code published.
Differs from the source:
    That the given picture is prepared as ImageBind prepares still pictures, and frames as its loader of videos samples them, is
    an assumption.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from avbench.imagebind_scores import GivenPictureScore


@dataclass(frozen=True)
class IbIv(GivenPictureScore):
    """Mean cosine, times 100, of the given picture and of the clip's picture; parameters as of `GivenPictureScore`."""

    stream: ClassVar[Literal["audio", "video"]] = "video"

    name: ClassVar[str] = "ib_iv"
    title: ClassVar[str] = "ImageBind score: cosine of the given picture and the clip's picture"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "JointDiT's IB-IV (x100), no code published; ImageBind, arXiv:2305.05665"
    columns: ClassVar[tuple[str, ...]] = ("ib_iv",)
