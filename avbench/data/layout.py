"""What the layouts of published downloads share: the tree of files, what was found in it, and lists of clips."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol, cast

from avbench import tabular
from avbench.errors import BadFolder, BadManifest
from avbench.folders import VIDEO_SUFFIXES, file_name, shown
from avbench.types import Item, Suite


@dataclass(frozen=True)
class Download:
    """A file at a public address, without log-in."""

    url: str
    size: int | None = None


@dataclass(frozen=True)
class How:
    """How to get a suite's clips.

    Args:
        steps: For people, in order; the last is the command to run.
        downloads: What `avbench data prepare` fetches by itself.
    """

    steps: tuple[str, ...]
    downloads: tuple[Download, ...] = ()


@dataclass(frozen=True)
class Windows:
    """Clips that a protocol cuts out of the videos it compares with, in place of whole files.

    Args:
        count: How many, drawn without repetition from all windows of all videos.
        frames, rate: Of each: so many frames at so many per second.
        seed: Of the draw, `numpy.random.default_rng(seed).permutation`.
        quantiser: x264's.
    """

    count: int
    frames: int
    rate: float
    seed: int = 0
    quantiser: int = 6


@dataclass
class Found:
    """What a layout made of a download.

    Args:
        items: Of the suite, where they come with the download; None for those of the suite's own file.
        clips: Path by item id; with `windows`, videos by their place in the download.
        notes: What differs from what is published.
        windows: How clips are cut.
        first_frames: Whether each clip's first frame is written as a picture.
        seconds: A clip outside this range is noted.
    """

    items: tuple[Item, ...] | None
    clips: Mapping[str, Path]
    notes: list[str] = field(default_factory=list)
    windows: Windows | None = None
    first_frames: bool = False
    seconds: tuple[float, float] | None = None


@dataclass(frozen=True)
class Tree:
    """Files of a download by their place in it, with `/`; archives count as the folders they hold."""

    root: str
    files: Mapping[str, Path]
    links: int = 0

    def named(self, name: str) -> list[str]:
        """Places of the files of this name, in order."""
        return [place for place in self.files if PurePosixPath(place).name == name]

    def the(self, name: str, what: str, near: str = "") -> str | None:
        """The one file of this name, None if there is none.

        Args:
            name: Of the file.
            what: For the error.
            near: A folder's name that tells several apart, whatever its case.

        Raises:
            BadFolder: if there are several; they are listed.
        """
        found = self.named(name)
        close = [place for place in found if near and near.lower() in place.lower().split("/")[:-1]]
        if len(close) == 1:
            return close[0]
        if len(found) > 1:
            raise BadFolder(f"{self.root}: {len(found)} files could be {what}: {', '.join(found[:5])}; give the folder of one")
        return found[0] if found else None

    def videos(self, below: str = "") -> list[str]:
        """Places of the videos, in order, of those with a folder of this name above them alone."""
        return [
            place
            for place in self.files
            if place.lower().endswith(VIDEO_SUFFIXES) and (not below or below in place.split("/")[:-1])
        ]


class Layout(Protocol):
    """A module of `avbench.data.layouts`."""

    HOW: How
    recognise: Callable[[Tree, Suite, tuple[Item, ...]], Found]


def layout_of(suite: str) -> Layout | None:
    """The module of a suite, None for one that is not prepared."""
    name = f"avbench.data.layouts.{suite.replace('-', '_')}"
    if not suite.replace("-", "_").isidentifier() or importlib.util.find_spec(name) is None:
        return None
    return cast(Layout, importlib.import_module(name))


def tree_of(folders: Mapping[str, Path], root: str) -> Tree:
    """The files below several folders, each under its own prefix; hidden files and what archives of a Mac add are left out.

    Links that lead out of their folder are counted, not followed.
    """
    files: dict[str, Path] = {}
    links = 0
    for prefix, folder in folders.items():
        inside = folder.resolve()
        for base, names, found in os.walk(folder):
            names[:] = sorted(n for n in names if not n.startswith(".") and n != "__MACOSX")
            for name in sorted(found):
                path = Path(base) / name
                if name.startswith("."):
                    continue
                if path.is_symlink() and not path.resolve().is_relative_to(inside):
                    links += 1
                elif path.is_file():
                    files["/".join(p for p in (prefix, shown(path.relative_to(folder).as_posix())) if p)] = path
    return Tree(root, dict(sorted(files.items())), links)


# ------------------------------------------------------------------ lists of clips in class folders


def listed(tree: Tree, place: str, *, classes: bool) -> list[str]:
    """The clips that a list names, one a line: `class/file.mp4`, or `file.mp4`.

    Raises:
        BadManifest: for a line that is no such path, or that comes twice.
    """
    found: dict[str, int] = {}
    path = tree.files[place]
    for number, text in tabular.lines(path):
        where = f"{shown(str(path))}:{number}:1"
        parts = text.split("/")
        if len(parts) != 1 + classes or any(p in ("", ".", "..") or not p.isprintable() or "\\" in p for p in parts):
            raise BadManifest(f"{where}: expected {'class/' if classes else ''}file.mp4, got {ascii(text)[:80]}")
        if text in found:
            raise BadManifest(f"{where}: '{text:.80}' is already on line {found[text]}")
        found[text] = number
    if not found:
        raise BadManifest(f"{shown(str(path))}:1:1: there are no clips in it")
    return list(found)


def class_texts(tree: Tree, place: str | None) -> dict[str, str]:
    """What `class_mapping.json` says of class folders; empty without one.

    Raises:
        BadManifest: if it is no object of texts.
    """
    if place is None:
        return {}
    path = tree.files[place]
    try:
        found = json.loads(tabular.text_of(path))
    except json.JSONDecodeError as error:
        raise BadManifest(f"{shown(str(path))}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise BadManifest(f"{shown(str(path))}:1:1: not JSON: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(text, str) and text.strip() for text in found.values()):
        raise BadManifest(f"{shown(str(path))}:1:1: expected an object of class folder to text")
    return found


def items_of(clips: Sequence[str], texts: Mapping[str, str]) -> tuple[Item, ...]:
    """An item for each `class/file.mp4`: named after the file, or class and file where two classes have a file of one name.

    Raises:
        BadManifest: if names differ only by case, which is one file on some systems.
    """
    stems = [PurePosixPath(clip).stem for clip in clips]
    repeated = len({stem.casefold() for stem in stems}) < len(stems)
    items = []
    for clip, stem in zip(clips, stems, strict=True):
        folder = clip.split("/")[0]
        text = texts.get(folder, folder.replace("_", " "))
        id = f"{folder}__{stem}" if repeated else stem
        items.append(Item(id, prompt=text, category=text, fields={"first_frame": first_frame_path(id), "path": clip}))
    if len({item.id.casefold() for item in items}) < len(items):
        raise BadManifest(f"two of the {len(items)} clips have names that differ only by case; rename one")
    return tuple(items)


def first_frame_path(id: str) -> str:
    """Of an item's first frame, below the suite's data folder."""
    return f"first_frames/{file_name(id)}.png"


def placed(tree: Tree, clips: Sequence[str]) -> dict[str, Path]:
    """The file of each `class/file.mp4` that is there: the one whose place ends so; the first in order of several."""
    ends: dict[str, Path] = {}
    depth = max((clip.count("/") for clip in clips), default=0) + 1
    for place, path in tree.files.items():
        ends.setdefault("/".join(place.split("/")[-depth:]), path)
    return {clip: ends[clip] for clip in clips if clip in ends}
