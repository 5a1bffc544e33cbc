"""The ground truth with another item's sound: what a metric of semantic agreement has to notice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from avbench.encode import replace_audio
from avbench.errors import BadParameter
from avbench.folders import file_name
from avbench.generators.reference import reference_clips
from avbench.generators.shifted import sound_of
from avbench.types import Clip, ClipFile, Generator, Item, Suite


@dataclass(frozen=True)
class Shuffled(Generator):
    """Reference clips whose sounds change places.

    No item keeps its own, and where the categories allow it, the sound comes from another category.
    """

    name: ClassVar[str] = "shuffled"
    title: ClassVar[str] = "ground truth, sound of another item"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "avbench"
    conditions: ClassVar[tuple[str, ...]] = ("reference",)
    checked: ClassVar[bool] = False

    def generate(self, items: Sequence[Item], *, suite: Suite, seed: int, folder: Path) -> Iterator[Clip | ClipFile]:
        """Copy the pictures packet by packet and write the other item's sound, cut or padded to the own sound's length.

        Raises:
            BadParameter: if the suite has one item.
        """
        partner = partners(suite.items, seed)
        needed = {i.id: i for i in [*items, *(partner[item.id] for item in items)]}
        clips = reference_clips(suite, list(needed.values()), self.name)
        for item in items:
            own, other = sound_of(clips[item.id]), sound_of(clips[partner[item.id].id])
            length = round(own.samples.shape[1] / own.sample_rate * other.sample_rate)
            samples = np.zeros((len(other.samples), length), dtype=np.float32)
            count = min(length, other.samples.shape[1])
            samples[:, :count] = other.samples[:, :count]
            path = folder / f"{file_name(item.id)}.mp4"
            replace_audio(path, clips[item.id].path, samples, other.sample_rate)
            yield ClipFile(item.id, path, None, item.prompt)


def partners(items: Sequence[Item], seed: int) -> dict[str, Item]:
    """Whose sound each item gets: a permutation without fixed points, drawn from the seed.

    Items are drawn in random order, then sorted by category, and each takes the sound of the one that stands as many places
    later as the largest category has items.

    Raises:
        BadParameter: for fewer than two items.
    """
    if len(items) < 2:
        raise BadParameter("model shuffled needs two items or more; give a larger --limit")
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(items))
    ranked = sorted(order, key=lambda i: items[i].category)
    largest = max(Counter(i.category for i in items).values())
    step = largest if largest < len(items) else 1
    return {items[i].id: items[ranked[(rank + step) % len(items)]] for rank, i in enumerate(ranked)}
