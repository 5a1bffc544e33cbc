"""The four reference generators on synth15: each metric ranks them as its card says."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import numpy as np
import pytest

import avbench
from avbench import content, results
from avbench.results import Result

SYNCHRONY = ("av_align", "av_curve_distance")
MINI = ("fvd[network=mini_video]", "kvd[network=mini_video]", "fad_mini", "kl_mini", "is_mini", "desync[network=mini_sync]")
JOINT = tuple(f"{name}[network=mini_av]" for name in ("ib_va", "ib_tv", "ib_ta", "ib_iv", "ib_ia", "avh_score", "javisscore"))
LIPS = ("lse_c[network=mini_sync]", "lse_d[network=mini_sync]")
ITEMS = 30
MODELS = ("reference", "shifted", "shuffled", "noise")

Values = dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """The first items of synth15 in 128 x 128, by model."""
    folder = tmp_path_factory.mktemp("ordering")
    shutil.copytree(content.folder("benchmarks") / "synth15", folder / "small")
    path = folder / "small" / "suite.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("width = 256", "width = 128").replace("height = 256", "height = 128"), encoding="utf-8")
    return {
        model: avbench.run(model, str(path.parent), limit=ITEMS, metrics=[*SYNCHRONY, *MINI, *JOINT, *LIPS], out=folder / model)
        for model in MODELS
    }


@pytest.fixture(scope="module")
def values(runs: dict[str, Result]) -> Values:
    return {model: {score.metric: score.value for score in result.metrics} for model, result in runs.items()}


def test_the_truth_is_better_than_late_sound_wrong_sound_and_noise(
    runs: dict[str, Result], values: Values, figure: Callable[[str], None]
) -> None:
    for metric in (*SYNCHRONY, *MINI, *JOINT, *LIPS):
        figure(
            f"{metric} on {ITEMS} clips of synth15 at 128 px: " + ", ".join(f"{m} {v[metric]:.3f}" for m, v in values.items())
        )
    for result in runs.values():
        assert all(score.n_scored == ITEMS for score in result.metrics if score.metric != "av_align")
    for worse in ("shifted", "shuffled", "noise"):
        assert values["reference"]["av_align"] > values[worse]["av_align"] + 0.05, worse
        assert values["reference"]["av_curve_distance"] < values[worse]["av_curve_distance"] - 0.2, worse
    for model in ("shifted", "shuffled"):
        # The pictures are the reference's, packet by packet.
        assert values[model]["static_picture"] == values["reference"]["static_picture"]
    assert values["shuffled"]["loudness"] == pytest.approx(values["reference"]["loudness"], abs=1.0)
    assert all(np.isfinite(v) for of in values.values() for v in of.values())


def test_pictures_on_mini_video(values: Values) -> None:
    """All but `noise` show the reference's pictures."""
    for metric, apart in (("fvd[network=mini_video]", 50.0), ("kvd[network=mini_video]", 5.0)):
        assert values["shifted"][metric] == values["shuffled"][metric] == values["reference"][metric]
        assert values["noise"][metric] > values["reference"][metric] + apart
    assert values["reference"]["fvd[network=mini_video]"] == pytest.approx(0.0, abs=1e-9)
    assert values["reference"]["kvd[network=mini_video]"] < 0.0


def test_sounds_on_mini_audio(values: Values) -> None:
    """`shuffled` has the reference's sounds in another order, which a set does not see and a pair does."""
    fad, kl, inception = ({model: values[model][metric] for model in MODELS} for metric in ("fad_mini", "kl_mini", "is_mini"))
    assert fad["reference"] == pytest.approx(0.0, abs=1e-9)
    assert fad["reference"] < fad["shuffled"] + 1e-9 < fad["shifted"] < fad["noise"]
    assert kl["reference"] == 0.0
    assert kl["reference"] < kl["shifted"] < kl["noise"] < kl["shuffled"]
    assert inception["shuffled"] == pytest.approx(inception["reference"], rel=0.05)
    assert inception["noise"] < inception["reference"] / 2


def test_offsets_on_mini_sync(runs: dict[str, Result], values: Values) -> None:
    offset = {model: values[model]["desync[network=mini_sync]"] for model in MODELS}
    assert offset["reference"] < 0.02
    assert offset["shifted"] == pytest.approx(0.5, abs=0.05)
    assert min(offset["shuffled"], offset["noise"]) > 0.2
    rows = results.rows(runs["shifted"], "desync[network=mini_sync]")
    assert np.median(rows["offset"]) == pytest.approx(-0.5), "the sound comes late, which is negative"


def test_what_belongs_together_on_mini_av(values: Values) -> None:
    """Another item's sound is seen wherever sound is compared, noise wherever anything is."""
    ib_va, ib_tv, ib_ta, ib_iv, ib_ia, avh, javis = ({m: values[m][metric] for m in MODELS} for metric in JOINT)
    for of in (ib_va, ib_ta, ib_ia):
        assert of["reference"] > of["shuffled"] + 40.0
        assert of["reference"] > of["noise"] + 30.0
    for of in (avh, javis):
        assert of["reference"] > of["shuffled"] + 0.4
        assert of["reference"] > of["noise"] + 0.3
    for of in (ib_tv, ib_iv):  # the picture is the reference's in all but noise
        assert of["shifted"] == of["shuffled"] == of["reference"] > of["noise"] + 40.0


def test_confidence_on_mini_sync(values: Values) -> None:
    """A late sound is as sure as one in time, by design: the best shift is looked for."""
    confidence, distance = ({m: values[m][metric] for m in MODELS} for metric in LIPS)
    assert confidence["reference"] > confidence["shuffled"] > confidence["noise"]
    assert distance["reference"] < distance["shuffled"] < distance["noise"]
