"""AlignSync: RelSync times how well the frames of a clip still show what sounds, beside the reference's first frame.

Definition:
    c_t is the cosine of ImageBind's embeddings of frame t of twelve and of the 2 s of sound (`imagebind_asva`), c_1 that of the
    reference's first frame with the reference's sound. Align is the mean over t = 2 ... 12 of exp(c_t) / (exp(c_1) + exp(c_t));
    AlignSync is Align times RelSync (`relsync`) for each clip of 2 s. A clip's value is the mean over its clips of 2 s, a run's
    the mean over clips.
Columns:
    alignsync: the value. relsync, align: means of its factors. clips: how many of 2 s.
Range:
    0 to 0.88, higher is better. A reference against itself has about 0.25: cosines are small, so that Align is hardly ever far
    from 0.5. Papers print it times 100.
Source:
    Zhang et al., arXiv:2403.05659; github.com/lzhangbj/ASVA `avgen/evaluations/eval.py` at 6587938.
Differs from the source:
    See `relsync`. ImageBind's embedding of sound is 20 times as long as that of a frame; the source takes that factor out
    before it multiplies, which makes the cosine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.asva_clips import Picture, Sound
from avbench.errors import BadParameter
from avbench.imagebind import cosine
from avbench.metrics.relsync import share
from avbench.types import Array, Better, Features, Item, Metric, Need


@dataclass(frozen=True)
class Alignsync(Metric):
    """Mean over clips of RelSync times Align.

    Args:
        clips: How many clips of 2 s stand for a clip: 1 is the middle, more are spread from beginning to end.
        picture: The size that the published evaluation brings frames to: 256x256, for The Greatest Hits 128x256.
        sound: See `avbench.asva_clips`.
        network: The extractor that gives the scores.
        similarity: The extractor that gives the embeddings of frames and sound.

    Raises:
        BadParameter: for another choice, or less than one clip.
    """

    clips: int = 1
    picture: Picture = "256x256"
    sound: Sound = "packets"
    network: Literal["avsync"] = "avsync"
    similarity: Literal["imagebind_asva"] = "imagebind_asva"

    name: ClassVar[str] = "alignsync"
    title: ClassVar[str] = "AlignSync: RelSync times the frames' likeness to the sound"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Zhang et al., arXiv:2403.05659; github.com/lzhangbj/ASVA avgen/evaluations/eval.py, "
        "avgen/evaluations/avsync/compute_avsync.py at 6587938"
    )
    columns: ClassVar[tuple[str, ...]] = ("alignsync", "relsync", "align", "clips")
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        from avbench.registry import needed

        needed(self.extractors()[0])  # refuses less than one clip

    def extractors(self) -> tuple[Need, ...]:
        """The classifier and ImageBind on the same clips of 2 s."""
        return tuple(
            Need.of(name, clips=self.clips, picture=self.picture, sound=self.sound) for name in (self.network, self.similarity)
        )

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Value, means of RelSync and Align, number of clips of 2 s: `(4,)`.

        Raises:
            BadParameter: without the reference's features.
        """
        if ref is None:
            raise BadParameter("alignsync: the reference clip is needed and None came")
        relsync = share(got[f"{self.network}.score"], ref[f"{self.network}.score"])
        align = share(self._cosines(got)[:, 1:], self._cosines(ref)[:, :1]).mean(axis=1)
        return np.array([(relsync * align).mean(), relsync.mean(), align.mean(), len(relsync)])

    def trace(self, item: Item, got: Features, ref: Features | None) -> Mapping[str, Array]:
        """The cosine of each frame with the sound, and its time in seconds, one clip of 2 s after the other."""
        return {"frame_cosines": self._cosines(got).ravel(), "frame_times": got[f"{self.similarity}.times"].ravel()}

    def _cosines(self, side: Features) -> NDArray[np.float64]:
        """`(clips, 12)`."""
        return cosine(side[f"{self.similarity}.frames"], np.asarray(side[f"{self.similarity}.sound"])[:, None])
