"""White noise in picture and sound: the lower end of the ruler."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from avbench.types import Clip, ClipFile, Generator, Item, Suite


@dataclass(frozen=True)
class Noise(Generator):
    """Uniform noise frames and white noise at -20 dBFS, drawn anew for every item."""

    name: ClassVar[str] = "noise"
    title: ClassVar[str] = "white noise in picture and sound"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "avbench"

    def generate(self, items: Sequence[Item], *, suite: Suite, seed: int, folder: Path) -> Iterator[Clip | ClipFile]:
        """Draw each clip from the hash of seed and item id."""
        for item in items:
            digest = hashlib.sha256(f"noise:{seed}:{item.id}".encode()).digest()
            draw = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
            seconds = item.seconds or suite.seconds
            frames = max(1, round(seconds * suite.frame_rate))
            yield Clip(
                item.id,
                draw.integers(0, 256, (frames, suite.height, suite.width, 3), dtype=np.uint8),
                suite.frame_rate,
                0.1 * draw.standard_normal((1, round(seconds * suite.sample_rate)), dtype=np.float32),
                suite.sample_rate,
                text=item.prompt,
            )
