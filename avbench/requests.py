"""What a model outside of this process is asked for: one JSON object per clip, its condition files, and its hash.

The hash names the clip by everything that it follows from: the model with parameters and revision, the item's id and seed,
the size that is wanted, and every condition by content. A path is never part of it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from avbench import conditions, encode
from avbench.errors import BadClip, BadCondition
from avbench.folders import file_name
from avbench.media import Reader
from avbench.store import file_sha256
from avbench.types import ClipFile, Generator, Item, Suite, canonical


def target(item: Item, suite: Suite) -> dict[str, Any]:
    """The length, size and rates that a suite would like."""
    return {
        "seconds": item.seconds or suite.seconds,
        "frame_rate": suite.frame_rate,
        "width": suite.width,
        "height": suite.height,
        "sample_rate": suite.sample_rate,
    }


def identity(generator: Generator) -> list[Any]:
    """What of a model moves its clips. All parameters, since a description may change their defaults."""
    return [generator.name, generator.parameters(), generator.revision]


def message(generator: Generator, item: Item, suite: Suite, seed: int, folder: Path | None) -> dict[str, Any]:
    """One `item` message of the protocol; `baselines/README.md` has the fields.

    Args:
        generator: Its `conditions` say what goes along.
        item: The item.
        suite: Of the item.
        seed: Of the run.
        folder: Where condition files are written; None to make the hash alone.

    Raises:
        BadCondition: if a condition is missing or cannot be used.
    """
    cond: dict[str, Any] = {}
    hashed: dict[str, Any] = {}
    for name in generator.conditions:
        plain = name.removesuffix("?")
        if plain == "reference":
            continue
        if plain != name and not _there(plain, item, suite):
            continue
        cond[plain], hashed[plain] = condition(plain, item, suite, folder)
    id, index = conditions.sample_of(item)
    body = {
        "id": id,
        "index": index,
        "seed": conditions.seed_of(item, seed),
        "target": target(item, suite),
    }
    asked = {**body, "cond": hashed, "model": identity(generator)}
    return {
        "type": "item",
        **body,
        "name": file_name(item.id),
        "request": hashlib.sha256(canonical(asked).encode()).hexdigest(),
        "cond": cond,
    }


def _there(name: str, item: Item, suite: Suite) -> bool:
    """Whether an optional condition is offered by the suite and the item has it."""
    if name not in conditions.offered(suite) and name not in item.fields:
        return False
    try:
        conditions.present(name, item, suite)
    except BadCondition:
        return False
    return True


def condition(name: str, item: Item, suite: Suite, folder: Path | None) -> tuple[Any, Any]:
    """A condition as a program gets it, and what stands for it in the hash.

    A picture becomes a PNG, a video loses its sound and a sound its picture: what a model is not given, it cannot use.
    """
    found = conditions.value(name, item, suite)
    if isinstance(found, np.ndarray):
        digest = hashlib.sha256(repr(found.shape).encode() + found.tobytes()).hexdigest()
        return (None if folder is None else str(_picture(found, folder, f"{digest[:32]}.png"))), digest
    if isinstance(found, Path):
        digest = file_sha256(found)
        if folder is None:
            return None, digest
        suffix = ".wav" if name == "audio" else found.suffix.lower()
        path = folder / f"{digest[:32]}{suffix}"
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            try:
                _sound(found, path) if name == "audio" else encode.drop_audio(path, found)
            except BadClip as error:
                raise BadCondition(f"item '{item.id}': {name} {found} cannot be used: {error}") from error
        return str(path), digest
    return found, found


def _picture(image: np.ndarray[Any, np.dtype[np.uint8]], folder: Path, name: str) -> Path:
    from PIL import Image

    path = folder / name
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with encode.whole(path) as partial:
            Image.fromarray(image).save(partial, format="PNG")
    return path


def _sound(source: Path, path: Path) -> None:
    with Reader(ClipFile(source.stem, source)) as reader:
        for _ in reader.frames(picture=False):
            pass
        sound = reader.audio()
    if sound is None:
        raise BadClip("no_audio")
    encode.write_wav(path, sound.samples, sound.sample_rate)
