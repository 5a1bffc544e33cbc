"""RelSync: how well sound and picture of a clip fit in time beside those of its reference, by the AVSync classifier.

Definition:
    s is the score that the AVSync classifier (`avsync`) gives picture and sound of a clip of 2 s. RelSync is
    exp(s_generated) / (exp(s_generated) + exp(s_reference)), where either score is of a clip's own picture with its own sound.
    A clip's value is the mean over its clips of 2 s, the n-th with the reference's n-th. A run's is the mean over clips.
Columns:
    relsync: the value. score, reference_score: mean s of either clip. clips: how many of 2 s.
Range:
    0 to 1; higher is better, 0.5 is as well in time as the reference. Papers print it times 100.
Source:
    Zhang et al., arXiv:2403.05659; github.com/lzhangbj/ASVA `avgen/evaluations/eval.py` at 6587938.
Differs from the source:
    It writes exp() out in float32, which is nothing over nothing where both scores are below -103; here the same number is
    worked out from the difference. Its stand-alone script gives the reference's picture the generated clip's sound (or the
    other way round), which is the same where a clip was generated for a given sound (or picture) and carries it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.asva_clips import Picture, Sound
from avbench.errors import BadParameter
from avbench.types import Array, Better, Features, Item, Metric, Need


@dataclass(frozen=True)
class Relsync(Metric):
    """Mean over clips of the share of the generated pair's score.

    Args:
        clips: How many clips of 2 s stand for a clip: 1 is the middle, more are spread from beginning to end.
        picture: The size that the published evaluation brings frames to: 256x256, for The Greatest Hits 128x256.
        sound: See `avbench.asva_clips`.
        network: The extractor that gives the scores.

    Raises:
        BadParameter: for another choice, or less than one clip.
    """

    clips: int = 1
    picture: Picture = "256x256"
    sound: Sound = "packets"
    network: Literal["avsync"] = "avsync"

    name: ClassVar[str] = "relsync"
    title: ClassVar[str] = "RelSync: AVSync classifier's score beside the reference's"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Zhang et al., arXiv:2403.05659; github.com/lzhangbj/ASVA avgen/evaluations/eval.py, "
        "avgen/evaluations/avsync/compute_avsync.py at 6587938"
    )
    columns: ClassVar[tuple[str, ...]] = ("relsync", "score", "reference_score", "clips")
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        from avbench.registry import needed

        needed(self.extractors()[0])  # refuses less than one clip

    def extractors(self) -> tuple[Need, ...]:
        """The classifier on clips of 2 s."""
        return (Need.of(self.network, clips=self.clips, picture=self.picture, sound=self.sound),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Value, mean score of the generated and of the reference clip, number of clips of 2 s: `(4,)`.

        Raises:
            BadParameter: without the reference's features.
        """
        if ref is None:
            raise BadParameter("relsync: the reference clip is needed and None came")
        own, other = (np.asarray(side[f"{self.network}.score"], dtype=np.float64) for side in (got, ref))
        return np.array([share(own, other).mean(), own.mean(), other.mean(), len(own)])


def share(a: Array, b: Array) -> NDArray[np.float64]:
    """exp(a) / (exp(a) + exp(b)), also where exp() has no number.

    >>> share(np.array([0.0, -1000.0]), np.array([0.0, -999.0])).round(4).tolist()
    [0.5, 0.2689]
    """
    half = (np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)) / 2
    return np.asarray(0.5 * (1.0 + np.tanh(half)))
