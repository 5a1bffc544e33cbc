"""Kernel video distance of generated and reference clips (no unit).

Definition:
    Unbiased squared maximum mean discrepancy between the 400 class scores that I3D gives the clips of two sets, with the
    kernel (x.y / 400 + 1)^3, over the full sets (`stats.polynomial_mmd`), in float64; in float32 for `mmdiffusion` and
    `javisbench`, as published, which is of the order of 1e-6 off (`float64=True` for float64).

    The variants choose frames and pixels as those of `fvd` do. `javisbench` also has a quirk: its Fréchet distance, computed
    first, subtracts each set's mean in place, so that the kernel distance sees centred features and a shift between the sets no
    longer counts. `javisbench_fixed` has neither that nor the shifted range.
Shapes:
    row: the embedding (400,).
Range:
    About 0 for sets of one distribution, negative if they differ less than their halves would, no upper end; lower is better.
Few clips:
    Unbiased, but the cubic kernel has a heavy tail: below 100 clips it is noise. Fewer than 2 have no score.
Source:
    T. Unterthiner et al., Towards Accurate Generative Models of Video, arXiv:1812.01717; github.com/researchmm/MM-Diffusion
    `mm_diffusion/evaluator.py` at 7250222; github.com/JavisVerse/JavisDiT `eval/javisbench/src/metrics.py` at b505b37.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench import stats
from avbench.errors import BadParameter
from avbench.metrics.fvd import Network, Variant
from avbench.types import Better, Features, Item, Metric, Need


@dataclass(frozen=True)
class Kvd(Metric):
    """Kernel distance of the I3D class scores of two sets of clips.

    Args:
        variant: Frames and pixels as in `fvd`; `javisbench` centres each set first.
        network: The file that I3D loads, see `i3d_k400`.
        frames: Frames of each clip; None for the variant's own number.
        float64: Kernels in float64 also where the variant has float32.

    Raises:
        BadParameter: for another variant.
    """

    variant: Variant = "videogpt"
    network: Network = "i3d_pretrained_400"
    frames: int | None = None
    float64: bool = False

    name: ClassVar[str] = "kvd"
    title: ClassVar[str] = "Kernel video distance (KVD)"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "lower"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Unterthiner et al., arXiv:1812.01717; github.com/researchmm/MM-Diffusion at 7250222, JavisVerse/JavisDiT at b505b37"
    )
    columns: ClassVar[tuple[str, ...]] = ()
    needs_reference: ClassVar[bool] = True
    needs_all: ClassVar[bool] = True
    minimum: ClassVar[int] = 2

    def extractors(self) -> tuple[Need, ...]:
        """I3D on the frames of the variant."""
        return (Need.of("i3d_k400", variant=self.variant, network=self.network, frames=self.frames),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """The class scores of one clip: (400,)."""
        return np.asarray(got["i3d_k400.logits"], dtype=np.float64)

    def score(self, rows: NDArray[np.float64], ref_rows: NDArray[np.float64] | None) -> float:
        """The distance of rows (n, 400) to reference rows (m, 400).

        Raises:
            BadParameter: without reference rows.
        """
        if ref_rows is None:
            raise BadParameter("kvd: reference rows are needed and None came")
        if self.variant == "javisbench":
            rows, ref_rows = rows - rows.mean(axis=0), ref_rows - ref_rows.mean(axis=0)
        if self.variant in ("mmdiffusion", "javisbench") and not self.float64:
            return stats.polynomial_mmd_float32(rows, ref_rows)
        return stats.polynomial_mmd(rows, ref_rows)

    def interval(
        self, rows: Sequence[NDArray[np.float64]], ref_rows: Sequence[NDArray[np.float64]] | None, *, seed: int
    ) -> tuple[float, float, str]:
        """From halves of the clips, see `stats.subset_interval`."""
        return stats.subset_interval(self.score, rows, ref_rows, seed=seed)
