"""Scores that take more than one distorted clip: its undistorted clip, the other clips of its cell, or both.

A cell is one level of one distortion, or the clips encoded again without one. References are the user's clips as they are, for
the clips encoded again too: what encoding alone costs is then in the number of `none`. The distance of a set to itself would be
0 with an interval of no width, and every level would be told from it.

All distorted clips go through the networks in one pass and the references in another, so no clip is looked at once per cell.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from avbench import engine, pipeline, registry
from avbench.agreement.scores import Values
from avbench.batches import choose_device
from avbench.distortions.files import Made, Progress
from avbench.distortions.making import ORIGINAL
from avbench.errors import BadParameter
from avbench.options import Options, Wanted
from avbench.results import Score
from avbench.rows import Table, features_of, number_of, signature
from avbench.store import DiskStore, Ledger, default_home
from avbench.types import ClipFile, Extractor, Item, Metric

Cell = tuple[str, int]
"""Code and level."""
UNDISTORTED: Cell = (ORIGINAL, 0)


@dataclass
class Compared:
    """What came of it, by metric.

    Args:
        values: Of metrics with a value per clip, by `name_of` the distorted file.
        sets: Of set metrics, a number per cell.
        signatures: Of all values, or of a set metric's undistorted cell.
        unscored: Distorted clips without a value or row, with reasons.
    """

    values: dict[str, Values] = field(default_factory=dict)
    sets: dict[str, dict[Cell, Score]] = field(default_factory=dict)
    signatures: dict[str, str] = field(default_factory=dict)
    unscored: dict[str, dict[str, str]] = field(default_factory=dict)


def chosen(asked: Sequence[str], clips: int, folder: Path, options: Options) -> list[Metric]:
    """The metrics that are asked for, each once; what they lack is said before an hour of distorting, not after.

    Raises:
        UnknownName, BadParameter: for a metric that is not there, needs captions, or needs more clips.
        MissingData: for weights that are not there.
    """
    specs = [registry.parse_spec(text) for text in asked]
    made = {m.label: m for m in (registry.metric(spec.name, **dict(spec.parameters)) for spec in specs)}
    for metric in made.values():
        needs = [*_needs(metric), *_reference_needs(metric)]
        if any("text" in extractor.needs for extractor in needs):
            raise BadParameter(f"{metric.label} compares with captions, and a folder of clips has none; leave it out")
        if metric.needs_all and clips < metric.minimum:
            raise BadParameter(
                f"{metric.label} is a number of {metric.minimum} or more clips together, and {clips} of {folder} "
                f"{'is' if clips == 1 else 'are'} taken; add some, or leave it out"
            )
        pipeline.in_order(needs, options.precision)
    if options.device not in ("auto", "cpu"):
        choose_device(options.device, options.precision)
    return list(made.values())


def alone(metric: Metric) -> bool:
    """Whether a distorted clip has a value by itself, so that a run over the folder makes all of them."""
    return not metric.needs_all and not metric.needs_reference


def name_of(path: Path, folder: Path) -> str:
    """The clip id that a run over the folder has for a distorted file."""
    return path.relative_to(folder).with_suffix("").as_posix()


def compare(
    metrics: Sequence[Metric],
    sources: Sequence[ClipFile],
    made: Made,
    ledger: Path,
    *,
    options: Options,
    progress: Progress | None = None,
) -> Compared:
    """Score every cell; features are kept by content, so the same call goes on where it stopped.

    Args:
        metrics: That `alone` is false of.
        sources: The undistorted clips.
        made: The distorted ones.
        ledger: File that remembers clips which cannot be decoded.
        options: Of decoding and devices.
        progress: Called with stage, done, total.
    """
    wanted = pipeline.in_order([e for m in metrics for e in _needs(m)], options.precision)
    compared = pipeline.in_order([e for m in metrics for e in _reference_needs(m)], options.precision)
    loaded = [*wanted, *(w for w in compared if w not in wanted)]
    keys = sorted(made.files)
    files = [ClipFile(name_of(made.files[key], made.folder), made.files[key]) for key in keys]
    store = DiskStore(default_home() / "features")
    undistorted = None
    with contextlib.closing(Ledger(ledger)) as book:
        got = engine.extract(files, wanted, store=store, options=options, ledger=book, progress=progress)
        if compared:
            undistorted = engine.extract(sources, compared, store=store, options=options, ledger=book, progress=progress)

    out = Compared()
    for number, metric in enumerate(metrics, 1):
        needs, ref_needs = _needs(metric), _reference_needs(metric)
        at, ref_at = _places(needs, wanted), _places(ref_needs, compared)
        there = {source.id: features_of(undistorted, n, ref_at) for n, source in enumerate(sources)}
        used = list(dict.fromkeys([*needs, *ref_needs]))
        against = "|reference:undistorted" if metric.needs_reference else ""
        unscored = out.unscored.setdefault(metric.label, {})
        cells: dict[Cell, list[int]] = {}
        for place, (_, code, level) in enumerate(keys):
            cells.setdefault((code, level) if metric.needs_all else UNDISTORTED, []).append(place)
        scores: dict[Cell, Score] = {}
        for cell, places in cells.items():
            table = Table()
            for place in places:
                here, clip = features_of(got, place, at), keys[place][0]
                table.add(
                    metric, Item(files[place].id), needs, here, ref_needs if metric.needs_reference else None, there[clip]
                )
            unscored |= table.unscored
            if metric.needs_all:
                made_of = number_of(metric, table, used, loaded, None, 0, len(places))
                scores[cell] = dataclasses.replace(made_of, signature=made_of.signature + against)
                continue
            # The mean of the first column, as `read_scores` has it of a run's rows.
            rows = [float(np.atleast_2d(row)[:, 0].mean()) for row in table.rows]
            by_clip = dict(zip(table.clips, rows, strict=True))
            out.values[metric.label] = Values(metric.better, by_clip, table.unscored)
            out.signatures[metric.label] = signature(metric, used, loaded, None, 0, len(table.clips)) + against
        if metric.needs_all:
            out.sets[metric.label] = scores
            out.signatures[metric.label] = scores[UNDISTORTED if UNDISTORTED in scores else next(iter(scores))].signature
        if progress is not None:
            progress("score", number, len(metrics))
    return out


def _needs(metric: Metric) -> list[Extractor]:
    return [registry.needed(need) for need in metric.extractors()]


def _reference_needs(metric: Metric) -> list[Extractor]:
    return [registry.needed(need) for need in metric.reference_extractors()] if metric.needs_reference else []


def _places(extractors: Sequence[Extractor], wanted: Sequence[Wanted]) -> dict[str, int]:
    labels = [w.extractor.label for w in wanted]
    return {e.label: labels.index(e.label) for e in extractors}
