"""ImageBind: embeddings of the sound in windows that go over a clip, and the frames that belong to them.

Input:
    Windows of the sound at 16 kHz and of the frames, as JavisScore pairs them (`avbench.imagebind.windows`); each window of
    sound is prepared like a whole sound (`imagebind_audio`). A window of at most 2 s is three times the same piece and is
    embedded once.
Source:
    arXiv:2503.23377; github.com/JavisVerse/JavisDiT `eval/javisbench/src/dataset.py` at b505b37.
Differs from the source:
    See `avbench.imagebind`: float64 filter bank, equal pieces embedded once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from avbench.errors import BadParameter
from avbench.imagebind import CHECKPOINT, Positions, at_16_khz, mean_over_clips, network, sound_clips, windows
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform


@dataclass(frozen=True)
class ImagebindWindows(Extractor):
    """Window embeddings of the audio tower.

    Layers: `embedding` (windows, 1024) float32; `frames` (windows, 2) int32, first frame and last plus one; `times` (windows,
    2) float32, seconds from the first frame at which the first frame begins and the last ends.

    Unused keys of the checkpoint: the towers of depth, thermal and inertial data.

    Args:
        window: Seconds, above 0.
        overlap: Seconds, from 0 to less than `window`.
        positions: Where the three pieces of a window of more than 2 s begin.

    Raises:
        BadParameter: for another choice, or a window or overlap outside its range.
    """

    window: float = 2.0
    overlap: float = 1.5
    positions: Positions = "pinned"

    name: ClassVar[str] = "imagebind_windows"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("embedding", "frames", "times")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video", "audio")
    packages: ClassVar[tuple[str, ...]] = ("numpy", "torch")
    weights: ClassVar[Checkpoint | None] = CHECKPOINT
    batch_size: ClassVar[int] = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.025 <= self.window < float("inf"):
            raise BadParameter(f"imagebind_windows: window must be at least 0.025 s, one spectrum, got {self.window}")
        if not 0.0 <= self.overlap < self.window:
            raise BadParameter(f"imagebind_windows: overlap must be from 0 to less than {self.window} s, got {self.overlap}")

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip; no frame is wanted, only their number and times."""
        return _Windows(self, info)

    def load(self, weights: Path | None, device: str) -> Forward:
        """The audio tower, ready on `device`: `mel` (clips, windows, pieces, 128, 204) to the layers.

        Raises:
            BadParameter: if the file is not in ImageBind's layout.
        """
        made = network(weights, "audio", device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            mel = batch["mel"]
            rows = mean_over_clips(made.audio, mel.flatten(0, 1))
            return {"embedding": rows.view(*mel.shape[:2], -1), "frames": batch["frames"], "times": batch["times"]}

        return forward


@dataclass
class _Windows(Preparation):
    settings: ImagebindWindows
    info: ClipInfo

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        """`mel`, and what the layers say of the windows.

        Raises:
            Unscorable: `no_audio`; `too_short` for less than 0.025 s of sound, or a frame rate at which windows stand still.
        """
        samples, info, settings = at_16_khz(audio), self.info, self.settings
        frames, heard = windows(info.frames, info.frame_rate, samples.shape[1], settings.window, settings.overlap)
        # In order and in place: an earlier window's mean is out of the samples that a later one shares with it.
        mel = np.stack([sound_clips(samples[:, first:end], settings.positions) for first, end in heard])
        ends = np.append(info.frame_times, info.video_seconds)
        spans = np.array(frames, dtype=np.int32)
        return {"mel": mel, "frames": spans, "times": ends[spans].astype(np.float32)}
