"""Agreement over cells of distortion and level: clips that people rated need not be the clips that a metric scored.

A cell is (type, level), read from names as in `x_output_05_3`. On either side its value is the mean over source clips. The
bootstrap draws source clips on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from avbench.agreement.pairs import Pairs
from avbench.agreement.ratings import AVS_NAME
from avbench.agreement.resampling import FEWEST_CLUSTERS, Floats, Interval
from avbench.errors import BadParameter

FEWEST_CELLS = 5
CONSTANT = "the metric has one value throughout"


@dataclass(frozen=True)
class Cells:
    """Values by source clip and cell.

    Args:
        names: Of the cells, (type, level).
        values: `(sources, cells)`, NaN where a source clip has no value.
    """

    names: tuple[tuple[str, int], ...]
    values: Floats

    def means(self, weights: Floats) -> Floats:
        """Mean of each cell `(b, cells)` from weights of source clips `(b, sources)`; NaN for cells without a clip."""
        there = np.isfinite(self.values)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((weights @ np.where(there, self.values, 0.0)) / (weights @ there))


def cells_of(by_clip: Mapping[str, float]) -> Cells:
    """Sort clips into cells; others are left out.

    Raises:
        BadParameter: if no clip has a name of a distorted clip.
    """
    found = {(m["source"], (m["type"], int(m["level"]))): v for c, v in by_clip.items() if (m := AVS_NAME.fullmatch(c))}
    if not found:
        raise BadParameter(
            "no clip has a name like 'x_output_05_3'; cells need distorted clips, as `avbench distort` names them"
        )
    sources = {s: i for i, s in enumerate(sorted({s for s, _ in found}))}
    names = {c: i for i, c in enumerate(sorted({c for _, c in found}))}
    values = np.full((len(sources), len(names)), np.nan)
    for (source, cell), value in found.items():
        values[sources[source], names[cell]] = value
    return Cells(tuple(names), values)


@dataclass(frozen=True)
class CellAgreement:
    """Agreement of one metric with people over cells.

    Args:
        accuracy, epsilon, kendall, spearman, pearson: Over all common cells.
        by_type: Spearman within each type of distortion, over its levels.
        cells: Common cells.
        sources, human_sources: Source clips on either side.
    """

    accuracy: Interval
    epsilon: float
    kendall: Interval
    spearman: Interval
    pearson: Interval
    by_type: Mapping[str, Interval]
    cells: int
    sources: int
    human_sources: int


def cell_agreement(human: Cells, metric: Cells, *, resamples: int = 1_000, seed: int = 0) -> CellAgreement:
    """Compare cell means; higher has to be better on both sides.

    Raises:
        BadParameter: for fewer than 5 common cells, or a metric that is the same in all.
    """
    common = [c for c in human.names if c in set(metric.names)]
    if len(common) < FEWEST_CELLS:
        raise BadParameter(f"agreement over cells needs {FEWEST_CELLS} common cells, got {len(common)}")
    ours, theirs = ([side.names.index(c) for c in common] for side in (human, metric))
    if np.ptp(metric.means(np.ones((1, len(metric.values))))[:, theirs]) == 0:
        raise BadParameter(CONSTANT)
    rng = np.random.Generator(np.random.PCG64(seed))
    enough = min(len(human.values), len(metric.values)) >= FEWEST_CLUSTERS

    def drawn(side: Cells, columns: list[int]) -> Floats:
        sources = len(side.values)
        draws = rng.multinomial(sources, np.full(sources, 1.0 / sources), resamples if enough else 0)
        return side.means(np.vstack([np.ones(sources), draws]))[:, columns]

    x, y = drawn(human, ours), drawn(metric, theirs)
    kept = [0, *(np.flatnonzero(np.isfinite(x[1:] + y[1:]).all(axis=1)) + 1)]
    lost = len(x) - len(kept)
    x, y = x[kept], y[kept]
    how = f"95 % percentile bootstrap over {len(metric.values)} source clips of the metric and {len(human.values)} of people"
    how += f", {resamples} resamples, seed {seed}" + (f", {lost} with an empty cell left out" if lost else "")
    if not enough or lost > resamples // 2:
        how = f"none: {len(metric.values)} source clips" + (
            f", {lost} of {resamples} resamples have empty cells" if lost else ""
        )

    def interval(values: Floats) -> Interval:
        rest = values[1:][np.isfinite(values[1:])]
        ends = np.quantile(rest, [0.025, 0.975]) if len(rest) and not how.startswith("none") else (np.nan, np.nan)
        return Interval(float(values[0]), float(ends[0]), float(ends[1]), how)

    signs = [(np.sign(a[:, None] - a), np.sign(b[:, None] - b)) for a, b in zip(x, y, strict=True)]
    kendall = np.array([(p * q).sum() / np.sqrt(max(1.0, (p != 0).sum()) * max(1.0, (q != 0).sum())) for p, q in signs])
    best = [Pairs(a, b).calibrated() for a, b in zip(x, y, strict=True)]
    by_type = {}
    for kind in sorted({t for t, _ in common}):
        levels = [i for i, (t, _) in enumerate(common) if t == kind]
        if len(levels) >= 3:
            by_type[kind] = interval(_correlation(rankdata(x[:, levels], axis=1), rankdata(y[:, levels], axis=1)))
    return CellAgreement(
        interval(np.array([a for a, _ in best])),
        best[0][1],
        interval(kendall),
        interval(_correlation(rankdata(x, axis=1), rankdata(y, axis=1))),
        interval(_correlation(x, y)),
        by_type,
        len(common),
        len(metric.values),
        len(human.values),
    )


def _correlation(x: Floats, y: Floats) -> Floats:
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((x * y).sum(axis=1) / np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1)))
