"""Kernel distance of PaSST's embeddings of generated and reference sounds (no unit).

Definition:
    Unbiased squared maximum mean discrepancy between the 768-d embeddings that PaSST (`passt`) gives the first `seconds` of
    each clip of the generated set and of the reference set, with the kernel (x.y / 768 + 1)^3, in float64
    (`stats.polynomial_mmd`).

    | variant | rows |
    |---|---|
    | `unbiased` (default) | the full sets, no draw |
    | `subsets` | mean over `subsets` subsets of `size` rows, drawn without replacement from `RandomState(seed)` |

    Both estimate the same quantity. `subsets` depends on the order of the clips, as the published codes do.
Shapes:
    row: the embedding (768,).
Range:
    About 0 for sets of one distribution, negative if they differ less than their halves would, no upper end; lower is better.
Few clips:
    Unbiased, but the cubic kernel has a heavy tail: below 100 clips it is noise. Fewer than 2 have no score.
Source:
    Binkowski et al., arXiv:1801.01401; github.com/hkchengrex/av-benchmark av_bench/metrics/kid.py, extract.py at 050a5cd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench.distances import KernelDistance
from avbench.types import Features, Item, Need


@dataclass(frozen=True)
class KdPasst(KernelDistance):
    """Kernel distance of the PaSST embeddings of two sets of sounds.

    Args:
        variant: `unbiased` or `subsets`, see the module.
        subsets: How many subsets.
        size: Rows of each; fewer where a set has fewer.
        seed: Of the draws.
        seconds: What is kept of each clip's beginning, up to 10.

    Raises:
        BadParameter: for a value that is not taken.
    """

    seconds: float = 8.0

    name: ClassVar[str] = "kd_passt"
    title: ClassVar[str] = "Kernel distance of PaSST embeddings (KD)"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Binkowski et al., arXiv:1801.01401; github.com/hkchengrex/av-benchmark av_bench/metrics/kid.py, extract.py at 050a5cd"
    )

    def extractors(self) -> tuple[Need, ...]:
        """PaSST as av-benchmark uses it."""
        return (Need.of("passt", variant="av_benchmark", seconds=self.seconds),)

    def layer(self) -> str:
        """One window of 768 numbers for each clip."""
        return "passt.embedding"

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """The embedding of one clip: (768,)."""
        return np.asarray(got["passt.embedding"][0], dtype=np.float64)
