"""Suites: `suite.toml` and `items.jsonl` to a `Suite`.

A suite is data, found by the name of its folder under `benchmarks/`, or by the path of a folder anywhere. Keys that are
not known are errors, and so are wrong types: the message names file and line or key.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib
import json
import os
import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from avbench import content, registry
from avbench.errors import BadManifest, BadParameter, MissingData, UnknownName
from avbench.folders import find_clips
from avbench.store import default_home
from avbench.types import ClipFile, Item, MetricSpec, References, Suite

_TOP = {
    "name": str,
    "version": int,
    "title": str,
    "items": str,
    "conditions": list,
    "default_protocol": str,
    "source": str,
    "licence": str,
    "clip": dict,
    "reference": dict,
    "protocols": dict,
}
_REQUIRED = {"name", "version", "title", "items", "clip", "protocols", "default_protocol"}
_CLIP = {"seconds": float, "frame_rate": float, "width": int, "height": int, "sample_rate": int}
_REFERENCE = {"renderer": str, "folder": str, "obtain": str}
CONDITIONS = ("audio", "category", "first_frame", "text")
"""What a suite can give to a generator."""
_LARGE = 1e12
"""Beyond any length, rate or size; also refuses infinities, and integers that no float holds."""
_ITEM = {"id": str, "prompt": str, "category": str, "tags": list, "seconds": float, "events": list, "fields": dict}


def names() -> list[str]:
    """Suites that come with avbench."""
    return sorted(p.parent.name for p in content.folder("benchmarks").glob("*/suite.toml"))


def data_home() -> Path:
    """Where suites' media are: `AVBENCH_DATA`, or `data` in `AVBENCH_HOME`."""
    return Path(os.environ["AVBENCH_DATA"]) if os.environ.get("AVBENCH_DATA") else default_home() / "data"


def load(name: str, *, protocol: str | None = None, limit: int | None = None) -> Suite:
    """A suite by name or folder.

    Args:
        name: A name from `names()`, or the path of a folder with a `suite.toml`.
        protocol: Which of the suite's protocols; None for its default.
        limit: Only the first items.

    Raises:
        UnknownName: with the nearest name.
        BadManifest: with file, line and key.
        BadParameter: for a limit below 1.
    """
    folder = content.folder("benchmarks") / name
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name) or not (folder / "suite.toml").is_file():
        folder = Path(name)
        if not (folder / "suite.toml").is_file():
            raise UnknownName("suite", name, names())
    if limit is not None and limit < 1:
        raise BadParameter(f"limit must be 1 or more, got {limit}")
    path = folder / "suite.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # ValueError: TOML, UTF-8, or an integer of thousands of digits
        raise BadManifest(f"{path}: {error}") from error
    _check(table, _TOP, _REQUIRED, str(path))
    _check(table["clip"], _CLIP, set(_CLIP), f"{path}: [clip]")
    _check_values(table, path)
    items = read_items(_inside(folder, table["items"], path))
    chosen = protocol or table["default_protocol"]
    if chosen not in table["protocols"]:
        raise UnknownName(f"protocol of suite {table['name']}", chosen, table["protocols"])
    suite = Suite(
        name=table["name"],
        version=table["version"],
        title=table["title"],
        items=items[:limit],
        metrics=_metrics(table["protocols"][chosen], f"{path}: [protocols.{chosen}]"),
        conditions=tuple(table.get("conditions", ())),
        seconds=float(table["clip"]["seconds"]),
        frame_rate=float(table["clip"]["frame_rate"]),
        width=table["clip"]["width"],
        height=table["clip"]["height"],
        sample_rate=table["clip"]["sample_rate"],
        folder=folder,
        source=table.get("source", ""),
        licence=table.get("licence", ""),
    )
    return dataclasses.replace(suite, reference=_references(suite, table.get("reference", {}), path))


def read_items(path: Path) -> tuple[Item, ...]:
    """Items of a JSON Lines file.

    Raises:
        BadManifest: for the first line that is not an item, or that repeats an id.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadManifest(f"{path}: cannot be read: {error}") from error
    items: list[Item] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:  # ValueError also for an integer of thousands of digits
            column = f":{error.colno}" if isinstance(error, json.JSONDecodeError) else ""
            raise BadManifest(f"{where}{column}: not JSON: {error}") from error
        if not isinstance(entry, dict):
            raise BadManifest(f"{where}: expected an object, got {type(entry).__name__}")
        _check(entry, _ITEM, {"id"}, where)
        try:
            json.dumps(entry, ensure_ascii=False).encode()
            copy.deepcopy(entry)
        except UnicodeEncodeError as error:
            raise BadManifest(f"{where}: half of a surrogate pair, which is no text: {ascii(error.object)[:80]}") from error
        except RecursionError as error:
            raise BadManifest(f"{where}: nested too deeply") from error
        if not entry["id"]:
            raise BadManifest(f"{where}: id is empty")
        # Clips in folders are named in NFC as well: two ways to write one name are one name.
        entry["id"] = unicodedata.normalize("NFC", entry["id"])
        if "seconds" in entry and not _positive(entry["seconds"]):
            raise BadManifest(f"{where}: seconds must be a positive number, got {entry['seconds']!r:.80}")
        if entry["id"] in seen:
            raise BadManifest(f"{where}: id '{entry['id']}' is already on line {seen[entry['id']]}; ids must differ")
        seen[entry["id"]] = number
        events = entry.get("events", [])
        if not all(isinstance(e, int | float) and not isinstance(e, bool) and abs(e) < _LARGE for e in events):
            raise BadManifest(f"{where}: events must be finite numbers (seconds), got {events!r:.80}")
        if not all(isinstance(t, str) for t in entry.get("tags", [])):
            raise BadManifest(f"{where}: tags must be strings, got {entry['tags']}")
        entry["events"] = tuple(float(e) for e in events)
        entry["tags"] = tuple(entry.get("tags", ()))
        items.append(Item(**entry))
    if not items:
        raise BadManifest(f"{path}: there are no items")
    return tuple(items)


def _inside(folder: Path, name: str, path: Path) -> Path:
    target = folder / name
    if "\0" in name or not target.resolve().is_relative_to(folder.resolve()):
        raise BadManifest(f"{path}: items = {name!r} leads out of the suite's folder")
    return target


def _positive(value: float) -> bool:
    return 0 < value < _LARGE


def _check_values(table: Mapping[str, Any], path: Path) -> None:
    """What the types alone do not say."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", table["name"]):
        raise BadManifest(f"{path}: name must be letters, digits and _ . - (it names folders), got {table['name']!r:.80}")
    for key, value in table["clip"].items():
        if not _positive(value):
            raise BadManifest(f"{path}: [clip]: {key} must be a positive number, got {value!r:.80}")
    if not all(isinstance(c, str) for c in table.get("conditions", ())):
        raise BadManifest(f"{path}: conditions must be strings, got {table['conditions']!r:.80}")
    for condition in table.get("conditions", ()):
        if condition not in CONDITIONS:
            raise BadManifest(f"{path}: unknown condition {condition!r:.80}; known are {', '.join(CONDITIONS)}")


def _check(table: Mapping[str, Any], known: Mapping[str, type], required: set[str], where: str) -> None:
    for key, value in table.items():
        if key not in known:
            raise BadManifest(f"{where}: unknown key '{key}'; known are {', '.join(sorted(known))}")
        wanted = known[key]
        fits = isinstance(value, int | float) if wanted is float else isinstance(value, wanted)
        if not fits or (isinstance(value, bool) and wanted in (int, float)):
            raise BadManifest(f"{where}: {key} must be {wanted.__name__}, got {type(value).__name__} {value!r:.80}")
    missing = sorted(required - set(table))
    if missing:
        raise BadManifest(f"{where}: key '{missing[0]}' is missing")


def _metrics(table: Any, where: str) -> tuple[MetricSpec, ...]:
    if not isinstance(table, dict) or set(table) != {"metrics"} or not isinstance(table["metrics"], list):
        raise BadManifest(f"{where}: expected one key, metrics = [...]")
    specs = []
    for entry in table["metrics"]:
        if not isinstance(entry, str):
            raise BadManifest(f'{where}: a metric is a name such as "av_align[javisbench]", got {entry!r:.80}')
        try:
            specs.append(registry.parse_spec(entry))
        except BadParameter as error:
            raise BadManifest(f"{where}: {error}") from error
    return tuple(specs)


# ------------------------------------------------------------------ reference clips


def _references(suite: Suite, table: Mapping[str, Any], path: Path) -> References | None:
    _check(table, _REFERENCE, set(), f"{path}: [reference]")
    if "renderer" in table:
        _check_renderer(table["renderer"], f"{path}: [reference]")
        return Rendered(suite, table["renderer"])
    if "folder" in table:
        if "\0" in table["folder"] or Path(table["folder"]).is_absolute() or ".." in Path(table["folder"]).parts:
            raise BadManifest(f"{path}: [reference]: folder = {table['folder']!r} leads out of the suite's folder")
        return InFolder(suite, table["folder"], table.get("obtain", suite.source))
    return None


def _check_renderer(name: str, where: str) -> None:
    try:
        module = importlib.import_module(f"avbench.{name}") if name.isidentifier() else None
        found = hasattr(module, "__path__") and hasattr(module, "write")  # a package, such as avbench.synth15
    except ModuleNotFoundError:
        found = False
    if not found:
        raise BadManifest(f"{where}: avbench has no renderer {name!r:.80}")


class Rendered(References):
    """Reference clips that a renderer of avbench makes, once, in the data folder."""

    def __init__(self, suite: Suite, renderer: str) -> None:
        self.suite, self.renderer = suite, renderer

    @property
    def folder(self) -> Path:
        """Where they are; another size or rate is another folder."""
        s = self.suite
        shape = f"{s.width}x{s.height}-{s.frame_rate:g}fps-{s.seconds:g}s-{s.sample_rate}hz"
        return data_home() / s.name / f"v{s.version}-{shape}"

    def ready(self, items: Sequence[Item]) -> dict[str, ClipFile]:
        """Render what is missing."""
        s = self.suite
        module = importlib.import_module(f"avbench.{self.renderer}")
        paths: dict[str, Path] = module.write(
            items,
            self.folder,
            width=s.width,
            height=s.height,
            frame_rate=s.frame_rate,
            seconds=s.seconds,
            sample_rate=s.sample_rate,
            progress=None if self.progress is None else functools.partial(self.progress, "render"),
        )
        return {item.id: ClipFile(item.id, paths[item.id]).of(item) for item in items}


class InFolder(References):
    """Reference clips that the user has put in the data folder."""

    def __init__(self, suite: Suite, folder: str, obtain: str) -> None:
        self.suite, self.obtain = suite, obtain
        self.folder = suite.folder / folder if (suite.folder / folder).is_dir() else data_home() / suite.name / folder

    def ready(self, items: Sequence[Item]) -> dict[str, ClipFile]:
        """Find them."""
        if not self.folder.is_dir():
            raise MissingData(
                f"suite {self.suite.name}: the reference clips are not in {self.folder}; get them from: {self.obtain}; "
                f"then put them there as <item id>.mp4, or set AVBENCH_DATA to the folder that holds {self.suite.name}/"
            )
        clips = {c.id: c for c in find_clips(self.folder).clips} | {
            c.id.rsplit("/", 1)[-1]: c for c in find_clips(self.folder).clips
        }
        return {i.id: clips[i.id].of(i) for i in items if i.id in clips}
