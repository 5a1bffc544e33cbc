"""Inception score of PANNs Cnn14's class posteriors of a set of sounds (no unit).

Definition:
    Cnn14 at 16 kHz (`panns_cnn14_16k`) sees each clip as `chain` prepares it.
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
    Salimans et al., arXiv:1606.03498; github.com/hkchengrex/av-benchmark av_bench/metrics/isc.py at 050a5cd;
    github.com/haoheliu/audioldm_eval at 8dc07ee.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.inception import InceptionScore
from avbench.types import Features, Need


@dataclass(frozen=True)
class IsPanns(InceptionScore):
    """Inception score of PANNs Cnn14's posteriors.

    Args:
        splits: Parts of the set; also the fewest clips that make a score.
        seed: Of the permutation before the set is cut; None keeps the order.
        chain: `av_benchmark`: channels averaged, first 8 s. `audioldm_eval`: first channel, whole clip.

    Raises:
        BadParameter: for fewer than one split.
    """

    chain: Literal["av_benchmark", "audioldm_eval"] = "av_benchmark"

    name: ClassVar[str] = "is_panns"
    title: ClassVar[str] = "Inception score of PANNs Cnn14's class posteriors"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Salimans et al., arXiv:1606.03498; "
        "github.com/hkchengrex/av-benchmark av_bench/metrics/isc.py at 050a5cd; github.com/haoheliu/audioldm_eval at 8dc07ee"
    )

    def extractors(self) -> tuple[Need, ...]:
        """Cnn14 at 16 kHz."""
        return (Need.of("panns_cnn14_16k", chain=self.chain),)

    def logits(self, got: Features) -> NDArray[np.floating]:
        """The logits of one clip: (527,)."""
        return np.asarray(got["panns_cnn14_16k.logits"])
