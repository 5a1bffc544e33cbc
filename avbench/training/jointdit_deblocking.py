"""Trains the network after the patch codec: decoded frames of train clips, made a little noisy against the originals."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from avbench.errors import AvbenchError
from avbench.models.deblocking import Deblocking
from avbench.models.patch_codec import PatchCodec, frames_of, video_patches
from avbench.training.jointdit import read_codecs
from avbench.training.jointdit_data import frames_at
from avbench.training.library import Library, library

_CLIPS, _FRAMES = 6, 4
_NOISIEST = 0.2


def main(arguments: list[str] | None = None) -> int:
    """Parse and train; 0 when the weights are written."""
    parser = argparse.ArgumentParser(prog="python -m avbench.training.jointdit_deblocking", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of rendered train clips, as the trainer made it")
    parser.add_argument("--clips", type=int, default=3000, help="how many the folder holds of the train split with seed 0")
    parser.add_argument("--out", type=Path, required=True, help="the trainer's folder with codec.npz")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    try:
        train(library(given.data / "seed0", given.clips), given.out, given.steps, given.seed)
    except AvbenchError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def train(clips: Library, out: Path, steps: int, seed: int) -> Path:
    """Train from the start and write `deblocking.safetensors`."""
    codec = read_codecs(out / "codec.npz")[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Deblocking()
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.0)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps, pct_start=0.05)
    before, after = 0.0, 0.0
    for step in range(steps):
        random = np.random.default_rng(np.random.SeedSequence([seed, step, 77]))
        decoded, first, wanted = _batch(clips, codec, random)
        with torch.autocast("cpu", torch.bfloat16):
            better = network(decoded, first)
        loss = (better.float() - wanted).abs().mean() + 2.0 * ((better.float() - wanted) ** 2).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        plan.step()
        before += ((decoded - wanted) ** 2).mean().item()
        after += ((better.detach().float() - wanted) ** 2).mean().item()
        if (step + 1) % 100 == 0:
            decibels = (10.0 * np.log10(4.0 / (error / 100.0)) for error in (before, after))
            sys.stdout.write(f"{step + 1} of {steps}: PSNR {next(decibels):.2f} before, {next(decibels):.2f} after\n")
            sys.stdout.flush()
            before, after = 0.0, 0.0
    path = out / "deblocking.safetensors"
    save_file({k: v.detach().contiguous() for k, v in network.state_dict().items()}, path)
    return path


def _batch(clips: Library, codec: PatchCodec, random: np.random.Generator) -> tuple[torch.Tensor, ...]:
    rows = []
    for index in random.integers(0, len(clips), _CLIPS):
        frames = frames_at(clips, int(index))
        if random.random() < 0.5:
            frames = frames[:, :, ::-1]
        tokens = codec.encode(video_patches(frames))
        tokens = tokens + random.uniform(0.0, _NOISIEST) * random.standard_normal(tokens.shape, dtype=np.float32)
        decoded = frames_of(codec.decode(tokens), frames[0])
        for n in random.integers(1, len(frames), _FRAMES):
            rows.append((decoded[n], frames[0], frames[n]))
    parts = (np.stack([row[k] for row in rows]).astype(np.float32) / 127.5 - 1.0 for k in range(3))
    return tuple(torch.from_numpy(part.transpose(0, 3, 1, 2).copy()) for part in parts)


if __name__ == "__main__":
    sys.exit(main())
