"""Fréchet distance on PANNs Cnn14 embeddings of generated and reference sound (squared units of the embedding).

Definition:
    Gaussians are fitted to the 2048-d embeddings of the clips (`panns_cnn14_16k`, `panns_cnn14_32k`), one to the generated
    set, one to the reference set; the score is their Fréchet distance (`stats.frechet_variant`).

    | variant | network | sound |
    |---|---|---|
    | `av_benchmark` (default) | 16 kHz | mean of channels, offset removed, torchaudio sinc, first 8 s |
    | `audioldm_eval_16k` | 16 kHz | first channel, offset removed, torchaudio sinc, at least 2 s |
    | `audioldm_eval_32k` | 32 kHz | first channel, offset removed, torchaudio sinc, at least 1 s |
    | `frechet_audio_distance_16k` | 16 kHz | mean of channels, resampy |
    | `frechet_audio_distance_32k` | 32 kHz | mean of channels, resampy |

    The last two reproduce a published fault: the vectors of all clips are strung into one list of numbers, and the distance
    is that of two one-dimensional Gaussians over these numbers. Values of different variants cannot be compared.
Shapes:
    row: the embedding (2048,).
Range:
    0 for equal sets, no upper end; lower is better.
Few clips:
    Biased upwards, about in proportion to 1 / n; with fewer than 2049 clips on a side the covariance is singular. Compare
    only values of equal n. Fewer than 2 clips have no score. Silent clips have embeddings like others and can score well:
    look at the signal checks.
Source:
    Embedding: Q. Kong et al., PANNs, 2020. Distance: github.com/hkchengrex/av-benchmark at 050a5cd, haoheliu/audioldm_eval at
    8dc07ee (with `backbone="cnn14"`; its default backbone is another network), gudgud96/frechet-audio-distance at 55971f6.
Differs from the source:
    The root of the covariances is exact (`stats.frechet`): av-benchmark answers -1 where SciPy's root fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench import stats
from avbench.distances import FrechetDistance
from avbench.types import Need

Variant = Literal[
    "av_benchmark", "audioldm_eval_16k", "audioldm_eval_32k", "frechet_audio_distance_16k", "frechet_audio_distance_32k"
]
Resampy = Literal["0.4.3", "0.2.2"]


@dataclass(frozen=True)
class FdPanns(FrechetDistance):
    """Fréchet distance of the Cnn14 embeddings of two sets of clips.

    Args:
        variant: See the module.
        resampy: Version that the variants with resampy follow, see `panns_cnn14_16k`.

    Raises:
        BadParameter: for another variant or version.
    """

    variant: Variant = "av_benchmark"
    resampy: Resampy = "0.4.3"

    name: ClassVar[str] = "fd_panns"
    title: ClassVar[str] = "Fréchet distance of sound (FD, PANNs Cnn14)"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "github.com/hkchengrex/av-benchmark at 050a5cd, haoheliu/audioldm_eval at 8dc07ee, "
        "gudgud96/frechet-audio-distance at 55971f6; Kong et al., arXiv:1912.10211"
    )

    def extractors(self) -> tuple[Need, ...]:
        """Cnn14 behind the variant's input chain."""
        return (cnn14(self.variant, self.resampy),)

    def layer(self) -> str:
        """2048 numbers for each clip."""
        return f"{cnn14(self.variant, self.resampy).extractor}.embedding"

    @property
    def moments_suffice(self) -> bool:
        """Not where all numbers are one list."""
        return not self._strung()

    def _strung(self) -> bool:
        return self.variant.startswith("frechet_audio_distance")

    def distance(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        """The distance of rows (n, 2048) to rows (m, 2048)."""
        if self._strung():
            return stats.frechet(x.astype(np.float32).reshape(-1, 1), y.astype(np.float32).reshape(-1, 1))
        return super().distance(x, y)


def cnn14(variant: Variant, resampy: Resampy) -> Need:
    """Cnn14 as a variant uses it."""
    network = "panns_cnn14_32k" if variant.endswith("_32k") else "panns_cnn14_16k"
    return Need.of(network, chain=variant.removesuffix("_16k").removesuffix("_32k"), resampy=resampy)
