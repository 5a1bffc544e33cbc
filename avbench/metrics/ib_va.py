"""ImageBind score of picture and sound (IB-VA, IB-AV): whether what is heard belongs to what is seen.

Definition:
    The cosine between ImageBind's embeddings of a clip's picture (`imagebind_video`) and of its sound (`imagebind_audio`); the
    number of a run is the mean over clips.

    | variant | picture | times |
    |---|---|---|
    | `jointdit` (default) | first and last frame of 5 spans of 2 s, in 3 places | 100 |
    | `javisbench` | the same | 1 |
    | `av_benchmark` | neighbours among the frames at 0.5 per second, in 3 places; first 8 s | 1 |

    The whole sound is used in each: three pieces of 2 s.
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

from avbench import imagebind_scores, joint_space
from avbench.imagebind import Positions, cosine
from avbench.joint_space import Network
from avbench.types import Better, Features, Item, Metric, Need

SOURCES: Mapping[str, str] = {
    **imagebind_scores.SOURCES,
    "av_benchmark": "github.com/hkchengrex/av-benchmark av_bench/evaluate.py, extract_video.py at 050a5cd",
}


@dataclass(frozen=True)
class IbVa(Metric):
    """Mean cosine of ImageBind's embeddings of picture and sound.

    Args:
        variant: See the module.
        positions: Where the pieces of 2 s begin, see `avbench.imagebind.Positions`; the frames of `av_benchmark` do not depend
            on it, its sound does.
        network: Whose embeddings, see `avbench.joint_space`.

    Raises:
        BadParameter: for another choice.
    """

    variant: Literal["jointdit", "javisbench", "av_benchmark"] = "jointdit"
    positions: Positions = "pinned"
    network: Network = "imagebind"

    name: ClassVar[str] = "ib_va"
    title: ClassVar[str] = "ImageBind score: cosine of picture and sound"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "; ".join(f"{k}: {v}" for k, v in SOURCES.items())
    columns: ClassVar[tuple[str, ...]] = ("ib_va",)

    def __post_init__(self) -> None:
        super().__post_init__()
        joint_space.refuse_settings(self, self.network)

    def extractors(self) -> tuple[Need, ...]:
        """Picture and sound of the clip."""
        video = {"clips": "av_benchmark"} if self.variant == "av_benchmark" else {"positions": self.positions}
        return joint_space.needs(self.network, {"video": video, "audio": {"positions": self.positions}})

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """The clip's cosine, times 100 for `jointdit`: `(1,)`."""
        found = cosine(*(joint_space.embedding(got, self.network, part) for part in ("video", "audio")))
        return np.array([found * imagebind_scores.TIMES.get(self.variant, 1.0)])
