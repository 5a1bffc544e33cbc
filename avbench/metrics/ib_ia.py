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

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter
from avbench.imagebind import Positions, cosine
from avbench.types import Better, Features, Item, Metric, Need


@dataclass(frozen=True)
class IbIa(Metric):
    """Mean cosine, times 100, of ImageBind's embeddings of the given picture and of the clip's sound.

    Args:
        positions: Where the pieces of 2 s begin, see `avbench.imagebind.Positions`.
        network: The extractors `<network>_frames` and `<network>_audio`.

    Raises:
        BadParameter: for another choice.
    """

    positions: Positions = "pinned"
    network: Literal["imagebind"] = "imagebind"

    name: ClassVar[str] = "ib_ia"
    title: ClassVar[str] = "ImageBind score: cosine of the given picture and the clip's sound"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "JointDiT's IB-IA (x100), no code published; ImageBind, arXiv:2305.05665"
    columns: ClassVar[tuple[str, ...]] = ("ib_ia",)
    needs_reference: ClassVar[bool] = True

    def extractors(self) -> tuple[Need, ...]:
        """First frame (of the reference) and sound (of the clip)."""
        return (
            Need.of(f"{self.network}_frames", frames="first"),
            Need.of(f"{self.network}_audio", positions=self.positions),
        )

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """The clip's cosine with the given picture, times 100: `(1,)`.

        Raises:
            BadParameter: without the reference's features.
        """
        if ref is None:
            raise BadParameter("ib_ia: the reference clip, whose first frame was given, is needed and None came")
        found = cosine(ref[f"{self.network}_frames.embedding"][0], got[f"{self.network}_audio.embedding"])
        return np.array([100.0 * found])
