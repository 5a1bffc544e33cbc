"""`avbench check-generator`, `avbench export`, `avbench import`: models that are not avbench's own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

Seed = Annotated[int, typer.Option("--seed", help="Seed of the generator.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first items.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@app.command("check-generator")
def check_generator(
    spec: Annotated[str, typer.Argument(help="The model: a name, dir:FOLDER, proc:FILE, cascade:FILE, py:MODULE:CLASS.")],
    suite: Annotated[str, typer.Option("--suite", help="Two items of it are made.")] = "synth15",
    as_json: AsJson = False,
) -> None:
    """Run two items through a model of yours, and say which rule it does not keep; exit 1 if any."""
    from avbench import cli
    from avbench.generator_check import check

    found = check(spec, suite)
    if as_json:
        typer.echo(json.dumps([vars(c) for c in found], indent=1, ensure_ascii=False))
    else:
        for c in found:
            typer.echo(f"{'ok  ' if c.kept else 'FAIL'} {c.rule}{f': {cli.printable(c.found)}' if c.found else ''}")
    if not all(c.kept for c in found):
        raise typer.Exit(1)


@app.command("export")
def export(
    model: Annotated[str, typer.Option("--model", help="As for a run; nothing of it has to be on this machine.")],
    suite: Annotated[str, typer.Option("--suite", help="As for a run.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file; condition files go into conditions/ beside it.")],
    limit: Limit = None,
    seed: Seed = 0,
    samples: Annotated[int, typer.Option("--samples", min=1, help="Clips per item.")] = 1,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Leave out items that lack a condition.")] = False,
) -> None:
    """Write what a model is asked for into a file, to be worked through elsewhere: `runner.py --requests FILE --out clips`."""
    from avbench import exchange

    count = exchange.export(model, suite, out, limit=limit, seed=seed, samples=samples, allow_missing=allow_missing)
    typer.echo(f"{count} requests in {out}")


@app.command("import")
def import_clips(
    clips: Annotated[Path, typer.Argument(help="Folder of clips with the results.jsonl that a worker wrote.", metavar="DIR")],
    requests: Annotated[Path, typer.Option("--requests", help="The file that `avbench export` wrote.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the run.")],
    as_json: AsJson = False,
) -> None:
    """Take clips that were made from exported requests into a run; `avbench run --out` goes on. Exit 1 if any is refused."""
    from avbench import cli, exchange

    with cli.progress_bars(as_json) as progress:
        found = exchange.import_clips(clips, requests, out, progress=progress)
    if as_json:
        typer.echo(json.dumps({"taken": found.taken, "refused": found.refused}, indent=1, ensure_ascii=False))
    else:
        typer.echo(f"{len(found.taken)} clips in {found.folder}")
        for id, why in found.refused.items():
            typer.echo(cli.printable(f"refused: {id}: {why}"), file=sys.stderr)
    if found.refused:
        raise typer.Exit(1)
