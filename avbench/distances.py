"""What metrics share that compare the embeddings of two sets of clips: Fréchet and kernel distances.

A metric of this kind names its extractor, the layer that its rows are, and how the distance is computed; everything else is
here. Rows of metrics on one layer with one setting are the same, so one statistics file (`avbench.reference_stats`) serves them
all.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench import stats
from avbench.errors import BadParameter
from avbench.moments import Moments
from avbench.types import Better, Features, Item, Metric, Need

I3dVariant = Literal["videogpt", "styleganv", "javisbench", "javisbench_fixed", "mmdiffusion", "cdfvd"]
VideoNetwork = Literal["i3d_pretrained_400", "rgb_imagenet", "i3d_torchscript", "mini_video"]


class SetDistance(Metric):
    """A distance between the embeddings of the generated clips and those of the reference clips."""

    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "lower"
    columns: ClassVar[tuple[str, ...]] = ()
    needs_reference: ClassVar[bool] = True
    needs_all: ClassVar[bool] = True
    minimum: ClassVar[int] = 2

    @abstractmethod
    def layer(self) -> str:
        """The layer that rows are, `<extractor>.<layer>`."""

    @abstractmethod
    def distance(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        """The distance of generated rows (n, d) to reference rows (m, d)."""

    def row_kind(self) -> str:
        """The layer: rows are the same for all metrics on it."""
        return self.layer()

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """The embedding of one clip, (d,), or (windows, d)."""
        return np.asarray(got[self.layer()], dtype=np.float64)

    def score(self, rows: NDArray[np.float64], ref_rows: NDArray[np.float64] | None) -> float:
        """The distance of rows (n, d) to reference rows (m, d).

        Raises:
            BadParameter: without reference rows, or with fewer than two on a side.
        """
        return self.distance(rows, self._there(ref_rows))

    def interval(
        self, rows: Sequence[NDArray[np.float64]], ref_rows: Sequence[NDArray[np.float64]] | None, *, seed: int
    ) -> tuple[float, float, str]:
        """From halves of the clips around the score, see `stats.subset_interval`."""
        return stats.subset_interval(self.score, rows, ref_rows, seed=seed)

    def _there(self, ref_rows: NDArray[np.float64] | None) -> NDArray[np.float64]:
        if ref_rows is None:
            raise BadParameter(f"{self.name}: reference rows are needed and None came")
        return ref_rows


class FrechetDistance(SetDistance):
    """Fréchet distance of the Gaussians that are fitted to both sets."""

    def kept_in(self) -> type[np.floating]:
        """What the published code keeps embeddings in; it rounds them and their means."""
        return np.float32

    def statistics(self) -> stats.FrechetVariant:
        """How the distance is computed, see `stats.frechet_variant`."""
        return "scipy"

    @property
    def moments_suffice(self) -> bool:
        """Not where the published statistics are float32, which are made from rows."""
        return self.statistics() not in ("tfgan_svd", "eps_always")

    def distance(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        """The distance of rows (n, d) to rows (m, d)."""
        kept: Any = self.kept_in()
        return stats.frechet_variant(x.astype(kept, copy=False), y.astype(kept, copy=False), self.statistics())

    def score_from_moments(self, rows: NDArray[np.float64], reference: Moments) -> float:
        """The distance to a Gaussian, in float64: the published rounding of the means (1e-6 of the value) is left out.

        Raises:
            BadParameter: where the published statistics are made from rows.
        """
        if not self.moments_suffice:
            return super().score_from_moments(rows, reference)
        population = self.statistics() == "stylegan"
        mean, covariance = stats.moments(rows, ddof=0 if population else 1)
        other = reference.divided_by_n() if population else reference.covariance
        return stats.frechet_of_moments(mean, covariance, reference.mean, other)


@dataclass(frozen=True)
class KernelDistance(SetDistance):
    """Unbiased squared maximum mean discrepancy with the kernel (x.y / d + 1)^3.

    Args:
        variant: `unbiased`: over the full sets. `subsets`: mean over subsets, as the published codes do.
        subsets: How many subsets.
        size: Rows of each, fewer where a set has fewer.
        seed: Of the draws.

    Raises:
        BadParameter: for numbers that are too small, or that the variant does not use.
    """

    variant: Literal["unbiased", "subsets"] = "unbiased"
    subsets: int = 100
    size: int = 1_000
    seed: int = 2020

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.subsets < 1 or self.size < 2 or self.seed < 0:
            raise BadParameter(
                f"{self.name}: needs at least 1 subset of 2 rows and a seed of 0 or more, "
                f"got subsets={self.subsets}, size={self.size}, seed={self.seed}"
            )
        if self.variant == "unbiased" and (self.subsets, self.size, self.seed) != (100, 1_000, 2020):
            raise BadParameter(
                f"{self.name}: subsets, size and seed are of the variant 'subsets'; 'unbiased' takes the full sets"
            )

    def distance(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        """The distance of rows (n, d) to rows (m, d)."""
        if self.variant == "subsets":
            return stats.kid_subsets(x, y, subsets=self.subsets, size=self.size, seed=self.seed)[0]
        return stats.polynomial_mmd(x, y)

    def interval(
        self, rows: Sequence[NDArray[np.float64]], ref_rows: Sequence[NDArray[np.float64]] | None, *, seed: int
    ) -> tuple[float, float, str]:
        """From halves of the clips, always over full sets, around the score, see `stats.subset_interval`."""
        joined = [np.concatenate([np.atleast_2d(r) for r in side]) for side in (rows, self._some(ref_rows))]
        return stats.subset_interval(
            lambda x, y: stats.polynomial_mmd(x, self._there(y)), rows, ref_rows, seed=seed, value=self.distance(*joined)
        )

    def _some(self, ref_rows: Sequence[NDArray[np.float64]] | None) -> Sequence[NDArray[np.float64]]:
        if ref_rows is None:
            raise BadParameter(f"{self.name}: reference rows are needed and None came")
        return ref_rows


@dataclass(frozen=True)
class VideoDistance(SetDistance):
    """A distance of what a video network gives clips: I3D's class scores, or the features of `mini_video`.

    Args:
        variant: I3D's frames and pixels, see `i3d_k400`; with `mini_video` only the default is taken.
        network: The file that I3D loads, see `i3d_k400`, or `mini_video`, which comes with avbench.
        frames: Frames that I3D sees of each clip; None for the variant's own number.
        float64: Statistics in float64 also where the variant has float32. With `mini_video` they always are.

    Raises:
        BadParameter: for what `mini_video` does not have.
    """

    variant: I3dVariant = "videogpt"
    network: VideoNetwork = "i3d_pretrained_400"
    frames: int | None = None
    float64: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.network == "mini_video" and (self.variant, self.frames, self.float64) != ("videogpt", None, False):
            raise BadParameter(
                f"{self.name}: variant, frames and float64 choose what I3D sees and how its scores are rounded; mini_video has "
                f"one way, in float64, so leave them out: {self.name}[network=mini_video] "
                f"(got variant={self.variant}, frames={self.frames}, float64={self.float64})"
            )

    def extractors(self) -> tuple[Need, ...]:
        """I3D on the frames of the variant, or `mini_video`."""
        if self.network == "mini_video":
            return (Need.of("mini_video"),)
        return (Need.of("i3d_k400", variant=self.variant, network=self.network, frames=self.frames),)

    def layer(self) -> str:
        """400 class scores for each clip, or 128 features."""
        return "mini_video.features" if self.network == "mini_video" else "i3d_k400.logits"
