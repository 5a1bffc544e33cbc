"""Stages joined by what they pass on: `I->V || I->A`, `I->V + V->A`, `I->A + A->V`, `I->T->V + I->T->A`.

A stage is any model that makes one stream. Stages run one after the other over the whole suite, so that one model is loaded at
a time. What a stage made is kept under the hash of its own request, so that cascades which begin alike share the beginning,
and a run that was stopped goes on behind the last finished clip of the stage it was in.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from avbench import arrival, conditions, encode, registry, requests
from avbench.adapters.config import Described, check
from avbench.errors import AvbenchError, BadClip, BadCondition, BadManifest, UnknownName
from avbench.folders import file_name
from avbench.media import Reader
from avbench.store import default_home, write_bytes
from avbench.types import SAMPLE, Clip, ClipFile, Generator, Item, NoClip, Stream, Suite, canonical

Length = Literal["video", "audio", "shortest"]
Preparation = Literal["none", "loop", "pad_last"]
_STAGE = {"name": str, "use": str, "in": dict, "task": str, "video_prep": str, "window_s": float}
_MERGE = {"video": str, "audio": str, "length": str}
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


class Cascade(Described):
    """Several models that make one clip."""

    stages: ClassVar[tuple[Stage, ...]]
    picture: ClassVar[tuple[str, str]]
    sound: ClassVar[tuple[str, str]]
    length: ClassVar[Length]
    process: ClassVar[str]

    @staticmethod
    def read(table: Mapping[str, Any], where: str, folder: Path) -> dict[str, Any]:
        """The keys of a description that only a cascade has."""
        merge = table["merge"]
        check(merge, _MERGE, {"video", "audio"}, f"{where}: [merge]")
        if merge.get("length", "video") not in get_args(Length):
            raise BadManifest(f"{where}: [merge]: length must be one of {', '.join(get_args(Length))}, got {merge['length']!r}")
        stages: list[Stage] = []
        for number, entry in enumerate(table["stages"]):
            if not isinstance(entry, dict):
                raise BadManifest(f"{where}: stages must be tables, got {entry!r:.80}")
            stages.append(_stage(entry, [s.name for s in stages], f"{where}: stage {number}", folder))
        ends = []
        for stream in ("video", "audio"):
            stage, dot, which = merge[stream].partition(".")
            if not dot or stage not in [s.name for s in stages] or which != stream:
                known = ", ".join(f"{s.name}.{stream}" for s in stages)
                raise BadManifest(f"{where}: [merge]: {stream} must be one of {known}, got {merge[stream]!r}")
            ends.append((stage, which))
        asked = dict.fromkeys(
            source if not optional else f"{source}?"
            for stage in stages
            for _, whose, named in stage.inputs
            if whose == "item"
            for source, optional in [(named.removesuffix("?"), named.endswith("?"))]
        )
        found = {
            "stages": tuple(stages),
            "picture": ends[0],
            "sound": ends[1],
            "length": merge.get("length", "video"),
            "process": table.get("process", " + ".join(s.name for s in stages)),
        }
        if "conditions" not in table:
            found["conditions"] = tuple(asked)
        if "task" not in table:
            picture = any(name in conditions.PICTURES for name in asked)
            text = any(name in conditions.TEXTS for name in asked)
            found["task"] = "TI2SV" if picture and text else "I2SV" if picture else "T2SV" if text else "C2SV"
        return found

    def models(self) -> dict[str, Generator]:
        """The model of each stage, by the stage's name.

        Raises:
            BadManifest: if a stage does not make what is taken of it, or is not given what it needs.
        """
        found: dict[str, Generator] = {}
        for stage in self.stages:
            model = registry.model(stage.use, near=self.folder_of_description())
            given = {key for key, _, _ in stage.inputs}
            given |= {alias for alias, name in conditions.ALIASES.items() if name in given}
            given |= {name for alias, name in conditions.ALIASES.items() if alias in given}
            if "text" in given:
                given |= {"video_caption", "audio_caption"}
            lacking = [c for c in conditions.required(model.conditions) if c not in given]
            if lacking:
                raise BadManifest(
                    f"{self.path}: stage '{stage.name}' gives {model.name} no {', '.join(lacking)}; add it to `in`"
                )
            for _, whose, stream in stage.inputs:
                self._makes(found, whose, stream)
            found[stage.name] = model
        self._makes(found, *self.picture)
        self._makes(found, *self.sound)
        return found

    def _makes(self, found: Mapping[str, Generator], whose: str, stream: str) -> None:
        if whose != "item" and stream not in found[whose].produces:
            makes = ", ".join(found[whose].produces)
            raise BadManifest(f"{self.path}: '{whose}.{stream}' is wanted, and {found[whose].name} makes {makes}")

    def missing(self) -> tuple[str, ...]:
        """What the models of its stages miss."""
        out = []
        try:
            models = self.models()
        except UnknownName as error:  # a stage that comes with a plug-in
            return (str(error),)
        for model in {m.name: m for m in models.values()}.values():
            lacks = model.missing()
            if lacks:
                needs = "; ".join(f"{key}: {value}" for key, value in model.requires.items())
                out.append(f"{model.name}: {'; '.join(lacks)}{f' ({model.name} needs {needs})' if needs else ''}")
        return tuple(out)

    def request(self, item: Item, suite: Suite, seed: int) -> str:
        """Hash of what the stages are and what the item gives them."""
        try:
            asked = requests.message(self, item, suite, seed, None)["request"]
        except BadCondition:
            return ""
        models = [[s.name, requests.identity(m), s.inputs, s.preparation, s.window] for s, m in self._pairs()]
        return hashlib.sha256(canonical([asked, models, self.picture, self.sound, self.length]).encode()).hexdigest()

    def _pairs(self) -> list[tuple[Stage, Generator]]:
        models = self.models()
        return [(stage, models[stage.name]) for stage in self.stages]

    def generate(self, items: Sequence[Item], *, suite: Suite, seed: int, folder: Path) -> Iterator[Clip | ClipFile | NoClip]:
        """Stage after stage over all items, then the clips.

        Raises:
            AvbenchError: if a stage fails three times in a row.
        """
        made: dict[str, dict[str, _Made]] = {}
        failed: dict[str, NoClip] = {}
        for stage, model in self._pairs():
            outputs = made.setdefault(stage.name, {})
            work = _Work(self.name, stage, model, suite, seed, folder / f"stage-{file_name(stage.name)}")
            for id, outcome in work.results([i for i in items if i.id not in failed], made):
                if isinstance(outcome, NoClip):
                    failed[id] = outcome
                else:
                    outputs[id] = outcome
        joined = folder / "joined"
        joined.mkdir(parents=True, exist_ok=True)
        for item in items:
            if item.id in failed:
                yield failed[item.id]
                continue
            picture, sound = made[self.picture[0]][item.id], made[self.sound[0]][item.id]
            meta = {f"{name}.{key}": value for name, by in made.items() for key, value in by[item.id].meta.items()}
            try:
                yield dataclasses.replace(join(item, picture.path, sound.path, self.length, joined), meta=meta)
            except BadClip as error:
                yield NoClip(item.id, f"the outputs of the stages cannot be joined: {error}")


def _stage(entry: Mapping[str, Any], earlier: list[str], where: str, folder: Path) -> Stage:
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


# ------------------------------------------------------------------ one stage over the suite


@dataclass(frozen=True)
class _Made:
    """What a stage made of one item: a file, or text."""

    stream: Stream
    path: Path
    text: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class _Work:
    """One stage over the items of a run."""

    cascade: str
    stage: Stage
    model: Generator
    suite: Suite
    seed: int
    folder: Path

    def results(self, items: Sequence[Item], made: Mapping[str, Mapping[str, _Made]]) -> Iterator[tuple[str, _Made | NoClip]]:
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

    def _make(self, asked: Mapping[str, tuple[Item, str]]) -> Iterator[tuple[str, _Made | NoClip]]:
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

    def _given(self, item: Item, made: Mapping[str, Mapping[str, _Made]]) -> tuple[Item, dict[str, Any]]:
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
                hashed[key] = found if which == "text" else _sha256(output.path)
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


# ------------------------------------------------------------------ what stages made


def _place(key: str) -> Path:
    return default_home().absolute() / "stages" / key[:2] / key


def _find(key: str) -> _Made | None:
    """A finished output that is still what it was."""
    folder = _place(key)
    try:
        record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
        path = folder / record["file"]
        if _sha256(path) != record["sha256"]:
            return None
        text = path.read_text(encoding="utf-8") if record["stream"] == "text" else ""
        return _Made(record["stream"], path, text, record["meta"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(key: str, clip: Clip | ClipFile, produces: Sequence[Stream]) -> _Made:
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
    record = {"file": path.name, "stream": stream, "sha256": _sha256(path), "meta": meta}
    write_bytes(partial / "record.json", json.dumps(record, default=str).encode())
    shutil.rmtree(folder, ignore_errors=True)  # of an output that was damaged
    try:
        partial.rename(folder)
    except OSError as error:
        if _find(key) is None:
            raise AvbenchError(f"{folder} cannot be written: {error.strerror or error}; free some space") from error
        shutil.rmtree(partial, ignore_errors=True)  # another run made the same
    text = clip.text if stream == "text" and isinstance(clip, Clip) else ""
    return _Made(stream, folder / path.name, text, meta)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ------------------------------------------------------------------ pictures and sounds to one clip


def filled_window(video: Path, how: Preparation, seconds: float, folder: Path) -> Path:
    """A video that is at least this long: played again from its start, or its last frame held.

    Raises:
        BadCondition: if it cannot be read.
    """
    path = folder / f"{_sha256(video)[:32]}-{how}-{seconds:g}.mp4"
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with Reader(ClipFile(video.stem, video)) as reader:
            count, rate = reader.info.frames, reader.info.frame_rate
        wanted = max(count, round(seconds * rate))
        encode.write_frames(path, itertools.islice(_again_and_again(video, how), wanted), frame_rate=rate)
    except BadClip as error:
        raise BadCondition(f"{video} cannot be prepared: {error}") from error
    return path


def _again_and_again(video: Path, how: Preparation) -> Iterator[NDArray[np.uint8]]:
    while True:
        last = None
        with Reader(ClipFile(video.stem, video)) as reader:
            for last in reader.frames():
                yield last
        if last is None:
            raise BadClip("no_video")
        if how == "pad_last":
            yield from itertools.repeat(last)


def join(item: Item, picture: Path, sound: Path, length: Length, folder: Path) -> ClipFile:
    """One clip of a picture and a sound: the picture's own packets, and the sound as WAV, cut or filled with silence.

    Args:
        item: Whose clip.
        picture: A file with the picture.
        sound: A file with the sound.
        length: Whose length the clip has. For the sound's, the picture is cut, or its last frame held, and encoded again.
        folder: For the clip's files.

    Raises:
        BadClip: if one of the files cannot be used.
    """
    with Reader(ClipFile(item.id, picture)) as reader:
        info = reader.info
    with Reader(ClipFile(item.id, sound)) as reader:
        for _ in reader.frames(picture=False):
            pass
        heard = reader.audio()
    if heard is None:
        raise BadClip("no_audio", f"{sound.name} has no sound")
    if info.frames == 0:
        raise BadClip("no_video", f"{picture.name} has no picture")
    seen = info.video_seconds
    sounding = heard.samples.shape[1] / heard.sample_rate
    wanted = {"video": seen, "audio": sounding, "shortest": min(seen, sounding)}[length]
    frames = max(1, round(wanted * info.frame_rate))
    path = folder / f"{file_name(item.id)}{picture.suffix.lower()}"
    if frames == info.frames or wanted == seen:
        shutil.copyfile(picture, path)
        wanted = seen
    else:
        path = path.with_suffix(".mp4")
        cut = itertools.islice(_again_and_again(picture, "pad_last"), frames)
        encode.write_frames(path, cut, frame_rate=info.frame_rate)
        wanted = frames / info.frame_rate
    count = round(wanted * heard.sample_rate)
    samples = np.zeros((len(heard.samples), count), dtype=np.float32)
    kept = min(count, heard.samples.shape[1])
    samples[:, :kept] = heard.samples[:, :kept]
    audio = path.with_suffix(".wav")
    encode.write_wav(audio, samples, heard.sample_rate)
    return ClipFile(item.id, path, audio, item.prompt)
