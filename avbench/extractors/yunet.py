"""YuNet: faces of every frame at 25 per second, by a small detector whose weights are free to use.

Definition:
    Frames scaled so that the longer side has at most 320 pixels, OpenCV's `FaceDetectorYN` with scores above 0.6 and
    suppression at 0.3. Boxes are YuNet's own: other than S3FD's around the same face, so that numbers that stand on them are
    numbers of their own.
Source:
    Wu et al., YuNet: a tiny millisecond-level face detector, 2023; github.com/ShiqiYu/libfacedetection.train
    `onnx/yunet_n_dynamic.onnx` at 0047ac2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from avbench.errors import BadParameter
from avbench.face_tracks import Scaled, table
from avbench.types import Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation

LONGER_SIDE = 320
LEAST_SCORE = 0.6
_OVERLAP, _BEFORE_SUPPRESSION = 0.3, 5000


@dataclass(frozen=True)
class Yunet(Extractor):
    """Boxes around faces; the network runs on the CPU whatever the device is.

    Layers: as of `s3fd`: `faces` (frames, 64, 5) float32: x1, y1, x2, y2 in pixels of the clip and score, best first, zeros
    where there is none; `found` (frames,) int64, how many there were.
    """

    name: ClassVar[str] = "yunet"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("faces", "found")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video",)
    packages: ClassVar[tuple[str, ...]] = ("opencv-python-headless", "numpy")
    weights: ClassVar[Checkpoint | None] = Checkpoint(
        "yunet_n_dynamic.onnx",
        (
            "https://github.com/ShiqiYu/libfacedetection.train/raw/0047ac24afb1a50a0c6105001c89d1b5b805dbf1/onnx/yunet_n_dynamic.onnx",
        ),
        "Apache-2.0, free for commercial use",
        "104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12",
    )
    batch_size: ClassVar[int] = 1

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip."""
        scale = min(1.0, LONGER_SIDE / max(info.height, info.width, 1))
        return Scaled(info, (max(1, round(info.height * scale)), max(1, round(info.width * scale))))

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network: `pictures` (clips, frames, h, w, 3), `order` and `size` to the layers.

        Raises:
            BadParameter: if OpenCV cannot read the file as a YuNet.
        """
        import cv2
        import numpy as np
        import torch

        if weights is None:
            raise BadParameter("yunet: weights are needed and None came")
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # it says that it runs on the CPU, as it should
        try:
            size = (LONGER_SIDE, LONGER_SIDE)
            network = cv2.FaceDetectorYN.create(str(weights), "", size, LEAST_SCORE, _OVERLAP, _BEFORE_SUPPRESSION)
        except cv2.error as error:
            raise BadParameter(f"{weights}: OpenCV cannot read it as a YuNet in ONNX: {str(error).strip()[:200]}") from error
        finally:
            cv2.utils.logging.setLogLevel(level)

        def boxes(picture: Any, height: int, width: int) -> Any:
            bgr = np.ascontiguousarray(picture[:, :, ::-1])
            network.setInputSize((bgr.shape[1], bgr.shape[0]))
            found = network.detect(bgr)[1]
            found = np.zeros((0, 15)) if found is None else found.astype(np.float64)
            stretch = np.array([width / bgr.shape[1], height / bgr.shape[0]] * 2)
            corners = np.concatenate([found[:, :2], found[:, :2] + found[:, 2:4]], axis=1) * stretch
            return np.concatenate([corners, found[:, 14:]], axis=1)[np.argsort(-found[:, 14], kind="stable")]

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            made = []
            for pictures, order, size in zip(*(batch[k].cpu().numpy() for k in ("pictures", "order", "size")), strict=True):
                found = [boxes(picture, int(size[0]), int(size[1])) for picture in pictures]
                made.append(table([found[index] for index in order]))
            stacked = (torch.from_numpy(np.stack(part)) for part in zip(*made, strict=True))
            return dict(zip(self.layers, stacked, strict=True))

        return forward
