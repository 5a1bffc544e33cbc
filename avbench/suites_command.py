"""`avbench suites`: list, show one, begin a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def suites(
    name: Annotated[str | None, typer.Argument(help="Show this one's card; `new` begins one of your own.")] = None,
    folder: Annotated[Path | None, typer.Argument(help="Of `new`: the folder to make.", metavar="DIR")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="All of them as a table: paper, items, condition, download, metrics.")
    ] = False,
) -> None:
    """List the suites, show one, or begin your own with `avbench suites new DIR`."""
    from avbench import cards
    from avbench.cli import listed

    if name == "new":
        from avbench.errors import BadParameter
        from avbench.suite_skeleton import write

        if folder is None:
            raise BadParameter("avbench suites new: name the folder to make, `avbench suites new DIR`")
        path = write(folder)
        typer.echo(f"{path}\ntry it: avbench run --model noise --suite {folder}")
    elif folder is not None:
        from avbench.errors import BadParameter

        raise BadParameter(f"only `avbench suites new DIR` takes a folder, not `avbench suites {name}`")
    elif markdown:
        typer.echo(cards.suite_table(), nl=False)
    else:
        listed(cards.suites() if name is None else cards.suite(name), as_json)
