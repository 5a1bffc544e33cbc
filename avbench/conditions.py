"""What a model is given of an item: its conditions, and its seed.

A condition lies in `Item.fields` under its name (a file by its path, relative to the suite's folder), except for the prompt
and the category, which are `Item.prompt` and `Item.category`. Where the fields have no file, the reference clip stands in.
Every accessor either returns the thing or raises one error that names item, condition and what to do.

A picture arrives as a model wants it, whatever the file: turned as EXIF says, palette, grey and 16 bit made RGB of 8 bit,
transparency laid over white, the first of several frames. Its size is the file's own.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadClip, BadCondition
from avbench.media import Reader
from avbench.types import SAMPLE, ClipFile, Generator, Item, References, Suite

ALIASES = {"caption": "text", "class_label": "category"}
"""Names of a condition in published interfaces, and the suites' own."""
PICTURES = ("first_frame", "last_frame", "reference_image")
FILES = (*PICTURES, "video", "audio")
"""Conditions that are files."""
TEXTS = ("text", "caption", "video_caption", "audio_caption", "negative_prompt")
KNOWN = (*FILES, *TEXTS, "category", "class_label", "transcript", "reference")
MOST_PIXELS = 100_000_000
"""Of a condition picture; beyond it a file of a few kB can ask for all memory."""


# ------------------------------------------------------------------ seeds


def seed_of(item: Item, seed: int) -> int:
    """The item's own seed, 0 to 2^31 - 1: the first 31 bits of `sha256("<run's seed>|<item's id>|<index of the sample>")`.

    It depends on nothing else, so that a clip is the same in any order, batch, subset and resumed run.
    """
    id, index = sample_of(item)
    return first_31_bits(f"{seed}|{id}|{index}")


def sample_of(item: Item) -> tuple[str, int]:
    """The id in the suite and the number of the sample, 0 unless several samples of each item are made."""
    found = item.fields.get(SAMPLE)
    return (found["id"], found["index"]) if isinstance(found, Mapping) else (item.id, 0)


def first_31_bits(text: str) -> int:
    """Of the SHA-256 of a text, as a number."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


# ------------------------------------------------------------------ what there is


def offered(suite: Suite) -> set[str]:
    """Every condition that a suite can give."""
    found = {*suite.conditions, *(alias for alias, name in ALIASES.items() if name in suite.conditions)}
    if "text" in suite.conditions:
        found |= {"video_caption", "audio_caption"}
    if suite.reference is not None:
        found |= {"reference", "video", "audio"}
    return found


def required(names: Iterable[str]) -> list[str]:
    """Those that are not marked with `?`."""
    return [name for name in names if not name.endswith("?")]


def lacking(generator: Generator, suite: Suite) -> list[str]:
    """What a model needs and a suite does not offer."""
    there = {*offered(suite), "reference"}  # a ruler that finds no reference clip says so itself
    return [name for name in required(generator.conditions) if name not in there]


def without(generator: Generator, items: Sequence[Item], suite: Suite) -> dict[str, str]:
    """Items that lack a condition that the model needs, with the reason. Looks for files, opens none."""
    out: dict[str, str] = {}
    for name in required(generator.conditions):
        for item in items:
            if item.id not in out and name != "reference":
                try:
                    present(name, item, suite)
                except BadCondition as error:
                    out[item.id] = str(error)
    return out


def present(name: str, item: Item, suite: Suite) -> None:
    """Look whether a condition is there, without opening its file.

    Raises:
        BadCondition: if it is not.
    """
    if name in FILES:
        _file(name, item, suite)
    elif name in ("category", "class_label"):
        category(item)
    elif name == "transcript":
        transcript(item)
    elif name in TEXTS:
        _text(name, item)
    elif name not in item.fields:
        raise _lack(item, name, f"put it into the item's fields as '{name}'")


def value(name: str, item: Item, suite: Suite) -> Any:
    """A condition by name: an array for a picture, a path for video and audio, else text or a list.

    Raises:
        BadCondition: if the item has none, or the file cannot be used.
    """
    if name == "first_frame":
        return first_frame(item, suite)
    if name in PICTURES:
        return picture(name, item, suite)
    if name in ("video", "audio"):
        return _file(name, item, suite)
    if name in ("category", "class_label"):
        return category(item)
    if name == "transcript":
        return transcript(item)
    return _text(name, item)


# ------------------------------------------------------------------ the conditions


def first_frame(item: Item, suite: Suite) -> NDArray[np.uint8]:
    """The first frame, uint8 `(H, W, 3)` RGB in its own size.

    The picture named in the fields, else the first frame of the clip named there as `video`, else that of the reference clip.

    Raises:
        BadCondition: if there is none, or it cannot be read.
    """
    if item.fields.get("first_frame"):
        return picture("first_frame", item, suite)
    path = _file("first_frame", item, suite)
    try:
        with Reader(ClipFile(item.id, path)) as reader:
            for image in reader.frames():
                return np.ascontiguousarray(image)
    except BadClip as error:
        raise BadCondition(f"item '{item.id}': the first frame of {path} cannot be read: {error}") from error
    raise BadCondition(f"item '{item.id}': {path} has no picture, so it has no first frame")


def picture(name: str, item: Item, suite: Suite) -> NDArray[np.uint8]:
    """A condition that is a picture file, uint8 `(H, W, 3)` RGB: `first_frame`, `last_frame`, `reference_image`.

    Raises:
        BadCondition: if there is none, it is no picture, or it has more than `MOST_PIXELS`.
    """
    return read_picture(_file(name, item, suite), f"item '{item.id}': {name}")


def video(item: Item, suite: Suite) -> Path:
    """The clip that a model of sound or of further picture looks at: the fields' `video`, else the reference clip."""
    return _file("video", item, suite)


def audio(item: Item, suite: Suite) -> Path:
    """The sound that a model of picture listens to: the fields' `audio`, else the reference clip or its sound file."""
    return _file("audio", item, suite)


def caption(item: Item) -> str:
    """Of the whole scene: the fields' `caption`, else the prompt."""
    return _text("caption", item)


def video_caption(item: Item) -> str:
    """Of the picture alone, where the item tells them apart; else that of the scene."""
    return _text("video_caption", item)


def audio_caption(item: Item) -> str:
    """Of the sound alone, where the item tells them apart; else that of the scene."""
    return _text("audio_caption", item)


def category(item: Item) -> str:
    """The class label."""
    if not item.category:
        raise _lack(item, "category", "give the item a category in items.jsonl")
    return item.category


def transcript(item: Item) -> list[dict[str, Any]]:
    """What is said: one `{"text": ..., "speaker"?, "start"?, "end"?}` per turn; a plain text is one turn."""
    found = item.fields.get("transcript")
    if isinstance(found, str) and found:
        return [{"text": found}]
    if not isinstance(found, list) or not found:
        raise _lack(item, "transcript", "put a text, or a list of {text, speaker, start, end}, into the item's fields")
    for turn in found:
        if not isinstance(turn, Mapping) or not isinstance(turn.get("text"), str):
            raise BadCondition(f"item '{item.id}': a turn of the transcript must be an object with a text, got {turn!r:.80}")
    return [dict(turn) for turn in found]


def _text(name: str, item: Item) -> str:
    candidates = {
        "video_caption": ("video_caption", "caption"),
        "audio_caption": ("audio_caption", "audio_text", "caption"),
        "text": ("caption",),
    }.get(name, (name,))
    for key in candidates:
        found = item.fields.get(key)
        if found is not None and not isinstance(found, str):
            raise BadCondition(f"item '{item.id}': {key} must be text, got {type(found).__name__} {found!r:.80}")
        if found:
            return found
    if name == "negative_prompt" or not item.prompt:
        raise _lack(item, name, "give the item a prompt in items.jsonl, or put the text into its fields")
    return item.prompt


def _file(name: str, item: Item, suite: Suite) -> Path:
    """The file of a condition, which is there; for `first_frame` a clip where the fields name no picture."""
    for key in (name, "video") if name == "first_frame" else (name,):
        named = item.fields.get(key)
        if named is None or named == "":
            continue
        if not isinstance(named, str | Path) or "\0" in str(named):
            raise BadCondition(f"item '{item.id}': {key} must be the path of a file, got {type(named).__name__} {named!r:.80}")
        path = suite.folder / named
        if isinstance(named, str) and not path.resolve().is_relative_to(suite.folder.resolve()):
            # A stage of a cascade hands over a `Path`; a suite's text must not reach other files of the machine.
            raise BadCondition(f"item '{item.id}': {key} = '{named}' leads out of the suite's folder {suite.folder}")
        if not path.is_file():
            raise BadCondition(f"item '{item.id}': {key} is '{named}', and {path} is not there; complete the suite's files")
        return path
    if name in ("last_frame", "reference_image"):
        raise _lack(item, name, f"put the path of a picture into the item's fields as '{name}'")
    clip = _reference(item, suite)
    if clip is None:
        there = "the suite has no reference clips" if suite.reference is None else "there is no reference clip of it"
        raise _lack(item, name, f"put the path of a file into the item's fields as '{name}' ({there} to take it from)")
    return clip.audio if name == "audio" and clip.audio is not None else clip.path


def _lack(item: Item, name: str, remedy: str) -> BadCondition:
    return BadCondition(f"item '{item.id}' has no {name}, which the model needs; {remedy}, or choose a model that needs none")


_references: weakref.WeakKeyDictionary[References, dict[str, ClipFile]] = weakref.WeakKeyDictionary()


def _reference(item: Item, suite: Suite) -> ClipFile | None:
    """The reference clip of an item; looked up once for all items of a suite."""
    if suite.reference is None:
        return None
    known = _references.setdefault(suite.reference, {})
    if item.id not in known or not known[item.id].path.is_file():
        wanted = suite.items if any(i.id == item.id for i in suite.items) and not known else [item]
        known.update(suite.reference.ready(wanted))
    return known.get(item.id)


def read_picture(path: Path, what: str) -> NDArray[np.uint8]:
    """A picture file as uint8 `(H, W, 3)` RGB; see the module's docstring for what becomes of other modes.

    Args:
        path: The file.
        what: What errors call it.

    Raises:
        BadCondition: if it is no picture, damaged, or has more than `MOST_PIXELS`.
    """
    from PIL import Image, ImageOps

    try:
        with path.open("rb") as file, Image.open(file) as opened:
            width, height = opened.size
            if width * height > MOST_PIXELS:
                raise BadCondition(f"{what}: {path} has {width} x {height} pixels, more than {MOST_PIXELS:,}; make it smaller")
            image: Image.Image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I;16") or image.mode in ("I", "F"):
                wide = np.asarray(image, dtype=np.float64)
                top = 65535.0 if wide.max(initial=0.0) > 255 or image.mode != "F" else 255.0
                grey = np.clip(np.rint(wide * (255.0 / top)), 0, 255).astype(np.uint8)
                return np.repeat(grey[:, :, None], 3, axis=2)
            if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
                image = image.convert("RGBA")
                white = Image.new("RGBA", image.size, (255, 255, 255, 255))
                image = Image.alpha_composite(white, image)
            return np.array(image.convert("RGB"), dtype=np.uint8)
    except BadCondition:
        raise
    except Image.DecompressionBombError as error:
        raise BadCondition(f"{what}: {path} is too large: {error}; make it smaller") from error
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:  # Pillow's ways to say that a file is damaged
        raise BadCondition(f"{what}: {path} is no picture that can be read: {error}") from error
