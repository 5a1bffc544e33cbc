"""Features to rows to numbers, metric by metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avbench import __version__, engine, media, results
from avbench.errors import BadClip, Unscorable
from avbench.options import Wanted
from avbench.reference_stats import Reference
from avbench.results import Score
from avbench.types import Array, Extractor, Item, Metric, Suite

Found = dict[str, "dict[str, Array] | engine.Failure"]


def features_of(
    extraction: engine.Extraction | None, position: int | None, places: Mapping[str, int], why: str | None = None
) -> Found:
    """Of one clip: each extractor's layers, or why there are none, by the extractor's label.

    Args:
        extraction: Of all clips.
        position: The clip's in it; None for a clip that is not there.
        places: Each extractor's in it.
        why: What is known of a clip that is not there.
    """
    if extraction is None or position is None:
        missing = engine.Failure("missing", why or "the suite expects this clip and it is not there")
        return dict.fromkeys(places, missing)
    return {label: extraction.features(position, place) for label, place in places.items()}


class Table:
    """Rows of one metric, clip by clip."""

    def __init__(self) -> None:
        self.clips: list[str] = []
        self.rows: list[NDArray[np.float64]] = []
        self.ref_rows: list[NDArray[np.float64]] = []
        self.unscored: dict[str, str] = {}
        self.flagged: dict[str, list[str]] = {}
        self.traces: dict[str, Mapping[str, Array]] = {}

    def add(
        self,
        metric: Metric,
        item: Item,
        extractors: list[Extractor],
        here: Found,
        ref_extractors: list[Extractor] | None,
        there: Found,
    ) -> None:
        """One clip's row, or the reason why there is none.

        Args:
            metric: Whose row.
            item: Of the clip.
            extractors: Of the metric.
            here: Features of the clip.
            ref_extractors: Of the metric for reference clips; None where it uses none, or statistics in their place.
            there: Features of the reference clip.
        """
        try:
            got = merged(extractors, here)
            ref = merged(ref_extractors, there, "no_reference") if ref_extractors is not None else None
            row = np.asarray(metric.row(item, got, ref), dtype=np.float64)
            if not np.isfinite(row).all():
                raise Unscorable("non_finite")
            ref_row = None
            if metric.needs_all and ref is not None:
                ref_row = np.asarray(metric.row(item, ref, None), dtype=np.float64)
                if not np.isfinite(ref_row).all():
                    raise Unscorable("no_reference", "the reference clip's row holds NaN or infinite values")
            flags = metric.flags(got)
            trace = metric.trace(item, got, ref)
        except BadClip as error:
            self.unscored[item.id] = str(error)
            return
        self.clips.append(item.id)
        self.rows.append(row)
        if ref_row is not None:
            self.ref_rows.append(ref_row)
        if flags:
            self.flagged[item.id] = list(flags)
        if trace:
            self.traces[item.id] = trace

    def write(self, folder: Path, metric: Metric, signature: str) -> None:
        """Rows and traces as Parquet."""
        results.write_rows(folder / "rows" / f"{metric.label}.parquet", self.clips, self.rows, metric.columns, signature)
        if self.ref_rows:  # for `avbench compare`, which makes the number again from other rows
            path = folder / "references" / f"{metric.label}.parquet"
            results.write_rows(path, self.clips, self.ref_rows, metric.columns, signature)
        if self.traces:
            results.write_traces(folder / "traces" / f"{metric.label}.parquet", self.traces)


def merged(extractors: Sequence[Extractor], found: Found, code: str | None = None) -> dict[str, Array]:
    """The layers of several extractors, as `Metric.row` takes them.

    Raises:
        Unscorable: if one has none, with its reason or with `code`.
    """
    out = {}
    for extractor in extractors:
        layers = found[extractor.label]
        if isinstance(layers, engine.Failure):
            raise Unscorable(code or layers.code, str(layers) if code else layers.detail)
        out.update({f"{extractor.name}.{layer}": value for layer, value in layers.items()})
    return out


def number_of(
    metric: Metric,
    table: Table,
    extractors: list[Extractor],
    wanted: list[Wanted],
    suite: Suite | None,
    seed: int,
    n_items: int,
    reference: Reference | None = None,
) -> Score:
    """The metric's number with its interval, and who is missing from it.

    Args:
        metric: What is computed.
        table: Its rows.
        extractors: Of the metric.
        wanted: All extractors of the run, with their weights.
        suite: Of the run.
        seed: Of the run.
        n_items: Clips that were expected.
        reference: What stands in for the reference clips.
    """
    value = low = high = float("nan")
    interval = "none"
    if len(table.rows) >= max(1, metric.minimum):
        try:
            value, low, high, interval = _number(metric, table, reference)
        except Unscorable as error:
            interval = f"none: {error}"
    else:
        interval = f"none: too_short: needs at least {max(1, metric.minimum)} clips, {len(table.rows)} scored"
    made = {w.extractor.label: w for w in wanted}
    return Score(
        metric=metric.label,
        title=metric.title,
        value=value,
        low=low,
        high=high,
        interval=interval,
        unit=metric.unit,
        better=metric.better,
        n_items=n_items,
        n_scored=len(table.clips),
        unscored=table.unscored,
        flagged=table.flagged,
        signature=signature(metric, extractors, wanted, suite, seed, len(table.clips), reference),
        parameters=metric.parameters(),
        revision=metric.revision,
        extractors=[
            {
                "name": e.name,
                "revision": e.revision,
                "parameters": e.parameters(),
                "weights": made[e.label].weights_sha256,
                "precision": made[e.label].precision,
            }
            for e in extractors
        ],
    )


def _number(metric: Metric, table: Table, reference: Reference | None) -> tuple[float, float, float, str]:
    """Value, low, high, and how the interval was made."""
    rows = _joined(table.rows)
    if reference is not None:
        value = reference.score(metric, rows)
        return value, *reference.interval(metric, table.rows, value)
    refs = _joined(table.ref_rows) if table.ref_rows else None
    return metric.score(rows, refs), *metric.interval(table.rows, table.ref_rows or None, seed=0)


def _joined(parts: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """All rows in one array, of which `parts` are views from then on: they are held once."""
    shapes = [np.atleast_2d(part).shape for part in parts]
    whole = np.empty((sum(n for n, _ in shapes), shapes[0][1]))
    at = 0
    for index, (n, _) in enumerate(shapes):
        whole[at : at + n] = parts[index]
        parts[index] = whole[at : at + n].reshape(parts[index].shape)
        at += n
    return whole


def signature(
    metric: Metric,
    extractors: list[Extractor],
    wanted: list[Wanted],
    suite: Suite | None,
    seed: int,
    n: int,
    reference: Reference | None = None,
) -> str:
    """Everything that moves a value, in a line that can be printed beside it."""
    made = {w.extractor.label: w for w in wanted}
    parts = [metric.name, *(f"{k}:{v}" for k, v in metric.parameters().items()), f"rev:{metric.revision}"]
    for e in extractors:
        settings = ",".join([str(e.revision), *(f"{k}={v}" for k, v in e.changed().items())])
        weights = f",weights={digest[:12]}" if (digest := made[e.label].weights_sha256) else ""
        precision = f",{made[e.label].precision}" if made[e.label].precision != "float32" else ""
        parts.append(f"{e.name}:{settings}{weights}{precision}")
    parts += [f"n:{n}", f"suite:{suite.name}@{suite.version}" if suite is not None else "suite:none"]
    if reference is not None:
        parts.append(f"reference:{reference.source},{'rows' if reference.rows is not None else 'moments'},n={reference.clips}")
    parts += [f"seed:{seed}", f"reader:{media.READER}", f"v:{__version__}"]
    return "|".join(parts)
