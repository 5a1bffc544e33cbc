"""Fréchet distance of Melception's embeddings of generated and reference sounds (squared units of the embedding).

Definition:
    Gaussians are fitted to the 2048-d embeddings that Melception (`melception`) gives the first 10 s of each clip, filled with
    zeros where there is less, one to the generated set, one to the reference set; the score is their Fréchet distance
    (`stats.frechet_variant`, `scipy`).
Names:
    "FID" in SpecVQGAN, Diff-Foley and FoleyCrafter, "FAD (Melception)" in JointDiT.
Shapes:
    row: the embedding (2048,).
Range:
    0 for equal sets, no upper end; lower is better.
Few clips:
    Biased upwards, about in proportion to 1 / n; below 2049 clips the covariances are singular. Compare equal n only. Fewer
    than 2 clips have no covariance and no score.
Short clips:
    A clip of 2 s is followed by 8 s of zeros, which all clips then have in common: distances shrink. Compare equal lengths
    only.
Source:
    V. Iashin and E. Rahtu, arXiv:2110.08791; github.com/v-iashin/SpecVQGAN evaluation/metrics/fid.py at 33c601d.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from avbench.distances import FrechetDistance
from avbench.types import Need


@dataclass(frozen=True)
class FadMelception(FrechetDistance):
    """Fréchet distance of the Melception embeddings of two sets of sounds.

    Args:
        frames: Frames of the spectrogram, see `melception`.
        resample: False takes any rate for 22050 Hz as the source does, see `melception`.
    """

    frames: Literal[848, 860] = 848
    resample: bool = True

    name: ClassVar[str] = "fad_melception"
    title: ClassVar[str] = "Fréchet audio distance of Melception embeddings (FAD, FID)"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Iashin and Rahtu, arXiv:2110.08791; github.com/v-iashin/SpecVQGAN evaluation/metrics/fid.py at 33c601d"
    )

    def extractors(self) -> tuple[Need, ...]:
        """Melception on the first 10 s."""
        return (Need.of("melception", frames=self.frames, resample=self.resample),)

    def layer(self) -> str:
        """2048 numbers for each clip."""
        return "melception.embedding"
