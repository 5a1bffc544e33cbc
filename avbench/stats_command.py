"""`avbench stats`: build, show."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

app = typer.Typer(help="Statistics of reference clips, in place of the clips: build, show.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@app.command()
def build(
    suite: Annotated[str, typer.Argument(help="As `avbench suites` lists them, or a folder with a suite.toml.")],
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", help="Which the file is to serve; without it, all of the suite's that compare sets."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The file; without it, SUITE-vVERSION.safetensors here.")] = None,
    rows: Annotated[bool, typer.Option("--rows", help="Store the rows also where mean and covariance suffice.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first items.")] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[str, typer.Option("--precision", help="Of networks: float32, tf32 (CUDA) or bf16.")] = "float32",
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Decoding processes.")] = None,
) -> None:
    """Extract the features of a suite's reference clips once, and write their mean, covariance and number."""
    from avbench.cli import progress_bars, split_names
    from avbench.options import Options
    from avbench.reference_build import build as make

    options = Options(workers=workers, device=device, precision=precision)  # type: ignore[arg-type]  # checked there
    with progress_bars(False) as progress:
        path = make(suite, metrics=split_names(metrics), limit=limit, out=out, rows=rows, options=options, progress=progress)
    _table(_described(path))
    typer.echo(str(path))


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A statistics file, or JavisBench's feature cache.")], as_json: AsJson = False
) -> None:
    """What a statistics file holds: suite, extractors, weights, versions, numbers of clips and rows."""
    found = _described(file)
    if as_json:
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
        return
    _table(found)


def _described(file: Path) -> dict[str, Any]:
    from avbench.reference_stats import opened

    return opened(file).described()


def _table(found: dict[str, Any]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 160)
    suite = found.get("suite")
    lines = {
        "file": found["file"],
        "sha256": found["sha256"],
        "suite": f"{suite['name']}@{suite['version']}, {suite['items']} items" if suite else None,
        "made by": f"avbench {found['avbench']}" if "avbench" in found else found.get("published by"),
    }
    for key, value in lines.items():
        if value:
            console.print(f"[bold]{key}[/] {escape(str(value))}", highlight=False)
    table = Table("rows", "clips", "rows of", "stored", "left out", "extractors", box=None, pad_edge=False)
    for entry in found["entries"]:
        made = [
            f"{e['extractor']} {e['parameters']} revision {e['revision']}, "
            f"weights {(e['weights'] or 'none')[:12]}, {e['reader']}"
            for e in entry.get("extractors", ())
        ]
        table.add_row(
            *(
                escape(str(cell))
                for cell in (
                    entry["kind"],
                    entry["clips"],
                    f"{entry['n']} x {entry['dimensions']}",
                    "moments, rows" if entry["rows_stored"] and made else "rows" if entry["rows_stored"] else "moments",
                    len(entry.get("left_out", ())),
                    "; ".join(made) or f"for {', '.join(entry.get('for', ()))}",
                )
            )
        )
    console.print(table)
