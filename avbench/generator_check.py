"""Whether a model keeps to the rules, on two items of a suite: what `avbench check-generator` says."""

from __future__ import annotations

import dataclasses
import pickle
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avbench import arrival, conditions, registry, suites
from avbench.errors import AvbenchError
from avbench.types import Clip, ClipFile, Generator, Item, NoClip, Suite


@dataclass(frozen=True)
class Check:
    """One rule, whether it is kept, and what was found."""

    rule: str
    kept: bool
    found: str = ""


def check(spec: str, suite_name: str = "synth15") -> list[Check]:
    """Put two items through a model; rules after one that makes them senseless are left out.

    Args:
        spec: The model, as on the command line.
        suite_name: Has to offer what the model needs.
    """
    out: list[Check] = []

    def rule(text: str, look: Callable[[], str]) -> bool:
        try:
            out.append(Check(text, True, look()))
        except AvbenchError as error:
            out.append(Check(text, False, str(error)))
        return out[-1].kept

    made: list[Generator] = []
    if not rule("it can be found and made", lambda: _made(spec, made)):
        return out
    generator, suite = made[0], suites.load(suite_name, limit=2)
    rule("it is a value: equal when made again, and it can be sent to another process", lambda: _value(generator, spec))
    if not rule("the suite gives what it needs", lambda: _needs(generator, suite)):
        return out
    if not rule("what it needs is on this machine", lambda: _present(generator)):
        return out
    with tempfile.TemporaryDirectory(prefix="avbench-check-") as scratch:
        ask = _Ask(generator, suite, Path(scratch))
        first: dict[str, tuple[bytes, ...]] = {}
        if not rule("one clip per item, and none twice", lambda: ask.whole(suite.items, 0, first)):
            return out
        rule("the clips pass the checks on arrival", lambda: "; ".join(ask.notes))
        if ask.faults:
            out[-1] = Check(out[-1].rule, False, "; ".join(ask.faults))
        rule("two items have two clips", lambda: _differ(first))
        rule("an item alone, in a second run, gives the same bytes", lambda: ask.same(suite.items[-1:], first))
        if required := conditions.required(generator.conditions):
            rule("an item without a condition fails alone", lambda: ask.fails_alone(required))
    return out


def _made(spec: str, made: list[Generator]) -> str:
    made.append(registry.model(spec))
    g = made[0]
    return f"{g.label}: {g.task}, needs {', '.join(g.conditions) or 'nothing'}, makes {', '.join(g.produces)}"


def _value(generator: Generator, spec: str) -> str:
    if registry.model(spec) != generator or hash(registry.model(spec)) != hash(generator):
        raise AvbenchError("made again it is another value")
    if pickle.loads(pickle.dumps(generator)) != generator:  # noqa: S301  its own bytes
        raise AvbenchError("it does not come back from pickle as it was")
    return ""


def _needs(generator: Generator, suite: Suite) -> str:
    lacking = conditions.lacking(generator, suite)
    if lacking:
        raise AvbenchError(f"suite {suite.name} gives no {', '.join(lacking)}; choose another with --suite")
    without = {**generator.cannot(suite.items, suite), **conditions.without(generator, suite.items, suite)}
    if without:
        raise AvbenchError(next(iter(without.values())))
    return ""


def _present(generator: Generator) -> str:
    missing = generator.missing()
    if missing:
        raise AvbenchError("; ".join(missing))
    return ""


def _differ(found: dict[str, tuple[bytes, ...]]) -> str:
    if len(set(found.values())) < len(found):
        raise AvbenchError("they are the same, byte for byte")
    return ""


@dataclass
class _Ask:
    """A model that is asked for clips again and again."""

    generator: Generator
    suite: Suite
    scratch: Path
    runs: int = 0

    def __post_init__(self) -> None:
        self.faults: list[str] = []
        self.notes: list[str] = []

    def clips(self, items: Sequence[Item], seed: int) -> Iterator[Clip | ClipFile | NoClip]:
        self.runs += 1
        folder = self.scratch / str(self.runs)
        folder.mkdir()
        yield from self.generator.generate(items, suite=self.suite, seed=seed, folder=folder)

    def whole(self, items: Sequence[Item], seed: int, into: dict[str, tuple[bytes, ...]]) -> str:
        by_id = {item.id: item for item in items}
        for clip in self.clips(items, seed):
            if clip.id not in by_id or clip.id in into:
                raise AvbenchError(f"a clip '{clip.id}' came, which was not asked for or came before")
            if isinstance(clip, NoClip):
                raise AvbenchError(f"item '{clip.id}' failed: {clip.why}")
            fault = arrival.fault(clip, by_id[clip.id], self.suite, self.generator)
            if fault is not None:
                self.faults.append(f"{clip.id}: {fault}")
            into[clip.id] = _bytes(clip)
            self.notes.append(_described(clip))
        lacking = [id for id in by_id if id not in into]
        if lacking:
            raise AvbenchError(f"it ended without a clip for item '{lacking[0]}'")
        return ""

    def same(self, items: Sequence[Item], before: dict[str, tuple[bytes, ...]]) -> str:
        again: dict[str, tuple[bytes, ...]] = {}
        self.whole(items, 0, again)
        if any(before[id] != made for id, made in again.items()):
            raise AvbenchError("it does not: the clip depends on more than item and seed, or the model is not deterministic")
        return ""

    def fails_alone(self, required: Sequence[str]) -> str:
        if "reference" in required:
            return "not asked: it copies reference clips"
        whole, empty = self.suite.items[0], dataclasses.replace(self.suite.items[1], prompt="", category="", fields={})
        suite = dataclasses.replace(self.suite, items=(whole, empty), reference=None)
        bare = conditions.without(self.generator, [empty], suite)
        if empty.id not in bare:
            return "not asked: nothing can be taken away"
        mine = dataclasses.replace(self, suite=suite)
        for clip in mine.clips([empty], 0):
            if not isinstance(clip, NoClip):
                raise AvbenchError(f"without its {', '.join(required)}, item '{empty.id}' got a clip all the same")
        return ""


def _bytes(clip: Clip | ClipFile) -> tuple[bytes, ...]:
    if isinstance(clip, Clip):
        arrays = tuple(np.asarray(a).tobytes() for a in (clip.video, clip.audio) if a is not None)
        return arrays or (clip.text.encode(),)
    return tuple(p.read_bytes() for p in (clip.path, clip.audio) if p is not None)


def _described(clip: Clip | ClipFile) -> str:
    if isinstance(clip, ClipFile):
        return f"{clip.id}: {clip.path.name}{f' + {clip.audio.name}' if clip.audio else ''}"
    if clip.video is None and clip.audio is None:
        return f"{clip.id}: '{clip.text[:40]}'"
    picture = "no picture" if clip.video is None else f"{len(clip.video)} frames {clip.video.shape[2]} x {clip.video.shape[1]}"
    sound = "no sound" if clip.audio is None else f"{clip.audio.shape[1]} samples at {clip.sample_rate} Hz"
    return f"{clip.id}: {picture}, {sound}"
