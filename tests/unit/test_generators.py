"""The four reference generators: what moves, what stays."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from avbench import pipeline, registry, suites
from avbench.encode import write_clip
from avbench.errors import AvbenchError, BadParameter, MissingData
from avbench.generators.shifted import shift
from avbench.generators.shuffled import partners
from avbench.media import Reader
from avbench.types import Clip, ClipFile, Item, Suite

Make = Callable[..., Clip]
IDS = ["a", "b", "c", "d"]


@pytest.fixture
def suite(suite_folder: Callable[..., Path], make_clip: Make) -> Suite:
    folder = suite_folder(IDS)
    (folder / "reference").mkdir()
    for n, id in enumerate(IDS):
        write_clip(folder / "reference" / f"{id}.mp4", make_clip(id, seed=n, seconds=2.0))
    return suites.load(str(folder))


def made(model: str, suite: Suite, folder: Path, *, seed: int = 0) -> dict[str, ClipFile]:
    folder.mkdir()
    generator = pipeline.registry_generator(model)
    clips = list(generator.generate(suite.items, suite=suite, seed=seed, folder=folder))
    assert all(isinstance(clip, ClipFile) for clip in clips)
    return {clip.id: clip for clip in clips if isinstance(clip, ClipFile)}


def read(clip: ClipFile) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    with Reader(clip) as reader:
        frames = np.stack(list(reader.frames()))
        sound = reader.audio()
    assert sound is not None
    return frames, sound.samples


def test_reference_copies_byte_for_byte(suite: Suite, tmp_path: Path) -> None:
    for id, clip in made("reference", suite, tmp_path / "out").items():
        assert clip.path.read_bytes() == (suite.folder / "reference" / f"{id}.mp4").read_bytes()
        assert clip.text == f"prompt of {id}"


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_sound_file_beside_the_reference_goes_along_into_the_run(
    suffix: str, suite: Suite, make_clip: Make, tmp_path: Path
) -> None:
    sound = make_clip("x", seed=9, seconds=2.0).audio
    assert sound is not None
    soundfile.write(suite.folder / "reference" / f"a{suffix}", sound[0], 16_000)
    folder = pipeline.generate("reference", str(suite.folder), out=tmp_path / "out")
    assert (folder / f"a{suffix}").read_bytes() == (suite.folder / "reference" / f"a{suffix}").read_bytes()
    result = pipeline.run("reference", str(suite.folder), out=tmp_path / "out", metrics=["loudness"])
    alone = pipeline.score(suite.folder / "reference", metrics=["loudness"], out=tmp_path / "score")
    assert result.clips["a"]["sha256"] == alone.clips["a"]["sha256"]
    assert result["loudness"].value == alone["loudness"].value


@pytest.mark.parametrize("seconds", [0.5, 0.25, -0.25])
def test_shifted_moves_the_sound_and_no_pixel(seconds: float, suite: Suite, tmp_path: Path) -> None:
    clips = made(f"shifted[seconds={seconds}]", suite, tmp_path / "out")
    for id in IDS:
        frames, sound = read(clips[id])
        before, heard = read(ClipFile(id, suite.folder / "reference" / f"{id}.mp4"))
        np.testing.assert_array_equal(frames, before)
        by = round(seconds * 16_000)
        length = heard.shape[1]
        expected = shift(heard, by)
        assert np.corrcoef(sound[0][:length], expected[0])[0, 1] > 0.85
        lag = int(np.argmax(np.correlate(sound[0][:length], heard[0], "full"))) - (length - 1)
        assert abs(lag - by) <= 2


def test_shifted_by_more_than_the_clip_is_silent_and_by_no_number_is_refused(suite: Suite, tmp_path: Path) -> None:
    _, sound = read(made("shifted[seconds=60]", suite, tmp_path / "out")["a"])
    assert np.abs(sound).max() < 1e-3
    for value in (float("nan"), float("inf")):
        with pytest.raises(BadParameter, match="shifted: seconds must be a finite number"):
            registry.generator("shifted", seconds=value)


@given(st.integers(-12, 12), st.integers(1, 8))
def test_shifting_back_restores_what_did_not_fall_off(by: int, length: int) -> None:
    samples = np.arange(1, 2 * length + 1, dtype=np.float32).reshape(2, length)
    moved = shift(samples, by)
    assert moved.shape == samples.shape
    kept = max(0, length - abs(by))
    assert np.count_nonzero(moved) == 2 * kept
    if kept:
        np.testing.assert_array_equal(moved[:, max(by, 0) : max(by, 0) + kept], samples[:, max(-by, 0) : max(-by, 0) + kept])


def test_shuffled_gives_every_item_the_sound_of_another(suite: Suite, tmp_path: Path) -> None:
    clips = made("shuffled", suite, tmp_path / "out")
    partner = partners(suite.items, 0)
    for id in IDS:
        frames, sound = read(clips[id])
        np.testing.assert_array_equal(frames, read(ClipFile(id, suite.folder / "reference" / f"{id}.mp4"))[0])
        other = read(ClipFile("x", suite.folder / "reference" / f"{partner[id].id}.mp4"))[1]
        length = min(sound.shape[1], other.shape[1])
        assert np.corrcoef(sound[0][:length], other[0][:length])[0, 1] > 0.85


@given(st.lists(st.sampled_from("xyz"), min_size=2, max_size=40), st.integers(0, 5))
def test_partners_are_a_permutation_without_fixed_points(categories: list[str], seed: int) -> None:
    items = [Item(f"i{n}", category=c) for n, c in enumerate(categories)]
    found = partners(items, seed)
    assert sorted(p.id for p in found.values()) == sorted(i.id for i in items)
    assert all(found[i.id].id != i.id for i in items)
    if 2 * max(Counter(categories).values()) <= len(items):
        assert all(found[i.id].category != i.category for i in items)


def test_partners_follow_the_seed() -> None:
    items = [Item(f"i{n}", category=str(n % 4)) for n in range(40)]
    assert partners(items, 1) == partners(items, 1)
    assert partners(items, 1) != partners(items, 2)
    with pytest.raises(BadParameter, match="needs two items or more; give a larger --limit"):
        partners(items[:1], 0)


def test_noise_is_of_the_asked_size_and_no_two_are_alike() -> None:
    suite = dataclasses.replace(suites.load("synth15", limit=2), width=32, height=48, seconds=0.5)
    items = [*suite.items, Item("long", seconds=1.0)]

    def noise(seed: int) -> list[Clip]:
        clips = list(registry.generator("noise").generate(items, suite=suite, seed=seed, folder=Path()))
        return [c for c in clips if isinstance(c, Clip)]

    first = noise(0)
    assert [c.video.shape for c in first if c.video is not None] == [(12, 48, 32, 3)] * 2 + [(24, 48, 32, 3)]
    assert [c.audio.shape for c in first if c.audio is not None] == [(1, 8_000)] * 2 + [(1, 16_000)]
    for clip in first:
        assert clip.audio is not None
        assert 20 * np.log10(np.sqrt(np.mean(clip.audio**2))) == pytest.approx(-20.0, abs=0.3)
    hashes = {c.video.tobytes() for c in [*first, *noise(1)] if c.video is not None}
    assert len(hashes) == 6


# ------------------------------------------------------------------ what cannot be done


@pytest.mark.parametrize("model", ["reference", "shifted", "shuffled"])
def test_reference_clips_that_are_not_there_are_named(
    model: str, suite: Suite, suite_folder: Callable[..., Path], tmp_path: Path
) -> None:
    (suite.folder / "reference" / "c.mp4").unlink()
    with pytest.raises(BadParameter, match="1 of 4 items have no reference clip, the first is 'c'"):
        pipeline.generate(model, str(suite.folder), out=tmp_path / "a")
    none = suite_folder(["a", "b"], name="none", reference=None)
    with pytest.raises(BadParameter, match=f"model {model} .* suite none has none"):
        pipeline.generate(model, str(none), out=tmp_path / "b")
    absent = suite_folder(["a", "b"], name="absent")
    with pytest.raises(MissingData, match=r"get them from: https://example\.org/clips\.zip"):
        pipeline.generate(model, str(absent), out=tmp_path / "c")


@pytest.mark.parametrize("model", ["shifted", "shuffled"])
def test_a_reference_clip_without_picture_sound_or_sense_is_named(
    model: str, suite: Suite, make_clip: Make, tmp_path: Path
) -> None:
    path = suite.folder / "reference" / "a.mp4"
    write_clip(path, make_clip("a", audio=False))
    with pytest.raises(AvbenchError, match="reference clip 'a' has no sound"):
        pipeline.generate(model, str(suite.folder), out=tmp_path / "out1")
    path.write_bytes(b"no clip")
    with pytest.raises(AvbenchError, match="reference clip 'a' cannot be used: unreadable"):
        pipeline.generate(model, str(suite.folder), out=tmp_path / "out2")
    path.unlink()
    soundfile.write(path.with_suffix(".wav"), np.zeros(16_000), 16_000)
    with pytest.raises(AvbenchError, match=r"a\.wav: there is no picture to copy"):
        pipeline.generate(model, str(suite.folder), out=tmp_path / "out3")
