"""Kernel distance of PANNs Cnn14's embeddings of generated and reference sounds (no unit).

Definition:
    Unbiased squared maximum mean discrepancy between the 2048-d embeddings of the clips (`panns_cnn14_16k`,
    `panns_cnn14_32k`) of the generated set and of the reference set, with the kernel (x.y / 2048 + 1)^3, in float64
    (`stats.polynomial_mmd`).

    | variant | rows |
    |---|---|
    | `unbiased` (default) | the full sets, no draw |
    | `subsets` | mean over `subsets` subsets of `size` rows, drawn without replacement from `RandomState(seed)` |

    Both estimate the same quantity. `subsets` depends on the order of the clips, as the published codes do.
Shapes:
    row: the embedding (2048,).
Range:
    About 0 for sets of one distribution, negative if they differ less than their halves would, no upper end; lower is better.
Few clips:
    Unbiased, but the cubic kernel has a heavy tail: below 100 clips it is noise. Fewer than 2 have no score.
Source:
    Binkowski et al., arXiv:1801.01401; github.com/haoheliu/audioldm_eval audioldm_eval/metrics/kid.py at 8dc07ee;
    github.com/hkchengrex/av-benchmark av_bench/metrics/kid.py at 050a5cd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from avbench.distances import KernelDistance
from avbench.metrics.fd_panns import Resampy, Variant, cnn14
from avbench.types import Need


@dataclass(frozen=True)
class KdPanns(KernelDistance):
    """Kernel distance of the PANNs Cnn14 embeddings of two sets of sounds.

    Args:
        variant: `unbiased` or `subsets`, see the module.
        subsets: How many subsets.
        size: Rows of each; fewer where a set has fewer.
        seed: Of the draws.
        chain: The network and input chain of that variant of `fd_panns`.
        resampy: Version that the chains with resampy follow, see `fd_panns`.

    Raises:
        BadParameter: for a value that is not taken.
    """

    chain: Variant = "av_benchmark"
    resampy: Resampy = "0.4.3"

    name: ClassVar[str] = "kd_panns"
    title: ClassVar[str] = "Kernel distance of PANNs Cnn14 embeddings (KD)"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Binkowski et al., arXiv:1801.01401; "
        "github.com/haoheliu/audioldm_eval audioldm_eval/metrics/kid.py at 8dc07ee; "
        "github.com/hkchengrex/av-benchmark av_bench/metrics/kid.py at 050a5cd"
    )

    def extractors(self) -> tuple[Need, ...]:
        """Cnn14 behind the chain."""
        return (cnn14(self.chain, self.resampy),)

    def layer(self) -> str:
        """2048 numbers for each clip."""
        return f"{cnn14(self.chain, self.resampy).extractor}.embedding"
