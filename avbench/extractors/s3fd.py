"""S3FD: faces of every frame at 25 per second, as SyncNet's published scripts find them.

Definition:
    Frames scaled to a quarter of their size, the channel means taken off, S3FD (`avbench.models.s3fd`), boxes scored above 0.9,
    suppression at 0.3 and again at 0.1 intersection over union.
Source:
    Zhang et al., arXiv:1708.05237; github.com/joonson/syncnet_python `run_pipeline.py`, `detectors/s3fd` at 6efbb1c.
Differs from the source:
    See `avbench.face_tracks` on frames. A picture that is shown twice is looked at once. Of more than 64 faces in a frame
    the 64 largest are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from avbench.errors import BadParameter
from avbench.face_tracks import Scaled, table
from avbench.types import Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation

SCALE = 0.25
LEAST_SCORE = 0.9
_AT_ONCE = 4
"""Pictures that the network sees at once; more are no faster on a CPU and take 0.1 GB each at 480 x 270."""


@dataclass(frozen=True)
class S3fd(Extractor):
    """Boxes around faces.

    Layers: `faces` (frames, 64, 5) float32: x1, y1, x2, y2 in pixels of the clip and score, best first, zeros where there is
    none; `found` (frames,) int64, how many there were. Frames are those of `face_tracks.at_25`.
    """

    name: ClassVar[str] = "s3fd"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("faces", "found")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video",)
    packages: ClassVar[tuple[str, ...]] = ("opencv-python-headless", "numpy", "torch")
    weights: ClassVar[Checkpoint | None] = Checkpoint(
        "sfd_face.pth",
        ("https://www.robots.ox.ac.uk/~vgg/software/lipsync/data/sfd_face.pth",),
        "published with syncnet_python (MIT code), research use",
        "d54a87c2b7543b64729c9a25eafd188da15fd3f6e02f0ecec76ae1b30d86c491",
    )
    batch_size: ClassVar[int] = 1

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip."""
        return Scaled(info, (max(1, round(info.height * SCALE)), max(1, round(info.width * SCALE))))

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network: `pictures` (clips, frames, h, w, 3), `order` and `size` to the layers.

        Raises:
            BadParameter: if the file is not in the published layout.
        """
        import numpy as np
        import torch

        from avbench.models.loading import load_exactly
        from avbench.models.s3fd import S3fd as Network
        from avbench.models.s3fd import faces
        from avbench.weights import read

        if weights is None:
            raise BadParameter("s3fd: weights are needed and None came")
        with torch.device("meta"):
            network = Network()
        load_exactly(network, read(weights), weights)
        network.to(device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            made = []
            for pictures, order, size in zip(batch["pictures"], batch["order"], batch["size"], strict=True):
                height, width = size.tolist()
                found = [f for part in pictures.split(_AT_ONCE) for f in faces(network, part, (height, width), LEAST_SCORE)]
                made.append(table([found[index] for index in order.tolist()]))
            stacked = (torch.from_numpy(np.stack(part)) for part in zip(*made, strict=True))
            return dict(zip(self.layers, stacked, strict=True))

        return forward
