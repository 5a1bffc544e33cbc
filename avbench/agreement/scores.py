"""Metric values per clip: from a run's rows, or from a table."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np

from avbench import registry, results
from avbench.agreement.ratings import clip_id
from avbench.errors import AvbenchError, BadFolder, BadManifest, UnknownName
from avbench.folders import file_name, find_clips, shown
from avbench.results import Result
from avbench.types import Better

SENTINELS = ("duration", "loudness", "bit_rate", "motion_energy", "resolution")
"""Quantities that say nothing of quality: one that agrees with people like a metric says that the clips are confounded."""


@dataclass(frozen=True)
class Values:
    """One metric, clip by clip.

    Args:
        better: Of the metric.
        by_clip: Finite values.
        unscored: Clips without a value, with reasons.
        sentinel: Whether it is one of `SENTINELS`.
    """

    better: Better
    by_clip: Mapping[str, float]
    unscored: Mapping[str, str] = field(default_factory=dict)
    sentinel: bool = False

    @property
    def sign(self) -> float:
        """-1 where lower is better, so that higher values always mean better."""
        return -1.0 if self.better == "lower" else 1.0


@dataclass(frozen=True)
class Scores:
    """Every metric that has a value per clip.

    Args:
        metrics: By label.
        notes: What is missing, and why.
        source: The file or folder.
    """

    metrics: Mapping[str, Values]
    notes: tuple[str, ...]
    source: str

    @property
    def clips(self) -> frozenset[str]:
        """Clips that any metric knows of, scored or not."""
        return frozenset(c for v in self.metrics.values() for c in (*v.by_clip, *v.unscored))


def read_scores(path: Path, *, clips: Path | None = None) -> Scores:
    """A run (`result.json` and `rows/`) or a CSV file with `clip,metric,value` and, if wanted, `better`.

    Args:
        path: The run's folder or the file.
        clips: Folder of the clips, for sentinels that SCORES does not hold.

    Raises:
        BadManifest: for what is neither; names file and line.
    """
    if path.is_dir() or path.name == "result.json":
        found = _from_run(results.read(path))
    elif path.is_file():
        found = _from_table(path)
    else:
        raise BadManifest(f"{path} is not there; give the folder of a run, or a CSV file with clip, metric and value")
    return _with_sentinels(found, path, clips)


# ------------------------------------------------------------------ a run


def _from_run(run: Result) -> Scores:
    metrics, notes = {}, []
    for score in run.metrics:
        if _is_set_metric(score.metric):
            notes.append(f"{score.metric} has no value per clip: it compares sets")
            continue
        rows = results.rows(run, score.metric)
        if "row" in rows.columns or len(rows.columns) < 3:
            notes.append(f"{score.metric} has no value per clip: its rows are embeddings")
            continue
        mean = rows.groupby("clip")[rows.columns[2]].mean()
        metrics[score.metric] = Values(
            score.better, {str(c): float(v) for c, v in mean.items()}, dict(score.unscored), score.metric in SENTINELS
        )
    if not metrics:
        raise BadManifest(f"{run.folder}: no metric of this run has a value per clip")
    energy = _motion_energy(run)
    if energy:
        metrics["motion_energy"] = Values("none", energy, sentinel=True)
    return Scores(metrics, tuple(notes), shown(str(run.folder)))


def _is_set_metric(label: str) -> bool:
    try:
        return registry.metric_class(registry.parse_spec(label).name).needs_all
    except UnknownName:
        return False


def _motion_energy(run: Result) -> dict[str, float]:
    """Mean change of brightness from frame to frame, which every run traces."""
    import pandas as pd

    path = (run.folder or Path()) / "traces" / "static_picture.parquet"
    if not path.is_file():
        return {}
    table = pd.read_parquet(path)
    changes = table[table["name"] == "change"]
    return {str(c): float(np.mean(v)) for c, v in zip(changes["clip"], changes["values"], strict=True) if len(v)}


# ------------------------------------------------------------------ a table


def _from_table(path: Path) -> Scores:
    name = shown(path.name)
    values: dict[str, dict[str, float]] = {}
    unscored: dict[str, dict[str, str]] = {}
    better: dict[str, Better] = {}
    places: dict[tuple[str, str], int] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            lacking = {"clip", "metric", "value"} - set(reader.fieldnames or ())
            if lacking:
                raise BadManifest(f"{name}, line 1: the header lacks {', '.join(sorted(lacking))}; expected clip,metric,value")
            for row in reader:
                where = f"{name}, line {reader.line_num}"
                clip, metric, text = clip_id(row["clip"] or ""), (row["metric"] or "").strip(), (row["value"] or "").strip()
                if not clip or not metric:
                    raise BadManifest(f"{where}: clip or metric is empty")
                if (clip, metric) in places:
                    raise BadManifest(f"{where}: {metric} of clip '{clip}' is there already, at line {places[clip, metric]}")
                places[clip, metric] = reader.line_num
                given = (row.get("better") or "").strip()
                if given not in ("", "higher", "lower", "none") or given != better.get(metric, given):
                    raise BadManifest(f"{where}: better must be higher, lower or none, and the same in all rows of {metric}")
                if given:
                    better[metric] = cast(Better, given)
                unscored.setdefault(metric, {})
                number = _number(text, where)
                if math.isfinite(number):
                    values.setdefault(metric, {})[clip] = number
                else:
                    unscored[metric][clip] = text or "empty"
    except csv.Error as error:
        raise BadManifest(f"{name}: not CSV: {error}") from error
    except UnicodeDecodeError as error:
        raise BadManifest(f"{name}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    if not values:
        raise BadManifest(f"{name}: there is not one value in it")
    notes = []
    for metric in values:
        if metric not in better:
            better[metric], known = _direction(metric)
            if not known:
                notes.append(
                    f"{metric}: avbench does not know it, so higher counts as better; a column `better` says otherwise"
                )
    metrics = {m: Values(better[m], v, unscored[m], m in SENTINELS) for m, v in values.items()}
    return Scores(metrics, tuple(notes), shown(str(path)))


def _number(text: str, where: str) -> float:
    if not text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise BadManifest(f"{where}: value must be a number (or empty for none), got '{text}'") from None


def _direction(metric: str) -> tuple[Better, bool]:
    """Which way a metric points, and whether that is known."""
    if metric in SENTINELS:
        return "none", True
    try:
        return registry.metric_class(registry.parse_spec(metric).name).better, True
    except AvbenchError:
        return "higher", False


# ------------------------------------------------------------------ sentinels


def _with_sentinels(scores: Scores, path: Path, clips: Path | None) -> Scores:
    """Add bit rate, resolution and what else is lacking, from the clips' files where they are there."""
    metrics, notes = dict(scores.metrics), list(scores.notes)
    folder = clips if clips is not None else _folder_of(path)
    if folder is not None and folder.is_dir():
        facts = _facts(folder, scores.clips)
        for name, by_clip in facts.items():
            if name not in metrics and by_clip:
                metrics[name] = Values("none", by_clip, sentinel=True)
    if clips is not None and any(s not in metrics for s in ("loudness", "motion_energy")):
        for name, found in _measured(clips).items():
            kept = {c: v for c, v in found.by_clip.items() if c in scores.clips}
            if name in SENTINELS and name not in metrics and kept:
                metrics[name] = Values("none", kept, sentinel=True)
    lacking = [s for s in SENTINELS if s not in metrics]
    if lacking:
        notes.append(f"sentinels that cannot be read here: {', '.join(lacking)}; give the folder of the clips with --clips")
    return Scores(metrics, tuple(notes), scores.source)


def _folder_of(path: Path) -> Path | None:
    """Where a run's clips are."""
    if not (path.is_dir() or path.name == "result.json"):
        return None
    run = results.read(path)
    given = str(run.request.get("clips") or "")
    return Path(given) if given else (run.folder or Path()) / "clips"


def _facts(folder: Path, wanted: frozenset[str]) -> dict[str, dict[str, float]]:
    """Bit/s, pixels and seconds of each clip, decoded in child processes; clips that cannot be read have none."""
    from avbench import api, engine
    from avbench.store import DiskStore, default_home

    try:
        found = find_clips(folder).clips
    except BadFolder:
        return {}
    known = {file_name(c): c for c in wanted} | {c: c for c in wanted}
    named = {known.get(c.id) or known.get(c.id.rsplit("/", 1)[-1]): c for c in found}
    clips = {name: clip for name, clip in named.items() if name is not None}
    made = engine.extract(list(clips.values()), [api.want("stream_facts")], store=DiskStore(default_home() / "features"))
    out: dict[str, dict[str, float]] = {"bit_rate": {}, "resolution": {}, "duration": {}}
    for index, (name, clip) in enumerate(clips.items()):
        facts = made.features(index, 0)
        if isinstance(facts, engine.Failure):
            continue
        seconds = max(float(facts["video_seconds"]), float(facts["audio_seconds"]))
        if seconds > 0:
            size = clip.path.stat().st_size + (clip.audio.stat().st_size if clip.audio is not None else 0)
            out["bit_rate"][name] = 8.0 * size / seconds
            out["resolution"][name] = float(facts["width"] * facts["height"])
            out["duration"][name] = seconds
    return out


def _measured(clips: Path) -> Mapping[str, Values]:
    """The signal checks of a run over the clips, in a folder that is thrown away; features are found again."""
    import tempfile

    from avbench import pipeline

    with tempfile.TemporaryDirectory() as scratch:
        pipeline.score(clips, metrics=["duration", "loudness"], out=Path(scratch) / "run")
        return _from_run(results.read(Path(scratch) / "run")).metrics
