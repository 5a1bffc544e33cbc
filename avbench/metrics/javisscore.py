"""JavisScore: how well frames and sound belong together in the windows of a clip, judged by the frames that fit least.

Definition:
    Windows go over the clip's frames and over its sound (`imagebind_windows`), the i-th with the i-th. A window's score is the
    mean of its k smallest cosines between ImageBind's embeddings of a frame (`imagebind_frames`) and of the window's sound; k
    is the whole part of `least` times the frames of a window. A clip's score is the mean over its windows, the number of a run
    the mean over its clips.

    | variant | window | overlap | least |
    |---|---|---|---|
    | `javisbench` (default) | 2 s | 1.5 s | 0.4 |
    | `function_defaults` | 0.5 s | 0 s | 0.4 |

    `javisbench` is what the benchmark's command line and the paper use, `function_defaults` what its function takes when it is
    called without them.
Range:
    -1 to 1; higher is better.
Source:
    arXiv:2503.23377 (JavisDiT); github.com/JavisVerse/JavisDiT `eval/javisbench/src/metrics.py`, `dataset.py` and
    `eval/javisbench/main.py` at b505b37.
Differs from the source:
    Where k is 0 (fewer than 3 frames in a window) the source's score is NaN; such a clip is unscored with `too_short`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench import joint_space
from avbench.errors import BadParameter, Unscorable
from avbench.imagebind import Positions, cosine
from avbench.joint_space import Network
from avbench.types import Array, Better, Features, Item, Metric, Need

Variant = Literal["javisbench", "function_defaults"]

_SETTINGS: Mapping[Variant, tuple[float, float]] = {"javisbench": (2.0, 1.5), "function_defaults": (0.5, 0.0)}


@dataclass(frozen=True)
class Javisscore(Metric):
    """Mean over windows of the mean of the least cosines between frames and sound.

    Args:
        variant: See the module.
        window: Seconds; None for the variant's.
        overlap: Seconds; None for the variant's.
        least: Share of a window's frames that count, those that fit least; above 0, at most 1.
        positions: Where the three pieces of a window of more than 2 s begin, see `avbench.imagebind.Positions`.
        network: Whose embeddings, see `avbench.joint_space`.

    Raises:
        BadParameter: for another choice, or a share that is not above 0 and at most 1.
    """

    variant: Variant = "javisbench"
    window: float | None = None
    overlap: float | None = None
    least: float = 0.4
    positions: Positions = "pinned"
    network: Network = "imagebind"

    name: ClassVar[str] = "javisscore"
    title: ClassVar[str] = "JavisScore: cosine of the frames that fit least with the sound of their window"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "JavisDiT, arXiv:2503.23377; github.com/JavisVerse/JavisDiT eval/javisbench/src/metrics.py at b505b37"
    )
    columns: ClassVar[tuple[str, ...]] = ("javisscore", "windows", "frames_per_window")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.least <= 1.0:
            raise BadParameter(f"javisscore: least must be above 0 and at most 1, got {self.least}")
        joint_space.refuse_settings(self, self.network, ("variant", "window", "overlap", "least"))

    def extractors(self) -> tuple[Need, ...]:
        """Every frame, and the sound in windows."""
        window, overlap = _SETTINGS[self.variant]
        windows = {
            "window": window if self.window is None else self.window,
            "overlap": overlap if self.overlap is None else self.overlap,
            "positions": self.positions,
        }
        return joint_space.needs(self.network, {"frames": {}, "windows": windows})

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Score, number of windows, frames in one window: `(3,)`.

        Raises:
            Unscorable: `too_short` if `least` of a window's frames is less than one frame.
        """
        cosines = self._cosines(got)
        return np.array([window_scores(cosines, self.least).mean(), *cosines.shape])

    def trace(self, item: Item, got: Features, ref: Features | None) -> Mapping[str, Array]:
        """Score of each window, and the seconds from which to which its frames are shown."""
        times = joint_space.windows(got, self.network)[2]
        return {
            "window_scores": window_scores(self._cosines(got), self.least),
            "window_starts": times[:, 0],
            "window_ends": times[:, 1],
        }

    def _cosines(self, got: Features) -> NDArray[np.float64]:
        """`(windows, frames)`."""
        frames = joint_space.embedding(got, self.network, "frames")
        sound, spans, _ = joint_space.windows(got, self.network)
        return np.stack([cosine(frames[first:end], heard) for (first, end), heard in zip(spans, sound, strict=True)])


def window_scores(cosines: NDArray[np.float64], least: float = 0.4) -> NDArray[np.float64]:
    """Mean of the smallest cosines of each window.

    Args:
        cosines: `(windows, frames)`.
        least: Share of the frames that count.

    Returns:
        `(windows,)`.

    Raises:
        Unscorable: `too_short` if that is less than one frame.

    >>> window_scores(np.array([[0.5, 0.1, 0.3, 0.2, 0.4]])).round(3).tolist()
    [0.15]
    """
    count = int(cosines.shape[1] * least)
    if count == 0:
        raise Unscorable("too_short", f"{least:g} of the {cosines.shape[1]} frames in a window is less than one frame")
    return np.asarray(np.sort(cosines, axis=1)[:, :count].mean(axis=1))
