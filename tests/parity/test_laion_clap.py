"""LAION-CLAP against its own code and av-benchmark: audio embeddings; and the checkpoint's keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbench.errors import BadParameter
from avbench.extractors.laion_clap import LaionClap
from avbench.types import Array

from .harness import Case, cases, families, forward, prepare, source

PIPELINES = {"av_benchmark_8s": LaionClap(), "from_file": LaionClap("file")}
NETWORK = LaionClap()
"""The same for every pipeline, so it is loaded once."""


@pytest.mark.parametrize("case", cases("audio/laion_clap*", "cases"))
def test_embedding(case: Case) -> None:
    pipelines = [name for name in PIPELINES if name in case["outputs"]]
    assert pipelines
    for pipeline in pipelines:
        extractor, golden = PIPELINES[pipeline], case["outputs"][pipeline]["embedding"]
        prepared = prepare(source(case), [extractor])[extractor]
        got = forward(NETWORK, prepared, case.family.checkpoint("laion_clap"))["embedding"]
        assert got.shape[0] == 1
        case.family.close(got[0], case.family.arrays[golden["array"]], "embedding", pipeline)


@pytest.mark.skipif(not families("audio/laion_clap"), reason="no goldens audio/laion_clap.json in the root")
def test_every_key_is_used_or_named(tmp_path: Path) -> None:
    """As it is published: names begin with `module.`, and the training's counters, NumPy numbers too, lie beside them."""
    import torch

    published = torch.load(families("audio/laion_clap")[0].checkpoint("laion_clap"), weights_only=True)["state_dict"]
    text = ("text_branch.encoder.", "text_branch.embeddings.word_embeddings.")  # large, and left over here anyway
    state = {f"module.{key}": value for key, value in published.items() if not key.startswith(text)}
    counters: Mapping[str, Any] = {"epoch": 15, "name": "x", "top": {"acc": np.float64(0.9)}, "optimizer": {"state": {}}}
    samples = np.random.default_rng(0).standard_normal(480_000).astype(np.float32) / 10

    def saved(changed: Mapping[str, Any], name: str) -> Path:
        torch.save({"state_dict": dict(changed), **counters}, tmp_path / name)
        return tmp_path / name

    def embedding(path: Path) -> Array:
        return forward(NETWORK, {"samples": samples}, path)["embedding"]

    ids = {"module.text_branch.embeddings.position_ids": torch.arange(514)[None]}
    whole = embedding(saved(state | ids, "whole.pt"))
    lean = embedding(saved({k: v for k, v in state.items() if not k.endswith(("_index", "attn_mask"))}, "lean.pt"))
    np.testing.assert_allclose(whole, lean, atol=1e-6)
    bias = "module.audio_branch.layers.0.blocks.0.attn.qkv.bias"
    state = {key: torch.zeros(()).expand(value.shape) for key, value in state.items()}
    for name, changed in {
        "is missing": {k: v for k, v in state.items() if k != bias},
        "is not known": state | {"module.audio_branch.surplus": state[bias]},
        r"is \(127,\)": state | {bias: state[bias][:-1]},
    }.items():
        with pytest.raises(BadParameter, match=name):
            NETWORK.load(saved(changed, "changed.pt"), "cpu")
    torch.save(state, tmp_path / "bare.pt")
    with pytest.raises(BadParameter, match="no state under 'state_dict'"):
        NETWORK.load(tmp_path / "bare.pt", "cpu")
