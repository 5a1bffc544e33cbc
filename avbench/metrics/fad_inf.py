"""Fréchet distance extrapolated to infinitely many clips, of any metric that is one (squared units of the embedding).

Definition:
    Generated rows are drawn with replacement in `steps` sizes n from `min_n` to the number of rows, each draw is compared with
    all reference rows by their Fréchet distance in float64, and a line is fitted to the distances over 1 / n; the score is its
    intercept (`stats.fad_inf`). `of` names the metric whose extractor and rows are used, `variant` that metric's variant:
    `fad_inf[fadtk,of=fad_vggish]` is fadtk's FAD-inf with VGGish, `fad_inf[of=fd_passt]` the same on PaSST.
Shapes:
    row: that of `of`.
Range:
    About 0 for sets of one distribution, slightly negative where noise decides, no upper end; lower is better.
Few clips:
    With fewer rows than `min_n` the sizes fall from `min_n` to N, as in fadtk: rows repeat more often than they are there, and
    the value says little. With exactly `min_n` rows all sizes are one and there is no score. The bias of the reference's own
    number of clips stays in.
Order of the clips:
    The draws are of rows in the clips' order, so another order moves the score a little, as in the published code.
Source:
    A. Gui et al., Adapting Frechet Audio Distance for Generative Music Evaluation, arXiv:2311.01616, after M. J. Chong and
    D. Forsyth, Effectively Unbiased FID and Inception Score, arXiv:1911.07023; github.com/microsoft/fadtk fadtk/fad.py at
    ec74b1f.
Differs from the source:
    fadtk leaves the generator of the draws unseeded; here it is `RandomState(seed)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench import registry, stats
from avbench.distances import FrechetDistance
from avbench.errors import BadParameter, Unscorable
from avbench.moments import Moments
from avbench.types import Better, Features, Item, Metric, Need


@dataclass(frozen=True)
class FadInf(Metric):
    """A Fréchet distance at infinitely many generated clips.

    Args:
        variant: Of the metric `of`; empty for its default.
        of: The Fréchet distance whose rows are taken: `fad_vggish`, `fd_panns`, `fd_passt`, `fad_melception`, `fvd`, ...
        steps: Number of sizes, at least 2.
        min_n: Smallest size, at least 2.
        seed: Of the draws.

    Raises:
        BadParameter: if `of` is no Fréchet distance or does not have the variant, or for numbers that are too small.
    """

    variant: str = ""
    of: str = "fad_vggish"
    steps: int = 25
    min_n: int = 500
    seed: int = 0

    name: ClassVar[str] = "fad_inf"
    title: ClassVar[str] = "Fréchet distance at infinitely many clips (FAD-inf)"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "lower"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "Gui et al., arXiv:2311.01616; github.com/microsoft/fadtk fadtk/fad.py at ec74b1f"
    columns: ClassVar[tuple[str, ...]] = ()
    needs_reference: ClassVar[bool] = True
    needs_all: ClassVar[bool] = True
    minimum: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 2 or self.min_n < 2 or self.seed < 0:
            raise BadParameter(
                "fad_inf: needs at least 2 steps, a min_n of 2 or more and a seed of 0 or more, "
                f"got steps={self.steps}, min_n={self.min_n}, seed={self.seed}"
            )
        self._distance()

    def _distance(self) -> FrechetDistance:
        made = registry.metric(self.of, **({"variant": self.variant} if self.variant else {}))
        if not isinstance(made, FrechetDistance):
            raise BadParameter(f"fad_inf: of must name a Fréchet distance such as fad_vggish or fd_passt, got '{self.of}'")
        return made

    def extractors(self) -> tuple[Need, ...]:
        """Those of the distance."""
        return self._distance().extractors()

    def row_kind(self) -> str:
        """That of the distance."""
        return self._distance().row_kind()

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """That of the distance: (d,), or (windows, d)."""
        return self._distance().row(item, got, ref)

    def score(self, rows: NDArray[np.float64], ref_rows: NDArray[np.float64] | None) -> float:
        """The intercept, from rows (n, d) and reference rows (m, d).

        Raises:
            BadParameter: without reference rows, or with fewer than two.
            Unscorable: `too_short` with exactly `min_n` rows, which make no line.
        """
        if ref_rows is None:
            raise BadParameter("fad_inf: reference rows are needed and None came")
        self._enough(rows)
        return stats.fad_inf(rows, ref_rows, steps=self.steps, min_n=self.min_n, seed=self.seed).score

    @property
    def moments_suffice(self) -> bool:
        """The reference is used whole."""
        return True

    def score_from_moments(self, rows: NDArray[np.float64], reference: Moments) -> float:
        """The same against a Gaussian.

        Raises:
            Unscorable: `too_short` with exactly `min_n` rows, which make no line.
        """
        self._enough(rows)
        mean, covariance = reference.mean, reference.covariance
        return stats.fad_inf_of_moments(rows, mean, covariance, steps=self.steps, min_n=self.min_n, seed=self.seed).score

    def _enough(self, rows: NDArray[np.float64]) -> None:
        if len(rows) == self.min_n:
            raise Unscorable("too_short", f"{self.label}: {len(rows)} rows are one size, and a line needs two; change min_n")

    def interval(
        self, rows: Sequence[NDArray[np.float64]], ref_rows: Sequence[NDArray[np.float64]] | None, *, seed: int
    ) -> tuple[float, float, str]:
        """None: halves of the clips would be fitted over other sizes."""
        return float("nan"), float("nan"), "none: halves of the clips would be extrapolated from other sizes"
