"""Inception score of Melception's class posteriors of a set of sounds (no unit).

Definition:
    Melception (`melception`) sees the first 10 s of each clip, filled with zeros where there is less.
    The clips are permuted once, cut into `splits` parts, and a part scores exp(mean over its clips of KL(p || mean p)) with p
    the softmax of its 309 VGGSound logits without the last layer's bias; the score is the mean over the parts
    (`posteriors.inception_score`).
Shapes:
    row: the logits without bias (309,).
Range:
    1 to 309, higher is better; the classes are VGGSound's.
Few clips:
    Grows with the clips of a part: compare equal numbers of clips and splits only. Fewer clips than splits have no score; the
    published codes answer NaN.
Order of the clips:
    The permutation is of the clips' order, so another order moves the score a little, as in the published codes.
Source:
    Salimans et al., arXiv:1606.03498; github.com/v-iashin/SpecVQGAN evaluation/metrics/isc.py at 33c601d.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.inception import InceptionScore
from avbench.types import Features, Need


@dataclass(frozen=True)
class IsMelception(InceptionScore):
    """Inception score of Melception's posteriors.

    Args:
        splits: Parts of the set; also the fewest clips that make a score.
        seed: Of the permutation before the set is cut; None keeps the order.
        frames: Frames of the spectrogram, see `melception`.
        resample: False takes any rate for 22050 Hz as the source does, see `melception`.

    Raises:
        BadParameter: for fewer than one split.
    """

    frames: Literal[848, 860] = 848
    resample: bool = True

    name: ClassVar[str] = "is_melception"
    title: ClassVar[str] = "Inception score of Melception's class posteriors"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Salimans et al., arXiv:1606.03498; github.com/v-iashin/SpecVQGAN evaluation/metrics/isc.py at 33c601d"
    )

    def extractors(self) -> tuple[Need, ...]:
        """Melception on the first 10 s."""
        return (Need.of("melception", frames=self.frames, resample=self.resample),)

    def logits(self, got: Features) -> NDArray[np.floating]:
        """The logits without bias of one clip: (309,)."""
        return np.asarray(got["melception.logits_unbiased"])
