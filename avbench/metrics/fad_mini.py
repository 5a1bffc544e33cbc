"""Fréchet audio distance on `mini_audio`'s embeddings of generated and reference sound (squared units of the embedding).

Definition:
    Gaussians are fitted to the 128-d embeddings that the small network of avbench (`mini_audio`) gives all windows of 1 s, one
    every 0.5 s, of all clips, one to the generated set, one to the reference set; the score is their Fréchet distance
    (`stats.frechet`, n - 1, float64).
Shapes:
    row: (windows, 128), one row per window; clips weigh by their length.
Range:
    0 for equal sets, no upper end; lower is better.
Few clips:
    Biased upwards, about in proportion to 1 / n. With fewer than 129 windows on a side the covariance is singular. Compare
    only values of equal n and equal lengths. Fewer than 2 clips have no score.
Limits:
    The network was trained on the sounds of suite `synth15` alone. Never comparable with a distance on a published network.
Source:
    K. Kilgour et al., arXiv:1812.08466, for the distance; the network is trained by this repository.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from avbench import stats
from avbench.distances import FrechetDistance
from avbench.types import Need


@dataclass(frozen=True)
class FadMini(FrechetDistance):
    """Fréchet distance of the `mini_audio` embeddings of two sets of clips."""

    name: ClassVar[str] = "fad_mini"
    title: ClassVar[str] = "Fréchet audio distance on avbench's own small network"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "Kilgour et al., arXiv:1812.08466, on a network of this repository (avbench/mini/mini_audio.md)"

    def extractors(self) -> tuple[Need, ...]:
        """The small network for sound."""
        return (Need.of("mini_audio"),)

    def layer(self) -> str:
        """128 numbers for each window of a clip."""
        return "mini_audio.embeddings"

    def statistics(self) -> stats.FrechetVariant:
        """No published code rounds them, so they are exact."""
        return "exact"

    def kept_in(self) -> type[np.floating]:
        """Nothing is rounded."""
        return np.float64
