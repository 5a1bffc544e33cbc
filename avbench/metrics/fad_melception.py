"""Fréchet distance of Melception's embeddings of generated and reference sounds (squared units of the embedding).

Definition:
    Gaussians are fitted to the 2048-d embeddings that Melception (`melception`) gives the first 10 s of each clip, filled with
    zeros where there is less, one to the generated set, one to the reference set; the score is their Fréchet distance
    (`stats.frechet_variant`, `scipy`).
Names:
    "FID" in SpecVQGAN, Diff-Foley and FoleyCrafter, "FAD (Melception)" in JointDiT.
Shapes:
    row: the embedding (2048,).
Range:
    0 for equal sets, no upper end; lower is better.
Few clips:
    Biased upwards, about in proportion to 1 / n; below 2049 clips the covariances are singular. Compare equal n only. Fewer
    than 2 clips have no covariance and no score.
Short clips:
    A clip of 2 s is followed by 8 s of zeros, which all clips then have in common: distances shrink. Compare equal lengths
    only.
Source:
    V. Iashin and E. Rahtu, arXiv:2110.08791; github.com/v-iashin/SpecVQGAN evaluation/metrics/fid.py at 33c601d.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench import stats
from avbench.errors import BadParameter
from avbench.types import Better, Features, Item, Metric, Need


@dataclass(frozen=True)
class FadMelception(Metric):
    """Fréchet distance of the Melception embeddings of two sets of sounds.

    Args:
        frames: Frames of the spectrogram, see `melception`.
        resample: False takes any rate for 22050 Hz as the source does, see `melception`.
    """

    frames: Literal[848, 860] = 848
    resample: bool = True

    name: ClassVar[str] = "fad_melception"
    title: ClassVar[str] = "Fréchet audio distance of Melception embeddings (FAD, FID)"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "lower"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Iashin and Rahtu, arXiv:2110.08791; github.com/v-iashin/SpecVQGAN evaluation/metrics/fid.py at 33c601d"
    )
    columns: ClassVar[tuple[str, ...]] = ()
    needs_reference: ClassVar[bool] = True
    needs_all: ClassVar[bool] = True
    minimum: ClassVar[int] = 2

    def extractors(self) -> tuple[Need, ...]:
        """Melception on the first 10 s."""
        return (Need.of("melception", frames=self.frames, resample=self.resample),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """The embedding of one clip: (2048,)."""
        return np.asarray(got["melception.embedding"], dtype=np.float64)

    def score(self, rows: NDArray[np.float64], ref_rows: NDArray[np.float64] | None) -> float:
        """The distance of rows (n, 2048) to reference rows (m, 2048).

        Raises:
            BadParameter: without reference rows.
        """
        if ref_rows is None:
            raise BadParameter("fad_melception: reference rows are needed and None came")
        return stats.frechet_variant(rows.astype(np.float32), ref_rows.astype(np.float32), "scipy")

    def interval(
        self, rows: Sequence[NDArray[np.float64]], ref_rows: Sequence[NDArray[np.float64]] | None, *, seed: int
    ) -> tuple[float, float, str]:
        """From halves of the clips around the score, see `stats.subset_interval`."""
        return stats.subset_interval(self.score, rows, ref_rows, seed=seed)
