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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench import stats
from avbench.errors import BadParameter
from avbench.posteriors import SEED, inception_score
from avbench.types import Better, Features, Item, Metric, Need


@dataclass(frozen=True)
class IsMelception(Metric):
    """Inception score of Melception's posteriors.

    Args:
        splits: Parts of the set; also the fewest clips that make a score.
        seed: Of the permutation before the set is cut; None keeps the order.
        frames: Frames of the spectrogram, see `melception`.
        resample: False takes any rate for 22050 Hz as the source does, see `melception`.

    Raises:
        BadParameter: for fewer than one split.
    """

    splits: int = 10
    seed: int | None = SEED
    frames: Literal[848, 860] = 848
    resample: bool = True

    name: ClassVar[str] = "is_melception"
    title: ClassVar[str] = "Inception score of Melception's class posteriors"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Salimans et al., arXiv:1606.03498; github.com/v-iashin/SpecVQGAN evaluation/metrics/isc.py at 33c601d"
    )
    columns: ClassVar[tuple[str, ...]] = ()
    needs_all: ClassVar[bool] = True
    minimum: ClassVar[int] = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.splits < 1:
            raise BadParameter(f"is_melception: splits must be 1 or more, got {self.splits}")
        object.__setattr__(self, "minimum", self.splits)

    def extractors(self) -> tuple[Need, ...]:
        """Melception on the first 10 s."""
        return (Need.of("melception", frames=self.frames, resample=self.resample),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """The logits without bias of one clip: (309,)."""
        return np.asarray(got["melception.logits_unbiased"], dtype=np.float64)

    def score(self, rows: NDArray[np.float64], ref_rows: NDArray[np.float64] | None) -> float:
        """The score of rows (n, 309).

        Raises:
            Unscorable: `too_short` with fewer rows than splits.
        """
        return inception_score(rows, splits=self.splits, seed=self.seed)[0]

    def interval(
        self, rows: Sequence[NDArray[np.float64]], ref_rows: Sequence[NDArray[np.float64]] | None, *, seed: int
    ) -> tuple[float, float, str]:
        """From halves of the clips around the score, see `stats.subset_interval`; none if halves are too few for the splits."""
        if len(rows) // 2 < self.splits:
            return float("nan"), float("nan"), f"none: halves of {len(rows)} clips are fewer than {self.splits} splits"
        return stats.subset_interval(self.score, rows, None, seed=seed)
