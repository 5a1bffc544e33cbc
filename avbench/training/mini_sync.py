"""How `mini_sync` is trained: sound moved by up to a second against the picture, found again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from avbench.mini.inputs import FRAME_RATE, MELS_PER_FRAME, SAMPLE_RATE, log_mel
from avbench.models.mini_sync import STEPS, WIDTH, MiniSync
from avbench.training.library import FRAMES, SAMPLES, Library
from avbench.training.samples import at_another_rate, begin, spoiled_frames, spoiled_sound

BATCH = 16
RATE = 2e-3
_LENGTH = 48
_SAMPLES = round(_LENGTH / FRAME_RATE * SAMPLE_RATE)
_EVENT_WIDTH = 0.035


@dataclass(eq=False)
class Goal:
    """The network, with a head for each tower that tells when an event is; the heads are not part of what is published."""

    def __post_init__(self) -> None:
        self.network = MiniSync()
        self.heads = nn.ModuleDict({"seen": nn.Conv1d(WIDTH, 1, 1), "heard": nn.Conv1d(WIDTH, 1, 1)})

    def batch(self, library: Library, random: np.random.Generator) -> dict[str, Any]:
        """Cuts of 2 s whose sound was taken from up to 1 s earlier or later in the same clip."""
        rows: list[dict[str, Any]] = [self._cut(library, int(n), random) for n in random.integers(0, len(library), BATCH)]
        return {key: torch.from_numpy(np.stack([row[key] for row in rows])) for key in rows[0]}

    def _cut(self, library: Library, index: int, random: np.random.Generator) -> dict[str, Any]:
        first = begin(random, _LENGTH, FRAMES)
        # Late by d: what is heard at time t belongs to t - d of the picture.
        low, high = (first + _LENGTH - FRAMES) / FRAME_RATE, first / FRAME_RATE
        late = float(random.uniform(max(low, -STEPS / FRAME_RATE), min(high, STEPS / FRAME_RATE)))
        start = first / FRAME_RATE
        if random.random() < 0.3:
            # Moved within the clip, as `shifted` does: silence comes in.
            late = float(random.uniform(-1.0, 1.0) * STEPS / FRAME_RATE)
            whole = library.sounds[index, round(start * SAMPLE_RATE) :][:_SAMPLES]
            shift = round(late * SAMPLE_RATE)
            heard = np.zeros(_SAMPLES, np.int16)
            heard[max(shift, 0) : _SAMPLES + min(shift, 0)] = whole[max(-shift, 0) : _SAMPLES - max(shift, 0)]
        else:
            from_sample = min(max(round((start - late) * SAMPLE_RATE), 0), SAMPLES - _SAMPLES)
            late = start - from_sample / SAMPLE_RATE
            heard = library.sounds[index, from_sample : from_sample + _SAMPLES]
        frames = library.pictures[index, first : first + _LENGTH]
        if random.random() < 0.2:
            frames = at_another_rate(frames, random)
        frames, _ = spoiled_frames(frames, random)
        sound, _ = spoiled_sound(heard, random, strongest=0.6)
        events = np.asarray(library.items[index].events)
        steps = np.arange(_LENGTH) / FRAME_RATE
        return {
            "frames": frames,
            "mels": log_mel(sound, _LENGTH * MELS_PER_FRAME),
            "late": np.float32(late * FRAME_RATE),
            "seen": near(steps, events - start),
            "heard": near(steps, events - start + late),
        }

    def loss(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Cross entropy over the offsets, and of each tower's event times."""
        seen, heard = self.network.seen(batch["frames"]), self.network.heard(batch["mels"])
        with torch.autocast(seen.device.type, enabled=False):
            seen, heard = seen.float(), heard.float()
            scores, _, _ = self.network.scores(seen, heard)
            offsets = torch.arange(-STEPS, STEPS + 1, device=scores.device)
            target = torch.softmax(-0.5 * ((offsets - batch["late"][:, None]) / 0.6) ** 2, dim=1)
            offset = functional.cross_entropy(scores, target)
            events = functional.binary_cross_entropy_with_logits(self.heads["seen"](seen)[:, 0], batch["seen"])
            events = events + functional.binary_cross_entropy_with_logits(self.heads["heard"](heard)[:, 0], batch["heard"])
        right = ((scores.argmax(dim=1) - STEPS - batch["late"]).abs() <= 0.1 * FRAME_RATE).float().mean()
        numbers = {"offset": offset.item(), "events": events.item(), "within_0.1s": right.item()}
        return offset + 2.0 * events, numbers


def near(steps: np.ndarray[Any, Any], events: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """1 at an event, falling over 35 ms, `(T,)` float32."""
    if len(events) == 0:
        return np.zeros(len(steps), np.float32)
    distance = np.abs(steps[:, None] - events[None]).min(axis=1)
    return np.asarray(np.exp(-0.5 * (distance / _EVENT_WIDTH) ** 2), dtype=np.float32)
