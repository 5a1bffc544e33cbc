"""Statistics of reference clips, in place of the clips: built once, kept in a file, used by set metrics.

A file is plain safetensors that other programs can read (`avbench.reference_build` writes it). For each kind of rows
(`Metric.row_kind`, mostly the layer of an extractor) it holds the mean and the covariance (float64, divided by n - 1), and the
rows themselves if they were asked for or if a metric needs them. Its metadata say what was extracted, from what, by what, and
have a SHA-256 of themselves and of every tensor.

A file is used by a metric only if extractor, revision, parameters, weights and precision are those that the metric uses now.
The versions of decoder and packages may differ: they are in the file, and `avbench stats show` prints them. JavisBench's
published feature cache (`JavisBench-vanilla-max4s.pt`) is taken as well: it holds the rows of `fvd[javisbench]`,
`kvd[javisbench]` and `fad_audioclip[javisbench]`. Its weights cannot be checked: it does not say which they were.

With rows a metric does what it does with clips, to the bit. With moments alone a Fréchet distance leaves out the float32
rounding of the means in the published code, about 1e-6 of the value, and its interval takes the reference as fixed.

The whole set of the file is the reference, however many clips are scored. (JavisBench takes as many rows as there are clips, by
position; the two differ where not all items are scored.)
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from avbench import stats
from avbench.errors import AvbenchError, BadManifest, BadParameter, MissingData
from avbench.moments import Moments
from avbench.options import Wanted
from avbench.types import Array, Metric

SCHEMA = 1
KEY = "avbench_reference_statistics"
_MOST_HEADER = 64 * 2**20
TYPES: Mapping[str, np.dtype[Any]] = {"F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "I64": np.dtype("<i8")}
_COMPARED = ("extractor", "revision", "parameters", "weights", "dtype")
"""Of an extractor's identity; the rest may differ."""
_JAVISBENCH = {"fvd": ("video", 400), "kvd": ("video", 400), "fad_audioclip": ("audio", 1024)}
"""Key and dimensions of the published feature cache, by metric."""


# ------------------------------------------------------------------ in place of reference clips


@dataclass(frozen=True, eq=False)
class Reference:
    """What one metric has in place of reference clips.

    Args:
        clips: How many it stands for.
        moments: Of their rows; None if `rows` are there.
        rows: `(n, d)`, the rows of one clip after the other; None if only `moments` are there.
        edges: Where in `rows` each clip but the first begins.
        source: Of the file, for the signature.
    """

    clips: int
    moments: Moments | None
    rows: NDArray[np.float64] | None
    edges: NDArray[np.int64] | None
    source: str

    def score(self, metric: Metric, rows: NDArray[np.float64]) -> float:
        """The metric's number, from generated rows `(n, columns)`."""
        if self.rows is not None:
            return metric.score(rows, self.rows)
        return metric.score_from_moments(rows, self._moments())

    def interval(self, metric: Metric, rows: Sequence[NDArray[np.float64]], value: float) -> tuple[float, float, str]:
        """The metric's own interval; from halves of the generated clips alone where the reference's rows are not there."""
        if self.rows is not None:
            if self.edges is None or len(self.rows) == self.clips:
                return metric.interval(rows, list(self.rows), seed=0)
            return metric.interval(rows, np.split(self.rows, self.edges), seed=0)
        moments = self._moments()
        try:
            low, high, how = stats.subset_interval(lambda x, _: metric.score_from_moments(x, moments), rows, None, value=value)
        except AvbenchError as error:
            return float("nan"), float("nan"), f"none: {error}"
        return low, high, how if np.isnan(low) else f"{how}, the reference fixed"

    def _moments(self) -> Moments:
        if self.moments is None:
            raise AvbenchError(f"{self.source} has neither rows nor moments")
        return self.moments


class ReferenceFile(ABC):
    """A file that stands in for reference clips."""

    path: Path
    sha256: str

    @property
    def source(self) -> str:
        """As signatures have it."""
        return self.sha256[:12]

    @abstractmethod
    def has(self, metric: Metric) -> bool:
        """Whether it holds anything of the metric's kind, made as the metric would or not."""

    @abstractmethod
    def reference(self, metric: Metric, wanted: Sequence[Wanted], *, load: bool = True) -> Reference | None:
        """What the file has for a metric; None if it has nothing of that kind.

        Args:
            metric: One that compares sets.
            wanted: Its extractors with their weights.
            load: False to look only whether it would be taken, and read no rows.

        Raises:
            BadParameter: if what it has was made by another extractor, revision, parameter or weights, or does not suffice.
            BadManifest: if it is damaged.
        """

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """What it holds, for `avbench stats show`."""


def opened(path: Path | str) -> ReferenceFile:
    """A statistics file, JavisBench's feature cache (`.pt`), or av-benchmark's folder of cached features.

    Raises:
        MissingData: if there is no such file.
        BadManifest: if it is neither, or damaged.
    """
    path = Path(path)
    if path.is_dir():
        from avbench.av_benchmark_cache import AvBenchmarkCache

        return AvBenchmarkCache(path)
    if not path.is_file():
        raise MissingData(f"there is no statistics file {path}; `avbench stats build SUITE` makes one")
    return _FeatureCache(path) if path.suffix in (".pt", ".pth") else StatisticsFile(path)


def find(files: Sequence[ReferenceFile], metric: Metric, wanted: Sequence[Wanted], *, load: bool = True) -> Reference | None:
    """What the first file that has something for the metric has; None if none has. Raises as `ReferenceFile.reference` does."""
    if not (metric.needs_all and metric.needs_reference):
        return None
    for file in files:
        found = file.reference(metric, wanted, load=load)
        if found is not None:
            return found
    return None


# ------------------------------------------------------------------ reading


class StatisticsFile(ReferenceFile):
    """A file of `write`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            self._header, self._start = _header_of(file, path)
        text = self._header.get("__metadata__", {}).get(KEY, "")
        if hashlib.sha256(text.encode()).hexdigest() != self._header.get("__metadata__", {}).get("sha256"):
            raise BadManifest(f"{path}: no statistics of avbench, or damaged: its description does not match its checksum")
        self.about: dict[str, Any] = json.loads(text)
        if self.about.get("schema") != SCHEMA:
            raise BadManifest(
                f"{path}: schema {self.about.get('schema')}, and this avbench reads {SCHEMA}; "
                "build it again with `avbench stats build`"
            )

    def described(self) -> dict[str, Any]:
        """The description, with hash and size of the file."""
        return {"file": str(self.path), "sha256": self.sha256, "bytes": self.path.stat().st_size, **self.about}

    def has(self, metric: Metric) -> bool:
        """By the kind of rows."""
        return any(e["kind"] == metric.row_kind() for e in self.about["entries"])

    def reference(self, metric: Metric, wanted: Sequence[Wanted], *, load: bool = True) -> Reference | None:
        """See `ReferenceFile.reference`."""
        alike = [e for e in self.about["entries"] if e["kind"] == metric.row_kind()]
        now = [json.loads(w.identity) for w in wanted]
        entry = next((e for e in alike if not _differences(e["extractors"], now)), None)
        if entry is None:
            if not alike:
                return None
            raise BadParameter(
                f"{self.path}: its {metric.row_kind()} cannot stand in for the reference clips of {metric.label}: "
                f"{'; '.join(_differences(alike[0]['extractors'], now))}; build it again with `avbench stats build`"
            )
        name, rows, edges, moments = entry["name"], None, None, None
        if not entry["rows_stored"] and not metric.moments_suffice:
            raise BadParameter(
                f"{self.path}: {metric.label} needs every reference row, and of {metric.row_kind()} there are mean and "
                f"covariance alone; build it with `avbench stats build {self.about['suite']['name']} --rows`"
            )
        if load and entry["rows_stored"]:
            edges = np.cumsum(self._tensor(f"{name}.rows_per_clip"))[:-1]
            rows = self._tensor(f"{name}.rows").astype(np.float64)
        elif load:
            moments = Moments(self._tensor(f"{name}.mean"), self._tensor(f"{name}.covariance"), entry["n"])
        return Reference(entry["clips"], moments, rows, edges, self.source)

    def _tensor(self, name: str) -> Array:
        try:
            about = self._header[name]
            first, last = about["data_offsets"]
            with self.path.open("rb") as file:
                file.seek(self._start + first)
                data = file.read(last - first)
            if hashlib.sha256(data).hexdigest() != self.about["sha256"][name]:
                raise BadManifest(
                    f"{self.path}: {name} does not match its checksum; the file is damaged, get or build it again"
                )
            return np.frombuffer(data, dtype=TYPES[about["dtype"]]).reshape(about["shape"])
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise BadManifest(f"{self.path}: {name} is not as described ({error}); get or build the file again") from error


def _header_of(file: IO[bytes], path: Path) -> tuple[dict[str, Any], int]:
    wrong = f"{path}: no statistics file of avbench (safetensors), or damaged"
    head = file.seek(0, os.SEEK_END), file.seek(0), file.read(8)
    if len(head[2]) < 8:
        raise BadManifest(wrong)
    (length,) = struct.unpack("<Q", head[2])
    if not 2 <= length <= min(_MOST_HEADER, head[0] - 8):
        raise BadManifest(wrong)
    try:
        header = json.loads(file.read(length))
        metadata = header.get("__metadata__", {})
        if not all(isinstance(v, str) for v in metadata.values()):
            raise BadManifest(wrong)
    except (ValueError, AttributeError, RecursionError) as error:
        raise BadManifest(f"{wrong}: {error}") from error
    return header, 8 + length


def _differences(there: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[str]:
    """What differs between the extractors of a file and those in use, in words."""
    names = [[str(e["extractor"]) for e in side] for side in (there, now)]
    if names[0] != names[1]:
        return [f"it was made by {', '.join(names[0])}, and the metric uses {', '.join(names[1])}"]
    found = []
    for before, after in zip(there, now, strict=True):
        for key in _COMPARED:
            a, b = before.get(key), after.get(key)
            if a == b:
                continue
            if isinstance(a, dict) and isinstance(b, dict):
                changed = [k for k in {**a, **b} if a.get(k) != b.get(k)]
                found += [f"{before['extractor']}: {k} is {a.get(k)!r} in the file and {b.get(k)!r} now" for k in changed]
            else:
                found.append(f"{before['extractor']}: {key} is {a!r} in the file and {b!r} now")
    return found


class _FeatureCache(ReferenceFile):
    """JavisBench's `cache/fvd_fad/<name>-vanilla-max4s.pt`: rows of its reference clips in the order of its list.

    A dictionary of `video` (N, 400), I3D's class scores, and `audio` (N, 1024), AudioCLIP's embeddings, float32.

    Source: github.com/JavisVerse/JavisDiT `eval/javisbench/src/metrics.py` and `tools/extract_gt_fvd_fad_feat.py` at b505b37.
    """

    def __init__(self, path: Path) -> None:
        from avbench.weights import read

        self.path = path
        with path.open("rb") as file:
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        try:
            tensors = read(path)
        except BadParameter as error:
            raise BadManifest(f"{path}: not JavisBench's feature cache: {error}") from error
        shapes = {key: tuple(getattr(value, "shape", ())) for key, value in tensors.items()}
        widths = dict(_JAVISBENCH.values())
        good = bool(shapes) and all(
            key in widths and len(shape) == 2 and shape[1] == widths[key] and shape[0] >= 2 for key, shape in shapes.items()
        )
        if not good:
            raise BadManifest(
                f"{path}: JavisBench's feature cache holds 'video' (N, 400) and 'audio' (N, 1024), "
                f"this file {shapes or 'nothing'}"
            )
        self._rows = {str(key): value.detach().float().numpy() for key, value in tensors.items()}
        for key, rows in self._rows.items():
            if not np.isfinite(rows).all():
                raise BadManifest(f"{path}: '{key}' holds NaN or infinite values")

    def described(self) -> dict[str, Any]:
        """Keys and shapes."""
        return {
            "file": str(self.path),
            "sha256": self.sha256,
            "bytes": self.path.stat().st_size,
            "published by": "JavisBench; its weights are not recorded and cannot be checked",
            "entries": [
                {
                    "kind": key,
                    "clips": len(rows),
                    "n": len(rows),
                    "dimensions": rows.shape[1],
                    "rows_stored": True,
                    "for": [f"{name}[javisbench]" for name, (found, _) in _JAVISBENCH.items() if found == key],
                }
                for key, rows in self._rows.items()
            ],
        }

    def has(self, metric: Metric) -> bool:
        """By the metric's name."""
        return _JAVISBENCH.get(metric.name, ("",))[0] in self._rows

    def reference(self, metric: Metric, wanted: Sequence[Wanted], *, load: bool = True) -> Reference | None:
        """See `ReferenceFile.reference`."""
        key, _ = _JAVISBENCH.get(metric.name, ("", 0))
        if key not in self._rows:
            return None
        # Sound is cut to 4 s in the published file (`...-max4s.pt`), and in the published command for generated clips.
        others = {k: v for k, v in metric.changed().items() if k not in ("variant", "float64") and (k, v) != ("seconds", 4.0)}
        if metric.parameters().get("variant") != "javisbench" or others:
            raise BadParameter(
                f"{self.path}: JavisBench's feature cache stands in for {metric.name}[javisbench] alone, not for {metric.label}"
            )
        rows = self._rows[key].astype(np.float64) if load else None
        return Reference(len(self._rows[key]), None, rows, None, self.source)
