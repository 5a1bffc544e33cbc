"""Tests the mini networks on the held-out test split: `python -m avbench.training.evaluate --clips runs/test`.

Every clip is rendered, written as H.264 and AAC, read back by the reader that every run uses, and goes through the extractors.

* Classification: share of clips whose highest class score is their category.
* Retrieval: each 15 items in a row are one of every category. Of the 15 sounds the one whose embedding is nearest to the clip's
  picture should be its own; the same from sound to picture and from caption to both.
* Offset: the sound is moved by known times; the error is the distance of the highest score's offset from that time. `moved`
  moves it within the file, so that silence comes in and the rest is lost; `cut` cuts picture and sound of a longer rendering of
  the item at different times, so that nothing but the content tells. Impacts are the categories in `IMPACTS`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avbench import engine
from avbench.api import want
from avbench.encode import replace_audio, write_clip
from avbench.errors import AvbenchError
from avbench.extractors.mini_sync import OFFSETS
from avbench.generators.shifted import shift, sound_of
from avbench.options import Options
from avbench.store import MemoryStore, write_bytes
from avbench.synth15 import CATEGORIES, items, render, write
from avbench.training.loop import NAMES
from avbench.types import Array, Clip, ClipFile, Item

IMPACTS = ("drumming", "gun_shooting", "hammering", "machine_gun", "skateboarding", "tap_dancing")
"""Categories in which something hits or is fired: a short attack and a sudden movement at the same moment."""
SHIFTS = (-0.5, -0.25, 0.0, 0.25, 0.5)
"""Seconds by which the sound is made late."""
CLOSE = 0.1
"""Seconds; an error up to this is close enough."""
_ROUNDING = 1e-4
LONG, _SECONDS, _RATE, _FRAME_RATE = 3.5, 2.0, 16_000, 24.0

Progress = Callable[[str, int, int], None]


def evaluate(
    folder: Path,
    *,
    count: int = 150,
    weights: Mapping[str, Path] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Every number of the module's docstring.

    Args:
        folder: Of the clips; those that are there already are kept.
        count: The first so many test items; retrieval takes the whole groups of 15 among them.
        weights: Files by network; None for those that come with avbench.
        workers: Processes that render and read.
        progress: Called with a word, done, all.

    Returns:
        Shares in [0, 1] and their numbers of clips, for JSON.
    """
    listed = items("test")[:count]
    given = dict(weights or {})
    paths = write(listed, folder / "clips", workers=workers, progress=lambda d, n: _tell(progress, "render", d, n))
    files = [ClipFile(item.id, paths[item.id], None, item.prompt) for item in listed]
    found = _features(("mini_video", "mini_audio", "mini_av"), files, given, workers, progress)
    truth = np.asarray([CATEGORIES.index(item.category) for item in listed])
    result: dict[str, Any] = {"clips": len(listed)}
    for name in ("mini_video", "mini_audio"):
        result[f"{name}_accuracy"] = _share(found[f"{name}.logits"].argmax(axis=1) == truth)
    result |= _retrieval(found)
    result["offset"] = _offsets(listed, files, folder, given, workers, progress)
    return result


def _features(
    names: Sequence[str], files: Sequence[ClipFile], weights: Mapping[str, Path], workers: int | None, progress: Progress | None
) -> dict[str, Array]:
    """`<extractor>.<layer>` to an array with a row per clip; each file is decoded once for all."""
    wanted = [want(name, weights.get(name)) for name in names]
    made = engine.extract(files, wanted, store=MemoryStore(), options=Options(workers=workers, device="cpu"), progress=progress)
    out = {}
    for number, one in enumerate(wanted):
        rows = [made.features(index, number) for index in range(len(files))]
        for file, row in zip(files, rows, strict=True):
            if isinstance(row, engine.Failure):
                raise AvbenchError(f"{file.path}: {one.extractor.label}: {row}")
        for layer in one.extractor.layers:
            out[f"{one.extractor.name}.{layer}"] = np.stack([row[layer] for row in rows if not isinstance(row, engine.Failure)])
    return out


def _retrieval(found: Mapping[str, Array]) -> dict[str, float]:
    size = len(CATEGORIES)
    streams = {key: found[f"mini_av.{layer}"] for key, layer in (("picture", "video"), ("sound", "audio"), ("text", "text"))}
    first_frames = np.stack([frames[0] for frames in found["mini_av.frames"]])
    pairs = (("picture", "sound"), ("sound", "picture"), ("text", "picture"), ("text", "sound"), ("first_frame", "sound"))
    out = {}
    for one, other in pairs:
        right = []
        for first in range(0, len(first_frames) // size * size, size):
            rows = slice(first, first + size)
            asked = first_frames[rows] if one == "first_frame" else streams[one][rows]
            right += list((asked @ streams[other][rows].T).argmax(axis=1) == np.arange(size))
        if right:
            out[f"{one}_to_{other}_top1_of_15"] = _share(np.asarray(right))
    return out


def _offsets(
    listed: Sequence[Item],
    files: Sequence[ClipFile],
    folder: Path,
    weights: Mapping[str, Path],
    workers: int | None,
    progress: Progress | None,
) -> dict[str, Any]:
    moved = []
    for seconds in SHIFTS:
        moved += [_moved(file, folder / f"moved{seconds:+.2f}", seconds) for file in files]
    spread = cut_offsets(len(listed))
    longer = items("test", len(listed), seconds=LONG)
    cut = []
    for number, (item, seconds) in enumerate(zip(longer, spread, strict=True)):
        cut.append(_cut(item, folder / "cut", float(seconds)))
        _tell(progress, "cut", number + 1, len(listed))
    scores = _features(("mini_sync",), [*moved, *cut], weights, workers, progress)["mini_sync.logits"]
    late = np.asarray(OFFSETS)[scores.argmax(axis=1)]
    errors = late - np.concatenate([np.repeat(SHIFTS, len(listed)), spread])
    parts = errors.reshape(len(SHIFTS) + 1, len(listed))
    impact = np.asarray([item.category in IMPACTS for item in listed])
    out: dict[str, Any] = {f"moved_{s:+.2f}": _errors(part, impact) for s, part in zip(SHIFTS, parts[:-1], strict=True)}
    out["moved"] = _errors(parts[:-1].ravel(), np.tile(impact, len(SHIFTS)))
    out["cut"] = _errors(parts[-1], impact)
    out["cut_by_category"] = {}
    for category in CATEGORIES:
        rows = np.asarray([item.category == category for item in listed])
        if rows.any():
            out["cut_by_category"][category] = _share(np.abs(parts[-1][rows]) <= CLOSE + _ROUNDING)
    return out


def cut_offsets(count: int) -> Array:
    """Seconds by which the sound of each `cut` clip is late, spread evenly up to 0.75 s to either side, in a fixed order."""
    return np.random.default_rng(0).permutation(np.linspace(-0.75, 0.75, count))


def _errors(errors: Array, impact: Array) -> dict[str, float]:
    out: dict[str, float] = {}
    for key, chosen in (("impacts", impact), ("all", np.ones(len(errors), bool))):
        if chosen.any():
            sizes = np.abs(errors[chosen])
            out[f"{key}_within_0.1s"] = _share(sizes <= CLOSE + _ROUNDING)
            out[f"{key}_median_s"] = round(float(np.median(sizes)), 4)
    return out


def _moved(file: ClipFile, folder: Path, seconds: float) -> ClipFile:
    if seconds == 0.0:
        return file
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file.path.name
    if not path.exists():
        sound = sound_of(file)
        samples = shift(sound.samples, round(seconds * sound.sample_rate))
        replace_audio(path, file.path, samples, sound.sample_rate)
    return ClipFile(file.id, path, None, file.text)


def _cut(item: Item, folder: Path, seconds: float) -> ClipFile:
    """2 s of the item: the picture from 0.75 s on, the sound from `seconds` earlier."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{item.id}.mp4"
    if not path.exists():
        clip = render(item, frame_rate=_FRAME_RATE, sample_rate=_RATE)
        first, heard = round(0.75 * _FRAME_RATE), round((0.75 - seconds) * _RATE)
        if clip.video is None or clip.audio is None:
            raise AvbenchError(f"{item.id}: a rendered clip has picture and sound")
        video = clip.video[first : first + round(_SECONDS * _FRAME_RATE)]
        audio = clip.audio[:, heard : heard + round(_SECONDS * _RATE)]
        write_clip(path, Clip(item.id, video, _FRAME_RATE, audio, _RATE))
    return ClipFile(item.id, path, None, item.prompt)


def _share(right: Array) -> float:
    return round(float(np.mean(right)), 4)


def _tell(progress: Progress | None, what: str, done: int, count: int) -> None:
    if progress is not None:
        progress(what, done, count)


def main(arguments: list[str] | None = None) -> int:
    """Parse, evaluate, print; 0 when done."""
    parser = argparse.ArgumentParser(prog="python -m avbench.training.evaluate", description=__doc__)
    parser.add_argument("--clips", type=Path, required=True, help="folder of the test clips; made if it is missing")
    parser.add_argument("--weights", type=Path, help="folder of other weights, as avbench.training.mini writes them")
    parser.add_argument("--count", type=int, default=150, help="the first so many test items")
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--out", type=Path, help="also write the numbers to this file")
    given = parser.parse_args(arguments)
    others = {} if given.weights is None else {name: given.weights / f"{name}.safetensors" for name in NAMES}
    try:
        result = evaluate(
            given.clips,
            count=given.count,
            weights={name: path for name, path in others.items() if path.is_file()},
            workers=given.workers,
            progress=lambda what, done, count: print(f"{what} {done} of {count}", file=sys.stderr),  # noqa: T201
        )
    except AvbenchError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    text = json.dumps(result, indent=1) + "\n"
    sys.stdout.write(text)
    if given.out is not None:
        write_bytes(given.out, text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
