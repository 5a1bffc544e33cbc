"""AudioCLIP against JavisBench's copy of it: decibels, embedding, the network alone; and the checkpoint's keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbench.errors import BadParameter
from avbench.extractors.audioclip import AudioClip
from avbench.models.audioclip import AudioHead
from avbench.types import Array

from .harness import Case, cases, forward, prepare, seeded_arrays, source

PIPELINES = {
    "javisbench_16k": AudioClip(),
    "javisbench_16k_padded_to_8s": AudioClip(seconds=8.0),
    "int16_range_44k1": AudioClip("authors"),
}
NETWORK = AudioClip()
"""The same for every pipeline, so it is loaded once."""
CASES = cases("audio/audioclip*", "cases", having=["input"])


def samples(case: Case, pipeline: str) -> Array:
    """As the golden was made: the beginning, where the sound is longer (8 s at 16 kHz, 3 s at 44.1 kHz)."""
    extractor = PIPELINES[pipeline]
    made = prepare(source(case), [extractor])[extractor]["samples"]
    return made[: case["outputs"][pipeline]["samples"]]


@pytest.mark.parametrize("case", CASES)
def test_embedding(case: Case) -> None:
    """Cases that are dominated by rounding count too: the operations are the reference's, in its order."""
    pipelines = [name for name in PIPELINES if name in case["outputs"]]
    assert pipelines
    for pipeline in pipelines:
        golden = case["outputs"][pipeline]
        got = forward(NETWORK, {"samples": samples(case, pipeline)}, case.family.checkpoint("audioclip"))["embedding"]
        want = case.family.arrays[golden["embedding"]["array"]]
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=0.0, atol=_allowed(case, golden), err_msg=pipeline)


def _allowed(case: Case, golden: Mapping[str, Any]) -> float:
    """The family words it: `max(2e-3, 5 x float_error)`."""
    written = case.family.data["tolerance"]["embedding"]["atol"]
    found = re.fullmatch(r"max\(([\d.e-]+), ([\d.]+) x float_error\)", written)
    assert found, written
    return max(float(found[1]), float(found[2]) * float(golden["float_error"]))


@pytest.mark.parametrize("case", [c for c in CASES if any("db_mean" in o for o in c.values[0]["outputs"].values())])
def test_decibels(case: Case) -> None:
    """The number of frames everywhere; values where the power is above 1e-13 (-130 dB), see the family's note."""
    head = _head(case)
    for pipeline in PIPELINES:
        golden = case["outputs"].get(pipeline)
        if golden is None:
            continue
        made = _decibels(head, samples(case, pipeline))
        assert [1, 1, *made.shape] == golden["db_shape"]
        if "db_8_frames" in golden:
            first, last = map(int, re.findall(r"\d+", golden["db_frames"]))
            want = case.family.arrays[golden["db_8_frames"]["array"]][0]
            loud = want > -130.0
            assert loud.any()
            case.family.close(made[..., first : last + 1][loud], want[loud], "decibels")


def _head(case: Case) -> AudioHead:
    import torch

    from avbench.models.audioclip import UNUSED
    from avbench.models.loading import load_exactly
    from avbench.weights import read

    weights = case.family.checkpoint("audioclip")
    with torch.device("meta"):
        head = AudioHead()
    load_exactly(torch.nn.ModuleDict({"audio": head}), read(weights), weights, UNUSED)
    return head


def _decibels(head: AudioHead, waveform: Array) -> Array:
    import torch

    with torch.inference_mode():
        return np.asarray(head.decibels(torch.from_numpy(np.ascontiguousarray(waveform))).numpy())


@pytest.mark.parametrize("case", cases("audio/audioclip*", "cases", having=["decibels"]))
def test_network_from_decibels(case: Case) -> None:
    import torch

    recipe = re.match(r"PCG64\((\d+)\)\.standard_normal\(\(([\d, ]+)\)\) \* ([\d.]+) - ([\d.]+) in float64", case["decibels"])
    assert recipe, case["decibels"]
    shape = [int(n) for n in recipe[2].split(",")]
    drawn = np.random.Generator(np.random.PCG64(int(recipe[1]))).standard_normal(shape)
    decibels = (drawn * float(recipe[3]) - float(recipe[4])).astype(np.float32)
    with torch.inference_mode():
        got = _head(case).embedding(torch.from_numpy(decibels[0]))[0].numpy()
    want = case.family.arrays[case["outputs"]["network"]["embedding"]["array"]]
    allowed = case["tolerance"]
    np.testing.assert_allclose(got, want, rtol=allowed["rtol"], atol=allowed["atol"])


def test_every_key_is_used_or_named(tmp_path: Path) -> None:
    """A lacking key, a surplus key and another shape are refused; the image and text encoders are left over on purpose."""
    import torch

    arrays = seeded_arrays("audioclip_full_training.json", 1)
    state = {key: torch.from_numpy(np.array(value)) for key, value in arrays.items()}
    others = {f"{name}x": torch.zeros(1) for name in ("visual.", "transformer.", "ln_final.")}
    torch.save(state | others | {"positional_embedding": torch.zeros(77, 512)}, tmp_path / "whole.pt")
    AudioClip().load(tmp_path / "whole.pt", "cpu")
    for name, changed in {
        "is missing": {k: v for k, v in state.items() if k != "audio.fbsp.m"},
        "is not known": state | {"audio.surplus": state["audio.fc.bias"]},
        r"is \(1023,\)": state | {"audio.fc.bias": state["audio.fc.bias"][:-1]},
    }.items():
        torch.save(changed, tmp_path / "changed.pt")
        with pytest.raises(BadParameter, match=name):
            AudioClip().load(tmp_path / "changed.pt", "cpu")
