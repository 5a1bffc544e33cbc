"""float32 is pinned; tf32 and bf16 only where they are asked for, and then in keys and signatures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import pytest
import torch

import avbench
from avbench import engine, registry
from avbench.batches import arithmetic, choose_device
from avbench.errors import BadParameter
from avbench.options import Options, Precision, Wanted
from avbench.rows import signature
from avbench.store import MemoryStore
from avbench.types import Array, Checkpoint, Clip, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

BACKENDS: Any = torch.backends
SETTINGS = [
    BACKENDS.cuda.matmul,
    BACKENDS.cudnn.conv,
    BACKENDS.cudnn.rnn,
    BACKENDS.mkldnn.matmul,
    BACKENDS.mkldnn.conv,
]


def state() -> list[str]:
    return [setting.fp32_precision for setting in SETTINGS]


@dataclass(frozen=True)
class Product(Extractor):
    """A matrix product, and what the process was set to while it was made."""

    name: ClassVar[str] = "product"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("value",)
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ()
    weights: ClassVar[Checkpoint | None] = Checkpoint("product.pt", ("https://example.org",), "CC0")
    seen: ClassVar[list[tuple[list[str], bool]]] = []

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        return _One()

    def load(self, weights: Path | None, device: str) -> Forward:
        def forward(batch: Any) -> dict[str, Any]:
            self.seen.append((state(), torch.is_autocast_enabled("cpu")))
            return {"value": batch["x"] @ torch.full((3, 3), 1.0 + 2.0**-12)}

        return forward


class _One(Preparation):
    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        return {"x": np.ones((1, 3), np.float32)}


def value(clip: Clip, options: Options) -> Array:
    wanted = Wanted(Product(), Path("product.pt"), "0" * 64, options.precision)
    found = engine.extract([clip], [wanted], store=MemoryStore(), options=options).features(0, 0)
    assert not isinstance(found, engine.Failure), found
    return found["value"]


def test_float32_is_pinned_and_the_process_is_left_as_it_was(make_clip: Callable[..., Clip]) -> None:
    torch.set_float32_matmul_precision("medium")
    try:
        before = state()
        Product.seen.clear()
        made = value(make_clip(), Options(workers=1, device="cpu"))
        assert Product.seen == [(["ieee"] * 5, False)]
        assert state() == before
    finally:
        torch.set_float32_matmul_precision("highest")
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, 3.0 + 3 * 2.0**-12, rtol=1e-7)


def test_bf16_runs_on_the_cpu_and_gives_float32(make_clip: Callable[..., Clip]) -> None:
    Product.seen.clear()
    made = value(make_clip(), Options(workers=1, device="cpu", precision="bf16"))
    assert Product.seen == [(["ieee"] * 5, True)]
    assert made.dtype == np.float32
    assert (made == 3.0).all()  # 2^-12 is lost in 8 bits


def test_tf32_is_for_cuda() -> None:
    with pytest.raises(BadParameter, match="tf32 is CUDA's and device is cpu"):
        choose_device("cpu", "tf32")
    with arithmetic("tf32", "cpu"):
        assert state() == ["tf32", "tf32", "tf32", "ieee", "ieee"]
    with pytest.raises(BadParameter, match="precision must be one of float32, tf32, bf16, got 'half'"):
        Options(precision="half")  # type: ignore[arg-type]


def test_precision_is_in_the_key_and_in_the_signature() -> None:
    extractor, metric = registry.extractor("i3d_k400"), registry.metric("fvd")
    made = {p: Wanted(extractor, None, "0" * 64, p) for p in get_args(Precision)}
    assert len({w.identity for w in made.values()}) == 3
    assert made["float32"].identity == Wanted(extractor, None, "0" * 64).identity
    quoted = {p: signature(metric, [extractor], [w], None, 0, 5) for p, w in made.items()}
    assert ",bf16|" in quoted["bf16"]
    assert quoted["bf16"].replace(",bf16|", "|") == quoted["float32"]
    assert ",tf32|" in quoted["tf32"]


def test_a_signal_analysis_has_one_precision() -> None:
    extractor = registry.extractor("onsets")
    assert Wanted(extractor, asked_precision="bf16").identity == Wanted(extractor).identity


def test_runs_in_another_precision_are_other_runs(
    make_clip: Callable[..., Clip], tmp_path: Path, avbench_cli: Callable[..., Any]
) -> None:
    from avbench.encode import write_clip
    from avbench.errors import OtherRun

    (tmp_path / "clips").mkdir()
    write_clip(tmp_path / "clips" / "a.mp4", make_clip("a"))
    out = tmp_path / "out"
    avbench.score(tmp_path / "clips", metrics=["duration"], out=out, workers=1, precision="bf16", device="cpu")
    with pytest.raises(OtherRun, match="precision"):
        avbench.score(tmp_path / "clips", metrics=["duration"], out=out, workers=1)
    said = avbench_cli("score", tmp_path / "clips", "--precision", "tf32", "--device", "cpu")
    assert said.code == 2
    assert "tf32 is CUDA's" in said.message
