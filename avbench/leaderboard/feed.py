"""The leaderboard's numbers as data: JSON and CSV, one line per number."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from avbench.leaderboard.entry import Measured, Reported
from avbench.leaderboard.views import Page, Section
from avbench.tables.comma_separated import escaped

COLUMNS = (
    "suite",
    "origin",
    "model",
    "revision",
    "process",
    "metric",
    "better",
    "unit",
    "value",
    "low",
    "high",
    "n",
    "of",
    "rank_from",
    "rank_to",
    "paper",
    "place",
    "table",
    "benchmark",
    "signature",
    "note",
    "entry",
)
SHARED = ("suite", "origin", "model", "revision", "process", "paper", "place", "table", "benchmark", "entry")
CATEGORY_COLUMNS = ("suite", "model", "revision", "metric", "category", "mean", "n")
CATEGORY_SHARED = ("suite", "model", "revision", "metric")


def numbers(pages: Sequence[Page]) -> list[dict[str, Any]]:
    """Every number with what it stands on; what does not exist is None."""
    return [line for page in pages for section in page.sections for line in _of_section(page, section)]


def _of_section(page: Page, section: Section) -> Iterator[dict[str, Any]]:
    for r, (place, made) in enumerate(zip(section.places, section.entries, strict=True)):
        base: dict[str, Any] = dict.fromkeys(COLUMNS)
        base |= {"suite": page.suite, "origin": made.origin, "model": made.model, "revision": made.revision}
        base |= {"process": made.process, "entry": place}
        if isinstance(made, Reported):
            source = made.source
            about = {"paper": source.paper, "place": source.place, "table": source.table, "benchmark": source.benchmark}
            for number in made.numbers:
                value = None if number.value is None else float(number.value)
                yield {**base, **about, "metric": number.metric, "better": number.better, "value": value, "note": number.note}
        else:
            yield from (line for line in _of_run(made, base, section, r))


def _of_run(made: Measured, base: dict[str, Any], section: Section, row: int) -> Iterator[dict[str, Any]]:
    shown = {c.key for c in section.table.columns}
    for score in made.result.metrics:
        if score.metric not in shown:
            continue
        first, last = section.ranks.get((row, score.metric), (None, None))
        notes = [section.table.notes[n] for n in section.table.refers.get((row, score.metric), ())]
        yield {
            **base,
            "metric": score.metric,
            "better": score.better,
            "unit": score.unit,
            **{key: _finite(getattr(score, key)) for key in ("value", "low", "high")},
            "n": score.n_scored,
            "of": score.n_items,
            "rank_from": first,
            "rank_to": last,
            "signature": score.signature,
            "note": "; ".join(notes),
        }


def categories(pages: Sequence[Page]) -> list[dict[str, Any]]:
    """Means by category."""
    return [
        {
            "suite": page.suite,
            "model": page.measured[place].model,
            "revision": page.measured[place].revision,
            "metric": category.metric,
            "category": name,
            "mean": float(f"{mean:.6g}"),
            "n": n,
        }
        for page in pages
        for category in page.categories
        for (place, name), (mean, n) in category.means.items()
    ]


def as_json(lines: Sequence[dict[str, Any]], shared: Sequence[str]) -> str:
    """Numbers that agree in the `shared` columns as one object, each on a line of its own; what does not exist is left out."""
    groups: dict[str, list[str]] = {}
    for line in lines:
        held = {key: value for key, value in line.items() if value not in (None, "")}
        head = json.dumps({key: held.pop(key) for key in shared if key in held})
        groups.setdefault(head, []).append(" " + json.dumps(held, allow_nan=False))
    bodies = [head[:-1] + ', "numbers": [\n' + ",\n".join(numbers) + "]}" for head, numbers in groups.items()]
    return "[\n" + ",\n".join(bodies) + "\n]\n"


def as_csv(lines: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    """With a heading; no cell is a formula to a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(columns)
    for line in lines:
        writer.writerow([escaped(v) if isinstance(v, str) else "" if v is None else v for v in (line[c] for c in columns)])
    return out.getvalue()


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
