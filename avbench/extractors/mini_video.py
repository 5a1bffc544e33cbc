"""mini_video: 15 class scores and 128 features of a clip's picture, by a small network trained on suite `synth15`.

Definition:
    12 frames a second (`avbench.mini.inputs`), at most the first 30 s, through `avbench.models.mini_video`; the features are
    the mean over time, so that clips of any length are comparable.
Shapes:
    logits (15,): scores before softmax of the categories of `synth15` in alphabetical order; features (128,), one each for the
    whole clip, float32.
Too short:
    `Unscorable("too_short")` below 6 frames of the clock (0.5 s).
Limits:
    Trained on drawings. On photographs it says little; see `avbench/mini/mini_video.md`.
Source:
    This repository: `python -m avbench.training.mini mini_video`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter, Unscorable
from avbench.mini.inputs import FRAME_RATE, clocked, small
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

RATE = FRAME_RATE / 2
LONGEST = 30.0
LEAST_FRAMES = 6
_FRAMES_AT_ONCE = 256


@dataclass(frozen=True)
class MiniVideo(Extractor):
    """Class scores and pooled features of a clip's picture.

    Layers: `logits` (15,) float32; `features` (128,) float32.
    """

    name: ClassVar[str] = "mini_video"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("logits", "features")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video",)
    weights: ClassVar[Checkpoint | None] = Checkpoint(
        "mini_video.safetensors",
        ("comes with avbench",),
        "Apache-2.0, free for commercial use",
        "8aa1f6c3ef028f865aa01722a24ce869e073cd63e172a870f15719d7a1177128",
        package="avbench.mini",
    )
    packages: ClassVar[tuple[str, ...]] = ("numpy", "opencv-python-headless", "torch")
    batch_size: ClassVar[int] = 16

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip.

        Raises:
            Unscorable: `too_short`.
        """
        indices = clocked(info.frame_times, RATE, info.video_seconds, LONGEST)
        if len(indices) < LEAST_FRAMES:
            raise Unscorable("too_short", f"mini_video needs {LEAST_FRAMES / RATE} s, the clip has {info.video_seconds:.2f} s")
        return _Frames(indices)

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network: `frames` (clips, T, 64, 64, 3) uint8 to the layers.

        Raises:
            BadParameter: if the file is not in the layout of the network.
        """
        import torch

        from avbench.models.mini_blocks import load
        from avbench.models.mini_video import MiniVideo as Network

        if weights is None:
            raise BadParameter("mini_video: weights are needed and None came")
        with torch.device("meta"):
            network = Network()
        load(network, weights, device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            frames = batch["frames"]
            parts = [network(part) for part in torch.split(frames, max(1, _FRAMES_AT_ONCE // frames.shape[1]))]
            return {layer: torch.cat([part[n] for part in parts]) for n, layer in enumerate(self.layers)}

        return forward


@dataclass
class _Frames(Preparation):
    indices: NDArray[np.intp]
    made: dict[int, NDArray[np.uint8]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.frames = np.unique(self.indices)

    def take(self, index: int, image: NDArray[np.uint8]) -> None:
        self.made[index] = small(image)

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        return {"frames": np.stack([self.made[int(index)] for index in self.indices])}
