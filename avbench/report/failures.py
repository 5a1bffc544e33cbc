"""What has no number, and what is to be known of clips that have one, by reason."""

from __future__ import annotations

from typing import Any

from avbench.errors import REASONS
from avbench.report.gather import Found
from avbench.tables.names import visible


def collect(found: Found) -> dict[str, Any]:
    """`unscored` and `flags`: by code a line on what it means, and by run the clips; `others`: files that are no clips."""
    metric_at = {metric.label: m for m, metric in enumerate(found.metrics)}
    unscored: dict[str, dict[str, Any]] = {}
    flags: dict[str, dict[str, Any]] = {}
    for r, run in enumerate(found.runs):
        for score in run.result.metrics:
            m = metric_at[score.metric]
            for clip, reason in score.unscored.items():
                code, _, detail = reason.partition(":")
                entry = _entry(unscored, code, REASONS.get(code, ""), len(found.runs))
                # One broken clip is unscored by every metric: it is one line with several metrics, not several lines.
                entry["clips"][r].setdefault((found.place[clip], visible(detail.strip())), []).append(m)
            for clip, said in score.flagged.items():
                for flag in said:
                    if clip in found.place:
                        _entry(flags, flag, "", len(found.runs))["clips"][r].setdefault((found.place[clip], ""), []).append(m)
        for clip, facts in run.result.clips.items():
            given = facts.get("flags", ())
            for flag in given if isinstance(given, list) else ():
                _entry(flags, str(flag), "", len(found.runs))["clips"][r].setdefault((found.place[clip], ""), [])
    others = [[[visible(name), visible(why)] for name, why in run.result.others.items()] for run in found.runs]
    return {"unscored": _listed(unscored), "flags": _listed(flags), "others": others}


def _entry(table: dict[str, dict[str, Any]], code: str, meaning: str, runs: int) -> dict[str, Any]:
    return table.setdefault(code, {"code": visible(code), "meaning": meaning, "clips": [{} for _ in range(runs)]})


def _listed(table: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Most clips first; a clip as its item, the detail and its metrics."""
    out = []
    for entry in table.values():
        clips = [[[item, detail, metrics] for (item, detail), metrics in by.items()] for by in entry["clips"]]
        out.append({**entry, "clips": clips})
    return sorted(out, key=lambda e: (-sum(map(len, e["clips"])), e["code"]))
