"""Melception against SpecVQGAN: mel spectrogram, features, class scores; and the checkpoint's keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbench.errors import BadParameter
from avbench.extractors.melception import BAND_MEANS_AND_DEVIATIONS, Melception
from avbench.posteriors import log_softmax

from .harness import Case, Family, cases, families, forward, prepare, seeded_arrays, source

PIPELINES = {
    "resampled_22k05": Melception(frames=860),
    "as_is": Melception(frames=860, resample=False),
    "cropped_848": Melception(frames=848),
}
NETWORK = Melception()
"""The same for every pipeline, so it is loaded once."""


@pytest.mark.parametrize("case", cases("audio/melception*", "cases"))
def test_features(case: Case) -> None:
    pipelines = [name for name in PIPELINES if name in case["outputs"]]
    assert pipelines
    for pipeline in pipelines:
        _check(case, PIPELINES[pipeline], case["outputs"][pipeline])


def _check(case: Case, extractor: Melception, golden: Mapping[str, Any]) -> None:
    prepared = prepare(source(case), [extractor])[extractor]
    table = np.asarray(BAND_MEANS_AND_DEVIATIONS)
    mel = prepared["mel"] * table[:, 1:] + table[:, :1]
    if extractor.frames == 860:  # the cropped cases give the numbers of the whole spectrogram
        assert list(mel.shape) == golden["mel_shape"]
        case.family.close([mel.mean(), mel.std()], [golden["mel_mean"], golden["mel_std"]], "mel")
    if "mel_first_100_frames" in golden:
        skipped = (860 - extractor.frames) // 2
        want = case.family.arrays[golden["mel_first_100_frames"]["array"]]
        case.family.close(mel[:, : 100 - skipped], want[:, skipped:], "mel")
    got = forward(NETWORK, prepared, case.family.checkpoint("melception"))
    for layer, tolerance in (("embedding", "embedding"), ("logits", "logits"), ("logits_unbiased", "logits")):
        case.family.close(got[layer], case.family.arrays[golden[layer]["array"]], tolerance, layer)
    probabilities = np.exp(log_softmax(got["logits"]))
    case.family.close(probabilities, case.family.arrays[golden["probabilities"]["array"]], "probabilities")


@pytest.mark.parametrize(
    "family", [f for f in families("audio/melception*") if "band_mean_std" in f.arrays], ids=lambda f: f.name
)
def test_band_statistics(family: Family) -> None:
    np.testing.assert_array_equal(BAND_MEANS_AND_DEVIATIONS, family.arrays["band_mean_std"])


def test_every_key_is_used_or_named(tmp_path: Path) -> None:
    """A lacking key, a surplus key and a state that is not under `model` are refused; training's classifier alone is unused."""
    import torch

    arrays = seeded_arrays("melception_21-05-10T09-28-40.json", 1)
    state = {key: torch.from_numpy(np.array(value)) for key, value in arrays.items()}
    torch.save({"model": {k: v for k, v in state.items() if not k.startswith("AuxLogits.")}}, tmp_path / "without.pt")
    Melception().load(tmp_path / "without.pt", "cpu")
    for name, changed in {
        "is missing": {"model": {k: v for k, v in state.items() if k != "fc.bias"}},
        "is not known": {"model": state | {"surplus": state["fc.bias"]}},
        "no state under 'model'": state,
    }.items():
        torch.save(changed, tmp_path / "changed.pt")
        with pytest.raises(BadParameter, match=name):
            Melception().load(tmp_path / "changed.pt", "cpu")
