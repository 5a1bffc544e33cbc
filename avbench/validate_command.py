"""`avbench validate`: does a metric notice known damage?"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from avbench.distort_command import progress, safe

app = typer.Typer()


@app.command("validate")
def validate(
    metrics: Annotated[list[str], typer.Argument(help="Metrics, as `avbench metrics` lists them.", metavar="METRIC...")],
    clips: Annotated[Path, typer.Option("--clips", help="Folder of clips; 8 allow intervals of sets, 9 tests.")],
    type: Annotated[list[str] | None, typer.Option("--type", help="As `avbench distort --list` shows; all without it.")] = None,
    level: Annotated[str, typer.Option("--level", help="all, or 0 to 9 as in 0,3,5-9.")] = "all",
    out: Annotated[Path, typer.Option("--out", help="Folder of clips, scores and report.")] = Path("validation"),
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first clips.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of distortions and statistics.")] = 0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes; one per core without it, at most 8.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Distort your own clips, score every cell, and draw each metric's curve: validation.json, .html and .pdf."""
    from avbench.distortions import catalogue
    from avbench.options import Options
    from avbench.store import write_bytes
    from avbench.validate import job, page

    names = [name.strip() for given in type or ["all"] for name in given.split(",") if name.strip()]
    with progress(as_json) as report_progress:
        report = job.validate(
            metrics,
            clips,
            out,
            catalogue.chosen(names),
            catalogue.levels(level),
            seed=seed,
            limit=limit,
            options=Options(workers=workers, device=device),
            progress=report_progress,
        )
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(out / "validation.json", text.encode())
    write_bytes(out / "validation.html", page.html(report).encode("utf-8", "backslashreplace"))
    write_bytes(out / "validation.pdf", page.pdf(report))
    if as_json:
        typer.echo(text, nl=False)
        return
    table = Table("metric", "distortion", "monotonicity", "95 % interval", "isotonic", "mildest level told", "effect", box=None)
    for c in report["curves"]:
        m = c["monotonicity"]
        numbers = (page.number(m["value"]), page.ends(c), page.number(c["isotonic"]), page.told(c), page.told_effect(c))
        table.add_row(safe(c["metric"]), f"{c['code']} {c['name']}", *(safe(n) for n in numbers))
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160)
    console.print(table)
    for note in report["notes"]:
        console.print(f"[yellow]note:[/] {safe(note)}", highlight=False)
    if report["failed"]:
        first = report["failed"][0]["reason"]
        console.print(f"[yellow]{len(report['failed'])} cells could not be made, such as: {safe(first)}[/]", highlight=False)
    console.print(safe(str(out / "validation.html")), highlight=False)
