"""What there is: lists of metrics, models and suites, and everything known of one."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from typing import Any

from avbench import content, registry
from avbench import suites as suite_files
from avbench.errors import AvbenchError, MissingData
from avbench.types import Component, Generator, Suite

_ARROW = {"higher": "higher is better", "lower": "lower is better", "none": "reported, not ranked"}


def metrics() -> list[dict[str, Any]]:
    """Name, direction, unit, title, reference and extractors of every metric."""
    out = []
    for name in registry.names("metrics"):
        cls = registry.metric_class(name)
        out.append(
            {
                "metric": name,
                "better": cls.better,
                "unit": cls.unit,
                "needs": _needs(registry.metric(name)),
                "title": cls.title,
            }
        )
    return out


def metric(name: str) -> dict[str, Any]:
    """Everything about one metric; its card is Markdown."""
    cls = registry.metric_class(name)
    return {
        "metric": name,
        "title": cls.title,
        "direction": _ARROW[cls.better],
        "unit": cls.unit or "plain number",
        "parameters": parameters(cls),
        "needs": _needs(registry.metric(name)),
        "row": ", ".join(cls.columns) or "one embedding",
        "fewest clips": cls.minimum,
        "revision": cls.revision,
        "source": cls.source,
        "card": content.card("metrics", name) or inspect.getdoc(cls),
    }


def models() -> list[dict[str, Any]]:
    """Name, task, conditions, title of every model, and whether it could run here."""
    return [_model(name) for name in registry.names("generators")]


def _model(name: str) -> dict[str, Any]:
    try:
        cls = registry.generator_class(name)
        found = {
            "model": name,
            "task": cls.task,
            "needs of an item": ", ".join(cls.conditions) or "nothing",
            "here": _here(registry.generator(name)),
            "title": cls.title,
        }
    except AvbenchError as error:  # one description that is wrong must not hide the others
        return {"model": name, "task": "", "needs of an item": "", "here": "broken", "title": str(error)}
    return found


def _here(model: Generator) -> str:
    missing = model.missing()
    return "ready" if not missing else f"{len(missing)} missing"


def model(name: str) -> dict[str, Any]:
    """Everything about one model; its card is Markdown."""
    cls = registry.generator_class(name)
    made = registry.generator(name)
    return {
        "model": name,
        "title": cls.title,
        "task": cls.task,
        "needs of an item": ", ".join(cls.conditions) or "nothing",
        "makes": ", ".join(cls.produces),
        "length": f"{cls.clip_seconds:g} s" if cls.clip_seconds else "as asked for",
        **{f"needs {key}": text for key, text in cls.requires.items()},
        "missing here": "; ".join(made.missing()) or "nothing",
        "parameters": parameters(cls),
        "revision": cls.revision,
        "source": cls.source,
        "card": content.card("baselines", name) or inspect.getdoc(cls),
    }


def suites() -> list[dict[str, Any]]:
    """Name, size, conditions and title of every suite."""
    out = []
    for name in suite_files.names():
        suite = suite_files.described(name)
        count = _counted(suite)
        out.append({"suite": name, "items": count, "conditions": ", ".join(suite.conditions), "title": suite.title})
    return out


def suite_table() -> str:
    """Every suite in a Markdown table: paper, items, condition, what must be downloaded, each protocol's metrics."""
    lines = [
        "| suite | paper | items | condition | what you must download | protocols and their metrics |",
        "|---|---|---|---|---|---|",
    ]
    for name in suite_files.names():
        suite = suite_files.described(name)
        plans = []
        for protocol in suite.protocols:
            plan = suite_files.described(name, protocol=protocol)
            labels = [f"`{registry.metric(m.name, **dict(m.parameters)).label}`" for m in plan.metrics]
            missing = f"; not yet: {', '.join(plan.not_yet)}" if plan.not_yet else ""
            plans.append(f"**{protocol}**: {', '.join(labels)}{missing}")
        cells = (
            f"`{name}`",
            suite_files.described(name).paper or "avbench",
            (f"{n:,}" if isinstance(n := _counted(suite), int) else n)
            + (f" x {suite.samples_per_item}" if suite.samples_per_item > 1 else ""),
            ", ".join(suite.conditions) or "none",
            suite.download or "nothing",
            "; ".join(plans),
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _counted(suite: Suite) -> int | str:
    """Items of the suite, each once, also where they are not on this machine."""
    if suite.prepared and not suite.expected:
        return "not published"
    return suite_files.count(suite)


def suite(name: str) -> dict[str, Any]:
    """Everything about one suite; its card is Markdown."""
    found = suite_files.described(name)
    try:
        found = suite_files.load(name)
        there = ""
    except MissingData as error:
        there = f"; not here: {error}"
    categories = sorted({i.category for i in found.items if i.category})
    return {
        "suite": f"{found.name}@{found.version}",
        "title": found.title,
        "paper": found.paper or "avbench",
        "items": f"{_counted(found)}{there}" if there else _counted(found),
        "samples of each item": found.samples_per_item,
        "categories": f"{len(categories)}: {', '.join(categories)}" if categories else "none",
        "aspects": "; ".join(f"{name}: {', '.join(classes)}" for name, classes in found.aspects.items()) or "none",
        "conditions": ", ".join(found.conditions) or "none",
        "clip": f"{found.seconds:g} s, {found.width} x {found.height}, {found.frame_rate:g} fps, {found.sample_rate} Hz",
        "less than that": ", ".join(f"{key}: {rule}" for key, rule in found.conformance.items()),
        "protocols": ", ".join(f"{p} (default)" if p == found.protocol else p for p in found.protocols),
        "metrics": ", ".join(registry.metric(m.name, **dict(m.parameters)).label for m in found.metrics),
        "not yet": ", ".join(found.not_yet) or "nothing",
        "to download": found.download or "nothing",
        "source": found.source,
        "licence": found.licence,
        "card": content.card("benchmarks", found.name),
    }


def _needs(metric: Any) -> str:
    needs = (*metric.extractors(), *(metric.reference_extractors() if metric.needs_reference else ()))
    extractors = [registry.needed(n) for n in dict.fromkeys(needs)]
    streams = sorted({s for e in extractors for s in e.needs})
    parts = [*streams, *(["reference"] if metric.needs_reference else [])]
    return f"{', '.join(parts) or 'any clip'} ({', '.join(dict.fromkeys(e.label for e in extractors))})"


def parameters(cls: type[Component]) -> str:
    """Each parameter with its choices and default."""
    hints = typing.get_type_hints(cls)
    out = []
    for f in dataclasses.fields(cls):  # type: ignore[arg-type]
        hint = hints[f.name]
        choices = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()
        kind = " | ".join(str(c) for c in choices) if choices else getattr(hint, "__name__", str(hint))
        out.append(f"{f.name} ({kind}; default {f.default})")
    return "; ".join(out) or "none"
