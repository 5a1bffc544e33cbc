"""A description (`config.toml`) to the class of a model, and specifications such as `dir:/clips?pattern={id}.mp4`.

The class is made from the description: what a Python model writes as class variables stands there as keys, and `[options]`
are its parameters. One file gives one class, so that models are values that can be compared and sent to other processes.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import keyword
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints
from urllib.parse import unquote

from avbench import conditions, content, registry
from avbench.adapters.function import PRODUCES
from avbench.errors import BadManifest, BadParameter, UnknownName
from avbench.store import default_home
from avbench.types import Generator, Stream, Task

KINDS = ("cascade", "dir", "proc", "py")
_COMMON = {
    "kind": str,
    "name": str,
    "title": str,
    "task": str,
    "conditions": list,
    "produces": list,
    "seconds": float,
    "revision": int,
    "source": str,
    "licence": str,
    "requires": dict,
}
_OF_KIND: dict[str, dict[str, type]] = {
    "proc": {
        "command": list,
        "cwd": str,
        "env": dict,
        "timeout_s": float,
        "start_timeout_s": float,
        "workers": int,
        "path_map": list,
        "files": list,
        "options": dict,
    },
    "cascade": {"process": str, "merge": dict, "stages": list},
    "dir": {"folder": str, "pattern": str},
    "py": {"target": str, "options": dict},
}
_REQUIRED = {"proc": {"task", "source", "command"}, "cascade": {"stages", "merge"}, "dir": {"folder"}, "py": {"target"}}


# ------------------------------------------------------------------ where models are


def described() -> dict[str, Path]:
    """Every model that is a description, by name: those of avbench, then the user's own. Reads nothing but `kind`."""
    found: dict[str, Path] = {}
    for folder in (content.folder("baselines"), default_home() / "models"):
        for path in sorted(folder.glob("*/config.toml")):
            if path.parent.name not in found and _has_kind(path, path.stat().st_mtime_ns):
                found[path.parent.name] = path
    return found


@functools.cache
def _has_kind(path: Path, changed: int) -> bool:
    """Configurations of training runs lie in the same folders and are no models."""
    before_tables = re.split(rb"(?m)^\s*\[", path.read_bytes(), maxsplit=1)[0]
    return re.search(rb"(?m)^kind\s*=", before_tables) is not None


def is_spec(text: str) -> bool:
    """Whether a text names no model but says where one is."""
    return text.partition(":")[0] in KINDS and ":" in text


def from_spec(text: str) -> Generator:
    """`dir:/clips?pattern={id}.mp4`, `proc:worker.toml`, `cascade:file.toml`, `py:package.module:Class?key=value`.

    Raises:
        BadParameter: for a specification that is none.
        BadManifest, BadFolder: for a file or folder that is not there or not right.
    """
    kind, _, rest = text.partition(":")
    place, _, query = rest.partition("?")
    if not place:
        raise BadParameter(f"model '{text}': expected {kind}:PATH, or py:package.module:Class")
    parameters: dict[str, Any] = {}
    for part in query.split("&") if query else ():
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise BadParameter(f"model '{text}': expected key=value after '?', got '{part}'")
        parameters[key] = unquote(value)
    if kind == "dir":
        from avbench.adapters.folder import folder_class

        cls = folder_class(str(Path(place).expanduser()), parameters.pop("pattern", ""), parameters.pop("name", ""))
    elif kind == "py":
        cls = _python(place, text)
    else:
        path = Path(place).expanduser()
        if not path.is_file():
            raise BadManifest(f"model '{text}': {path} is not there")
        cls = model_class(path.resolve(), file_kind=kind)
    return registry.made(cls, {key: registry.literal(value) for key, value in parameters.items()})


def _python(place: str, text: str) -> type[Generator]:
    module_name, _, attribute = place.partition(":")
    if not attribute:
        raise BadParameter(f"model '{text}': expected py:package.module:Class")
    folder = str(Path.cwd())
    if folder not in sys.path:  # as `python -m` would find it
        sys.path.append(folder)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise BadParameter(f"model '{text}': {module_name} cannot be imported: {error}") from error
    found = getattr(module, attribute, None)
    if found is None:
        raise UnknownName(f"class in {module_name}", attribute, [n for n in vars(module) if not n.startswith("_")])
    if not (inspect.isclass(found) and issubclass(found, Generator)) or inspect.isabstract(found):
        raise BadParameter(
            f"model '{text}': {attribute} must be a class derived from avbench.types.Generator, or a function under "
            f"@avbench.adapters.generator, got {type(found).__name__}"
        )
    return found


# ------------------------------------------------------------------ a description to a class


class Described(Generator):
    """A model whose class was made from a description."""

    path: Path
    table: Mapping[str, Any]

    def __reduce__(self) -> tuple[Any, ...]:
        """By file and parameters: the class has no module that it could be imported from."""
        return _again, (type(self).path, self.parameters())

    @classmethod
    def folder_of_description(cls) -> Path:
        """Where the description is."""
        return cls.path.parent


def _again(path: Path, parameters: dict[str, Any]) -> Generator:
    return model_class(path)(**parameters)


def model_class(path: Path, *, file_kind: str = "") -> type[Generator]:
    """The class of the model that a file describes; the same class as long as the file is the same.

    Raises:
        BadManifest: with file and key.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise BadManifest(f"{path}: {error.strerror or error}") from error
    cls = _class(path, stat.st_mtime_ns, stat.st_size)
    kind = getattr(cls, "table", {}).get("kind", file_kind)
    if file_kind and kind != file_kind:
        raise BadManifest(f"{path}: kind is '{kind}'; name it {kind}:{path}")
    return cls


@functools.cache
def _class(path: Path, changed: int, size: int) -> type[Generator]:
    where = str(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadManifest(f"{where}: {error}") from error
    kind = table.get("kind")
    if kind not in KINDS:
        raise BadManifest(f"{where}: kind must be one of {', '.join(KINDS)}, got {kind!r:.80}")
    check(table, {**_COMMON, **_OF_KIND[kind]}, _REQUIRED[kind], where)
    if kind == "py":
        return _with_defaults(_python(table["target"], f"py:{table['target']}"), table, path)
    base_class = _base(kind)
    name = table.get("name", path.parent.name if path.name == "config.toml" else path.stem)
    namespace: dict[str, Any] = {
        "__doc__": table.get("title", name),
        "name": name,
        "title": table.get("title", name),
        "revision": table.get("revision", 1),
        "source": table.get("source", where),
        "requires": {str(k): str(v) for k, v in table.get("requires", {}).items()},
        "clip_seconds": float(table["seconds"]) if "seconds" in table else None,
        "path": path,
        "table": table,
    }
    if "licence" in table:
        namespace["requires"]["licence"] = table["licence"]
    if "task" in table:
        namespace["task"] = _one_of(table["task"], get_args(Task), f"{where}: task")
        namespace["produces"] = PRODUCES.get(table["task"], ("video", "audio"))
    if "produces" in table:
        namespace["produces"] = tuple(_one_of(s, get_args(Stream), f"{where}: produces") for s in table["produces"])
    if "conditions" in table:
        for condition in table["conditions"]:
            _one_of(str(condition).removesuffix("?"), conditions.KNOWN, f"{where}: conditions")
        namespace["conditions"] = tuple(table["conditions"])
    if kind == "dir":
        namespace |= {"place": table["folder"], "near": path.parent, "pattern": table.get("pattern", "")}
        namespace["__reduce__"] = Described.__reduce__
    else:
        namespace |= base_class.read(table, where, path.parent)
    fields = [_field(key, value, where) for key, value in table.get("options", {}).items()]
    title = "".join(part.capitalize() for part in re.split(r"\W+", name)) or "Model"
    made = dataclasses.make_dataclass(title, fields, bases=(base_class,), frozen=True, namespace=namespace)
    return cast(type[Generator], made)


def _base(kind: str) -> Any:
    if kind == "proc":
        from avbench.adapters.process import Worker

        return Worker
    if kind == "dir":
        from avbench.adapters.folder import Folder

        return Folder
    from avbench.adapters.cascade import Cascade

    return Cascade


def _with_defaults(base: type[Generator], table: Mapping[str, Any], path: Path) -> type[Generator]:
    """A Python class under another name, with other defaults."""
    known = {f.name: f for f in dataclasses.fields(base)}  # type: ignore[arg-type]
    hints = get_type_hints(base)
    fields = []
    for key, value in table.get("options", {}).items():
        if key not in known:
            raise BadManifest(f"{path}: [options]: {base.name} takes {', '.join(known) or 'no parameters'}, not '{key}'")
        fields.append((key, hints[key], dataclasses.field(default=value)))
    name = table.get("name", path.parent.name)
    namespace: dict[str, Any] = {"name": name, "path": path, "table": table, "__reduce__": Described.__reduce__}
    namespace |= {key: table[key] for key in ("title", "revision", "source") if key in table}
    made = dataclasses.make_dataclass(base.__name__, fields, bases=(base,), frozen=True, namespace=namespace)
    return cast(type[Generator], made)


def _field(key: str, value: Any, where: str) -> tuple[str, type, Any]:
    if not key.isidentifier() or keyword.iskeyword(key) or hasattr(Described, key) or key == "name":
        raise BadManifest(f"{where}: [options]: '{key}' cannot be the name of a parameter")
    if not isinstance(value, bool | int | float | str):
        raise BadManifest(f"{where}: [options]: {key} must be a number, text, true or false, got {type(value).__name__}")
    return key, type(value), dataclasses.field(default=value)


def _one_of(value: Any, known: Any, where: str) -> Any:
    if value not in known:
        raise BadManifest(f"{where}: {value!r:.80} is not known; known are {', '.join(known)}")
    return value


def check(table: Mapping[str, Any], known: Mapping[str, type], required: set[str], where: str) -> None:
    """Keys and types of a table.

    Raises:
        BadManifest: naming the first that is wrong.
    """
    for key, value in table.items():
        if key not in known:
            raise BadManifest(f"{where}: unknown key '{key}'; known are {', '.join(sorted(known))}")
        wanted = known[key]
        fits = isinstance(value, int | float) if wanted is float else isinstance(value, wanted)
        if not fits or (isinstance(value, bool) and wanted in (int, float)):
            raise BadManifest(f"{where}: {key} must be {wanted.__name__}, got {type(value).__name__} {value!r:.80}")
        if wanted in (int, float) and not 0 < value < 1e9:
            raise BadManifest(f"{where}: {key} must be a positive number, got {value!r:.80}")
    lacking = sorted(required - set(table))
    if lacking:
        raise BadManifest(f"{where}: key '{lacking[0]}' is missing")
