"""Components of the tests: found like anybody's plug-in, by the entry points of a distribution on the path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.types import (
    Array,
    Better,
    ClipInfo,
    Extractor,
    Features,
    Forward,
    Item,
    Metric,
    Need,
    Preparation,
    Waveform,
)


@dataclass(frozen=True)
class TinyNetwork(Extractor):
    """Two seeded convolutions over four frames."""

    name: ClassVar[str] = "tiny_network"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("embedding",)
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video",)
    packages: ClassVar[tuple[str, ...]] = ("torch",)

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        return _Frames(info)

    def load(self, weights: Path | None, device: str) -> Forward:
        import torch

        generator = torch.Generator().manual_seed(1)
        first = torch.randn(8, 3, 2, 3, 3, generator=generator).to(device) / 8
        second = torch.randn(16, 8, 2, 3, 3, generator=generator).to(device) / 8

        def forward(batch: Any) -> dict[str, Any]:
            x = torch.nn.functional.conv3d(batch["frames"], first, stride=(1, 2, 2)).relu()
            return {"embedding": torch.nn.functional.conv3d(x, second).relu().mean(dim=(2, 3, 4))}

        return forward


class _Frames(Preparation):
    def __init__(self, info: ClipInfo) -> None:
        self.frames = np.linspace(0, info.frames - 1, 4).astype(np.intp)
        self.kept: list[NDArray[np.float32]] = []

    def take(self, index: int, image: NDArray[np.uint8]) -> None:
        self.kept.append(image.transpose(2, 0, 1).astype(np.float32) / np.float32(255))

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        return {"frames": np.stack(self.kept, axis=1)}


@dataclass(frozen=True)
class Blemished(Extractor):
    """The number in the clip's name; NaN for `nan`, infinite for `inf`."""

    name: ClassVar[str] = "blemished"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("value",)
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video",)

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        return _Name(float(info.id.split()[-1]))


class _Name(Preparation):
    def __init__(self, value: float) -> None:
        self.value = value

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        return {"value": np.asarray(self.value)}


@dataclass(frozen=True)
class NameMean(Metric):
    """Mean of the numbers in the names; `minimum` clips or more."""

    name: ClassVar[str] = "name_mean"
    title: ClassVar[str] = "Numbers in names"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "none"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "test"
    minimum: ClassVar[int] = 3

    def extractors(self) -> tuple[Need, ...]:
        return (Need.of("blemished"),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        return np.array([got["blemished.value"].item()])
