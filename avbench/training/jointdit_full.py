"""How JointDiT at full size is trained: the joint layers, or all of it, with accelerate; resumable.

Draw k of a run, from the clip and its window to the noise, comes from the stream `[seed, k]` alone. So what is trained does not
depend on where a run was interrupted, nor on the number of processes that decode.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from avbench import suites
from avbench.diffusers_stages import cropped, diffusers, weights_folder, without_deprecations
from avbench.errors import AvbenchError, BadClip, BadParameter, MissingData
from avbench.generators.audioldm2 import AudioLdm2
from avbench.generators.svd import Svd
from avbench.media import Reader
from avbench.models.jointdit_full import pairing_gap, training_loss
from avbench.models.jointdit_published import RATE, Codecs, load_codecs, load_network
from avbench.models.jointdit_unets import (
    Condition,
    JointDiTFull,
    Widths,
    load_checkpoint,
    parameters,
    save_checkpoint,
)
from avbench.resampling import torchaudio_resample
from avbench.store import write_bytes
from avbench.training.jointdit_settings import Clips, Settings, settings
from avbench.types import ClipFile, Suite

FILE = "jointdit_full.safetensors"
_LOWEST_U = 1e-4
"""u is drawn from here to one less this, since EDM's noise level is infinite at 1."""


# ------------------------------------------------------------------ clips


@dataclass(frozen=True, eq=False)
class Draws(torch.utils.data.Dataset[dict[str, Any]]):
    """Windows of clips; number k depends on the seed and k alone.

    Args:
        files: Reference clips.
        clips: Sizes and rates.
        seed: Of the training.
    """

    files: Sequence[ClipFile]
    clips: Clips
    seed: int

    def __getitem__(self, number: int) -> dict[str, Any]:
        """Frames uint8 `(T, H, W, 3)`, mono sound at 16 kHz, and a seed for what is drawn later.

        Raises:
            AvbenchError: if the clip cannot be read or has no picture or no sound.
        """
        random = np.random.default_rng([self.seed, number])
        file = self.files[int(random.integers(len(self.files)))]
        try:
            frames, sound = window(file, self.clips, float(random.random()))
        except BadClip as error:
            raise AvbenchError(f"training clip '{file.id}' ({file.path}): {error}; take it out of the suite") from error
        return {"frames": frames, "sound": sound, "seed": int(random.integers(2**62))}


def window(file: ClipFile, clips: Clips, at: float) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A piece of a clip: frames `(T, H, W, 3)` and mono sound at 16 kHz.

    Args:
        file: The clip. Where it is too short its last frame stays and silence follows.
        clips: Sizes and rates.
        at: 0 to 1: where between the first and the last possible start.
    """
    with Reader(file) as reader:
        info = reader.info
        if not info.frames or not info.sample_rate:
            raise BadClip("no_audio" if info.frames else "no_video")
        start = at * max(0.0, info.video_seconds - clips.seconds)
        times = info.frame_times - info.frame_times[0]
        wanted = [int(np.searchsorted(times, start + n / clips.fps + 1e-6, side="right")) - 1 for n in range(clips.frames)]
        kept = {
            n: np.asarray(cropped(image, clips.width, clips.height))
            for n, image in enumerate(reader.frames())
            if n in set(wanted)
        }
        wave = reader.audio()
    if not kept or wave is None:
        raise BadClip("damaged")
    frames = np.stack([kept[min(n, max(kept))] for n in wanted])
    first = round((start - info.audio_start_seconds) * wave.sample_rate)
    length = round(clips.seconds * wave.sample_rate)
    piece = np.zeros(length, dtype=np.float32)
    there = wave.mono[max(first, 0) : max(first + length, 0)]
    piece[max(-first, 0) : max(-first, 0) + len(there)] = there
    sound = torchaudio_resample(piece, wave.sample_rate, RATE)
    return frames, np.asarray(sound, dtype=np.float32)


def _batches(draws: Draws, own: Settings, first: int, process: int, processes: int) -> Iterator[list[dict[str, Any]]]:
    """What this process trains on from step `first` on, one list per pass."""
    size, passes = own.training.batch_size, own.training.gradient_accumulation
    starts = (((n * processes) + process) * size for n in range(first * passes, own.training.steps * passes))
    batches = [list(range(start, start + size)) for start in starts]
    loader: Any = torch.utils.data.DataLoader(
        draws, batch_sampler=batches, num_workers=draws.clips.workers, collate_fn=list, multiprocessing_context=_spawn(draws)
    )
    yield from loader


def _spawn(draws: Draws) -> str | None:
    return "spawn" if draws.clips.workers else None


# ------------------------------------------------------------------ the loop


def train(
    config: Path,
    suite: Suite | str,
    out: Path,
    resume: bool = True,
    *,
    device: Literal["auto", "cpu"] = "auto",
    stop_after: int | None = None,
    progress: Callable[[int, int, dict[str, float]], None] | None = None,
) -> Path:
    """Train the network of a configuration, or go on where an interrupted call stopped.

    Args:
        config: See `baselines/jointdit/full.toml`.
        suite: Whose reference clips are trained on. Never the one that is evaluated with.
        out: Folder of `jointdit_full.safetensors`, `jointdit_full.json`, `log.jsonl`, and `state/` while it goes on.
        resume: Whether to go on with a run that is there; otherwise one that is there is an error.
        device: `auto` is what accelerate finds or was launched for.
        stop_after: Save and return at this step; None for the end.
        progress: Called with steps done, all steps and the losses.

    Returns:
        The trained weights, or the folder of the state when it was stopped early.

    Raises:
        BadManifest: for a configuration that is not taken.
        BadParameter: if `out` holds another run, or the suite has no clips.
        MissingData: if the extra or weights are not on this machine.
        AvbenchError: if a clip cannot be used, or the loss is not finite.
    """
    diffusers()
    if importlib.util.find_spec("accelerate") is None:
        raise MissingData(
            "training at full size runs through accelerate, which is not installed: pip install 'avbench[diffusers]'"
        )
    accelerate: Any = importlib.import_module("accelerate")
    own = settings(config)
    passes = own.training.gradient_accumulation
    accelerator: Any = accelerate.Accelerator(
        mixed_precision=own.training.precision,
        cpu=device == "cpu",
        gradient_accumulation_steps=passes,
    )
    chosen = suites.load(suite) if isinstance(suite, str) else suite
    files = _files(chosen)
    run = _Run(out, own, {"suite": [chosen.name, chosen.version, len(files)]}, accelerator)
    found = run.begin(resume)
    base = [weights_folder("jointdit_full", Svd().published, own.model.svd, "svd")]
    base.append(weights_folder("jointdit_full", AudioLdm2().published, own.model.audioldm2, "audioldm2"))
    codecs = load_codecs(base[0], base[1], str(accelerator.device))
    network = _network(base, own)
    optimiser: Any = torch.optim.AdamW(
        [p for p in network.parameters() if p.requires_grad], lr=own.training.rate, weight_decay=own.training.weight_decay
    )
    wrapped, optimiser = accelerator.prepare(network, optimiser)
    accelerator.register_save_state_pre_hook(run.keep_trained)
    accelerator.register_load_state_pre_hook(run.put_trained)
    first = 0
    if found is not None:
        accelerator.load_state(str(found))
        first = int(found.name.removeprefix("step-"))
    last = min(own.training.steps, own.training.steps if stop_after is None else stop_after)
    draws = Draws(files, own.clips, own.training.seed)
    batches = _batches(draws, own, first, accelerator.process_index, accelerator.num_processes)
    for step in range(first, last):
        for group in optimiser.param_groups:
            group["lr"] = own.training.rate * min(1.0, (step + 1) / max(1, own.training.warmup))
        sums = np.zeros(2)
        for _ in range(passes):
            batch = next(batches)
            with accelerator.accumulate(wrapped):
                with without_deprecations():
                    drawn = _drawn(codecs, batch, own, accelerator.device)
                    loss, seen, heard = _loss(wrapped, drawn, own)
                    accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(wrapped.parameters(), own.training.most_gradient)
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
            sums += [seen.item(), heard.item()]
        if not np.isfinite(sums).all():
            raise AvbenchError(f"{out}: the loss of step {step + 1} is not finite; go on from the last state with a lower rate")
        line = {name: round(float(total) / passes, 6) for name, total in zip(("video", "audio"), sums, strict=True)}
        if own.training.gap_every and (step + 1) % own.training.gap_every == 0:
            # In the middle of the noise levels: neither stream is clean, and neither is lost.
            with without_deprecations():
                gap = pairing_gap(wrapped, drawn.clean, drawn.noise, torch.full_like(drawn.u, 0.5), drawn.given)
            line |= {f"gap_{name}": round(value, 6) for name, value in gap.items()}
        run.log(step + 1, line)
        if progress is not None:
            progress(step + 1, own.training.steps, line)
        if step + 1 == last or (step + 1) % own.training.save_every == 0:
            run.save(step + 1)
    if last < own.training.steps:
        return run.states
    return run.finish(accelerator.unwrap_model(wrapped))


def _files(suite: Suite) -> list[ClipFile]:
    if suite.reference is None:
        raise BadParameter(f"suite {suite.name} has no reference clips to train on")
    found = suite.reference.ready(suite.items)
    if not found:
        raise BadParameter(f"none of the {len(suite.items)} items of suite {suite.name} has a reference clip to train on")
    return [found[id] for id in sorted(found)]


def _network(base: list[Path], own: Settings) -> JointDiTFull:
    """The network in float32, new layers drawn from the seed; frozen where it is not trained."""
    widths = [Widths(*row) for row in own.model.joint]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(own.training.seed)
        network = load_network(base[0], base[1], "cpu", "float32", widths, own.model.clock)
    for unet in (network.video, network.audio):
        unet.requires_grad_(own.model.experts == "trained")
        if own.training.gradient_checkpointing:
            unet.enable_gradient_checkpointing()
    return network


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What one pass trains on: latents, noise, timestep, the picture, and whose picture is dropped."""

    clean: tuple[torch.Tensor, torch.Tensor]
    noise: tuple[torch.Tensor, torch.Tensor]
    u: torch.Tensor
    given: Condition
    dropped: torch.Tensor


def _drawn(codecs: Codecs, batch: list[dict[str, Any]], own: Settings, device: Any) -> _Drawn:
    """Latents and everything that is random, without gradients."""
    randoms = [torch.Generator("cpu").manual_seed(one["seed"]) for one in batch]
    told = (own.clips.fps, own.clips.motion, own.clips.noise)
    given: Condition = codecs.condition([one["frames"][0] for one in batch], (own.clips.width, own.clips.height), told, randoms)
    pairs = list(zip(batch, randoms, strict=True))
    video = torch.stack([codecs.video_latents(one["frames"], random) for one, random in pairs])
    audio = torch.stack([codecs.audio_latents(one["sound"], random) for one, random in pairs])
    noise = [torch.stack([torch.randn(clean.shape[1:], generator=r) for r in randoms]).to(device) for clean in (video, audio)]
    drawn = torch.stack([torch.rand(2, generator=random) for random in randoms]).to(device)
    u = _LOWEST_U + (1.0 - 2.0 * _LOWEST_U) * drawn[:, 0]
    return _Drawn((video, audio), (noise[0], noise[1]), u, given, drawn[:, 1] < own.training.drop)


def _loss(network: Any, drawn: _Drawn, own: Settings) -> Any:
    """The joint loss of one pass, and both of its parts."""
    weights = (own.training.lambda_video, own.training.lambda_audio)
    return training_loss(network, drawn.clean, drawn.noise, drawn.u, drawn.given.dropped(drawn.dropped), weights)


@dataclass(eq=False)
class _Run:
    """The folder of a run."""

    out: Path
    own: Settings
    about: dict[str, Any]
    accelerator: Any

    def __post_init__(self) -> None:
        self.states = self.out / "state"
        known = asdict(self.own)
        # A run may be made longer, saved oftener or decoded by more processes without becoming another one.
        for key in ("steps", "save_every", "gap_every", "keep"):
            del known["training"][key]
        del known["clips"]["workers"]
        self.about = json.loads(json.dumps(self.about | known))

    def begin(self, resume: bool) -> Path | None:
        """The newest state, if there is one."""
        self.states.mkdir(parents=True, exist_ok=True)
        asked = self.states / "settings.json"
        there = self._all()
        if there and not resume:
            raise BadParameter(f"{self.out} holds a run at {there[-1].name}; go on with it, or use another folder")
        if asked.is_file() and there and (before := json.loads(asked.read_text(encoding="utf-8"))) != self.about:
            changed = [key for key in self.about if before.get(key) != self.about[key]]
            raise BadParameter(f"{self.out} holds a run with other settings ({', '.join(changed)}); use another folder")
        step = int(there[-1].name.removeprefix("step-")) if there else 0
        if self.accelerator.is_main_process:
            write_bytes(asked, json.dumps(self.about, indent=1).encode())
            log = self.out / "log.jsonl"
            lines = log.read_text(encoding="utf-8").splitlines(keepends=True) if log.is_file() else []
            write_bytes(log, "".join(line for line in lines if json.loads(line)["step"] <= step).encode())
        self.accelerator.wait_for_everyone()
        return there[-1] if there else None

    def _all(self) -> list[Path]:
        return sorted(path for path in self.states.glob("step-*") if path.is_dir())

    def log(self, step: int, line: dict[str, float]) -> None:
        if self.accelerator.is_main_process:
            with (self.out / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step} | line) + "\n")

    def save(self, step: int) -> None:
        """Write a state, whole or not at all, and let the oldest go."""
        part = self.states / f".step-{step:08d}.part"
        if self.accelerator.is_main_process:
            shutil.rmtree(part, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(part))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            whole = self.states / part.name[1 : -len(".part")]
            shutil.rmtree(whole, ignore_errors=True)
            part.replace(whole)
            for old in self._all()[: -self.own.training.keep]:
                shutil.rmtree(old)
        self.accelerator.wait_for_everyone()

    def keep_trained(self, models: list[Any], weights: list[Any], folder: str) -> None:
        """Save what is trained in place of the whole network."""
        weights.clear()
        if self.accelerator.is_main_process:
            self._write(self.accelerator.unwrap_model(models[0]), Path(folder))

    def put_trained(self, models: list[Any], folder: str) -> None:
        """Load it again; an empty list tells accelerate that nothing is left to load."""
        load_checkpoint(self.accelerator.unwrap_model(models.pop()), Path(folder) / FILE)

    def _write(self, network: JointDiTFull, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_checkpoint(network, folder / FILE, everything=self.own.model.experts == "trained")

    def finish(self, network: JointDiTFull) -> Path:
        """Write the weights and what they are."""
        if self.accelerator.is_main_process:
            self._write(network, self.out)
            facts = self.about | {
                "steps": self.own.training.steps,
                "parameters": parameters(network),
                "torch": torch.__version__,
            }
            write_bytes(self.out / "jointdit_full.json", (json.dumps(facts, indent=1) + "\n").encode())
        self.accelerator.wait_for_everyone()
        return self.out / FILE
