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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench import stats
from avbench.errors import BadParameter
from avbench.types import Better, Features, Item, Metric, Need

Variant = Literal[
    "av_benchmark", "audioldm_eval_16k", "audioldm_eval_32k", "frechet_audio_distance_16k", "frechet_audio_distance_32k"
]
Resampy = Literal["0.4.3", "0.2.2"]


@dataclass(frozen=True)
class FdPanns(Metric):
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
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "lower"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "github.com/hkchengrex/av-benchmark at 050a5cd, haoheliu/audioldm_eval at 8dc07ee, "
        "gudgud96/frechet-audio-distance at 55971f6; Kong et al., arXiv:1912.10211"
    )
    columns: ClassVar[tuple[str, ...]] = ()
    needs_reference: ClassVar[bool] = True
    needs_all: ClassVar[bool] = True
    minimum: ClassVar[int] = 2

    def extractors(self) -> tuple[Need, ...]:
        """Cnn14 behind the variant's input chain."""
        chain = self.variant.removesuffix("_16k").removesuffix("_32k")
        return (Need.of(self._network(), chain=chain, resampy=self.resampy),)

    def _network(self) -> str:
        return "panns_cnn14_32k" if self.variant.endswith("_32k") else "panns_cnn14_16k"

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """The embedding of one clip: (2048,)."""
        return np.asarray(got[f"{self._network()}.embedding"], dtype=np.float64)

    def score(self, rows: NDArray[np.float64], ref_rows: NDArray[np.float64] | None) -> float:
        """The distance of rows (n, 2048) to reference rows (m, 2048).

        Raises:
            BadParameter: without reference rows, or with fewer than two on a side.
        """
        if ref_rows is None:
            raise BadParameter("fd_panns: reference rows are needed and None came")
        x, y = rows.astype(np.float32), ref_rows.astype(np.float32)
        if self.variant.startswith("frechet_audio_distance"):
            return stats.frechet(x.reshape(-1, 1), y.reshape(-1, 1))
        return stats.frechet_variant(x, y, "scipy")

    def interval(
        self, rows: Sequence[NDArray[np.float64]], ref_rows: Sequence[NDArray[np.float64]] | None, *, seed: int
    ) -> tuple[float, float, str]:
        """From halves of the clips, see `stats.subset_interval`."""
        return stats.subset_interval(self.score, rows, ref_rows, seed=seed)
