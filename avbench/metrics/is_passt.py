"""Inception score of PaSST's class posteriors of a set of sounds (no unit).

Definition:
    PaSST (`passt`) sees the first `seconds` of each clip, filled with zeros up to 10 s.
    The clips are permuted once, cut into `splits` parts, and a part scores exp(mean over its clips of KL(p || mean p)) with p
    the softmax of its 527 AudioSet logits; the score is the mean over the parts (`posteriors.inception_score`).
Shapes:
    row: the logits (527,).
Range:
    1 to 527, higher is better; 10 and more is common for sets of many kinds of sound.
Few clips:
    Grows with the clips of a part: compare equal numbers of clips and splits only. Fewer clips than splits have no score; the
    published codes answer NaN.
Order of the clips:
    The permutation is of the clips' order, so another order moves the score a little, as in the published codes.
Source:
    Salimans et al., arXiv:1606.03498; github.com/hkchengrex/av-benchmark av_bench/metrics/isc.py at 050a5cd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench.inception import InceptionScore
from avbench.types import Features, Need


@dataclass(frozen=True)
class IsPasst(InceptionScore):
    """Inception score of PaSST's posteriors.

    Args:
        splits: Parts of the set; also the fewest clips that make a score.
        seed: Of the permutation before the set is cut; None keeps the order.
        seconds: What is kept of each clip's beginning, up to 10.

    Raises:
        BadParameter: for fewer than one split.
    """

    seconds: float = 8.0

    name: ClassVar[str] = "is_passt"
    title: ClassVar[str] = "Inception score of PaSST's class posteriors"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Salimans et al., arXiv:1606.03498; github.com/hkchengrex/av-benchmark av_bench/metrics/isc.py at 050a5cd"
    )

    def extractors(self) -> tuple[Need, ...]:
        """PaSST as av-benchmark uses it."""
        return (Need.of("passt", variant="av_benchmark", seconds=self.seconds),)

    def logits(self, got: Features) -> NDArray[np.floating]:
        """The logits of one clip: (527,)."""
        return np.asarray(got["passt.logits"][0])
