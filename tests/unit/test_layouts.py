"""Folders as other toolkits leave them: which file is which item's."""

from __future__ import annotations

from pathlib import Path

import pytest

from avbench import suites
from avbench.errors import BadFolder
from avbench.folders import beside, find_clips, match
from avbench.types import Item

LONG = "A drone shot over a coast where waves break on black rocks and gulls cry, " * 3


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def matched(folder: Path, items: list[Item]) -> tuple[dict[str, str], dict[str, str]]:
    found, others = match(find_clips(folder), items, "mine")
    return {id: clip.path.name for id, clip in found.items()}, others


def test_numbered_samples_beyond_four_digits(tmp_path: Path) -> None:
    items = [Item(f"sample_{n:04d}") for n in range(10_002)]
    found, _ = matched(touch(tmp_path, "sample_0000.mp4", "sample_9999.mp4", "sample_10001.mp4"), items)
    assert sorted(found) == ["sample_0000", "sample_10001", "sample_9999"]


def test_vbench_names_of_one_and_of_several_samples(tmp_path: Path) -> None:
    items = [Item("a", "A cat: eating/drinking, at 7 o'clock?"), Item("b", "A person is 50-50 happy-2")]
    touch(tmp_path, "A cat_ eating_drinking, at 7 o'clock_-0.mp4", "A person is 50-50 happy-2.mp4")
    assert matched(tmp_path, items)[0] == {
        "a": "A cat_ eating_drinking, at 7 o'clock_-0.mp4",
        "b": "A person is 50-50 happy-2.mp4",
    }
    several = list(suites.sampled((Item("c", "a cat"), Item("d", "a cat-like dog")), 5, "s"))
    folder = touch(tmp_path / "five", *(f"a cat-{k}.mp4" for k in range(5)), "a cat-like dog-3.mp4", "a cat-7.mp4")
    found, others = matched(folder, several)
    assert found == {**{f"c_{k}": f"a cat-{k}.mp4" for k in range(5)}, "d_3": "a cat-like dog-3.mp4"}
    assert "not among the 10 items" in others["a cat-7"]


def test_more_samples_than_the_suite_takes_are_listed(tmp_path: Path) -> None:
    found, others = matched(touch(tmp_path, "a cat-0.mp4", "a cat-1.mp4"), [Item("c", "a cat")])
    assert found == {"c": "a cat-0.mp4"}
    assert list(others) == ["a cat-1"]


def test_a_cut_prompt_stands_for_the_one_that_begins_so(tmp_path: Path) -> None:
    items = [Item("a", LONG), Item("b", "A drone shot over a city")]
    assert matched(touch(tmp_path, f"{LONG[:60]}.mp4"), items)[0] == {"a": f"{LONG[:60]}.mp4"}
    with pytest.raises(BadFolder, match="none of the 1 clips"):
        matched(touch(tmp_path / "short", "A drone.mp4"), items)  # too short to be sure
    twins = [Item("a", LONG + "one"), Item("b", LONG + "two")]
    with pytest.raises(BadFolder, match=r"may be any of 2 items of suite mine: 'a', 'b'; name it by the item's id"):
        matched(touch(tmp_path / "twins", f"{LONG[:60]}-0.mp4"), twins)


def test_prompts_that_no_file_name_can_tell_apart(tmp_path: Path) -> None:
    items = [Item("a", "a cat!"), Item("b", "A cat?")]
    with pytest.raises(BadFolder, match="may be any of 2 items"):
        matched(touch(tmp_path, "a cat-0.mp4"), items)
    assert matched(touch(tmp_path / "ids", "a.mp4", "b.mp4"), items)[0] == {"a": "a.mp4", "b": "b.mp4"}


def test_an_id_goes_before_a_prompt_and_two_clips_of_one_item_are_listed(tmp_path: Path) -> None:
    items = [Item("dog", "cat"), Item("cat", "dog")]
    assert matched(touch(tmp_path, "dog.mp4", "cat.mp4"), items)[0] == {"dog": "dog.mp4", "cat": "cat.mp4"}
    touch(tmp_path / "two", "x/dog.mp4", "y/dog.mkv", "z/dog.webm")
    with pytest.raises(BadFolder, match=r"'x/dog.mp4' and 'y/dog.mkv' and 'z/dog.webm' are all item 'dog'; remove all but one"):
        matched(tmp_path / "two", items)


def test_the_paths_of_a_list(tmp_path: Path) -> None:
    items = [Item("sample_0000", fields={"pred_video_path": "out/x.mp4", "pred_audio_path": "out/x.wav"})]
    assert matched(touch(tmp_path, "out/x.mp4", "out/x.wav"), items)[0] == {"sample_0000": "x.mp4"}


def test_two_folders_by_stem(tmp_path: Path) -> None:
    sounds = find_clips(touch(tmp_path / "pred", "a.wav", "b.flac", "lost.wav"))
    pictures = find_clips(touch(tmp_path / "video", "a.mp4", "deep/b.mkv", "c.mp4"))
    found = beside(sounds, pictures)
    assert [(c.id, c.path.name, c.audio.name if c.audio else None) for c in found.clips] == [
        ("a", "a.mp4", "a.wav"),
        ("b", "b.mkv", "b.flac"),
    ]
    assert found.others == {"lost": "no picture of the same name in the folder of pictures"}
    with pytest.raises(BadFolder, match=r"clip 'a': its picture may be 'a.mp4' and 'z/a.mkv'"):
        beside(sounds, find_clips(touch(tmp_path / "video", "z/a.mkv")))
    with pytest.raises(BadFolder, match="none of the 3 clips"):
        beside(sounds, find_clips(touch(tmp_path / "other", "q.mp4")))
