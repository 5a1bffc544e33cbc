"""A cascade `I->V + V->A` of JointDiT's building blocks: the video denoiser alone, then sound for the finished picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from avbench.types import Clip, ClipFile, Generator, Item, Suite, Task


@dataclass(frozen=True)
class CascadeTiny(Generator):
    """First the picture from the first frame, then the sound from picture and first frame; sizes and rates as `jointdit`.

    The first stage is `parallel_tiny`'s video model. The second is the joint network trained further with the video given.

    Args:
        guidance: Of both stages; the first has no joint layers, so that all are `cfg` there.
        w: Strength of the guidance; 0 is none.
        steps: Of each stage's sampler.
        checkpoint: Of the second stage; empty for the one that comes with avbench.
        video_checkpoint: Of the first stage; empty for `parallel_tiny`'s.
        device: Of torch.
    """

    name: ClassVar[str] = "cascade_tiny"
    title: ClassVar[str] = "I->V + V->A (avbench reference, tiny)"
    shown: ClassVar[str] = title
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "avbench; JointDiT's building blocks, one modality after the other"
    conditions: ClassVar[tuple[str, ...]] = ("first_frame",)
    task: ClassVar[Task] = "I2SV"
    clip_seconds: ClassVar[float | None] = 2.0

    guidance: Literal["cfg", "joint_cfg", "joint_cfg_star"] = "cfg"
    w: float = 1.0
    steps: int = 30
    checkpoint: str = ""
    video_checkpoint: str = ""
    device: str = "cpu"

    def request(self, item: Item, suite: Suite, seed: int) -> str:
        """The checkpoints' hash: clips of other weights are made again."""
        from avbench.models.jointdit_clips import weights_hash

        return weights_hash(*self._paths())

    def generate(self, items: Sequence[Item], *, suite: Suite, seed: int, folder: Path) -> Iterator[Clip | ClipFile]:
        """Sample pictures, then their sounds, eight clips at a time.

        Raises:
            MissingData, BadParameter, BadCondition: as `jointdit`.
        """
        from avbench.models.jointdit_clips import clips
        from avbench.models.jointdit_package import load

        first, second = self._paths()
        packages = load(first, "uni", self.device), load(second, "v2a", self.device)
        yield from clips(
            packages,
            items,
            suite=suite,
            seed=seed,
            form=self.guidance,
            w=self.w,
            steps=self.steps,
            what=self.name,
        )

    def _paths(self) -> tuple[Path, Path]:
        from avbench.models.jointdit_clips import package_path

        return package_path(self.video_checkpoint, "parallel_tiny"), package_path(self.checkpoint, self.name)
