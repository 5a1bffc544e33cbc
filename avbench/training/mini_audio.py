"""How `mini_audio` is trained: the category, and what was done to the sound, from 1 to 2 s of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from avbench.mini.inputs import SAMPLE_RATE, log_mel
from avbench.models.mini_audio import SIZE, MiniAudio
from avbench.training.library import SAMPLES, Library
from avbench.training.samples import begin, spoiled_sound

BATCH = 32
RATE = 3e-3


@dataclass(eq=False)
class Goal:
    """The network, and a head that tells how noisy and how dull the sound was made: features have to keep it."""

    def __post_init__(self) -> None:
        self.network = MiniAudio()
        self.heads = nn.Linear(SIZE, 2)

    def batch(self, library: Library, random: np.random.Generator) -> dict[str, Any]:
        """Cuts of one length for the whole batch."""
        length = round(float(random.uniform(1.0, 2.0)) * SAMPLE_RATE) if random.random() < 0.5 else 2 * SAMPLE_RATE
        chosen = random.integers(0, len(library), BATCH)
        mels, spoiling = [], []
        for index in chosen:
            first = begin(random, length, SAMPLES)
            sound, how = spoiled_sound(library.sounds[index, first : first + length], random)
            mels.append(log_mel(sound))
            spoiling.append((how.noise, how.blur))
        return {
            "mels": torch.from_numpy(np.stack(mels)),
            "category": torch.tensor([library.category(int(index)) for index in chosen]),
            "spoiling": torch.tensor(spoiling, dtype=torch.float32),
        }

    def loss(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Cross entropy of the category, squared error of the spoiling."""
        logits, features, _ = self.network(batch["mels"])
        category = functional.cross_entropy(logits.float(), batch["category"], label_smoothing=0.05)
        spoiling = functional.mse_loss(self.heads(features).float(), batch["spoiling"])
        right = (logits.argmax(dim=1) == batch["category"]).float().mean()
        return category + 2.0 * spoiling, {
            "category": category.item(),
            "spoiling": spoiling.item(),
            "accuracy": right.item(),
        }
