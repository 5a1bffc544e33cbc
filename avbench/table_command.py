"""`avbench table` and `avbench macros`: results for a paper."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from avbench import results
from avbench.errors import BadParameter, UnknownName

Runs = Annotated[list[Path] | None, typer.Argument(help="Folders of finished runs, or their result.json.", metavar="RUN...")]
Names = Annotated[
    list[str] | None, typer.Option("--name", help="What a run is called; once per run, in their order. Else the model's name.")
]


def table(
    runs: Runs = None,
    output: Annotated[str, typer.Option("--format", help="text, markdown, latex, csv, html.")] = "text",
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns", help="A paper's columns (jointdit-table1, jointdit-table2, javisbench, jova, ...) or metrics."
        ),
    ] = None,
    reported: Annotated[
        list[str] | None,
        typer.Option("--reported", help="Add published rows: the name of a table, or a TOML file; repeatable."),
    ] = None,
    intervals: Annotated[bool, typer.Option("--intervals", help="Show 95 % intervals.")] = False,
    name: Names = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="Generation process; once for all runs or once per run.")
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option("--origin", help="submitted or reproduced; once for all runs or once per run.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write a file instead of printing.")] = None,
) -> None:
    """Put runs and published numbers into a table: best bold, second underlined, only comparable numbers ranked together."""
    from avbench import tables
    from avbench.tables import sources
    from avbench.tables.columns import chosen
    from avbench.tables.model import Origin

    if output not in tables.FORMATS:
        raise UnknownName("format", output, tables.FORMATS)
    paths = runs or []
    published = [sources.reported(text) for text in reported or []]
    if not paths and not published:
        raise BadParameter(
            f"nothing to show: give folders of runs, or --reported with one of {', '.join(sources.reported_names())}"
        )
    origins = _spread("--origin", origin, len(paths))
    for text in origins:
        if text not in get_args(Origin) or text == "reported":
            raise BadParameter(f"--origin must be submitted or reproduced, got '{text}'")
    found = [results.read(path) for path in paths]
    wanted = columns or next((p.columns for p in published if p.columns), None)
    title, chosen_columns = chosen(wanted, found)
    rows = [row for p in published for row in sources.fitting(p, chosen_columns)]
    labels, groups = _spread("--name", name, len(paths), one_for_all=False), _spread("--group", group, len(paths))
    rows += sources.merged(
        [
            sources.of_run(result, chosen_columns, name=n, group=g, origin=cast(Origin, o))
            for result, n, g, o in zip(found, labels, groups, origins, strict=True)
        ]
    )
    if not any(row.cells for row in rows):
        metrics = ", ".join(dict.fromkeys(s.metric for result in found for s in result.metrics))
        raise BadParameter(f"the runs have none of the columns of '{wanted}'; they have {metrics or 'no metric'}")
    made = tables.build(chosen_columns, rows, title=title, intervals=intervals)
    if output == "text" and out is None and sys.stdout.isatty():
        typer.echo(tables.text.render(made, colour=True), nl=False)
    else:
        _deliver(tables.FORMATS[output](made), out)


def macros(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs, or their result.json.", metavar="RUN...")],
    name: Names = None,
    out: Annotated[Path | None, typer.Option("--out", help="The file; printed without it.")] = None,
) -> None:
    """Write one LaTeX macro per number, with the run's hash, so that a paper's text follows its results."""
    from avbench.tables.macros import render

    _deliver(render([results.read(path) for path in runs], _spread("--name", name, len(runs), one_for_all=False)), out)


def _spread(option: str, given: list[str] | None, runs: int, *, one_for_all: bool = True) -> list[str]:
    """One text per run."""
    if not given:
        return [""] * runs
    if len(given) == runs:
        return given
    if one_for_all and len(given) == 1:
        return given * runs
    raise BadParameter(f"{option} is given {len(given)} times for {runs} runs; give it once per run, in their order")


def _deliver(text: str, out: Path | None) -> None:
    from avbench.store import write_bytes

    if out is None:
        typer.echo(text, nl=False)
    else:
        write_bytes(out, text.encode())
        typer.echo(str(out))
