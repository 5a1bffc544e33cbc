"""How much the picture moves, frame by frame: mean magnitude of Farneback's dense optical flow, in pixels.

Definition:
    Every frame at its native size (or resized, see `OpticalFlow.resize`) is turned to grey. f_i is the mean over all pixels of
    the length of the flow vectors from frame i-1 to frame i; f_0 is set to f_1, so that the curve has one value per frame.
    Farneback's parameters are the published ones: pyramid scale 0.5, 3 levels, window 15, 3 iterations, neighbourhood 5 with
    sigma 1.2, no flags.
Source:
    AV-Align of TempoTokens (arXiv:2309.16429), github.com/guyyariv/TempoTokens `av_align.py` at bf0b1e3; resizing as in
    github.com/yzxing87/Seeing-and-Hearing `eval/av-align/av-align.py` at 75cdbbc.
Numbers:
    Flow and magnitudes are float32, their mean is summed in float64, as the source does with OpenCV.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter, Unscorable
from avbench.types import Array, ClipInfo, Extractor, Features, Preparation, Waveform

_SHORT_SIDE = re.compile(r"min=([1-9]\d*)")
_SIZE = re.compile(r"([1-9]\d*):([1-9]\d*)")


@dataclass(frozen=True)
class OpticalFlow(Extractor):
    """Mean flow magnitude of every frame.

    Layers: `mean_magnitude` (T,) float64, pixels per frame of the picture that the flow is measured on, >= 0;
    `frame_times` (T,) float64, seconds from the first frame; `frame_rate` () float64, Hz, what OpenCV reports;
    `frame_size` (2,) int64, height and width that the flow is measured on.

    Args:
        resize: None for the native size; `min=64` for a short side of 64 pixels, the long side in proportion and rounded
            down; `256:144` for a width of 256 and a height of 144. Bilinear, before the picture turns grey.

    Raises:
        BadParameter: if `resize` is anything else.
    """

    resize: str | None = None

    name: ClassVar[str] = "optical_flow"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("mean_magnitude", "frame_times", "frame_rate", "frame_size")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video",)
    packages: ClassVar[tuple[str, ...]] = ("opencv-python-headless", "numpy")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resize is not None and not (_SHORT_SIDE.fullmatch(self.resize) or _SIZE.fullmatch(self.resize)):
            raise BadParameter(f"optical_flow: resize must be 'min=<pixels>', '<width>:<height>' or none, got {self.resize!r}")

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip.

        Raises:
            Unscorable: `too_short` with fewer than 2 frames.
        """
        if info.frames < 2:
            raise Unscorable("too_short", f"optical flow needs 2 frames, the clip has {info.frames}")
        return _Flow(info, target_size(self.resize, info.height, info.width))


@dataclass
class _Flow(Preparation):
    """Keeps the previous grey frame and one number per pair."""

    info: ClipInfo
    size: tuple[int, int]
    previous: NDArray[np.uint8] | None = None
    magnitudes: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.frames = range(self.info.frames)

    def take(self, index: int, image: NDArray[np.uint8]) -> None:
        current = grey(resized(image, self.size))
        if self.previous is not None:
            self.magnitudes.append(mean_magnitude(self.previous, current))
        self.previous = current

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        return {
            "mean_magnitude": np.asarray([self.magnitudes[0], *self.magnitudes], dtype=np.float64),
            "frame_times": np.asarray(self.info.frame_times, dtype=np.float64),
            "frame_rate": np.asarray(self.info.frame_rate, dtype=np.float64),
            "frame_size": np.asarray(self.size, dtype=np.int64),
        }


def target_size(resize: str | None, height: int, width: int) -> tuple[int, int]:
    """Height and width after resizing; every side is at least 1.

    >>> target_size("min=64", 96, 160)
    (64, 106)
    """
    if resize is None:
        return height, width
    if short := _SHORT_SIDE.fullmatch(resize):
        ratio = int(short[1]) / min(height, width)  # truncated products, as the source rounds
        return max(1, int(ratio * height)), max(1, int(ratio * width))
    sides = _SIZE.fullmatch(resize)
    if sides is None:
        raise BadParameter(f"optical_flow: cannot read resize={resize!r}")
    return int(sides[2]), int(sides[1])


def resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture `(H, W, 3)` at `size` (height, width), bilinear without antialiasing; the same array if it fits already."""
    import cv2

    if image.shape[:2] == size:
        return image
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Luma of an RGB picture: `(H, W, 3)` to `(H, W)`."""
    import cv2

    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def mean_magnitude(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """Mean length of the flow vectors between two grey pictures of one size, pixels."""
    import cv2

    flow = cv2.calcOpticalFlowFarneback(before, after, None, 0.5, 3, 15, 3, 5, 1.2, 0)  # type: ignore[call-overload]
    return float(cv2.mean(cv2.magnitude(flow[..., 0], flow[..., 1]))[0])
