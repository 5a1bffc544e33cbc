"""JointDiT, as far as its paper tells, at a size that was trained on a CPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from avbench.types import Clip, ClipFile, Generator, Item, Suite, Task


@dataclass(frozen=True)
class JointDiTTiny(Generator):
    """Sounding video from a first frame: 64 x 64, 24 frames at 12 a second, 2 s at 16 kHz.

    Args:
        guidance: `joint_cfg_star` is the paper's; the others are those it is compared with.
        w: Strength of the guidance; 0 is none.
        steps: Of the sampler.
        checkpoint: A file that the training script exported; empty for the one that comes with avbench.
        device: Of torch.
    """

    name: ClassVar[str] = "jointdit"
    title: ClassVar[str] = "JointDiT (avbench reference, tiny)"
    shown: ClassVar[str] = title
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "avbench; architecture after JointDiT (CVPR 2025), whose code and weights are not public"
    conditions: ClassVar[tuple[str, ...]] = ("first_frame",)
    task: ClassVar[Task] = "I2SV"
    clip_seconds: ClassVar[float | None] = 2.0

    guidance: Literal["cfg", "joint_cfg", "joint_cfg_star"] = "joint_cfg_star"
    w: float = 1.0
    steps: int = 30
    checkpoint: str = ""
    device: str = "cpu"

    def request(self, item: Item, suite: Suite, seed: int) -> str:
        """The checkpoint's hash: clips of other weights are made again."""
        from avbench.models.jointdit_clips import package_path, weights_hash

        return weights_hash(package_path(self.checkpoint, self.name))

    def generate(self, items: Sequence[Item], *, suite: Suite, seed: int, folder: Path) -> Iterator[Clip | ClipFile]:
        """Sample picture and sound together, eight clips at a time.

        Raises:
            MissingData: if there is no checkpoint.
            BadParameter: if the checkpoint is damaged or of another network, or `steps` is below 1.
            BadCondition: if an item has no first frame.
        """
        from avbench.models.jointdit_clips import clips, package_path
        from avbench.models.jointdit_package import load

        package = load(package_path(self.checkpoint, self.name), "joint", self.device)
        yield from clips(
            (package, package),
            items,
            suite=suite,
            seed=seed,
            form=self.guidance,
            w=self.w,
            steps=self.steps,
            what=self.name,
        )
