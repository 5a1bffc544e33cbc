"""mini_audio: 15 class scores and 128 features of a clip's sound, by a small network trained on suite `synth15`.

Definition:
    The log-mel spectrogram of `avbench.mini.inputs`, at most the first 30 s, through `avbench.models.mini_audio`.
Shapes:
    logits (15,): scores before softmax of the categories of `synth15` in alphabetical order; features (128,), at least 0; one
    each for the whole clip. embeddings (windows, 128), at least 0, of 1 s every 0.5 s; one for a shorter sound. float32.
Too short:
    `Unscorable("too_short")` below 0.25 s. Silence has features like any other sound.
Limits:
    Trained on formulas at 16 kHz. On recordings it says little; see `avbench/mini/mini_audio.md`.
Source:
    This repository: `python -m avbench.training.mini mini_audio`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from avbench.errors import BadParameter, Unscorable
from avbench.mini.inputs import SAMPLE_RATE, log_mel, samples_of
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

LONGEST = 30
LEAST_SAMPLES = SAMPLE_RATE // 4


@dataclass(frozen=True)
class MiniAudio(Extractor):
    """Class scores, pooled features and embeddings of windows of a clip's sound.

    Layers: `logits` (15,) float32; `features` (128,) float32; `embeddings` (windows, 128) float32.
    """

    name: ClassVar[str] = "mini_audio"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("logits", "features", "embeddings")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("audio",)
    weights: ClassVar[Checkpoint | None] = Checkpoint(
        "mini_audio.safetensors",
        ("comes with avbench",),
        "Apache-2.0, free for commercial use",
        "83aaebeb26299b2a8ac26fcc0c88cb83035ce9a5021a23895a7e75cedc419fc8",
        package="avbench.mini",
    )
    packages: ClassVar[tuple[str, ...]] = ("numpy", "torch")
    batch_size: ClassVar[int] = 16

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip; no frame is wanted."""
        return _Mels()

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network: `mels` (clips, T, 64) to the layers.

        Raises:
            BadParameter: if the file is not in the layout of the network.
        """
        import torch

        from avbench.models.mini_audio import MiniAudio as Network
        from avbench.models.mini_blocks import load

        if weights is None:
            raise BadParameter("mini_audio: weights are needed and None came")
        with torch.device("meta"):
            network = Network()
        load(network, weights, device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            return dict(zip(self.layers, network(batch["mels"]), strict=True))

        return forward


class _Mels(Preparation):
    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        if audio is None:
            raise Unscorable("no_audio")
        samples = samples_of(audio)[: LONGEST * SAMPLE_RATE]
        if len(samples) < LEAST_SAMPLES:
            raise Unscorable("too_short", f"mini_audio needs 0.25 s of sound, the clip has {len(samples) / SAMPLE_RATE:.3f} s")
        return {"mels": log_mel(samples)}
