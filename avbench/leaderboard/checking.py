"""What has to hold of an entry, whoever sends it in.

Everything that follows from something else is made again and compared: the path from the names, the hashes of items and ids
from the suite, titles, units and directions from the metrics, signatures from settings and weights, numbers and intervals from
the rows.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from avbench import registry, suites, weights
from avbench.compare_rows import is_of_set
from avbench.errors import REASONS, AvbenchError
from avbench.leaderboard import entry
from avbench.leaderboard.blocks import Float64s
from avbench.leaderboard.board import Blocks, Board, digest, measured
from avbench.leaderboard.entry import Entry, Measured, Reported
from avbench.leaderboard.hashes import clips_hash, ids_hash, items_hash, signature_of, used_extractors
from avbench.leaderboard.ranges import range_of
from avbench.options import Precision
from avbench.results import Result, Score
from avbench.types import Extractor, Metric, Suite, canonical

_CLOSE = 1e-7
"""How far a number may be from what its rows give, of the number or of 1: sums in another order differ by 1e-12."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PRECISIONS = get_args(Precision)
_NONSENSE = (TypeError, ValueError, KeyError, AttributeError, IndexError, ArithmeticError, RecursionError)


def check_entry(board: Board, path: Path, others: Mapping[str, Entry]) -> list[str]:
    """What is wrong with an entry's files; empty if nothing is.

    Args:
        board: Where it lies.
        path: The entry's file.
        others: All entries that can be read, by their place.
    """
    try:
        place = board.place(path)
    except ValueError:
        return [f"{path}: not below {board.entries}, where entries lie"]
    try:
        made = entry.read(path)
    except AvbenchError as error:
        return [str(error)]
    found: list[str] = []
    try:
        found += (f"{place}: {problem}" for problem in _of_any(board, path, place, made, others))
        if isinstance(made, Measured) and not found:
            found += (f"{place}: {problem}" for problem in _of_measured(board, made))
    except _NONSENSE as error:  # values of kinds that no schema foresaw, in the parts of a result that are free
        found.append(f"{place}: cannot be checked: {type(error).__name__}: {error!s:.200}")
    return found


def _of_any(board: Board, path: Path, place: str, made: Entry, others: Mapping[str, Entry]) -> Iterator[str]:
    if place != entry.path_of(made):
        yield f"the file's place should be {entry.path_of(made)}, which its suite, model and revision say"
    if entry.slug(made.revision) != made.revision:
        yield f"revision: expected lower-case letters, digits, dots and hyphens, got '{made.revision[:80]}'"
    data = path.read_bytes()
    if data.decode("utf-8", "replace") != entry.to_json(made):
        yield "the file is not written as avbench writes it (order, spaces, digits of numbers)"
    known = board.reproduced().get(place)
    if made.origin == "reproduced" and known != digest(data):
        what = "is not listed" if known is None else "has another hash"
        yield f"origin: reproduced, but it {what} in {board.ledger.name}; what others send in is 'submitted'"
    if made.origin != "reproduced" and known is not None:
        yield f"origin: {made.origin}, but {board.ledger.name} lists it as reproduced"
    if isinstance(made, Reported):
        yield from _of_reported(place, made, others)
    else:
        yield from _of_copies(place, made, others)


def _of_reported(place: str, made: Reported, others: Mapping[str, Entry]) -> Iterator[str]:
    wanted = entry.reported_revision(made.source)
    if made.revision != wanted and not made.revision.startswith(f"{wanted}-"):
        yield f"revision: expected {wanted}, which its paper and table say, got {made.revision}"
    names = [n.metric for n in made.numbers]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        yield f"numbers: {twice[0]} is there twice"
    for number in made.numbers:
        if number.value is None and not number.note:
            yield f"numbers: {number.metric}: no value, and no note that says why"
    for other_place, other in others.items():
        if other_place != place and isinstance(other, Reported) and other.source == made.source:
            if (other.model, other.process) == (made.model, made.process):
                yield f"the same row of the same table as {other_place}"
            if other.row == made.row:
                yield f"row {made.row} of its table is {other_place} already"


def _of_copies(place: str, made: Measured, others: Mapping[str, Entry]) -> Iterator[str]:
    for other_place, other in measured(others):
        if other_place == place or other.suite != made.suite:
            continue
        if other.rows.sha256 == made.rows.sha256:
            yield f"rows: the same as those of {other_place}"
        elif other.result.hashes.get("clips") == made.result.hashes.get("clips") and other.model != made.model:
            yield f"clips: the same clips as those of {other_place}, which is another model"
        for rows in made.references:
            for held in other.references:
                same_clips = other.result.hashes.get("references") == made.result.hashes.get("references")
                if same_clips and rows.file != held.file and (both := sorted(set(rows.blocks) & set(held.blocks))):
                    yield f"references: {both[0]}: other rows of the same reference clips than {other_place}"


# ------------------------------------------------------------------ runs


def _of_measured(board: Board, made: Measured) -> Iterator[str]:
    """Cheap things first: numbers are made again only if everything else agrees."""
    result = made.result
    try:
        suite = suites.load(made.suite) if re.fullmatch(r"[A-Za-z0-9_.-]+", made.suite) else None
    except AvbenchError as error:
        yield f"suite: {error}"
        return
    if suite is None:
        yield f"suite: '{made.suite[:80]}' is no name of a suite"
        return
    problems = [*_of_run(made, suite), *_of_clips(result, suite), *_of_files(made)]
    for score in result.metrics:
        problems += [f"{score.metric[:80]}: {problem}" for problem in _of_settings(result, score, suite)]
    if problems:
        yield from problems
        return
    try:
        rows, references = board.rows(made), board.reference_rows(made)
    except AvbenchError as error:
        yield str(error)
        return
    used = set(made.rows.blocks.values())
    if strange := sorted(set(rows) - used):
        yield f"rows: no metric stands on the block '{strange[0][:80]}'"
    for score in result.metrics:
        yield from (f"{score.metric}: {problem}" for problem in _of_rows(made, score, rows, references, suite))


def _of_run(made: Measured, suite: Suite) -> Iterator[str]:
    result, request = made.result, made.result.request
    if result.suite.get("name") != made.suite:
        yield f"suite: the run is over '{result.suite.get('name')!s:.80}', the entry says '{made.suite}'"
    if result.suite.get("version") != suite.version:
        yield f"suite: version {result.suite.get('version')!r:.40}, and {suite.name} is at version {suite.version}"
    if result.suite.get("items") != items_hash(suite):
        yield "suite: the hash of its items is not that of the suite here"
    if request.get("limit") is not None:
        yield f"request: limit {request.get('limit')!r:.40}; a leaderboard takes runs over all items"
    if request.get("reference_stats"):
        yield "request: reference_stats; a leaderboard takes runs whose reference rows can be stored"
    if request.get("verb") not in ("run", "score"):
        yield f"request: verb: expected run or score, got {request.get('verb')!r:.40}"
    if request.get("verb") == "run" and made.model != result.model:
        yield f"model: the run is of '{result.model[:80]}', the entry says '{made.model[:80]}'"
    if request.get("verb") == "score" and result.model:
        yield f"model: a run that scored clips has no model of its own, got '{result.model[:80]}'"
    if strange := sorted(set(request) - set(entry.REQUEST)):
        yield f"request: {strange[0][:80]}: an entry holds {', '.join(entry.REQUEST)} only"
    if request.get("model", result.model) != result.model:
        yield f"request: model: '{request['model']!s:.80}' was asked for, and the run is of '{result.model[:80]}'"
    if request.get("precision", "float32") not in _PRECISIONS:
        yield f"request: precision: expected {', '.join(_PRECISIONS)}, got {request['precision']!r:.40}"
    if type(request.get("seed", 0)) is not int:
        yield f"request: seed: expected a number, got {request.get('seed')!r:.40}"
    if made.origin == "reproduced" and request.get("verb") != "run":
        yield "origin: reproduced, but the clips were not made by avbench (verb score)"
    if result.others:
        yield "others: names of other files have no place on a leaderboard"
    labels = [s.metric for s in result.metrics]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        yield f"metrics: {twice[0][:80]} is there twice"
    protocol = [registry.metric(m.name, **dict(m.parameters)).label for m in suite.metrics]
    if missing := [label for label in protocol if label not in labels]:
        yield f"metrics: the suite's protocol has {', '.join(missing)}, the run has not; choosing metrics is choosing results"
    for key in ("avbench", "python", "av"):
        if not re.fullmatch(r"\d+(\.\d+){1,3}([a-z+.-][A-Za-z0-9.+-]*)?", result.versions.get(key, "")):
            yield f"versions: {key}: expected a version, got {result.versions.get(key)!r:.60}"


def _of_clips(result: Result, suite: Suite) -> Iterator[str]:
    ids = [item.id for item in suite.items]
    if strange := sorted(set(result.clips) - set(ids)):
        yield f"clips: '{strange[0][:80]}' is no item of {suite.name}"
    for clip, about in result.clips.items():
        if not _SHA256.fullmatch(str(about.get("sha256", ""))) or set(about) != {"sha256", "flags"}:
            yield f"clips: {clip[:80]}: expected its SHA-256 and flags, got {json.dumps(about)[:120]}"
            return
    if result.hashes.get("ids") != ids_hash(suite):
        yield "hashes: ids: not the hash of the suite's ids"
    if result.hashes.get("clips") != clips_hash(result, suite):
        yield "hashes: clips: not the hash of the clips that are listed"
    if result.hashes.get("references") and not _SHA256.fullmatch(result.hashes["references"]):
        yield f"hashes: references: expected a SHA-256, got {result.hashes['references']!r:.80}"


def _of_files(made: Measured) -> Iterator[str]:
    if made.rows.file != f"{made.revision}.parquet":
        yield f"rows: file: expected {made.revision}.parquet beside the entry, got {made.rows.file!r:.80}"
    scored = {s.metric for s in made.result.metrics if s.n_scored}
    if set(made.rows.blocks) != scored:
        apart = sorted(set(made.rows.blocks) ^ scored)
        yield f"rows: blocks: {apart[0][:80]} has rows and no score, or a score and no rows"
    for rows in made.references:
        if rows.file != f"{rows.sha256[:16]}.parquet":
            yield f"references: file: expected {rows.sha256[:16]}.parquet, which its hash says, got {rows.file!r:.80}"


def _of_settings(result: Result, score: Score, suite: Suite) -> Iterator[str]:
    """Everything that the metric here says of itself, and who is missing."""
    try:
        metric = registry.metric(score.metric.split("[")[0], **score.parameters)
    except AvbenchError as error:
        yield str(error)
        return
    if metric.label != score.metric:
        yield f"its parameters make it {metric.label}"
    if canonical(dict(score.parameters)) != canonical(metric.parameters()):
        yield f"parameters: expected {canonical(metric.parameters())}, got {canonical(dict(score.parameters))[:200]}"
    for key in ("title", "unit", "better", "revision"):
        if getattr(score, key) != getattr(metric, key):
            yield f"{key}: expected {getattr(metric, key)!r}, got {getattr(score, key)!r:.80}"
    extractors = used_extractors(metric)
    told = [(e.get("name"), e.get("revision"), canonical(e.get("parameters"))) for e in score.extractors]
    wanted = [(e.name, e.revision, canonical(e.parameters())) for e in extractors]
    if told != wanted:
        apart = next(
            (f"{t} instead of {w}" for t, w in zip(told, wanted, strict=False) if t != w), f"{len(told)} of {len(wanted)}"
        )
        yield f"extractors: not those of the metric here: {apart}"
        return
    for about, extractor in zip(score.extractors, extractors, strict=True):
        published = _published(extractor)
        found = about.get("weights")
        if extractor.weights is None and found is not None:
            yield f"extractors: {extractor.name} has no weights, got {found!r:.80}"
        elif extractor.weights is not None and not _SHA256.fullmatch(str(found)):
            yield f"extractors: {extractor.name}: expected the SHA-256 of its weights, got {found!r:.80}"
        elif published is not None and found != published:
            yield f"extractors: {extractor.name}: weights {str(found)[:12]}, and the published ones are {published[:12]}"
        if about.get("precision") not in _PRECISIONS or set(about) != {
            "name",
            "revision",
            "parameters",
            "weights",
            "precision",
        }:
            yield f"extractors: {extractor.name}: not as a run writes it: {json.dumps(dict(about))[:160]}"
    signature = signature_of(result, score, metric, suite)
    if score.signature != signature:
        yield f"signature: its settings say {signature}, it says {score.signature[:400]}"
    yield from _of_counts(result, score, suite)
    yield from _of_range(score.metric, "value", score.value)


def _published(extractor: Extractor) -> str | None:
    """Hash of its weights, where they come with avbench or are one file that is published with a hash."""
    if extractor.weights is None or (extractor.companions and not extractor.weights.package):
        return None  # a run notes one hash over several files, which only someone who has them all can make
    return weights.resolve(extractor, None)[1] if extractor.weights.package else extractor.weights.sha256


def _of_counts(result: Result, score: Score, suite: Suite) -> Iterator[str]:
    ids = {item.id for item in suite.items}
    if score.n_items != len(ids):
        yield f"n_items: the suite has {len(ids)} items, it says {score.n_items}"
    if strange := sorted(set(score.unscored) - ids):
        yield f"unscored: '{strange[0][:80]}' is no item of {suite.name}"
    if score.n_scored != len(ids) - len(score.unscored):
        yield f"n_scored: {len(ids)} items less {len(score.unscored)} unscored ones are not {score.n_scored}"
    for clip, reason in score.unscored.items():
        if reason.split(":")[0] not in REASONS:
            yield f"unscored: {clip[:80]}: '{reason[:60]}' begins with no reason that avbench knows"
            break
    if strange := sorted(set(score.flagged) - set(result.clips)):
        yield f"flagged: '{strange[0][:80]}' is no clip of the run"
    if math.isfinite(score.low) != math.isfinite(score.high) or (math.isfinite(score.low) and score.low > score.high):
        yield f"interval: {score.low:.6g} to {score.high:.6g} is none"


def _of_range(label: str, what: str, value: float) -> Iterator[str]:
    low, high = range_of(label.split("[")[0])
    slack = 1e-6 * max(1.0, abs(value)) if math.isfinite(value) else 0.0
    if value < low - slack or value > high + slack:
        yield f"{what}: {value:.6g} is outside of {low:g} to {high:g}, which the metric's card says"


# ------------------------------------------------------------------ numbers


def _of_rows(made: Measured, score: Score, rows: Blocks, references: Blocks, suite: Suite) -> Iterator[str]:
    """The number and its interval, made again."""
    metric = registry.metric(score.metric.split("[")[0], **score.parameters)
    if not score.n_scored:
        yield from (f"value: {score.value:.6g} from no clip" for _ in range(math.isfinite(score.value)))
        return
    block = rows.get(made.rows.blocks[score.metric])
    if block is None:
        yield f"rows: there is no block '{made.rows.blocks[score.metric][:80]}'"
        return
    scored = [item.id for item in suite.items if item.id not in score.unscored]
    if list(block) != scored:
        apart = sorted(set(block) - set(scored)) or sorted(set(scored) - set(block))
        said = f"not those that were scored, such as '{apart[0][:80]}'" if apart else "in another order than the suite's"
        yield f"rows: the clips are {said}"
        return
    if lost := next((clip for clip in scored if clip not in made.result.clips), None):
        yield f"rows: {lost} has rows, and the run lists no such clip"
        return
    parts = [block[clip] for clip in scored]
    if metric.columns and (
        parts[0].shape[1] != len(metric.columns) or (not metric.needs_all and any(len(p) > 1 for p in parts))
    ):
        yield f"rows: expected one row of {', '.join(metric.columns)} for each clip, got {parts[0].shape}"
        return
    if not is_of_set(metric):
        for clip, part in zip(scored, parts, strict=True):
            if out := list(_of_range(score.metric, f"rows: {clip}", float(part[0, 0]))):
                yield out[0]
                return
    held = None
    if metric.needs_all and metric.needs_reference:
        there = references.get(score.metric)
        if there is None or any(clip not in there for clip in scored):
            yield "references: the rows of the suite's reference clips are not there"
            return
        held = [there[clip] for clip in scored]
    yield from _of_number(metric, score, parts, held)


def _of_number(metric: Metric, score: Score, parts: list[Float64s], refs: list[Float64s] | None) -> Iterator[str]:
    value = low = high = math.nan
    interval = f"none: too_short: needs at least {max(1, metric.minimum)} clips, {len(parts)} scored"
    if len(parts) >= max(1, metric.minimum):
        try:
            value = metric.score(np.concatenate(parts), None if refs is None else np.concatenate(refs))
            if not _same(value, score.value):
                yield f"value: its rows give {value!r}, it says {score.value!r}"
                return
            low, high, interval = metric.interval(_as_made(parts), None if refs is None else _as_made(refs), seed=0)
        except AvbenchError as error:
            interval = f"none: {error}"
        except (ValueError, IndexError, FloatingPointError, np.linalg.LinAlgError) as error:
            yield f"rows: no number can be made of them: {error}"
            return
    for key, found in (("value", value), ("low", low), ("high", high)):
        if not _same(found, getattr(score, key)):
            yield f"{key}: its rows give {found!r}, it says {getattr(score, key)!r}"
    if interval != score.interval:
        yield f"interval: made as '{interval}', it says '{score.interval[:120]}'"


def _as_made(parts: list[Float64s]) -> list[Float64s]:
    """`(d,)` per clip where each has one row, as metrics with one row per clip make them; else `(parts, d)`."""
    return [p[0] for p in parts] if all(len(p) == 1 for p in parts) else parts


def _same(a: float, b: float) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= _CLOSE * max(1.0, abs(a))


# ------------------------------------------------------------------ all


def check(board: Board, files: Sequence[Path] | None = None) -> tuple[int, list[str]]:
    """How many entries were checked, and what is wrong with them; all entries and what lies between them without `files`."""
    others: dict[str, Entry] = {}
    for path in board.files():
        with contextlib.suppress(AvbenchError):
            others[board.place(path)] = entry.read(path)
    wanted = list(files) if files is not None else board.files()
    problems = [problem for path in wanted for problem in check_entry(board, path, others)]
    if files is None:
        problems += [f"{path}: belongs to no entry" for path in board.strays()]
        lost = sorted(place for place in board.reproduced() if place not in others)
        problems += [f"{board.ledger}: {place}: there is no such entry" for place in lost]
    return len(wanted), problems
