"""What is a clip, what it is called, and which item of a suite it is."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avbench.errors import BadFolder
from avbench.folders import file_name, find_clips, match
from avbench.types import Item


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def ids(folder: Path) -> list[str]:
    return [c.id for c in find_clips(folder).clips]


def test_every_container_at_any_depth_is_a_clip_in_order(tmp_path: Path) -> None:
    names = ["b.mp4", "a.MKV", "c.webm", "d.mov", "e.avi", "f.mpg", "g.m4v", "deep/er/h.mpeg", "i.wav", "j.flac", "k.opus"]
    assert ids(touch(tmp_path, *names)) == ["a", "b", "c", "d", "deep/er/h", "e", "f", "g", "i", "j", "k"]


def test_a_sound_file_beside_a_video_is_its_sound_and_alone_a_clip(tmp_path: Path) -> None:
    found = find_clips(touch(tmp_path, "x.mp4", "x.wav", "y.mp4", "z.wav", "sub/x.wav"))
    assert [(c.id, c.path.name, c.audio.name if c.audio else None) for c in found.clips] == [
        ("sub/x", "x.wav", None),
        ("x", "x.mp4", "x.wav"),
        ("y", "y.mp4", None),
        ("z", "z.wav", None),
    ]


def test_other_files_are_listed_with_reasons_and_hidden_ones_are_not(tmp_path: Path) -> None:
    folder = touch(tmp_path, "a.mp4", "notes.txt", "image.png", ".hidden.mp4", ".git/b.mp4", "._a.mp4", "noext")
    found = find_clips(folder)
    assert [c.id for c in found.clips] == ["a"]
    assert set(found.others) == {"notes.txt", "image.png", "noext"}
    assert all("suffix" in reason for reason in found.others.values())


def test_links_are_followed_inside_the_folder_only_and_never_in_circles(tmp_path: Path) -> None:
    folder = touch(tmp_path / "clips", "a.mp4", "sub/b.mp4")
    secret = touch(tmp_path, "secret.mp4") / "secret.mp4"
    (folder / "inside.mp4").symlink_to(folder / "a.mp4")
    (folder / "outside.mp4").symlink_to(secret)
    (folder / "broken.mp4").symlink_to(folder / "nothing.mp4")
    (folder / "circle.mp4").symlink_to("circle.mp4")
    (folder / "above").symlink_to(tmp_path)
    (folder / "again").symlink_to(folder / "sub")
    os.mkfifo(folder / "pipe.mp4")
    found = find_clips(folder)
    assert [c.id for c in found.clips] == ["a", "inside", "sub/b"]
    assert set(found.others) == {"outside.mp4", "broken.mp4", "circle.mp4", "above", "again", "pipe.mp4"}
    assert "leads out of the folder" in found.others["outside.mp4"]
    assert found.others["pipe.mp4"] == "not a regular file"


def test_a_link_to_the_folder_itself_is_fine(tmp_path: Path) -> None:
    folder = touch(tmp_path / "clips", "a.mp4")
    (tmp_path / "link").symlink_to(folder)
    assert ids(tmp_path / "link") == ["a"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a.mp4", "a.mkv"), r"'a\.mkv' and 'a\.mp4' are both clip 'a'; rename or remove one"),
        (("s/a.wav", "s/a.flac"), "are both clip 's/a'"),
        (("\u00e9.mp4", "e\u0301.mp4"), "are both clip '\u00e9'"),
        (("a.mp4", "a.MP4"), "are both clip 'a'"),
    ],
)
def test_two_files_of_one_name_are_refused(names: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(BadFolder, match=message):
        find_clips(touch(tmp_path, *names))


def test_a_folder_that_is_missing_a_file_or_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFolder, match=r"nothing is not there; expected a folder of clips \(\.mp4"):
        find_clips(tmp_path / "nothing")
    with pytest.raises(BadFolder, match=r"a\.mp4 is a file; expected a folder"):
        find_clips(touch(tmp_path, "a.mp4") / "a.mp4")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadFolder, match="has no clips: it holds nothing; expected"):
        find_clips(tmp_path / "empty")
    with pytest.raises(BadFolder, match=r"has no clips: it holds 2 other files, such as 'a\.txt'; expected"):
        find_clips(touch(tmp_path / "texts", "a.txt", "b.json"))


def test_names_that_are_no_utf8_are_written_out(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"a\xff.mp4")).write_bytes(b"x")
    except OSError:
        pytest.skip("the file system takes no such names")
    (clip,) = find_clips(tmp_path).clips
    assert clip.id == "a\\xff"
    assert clip.path.exists()


# ------------------------------------------------------------------ items

ITEMS = (Item("dog", "a dog"), Item("cat/1"), Item("b\u00e9b\u00e9"), Item("sample_0007"), Item("x.y"))


def test_clips_are_matched_by_id_by_its_last_part_and_by_number(tmp_path: Path) -> None:
    folder = touch(
        tmp_path,
        "outputs/dog.mp4",
        "sample_0001.mp4",
        "sample_0001.wav",
        unicodedata.normalize("NFD", "b\u00e9b\u00e9") + ".mp4",
        "x.y.mp4",
    )
    ours, others = match(find_clips(folder), ITEMS, "mine")
    assert set(ours) == {"dog", "cat/1", "b\u00e9b\u00e9", "x.y"}
    assert ours["dog"].text == "a dog"
    assert all(clip.id == id for id, clip in ours.items())
    assert ours["cat/1"].audio is not None
    assert others == {}


def test_an_id_wins_over_a_number_and_numbers_beyond_the_items_are_others(tmp_path: Path) -> None:
    ours, others = match(find_clips(touch(tmp_path, "sample_0007.mp4", "sample_0099.mp4", "sample_1.mp4")), ITEMS, "mine")
    assert set(ours) == {"sample_0007"}
    assert set(others) == {"sample_0099", "sample_1"}
    assert "suite mine" in others["sample_1"]


def test_the_name_that_a_run_gives_is_the_items(tmp_path: Path) -> None:
    ours, _ = match(find_clips(touch(tmp_path, f"{file_name('cat/1')}.mp4")), ITEMS, "mine")
    assert set(ours) == {"cat/1"}


def test_two_clips_of_one_item_and_no_clip_of_any_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFolder, match="are both item 'dog'; remove one"):
        match(find_clips(touch(tmp_path / "a", "dog.mp4", "sample_0000.mp4")), ITEMS, "mine")
    with pytest.raises(
        BadFolder, match=r"none of the 1 clips \(such as 'bird'\) is an item of suite mine; expected names like 'dog'"
    ):
        match(find_clips(touch(tmp_path / "b", "bird.mp4")), ITEMS, "mine")


# ------------------------------------------------------------------ file names


@given(st.text(min_size=1, max_size=300))
def test_a_file_name_is_safe_and_short(id: str) -> None:
    name = file_name(id.encode("utf-8", "replace").decode())
    assert name
    assert "/" not in name
    assert "\0" not in name
    assert not name.startswith((".", "-"))
    assert name == name.strip()
    assert len(name.encode()) <= 200


@given(st.text(max_size=40), st.text(max_size=40))
def test_different_ids_have_different_file_names(a: str, b: str) -> None:
    a, b = (x.encode("utf-8", "replace").decode() for x in (a, b))
    assert (file_name(a) == file_name(b)) == (a == b)


def test_ordinary_ids_are_their_own_file_names() -> None:
    for id in ("test_dog_barking_000", "a b", "x[1]", "-RrGhiInqXhc_000".lstrip("-"), "shifted[seconds=0.2]"):
        assert file_name(id) == id
