"""Fréchet distance of CLAP's embeddings of generated and reference sounds (squared units of the embedding).

Definition:
    Gaussians are fitted to the 512-d embeddings of all windows of all clips, one to the generated set, one to the reference
    set; the score is their Fréchet distance (`stats.frechet_variant`).

    | variant | windows | statistics |
    |---|---|---|
    | `fadtk` (default) | 10 s at every second of the clip, zeros behind its end | float16 embeddings, eigenvalues |
    | `clip` | one for the clip: repeated up to 10 s, or its middle 10 s | float64, exact |

    fadtk's `clap-laion-audio` is `fadtk` with the file `630k_audioset`, its `clap-laion-music` with `music_audioset`. `clip` is
    avbench's own: a clip of 4 s weighs as one of 10 s, and no window is mostly zeros. Values of different variants, networks
    and files cannot be compared.
Shapes:
    row: (windows, 512); with `fadtk` clips weigh by their length.
Range:
    0 for equal sets, at most about 4; lower is better.
Few clips:
    Biased upwards, about in proportion to 1 / n; below 513 windows on a side the covariance is singular, and windows of one
    clip overlap, so they count for less. Compare only values of equal n and equal lengths. Fewer than 2 clips have no score.
Source:
    A. Gui et al., Adapting Frechet audio distance for generative music evaluation, arXiv:2311.01616; github.com/microsoft/fadtk
    `fadtk/model_loader.py`, `fadtk/fad.py` at ec74b1f.
Differs from the source:
    fadtk merges the means of files, each rounded to float16; here there is one mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from avbench import stats
from avbench.distances import FrechetDistance
from avbench.errors import BadParameter
from avbench.types import Need

Variant = Literal["fadtk", "clip"]
Network = Literal["laion_clap", "clap"]
File = Literal["630k_audioset", "music_audioset", "music_speech_audioset"]


@dataclass(frozen=True)
class FadClap(FrechetDistance):
    """Fréchet distance of the CLAP embeddings of two sets of sounds.

    Args:
        variant: See the module.
        network: The extractor. `clap` is transformers' `laion/clap-htsat-unfused`, which fadtk does not have.
        file: Which of LAION's files `laion_clap` loads.

    Raises:
        BadParameter: for another variant, network or file, or a file that is not the default with `clap`.
    """

    variant: Variant = "fadtk"
    network: Network = "laion_clap"
    file: File = "630k_audioset"

    name: ClassVar[str] = "fad_clap"
    title: ClassVar[str] = "Fréchet audio distance of CLAP embeddings (FAD, CLAP)"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "Gui et al., arXiv:2311.01616; github.com/microsoft/fadtk at ec74b1f"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.network == "clap" and self.file != "630k_audioset":
            raise BadParameter(f"fad_clap: {self.file} is a file of laion_clap; the network clap has one file of its own")

    def extractors(self) -> tuple[Need, ...]:
        """The network on the windows of the variant."""
        if self.network == "clap":
            return (Need.of("clap", variant="fadtk" if self.variant == "fadtk" else "transformers"),)
        return (Need.of("laion_clap", chain="fadtk" if self.variant == "fadtk" else "file", network=self.file),)

    def layer(self) -> str:
        """512 numbers for each window of a clip."""
        return f"{self.network}.embedding"

    def statistics(self) -> stats.FrechetVariant:
        """Those of the variant."""
        return "eig" if self.variant == "fadtk" else "exact"

    def kept_in(self) -> type[np.floating]:
        """float16 in fadtk's files."""
        return np.float16 if self.variant == "fadtk" else np.float64
