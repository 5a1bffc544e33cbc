"""CAVP score: cosine between picture and sound of the same quarter of a second, by Diff-Foley's CAVP (higher is better).

Definition:
    `cavp` gives a vector for each quarter of a second of both streams. A clip's value is the mean cosine of the pairs, a run's
    the mean over clips.
Columns:
    cavp_av: the mean cosine. rows: pairs, 4 a second.
Range:
    -1 to 1.
Source:
    github.com/JavisVerse/JavisDiT `eval/javisbench/src/metrics.py` `calc_cavp_score` at b505b37, after
    github.com/SonyResearch/SVG_baseline at e8ebd06. Network: Luo et al., Diff-Foley, arXiv:2306.17203.
Differs from the source:
    JavisBench gives a clip whose picture fails the value 0, which stays in the mean; here it is unscored and says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.types import Array, Better, Features, Item, Metric, Need

_RATE = 4


@dataclass(frozen=True)
class CavpAv(Metric):
    """Mean over clips of the mean cosine between CAVP's rows of picture and sound.

    Args:
        network: Which extractor gives the rows.
    """

    network: Literal["cavp"] = "cavp"

    name: ClassVar[str] = "cavp_av"
    title: ClassVar[str] = "CAVP score: similarity of picture and sound over time"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Luo et al., arXiv:2306.17203; github.com/JavisVerse/JavisDiT eval/javisbench/src/metrics.py at b505b37, "
        "after github.com/SonyResearch/SVG_baseline at e8ebd06"
    )
    columns: ClassVar[tuple[str, ...]] = ("cavp_av", "rows")

    def extractors(self) -> tuple[Need, ...]:
        """CAVP's rows."""
        return (Need.of(self.network),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Mean cosine and number of pairs: `(2,)`."""
        cosines = self._cosines(got)
        return np.array([cosines.mean(), len(cosines)], dtype=np.float64)

    def trace(self, item: Item, got: Features, ref: Features | None) -> Mapping[str, Array]:
        """`similarity` of every quarter of a second that begins at `start` (s)."""
        cosines = self._cosines(got)
        return {"start": np.arange(len(cosines)) / _RATE, "similarity": cosines}

    def _cosines(self, got: Features) -> NDArray[np.float64]:
        """The rows are unit vectors, so their products are the cosines."""
        visual, audio = (np.asarray(got[f"{self.network}.{layer}"], dtype=np.float64) for layer in ("visual", "audio"))
        return np.asarray((visual * audio).sum(axis=1))
