"""ImageBind on clips of 2 s as ASVA prepares them: every one of 12 frames, and the sound.

Input:
    See `avbench.asva_clips`. Unlike `imagebind_frames`, the frames are 6 a second, squeezed to 224 x 224 in float where the
    target size is no square; unlike `imagebind_audio`, the sound is one clip of 2 s.
Source:
    Girdhar et al., arXiv:2305.05665; github.com/lzhangbj/ASVA `avgen/evaluations/models/clip.py`,
    `avgen/evaluations/clip/compute_clip.py` at 6587938.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from avbench.asva_clips import AsvaClips
from avbench.imagebind import CHECKPOINT, by_rows, network
from avbench.types import Checkpoint, Forward


@dataclass(frozen=True)
class ImagebindAsva(AsvaClips):
    """ImageBind's view of one clip; parameters as of `AsvaClips`.

    Layers: `frames` (clips, 12, 1024) float32, length 1; `sound` (clips, 1024) float32, length 20; `times` (clips, 12) float32,
    seconds from the first frame.

    Unused keys of the checkpoint: the towers of depth, thermal and inertial data.
    """

    name: ClassVar[str] = "imagebind_asva"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("frames", "sound", "times")
    weights: ClassVar[Checkpoint | None] = CHECKPOINT

    def load(self, weights: Path | None, device: str) -> Forward:
        """Both towers, ready on `device`: `pictures` (batch, clips, 12, 3, 224, 224) and `mels` to the layers.

        Raises:
            BadParameter: if the file is not in ImageBind's layout.
        """
        network(weights, "audio", device)
        made = network(weights, "vision", device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            pictures, mels = batch["pictures"], batch["mels"]
            frames = by_rows(made.vision, pictures.flatten(0, 2))
            sound = by_rows(made.audio, mels.flatten(0, 1))
            return {
                "frames": frames.view(*pictures.shape[:3], -1),
                "sound": sound.view(*mels.shape[:2], -1),
                "times": batch["times"],
            }

        return forward
