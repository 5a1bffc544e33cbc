"""What a run says: the schema of `result.json`, writing, reading, comparing settings.

`result.json` holds nothing that changes between two runs of the same command on the same clips: times, paths of temporary
things, counters and the host are in `run_info.json` beside it. A number that does not exist is the string `"NaN"`, so that it
survives any JSON reader, and is never 0 or -1.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadManifest
from avbench.store import write_bytes
from avbench.types import Array, Better

SCHEMA = 1

_NUMBERS = ("value", "low", "high")


@dataclass(frozen=True)
class Score:
    """One metric of one run.

    Args:
        metric: Name with its parameters, `av_align[javisbench]`.
        title: A line for tables.
        value: NaN if nothing could be scored.
        low, high: 95 % interval; NaN without one.
        interval: How it was made.
        unit, better: Of the value.
        n_items: Clips that were expected.
        n_scored: Clips that the value stands on.
        unscored: Why the others are missing, by clip id.
        flagged: What is to be known of scored clips, by clip id.
        signature: Everything that moves the value, in a line.
        parameters: Of the metric.
        revision: Of the metric.
        extractors: Name, revision, parameters and weights' hash of each.
        groups: The number of each category, `category/dog_barking` or `<aspect>/<class>`: value, n_scored, n_items.
    """

    metric: str
    title: str
    value: float
    low: float
    high: float
    interval: str
    unit: str
    better: Better
    n_items: int
    n_scored: int
    unscored: Mapping[str, str]
    flagged: Mapping[str, list[str]]
    signature: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    revision: int = 1
    extractors: Sequence[Mapping[str, Any]] = ()
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """A run, as stored.

    Args:
        model: What made the clips; empty for clips that were there.
        suite: Name, version and hash of the items; empty without a suite.
        request: What was asked for.
        metrics: One `Score` each.
        clips: Hash and flags of each clip, by id.
        others: Files that are no clips of this run, with reasons.
        versions: Of avbench and of what its numbers stand on.
        device: Where networks ran.
        hashes: Of the ids, of the clips and of the reference clips.
        schema: Of this layout.
        folder: Where it was read from or written to; not part of the file.
    """

    model: str
    suite: Mapping[str, Any]
    request: Mapping[str, Any]
    metrics: tuple[Score, ...]
    clips: Mapping[str, Mapping[str, Any]]
    others: Mapping[str, str]
    versions: Mapping[str, str]
    device: str
    hashes: Mapping[str, str]
    schema: int = SCHEMA
    folder: Path | None = field(default=None, compare=False)

    def __getitem__(self, metric: str) -> Score:
        """The score of a metric by its label, or by its name if that is unique."""
        found = [s for s in self.metrics if s.metric == metric] or [s for s in self.metrics if s.metric.split("[")[0] == metric]
        if len(found) != 1:
            raise KeyError(f"no metric '{metric}' in this result; there are {', '.join(s.metric for s in self.metrics)}")
        return found[0]


def to_json(result: Result) -> str:
    """The text of `result.json`."""
    table = dataclasses.asdict(result)
    del table["folder"]
    for score in table["metrics"]:
        for key in _NUMBERS:
            if not math.isfinite(score[key]):
                score[key] = _written(score[key])
        for group in score["groups"].values():
            group["value"] = group["value"] if math.isfinite(group["value"]) else _written(group["value"])
    ordered = {"schema": table.pop("schema"), **table}
    return json.dumps(ordered, indent=1, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"


def _written(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} in a result")


def write(result: Result, folder: Path) -> None:
    """`result.json`, whole or not at all."""
    write_bytes(folder / "result.json", to_json(result).encode())


def read(path: Path) -> Result:
    """A result from its file or its run's folder.

    Raises:
        BadManifest: if it is not a result, or one of a later schema.
    """
    file = path / "result.json" if path.is_dir() else path
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadManifest(f"{file}: not a result: {error}; expected the folder of a finished run") from error
    return of_table(table, str(file), file.parent)


def of_table(table: Any, file: str, folder: Path | None = None) -> Result:
    """A result from what its JSON holds.

    Args:
        table: Of `result.json`; it is not changed.
        file: What errors call it.
        folder: Where the run's other files are.

    Raises:
        BadManifest: if it is not a result, or one of a later schema.
    """
    if not isinstance(table, dict) or type(table.get("schema")) is not int:
        raise BadManifest(f"{file}: not a result: there is no schema number")
    if table["schema"] > SCHEMA:
        raise BadManifest(f"{file}: schema {table['schema']} is newer than this avbench reads ({SCHEMA}); update avbench")
    try:
        table = {key: value for key, value in table.items() if key != "folder"}
        scores = [
            Score(
                **{
                    **s,
                    **{k: float(s[k]) for k in _NUMBERS},
                    "groups": {name: dict(group) for name, group in s.get("groups", {}).items()},
                }
            )
            for s in table.pop("metrics")
        ]
        for score in scores:
            _check(score, _SCORE, f"metric {str(score.metric)[:80]}")
            for group in score.groups.values():
                group["value"] = float(group["value"])  # type: ignore[index]  # as json made it, a dictionary
                _check(group, {"n_scored": int, "n_items": int}, f"metric {score.metric[:80]}: groups")
        _check(table, _RESULT, "result")
        return Result(**{**table, "metrics": tuple(scores)}, folder=folder)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise BadManifest(f"{file}: does not follow schema {SCHEMA}: {error}") from error


_SCORE: dict[str, Any] = {
    "metric": str,
    "title": str,
    "interval": str,
    "unit": str,
    "better": ("higher", "lower", "none"),
    "n_items": int,
    "n_scored": int,
    "unscored": {str: str},
    "flagged": {str: [str]},
    "signature": str,
    "parameters": {str: object},
    "revision": int,
    "extractors": [{str: object}],
    "groups": {str: {str: object}},
}
_RESULT: dict[str, Any] = {
    "model": str,
    "suite": {str: object},
    "request": {str: object},
    "clips": {str: {str: object}},
    "others": {str: str},
    "versions": {str: str},
    "device": str,
    "hashes": {str: str},
}


def _check(found: Any, kinds: Mapping[str, Any], where: str) -> None:
    """Refuse what someone else's file holds in the place of a field."""
    for key, kind in kinds.items():
        value = found[key] if isinstance(found, Mapping) else getattr(found, key)
        if not _fits(value, kind):
            raise ValueError(f"{where}: {key} is {value!r:.80}")
    if kinds is _SCORE and not all("name" in e for e in found.extractors):
        raise ValueError(f"{where}: an extractor has no name")
    if kinds is _SCORE and "/" in found.metric:
        raise ValueError(f"{where}: a metric's label names files and has no '/'")


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, dict):
        ((key, inner),) = kind.items()
        return isinstance(value, dict) and all(_fits(k, key) and _fits(v, inner) for k, v in value.items())
    if isinstance(kind, list):
        return isinstance(value, list | tuple) and all(_fits(v, kind[0]) for v in value)
    if isinstance(kind, tuple):
        return value in kind
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


# ------------------------------------------------------------------ rows


def write_rows(
    path: Path, clips: Sequence[str], rows: Sequence[NDArray[np.float64]], columns: Sequence[str], signature: str
) -> None:
    """Per-clip rows as Parquet: `clip`, `part` (position within the clip), then the columns, or `row` for an embedding."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = [np.atleast_2d(r) for r in rows]
    table: dict[str, Any] = {
        "clip": [c for c, p in zip(clips, parts, strict=True) for _ in range(len(p))],
        "part": np.concatenate([np.arange(len(p)) for p in parts]) if parts else np.zeros(0, dtype=np.int64),
    }
    values = np.concatenate(parts) if parts else np.zeros((0, len(columns)))
    if columns:
        table |= {name: values[:, k] for k, name in enumerate(columns)}
    else:
        table["row"] = list(values)
    _write_parquet(path, pa.table(table).replace_schema_metadata({"signature": signature}), pq)


def write_traces(path: Path, traces: Mapping[str, Mapping[str, Array]]) -> None:
    """What a report draws of each clip, as Parquet: `clip`, `name`, `values`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    lines = [(c, n, np.asarray(v, dtype=np.float64).ravel()) for c, named in traces.items() for n, v in named.items()]
    table = pa.table({"clip": [x[0] for x in lines], "name": [x[1] for x in lines], "values": [x[2] for x in lines]})
    _write_parquet(path, table, pq)


def _write_parquet(path: Path, table: Any, pq: Any) -> None:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    write_bytes(path, sink.getvalue().to_pybytes())


def rows(result: Result, metric: str) -> Any:
    """Per-clip rows of a metric as a pandas DataFrame.

    Raises:
        BadManifest: if the run's folder has no rows of it.
    """
    import pandas as pd

    score = result[metric]
    path = (result.folder or Path()) / "rows" / f"{score.metric}.parquet"
    if not path.is_file():
        raise BadManifest(f"{path}: the rows of {score.metric} are not there; run the same command again")
    return pd.read_parquet(path)


# ------------------------------------------------------------------ diff


@dataclass(frozen=True)
class Difference:
    """One thing in which two results differ."""

    where: str
    what: str
    a: str
    b: str


def diff(a: Result, b: Result) -> list[Difference]:
    """Which setting, weight, id, clip, version or number differs between two results, most telling first."""
    found: list[Difference] = []

    def compare(where: str, left: Mapping[str, Any], right: Mapping[str, Any]) -> None:
        for key in [*left, *(k for k in right if k not in left)]:
            x, y = left.get(key, "(none)"), right.get(key, "(none)")
            if x != y:
                found.append(Difference(where, key, _short(x), _short(y)))

    compare("model", {"model": a.model}, {"model": b.model})
    compare("suite", a.suite, b.suite)
    compare("request", a.request, b.request)
    compare("version", a.versions, b.versions)
    compare("device", {"device": a.device}, {"device": b.device})
    compare("reference clips", {"hash": a.hashes.get("references", "")}, {"hash": b.hashes.get("references", "")})
    left, right = {s.metric: s for s in a.metrics}, {s.metric: s for s in b.metrics}
    compare("metric", dict.fromkeys(left, "scored"), dict.fromkeys(right, "scored"))
    for label in (label for label in left if label in right):
        x, y = left[label], right[label]
        compare(f"setting of {label}", {"revision": x.revision, **x.parameters}, {"revision": y.revision, **y.parameters})
        compare(f"extractor of {label}", _by_name(x.extractors), _by_name(y.extractors))
        compare(f"unscored in {label}", x.unscored, y.unscored)
    only_a, only_b = sorted(set(a.clips) - set(b.clips)), sorted(set(b.clips) - set(a.clips))
    for where, ids in (("id only in A", only_a), ("id only in B", only_b)):
        if ids:
            found.append(Difference(where, f"{len(ids)} clips", _short(", ".join(ids)), ""))
    changed = sorted(c for c in a.clips if c in b.clips and a.clips[c].get("sha256") != b.clips[c].get("sha256"))
    if changed:
        found.append(Difference("clip", f"{len(changed)} clips have other bytes", _short(", ".join(changed)), ""))
    for label in (label for label in left if label in right):
        x, y = left[label], right[label]
        if x.value != y.value and not (math.isnan(x.value) and math.isnan(y.value)):
            found.append(Difference("value", label, f"{x.value:.6g} (n={x.n_scored})", f"{y.value:.6g} (n={y.n_scored})"))
    return found


def _by_name(extractors: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {str(e["name"]): {k: v for k, v in e.items() if k != "name"} for e in extractors}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= 160 else f"{text[:157]}..."
