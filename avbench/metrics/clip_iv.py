"""Similarity of the conditioning picture and the generated frames by CLIP (higher is better).

Definition:
    The conditioning picture is the first frame of the item's reference clip. A clip's value is the mean cosine between CLIP's
    embedding (`open_clip`) of it and of 48 frames of the generated clip, from the first to the last; a run's the mean over
    clips.
Columns:
    clip_iv: the mean cosine. first: the cosine with the first generated frame. last: with the last.
Range:
    -1 to 1.
Source:
    No published code computes it for joint generation; the frames and the cosine are those of `clip_tv[javisbench]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter
from avbench.models.clip import Model
from avbench.types import Array, Better, Features, Item, Metric, Need


@dataclass(frozen=True)
class ClipIv(Metric):
    """Mean over clips of the similarity between the conditioning picture and the frames.

    Args:
        model: The CLIP network.
        frames: How many frames of the generated clip.
        network: Which extractor gives the embeddings.

    Raises:
        BadParameter: for another model, or less than one frame.
    """

    model: Model = "ViT-B-32"
    frames: int = 48
    network: Literal["open_clip"] = "open_clip"

    name: ClassVar[str] = "clip_iv"
    title: ClassVar[str] = "CLIP similarity of conditioning picture and generated frames"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Radford et al., arXiv:2103.00020; frames as github.com/JavisVerse/JavisDiT eval/javisbench/src/metrics.py at b505b37"
    )
    columns: ClassVar[tuple[str, ...]] = ("clip_iv", "first", "last")
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        from avbench.registry import needed

        needed(self.extractors()[0])  # refuses a number of frames that is none

    def extractors(self) -> tuple[Need, ...]:
        """CLIP on frames of the clip."""
        return (Need.of(self.network, model=self.model, frames=self.frames),)

    def reference_extractors(self) -> tuple[Need, ...]:
        """CLIP on the first frame of the reference."""
        return (Need.of(self.network, model=self.model, frames=1),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Mean cosine, and those of the first and the last frame: `(3,)`.

        Raises:
            BadParameter: without the reference's features.
        """
        cosines = self._cosines(got, ref)
        return np.array([cosines.mean(), cosines[0], cosines[-1]], dtype=np.float64)

    def trace(self, item: Item, got: Features, ref: Features | None) -> Mapping[str, Array]:
        """`similarity`: the cosine of each frame."""
        return {"similarity": self._cosines(got, ref)}

    def _cosines(self, got: Features, ref: Features | None) -> NDArray[np.float64]:
        if ref is None:
            raise BadParameter("clip_iv: the reference clip is needed, for its first frame, and None came")
        frames, condition = got[f"{self.network}.embedding"], ref[f"{self.network}.embedding"][0]
        return np.asarray(frames, dtype=np.float64) @ np.asarray(condition, dtype=np.float64)
