"""kl_*, is_*, fd_passt and fad_melception against golden.json, and what they ask their extractors for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench import registry
from avbench.errors import BadParameter, Unscorable
from avbench.types import Features, Item, Metric

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
KL = {"kl_passt": "passt.logits", "kl_panns": "panns_cnn14_16k.logits", "kl_melception": "melception.logits"}
SETS = ("is_passt", "is_panns", "is_melception", "fd_passt", "fad_melception")


def _cases(*metrics: str) -> list[Any]:
    made = []
    for metric in metrics:
        golden = json.loads((ROOT / "metrics" / metric / "golden.json").read_text(encoding="utf-8"))
        made += [pytest.param(metric, case, id=f"{metric}, {case['name']}") for case in golden["cases"]]
    return made


def _rows(recipe: dict[str, Any]) -> NDArray[Any]:
    from tests.parity import matrices

    return np.asarray((matrices.logits if recipe.get("kind") == "logits" else matrices.features)(recipe))


def _features(metric: str, logits: NDArray[Any]) -> Features:
    return {KL[metric]: logits[None] if metric == "kl_passt" else logits}


@pytest.mark.parametrize(("metric", "case"), _cases(*KL))
def test_kl(metric: str, case: dict[str, Any]) -> None:
    made = registry.metric(metric, **case["parameters"])
    pairs = zip(_rows(case["generated"]), _rows(case["reference"]), strict=True)
    rows = [made.row(Item("x"), _features(metric, g), _features(metric, r)) for g, r in pairs]
    np.testing.assert_allclose(made.compute(np.stack(rows)), case["value"], **case["tolerance"])


@pytest.mark.parametrize(("metric", "case"), _cases(*SETS))
def test_sets(metric: str, case: dict[str, Any]) -> None:
    made = registry.metric(metric, **case["parameters"])
    reference = _rows(case["reference"]) if "reference" in case else None
    if "reason" in case:
        with pytest.raises(Unscorable, match=case["reason"]):
            made.compute(_rows(case["generated"]), reference)
        return
    np.testing.assert_allclose(made.compute(_rows(case["generated"]), reference), case["value"], **case["tolerance"])


@pytest.mark.parametrize("name", [*KL, *SETS])
def test_rows_and_refusals(name: str) -> None:
    """Extractors exist and make the layers that rows are made of; a card and a title are there."""
    made: Metric = registry.metric(name)
    (extractor,) = (registry.needed(n) for n in made.extractors())
    width = {"logits": 527, "logits_unbiased": 309, "embedding": 2048}
    windows = {"passt": (1,)}.get(extractor.name, ())
    got = {f"{extractor.name}.{layer}": np.zeros((*windows, width[layer]), np.float32) for layer in extractor.layers}
    row = made.row(Item("x"), got, got)
    assert row.ndim == 1
    assert np.isfinite(row).all()
    assert (ROOT / "metrics" / name / "card.md").is_file()
    if made.needs_all:
        with pytest.raises(Unscorable, match="too_short"):
            made.compute(row[None], row[None] if made.needs_reference else None)
        if made.needs_reference:
            with pytest.raises(BadParameter, match="reference rows are needed"):
                made.score(row[None], None)


def test_variants_ask_for_their_preparation() -> None:
    labels = {
        v: registry.needed(registry.metric("kl_passt", variant=v).extractors()[0]).label
        for v in ("audiocraft", "stable", "verse")
    }
    assert labels == {"audiocraft": "passt[audiocraft]", "stable": "passt[stable]", "verse": "passt[stable]"}
    assert registry.needed(registry.metric("kl_passt").extractors()[0]).label == "passt"
    assert registry.needed(registry.metric("kl_panns", variant="audioldm_softmax").extractors()[0]).label.endswith(
        "[chain=audioldm_eval]"
    )
    assert registry.needed(registry.metric("is_passt", seconds=10.0).extractors()[0]).label == "passt[seconds=10.0]"
