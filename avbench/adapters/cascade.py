"""Stages joined by what they pass on: `I->V || I->A`, `I->V + V->A`, `I->A + A->V`, `I->T->V + I->T->A`.

A stage is any model that makes one stream. Stages run one after the other over the whole suite, so that one model is loaded at
a time. What a stage made is kept under the hash of its own request, so that cascades which begin alike share the beginning,
and a run that was stopped goes on behind the last finished clip of the stage it was in.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, get_args

from avbench import conditions, registry, requests
from avbench.adapters.config import Described, check
from avbench.adapters.joining import Length, join
from avbench.adapters.stage import Made, Stage, Work, read_stage
from avbench.errors import BadClip, BadCondition, BadManifest, UnknownName
from avbench.folders import file_name
from avbench.types import Clip, ClipFile, Generator, Item, NoClip, Suite, canonical

_MERGE = {"video": str, "audio": str, "length": str}


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
            stages.append(read_stage(entry, [s.name for s in stages], f"{where}: stage {number}"))
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
        made: dict[str, dict[str, Made]] = {}
        failed: dict[str, NoClip] = {}
        for stage, model in self._pairs():
            outputs = made.setdefault(stage.name, {})
            work = Work(self.name, stage, model, suite, seed, folder / f"stage-{file_name(stage.name)}")
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
