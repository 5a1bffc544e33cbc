"""What the inception scores share: splits, the seed of their permutation, and halves for the interval."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench import stats
from avbench.errors import BadParameter
from avbench.posteriors import SEED, inception_score
from avbench.types import Better, Features, Item, Metric


@dataclass(frozen=True)
class InceptionScore(Metric):
    """Inception score of a classifier's posteriors; a metric adds the classifier.

    Args:
        splits: Parts of the set; also the fewest clips that make a score.
        seed: Of the permutation before the set is cut; None keeps the order.

    Raises:
        BadParameter: for fewer than one split.
    """

    splits: int = 10
    seed: int | None = SEED

    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    columns: ClassVar[tuple[str, ...]] = ()
    needs_all: ClassVar[bool] = True
    minimum: ClassVar[int] = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.splits < 1:
            raise BadParameter(f"{self.name}: splits must be 1 or more, got {self.splits}")
        object.__setattr__(self, "minimum", self.splits)

    @abstractmethod
    def logits(self, got: Features) -> NDArray[np.floating]:
        """The classifier's answer to one clip: (classes,)."""

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """The logits of one clip: (classes,)."""
        return np.asarray(self.logits(got), dtype=np.float64)

    def score(self, rows: NDArray[np.float64], ref_rows: NDArray[np.float64] | None) -> float:
        """The score of rows (n, classes).

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
