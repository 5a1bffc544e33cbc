"""ImageBind: one embedding for every frame.

Input:
    Each decoded frame: short side to 224 (PIL, bicubic, 8 bits), the middle 224 x 224, CLIP's mean and deviation taken out. The
    network sees it as two equal frames.
Source:
    arXiv:2305.05665; loader of still pictures in github.com/facebookresearch/ImageBind `imagebind/data.py` at 53680b0; every
    frame of a clip: github.com/JavisVerse/JavisDiT `eval/javisbench/src/dataset.py` at b505b37.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.clip_input import centre_crop, normalised
from avbench.imagebind import CHECKPOINT, by_rows, network
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform


@dataclass(frozen=True)
class ImagebindFrames(Extractor):
    """Frame embeddings of the vision tower.

    Layers: `embedding` (frames, 1024) float32, length 1; `times` (frames,) float32, seconds from the first frame.

    Unused keys of the checkpoint: the towers of depth, thermal and inertial data.

    Args:
        frames: `all`, or `first`: the first one alone, which stands for the picture that a generator was given.
    """

    frames: Literal["all", "first"] = "all"

    name: ClassVar[str] = "imagebind_frames"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("embedding", "times")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video",)
    packages: ClassVar[tuple[str, ...]] = ("numpy", "pillow", "torch")
    weights: ClassVar[Checkpoint | None] = CHECKPOINT
    # The frames of one clip fill the network's rows already, and clips of unequal length cannot share a batch.
    batch_size: ClassVar[int] = 1

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip."""
        return _Crops(info.frame_times[: 1 if self.frames == "first" else None])

    def load(self, weights: Path | None, device: str) -> Forward:
        """The vision tower, ready on `device`: `frames` uint8 (clips, T, 3, 224, 224) and `times` to the layers.

        Raises:
            BadParameter: if the file is not in ImageBind's layout.
        """
        made = network(weights, "vision", device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            frames = batch["frames"]
            rows = by_rows(lambda part: made.vision(normalised(part)), frames.flatten(0, 1))
            return {"embedding": rows.view(*frames.shape[:2], -1), "times": batch["times"]}

        return forward


@dataclass
class _Crops(Preparation):
    times: NDArray[np.float64]
    made: list[NDArray[np.uint8]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.frames = range(len(self.times))

    def take(self, index: int, image: NDArray[np.uint8]) -> None:
        self.made.append(centre_crop(image))

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        return {"frames": np.stack(self.made), "times": self.times.astype(np.float32)}
