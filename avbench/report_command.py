"""`avbench report`: one HTML file for looking at runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs, or their result.json.", metavar="RUN...")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The page; else report.html in the run's folder, or here for several runs.")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="What a run is called; once per run, in their order."),
    ] = None,
    title: Annotated[str, typer.Option("--title", help="Of the page.")] = "",
    columns: Annotated[
        str | None, typer.Option("--columns", help="Of the first table: a paper's columns or metrics, as for `avbench table`.")
    ] = None,
    intervals: Annotated[bool, typer.Option("--intervals/--no-intervals", help="Of the first table.")] = True,
    suite: Annotated[
        str | None,
        typer.Option("--suite", help="Where prompts and categories are, for a suite that avbench lacks."),
    ] = None,
    clips: Annotated[
        list[Path] | None, typer.Option("--clips", help="Where a run's clips are now; once per run, in their order.")
    ] = None,
    embed: Annotated[
        bool, typer.Option("--embed", help="Put the clips into the page (300 MB at most); else they are linked.")
    ] = False,
    players: Annotated[
        int, typer.Option("--players", min=0, help="Items with players at most; the most telling ones come first.")
    ] = 200,
) -> None:
    """Write a page that compares runs: tables, plots, clips side by side, failures, and how to make each number again."""
    from avbench import results
    from avbench.report import build
    from avbench.store import write_bytes

    found = [results.read(path) for path in runs]
    home = found[0].folder if len(found) == 1 else None
    target = out if out is not None else (home or Path()) / "report.html"
    target = target / "report.html" if target.is_dir() else target
    made = build(
        found,
        out=target,
        names=name or (),
        title=title,
        columns=columns,
        intervals=intervals,
        suite=suite,
        clip_folders=clips or (),
        embed=embed,
        players=players,
    )
    write_bytes(target, made.html.encode())
    typer.echo(f"{target}: {len(found)} runs, {made.items} items, {made.players} with players, {len(made.html) / 1e6:.1f} MB")
    for note in made.notes:
        typer.echo(f"note: {note}", err=True)
