"""The training loop: seeded, resumable to the bit on the CPU, the same on a GPU but for rounding."""

from __future__ import annotations

import importlib
import json
import math
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from avbench.errors import BadParameter
from avbench.store import write_bytes
from avbench.training.library import Library

NAMES = ("mini_audio", "mini_av", "mini_sync", "mini_video")
"""A new network goes to the end: its place is a part of the seed of everything that is drawn for it."""
_DECAY = 0.02
_LOG_EVERY = 10


class Goal(Protocol):
    """What a module `avbench.training.mini_*` has: a network, heads that only training needs, batches and a loss."""

    network: nn.Module
    heads: nn.Module

    def batch(self, library: Library, random: np.random.Generator) -> dict[str, Any]:
        """One batch, drawn with `random` alone."""

    def loss(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """The loss, and numbers for the log."""


@dataclass(frozen=True)
class Settings:
    """What decides the weights; a run is gone on with under the same settings only.

    Args:
        name: Network.
        steps: Batches in all.
        seed: Of the first weights and of everything that is drawn.
        bfloat16: Whether the network computes in bfloat16 where PyTorch's autocast does; half the time on newer CPUs.
    """

    name: str
    steps: int
    seed: int = 0
    bfloat16: bool = False

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise BadParameter(f"there is no network '{self.name}' to train; there are {', '.join(NAMES)}")
        if self.steps < 1:
            raise BadParameter(f"steps must be 1 or more, got {self.steps}")


def train(
    settings: Settings,
    library: Library,
    out: Path,
    *,
    device: str = "cpu",
    save_every: int = 100,
    stop_after: int | None = None,
    progress: Callable[[int, int, dict[str, float]], None] | None = None,
) -> Path:
    """Train one network, or go on where an interrupted call stopped.

    Every step draws from a stream of its own, `[seed, step]`, and the learning rate depends on the step alone: what comes out
    does not depend on where a run was interrupted.

    Args:
        settings: Network, steps, seed.
        library: Clips.
        out: Folder of `<name>.safetensors`, `<name>.json` (settings, loss curve) and `<name>.state.pt` while it goes on.
        device: Of torch.
        save_every: Steps from one saved state to the next.
        stop_after: Save and return at this step; None for the end.
        progress: Called with steps done, all steps and the log's last line.

    Returns:
        The weights, or the state when it was stopped early.

    Raises:
        BadParameter: if the folder holds a run with other settings.
    """
    goal: Goal = _seeded(settings)
    parts = nn.ModuleList([goal.network, goal.heads]).to(device).train()
    optimiser = torch.optim.AdamW(parts.parameters(), lr=1.0, weight_decay=_DECAY)
    top: float = importlib.import_module(f"avbench.training.{settings.name}").RATE
    state_path = out / f"{settings.name}.state.pt"
    first, curve, sums, seconds = 0, [], {}, 0.0
    about = asdict(settings) | {"clips": len(library)}
    if state_path.is_file():
        state = torch.load(state_path, map_location=device, weights_only=True)
        if state["settings"] != about:
            raise BadParameter(f"{state_path} is of {state['settings']}, asked for was {about}; use another folder")
        parts.load_state_dict(state["parts"])
        optimiser.load_state_dict(state["optimiser"])
        first, curve, sums, seconds = state["step"], state["curve"], state["sums"], state["seconds"]
    out.mkdir(parents=True, exist_ok=True)
    last = min(settings.steps, settings.steps if stop_after is None else stop_after)
    began = time.monotonic()
    for step in range(first, last):
        for group in optimiser.param_groups:
            group["lr"] = top * _schedule(step, settings.steps)
        batch = {k: v.to(device) for k, v in goal.batch(library, _stream(settings, step)).items()}
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=settings.bfloat16):
            loss, numbers = goal.loss(batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parts.parameters(), 1.0)
        optimiser.step()
        sums = {key: sums.get(key, 0.0) + value for key, value in numbers.items()}
        if (step + 1) % _LOG_EVERY == 0 or step + 1 == settings.steps:
            line = {key: round(value / (step % _LOG_EVERY + 1), 5) for key, value in sums.items()}
            curve, sums = [*curve, {"step": step + 1} | line], {}
            if progress is not None:
                progress(step + 1, settings.steps, line)
        if step + 1 in (last, settings.steps) or (step + 1) % save_every == 0:
            state = {"settings": about, "step": step + 1, "curve": curve, "sums": sums}
            state["seconds"] = seconds + time.monotonic() - began
            save_state(state_path, state | {"parts": parts.state_dict(), "optimiser": optimiser.state_dict()})
    if last < settings.steps:
        return state_path
    hours = round(state["seconds"] / 3600, 3)
    facts = {"device": device, "torch": torch.__version__, "machine": platform.machine(), "hours": hours}
    text = json.dumps({"settings": about, "facts": facts, "curve": curve}, indent=1)
    weights = save(goal.network, out / f"{settings.name}.safetensors")
    write_bytes(out / f"{settings.name}.json", (text + "\n").encode())
    return weights


def save(network: nn.Module, path: Path) -> Path:
    """Write a network's weights; the counters of batch norm are left out."""
    from safetensors.torch import save_file

    kept = {k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    tensors = {k: v.detach().cpu().contiguous() for k, v in kept.items()}
    part = path.with_name(path.name + ".part")
    save_file(tensors, part)
    part.chmod(0o644)
    part.replace(path)
    return path


def _seeded(settings: Settings) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return importlib.import_module(f"avbench.training.{settings.name}").Goal()


def _stream(settings: Settings, step: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([settings.seed, step, NAMES.index(settings.name)]))


def _schedule(step: int, steps: int) -> float:
    """Share of the highest learning rate: a short rise, then half a cosine down to nearly nothing."""
    warm = max(1, min(50, steps // 10))
    if step < warm:
        return (step + 1) / warm
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write where a training stands, whole or not at all."""
    part = path.with_name(path.name + ".part")
    torch.save(state, part)
    part.replace(path)
