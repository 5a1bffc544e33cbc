"""Fréchet distance of AudioCLIP's embeddings of generated and reference sounds, times 10,000.

Definition:
    Gaussians are fitted to the 1024-d embeddings (`audioclip`) of all clips, one to the generated set, one to the reference
    set; the score is their Fréchet distance (`stats.frechet_variant`) times 10,000.

    | variant | sound | statistics |
    |---|---|---|
    | `javisbench` (default) | mean of channels, 16 kHz, whole or cut and filled to `seconds` | float32, roots by SVD |
    | `authors` | as AudioCLIP's authors use it: 44.1 kHz, the 16-bit range | float64, exact |
    | `mmdiffusion_eval` | first channel, 44.1 kHz, the first 1.6 s; batch norm as it was trained | float32, roots by SVD |
    | `mmdiffusion` | refused: batch norm over eight clips at a time, see `audioclip` | |

    Values of different variants, and of different `seconds`, cannot be compared.
Names:
    "FAD" in JavisDiT and on JavisBench, in MM-Diffusion, and in papers that took its protocol (AV-DiT, MM-LDM).
Shapes:
    row: the embedding (1024,).
Range:
    0 for equal sets but for float32's rounding (the card says how much), no upper end; lower is better.
Few clips:
    Biased upwards, about in proportion to 1 / n; below 1025 clips the covariances are singular. Compare equal n only. Fewer
    than 2 clips have no covariance and no score. The source compares 2048 clips or more.
Source:
    github.com/JavisVerse/JavisDiT `eval/javisbench/src/metrics.py` at b505b37; github.com/researchmm/MM-Diffusion
    `mm_diffusion/evaluator.py` at 7250222, which multiplies by 10,000 since 2024-06-04, by 1,000 before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench import stats
from avbench.distances import FrechetDistance
from avbench.errors import BadParameter
from avbench.moments import Moments
from avbench.types import Need

Variant = Literal["javisbench", "authors", "mmdiffusion_eval", "mmdiffusion"]

SCALE = 10_000.0


@dataclass(frozen=True)
class FadAudioclip(FrechetDistance):
    """Fréchet distance of the AudioCLIP embeddings of two sets of sounds, times 10,000.

    Args:
        variant: See the module.
        seconds: Length that every clip is cut or filled to, see `audioclip`; None for whole clips. JavisBench's own runs: 4.
        float64: Exact statistics in place of the variant's float32.

    Raises:
        BadParameter: for `mmdiffusion`, another variant, or seconds that `audioclip` does not take.
    """

    variant: Variant = "javisbench"
    seconds: float | None = None
    float64: bool = False

    name: ClassVar[str] = "fad_audioclip"
    title: ClassVar[str] = "Fréchet audio distance of AudioCLIP embeddings (FAD of JavisBench), x 10,000"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Guzhov et al., arXiv:2106.13043; github.com/JavisVerse/JavisDiT at b505b37, researchmm/MM-Diffusion at 7250222"
    )

    def kept_in(self) -> type[np.floating]:
        """What extractors give; the variants round by themselves."""
        return np.float64

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variant == "mmdiffusion":
            raise BadParameter(
                "fad_audioclip: mmdiffusion takes batch norm over the eight clips that share a batch, so its value depends on "
                "their order; mmdiffusion_eval is the same preparation in evaluation mode"
            )
        if self.seconds is not None and self.variant == "mmdiffusion_eval":
            raise BadParameter("fad_audioclip: mmdiffusion_eval takes 1.6 s of each clip, so it takes no seconds")
        if self.seconds is not None and not 0.001 <= self.seconds < float("inf"):
            raise BadParameter(f"fad_audioclip: seconds must be at least 0.001, got {self.seconds}")

    def extractors(self) -> tuple[Need, ...]:
        """AudioCLIP on the sound as the variant prepares it."""
        return (Need.of("audioclip", variant=self.variant, seconds=self.seconds),)

    def layer(self) -> str:
        """1024 numbers for each clip."""
        return "audioclip.embedding"

    def statistics(self) -> stats.FrechetVariant:
        """Those of the variant, or exact ones in place of float32."""
        return "exact" if self.float64 or self.variant == "authors" else "tfgan_svd"

    def distance(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        """The distance of rows (n, 1024) to rows (m, 1024), times 10,000."""
        return SCALE * super().distance(x, y)

    def score_from_moments(self, rows: NDArray[np.float64], reference: Moments) -> float:
        """The distance to a Gaussian, times 10,000.

        Raises:
            BadParameter: where the published statistics are made from rows.
        """
        return SCALE * super().score_from_moments(rows, reference)

    def interval(
        self, rows: Sequence[NDArray[np.float64]], ref_rows: Sequence[NDArray[np.float64]] | None, *, seed: int
    ) -> tuple[float, float, str]:
        """From halves of the clips, always with exact statistics, see `stats.subset_interval`."""
        value = self.score(np.stack(rows), None if ref_rows is None else np.stack(ref_rows))
        return stats.subset_interval(
            lambda x, y: SCALE * stats.frechet(x, self._there(y)), rows, ref_rows, seed=seed, value=value
        )
