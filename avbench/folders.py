"""Folders of clips: what is a clip, what it is called, and which item of a suite it is."""

from __future__ import annotations

import bisect
import hashlib
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from avbench.errors import BadFolder
from avbench.types import SAMPLE, ClipFile, Item

VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".mpg", ".mpeg", ".m4v")
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".opus", ".aac")

_SAMPLE = re.compile(r"sample_(\d{4,})")
_INDEXED = re.compile(r"(.*)-(\d{1,4})", re.DOTALL)


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


def beside(sounds: Found, pictures: Found) -> Found:
    """One clip for each sound file, with the picture of the same stem in the other folder (av-benchmark's layout).

    Raises:
        BadFolder: if two pictures have the stem of one sound, or none has.
    """
    by_stem: dict[str, list[ClipFile]] = {}
    for clip in pictures.clips:
        if clip.path.suffix.lower() in VIDEO_SUFFIXES:
            by_stem.setdefault(clip.id.rsplit("/", 1)[-1], []).append(clip)
    clips, others = [], {**sounds.others}
    for clip in sounds.clips:
        there = by_stem.get(clip.id.rsplit("/", 1)[-1], [])
        if len(there) > 1:
            raise BadFolder(f"clip '{clip.id}': its picture may be {_candidates(there)}; remove or rename all but one")
        if there:
            clips.append(ClipFile(clip.id, there[0].path, clip.audio or clip.path))
        else:
            others[clip.id] = "no picture of the same name in the folder of pictures"
    if not clips:
        raise BadFolder(
            f"none of the {len(sounds.clips)} clips (such as '{sounds.clips[0].id}') has a picture of the same name"
        )
    return Found(tuple(clips), others)


def match(found: Found, items: Sequence[Item], suite: str) -> tuple[dict[str, ClipFile], dict[str, str]]:
    """The clip of each item, and the other files with reasons.

    A clip is an item's, by its path without suffix or by the last part of that, if it is

    * the item's id, or the name that a run gives to the item's clip;
    * `sample_0000`, counted from the first item (JavisBench);
    * the name in the item's fields `clip`, `pred_video_path` or `pred_audio_path`;
    * the item's prompt, or the prompt and the number of the sample, `prompt-0` (VBench). Letters and digits alone are
      compared, since no file system takes every prompt, and a name of 40 and more that is cut off stands for the one prompt
      that begins so.

    Raises:
        BadFolder: if no clip belongs to an item, a clip to several, or several to one; lists them.
    """
    names = _Names(items)
    ours: dict[str, list[ClipFile]] = {}
    others = dict(found.others)
    for clip in found.clips:
        candidates = names.of(clip)
        if len(candidates) > 1:
            listed = ", ".join(f"'{item.id}'" for item in candidates[:5]) + (", ..." if len(candidates) > 5 else "")
            raise BadFolder(
                f"clip '{clip.id}' may be any of {len(candidates)} items of suite {suite}: {listed}; name it by the item's id"
            )
        if candidates:
            ours.setdefault(candidates[0].id, []).append(clip)
        else:
            others[clip.id] = f"not among the {len(items)} items of suite {suite} that are asked for"
    for id, clips in ours.items():
        if len(clips) > 1:
            both = "both" if len(clips) == 2 else "all"
            raise BadFolder(
                f"clips {_candidates(clips)} are {both} item '{id}'; {'remove one' if both == 'both' else 'remove all but one'}"
            )
    if not ours:
        raise BadFolder(
            f"none of the {len(found.clips)} clips (such as '{found.clips[0].id}') is an item of suite {suite}; "
            f"expected names like '{items[0].id}' or 'sample_0000'"
        )
    by_id = {item.id: item for item in items}
    return {id: clips[0].of(by_id[id]) for id, clips in ours.items()}, others


def _candidates(clips: Sequence[ClipFile]) -> str:
    shown_names = [f"'{c.id}{c.path.suffix}'" for c in clips[:5]]
    return " and ".join(shown_names) + (" and more" if len(clips) > 5 else "")


_FILE_FIELDS = ("clip", "pred_video_path", "pred_audio_path")
_CUT = 40
"""Letters and digits from which on the beginning of a prompt is taken for the prompt."""


class _Names:
    """Which items a file may be, the surest way first."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.ids = {file_name(item.id): item for item in items} | {item.id: item for item in items}
        self.exact: dict[str, list[Item]] = {}
        self.prompts: dict[str, list[Item]] = {}
        for item in items:
            for key in _FILE_FIELDS:
                if isinstance(path := item.fields.get(key), str) and path:
                    self._add(self.exact, shown(Path(path).with_suffix("").as_posix()).lstrip("/"), item)
                    self._add(self.exact, shown(Path(path).stem), item)
            sample = item.fields.get(SAMPLE)
            index = sample["index"] if isinstance(sample, Mapping) else 0
            if plain := letters(item.prompt):
                self._add(self.prompts, f"{plain}-{index}", item)
                if index == 0 and not isinstance(sample, Mapping):
                    self._add(self.prompts, plain, item)
        self.sorted = sorted(self.prompts)

    @staticmethod
    def _add(names: dict[str, list[Item]], name: str, item: Item) -> None:
        there = names.setdefault(name, [])
        if item not in there:
            there.append(item)

    def of(self, clip: ClipFile) -> list[Item]:
        """Every item that the clip may be."""
        last = clip.id.rsplit("/", 1)[-1]
        for name in (clip.id, last):
            if name in self.ids:
                return [self.ids[name]]
        for name in (clip.id, last):
            if name in self.exact:
                return self.exact[name]
        numbered = _SAMPLE.fullmatch(last)
        if numbered:
            return [self.items[int(numbered[1])]] if int(numbered[1]) < len(self.items) else []
        indexed = _INDEXED.fullmatch(last)
        if indexed and letters(indexed[1]):
            found = self._by_prompt(letters(indexed[1]), f"-{int(indexed[2])}")
            if found:
                return found
        return self._by_prompt(letters(last), "") if letters(last) else []

    def _by_prompt(self, plain: str, ending: str) -> list[Item]:
        if plain + ending in self.prompts:
            return self.prompts[plain + ending]
        if len(plain) < _CUT:
            return []
        found: dict[str, Item] = {}
        for name in self.sorted[bisect.bisect_left(self.sorted, plain) :]:
            if not name.startswith(plain):
                break
            if name.endswith(ending) if ending else "-" not in name:
                found.update({item.id: item for item in self.prompts[name]})
        return list(found.values())


def letters(text: str) -> str:
    """Letters and digits of a text, in lower case: what of a prompt survives in a file name."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def file_name(id: str) -> str:
    """A file name for an item's clip, without suffix: safe on any system, different for different ids."""
    plain = quote(id, safe=" !#$&'()+,;=@[]^_`{}~-.")
    if plain == id and len(plain) <= 120 and not plain.startswith((".", "-")) and plain == plain.strip():
        return plain
    return f"{plain[:80].lstrip('.-').strip()}~{hashlib.sha256(id.encode()).hexdigest()[:16]}"
