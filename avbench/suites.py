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
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from avbench import content, item_tables, registry
from avbench.data.references import Prepared, at_home
from avbench.errors import BadManifest, BadParameter, MissingData, UnknownName
from avbench.folders import find_clips, match
from avbench.store import default_home
from avbench.suite_schema import CLIP, CONDITIONS, CONFORMANCE, ITEM, LARGE, PREPARED, PROTOCOL, REFERENCE, RULES, TOP, check
from avbench.types import SAMPLE, ClipFile, Item, MetricSpec, References, Suite

MOST_SAMPLES = 1000


def names() -> list[str]:
    """Suites that come with avbench."""
    return sorted(p.parent.name for p in content.folder("benchmarks").glob("*/suite.toml"))


def data_home() -> Path:
    """Where suites' media are: `AVBENCH_DATA`, or `data` in `AVBENCH_HOME`."""
    return Path(os.environ["AVBENCH_DATA"]) if os.environ.get("AVBENCH_DATA") else default_home() / "data"


def load(name: str, *, protocol: str | None = None, limit: int | None = None, manifest: Path | str | None = None) -> Suite:
    """A suite by name or folder, with its items.

    Args:
        name: A name from `names()`, or the path of a folder with a `suite.toml`.
        protocol: Which of the suite's protocols; None for its default.
        limit: Only the first items (before they are repeated for several samples).
        manifest: A CSV or JSON Lines file that the items are taken from, in place of the suite's own.

    Raises:
        UnknownName: with the nearest name.
        BadManifest: with file, line and key.
        BadParameter: for a limit below 1.
        MissingData: if the items are not part of avbench and not prepared; says what to get and what to run.
    """
    if limit is not None and limit < 1:
        raise BadParameter(f"limit must be 1 or more, got {limit}")
    suite = described(name, protocol=protocol)
    path = items_file(suite) if manifest is None else Path(manifest)
    items = read_items(path) if manifest is None else item_tables.read(path)
    whole = len(items)
    return at_home(dataclasses.replace(suite, items=sampled(items[:limit], suite.samples_per_item, suite.name), expected=whole))


def described(name: str, *, protocol: str | None = None) -> Suite:
    """A suite without its items: all that `suite.toml` says; raises as `load` does."""
    folder = content.folder("benchmarks") / name
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name) or not (folder / "suite.toml").is_file():
        folder = Path(name)
        if not (folder / "suite.toml").is_file():
            raise UnknownName("suite", name, names())
    path = folder / "suite.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # ValueError: TOML, UTF-8, or an integer of thousands of digits
        raise BadManifest(f"{path}: {error}") from error
    check(table, TOP, str(path))
    check(table["clip"], CLIP, f"{path}: [clip]")
    _check_values(table, path)
    chosen = protocol or table["default_protocol"]
    if chosen not in table["protocols"]:
        raise UnknownName(f"protocol of suite {table['name']}", chosen, table["protocols"])
    plan, where = table["protocols"][chosen], f"{path}: [protocols.{chosen}]"
    check(plan, PROTOCOL, where)
    rules = {**dict.fromkeys(CLIP, "flag"), **table.get("conformance", {}), **plan.get("conformance", {})}
    for key, rule in rules.items():
        if key not in CONFORMANCE or rule not in RULES:
            check({key: rule}, CONFORMANCE, f"{path}: conformance")
            raise BadManifest(f"{path}: conformance: {key} must be {' or '.join(RULES)}, got {rule!r:.80}")
    prepared = table.get("prepared", {})
    if "prepared" in table:
        check(prepared, PREPARED, f"{path}: [prepared]")
    metrics, only = _metrics(plan, where)
    suite = Suite(
        name=table["name"],
        version=table["version"],
        title=table["title"],
        items=(),
        metrics=metrics,
        conditions=tuple(table.get("conditions", ())),
        seconds=float(table["clip"]["seconds"]),
        frame_rate=float(table["clip"]["frame_rate"]),
        width=table["clip"]["width"],
        height=table["clip"]["height"],
        sample_rate=table["clip"]["sample_rate"],
        folder=folder,
        source=table.get("source", ""),
        licence=table.get("licence", ""),
        protocol=chosen,
        protocols=tuple(table["protocols"]),
        not_yet=tuple(plan.get("not_yet", ())),
        only=only,
        paper=table.get("paper", ""),
        used_in=plan.get("paper", ""),
        download=table.get("download", ""),
        samples_per_item=table.get("samples_per_item", 1),
        conformance=rules,
        aspects={name: tuple(classes) for name, classes in table.get("aspects", {}).items()},
        expected=prepared.get("count", 0),
        items_file=table["items"],
        prepared="prepared" in table,
        statistics=table.get("reference", {}).get("statistics", ""),
    )
    _inside(folder, table["items"], path)
    return dataclasses.replace(suite, reference=_references(suite, table.get("reference", {}), path))


def made_up(manifest: Path | str | None, references: Path | str | None, limit: int | None = None) -> Suite:
    """A suite of somebody's clips: items from a table, or one for each reference clip; no wishes, no metrics of its own.

    Args:
        manifest: CSV or JSON Lines with the items; None takes the names of the reference clips.
        references: Folder of reference clips, named as the items.
        limit: Only the first items.
    """
    if manifest is not None:
        items, name = item_tables.read(Path(manifest)), Path(manifest).stem
    else:
        folder = Path(references or ".")
        stems = [clip.id.rsplit("/", 1)[-1] for clip in find_clips(folder).clips]
        items, name = tuple(Item(stem) for stem in dict.fromkeys(stems)), folder.resolve().name
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", name).lstrip(".") or "clips"
    suite = Suite(name, 0, "", items[:limit], (), (), 0.0, 0.0, 0, 0, 0, Path(manifest or references or ".").parent)
    return suite if references is None else compared_with(suite, Path(references))


def compared_with(suite: Suite, references: Path) -> Suite:
    """The suite with a folder of reference clips of one's own, named as the items.

    Raises:
        BadFolder: if no clip there is an item, or two are the same.
    """
    clips, _ = match(find_clips(references), suite.items, suite.name)
    return dataclasses.replace(suite, reference=Given(clips))


def items_file(suite: Suite) -> Path:
    """Where the items are: in the suite's folder, or prepared in the data folder.

    Raises:
        MissingData: if they are in neither.
    """
    own = suite.folder / suite.items_file
    if own.is_file() or not suite.prepared:
        return own
    there = data_home() / suite.name / "items.jsonl"
    if not there.is_file():
        raise MissingData(
            f"suite {suite.name}: its items are not part of avbench and not in {there}; get: {suite.download}; then run "
            f"`avbench data prepare {suite.name} --from FILE`, or give the file with --manifest FILE"
        )
    return there


def count(suite: Suite) -> int:
    """How many items the whole suite has, each once: lines of its file, or what is published where that is not here."""
    if suite.items:  # loaded, perhaps with a limit
        return suite.expected
    try:
        path = items_file(suite)
    except MissingData:
        return suite.expected
    return len(read_items(path))


def with_samples(suite: Suite, samples: int) -> Suite:
    """The suite with every item asked for several times, under the ids `<id>_0`, `<id>_1`, ...; itself for one sample.

    Each sample has a seed of its own (`avbench.conditions.seed_of`) and the reference clip of its item. Intervals take samples
    for independent clips, which those of one item are not quite.

    Raises:
        BadParameter: for a number that cannot be, if the suite itself asks for several samples, or if two would have one id.
    """
    if not 1 <= samples <= MOST_SAMPLES:
        raise BadParameter(f"samples must be 1 to {MOST_SAMPLES}, got {samples}")
    if samples == 1:
        return suite
    if suite.samples_per_item > 1:
        raise BadParameter(f"suite {suite.name} asks for {suite.samples_per_item} samples of each item itself")
    return dataclasses.replace(suite, items=sampled(suite.items, samples, suite.name))


def sampled(items: tuple[Item, ...], samples: int, suite: str) -> tuple[Item, ...]:
    """Each item as often as it is to be made: `x` becomes `x_0`, `x_1`, ...; one sample leaves the items as they are.

    Raises:
        BadParameter: if samples of two items would have one id.
    """
    if samples == 1:
        return items
    made = tuple(
        dataclasses.replace(item, id=f"{item.id}_{k}", fields={**item.fields, SAMPLE: {"id": item.id, "index": k}})
        for item in items
        for k in range(samples)
    )
    twice = [id for id, count in Counter(item.id for item in made).items() if count > 1]
    if twice:
        raise BadParameter(f"suite {suite}: samples of two items would both be called '{twice[0]}'; rename an item")
    return made


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
        check(entry, ITEM, where)
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
        if not all(isinstance(e, int | float) and not isinstance(e, bool) and abs(e) < LARGE for e in events):
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
    return 0 < value < LARGE


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
    if not 1 <= table.get("samples_per_item", 1) <= MOST_SAMPLES:
        raise BadManifest(f"{path}: samples_per_item must be 1 to {MOST_SAMPLES}, got {table['samples_per_item']!r:.80}")
    for name, classes in table.get("aspects", {}).items():
        if not (isinstance(classes, list) and classes and all(isinstance(c, str) and c for c in classes)):
            raise BadManifest(f"{path}: [aspects]: {name:.80} must be a list of classes, got {classes!r:.80}")


def _metrics(plan: Mapping[str, Any], where: str) -> tuple[tuple[MetricSpec, ...], dict[str, tuple[str, ...]]]:
    """The metrics of a protocol, and for which items alone each is, by its label."""
    specs, only = [], {}
    for entry in plan["metrics"]:
        text, tags = entry, None
        if isinstance(entry, dict) and set(entry) == {"metric", "only"}:
            text, tags = entry["metric"], entry["only"]
            if not (isinstance(tags, list) and tags and all(isinstance(t, str) for t in tags)):
                raise BadManifest(f"{where}: only must be a list of tags, got {tags!r:.80}")
        if not isinstance(text, str):
            raise BadManifest(
                f'{where}: a metric is a name such as "av_align[javisbench]", '
                f'or {{metric = "...", only = ["tag"]}}, got {entry!r:.80}'
            )
        try:
            spec = registry.parse_spec(text)
            if tags is not None:
                only[registry.metric(spec.name, **dict(spec.parameters)).label] = tuple(tags)
        except (BadParameter, UnknownName) as error:
            raise BadManifest(f"{where}: {error}") from error
        specs.append(spec)
    if not all(isinstance(name, str) for name in plan.get("not_yet", ())):
        raise BadManifest(f"{where}: not_yet must be names, got {plan['not_yet']!r:.80}")
    return tuple(specs), only


# ------------------------------------------------------------------ reference clips


def _references(suite: Suite, table: Mapping[str, Any], path: Path) -> References | None:
    check(table, REFERENCE, f"{path}: [reference]")
    if "renderer" in table:
        _check_renderer(table["renderer"], f"{path}: [reference]")
        return Rendered(suite, table["renderer"])
    if table.get("prepared"):
        return Prepared(suite, data_home() / suite.name)
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
        once = {item.origin: dataclasses.replace(item, id=item.origin) for item in items}
        paths: dict[str, Path] = module.write(
            list(once.values()),
            self.folder,
            width=s.width,
            height=s.height,
            frame_rate=s.frame_rate,
            seconds=s.seconds,
            sample_rate=s.sample_rate,
            progress=None if self.progress is None else functools.partial(self.progress, "render"),
        )
        return {item.id: ClipFile(item.id, paths[item.origin]).of(item) for item in items}


class Given(References):
    """Reference clips of which each is known already."""

    def __init__(self, clips: Mapping[str, ClipFile]) -> None:
        self.clips = clips

    def ready(self, items: Sequence[Item]) -> dict[str, ClipFile]:
        """Those of the items."""
        found = {i.id: self.clips.get(i.id) or self.clips.get(i.origin) for i in items}
        return {i.id: clip.of(i) for i in items if (clip := found[i.id]) is not None}


class InFolder(References):
    """Reference clips that the user has put in the data folder."""

    def __init__(self, suite: Suite, folder: str, obtain: str) -> None:
        self.suite, self.obtain = suite, obtain
        self.folder = suite.folder / folder if (suite.folder / folder).is_dir() else data_home() / suite.name / folder

    @property
    def there(self) -> bool:
        """Whether the folder is."""
        return self.folder.is_dir()

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
        return {i.id: clips[i.origin].of(i) for i in items if i.origin in clips}
