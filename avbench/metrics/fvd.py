"""Fréchet video distance of generated and reference clips (squared units of I3D's class scores).

Definition:
    Gaussians are fitted to the 400 class scores that I3D gives each clip (`i3d_k400`), one to the generated set, one to the
    reference set; the score is their Fréchet distance (`stats.frechet`).

    | variant | clip | statistics |
    |---|---|---|
    | `videogpt` (default) | all frames, short side to 224, centre crop | float32, n - 1, roots of singular values |
    | `styleganv` | first 16 frames, whole frame to 224 x 224 | float64, n |
    | `cdfvd` | as `styleganv` | as `styleganv` |
    | `javisbench` | 24 frames over the clip, padded, range shifted (a published quirk) | as `videogpt` |
    | `javisbench_fixed` | the same without the quirk | float64, n - 1 |
    | `mmdiffusion` | first 16 frames at 10 fps, 64 x 64 | as `videogpt` |

    Their values cannot be compared. `float64=True` replaces the float32 statistics, which wander by up to 0.3 %.
Shapes:
    row: the embedding (400,).
Range:
    0 for equal sets, no upper end; lower is better. Expect 10 to 3000.
Few clips:
    Biased upwards, about in proportion to 1 / n: 256 clips at the least, 2048 to publish; compare only values of equal n and
    equal numbers of frames. Fewer than 2 clips have no covariance and no score.
Source:
    T. Unterthiner et al., Towards Accurate Generative Models of Video, arXiv:1812.01717; code as in `i3d_k400`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench import stats
from avbench.distances import FrechetDistance, I3dDistance, I3dVariant

_STATISTICS: dict[I3dVariant, stats.FrechetVariant] = {
    "videogpt": "tfgan_svd",
    "styleganv": "stylegan",
    "javisbench": "tfgan_svd",
    "javisbench_fixed": "exact",
    "mmdiffusion": "tfgan_svd",
    "cdfvd": "stylegan",
}


@dataclass(frozen=True)
class Fvd(I3dDistance, FrechetDistance):
    """Fréchet distance of the I3D class scores of two sets of clips.

    Args:
        variant: See the module.
        network: The file that I3D loads, see `i3d_k400`.
        frames: Frames of each clip; None for the variant's own number.
        float64: Exact statistics in place of the variant's float32.

    Raises:
        BadParameter: for another variant.
    """

    name: ClassVar[str] = "fvd"
    title: ClassVar[str] = "Fréchet video distance (FVD)"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Unterthiner et al., arXiv:1812.01717; github.com/wilson1yan/VideoGPT at 733d2b1, universome/stylegan-v at 3fecd69, "
        "songweige/content-debiased-fvd at a1e037a, JavisVerse/JavisDiT at b505b37, researchmm/MM-Diffusion at 7250222"
    )

    def kept_in(self) -> type[np.floating]:
        """What extractors give; the variants round by themselves."""
        return np.float64

    def statistics(self) -> stats.FrechetVariant:
        """Those of the variant, or exact ones in place of float32."""
        statistics = _STATISTICS[self.variant]
        return "exact" if self.float64 and statistics == "tfgan_svd" else statistics

    def interval(
        self, rows: Sequence[NDArray[np.float64]], ref_rows: Sequence[NDArray[np.float64]] | None, *, seed: int
    ) -> tuple[float, float, str]:
        """From halves of the clips, always with exact statistics, see `stats.subset_interval`."""
        value = self.score(np.stack(rows), None if ref_rows is None else np.stack(ref_rows))
        ddof = 0 if _STATISTICS[self.variant] == "stylegan" else 1
        return stats.subset_interval(
            lambda x, y: stats.frechet(x, self._there(y), ddof=ddof), rows, ref_rows, seed=seed, value=value
        )
