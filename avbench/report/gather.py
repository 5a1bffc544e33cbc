"""Runs, and what a report needs of each: names, items, per-clip numbers, clips, and the command that made them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avbench import registry, suites
from avbench.compare_rows import is_of_set, rows_of
from avbench.errors import AvbenchError, BadManifest, BadParameter, UnknownName
from avbench.folders import find_clips, match
from avbench.results import Result, Score
from avbench.tables.columns import is_signal_check
from avbench.tables.names import visible
from avbench.tables.sources import digest, run_name
from avbench.types import Better, ClipFile, Item, Metric, Suite, canonical

_NAMED = 3
"""Runs that a note names before it counts the others."""


@dataclass(frozen=True)
class Run:
    """One run.

    Args:
        result: As stored.
        name: Different for every run of a report.
        suite: Where its items are described; None if that is not known.
        digest: Hash of the result.
        command: What made it, for a shell.
        values: Number of each clip by metric, for metrics that have one.
        clips: Files by item id.
        no_clips: Why there are none; empty if there are.
    """

    result: Result
    name: str
    suite: Suite | None
    digest: str
    command: str
    values: Mapping[str, Mapping[str, float]]
    clips: Mapping[str, ClipFile]
    no_clips: str

    @property
    def suite_text(self) -> str:
        """`synth15@1`; empty without a suite."""
        suite = self.result.suite
        return visible(f"{suite.get('name')}@{suite.get('version')}") if suite else ""

    def described(self) -> dict[str, Any]:
        """What the page says of it."""
        r = self.result
        expected = max((s.n_items for s in r.metrics), default=len(r.clips))
        facts = {
            "suite": self.suite_text or "none",
            "clips": f"{len(r.clips)} of {expected}",
            "device": r.device,
            "seed": str(r.request.get("seed", "")),
            "precision": str(r.request.get("precision", "")),
            "hash of the result": self.digest,
            "hash of the ids": r.hashes.get("ids", "")[:12],
            "hash of the clips": r.hashes.get("clips", "")[:12],
            "hash of the references": r.hashes.get("references", "")[:12],
        }
        versions = {f"version of {k}": v for k, v in r.versions.items()}
        return {
            "name": visible(self.name),
            "command": self.command,
            "facts": [[visible(k), visible(str(v))] for k, v in {**facts, **versions}.items() if v],
        }


@dataclass(frozen=True)
class Column:
    """One metric, over all runs that have it."""

    label: str
    title: str
    unit: str
    better: Better
    always: bool
    per_clip: bool
    digits: int

    def described(self) -> dict[str, Any]:
        """What the page says of it."""
        texts = {"label": visible(self.label), "title": visible(self.title), "unit": visible(self.unit)}
        return {**texts, "better": self.better, "always": self.always, "perClip": self.per_clip, "digits": self.digits}


@dataclass(frozen=True)
class Subject:
    """One item: what the runs were asked for, as far as it is known."""

    item: Item
    described_by_suite: bool

    def described(self) -> dict[str, Any]:
        """What the page says of it."""
        return {"id": visible(self.item.id), "prompt": visible(self.item.prompt), "events": list(self.item.events)}


@dataclass(frozen=True)
class Found:
    """Everything that a report is made of."""

    runs: tuple[Run, ...]
    metrics: tuple[Column, ...]
    items: tuple[Subject, ...]
    notes: tuple[str, ...]
    place: Mapping[str, int] = field(default_factory=dict)
    """Number of an item by its id."""

    def value_lists(self) -> list[list[list[float | None] | None]]:
        """By run and metric the number of each item; None for a metric without."""
        return [
            [
                [None if (v := values.get(s.item.id)) is None else _short(v) for s in self.items]
                if (values := run.values.get(metric.label))
                else None
                for metric in self.metrics
            ]
            for run in self.runs
        ]

    def score(self, run: Run, metric: Column) -> Score | None:
        """A run's number, if it has the metric."""
        return next((s for s in run.result.metrics if s.metric == metric.label), None)


def _short(value: float) -> float:
    """Six figures: what a drawing and a list of clips need."""
    return float(f"{value:.6g}")


def gather(
    results: Sequence[Result], *, names: Sequence[str] = (), suite: str | None = None, clip_folders: Sequence[Path] = ()
) -> Found:
    """Runs with everything that lies in their folders; what does not is said in notes."""
    if not results:
        raise BadParameter("nothing to report: give folders of finished runs")
    for what, given in (("--name", names), ("--clips", clip_folders)):
        if given and len(given) != len(results):
            raise BadParameter(
                f"{what} is given {len(given)} times for {len(results)} runs; give it once per run, in their order"
            )
    notes: list[tuple[str, str]] = []
    runs: list[Run] = []
    for k, result in enumerate(results):
        name = (names[k] if names else "") or run_name(result)
        taken = {run.name for run in runs}
        name = next(n for n in (name, *(f"{name} ({i})" for i in range(2, len(results) + 2))) if n not in taken)
        runs.append(_run(result, name, suite, clip_folders[k] if clip_folders else None, notes))
    if len({run.suite_text for run in runs}) > 1:
        notes.append(("", "the runs are over different suites; items of one id are shown side by side all the same"))
    items = _items(runs)
    place = {s.item.id: n for n, s in enumerate(items)}
    return Found(tuple(runs), tuple(_metrics(runs)), items, _told(notes), place)


def _told(notes: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """What is missing, once for all runs of which it is."""
    by: dict[str, list[str]] = {}
    for name, text in notes:
        by.setdefault(text, []).append(name)
    out = []
    for text, names in by.items():
        shown = ", ".join(dict.fromkeys(names[:_NAMED])) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        out.append(visible(f"{shown}: {text}" if shown else text))
    return tuple(out)


def _run(result: Result, name: str, suite: str | None, clip_folder: Path | None, notes: list[tuple[str, str]]) -> Run:
    described = _suite(result, name, suite, notes)
    values = {}
    for score in result.metrics:
        try:
            metric = metric_of(score)
            if metric is None:
                notes.append((name, f"{score.metric} is not installed here, so its clips are not shown one by one"))
            elif score.n_scored and not is_of_set(metric):
                rows = rows_of(result, score, metric)
                values[score.metric] = {clip: float(parts[:, 0].mean()) for clip, parts in rows.items()}
        except BadManifest as error:
            notes.append((name, f"clips are not shown one by one: {error}"))
    clips, why = _clips(result, described, clip_folder)
    if why:
        notes.append((name, why))
    return Run(result, name, described, digest(result), command(result), values, clips, why)


def metric_of(score: Score) -> Metric | None:
    """The metric of a number; None if it is not installed here."""
    try:
        spec = registry.parse_spec(score.metric)
        return registry.metric(spec.name, **dict(spec.parameters))
    except AvbenchError:
        return None


# ------------------------------------------------------------------ items


def _suite(result: Result, name: str, given: str | None, notes: list[tuple[str, str]]) -> Suite | None:
    """The suite that a run was made of, if it is here and still the same."""
    if not result.suite and given is None:
        return None
    wanted = given if given is not None else str(result.suite.get("name"))
    limit = result.request.get("limit")
    try:
        found = suites.load(wanted, limit=limit if isinstance(limit, int) and limit > 0 else None)
    except AvbenchError as error:
        if given is not None:
            raise
        why = "is not here" if isinstance(error, UnknownName) else f"cannot be read here ({error})"
        notes.append((name, f"suite {wanted} {why}, so prompts and categories are missing; give its folder with --suite"))
        return None
    items = hashlib.sha256(canonical([dataclasses.asdict(i) for i in found.items]).encode()).hexdigest()
    if result.suite and items != result.suite.get("items"):
        there = f"{found.name}@{found.version}"
        notes.append((name, f"its items are not those of suite {there} here; prompts and categories are left out"))
        return None
    return found


def _items(runs: Sequence[Run]) -> tuple[Subject, ...]:
    """Items in the suites' order, then those that no suite describes by name."""
    known = {item.id: Subject(item, True) for run in runs if run.suite is not None for item in run.suite.items}
    ids = {id for run in runs for id in (*run.result.clips, *(c for s in run.result.metrics for c in s.unscored))}
    others = [Subject(Item(id), False) for id in sorted(ids - set(known))]
    return (*(s for id, s in known.items() if id in ids), *others)


def _metrics(runs: Sequence[Run]) -> list[Column]:
    out = []
    firsts: dict[str, Score] = {}
    for run in runs:
        for score in run.result.metrics:
            firsts.setdefault(score.metric, score)
    for label, score in firsts.items():
        found = [v for run in runs for v in run.values.get(label, {}).values()]
        largest = max((abs(v) for v in (*found, score.value) if v == v and abs(v) != float("inf")), default=0.0)
        digits = next((d for d in range(5) if largest >= 10 ** (3 - d)), 5) if largest else 0
        column = Column(label, score.title, score.unit, score.better, is_signal_check(label), bool(found), digits)
        out.append(column)
    return [c for c in out if not c.always] + [c for c in out if c.always]


# ------------------------------------------------------------------ clips


def _clips(result: Result, suite: Suite | None, given: Path | None) -> tuple[dict[str, ClipFile], str]:
    """The run's clips by item, or why they are not here."""
    named = str(result.request.get("clips") or "")
    home = result.folder or Path()
    places = [given] if given is not None else [home / "clips"] if result.model or not named else [Path(named), home / named]
    folder = next((p for p in places if p.is_dir()), places[0])
    items = suite.items if suite is not None else tuple(Item(id) for id in result.clips)
    if not items:
        return {}, "the run has no clips"
    try:
        return match(find_clips(folder), items, suite.name if suite is not None else "none")[0], ""
    except AvbenchError as error:
        there = folder.is_dir()
        why = f"its clips cannot be told: {error}" if there else "its clips are not where the run left them"
        return {}, f"{why}; say where they are with --clips"


# ------------------------------------------------------------------ command


def command(result: Result) -> str:
    """The command that made a run, as its folder keeps it, or else the one that its request amounts to."""
    argv = _kept(result)
    request = result.request
    if argv is None:
        verb = "run" if result.model else "score"
        argv = ["run", "--model", result.model] if verb == "run" else ["score", str(request.get("clips", ""))]
        if request.get("suite"):
            argv += ["--suite", str(request["suite"]).rpartition("@")[0]]
        if request.get("limit"):
            argv += ["--limit", str(request["limit"])]
        if verb == "run":
            argv += ["--seed", str(request.get("seed", 0))]
        asked = [s.metric for s in result.metrics if not is_signal_check(s.metric)]
        argv += ["--metrics", ",".join(asked)] if asked else []
        if request.get("precision", "float32") != "float32":
            argv += ["--precision", str(request["precision"])]
    return " ".join(["avbench", *(quoted(part) for part in argv)])


def _kept(result: Result) -> list[str] | None:
    path = (result.folder or Path()) / "run_info.json"
    try:
        argv = json.loads(path.read_text(encoding="utf-8")).get("command")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    if not isinstance(argv, list) or len(argv) < 2 or not all(isinstance(a, str) for a in argv):
        return None
    ours = Path(argv[0]).name in ("avbench", "avbench.exe", "__main__.py") and argv[1] in ("run", "score")
    return argv[1:] if ours else None


def quoted(text: str) -> str:
    """A word for a shell: one line, and no character that a terminal would act on."""
    if visible(text) == text:
        return shlex.quote(text)
    parts = [
        f"\\{c}" if c in "\\'" else c if " " <= c <= "~" else "".join(f"\\x{b:02x}" for b in c.encode("utf-8", "surrogatepass"))
        for c in text
    ]
    return f"$'{''.join(parts)}'"


def slug(text: str) -> str:
    """Letters, digits and dashes, for keys and names of files."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower() or "x"
