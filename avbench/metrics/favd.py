"""Fréchet audio-video distance of generated and reference clips, in joint embeddings of picture and sound.

Definition:
    A clip gives one row for every 0.96 s: the sum of the two streams of I3D (`i3d_windows`, 1024 numbers), and beside it
    VGGish after its last ReLU (`vggish`, chain `torchvggish`, 128 numbers). Rows end with the shorter of the two. Gaussians are
    fitted to the rows of the generated and of the reference clips; the score is their Fréchet distance in float64 (n - 1).
Shapes:
    row: (windows, 1152), one row per window; clips weigh by their length.
Range:
    0 for equal sets, no upper end; lower is better.
Few clips:
    Biased upwards, about in proportion to 1 / n. With fewer than 1153 windows on a side (about 120 clips of 10 s) the
    covariance is singular. Compare only values of equal n and equal lengths. Fewer than 2 clips have no score.
Source:
    L. Goncalves et al., PEAVS, arXiv:2404.07336; github.com/amazon-science/avgen-eval-toolkit `run_FAVD.sh`,
    `FAVD/compute_FAVD.py`, `PEAVS/av_features_extraction/main.py` at 9cf014b.
Differs from the source:
    The root of the covariances is exact (`stats.frechet`); the source adds 1e-6 to both diagonals where SciPy's root is not
    finite, and stops where it is complex.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench import stats
from avbench.distances import FrechetDistance
from avbench.metrics.fad_vggish import vggish
from avbench.types import Features, Item, Need

Variant = Literal["avgen_eval_toolkit"]


@dataclass(frozen=True)
class Favd(FrechetDistance):
    """Fréchet distance of the joint embeddings of picture and sound of two sets of clips.

    Args:
        variant: Whose code is followed; one is published.

    Raises:
        BadParameter: for another variant.
    """

    variant: Variant = "avgen_eval_toolkit"

    name: ClassVar[str] = "favd"
    title: ClassVar[str] = "Fréchet audio-video distance (FAVD)"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "Goncalves et al., arXiv:2404.07336; github.com/amazon-science/avgen-eval-toolkit at 9cf014b"
    precision: ClassVar[Any] = np.float64

    def extractors(self) -> tuple[Need, ...]:
        """Both streams of I3D, and VGGish as torchvggish has it."""
        return (Need.of("i3d_windows"), vggish("torchvggish", "0.4.3"))

    def layer(self) -> str:
        """1152 numbers for each window of a clip: no extractor's own layer, see `row`."""
        return "favd.joined"

    def statistics(self) -> stats.FrechetVariant:
        """In float64 throughout."""
        return "exact"

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """The joint embeddings of one clip, (windows, 1152)."""
        picture = got["i3d_windows.rgb"].astype(np.float64) + got["i3d_windows.flow"].astype(np.float64)
        sound = got["vggish.embeddings"].astype(np.float64)
        windows = min(len(picture), len(sound))
        return np.concatenate([picture[:windows], sound[:windows]], axis=1)
