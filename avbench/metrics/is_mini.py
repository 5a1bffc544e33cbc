"""Inception score of `mini_audio`'s class posteriors of a set of sounds (no unit).

Definition:
    The small network of avbench (`mini_audio`) gives each whole clip 15 class scores. The clips are permuted once, cut into
    `splits` parts, and a part scores exp(mean over its clips of KL(p || mean p)) with p the softmax of the scores; the score is
    the mean over the parts (`posteriors.inception_score`).

    There is one part unless more are asked for, where the published codes have 10: a tenth of the 150 test clips of `synth15`
    would hold as many clips as there are classes.
Shapes:
    row: the logits (15,).
Range:
    1 to 15, higher is better: 15 if the network is sure of each clip and all classes are equally often.
Few clips:
    At most the number of clips of a part, and grows with it: compare equal numbers of clips and splits only. Fewer clips than
    splits, or one clip, have no score.
Order of the clips:
    Matters with more than one split, through the permutation; not with one.
Limits:
    The network was trained on the sounds of suite `synth15` alone. Never comparable with a score on a published network.
Source:
    Salimans et al., arXiv:1606.03498, for the score; the network is trained by this repository.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench.inception import InceptionScore
from avbench.types import Features, Need


@dataclass(frozen=True)
class IsMini(InceptionScore):
    """Inception score of `mini_audio`'s posteriors.

    Args:
        splits: Parts of the set.
        seed: Of the permutation before the set is cut; None keeps the order.

    Raises:
        BadParameter: for fewer than one split.
    """

    splits: int = 1

    name: ClassVar[str] = "is_mini"
    title: ClassVar[str] = "Inception score of class posteriors of avbench's own small network"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "Salimans et al., arXiv:1606.03498, on a network of this repository (avbench/mini/mini_audio.md)"
    minimum: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "minimum", max(2, self.splits))

    def extractors(self) -> tuple[Need, ...]:
        """The small network for sound."""
        return (Need.of("mini_audio"),)

    def logits(self, got: Features) -> NDArray[np.floating]:
        """The class scores of one clip: (15,)."""
        return np.asarray(got["mini_audio.logits"])
