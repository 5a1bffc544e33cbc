"""VGGish against five published pipelines: log mel examples, embeddings, and whitening to whole numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from avbench.errors import Unscorable
from avbench.extractors.vggish import Chain, Vggish
from avbench.types import Array

from .harness import Case, Family, cases, forward, prepare, source

CHAINS: tuple[Chain, ...] = get_args(Chain)


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("case", cases("audio/vggish*", "cases"))
def test_embeddings(case: Case, chain: Chain) -> None:
    """One chain from the file to the embeddings; `too_short` where the published code raises."""
    key = "torchvggish_embedding" if chain == "torchvggish" else chain
    if key not in case["outputs"]:
        assert any(note.startswith(f"{chain} raises") for note in case["notes"])
        with pytest.raises(Unscorable, match="too_short"):
            _prepared(case, chain)
        return
    prepared = _prepared(case, chain)
    network = Vggish(last_relu=chain == "torchvggish")
    got = forward(network, prepared, case.family.checkpoint("vggish.json"))["embeddings"]
    golden = case["outputs"][key]
    scale = golden["absmax"]  # the tolerance is relative to it
    case.family.close(got / scale, case.family.arrays[golden["array"]] / scale, "embedding", key)


@pytest.mark.parametrize("case", cases("audio/vggish*", "cases"))
def test_examples(case: Case) -> None:
    """The log mel examples of torchvggish: mean, deviation and extremes of all, and the first ones entry by entry."""
    outputs: Mapping[str, Any] = case["outputs"]
    if "torchvggish_examples_stats" not in outputs:
        pytest.skip("the published code raises: the clip is too short")
    got = _prepared(case, "torchvggish")["examples"]
    stats = outputs["torchvggish_examples_stats"]
    assert list(got.shape) == stats["shape"]
    for name in ("mean", "std", "min", "max"):
        case.family.close(getattr(got.astype(np.float64), name)(), stats[name], "examples", name)
    if "torchvggish_examples" in outputs:
        want = case.family.arrays[outputs["torchvggish_examples"]["array"]]
        case.family.close(got[: len(want)], want, "examples")


@pytest.mark.parametrize("case", cases("audio/vggish*", "cases"))
def test_whitened(case: Case, tmp_path: Path) -> None:
    """Whole numbers; one that lies beside a rounding edge may be its neighbour."""
    if "torchvggish_postprocessed" not in case["outputs"]:
        pytest.skip("the published code raises: the clip is too short")
    weights, pca = _beside(case.family, tmp_path)
    got = forward(Vggish(last_relu=True, pca=pca), _prepared(case, "torchvggish"), weights)["embeddings"]
    want = case.family.arrays[case["outputs"]["torchvggish_postprocessed"]["array"]]
    want = np.atleast_2d(want)  # torchvggish drops the axis of a single example
    case.family.close(got, want, "quantised")
    assert (got != want).mean() <= 0.005
    assert ((got == np.rint(got)) & (got >= 0) & (got <= 255)).all()


def _prepared(case: Case, chain: Chain) -> dict[str, Array]:
    extractor = Vggish(chain)
    return prepare(source(case), [extractor])[extractor]


def _beside(family: Family, folder: Path) -> tuple[Path, str]:
    """Both seeded checkpoints in one folder under names as published, and the digits of the whitening's."""
    whitening = family.checkpoint("vggish_pca")
    digits = hashlib.sha256(whitening.read_bytes()).hexdigest()[:8]
    (folder / f"vggish_pca_params-{digits}.pth").symlink_to(whitening)
    (folder / "vggish.pth").symlink_to(family.checkpoint("vggish.json"))
    return folder / "vggish.pth", digits
