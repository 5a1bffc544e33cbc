"""`avbench train`: trains the models that avbench implements itself."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import typer


def train(
    model: Annotated[str, typer.Argument(help="jointdit.", metavar="MODEL")],
    suite: Annotated[str, typer.Option("--suite", help="synth15; for the full size any suite with clips.")],
    config: Annotated[Path | None, typer.Option("--config", help="TOML; that of the tiny model if not given.")] = None,
    out: Annotated[Path, typer.Option("--out", help="Tokens, weights, curves, states.")] = Path("runs/train-jointdit"),
    data: Annotated[Path | None, typer.Option("--data", help="Rendered clips; inside --out if not given.")] = None,
    stage: Annotated[list[str] | None, typer.Option("--stage", help="Only this one; again for more.")] = None,
    device: Annotated[str, typer.Option("--device", help="Of torch; for the full size auto or cpu.")] = "cpu",
    threads: Annotated[int, typer.Option("--threads", min=1, help="Of torch on the CPU; 1 repeats to the bit.")] = 1,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that render clips.")] = 1,
) -> None:
    """Train a model on a suite's train split; the same command goes on where an interrupted one stopped."""
    from avbench.content import folder
    from avbench.errors import BadParameter, UnknownName

    if model != "jointdit":
        raise UnknownName("model that can be trained", model, ["jointdit"])
    table = config or folder("baselines") / "jointdit" / "config.toml"
    if _is_full(table):
        tiny = {"--data": data, "--stage": stage, "--threads": threads > 1, "--workers": workers > 1}
        if given := [name for name, value in tiny.items() if value]:
            raise BadParameter(f"{table} is of the full size, which takes no {', '.join(given)}")
        from avbench.training import jointdit_full

        typer.echo(str(jointdit_full.train(table, suite, out, device="cpu" if device == "cpu" else "auto", progress=_echo)))
        return
    if suite != "synth15":
        raise BadParameter(f"the tiny JointDiT is trained on synth15, whose train split is rendered; got --suite {suite}")
    import torch

    from avbench.training.jointdit import run
    from avbench.training.jointdit_loop import STAGES

    wrong = [name for name in stage or [] if name not in STAGES]
    if wrong:
        raise UnknownName("stage", wrong[0], list(STAGES))
    chosen = [name for name in STAGES if name in stage] if stage else None
    torch.set_num_threads(threads)
    for path in run(table, data or out / "clips", out, chosen, device=device, workers=workers):
        typer.echo(str(path))


def _is_full(config: Path) -> bool:
    """Whether a configuration is of the full size.

    Raises:
        BadManifest: if it cannot be read.
    """
    from avbench.errors import BadManifest

    try:
        table = tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadManifest(f"{config}: {error}; expected a configuration such as baselines/jointdit/config.toml") from error
    model = table.get("model")
    return isinstance(model, dict) and model.get("size") == "full"


def _echo(step: int, steps: int, line: dict[str, float]) -> None:
    typer.echo(f"step {step} of {steps}: {', '.join(f'{key} {value:.4g}' for key, value in line.items())}")
