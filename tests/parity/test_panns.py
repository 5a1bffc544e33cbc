"""Cnn14 at 16 and 32 kHz against av-benchmark and audioldm_eval: log mel, class scores, embedding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from avbench.errors import Unscorable
from avbench.extractors.panns_cnn14_16k import PannsCnn14At16k
from avbench.extractors.panns_cnn14_32k import PannsCnn14At32k

from .harness import Case, cases, forward, prepare, source

PIPELINES: dict[str, tuple[PannsCnn14At16k, PannsCnn14At16k]] = {
    "av_benchmark_16k": (PannsCnn14At16k("av_benchmark"), PannsCnn14At16k()),
    "audioldm_eval_16k": (PannsCnn14At16k("audioldm_eval"), PannsCnn14At16k()),
    "audioldm_eval_32k": (PannsCnn14At32k("audioldm_eval"), PannsCnn14At32k()),
}
"""What prepares, and what holds the network, which is the same for every chain and so is loaded once."""


def _outputs(parameter: Any) -> Any:
    return parameter.values[0].data.get("outputs", {})


@pytest.mark.parametrize("pipeline", PIPELINES)
@pytest.mark.parametrize("case", cases("audio/panns*", "cases"))
def test_logits_and_embedding(case: Case, pipeline: str) -> None:
    preparing, network = PIPELINES[pipeline]
    if pipeline not in case["outputs"]:
        assert any(note.startswith(f"{pipeline} raises") for note in case["notes"])
        with pytest.raises(Unscorable, match="too_short"):
            prepare(source(case), [preparing])
        return
    prepared = prepare(source(case), [preparing])[preparing]
    got = forward(network, prepared, case.family.checkpoint(f"panns_cnn14_{pipeline[-3:]}"))
    for layer, golden in case["outputs"][pipeline].items():
        case.family.close(got[layer], case.family.arrays[golden["array"]], layer)


@pytest.mark.parametrize("case", [c for c in cases("audio/panns*", "cases") if "logmel_16k" in _outputs(c)])
def test_log_mel(case: Case) -> None:
    """The network's own front end in dB, above the level where float32 rounding of the resampler decides.

    The golden states no tolerance for it; that of the logits is used.
    """
    import torch

    from avbench.models.cnn14 import Cnn14
    from avbench.models.loading import load_exactly
    from avbench.weights import read

    extractor = PannsCnn14At16k()
    weights = case.family.checkpoint("panns_cnn14_16k")
    with torch.device("meta"):
        network = Cnn14(512, 160)
    load_exactly(network, read(weights)["model"], weights)
    samples = torch.from_numpy(prepare(source(case), [extractor])[extractor]["samples"])[None]
    with torch.inference_mode():
        got = network.log_mel(samples)[0].numpy()
    want = case.family.arrays[case["outputs"]["logmel_16k"]["array"]]
    loud = want > -80.0
    assert loud.mean() > 0.5
    case.family.close(got[loud], want[loud], "logits", "log mel")
    np.testing.assert_allclose(got, want, atol=0.1)
