"""AV-A of Verse-Bench: by how many seconds Synchformer finds sound and picture apart, with the sign, or without it.

Definition:
    Synchformer gives 21 scores to the first 4 s of a clip (`synchformer`, variant `verse_bench`: 11 segments). A clip's offset
    is the class of the largest score on the grid -2, -1.8, ..., 2 s.

    | variant | value of a clip | value of a run |
    |---|---|---|
    | `verse_bench` (default) | the offset, positive where the sound comes early | the mean: early and late cancel |
    | `abs` | the offset without its sign | the mean |
Columns:
    av_a: the value. offset: s, signed. absolute_offset: s.
Range:
    -2 to 2 s for `verse_bench`, 0 to 2 s for `abs`, in steps of 0.2 s; 0 is in time.
Source:
    Universe-1, github.com/Dorniwang/Verse-Bench `syncformer/syncformer_inferencer.py`, `syncformer/cfg.yaml`,
    `calculate_metrics.py` at 5645a09. Network: Iashin et al., arXiv:2401.16423.
Differs from the source:
    It first writes the clip anew with FFmpeg (25 frames a second, short side 256, H.264, 16 kHz, AAC) and computes in half
    precision. Here nothing is encoded again and everything is float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.metrics.desync import OFFSETS, offsets
from avbench.types import Array, Better, Features, Item, Metric, Need


@dataclass(frozen=True)
class AvA(Metric):
    """Mean over clips of the offset that Synchformer finds in their first 4 s.

    Args:
        variant: See the module.
        network: Which extractor gives the scores.

    Raises:
        BadParameter: for another choice.
    """

    variant: Literal["verse_bench", "abs"] = "verse_bench"
    network: Literal["synchformer"] = "synchformer"

    name: ClassVar[str] = "av_a"
    title: ClassVar[str] = "AV-A: offset between sound and picture of the first 4 s by Synchformer"
    unit: ClassVar[str] = "s"
    better: ClassVar[Better] = "none"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "github.com/Dorniwang/Verse-Bench syncformer/syncformer_inferencer.py, calculate_metrics.py at 5645a09; "
        "network: Iashin et al., arXiv:2401.16423"
    )
    columns: ClassVar[tuple[str, ...]] = ("av_a", "offset", "absolute_offset")

    def extractors(self) -> tuple[Need, ...]:
        """Synchformer on the clip as Verse-Bench prepares it."""
        return (Need.of(self.network, variant="verse_bench", seconds=4.0),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Value, signed and absolute offset: `(3,)`."""
        (offset,) = offsets(got[f"{self.network}.logits"]).tolist()
        return np.array([abs(offset) if self.variant == "abs" else offset, offset, abs(offset)])

    def trace(self, item: Item, got: Features, ref: Features | None) -> Mapping[str, Array]:
        """What the network says of every offset: `probabilities` (21,) beside `offsets` (21,) in seconds."""
        logits = np.asarray(got[f"{self.network}.logits"], dtype=np.float64)[0]
        powers = np.exp(logits - logits.max())
        return {"offsets": OFFSETS, "probabilities": powers / powers.sum()}
