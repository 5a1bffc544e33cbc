"""ImageBind score of the given picture and the made sound (IB-IA): whether a clip sounds like what it was asked to begin with.

Definition:
    The cosine between ImageBind's embeddings of the picture that the generator was given and of the clip's sound
    (`imagebind_audio`), times 100; the number of a run is the mean over clips. The given picture is the first frame of the
    item's reference clip (`imagebind_frames[frames=first]`).
Range:
    -100 to 100; higher is better.
Source:
    arXiv:2305.05665 (ImageBind); the JointDiT paper, no code published.
Differs from the source:
    That the given picture is prepared as ImageBind prepares still pictures is an assumption.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from avbench.imagebind_scores import GivenPictureScore


@dataclass(frozen=True)
class IbIa(GivenPictureScore):
    """Mean cosine, times 100, of the given picture and of the clip's sound; parameters as of `GivenPictureScore`."""

    stream: ClassVar[Literal["audio", "video"]] = "audio"

    name: ClassVar[str] = "ib_ia"
    title: ClassVar[str] = "ImageBind score: cosine of the given picture and the clip's sound"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "JointDiT's IB-IA (x100), no code published; ImageBind, arXiv:2305.05665"
    columns: ClassVar[tuple[str, ...]] = ("ib_ia",)
