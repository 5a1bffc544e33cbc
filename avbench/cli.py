"""The command line: parse, call one function, print.

A user's mistake is one message and exit code 2, without a traceback; Ctrl-C exits with 130 and leaves a run that goes on
with the same command. Progress goes to standard error and only to a terminal; results go to standard output.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from avbench import __version__, compare_command, report_command, suites_command, table_command, train_command
from avbench.adapters_command import app as adapters_app
from avbench.agree_command import app as agree_app
from avbench.data_command import app as data_app
from avbench.distort_command import app as distort_app
from avbench.errors import AvbenchError
from avbench.leaderboard_command import app as leaderboard_app
from avbench.protocol_command import app as protocol_app
from avbench.stats_command import app as stats_app
from avbench.study_command import app as study_app
from avbench.validate_command import app as validate_app
from avbench.weights_command import app as weights_app

app = typer.Typer(
    name="avbench",
    help="Benchmark and evaluation of joint audio-video generation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(weights_app, name="weights")
app.add_typer(stats_app, name="stats")
app.command()(table_command.table)
app.command()(table_command.macros)
app.command()(compare_command.compare)
app.add_typer(agree_app)
app.add_typer(distort_app)
app.add_typer(study_app, name="study")
app.add_typer(validate_app)
app.command()(report_command.report)
app.add_typer(leaderboard_app, name="leaderboard")
app.command()(suites_command.suites)
app.add_typer(protocol_app, name="protocol")
app.add_typer(data_app, name="data")
app.add_typer(adapters_app)
app.command()(train_command.train)

Metrics = Annotated[
    str | None,
    typer.Option("--metrics", help="Comma-separated, with parameters in brackets: 'av_align[javisbench],motion_score'."),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first items.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the generator.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder of the run; without it, one under runs/.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")]
PrecisionName = Annotated[
    str, typer.Option("--precision", help="Of networks: float32, tf32 (CUDA) or bf16; signatures show the last two.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Decoding processes; without it, one per core, at most 8.")
]
ReferenceStats = Annotated[
    list[Path] | None,
    typer.Option(
        "--reference-stats",
        help="A statistics file in place of reference clips (`avbench stats build`, JavisBench's .pt, av-benchmark's cache); "
        "several are taken.",
    ),
]
Protocol = Annotated[str | None, typer.Option("--protocol", help="Which of the suite's; without it, its default.")]
Manifest = Annotated[
    Path | None,
    typer.Option("--manifest", help="Items from a CSV or JSON Lines file: JavisBench's list, name and caption, or your own."),
]
References = Annotated[
    Path | None, typer.Option("--references", help="Folder of reference clips, named as the items, in place of the suite's.")
]
Pictures = Annotated[
    Path | None, typer.Option("--pictures", help="Folder of videos with the names of the clips, which are their sound.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
ModelName = Annotated[
    str,
    typer.Option(
        "--model",
        help="As `avbench models` lists them ('shifted[seconds=0.2]' sets a parameter), "
        "or dir:FOLDER, proc:FILE, cascade:FILE, py:MODULE:CLASS.",
    ),
]
Samples = Annotated[int, typer.Option("--samples", min=1, help="Clips per item, each with a seed of its own.")]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="Go on without items that the model has no clip for; the result counts them.")
]
SuiteName = Annotated[str, typer.Option("--suite", help="As `avbench suites` lists them, or a folder with a suite.toml.")]


def main() -> None:
    """The `avbench` command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a terminal or pipe that is not UTF-8 gets an escape, not a traceback
    try:
        app(prog_name="avbench", standalone_mode=True)
    except AvbenchError as error:
        _err().print(f"[bold red]error:[/] {_safe(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(2)
    except (KeyboardInterrupt, SystemExit) as error:
        if isinstance(error, SystemExit) and error.code != 130:  # typer turns Ctrl-C into 130 and says nothing
            raise
        _err().print("stopped; the same command goes on from here", highlight=False)
        sys.exit(130)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"avbench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


# ------------------------------------------------------------------ runs


@app.command()
def run(
    model: ModelName,
    suite: SuiteName,
    limit: Limit = None,
    seed: Seed = 0,
    metrics: Metrics = None,
    out: Out = None,
    reference_stats: ReferenceStats = None,
    protocol: Protocol = None,
    manifest: Manifest = None,
    samples: Samples = 1,
    allow_missing: AllowMissing = False,
    device: Device = "auto",
    precision: PrecisionName = "float32",
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Generate a suite's clips with a model, and score them."""
    from avbench import api

    with progress_bars(as_json) as progress:
        result = api.run(
            model,
            suite,
            metrics=split_names(metrics),
            limit=limit,
            seed=seed,
            out=out,
            reference_stats=reference_stats or (),
            protocol=protocol,
            manifest=manifest,
            device=device,
            precision=precision,  # type: ignore[arg-type]  # Options checks it
            workers=workers,
            progress=progress,
            samples=samples,
            allow_missing=allow_missing,
        )
    _show(result, as_json)


@app.command()
def score(
    clips: Annotated[Path, typer.Argument(help="Folder of clips.", metavar="DIR")],
    suite: Annotated[str | None, typer.Option("--suite", help="Match clips to its items and compute its metrics.")] = None,
    limit: Limit = None,
    metrics: Metrics = None,
    out: Out = None,
    reference_stats: ReferenceStats = None,
    protocol: Protocol = None,
    manifest: Manifest = None,
    references: References = None,
    pictures: Pictures = None,
    device: Device = "auto",
    precision: PrecisionName = "float32",
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Score clips that exist: any folder of videos, or x.mp4 + x.wav side by side."""
    from avbench import api

    with progress_bars(as_json) as progress:
        result = api.score(
            clips,
            suite=suite,
            metrics=split_names(metrics),
            limit=limit,
            out=out,
            reference_stats=reference_stats or (),
            protocol=protocol,
            manifest=manifest,
            references=references,
            pictures=pictures,
            device=device,
            precision=precision,  # type: ignore[arg-type]  # Options checks it
            workers=workers,
            progress=progress,
        )
    _show(result, as_json)


@app.command()
def generate(
    model: ModelName,
    suite: SuiteName,
    limit: Limit = None,
    seed: Seed = 0,
    out: Out = None,
    manifest: Manifest = None,
    samples: Samples = 1,
    allow_missing: AllowMissing = False,
    as_json: AsJson = False,
) -> None:
    """The first half of `run` alone; `run` with the same --out goes on from there."""
    from avbench import pipeline

    with progress_bars(as_json) as progress:
        folder, clips = pipeline.generate_clips(
            model,
            suite,
            limit=limit,
            seed=seed,
            out=out,
            manifest=manifest,
            progress=progress,
            samples=samples,
            allow_missing=allow_missing,
        )
    files = sorted(p.name for p in folder.iterdir())
    if as_json:
        typer.echo(json.dumps({"clips": str(folder), "files": files, "unmade": dict(clips.unmade)}, indent=1))
        return
    typer.echo(f"{len(files)} files in {folder}")
    for id, why in clips.unmade.items():
        _err().print(f"[yellow]no clip:[/] {_safe(id)}: {_safe(why)}", highlight=False)


@app.command()
def diff(
    a: Annotated[Path, typer.Argument(help="Folder of a finished run, or its result.json.")],
    b: Annotated[Path, typer.Argument(help="The other one.")],
    as_json: AsJson = False,
) -> None:
    """Say which setting, weight, id, clip or version differs between two runs; exit 1 if any does."""
    from avbench import results

    found = results.diff(results.read(a), results.read(b))
    if as_json:
        typer.echo(json.dumps([vars(d) for d in found], indent=1, ensure_ascii=False))
    elif not found:
        typer.echo("no difference")
    else:
        table = Table("where", "what", "A", "B", box=None, pad_edge=False)
        for d in found:
            table.add_row(*(_safe(x) for x in (d.where, d.what, d.a, d.b)))
        _out().print(table)
    if found:
        raise typer.Exit(1)


# ------------------------------------------------------------------ what there is


@app.command()
def metrics(name: Annotated[str | None, typer.Argument(help="Show this one's card.")] = None, as_json: AsJson = False) -> None:
    """List the metrics, or show one: definition, source, unit, direction, needs."""
    from avbench import cards

    listed(cards.metrics() if name is None else cards.metric(name), as_json)


@app.command()
def models(name: Annotated[str | None, typer.Argument(help="Show this one's card.")] = None, as_json: AsJson = False) -> None:
    """List the models, or show one."""
    from avbench import cards

    listed(cards.models() if name is None else cards.model(name), as_json)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what works on this machine; exit 1 if something that avbench needs is broken."""
    from avbench.doctor import examine

    checks = examine()
    if as_json:
        typer.echo(json.dumps([vars(c) for c in checks], indent=1))
    else:
        table = Table("what", "state", "detail", box=None, pad_edge=False)
        colour = {"ok": "green", "missing": "yellow", "broken": "bold red"}
        for c in checks:
            table.add_row(_safe(c.what), f"[{colour[c.state]}]{c.state}[/]", _safe(c.detail))
        _out().print(table)
    if any(c.state == "broken" for c in checks):
        raise typer.Exit(1)


# ------------------------------------------------------------------ printing


def _out() -> Console:
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160)


def _err() -> Console:
    return Console(file=sys.stderr, soft_wrap=True)


def printable(text: str) -> str:
    """Text from files and users without control characters, which move a terminal's cursor."""
    return "".join(f"\\x{ord(c):02x}" if unicodedata.category(c) == "Cc" and c not in "\n\t" else c for c in text)


def _safe(text: str) -> str:
    """Text from files and users as rich prints it: no markup, no control characters."""
    return escape(printable(text))


def split_names(text: str | None) -> list[str] | None:
    """Names at commas, but not at those inside brackets."""
    if text is None:
        return None
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [p.strip() for p in parts if p.strip()]


@contextlib.contextmanager
def progress_bars(quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar per stage, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_err(), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield report


_ARROW = {"higher": "↑", "lower": "↓", "none": ""}


def _show(result: Any, as_json: bool) -> None:
    from avbench import registry
    from avbench.results import to_json

    if as_json:
        typer.echo(to_json(result), nl=False)
        return
    title = f"{registry.shown(result.model) or result.request['clips']}" + (
        f" on {result.suite['name']}" if result.suite else ""
    )
    table = Table("metric", "", "value", "95 % interval", "unit", "scored", title=_safe(title), title_justify="left", box=None)
    for s in result.metrics:
        value = "-" if s.value != s.value else f"{s.value:.4g}"
        interval = "" if s.low != s.low else f"{s.low:.4g} … {s.high:.4g}"
        part = f"{s.n_scored}/{s.n_items}"
        colour = "" if s.n_scored == s.n_items else "[yellow]"
        table.add_row(_safe(s.metric), _ARROW[s.better], value, interval, _safe(s.unit), colour + part)
    out = _out()
    out.print(table)
    covered = result.suite.get("coverage")
    if covered:
        share = f"{covered['prepared']}/{covered['items']} ({100 * covered['prepared'] / max(covered['items'], 1):.1f} %)"
        lacking = f"; `avbench data status {result.suite['name']}` lists what is missing" if covered["missing"] else ""
        out.print(f"{'[yellow]' if lacking else ''}clips of the suite that are here: {share}{lacking}", highlight=False)
    reasons: dict[str, set[str]] = {}
    for s in result.metrics:
        for clip, reason in s.unscored.items():
            reasons.setdefault(reason.split(":")[0], set()).add(clip)
    for code, clips in sorted(reasons.items()):
        shown = ", ".join(sorted(clips)[:5]) + (", ..." if len(clips) > 5 else "")
        out.print(f"[yellow]unscored, {code}:[/] {len(clips)} clips: {_safe(shown)}", highlight=False)
    for key, said in result.suite.get("conformance", {}).items():
        short = f"{len(said['clips'])} clips have less than the {key} of {said['asked']:g} that the suite asks for"
        out.print(f"[yellow]{short}:[/] {_safe(', '.join(list(said['clips'])[:5]))}", highlight=False)
    if result.suite.get("not_yet"):
        out.print(
            f"not computed: {_safe(', '.join(result.suite['not_yet']))} (avbench does not have them yet)", highlight=False
        )
    if result.others:
        out.print(f"{len(result.others)} other files are listed in the result", highlight=False)
    out.print(f"{result.folder / 'result.json'}", highlight=False)


def listed(found: Any, as_json: bool) -> None:
    """A list of dictionaries as a table, a card as text."""
    if as_json:
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False, default=str))
    elif isinstance(found, list):
        table = Table(*found[0].keys() if found else ("nothing",), box=None, pad_edge=False)
        for entry in found:
            table.add_row(*(_safe(str(v)) for v in entry.values()))
        _out().print(table)
    else:
        table = Table(show_header=False, box=None, pad_edge=False)
        for key, value in found.items():
            if key != "card":
                table.add_row(f"[bold]{key}[/]", _safe(str(value)))
        _out().print(table)
        if found.get("card"):
            from rich.markdown import Markdown

            _out().print()
            _out().print(Markdown(found["card"]) if sys.stdout.isatty() else found["card"], highlight=False, markup=False)
