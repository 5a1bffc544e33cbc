"""fad_vggish and fd_panns: distances against golden.json, rows, what they ask their extractors for."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench import registry
from avbench.errors import BadParameter, Unscorable
from avbench.metrics import fad_vggish, fd_panns
from avbench.types import Item

ROOT = Path(__file__).parents[2]
FEATURES = runpy.run_path(str(ROOT / "tests" / "parity" / "matrices.py"))["features"]
CASES = [
    pytest.param(metric, case, id=f"{metric}, {case['name']}")
    for metric in ("fad_vggish", "fd_panns")
    for case in json.loads((ROOT / "metrics" / metric / "golden.json").read_text(encoding="utf-8"))["cases"]
]


def rows(recipe: dict[str, Any]) -> NDArray[np.float64]:
    return np.asarray(FEATURES(recipe), dtype=np.float64)


@pytest.mark.parametrize(("metric", "case"), CASES)
def test_golden(metric: str, case: dict[str, Any]) -> None:
    made = registry.metric(metric, variant=case["variant"])
    reference = rows(case["reference"]) + case.get("add_to_reference", 0.0)
    allowed = {"rtol": 0.0, "atol": 0.0} | case["tolerance"]
    np.testing.assert_allclose(made.compute(rows(case["generated"]), reference), case["value"], **allowed)


def test_every_variant_asks_for_extractors_that_exist() -> None:
    chains = {}
    for variant in get_args(fad_vggish.Variant):
        (need,) = fad_vggish.FadVggish(variant, resampy="0.2.2").extractors()
        chains[variant] = registry.needed(need).parameters()
    assert chains["torchvggish_pca"] == {"chain": "torchvggish", "last_relu": True, "pca": "970ea276", "resampy": "0.2.2"}
    assert chains["fadtk"] == {"chain": "fadtk", "last_relu": False, "pca": "", "resampy": "0.2.2"}
    networks = {v: registry.needed(fd_panns.FdPanns(v).extractors()[0]) for v in get_args(fd_panns.Variant)}
    assert networks["audioldm_eval_32k"].name == "panns_cnn14_32k"
    assert networks["audioldm_eval_32k"].parameters()["chain"] == "audioldm_eval"
    assert networks["frechet_audio_distance_16k"].label == "panns_cnn14_16k[chain=frechet_audio_distance]"


def test_rows_are_windows_and_clips() -> None:
    windows = np.ones((3, 128), dtype=np.float32)
    assert fad_vggish.FadVggish().row(Item("a"), {"vggish.embeddings": windows}, None).shape == (3, 128)
    embedding = np.ones(2048, dtype=np.float32)
    assert fd_panns.FdPanns("audioldm_eval_32k").row(Item("a"), {"panns_cnn14_32k.embedding": embedding}, None).shape == (2048,)


@pytest.mark.parametrize("metric", ["fad_vggish", "fd_panns"])
def test_too_few_and_missing(metric: str) -> None:
    made = registry.metric(metric)
    some = rows({"seed": 1, "n": 8, "d": 4})
    with pytest.raises(Unscorable, match="at least 2"):
        made.compute(some[:1], some)
    with pytest.raises(BadParameter, match="reference rows"):
        made.compute(some)
    with pytest.raises(BadParameter, match="reference rows"):
        made.score(some, None)
    with pytest.raises(BadParameter, match="variant must be one of"):
        registry.metric(metric, variant="other")


@pytest.mark.parametrize("metric", ["fad_vggish", "fd_panns"])
def test_interval_keeps_windows_of_a_clip_together(metric: str) -> None:
    made = registry.metric(metric)
    clips = [rows({"seed": k, "n": 3, "d": 4}) for k in range(10)]
    others = [clip + 0.5 for clip in clips]
    low, high, how = made.interval(clips, others, seed=0)
    assert low < made.score(np.concatenate(clips), np.concatenate(others)) < high
    assert "halves of the clips" in how
