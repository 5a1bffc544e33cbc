"""R18, R19: clips that are missing or too many, and every layout of channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from avbench.extractors.onsets import mono
from avbench.media import Reader
from avbench.options import Options
from avbench.pipeline import run, score
from avbench.suites import load
from avbench.types import ClipFile

from .support import write_clips, write_suite

ONE = Options(workers=1)
RATE = 16_000


def test_missing_and_extra_clips(tmp_path: Path) -> None:
    write_suite(tmp_path / "suite", [{"id": f"item {k}"} for k in range(5)], metrics=["motion_score"])
    write_clips(tmp_path / "clips", ["item 0", "item 3", "sample_0004", "stranger"])
    (tmp_path / "clips" / "notes.txt").write_text("")
    result = score(tmp_path / "clips", suite=str(tmp_path / "suite"), out=tmp_path / "out", options=ONE)
    for s in result.metrics:
        assert (s.n_items, s.n_scored) == (5, 3)
        assert {k: v.split(":")[0] for k, v in s.unscored.items()} == {"item 1": "missing", "item 2": "missing"}
    assert set(result.clips) == {"item 0", "item 3", "item 4"}
    assert set(result.others) == {"stranger", "notes.txt"}


def test_sound_beside_a_reference_clip_is_kept(tmp_path: Path) -> None:
    """Whatever its format: the copy of a clip with a FLAC file is scored with the FLAC file's sound."""
    write_suite(tmp_path / "suite", [{"id": "a"}], metrics=["loudness"])
    write_clips(tmp_path / "suite" / "clips", ["a"])
    soundfile.write(tmp_path / "suite" / "clips" / "a.flac", 0.9 * np.sin(np.arange(RATE)), RATE)
    suite = str(tmp_path / "suite")
    text = (tmp_path / "suite" / "suite.toml").read_text()
    assert load(suite).reference is not None
    (tmp_path / "suite" / "suite.toml").write_text(text)
    made = run("reference", suite, out=tmp_path / "made", options=ONE)
    there = score(tmp_path / "suite" / "clips", suite=suite, out=tmp_path / "there", options=ONE)
    assert made.clips == there.clips
    assert made["loudness"].value == there["loudness"].value > -10


def _noise(seed: int) -> NDArray[np.float32]:
    return (0.2 * np.random.default_rng(seed).standard_normal(RATE)).clip(-0.9, 0.9).astype(np.float32)


LAYOUTS = {
    "mono": np.stack([_noise(0)]),
    "stereo": np.stack([_noise(0), _noise(1)]),
    "left only": np.stack([_noise(0), np.zeros(RATE, dtype=np.float32)]),
    "five point one": np.stack([_noise(k) for k in range(6)]),
    "antiphase": np.stack([_noise(0), -_noise(0)]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_downmix_is_the_mean_of_the_channels(layout: str, tmp_path: Path) -> None:
    """Of the decoder's samples, of `Waveform.mono`, and of what the onset extractor hears."""
    samples = LAYOUTS[layout]
    path = tmp_path / "x.wav"
    soundfile.write(path, samples.T, RATE, subtype="FLOAT")
    with Reader(ClipFile("x", path)) as reader:
        assert list(reader.frames()) == []
        heard = reader.audio()
    assert heard is not None
    np.testing.assert_array_equal(heard.samples, samples)
    expected = samples.astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(heard.mono, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(mono(heard, None, pcm16=False)[0], expected, rtol=0, atol=1e-6)


def test_antiphase_and_surround_are_flagged(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    for layout, samples in LAYOUTS.items():
        soundfile.write(tmp_path / "clips" / f"{layout}.wav", samples.T, RATE, subtype="FLOAT")
    result = score(tmp_path / "clips", metrics=["silence"], out=tmp_path / "out", options=ONE)
    assert {k: v for k, v in result["silence"].flagged.items() if "antiphase" in v} == {"antiphase": ["antiphase"]}
    assert {id for id, clip in result.clips.items() if "surround" in clip["flags"]} == {"five point one"}
