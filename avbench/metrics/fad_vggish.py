"""Fréchet audio distance on VGGish embeddings of generated and reference sound (squared units of the embedding).

Definition:
    Gaussians are fitted to the 128-d embeddings of all 0.96 s windows of all clips (`vggish`), one to the generated set, one
    to the reference set; the score is their Fréchet distance (`stats.frechet_variant`).

    | variant | sound | embedding | statistics |
    |---|---|---|---|
    | `av_benchmark` (default) | mean of channels, offset removed, torchaudio sinc, first 8 s | before the last ReLU | float32 |
    | `audioldm_eval` | first channel, offset removed, torchaudio sinc, at least 2 s | before the last ReLU | float32 |
    | `frechet_audio_distance` | mean of channels, resampy | before the last ReLU | float32 |
    | `fadtk` | mean of channels, torchaudio Kaiser, 16 bits, at least 1 s | before the last ReLU | float16 |
    | `torchvggish` | 16 bits, mean of channels, resampy | after the last ReLU | float32 |
    | `torchvggish_pca` | as `torchvggish` | whitened, whole numbers 0 to 255 | float32 |

    The covariance is float64 in all; the means are rounded as the published code's are. Values of different variants cannot
    be compared.
Shapes:
    row: (windows, 128), one row per window; clips weigh by their length.
Range:
    0 for equal sets, no upper end; lower is better.
Few clips:
    Biased upwards, about in proportion to 1 / n. With fewer than 129 windows on a side the covariance is singular. Compare
    only values of equal n and equal lengths. Fewer than 2 clips have no score.
Source:
    K. Kilgour et al., Fréchet Audio Distance: a metric for evaluating music enhancement algorithms, arXiv:1812.08466; code as
    in `vggish`.
Differs from the source:
    The root of the covariances is exact (`stats.frechet`): av-benchmark answers -1 where SciPy's root fails. fadtk merges the
    means of files, each rounded to float16; here there is one mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from avbench import stats
from avbench.distances import FrechetDistance
from avbench.types import Need

Variant = Literal["av_benchmark", "audioldm_eval", "frechet_audio_distance", "fadtk", "torchvggish", "torchvggish_pca"]
Resampy = Literal["0.4.3", "0.2.2"]

_PUBLISHED_PCA = "970ea276"
_STATISTICS: dict[Variant, stats.FrechetVariant] = {
    "av_benchmark": "scipy",
    "audioldm_eval": "scipy",
    "frechet_audio_distance": "scipy_complex",
    "fadtk": "eig",
    "torchvggish": "scipy",
    "torchvggish_pca": "scipy",
}


@dataclass(frozen=True)
class FadVggish(FrechetDistance):
    """Fréchet distance of the VGGish embeddings of two sets of clips.

    Args:
        variant: See the module.
        resampy: Version that the variants with resampy follow. It matters for files that are not at 16 kHz: requirements of
            the time allowed 0.2.2, the goldens were made with 0.4.3.

    Raises:
        BadParameter: for another variant or version.
    """

    variant: Variant = "av_benchmark"
    resampy: Resampy = "0.4.3"

    name: ClassVar[str] = "fad_vggish"
    title: ClassVar[str] = "Fréchet audio distance (FAD, VGGish)"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Kilgour et al., arXiv:1812.08466; github.com/hkchengrex/av-benchmark at 050a5cd, haoheliu/audioldm_eval at 8dc07ee, "
        "gudgud96/frechet-audio-distance at 55971f6, microsoft/fadtk at ec74b1f, harritaylor/torchvggish at f3f9096"
    )

    def extractors(self) -> tuple[Need, ...]:
        """VGGish behind the variant's input chain."""
        return (vggish(self.variant, self.resampy),)

    def layer(self) -> str:
        """128 numbers for each window of a clip."""
        return "vggish.embeddings"

    def statistics(self) -> stats.FrechetVariant:
        """Those of the variant."""
        return _STATISTICS[self.variant]

    def kept_in(self) -> type[np.floating]:
        """float16 in fadtk's files."""
        return np.float16 if self.variant == "fadtk" else np.float32


def vggish(variant: Variant, resampy: Resampy) -> Need:
    """VGGish as a variant uses it."""
    hub = variant in ("torchvggish", "torchvggish_pca")
    pca = _PUBLISHED_PCA if variant == "torchvggish_pca" else ""
    return Need.of("vggish", chain="torchvggish" if hub else variant, last_relu=hub, pca=pca, resampy=resampy)
