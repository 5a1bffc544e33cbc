"""The ground truth itself: the upper end of the ruler that every metric is checked with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from avbench.errors import BadParameter
from avbench.folders import file_name
from avbench.types import Clip, ClipFile, Generator, Item, Suite


@dataclass(frozen=True)
class Reference(Generator):
    """Copies of the suite's reference clips, byte for byte."""

    name: ClassVar[str] = "reference"
    title: ClassVar[str] = "ground truth"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "avbench"
    conditions: ClassVar[tuple[str, ...]] = ("reference",)
    checked: ClassVar[bool] = False

    def generate(self, items: Sequence[Item], *, suite: Suite, seed: int, folder: Path) -> Iterator[Clip | ClipFile]:
        """Copy each item's reference clip.

        Raises:
            BadParameter: if the suite has no reference clips, or none for an item.
        """
        clips = reference_clips(suite, items, self.name)
        for item in items:
            clip = clips[item.id]
            path = folder / f"{file_name(item.id)}{clip.path.suffix}"
            shutil.copyfile(clip.path, path)
            audio = None
            if clip.audio is not None:
                audio = folder / f"{file_name(item.id)}{clip.audio.suffix}"
                shutil.copyfile(clip.audio, audio)
            yield ClipFile(item.id, path, audio, item.prompt)


def reference_clips(suite: Suite, items: Sequence[Item], model: str) -> dict[str, ClipFile]:
    """The reference clip of each item.

    Raises:
        BadParameter: if the suite has no reference clips, or none for an item.
    """
    if suite.reference is None:
        raise BadParameter(f"model {model} copies reference clips, and suite {suite.name} has none")
    clips = suite.reference.ready(items)
    lacking = [item.id for item in items if item.id not in clips]
    if lacking:
        raise BadParameter(
            f"model {model}: {len(lacking)} of {len(items)} items have no reference clip, the first is '{lacking[0]}'; "
            "complete the suite's data, or use --limit"
        )
    return clips
