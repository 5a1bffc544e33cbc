"""`avbench leaderboard`: add, validate, build, import-reported."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The leaderboard: add a run, validate entries, build the site.", no_args_is_help=True)

Entries = Annotated[Path, typer.Option("--entries", help="Folder of the entries; references and site lie beside it.")]
_DEFAULT = Path("leaderboard/entries")


@app.command()
def add(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run over a whole suite.", metavar="RUN")],
    by: Annotated[str, typer.Option("--by", help="Who made the run: a name, a group.")],
    model: Annotated[str, typer.Option("--model", help="Name of the model, where a folder of clips was scored.")] = "",
    revision: Annotated[str, typer.Option("--revision", help="Of the model; the run's hash without it.")] = "",
    process: Annotated[str, typer.Option("--process", help="Generation process, such as 'I->VA'.")] = "",
    link: Annotated[str, typer.Option("--link", help="Where to read about the model, https.")] = "",
    note: Annotated[str, typer.Option("--note", help="What readers should know.")] = "",
    reproduced: Annotated[
        bool,
        typer.Option(
            "--reproduced", help="The project made the clips; needs a change of reproduced.json, which forks cannot make."
        ),
    ] = False,
    entries: Entries = _DEFAULT,
) -> None:
    """Store a run's numbers and rows as an entry, and check it."""
    from avbench.leaderboard import adding
    from avbench.leaderboard.board import Board

    path = adding.add(
        Board(entries),
        run,
        origin="reproduced" if reproduced else "submitted",
        by=by,
        model=model,
        revision=revision,
        process=process,
        link=link,
        note=note,
    )
    typer.echo(str(path))


@app.command()
def validate(
    files: Annotated[list[Path] | None, typer.Argument(help="Entries to check; all without.", metavar="[FILES]")] = None,
    entries: Entries = _DEFAULT,
) -> None:
    """Make every number of the entries again from their rows, and check all that they say; exit 1 if something is wrong."""
    from avbench.leaderboard.board import Board
    from avbench.leaderboard.checking import check

    board = Board(entries)
    checked, problems = check(board, files or None)
    for problem in problems:
        typer.echo(problem)
    typer.echo(f"{checked} entries, {len(problems)} problems")
    if problems:
        raise typer.Exit(1)


@app.command()
def build(
    entries: Entries = _DEFAULT,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the site; without it, beside the entries.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if the site is not as the entries make it.")
    ] = False,
) -> None:
    """Make the site from the entries, byte for byte the same each time."""
    from avbench.leaderboard import building
    from avbench.leaderboard.board import Board

    board = Board(entries)
    folder = out or board.site
    if not check:
        typer.echo(f"{len(building.write(board, folder))} files in {folder}")
        return
    apart = building.differences(board, folder)
    for line in apart:
        typer.echo(line)
    typer.echo(
        f"{folder}: {'as the entries make it' if not apart else f'{len(apart)} files differ; run avbench leaderboard build'}"
    )
    if apart:
        raise typer.Exit(1)


@app.command("import-reported")
def import_reported(
    file: Annotated[Path, typer.Argument(help="CSV of published numbers, one per line.", metavar="CSV")],
    entries: Entries = _DEFAULT,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if an entry is not as the CSV says.")] = False,
) -> None:
    """Write an entry for each row of each published table in a CSV."""
    from avbench.leaderboard import entry, importing
    from avbench.leaderboard.board import Board

    board = Board(entries)
    found = importing.read(file)
    if not check:
        for made in found:
            board.write(made)
        typer.echo(f"{len(found)} entries with {sum(len(e.numbers) for e in found)} numbers")
        return
    apart = [
        path
        for made in found
        if not (path := board.entries / entry.path_of(made)).is_file()
        or path.read_text(encoding="utf-8") != entry.to_json(made)
    ]
    for path in apart:
        typer.echo(f"{path}: not as {file} says")
    typer.echo(f"{len(found)} entries, {len(apart)} differ")
    if apart:
        raise typer.Exit(1)
