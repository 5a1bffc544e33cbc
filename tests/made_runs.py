"""Finished runs that were never run: rows that are given, and a result that fits them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench import registry, results
from avbench.results import Result, Score

Values = NDArray[np.float64]
SUITE = {"name": "synth15", "version": 1, "items": "9a5d286141f5f7dd"}


def made_run(
    folder: Path,
    rows: Mapping[str, Sequence[Values] | Values],
    *,
    model: str = "m",
    references: Mapping[str, Sequence[Values] | Values] | None = None,
    ids: Sequence[str] | None = None,
    suite: Mapping[str, Any] = SUITE,
    settings: str = "reader:pyav-18.1.0|v:0.1.0",
    extractor: str = "net:1,weights=0123456789ab",
    seed: int = 0,
    unscored: Sequence[str] = (),
    value: float | None = None,
) -> Path:
    """A run folder.

    Args:
        folder: Is made.
        rows: By metric label, one `(columns,)`, `(parts, d)` or number per clip.
        model: Its name.
        references: Rows of the reference clips, for set metrics.
        ids: Of the clips; `c000`, ... without.
        suite: Empty for a run without one.
        settings: End of the signatures.
        extractor: What signatures say of the network.
        seed: Of the run.
        unscored: Further ids, which no metric scored.
        value: In place of what the rows give.
    """
    scores = []
    count = len(next(iter(rows.values()))) if rows else 0
    names = list(ids) if ids is not None else [f"c{k:03d}" for k in range(count)]
    for label, given in rows.items():
        spec = registry.parse_spec(label)
        metric = registry.metric(spec.name, **dict(spec.parameters))
        per_clip = [np.atleast_1d(np.asarray(r, dtype=np.float64)) for r in given]
        width = len(metric.columns)
        per_clip = [np.resize(r, width) if width and r.size == 1 else r for r in per_clip]
        there = [np.asarray(r, dtype=np.float64) for r in (references or {}).get(label, ())]
        results.write_rows(folder / "rows" / f"{label}.parquet", names, per_clip, metric.columns, "s")
        if there:
            results.write_rows(folder / "references" / f"{label}.parquet", names, there, metric.columns, "s")
        stacked = np.concatenate([np.atleast_2d(r) for r in per_clip]) if per_clip else np.zeros((0, max(1, width)))
        refs = np.concatenate([np.atleast_2d(r) for r in there]) if there else None
        number = metric.score(stacked, refs) if len(stacked) else float("nan")
        n = len(per_clip)
        suite_text = f"{suite['name']}@{suite['version']}" if suite else "none"
        parameters = "".join(f"{k}:{v}|" for k, v in metric.parameters().items())
        scores.append(
            Score(
                metric=label,
                title=metric.title,
                value=number if value is None else value,
                low=number - 0.1,
                high=number + 0.1,
                interval="made",
                unit=metric.unit,
                better=metric.better,
                n_items=n + len(unscored),
                n_scored=n,
                unscored=dict.fromkeys(unscored, "too_short: made so"),
                flagged={},
                signature=f"{metric.name}|{parameters}rev:{metric.revision}|{extractor}|n:{n}|suite:{suite_text}|seed:{seed}|{settings}",
                parameters=metric.parameters(),
                revision=metric.revision,
            )
        )
    everyone = sorted([*names, *unscored])
    result = Result(
        model=model,
        suite=dict(suite),
        request={"verb": "run", "model": model, "clips": "" if model else "clips", "suite": "", "seed": seed},
        metrics=tuple(scores),
        clips={name: {"sha256": "0", "flags": []} for name in names},
        others={},
        versions={"avbench": "0.1.0"},
        device="cpu",
        hashes={
            "ids": hashlib.sha256("\n".join(everyone).encode()).hexdigest(),
            "clips": "",
            "references": "f" if references else "",
        },
    )
    results.write(replace(result, folder=folder), folder)
    return folder
