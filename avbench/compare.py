"""Which of several runs is better, metric by metric, and how sure that is.

Two runs are compared on a metric only if everything but the model agrees (`tables.kinship`): suite, clip ids, reference
clips, settings, weights, versions. Numbers of clips are tested by flipping signs, numbers of sets by swapping the two models'
rows within items, so that both sets keep their size: a Fréchet distance moves with the number of clips. Holm's correction is
over all metrics and pairs of one call.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avbench import compare_statistics as tests
from avbench import registry, stats
from avbench.compare_rows import is_of_set, reference_rows, rows_of
from avbench.errors import AvbenchError, BadManifest, BadParameter, UnknownName
from avbench.results import Result, Score
from avbench.tables.kinship import CLIPS, differences, kinship
from avbench.tables.sources import digest, run_name
from avbench.types import Better, Metric

Float64s = NDArray[np.float64]
Progress = Callable[[str, int, int], None]
Kind = Literal["sign flips", "swaps"]

_SAME_SET = 5e-3
"""Of the number: how far rows on disk may be from the result. Published float32 statistics wander by 0.3 %."""
_IS_DISTANCE = 1e-2
"""Of the number: how close a metric has to be to a distance of its rows to be tested as that distance."""


@dataclass(frozen=True)
class Comparison:
    """One metric of two runs.

    Args:
        metric: Its label.
        a, b: Names of the runs.
        better: Of the metric.
        n: Items that both stand on.
        value_a, value_b: Numbers over these items.
        difference: a - b.
        low, high: 95 % interval of the difference; NaN without one.
        interval: How it was made.
        dz: Mean over standard deviation of the paired differences; NaN for numbers of sets.
        p: Two-sided.
        p_holm: Corrected for all tests of the call.
        permutations: Draws.
        test: What was permuted, and what was computed of it.
    """

    metric: str
    a: str
    b: str
    better: Better
    n: int
    value_a: float
    value_b: float
    difference: float
    low: float
    high: float
    interval: str
    dz: float
    p: float
    p_holm: float
    permutations: int
    test: str


@dataclass(frozen=True)
class Refusal:
    """Why two runs cannot be compared on a metric."""

    metric: str
    a: str
    b: str
    reason: str


@dataclass(frozen=True)
class Report:
    """What `compare` found.

    Args:
        runs: Name and hash of each run.
        comparisons: Tests that were made.
        refusals: Pairs that cannot be compared, with reasons.
        groups: Of each ranked metric whose pairs could all be compared: runs that are not told apart, best group first.
        alpha: Level of the groups.
        seed: Of the draws.
    """

    runs: tuple[tuple[str, str], ...]
    comparisons: tuple[Comparison, ...]
    refusals: tuple[Refusal, ...]
    groups: dict[str, list[list[str]]]
    alpha: float
    seed: int


def compare(
    results: Sequence[Result],
    *,
    names: Sequence[str] = (),
    metrics: Sequence[str] | None = None,
    common: bool = False,
    permutations: int | None = None,
    alpha: float = 0.05,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Compare every pair of runs on every metric.

    Args:
        results: At least two, read from their folders, which hold the rows.
        names: What runs are called; the models' names without.
        metrics: Labels; None for all that rank models, without signal checks.
        common: Where clips were scored in one run only, use those that both have; otherwise that is refused.
        permutations: Draws of each test; None for 9,999 of clips and 999 of sets.
        alpha: Level of the rank groups, after Holm's correction.
        seed: Of the draws.
        progress: Called with stage, done, total.

    Raises:
        BadParameter: for fewer than two runs, or a bad level or number of draws.
        UnknownName: for a metric that no run has.
        AvbenchError: if the runs have no metric in common.
    """
    if len(results) < 2:
        raise BadParameter(f"two runs or more are compared, got {len(results)}")
    if not 0 < alpha < 1 or (permutations is not None and permutations < 1):
        raise BadParameter(f"alpha must be between 0 and 1 and permutations at least 1, got {alpha} and {permutations}")
    if names and len(names) != len(results):
        raise BadParameter(f"every run needs a name if one has, got {len(names)} names for {len(results)} runs")
    labels = _labels(results, metrics)
    called = _distinct([(names[k] if names else "") or run_name(r) for k, r in enumerate(results)], results)
    pairs = list(itertools.combinations(range(len(results)), 2))
    made: list[Comparison] = []
    refused: list[Refusal] = []
    for done, (label, (i, j)) in enumerate(itertools.product(labels, pairs)):
        if progress is not None:
            progress("compare", done, len(labels) * len(pairs))
        found = _pair(label, results[i], results[j], common, permutations, seed)
        if isinstance(found, str):
            refused.append(Refusal(label, called[i], called[j], found))
        else:
            made.append(replace(found, a=called[i], b=called[j]))
    adjusted = tests.holm([c.p for c in made])
    made = [replace(c, p_holm=p) for c, p in zip(made, adjusted, strict=True)]
    groups = {label: g for label in labels if (g := _groups([c for c in made if c.metric == label], called, alpha))}
    runs = tuple((name, digest(r)) for name, r in zip(called, results, strict=True))
    return Report(runs, tuple(made), tuple(refused), groups, alpha, seed)


def _labels(results: Sequence[Result], wanted: Sequence[str] | None) -> list[str]:
    """Metrics that at least two runs have."""
    from avbench.tables.columns import is_signal_check

    held = [{s.metric: s for s in r.metrics} for r in results]
    known = list(dict.fromkeys(label for scores in held for label in scores))
    for label in wanted or ():
        if label not in known:
            raise UnknownName("metric in these runs", label, known)
    ranked = [k for k in known if not is_signal_check(k) and any(k in h and h[k].better != "none" for h in held)]
    labels = [label for label in (wanted or ranked) if sum(label in h for h in held) > 1]
    if not labels:
        listed = "; ".join(f"{run_name(r)}: {', '.join(h) or 'none'}" for r, h in zip(results, held, strict=True))
        raise AvbenchError(f"the runs have no metric in common to compare ({listed}); score them with the same --metrics")
    return labels


def _distinct(names: list[str], results: Sequence[Result]) -> list[str]:
    """Names that tell runs apart: with the folder, or the number, where models have the same."""
    out = []
    for k, name in enumerate(names):
        if names.count(name) == 1:
            out.append(name)
            continue
        folder = results[k].folder
        place = folder.name if folder is not None else ""
        out.append(f"{name} ({place or k + 1})")
    return out if len(set(out)) == len(out) else [f"{name} ({k + 1})" for k, name in enumerate(names)]


def _groups(made: list[Comparison], names: Sequence[str], alpha: float) -> list[list[str]]:
    if len(made) != len(names) * (len(names) - 1) // 2 or not made or made[0].better == "none":
        return []
    values = {c.a: c.value_a for c in made} | {c.b: c.value_b for c in made}
    order = sorted(values, key=lambda name: values[name], reverse=made[0].better == "higher")
    return tests.rank_groups(order, {frozenset((c.a, c.b)): c.p_holm for c in made}, alpha)


# ------------------------------------------------------------------ one metric of two runs


def _pair(label: str, a: Result, b: Result, common: bool, permutations: int | None, seed: int) -> Comparison | str:
    """The comparison, or why there is none."""
    scores = [next((s for s in r.metrics if s.metric == label), None) for r in (a, b)]
    first, second = scores
    if first is None or second is None:
        return f"only {'the second' if first is None else 'the first'} run has it"
    if not (math.isfinite(first.value) and math.isfinite(second.value)):
        return "a run has no number for it"
    left, right = (tuple(kv for kv in kinship(r, s) if not (common and kv[0] in CLIPS)) for r, s in ((a, first), (b, second)))
    if apart := differences(left, right):
        only_clips = all(text.startswith(("n ", "other clip ids")) for text in apart)
        hint = "; --common compares the clips that both scored" if only_clips else ""
        return "; ".join(apart) + hint
    try:
        metric = registry.metric(label.split("[")[0], **first.parameters)
    except AvbenchError as error:
        return f"the metric is not available here: {error}"
    try:
        rows = [rows_of(r, s, metric) for r, s in ((a, first), (b, second))]
        shared = [clip for clip in rows[0] if clip in rows[1]]
        if len(shared) < 2:
            return f"{len(shared)} clips in common; at least 2 are needed"
        if not common and (len(shared) < len(rows[0]) or len(shared) < len(rows[1])):
            return "the rows on disk are of other clips than the result says; run the same command again"
        reference = reference_rows(a, label, shared) if metric.needs_all and metric.needs_reference else None
        if reference is None and metric.needs_all and metric.needs_reference:
            return "the run's folder has no rows of the reference clips; run the same command again"
    except BadManifest as error:
        return str(error)
    one, two = ([r[clip] for clip in shared] for r in rows)
    if not is_of_set(metric):
        return _of_clips(first, (one, two), permutations or tests.ROW_PERMUTATIONS, seed)
    try:
        return _of_sets(metric, (first, second), (one, two), reference, permutations or tests.SET_PERMUTATIONS, seed)
    except AvbenchError as error:
        return f"it cannot be computed from the rows on disk: {error}"


def _of_clips(score: Score, rows: tuple[list[Float64s], list[Float64s]], permutations: int, seed: int) -> Comparison:
    values = [np.array([r[0, 0] for r in side]) for side in rows]
    paired = values[0] - values[1]
    size = tests.effect(paired, seed=seed)
    return Comparison(
        metric=score.metric,
        a="",
        b="",
        better=score.better,
        n=len(paired),
        value_a=float(values[0].mean()),
        value_b=float(values[1].mean()),
        difference=float(paired.mean()),
        low=size.low,
        high=size.high,
        interval=f"95 % BCa bootstrap over paired clips, {stats.RESAMPLES} resamples, seed {seed}",
        dz=size.dz,
        p=tests.sign_flip(paired, permutations=permutations, seed=seed),
        p_holm=float("nan"),
        permutations=permutations,
        test="sign flips of paired clips",
    )


def _of_sets(
    metric: Metric,
    scores: tuple[Score, Score],
    rows: tuple[list[Float64s], list[Float64s]],
    reference: list[Float64s] | None,
    permutations: int,
    seed: int,
) -> Comparison | str:
    """A number of a set; the distance is found out by computing it, so that no metric has to say which it is."""
    a, b = rows
    there = None if reference is None else np.concatenate(reference)
    if len(a) < metric.minimum:
        return f"{len(a)} clips in common; the metric needs at least {metric.minimum}"
    values = [metric.score(np.concatenate(side), there) for side in rows]
    for score, value in zip(scores, values, strict=True):
        if score.n_scored == len(a) and abs(value - score.value) > _SAME_SET * max(abs(score.value), 1e-3):
            return f"rows on disk give {value:.6g}, the result {score.value:.6g}; they are not of one run"
    of_half, statistic, what = _statistic(metric, rows, there, values)
    value = values[0] - values[1]

    def half(chosen: Float64s, _: Float64s | None) -> float:
        picked = [int(k) for k in chosen[:, 0]]
        refs = None if reference is None else np.concatenate([reference[k] for k in picked])
        return of_half(np.concatenate([a[k] for k in picked]), refs) - of_half(np.concatenate([b[k] for k in picked]), refs)

    low, high, how = (
        float("nan"),
        float("nan"),
        f"none: halves have fewer than the {metric.minimum} clips that the metric needs",
    )
    if len(a) // 2 >= metric.minimum:
        low, high, how = stats.subset_interval(half, [np.array([k]) for k in range(len(a))], None, seed=seed, value=value)
    return Comparison(
        metric=scores[0].metric,
        a="",
        b="",
        better=scores[0].better,
        n=len(a),
        value_a=values[0],
        value_b=values[1],
        difference=value,
        low=low,
        high=high,
        interval=how,
        dz=float("nan"),
        p=tests.swap_test(statistic, len(a), permutations=permutations, seed=seed),
        p_holm=float("nan"),
        permutations=permutations,
        test=f"swaps within items, {what}",
    )


OfRows = Callable[[Float64s, "Float64s | None"], float]
OfSwaps = Callable[[NDArray[np.bool_]], Float64s]


def _statistic(
    metric: Metric, rows: tuple[list[Float64s], list[Float64s]], reference: Float64s | None, values: list[float]
) -> tuple[OfRows, OfSwaps, str]:
    """What halves and swaps compute: a distance that agrees with the metric on both runs, or its own score without one."""
    a, b = rows
    if reference is not None and reference.shape[1] > 1:
        there = reference

        def agrees(distance: OfRows) -> bool:
            found = [distance(np.concatenate(side), there) for side in rows]
            return all(abs(x - y) <= _IS_DISTANCE * abs(y) for x, y in zip(found, values, strict=True))

        if agrees(_frechet):
            return _frechet, tests.frechet_differences(a, b, there), "exact Fréchet distance"
        if agrees(_frechet_of_n):
            return _frechet_of_n, tests.frechet_differences(a, b, there, ddof=0), "exact Fréchet distance, covariance over n"
        if agrees(_kernel):
            return _kernel, tests.kernel_differences(a, b, there), "exact kernel distance"
    return metric.score, tests.score_differences(a, b, lambda x: metric.score(x, reference)), "the metric's own score"


def _frechet(x: Float64s, y: Float64s | None) -> float:
    return stats.frechet(x, x if y is None else y)


def _frechet_of_n(x: Float64s, y: Float64s | None) -> float:
    return stats.frechet(x, x if y is None else y, ddof=0)


def _kernel(x: Float64s, y: Float64s | None) -> float:
    return stats.polynomial_mmd(x, x if y is None else y)
