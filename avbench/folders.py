"""Folders of clips: what is a clip, what it is called, and which item of a suite it is."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from avbench.errors import BadFolder
from avbench.types import ClipFile, Item

VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".mpg", ".mpeg", ".m4v")
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".opus", ".aac")

_SAMPLE = re.compile(r"sample_(\d{4,})")


@dataclass(frozen=True)
class Found:
    """Clips in order of their ids, and every other file with the reason why it is none."""

    clips: tuple[ClipFile, ...]
    others: dict[str, str]


def find_clips(folder: Path) -> Found:
    """Every clip below a folder; its id is its path from there, without the suffix.

    `x.mp4` and `x.wav` side by side are one clip, whose sound is the WAV file. A sound file alone is a clip without picture.

    Raises:
        BadFolder: if the folder is missing, holds no clip, or two files have the same id.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "is not there"
        raise BadFolder(f"{folder} {what}; expected a folder of clips ({', '.join(VIDEO_SUFFIXES)}, or sound files)")
    root = folder.resolve()
    pictures: dict[str, Path] = {}
    sounds: dict[str, Path] = {}
    others: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        name = shown(relative.as_posix())
        if any(part.startswith(".") for part in relative.parts) or (path.is_dir() and not path.is_symlink()):
            continue
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
            others[name] = "a link that leads out of the folder; not followed"
        elif not path.is_file():
            others[name] = "not a regular file"
        elif path.suffix.lower() in VIDEO_SUFFIXES:
            _add(pictures, path, relative, folder)
        elif path.suffix.lower() in AUDIO_SUFFIXES:
            _add(sounds, path, relative, folder)
        else:
            others[name] = "neither a video nor a sound file by its suffix"
    clips = [ClipFile(id, pictures.get(id, sounds.get(id, root)), _beside(id, pictures, sounds)) for id in pictures | sounds]
    if not clips:
        held = f"{len(others)} other files, such as '{next(iter(others))}'" if others else "nothing"
        raise BadFolder(f"{folder} has no clips: it holds {held}; expected {', '.join(VIDEO_SUFFIXES + AUDIO_SUFFIXES)}")
    return Found(tuple(sorted(clips, key=lambda c: c.id)), others)


def _beside(id: str, pictures: dict[str, Path], sounds: dict[str, Path]) -> Path | None:
    return sounds.get(id) if id in pictures else None


def _add(found: dict[str, Path], path: Path, relative: Path, folder: Path) -> None:
    id = shown(relative.with_suffix("").as_posix())
    if id in found:
        raise BadFolder(
            f"{folder}: '{shown(found[id].name)}' and '{shown(path.name)}' are both clip '{id}'; rename or remove one of them"
        )
    found[id] = path


def shown(name: str) -> str:
    """A name as results show it: NFC, and bytes that are no UTF-8 written out."""
    return unicodedata.normalize("NFC", name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))


def match(found: Found, items: Sequence[Item], suite: str) -> tuple[dict[str, ClipFile], dict[str, str]]:
    """The clip of each item, and the other files with reasons.

    A clip is an item's if its id, or the last part of it, is the item's id, or the name that a run gives to the item's clip, or
    `sample_0000`, counted from the first item.

    Raises:
        BadFolder: if no clip belongs to an item, or two to the same.
    """
    known = {file_name(item.id): item for item in items} | {item.id: item for item in items}
    ours: dict[str, ClipFile] = {}
    others = dict(found.others)
    for clip in found.clips:
        item = _item(clip, items, known)
        if item is None:
            others[clip.id] = f"not among the {len(items)} items of suite {suite} that are asked for"
        elif item.id in ours:
            raise BadFolder(f"clips '{ours[item.id].path.name}' and '{clip.path.name}' are both item '{item.id}'; remove one")
        else:
            ours[item.id] = clip.of(item)
    if not ours:
        raise BadFolder(
            f"none of the {len(found.clips)} clips (such as '{found.clips[0].id}') is an item of suite {suite}; "
            f"expected names like '{items[0].id}' or 'sample_0000'"
        )
    return ours, others


def _item(clip: ClipFile, items: Sequence[Item], known: dict[str, Item]) -> Item | None:
    last = clip.id.rsplit("/", 1)[-1]
    for name in (clip.id, last):
        if name in known:
            return known[name]
    numbered = _SAMPLE.fullmatch(last)
    return items[int(numbered[1])] if numbered and int(numbered[1]) < len(items) else None


def file_name(id: str) -> str:
    """A file name for an item's clip, without suffix: safe on any system, different for different ids."""
    plain = quote(id, safe=" !#$&'()+,;=@[]^_`{}~-.")
    if plain == id and len(plain) <= 120 and not plain.startswith((".", "-")) and plain == plain.strip():
        return plain
    return f"{plain[:80].lstrip('.-').strip()}~{hashlib.sha256(id.encode()).hexdigest()[:16]}"
