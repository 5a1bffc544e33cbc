"""Kernel distance of VGGish's embeddings of generated and reference sounds (no unit).

Definition:
    Unbiased squared maximum mean discrepancy between the 128-d embeddings of all 0.96 s windows of all clips (`vggish`) of
    the generated set and of the reference set, with the kernel (x.y / 128 + 1)^3, in float64 (`stats.polynomial_mmd`).

    | variant | rows |
    |---|---|
    | `unbiased` (default) | the full sets, no draw |
    | `subsets` | mean over `subsets` subsets of `size` rows, drawn without replacement from `RandomState(seed)` |

    Both estimate the same quantity. `subsets` depends on the order of the clips, as the published codes do.
Shapes:
    row: (windows, 128), one row per window; clips weigh by their length.
Range:
    About 0 for sets of one distribution, negative if they differ less than their halves would, no upper end; lower is better.
Few clips:
    Unbiased, but the cubic kernel has a heavy tail: below 100 clips it is noise. Fewer than 2 have no score.
Source:
    Binkowski et al., arXiv:1801.01401; network as in `fad_vggish`; subsets: github.com/hkchengrex/av-benchmark
    av_bench/metrics/kid.py at 050a5cd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from avbench.distances import KernelDistance
from avbench.metrics.fad_vggish import Resampy, Variant, vggish
from avbench.types import Need


@dataclass(frozen=True)
class KdVggish(KernelDistance):
    """Kernel distance of the VGGish embeddings of two sets of sounds.

    Args:
        variant: `unbiased` or `subsets`, see the module.
        subsets: How many subsets.
        size: Rows of each; fewer where a set has fewer.
        seed: Of the draws.
        chain: The input chain and embedding of that variant of `fad_vggish`.
        resampy: Version that the chains with resampy follow, see `fad_vggish`.

    Raises:
        BadParameter: for a value that is not taken.
    """

    chain: Variant = "av_benchmark"
    resampy: Resampy = "0.4.3"

    name: ClassVar[str] = "kd_vggish"
    title: ClassVar[str] = "Kernel distance of VGGish embeddings (KD)"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Binkowski et al., arXiv:1801.01401; "
        "network as in `fad_vggish`; "
        "subsets: github.com/hkchengrex/av-benchmark av_bench/metrics/kid.py at 050a5cd"
    )

    def extractors(self) -> tuple[Need, ...]:
        """VGGish behind the chain."""
        return (vggish(self.chain, self.resampy),)

    def layer(self) -> str:
        """128 numbers for each window of a clip."""
        return "vggish.embeddings"
