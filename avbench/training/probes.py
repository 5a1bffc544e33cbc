"""What the mini networks see: `python -m avbench.training.probes --clips runs/test`, after `avbench.training.evaluate`.

* `video_distance`: Fréchet distance of `mini_video`'s features between the test clips and the same clips changed, as an order.
* `offset`: whether `mini_sync` follows the content where the sound is moved: with noise over the whole sound, which hides where
  silence comes in; and with the sound of another clip of the same category, where only chance and like beginnings are left.
* `matcher`: the share of right offsets on the `cut` clips that a matching of the true event times reaches when those of the
  picture are known up to so much (standard deviation): how hard the task is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from avbench.api import extract
from avbench.errors import AvbenchError, BadParameter
from avbench.extractors.mini_sync import OFFSETS
from avbench.generators.shifted import shift
from avbench.media import Reader
from avbench.stats import frechet
from avbench.store import write_bytes
from avbench.synth15 import CATEGORIES, items
from avbench.training.evaluate import CLOSE, IMPACTS, LONG, cut_offsets
from avbench.types import Array, Clip, ClipFile, Item

MOVES = (-0.5, -0.25, 0.25, 0.5)
NOISE = 0.01
"""Root mean square of the noise over the sound, -40 dBFS."""


def changes(random: np.random.Generator) -> dict[str, Callable[[Array], Array]]:
    """What is done to a clip's frames `(T, H, W, 3)`."""

    def noise(sigma: float) -> Callable[[Array], Array]:
        return lambda v: np.clip(v + random.normal(0.0, sigma, v.shape), 0.0, 255.0).astype(np.uint8)

    def blur(sigma: float) -> Callable[[Array], Array]:
        return lambda v: np.stack([np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8) for image in v])

    return {
        "none": lambda v: v,
        "noise, sigma 5 of 255": noise(5.0),
        "noise, sigma 15": noise(15.0),
        "blur, sigma 2 pixels": blur(2.0),
        "blur, sigma 4 pixels": blur(4.0),
        "every sixth frame only, held": lambda v: np.repeat(v[::6], 6, axis=0)[: len(v)],
        "backward": lambda v: v[::-1],
        "shuffled": lambda v: v[random.permutation(len(v))],
        "the first frame only": lambda v: np.repeat(v[:1], len(v), axis=0),
        "white noise": lambda v: random.integers(0, 256, v.shape, dtype=np.uint8),
    }


def probe(folder: Path, count: int = 150) -> dict[str, Any]:
    """Every number of the module's docstring.

    Args:
        folder: Where `evaluate` left its clips.
        count: The first so many test items; more than one of each category.

    Raises:
        BadParameter: for too few clips.
        AvbenchError: if a clip is not there.
    """
    if count <= len(CATEGORIES):
        raise BadParameter(f"probes need more than {len(CATEGORIES)} clips, got {count}")
    listed = items("test")[:count]
    clips = [_read(item, folder / "clips" / f"{item.id}.mp4") for item in listed]
    random = np.random.default_rng(0)
    distances: dict[str, float] = {}
    plain: Array = np.zeros(0)
    for name, change in changes(random).items():
        changed = [Clip(c.id, np.ascontiguousarray(change(c.video)), c.frame_rate, None, 0) for c in clips]  # type: ignore[arg-type]
        features = extract("mini_video", changed, device="cpu", cache=False)["mini_video.features"].astype(np.float64)
        plain = features if name == "none" else plain
        distances[name] = round(float(frechet(plain, features)), 2)
    return {
        "clips": len(listed),
        "video_distance": distances,
        "offset": _followed(clips, random),
        "matcher": {f"{1000 * s:.0f} ms": _matched(items("test", count, seconds=LONG), s, random) for s in (0.0, 0.01, 0.02)},
    }


def _read(item: Item, path: Path) -> Clip:
    with Reader(ClipFile(item.id, path)) as reader:
        frames = np.stack([cv2.resize(image, (128, 128), interpolation=cv2.INTER_AREA) for image in reader.frames()])
        sound = reader.audio()
        if sound is None:
            raise AvbenchError(f"{path} has no sound")
        return Clip(item.id, frames.astype(np.uint8), reader.info.frame_rate, sound.samples, sound.sample_rate)


def _followed(clips: Sequence[Clip], random: np.random.Generator) -> dict[str, float]:
    """Shares of offsets within 0.1 s over all moves."""
    right: dict[str, list[Array]] = {"moved": [], "moved, with noise": [], "moved, of another clip": []}
    for seconds in MOVES:
        for name, found in right.items():
            made = []
            for number, clip in enumerate(clips):
                other = clips[(number + len(CATEGORIES)) % len(clips)] if "another" in name else clip
                if other.audio is None:
                    raise AvbenchError(f"{other.id} has no sound")
                sound = shift(other.audio, round(seconds * other.sample_rate))
                if "noise" in name:
                    sound = sound + random.normal(0.0, NOISE, sound.shape).astype(np.float32)
                made.append(Clip(clip.id, clip.video, clip.frame_rate, sound, other.sample_rate))
            scores = extract("mini_sync", made, device="cpu", cache=False)["mini_sync.logits"]
            found.append(np.abs(np.asarray(OFFSETS)[scores.argmax(axis=1)] - seconds) <= CLOSE)
    return {name: round(float(np.mean(found)), 4) for name, found in right.items()}


def _matched(listed: Sequence[Item], sigma: float, random: np.random.Generator) -> dict[str, float]:
    """Shares of `cut` offsets found from event times with errors of `sigma` seconds."""
    grid = np.arange(-1.0, 1.0005, 0.005)
    right = []
    for item, late in zip(listed, cut_offsets(len(listed)), strict=True):
        events = np.asarray(item.events) - 0.75
        seen, heard = events[(events >= 0) & (events < 2.0)], events + late
        seen, heard = seen + random.normal(0.0, sigma, len(seen)), heard[(heard >= 0) & (heard < 2.0)]
        right.append(abs(grid[np.argmax([_agreement(seen + offset, heard, offset) for offset in grid])] - late) <= CLOSE)
    impact = np.asarray([item.category in IMPACTS for item in listed])
    return {"impacts": round(float(np.mean(np.asarray(right)[impact])), 4), "all": round(float(np.mean(right)), 4)}


def _agreement(seen: Array, heard: Array, offset: float) -> float:
    """Twice the matches within about 20 ms, less 0.7 for each event, where the two streams overlap."""
    low, high = max(0.0, offset), min(2.0, 2.0 + offset)
    seen, heard = seen[(seen >= low) & (seen < high)], heard[(heard >= low) & (heard < high)]
    if len(seen) == 0 or len(heard) == 0:
        return -0.7 * (len(seen) + len(heard))
    nearest = np.abs(seen[:, None] - heard[None]).min(axis=1)
    return float(2.0 * np.exp(-0.5 * (nearest / 0.02) ** 2).sum() - 0.7 * (len(seen) + len(heard)))


def main(arguments: list[str] | None = None) -> int:
    """Parse, probe, print; 0 when done."""
    parser = argparse.ArgumentParser(prog="python -m avbench.training.probes", description=__doc__)
    parser.add_argument("--clips", type=Path, required=True, help="the folder that avbench.training.evaluate was given")
    parser.add_argument("--count", type=int, default=150, help="the first so many test items")
    parser.add_argument("--out", type=Path, help="also write the numbers to this file")
    given = parser.parse_args(arguments)
    try:
        text = json.dumps(probe(given.clips, given.count), indent=1) + "\n"
    except AvbenchError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(text)
    if given.out is not None:
        write_bytes(given.out, text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
