"""Items to clips: what is there already is kept, the rest is asked of the model, and every clip is looked at when it comes.

A clip is in the ledger when it is whole and in its place, with its request's hash and the size and hash of its files. So a run
that was killed goes on behind the last finished clip, and a clip that was cut short, or that another request asked for, is made
again. An item that fails is tried once more after the others; what fails then is left out and said so.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from avbench import arrival, conditions, registry
from avbench.encode import write_clip, write_wav
from avbench.errors import AvbenchError, BadCondition, BadParameter, MissingData
from avbench.folders import AUDIO_SUFFIXES, file_name
from avbench.run_folder import RunFolder
from avbench.store import file_sha256
from avbench.types import Clip, ClipFile, Generator, Item, NoClip, Suite, canonical

Progress = Callable[[str, int, int], None]
LONGEST_ROW = 3
"""Failures in a row that stop a run: the model is at fault then, not the items."""


@dataclass(frozen=True)
class Clips:
    """What a run has to score.

    Args:
        made: The clip of each item that has one.
        unmade: Why the others have none.
    """

    made: Mapping[str, ClipFile]
    unmade: Mapping[str, str]


def model(text: str, suite: Suite) -> Generator:
    """The model, if the suite has what it uses of an item and this machine has what it needs.

    Raises:
        BadParameter: for a condition that the suite does not give.
        MissingData: for weights, programs and environments that are not there, all in one message.
    """
    generator = registry.model(text)
    lacking = conditions.lacking(generator, suite)
    if lacking:
        raise BadParameter(
            f"model {generator.name} needs {', '.join(lacking)}; "
            f"suite {suite.name} gives {', '.join(suite.conditions) or 'nothing'}"
        )
    missing = generator.missing()
    if missing:
        needs = "; ".join(f"{key}: {value}" for key, value in generator.requires.items())
        raise MissingData(
            f"model {generator.name} cannot run on this machine: {'; '.join(missing)}. "
            f"{f'It needs {needs}. ' if needs else ''}`avbench models {generator.name}` shows its card"
        )
    return generator


def unable(generator: Generator, suite: Suite, allow_missing: bool) -> dict[str, str]:
    """Items that the model cannot make, with the reason.

    Raises:
        BadCondition: if there are any and the caller does not allow it.
    """
    found = {**generator.cannot(suite.items, suite), **conditions.without(generator, suite.items, suite)}
    if found and (not allow_missing or len(found) == len(suite.items)):
        id, why = next(iter(found.items()))
        remedy = "" if len(found) == len(suite.items) else ", or give --allow-missing, and the score says how many it stands on"
        raise BadCondition(
            f"model {generator.name} has no clip for {len(found)} of the {len(suite.items)} items of suite {suite.name}; "
            f"the first is '{id}': {why}; complete the data{remedy}"
        )
    return found


def clips(
    job: RunFolder,
    generator: Generator,
    suite: Suite,
    seed: int,
    progress: Progress | None,
    *,
    allow_missing: bool = False,
) -> Clips:
    """The generated clip of each item; only those that are missing are made.

    Raises:
        BadCondition: for items that the model cannot make, unless that is allowed.
        AvbenchError: if the model fails three times in a row.
    """
    unmade = unable(generator, suite, allow_missing)
    work = Work.of(job, generator, suite, seed, leave_out=unmade, progress=progress)
    folder, scratch, made = work.folder, job.folder / "making", work.kept
    todo = [item for item in suite.items if item.id in work.asked and item.id not in made]
    with job.stage("generate"):
        if todo:
            work.total = len(todo)
            failed = work.tried(todo, scratch / "first", made, LONGEST_ROW)
            again = [item for item in todo if item.id in failed and failed[item.id].again]
            if again:
                failed |= work.tried(again, scratch / "second", made, None)
            unmade |= {id: no.why for id, no in failed.items() if id not in made}
            shutil.rmtree(scratch, ignore_errors=True)
    if not made:
        id, why = next(iter(unmade.items()))
        raise AvbenchError(f"model {generator.name} made no clip at all; at item '{id}': {why}")
    return Clips(
        {i.id: _file(i, folder / made[i.id]) for i in suite.items if i.id in made},
        {i.id: unmade[i.id] for i in suite.items if i.id in unmade},
    )


def _kept(job: RunFolder, folder: Path, asked: Mapping[str, str]) -> dict[str, str]:
    """Clips that are made and still whole; what is left of others is removed."""
    kept = {}
    how = job.ledger.how_made()
    for id, (file, _) in job.ledger.all_made().items():
        request, files = how[id]
        sizes = {name: entry[0] for name, entry in json.loads(files).items()} if files else {}
        whole = (folder / file).is_file() and all(
            (folder / name).is_file() and (folder / name).stat().st_size == size for name, size in sizes.items()
        )
        if whole and id in asked and request in ("", asked[id]):
            kept[id] = file
        elif id in asked:
            for name in {file, *sizes}:
                with contextlib.suppress(OSError):
                    (folder / name).unlink()
    return kept


@dataclass
class Work:
    """What is still to be made of a run."""

    job: RunFolder
    generator: Generator
    suite: Suite
    seed: int
    folder: Path
    asked: Mapping[str, str]
    kept: dict[str, str]
    progress: Progress | None
    total: int = 0
    done: int = 0

    @staticmethod
    def of(
        job: RunFolder,
        generator: Generator,
        suite: Suite,
        seed: int,
        *,
        leave_out: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> Work:
        """The work on a run folder, which is tidied of what a kill has left."""
        folder = job.folder / "clips"
        shutil.rmtree(job.folder / "making", ignore_errors=True)
        folder.mkdir(exist_ok=True)
        for half in folder.glob(".*.partial*"):
            half.unlink()
        asked = {i.id: generator.request(i, suite, seed) for i in suite.items if i.id not in (leave_out or {})}
        return Work(job, generator, suite, seed, folder, asked, _kept(job, folder, asked), progress)

    def tried(self, todo: Sequence[Item], scratch: Path, made: dict[str, str], longest_row: int | None) -> dict[str, NoClip]:
        """Ask for these items; what was made is noted in `made`, what failed is returned."""
        scratch = scratch.absolute()  # a program of the model's may work in another folder
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        failed: dict[str, NoClip] = {}
        row = 0
        found = self.generator.generate(todo, suite=self.suite, seed=self.seed, folder=scratch)
        with contextlib.closing(cast(Any, found)) as arriving:
            for item, clip in _paired(todo, arriving, self.generator.name):
                why = self.fault(clip, item)
                if why is None and not isinstance(clip, NoClip):
                    made[item.id] = self.keep(item, clip)
                    row = 0
                    self.done += 1
                    if self.progress is not None:
                        self.progress("generate", self.done, self.total)
                    continue
                no = clip if isinstance(clip, NoClip) else NoClip(item.id, why or "")
                failed[item.id] = no
                row += no.again
                if row == longest_row:
                    raise AvbenchError(
                        f"model {self.generator.name} failed {row} times in a row, at last at item '{item.id}': {no.why}; "
                        f"{len(made)} clips are kept, and the same command goes on from there"
                    )
        return failed

    def fault(self, clip: Clip | ClipFile | NoClip, item: Item) -> str | None:
        """What is wrong with a clip that arrives."""
        if isinstance(clip, NoClip):
            return clip.why
        if isinstance(clip, Clip) and clip.video is None and clip.audio is None:
            raise AvbenchError(f"the model's clip for item '{item.id}' has neither picture nor sound")
        return arrival.fault(clip, item, self.suite, self.generator) if self.generator.checked else None

    def keep(self, item: Item, clip: Clip | ClipFile) -> str:
        """Put a clip in its place and note it; the name of its first file."""
        files = place(item, clip, self.folder)
        first = files[0].name
        digests = {path.name: (path.stat().st_size, file_sha256(path)) for path in files}
        meta = clip.meta if isinstance(clip, ClipFile) else {}
        if meta:
            with (self.job.folder / "meta.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps({"clip": item.id, **meta}, default=str) + "\n")
        self.job.ledger.made(item.id, first, digests[first][1], request=self.asked[item.id], files=canonical(digests))
        return first


def _paired(
    todo: Sequence[Item], clips: Iterator[Clip | ClipFile | NoClip], model: str
) -> Iterator[tuple[Item, Clip | ClipFile | NoClip]]:
    """Each clip with its item, in whatever order they come."""
    left = {item.id: item for item in todo}
    for clip in clips:
        if clip.id not in left:
            expected = f"where item '{next(iter(left))}' was asked for" if left else "and nothing more was asked for"
            raise AvbenchError(f"model {model} gave clip '{clip.id}' {expected}")
        yield left.pop(clip.id), clip
    if left:
        raise AvbenchError(f"model {model} ended without a clip for item '{next(iter(left))}'; it must yield one per item")


def place(item: Item, clip: Clip | ClipFile, folder: Path) -> list[Path]:
    """Put a generated clip in its place; sound first, so that a picture is never seen without it. The picture is the first."""
    name = file_name(item.id)
    if isinstance(clip, Clip):
        if clip.video is None:
            assert clip.audio is not None  # noqa: S101  it was looked at before
            path = folder / f"{name}.wav"
            write_wav(path, clip.audio, clip.sample_rate)
        else:
            path = folder / f"{name}.mp4"
            write_clip(path, clip)
        return [path]
    path = folder / f"{name}{clip.path.suffix.lower()}"
    out = [path]
    if clip.audio is not None:
        out.append(folder / f"{name}{clip.audio.suffix.lower()}")
        clip.audio.replace(out[1])
    clip.path.replace(path)
    return out


def _file(item: Item, path: Path) -> ClipFile:
    beside = (path.with_suffix(suffix) for suffix in AUDIO_SUFFIXES)
    sound = next((s for s in beside if s != path and s.is_file()), None)
    return ClipFile(item.id, path, sound).of(item)
