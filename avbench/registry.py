"""The folder is the registry: a component is found by the name of its file.

A model may also be a description, `baselines/<name>/config.toml` (`avbench.adapters`), or be named by where it is:
`dir:/clips`, `proc:worker.toml`, `cascade:file.toml`, `py:package.module:Class`.

`names("metrics")` lists `avbench/metrics/*.py` and the entry points of the group `avbench.metrics` and imports none;
`metric("av_align")` imports that one module and makes the one `Metric` defined in it. Adding a component touches no list. A
plug-in that takes a built-in's name is an error.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import pkgutil
import types as pytypes
import typing
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, TypeVar

from avbench.errors import AvbenchError, BadParameter, UnknownName
from avbench.types import Component, Extractor, Generator, Metric, MetricSpec, Need

Kind = Literal["metrics", "extractors", "generators"]
_WORD = {"metrics": "metric", "extractors": "extractor", "generators": "model"}
C = TypeVar("C", bound=Component)


@functools.cache
def _modules(kind: Kind) -> dict[str, str]:
    package = importlib.import_module(f"avbench.{kind}")
    found = {m.name: f"avbench.{kind}.{m.name}" for m in pkgutil.iter_modules(package.__path__)}
    for point in metadata.entry_points(group=f"avbench.{kind}"):
        if point.name in found:
            raise AvbenchError(
                f"plug-in {point.value} takes the name '{point.name}' of a {_WORD[kind]} that is there already; rename it"
            )
        found[point.name] = point.value.split(":")[0]
    return found


def _described() -> dict[str, Path]:
    """Models that are descriptions; a name that is taken already is an error."""
    from avbench.adapters import config

    found = config.described()
    for name in found.keys() & _modules("generators").keys():
        raise AvbenchError(
            f"{found[name]} takes the name '{name}' of a model that is there already "
            f"({_modules('generators')[name]}); rename it"
        )
    return found


def names(kind: Kind) -> list[str]:
    """Every registered name, sorted; nothing is imported."""
    return sorted({*_modules(kind), *(_described() if kind == "generators" else ())})


def _class(kind: Kind, base: type[C], name: str) -> type[C]:
    found = _modules(kind)
    if name not in found:
        raise UnknownName(_WORD[kind], name, found)
    try:
        module = importlib.import_module(found[name])
    except ImportError as error:
        if found[name].startswith("avbench."):
            raise
        raise AvbenchError(
            f"plug-in '{name}' ({found[name]}) cannot be imported: {error}; repair or uninstall the package that brings it"
        ) from error
    classes = [
        c
        for c in vars(module).values()
        if inspect.isclass(c) and issubclass(c, base) and not inspect.isabstract(c) and c.__module__ == module.__name__
    ]
    mine = [c for c in classes if vars(c).get("name") == name]
    if len(mine) != 1:
        raise AvbenchError(f"{found[name]} must define one {base.__name__} with name = '{name}', found {len(mine)}")
    return mine[0]


def metric_class(name: str) -> type[Metric]:
    """The class of a metric, for its card."""
    return _class("metrics", Metric, name)  # type: ignore[type-abstract]


def extractor_class(name: str) -> type[Extractor]:
    """The class of an extractor, for its card."""
    return _class("extractors", Extractor, name)  # type: ignore[type-abstract]


def generator_class(name: str) -> type[Generator]:
    """The class of a model adapter, for its card."""
    described = _described()
    if name in described:
        from avbench.adapters import config

        return config.model_class(described[name])
    if name not in _modules("generators"):
        raise UnknownName("model", name, names("generators"))
    return _class("generators", Generator, name)  # type: ignore[type-abstract]


def shown(model: str) -> str:
    """What tables, reports and the leaderboard call a model: `jointdit` has a name there that nobody takes for the paper's."""
    name, bracket, rest = model.partition("[")
    if _modules("generators").get(name, "").startswith("avbench.generators."):
        return f"{generator_class(name).shown or name}{bracket}{rest}"
    return model


def metric(name: str, **parameters: Any) -> Metric:
    """A metric with its parameters.

    Raises:
        UnknownName: with the nearest name.
        BadParameter: for a parameter or value that the metric does not take.
    """
    return made(metric_class(name), parameters)


def extractor(name: str, **parameters: Any) -> Extractor:
    """An extractor with its parameters; raises as `metric` does."""
    return made(extractor_class(name), parameters)


def generator(name: str, **parameters: Any) -> Generator:
    """A model adapter with its parameters; raises as `metric` does."""
    return made(generator_class(name), parameters)


def model(text: str, *, near: Path | None = None) -> Generator:
    """A model as a command line or a cascade names it: a name, a name with parameters, or where it is.

    Args:
        text: `noise`, `shifted[seconds=0.2]`, `dir:/clips`, `proc:worker.toml`, `cascade:file.toml`,
            `py:module:Class?key=value`.
        near: Folder that paths of a description start from; None for the current folder.

    Raises:
        UnknownName, BadParameter, BadManifest, BadFolder: for what cannot be had.
    """
    from avbench.adapters import config

    if config.is_spec(text):
        kind, _, rest = text.partition(":")
        if near is not None and kind != "py" and not rest.startswith(("/", "~")):
            text = f"{kind}:{near / rest}"
        return config.from_spec(text)
    spec = parse_spec(text)
    return generator(spec.name, **dict(spec.parameters))


def needed(need: Need) -> Extractor:
    """The extractor that a metric asks for."""
    return extractor(need.extractor, **dict(need.parameters))


def parse_spec(text: str) -> MetricSpec:
    """`av_align`, `av_align[javisbench]` or `av_align[variant=javisbench,x=1]`, as on the command line.

    Raises:
        BadParameter: if the brackets do not close or a part is not `key=value`.
    """
    name, bracket, rest = text.strip().partition("[")
    if not bracket:
        return MetricSpec(name)
    if not rest.endswith("]"):
        raise BadParameter(f"'{text}': expected name[variant] or name[key=value,...], the bracket does not close")
    parameters: dict[str, Any] = {}
    for position, part in enumerate(p.strip() for p in rest[:-1].split(",") if p.strip()):
        key, equals, value = part.partition("=")
        if not equals:
            if position:
                raise BadParameter(f"'{text}': expected key=value, got '{part}'")
            key, value = "variant", part
        if key.strip() in parameters:
            raise BadParameter(f"'{text}': '{key.strip()}' is given twice")
        parameters[key.strip()] = literal(value.strip())
    return MetricSpec(name, tuple(sorted(parameters.items())))


def literal(text: str) -> Any:
    """A value as it is written on a command line: a number, true, false, none, or text."""
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def made(cls: type[C], parameters: dict[str, Any]) -> C:
    """A component of a class, its parameters checked."""
    allowed = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    checked = {}
    for key, value in parameters.items():
        if key not in allowed:
            raise BadParameter(f"{cls.name} takes {_listed(allowed) or 'no parameters'}, not '{key}'")
        checked[key] = _fit(cls.name, key, hints[key], value)
    return cls(**checked)


def _fit(name: str, key: str, hint: Any, value: Any) -> Any:
    """The value if the field's annotation takes it; ints pass as floats."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        if value in arguments:
            return value
        raise BadParameter(f"{name}: {key} must be one of {_listed(arguments)}, got {value!r}")
    options = arguments if origin in (typing.Union, pytypes.UnionType) else (hint,)
    for option in options:
        if option is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if isinstance(option, type) and isinstance(value, option) and (option is bool or not isinstance(value, bool)):
            return value
        if typing.get_origin(option) is Literal and value in typing.get_args(option):
            return value
        if typing.get_origin(option) is tuple and isinstance(value, tuple | list):
            return tuple(value)
    wanted = " or ".join("none" if o is type(None) else getattr(o, "__name__", str(o)) for o in options)
    raise BadParameter(f"{name}: {key} must be {wanted}, got {value!r}")


def _listed(values: Any) -> str:
    return ", ".join(repr(v) if isinstance(v, str) else str(v) for v in values)
