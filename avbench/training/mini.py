"""Trains a mini network: `python -m avbench.training.mini mini_sync --data clips --out runs/mini --steps 1800 --seed 0`.

The same command goes on where an interrupted one stopped. Clips are rendered to `--data` first (1 MB each).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from avbench.errors import AvbenchError
from avbench.training.library import library
from avbench.training.loop import NAMES, Settings, train


def main(arguments: list[str] | None = None) -> int:
    """Parse, render, train; 0 when the weights are written."""
    parser = argparse.ArgumentParser(prog="python -m avbench.training.mini", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--data", type=Path, required=True, help="folder of the rendered train clips")
    parser.add_argument("--out", type=Path, required=True, help="folder of weights, curve and state")
    parser.add_argument("--clips", type=int, default=3000, help="how many items of the train split")
    parser.add_argument("--steps", type=int, required=True, help="batches in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="of torch on the CPU; 1 repeats to the bit")
    parser.add_argument("--workers", type=int, default=1, help="processes that render")
    parser.add_argument("--bfloat16", action="store_true", help="compute in bfloat16 where autocast does")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    try:
        clips = library(given.data, given.clips, seed=given.seed, workers=given.workers, progress=_rendered)
        settings = Settings(given.name, given.steps, given.seed, given.bfloat16)
        path = train(settings, clips, given.out, device=given.device, progress=_trained)
    except AvbenchError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{path}\n")
    return 0


def _rendered(done: int, count: int) -> None:
    sys.stdout.write(f"rendered {done} of {count}\n")
    sys.stdout.flush()


def _trained(step: int, steps: int, line: dict[str, float]) -> None:
    sys.stdout.write(f"step {step} of {steps}: {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
