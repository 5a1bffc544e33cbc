"""One stage of a cascade over the items of a run; what it makes is kept under the hash of its own request."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np

from avbench import arrival, conditions, encode, requests
from avbench.adapters.config import check
from avbench.adapters.joining import Preparation, filled_window
from avbench.errors import AvbenchError, BadCondition, BadManifest
from avbench.store import default_home, file_sha256, write_bytes
from avbench.types import SAMPLE, Clip, ClipFile, Generator, Item, NoClip, Stream, Suite, canonical

_STAGE = {"name": str, "use": str, "in": dict, "task": str, "video_prep": str, "window_s": float}
_LONGEST_ROW = 3
"""Failures of a stage in a row that stop it."""


@dataclass(frozen=True)
class Stage:
    """One model of a cascade.

    Args:
        name: In this cascade; part of its seed.
        use: The model, as on the command line.
        inputs: What it is given: condition, whose (`item` or a stage's name), and which condition or stream of that.
        preparation: What becomes of a video that is shorter than `window`.
        window: Seconds that the model looks at; 0 for any.
    """

    name: str
    use: str
    inputs: tuple[tuple[str, str, str], ...]
    preparation: Preparation
    window: float


def read_stage(entry: Mapping[str, Any], earlier: list[str], where: str) -> Stage:
    """A stage of a configuration; `earlier` are the names of those before it, `where` is for errors."""
    check(entry, _STAGE, {"name", "use", "in"}, where)
    name = entry["name"]
    if name in earlier or name == "item" or not name.isidentifier():
        raise BadManifest(f"{where}: name must be a word of its own, got '{name}'")
    inputs = []
    for key, source in entry["in"].items():
        whose, dot, which = str(source).partition(".")
        plain = which.removesuffix("?")
        known = conditions.KNOWN if whose == "item" else get_args(Stream)
        if key not in conditions.KNOWN:
            raise BadManifest(f"{where}: in: '{key}' is no condition; known are {', '.join(conditions.KNOWN)}")
        if not dot or whose not in ("item", *earlier) or plain not in known:
            raise BadManifest(
                f"{where}: in: {key} must be item.<condition> or <earlier stage>.video, .audio or .text, got {source!r:.80}"
            )
        inputs.append((key, whose, which))
    preparation = entry.get("video_prep", "none")
    if preparation not in get_args(Preparation):
        raise BadManifest(f"{where}: video_prep must be one of {', '.join(get_args(Preparation))}, got {preparation!r:.80}")
    if preparation != "none" and ("window_s" not in entry or "video" not in entry["in"]):
        raise BadManifest(f"{where}: video_prep = '{preparation}' needs window_s, the seconds to fill, and a video in `in`")
    return Stage(name, entry["use"], tuple(inputs), preparation, float(entry.get("window_s", 0.0)))


@dataclass(frozen=True)
class Made:
    """What a stage made of one item: a file, or text."""

    stream: Stream
    path: Path
    text: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Work:
    """One stage over the items of a run."""

    cascade: str
    stage: Stage
    model: Generator
    suite: Suite
    seed: int
    folder: Path

    def results(self, items: Sequence[Item], made: Mapping[str, Mapping[str, Made]]) -> Iterator[tuple[str, Made | NoClip]]:
        """One outcome per item: found, or made now."""
        asked: dict[str, tuple[Item, str]] = {}
        for item in items:
            try:
                given, hashed = self._given(item, made)
            except BadCondition as error:
                yield item.id, NoClip(item.id, f"stage {self.stage.name}: {error}", again=False)
                continue
            key = self._key(given, hashed)
            found = _find(key)
            if found is not None:
                yield item.id, found
            else:
                asked[item.id] = (given, key)
        if asked:
            yield from self._make(asked)

    def _make(self, asked: Mapping[str, tuple[Item, str]]) -> Iterator[tuple[str, Made | NoClip]]:
        out = self.folder / "out"
        out.mkdir(parents=True, exist_ok=True)
        row = 0
        left = set(asked)
        todo = [item for item, _ in asked.values()]
        with contextlib.closing(self._generated(todo, out)) as clips:
            for clip in clips:
                if clip.id not in left:
                    raise AvbenchError(f"model {self.model.name} gave clip '{clip.id}', which is not asked for or came before")
                left.discard(clip.id)
                item, key = asked[clip.id]
                why = clip.why if isinstance(clip, NoClip) else self._fault(clip, item)
                if why is None and not isinstance(clip, NoClip):
                    row = 0
                    yield clip.id, _keep(key, clip, self.model.produces)
                    continue
                again = not isinstance(clip, NoClip) or clip.again
                row += again
                yield clip.id, NoClip(clip.id, f"stage {self.stage.name} ({self.model.name}): {why}", again=again)
                if row == _LONGEST_ROW:
                    raise AvbenchError(
                        f"model {self.cascade}: stage {self.stage.name} ({self.model.name}) failed {row} times in a row, "
                        f"at last at item '{clip.id}': {why}"
                    )
        for id in sorted(left):
            yield id, NoClip(id, f"stage {self.stage.name} ({self.model.name}): it ended without a clip")

    def _generated(self, todo: Sequence[Item], out: Path) -> Any:
        own = conditions.first_31_bits(f"{self.seed}|{self.stage.name}")
        return self.model.generate(todo, suite=self.suite, seed=own, folder=out)

    def _fault(self, clip: Clip | ClipFile, item: Item) -> str | None:
        wanted = self.model.clip_seconds or self.stage.window or item.seconds or self.suite.seconds
        # A sound that fills a window is cut afterwards, and one that does not is no worse for it.
        anything = self.stage.window > 0 and self.model.clip_seconds is None
        return arrival.fault_of(clip, self.model.produces, None if anything else wanted) if self.model.checked else None

    def _given(self, item: Item, made: Mapping[str, Mapping[str, Made]]) -> tuple[Item, dict[str, Any]]:
        """The item as the stage sees it, with nothing but its inputs, and what stands for each of them in the hash."""
        texts: dict[str, str] = {}
        fields: dict[str, Any] = {k: v for k, v in item.fields.items() if k == SAMPLE}
        hashed: dict[str, Any] = {}
        folder = self.folder / "conditions"
        for key, whose, which in self.stage.inputs:
            if whose == "item":
                plain = which.removesuffix("?")
                try:
                    found: Any = conditions.value(plain, item, self.suite)
                except BadCondition:
                    if plain == which:
                        raise
                    continue
                if isinstance(found, np.ndarray | Path):
                    path, hashed[key] = requests.condition(plain, item, self.suite, folder)
                    found = Path(path).absolute()
                else:
                    hashed[key] = found
            else:
                output = made[whose][item.id]
                found = output.text if which == "text" else output.path
                hashed[key] = found if which == "text" else file_sha256(output.path)
                if which == "video" and self.stage.preparation != "none":
                    found = filled_window(output.path, self.stage.preparation, self.stage.window, folder)
            if key in ("text", "caption"):
                texts["prompt"] = found
            elif key in ("category", "class_label"):
                texts["category"] = found
            else:
                fields[key] = found
        given = Item(item.id, texts.get("prompt", ""), texts.get("category", ""), (), item.seconds, (), fields)
        return given, hashed

    def _key(self, item: Item, hashed: Mapping[str, Any]) -> str:
        id, index = conditions.sample_of(item)
        own = conditions.first_31_bits(f"{self.seed}|{self.stage.name}")
        asked = {
            "model": requests.identity(self.model),
            "id": id,
            "index": index,
            "seed": conditions.seed_of(item, own),
            "target": requests.target(item, self.suite),
            "cond": hashed,
            "prepared": [self.stage.preparation, self.stage.window],
        }
        return hashlib.sha256(canonical(asked).encode()).hexdigest()


def _place(key: str) -> Path:
    return default_home().absolute() / "stages" / key[:2] / key


def _find(key: str) -> Made | None:
    """A finished output that is still what it was."""
    folder = _place(key)
    try:
        record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
        path = folder / record["file"]
        if file_sha256(path) != record["sha256"]:
            return None
        text = path.read_text(encoding="utf-8") if record["stream"] == "text" else ""
        return Made(record["stream"], path, text, record["meta"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(key: str, clip: Clip | ClipFile, produces: Sequence[Stream]) -> Made:
    """Put an output under its key, whole or not at all."""
    folder = _place(key)
    partial = folder.with_name(f".{key}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    stream: Stream = "video" if "video" in produces else produces[0]
    if isinstance(clip, ClipFile):
        path = partial / f"out{clip.path.suffix.lower()}"
        shutil.move(clip.path, path)
        if clip.audio is not None:
            raise AvbenchError(f"clip '{clip.id}': a stage that makes picture and sound puts both into one file")
    elif stream == "text":
        path = partial / "out.txt"
        path.write_text(clip.text, encoding="utf-8")
    elif clip.video is not None:
        path = partial / "out.mp4"
        encode.write_clip(path, clip)
    else:
        path = partial / "out.wav"
        assert clip.audio is not None  # noqa: S101  it was checked when it arrived
        encode.write_wav(path, clip.audio, clip.sample_rate)
    meta = dict(clip.meta) if isinstance(clip, ClipFile) else {}
    record = {"file": path.name, "stream": stream, "sha256": file_sha256(path), "meta": meta}
    write_bytes(partial / "record.json", json.dumps(record, default=str).encode())
    shutil.rmtree(folder, ignore_errors=True)  # of an output that was damaged
    try:
        partial.rename(folder)
    except OSError as error:
        if _find(key) is None:
            raise AvbenchError(f"{folder} cannot be written: {error.strerror or error}; free some space") from error
        shutil.rmtree(partial, ignore_errors=True)  # another run made the same
    text = clip.text if stream == "text" and isinstance(clip, Clip) else ""
    return Made(stream, folder / path.name, text, meta)
