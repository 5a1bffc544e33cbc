"""Models that break one rule each, for `avbench check-generator`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from avbench.adapters import generator
from avbench.conditions import seed_of
from avbench.types import Clip, ClipFile, Generator, Item, NoClip, Suite

_count = itertools.count()


def _clip(seed: int, level: float = 0.5) -> Any:
    draw = np.random.default_rng(seed)
    tone = level * np.sin(np.arange(16_000) * draw.uniform(0.05, 0.2))
    return draw.integers(0, 255, (12, 48, 64, 3), dtype=np.uint8), 12.0, tone, 16_000


@generator(task="U2SV", source="tests")
def restless() -> Any:
    """Another clip at every call."""
    return _clip(next(_count))


@generator(task="U2SV", source="tests")
def silent(seed: int) -> Any:
    """No sound in the sound."""
    return _clip(seed, 0.0)


@generator(task="U2SV", source="tests")
def alike() -> Any:
    """One clip for all."""
    return _clip(0)


@dataclass(frozen=True)
class short(Generator):  # noqa: N801  named like the functions
    """Ends too soon."""

    name: ClassVar[str] = "short"
    title: ClassVar[str] = "ends too soon"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "tests"

    def generate(self, items: Sequence[Item], *, suite: Suite, seed: int, folder: Path) -> Iterator[Clip | ClipFile | NoClip]:
        """Only the first."""
        frames, rate, audio, sample_rate = _clip(seed_of(items[0], seed))
        yield Clip(items[0].id, frames, rate, audio.astype(np.float32)[None], sample_rate)
