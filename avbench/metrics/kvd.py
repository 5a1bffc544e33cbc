"""Kernel video distance of generated and reference clips (no unit).

Definition:
    Unbiased squared maximum mean discrepancy between the 400 class scores that I3D gives the clips of two sets, with the
    kernel (x.y / 400 + 1)^3, over the full sets (`stats.polynomial_mmd`), in float64; in float32 for `mmdiffusion` and
    `javisbench`, as published, which is of the order of 1e-6 off (`float64=True` for float64).

    The variants choose frames and pixels as those of `fvd` do. `javisbench` also has a quirk: its Fréchet distance, computed
    first, subtracts each set's mean in place, so that the kernel distance sees centred features and a shift between the sets no
    longer counts. `javisbench_fixed` has neither that nor the shifted range.

    `network="mini_video"` takes the 128 features of the small network that comes with avbench (`mini_video`), kernel
    (x.y / 128 + 1)^3, in float64; the variants are I3D's and are refused. Values of two networks cannot be compared.
Shapes:
    row: the embedding, (400,) of I3D, (128,) of `mini_video`.
Range:
    About 0 for sets of one distribution, negative if they differ less than their halves would, no upper end; lower is better.
Few clips:
    Unbiased, but the cubic kernel has a heavy tail: below 100 clips it is noise. Fewer than 2 have no score.
Source:
    T. Unterthiner et al., Towards Accurate Generative Models of Video, arXiv:1812.01717; github.com/researchmm/MM-Diffusion
    `mm_diffusion/evaluator.py` at 7250222; github.com/JavisVerse/JavisDiT `eval/javisbench/src/metrics.py` at b505b37.
    `mini_video` was trained by this repository.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench import stats
from avbench.distances import VideoDistance


@dataclass(frozen=True)
class Kvd(VideoDistance):
    """Kernel distance of what I3D or `mini_video` gives two sets of clips.

    Args:
        variant: Frames and pixels as in `fvd`; `javisbench` centres each set first. Of I3D alone, like `frames` and `float64`.
        network: The file that I3D loads, see `i3d_k400`, or `mini_video`.
        frames: Frames of each clip; None for the variant's own number.
        float64: Kernels in float64 also where the variant has float32.

    Raises:
        BadParameter: for another variant, or one with `mini_video`.
    """

    name: ClassVar[str] = "kvd"
    title: ClassVar[str] = "Kernel video distance (KVD)"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Unterthiner et al., arXiv:1812.01717; github.com/researchmm/MM-Diffusion at 7250222, JavisVerse/JavisDiT at b505b37"
    )

    def distance(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        """The distance of rows (n, d) to rows (m, d)."""
        if self.variant == "javisbench":
            x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        if self.variant in ("mmdiffusion", "javisbench") and not self.float64:
            return stats.polynomial_mmd_float32(x, y)
        return stats.polynomial_mmd(x, y)
