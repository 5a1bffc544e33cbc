"""PANNs Cnn14 at 32 kHz: the network and the layers of `panns_cnn14_16k`, with frames of 1024 samples every 320.

Too short:
    `Unscorable("too_short")` below 9920 samples at 32 kHz (0.31 s).
Source:
    As `panns_cnn14_16k`. frechet-audio-distance asks for mel bands up to 16000 Hz, but the bands are those in the checkpoint,
    which end at 14000 Hz.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from avbench.extractors.panns_cnn14_16k import PannsCnn14At16k
from avbench.types import Checkpoint


@dataclass(frozen=True)
class PannsCnn14At32k(PannsCnn14At16k):
    """Class scores and embedding of a clip's sound; layers and parameters are those of `panns_cnn14_16k`."""

    name: ClassVar[str] = "panns_cnn14_32k"
    weights: ClassVar[Checkpoint | None] = Checkpoint(
        "Cnn14_mAP=0.431.pth",
        (
            "https://zenodo.org/record/3987831/files/Cnn14_mAP%3D0.431.pth",
            "https://zenodo.org/record/3576403/files/Cnn14_mAP%3D0.431.pth",
        ),
        "CC BY 4.0, free for commercial use",
        "0dc499e40e9761ef5ea061ffc77697697f277f6a960894903df3ada000e34b31",
    )
    rate: ClassVar[int] = 32_000
    size: ClassVar[int] = 1024
    hop: ClassVar[int] = 320
