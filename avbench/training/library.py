"""Training clips of `synth15`, rendered once to memory-mapped arrays."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter
from avbench.mini.inputs import FRAME_RATE, SAMPLE_RATE, SIDE
from avbench.store import write_bytes
from avbench.synth15 import CATEGORIES, frames, items, sound
from avbench.types import Item

SECONDS = 3.0
"""Longer than the suite's clips: picture and sound can be cut at different times and both show something real."""
FRAMES = round(SECONDS * FRAME_RATE)
SAMPLES = round(SECONDS * SAMPLE_RATE)
_CHUNK = 30


@dataclass(frozen=True, eq=False)
class Library:
    """Rendered items of the train split.

    Args:
        items: In order; item i is of category i % 15.
        pictures: uint8 `(n, 72, 64, 64, 3)`, 24 frames a second.
        sounds: int16 `(n, 48000)`, 16 kHz.
    """

    items: Sequence[Item]
    pictures: NDArray[np.uint8]
    sounds: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.items)

    def category(self, index: int) -> int:
        """Number of the item's category in `CATEGORIES`."""
        return CATEGORIES.index(self.items[index].category)


def library(
    folder: Path, count: int, *, seed: int = 0, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> Library:
    """The first `count` items of a train split, rendered where they are not there yet; an interrupted call is gone on with.

    Args:
        folder: Where the arrays lie; 0.98 MB a clip.
        count: Items, 15 or more. The folder keeps the count that it was made with.
        seed: Of the train split.
        workers: Processes that render.
        progress: Called with clips done and all clips.

    Raises:
        BadParameter: if the folder holds other clips than these.
    """
    if count < len(CATEGORIES):
        raise BadParameter(f"a library needs {len(CATEGORIES)} clips or more, one of each category; got {count}")
    settings = {"split": "train", "seed": seed, "count": count, "seconds": SECONDS, "side": SIDE, "version": 1}
    about = folder / "library.json"
    if about.is_file():
        found = json.loads(about.read_text(encoding="utf-8"))
        if found != settings:
            raise BadParameter(f"{folder} holds {found}, asked for was {settings}; use another folder")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        for name, dtype, shape in _arrays(count):
            np.lib.format.open_memmap(folder / name, "w+", dtype, shape)
        write_bytes(about, json.dumps(settings).encode())
    done = np.load(folder / "done.npy", mmap_mode="r")
    left = [n for n in range(0, count, _CHUNK) if not done[n : n + _CHUNK].all()]
    if left and workers > 1:
        with ProcessPoolExecutor(min(workers, len(left)), mp_context=get_context("spawn")) as pool:
            jobs = [pool.submit(_render, folder, first, count, seed) for first in left]
            for finished, job in enumerate(as_completed(jobs), 1):
                job.result()
                _tell(progress, count - (len(left) - finished) * _CHUNK, count)
    else:
        for finished, first in enumerate(left, 1):
            _render(folder, first, count, seed)
            _tell(progress, count - (len(left) - finished) * _CHUNK, count)
    pictures, sounds = (np.load(folder / name, mmap_mode="r") for name in ("pictures.npy", "sounds.npy"))
    return Library(items("train", count, seconds=SECONDS, seed=seed), pictures, sounds)


def _tell(progress: Callable[[int, int], None] | None, done: int, count: int) -> None:
    if progress is not None:
        progress(max(done, 0), count)


def _arrays(count: int) -> list[tuple[str, Any, tuple[int, ...]]]:
    return [
        ("pictures.npy", np.uint8, (count, FRAMES, SIDE, SIDE, 3)),
        ("sounds.npy", np.int16, (count, SAMPLES)),
        ("done.npy", np.uint8, (count,)),
    ]


def _render(folder: Path, first: int, count: int, seed: int) -> None:
    import cv2

    cv2.setNumThreads(1)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    pictures, sounds, done = (np.load(folder / name, mmap_mode="r+") for name, _, _ in _arrays(count))
    last = min(first + _CHUNK, count)
    listed = items("train", last, seconds=SECONDS, seed=seed)
    for index in range(first, last):
        if done[index]:
            continue
        for number, image in enumerate(frames(listed[index], width=SIDE, height=SIDE, frame_rate=FRAME_RATE)):
            pictures[index, number] = image
        sounds[index] = np.rint(sound(listed[index], sample_rate=SAMPLE_RATE)[0] * 32767.0).astype(np.int16)
        done[index] = 1
