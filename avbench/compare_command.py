"""`avbench compare`: which run is better, and how sure that is."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from avbench import results


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs, two or more.", metavar="A B...")],
    metrics: Annotated[str | None, typer.Option("--metrics", help="Only these, with commas between.")] = None,
    common: Annotated[bool, typer.Option("--common", help="Use the clips that both runs scored where they differ.")] = False,
    permutations: Annotated[
        int | None, typer.Option("--permutations", min=1, help="Draws of each test; else 9999 of clips, 999 of sets.")
    ] = None,
    alpha: Annotated[float, typer.Option("--alpha", help="Level of the rank groups.")] = 0.05,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the draws.")] = 0,
    name: Annotated[
        list[str] | None, typer.Option("--name", help="What a run is called; once per run, in their order.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Test runs against each other on every metric, clip by clip; exit 1 if no pair can be compared."""
    from avbench.compare import compare as compared
    from avbench.tables.columns import split_labels

    silent = as_json or not sys.stderr.isatty()
    with Progress(console=Console(stderr=True), transient=True, disable=silent) as bar:
        task = bar.add_task("compare", total=None)
        found = compared(
            [results.read(path) for path in runs],
            names=name or (),
            metrics=None if metrics is None else split_labels(metrics),
            common=common,
            permutations=permutations,
            alpha=alpha,
            seed=seed,
            progress=lambda _, done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        typer.echo(json.dumps(_plain(dataclasses.asdict(found)), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        _show(found)
    if not found.comparisons:
        raise typer.Exit(1)


def _plain(value: Any) -> Any:
    """Numbers that do not exist as text, as in `result.json`."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return "NaN" if isinstance(value, float) and not math.isfinite(value) else value


def _show(found: Any) -> None:
    from rich.table import Table
    from rich.text import Text

    from avbench.tables.model import ARROWS
    from avbench.tables.names import visible

    out = Console(file=sys.stdout, width=10_000, highlight=False)

    def say(text: str) -> None:
        out.print(Text(visible(text)), soft_wrap=True)

    if found.comparisons:
        table = Table(box=None, pad_edge=False)
        for heading in ("metric", "A", "B", "A - B", "95 % interval", "dz", "p", "p (Holm)", "n", ""):
            table.add_column(heading, no_wrap=True)
        for c in found.comparisons:
            table.add_row(
                Text(visible(f"{c.metric} {ARROWS[c.better]}")),
                Text(visible(f"{c.a} {c.value_a:.4g}")),
                Text(visible(f"{c.b} {c.value_b:.4g}")),
                f"{c.difference:+.4g}",
                f"{c.low:.4g} … {c.high:.4g}" if math.isfinite(c.low) else "-",
                f"{c.dz:+.2f}" if math.isfinite(c.dz) else "-",
                f"{c.p:.4f}",
                f"{c.p_holm:.4f}",
                str(c.n),
                Text(visible(_verdict(c, found.alpha))),
            )
        out.print(table)
        for test in dict.fromkeys((c.test, c.permutations) for c in found.comparisons):
            labels = dict.fromkeys(c.metric for c in found.comparisons if (c.test, c.permutations) == test)
            say(f"{', '.join(labels)}: {test[0]}, {test[1]} draws, seed {found.seed}, two-sided")
        say(f"p (Holm) is corrected for {len(found.comparisons)} tests")
    for metric, groups in found.groups.items():
        if len(found.runs) > 2:
            ranks, first = [], 1
            for group in groups:
                ranks.append(f"{first}. {', '.join(group)}")
                first += len(group)
            say(f"rank groups by {metric} (alpha {found.alpha:g}): {'; '.join(ranks)}")
    for refusal in found.refusals:
        say(f"not compared, {refusal.metric}, {refusal.a} and {refusal.b}: {refusal.reason}")


def _verdict(c: Any, alpha: float) -> str:
    if c.p_holm > alpha:
        return "not told apart"
    if c.better == "none":
        return "differ"
    return f"{c.a if (c.difference > 0) == (c.better == 'higher') else c.b} is better"
