"""Training of the mini networks: seeded, resumable, refused where it cannot go on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from avbench.errors import BadParameter
from avbench.synth15 import CATEGORIES, frames, items
from avbench.training import mini
from avbench.training.library import FRAMES, SAMPLES, SECONDS, Library, library
from avbench.training.loop import NAMES, Settings, train
from avbench.training.samples import at_another_rate, spoiled_frames, spoiled_sound


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return library(tmp_path_factory.mktemp("library"), 15)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# ------------------------------------------------------------------ clips


def test_a_library_holds_the_train_split(clips: Library) -> None:
    assert clips.pictures.shape == (15, FRAMES, 64, 64, 3)
    assert clips.sounds.shape == (15, SAMPLES)
    assert [clips.category(n) for n in range(15)] == list(range(len(CATEGORIES)))
    assert clips.items == items("train", 15, seconds=SECONDS)
    image = next(iter(frames(clips.items[7], width=64, height=64)))
    np.testing.assert_array_equal(clips.pictures[7, 0], image)
    assert np.abs(clips.sounds.astype(np.int32)).max(axis=1).min() > 3000


def test_an_interrupted_library_is_gone_on_with(clips: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    def drawing(item: object, **options: object) -> object:
        drawn.append(item.id)  # type: ignore[attr-defined]
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return frames(item, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("avbench.training.library.frames", drawing)
    with pytest.raises(KeyboardInterrupt):
        library(tmp_path / "l", 15)
    again = library(tmp_path / "l", 15)
    assert drawn[2:4] == [clips.items[2].id] * 2
    assert len(drawn) == 16
    np.testing.assert_array_equal(again.pictures, clips.pictures)
    np.testing.assert_array_equal(again.sounds, clips.sounds)
    with pytest.raises(BadParameter, match="use another folder"):
        library(tmp_path / "l", 30)
    with pytest.raises(BadParameter, match="15 clips or more"):
        library(tmp_path / "few", 14)


def test_changes_keep_shape_and_range(clips: Library) -> None:
    for seed in range(20):
        random = np.random.default_rng(seed)
        changed, how = spoiled_frames(clips.pictures[seed % 15, :12], random)
        assert changed.shape == (12, 64, 64, 3)
        assert changed.dtype == np.uint8
        assert changed.std() > 5
        sound, heard = spoiled_sound(clips.sounds[seed % 15, :32000], random)
        assert sound.shape == (32000,)
        assert np.abs(sound).max() <= 1.0
        for spoiling in (how, heard):
            assert all(0.0 <= value <= 1.0 for value in dataclasses.astuple(spoiling))
    slow = at_another_rate(clips.pictures[3, :48], np.random.default_rng(0))
    assert slow.shape == (48, 64, 64, 3)
    assert any((a == b).all() for a, b in pairwise(slow))


# ------------------------------------------------------------------ training


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_training_ends_with_the_same_bits(name: str, clips: Library, tmp_path: Path) -> None:
    settings = Settings(name, 3)
    whole = train(settings, clips, tmp_path / "whole")
    state = train(settings, clips, tmp_path / "parts", stop_after=1)
    assert state.name == f"{name}.state.pt"
    torch.manual_seed(99)
    parts = train(settings, clips, tmp_path / "parts")
    assert digest(whole) == digest(parts)
    one, other = (json.loads(path.with_suffix(".json").read_text()) for path in (whole, parts))
    assert one["curve"] == other["curve"]
    assert one["settings"] == {"name": name, "steps": 3, "seed": 0, "bfloat16": False, "clips": 15}


def test_training_moves_the_loss_and_hangs_on_the_seed(clips: Library, tmp_path: Path) -> None:
    one = train(Settings("mini_audio", 30), clips, tmp_path / "one")
    other = train(Settings("mini_audio", 30, seed=1), clips, tmp_path / "other")
    assert digest(one) != digest(other)
    curve = json.loads(one.with_suffix(".json").read_text())["curve"]
    assert [line["step"] for line in curve] == [10, 20, 30]
    assert curve[-1]["category"] < 0.7 * curve[0]["category"]


def test_training_is_not_gone_on_with_under_other_settings(clips: Library, tmp_path: Path) -> None:
    train(Settings("mini_audio", 4), clips, tmp_path, stop_after=1)
    with pytest.raises(BadParameter, match="use another folder"):
        train(Settings("mini_audio", 5), clips, tmp_path)
    with pytest.raises(BadParameter, match="no network 'mini_smell'"):
        Settings("mini_smell", 4)
    with pytest.raises(BadParameter, match="steps must be 1 or more"):
        Settings("mini_av", 0)


def test_the_command_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["mini_audio", "--data", str(tmp_path / "d"), "--out", str(tmp_path / "o"), "--clips", "15", "--steps", "2"]
    assert mini.main(command) == 0
    assert (tmp_path / "o" / "mini_audio.safetensors").is_file()
    assert "step 2 of 2" in capsys.readouterr().out
    assert mini.main([*command[:-1], "3"]) == 2
    assert "use another folder" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "steps", "key", "least"),
    [("mini_audio", 300, "accuracy", 0.9), ("mini_av", 300, "category_found", 0.85)],
)
def test_retraining_reaches_what_the_card_says(name: str, steps: int, key: str, least: float, tmp_path: Path) -> None:
    """Minutes: the whole way from items to weights on fewer clips and steps."""
    path = train(Settings(name, steps), library(tmp_path / "clips", 300, workers=2), tmp_path / "out")
    curve = json.loads(path.with_suffix(".json").read_text())["curve"]
    assert np.mean([line[key] for line in curve[-5:]]) >= least
