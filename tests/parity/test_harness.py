"""The harness itself: inputs as text, seeded weights, tolerances, and another root with other cases."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from . import harness, synthetic_inputs


def test_calls_are_read_without_eval() -> None:
    np.testing.assert_array_equal(harness.pictures("disc(3, 64, 80, seed=2)"), synthetic_inputs.disc(3, 64, 80, 2))
    still = harness.pictures("waves(1, 16, 16, 0) repeated 5 times")
    assert still.shape == (5, 16, 16, 3)
    assert (still == still[0]).all()
    assert harness.pictures('smooth(2, 16, 24) as BGR, resize scheme "min=8"').shape == (2, 16, 24, 3)
    samples, rate = harness.sound("clicks(8000, rate=16000, times=[0.1, 0.2], seed=1, channels=2)")
    assert (samples.shape, rate) == ((8000, 2), 16000)
    silence, rate = harness.sound("24000 zeros at 24000 Hz")
    assert (silence.shape, rate) == ((24000, 1), 24000)
    assert not silence.any()


@pytest.mark.parametrize("text", ["", "24000", "disc(1, 2", "disc(1, 2).x(3)"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises((ValueError, SyntaxError, TypeError)):
        harness.pictures(text)


def test_code_is_not_run() -> None:
    with pytest.raises(ValueError, match="malformed node"):
        harness.pictures("disc(len('abc'), 64, 64)")


def test_tolerance_is_the_familys() -> None:
    family = harness.Family("f", {"tolerance": {"x": {"atol": 0.1}, "y": {"rtol": 0.5}}})
    family.close([1.05], [1.0], "x")
    family.close([1.4], [1.0], "y")
    with pytest.raises(AssertionError, match="what is compared"):
        family.close([1.2], [1.0], "x", "what is compared")
    with pytest.raises(AssertionError, match="shape"):
        family.close([1.0, 1.0], [1.0], "x")
    with pytest.raises(KeyError, match="z"):
        family.close([1.0], [1.0], "z")


def test_weights_of_both_shapes() -> None:
    one = harness.Family("f", {"weights": {"seed": 5, "layout": "a.json", "fingerprint": "x"}})
    several = harness.Family("f", {"weights": {"seed": 5, "layouts": ["a.json"], "fingerprints": {"a": "x"}}})
    listed = harness.Family("f", {"weights": [{"layout": "checkpoint-layouts/a.json", "seed": 5, "fingerprint": "x"}]})
    assert one.weights == several.weights == listed.weights == [("a.json", 5, "x")]
    assert harness.Family("f", {"weights": None}).weights == []


def test_another_root(tmp_path: Path) -> None:
    """Other names, other seeds, an absent file: what is there runs, the rest is skipped by name and counted."""
    root = tmp_path / "goldens" / "video"
    root.mkdir(parents=True)
    data = json.loads((harness.HERE / "goldens" / "video" / "av_align.json").read_text(encoding="utf-8"))
    kept = [case for case in data["synthetic"] if case["name"] in ("two_frames", "resize_min_64", "still_silence")]
    wrong = dict(kept[0], name="renamed_and_wrong", score_javisdit=0.25)
    absent = dict(data["files"][0], name="no_such_clip", sha256="0" * 64)
    (root / "av_align_b.json").write_text(json.dumps(data | {"synthetic": [*kept, wrong], "files": [absent]}), encoding="utf-8")
    shutil.copy(harness.HERE / "synthetic_inputs.py", root)
    environment = os.environ | {"AVBENCH_GOLDENS": str(root.parent), "AVBENCH_MEDIA": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(harness.HERE / "test_av_align.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=harness.HERE.parents[1])
    assert "1 failed, 3 passed, 1 skipped" in done.stdout, done.stdout + done.stderr
    assert "golden cases video/av_align_b: 4 run, 1 skipped" in done.stdout
    assert "no_such_clip: no file with SHA-256 000000000000" in done.stdout
    assert "renamed_and_wrong" in done.stdout
