"""Squared distance of the CLAP embeddings of a generated sound and its reference: "FD" of Verse-Bench.

Definition:
    With the unit vectors g and r that CLAP's fusion network gives the two sounds, and the standard deviations s_g and s_r of
    their 512 components (divided by 511), the value of a pair is

        |g - r|^2 + (s_g - s_r)^2,

    which is 2 - 2 cos(g, r) but for about 1e-6; the number of a run is the mean over pairs. The sound: channels averaged, 48
    kHz, peak at -1 dBFS, 16 bits, repeated up to 10 s (`laion_clap`, chain `stable`).
Names:
    "FD" on Verse-Bench, and by its range of values on UniAvatar-Bench (JoVA). It is no distance of distributions: the source
    fits a Gaussian to each single vector, and NumPy 1 takes the covariance of one row for the variance of its components.
    NumPy 2 answers NaN there.
Columns:
    distance: the value. cosine: cos(g, r).
Range:
    0 for equal sounds, 4 at most; lower is better. Unlike sounds score about 2.
Long clips:
    More than 10 s are refused (`too_large`): the source takes three random crops.
Source:
    github.com/Dorniwang/Verse-Bench `fd/clap_inferencer.py`, `calculate_metrics.py` at 5645a09.
Differs from the source:
    The closed form in float64, not a matrix root of 1 x 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter
from avbench.types import Array, Better, Features, Item, Metric, Need


@dataclass(frozen=True)
class FdClapPair(Metric):
    """Mean over pairs of the squared distance of CLAP embeddings."""

    name: ClassVar[str] = "fd_clap_pair"
    title: ClassVar[str] = "Squared CLAP distance to the reference sound, paired (FD of Verse-Bench)"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "lower"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "github.com/Dorniwang/Verse-Bench at 5645a09"
    columns: ClassVar[tuple[str, ...]] = ("distance", "cosine")
    needs_reference: ClassVar[bool] = True

    def extractors(self) -> tuple[Need, ...]:
        """LAION's fusion network on sounds of up to 10 s."""
        return (Need.of("laion_clap", chain="stable", network="630k_audioset_fusion"),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Distance and cosine of one pair: (2,).

        Raises:
            BadParameter: without the reference's features.
        """
        if ref is None:
            raise BadParameter("fd_clap_pair: the reference clip is needed and None came")
        return np.asarray(distance(got["laion_clap.embedding"][0], ref["laion_clap.embedding"][0]))


def distance(x: Array, y: Array) -> tuple[float, float]:
    """The value of two unit vectors `(d,)`, and their cosine."""
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    spread = float(a.std(ddof=1) - b.std(ddof=1))
    return float((a - b) @ (a - b)) + spread**2, float(a @ b / np.sqrt((a @ a) * (b @ b)))
