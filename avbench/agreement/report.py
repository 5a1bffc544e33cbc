"""Everything that `avbench agree` says, as one table that JSON can hold; a number that does not exist is None."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.agreement.annotators import Level, human_ceiling, krippendorff_alpha
from avbench.agreement.cells import CONSTANT, Cells, cell_agreement, cells_of
from avbench.agreement.correlation import auroc, pearson, spearman
from avbench.agreement.pairs import kendall, pair_accuracy
from avbench.agreement.permutation import holm, perm_both, soft_pairwise_accuracy
from avbench.agreement.ratings import Kind, Ratings
from avbench.agreement.resampling import Interval, bootstrap
from avbench.agreement.scores import Scores, Values
from avbench.agreement.votes import bradley_terry, vote_accuracy
from avbench.errors import BadParameter

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
CONFOUNDED = 0.2
"""Spearman's correlation, either way, from which on a sentinel is worth a note."""
_LEVEL: dict[Kind, Level] = {"mos": "ordinal", "pairs": "ordinal", "labels": "nominal", "votes": "nominal"}


def agree(
    scores: Scores,
    ratings: Ratings,
    *,
    cells: bool = False,
    dimensions: Sequence[str] | None = None,
    resamples: int = 2_000,
    seed: int = 0,
    strict: bool = False,
) -> dict[str, Any]:
    """Agreement of every metric with people, and of people with each other.

    Args:
        scores: Per clip.
        ratings: Of some of these clips; of other distorted clips with `cells`.
        cells: Compare means over cells of distortion and level instead of clips.
        dimensions: Only these; None for all.
        resamples: Of bootstraps and permutation tests.
        seed: Of everything that is drawn.
        strict: Refuse ratings of clips that have no score.

    Raises:
        BadParameter: if ratings and scores have no clip in common, or an unknown dimension is asked for.
    """
    known = ratings.dimensions
    if unknown := [d for d in dimensions or () if d not in known]:
        raise BadParameter(f"no dimension '{unknown[0]}' in the ratings; there are {', '.join(d or '(none)' for d in known)}")
    notes = [*scores.notes, *ratings.notes]
    if not cells:
        notes += _matched(scores, ratings, strict)
    chosen = tuple(dimensions or known)
    out: dict[str, Any] = {
        "schema": SCHEMA,
        "scores": scores.source,
        "ratings": {
            "files": list(ratings.files),
            "kind": ratings.kind,
            "scale": str(ratings.scale) if ratings.scale else None,
            "dimensions": list(known),
            **ratings.counted,
        },
        "people": [_people(ratings, d, resamples, seed) for d in chosen],
        "over": "cells" if cells else "votes" if ratings.kind == "votes" else "clips",
    }
    comparisons: list[dict[str, Any]] = []
    if ratings.kind == "votes":
        if cells:
            raise BadParameter("votes have no score per clip, so there are no cells of them; leave --cells out")
        agreement = _by_vote(scores, ratings, chosen, resamples, seed)
    elif cells:
        agreement, comparisons = _by_cell(scores, ratings, chosen, resamples, seed)
    else:
        agreement, comparisons = _by_clip(scores, ratings, chosen, resamples, seed)
    notes += _confounded(agreement)
    report: dict[str, Any] = _plain({**out, "agreement": agreement, "comparisons": comparisons, "notes": notes})
    return report


def _matched(scores: Scores, ratings: Ratings, strict: bool) -> list[str]:
    """What one side has and the other has not."""
    rated, scored = ratings.clips, scores.clips
    both = rated & scored
    if not both:
        raise BadParameter(
            f"no rated clip has a score: ratings name clips like '{min(rated)}', scores name clips like "
            f"'{min(scored, default='')}'; they must use the same names"
        )
    notes = []
    if unscored := sorted(rated - scored):
        columns = ("clip_a", "clip_b") if ratings.kind == "votes" else ("clip",)
        line = next(
            str(ratings.table["line"][ratings.table[c] == unscored[0]].iloc[0])
            for c in columns
            if (ratings.table[c] == unscored[0]).any()
        )
        said = f"{len(unscored)} of {len(rated)} rated clips are not among the scores, such as '{unscored[0]}' ({line})"
        if strict:
            raise BadParameter(f"{line}: {said}; score them, or leave --strict out to count them")
        notes.append(said)
    if unrated := sorted(scored - rated):
        notes.append(f"{len(unrated)} of {len(scored)} scored clips have no rating, such as '{unrated[0]}'")
    return notes


# ------------------------------------------------------------------ people


def _people(ratings: Ratings, dimension: str, resamples: int, seed: int) -> dict[str, Any]:
    table = ratings.table[ratings.table["dimension"] == dimension]
    named = table[table["annotator"] != ""]
    value = "outcome" if ratings.kind == "votes" else "score"
    columns = ["unit", *(("clip_a", "clip_b") if ratings.kind == "votes" else ("clip",))]
    once = named.drop_duplicates([*columns, "annotator"])
    out: dict[str, Any] = {"dimension": dimension, "ratings": len(table), "annotators": int(named["annotator"].nunique())}
    if out["annotators"] < 2:
        return {**out, "alpha": None, "ceiling": None, "reason": "fewer than two annotators are named"}
    units = np.unique(once[columns].to_numpy(dtype=str), axis=0, return_inverse=True)[1].ravel()
    level = _LEVEL[ratings.kind]
    alpha = krippendorff_alpha(units, once[value].to_numpy(), level=level, resamples=min(resamples, 1_000), seed=seed)
    out |= {"alpha": alpha, "level": level, "ceiling": None}
    if ratings.kind in ("mos", "pairs"):
        own = named.groupby(["clip", "annotator"])["score"].mean().reset_index()
        clips, people = own["clip"].to_numpy(dtype=str), own["annotator"].to_numpy(dtype=str)
        out["ceiling"] = human_ceiling(clips, people, own["score"].to_numpy(), seed=seed)
    return out


# ------------------------------------------------------------------ clips


def _by_clip(
    scores: Scores, ratings: Ratings, dimensions: Sequence[str], resamples: int, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    agreement, comparisons = [], []
    for dimension in dimensions:
        people = ratings.per_clip(dimension)
        for label, values in scores.metrics.items():
            entry = {"metric": label, "dimension": dimension, "better": values.better, "sentinel": values.sentinel}
            rated = people[people.index.isin(values.by_clip)]
            entry |= {"clips": len(rated), "unscored": len(people) - len(rated)}
            try:
                entry |= _clip_agreement(ratings, rated, values, resamples, seed)
                if ratings.kind == "pairs":
                    entry["within_pairs"] = _within_pairs(ratings, dimension, values, seed)
            except BadParameter as error:
                entry["reason"] = str(error)
            agreement.append(entry)
        if ratings.kind != "labels":
            comparisons += _compared(scores, _clip_sides(people), "clips", dimension, resamples, seed)
    return agreement, comparisons


def _sides(rated: pd.DataFrame, values: Values) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[Any] | None]:
    """Human scores, metric turned so that higher is better, and the prompt of each clip where there are prompts."""
    metric = values.sign * np.array([values.by_clip[str(c)] for c in rated.index])
    prompts = rated["prompt"].to_numpy(dtype=str)
    alone = np.array([p or f"\0{c}" for p, c in zip(prompts, rated.index, strict=True)])
    # Clips of one single prompt are compared clip by clip, as clips without prompts are.
    several = 1 < len(set(alone)) < len(alone)
    return rated["score"].to_numpy(dtype=np.float64), metric, alone if several else None


def _clip_agreement(ratings: Ratings, rated: pd.DataFrame, values: Values, resamples: int, seed: int) -> dict[str, Any]:
    human, metric, prompts = _sides(rated, values)
    if len(metric) and np.ptp(metric) == 0:
        raise BadParameter(CONSTANT)
    settings: dict[str, Any] = {"clusters": prompts, "resamples": resamples, "seed": seed}
    unit = "clips" if prompts is None else "prompts"
    if ratings.kind == "labels":
        even = human == 0.5
        kept = settings | {"clusters": None if prompts is None else prompts[~even]}
        label = (human[~even] > 0.5).astype(np.float64)
        area = bootstrap(auroc(label, metric[~even]), len(label), unit=unit, **kept)
        return {"auroc": area, "positives": int(label.sum()), "undecided": int(even.sum())}
    out: dict[str, Any] = {
        "accuracy": pair_accuracy(human, metric, groups=prompts, resamples=resamples, seed=seed),
        "spearman": bootstrap(spearman(human, metric), len(human), unit=unit, **settings),
        "pearson": bootstrap(pearson(human, metric), len(human), unit=unit, **settings),
        "kendall": bootstrap(
            kendall(human, metric), len(human), unit=unit, **(settings | {"resamples": min(resamples, 1_000)})
        ),
    }
    soft = _soft_pairs(rated, values)
    return {**out, "soft_pairwise_accuracy": soft} if soft is not None else out


def _soft_pairs(rated: pd.DataFrame, values: Values) -> dict[str, Any] | None:
    """Over systems that all made the same prompts; prompts that one lacks are left out."""
    named = rated[(rated["system"] != "") & (rated["prompt"] != "")]
    if named["system"].nunique() < 2:
        return None
    scored = named.assign(metric=[values.sign * values.by_clip[str(c)] for c in named.index])
    human, metric = (scored.pivot_table(index="system", columns="prompt", values=v) for v in ("score", "metric"))
    full = human.notna().all() & metric.notna().all()
    if full.sum() < 2:
        return {
            "value": None,
            "systems": len(human),
            "prompts": int(full.sum()),
            "reason": "systems share fewer than 2 prompts",
        }
    value = soft_pairwise_accuracy(human.loc[:, full].to_numpy(), metric.loc[:, full].to_numpy())
    return {"value": value, "systems": len(human), "prompts": int(full.sum())}


def _within_pairs(ratings: Ratings, dimension: str, values: Values, seed: int) -> Any:
    """How well the metric predicts which of two clips, shown together, one person rated higher."""
    table = ratings.table[(ratings.table["dimension"] == dimension) & ratings.table["clip"].isin(list(values.by_clip))]
    first, second = (table.groupby("line").nth(k).set_index("line") for k in (0, 1))
    both = first.add_suffix("_a").join(second.add_suffix("_b"), how="inner")
    if both.empty:
        return None
    metric = both["clip_a"].map(values.by_clip) - both["clip_b"].map(values.by_clip)
    outcome = (np.sign((both["score_a"] - both["score_b"]).to_numpy(dtype=np.float64)) + 1) / 2
    clusters = both["unit_a"].where(both["unit_a"] != "", both["clip_a"] + "\0" + both["clip_b"]).to_numpy(dtype=str)
    return vote_accuracy(values.sign * metric.to_numpy(dtype=np.float64), outcome, clusters=clusters, seed=seed)


Sides = Callable[[Values, Values], tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[Any] | None]]
"""People's scores, those of two metrics, and what changes places together."""


def _clip_sides(people: pd.DataFrame) -> Sides:
    def sides(one: Values, two: Values) -> Any:
        rated = people[people.index.isin(set(one.by_clip) & set(two.by_clip))]
        human, first, prompts = _sides(rated, one)
        return human, first, _sides(rated, two)[1], prompts

    return sides


def _compared(
    scores: Scores, sides: Sides, over: Literal["clips", "cells"], dimension: str, resamples: int, seed: int
) -> list[dict[str, Any]]:
    """PERM-BOTH on Spearman between all metrics that are not sentinels, with Holm's adjustment."""
    found = []
    real = [
        label
        for label, values in scores.metrics.items()
        if not values.sentinel and values.better != "none" and len(set(values.by_clip.values())) > 1
    ]
    for a, b in itertools.combinations(real, 2):
        entry: dict[str, Any] = {"dimension": dimension, "a": a, "b": b}
        try:
            human, first, second, clusters = sides(scores.metrics[a], scores.metrics[b])
            entry[over] = len(human)
            made = perm_both(human, first, second, clusters=clusters, permutations=resamples, seed=seed)
            entry |= {"difference": made.difference, "p": made.p, "permutations": made.permutations}
        except BadParameter as error:
            entry["reason"] = str(error)
        found.append(entry)
    tested = [e for e in found if "p" in e]
    for entry, p in zip(tested, holm([float(e["p"]) for e in tested]), strict=True):
        entry["p_holm"] = p
    return found


# ------------------------------------------------------------------ cells and votes


def _by_cell(
    scores: Scores, ratings: Ratings, dimensions: Sequence[str], resamples: int, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    out, comparisons = [], []
    for dimension in dimensions:
        people = cells_of({str(c): float(v) for c, v in ratings.per_clip(dimension)["score"].items()})
        for label, values in scores.metrics.items():
            entry = {"metric": label, "dimension": dimension, "better": values.better, "sentinel": values.sentinel}
            try:
                metric = _cells(values)
                entry |= dataclasses.asdict(cell_agreement(people, metric, resamples=min(resamples, 1_000), seed=seed))
            except BadParameter as error:
                entry["reason"] = str(error)
            out.append(entry)
        comparisons += _compared(scores, _cell_sides(people), "cells", dimension, resamples, seed)
    return out, comparisons


def _cells(values: Values) -> Cells:
    return cells_of({c: values.sign * v for c, v in values.by_clip.items()})


def _cell_sides(people: Cells) -> Sides:
    """Means of the cells that both metrics and people have; the levels of one distortion change places together."""

    def sides(one: Values, two: Values) -> Any:
        three = (people, _cells(one), _cells(two))
        common = [c for c in people.names if all(c in side.names for side in three[1:])]
        if not common:
            raise BadParameter("the two metrics have no cell in common that people rated")
        human, first, second = (
            side.means(np.ones((1, len(side.values))))[0, [side.names.index(c) for c in common]] for side in three
        )
        kinds = np.array([kind for kind, _ in common])
        return human, first, second, kinds if len(set(kinds)) > 1 else None

    return sides


def _by_vote(scores: Scores, ratings: Ratings, dimensions: Sequence[str], resamples: int, seed: int) -> list[dict[str, Any]]:
    out = []
    for dimension in dimensions:
        table = ratings.table[ratings.table["dimension"] == dimension]
        strengths, why = _strengths(table, resamples, seed)
        for label, values in scores.metrics.items():
            entry = {"metric": label, "dimension": dimension, "better": values.better, "sentinel": values.sentinel}
            usable = table[table["clip_a"].isin(list(values.by_clip)) & table["clip_b"].isin(list(values.by_clip))]
            entry |= {"votes": len(usable), "unscored": len(table) - len(usable), "strengths": strengths}
            if why:
                entry["strengths_reason"] = why
            if len(usable):
                entry |= _vote_agreement(usable, values, resamples, seed)
            else:
                entry["reason"] = "no vote compares two clips that have a score"
            out.append(entry)
    return out


def _vote_agreement(usable: pd.DataFrame, values: Values, resamples: int, seed: int) -> dict[str, Any]:
    apart = values.sign * (usable["clip_a"].map(values.by_clip) - usable["clip_b"].map(values.by_clip)).to_numpy(
        dtype=np.float64
    )
    outcome = usable["outcome"].to_numpy(dtype=np.float64)
    sides = zip(usable["prompt"], usable["clip_a"], usable["clip_b"], strict=True)
    clusters = np.array([str(prompt) or "\0".join(sorted((str(a), str(b)))) for prompt, a, b in sides])
    found = vote_accuracy(apart, outcome, clusters=clusters, seed=seed)
    won = 2 * outcome - 1
    hits, decided = (np.sign(apart) == won) + 0.5 * (apart == 0), (won != 0).astype(np.float64)

    def share(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            return np.asarray(weights @ (hits * decided) / (weights @ decided))

    interval = bootstrap(share, len(apart), clusters=clusters, resamples=resamples, seed=seed, unit="prompts or pairs")
    return {"accuracy": dataclasses.asdict(found) | {"decided": interval}}


def _strengths(table: pd.DataFrame, resamples: int, seed: int) -> tuple[list[dict[str, Any]] | None, str]:
    named = table[(table["system_a"] != "") & (table["system_b"] != "") & (table["system_a"] != table["system_b"])]
    if named.empty:
        return None, "votes name no two systems (columns system_a and system_b, or clips as system/clip)"
    prompts = np.array([p or line for p, line in zip(named["prompt"], named["line"], strict=True)])
    one, two = (named[c].to_numpy(dtype=str) for c in ("system_a", "system_b"))
    try:
        made = bradley_terry(one, two, named["outcome"].to_numpy(), clusters=prompts, resamples=min(resamples, 500), seed=seed)
    except BadParameter as error:
        return None, str(error)
    columns = zip(made.names, made.strength, made.low, made.high, made.best, strict=True)
    return [{"system": n, "strength": s, "low": lo, "high": hi, "best": p} for n, s, lo, hi, p in columns], ""


# ------------------------------------------------------------------ what it says


def _confounded(agreement: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentinels that agree with people, whichever way."""
    out = []
    for entry in agreement:
        found = entry.get("spearman") or entry.get("auroc")
        if not entry["sentinel"] or not isinstance(found, Interval | dict):
            continue
        ends = dataclasses.asdict(found) if isinstance(found, Interval) else found
        chance, least = (0.5, 0.6) if "auroc" in entry else (0.0, CONFOUNDED)
        strong = abs(ends["value"] - chance) >= least - chance
        if strong and (ends["low"] > chance or ends["high"] < chance):
            where = f" in {entry['dimension']}" if entry["dimension"] else ""
            out.append(
                f"{entry['metric']} says nothing of quality and yet goes with people's scores{where} "
                f"({ends['value']:.2f}): these clips are confounded by it"
            )
    return out


def _plain(value: Any) -> Any:
    """What JSON takes: dataclasses as tables, NaN as None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
