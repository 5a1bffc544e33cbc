"""CAVP against JavisBench and Diff-Foley: spectrogram, rows of sound and picture, cosines, score; and the checkpoint's keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbench.errors import BadParameter
from avbench.extractors.cavp import Cavp, mel_spectrogram
from avbench.media import Reader
from avbench.metrics.cavp_av import CavpAv
from avbench.types import Array, Item

from .harness import Case, cases, families, network, source

LAYOUT = "cavp_epoch66"


def run(case: Case, frames: Array, mels: Array) -> dict[str, Array]:
    """The extractor's own function for one clip."""
    import torch

    torch.set_num_threads(1)
    forward = network(Cavp(), case.family.checkpoint(LAYOUT), "cpu")
    with torch.inference_mode():
        made = forward({"frames": torch.from_numpy(frames)[None], "mels": torch.from_numpy(mels)[None]})
    return {layer: np.asarray(rows[0].numpy()) for layer, rows in made.items()}


def pictures(recipe: str) -> Array:
    """The formula of the golden: seed, and (1, frames, 3, height, width)."""
    found = re.match(
        r"u = PCG64\((\d+)\)\.random\(\((\d+(?:, \d+)*)\)\) as float32; .*roll\(u\[0, 0\], 3 t, last axis\)", recipe
    )
    assert found is not None, recipe
    shape = tuple(int(n) for n in found[2].split(","))
    u = np.random.Generator(np.random.PCG64(int(found[1]))).random(shape).astype(np.float32)
    frames = [0.7 * np.roll(u[0, 0], 3 * t, axis=-1) + 0.3 * u[0, t] for t in range(shape[1])]
    return np.stack(frames).astype(np.float32)


@pytest.mark.parametrize("case", cases("audio/cavp*", "cases"))
def test_rows_and_score(case: Case) -> None:
    with Reader(source(case)) as reader:
        for _ in reader.frames(picture=False):
            pass
        audio = reader.audio()
    assert audio is not None
    mels = mel_spectrogram(audio, case["seconds"])
    want: Any = case["outputs"]["audio"]
    assert list(mels.shape) == want["mel_shape"]
    case.family.close(mels.mean(dtype=np.float64), want["mel_mean"], "mel", "mean of the mel spectrogram")
    case.family.close(mels.std(dtype=np.float64), want["mel_std"], "mel", "deviation of the mel spectrogram")
    if "mel" in want:
        case.family.close(mels, case.family.arrays[want["mel"]["array"]], "mel")
    shown = case["outputs"].get("video")
    frames = pictures(shown["frames"]) * 255 if shown else np.zeros((1, 3, 224, 224), np.float32)
    got = run(case, frames, mels)
    case.family.close(got["audio"], case.family.arrays[want["features"]["array"]], "features", "audio")
    if shown:
        case.family.close(got["visual"], case.family.arrays[shown["features"]["array"]], "features", "visual")
        features = {f"cavp.{layer}": rows for layer, rows in got.items()}
        metric = CavpAv()
        row = metric.row(Item("x"), features, None)
        case.family.close(row[0], case["outputs"]["score"], "score")
        case.family.close(metric.trace(Item("x"), features, None)["similarity"], case["outputs"]["cosine_rows"], "score")


def test_every_key_is_used_or_named(tmp_path: Path) -> None:
    """Wrapped or bare, with the prefix of parallel training or without; nothing is missing, left over or of another shape."""
    import torch

    from avbench.weights import read

    if not families("audio/cavp*"):
        pytest.skip("no goldens audio/cavp*.json in the root")
    whole = read(families("audio/cavp*")[0].checkpoint(LAYOUT))["state_dict"]
    state = {key: torch.zeros(()).expand(value.shape) for key, value in whole.items()}
    bias = state["spec_encoder.fc1.bias"]
    for name, changed in {
        "is missing": {"state_dict": {k: v for k, v in state.items() if k != "spec_encoder.fc1.bias"}},
        "is not known": {f"module.{k}": v for k, v in {**state, "surplus": bias}.items()},
        r"is \(2047,\)": state | {"spec_encoder.fc1.bias": bias[:-1]},
    }.items():
        torch.save(changed, tmp_path / "changed.pt")
        with pytest.raises(BadParameter, match=name) as refused:
            Cavp().load(tmp_path / "changed.pt", "cpu")
        assert "more" not in str(refused.value)


def test_a_long_clip_is_seen_in_parts_of_ten_seconds() -> None:
    """The network looks ahead in time, so its parts show; a clip alone equals the clip in a batch."""
    import torch

    case = cases("audio/cavp*", "cases")[0].values[0]
    forward = network(Cavp(), case.family.checkpoint(LAYOUT), "cpu")
    frames = torch.rand(2, 44, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 255
    mels = torch.rand(2, 128, 44 * 16, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        both = forward({"frames": frames, "mels": mels})
        alone = forward({"frames": frames[1:, :40], "mels": mels[1:]})
    torch.testing.assert_close(both["visual"][1:, :40], alone["visual"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(both["audio"][1:], alone["audio"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(both["visual"].norm(dim=-1), torch.ones(2, 44), rtol=1e-5, atol=1e-5)
