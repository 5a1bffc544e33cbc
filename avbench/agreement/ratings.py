"""Files of human ratings: CSV with a header, or JSON lines; one row is one judgement.

The columns say which of four kinds a file is; other columns are ignored, and counted as such.

    kind     columns (required, then optional)                               one row is
    mos      clip, score          annotator dimension prompt system unit     a rating of one clip
    pairs    clip_a, clip_b, score_a, score_b   annotator dimension ... unit  ratings of two clips shown together
    labels   clip, label          annotator prompt system                    1 (as it should be) or 0 (not)
    votes    clip_a, clip_b, winner   annotator dimension ... system_a system_b   `a`, `b` or `tie`; or 1, 0, 0.5 for a's share

`clip` is the id that a run gives a clip: its path below the folder, with or without the suffix. `annotator` is any name;
without it agreement between people cannot be computed. `dimension` is what was judged (empty: one). `prompt` ties clips that
are compared with each other, `system` says what made a clip (of votes without it, the folder in `system/clip`). `unit` is one
showing, where people see a clip several times.

Published files are read as they are: AVS Benchmark pair ratings (`_unit_id,_worker_id,video1_score,video2_score,video1_fname,
video2_fname`, scores as `score_1` to `score_5`) and its mean opinion scores (`video_name,score`).

Scales: mos 0 to 5 in steps of 0.5 (the user study of JointDiT), pairs 1 to 5 in steps of 1 (AVS), mean opinion scores of AVS
1 to 5 without steps; `Scale` changes it. A score off the scale is an error. What can happen to honest data is counted and
shown: an empty score, the same row twice, and a person who rates a clip of one dimension several times (the mean is theirs).
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from avbench.errors import BadManifest, BadParameter
from avbench.folders import AUDIO_SUFFIXES, VIDEO_SUFFIXES, shown

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["mos", "pairs", "labels", "votes"]

_REQUIRED: dict[Kind, tuple[str, ...]] = {
    "pairs": ("clip_a", "clip_b", "score_a", "score_b"),
    "votes": ("clip_a", "clip_b", "winner"),
    "labels": ("clip", "label"),
    "mos": ("clip", "score"),
}
_OPTIONAL = ("annotator", "dimension", "prompt", "system", "unit")
_SYSTEMS = ("system_a", "system_b")
_PUBLISHED = {
    "_unit_id": "unit",
    "_worker_id": "annotator",
    "video1_fname": "clip_a",
    "video2_fname": "clip_b",
    "video1_score": "score_a",
    "video2_score": "score_b",
    "video_name": "clip",
}
_WINNERS = {"a": 1.0, "b": 0.0, "tie": 0.5, "1": 1.0, "0": 0.0, "0.5": 0.5, "1.0": 1.0, "0.0": 0.0}
_EMPTY = {"", "nan", "none", "null"}
_WORDY_SCORE = re.compile(r"score_(\d+)")
AVS_NAME = re.compile(r"(?P<source>.+)_output_(?P<type>\d\d)_(?P<level>\d)")
"""Clips of the AVS Benchmark, and of `avbench distort`."""


@dataclass(frozen=True)
class Scale:
    """Values that a score may have: from `low` to `high` in steps of `step`; 0 for no steps."""

    low: float
    high: float
    step: float

    def holds(self, value: float) -> bool:
        """Whether a score is on the scale."""
        steps = (value - self.low) / self.step if self.step else 0.0
        return self.low <= value <= self.high and abs(steps - round(steps)) < 1e-6

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}" + (f" in steps of {self.step:g}" if self.step else "")

    @staticmethod
    def parse(text: str) -> Scale:
        """`0:5:0.5`, or `1:5` without steps.

        Raises:
            BadParameter: for anything else.
        """
        try:
            low, high, *step = (float(part) for part in text.split(":"))
            if len(step) > 1 or not low < high or (step and step[0] < 0) or not math.isfinite(low + high + sum(step)):
                raise ValueError
        except ValueError:
            raise BadParameter(f"a scale is low:high:step or low:high, such as 0:5:0.5, got '{text}'") from None
        return Scale(low, high, step[0] if step else 0.0)


@dataclass(frozen=True)
class Ratings:
    """What people said.

    Args:
        kind: See above.
        table: mos, pairs (two rows each) and labels: one row per rating, `clip, score, annotator, dimension, prompt, system,
            unit, line`. votes: `clip_a, clip_b, outcome` (a's share) instead of `clip, score`.
        counted: What was found: rows, ratings, clips, annotators, empty scores, duplicates, repeats.
        notes: The same for people, with places.
        scale: That scores were checked against.
        files: Where it came from.
    """

    kind: Kind
    table: pd.DataFrame
    counted: Mapping[str, int]
    notes: tuple[str, ...]
    scale: Scale | None
    files: tuple[str, ...]

    def per_clip(self, dimension: str) -> pd.DataFrame:
        """Mean over annotators of each clip, by clip: `score`, `annotators`, `prompt`, `system`.

        An annotator who rated a clip several times counts once, with the mean; without annotators each rating counts.
        """
        table = self.table[self.table["dimension"] == dimension]
        who = table["annotator"].where(table["annotator"] != "", "line " + table["line"])
        own = table.assign(annotator=who).groupby(["clip", "annotator"], sort=True)["score"].mean()
        made = own.groupby(level="clip").agg(["mean", "size"]).set_axis(["score", "annotators"], axis=1)
        return made.join(table.groupby("clip")[["prompt", "system"]].first())

    @property
    def dimensions(self) -> tuple[str, ...]:
        """In order of their names."""
        return tuple(sorted(self.table["dimension"].unique()))

    @property
    def clips(self) -> frozenset[str]:
        """Every clip that was judged."""
        columns = ("clip_a", "clip_b") if self.kind == "votes" else ("clip",)
        return frozenset(c for column in columns for c in self.table[column])


@dataclass
class _Reading:
    """Rows of all files, and what was counted on the way."""

    kind: Kind | None = None
    mean_scores: bool = False
    rows: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0
    empty: list[str] = field(default_factory=list)
    ignored: set[str] = field(default_factory=set)


def read_ratings(paths: Sequence[Path | str], *, scale: Scale | None = None) -> Ratings:
    """Read files of one kind.

    Args:
        paths: One or more files; several are one set of ratings.
        scale: Of the scores; None for the kind's own.

    Raises:
        BadManifest: for a file that cannot be read, has other columns, mixes kinds, or holds a value that is none; names
            file and line.
    """
    reading = _Reading()
    for path in paths:
        _read_file(Path(path), reading, scale)
    if reading.kind is None or not reading.rows:
        raise BadManifest(f"{', '.join(shown(str(p)) for p in paths)}: there is not one rating in it")
    if reading.kind != "labels" and scale is None and reading.kind != "votes":
        scale = _own_scale(reading.kind, reading.mean_scores)
    return _collected(reading, reading.kind, scale, tuple(shown(str(p)) for p in paths))


def _own_scale(kind: Kind, mean_scores: bool) -> Scale:
    if kind == "pairs":
        return Scale(1.0, 5.0, 1.0)
    return Scale(1.0, 5.0, 0.0) if mean_scores else Scale(0.0, 5.0, 0.5)


# ------------------------------------------------------------------ one file


def _read_file(path: Path, reading: _Reading, scale: Scale | None) -> None:
    name = shown(path.name)
    columns: dict[str, str] | None = None
    checked: Scale | None = None
    for line, row in _lines(path, name):
        if columns is None or path.suffix.lower() in _JSON_SUFFIXES:
            columns = _columns(row, f"{name}, line {line}", reading)
            checked = scale or (_own_scale(reading.kind, reading.mean_scores) if reading.kind in ("mos", "pairs") else None)
        reading.count += 1
        values = {ours: _text(row[theirs]) for ours, theirs in columns.items()}
        _take(values, f"{name}, line {line}", reading, checked)


_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")


def _lines(path: Path, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Line number and row, from either format."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadManifest(f"{name}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except OSError as error:
        raise BadManifest(f"{path}: cannot be read: {error.strerror or error}; give a CSV or JSON lines file") from error
    if path.suffix.lower() in _JSON_SUFFIXES:
        for line, part in enumerate(text.split("\n"), 1):
            if part.strip():
                yield line, _object(part, f"{name}, line {line}")
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    try:
        for fields in reader:
            if not any(f.strip() for f in fields):
                continue
            if header is None:
                header = [f.strip() for f in fields]
                if len(set(header)) < len(header):
                    raise BadManifest(f"{name}, line {reader.line_num}: a column comes twice in {', '.join(header)}")
            elif len(fields) != len(header):
                raise BadManifest(f"{name}, line {reader.line_num}: {len(fields)} fields where the header has {len(header)}")
            else:
                yield reader.line_num, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise BadManifest(f"{name}, line {reader.line_num}: not CSV: {error}") from error


def _object(part: str, where: str) -> Mapping[str, Any]:
    try:
        row = json.loads(part)
    except (ValueError, RecursionError) as error:
        raise BadManifest(f"{where}: not a line of JSON: {error}") from error
    if not isinstance(row, dict):
        raise BadManifest(f'{where}: expected an object like {{"clip": ..., "score": ...}}, got {part[:60]}')
    return row


def _columns(row: Mapping[str, Any], where: str, reading: _Reading) -> dict[str, str]:
    """Our name of each column to the file's; sets the kind."""
    found = {_PUBLISHED.get(theirs, theirs): theirs for theirs in row}
    kind = next((k for k, required in _REQUIRED.items() if all(c in found for c in required)), None)
    if kind is None:
        ways = "; ".join(f"{k}: {', '.join(c)}" for k, c in _REQUIRED.items())
        raise BadManifest(f"{where}: no kind of ratings has the columns {', '.join(row)}; expected {ways}")
    if reading.kind not in (None, kind):
        raise BadManifest(f"{where}: {kind} after {reading.kind}; give files of one kind")
    reading.kind = kind
    if kind == "mos" and "video_name" in row:
        reading.mean_scores = True
    wanted = (*_REQUIRED[kind], *_OPTIONAL, *(_SYSTEMS if kind == "votes" else ()))
    reading.ignored |= set(row) - {found[c] for c in wanted if c in found}
    return {c: found[c] for c in wanted if c in found}


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _take(values: dict[str, str], where: str, reading: _Reading, scale: Scale | None) -> None:
    kind = reading.kind
    shared = {c: values.get(c, "") for c in _OPTIONAL} | {"line": where}
    names = {c: _clip_id(values[c], c, where) for c in values if c.startswith("clip")}
    if kind == "votes":
        if names["clip_a"] == names["clip_b"]:
            raise BadManifest(f"{where}: '{names['clip_a']}' is compared with itself")
        winner = values["winner"].lower()
        if winner in _EMPTY:
            reading.empty.append(where)
        elif winner not in _WINNERS:
            raise BadManifest(f"{where}: winner must be a, b or tie (or 1, 0, 0.5), got '{values['winner']}'")
        else:
            made = {s: values.get(s, "") or _folder(names[f"clip{s[-2:]}"]) for s in _SYSTEMS}
            reading.rows.append({**shared, **names, **made, "outcome": _WINNERS[winner]})
        return
    of_clips = (
        {"clip_a": "score_a", "clip_b": "score_b"} if kind == "pairs" else {"clip": "label" if kind == "labels" else "score"}
    )
    for clip, column in of_clips.items():
        if values[column].lower() in _EMPTY:
            reading.empty.append(where)
            continue
        value = _number(values[column], column, where)
        if kind == "labels" and value not in (0.0, 1.0):
            raise BadManifest(f"{where}: label must be 0 or 1, got '{values[column]}'")
        if scale is not None and kind != "labels" and not scale.holds(value):
            raise BadManifest(
                f"{where}: {column} {value:g} is not on the scale, {scale}; correct it, or give the study's scale with --scale"
            )
        reading.rows.append({**shared, "clip": names[clip], "score": value})


def _folder(clip: str) -> str:
    return clip.rpartition("/")[0]


def _clip_id(text: str, column: str, where: str) -> str:
    if not text:
        raise BadManifest(f"{where}: {column} is empty; every row names its clip")
    return clip_id(text)


def clip_id(text: str) -> str:
    """A clip's id from its id or file name."""
    name = shown(text)
    suffix = next((s for s in (*VIDEO_SUFFIXES, *AUDIO_SUFFIXES) if name.lower().endswith(s)), "")
    return name[: len(name) - len(suffix)] or name


def _number(text: str, column: str, where: str) -> float:
    wordy = _WORDY_SCORE.fullmatch(text)
    try:
        value = float(wordy[1] if wordy else text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadManifest(f"{where}: {column} must be a number, got '{text}'")
    return value


# ------------------------------------------------------------------ all files


def _collected(reading: _Reading, kind: Kind, scale: Scale | None, files: tuple[str, ...]) -> Ratings:
    import pandas as pd

    table = pd.DataFrame(reading.rows)
    value = "outcome" if kind == "votes" else "score"
    clips = ["clip_a", "clip_b"] if kind == "votes" else ["clip"]
    key = ["annotator", "dimension", "unit", *clips]
    # Without an annotator two equal rows may be two people.
    twice = table.duplicated([*key, value]) & (table["annotator"] != "")
    notes = []
    if reading.empty:
        notes.append(f"{len(reading.empty)} empty scores, left out (first: {reading.empty[0]})")
    if twice.any():
        notes.append(f"{int(twice.sum())} ratings are there twice, used once (first: {table['line'][twice].iloc[0]})")
    table = table[~twice].reset_index(drop=True)
    named = table["annotator"] != ""
    again = table.duplicated(["annotator", "dimension", *clips]) & named
    if again.any():
        first = table["line"][again].iloc[0]
        notes.append(f"{int(again.sum())} times someone judged the same again, the mean counts (first: {first})")
    people = set(table["annotator"][named])
    if not named.all():
        notes.append(f"{int((~named).sum())} ratings name no annotator; agreement between people needs one")
    if len(people) == 1:
        notes.append("there is one annotator: nothing is known about agreement between people")
    if reading.ignored:
        notes.append(f"columns that were not used: {', '.join(sorted(shown(c) for c in reading.ignored))}")
    _one_of_each(table, kind)
    found: set[str] = {c for column in clips for c in table[column]}
    counted = {
        "rows": reading.count,
        "ratings": len(table),
        "clips": len(found),
        "annotators": len(people),
        "empty": len(reading.empty),
        "duplicate": int(twice.sum()),
        "repeated": int(again.sum()),
        "without_annotator": int((~named).sum()),
    }
    return Ratings(kind, _with_prompts(table, kind), counted, tuple(notes), scale, files)


def _one_of_each(table: pd.DataFrame, kind: Kind) -> None:
    """A clip belongs to one prompt and one system."""
    if kind == "votes":
        return
    for column in ("prompt", "system"):
        there = table[table[column] != ""]
        several = there.groupby("clip")[column].nunique()
        if (several > 1).any():
            clip = str(several.index[several > 1][0])
            lines = there[there["clip"] == clip].drop_duplicates(column)
            raise BadManifest(
                f"{lines['line'].iloc[1]}: clip '{clip}' has {column} '{lines[column].iloc[1]}', and "
                f"'{lines[column].iloc[0]}' at {lines['line'].iloc[0]}"
            )


def _with_prompts(table: pd.DataFrame, kind: Kind) -> pd.DataFrame:
    """Clips of the AVS Benchmark are compared with those of the same source clip."""
    if kind != "votes" and not (table["prompt"] != "").any():
        prompts = {c: source_of(c) for c in table["clip"].unique()}
        table["prompt"] = table["clip"].map(prompts)
    return table


def source_of(clip: str) -> str:
    """The clip that a distorted clip was made from; empty if the name says none."""
    match = AVS_NAME.fullmatch(clip)
    return match["source"] if match else clip.removesuffix("_original") if clip.endswith("_original") else ""
