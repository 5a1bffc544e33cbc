"""How `mini_video` is trained: category, event times, order of the frames, and what was done to them, from 2 s of picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from avbench.mini.inputs import FRAME_RATE
from avbench.models.mini_video import SIZE, MiniVideo
from avbench.training.library import FRAMES, Library
from avbench.training.mini_sync import near
from avbench.training.samples import begin, spoiled_frames

BATCH = 16
RATE = 2e-3
ORDERS = ("forward", "backward", "shuffled", "still")
_STEP = 2
_STEPS = 24


@dataclass(eq=False)
class Goal:
    """The network, and heads whose tasks make its features keep more than the category.

    From one frame the category is plain; a distance between features should also see movement that is wrong, blur and noise.
    """

    def __post_init__(self) -> None:
        self.network = MiniVideo()
        self.heads = nn.ModuleDict(
            {"events": nn.Conv1d(SIZE, 1, 1), "order": nn.Linear(SIZE, len(ORDERS)), "spoiling": nn.Linear(SIZE, 2)}
        )

    def batch(self, library: Library, random: np.random.Generator) -> dict[str, Any]:
        """24 frames at 12 a second, half of them in another order than they were."""
        rows = [self._cut(library, int(n), random) for n in random.integers(0, len(library), BATCH)]
        return {key: torch.from_numpy(np.stack([row[key] for row in rows])) for key in rows[0]}

    def _cut(self, library: Library, index: int, random: np.random.Generator) -> dict[str, Any]:
        first = begin(random, _STEP * _STEPS, FRAMES)
        order = 0 if random.random() < 0.5 else int(random.integers(1, len(ORDERS)))
        at = np.arange(_STEPS)
        if order == 1:
            at = at[::-1]
        elif order == 2:
            at = random.permutation(_STEPS)
        elif order == 3:
            at = np.full(_STEPS, random.integers(_STEPS))
        frames, how = spoiled_frames(library.pictures[index, first + _STEP * at], random)
        events = np.asarray(library.items[index].events) - first / FRAME_RATE
        return {
            "frames": frames,
            "category": np.int64(library.category(index)),
            "order": np.int64(order),
            "spoiling": np.asarray([how.noise, how.blur], np.float32),
            "events": near(np.arange(_STEPS) * _STEP / FRAME_RATE, events),
        }

    def loss(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Cross entropies of category and order; of the event times where the order is as it was; error of the spoiling."""
        steps = self.network.steps(batch["frames"]).float()
        features = steps.mean(dim=2)
        logits = self.network.logits(features).float()
        category = functional.cross_entropy(logits, batch["category"], label_smoothing=0.05)
        order = functional.cross_entropy(self.heads["order"](features).float(), batch["order"])
        spoiling = functional.mse_loss(self.heads["spoiling"](features).float(), batch["spoiling"])
        told = functional.binary_cross_entropy_with_logits(
            self.heads["events"](steps)[:, 0].float(), batch["events"], reduction="none"
        )
        events = told[batch["order"] == 0].sum() / told.numel()
        right = (logits.argmax(dim=1) == batch["category"]).float().mean()
        numbers = {"category": category.item(), "order": order.item(), "events": events.item(), "spoiling": spoiling.item()}
        return category + 0.5 * order + events + 2.0 * spoiling, numbers | {"accuracy": right.item()}
