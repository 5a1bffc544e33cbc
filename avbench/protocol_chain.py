"""The exact chain of a protocol, from file to number, as the code that computes it says and does it.

Nothing here is written twice. Definitions are the docstrings of metrics and extractors; settings are their fields; files and
hashes are those that a run would load. How a clip is prepared is observed: a probe clip of the suite's length, size and rates
(noise, drawn from a seed) goes through each extractor's preparation, and every function of avbench and of the libraries it
calls is noted with its arguments and the shapes that go in and come out. So a changed resize or resampler shows here without
anybody having to say so.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np

from avbench import media, registry, weights
from avbench.errors import AvbenchError
from avbench.pipeline import choose_metrics
from avbench.types import Checkpoint, Clip, ClipInfo, Component, Extractor, Metric, Need, Suite, Waveform

_LIBRARIES = (
    "torch",
    "torchaudio",
    "torchvision",
    "cv2",
    "PIL",
    "soxr",
    "librosa",
    "scipy",
    "soundfile",
    "transformers",
    "open_clip",
)
_QUIET = ("avbench.types", "avbench.media", "avbench.errors", "avbench.protocol_chain", "avbench.registry")
_NOT_SHOWN = ("self", "cls", "earlier", "index")
_ARGUMENT = 70
_MOST_STEPS = 60
_PROBE_SEED = 0
_LARGEST_PROBE = 480 * 270
"""Pixels of the probe; above it sizes are halved until they fit, since what is asked is the order of the steps."""


def chain(suite: Suite, *, observe: bool = True) -> dict[str, Any]:
    """Everything between the files and the numbers of a suite's protocol.

    Args:
        suite: Without items, as `suites.described` gives it, or with them.
        observe: Whether to send a probe clip through the preparations; some seconds for a protocol with faces or flow.
    """
    metrics = [registry.metric(spec.name, **dict(spec.parameters)) for spec in suite.metrics] or choose_metrics(suite, None)
    extractors: dict[str, Extractor] = {}
    for metric in metrics:
        for need in _needs(metric):
            _with_earlier(registry.needed(need), extractors)
    probe = _Probe(suite) if observe else None
    return {
        "suite": f"{suite.name}@{suite.version}",
        "protocol": suite.protocol,
        "paper": suite.used_in or suite.paper,
        "clip": {key: getattr(suite, key) for key in suite.conformance},
        "samples_per_item": suite.samples_per_item,
        "conformance": dict(suite.conformance),
        "decoder": {"reader": media.READER, "what": _definition(media)},
        "extractors": {label: _extractor(e, probe) for label, e in extractors.items()},
        "metrics": [_metric(m, suite) for m in metrics],
        "not_yet": list(suite.not_yet),
    }


def _needs(metric: Metric) -> tuple[Need, ...]:
    return (*metric.extractors(), *(metric.reference_extractors() if metric.needs_reference else ()))


def _with_earlier(extractor: Extractor, found: dict[str, Extractor]) -> None:
    for name in extractor.after:
        _with_earlier(registry.extractor(name), found)
    found.setdefault(extractor.label, extractor)


def _metric(metric: Metric, suite: Suite) -> dict[str, Any]:
    return {
        "metric": metric.label,
        "title": metric.title,
        "parameters": metric.parameters(),
        "revision": metric.revision,
        "definition": _definition(sys.modules[type(metric).__module__]),
        "features of the clip": [registry.needed(n).label for n in metric.extractors()],
        "features of the reference": [registry.needed(n).label for n in metric.reference_extractors()]
        if metric.needs_reference
        else [],
        "row": _first(type(metric).row),
        "columns": list(metric.columns) or ["embedding"],
        "statistic": _first(type(metric).score),
        "unit": metric.unit or "plain number",
        "better": metric.better,
        "fewest clips": metric.minimum,
        "only items with": list(suite.only.get(metric.label, ())),
        "source": metric.source,
    }


def _extractor(extractor: Extractor, probe: _Probe | None) -> dict[str, Any]:
    files = [c for c in (extractor.weights, *extractor.companions) if c is not None]
    return {
        "extractor": extractor.name,
        "parameters": extractor.parameters(),
        "revision": extractor.revision,
        "definition": _definition(sys.modules[type(extractor).__module__]),
        "streams": list(dict.fromkeys((*extractor.needs, *extractor.reads))),
        "works on": list(extractor.after),
        "preparation": probe.through(extractor) if probe is not None else {},
        "network": _first(type(extractor).load) if extractor.weights is not None else "none: a signal analysis",
        "files": [_file(c) for c in files],
        "layers": list(extractor.layers),
    }


def _file(checkpoint: Checkpoint) -> dict[str, Any]:
    path = weights.place(checkpoint)
    return {
        "file": checkpoint.file,
        "sha256": checkpoint.sha256 or "not published",
        "here": weights.sha256_of(path) if path.is_file() else "not on this machine",
        "licence": checkpoint.licence,
        "from": checkpoint.urls[0] if checkpoint.urls else "comes with avbench",
    }


# ------------------------------------------------------------------ words


_LATER = re.compile(r"^(Source|Sources|Columns|Range|Few clips|Evidence|Shapes|Errors|Example)\b.*:$", re.MULTILINE)


def _definition(module: Any) -> str:
    """A module's docstring up to its shapes, ranges and sources."""
    text = inspect.getdoc(module) or ""
    found = _LATER.search(text)
    return (text[: found.start()] if found else text).strip()


def _first(function: Any) -> str:
    """The first paragraph of a function's docstring, in one line."""
    return " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())


# ------------------------------------------------------------------ what happens to a clip


class _Probe:
    """A clip as the suite asks for, in memory."""

    def __init__(self, suite: Suite) -> None:
        width, height = max(16, suite.width), max(16, suite.height)
        while width * height > _LARGEST_PROBE:
            width, height = width // 2, height // 2
        draw = np.random.default_rng(_PROBE_SEED)
        frames = max(2, round((suite.seconds or 4.0) * (suite.frame_rate or 24.0)))
        picture = draw.integers(0, 256, (1, height, width, 3), dtype=np.uint8)
        rate = suite.sample_rate or 16_000
        sound = draw.uniform(-0.5, 0.5, (1, max(1, round((suite.seconds or 4.0) * rate)))).astype(np.float32)
        self.size = f"{width} x {height}" + (" (the suite's halved)" if width < suite.width else "")
        self.video = np.repeat(picture, frames, axis=0)
        clip = Clip("probe", self.video, suite.frame_rate or 24.0, sound, rate, text="a probe")
        with media.Reader(clip) as reader:
            self.info: ClipInfo = reader.info
        self.sound = Waveform(sound, rate)

    def through(self, extractor: Extractor) -> dict[str, Any]:
        """What an extractor's preparation does with it: frames wanted, steps, prepared tensors."""
        if extractor.after:
            return {"not observed": f"works on the features of {', '.join(extractor.after)}"}
        try:
            self._prepared(extractor)  # imports, and tables that are built once and kept, belong to no clip
            steps = _Steps()
            with steps.noted():
                frames, tensors = self._prepared(extractor)
        except AvbenchError as error:
            return {"not observed": str(error)}
        return {"probe": self.size, "frames": frames, "steps": steps.told(), "prepared": tensors}

    def _prepared(self, extractor: Extractor) -> tuple[str, dict[str, str]]:
        preparation = extractor.start(self.info, {})
        wanted = sorted({int(n) for n in preparation.frames})
        for index in wanted:
            preparation.take(index, self.video[index])
        uses_sound = "audio" in (*extractor.needs, *extractor.reads)
        tensors = preparation.finish(self.sound if uses_sound else None)
        return _listed(wanted, self.info.frames), {name: _shown(value) for name, value in tensors.items()}


def _listed(wanted: Sequence[int], count: int) -> str:
    if not wanted:
        return "none"
    few = ", ".join(map(str, wanted if len(wanted) <= 12 else [*wanted[:8], "...", *wanted[-2:]]))
    return f"{len(wanted)} of {count}: {few}"


@dataclass
class _Steps:
    """Calls in order, as `sys.setprofile` shows them."""

    steps: list[list[Any]] = field(default_factory=list)
    open: list[tuple[FrameType, int]] = field(default_factory=list)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note the calls of this block."""
        before = sys.getprofile()
        sys.setprofile(self._event)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _event(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            self._call(frame)
        elif event == "return" and self.open and self.open[-1][0] is frame:
            _, at = self.open.pop()
            self.steps[at][3] = "" if argument is None else _shown(argument)
        elif event == "c_call":
            module = str(getattr(argument, "__module__", None) or "")
            if _library(module) in ("cv2", "soxr") and _ours(frame.f_globals.get("__name__", "")):
                self.steps.append([len(self.open), f"{module.split('.')[0]}.{argument.__name__}", "", ""])

    def _call(self, frame: FrameType) -> None:
        code, module = frame.f_code, frame.f_globals.get("__name__", "")
        if code.co_name.startswith("<") or code.co_name.startswith("__"):
            return
        caller = frame.f_back.f_globals.get("__name__", "") if frame.f_back is not None else ""
        if not (_ours(module) or (_library(module) and _ours(caller))):
            return
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        given = {name: frame.f_locals[name] for name in names if name in frame.f_locals and name not in _NOT_SHOWN}
        given = {
            name: value for name, value in given.items() if not isinstance(value, ClipInfo | Component) and value is not None
        }
        if not given and code.co_name != "start":
            return
        shown = ", ".join(f"{name}={_shown(value)}" for name, value in given.items())
        self.steps.append([len(self.open), f"{module.removeprefix('avbench.')}.{code.co_name}", shown, ""])
        self.open.append((frame, len(self.steps) - 1))

    def told(self) -> list[str]:
        """One line for each call; the same calls, as for each frame, once with their number."""
        lines = [f"{'  ' * depth}{name}({given})" + (f" -> {out}" if out else "") for depth, name, given, out in self.steps]
        blocks: dict[str, int] = {}
        for line in lines:
            blocks[line] = blocks.get(line, 0) + 1
        told = [line + (f"  x {count}" if count > 1 else "") for line, count in blocks.items()]
        return told if len(told) <= _MOST_STEPS else [*told[:_MOST_STEPS], f"... and {len(told) - _MOST_STEPS} more"]


def _ours(module: str) -> bool:
    return module.startswith("avbench.") and module not in _QUIET


def _library(module: str) -> str:
    root = module.split(".")[0]
    return root if root in _LIBRARIES else ""


def _shown(value: Any) -> str:
    """A value in a line: arrays by dtype and shape, all else cut short."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        kind = str(value.dtype).removeprefix("torch.")
        return f"{kind} {tuple(value.shape)}" if len(tuple(value.shape)) else f"{kind} {float(value):g}"
    if isinstance(value, list | tuple) and value and all(hasattr(v, "shape") for v in value):
        return f"{len(value)} x {_shown(value[0])}"
    if isinstance(value, Waveform):
        return f"sound {_shown(value.samples)} at {value.sample_rate} Hz"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_shown(part)}" for name, part in value.items())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        shown = ", ".join(f"{f.name}={_shown(getattr(value, f.name))}" for f in dataclasses.fields(value) if f.repr)
        text = f"{type(value).__name__}({shown})"
        return text if len(text) <= _ARGUMENT else type(value).__name__
    if callable(value):
        return str(getattr(value, "__qualname__", type(value).__name__)).split(".")[-1]
    if isinstance(value, bool | int | float | str | tuple | list | type(None)):
        text = repr(value)
        return text if len(text) <= _ARGUMENT else text[: _ARGUMENT - 3] + "..."
    return type(value).__name__
