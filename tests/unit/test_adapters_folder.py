"""Clips that are there already: which file is which item's, and what is asked back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from avbench import pipeline, registry, suites
from avbench.adapters.folder import find
from avbench.encode import write_clip, write_wav
from avbench.errors import AvbenchError, BadCondition, BadFolder, BadManifest
from avbench.types import Clip, Item

ITEMS = (Item("a"), Item("b c"), Item("ü/x"))


@pytest.fixture
def suite(suite_folder: Callable[..., Path]) -> str:
    return str(suite_folder(["a", "b"], metrics=["duration"], reference=None))


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    def write(*names: str, text: str = "") -> Path:
        folder = tmp_path / "clips"
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text or name)
        return folder

    return write


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["a/0.mp4", "b c/0.mp4"], "{id}/{index}"),
        (["a_0.mkv", "b c_0.mkv"], "{id}_{index}"),
        (["a-0.mp4", "b c-0.mp4"], "{id}-{index}"),
        (["a.mp4", "b c.MP4"], "{id}"),
        (["a.mp4", "b c.mp4", "b c.wav"], "{id}"),
        (["video/a.mp4", "video/b c.mp4", "audio/a.wav"], "video/{id}"),
        (["sample_0000.mp4", "sample_0001.mp4"], "sample_{position}"),
        (["a.wav", "b c.flac"], "{id}"),
    ],
)
def test_names_are_tried_one_pattern_after_the_other(names: list[str], pattern: str, put: Callable[..., Path]) -> None:
    folder = put(*names)
    found = find(folder, ITEMS)
    assert found.pattern == pattern
    assert sorted(found.clips) == ["a", "b c"]
    assert list(found.lacking) == ["ü/x"]
    assert not found.others
    used = {p.relative_to(folder).as_posix() for c in found.clips.values() for p in (c.path, c.audio) if p}
    assert used == set(names)


def test_several_patterns_are_asked_back(put: Callable[..., Path]) -> None:
    folder = put("a.mp4", "a_0.mp4", "b c_0.mp4")
    with pytest.raises(BadFolder, match=r"fit 2 patterns: \{id\}_\{index\} \(2 clips, such as 'a_0.mp4'\), \{id\} \(1 clips"):
        find(folder, ITEMS)
    found = find(folder, ITEMS, "{id}_{index}.mp4")
    assert sorted(found.clips) == ["a", "b c"]
    assert found.others == {"a.mp4": "belongs to no item of the suite"}


def test_two_files_for_one_clip_strangers_and_links_out(put: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(BadFolder, match=r"'a.mp4' and 'a.mkv' are both clip 'a'"):
        find(put("a.mp4", "a.mkv"), ITEMS)
    (put() / "a.mkv").unlink()
    (tmp_path / "outside.mp4").write_text("x")
    (put() / "b c.mp4").symlink_to(tmp_path / "outside.mp4")
    found = find(put("notes.txt", "zzz.mp4"), ITEMS)
    assert list(found.clips) == ["a"]
    assert sorted(found.others) == ["notes.txt", "zzz.mp4"]


def test_a_list_says_which_clip_is_which(put: Callable[..., Path]) -> None:
    folder = put("x/1.mp4", "x/2.mp4", "x/2.wav")
    put("manifest.csv", text="id,index,video,audio\na,0,x/1.mp4,\nb c,0,x/2.mp4,x/2.wav\nother,0,x/1.mp4,\n")
    found = find(folder, ITEMS)
    assert found.clips["b c"].audio == folder / "x/2.wav"
    assert found.clips["a"].audio is None
    for text, message in (
        ("id,index\n", "column 'video' is missing"),
        ("id,index,video,audio\na,x,x/1.mp4,\n", ":2: index must be a whole number"),
        ("id,index,video,audio\na,0,../1.mp4,\n", ":2: '../1.mp4' is not in "),
        ("id,index,video,audio\na,0,x/1.mp4,\na,0,x/2.mp4,\n", ":3: clip 'a' is listed twice"),
    ):
        put("manifest.csv", text=text)
        with pytest.raises((BadManifest, BadFolder), match=message):
            find(folder, ITEMS)


def test_no_clip_at_all_says_what_was_tried(put: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(BadFolder, match=r"none of the 1 files \(such as 'q.mp4'\) is a clip of the 3 items, .* 'a'; tried "):
        find(put("q.mp4"), ITEMS)
    with pytest.raises(BadFolder, match="is not there"):
        find(tmp_path / "gone", ITEMS)


def test_a_folder_is_scored_as_a_model(suite: str, make_clip: Callable[..., Clip], tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    write_clip(clips / "a.mp4", make_clip("a"))
    spec = f"dir:{clips}?name=TheirModel"
    with pytest.raises(BadCondition, match=r"model TheirModel has no clip for 1 of the 2 items .* 'b': .*--allow-missing"):
        pipeline.run(spec, suite, out=tmp_path / "run")
    result = pipeline.run(spec, suite, out=tmp_path / "run", allow_missing=True)
    assert result.model == "TheirModel"
    assert (result["duration"].n_scored, result["duration"].n_items) == (1, 2)
    assert result["duration"].unscored["b"].startswith("missing: there is no clip b in ")
    write_clip(clips / "b.mp4", make_clip("b", seed=1))
    (clips / "stranger.txt").write_text("x")
    assert find(clips, suites.load(suite).items).others == {"stranger.txt": "belongs to no item of the suite"}
    pipeline.generate(spec, suite, out=tmp_path / "run")
    assert (clips / "a.mp4").is_file(), "the user's files stay where they are"
    write_clip(clips / "a.mp4", make_clip("a", seed=5, seconds=1.5))
    folder = pipeline.generate(spec, suite, out=tmp_path / "run")
    for id in "ab":
        assert (folder / f"{id}.mp4").read_bytes() == (clips / f"{id}.mp4").read_bytes(), "what was replaced is taken anew"


def test_samples_in_a_folder(suite: str, make_clip: Callable[..., Clip], tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for n, name in enumerate(("a_0", "a_1", "b_0", "b_1")):
        write_clip(clips / f"{name}.mp4", make_clip(name, seed=n))
    _, made = pipeline.generate_clips(f"dir:{clips}", suite, out=tmp_path / "run", samples=2)
    assert sorted(made.made) == ["a_0", "a_1", "b_0", "b_1"]
    assert made.made["b_1"].path.read_bytes() == (clips / "b_1.mp4").read_bytes()


def test_a_specification_that_is_none(tmp_path: Path) -> None:
    for text, message in (
        ("dir:", "expected dir:PATH"),
        ("dir:/x?pattern", "expected key=value after"),
        ("dir:/x?colour=red", "takes no parameters, not 'colour'"),
        ("proc:/no/such.toml", "is not there"),
        ("py:os", "expected py:package.module:Class"),
        ("py:no_such_package:x", "cannot be imported"),
        ("py:json:dumps", "must be a class derived from"),
        ("py:json:dump_all", "did you mean"),
    ):
        with pytest.raises(AvbenchError, match=message):
            registry.model(text)


def test_a_wav_beside_the_picture_goes_along(suite: str, make_clip: Callable[..., Clip], tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for n, name in enumerate("ab"):
        clip = make_clip(name, seed=n)
        write_clip(clips / f"{name}.mp4", clip)
    assert clip.audio is not None
    write_wav(clips / "a.wav", clip.audio, 16_000)
    folder = pipeline.generate(f"dir:{clips}", suite, out=tmp_path / "run")
    assert (folder / "a.wav").read_bytes() == (clips / "a.wav").read_bytes()
    assert suites.load(suite).items[0].id == "a"
    shutil.rmtree(clips)
