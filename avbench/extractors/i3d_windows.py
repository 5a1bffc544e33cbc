"""Two-stream I3D: what FAVD takes of the picture, for every 24 frames at 25 frames a second.

Definition:
    Frames at 25 a second as FFmpeg's `fps` filter chooses them, short side to 256 by PIL's bilinear filter, long side rounded
    down. A window is 24 frames, the next one begins where it ends, and one more frame must be there: it closes the last flow.

    `rgb`: the 24 frames, cropped to 224 x 224 in the middle, 2 u / 255 - 1. `flow`: the 24 flows from each frame to the next
    by PWC-Net (`avbench.models.pwcnet`) on the uncropped frames; cropped alike, cut to 20 pixels, r = round(128 + 6.375 f),
    which reaches 256, then 2 r / 255 - 1. Each goes through its own I3D (`avbench.models.i3d`), up to the 1024 channels after
    the 2 x 7 x 7 average pool, averaged over the remaining time.
Shapes:
    rgb, flow: (windows, 1024) float32, window k beginning at 0.96 k seconds.
Too short:
    `Unscorable("too_short")` for fewer than 25 frames at 25 a second.
Source:
    github.com/amazon-science/avgen-eval-toolkit `PEAVS/av_features_extraction/models/i3d/extract_i3d.py`,
    `models/pwc/pwc_src/pwc_net.py`, `utils/io.py` at 9cf014b.
Differs from the source:
    The source writes the frames to an H.264 file at FFmpeg's default quality and reads that; here they are used as decoded. Its
    flow needs CUDA; here it runs anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter, Unscorable
from avbench.frame_choice import ffmpeg_fps
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

if TYPE_CHECKING:
    from torch import Tensor, nn

FRAME_RATE = 25
WINDOW = 24
SHORT_SIDE = 256
SIDE = 224
_MOST_MOTION = 20.0
_PAIRS_AT_ONCE = 8
_TOOLKIT = "https://github.com/amazon-science/avgen-eval-toolkit/raw/main/PEAVS/av_features_extraction/models/"
_KINETICS = "https://github.com/hassony2/kinetics_i3d_pytorch/raw/master/model/"
_BEFORE_REMOVAL = "https://github.com/v-iashin/video_features/raw/bd827df5e543ef3270946bcf63e47e18abcdd9ab/models/"
_I3D_LICENCE = "MIT (of the conversion; Apache-2.0 of Kinetics-I3D, from which it was made), free for commercial use"


@dataclass(frozen=True)
class I3dWindows(Extractor):
    """Pooled features of the two streams of I3D, window by window.

    Layers: `rgb` and `flow` (windows, 1024) float32.
    """

    name: ClassVar[str] = "i3d_windows"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("rgb", "flow")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video",)
    packages: ClassVar[tuple[str, ...]] = ("numpy", "pillow", "torch")
    weights: ClassVar[Checkpoint | None] = Checkpoint(
        "i3d_rgb.pt", (f"{_TOOLKIT}i3d/checkpoints/i3d_rgb.pt", f"{_KINETICS}model_rgb.pth"), _I3D_LICENCE
    )
    companions: ClassVar[tuple[Checkpoint, ...]] = (
        Checkpoint("i3d_flow.pt", (f"{_TOOLKIT}i3d/checkpoints/i3d_flow.pt", f"{_KINETICS}model_flow.pth"), _I3D_LICENCE),
        Checkpoint(
            "pwc_net_sintel.pt",
            (f"{_TOOLKIT}pwc/checkpoints/pwc_net_sintel.pt", f"{_BEFORE_REMOVAL}pwc/checkpoints/pwc_net_sintel.pt"),
            "CC BY-NC-SA 4.0 (of PWC-Net, NVIDIA): not for commercial use",
        ),
    )
    batch_size: ClassVar[int] = 1

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip.

        Raises:
            Unscorable: `too_short` if the picture has fewer than 25 frames at 25 a second.
        """
        indices = ffmpeg_fps(info.frame_times, info.video_seconds, FRAME_RATE)
        windows = (len(indices) - 1) // WINDOW
        if windows < 1:
            raise Unscorable("too_short", f"i3d_windows needs 25 frames at 25 a second, the picture has {len(indices)}")
        return _Windows(indices[: WINDOW * windows + 1])

    def load(self, weights: Path | None, device: str) -> Forward:
        """The networks, ready on `device`: `frames` (clips, 24 windows + 1, 3, H, W) uint8 to the layers.

        Args:
            weights: The file of the colour stream, the companions beside it under their published names.
            device: Where they run.

        Raises:
            BadParameter: if a file is not in its published layout.
        """
        import torch

        from avbench.models.i3d import I3d, two_stream
        from avbench.models.loading import load_exactly
        from avbench.models.pwcnet import PwcNet, published
        from avbench.weights import read

        if weights is None:
            raise BadParameter("i3d_windows: weights are needed and None came")
        flow_file, motion_file = (weights.with_name(companion.file) for companion in self.companions)

        def stream(path: Path, inputs: int) -> nn.Module:
            with torch.device("meta"):
                network = I3d(1e-5, inputs)
            counters = {key: torch.zeros((), dtype=torch.int64) for key in network.state_dict() if key.endswith("_tracked")}
            load_exactly(network, counters | two_stream(read(path)), path)
            return network.to(device)

        with torch.device("meta"):
            motion = PwcNet()
        load_exactly(motion, published(read(motion_file)), motion_file)
        motion.to(device)
        streams = {"rgb": stream(weights, 3), "flow": stream(flow_file, 2)}

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            frames: Tensor = batch["frames"]
            windows = range(0, frames.shape[1] - 1, WINDOW)
            made: dict[str, list[Tensor]] = {layer: [] for layer in self.layers}
            for clip in frames:
                for first in windows:
                    window = clip[first : first + WINDOW + 1].float()
                    seen = {"rgb": rgb_input(window[:-1]), "flow": flow_input(flows(motion, window))}
                    for layer, network in streams.items():
                        made[layer].append(network(seen[layer])[1])
            return {layer: torch.cat(rows).view(len(frames), len(windows), -1) for layer, rows in made.items()}

        return forward


def flows(network: nn.Module, frames: Tensor) -> Tensor:
    """Flow (N, 2, H, W) between neighbours of (N + 1, 3, H, W), a few pairs at a time: they are the largest tensors here."""
    import torch

    firsts = range(0, len(frames) - 1, _PAIRS_AT_ONCE)
    return torch.cat([network(frames[first : first + _PAIRS_AT_ONCE + 1]) for first in firsts])


def rgb_input(frames: Tensor) -> Tensor:
    """Frames (24, 3, H, W), 0 to 255, as the colour stream takes them: (1, 3, 24, 224, 224)."""
    return (2 * cropped(frames) / 255 - 1).transpose(0, 1)[None]


def flow_input(flow: Tensor) -> Tensor:
    """Flow (24, 2, H, W) in pixels as the flow stream takes it: (1, 2, 24, 224, 224)."""
    levels = (128 + 255 / 40 * cropped(flow).clamp(-_MOST_MOTION, _MOST_MOTION)).round()
    return (2 * levels / 255 - 1).transpose(0, 1)[None]


def cropped(pictures: Tensor) -> Tensor:
    """The middle 224 x 224 of (..., H, W); an odd row or column stays at the end."""
    top, left = ((n - SIDE) // 2 for n in pictures.shape[-2:])
    return pictures[..., top : top + SIDE, left : left + SIDE]


@dataclass
class _Windows(Preparation):
    indices: NDArray[np.intp]
    made: dict[int, NDArray[np.uint8]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.frames = np.unique(self.indices)

    def take(self, index: int, image: NDArray[np.uint8]) -> None:
        self.made[index] = resized(image)

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        """`frames` (24 windows + 1, 3, H, W) uint8."""
        return {"frames": np.stack([self.made[int(i)] for i in self.indices])}


def resized(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Short side to 256 by PIL's bilinear filter: `(H, W, 3)` to `(3, 256, >= 256)`, or upright."""
    from PIL import Image

    height, width = image.shape[:2]
    long_side = int(SHORT_SIDE * max(height, width) / min(height, width))
    size = (SHORT_SIDE, long_side) if width < height else (long_side, SHORT_SIDE)
    small = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))
