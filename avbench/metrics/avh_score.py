"""AVHScore: how well every single frame belongs to the sound of the clip, by ImageBind.

Definition:
    The mean over all decoded frames of the cosine between ImageBind's embedding of the frame (`imagebind_frames`) and of the
    whole sound (`imagebind_audio`); the number of a run is the mean over clips.
Range:
    -1 to 1; higher is better.
Source:
    arXiv:2404.14381 (TAVGBench), which publishes no code for it; github.com/JavisVerse/JavisDiT
    `eval/javisbench/src/metrics.py` at b505b37.
Differs from the source:
    The first tables of TAVGBench and JavisDiT show values of about 0.8; how they were scaled is not known. This code, and the
    later tables, give about 0.1 to 0.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench import joint_space
from avbench.imagebind import Positions, cosine
from avbench.joint_space import Network
from avbench.types import Array, Better, Features, Item, Metric, Need


@dataclass(frozen=True)
class AvhScore(Metric):
    """Mean cosine of ImageBind's embeddings of every frame and of the whole sound.

    Args:
        positions: Where the three pieces of the sound begin, see `avbench.imagebind.Positions`.
        network: Whose embeddings, see `avbench.joint_space`.

    Raises:
        BadParameter: for another choice.
    """

    positions: Positions = "pinned"
    network: Network = "imagebind"

    name: ClassVar[str] = "avh_score"
    title: ClassVar[str] = "AVHScore: cosine of every frame with the whole sound"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "TAVGBench, arXiv:2404.14381; github.com/JavisVerse/JavisDiT eval/javisbench/src/metrics.py at b505b37"
    )
    columns: ClassVar[tuple[str, ...]] = ("avh_score", "frames")

    def __post_init__(self) -> None:
        super().__post_init__()
        joint_space.refuse_settings(self, self.network)

    def extractors(self) -> tuple[Need, ...]:
        """Every frame, and the sound."""
        return joint_space.needs(self.network, {"frames": {}, "audio": {"positions": self.positions}})

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """The clip's score and how many frames it is made of: `(2,)`."""
        found = self._cosines(got)
        return np.array([found.mean(), len(found)])

    def trace(self, item: Item, got: Features, ref: Features | None) -> Mapping[str, Array]:
        """The cosine of each frame, and its time in seconds."""
        return {"frame_cosines": self._cosines(got), "frame_times": joint_space.frame_times(got, self.network)}

    def _cosines(self, got: Features) -> NDArray[np.float64]:
        frames, sound = (joint_space.embedding(got, self.network, part) for part in ("frames", "audio"))
        return cosine(frames, sound)
