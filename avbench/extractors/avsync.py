"""AVSync classifier of ASVA: embeddings of picture and sound of clips of 2 s, and the score that compares them.

Input:
    See `avbench.asva_clips`: 12 frames at 6 per second, 224 x 224; the log mel spectrogram of the sound, 128 x 204.
Score:
    A number without bounds or unit, higher where sound and picture fit in time. It only says something beside the score of
    another pair: the network was trained to tell a pair from the same pair shifted by 0.2 s and more.
Source:
    Zhang et al., arXiv:2403.05659; github.com/lzhangbj/ASVA `avsync/models`, `avgen/data/utils.py` at 6587938.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from avbench.asva_clips import AsvaClips
from avbench.errors import BadParameter
from avbench.types import Checkpoint, Forward

_LICENCE = "MIT by the badge of the repository's README, which has no licence file"


def _published(part: str) -> Checkpoint:
    file, at = f"avsync_{part}.bin", f"ckpts/checkpoint-40000/modules/{part}/diffusion_pytorch_model.bin"
    where = f"drive.google.com/file/d/1Paqjad4a8mjujMJBEYqmnNEgGPi595lb/view ({at} in it, imported with `--as {file}`)"
    return Checkpoint(file, (where,), _LICENCE)


@dataclass(frozen=True)
class Avsync(AsvaClips):
    """The AVSync classifier's view of one clip; parameters as of `AsvaClips`.

    Layers: `picture` and `sound` (clips, 512) float32; `score` (clips,) float32, of each picture with its own sound.

    The checkpoint is three files of one archive, all of the same name there, for the towers of picture and sound and the head.
    """

    name: ClassVar[str] = "avsync"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("picture", "sound", "score")
    weights: ClassVar[Checkpoint | None] = _published("video_encoder")
    companions: ClassVar[tuple[Checkpoint, ...]] = (_published("audio_encoder"), _published("head"))

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network: `pictures` (batch, clips, 12, 3, 224, 224) and `mels` (batch, clips, 128, 204) to the layers.

        Raises:
            BadParameter: if one of the three files is not in its published layout.
        """
        import torch

        from avbench.models.avsync import AudioTower, Head, VideoTower
        from avbench.models.loading import load_exactly
        from avbench.weights import read

        if weights is None:
            raise BadParameter("avsync: weights are needed and None came")
        with torch.device("meta"):
            parts = VideoTower(), AudioTower(), Head()
        files = (weights, *(weights.with_name(companion.file) for companion in self.companions))
        for part, file in zip(parts, files, strict=True):
            load_exactly(part, read(file), file)
            part.to(device)
        video, audio, head = parts

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            pictures, mels = batch["pictures"], batch["mels"]
            shape = mels.shape[:2]
            # clips one by one: twelve frames fill the first layers' memory, and a batch is not faster on a CPU
            picture = torch.cat([video(clip[None]) for clip in pictures.flatten(0, 1)])
            sound = audio(mels.flatten(0, 1))
            score = head(sound, picture)
            return {"picture": picture.view(*shape, -1), "sound": sound.view(*shape, -1), "score": score.view(shape)}

        return forward
