"""How the engine works, and what it is asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from avbench import media
from avbench.errors import BadParameter
from avbench.store import extractor_identity
from avbench.types import Extractor

Precision = Literal["float32", "tf32", "bf16"]
"""Of a network's arithmetic. `tf32`: CUDA's matrix products and convolutions with 10 bits of mantissa. `bf16`: torch's
automatic choice of operations in bfloat16. Features are float32 in any case."""


@dataclass(frozen=True)
class Options:
    """How to work; only `precision` moves values, and is in the key of a feature and in signatures.

    Args:
        workers: Child processes; None for one per core, at most 8.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        batch_size: Clips in one batch; None for each extractor's own.
        precision: Of networks.
        clip_seconds: A worker that shows no sign of progress, such as another frame, for so long is killed.
        worker_memory: Bytes one child may use.
        limits: What a file may ask for.
    """

    workers: int | None = None
    device: str = "auto"
    batch_size: int | None = None
    precision: Precision = "float32"
    clip_seconds: float = 300.0
    worker_memory: int = 4 * 2**30
    limits: media.Limits = field(default_factory=media.Limits)

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise BadParameter(f"workers must be 1 or more, got {self.workers}")
        if self.batch_size is not None and self.batch_size < 1:
            raise BadParameter(f"batch_size must be 1 or more, got {self.batch_size}")
        if self.precision not in get_args(Precision):
            raise BadParameter(f"precision must be one of {', '.join(get_args(Precision))}, got {self.precision!r}")

    @property
    def worker_count(self) -> int:
        """Child processes that are really used."""
        if self.workers is not None:
            return self.workers
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, min(8, usable))


@dataclass(frozen=True)
class Wanted:
    """An extractor, the checkpoint it loads, and the precision it is asked for."""

    extractor: Extractor
    weights: Path | None = None
    weights_sha256: str | None = None
    asked_precision: Precision = "float32"

    @property
    def network(self) -> bool:
        """Whether it runs on the device in batches; a signal analysis does not."""
        return self.extractor.weights is not None or type(self.extractor).load is not Extractor.load

    @property
    def precision(self) -> Precision:
        """Of its arithmetic: a signal analysis has but one."""
        return self.asked_precision if self.network else "float32"

    @property
    def identity(self) -> str:
        """What besides the clip moves its values."""
        return extractor_identity(self.extractor, self.weights_sha256, media.READER, self.precision)
