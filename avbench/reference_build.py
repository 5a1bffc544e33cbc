"""`avbench stats build`: the features of a suite's reference clips, once, as a statistics file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from avbench import __version__, engine, registry, suites
from avbench.errors import AvbenchError, BadParameter, Unscorable
from avbench.moments import Accumulator
from avbench.options import Options
from avbench.pipeline import Progress, in_order
from avbench.reference_stats import KEY, SCHEMA, TYPES
from avbench.rows import merged
from avbench.store import DiskStore, default_home
from avbench.types import Item, Metric, MetricSpec, canonical


class RowSource(ABC):
    """Rows of one kind, clip by clip, as often as they are asked for."""

    kind: str
    extractors: Sequence[Mapping[str, Any]]
    """Identities of the extractors (`store.extractor_identity`), parsed."""
    rows_wanted: bool
    """Whether the rows are stored beside the moments."""
    left_out: dict[str, str]
    """Why clips have no row, by item; complete once `rows` was read."""

    @abstractmethod
    def rows(self) -> Iterator[NDArray[np.float64]]:
        """One `(d,)` or `(windows, d)` per clip that has one."""


def build(
    suite: str,
    *,
    metrics: Sequence[str] | None = None,
    limit: int | None = None,
    out: Path | str | None = None,
    rows: bool = False,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Path:
    """Extract the features of a suite's reference clips and write their statistics.

    Args:
        suite: Name, or the path of a folder with a `suite.toml`.
        metrics: Those that the file is to serve; None for all of the suite's that compare sets.
        limit: Only the suite's first items.
        out: The file; None for `<suite>-v<version>.safetensors` in the working folder.
        rows: Store the rows also where mean and covariance suffice.
        options: How to work.
        progress: Called with stage, done, total.

    Returns:
        The file.

    Raises:
        UnknownName, BadParameter, MissingData: with what to do.
    """
    chosen = suites.load(suite, limit=limit)
    if chosen.reference is None:
        raise BadParameter(f"suite {chosen.name} has no reference clips, so there is nothing to build statistics of")
    wanted_metrics = _set_metrics(chosen.metrics, metrics, chosen.name)
    chosen.reference.progress = progress
    precision = (options or Options()).precision
    needs = {m.label: in_order([registry.needed(n) for n in m.extractors()], precision) for m in wanted_metrics}
    wanted = list({w.extractor.label: w for found in needs.values() for w in found}.values())
    clips = chosen.reference.ready(chosen.items)
    store = DiskStore(default_home() / "features")
    extraction = engine.extract(list(clips.values()), wanted, store=store, options=options, progress=progress)

    sources: dict[str, _Rows] = {}
    places = {w.extractor.label: p for p, w in enumerate(wanted)}
    items = [item for item in chosen.items if item.id in clips]
    at = {id: position for position, id in enumerate(clips)}
    missing = {i.id: "no_reference: the suite has no reference clip for this item" for i in chosen.items if i.id not in clips}
    for metric in wanted_metrics:
        identities = [json.loads(w.identity) for w in needs[metric.label]]
        key = canonical([metric.row_kind(), identities])
        made = sources.setdefault(key, _Rows(metric, identities, extraction, places, items, at, missing))
        made.rows_wanted = made.rows_wanted or rows or not metric.moments_suffice
    path = Path(out) if out is not None else Path(f"{chosen.name}-v{chosen.version}.safetensors")
    about = {
        "suite": {"name": chosen.name, "version": chosen.version, "items": len(chosen.items), "ids": _ids_hash(chosen.items)},
        "metrics": [m.label for m in wanted_metrics],
        "clips": hashlib.sha256(canonical([[i.id, extraction.sha256.get(at[i.id], "")] for i in items]).encode()).hexdigest(),
    }
    write(path, list(sources.values()), about)
    return path


def _set_metrics(default: Sequence[MetricSpec], asked: Sequence[str] | None, suite: str) -> list[Metric]:
    specs = [registry.parse_spec(text) for text in asked] if asked else default
    made = [registry.metric(spec.name, **dict(spec.parameters)) for spec in specs]
    fitting = [m for m in made if m.needs_all and m.needs_reference]
    if asked and len(fitting) < len(made):
        other = next(m for m in made if m not in fitting)
        why = "compares each clip with its own reference" if other.needs_reference else "needs no reference clips"
        raise BadParameter(f"{other.label} {why}, so statistics cannot stand in for them; leave it out")
    if not fitting:
        raise BadParameter(f"suite {suite} computes no metric that compares sets; name some with --metrics, such as fvd")
    return list({m.label: m for m in fitting}.values())


def _ids_hash(items: Sequence[Item]) -> str:
    return hashlib.sha256(canonical([item.id for item in items]).encode()).hexdigest()


class _Rows(RowSource):
    """Rows of one metric for the reference clips, read from the store one clip at a time."""

    def __init__(
        self,
        metric: Metric,
        identities: Sequence[Mapping[str, Any]],
        extraction: engine.Extraction,
        places: Mapping[str, int],
        items: Sequence[Item],
        at: Mapping[str, int],
        missing: Mapping[str, str],
    ) -> None:
        self.kind, self.extractors, self.rows_wanted = metric.row_kind(), identities, False
        self._metric, self._extraction, self._places = metric, extraction, places
        self._items, self._at = items, at
        self._needed = [registry.needed(n) for n in metric.extractors()]
        self.left_out: dict[str, str] = dict(missing)

    def rows(self) -> Iterator[NDArray[np.float64]]:
        for item in self._items:
            try:
                here = {e.label: self._extraction.features(self._at[item.id], self._places[e.label]) for e in self._needed}
                row = np.asarray(self._metric.row(item, merged(self._needed, here), None), dtype=np.float64)
                if not np.isfinite(row).all():
                    raise Unscorable("non_finite")
            except Unscorable as error:
                self.left_out[item.id] = str(error)
                continue
            yield row


# ------------------------------------------------------------------ writing


def write(path: Path, sources: Sequence[RowSource], about: Mapping[str, Any]) -> dict[str, Any]:
    """A statistics file, whole or not at all; no more than one block of rows is held at a time.

    Args:
        path: Where.
        sources: Each is read once for the moments, and once more if its rows are stored.
        about: What else the description says, such as the suite.

    Returns:
        The description.

    Raises:
        BadParameter: if a source has fewer than two rows.
        AvbenchError: if the file cannot be written.
    """
    entries, tensors, digests = [], dict[str, tuple[str, tuple[int, ...], Any]](), dict[str, str]()
    for number, source in enumerate(sources):
        name, made, counts = f"set{number}", Accumulator(), list[int]()
        digest, narrow = {"F32": hashlib.sha256(), "F64": hashlib.sha256()}, True
        for rows in source.rows():
            block = np.atleast_2d(rows)
            made.add(block)
            counts.append(len(block))
            if source.rows_wanted:
                single = block.astype("<f4")
                narrow = narrow and bool((single == block).all())
                digest["F32"].update(single.tobytes())
                digest["F64"].update(block.astype("<f8").tobytes())
        try:
            moments = made.moments()
        except BadParameter as error:
            raise BadParameter(f"{source.kind}: {error}") from error
        width = len(moments.mean)
        arrays = {"mean": ("F64", moments.mean), "covariance": ("F64", moments.covariance)}
        for key, (kind, array) in arrays.items():
            tensors[f"{name}.{key}"] = (kind, array.shape, np.ascontiguousarray(array, dtype="<f8"))
        if source.rows_wanted:
            per_clip = np.array(counts, dtype="<i8")
            tensors[f"{name}.rows_per_clip"] = ("I64", per_clip.shape, per_clip)
            kind = "F32" if narrow else "F64"
            tensors[f"{name}.rows"] = (kind, (moments.n, width), source)
            digests[f"{name}.rows"] = digest[kind].hexdigest()
        entries.append(
            {
                "name": name,
                "kind": source.kind,
                "extractors": list(source.extractors),
                "clips": len(counts),
                "n": moments.n,
                "dimensions": width,
                "ddof": 1,
                "rows_stored": source.rows_wanted,
                "left_out": dict(source.left_out),
            }
        )
    digests |= {k: hashlib.sha256(v.tobytes()).hexdigest() for k, (_, _, v) in tensors.items() if isinstance(v, np.ndarray)}
    description = {"schema": SCHEMA, "avbench": __version__, **about, "entries": entries, "sha256": digests}
    text = canonical(description)
    header: dict[str, Any] = {"__metadata__": {KEY: text, "sha256": hashlib.sha256(text.encode()).hexdigest()}}
    at = 0
    for key, (kind, shape, _) in tensors.items():
        size = int(np.prod(shape)) * TYPES[kind].itemsize
        header[key] = {"dtype": kind, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    encoded += b" " * (-len(encoded) % 8)
    with _whole(path) as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        for kind, _, value in tensors.values():
            for block in [value] if isinstance(value, np.ndarray) else value.rows():
                file.write(block.astype(TYPES[kind]).tobytes())
    return description


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that is there when it is written, and not before."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".partial")
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.chmod(0o644)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise AvbenchError(f"cannot write {path}: {error.strerror or error}; choose another file with --out") from error
