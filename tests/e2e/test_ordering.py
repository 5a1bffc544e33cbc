"""The four reference generators on synth15: each metric of synchrony ranks them as its card says."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import avbench
from avbench import content

SYNCHRONY = ("av_align", "av_curve_distance")
ITEMS = 30


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """synth15 in 128 x 128, with the same items."""
    folder = tmp_path / "small"
    shutil.copytree(content.folder("benchmarks") / "synth15", folder)
    path = folder / "suite.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("width = 256", "width = 128").replace("height = 256", "height = 128"), encoding="utf-8")
    return folder


def test_the_truth_is_better_than_late_sound_wrong_sound_and_noise(
    small: Path, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    values: dict[str, dict[str, float]] = {}
    for model in ("reference", "shifted", "shuffled", "noise"):
        result = avbench.run(model, str(small), limit=ITEMS, metrics=SYNCHRONY, out=tmp_path / model)
        assert all(score.n_scored == ITEMS for score in result.metrics if score.metric != "av_align")
        values[model] = {score.metric: score.value for score in result.metrics}
    for metric in SYNCHRONY:
        figure(
            f"{metric} on {ITEMS} clips of synth15 at 128 px: " + ", ".join(f"{m} {v[metric]:.3f}" for m, v in values.items())
        )
    for worse in ("shifted", "shuffled", "noise"):
        assert values["reference"]["av_align"] > values[worse]["av_align"] + 0.05, worse
        assert values["reference"]["av_curve_distance"] < values[worse]["av_curve_distance"] - 0.2, worse
    for model in ("shifted", "shuffled"):
        # The pictures are the reference's, packet by packet.
        assert values[model]["static_picture"] == values["reference"]["static_picture"]
    assert values["shuffled"]["loudness"] == pytest.approx(values["reference"]["loudness"], abs=1.0)
    assert all(np.isfinite(v) for of in values.values() for v in of.values())
