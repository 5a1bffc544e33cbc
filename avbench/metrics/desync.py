"""DeSync: by how many seconds Synchformer finds sound and picture of a clip apart (absolute, lower is better).

Definition:
    Synchformer (`synchformer`) gives 21 scores to windows of 14 segments (4.8 s). A window's offset is the class of the largest
    score on the grid -2, -1.8, ..., 2 s. A clip's value is the mean absolute offset of its windows, a run's the mean over
    clips.

    | variant | windows | clips shorter than `seconds` |
    |---|---|---|
    | `av_benchmark` (default) | the first 14 segments and the last 14 | refused |
    | `javisbench` | one after another; the last 14 in place of a shorter last one | filled with black frames and zeros |

    Where `seconds` makes fewer than 14 segments, `javisbench` repeats them from the first up to 14.

    `javisbench` counts the same window once where there are exactly 14 segments; `av_benchmark` counts it twice.
Columns:
    desync: mean absolute offset, s. offset: mean signed offset, s, positive where the sound comes early. windows: how many.
Range:
    0 to 2 s, in steps of 0.2 s divided by the number of windows.
Source:
    github.com/hkchengrex/av-benchmark `av_bench/evaluate.py` at 050a5cd; github.com/JavisVerse/JavisDiT
    `eval/javisbench/src/metrics.py` at b505b37. Network: Iashin et al., arXiv:2401.16423.
Differs from the source:
    JavisBench returns window values of a batch in another order than its clips; its mean over a set is the same, its values of
    single clips of 5.12 s and longer are not. av-benchmark scores the next file in place of one whose sound is too short.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.types import Array, Better, Features, Item, Metric, Need

Variant = Literal["av_benchmark", "javisbench"]

SEGMENTS = 14
"""In a window."""
STEP_SECONDS = 0.32
"""From segment to segment."""
OFFSETS: NDArray[np.float64] = np.linspace(-2.0, 2.0, 21).astype(np.float32).astype(np.float64)
"""Seconds of the classes, rounded to float32 as published."""


@dataclass(frozen=True)
class Desync(Metric):
    """Mean over clips of the absolute offset that Synchformer finds.

    Args:
        variant: See the module.
        seconds: What is kept of each clip's beginning. 8 by default in both; JavisBench's published tables use 4.
        network: Which extractor gives the scores.

    Raises:
        BadParameter: for another variant or network, or seconds that are too few for one window.
    """

    variant: Variant = "av_benchmark"
    seconds: float = 8.0
    network: Literal["synchformer"] = "synchformer"

    name: ClassVar[str] = "desync"
    title: ClassVar[str] = "DeSync: absolute offset between sound and picture by Synchformer"
    unit: ClassVar[str] = "s"
    better: ClassVar[Better] = "lower"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Iashin et al., arXiv:2401.16423; av_benchmark: github.com/hkchengrex/av-benchmark av_bench/evaluate.py at 050a5cd; "
        "javisbench: github.com/JavisVerse/JavisDiT eval/javisbench/src/metrics.py at b505b37"
    )
    columns: ClassVar[tuple[str, ...]] = ("desync", "offset", "windows")

    def __post_init__(self) -> None:
        super().__post_init__()
        from avbench.registry import needed

        needed(self.extractors()[0])  # refuses seconds that are too few

    def extractors(self) -> tuple[Need, ...]:
        """Synchformer on the clip as the variant prepares it."""
        return (Need.of(self.network, variant=self.variant, seconds=self.seconds),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Mean absolute offset, mean offset, number of windows: `(3,)`."""
        found = offsets(got[f"{self.network}.logits"])
        kept = found[windows(len(found), self.variant)]
        return np.array([np.abs(kept).mean(), kept.mean(), len(kept)], dtype=np.float64)

    def trace(self, item: Item, got: Features, ref: Features | None) -> Mapping[str, Array]:
        """The sync curve: `offset` (s) of the window that starts at `start` (s), every 0.32 s, and `scored`, which count."""
        found = offsets(got[f"{self.network}.logits"])
        starts = STEP_SECONDS * np.arange(len(found))
        return {"start": starts, "offset": found, "scored": starts[windows(len(found), self.variant)]}


def offsets(logits: Array) -> NDArray[np.float64]:
    """Seconds of the largest score of every place, `(P, 21)` to `(P,)`; the smaller offset where two are equal."""
    return np.asarray(OFFSETS[np.asarray(logits).argmax(axis=1)])


def windows(places: int, variant: Variant) -> list[int]:
    """Places of the windows that a variant scores, with P places where 14 segments fit.

    >>> windows(11, "av_benchmark"), windows(11, "javisbench"), windows(17, "javisbench")
    ([0, 10], [0, 10], [0, 14, 16])
    """
    last = places - 1
    if variant == "av_benchmark":
        return [0, last]
    return [*range(0, last, SEGMENTS), last]
