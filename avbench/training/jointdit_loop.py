"""The stages of JointDiT's training: seeded, resumable, with the pairing gap in the log.

`experts` trains the two denoisers without joint layers, as the paper begins from trained ones. `joint` adds the joint layers
and trains all. `v2a` goes on from there with the video given clean, for a cascade's second stage. `uni` gives the experts
further steps without joint layers: what the joint model is compared with.
"""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from avbench.errors import BadParameter
from avbench.models.diffusion import joint_loss
from avbench.models.joint_attention import JointMode
from avbench.models.jointdit import CLEAN_SIGMA, JointDiT, Shape
from avbench.store import write_bytes
from avbench.training.jointdit_data import Tokens
from avbench.training.loop import save, save_state

StageName = Literal["experts", "joint", "v2a", "uni"]
STAGES: tuple[StageName, ...] = ("experts", "joint", "v2a", "uni")
"""A new stage goes to the end: its place is a part of the seed of everything that is drawn for it."""
BEGINS_FROM: dict[StageName, StageName | None] = {"experts": None, "joint": "experts", "v2a": "joint", "uni": "experts"}
HELD_OUT = 60
"""Last clips of the data: never trained on, the pairing gap is measured on them."""
_LOG_EVERY = 20


@dataclass(frozen=True)
class Stage:
    """How one stage is trained.

    Args:
        name: Of the stage.
        steps: Batches in all.
        batch: Clips in a batch.
        rate: Highest learning rate.
        joint_factor: How many times that is the rate of the joint layers.
    """

    name: StageName
    steps: int
    batch: int = 32
    rate: float = 1e-3
    joint_factor: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in STAGES:
            raise BadParameter(f"there is no stage '{self.name}'; there are {', '.join(STAGES)}")
        if self.steps < 1 or self.batch < 1 or not 0 < self.rate < 1 or not 0 < self.joint_factor < 100:
            raise BadParameter(f"stage {self.name}: steps and batch must be 1 or more, rate and factor positive; got {self}")


@dataclass(frozen=True)
class Training:
    """What is the same for all stages.

    Args:
        seed: Of first weights and of everything that is drawn.
        dropped: Share of clips whose image is dropped.
        decay: Weight decay.
        bfloat16: Whether linear layers compute in bfloat16; several times as fast where the CPU has instructions for it.
        video_weight, audio_weight: lambda_1 and lambda_2.
    """

    seed: int = 0
    dropped: float = 0.1
    decay: float = 1e-4
    bfloat16: bool = False
    video_weight: float = 1.0
    audio_weight: float = 1.0


def train(
    stage: Stage,
    training: Training,
    model: JointDiT,
    data: Tokens,
    out: Path,
    *,
    device: str = "cpu",
    save_every: int = 100,
    gap_every: int = 250,
    stop_after: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Train one stage, or go on where an interrupted call stopped. The model ends with the stage's averaged weights.

    Args:
        stage: Which, and how long.
        training: Seed and the rest.
        model: With the weights that the stage begins from.
        data: Tokens; the last 60 clips are held out.
        out: Folder of `<stage>.safetensors`, `<stage>.json` (settings, curves) and `<stage>.state.pt` while it goes on.
        device: Of torch.
        save_every: Steps from one saved state to the next.
        gap_every: Steps from one measurement of the pairing gap to the next.
        stop_after: Save and return at this step; None for the end.
        progress: Called with a line for people.

    Returns:
        The weights, or the state when it was stopped early.

    Raises:
        BadParameter: if the folder holds a stage with other settings, or there are too few clips, or the loss is not finite.
    """
    if len(data) < HELD_OUT + 1:
        raise BadParameter(f"JointDiT's training holds {HELD_OUT} clips out and needs more than that, got {len(data)}")
    about = {"stage": asdict(stage), "training": asdict(training), "clips": len(data), "shape": asdict(model.shape)}
    model.to(device).train()
    joints = {id(p) for p in model.joint_parameters()}
    alone = stage.name in ("experts", "uni")
    groups: list[dict[str, Any]] = [{"params": [p for p in model.parameters() if id(p) not in joints], "factor": 1.0}]
    if not alone:
        groups.append({"params": model.joint_parameters(), "factor": stage.joint_factor})
    moved = [p for group in groups for p in group["params"]]
    optimiser = torch.optim.AdamW(groups, lr=stage.rate, betas=(0.9, 0.99), weight_decay=training.decay)
    average = {name: p.detach().clone() for name, p in model.named_parameters()}
    state_path = out / f"{stage.name}.state.pt"
    first, curve, gaps, sums, seconds = 0, [], [], {}, 0.0
    if state_path.is_file():
        state = torch.load(state_path, map_location=device, weights_only=True)
        if state["about"] != about:
            raise BadParameter(f"{state_path} is of {state['about']}, asked for was {about}; use another folder")
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average = state["average"]
        first, curve, gaps, sums, seconds = (state[key] for key in ("step", "curve", "gaps", "sums", "seconds"))
    out.mkdir(parents=True, exist_ok=True)
    last = min(stage.steps, stage.steps if stop_after is None else stop_after)
    began = time.monotonic()
    for step in range(first, last):
        for group in optimiser.param_groups:
            group["lr"] = stage.rate * group["factor"] * schedule(step, stage.steps)
        random = np.random.default_rng(np.random.SeedSequence([training.seed, step, STAGES.index(stage.name)]))
        rows = drawn(data, stage.batch, random)
        loss, numbers = losses(model, stage.name, training, *(part.to(device) for part in rows))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(moved, 1.0)
        optimiser.step()
        weight = min(0.999, (1.0 + step) / (10.0 + step))
        with torch.no_grad():
            for name, p in model.named_parameters():
                average[name].lerp_(p, 1.0 - weight)
        if not math.isfinite(loss.item()):
            raise BadParameter(f"stage {stage.name}: the loss is not finite at step {step + 1}; lower its rate ({stage.rate})")
        sums = {key: sums.get(key, 0.0) + value for key, value in numbers.items()}
        done = step + 1
        if done % _LOG_EVERY == 0 or done == stage.steps:
            line = {key: round(value / (step % _LOG_EVERY + 1), 5) for key, value in sums.items()}
            curve, sums = [*curve, {"step": done} | line], {}
            speed = (done - first) * stage.batch / (time.monotonic() - began)
            _tell(progress, f"{stage.name} {done} of {stage.steps}: {line}, {speed:.1f} clips/s")
        if done % gap_every == 0 or done == stage.steps:
            gap = averaged_gap(model, average, data, stage.name)
            gaps = [*gaps, {"step": done} | gap]
            _tell(progress, f"{stage.name} {done} pairing gap: {gap}")
        if done in (last, stage.steps) or done % save_every == 0:
            state = {"about": about, "step": done, "curve": curve, "gaps": gaps, "sums": sums}
            state |= {"seconds": seconds + time.monotonic() - began, "average": average}
            save_state(state_path, state | {"model": model.state_dict(), "optimiser": optimiser.state_dict()})
    if last < stage.steps:
        return state_path
    model.load_state_dict(average)
    model.eval()
    facts = {"device": device, "torch": torch.__version__, "machine": platform.machine()}
    hours = round((seconds if first >= last else state["seconds"]) / 3600, 3)
    text = json.dumps({"settings": about, "facts": facts | {"hours": hours}, "curve": curve, "pairing_gap": gaps}, indent=1)
    write_bytes(out / f"{stage.name}.json", (text + "\n").encode())
    return save(model, out / f"{stage.name}.safetensors")


def drawn(data: Tokens, count: int, random: np.random.Generator) -> tuple[Tensor, ...]:
    """A batch, with everything that is random in it: tokens, image, u, noise, and a number that decides on the image.

    Args:
        data: Its last 60 clips are never drawn.
        count: Clips; their u are spread evenly, one in each of `count` equal parts of (0, 1).
        random: What is drawn with.
    """
    which = random.integers(0, len(data) - HELD_OUT, count)
    video, audio, first = data.rows(which, random.integers(0, 2, count))
    u = ((random.permutation(count) + random.random(count)) / count).clip(1e-4, 1.0 - 1e-4)
    noise = [random.standard_normal(x.shape, dtype=np.float32) for x in (video, audio)]
    parts = (video, audio, first, u.astype(np.float32), *noise, random.random(count, dtype=np.float32))
    return tuple(torch.from_numpy(part) for part in parts)


def losses(
    model: JointDiT,
    stage: StageName,
    training: Training,
    video: Tensor,
    audio: Tensor,
    image: Tensor,
    u: Tensor,
    video_noise: Tensor,
    audio_noise: Tensor,
    draw: Tensor,
) -> tuple[Tensor, dict[str, float]]:
    """The joint loss of a batch, each modality under its base model's own weighting, and its parts."""
    given = stage == "v2a"
    sigma = torch.full_like(u, CLEAN_SIGMA) if given else model.edm.sigma(u)
    timestep = model.ddpm.timestep(u)
    noisy = video if given else model.edm.noised(video, sigma, video_noise)
    heard = model.ddpm.noised(audio, timestep, audio_noise)
    shown = (draw >= training.dropped).float()
    mode: JointMode = "uni" if stage in ("experts", "uni") else "full"
    times = model.edm.time_input(sigma), timestep.float() / model.ddpm.steps
    with torch.autocast(u.device.type, torch.bfloat16, enabled=training.bfloat16):
        out = model(model.edm.network_input(noisy, sigma), heard, *times, image, shown, mode)
    wanted = model.edm.target(video, noisy, sigma), model.ddpm.target(audio, audio_noise, timestep)
    # Where the video is given, its output has nothing to learn from.
    weights = (0.0 if given else training.video_weight), training.audio_weight
    total, seen, sounded = joint_loss((wanted[0], out[0].float()), (wanted[1], out[1].float()), weights)
    parts = {"audio": sounded.item()} if given else {"video": seen.item(), "audio": sounded.item()}
    return total, parts


@torch.no_grad()
def pairing_gap(
    model: JointDiT,
    data: Tokens,
    stage: StageName = "joint",
    count: int = HELD_OUT,
    at_u: Sequence[float] = (0.25, 0.5, 0.75),
) -> dict[str, float]:
    """Audio loss with the right video, with another clip's, with its own half a second late, and masked; on held-out clips.

    A model that reads timing from the picture loses by the last three. The same noise is used for all.

    Returns:
        `paired`, `rolled`, `late`, `masked`: mean squared errors of the network's output, averaged over u.
    """
    few = np.arange(len(data) - count, len(data))
    video, audio, first = (torch.from_numpy(x) for x in data.rows(few, np.zeros(len(few), np.intp)))
    made = torch.Generator().manual_seed(20)
    noise = torch.randn(video.shape, generator=made), torch.randn(audio.shape, generator=made)
    device = next(model.parameters()).device
    patches = model.shape.patches**2
    rolls = {"paired": video, "rolled": video.roll(1, 0), "late": video.roll(2 * patches, 1), "masked": video}
    out = dict.fromkeys(rolls, 0.0)
    condition = model.seen(first.to(device), torch.ones(len(few), device=device))
    for u in at_u:
        at = torch.full((len(few),), u)
        sigma = torch.full_like(at, CLEAN_SIGMA) if stage == "v2a" else model.edm.sigma(at)
        timestep = model.ddpm.timestep(at)
        heard = model.ddpm.noised(audio, timestep, noise[1])
        for name, clips in rolls.items():
            noisy = clips if stage == "v2a" else model.edm.noised(clips, sigma, noise[0])
            mode: JointMode = "uni" if stage in ("experts", "uni") else "blockdiag" if name == "masked" else "full"
            inputs = model.edm.network_input(noisy, sigma), heard, model.edm.time_input(sigma), timestep / model.ddpm.steps
            x, y, video_time, audio_time = (part.to(device) for part in inputs)
            given = model.run(x, y, video_time, audio_time, condition, mode)[1]
            wanted = model.ddpm.target(audio, noise[1], timestep)
            out[name] += ((given.cpu().float() - wanted) ** 2).mean().item() / len(at_u)
    return {name: round(value, 5) for name, value in out.items()}


def averaged_gap(model: JointDiT, average: dict[str, Tensor], data: Tokens, stage: StageName) -> dict[str, float]:
    """The gap under the averaged weights; the model keeps its own."""
    kept = {name: p.detach().clone() for name, p in model.named_parameters()}
    model.load_state_dict(average)
    gap = pairing_gap(model, data, stage)
    model.load_state_dict(kept)
    return gap


def schedule(step: int, steps: int) -> float:
    """Share of the highest learning rate: a short rise, then half a cosine down to 5 %."""
    warm = max(1, min(100, steps // 10))
    if step < warm:
        return (step + 1) / warm
    return 0.05 + 0.95 * 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def fresh(shape: Shape, seed: int) -> JointDiT:
    """A model with first weights that follow from the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return JointDiT(shape)


def _tell(progress: Callable[[str], None] | None, line: str) -> None:
    if progress is not None:
        progress(line)
