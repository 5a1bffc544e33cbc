"""When something happens in a clip, told from picture and sound apart, so that generated clips can be asked for synchrony.

Two linear detectors on the towers of `mini_sync`, fitted on rendered train clips, whose event times are known. What they find
is compared within 125 ms. They are a ruler for this model's training alone: no metric of avbench stands on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avbench.mini.inputs import FRAME_RATE, MELS_PER_FRAME, log_mel
from avbench.models.mini_blocks import load
from avbench.models.mini_sync import WIDTH, MiniSync
from avbench.registry import extractor
from avbench.training.jointdit_data import frames_at
from avbench.training.library import Library
from avbench.training.mini_sync import near
from avbench.weights import resolve

TOLERANCE = 0.125
STEPS = 48
_SAMPLES = 32_000
_GAP = 0.15

Times = list[NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Detectors:
    """Towers, and a line on each: when an event is seen and when it is heard.

    Args:
        network: Frozen.
        heads: `seen` and `heard`.
        levels: Probability above which a peak counts, for each.
    """

    network: MiniSync
    heads: nn.ModuleDict
    levels: tuple[float, float]

    @torch.no_grad()
    def curves(self, pictures: Sequence[NDArray[np.uint8]], sounds: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
        """Probabilities `(clips, 2, 48)`: seen and heard, each 1/24 s."""
        out = []
        for first in range(0, len(pictures), 10):
            features = towers(self.network, pictures[first : first + 10], sounds[first : first + 10])
            out.append(torch.cat([self.heads[k](f) for k, f in zip(("seen", "heard"), features, strict=True)], dim=1))
        return torch.sigmoid(torch.cat(out)).double().numpy()

    def times(self, pictures: Sequence[NDArray[np.uint8]], sounds: Sequence[NDArray[np.float32]]) -> tuple[Times, Times]:
        """Times of events that are seen, and of those that are heard, per clip.

        Args:
            pictures: uint8 `(T, 64, 64, 3)` each, 2 s.
            sounds: `(N,)` at 16 kHz each.
        """
        curves = self.curves(pictures, sounds)
        return [peaks(c[0], self.levels[0]) for c in curves], [peaks(c[1], self.levels[1]) for c in curves]


def towers(
    network: MiniSync, pictures: Sequence[NDArray[np.uint8]], sounds: Sequence[NDArray[np.float32]]
) -> tuple[Tensor, Tensor]:
    """What the two towers make of 2 s clips, `(B, 96, 48)` each; every frame is shown for as long as it lasts."""
    frames = np.stack([p[np.arange(STEPS) * len(p) // STEPS] for p in pictures])
    mels = np.stack([log_mel(s[:_SAMPLES], STEPS * MELS_PER_FRAME) for s in sounds])
    return network.seen(torch.from_numpy(frames)), network.heard(torch.from_numpy(mels))


def fitted(library: Library, clips: int = 600) -> Detectors:
    """Detectors from the first clips of a train split; the levels are those with the best F1 there."""
    with torch.device("meta"):
        network = MiniSync()
    path, _ = resolve(extractor("mini_sync"), None)
    assert path is not None  # noqa: S101 - it comes with avbench
    load(network, path, "cpu")
    features: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad():
        for first in range(0, clips, 20):
            part = range(first, min(first + 20, clips))
            sounds = [library.sounds[n, :_SAMPLES].astype(np.float32) / 32767.0 for n in part]
            features.append(towers(network, [frames_at(library, n) for n in part], sounds))
    events = [np.asarray([t for t in library.items[n].events if t < STEPS / FRAME_RATE]) for n in range(clips)]
    wanted = torch.from_numpy(np.stack([near(np.arange(STEPS) / FRAME_RATE, e) for e in events]))
    heads, levels = nn.ModuleDict(), []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for k, name in enumerate(("seen", "heard")):
            inputs = torch.cat([f[k] for f in features])
            heads[name] = head = nn.Conv1d(WIDTH, 1, 3, padding=1)
            optimiser = torch.optim.AdamW(head.parameters(), lr=1e-2)
            for _ in range(300):
                loss = nn.functional.binary_cross_entropy_with_logits(head(inputs)[:, 0], wanted)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            with torch.no_grad():
                curves = torch.sigmoid(head(inputs))[:, 0].double().numpy()
            tried = {level: f1([peaks(c, level) for c in curves], events) for level in np.arange(0.15, 0.8, 0.05)}
            levels.append(float(max(tried, key=lambda level: tried[level])))
    return Detectors(network, heads.eval(), (levels[0], levels[1]))


def peaks(curve: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Times of the peaks above a level, at least 0.15 s apart, the highest first served, rising."""
    padded = np.concatenate([[-1.0], curve, [-1.0]])
    top = np.flatnonzero((padded[1:-1] > padded[:-2]) & (padded[1:-1] >= padded[2:]) & (curve > level))
    kept: list[int] = []
    for n in sorted(top, key=lambda n: (-curve[n], n)):
        if all(abs(n - other) / FRAME_RATE >= _GAP for other in kept):
            kept.append(int(n))
    return np.sort(np.asarray(kept, dtype=np.float64)) / FRAME_RATE


def matched(one: NDArray[np.float64], other: NDArray[np.float64], tolerance: float = TOLERANCE) -> int:
    """How many times of one list have a partner in the other, each used once; both rising."""
    i = j = count = 0
    while i < len(one) and j < len(other):
        if abs(one[i] - other[j]) <= tolerance:
            i, j, count = i + 1, j + 1, count + 1
        elif one[i] < other[j]:
            i += 1
        else:
            j += 1
    return count


def f1(one: Times, other: Times, tolerance: float = TOLERANCE) -> float:
    """F1 over all clips together; 0 where nothing is found."""
    counts = rows(one, other, tolerance)
    total = counts[:, 1].sum()
    return float(2.0 * counts[:, 0].sum() / total) if total else 0.0


def rows(one: Times, other: Times, tolerance: float = TOLERANCE) -> NDArray[np.float64]:
    """Per clip: matches, and events of both lists, `(n, 2)`."""
    return np.asarray([(matched(a, b, tolerance), len(a) + len(b)) for a, b in zip(one, other, strict=True)], dtype=np.float64)


def f1_with_interval(
    one: Times, other: Times, tolerance: float = TOLERANCE, *, resamples: int = 2000, seed: int = 0
) -> dict[str, float]:
    """F1 over all clips together, with a 95 % percentile bootstrap interval over clips."""
    counts = rows(one, other, tolerance)
    random = np.random.default_rng(seed)
    drawn = counts[random.integers(0, len(counts), (resamples, len(counts)))].sum(axis=1)
    low, high = np.percentile(2.0 * drawn[:, 0] / np.maximum(drawn[:, 1], 1.0), [2.5, 97.5])
    return {"value": round(f1(one, other, tolerance), 4), "low": round(float(low), 4), "high": round(float(high), 4)}
