"""Clips that are there already, made elsewhere: a folder as a model."""

from __future__ import annotations

import csv
import dataclasses
import functools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from avbench import conditions
from avbench.adapters import places
from avbench.errors import BadFolder, BadManifest, MissingData
from avbench.folders import AUDIO_SUFFIXES, VIDEO_SUFFIXES, file_name, shown
from avbench.types import Clip, ClipFile, Generator, Item, NoClip, Suite

PATTERNS = ("{id}/{index}", "{id}_{index}", "{id}-{index}", "{id}", "video/{id}", "sample_{position}", "manifest.csv")
"""How clips may be named, in the order in which they are tried; suffixes are those of clips."""


@dataclass(frozen=True)
class Found:
    """The clips of a folder by item, items without one with the reason, and files that belong to no item."""

    pattern: str
    clips: Mapping[str, ClipFile]
    lacking: Mapping[str, str]
    others: Mapping[str, str]


class Folder(Generator):
    """Copies of the clips in a folder."""

    place: ClassVar[str]
    """Where the clips are, as it was given; a description may have `{env:NAME}` in it."""
    near: ClassVar[Path] = Path()
    pattern: ClassVar[str]
    title: ClassVar[str] = "clips that are there already"
    revision: ClassVar[int] = 1
    checked: ClassVar[bool] = False

    def __reduce__(self) -> tuple[Any, ...]:
        """By folder, pattern and name."""
        cls = type(self)
        return _again, (cls.place, cls.pattern, cls.name)

    @property
    def folder(self) -> Path:
        """Of the clips.

        Raises:
            MissingData: if it is named by a variable that is not set.
        """
        described = hasattr(type(self), "table")
        return self.near / Path(places.filled(self.place, self.near) if described else self.place).expanduser()

    def missing(self) -> tuple[str, ...]:
        """The folder, if it is not there."""
        try:
            folder = self.folder
        except MissingData as error:
            return (f"{error}; it names the folder of the clips",)
        return () if folder.exists() else (f"the folder {folder} is not there; put the clips into it",)

    def found(self, suite: Suite) -> Found:
        """Which clip is which item's.

        Raises:
            BadFolder: if the folder is not there, no pattern or several fit, or two files are one item's.
        """
        return find(self.folder, suite.items, self.pattern)

    def cannot(self, items: Sequence[Item], suite: Suite) -> Mapping[str, str]:
        """Items without a clip."""
        lacking = self.found(suite).lacking
        return {item.id: lacking[item.id] for item in items if item.id in lacking}

    def request(self, item: Item, suite: Suite, seed: int) -> str:
        """Size and time of the files: a clip that was replaced is taken anew."""
        clip = _found_once(self.folder, suite, self.pattern).clips.get(item.id)
        files = [p.stat() for p in (clip.path, clip.audio) if p is not None] if clip is not None else []
        return ";".join(f"{s.st_size}:{s.st_mtime_ns}" for s in files)

    def generate(self, items: Sequence[Item], *, suite: Suite, seed: int, folder: Path) -> Iterator[Clip | ClipFile | NoClip]:
        """Copy each item's clip."""
        found = self.found(suite)
        for item in items:
            clip = found.clips.get(item.id)
            if clip is None:
                yield NoClip(item.id, found.lacking[item.id], again=False)
                continue
            path = folder / f"{file_name(item.id)}{clip.path.suffix}"
            shutil.copyfile(clip.path, path)
            audio = None
            if clip.audio is not None:
                audio = folder / f"{file_name(item.id)}{clip.audio.suffix}"
                shutil.copyfile(clip.audio, audio)
            yield ClipFile(item.id, path, audio, item.prompt)


@functools.cache
def folder_class(folder: str, pattern: str = "", name: str = "") -> type[Generator]:
    """The class of one folder."""
    path = Path(folder).resolve()
    called = name or path.name or "clips"
    namespace: dict[str, Any] = {
        "name": called,
        "place": str(path),
        "pattern": pattern,
        "source": f"clips in {path}",
        "__doc__": f"Clips in {path}.",
    }
    return dataclasses.make_dataclass("Clips", [], bases=(Folder,), frozen=True, namespace=namespace)


def _again(folder: str, pattern: str, name: str) -> Generator:
    return folder_class(folder, pattern, name)()


# ------------------------------------------------------------------ which file is which clip


_last: tuple[Suite, Path, str, Found] | None = None


def _found_once(folder: Path, suite: Suite, pattern: str) -> Found:
    """`find`, once for all items of a suite."""
    global _last
    if _last is None or _last[0] is not suite or _last[1:3] != (folder, pattern):
        _last = (suite, folder, pattern, find(folder, suite.items, pattern))
    return _last[3]


def find(folder: Path, items: Sequence[Item], pattern: str = "") -> Found:
    """The clip of each item.

    Args:
        folder: Of the clips.
        items: All items of the suite.
        pattern: Such as `{id}_{index}.mp4`, also with `{position}`, the item's place from 0 in four digits; empty to try
            `PATTERNS`.

    Raises:
        BadFolder: if the folder is not there or empty, no pattern fits, several do, or two files are one item's.
    """
    if not folder.is_dir():
        raise BadFolder(f"{folder} {'is a file' if folder.exists() else 'is not there'}; expected a folder of clips")
    files = _files(folder)
    tried = {p: _by_pattern(p, folder, items, files) for p in ([pattern] if pattern else PATTERNS)}
    fitting = {p: clips for p, clips in tried.items() if clips}
    if len(fitting) > 1:
        counts = ", ".join(f"{p} ({len(clips)} clips, such as '{_first(clips, folder)}')" for p, clips in fitting.items())
        raise BadFolder(f"{folder}: names fit {len(fitting)} patterns: {counts}; say which with ?pattern=, or tidy the folder")
    if not fitting:
        held = f"such as '{shown(next(iter(files)))}'" if files else "it is empty"
        raise BadFolder(
            f"{folder}: none of the {len(files)} files ({held}) is a clip of the {len(items)} items, the first of which is "
            f"'{items[0].id}'; tried {', '.join(tried)}; give ?pattern="
        )
    ((used, clips),) = fitting.items()
    lacking = {i.id: f"there is no clip {used.replace('{id}', i.id)} in {folder}" for i in items if i.id not in clips}
    taken = {p for clip in clips.values() for p in (clip.path, clip.audio)}
    others = {
        shown(name): "belongs to no item of the suite" for name, path in files.items() if path not in taken and name != used
    }
    return Found(used, clips, lacking, others)


def _first(clips: Mapping[str, ClipFile], folder: Path) -> str:
    return shown(next(iter(clips.values())).path.relative_to(folder).as_posix())


def _files(folder: Path) -> dict[str, Path]:
    """Every file that does not lead out of the folder, by its path from there."""
    out = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if not hidden and path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            out[relative.as_posix()] = path
    return out


def _by_pattern(pattern: str, folder: Path, items: Sequence[Item], files: Mapping[str, Path]) -> dict[str, ClipFile]:
    if pattern.endswith(".csv"):
        return _by_list(folder / pattern, folder, items, files)
    suffix = Path(pattern).suffix.lower()
    known = suffix in (*VIDEO_SUFFIXES, *AUDIO_SUFFIXES)
    stem = pattern[: -len(suffix)] if known else pattern
    suffixes = (suffix,) if known else (*VIDEO_SUFFIXES, *AUDIO_SUFFIXES)
    out: dict[str, ClipFile] = {}
    for position, item in enumerate(items):
        id, index = conditions.sample_of(item)
        if index and "{index}" not in stem:
            continue
        names = dict.fromkeys(
            stem.replace("{id}", written).replace("{index}", str(index)).replace("{position}", f"{position:04d}")
            for written in (id, file_name(id))
        )
        hits = []
        for name in names:
            for end in suffixes:
                path = files.get(name + end) or files.get(name + end.upper())
                if path is not None and path not in hits:
                    hits.append(path)
        pictures = [p for p in hits if p.suffix.lower() in VIDEO_SUFFIXES]
        sounds = [p for p in hits if p.suffix.lower() in AUDIO_SUFFIXES] if not known or not pictures else []
        sounds = sounds or _beside(stem, names, files, pictures)
        if len(pictures) > 1 or len(sounds) > 1:
            both = pictures if len(pictures) > 1 else sounds
            raise BadFolder(f"{folder}: '{both[0].name}' and '{both[1].name}' are both clip '{item.id}'; remove one")
        if pictures:
            out[item.id] = ClipFile(item.id, pictures[0], sounds[0] if sounds else None).of(item)
        elif sounds:
            out[item.id] = ClipFile(item.id, sounds[0]).of(item)
    return out


def _beside(stem: str, names: Mapping[str, None], files: Mapping[str, Path], pictures: list[Path]) -> list[Path]:
    """Sound files that go with a picture: beside it, or in `audio/` where pictures are in `video/`."""
    found: dict[Path, None] = {}
    for name in names if pictures else ():
        places = [name, f"audio/{name.removeprefix('video/')}"] if stem.startswith("video/") else [name]
        found |= {files[p + end]: None for p in places for end in AUDIO_SUFFIXES if p + end in files}
    return list(found)


def _by_list(path: Path, folder: Path, items: Sequence[Item], files: Mapping[str, Path]) -> dict[str, ClipFile]:
    """`manifest.csv` with the columns id, index, video, audio."""
    if not path.is_file():
        return {}
    wanted = {conditions.sample_of(item): item for item in items}
    out: dict[str, ClipFile] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        for column in ("id", "video"):
            if column not in (rows.fieldnames or ()):
                raise BadManifest(f"{path}: column '{column}' is missing; expected id,index,video,audio")
        for number, row in enumerate(rows, 2):
            try:
                item = wanted.get((row["id"], int(row.get("index") or 0)))
            except ValueError as error:
                raise BadManifest(f"{path}:{number}: index must be a whole number, got '{row.get('index')}'") from error
            named = [row.get(column) or "" for column in ("video", "audio")]
            for name in filter(None, named):
                if Path(name).as_posix() not in files:
                    raise BadManifest(f"{path}:{number}: '{name}' is not in {folder}")
            if item is None:
                continue
            if item.id in out:
                raise BadFolder(f"{path}:{number}: clip '{item.id}' is listed twice; remove one")
            found = [files[Path(name).as_posix()] if name else None for name in named]
            main = found[0] or found[1]
            if main is not None:
                out[item.id] = ClipFile(item.id, main, found[1] if found[0] is not None else None).of(item)
    return out
