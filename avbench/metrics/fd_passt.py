"""Fréchet distance of PaSST's embeddings of generated and reference sounds (squared units of the embedding).

Definition:
    Gaussians are fitted to the 768-d embeddings that PaSST (`passt`) gives the first `seconds` of each clip, filled with zeros
    up to 10 s, one to the generated set, one to the reference set; the score is their Fréchet distance (`stats.frechet`, n -
    1).
Shapes:
    row: the embedding (768,).
Range:
    0 for equal sets, no upper end; lower is better.
Few clips:
    Biased upwards, about in proportion to 1 / n; below 769 clips the covariances are singular. Compare equal n only. Fewer than
    2 clips have no covariance and no score.
Source:
    github.com/hkchengrex/av-benchmark av_bench/metrics/fad.py, extract.py at 050a5cd.
Differs from the source:
    The root is exact; the source's matrix square root answers -1 where it fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench.distances import FrechetDistance
from avbench.types import Features, Item, Need


@dataclass(frozen=True)
class FdPasst(FrechetDistance):
    """Fréchet distance of the PaSST embeddings of two sets of sounds.

    Args:
        seconds: What is kept of each clip's beginning, up to 10.
    """

    seconds: float = 8.0

    name: ClassVar[str] = "fd_passt"
    title: ClassVar[str] = "Fréchet distance of PaSST embeddings (FD)"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "github.com/hkchengrex/av-benchmark av_bench/metrics/fad.py, extract.py at 050a5cd"

    def extractors(self) -> tuple[Need, ...]:
        """PaSST as av-benchmark uses it."""
        return (Need.of("passt", variant="av_benchmark", seconds=self.seconds),)

    def layer(self) -> str:
        """One window of 768 numbers for each clip."""
        return "passt.embedding"

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """The embedding of one clip: (768,)."""
        return np.asarray(got["passt.embedding"][0], dtype=np.float64)
