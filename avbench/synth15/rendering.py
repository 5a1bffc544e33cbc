"""From an item to pictures and sound."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter
from avbench.synth15.scene import Scene, scene_type
from avbench.types import Clip, Item

SECONDS = 2.0
"""Length of a clip unless the item or the caller says otherwise."""

_DRESS, _BACKDROP, _SCRIPT, _SOUND = 11, 12, 13, 14
_PAINTED_SIDE = 448
_LOUDEST = 0.85


def length(item: Item, seconds: float | None) -> float:
    """The seconds that are asked for, else the item's, else 2.

    Raises:
        BadParameter: if that is not a positive number.
    """
    wanted = seconds if seconds is not None else item.seconds if item.seconds is not None else SECONDS
    if not (math.isfinite(wanted) and wanted > 0.0):
        raise BadParameter(f"item '{item.id}': seconds must be positive, got {wanted}")
    return wanted


def frames(
    item: Item, *, width: int = 256, height: int = 256, frame_rate: float = 24.0, seconds: float | None = None
) -> Iterator[NDArray[np.uint8]]:
    """The pictures of an item, one at a time.

    Args:
        item: From `items`.
        width: Pixels, 32 or more.
        height: Pixels, 32 or more.
        frame_rate: Frames per second, positive.
        seconds: Length; None for the item's own, which is 2 unless it says otherwise.

    Yields:
        uint8 `(height, width, 3)` RGB; the picture i shows the scene at `i / frame_rate` seconds.

    Raises:
        BadParameter: if a value is out of range or the item has no seed.
        UnknownName: if the item's category is not of this suite.
    """
    if width < 32 or height < 32:
        raise BadParameter(f"item '{item.id}': width and height must be 32 or more, got {width} x {height}")
    if not (math.isfinite(frame_rate) and frame_rate > 0.0):
        raise BadParameter(f"item '{item.id}': frame_rate must be positive, got {frame_rate}")
    count = max(round(length(item, seconds) * frame_rate), 1)
    scene = _scene(item)
    backdrop_seed = _seed(item, "look", _BACKDROP)
    return _paint(scene, np.random.default_rng(backdrop_seed), width, height, frame_rate, count)


def _paint(
    scene: Scene, look: np.random.Generator, width: int, height: int, frame_rate: float, count: int
) -> Iterator[NDArray[np.uint8]]:
    import cv2

    from avbench.synth15.backdrops import grain
    from avbench.synth15.pictures import Canvas

    # Painted larger and averaged: thin lines survive at 64 x 64, and every size shows nearly the same drawing.
    factor = max(math.ceil(_PAINTED_SIDE / min(width, height)), 1)
    behind = np.zeros((height * factor, width * factor, 3), np.uint8)
    strength = float(look.uniform(1.5, 5.0))
    scene.backdrop(Canvas(behind), look)
    grain(Canvas(behind), look, strength)
    image = np.empty_like(behind)
    for index in range(count):
        np.copyto(image, behind)
        scene.draw(scene.placed(Canvas(image)), index / frame_rate)
        small = image.copy() if factor == 1 else cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        yield np.asarray(small, dtype=np.uint8)


def sound(item: Item, *, sample_rate: int = 16_000, seconds: float | None = None) -> NDArray[np.float32]:
    """The sound of an item.

    Args:
        item: From `items`.
        sample_rate: Hz, 8000 or more.
        seconds: Length; None for the item's own, which is 2 unless it says otherwise.

    Returns:
        float32 `(1, N)`, peak below 0.9.

    Raises:
        BadParameter: if a value is out of range or the item has no seed.
        UnknownName: if the item's category is not of this suite.
    """
    if sample_rate < 8000:
        raise BadParameter(f"item '{item.id}': sample_rate must be 8000 Hz or more, got {sample_rate}")
    from avbench.synth15.sounds import Tape, pinkish

    count = max(round(length(item, seconds) * sample_rate), 1)
    scene = _scene(item)
    tape = Tape(count, sample_rate, [_SOUND, *_numbers(item, "events")])
    scene.sound(tape)
    loudest = float(np.abs(tape.samples).max())
    mixed = tape.samples * (scene.level / loudest) if loudest > 0.0 else tape.samples
    mixed = mixed + pinkish(tape.random(0), count, sample_rate) * 10.0 ** (scene.floor_db / 20.0)
    limited: NDArray[np.float32] = np.clip(mixed, -_LOUDEST, _LOUDEST).astype(np.float32)
    return limited[None, :]


def render(
    item: Item,
    *,
    width: int = 256,
    height: int = 256,
    frame_rate: float = 24.0,
    seconds: float | None = None,
    sample_rate: int = 16_000,
) -> Clip:
    """Pictures and sound of an item in memory; see `frames` and `sound`."""
    pictures = np.stack(list(frames(item, width=width, height=height, frame_rate=frame_rate, seconds=seconds)))
    heard = sound(item, sample_rate=sample_rate, seconds=seconds)
    return Clip(item.id, pictures, frame_rate, heard, sample_rate, text=item.prompt)


def _scene(item: Item) -> Scene:
    kind = scene_type(item.category)
    look = np.random.default_rng(_seed(item, "look", _DRESS))
    return kind(item.events, look, np.random.default_rng(_seed(item, "events", _SCRIPT)))


def _numbers(item: Item, stream: str) -> Sequence[int]:
    seed: Mapping[str, Any] | None = item.fields.get("seed")
    try:
        return [int(number) for number in seed[stream]]  # type: ignore[index]
    except (TypeError, KeyError, ValueError) as problem:
        raise BadParameter(
            f"item '{item.id}': fields must hold seed = {{'look': [...], 'events': [...]}} with whole numbers, got {seed!r}"
        ) from problem


def _seed(item: Item, stream: str, purpose: int) -> np.random.SeedSequence:
    return np.random.SeedSequence([purpose, *_numbers(item, stream)])
