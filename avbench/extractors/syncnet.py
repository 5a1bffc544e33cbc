"""SyncNet: what each fifth of a second of a face and of its sound looks like, 25 times a second.

Definition:
    Crops of a face at 25 frames per second and 13 cepstra of 16-bit sound at 16 kHz every 10 ms (`avbench.speech_features`).
    Window i holds frames i to i + 4 and cepstra 4 i to 4 i + 19; with n the smaller of the frames and of the whole 640 samples
    there are n - 5 windows. Each gives a vector of 1024 for the face and one for the sound (`avbench.models.syncnet`).
Faces:
    `s3fd`, `yunet`: shots, tracks and crops of `avbench.face_tracks`, each track with its own piece of the sound.
    `whole_frame`: the clip is a cropped face already; every frame as it is, squeezed to 224 x 224, and the whole sound. It
    has to have 25 frames per second, which the published script does not look at.
Source:
    Chung and Zisserman, 2016; github.com/joonson/syncnet_python `SyncNetInstance.py`, `run_pipeline.py` at 6efbb1c; whole
    frames: github.com/Rudrabha/Wav2Lip `evaluation/scores_LSE` at 5c90fa9.
Differs from the source:
    One window fewer than there could be, as published. Nothing is compressed on the way, see `avbench.face_tracks`. Tracks
    without a window (no sound left) are left out, where the source stops.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter, Unscorable
from avbench.face_tracks import RATE, SIDE, Track, aligned, at_25, crop, tracks_of, windows_of
from avbench.speech_features import mfcc, mono_16k
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

Faces = Literal["s3fd", "yunet", "whole_frame"]

_FRAMES, _STEPS = 5, 20
_SAMPLES = 640
"""Of sound in one frame."""


@dataclass(frozen=True)
class Syncnet(Extractor):
    """Vectors of face and sound, one per window, track after track.

    Layers: `lips` and `sound` (windows, 1024) float32; `track` (windows,) int64, 0 for the first track; `frame` (windows,)
    int64, first frame at 25 per second; `box` (tracks, 4) float64, mean x1, y1, x2, y2 in pixels of the clip; `frame_rate` ()
    float64, Hz, of the frames before anything: 25 but for `whole_frame`.

    Args:
        faces: Who finds them, see the module.
        min_track: A track needs a detection in more frames than that.

    Raises:
        BadParameter: for unknown `faces`, or a `min_track` below 13, the width of the smoothing.
    """

    faces: Faces = "s3fd"
    min_track: int = 100

    name: ClassVar[str] = "syncnet"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("lips", "sound", "track", "frame", "box", "frame_rate")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video", "audio")
    after: ClassVar[tuple[str, ...]] = ("shots", "s3fd")
    packages: ClassVar[tuple[str, ...]] = ("av", "opencv-python-headless", "numpy", "torch")
    weights: ClassVar[Checkpoint | None] = Checkpoint(
        "syncnet_v2.model",
        ("https://www.robots.ox.ac.uk/~vgg/software/lipsync/data/syncnet_v2.model",),
        "published with syncnet_python (MIT code), research use",
        "961e8696f888fce4f3f3a6c3d5b3267cf5b343100b238e79b2659bff2c605442",
    )
    batch_size: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_track < 13:
            raise BadParameter(f"syncnet: min_track must be at least 13, got {self.min_track}")
        object.__setattr__(self, "after", () if self.faces == "whole_frame" else ("shots", self.faces))

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip.

        Raises:
            Unscorable: `no_face` if no face is followed for long enough.
        """
        if self.faces == "whole_frame":
            whole = Track(0, np.tile([0.0, 0.0, info.width, info.height], (info.frames, 1)))
            return _Crops(info, np.arange(info.frames), [whole], None, info.frame_rate)
        tracks = tracks_of(earlier, self.faces, self.min_track)
        if not tracks:
            found = earlier[f"{self.faces}.found"]
            raise Unscorable(
                "no_face",
                f"{self.faces} sees a face in {int((found > 0).sum())} of {len(found)} frames (25 per second), and none of at "
                f"least 100 pixels in more than {self.min_track} of one shot",
            )
        return _Crops(info, at_25(info), tracks, [windows_of(track) for track in tracks], float(RATE))

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network: what `_Crops` prepares of one or more clips to the layers.

        Raises:
            BadParameter: if the file is not in the published layout; counters of batches may be absent.
        """
        import torch

        from avbench.models.loading import load_exactly
        from avbench.models.syncnet import SyncNet
        from avbench.weights import read

        if weights is None:
            raise BadParameter("syncnet: weights are needed and None came")
        with torch.device("meta"):
            network = SyncNet()
        counters = {key: torch.zeros((), dtype=torch.int64) for key in network.state_dict() if key.endswith("_tracked")}
        load_exactly(network, counters | read(weights), weights)
        network.to(device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            lips, sound = [], []
            for crops, cepstra, runs in zip(batch["crops"], batch["cepstra"], batch["runs"].tolist(), strict=True):
                lips.append(torch.cat([network.lips(crops[first : first + count + _FRAMES - 1]) for first, count in runs]))
                sound.append(network.sound(cepstra))
            kept = {key: batch[key] for key in ("track", "frame", "box", "frame_rate")}
            return {"lips": torch.stack(lips), "sound": torch.stack(sound), **kept}

        return forward


@dataclass
class _Crops(Preparation):
    """Crops and cepstra of every track.

    Args:
        info: Of the clip.
        order: Which frame each place shows.
        tracks: In places.
        windows: Where to crop, per track and frame; None for whole frames.
        frame_rate: See the layer.
    """

    info: ClipInfo
    order: NDArray[np.intp]
    tracks: list[Track]
    windows: list[NDArray[np.float64]] | None
    frame_rate: float
    crops: list[NDArray[np.uint8]] = field(default_factory=list)
    uses: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, track in enumerate(self.tracks):
            self.crops.append(np.empty((len(track), SIDE, SIDE, 3), dtype=np.uint8))
            for row, index in enumerate(self.order[track.first : track.first + len(track)].tolist()):
                self.uses.setdefault(index, []).append((number, row))
        self.frames = sorted(self.uses)

    def take(self, index: int, image: NDArray[np.uint8]) -> None:
        import cv2

        for number, row in self.uses[index]:
            if self.windows is None:
                face = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
            else:
                face = crop(image, self.windows[number][row])
            self.crops[number][row] = face

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        """The network's input.

        Returns:
            `crops` (frames, 224, 224, 3) uint8, `cepstra` (windows, 13, 20) float32, `runs` (tracks, 2) int64, the first crop
            and the number of windows of each track; `track`, `frame`, `box`, `frame_rate` as the layers.

        Raises:
            Unscorable: `no_audio`; `too_short` if no track has a window.
        """
        if audio is None or audio.samples.size == 0:
            raise Unscorable("no_audio")
        samples = mono_16k(aligned(audio, self.info.audio_start_seconds))
        runs: list[tuple[int, int]] = []
        track: list[int] = []
        frame: list[int] = []
        crops, cepstra, box, at = [], [], [], 0
        for found, pictures in zip(self.tracks, self.crops, strict=True):
            own = samples[_SAMPLES * found.first : _SAMPLES * (found.first + len(found)) if self.windows is not None else None]
            count = min(len(pictures), len(own) // _SAMPLES) - _FRAMES
            if count < 1:
                continue
            every = mfcc(own).T.astype(np.float32)  # (13, steps)
            cepstra += [every[:, 4 * n : 4 * n + _STEPS] for n in range(count)]
            crops.append(pictures[: count + _FRAMES - 1])
            track += [len(runs)] * count
            frame += range(found.first, found.first + count)
            box.append(found.boxes.mean(axis=0))
            runs.append((at, count))
            at += len(crops[-1])
        if not runs:
            raise Unscorable(
                "too_short",
                f"SyncNet needs 6 frames at {RATE} per second and their sound (0.24 s); the longest track has "
                f"{max(map(len, self.tracks))} frames, the sound {len(samples) / 16_000:.2f} s",
            )
        return {
            "crops": np.concatenate(crops),
            "cepstra": np.stack(cepstra),
            "runs": np.array(runs, dtype=np.int64),
            "track": np.array(track, dtype=np.int64),
            "frame": np.array(frame, dtype=np.int64),
            "box": np.stack(box),
            "frame_rate": np.array(self.frame_rate, dtype=np.float64),
        }
