"""The procedural suite: exact event times, nothing of them in frame 0, the same bytes every time."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from avbench.errors import AvbenchError, BadParameter, UnknownName
from avbench.synth15 import CATEGORIES, frames, items, render, sound, write, writing
from avbench.synth15.__main__ import lines
from avbench.types import Item

ROOT = Path(__file__).resolve().parents[2]
BENCHMARK = ROOT / "benchmarks" / "synth15"
RATE = 16_000


def first_frame(item: Item, size: int = 96) -> NDArray[np.uint8]:
    return next(frames(item, width=size, height=size))


def of(category: str, number: int = 0) -> Item:
    return items("test", 15 * (number + 1))[15 * number + CATEGORIES.index(category)]


def other_events(item: Item, index: int) -> Item:
    """The same look with the events, strengths and sounds of another item of the category."""
    donor = items("train", 15 * (index + 1), seed=9)[15 * index + CATEGORIES.index(item.category)]
    seed = {"look": item.fields["seed"]["look"], "events": donor.fields["seed"]["events"]}
    return dataclasses.replace(item, events=donor.events, fields={"seed": seed})


def smoothed_loudness(samples: NDArray[np.float32], times: NDArray[np.float64], window: float = 0.03) -> NDArray[np.float64]:
    half = round(0.5 * window * RATE)
    power = np.concatenate([[0.0], np.cumsum(samples[0].astype(np.float64) ** 2)])
    middle = np.rint(times * RATE).astype(int)
    low, high = np.clip(middle - half, 0, len(power) - 1), np.clip(middle + half, 0, len(power) - 1)
    level: NDArray[np.float64] = np.sqrt((power[high] - power[low]) / np.maximum(high - low, 1))
    return level


def test_there_are_fifteen_sorted_categories_with_a_talking_face() -> None:
    assert len(CATEGORIES) == 15
    assert list(CATEGORIES) == sorted(CATEGORIES)
    assert "talking_face" in CATEGORIES


def test_committed_items_are_the_test_split() -> None:
    committed = (BENCHMARK / "items.jsonl").read_text(encoding="utf-8")
    assert committed == lines()
    rows = [json.loads(line) for line in committed.splitlines()]
    made = [Item(**{**row, "events": tuple(row["events"])}) for row in rows]
    assert tuple(made) == items("test")
    assert len({item.id for item in made}) == 150
    assert {sum(item.category == name for item in made) for name in CATEGORIES} == {10}
    assert all(item.prompt.endswith(".") and len(item.prompt) > 30 for item in made)


def test_splits_share_no_seed_and_a_longer_train_split_begins_with_the_shorter() -> None:
    def seeds(listed: tuple[Item, ...]) -> set[tuple[int, ...]]:
        return {tuple(item.fields["seed"][stream]) for item in listed for stream in ("look", "events")}

    test, train, more = items("test"), items("train", 300), items("train", 30, seed=1)
    assert not seeds(test) & seeds(train)
    assert not seeds(train) & seeds(more)
    assert {tuple(item.events) for item in test}.isdisjoint(tuple(item.events) for item in train)
    assert train[:45] == items("train", 45)
    assert train[0].id == "train_baby_crying_000000"
    assert test[-1].id == "test_toilet_flushing_009"


@pytest.mark.parametrize("seconds", [0.6, 2.0, 5.0])
def test_events_rise_and_keep_away_from_both_ends(seconds: float) -> None:
    for item in items("train", 300, seconds=seconds, seed=3):
        times = np.asarray(item.events)
        assert len(times) >= 1
        assert times.min() > 0.15
        assert times.max() < seconds - 0.05
        assert (np.diff(times) > 0.05).all()
        assert item.events == tuple(round(time, 6) for time in item.events)
        assert item.seconds == (None if seconds == 2.0 else seconds)


@pytest.mark.parametrize("category", CATEGORIES)
def test_first_frame_depends_on_the_look_alone(category: str) -> None:
    item = of(category)
    shown = first_frame(item)
    for index in range(2):
        assert np.array_equal(first_frame(other_events(item, index)), shown)
    # The check can fail: later frames do depend on the events, and frame 0 on the look.
    assert not np.array_equal(first_frame(of(category, 1)), shown)
    late, other = (np.stack(list(frames(it, width=64, height=64, frame_rate=6.0))) for it in (item, other_events(item, 0)))
    assert not np.array_equal(late, other)


@pytest.mark.parametrize("category", CATEGORIES)
def test_picture_is_calm_until_the_first_event_is_prepared(category: str) -> None:
    item = dataclasses.replace(of(category), events=(1.5,))
    shown = np.stack(list(frames(item, width=96, height=96))).astype(np.float64)
    change = np.abs(np.diff(shown, axis=0)).mean(axis=(1, 2, 3))
    assert change[:20].max() < 0.3 * change[34:38].max()


@pytest.mark.parametrize("category", CATEGORIES)
def test_sound_begins_at_each_event(category: str) -> None:
    for number in range(4):
        item = of(category, number)
        heard = sound(item)
        at = np.asarray(item.events)
        before, after = smoothed_loudness(heard, at - 0.018), smoothed_loudness(heard, at + 0.018)
        assert (after > 3.0 * before).all()


@pytest.mark.parametrize("category", CATEGORIES)
def test_motion_peaks_at_each_event(category: str) -> None:
    hits = total = 0
    for number in range(2):
        item = of(category, number)
        shown = np.stack(list(frames(item, width=96, height=96))).astype(np.float64)
        change = np.abs(np.diff(shown, axis=0)).mean(axis=(1, 2, 3))
        for time in item.events:
            at = int(time * 24.0)
            near = change[max(at - 1, 0) : at + 2].max()
            assert near > np.median(change)
            # Shots of a machine gun are 2 or 3 frames apart: their neighbours are peaks as well.
            reach = 1 if category == "machine_gun" else 3
            hits += bool(near >= 0.999 * change[max(at - reach, 0) : at + reach + 1].max())
            total += 1
    assert hits >= 0.85 * total


@pytest.mark.parametrize("category", CATEGORIES)
def test_sound_is_neither_clipped_nor_silent(category: str) -> None:
    for number in range(4):
        heard = sound(of(category, number))
        assert heard.dtype == np.float32
        assert heard.shape == (1, 2 * RATE)
        assert np.isfinite(heard).all()
        assert 0.3 < np.abs(heard).max() < 0.9
        quiet = smoothed_loudness(heard, np.array([0.1]))[0]
        assert 1e-4 < quiet < 0.1


def test_mouth_follows_the_loudness() -> None:
    from avbench.synth15.rendering import _scene

    for number in range(6):
        item = of("talking_face", number)
        times = np.arange(48) / 24.0
        mouth = np.array([_scene(item).opening(time) for time in times])  # type: ignore[attr-defined]
        loud = smoothed_loudness(sound(item), times, window=0.04)
        assert np.corrcoef(mouth, loud)[0, 1] > 0.7
        # The same from the pictures alone: how far the lower face is from the closed mouth of frame 0.
        shown = np.stack(list(frames(item, width=96, height=96))).astype(np.float64)
        change = np.abs(shown - shown[0])[:, 48:80, 30:66].mean(axis=(1, 2, 3))
        assert np.corrcoef(change, loud)[0, 1] > 0.6


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize(
    ("width", "height", "frame_rate", "seconds", "rate"),
    [(32, 32, 5.0, 0.7, 8000), (120, 68, 29.97, 1.1, 44_100), (50, 90, 12.0, 0.05, 22_050)],
)
def test_any_size_length_and_rate(category: str, width: int, height: int, frame_rate: float, seconds: float, rate: int) -> None:
    clip = render(of(category), width=width, height=height, frame_rate=frame_rate, seconds=seconds, sample_rate=rate)
    assert clip.video is not None
    assert clip.audio is not None
    assert clip.video.shape == (max(round(seconds * frame_rate), 1), height, width, 3)
    assert clip.audio.shape == (1, round(seconds * rate))
    assert clip.frame_rate == frame_rate


@pytest.mark.parametrize("category", CATEGORIES)
def test_content_does_not_depend_on_size_or_frame_rate(category: str) -> None:
    import cv2

    item = of(category)
    small = list(frames(item, width=64, height=64, frame_rate=4.0))
    large = list(frames(item, width=192, height=192, frame_rate=8.0))[::2]
    for one, other in zip(small, large, strict=True):
        shrunk = cv2.resize(other, (64, 64), interpolation=cv2.INTER_AREA)
        assert np.abs(one.astype(float) - shrunk.astype(float)).mean() < 6.0


def test_longer_clip_begins_with_the_shorter() -> None:
    item = of("drumming")
    short = np.stack(list(frames(item, width=64, height=64, seconds=1.0)))
    long = np.stack(list(frames(item, width=64, height=64, seconds=2.0)))
    assert np.array_equal(long[: len(short)], short)


def test_files_are_the_same_for_any_number_of_workers_and_decode(tmp_path: Path) -> None:
    listed = items("test", 3)
    seen: list[tuple[int, int]] = []
    one = write(listed, tmp_path / "one", width=64, height=64, workers=1)
    two = write(listed, tmp_path / "two", width=64, height=64, workers=2, progress=lambda done, of: seen.append((done, of)))
    assert list(one) == [item.id for item in listed]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    for item in listed:
        assert one[item.id].read_bytes() == two[item.id].read_bytes()
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == sorted(f"{item.id}.mp4" for item in listed)
    with av.open(str(two[listed[0].id])) as file:
        video, audio = file.streams.video[0], file.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height, float(video.average_rate or 0)) == (64, 64, 24.0)
        assert (audio.sample_rate, audio.channels) == (RATE, 1)
        pictures = [frame.to_ndarray(format="rgb24") for frame in file.decode(video)]
    with av.open(str(two[listed[0].id])) as file:
        samples = np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1)
    assert len(pictures) == 48
    assert np.abs(pictures[0].astype(float) - first_frame(listed[0], 64)).mean() < 8.0
    assert abs(samples.shape[1] - 2 * RATE) <= 2048
    assert np.abs(samples).max() < 1.0


def test_finished_files_are_kept(tmp_path: Path) -> None:
    listed = items("test", 2)
    kept = tmp_path / f"{listed[0].id}.mp4"
    kept.write_bytes(b"kept")
    seen: list[tuple[int, int]] = []
    write(listed, tmp_path, width=32, height=32, frame_rate=6.0, workers=1, progress=lambda done, of: seen.append((done, of)))
    assert kept.read_bytes() == b"kept"
    assert seen == [(1, 2), (2, 2)]


def test_write_is_safe_in_a_script_without_a_main_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\nfrom avbench.synth15 import items, write\n"
        "print(len(write(items('train', 2), Path('out'), width=32, height=32, frame_rate=6.0, workers=2)))\n"
    )
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr
    assert len(list((tmp_path / "out").glob("*.mp4"))) == 2


def test_a_dying_worker_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = writing._start

    def killed(*args: object) -> subprocess.Popen[str]:
        process = start(*args)  # type: ignore[arg-type]
        process.kill()
        return process

    monkeypatch.setattr(writing, "_start", killed)
    with pytest.raises(AvbenchError, match=r"worker that rendered test_baby_crying_000\.mp4 died with exit code"):
        write(items("test", 1), tmp_path, width=32, height=32, workers=1)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_ends_with_its_input() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "avbench.synth15.worker"],
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=30,
        check=False,
    )
    assert done.returncode == 0


def test_mistakes_are_named(tmp_path: Path) -> None:
    item = of("hammering")
    with pytest.raises(UnknownName, match="did you mean 'hammering'"):
        sound(dataclasses.replace(item, category="hamering"))
    with pytest.raises(BadParameter, match="count must be given"):
        items("train")
    with pytest.raises(BadParameter, match="test split is fixed"):
        items("test", seed=1)
    with pytest.raises(BadParameter, match="32 or more"):
        frames(item, width=16)
    with pytest.raises(BadParameter, match="8000 Hz or more"):
        sound(item, sample_rate=4000)
    with pytest.raises(BadParameter, match="seconds must be positive"):
        render(item, seconds=0.0)
    with pytest.raises(BadParameter, match="must hold seed"):
        sound(dataclasses.replace(item, fields={}))
    with pytest.raises(BadParameter, match="two items"):
        write([item, item], tmp_path)
    with pytest.raises(BadParameter, match="file name"):
        write([dataclasses.replace(item, id="../up")], tmp_path)
    with pytest.raises(AvbenchError, match="UnknownName: no category"):
        write([dataclasses.replace(item, category="nothing")], tmp_path, workers=1)


def test_importing_the_suite_is_light() -> None:
    code = (
        "import sys; from avbench.synth15 import items; items('test'); "
        "print(sorted({'cv2', 'scipy', 'av', 'torch'} & set(sys.modules)))"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert done.stdout.strip() == "[]"
