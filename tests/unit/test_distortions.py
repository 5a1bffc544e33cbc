"""Distortions: what they do to time, sound and picture, and that their files are real, repeatable and complete."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench.distortions import catalogue, files
from avbench.distortions.base import BLACK, Distortion, Edit, Source, generator_for
from avbench.encode import write_clip
from avbench.errors import BadFolder, BadParameter, UnknownName, Unscorable
from avbench.folders import find_clips
from avbench.media import Reader
from avbench.types import Clip, ClipFile
from tests.conftest import Said

RATE, FPS = 8_000, 20


def source(seconds: float = 10.0, *, audio: bool = True) -> Source:
    """Each sample and each frame says its own time."""
    sound = (np.arange(round(seconds * RATE)) / RATE / 100).astype(np.float32)[None] if audio else None
    return Source(np.arange(round(seconds * FPS)) / FPS, FPS, seconds, 48, 64, sound, RATE)


def edited(name: str, level: int, clip: Source | None = None, seed: int = 0) -> Edit:
    (distortion,) = catalogue.chosen([name])
    rng = generator_for("clip", distortion.code, level, seed)
    return distortion.apply(clip or source(), distortion.parameters[level], rng)


def heard(edit: Edit) -> NDArray[np.float64]:
    """The source's time of each sample."""
    assert edit.audio is not None
    return np.asarray(edit.audio[0] * 100.0, dtype=np.float64)


# ------------------------------------------------------------------ the AVS Benchmark's nine


def test_the_nine_types_have_the_published_parameters() -> None:
    speeds = (0.025, 0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.4, 0.5, 0.75)
    lengths = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 4)
    published = [
        (1, 0.5, 0.125, -0.045, -0.1, -0.125, -0.25, -0.5, -1, -2),
        *[speeds] * 4,
        *[lengths] * 3,
        (0.3, 0.4, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4),
    ]
    assert [d.parameters for d in catalogue.chosen(["avs"])] == published
    assert [d.code for d in catalogue.chosen(["all"])] == [f"{n:02d}" for n in range(1, 16)]


def test_shift() -> None:
    early = edited("01", 1)  # 0.5 s of the head are cut, and as much of the tail
    assert heard(early)[[0, -1]] == pytest.approx([0.5, 9.5], abs=1e-3)
    late = edited("01", 9)  # 2 s of silence, the end is lost
    assert heard(late)[[0, 2 * RATE - 1, 2 * RATE, -1]] == pytest.approx([0, 0, 0, 8], abs=1e-3)
    assert len(heard(late)) == 10 * RATE
    assert early.frames.tolist() == list(range(200))
    with pytest.raises(Unscorable, match="too_short"):
        edited("01", 0, source(2.0))


@pytest.mark.parametrize(("name", "factor"), [("audio_speed_up", 1.5), ("audio_slow_down", 0.5)])
def test_audio_speed(name: str, factor: float) -> None:
    found = heard(edited(name, 8))
    assert len(found) / RATE == pytest.approx(min(10.0, 10 / factor), abs=1e-3)
    times = np.arange(len(found)) / RATE
    assert found == pytest.approx(times * factor, abs=1e-3)


@pytest.mark.parametrize(("name", "factor"), [("video_speed_up", 1.5), ("video_slow_down", 0.5)])
def test_video_speed(name: str, factor: float) -> None:
    found = edited(name, 8)
    assert len(found.frames) == round(min(10.0, 10 / factor) * FPS + 0.4)
    assert found.frames == pytest.approx(np.arange(len(found.frames)) * factor, abs=1.0)
    assert found.audio is not None
    assert found.audio.shape[1] == 10 * RATE


def test_muting() -> None:
    found, times = heard(edited("06", 4)), np.arange(10 * RATE) / RATE  # 0.2 s of sound, 0.4 s of silence
    expected = np.where(np.mod(times + 1e-6, 0.6) < 0.2, times, 0.0)
    assert np.abs(found - expected).max() < 1e-3


def test_gaps_lengthen_the_picture_alone() -> None:
    found = edited("07", 6)  # segments of 0.5 s
    black = found.frames == BLACK
    kept = found.frames[~black]
    assert kept.tolist() == list(range(200))  # every frame is there once, in order
    blocks = black.reshape(-1, 10)
    assert (blocks.all(axis=1) | ~blocks.any(axis=1)).all()
    assert 2 <= blocks.all(axis=1).sum() <= 14  # 8 expected of 20
    assert found.audio is not None
    assert found.audio.shape[1] == 10 * RATE


def test_flicker_blanks_both_at_the_same_time() -> None:
    found = edited("08", 7)
    black = found.frames == BLACK
    assert 0.02 < black.mean() < 0.7
    seen = np.flatnonzero(~black)
    assert found.frames[seen].tolist() == seen.tolist()  # time goes on behind the gaps
    silent = heard(found)[(np.arange(len(black)) / FPS * RATE).astype(int).clip(max=len(heard(found)) - 1)] == 0
    silent[0] = black[0]
    assert (silent == black).mean() > 0.98


def test_shuffled_fragments_keep_sound_and_picture_together() -> None:
    found = edited("09", 3)  # 1 s
    first = found.frames[::FPS]
    assert sorted(first.tolist()) == [k * FPS for k in range(10)]
    assert first.tolist() != sorted(first.tolist())
    at_start = heard(found)[::RATE]
    assert at_start == pytest.approx(first / FPS, abs=1e-3)
    dropped = edited("09", 7)  # 3 s: the last second is lost
    assert len(dropped.frames) == 9 * FPS


# ------------------------------------------------------------------ avbench's own


def test_noise_has_the_ratio_it_says() -> None:
    clip = source()
    assert clip.audio is not None
    clip = Source(clip.times, FPS, 10.0, 48, 64, (0.1 * np.sin(np.arange(80_000) / 3)).astype(np.float32)[None], RATE)
    assert clip.audio is not None
    noise = np.asarray(edited("audio_noise", 4, clip).audio) - clip.audio
    assert 10 * np.log10(np.mean(clip.audio**2) / np.mean(noise**2)) == pytest.approx(20, abs=0.2)
    silent = Source(clip.times, FPS, 10.0, 48, 64, np.zeros((1, 80_000), dtype=np.float32), RATE)
    with pytest.raises(Unscorable, match="silent"):
        edited("audio_noise", 4, silent)


def test_low_pass_removes_what_is_above_and_moves_nothing() -> None:
    time = np.arange(80_000) / RATE
    mixed = (0.3 * np.sin(2 * np.pi * 100 * time) + 0.3 * np.sin(2 * np.pi * 3000 * time)).astype(np.float32)[None]
    clip = Source(np.arange(200) / FPS, FPS, 10.0, 48, 64, mixed, RATE)
    found = np.asarray(edited("low_pass", 8, clip).audio)[0, 800:-800]  # 500 Hz
    assert found == pytest.approx(0.3 * np.sin(2 * np.pi * 100 * time)[800:-800], abs=0.01)
    assert edited("low_pass", 0, clip).audio is mixed  # 7 kHz of 4 kHz


def test_looks() -> None:
    image = np.full((48, 64, 3), 128, dtype=np.uint8)
    image[:, 32:] = 200
    noisy = edited("video_noise", 5).look
    blurred = edited("blur", 9).look
    assert noisy is not None
    assert blurred is not None
    assert (noisy(image, 0).astype(float) - image)[:, :32].std() == pytest.approx(20, rel=0.05)
    assert not np.array_equal(noisy(image, 1), noisy(image, 2))
    assert blurred(image, 0)[:, 30].mean() > 135
    assert blurred(image, 0)[:, 2].mean() == pytest.approx(128, abs=1)


def test_dropped_frames_repeat_the_one_before() -> None:
    found = edited("frame_drop", 5).frames
    assert found[0] == 0
    assert (np.diff(found) >= 0).all()
    assert (found <= np.arange(200)).all()
    assert np.mean(np.diff(found) == 0) == pytest.approx(0.5, abs=0.12)


def test_swapped_sound_is_as_loud_and_of_the_length_it_says() -> None:
    rng = np.random.default_rng(0)
    clip = source()
    mine, theirs = ((a * rng.standard_normal((1, n))).astype(np.float32) for a, n in ((0.1, 80_000), (0.01, 30_000)))
    lent = Source(clip.times, FPS, 10.0, 48, 64, mine, RATE, theirs)
    found = np.asarray(edited("semantic_swap", 2, lent).audio)
    assert np.mean(found != mine) == pytest.approx(0.3, abs=0.01)
    assert found[found != mine].std() == pytest.approx(0.1, rel=0.05)
    with pytest.raises(Unscorable, match="no other clip"):
        edited("semantic_swap", 2, clip)


@pytest.mark.parametrize("distortion", catalogue.chosen(["all"]), ids=lambda d: d.name)
def test_every_distortion_at_every_level(distortion: Distortion) -> None:
    clip = source()
    lent = Source(clip.times, FPS, 10.0, 48, 64, clip.audio, RATE, clip.audio)
    for level in range(10):
        made = [edited(distortion.code, level, lent) for _ in range(2)]
        assert np.array_equal(made[0].frames, made[1].frames)
        assert made[0].audio is not None
        assert made[1].audio is not None
        assert np.array_equal(made[0].audio, made[1].audio)
        assert made[0].audio.dtype == np.float32
        assert np.abs(made[0].audio).max() <= 1
        assert made[0].frames.min() >= BLACK
        assert made[0].frames.max() < 200
        image = np.full((48, 64, 3), 77, dtype=np.uint8)
        assert made[0].look is None or made[0].look(image, 0).shape == image.shape
    if distortion.stream != "video":
        return
    assert edited(distortion.code, 5, source(audio=False)).audio is None


def test_another_seed_or_clip_is_another_draw() -> None:
    assert not np.array_equal(edited("07", 5).frames, edited("07", 5, seed=1).frames)
    assert generator_for("a", "07", 5, 0).random() != generator_for("b", "07", 5, 0).random()


def test_names() -> None:
    assert [d.code for d in catalogue.chosen(["blur", "01", "audio_shift"])] == ["01", "13"]
    with pytest.raises(UnknownName, match="did you mean 'blur'"):
        catalogue.chosen(["blurr"])
    assert catalogue.levels("0,3,5-7") == (0, 3, 5, 6, 7)
    for wrong in ("10", "a", "-1", "", "5-3"):
        with pytest.raises(BadParameter, match="levels are all"):
            catalogue.levels(wrong)


# ------------------------------------------------------------------ files


@pytest.fixture
def folder(tmp_path: Path, make_clip: Callable[..., Clip]) -> Path:
    """Two clips, one with a name that a shell would trip over, and a broken one."""
    out = tmp_path / "clips"
    (out / "sub").mkdir(parents=True)
    write_clip(out / "one.mp4", make_clip("one", seconds=1.2))
    write_clip(out / "sub" / "-tw o;$(x)\n%2Fé.mp4", make_clip("two", seed=1, seconds=1.0))
    (out / "broken.mp4").write_bytes(b"no clip")
    (out / "notes.txt").write_text("x")
    return out


def test_files_are_real_and_repeatable(folder: Path, tmp_path: Path) -> None:
    chosen, two = catalogue.chosen(["01", "09", "semantic_swap"]), "sub/-tw o;$(x)\n%2Fé"
    made = files.distort(folder, tmp_path / "a", chosen, (2, 1), original=True, workers=2)
    # Each of two clips: original, two levels of three types; half a second either way leaves nothing of the shorter one.
    assert len(made.files) == 2 * 7 - 1
    assert {(clip, code, level) for clip, code, level in made.failed if clip != "broken"} == {(two, "01", 1)}
    assert {reason.split(":")[0] for (clip, _, _), reason in made.failed.items() if clip == "broken"} == {"unreadable"}
    assert "notes.txt" in made.others
    plain = made.files["one", "01", 2]
    assert plain == tmp_path / "a" / "one_output_01_2.mp4"
    with Reader(ClipFile("x", plain)) as reader:
        assert sum(1 for _ in reader.frames()) == 14
        audio = reader.audio()
    assert audio is not None
    assert audio.samples.shape[1] / audio.sample_rate == pytest.approx(1.2 - 2 * 0.125, abs=0.07)
    assert len(find_clips(tmp_path / "a").clips) == len(made.files)
    again = files.distort(folder, tmp_path / "b", chosen, (2, 1), original=True, workers=1)
    assert {p.relative_to(tmp_path / "b"): p.read_bytes() for p in again.files.values()} == {
        p.relative_to(tmp_path / "a"): p.read_bytes() for p in made.files.values()
    }


def test_the_same_command_goes_on_where_it_stopped(folder: Path, tmp_path: Path, make_clip: Callable[..., Clip]) -> None:
    out, chosen = tmp_path / "out", catalogue.chosen(["06"])
    (folder / "broken.mp4").unlink()
    assert files.distort(folder, out, chosen, (1,), workers=1).kept == 0
    with (out / files.MANIFEST).open("a") as manifest:
        manifest.write('{"file": "one_out')  # a line cut short
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*.mp4")}
    more = files.distort(folder, out, chosen, (1, 2), workers=1)
    assert (more.kept, len(more.files)) == (2, 4)
    assert all(p.stat().st_mtime_ns == t for p, t in before.items())
    write_clip(folder / "one.mp4", make_clip("one", seed=9, seconds=1.2))  # another clip of that name
    assert files.distort(folder, out, chosen, (1, 2), workers=1).kept == 2
    assert files.distort(folder, out, chosen, (1, 2), workers=1, seed=5).kept == 0
    entry = json.loads((out / files.MANIFEST).read_text().splitlines()[-1])
    assert {"file", "clip", "type", "level", "parameter", "seed", "sha256"} <= set(entry)


def test_folders_that_cannot_be(folder: Path, tmp_path: Path) -> None:
    chosen = catalogue.chosen(["semantic_swap"])
    with pytest.raises(BadFolder, match="inside of"):
        files.distort(folder, folder / "out", chosen, (1,))
    for extra in ("broken.mp4", "one.mp4"):
        (folder / extra).unlink()
    with pytest.raises(BadParameter, match="holds one"):
        files.distort(folder, tmp_path / "out", chosen, (1,))
    if os.geteuid() != 0:
        (tmp_path / "shut").mkdir(mode=0o500)
        with pytest.raises(Exception, match="cannot be written"):
            files.distort(folder, tmp_path / "shut" / "out", catalogue.chosen(["01"]), (1,))


def test_the_command(avbench_cli: Callable[..., Said], folder: Path) -> None:
    said = avbench_cli("distort", folder, "--type", "blur,06", "--level", "3", "--out", "out", "--workers", "1", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert len(found["files"]) == 4
    assert {f["clip"] for f in found["failed"]} == {"broken"}
    said = avbench_cli("distort", folder, "--type", "blur,06", "--level", "3", "--out", "out", "--workers", "1")
    assert "4 files in out, 4 of them from before" in said.out
    assert "2 not made" in said.out
    assert "fragment_shuffle" in avbench_cli("distort", "--list").out
    assert len(json.loads(avbench_cli("distort", "--list", "--json").out)) == 15
    said = avbench_cli("distort", folder, "--out", "out")
    assert (said.code, "needs DIR, --type and --out" in said.message) == (2, True)


def test_a_clip_that_kills_or_hangs_its_process_stops_nothing_else(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = "import json, sys, time\n"
    body = (
        "for line in sys.stdin:\n"
        "    job = json.loads(line)\n"
        "    if job['clip']['id'] == 'broken': sys.exit(7)\n"
        "    if job['clip']['id'] == 'one': time.sleep(60)\n"
        "    open(job['path'], 'w').close()\n"
        "    print(json.dumps({'sha256': 'x', 'error': None}), flush=True)\n"
    )
    (tmp_path / "stub.py").write_text(plain + body)
    start = subprocess.Popen

    def stubbed(arguments: list[str], **settings: Any) -> Any:
        return start([arguments[0], str(tmp_path / "stub.py")], **settings)

    monkeypatch.setattr(subprocess, "Popen", stubbed)
    monkeypatch.setattr(files, "_PATIENCE", 1.0)
    made = files.distort(folder, tmp_path / "out", catalogue.chosen(["06"]), (1,), workers=1)
    assert {clip for clip, _, _ in made.files} == {"sub/-tw o;$(x)\n%2Fé"}
    assert "ended with code 7" in made.failed["broken", "06", 1]
    assert "ended with code -9" in made.failed["one", "06", 1]
