"""What the ImageBind scores of pairs share: a cosine of two embeddings per clip, the mean over clips.

`ib_ta` and `ib_tv` compare the caption with sound or picture, `ib_ia` and `ib_iv` the picture that the generator was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench import joint_space
from avbench.clip_input import NO_WORDS, TOKENS
from avbench.errors import BadParameter
from avbench.imagebind import Positions, cosine
from avbench.joint_space import Network
from avbench.types import Better, Features, Item, Metric, Need

SOURCES: Mapping[str, str] = {
    "jointdit": "Table of the JointDiT paper (x100), no code published",
    "javisbench": "github.com/JavisVerse/JavisDiT eval/javisbench/src/metrics.py at b505b37",
}
TIMES: Mapping[str, float] = {"jointdit": 100.0}
"""What a variant's cosine is multiplied by, 1 if it is not here."""


@dataclass(frozen=True)
class CaptionScore(Metric):
    """Mean cosine of ImageBind's embeddings of the item's caption and of the clip.

    Args:
        variant: `jointdit`: captions of more than 77 tokens keep their end token, as in ImageBind today; times 100.
            `javisbench`: they lose it, as in JavisDiT's copy.
        positions: Where the pieces of 2 s begin, see `avbench.imagebind.Positions`.
        network: Whose embeddings, see `avbench.joint_space`.

    Raises:
        BadParameter: for another choice.
    """

    variant: Literal["jointdit", "javisbench"] = "jointdit"
    positions: Positions = "pinned"
    network: Network = "imagebind"

    stream: ClassVar[Literal["audio", "video"]]
    """What of the clip is compared."""
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    source: ClassVar[str] = "; ".join(f"{k}: {v}" for k, v in SOURCES.items())

    def __post_init__(self) -> None:
        super().__post_init__()
        joint_space.refuse_settings(self, self.network)

    def extractors(self) -> tuple[Need, ...]:
        """Caption, and sound or picture, of the clip."""
        caption: dict[str, Any] = {"truncation": "javisbench" if self.variant == "javisbench" else "imagebind"}
        if self.variant == "javisbench" and self.stream == "audio":
            caption["caption"] = "audio_text"
        return joint_space.needs(self.network, {"text": caption, self.stream: {"positions": self.positions}})

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """The clip's cosine, times 100 for `jointdit`: `(1,)`."""
        caption, clip = (joint_space.embedding(got, self.network, part) for part in ("text", self.stream))
        return np.array([cosine(caption, clip) * TIMES.get(self.variant, 1.0)])

    def flags(self, got: Features) -> tuple[str, ...]:
        """`caption_truncated` if words were cut off, `caption_empty` if there were none."""
        return joint_space.words(got, self.network, TOKENS, NO_WORDS)


@dataclass(frozen=True)
class GivenPictureScore(Metric):
    """Mean cosine, times 100, of ImageBind's embeddings of the given picture and of the clip.

    The given picture is the first frame of the item's reference clip.

    Args:
        positions: Where the pieces of 2 s begin, see `avbench.imagebind.Positions`.
        network: Whose embeddings, see `avbench.joint_space`.

    Raises:
        BadParameter: for another choice.
    """

    positions: Positions = "pinned"
    network: Network = "imagebind"

    stream: ClassVar[Literal["audio", "video"]]
    """What of the clip is compared."""
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        joint_space.refuse_settings(self, self.network)

    def extractors(self) -> tuple[Need, ...]:
        """Sound or picture of the clip."""
        return joint_space.needs(self.network, {self.stream: {"positions": self.positions}})

    def reference_extractors(self) -> tuple[Need, ...]:
        """The first frame of the reference."""
        return joint_space.needs(self.network, {"frames": {"frames": "first"}})

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """The clip's cosine with the given picture, times 100: `(1,)`.

        Raises:
            BadParameter: without the reference's features.
        """
        if ref is None:
            raise BadParameter(f"{self.name}: the reference clip, whose first frame was given, is needed and None came")
        given = joint_space.embedding(ref, self.network, "frames")[0]
        return np.array([100.0 * cosine(given, joint_space.embedding(got, self.network, self.stream))])
