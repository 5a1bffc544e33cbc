"""Fréchet video distance of generated and reference clips (squared units of the network's features).

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

    `network="mini_video"` takes the 128 features of the small network that comes with avbench (`mini_video`) in place of I3D's
    scores, n - 1, in float64; the variants are I3D's and are refused. A value of one network says nothing about the other's.
Shapes:
    row: the embedding, (400,) of I3D, (128,) of `mini_video`.
Range:
    0 for equal sets, no upper end; lower is better. Expect 10 to 3000 with I3D, 0 to 300 with `mini_video`.
Few clips:
    Biased upwards, about in proportion to 1 / n: 256 clips at the least, 2048 to publish; compare only values of equal n and
    equal numbers of frames. Fewer than 2 clips have no covariance and no score. `mini_video`: 129 clips for full rank.
Source:
    T. Unterthiner et al., Towards Accurate Generative Models of Video, arXiv:1812.01717; code as in `i3d_k400`.
    `mini_video` was trained by this repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench import stats
from avbench.distances import FrechetDistance, I3dVariant, VideoDistance

_STATISTICS: dict[I3dVariant, stats.FrechetVariant] = {
    "videogpt": "tfgan_svd",
    "styleganv": "stylegan",
    "javisbench": "tfgan_svd",
    "javisbench_fixed": "exact",
    "mmdiffusion": "tfgan_svd",
    "cdfvd": "stylegan",
}


@dataclass(frozen=True)
class Fvd(VideoDistance, FrechetDistance):
    """Fréchet distance of what I3D or `mini_video` gives two sets of clips.

    Args:
        variant: See the module; of I3D alone, as `frames` and `float64` are.
        network: The file that I3D loads, see `i3d_k400`, or `mini_video`.
        frames: Frames of each clip; None for the variant's own number.
        float64: Exact statistics in place of the variant's float32.

    Raises:
        BadParameter: for another variant, or one with `mini_video`.
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
        """Those of the variant, or exact ones in place of float32; exact for `mini_video`."""
        if self.network == "mini_video":
            return "exact"
        statistics = _STATISTICS[self.variant]
        return "exact" if self.float64 and statistics == "tfgan_svd" else statistics

    def interval(
        self, rows: Sequence[NDArray[np.float64]], ref_rows: Sequence[NDArray[np.float64]] | None, *, seed: int
    ) -> tuple[float, float, str]:
        """From halves of the clips, always with exact statistics, see `stats.subset_interval`."""
        value = self.score(np.stack(rows), None if ref_rows is None else np.stack(ref_rows))
        ddof = 0 if self.statistics() == "stylegan" else 1
        return stats.subset_interval(
            lambda x, y: stats.frechet(x, self._there(y), ddof=ddof), rows, ref_rows, seed=seed, value=value
        )
