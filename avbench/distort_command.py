"""`avbench distort`: known damage to known clips."""

from __future__ import annotations

import contextlib
import json
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

app = typer.Typer()


@app.command("distort")
def distort(
    clips: Annotated[Path | None, typer.Argument(help="Folder of clips.", metavar="DIR")] = None,
    type: Annotated[
        list[str] | None,
        typer.Option(
            "--type", help="Code or name (--list shows them), avs for 01 to 09, all; comma-separated or again for more."
        ),
    ] = None,
    level: Annotated[str, typer.Option("--level", help="all, or 0 to 9 as in 0,3,5-9.")] = "all",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the distorted clips.")] = None,
    original: Annotated[
        bool, typer.Option("--original", help="Also write each clip undistorted, encoded the same way.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of gaps, noise and shuffling.")] = 0,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first clips.")] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes; one per core without it, at most 8.")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="List the distortions and their parameters.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Write distorted copies of clips: the nine types of the AVS Benchmark, noise, low-pass, blur, drops, swaps."""
    from avbench.distortions import catalogue, files
    from avbench.errors import BadParameter

    if show:
        _list(as_json)
        return
    if clips is None or out is None or not type:
        raise BadParameter("distort needs DIR, --type and --out; --list shows the types")
    chosen = catalogue.chosen([name.strip() for given in type for name in given.split(",") if name.strip()])
    with progress(as_json) as report:
        made = files.distort(
            clips,
            out,
            chosen,
            catalogue.levels(level),
            original=original,
            seed=seed,
            limit=limit,
            workers=workers,
            progress=report,
        )
    failed = [{"clip": c, "type": t, "level": n, "reason": why} for (c, t, n), why in sorted(made.failed.items())]
    if as_json:
        paths = sorted(str(p.relative_to(out)) for p in made.files.values())
        table = {"folder": str(out), "files": paths, "kept": made.kept, "failed": failed, "others": made.others}
        typer.echo(json.dumps(table, indent=1))
    else:
        console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160)
        console.print(f"{len(made.files)} files in {safe(str(out))}, {made.kept} of them from before", highlight=False)
        for reason, count in Counter(f["reason"] for f in failed).most_common():
            first = next(f for f in failed if f["reason"] == reason)
            said = f"{count} not made, such as type {first['type']} level {first['level']} of '{first['clip']}': {reason}"
            console.print(f"[yellow]{safe(said)}[/]", highlight=False)
        if made.others:
            console.print(f"{len(made.others)} other files of {safe(str(clips))} are no clips", highlight=False)
    if not made.files:
        raise typer.Exit(1)


def _list(as_json: bool) -> None:
    from avbench.distortions.catalogue import DISTORTIONS

    if as_json:
        keys = ("code", "name", "title", "unit", "parameters", "severity", "stream", "source")
        typer.echo(json.dumps([{k: getattr(d, k) for k in keys} for d in DISTORTIONS.values()], indent=1))
        return
    table = Table("code", "name", "what", "unit", "level 0 … 9", box=None, pad_edge=False)
    for d in DISTORTIONS.values():
        table.add_row(d.code, d.name, d.title, d.unit, ", ".join(f"{p:g}" for p in d.parameters))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160).print(table)


@contextlib.contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar per stage, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bars:
        tasks = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield report


def safe(text: str) -> str:
    """Text of files: no markup, no control characters."""
    return escape("".join(f"\\x{ord(c):02x}" if unicodedata.category(c) == "Cc" else c for c in text))
