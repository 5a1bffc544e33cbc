"""ImageBind: one embedding for the sound of a clip, the mean over three pieces of 2 s.

Input:
    Every channel at 16 kHz (torchaudio's resampler). Three pieces of 2 s that begin at i (seconds - 2) / 2 (`positions` says
    more); from each the mean over all channels is taken out, then the log mel spectrogram of the first channel is made (Kaldi's
    filter bank, 128 bands, 25 ms every 10 ms), filled with zeros or cut to 204 columns, then (x + 4.268) / 9.138.
Source:
    arXiv:2305.05665; github.com/facebookresearch/ImageBind `imagebind/data.py` at 53680b0.
Differs from the source:
    See `avbench.imagebind`: float64 filter bank, equal pieces embedded once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from avbench.imagebind import CHECKPOINT, Positions, at_16_khz, mean_over_clips, network, sound_clips
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform


@dataclass(frozen=True)
class ImagebindAudio(Extractor):
    """The clip embedding of the audio tower.

    Layers: `embedding` (1024,) float32: a mean of vectors of length 20.

    Unused keys of the checkpoint: the towers of depth, thermal and inertial data.

    Args:
        positions: Where the three pieces begin.
    """

    positions: Positions = "pinned"

    name: ClassVar[str] = "imagebind_audio"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("embedding",)
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("audio",)
    packages: ClassVar[tuple[str, ...]] = ("numpy", "torch")
    weights: ClassVar[Checkpoint | None] = CHECKPOINT
    batch_size: ClassVar[int] = 8

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip; no frame is wanted."""
        return _Mels(self.positions)

    def load(self, weights: Path | None, device: str) -> Forward:
        """The audio tower, ready on `device`: `mel` (clips, pieces, 128, 204) to the layers.

        Raises:
            BadParameter: if the file is not in ImageBind's layout.
        """
        made = network(weights, "audio", device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"embedding": mean_over_clips(made.audio, batch["mel"])}

        return forward


@dataclass
class _Mels(Preparation):
    positions: Positions

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        """`mel` (1 or 3, 128, 204)."""
        return {"mel": sound_clips(at_16_khz(audio), self.positions)}
