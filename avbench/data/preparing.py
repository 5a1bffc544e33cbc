"""Prepare a suite: recognise its download, check it, put its clips in place, write the index."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from avbench import suites, tabular
from avbench.data import archives, pool
from avbench.data import index as indexes
from avbench.data.index import Entry, Index
from avbench.data.layout import Found, How, Layout, Tree, Windows, first_frame_path, layout_of, tree_of
from avbench.data.media_jobs import frame_choice
from avbench.data.references import Prepared
from avbench.downloads import fetch
from avbench.errors import AvbenchError, BadFolder, BadParameter, MissingData, OtherRun, UnknownName
from avbench.folders import VIDEO_SUFFIXES, file_name
from avbench.store import file_sha256, write_bytes
from avbench.types import Item, Suite

Progress = Callable[[str, int, int], None]

CLIPS, FIRST_FRAMES = "clips", "first_frames"
"""Folders of a prepared suite."""


@dataclass(frozen=True)
class Status:
    """How a suite stands on this machine.

    Args:
        suite: Its name.
        state: `complete`, `partial`, `not prepared`, `changed`, or `nothing to do` for a suite that needs no download.
        items: How many the whole suite has.
        prepared: How many have a clip here.
        missing: Reason by item id.
        changed: Clips that are gone or no longer what they were, with what is wrong.
        notes: What differs from what is published.
        folder: Where it is or would be.
        licence, download: Of the clips.
        how: How to get them.
    """

    suite: str
    state: str
    items: int
    prepared: int
    missing: Mapping[str, str]
    changed: Mapping[str, str]
    notes: tuple[str, ...]
    folder: Path
    licence: str
    download: str
    how: How | None


def status(name: str, *, verify: bool = False) -> Status:
    """How a suite stands.

    Args:
        name: Of the suite.
        verify: Hash every clip again; sizes alone without it.

    Raises:
        UnknownName: if there is no such suite.
        BadManifest: for a damaged index.
    """
    suite = suites.described(name)
    layout, folder = layout_of(suite.name), suites.data_home() / suite.name
    if layout is None:
        count = suites.count(suite)
        return Status(suite.name, "nothing to do", count, count, {}, {}, (), folder, suite.licence, suite.download, None)
    index = indexes.read(folder)
    if index is None:
        count = suites.count(suite)
        return Status(suite.name, "not prepared", count, 0, {}, {}, (), folder, suite.licence, suite.download, layout.HOW)
    changed = _changed(index, folder, verify)
    notes = list(index.notes)
    if index.version != suite.version:
        notes.append(f"prepared for version {index.version}, this is {suite.version}: prepare it again")
    state = "changed" if changed or index.version != suite.version else "partial" if index.missing else "complete"
    return Status(
        suite.name,
        state,
        len(index.clips) + len(index.missing) or suites.count(suite),
        len(index.clips),
        index.missing,
        changed,
        tuple(notes),
        folder,
        suite.licence,
        suite.download,
        layout.HOW,
    )


def _changed(index: Index, folder: Path, verify: bool) -> dict[str, str]:
    out: dict[str, str] = {}
    for id, entry in index.clips.items():
        files = [(entry.path, entry.size, entry.sha256)]
        if entry.audio:
            files.append((entry.audio, entry.audio_size, entry.audio_sha256))
        for path, size, digest in files:
            try:
                found = (folder / path).stat().st_size
            except OSError as error:
                out[id] = f"{path}: {error.strerror}"
                continue
            if found != size:
                out[id] = f"{path}: {found:,} bytes, {size:,} when it was prepared"
            elif verify and file_sha256(folder / path) != digest:
                out[id] = f"{path}: other bytes than when it was prepared"
    return out


# ------------------------------------------------------------------ preparing


def prepare(name: str, source: Path | None = None, *, workers: int | None = None, progress: Progress | None = None) -> Index:
    """Prepare a suite; a second call with another source completes the first.

    Args:
        name: Of the suite.
        source: The published download: a folder, an archive, or a list; None to fetch what can be fetched.
        workers: Processes that read clips; None for one per core, at most 8.
        progress: Called with stage, done and total.

    Returns:
        The index, as written. Items without a clip are in it, with the reason.

    Raises:
        UnknownName: if there is no such suite.
        BadParameter: for a suite that needs no preparation.
        BadFolder, BadManifest: if the source has not the published layout.
        BadArchive: for an archive that is refused.
        MissingData: if the source is not there, or the clips have to be got by hand.
    """
    suite = suites.described(name)
    layout = layout_of(suite.name)
    if layout is None:
        raise BadParameter(f"suite {suite.name} needs no preparation; `avbench data status` lists the suites that do")
    home = suites.data_home() / suite.name
    with _alone(home):
        source = source if source is not None else _fetched(suite, layout, home, progress)
        scratch = home / ".preparing"
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            tree = _tree(source, scratch, progress)
            own = suite.folder / suite.items_file
            found = layout.recognise(tree, suite, suites.read_items(own) if own.is_file() else ())
            if tree.links:
                found.notes.append(f"{tree.links} links lead out of the download and were not followed; give the real folder")
            return _placed(suite, found, home, scratch, workers, progress)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    import fcntl

    try:
        home.mkdir(parents=True, exist_ok=True)
        file = (home / ".lock").open("w")
    except OSError as error:
        raise AvbenchError(f"{home} cannot be written: {error.strerror or error}; set AVBENCH_DATA or AVBENCH_HOME") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OtherRun(f"another avbench prepares {home}; wait for it") from None
        yield


def _fetched(suite: Suite, layout: Layout, home: Path, progress: Progress | None) -> Path:
    """The download, where it is at a public address."""
    steps = "; ".join(f"{n}. {step}" for n, step in enumerate(layout.HOW.steps, 1))
    if not layout.HOW.downloads:
        raise MissingData(f"suite {suite.name}: its clips cannot be fetched by a program: {steps}")
    folder = home / "downloads"
    for file in layout.HOW.downloads:
        name = Path(urlsplit(file.url).path).name
        report = None if progress is None else lambda done, total, name=name: progress(name, done, total)
        fetch(file.url, folder / name, size=file.size, progress=report)
    return folder


def _tree(source: Path, scratch: Path, progress: Progress | None) -> Tree:
    """Every file of the source; archives are unpacked, and count as folders."""
    if not source.exists():
        raise MissingData(f"{source} is not there; give the folder or file that was downloaded with --from")
    if source.is_file() and not archives.is_archive(source):
        return Tree(str(source), {source.name: source})
    packed = [source] if source.is_file() else sorted(p for p in source.iterdir() if p.is_file() and archives.is_archive(p))
    folders = {} if source.is_file() else {"": source}
    for number, archive in enumerate(packed):
        if progress is not None:
            progress("unpack", number, len(packed))
        name = archive.name.split(".")[0]
        archives.unpack(archive, scratch / "unpacked" / f"{number}-{name}", wanted=_wanted)
        folders[f"{number}-{name}" if name in folders else name] = scratch / "unpacked" / f"{number}-{name}"
    return tree_of(folders, str(source))


def _wanted(name: str) -> bool:
    """Clips and lists; sounds apart, features and pictures of an archive stay in it."""
    return name.lower().endswith((*VIDEO_SUFFIXES, ".txt", ".csv", ".tsv", *tabular.JSON_SUFFIXES))


def _placed(suite: Suite, found: Found, home: Path, scratch: Path, workers: int | None, progress: Progress | None) -> Index:
    """Clips, pictures, items and index, from what a layout found."""
    own = suite.folder / suite.items_file
    items = found.items if found.items is not None else suites.read_items(own)
    notes = list(found.notes)
    if suite.expected and len(items) != suite.expected:
        notes.append(f"{len(items):,} items, {suite.expected:,} are published")
    before = indexes.read(home) if (home / indexes.FILE).is_file() else None
    clips: dict[str, Entry] = {}
    missing: dict[str, str] = {}
    settings: dict[str, Any] = {}
    if isinstance(suite.reference, Prepared) and found.windows is not None:
        clips, missing, settings = _cut(found, found.windows, items, home, workers, progress)
    elif isinstance(suite.reference, Prepared):
        clips, missing = _taken(found, items, home, scratch, notes, workers, progress)
        for id, entry in (before.clips if before is not None and before.version == suite.version else {}).items():
            if id in missing and _still(entry, home):
                clips[id] = entry
                del missing[id]
    if found.items is not None:
        lines = [json.dumps(_plain(item), ensure_ascii=False) for item in items]
        write_bytes(home / "items.jsonl", ("\n".join(lines) + "\n").encode())
    order = {item.id: place for place, item in enumerate(items)}
    index = Index(
        suite=suite.name,
        version=suite.version,
        clips=dict(sorted(clips.items(), key=lambda pair: order[pair[0]])),
        missing=missing,
        notes=tuple(notes),
        settings=settings,
    )
    indexes.write(index, home)
    _swept(index, home)
    return index


def _taken(
    found: Found,
    items: tuple[Item, ...],
    home: Path,
    scratch: Path,
    notes: list[str],
    workers: int | None,
    progress: Progress | None,
) -> tuple[dict[str, Entry], dict[str, str]]:
    """Whole clips, as they came."""
    missing = {item.id: "not in the download" for item in items if item.id not in found.clips}
    wanted = [item for item in items if item.id in found.clips]
    jobs = []
    for folder in (CLIPS, *([FIRST_FRAMES] if found.first_frames else [])):
        (home / folder).mkdir(exist_ok=True)
    for item in wanted:
        path = found.clips[item.id]
        placed = home / CLIPS / f"{file_name(item.id)}{path.suffix.lower()}"
        _put(path, placed, move=path.is_relative_to(scratch))
        picture = str((home / first_frame_path(item.id)).absolute()) if found.first_frames else None
        jobs.append({"path": str(placed.absolute()), "first_frame": picture})
    clips: dict[str, Entry] = {}
    odd = []
    for done, (position, answer) in enumerate(pool.run(jobs, workers=workers), 1):
        item, made = wanted[position], answer["made"]
        if made is None:
            missing[item.id] = f"cannot be used: {answer['error']}"
            Path(jobs[position]["path"] or "").unlink(missing_ok=True)
        elif not made["frames"]:
            missing[item.id] = "cannot be used: no_video: there is no video stream"
            Path(jobs[position]["path"] or "").unlink(missing_ok=True)
        else:
            length = made["seconds"]
            if found.seconds is not None and not found.seconds[0] <= length <= found.seconds[1]:
                odd.append(f"{item.id} ({length:.2f} s)")
            path = Path(str(jobs[position]["path"]))
            clips[item.id] = _entry(made, f"{CLIPS}/{path.name}", origin=found.clips[item.id].name)
        if progress is not None:
            progress("check", done, len(jobs))
    if odd and found.seconds is not None:
        low, high = found.seconds
        shown = ", ".join(sorted(odd)[:5]) + (", ..." if len(odd) > 5 else "")
        notes.append(f"{len(odd)} clips are not {low:g} to {high:g} s long: {shown}")
    return clips, {item.id: missing[item.id] for item in items if item.id in missing}


def _cut(
    found: Found, plan: Windows, items: tuple[Item, ...], home: Path, workers: int | None, progress: Progress | None
) -> tuple[dict[str, Entry], dict[str, str], dict[str, Any]]:
    """Clips that are cut out of videos, drawn with the plan's seed."""
    places = list(found.clips)
    looks = [{"path": str(found.clips[p].absolute()), "first_frame": None} for p in places]
    counts = [0] * len(places)
    for done, (position, answer) in enumerate(pool.run(looks, workers=workers), 1):
        made = answer["made"]
        if made is None or not made["frames"]:
            found.notes.append(f"{places[position]} cannot be used: {answer['error'] or 'there is no picture'}")
        else:
            counts[position] = max(1, len(frame_choice(made["frames"], made["frame_rate"], plan.rate)) - plan.frames + 1)
        if progress is not None:
            progress("look", done, len(places))
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    if not total:
        raise BadFolder("none of the videos of the download can be read")
    drawn = np.random.default_rng(plan.seed).permutation(total)[: plan.count]
    shutil.rmtree(home / CLIPS, ignore_errors=True)
    (home / CLIPS).mkdir()
    jobs: dict[int, dict[str, Any]] = {}
    owner: dict[str, tuple[str, str]] = {}
    for item, window in zip(items, drawn, strict=False):
        video = int(np.searchsorted(ends, window, side="right"))
        first = int(window - (ends[video] - counts[video]))
        out = str((home / CLIPS / f"{file_name(item.id)}.mp4").absolute())
        owner[out] = (item.id, f"{places[video]}, frames {first} to {first + plan.frames - 1} at {plan.rate:g} fps")
        job = jobs.setdefault(video, {"path": looks[video]["path"], "windows": [], "frames": plan.frames, "rate": plan.rate})
        job["quantiser"] = plan.quantiser
        job["windows"].append({"first": first, "out": out})
    todo = list(jobs.values())
    clips: dict[str, Entry] = {}
    missing = {item.id: f"the videos have {total:,} windows, fewer than {plan.count:,}" for item in items[len(drawn) :]}
    for done, (position, answer) in enumerate(pool.run(todo, workers=workers), 1):
        for window in todo[position]["windows"]:
            id, origin = owner[window["out"]]
            made = (answer["made"] or {}).get(window["out"])
            if made is None:
                missing[id] = f"cannot be cut: {answer['error']}"
                continue
            name = Path(window["out"]).name
            clips[id] = _entry(made, f"{CLIPS}/{name}", origin=origin)
        if progress is not None:
            progress("cut", done, len(todo))
    settings = {**dataclasses.asdict(plan), "windows": total, "videos": sum(c > 0 for c in counts)}
    return clips, {item.id: missing[item.id] for item in items if item.id in missing}, settings


def _entry(made: Mapping[str, Any], path: str, *, origin: str) -> Entry:
    audio = made.get("audio") or {"sha256": "", "size": 0}
    return Entry(
        path=path,
        sha256=made["sha256"],
        size=made["size"],
        seconds=round(made["seconds"], 6),
        frames=made["frames"],
        frame_rate=made["frame_rate"],
        width=made["width"],
        height=made["height"],
        sample_rate=made["sample_rate"],
        audio=str(Path(path).with_suffix(".wav").as_posix()) if made.get("audio") else "",
        audio_sha256=audio["sha256"],
        audio_size=audio["size"],
        origin=origin,
    )


# ------------------------------------------------------------------ files


def _put(source: Path, target: Path, *, move: bool) -> None:
    """One file in its place: moved out of what was unpacked, else as another name of the same file, or copied."""
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        if move:
            source.replace(part)
        else:
            try:
                os.link(source.resolve(), part)
            except OSError:  # another disk, or a file system without
                shutil.copyfile(source, part)
        part.replace(target)
    except OSError as error:
        raise AvbenchError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _still(entry: Entry, home: Path) -> bool:
    with contextlib.suppress(OSError):
        return (home / entry.path).stat().st_size == entry.size
    return False


def _swept(index: Index, home: Path) -> None:
    """Take away what is in the index no more."""
    keep = {home / path for entry in index.clips.values() for path in (entry.path, entry.audio) if path}
    for path in (home / CLIPS).glob("*") if (home / CLIPS).is_dir() else ():
        if path not in keep:
            path.unlink()
    pictures = {home / first_frame_path(id) for id in index.clips}
    for path in (home / FIRST_FRAMES).glob("*") if (home / FIRST_FRAMES).is_dir() else ():
        if path not in pictures:
            path.unlink()


def _plain(item: Item) -> dict[str, Any]:
    """An item as `items.jsonl` has it, without what is empty."""
    table = {f.name: getattr(item, f.name) for f in dataclasses.fields(item)}
    return {k: v for k, v in table.items() if k == "id" or v not in ("", (), None, {})}


def checked_name(name: str) -> str:
    """The name of a suite.

    Raises:
        UnknownName: if there is none.
    """
    if name not in suites.names():
        raise UnknownName("suite", name, suites.names())
    return name
