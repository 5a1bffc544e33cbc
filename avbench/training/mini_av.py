"""How `mini_av` is trained: frames, sound and caption of the same category come together, those of others go apart."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from avbench.mini.inputs import SAMPLE_RATE, bag, log_mel
from avbench.models.mini_av import MiniAv
from avbench.training.library import FRAMES, SAMPLES, Library
from avbench.training.samples import begin, spoiled_frames, spoiled_sound

BATCH = 48
RATE = 2e-3
_SHOWN = 3
_OWN, _ALIKE = 1.0, 0.5
"""How much a clip's own sound is wanted, and that of another clip of its category."""


@dataclass(eq=False)
class Goal:
    """The network; it needs no head."""

    def __post_init__(self) -> None:
        self.network = MiniAv()
        self.heads = nn.ModuleList()

    def batch(self, library: Library, random: np.random.Generator) -> dict[str, Any]:
        """Of each clip three frames anywhere, a cut of sound, and the caption or the category's name."""
        length = round(float(random.uniform(1.0, 2.0)) * SAMPLE_RATE) if random.random() < 0.5 else 2 * SAMPLE_RATE
        chosen = random.integers(0, len(library), BATCH)
        frames, mels, bags = [], [], []
        for index in chosen:
            shown = np.sort(random.choice(FRAMES, _SHOWN, replace=False))
            frames.append(spoiled_frames(library.pictures[index, shown], random)[0])
            first = begin(random, length, SAMPLES)
            mels.append(log_mel(spoiled_sound(library.sounds[index, first : first + length], random, strongest=0.6)[0]))
            item = library.items[index]
            bags.append(bag(_text(item.prompt, item.category, random)))
        return {
            "frames": torch.from_numpy(np.stack(frames)),
            "mels": torch.from_numpy(np.stack(mels)),
            "bags": torch.from_numpy(np.stack(bags)),
            "category": torch.tensor([library.category(int(index)) for index in chosen]),
        }

    def loss(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Cross entropy over the batch, both ways, for each pair of streams and for single frames."""
        count, shown = batch["frames"].shape[:2]
        frames = self.network.seen(batch["frames"].flatten(0, 1)).float().reshape(count, shown, -1)
        streams = {
            "picture": functional.normalize(frames.mean(dim=1), dim=1),
            "frame": frames[:, 0],
            "sound": self.network.heard(batch["mels"]).float(),
            "text": self.network.read(batch["bags"]).float(),
        }
        alike = (batch["category"][:, None] == batch["category"][None]).float()
        wanted = _ALIKE * alike + (_OWN - _ALIKE) * torch.eye(count, device=alike.device)
        wanted = wanted / wanted.sum(dim=1, keepdim=True)
        scale = self.network.scale.exp().clamp(max=30.0)
        parts = {}
        for one, other in combinations(streams, 2):
            if {one, other} != {"picture", "frame"}:
                scores = scale * streams[one] @ streams[other].T
                both = functional.cross_entropy(scores, wanted) + functional.cross_entropy(scores.T, wanted)
                parts[f"{one}_{other}"] = 0.5 * both
        nearest = (streams["frame"] @ streams["sound"].T).argmax(dim=1)
        right = (batch["category"][nearest] == batch["category"]).float().mean()
        numbers = {key: value.item() for key, value in parts.items()}
        return torch.stack(list(parts.values())).mean(), numbers | {"category_found": right.item()}


def _text(prompt: str, category: str, random: np.random.Generator) -> str:
    """The caption, some words of it, or the category's name."""
    kind = random.random()
    if kind < 0.2:
        return category.replace("_", " ")
    if kind < 0.6:
        return prompt
    words = prompt.split()
    return " ".join(word for word in words if random.random() < 0.7) or prompt
