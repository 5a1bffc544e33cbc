"""`avbench agree`: do the metrics agree with people?"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

app = typer.Typer()


@app.command("agree")
def agree(
    scores: Annotated[Path, typer.Argument(help="Folder of a run, or a CSV file with clip,metric,value.", metavar="SCORES")],
    ratings: Annotated[
        list[Path], typer.Option("--ratings", help="CSV or JSON lines of ratings, labels or votes; again for more.")
    ],
    clips: Annotated[Path | None, typer.Option("--clips", help="Folder of the clips, for sentinel metrics.")] = None,
    cells: Annotated[
        bool, typer.Option("--cells", help="Compare means over distortion and level instead of clips (names as x_output_05_3).")
    ] = False,
    dimension: Annotated[list[str] | None, typer.Option("--dimension", help="Only this one; again for more.")] = None,
    scale: Annotated[str | None, typer.Option("--scale", help="Of the scores, as low:high:step, such as 1:5:1.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse ratings of clips without a score.")] = False,
    resamples: Annotated[int, typer.Option("--resamples", min=100, help="Of bootstraps and permutation tests.")] = 2_000,
    seed: Annotated[int, typer.Option("--seed", help="Of everything that is drawn.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the report as JSON to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Compare metrics with human ratings: accuracy over pairs, correlations, AUROC, each with an interval."""
    from avbench.agreement.ratings import Scale, read_ratings
    from avbench.agreement.report import agree as compare
    from avbench.agreement.scores import read_scores
    from avbench.store import write_bytes

    people = read_ratings(ratings, scale=None if scale is None else Scale.parse(scale))
    found = read_scores(scores, clips=clips)
    report = compare(found, people, cells=cells, dimensions=dimension, resamples=resamples, seed=seed, strict=strict)
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    if out is not None:
        write_bytes(out, (text + "\n").encode())
    if as_json:
        typer.echo(text)
    else:
        _show(report)


def _show(report: Mapping[str, Any]) -> None:
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 170)
    kind = report["ratings"]["kind"]
    for people in report["people"]:
        console.print(_people(people, report["ratings"]), highlight=False)
    columns = _COLUMNS["labels" if kind == "labels" else report["over"]]
    heads = [*(["dimension"] if report["ratings"]["dimensions"] != [""] else []), "metric", "", *columns, "n", "unscored"]
    table = Table(*heads, box=None, pad_edge=False, title=f"agreement over {report['over']}", title_justify="left")
    for entry in sorted(report["agreement"], key=lambda e: e["sentinel"]):
        dimension = [_safe(entry["dimension"])] if len(heads) > len(columns) + 4 else []
        style = "[dim]" if entry["sentinel"] else ""
        numbers = [entry["reason"], *[""] * (len(columns) - 1)] if "reason" in entry else [_cell(entry, c) for c in columns]
        count = str(entry.get("clips", entry.get("cells", entry.get("votes", ""))))
        arrow = {"higher": "↑", "lower": "↓", "none": "sentinel" if entry["sentinel"] else ""}[entry["better"]]
        row = [*dimension, _safe(entry["metric"]), arrow, *(_safe(n) for n in numbers), count, str(entry.get("unscored", ""))]
        table.add_row(*(style + cell for cell in row))
    console.print(table)
    _show_rest(console, report)


def _show_rest(console: Console, report: Mapping[str, Any]) -> None:
    strengths = {e["dimension"]: e["strengths"] for e in report["agreement"] if e.get("strengths")}
    for dimension, systems in strengths.items():
        said = ", ".join(f"{s['system']} {s['strength']:+.2f} ({_number(s['low'])} … {_number(s['high'])})" for s in systems)
        console.print(_safe(f"Bradley-Terry{' of ' + dimension if dimension else ''}: {said}"), highlight=False)
    if report["comparisons"]:
        table = Table(
            "A",
            "B",
            "difference of Spearman",
            "p",
            "p (Holm)",
            box=None,
            pad_edge=False,
            title="PERM-BOTH",
            title_justify="left",
        )
        for c in report["comparisons"]:
            numbers = [_number(c.get(k)) for k in ("difference", "p", "p_holm")]
            table.add_row(_safe(c["a"]), _safe(c["b"]), *([_safe(c["reason"]), "", ""] if "reason" in c else numbers))
        console.print(table)
    for note in report["notes"]:
        console.print(f"[yellow]note:[/] {_safe(note)}", highlight=False)


_COLUMNS = {
    "clips": ("accuracy", "kendall", "spearman", "pearson"),
    "cells": ("accuracy", "kendall", "spearman", "pearson"),
    "labels": ("auroc",),
    "votes": ("decided", "three_way", "cross_fit"),
}


def _cell(entry: Mapping[str, Any], column: str) -> str:
    found = entry["accuracy"].get(column) if column in _COLUMNS["votes"] else entry.get(column)
    if isinstance(found, dict) and isinstance(found.get("value"), dict):
        found = found["value"]
    if isinstance(found, dict):
        ends = "" if found["low"] is None else f" ({found['low']:.2f} … {found['high']:.2f})"
        return f"{_number(found['value'])}{ends}"
    return _number(found)


def _people(people: Mapping[str, Any], ratings: Mapping[str, Any]) -> str:
    what = _safe(people["dimension"]) or "people"
    said = f"[bold]{what}[/]: {people['ratings']} ratings by {people['annotators']} annotators"
    if people.get("reason"):
        return f"{said}; {people['reason']}"
    alpha = people["alpha"]
    said += f"; Krippendorff's alpha ({people['level']}) {_interval(alpha)}"
    ceiling = people["ceiling"]
    if ceiling and ceiling["split_half"]["value"] is not None:
        said += (
            f"; halves correlate {_interval(ceiling['split_half'])}, reliability of the mean {_number(ceiling['reliability'])}"
        )
        said += f"; one against the rest {_interval(ceiling['one_against_rest_spearman'])} (Spearman)"
    return said


def _interval(found: Mapping[str, Any]) -> str:
    ends = "" if found["low"] is None else f" ({found['low']:.3f} … {found['high']:.3f})"
    return f"{_number(found['value'])}{ends}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _safe(text: str) -> str:
    """Text of files: no markup, no control characters."""
    return escape("".join(f"\\x{ord(c):02x}" if unicodedata.category(c) == "Cc" else c for c in text))
