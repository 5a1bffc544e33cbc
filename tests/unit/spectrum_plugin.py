"""Set metrics on a small network, found by the entry points of a distribution that `test_reference_stats.py` installs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from avbench.distances import FrechetDistance, KernelDistance
from avbench.errors import Unscorable
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Need, Preparation, Waveform


@dataclass(frozen=True)
class Spectrum(Extractor):
    """Loudness of bands of 0.2 s windows, through a matrix that is the checkpoint."""

    scale: float = 1.0

    name: ClassVar[str] = "spectrum"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("embeddings",)
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("audio",)
    weights: ClassVar[Checkpoint | None] = Checkpoint("spectrum.safetensors", ("https://example.org/spectrum",), "CC0")

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        return _Bands(self.scale)

    def load(self, weights: Path | None, device: str) -> Forward:
        from avbench.weights import read

        assert weights is not None
        matrix = read(weights)["matrix"].to(device)

        def forward(batch: Any) -> dict[str, Any]:
            return {"embeddings": batch["bands"] @ matrix}

        return forward


class _Bands(Preparation):
    def __init__(self, scale: float) -> None:
        self.scale = scale

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        if audio is None:
            raise Unscorable("no_audio")
        width = audio.sample_rate // 5
        windows = audio.mono[: len(audio.mono) // width * width].reshape(-1, width)
        if len(windows) < 3:
            raise Unscorable("too_short", "spectrum needs 0.6 s")
        power = np.abs(np.fft.rfft(windows))[:, 1:161].reshape(len(windows), 8, 20).mean(axis=2)
        return {"bands": (self.scale * np.log(power + 1e-3)).astype(np.float32)}


@dataclass(frozen=True)
class FadSpectrum(FrechetDistance):
    """Fréchet distance of the loudness of bands.

    Args:
        scale: Of the extractor.
        rounded: Statistics that are made from rows.
    """

    scale: float = 1.0
    rounded: bool = False

    name: ClassVar[str] = "fad_spectrum"
    title: ClassVar[str] = "Distance of bands"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "test"

    def extractors(self) -> tuple[Need, ...]:
        return (Need.of("spectrum", scale=self.scale),)

    def layer(self) -> str:
        return "spectrum.embeddings"

    def statistics(self) -> Any:
        return "tfgan_svd" if self.rounded else "scipy"


@dataclass(frozen=True)
class KdSpectrum(KernelDistance):
    """Kernel distance of the loudness of bands."""

    name: ClassVar[str] = "kd_spectrum"
    title: ClassVar[str] = "Kernel distance of bands"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "test"

    def extractors(self) -> tuple[Need, ...]:
        return (Need.of("spectrum"),)

    def layer(self) -> str:
        return "spectrum.embeddings"
