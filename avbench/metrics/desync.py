"""DeSync: by how many seconds a network finds sound and picture of a clip apart (absolute, lower is better).

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

    `network="mini_sync"` takes the small network that comes with avbench (`mini_sync`): one window, the first 10 s of the clip,
    and the offset of the largest of its 49 scores on the grid -24/24, -23/24, ..., 24/24 s. It calls an offset positive where
    the sound is late, so the sign is turned round here. `variant` and `seconds` are Synchformer's and are refused.
Columns:
    desync: mean absolute offset, s. offset: mean signed offset, s, positive where the sound comes early. windows: how many.
Range:
    0 to 2 s, in steps of 0.2 s divided by the number of windows; with `mini_sync` 0 to 1 s in steps of 1/24 s.
Source:
    github.com/hkchengrex/av-benchmark `av_bench/evaluate.py` at 050a5cd; github.com/JavisVerse/JavisDiT
    `eval/javisbench/src/metrics.py` at b505b37. Network: Iashin et al., arXiv:2401.16423. `mini_sync` was trained by this
    repository.
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

from avbench.errors import BadParameter
from avbench.extractors.mini_sync import OFFSETS as LATE
from avbench.types import Array, Better, Features, Item, Metric, Need

Variant = Literal["av_benchmark", "javisbench"]

SEGMENTS = 14
"""In a window."""
STEP_SECONDS = 0.32
"""From segment to segment."""
OFFSETS: NDArray[np.float64] = np.linspace(-2.0, 2.0, 21).astype(np.float32).astype(np.float64)
"""Seconds of the classes, rounded to float32 as published."""
_NO_SCORE = -1e4
"""What `mini_sync` gives an offset that brings too little of picture and sound together."""


@dataclass(frozen=True)
class Desync(Metric):
    """Mean over clips of the absolute offset that a network finds.

    Args:
        variant: See the module; of Synchformer alone, as `seconds` is.
        seconds: What is kept of each clip's beginning. 8 by default in both; JavisBench's published tables use 4.
        network: Which extractor gives the scores.

    Raises:
        BadParameter: for another variant or network, for seconds that are too few for one window, or for a variant or seconds
            with `mini_sync`.
    """

    variant: Variant = "av_benchmark"
    seconds: float = 8.0
    network: Literal["synchformer", "mini_sync"] = "synchformer"

    name: ClassVar[str] = "desync"
    title: ClassVar[str] = "DeSync: absolute offset between sound and picture"
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
        if self.network == "mini_sync" and (self.variant, self.seconds) != ("av_benchmark", 8.0):
            raise BadParameter(
                "desync: variant and seconds say how Synchformer is shown a clip; mini_sync sees its first 10 s in one way, so "
                f"leave them out: desync[network=mini_sync] (got variant={self.variant}, seconds={self.seconds:g})"
            )
        from avbench.registry import needed

        needed(self.extractors()[0])  # refuses seconds that are too few

    def extractors(self) -> tuple[Need, ...]:
        """Synchformer on the clip as the variant prepares it, or `mini_sync`."""
        if self.network == "mini_sync":
            return (Need.of("mini_sync"),)
        return (Need.of("synchformer", variant=self.variant, seconds=self.seconds),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Mean absolute offset, mean offset, number of windows: `(3,)`."""
        if self.network == "mini_sync":
            offset = early()[np.asarray(got["mini_sync.logits"]).argmax()]
            return np.array([abs(offset), offset, 1.0], dtype=np.float64)
        found = offsets(got["synchformer.logits"])
        kept = found[windows(len(found), self.variant)]
        return np.array([np.abs(kept).mean(), kept.mean(), len(kept)], dtype=np.float64)

    def trace(self, item: Item, got: Features, ref: Features | None) -> Mapping[str, Array]:
        """What a report draws.

        Of Synchformer the sync curve: `offset` (s) of the window that starts at `start` (s), every 0.32 s, and `scored`, which
        count. Of `mini_sync`, which answers once for the whole clip, the `score` of each `offset` (s, rising) that it can tell.
        """
        if self.network == "mini_sync":
            logits = np.asarray(got["mini_sync.logits"], dtype=np.float64)[::-1]
            told = logits > _NO_SCORE
            return {"offset": early()[::-1][told], "score": logits[told]}
        found = offsets(got["synchformer.logits"])
        starts = STEP_SECONDS * np.arange(len(found))
        return {"start": starts, "offset": found, "scored": starts[windows(len(found), self.variant)]}


def early() -> NDArray[np.float64]:
    """Seconds by which the sound is early, for each of the scores of `mini_sync`: `(49,)`, falling."""
    return 0.0 - np.array(LATE)  # 0 stays +0


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
