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
from tests.parity.harness import families

pytestmark = pytest.mark.gpu

NETWORKS = [
    ("i3d_k400", {"variant": "styleganv"}, "video/i3d", "i3d_pretrained_400"),
    ("vggish", {}, "audio/vggish", "vggish.json"),
    ("panns_cnn14_16k", {}, "audio/panns", "panns_cnn14_16k"),
    ("panns_cnn14_32k", {}, "audio/panns", "panns_cnn14_32k"),
    ("passt", {}, "audio/passt", "passt"),
    ("melception", {}, "audio/melception", "melception"),
]
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
    return [synthetic(f"clip{n}", seed=n, seconds=2.0, frame_rate=12.0, sample_rate=16_000) for n in range(CLIPS)]


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


@pytest.mark.parametrize(("name", "parameters", "family", "layout"), NETWORKS, ids=[n for n, *_ in NETWORKS])
def test_float32_equals_the_cpu(
    name: str, parameters: dict[str, Any], family: str, layout: str, device: str, clips: list[Clip]
) -> None:
    weights = families(family)[0].checkpoint(layout)
    extractor = registry.extractor(name, **parameters)
    on_cpu = made(extractor, weights, clips, "cpu", "float32", 1)
    batched = made(extractor, weights, clips, device, "float32", CLIPS)
    found = off(batched, on_cpu)
    print(f"{name}: {device} against cpu {found:.1e}")
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


def test_every_network_is_here() -> None:
    """A new extractor with weights that has goldens and no place above is noticed."""
    known = {name for name, *_ in NETWORKS}
    goldens = {family.name.split("/")[-1] for family in (*families("audio/*"), *families("video/*"))}
    networks = {n for n in registry.names("extractors") if registry.extractor_class(n).weights is not None}
    missing = {n for n in networks - known if any(n.startswith(g) or g.startswith(n) for g in goldens)}
    assert not missing, f"{', '.join(sorted(missing))}: add a line to NETWORKS"
