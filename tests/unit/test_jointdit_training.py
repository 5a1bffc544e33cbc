"""JointDiT's training: learns eight clips by heart, goes on where it stopped, and the committed weights read the picture."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from avbench.content import folder
from avbench.errors import BadParameter, MissingData
from avbench.models import jointdit_package
from avbench.models.jointdit import Shape
from avbench.models.mel_inversion import log_mel
from avbench.models.motion_codec import MotionCodec
from avbench.models.sound_codec import SoundCodec
from avbench.synth15 import frames, items, sound
from avbench.training import jointdit, jointdit_codec, jointdit_export
from avbench.training.jointdit_codec import CodecPlan
from avbench.training.jointdit_data import Tokens, tokens
from avbench.training.jointdit_events import f1, f1_with_interval, matched, peaks
from avbench.training.jointdit_loop import HELD_OUT, Stage, Training, fresh, losses, pairing_gap, schedule, train
from avbench.training.library import library

MICRO = Shape(
    components=12, sound_components=10, width=32, sound_width=32, head=16, qk=32, v=32, joint_head=16, condition=16, outputs=1
)


def data(count: int = HELD_OUT + 8) -> Tokens:
    random = np.random.default_rng(0)
    video = random.standard_normal((count, 2, 128, 12)).astype(np.float16)
    audio = random.standard_normal((count, 40, 10)).astype(np.float16)
    return Tokens(video, audio, random.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8))


def test_eight_clips_are_learned_by_heart() -> None:
    model = fresh(MICRO, 0).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    few, made = data(8), torch.Generator().manual_seed(0)
    video, audio, image = (torch.from_numpy(x) for x in few.rows(np.arange(8), np.zeros(8, np.intp)))
    noise = torch.randn(video.shape, generator=made), torch.randn(audio.shape, generator=made)
    # The same u and noise in every step: only what the layers can learn is asked for.
    batch = (video, audio, image, torch.linspace(0.2, 0.9, 8), *noise, torch.ones(8))
    numbers = []
    for _ in range(80):
        loss, parts = losses(model, "joint", Training(), *batch)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        numbers.append(parts)
    for stream in ("video", "audio"):
        assert numbers[-1][stream] < 0.5 * numbers[0][stream]


@pytest.mark.slow
def test_eight_clips_are_learned_by_heart_to_a_tenth() -> None:
    model = fresh(dataclasses.replace(MICRO, width=64, sound_width=64), 0).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    video, audio, image = (torch.from_numpy(x) for x in data(8).rows(np.arange(8), np.zeros(8, np.intp)))
    noise = torch.randn(video.shape), torch.randn(audio.shape)
    batch = (video, audio, image, torch.linspace(0.2, 0.9, 8), *noise, torch.ones(8))
    numbers = []
    for _ in range(900):
        loss, parts = losses(model, "joint", Training(), *batch)
        numbers.append(parts)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert all(numbers[-1][stream] < 0.1 * numbers[0][stream] for stream in ("video", "audio"))


def test_a_stage_goes_on_where_it_stopped_as_if_it_had_not(tmp_path: Path) -> None:
    stage, training, clips = Stage("joint", 6, 4), Training(), data()
    lines: list[str] = []
    whole = train(stage, training, fresh(MICRO, 0), clips, tmp_path / "a", gap_every=3, progress=lines.append)
    state = train(stage, training, fresh(MICRO, 0), clips, tmp_path / "b", stop_after=2, gap_every=3)
    assert state.name == "joint.state.pt"
    again = train(stage, training, fresh(MICRO, 5), clips, tmp_path / "b", gap_every=3)
    one, other = load_file(whole), load_file(again)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    note = json.loads((tmp_path / "a" / "joint.json").read_text())
    assert [gap["step"] for gap in note["pairing_gap"]] == [3, 6]
    assert set(note["pairing_gap"][0]) == {"step", "paired", "rolled", "late", "masked"}
    assert note["curve"][-1]["step"] == 6
    assert any("pairing gap" in line for line in lines)
    with pytest.raises(BadParameter, match="asked for was"):
        train(Stage("joint", 7, 4), training, fresh(MICRO, 0), clips, tmp_path / "b")


def test_each_stage_trains_what_it_is_for(tmp_path: Path) -> None:
    before = fresh(MICRO, 0).state_dict()
    moved = {}
    for name in ("experts", "joint", "v2a"):
        model = fresh(MICRO, 0)
        # Seven steps: a gate of zero passes no gradient on before it has moved itself.
        train(Stage(name, 7, 4), dataclasses.replace(Training(), dropped=0.5), model, data(), tmp_path / name)
        moved[name] = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    joints = {key for key in before if key.startswith("joints.")}
    assert not moved["experts"] & joints
    assert moved["joint"] == set(before)


def test_the_rate_rises_and_falls() -> None:
    rates = [schedule(step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.05, abs=1e-3)


def test_a_loss_that_is_not_finite_and_settings_without_sense_are_refused(tmp_path: Path) -> None:
    clips = data()
    clips.audio[:] = np.nan
    with pytest.raises(BadParameter, match="the loss is not finite at step 1"):
        train(Stage("joint", 3, 4), Training(), fresh(MICRO, 0), clips, tmp_path)
    with pytest.raises(BadParameter, match="needs more than that"):
        train(Stage("joint", 3, 4), Training(), fresh(MICRO, 0), data(HELD_OUT), tmp_path)
    with pytest.raises(BadParameter, match="there is no stage 'third'"):
        Stage("third", 3)  # type: ignore[arg-type]
    config = tmp_path / "config.toml"
    for text in (
        "[shape",
        "",
        "[data]\nclips = [60]\n[[stages]]\nname = 'joint'\nstepz = 3",
        "[data]\nclips = ['x']\n[[stages]]",
    ):
        config.write_text(text)
        with pytest.raises(BadParameter, match="not a configuration of JointDiT"):
            jointdit.read_config(config)


def test_the_committed_configuration_is_that_of_the_network() -> None:
    shape, _, codec, clips, stages = jointdit.read_config(folder("baselines") / "jointdit" / "config.toml")
    assert shape == Shape()
    assert codec == CodecPlan()
    assert sum(clips) >= 3000
    assert [stage.name for stage in stages] == ["experts", "joint", "v2a", "uni"]


def test_the_codec_goes_on_where_it_stopped_and_learns_what_moves(tmp_path: Path) -> None:
    clips = [library(library_of_squares(tmp_path / "clips"), 15)]
    plan = CodecPlan(steps=40, clips=3, frames=2, rate=3e-3)
    lines: list[str] = []
    whole = jointdit_codec.train(plan, 4, clips, tmp_path / "a", progress=lines.append)
    jointdit_codec.train(plan, 4, clips, tmp_path / "b", stop_after=15)
    assert not (tmp_path / "b" / "codec.safetensors").exists()
    again = jointdit_codec.train(plan, 4, clips, tmp_path / "b")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    read = jointdit_codec.train(plan, 4, clips, tmp_path / "a")
    assert all(torch.equal(value, read.state_dict()[name]) for name, value in whole.state_dict().items())
    assert lines[-1].startswith("codec 40 of 40")
    frames = np.asarray(clips[0].pictures[0, :48:2])
    errors = [((x.astype(float) - frames) ** 2).mean() for x in (whole.frames(whole.tokens(frames), frames[0]), frames[:1])]
    assert errors[0] < 0.7 * errors[1]
    with pytest.raises(BadParameter, match="asked for was"):
        jointdit_codec.train(plan, 5, clips, tmp_path / "a")
    with pytest.raises(BadParameter, match="must be positive"):
        CodecPlan(steps=0)


def library_of_squares(where: Path) -> Path:
    """Fifteen clips in which a square goes from left to right before a still ground."""
    library_of_noise(where, 15)
    pictures = np.full((15, 72, 64, 64, 3), 60, np.uint8)
    for n in range(15):
        for time in range(72):
            pictures[n, time, 20:44, (time // 2) : (time // 2) + 24] = (40 + 12 * n, 220, 200 - 12 * n)
    np.save(where / "pictures.npy", pictures)
    return where


def test_one_stage_begins_from_another_and_becomes_a_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shape = "\n".join(f"{key} = {value}" for key, value in dataclasses.asdict(MICRO).items())
    stages = "".join(f'\n[[stages]]\nname = "{name}"\nsteps = 2\nbatch = 2' for name in ("experts", "joint"))
    config, run = tmp_path / "config.toml", tmp_path / "run"
    config.write_text(f"[shape]\n{shape}\n[codec]\nsteps = 2\nclips = 1\nframes = 2\n[data]\nclips = [{HELD_OUT + 4}]{stages}")
    clips = library_of_noise(tmp_path / "data" / "seed0", HELD_OUT + 4)
    base = ["--config", str(config), "--data", str(tmp_path / "data"), "--out", str(run)]
    assert jointdit.main([*base, "--stage", "joint"]) == 2
    assert "train experts first" in capsys.readouterr().err
    assert jointdit.main(base) == 0
    assert jointdit.main(base) == 0  # everything is there already
    codecs = jointdit_codec.read_codec(run / "codec.safetensors", 4), jointdit.read_sound(run / "sound.npz")
    rows = tokens([library(clips, HELD_OUT + 4)], codecs, run)
    assert rows.video.shape == (HELD_OUT + 4, 2, 128, 12)
    (run / "sound.npz").rename(run / "elsewhere.npz")
    with pytest.raises(MissingData, match=r"sound\.npz"):
        jointdit_export.export(run, "joint", tmp_path / "model.safetensors")
    (run / "elsewhere.npz").rename(run / "sound.npz")
    for more in ([], ["--now"]):
        given = ["--run", str(run), "--stage", "joint", "--to", str(tmp_path / "model.safetensors"), *more]
        assert jointdit_export.main(given) == 0
        assert "step 2" in capsys.readouterr().out
        assert jointdit_package.load(tmp_path / "model.safetensors", "joint").model.shape == MICRO


def library_of_noise(where: Path, count: int) -> Path:
    """A library that says of itself that it is rendered."""
    random = np.random.default_rng(0)
    where.mkdir(parents=True)
    np.save(where / "pictures.npy", random.integers(0, 256, (count, 72, 64, 64, 3), dtype=np.uint8))
    np.save(where / "sounds.npy", random.integers(-9999, 9999, (count, 48_000)).astype(np.int16))
    np.save(where / "done.npy", np.ones(count, np.uint8))
    about = {"split": "train", "seed": 0, "count": count, "seconds": 3.0, "side": 64, "version": 1}
    (where / "library.json").write_text(json.dumps(about))
    return where


# ------------------------------------------------------------------ events


def test_events_are_matched_once_within_the_tolerance() -> None:
    one, other = np.array([0.5, 1.0, 1.5]), np.array([0.45, 0.55, 1.7])
    assert matched(one, other) == 1
    assert matched(one, other, 0.3) == 2
    assert matched(one, other, 0.5) == 3
    assert f1([one], [one]) == 1.0
    assert f1([one], [other]) == pytest.approx(2 / 6)
    assert f1([np.array([])], [np.array([])]) == 0.0
    interval = f1_with_interval([one, one, other], [one, other, other])
    assert interval["low"] <= interval["value"] <= interval["high"]


def test_peaks_are_apart_and_the_highest_stays() -> None:
    curve = np.zeros(48)
    curve[[5, 7, 20]] = (0.6, 0.9, 0.3)
    assert peaks(curve, 0.25).tolist() == pytest.approx([7 / 24, 20 / 24])
    assert peaks(curve, 0.5).tolist() == pytest.approx([7 / 24])


# ------------------------------------------------------------------ the committed weights


def test_the_committed_joint_model_reads_the_picture_when_it_makes_the_sound() -> None:
    package = jointdit_package.load(folder("baselines") / "jointdit" / "model.safetensors", "joint")
    rows = coded(package.video, package.audio, 15)
    # Where the sound is still mostly noise, its timing has to come from the picture.
    gap = pairing_gap(package.model, rows, count=15, at_u=(0.75,))
    for name in ("rolled", "late", "masked"):
        assert gap[name] > 1.15 * gap["paired"]


def coded(video: MotionCodec, audio: SoundCodec, count: int) -> Tokens:
    """Items of the test split as tokens."""
    seen, heard, first = [], [], []
    for item in items("test", count):
        pictures = np.stack(list(frames(item, width=64, height=64, frame_rate=12.0)))
        seen.append(np.stack([video.tokens(pictures)] * 2))
        heard.append(audio.tokens(log_mel(sound(item)[0])))
        first.append(pictures[0])
    return Tokens(np.stack(seen).astype(np.float16), np.stack(heard).astype(np.float16), np.stack(first))
