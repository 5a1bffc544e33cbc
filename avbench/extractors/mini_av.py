"""mini_av: frames, sound and caption of a clip as unit vectors of one space, by a small network trained on suite `synth15`.

Definition:
    Each frame, each window of the sound's spectrogram and the bag of the caption's words (`avbench.mini.inputs`) goes through
    its own part of `avbench.models.mini_av`. What is compared is compared by its cosine.
Shapes, float32:
    frames (T, 64): each frame as decoded, at most 1500; video (64,): their mean, brought back to length 1.
    windows (W, 64): the sound from 0, hop, 2 hop ... s on, for `window` s each; the last window ends with the sound, and
    a sound that is no longer than a window is one window. audio (64,): the mean of the windows, brought back to length 1.
    text (64,): the caption; an empty one has a vector too, which means nothing. words (): 1 if it has any that count, uint8.
    times (T,): seconds of the frames from the first. spans (M, 2), int32, and span_times (M, 2): JavisScore's windows, the i-th
    with the i-th window of sound, as `avbench.imagebind.windows` places them: first frame and last plus one, and their seconds.
A clip without picture has frames (0, 64) and video (0,), one without sound windows (0, 64) and audio (0,).
Limits:
    Trained on drawings, formulas and the captions of `synth15`. See `avbench/mini/mini_av.md`.
Source:
    This repository: `python -m avbench.training.mini mini_av`. The windows are those of JavisScore
    (github.com/JavisVerse/JavisDiT at b505b37).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench import imagebind
from avbench.errors import BadParameter, Unscorable
from avbench.mini.inputs import BANDS, SAMPLE_RATE, SIDE, bag, log_mel, samples_of, small
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

SIZE = 64
MOST_FRAMES = 1500
_FRAMES_AT_ONCE = 512
_GIVEN = ("times", "spans", "span_times", "words")
"""Layers that no network is needed for."""


@dataclass(frozen=True)
class MiniAv(Extractor):
    """Embeddings of frames, sound and caption in one space.

    Layers: `frames` (T, 64), `video` (64,), `windows` (W, 64), `audio` (64,), `text` (64,), `times` (T,), `span_times` (M, 2),
    float32; `spans` (M, 2) int32; `words` () uint8.

    Args:
        window: Seconds of a window of sound, 0.25 or more.
        overlap: Seconds that two neighbouring windows share, at least 0 and less than `window`.

    Raises:
        BadParameter: for values out of range.
    """

    window: float = 2.0
    overlap: float = 1.5

    name: ClassVar[str] = "mini_av"
    revision: ClassVar[int] = 2
    layers: ClassVar[tuple[str, ...]] = (
        "frames",
        "video",
        "windows",
        "audio",
        "text",
        "times",
        "spans",
        "span_times",
        "words",
    )
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ()
    reads: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video", "audio", "text")
    weights: ClassVar[Checkpoint | None] = Checkpoint(
        "mini_av.safetensors",
        ("comes with avbench",),
        "Apache-2.0, free for commercial use",
        "ba1f2fb6c23668631ac60365bc2e5a81423b306b4df9271b332bf2519b9a5dcd",
        package="avbench.mini",
    )
    packages: ClassVar[tuple[str, ...]] = ("numpy", "opencv-python-headless", "torch")
    batch_size: ClassVar[int] = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.window) and self.window >= 0.25):
            raise BadParameter(f"mini_av: window must be 0.25 s or more, got {self.window}")
        if not 0.0 <= self.overlap < self.window:
            raise BadParameter(f"mini_av: overlap must be at least 0 and less than window, got {self.overlap}")

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip.

        Raises:
            Unscorable: `too_large` for more than 1500 frames.
        """
        if info.frames > MOST_FRAMES:
            raise Unscorable("too_large", f"mini_av takes {MOST_FRAMES} frames, the clip has {info.frames}")
        return _Streams(self, info)

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network: `frames` (clips, T, 64, 64, 3) uint8, `mels` (clips, W, T', 64), `bag` (clips, 2048) to the layers.

        Raises:
            BadParameter: if the file is not in the layout of the network.
        """
        import torch
        from torch.nn.functional import normalize

        from avbench.models.mini_av import MiniAv as Network
        from avbench.models.mini_blocks import load

        if weights is None:
            raise BadParameter("mini_av: weights are needed and None came")
        with torch.device("meta"):
            network = Network()
        load(network, weights, device)

        def rows(run: Any, x: torch.Tensor) -> torch.Tensor:
            if x.shape[1] == 0:
                return torch.zeros((len(x), 0, SIZE), device=x.device)
            made = [run(part) for part in torch.split(x.flatten(0, 1), _FRAMES_AT_ONCE)]
            return torch.cat(made).reshape(len(x), -1, SIZE)

        def mean(x: torch.Tensor) -> torch.Tensor:
            return normalize(x.mean(dim=1), dim=1) if x.shape[1] else x.flatten(1)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            frames, windows = rows(network.seen, batch["frames"]), rows(network.heard, batch["mels"])
            parts = (frames, mean(frames), windows, mean(windows), network.read(batch["bag"]))
            given = {key: batch[key] for key in _GIVEN}
            return given | dict(zip(self.layers, parts, strict=False))

        return forward


@dataclass
class _Streams(Preparation):
    settings: MiniAv
    info: ClipInfo
    made: list[NDArray[np.uint8]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.frames = np.arange(self.info.frames)

    def take(self, index: int, image: NDArray[np.uint8]) -> None:
        self.made.append(small(image))

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        frames = np.stack(self.made) if self.made else np.zeros((0, SIDE, SIDE, 3), np.uint8)
        samples = None if audio is None else samples_of(audio)
        pieces = [] if samples is None else windows(samples, self.settings.window, self.settings.overlap)
        mels = np.stack([log_mel(piece) for piece in pieces]) if pieces else np.zeros((0, 1, BANDS), np.float32)
        words = bag(self.info.text)
        spans = self._spans(0 if samples is None else len(samples))
        ends = np.append(self.info.frame_times, self.info.video_seconds)
        return {
            "frames": frames,
            "mels": mels,
            "bag": words,
            "times": self.info.frame_times.astype(np.float32),
            "spans": spans,
            "span_times": ends[spans].astype(np.float32),
            "words": np.array(words.any(), dtype=np.uint8),
        }

    def _spans(self, samples: int) -> NDArray[np.int32]:
        """None without picture or sound, or at a frame rate at which windows stand still."""
        info, settings = self.info, self.settings
        try:
            found = imagebind.windows(info.frames, info.frame_rate, samples, settings.window, settings.overlap)[0]
        except Unscorable:
            found = []
        return np.array(found if info.frames and samples else [], dtype=np.int32).reshape(-1, 2)


def windows(samples: NDArray[np.float32], window: float, overlap: float) -> list[NDArray[np.float32]]:
    """Windows of a sound at 16 kHz, all of one length; the last one ends with the sound.

    >>> [len(piece) for piece in windows(np.zeros(52_000, np.float32), 2.0, 1.5)]
    [32000, 32000, 32000, 32000]
    """
    size = round(window * SAMPLE_RATE)
    if len(samples) <= size:
        return [samples]
    hop, last = size - round(overlap * SAMPLE_RATE), len(samples) - size
    starts = [*range(0, last, hop), last]
    return [samples[start : start + size] for start in starts]
