"""Kernel distance of Melception's embeddings of generated and reference sounds (no unit).

Definition:
    Unbiased squared maximum mean discrepancy between the 2048-d embeddings that Melception (`melception`) gives the first
    10 s of each clip of the generated set and of the reference set, with the kernel (x.y / 2048 + 1)^3, in float64
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
    Binkowski et al., arXiv:1801.01401; github.com/v-iashin/SpecVQGAN evaluation/metrics/kid.py at 33c601d;
    github.com/hkchengrex/av-benchmark av_bench/metrics/kid.py at 050a5cd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from avbench.distances import KernelDistance
from avbench.types import Need


@dataclass(frozen=True)
class KdMelception(KernelDistance):
    """Kernel distance of the Melception embeddings of two sets of sounds.

    Args:
        variant: `unbiased` or `subsets`, see the module.
        subsets: How many subsets.
        size: Rows of each; fewer where a set has fewer.
        seed: Of the draws.
        frames: Frames of the spectrogram, see `melception`.
        resample: False takes any rate for 22050 Hz as the source does, see `melception`.

    Raises:
        BadParameter: for a value that is not taken.
    """

    frames: Literal[848, 860] = 848
    resample: bool = True

    name: ClassVar[str] = "kd_melception"
    title: ClassVar[str] = "Kernel distance of Melception embeddings (KD, KID)"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Binkowski et al., arXiv:1801.01401; "
        "github.com/v-iashin/SpecVQGAN evaluation/metrics/kid.py at 33c601d; "
        "github.com/hkchengrex/av-benchmark av_bench/metrics/kid.py at 050a5cd"
    )

    def extractors(self) -> tuple[Need, ...]:
        """Melception on the first 10 s."""
        return (Need.of("melception", frames=self.frames, resample=self.resample),)

    def layer(self) -> str:
        """2048 numbers for each clip."""
        return "melception.embedding"
