"""Two models that know nothing of each other, `I->V || I->A`: JointDiT's two denoisers, trained without joint layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from avbench.types import Clip, ClipFile, Generator, Item, Suite, Task


@dataclass(frozen=True)
class ParallelTiny(Generator):
    """Picture and sound from the same first frame, each on its own; sizes and rates as `jointdit`.

    Args:
        w: Strength of classifier-free guidance, with the null image as negative; 0 is none.
        steps: Of the sampler.
        checkpoint: A file that the training script exported; empty for the one that comes with avbench.
        device: Of torch.
    """

    name: ClassVar[str] = "parallel_tiny"
    title: ClassVar[str] = "I->V || I->A (avbench reference, tiny)"
    shown: ClassVar[str] = title
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "avbench; the two denoisers of its JointDiT without joint layers"
    conditions: ClassVar[tuple[str, ...]] = ("first_frame",)
    task: ClassVar[Task] = "I2SV"
    clip_seconds: ClassVar[float | None] = 2.0

    w: float = 1.0
    steps: int = 30
    checkpoint: str = ""
    device: str = "cpu"

    def request(self, item: Item, suite: Suite, seed: int) -> str:
        """The checkpoint's hash: clips of other weights are made again."""
        from avbench.models.jointdit_clips import package_path, weights_hash

        return weights_hash(package_path(self.checkpoint, self.name))

    def generate(self, items: Sequence[Item], *, suite: Suite, seed: int, folder: Path) -> Iterator[Clip | ClipFile]:
        """Sample picture and sound side by side, eight clips at a time.

        Raises:
            MissingData, BadParameter, BadCondition: as `jointdit`.
        """
        from avbench.models.jointdit_clips import clips, package_path
        from avbench.models.jointdit_package import load

        package = load(package_path(self.checkpoint, self.name), "uni", self.device)
        yield from clips(
            (package, package),
            items,
            suite=suite,
            seed=seed,
            form="cfg",
            w=self.w,
            steps=self.steps,
            what=self.name,
        )
