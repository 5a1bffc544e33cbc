"""From items to clips with a JointDiT package: noise per item, batches of one size, less where memory does not suffice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avbench.batching import halving
from avbench.conditions import first_31_bits, first_frame, seed_of
from avbench.mini.inputs import small
from avbench.models.guidance import Form, terms
from avbench.models.joint_attention import JointMode
from avbench.models.jointdit import sample
from avbench.models.jointdit_package import Package
from avbench.models.mel_inversion import SAMPLE_RATE
from avbench.models.motion_codec import FRAME_RATE
from avbench.store import joined_sha256
from avbench.types import Clip, Item, Suite

SECONDS = 2.0
BATCH = 8


def clips(
    packages: tuple[Package, Package],
    items: Sequence[Item],
    *,
    suite: Suite,
    seed: int,
    form: Form,
    w: float,
    steps: int,
    what: str,
) -> Iterator[Clip]:
    """One clip per item, in order, 2 s, 12 frames a second, 16 kHz; each depends on (item, seed) alone.

    Args:
        packages: That which makes the picture, and that which makes the sound; twice the same for a joint model.
        items: With a first frame of any size: short side scaled to the model's, centre cut out.
        suite: That they are of.
        seed: Of the run.
        form: Of the guidance.
        w: Its strength.
        steps: Of the sampler.
        what: Name of the model, for warnings.
    """
    room = BATCH

    def made(part: Sequence[Item]) -> list[Clip]:
        nonlocal room
        try:
            return _batch(packages, part, room, suite=suite, seed=seed, form=form, w=w, steps=steps)
        except (MemoryError, RuntimeError):
            # Of a short batch that did not fit, what it was filled up with goes first.
            fits, room = room == len(part), min(room, len(part))
            if fits:
                room = max(1, len(part) // 2)
                raise
        return made(part)

    yield from halving(items, made, size=BATCH, what=what)


def image_of(item: Item, suite: Suite) -> NDArray[np.uint8]:
    """The first frame of an item as the model sees it, uint8 `(64, 64, 3)`."""
    return small(first_frame(item, suite))


def noise_of(package: Package, item: Item, seed: int) -> tuple[Tensor, Tensor]:
    """The noise that an item's clip begins with, `(N, components)` each; the sound's does not hang on the picture's size."""
    shape = package.model.shape
    drawn = []
    for stream, size in (
        ("video", (shape.steps * shape.patches**2, shape.components)),
        ("audio", (shape.sounds, shape.sound_components)),
    ):
        random = np.random.default_rng(first_31_bits(f"{seed_of(item, seed)}|{stream}"))
        drawn.append(torch.from_numpy(random.standard_normal(size, dtype=np.float32)))
    return drawn[0], drawn[1]


def _batch(
    packages: tuple[Package, Package],
    items: Sequence[Item],
    size: int,
    *,
    suite: Suite,
    seed: int,
    form: Form,
    w: float,
    steps: int,
) -> list[Clip]:
    seen, heard = packages
    pictures = [image_of(item, suite) for item in items]
    # One size for every batch: kernels are chosen by size, and the last digits of a clip must not hang on its neighbours.
    filled = [*range(len(items)), *[0] * (size - len(items))]
    images = torch.from_numpy(np.stack([pictures[n] for n in filled]).astype(np.float32) / 127.5 - 1.0).permute(0, 3, 1, 2)
    drawn = [noise_of(seen, item, seed) for item in items]
    noise = [torch.stack([drawn[n][k] for n in filled]).to(seen.device) for k in (0, 1)]
    combination, images = terms(form, w), images.contiguous().to(seen.device)
    mode: JointMode | None = "uni" if seen.kind == "uni" else None
    tokens, sounds = sample(seen.model, images, (noise[0], noise[1]), combination, steps=steps, mode=mode)
    frames = [seen.picture(tokens[n], pictures[n]) for n in range(len(items))]
    if heard is not seen:
        # The second stage sees what the first one shows: its clip, not its tokens.
        coded = np.stack([heard.video.tokens(frames[n]) for n in filled])
        given = torch.from_numpy(coded).to(heard.device)
        sounds = sample(heard.model, images, (noise[0], noise[1]), combination, steps=steps, video=given)[1]
    out = []
    for n, item in enumerate(items):
        samples = heard.sound(sounds[n], seed_of(item, seed))
        out.append(Clip(item.id, frames[n], FRAME_RATE, samples[None], SAMPLE_RATE, text=item.prompt))
    return out


def weights_hash(*packages: Path) -> str:
    """What a request says of the weights; asked for once per item, so files are hashed once while they stay as they are.

    Args:
        packages: Checkpoints; one that is not there is left out, and `load` says so.
    """
    from avbench.weights import sha256_of

    hashes = [sha256_of(path) for path in packages if path.is_file()]
    return joined_sha256(hashes) if hashes else ""


def package_path(given: str, model: str) -> Path:
    """The checkpoint that was given, or the one that comes with avbench."""
    from avbench.content import folder

    return Path(given) if given else folder("baselines") / model / "model.safetensors"
