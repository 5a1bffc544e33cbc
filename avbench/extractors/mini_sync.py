"""mini_sync: how late the sound of a clip is, by a small network trained on suite `synth15`.

Definition:
    Frames and log-mel spectrogram on a clock of 24 Hz that begins with the first frame (`avbench.mini.inputs`), at most 10 s.
    Two towers make a unit vector of each step of picture and sound from about half a second around it
    (`avbench.models.mini_sync`). The score of an offset is the sum over the steps that it brings together. Sound that begins
    later than the picture is preceded by silence; what begins earlier is cut.
Shapes:
    logits (49,): scores before softmax of the sound being -24/24 ... 24/24 s late (`OFFSETS`); an offset that brings less than
    0.5 s together has -1e4. picture (T, 64) and sound (T', 64): unit vectors, one each 1/24 s.
Too short:
    `Unscorable("too_short")` where picture or sound has less than 0.75 s.
Limits:
    Trained on drawings and formulas. On photographs and recordings it says little; see `avbench/mini/mini_sync.md`.
Source:
    This repository: `python -m avbench.training.mini mini_sync`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter, Unscorable
from avbench.mini.inputs import FRAME_RATE, MELS_PER_FRAME, SAMPLE_RATE, clocked, log_mel, samples_of, small
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

OFFSETS: tuple[float, ...] = tuple(step / FRAME_RATE for step in range(-24, 25))
"""Seconds by which the sound is late, for each of the `logits`."""
LONGEST = 10.0
LEAST_STEPS = 18


@dataclass(frozen=True)
class MiniSync(Extractor):
    """Scores of the offset between picture and sound, and an embedding of each step of both.

    Layers: `logits` (49,) float32, `picture` (T, 64) float32, `sound` (T', 64) float32.
    """

    name: ClassVar[str] = "mini_sync"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("logits", "picture", "sound")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video", "audio")
    weights: ClassVar[Checkpoint | None] = Checkpoint(
        "mini_sync.safetensors",
        ("comes with avbench",),
        "Apache-2.0, free for commercial use",
        "b90a3a1e0ae05c2a589e018063077065c9686b7a8db0f7c69476297d18012928",
        package="avbench.mini",
    )
    packages: ClassVar[tuple[str, ...]] = ("numpy", "opencv-python-headless", "torch")
    batch_size: ClassVar[int] = 8

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip.

        Raises:
            Unscorable: `too_short` if the picture is.
        """
        indices = clocked(info.frame_times, FRAME_RATE, info.video_seconds, LONGEST)
        _long_enough(len(indices), "picture")
        return _Streams(indices, info.audio_start_seconds)

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network: `frames` (clips, T, 64, 64, 3) uint8 and `mels` (clips, 4 T', 64) to the layers.

        Raises:
            BadParameter: if the file is not in the layout of the network.
        """
        import torch

        from avbench.models.mini_blocks import load
        from avbench.models.mini_sync import MiniSync as Network

        if weights is None:
            raise BadParameter("mini_sync: weights are needed and None came")
        with torch.device("meta"):
            network = Network()
        load(network, weights, device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            return dict(zip(self.layers, network(batch["frames"], batch["mels"]), strict=True))

        return forward


@dataclass
class _Streams(Preparation):
    indices: NDArray[np.intp]
    audio_start: float
    made: dict[int, NDArray[np.uint8]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.frames = np.unique(self.indices)

    def take(self, index: int, image: NDArray[np.uint8]) -> None:
        self.made[index] = small(image)

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        if audio is None:
            raise Unscorable("no_audio")
        samples = samples_of(audio, self.audio_start)
        steps = round(min(len(samples) / SAMPLE_RATE, LONGEST) * FRAME_RATE)
        _long_enough(steps, "sound")
        frames = np.stack([self.made[int(index)] for index in self.indices])
        return {"frames": frames, "mels": log_mel(samples, steps * MELS_PER_FRAME)}


def _long_enough(steps: int, which: str) -> None:
    if steps < LEAST_STEPS:
        raise Unscorable(
            "too_short", f"mini_sync needs {LEAST_STEPS / FRAME_RATE} s of {which}, the clip has {steps / FRAME_RATE:.2f} s"
        )
