"""`avbench weights`: list, fetch, verify, import."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.table import Table

app = typer.Typer(help="Published checkpoints: list, fetch, verify, import.", no_args_is_help=True)

Name = Annotated[str | None, typer.Argument(help="File name, or the name of an extractor that loads it; all without it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@app.command("list")
def show(name: Name = None, as_json: AsJson = False) -> None:
    """Every checkpoint: where it is published, licence, who loads it, whether it is here."""
    from avbench.weights import listed

    entries = [
        {
            "file": e.checkpoint.file,
            "state": e.state,
            "used by": ", ".join(e.extractors),
            "licence": e.checkpoint.licence,
            "sha256": e.checkpoint.sha256 or (f"{e.sha256} (of the file here)" if e.sha256 else "not published"),
            "from": e.checkpoint.urls[0],
        }
        for e in listed(name)
    ]
    if as_json:
        typer.echo(json.dumps(entries, indent=1))
        return
    table = Table("file", "state", "used by", "licence", "from", box=None, pad_edge=False)
    for e in entries:
        table.add_row(*(escape(e[k]) for k in ("file", "state", "used by", "licence", "from")))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="File name, or the name of an extractor that loads it.")]) -> None:
    """Download a checkpoint and what has to lie beside it; an interrupted download goes on, half a file is never used."""
    from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

    from avbench.weights import fetch as download
    from avbench.weights import files_of

    for file in files_of(name):
        if not sys.stderr.isatty():
            typer.echo(str(download(file)))
            continue
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
            task = bar.add_task(file)
            path = download(file, functools.partial(_move, bar, task))
        typer.echo(str(path))


def _move(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total or None)


@app.command()
def verify(name: Name = None) -> None:
    """Hash what is here again; exit 1 if a file is not what it should be."""
    from avbench.weights import listed

    entries = [e for e in listed(name) if e.state != "missing"]
    for e in entries:
        typer.echo(f"{e.state}  {e.sha256}  {e.path}")
    if not entries:
        typer.echo("no checkpoint is here")
    if any(e.state == "changed" for e in entries):
        raise typer.Exit(1)


@app.command("import")
def bring(
    file: Annotated[Path, typer.Argument(help="A checkpoint file that is at hand.")],
    name: Annotated[str | None, typer.Option("--as", help="Which one it is, if its name does not say so.")] = None,
) -> None:
    """Copy a checkpoint to where avbench looks for it."""
    from avbench.weights import bring as copy

    typer.echo(str(copy(file, name)))
