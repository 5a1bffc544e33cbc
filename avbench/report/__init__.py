"""A report of runs: one HTML file that opens from disk, needs no network and lets nothing in a name become markup.

    gather.py       runs with their items, per-clip numbers and the command that made them
    summary.py      the table of `avbench table`, and which number each of its cells is
    categories.py   the suite's categories, and JavisBench's five aspects; means of each
    plots.py        Vega-Lite specifications, and Vega itself out of the package `vl-convert-python`
    clips.py        where the clips are, how a browser gets them, and which are worth a player
    curves.py       waveforms, and the curves that metrics traced
    failures.py     what is unscored or flagged, by reason
    numbers.py      each number with command, signature, LaTeX and BibTeX
    document.py     all of it in one file, under a policy that allows the page's own two scripts and nothing else
    page/           the page's markup, style and scripts; a script per section

Nothing in a report depends on the day it was made: the same runs give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avbench.report import categories, clips, curves, document, failures, gather, numbers, summary
from avbench.results import Result

PLAYERS = 200
"""Items with players, waveforms and curves unless the caller says otherwise."""


@dataclass(frozen=True)
class Report:
    """A report, and what it could not show.

    Args:
        html: The file's text.
        items: How many items it compares.
        players: How many of them have players.
        notes: What is missing from it and why; the page says the same.
    """

    html: str
    items: int
    players: int
    notes: tuple[str, ...]


def build(
    results: Sequence[Result],
    *,
    out: Path,
    names: Sequence[str] = (),
    title: str = "",
    columns: str | None = None,
    intervals: bool = True,
    suite: str | None = None,
    clip_folders: Sequence[Path] = (),
    embed: bool = False,
    players: int = PLAYERS,
) -> Report:
    """The report of finished runs.

    Args:
        results: One or more, as `results.read` gives them.
        out: Where the file will lie; links to clips are relative to its folder.
        names: What each run is called; empty for the model's name.
        title: Of the page.
        columns: Of the first table, as for `avbench table`.
        intervals: Whether the first table shows them.
        suite: Name or folder of the suite, for prompts and categories; None for the one that the runs name.
        clip_folders: Where the clips of each run are now; empty for where the run left them.
        embed: Put the clips into the file.
        players: Items with players at most; the best, worst and most different come first.

    Raises:
        BadParameter: for no run, a wrong number of names or folders, or more clips than fit into a page.
        UnknownName: for a suite or column that is not there.
    """
    found = gather.gather(results, names=names, suite=suite, clip_folders=clip_folders)
    chosen = clips.worth_a_look(found, players)
    media = clips.sources(found, chosen, out=out, embed=embed)
    notes = [*found.notes, *media.notes]
    if len(chosen) < len(found.items):
        notes.append(f"{len(chosen)} of {len(found.items)} items have players, those with the most telling numbers (--players)")
    data = {
        "title": title or " · ".join(dict.fromkeys(run.suite_text for run in found.runs)) or "runs",
        "runs": [run.described() for run in found.runs],
        "metrics": [metric.described() for metric in found.metrics],
        "items": [item.described() for item in found.items],
        "values": found.value_lists(),
        "facets": categories.breakdown(found),
        "clips": media.entries,
        "curves": curves.collect(found, chosen, media),
        "views": curves.view_titles(found),
        "failures": failures.collect(found),
        "numbers": numbers.collect(found),
        "standing": summary.standing(found),
        "notes": notes,
    }
    table, cells = summary.table(found, columns, intervals=intervals)
    html = document.render({**data, "cells": cells}, table, embedded=embed)
    return Report(html, len(found.items), len(chosen), tuple(notes))
