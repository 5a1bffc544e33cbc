"""Trains the picture's codec before anything else: frames of train clips through a noisy code, seeded and resumable."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from avbench.errors import BadParameter
from avbench.models.mini_blocks import load
from avbench.models.motion_codec import PATCH, MotionCodec
from avbench.store import write_bytes
from avbench.synth15 import rendering
from avbench.training.jointdit_loop import schedule
from avbench.training.library import SECONDS, Library
from avbench.training.loop import save, save_state

_MOVED = 0.06
"""Differences from the first frame above this, in [-1, 1], count as something that moved."""
_LOG_EVERY = 100


@dataclass(frozen=True)
class CodecPlan:
    """How the codec is trained.

    Args:
        steps: Batches.
        clips: In a batch.
        frames: Of each clip in a batch.
        rate: Highest learning rate.
        noisiest: Largest noise on a code, whose numbers have unit variance; each clip's is drawn evenly from 0 to this.
        moved: How many times as much a pixel counts that differs from the first frame.
    """

    steps: int = 8000
    clips: int = 8
    frames: int = 4
    rate: float = 1.5e-3
    noisiest: float = 0.3
    moved: float = 4.0

    def __post_init__(self) -> None:
        if min(self.steps, self.clips, self.frames) < 1 or not 0 < self.rate < 1 or self.noisiest < 0 or self.moved < 0:
            raise BadParameter(f"codec: steps, clips, frames and rate must be positive, the rest 0 or more; got {self}")


def train(
    plan: CodecPlan,
    channels: int,
    libraries: Sequence[Library],
    out: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    bfloat16: bool = False,
    save_every: int = 500,
    stop_after: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> MotionCodec:
    """Train, or go on where an interrupted call stopped; the finished codec is `codec.safetensors` in the folder.

    Args:
        plan: How.
        channels: Of the codec.
        libraries: Rendered clips.
        out: Folder of `codec.safetensors`, `codec.json` (settings, curve) and `codec.state.pt`.
        seed: Of first weights and of what is drawn.
        device: Of torch.
        bfloat16: Whether convolutions compute in bfloat16.
        save_every: Steps from one saved state to the next.
        stop_after: Save and return at this step; None for the end.
        progress: Called with a line for people.

    Raises:
        BadParameter: if the folder holds a codec with other settings, or the loss is not finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = MotionCodec(channels).to(device)
    about = {"plan": asdict(plan), "channels": channels, "seed": seed, "clips": [len(library) for library in libraries]}
    finished, note, state_path = out / "codec.safetensors", out / "codec.json", out / "codec.state.pt"
    if finished.is_file():
        _same(json.loads(note.read_text(encoding="utf-8"))["settings"], about, finished)
        return read_codec(finished, channels, device)
    network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.rate, betas=(0.9, 0.99), weight_decay=1e-4)
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    first, curve, sums = 0, [], [0.0, 0.0]
    if state_path.is_file():
        state = torch.load(state_path, map_location=device, weights_only=True)
        _same(state["about"], about, state_path)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        average, first, curve, sums = state["average"], state["step"], state["curve"], state["sums"]
    out.mkdir(parents=True, exist_ok=True)
    last = plan.steps if stop_after is None else min(plan.steps, stop_after)
    for step in range(first, last):
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * schedule(step, plan.steps)
        random = np.random.default_rng(np.random.SeedSequence([seed, step, 77]))
        frames, shown, noise = (part.to(device) for part in drawn(plan, channels, libraries, random))
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
            made = coded(network, frames, shown, noise)
        loss, error = losses(made.float(), frames, shown, plan.moved)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        if not math.isfinite(loss.item()):
            raise BadParameter(f"codec: the loss is not finite at step {step + 1}; lower its rate ({plan.rate})")
        weight = min(0.998, (1.0 + step) / (10.0 + step))
        with torch.no_grad():
            for name, value in network.state_dict().items():
                if value.is_floating_point():
                    average[name].lerp_(value, 1.0 - weight)
        done = step + 1
        sums = [sums[0] + loss.item(), sums[1] + error]
        if done % _LOG_EVERY == 0 or done == plan.steps:
            count = step % _LOG_EVERY + 1
            line = {"step": done, "loss": round(sums[0] / count, 5), "psnr": round(10.0 * math.log10(4.0 * count / sums[1]), 2)}
            curve, sums = [*curve, line], [0.0, 0.0]
            if progress is not None:
                progress(f"codec {done} of {plan.steps}: loss {line['loss']}, PSNR {line['psnr']} dB")
        if done == last or done % save_every == 0:
            state = {"about": about, "step": done, "curve": curve, "sums": sums, "average": average}
            save_state(state_path, state | {"network": network.state_dict(), "optimiser": optimiser.state_dict()})
    network.load_state_dict(average)
    network.to(memory_format=torch.contiguous_format).eval().requires_grad_(False)  # type: ignore[call-overload]
    if last == plan.steps:
        write_bytes(note, (json.dumps({"settings": about, "curve": curve}, indent=1) + "\n").encode())
        save(network, finished)
    return network


def read_codec(path: Path, channels: int, device: str = "cpu") -> MotionCodec:
    """A trained codec from its weights."""
    with torch.device("meta"):
        network = MotionCodec(channels)
    load(network, path, device)
    return network


def drawn(
    plan: CodecPlan, channels: int, libraries: Sequence[Library], random: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """A batch: frames `(N, T, 3, S, S)` and first frames `(N, 3, S, S)` in [-1, 1], and noise for the codes."""
    frames, first, noise = [], [], []
    for _ in range(plan.clips):
        library = libraries[int(random.integers(len(libraries)))]
        clip = library.pictures[int(random.integers(len(library)))]
        mirrored = random.random() < 0.5
        inside = round(rendering.SECONDS / SECONDS * len(clip))
        few = np.stack([clip[0], *(clip[n] for n in random.integers(0, inside, plan.frames))])
        few = few[:, :, ::-1] if mirrored else few
        first.append(few[0])
        frames.append(few[1:])
        grid = few.shape[1] // PATCH
        noise.append(
            random.uniform(0.0, plan.noisiest) * random.standard_normal((plan.frames, channels, grid, grid), dtype=np.float32)
        )
    seen, shown = (np.stack(part).astype(np.float32) / 127.5 - 1.0 for part in (frames, first))
    parts = (seen.transpose(0, 1, 4, 2, 3), shown.transpose(0, 3, 1, 2), np.stack(noise).astype(np.float32))
    pictures, given, added = (torch.from_numpy(np.ascontiguousarray(part)) for part in parts)
    return pictures, given, added


def coded(network: MotionCodec, frames: Tensor, first: Tensor, noise: Tensor) -> Tensor:
    """Frames through a noisy code and back, `(N, T, 3, S, S)`."""
    clips, count = frames.shape[:2]
    given = first.repeat_interleave(count, dim=0)
    codes = network.encode(frames.flatten(0, 1), given)
    return network.decode(codes.reshape(clips, count, *codes.shape[1:]) + noise.to(codes.dtype), first)


def losses(made: Tensor, frames: Tensor, first: Tensor, moved: float) -> tuple[Tensor, float]:
    """Mean absolute error of pixels and of their differences, what moved counting more; and the plain mean squared error."""
    changed = (frames - first[:, None]).abs().amax(dim=2, keepdim=True) > _MOVED
    weight = functional.max_pool2d(changed.float().flatten(0, 1), 3, 1, 1).reshape(changed.shape) * moved + 1.0
    wrong = made - frames
    loss = (weight * (wrong.abs() + 2.0 * wrong**2)).mean()
    # Edges: a blurred picture has the right pixels on average and the wrong differences.
    for dim in (-1, -2):
        loss = loss + 0.5 * (weight.narrow(dim, 1, frames.shape[dim] - 1) * wrong.diff(dim=dim).abs()).mean()
    return loss, (wrong.detach() ** 2).mean().item()


def _same(found: object, wanted: object, where: Path) -> None:
    if found != wanted:
        raise BadParameter(f"{where} is of {found}, asked for was {wanted}; use another folder")
