"""`avbench data`: which suites' clips are here, and preparing them."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from avbench.folders import shown

app = typer.Typer(help="Suites' clips: what is here, what is missing, prepare it.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
_SHOWN = 20


@app.command()
def status(
    suite: Annotated[str | None, typer.Argument(help="One suite, with what is missing; all without it.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Hash every clip again; exit 1 if one has changed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say which clips are here, which are missing, and how to get them."""
    from avbench import suites
    from avbench.data import preparing

    named = [preparing.checked_name(suite)] if suite is not None else suites.names()
    found = [preparing.status(name, verify=verify) for name in named]
    if as_json:
        tables = [_table_of(s) for s in found]
        typer.echo(json.dumps(tables if suite is None else tables[0], indent=1, ensure_ascii=False))
    elif suite is None:
        table = Table("suite", "state", "clips", "what to get", box=None, pad_edge=False)
        colour = {"complete": "green", "nothing to do": "green", "changed": "bold red"}
        for s in found:
            state = f"[{colour.get(s.state, 'yellow')}]{s.state}[/]"
            table.add_row(s.suite, state, f"{s.prepared:,}/{s.items:,}", escape(s.download or "nothing"))
        Console(width=None if sys.stdout.isatty() else 160).print(table)
    else:
        _tell(found[0])
    if any(s.changed for s in found):
        raise typer.Exit(1)


@app.command()
def prepare(
    suite: Annotated[str, typer.Argument(help="As `avbench data status` lists them.")],
    source: Annotated[
        Path | None,
        typer.Option("--from", help="The published download: folder or archive. Without it, what can be fetched is fetched."),
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Processes that read clips.")] = None,
    as_json: AsJson = False,
) -> None:
    """Recognise the published download of a suite, check it, and put its clips where runs find them."""
    from avbench.data import preparing

    with _bars(as_json) as progress:
        index = preparing.prepare(preparing.checked_name(suite), source, workers=workers, progress=progress)
    found = preparing.status(suite)
    if as_json:
        typer.echo(json.dumps(_table_of(found), indent=1, ensure_ascii=False))
        return
    typer.echo(f"{suite}: {index.coverage} prepared in {shown(str(found.folder))}")
    for note in index.notes:
        typer.echo(f"note: {note}")
    _missing(found.missing)


def _tell(s: Any) -> None:
    typer.echo(f"{s.suite}: {s.state}; {s.prepared:,} of {s.items:,} items have their clip in {shown(str(s.folder))}")
    typer.echo(f"licence: {s.licence}")
    for note in s.notes:
        typer.echo(f"note: {note}")
    for id, what in sorted(s.changed.items()):
        typer.echo(f"changed: {id}: {what}")
    _missing(s.missing)
    if s.how is not None and s.state != "complete":
        for number, step in enumerate(s.how.steps, 1):
            typer.echo(f"{number}. {step}")


def _missing(missing: Any) -> None:
    for id, why in list(missing.items())[:_SHOWN]:
        typer.echo(f"missing: {id}: {why}")
    if len(missing) > _SHOWN:
        typer.echo(f"missing: {len(missing) - _SHOWN:,} more; --json lists all")


def _table_of(s: Any) -> dict[str, Any]:
    table = {k: v for k, v in vars(s).items() if k != "how"}
    table["folder"] = shown(str(s.folder))
    table["notes"] = list(s.notes)
    table["steps"] = list(s.how.steps) if s.how is not None else []
    return table


@contextlib.contextmanager
def _bars(quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar per stage, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total or None)
            bars.update(tasks[stage], completed=done, total=total or None)

        yield report
