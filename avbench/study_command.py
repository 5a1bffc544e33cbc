"""`avbench study build`: a page on which people rate clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Pages on which people rate clips.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    pass


@app.command("build")
def build(
    folders: Annotated[list[Path], typer.Argument(help="Folders of clips; several are several systems.", metavar="DIR...")],
    out: Annotated[Path, typer.Option("--out", help="The page.")] = Path("study.html"),
    kind: Annotated[str, typer.Option("--kind", help="mos: rate each clip from 0 to 5; ab: blind comparisons.")] = "mos",
    dimension: Annotated[list[str] | None, typer.Option("--dimension", help="What is asked; again for more.")] = None,
    title: Annotated[str, typer.Option("--title", help="Of the page.")] = "Rating of clips",
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first prompts.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the order and of sides.")] = 0,
) -> None:
    """Write one HTML file with the clips inside; its answers are a file for `avbench agree --ratings`."""
    from avbench import study
    from avbench.errors import BadParameter
    from avbench.store import write_bytes

    if kind not in ("mos", "ab"):
        raise BadParameter(f"--kind must be mos or ab, got '{kind}'")
    chosen: study.Kind = "ab" if kind == "ab" else "mos"
    asked = dimension or (list(study.DIMENSIONS) if chosen == "mos" else ["overall"])
    page = study.build(folders, kind=chosen, dimensions=asked, title=title, limit=limit, seed=seed)
    write_bytes(out, page.html.encode())
    typer.echo(f"{out}: {page.questions} questions, {page.clips} clips")
    for name, why in page.left_out.items():
        typer.echo(f"left out: {name.encode('unicode_escape').decode()}: {why}", err=True)
