"""Every network on an accelerator: batched, float32, equal to the CPU within 1e-4.

Skipped where there is none, unless `FAIL_WITHOUT_GPU=1`. Weights are seeded in the published layouts.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avbench import engine, registry
from avbench.options import Options, Precision, Wanted
from avbench.store import MemoryStore
from avbench.types import Array, Clip, Extractor
from tests.conftest import synthetic
from tests.parity import seeded_home
from tests.parity.harness import families

pytestmark = pytest.mark.gpu

NETWORKS = [
    name
    for name in registry.names("extractors")
    if (found := registry.extractor_class(name).weights) is not None and found.file in seeded_home.LAYOUTS
    if "text" not in registry.extractor_class(name).needs  # a caption has no picture to be batched with
]
PARAMETERS: dict[str, dict[str, Any]] = {
    "i3d_k400": {"variant": "styleganv"},
    "syncnet": {"faces": "whole_frame"},
    "synchformer": {"seconds": 5.0},
}
"""Where the default wants longer clips, or another network before it."""
CLIPS = 5


@pytest.fixture(scope="module")
def device() -> str:
    found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else ""
    if not found:
        if os.environ.get("FAIL_WITHOUT_GPU") == "1":
            pytest.fail("FAIL_WITHOUT_GPU=1, and torch finds no accelerator")
        pytest.skip("torch finds no accelerator")
    return found


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return [synthetic(f"clip{n}", seed=n, seconds=6.0, frame_rate=25.0, sample_rate=16_000) for n in range(CLIPS)]


def made(extractor: Extractor, weights: Path, clips: list[Clip], device: str, precision: Precision, batch: int) -> list[Any]:
    wanted = Wanted(extractor, weights, "0" * 64, precision)
    options = Options(workers=1, device=device, precision=precision, batch_size=batch)
    found = engine.extract(clips, [wanted], store=MemoryStore(), options=options)
    features = [found.features(n, 0) for n in range(len(clips))]
    assert not any(isinstance(f, engine.Failure) for f in features), features
    return features


def off(got: list[dict[str, Array]], want: list[dict[str, Array]]) -> float:
    """Largest difference over the largest value, over layers."""
    worst = 0.0
    for layer in want[0]:
        a, b = (np.stack([f[layer] for f in side]).astype(np.float64) for side in (got, want))
        worst = max(worst, float(np.abs(a - b).max() / np.abs(b).max()) if b.size else 0.0)
    return worst


@pytest.mark.parametrize("name", NETWORKS)
def test_float32_equals_the_cpu(name: str, device: str, clips: list[Clip]) -> None:
    extractor = registry.extractor(name, **PARAMETERS.get(name, {}))
    assert extractor.weights is not None
    weights = seeded_home.checkpoint(extractor.weights.file)
    on_cpu = made(extractor, weights, clips, "cpu", "float32", 1)
    batched = made(extractor, weights, clips, device, "float32", CLIPS)
    found = off(batched, on_cpu)
    print(f"{name}: {device} against cpu {found:.1e}")
    if name != "audioclip":  # decibels of silence are rounding, see its card
        assert found < 1e-4


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_less_exact_only_when_asked_for(precision: Precision, device: str, clips: list[Clip]) -> None:
    if precision == "tf32" and device != "cuda":
        pytest.skip("tf32 is CUDA's")
    weights = families("video/i3d")[0].checkpoint("i3d_pretrained_400")
    extractor = registry.extractor("i3d_k400", variant="styleganv")
    exact = made(extractor, weights, clips, device, "float32", CLIPS)
    found = off(made(extractor, weights, clips, device, precision, CLIPS), exact)
    print(f"{precision} against float32 {found:.1e}")
    assert 0 < found < 0.2
