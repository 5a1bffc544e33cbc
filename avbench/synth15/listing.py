"""The items of the suite: captions, event times and the seeds that everything is drawn from."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from avbench.errors import BadParameter
from avbench.synth15.rendering import SECONDS
from avbench.synth15.scene import CATEGORIES, EARLIEST, LATEST, scene_type
from avbench.types import Item

TEST_ITEMS = 150
_SPLITS = {"test": 0, "train": 1}
_LISTING = 10
_SHORTEST = EARLIEST + LATEST + 0.1


def items(
    split: Literal["train", "test"], count: int | None = None, *, seconds: float = SECONDS, seed: int = 0
) -> tuple[Item, ...]:
    """The first items of a split; more items of the same split begin with the same ones.

    Item i is of category `i % 15`, so that any number of items is balanced. Everything in it is drawn from
    `[split, seed, i]`: items of the two splits never share a seed.

    Args:
        split: `test` is fixed; `train` has as many items as are asked for.
        count: How many; None for the 150 of the test split, needed for `train`.
        seconds: Length of the clips, 0.52 or more. Events fill it.
        seed: Another train split; the test split takes 0 only.

    Returns:
        Items with `events` in seconds (6 decimals) and `fields["seed"]`, two lists of whole numbers: `look` for everything
        that the first frame shows, `events` for times, strengths and sound. `Item.seconds` is None for the suite's 2 s.

    Raises:
        BadParameter: if a value is out of range.
    """
    if split not in _SPLITS:
        raise BadParameter(f"split must be 'train' or 'test', got '{split}'")
    if split == "test" and seed != 0:
        raise BadParameter(f"the test split is fixed: seed must be 0, got {seed}")
    if seed < 0:
        raise BadParameter(f"seed must be 0 or more, got {seed}")
    if count is None:
        if split == "train":
            raise BadParameter("the train split has any size: count must be given")
        count = TEST_ITEMS
    if count < 0:
        raise BadParameter(f"count must be 0 or more, got {count}")
    if not (math.isfinite(seconds) and seconds >= _SHORTEST):
        raise BadParameter(f"seconds must be {_SHORTEST:.2f} or more, got {seconds}")
    return tuple(_item(split, index, seconds, seed) for index in range(count))


def _item(split: str, index: int, seconds: float, seed: int) -> Item:
    category = CATEGORIES[index % len(CATEGORIES)]
    numbers = [_SPLITS[split], seed, index]
    random = np.random.default_rng(np.random.SeedSequence([_LISTING, *numbers]))
    kind = scene_type(category)
    events = tuple(round(float(time), 6) for time in kind.times(random, seconds))
    digits = 3 if split == "test" else 6
    return Item(
        id=f"{split}_{category}_{index // len(CATEGORIES):0{digits}d}",
        prompt=kind.caption(random, len(events)),
        category=category,
        seconds=None if seconds == SECONDS else seconds,
        events=events,
        fields={"seed": {"look": list(numbers), "events": list(numbers)}},
    )
