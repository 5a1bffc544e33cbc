"""Preparing suites: what is recognised, what is checked, what is refused, what stays."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from avbench import suites
from avbench.data import index as indexes
from avbench.data import media_jobs, preparing
from avbench.data.archives import BadArchive
from avbench.data.layout import Download, How, Tree, items_of, layout_of, placed
from avbench.data.layouts import avsync15, greatesthits, landscape, vggsound
from avbench.data.mmdiffusion import windows
from avbench.data.preparing import prepare, status
from avbench.encode import write_clip, write_wav
from avbench.errors import BadFolder, BadManifest, BadParameter, MissingData, UnknownName
from avbench.media import Reader
from avbench.types import Clip, ClipFile, Item
from tests import miniatures
from tests.conftest import Said

SUITE: Any = SimpleNamespace(name="x", expected=0)


@pytest.fixture(autouse=True)
def own_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AVBENCH_DATA", raising=False)


def tree(*places: str) -> Tree:
    return Tree("download", {p: Path("/nowhere") / p for p in sorted(places)})


def with_files(folder: Path, places: tuple[str, ...], **lists: str) -> Tree:
    """A tree whose lists are files and whose clips are names."""
    files = {p: folder / p for p in places}
    for name, text in lists.items():
        path = folder / name.replace("__", "/").replace("_txt", ".txt").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        files[path.relative_to(folder).as_posix()] = path
    return Tree(str(folder), dict(sorted(files.items())))


# ------------------------------------------------------------------ whole


def test_a_download_becomes_clips_pictures_items_and_an_index(tmp_path: Path) -> None:
    source = miniatures.avsync15(tmp_path)
    index = prepare("avsync15", source, workers=1)
    home = suites.data_home() / "avsync15"
    suite = suites.load("avsync15")
    assert [item.prompt for item in suite.items][2:4] == ["playing violin, fiddle"] * 2
    assert list(index.clips) == [item.id for item in suite.items[:5]]
    assert index.missing == {suite.items[5].id: "not in the download"}
    assert "6 items, 150 are published" in index.notes
    assert suite.reference is not None
    found = suite.reference.ready(suite.items)
    assert set(found) == set(index.clips)
    for item in suite.items[:5]:
        entry = index.clips[item.id]
        original = source / "videos" / str(item.fields["path"])
        assert found[item.id].path.read_bytes() == original.read_bytes(), "clips are as they came"
        with Reader(ClipFile("x", original)) as reader:
            assert (entry.sha256, entry.frames, entry.sample_rate) == (reader.sha256, reader.info.frames, 16_000)
            first = next(iter(reader.frames()))
        picture = cv2.imread(str(suite.folder / str(item.fields["first_frame"])))
        assert picture is not None
        assert np.array_equal(picture[:, :, ::-1], first)
    assert suite.folder == home
    assert sorted(p.name for p in home.iterdir()) == [".lock", "clips", "first_frames", "index.json", "items.jsonl"]
    assert status("avsync15", verify=True).state == "partial"


def test_another_source_completes_the_first_and_what_changed_is_seen(tmp_path: Path) -> None:
    source = miniatures.avsync15(tmp_path)
    prepare("avsync15", source, workers=1)
    late, entry = suites.load("avsync15").items[5], indexes.read(suites.data_home() / "avsync15")
    assert entry is not None
    before = dict(entry.clips)
    other = tmp_path / "other" / "AVSync15"
    miniatures.clips([other / "videos" / str(late.fields["path"])])
    shutil.copyfile(source / "test.txt", other / "test.txt")
    index = prepare("avsync15", other, workers=1)
    assert index.missing == {}
    assert {id: index.clips[id] for id in before} == before
    assert status("avsync15").state == "complete"
    clip = suites.data_home() / "avsync15" / index.clips[late.id].path
    data = bytearray(clip.read_bytes())
    data[-1] ^= 1
    clip.unlink()
    clip.write_bytes(data)
    assert status("avsync15").state == "complete", "sizes are the same"
    assert list(status("avsync15", verify=True).changed) == [late.id]
    clip.write_bytes(data + b"x")
    assert "bytes" in status("avsync15").changed[late.id]
    suite = suites.load("avsync15")
    assert suite.reference is not None
    with pytest.raises(BadParameter, match=r"when it was prepared; run `avbench data prepare avsync15"):
        suite.reference.ready(suite.items)
    clip.unlink()
    with pytest.raises(MissingData, match="in the index and gone"):
        suites.load("avsync15").reference.ready(suite.items)  # type: ignore[union-attr]


def test_a_clip_that_cannot_be_used_is_missing_with_the_reason(tmp_path: Path) -> None:
    source = miniatures.landscape(tmp_path)
    folder = source / "videos" / "test"
    (folder / "raining" / "raining_1_clip.mp4").write_bytes(b"no video")
    silent = Clip("x", None, 0.0, np.zeros((1, 8000), dtype=np.float32), 8000)
    assert silent.audio is not None
    write_wav(folder / "x.wav", silent.audio, 8000)
    (folder / "x.wav").replace(folder / "raining" / "raining_2_clip.mp4")
    index = prepare("landscape", source, workers=1)
    assert index.missing["raining_1_clip"].startswith("cannot be used: unreadable")
    assert "no_video" in index.missing["raining_2_clip"]
    assert sorted(p.stem for p in (suites.data_home() / "landscape" / "clips").iterdir()) == sorted(index.clips)


def test_windows_are_drawn_with_a_seed_and_hold_their_frames_and_sound(tmp_path: Path) -> None:
    root = tmp_path / "AIST++_crop" / "train"
    root.mkdir(parents=True)
    frames = np.empty((50, 32, 32, 3), dtype=np.uint8)
    frames[:] = (np.arange(50) * 5)[:, None, None, None]
    ramp = np.linspace(-0.5, 0.5, 2 * 50 * 400, dtype=np.float32).reshape(1, -1)
    write_clip(root / "a.mp4", Clip("a", frames, 20.0, None, 0), qp=0)
    write_wav(tmp_path / "b.wav", ramp, 16_000)
    index = prepare("aistpp", tmp_path / "AIST++_crop", workers=1)
    assert index.settings == {
        "count": 2048, "frames": 16, "rate": 10.0, "seed": 0, "quantiser": 6, "windows": 10, "videos": 1,
    }  # fmt: skip
    assert len(index.clips) == 10
    assert index.missing["sample_0010"] == "the videos have 10 windows, fewer than 2,048"
    order = np.random.default_rng(0).permutation(10)
    home = suites.data_home() / "aistpp"
    for number, first in enumerate(order):
        entry = index.clips[f"sample_{number:04d}"]
        assert entry.origin == f"train/a.mp4, frames {first} to {first + 15} at 10 fps"
        assert (entry.frames, entry.seconds, entry.frame_rate) == (16, 1.6, 10.0)
        with Reader(ClipFile("x", home / entry.path)) as reader:
            seen = [int(image.mean()) for image in reader.frames()]
        assert np.abs(np.asarray(seen) - 5 * 2 * (first + np.arange(16))).max() <= 3, "every second frame of 20 fps"
    again = prepare("aistpp", tmp_path / "AIST++_crop", workers=1)
    assert again == index


def test_the_sound_of_a_window_is_that_of_its_time(tmp_path: Path) -> None:
    rate = 16_000
    sound = np.linspace(-0.5, 0.5, 3 * rate, endpoint=False, dtype=np.float32)[None]
    path = tmp_path / "v.mp4"
    write_clip(path, Clip("v", np.zeros((36, 16, 16, 3), np.uint8), 12.0, sound, rate), audio_bit_rate=256_000)
    out = str(tmp_path / "w.mp4")
    made = media_jobs.cut(path, [{"first": 5, "out": out}], 16, 10.0, 6)
    import soundfile

    heard, found = soundfile.read(tmp_path / "w.wav")
    assert (found, len(heard)) == (rate, round(1.6 * rate))
    frame = media_jobs.frame_choice(36, 12.0, 10.0)[5]
    expected = sound[0, round(frame / 12 * rate) :][: len(heard)]
    assert np.abs(heard - expected)[2000:-2000].max() < 0.02
    assert made[out]["audio"]["size"] == (tmp_path / "w.wav").stat().st_size


@pytest.mark.parametrize(
    ("count", "file_rate", "expected"),
    [(6, 20.0, [0, 2, 4]), (4, 10.0, [0, 1, 2, 3]), (3, 5.0, [0, 0, 1, 1, 2, 2]), (8, 25.0, [0, 2, 5]), (0, 25.0, [])],
)
def test_frames_are_left_out_or_repeated(count: int, file_rate: float, expected: list[int]) -> None:
    assert media_jobs.frame_choice(count, file_rate, 10.0).tolist() == expected


def test_a_short_video_repeats_its_last_frame(tmp_path: Path) -> None:
    frames = np.repeat((np.arange(4, dtype=np.uint8) * 60)[:, None, None, None], 16, 1).repeat(16, 2).repeat(3, 3)
    write_clip(tmp_path / "v.mp4", Clip("v", frames, 10.0, None, 0), qp=0)
    out = str(tmp_path / "w.mp4")
    media_jobs.cut(tmp_path / "v.mp4", [{"first": 0, "out": out}], 6, 10.0, 0)
    with Reader(ClipFile("x", Path(out))) as reader:
        assert [round(int(i.mean()) / 60) for i in reader.frames()] == [0, 1, 2, 3, 3, 3]


# ------------------------------------------------------------------ archives and fetching


def test_a_hostile_archive_changes_nothing(tmp_path: Path) -> None:
    prepare("landscape", miniatures.landscape(tmp_path), workers=1)
    home = suites.data_home() / "landscape"
    before = {p: p.stat().st_mtime_ns for p in home.rglob("*") if p.name != ".lock"}
    with zipfile.ZipFile(tmp_path / "Landscapes.zip", "w") as archive:
        archive.writestr("videos/test/raining/a.mp4", b"x")
        archive.writestr("../../clips/evil.mp4", b"x")
    with pytest.raises(BadArchive, match=r"Landscapes.zip: member '../../clips/evil.mp4': leads out"):
        prepare("landscape", tmp_path / "Landscapes.zip", workers=1)
    assert {p: p.stat().st_mtime_ns for p in home.rglob("*") if p.name != ".lock"} == before


def test_what_can_be_fetched_is_fetched_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = miniatures.greatesthits(tmp_path, count=1)
    asked: list[str] = []

    def copy(url: str, target: Path, **rest: object) -> Path:
        asked.append(url)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(archive, target)
        return target

    monkeypatch.setattr(preparing, "fetch", copy)
    index = prepare("greatesthits", workers=1)
    assert asked == ["https://web.eecs.umich.edu/~ahowens/vis/vis-data-256.zip"]
    assert len(index.clips) == 1
    assert [p.name for p in (suites.data_home() / "greatesthits" / "downloads").iterdir()] == ["vis-data-256.zip"]
    entry = next(iter(index.clips.values()))
    assert entry.origin.endswith("_denoised_thumb.mp4")
    assert entry.seconds > 2, "the other files of the recording are 1 s long"


def test_offline_the_steps_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVBENCH_OFFLINE", "1")
    with pytest.raises(MissingData, match=r"AVBENCH_OFFLINE is set; get https://web.eecs"):
        prepare("greatesthits")
    with pytest.raises(MissingData, match=r"cannot be fetched by a program: 1\. open https://drive.google.com.*2\. download"):
        prepare("avsync15")


# ------------------------------------------------------------------ layouts


def test_lists_say_which_clips_and_where(tmp_path: Path) -> None:
    found = avsync15.recognise(
        with_files(
            tmp_path, ("AVSync15/videos/a_b/x.mp4", "AVSync15/videos/c/y.mp4"), AVSync15__test_txt="a_b/x.mp4\nc/z.mp4\n"
        ),
        SUITE,
        (),
    )
    assert found.items is not None
    assert [(i.id, i.prompt, i.category, dict(i.fields)) for i in found.items] == [
        ("x", "a b", "a b", {"first_frame": "first_frames/x.png", "path": "a_b/x.mp4"}),
        ("z", "c", "c", {"first_frame": "first_frames/z.png", "path": "c/z.mp4"}),
    ]
    assert dict(found.clips) == {"x": tmp_path / "AVSync15/videos/a_b/x.mp4"}
    with pytest.raises(BadFolder, match=r"there is no test.txt"):
        avsync15.recognise(tree("videos/a/x.mp4"), SUITE, ())


def test_one_of_several_lists_is_chosen_by_its_folder_or_refused(tmp_path: Path) -> None:
    both = with_files(tmp_path, (), AVSync15__test_txt="a/x.mp4\n", Landscapes__test_txt="b/y.mp4\n")
    assert [i.id for i in avsync15.recognise(both, SUITE, ()).items or ()] == ["x"]
    assert [i.id for i in landscape.recognise(both, SUITE, ()).items or ()] == ["y"]
    with pytest.raises(
        BadFolder, match=r"2 files could be the list of test clips: p/test.txt, q/test.txt; give the folder of one"
    ):
        avsync15.recognise(with_files(tmp_path / "2", (), p__test_txt="a/x.mp4", q__test_txt="a/x.mp4"), SUITE, ())


def test_names_that_repeat_get_their_class() -> None:
    assert [i.id for i in items_of(["a/x.mp4", "b/x.mp4", "b/y.mp4"], {})] == ["a__x", "b__x", "b__y"]
    with pytest.raises(BadManifest, match="differ only by case"):
        items_of(["a/x.mp4", "a/X.mp4"], {})


def test_clips_are_found_at_any_depth_but_not_by_half_a_name() -> None:
    found = placed(tree("p/q/a/x.mp4", "p/ba/y.mp4"), ["a/x.mp4", "a/y.mp4"])
    assert list(found) == ["a/x.mp4"]


def test_landscape_without_a_list_takes_the_folder_test() -> None:
    found = landscape.recognise(
        tree("test/r/a.mp4", "train/r/b.mp4", "x/test/s/c.mp4", "test/loose.mp4", "train/test/d.mp4"), SUITE, ()
    )
    assert [i.fields["path"] for i in found.items or ()] == ["r/a.mp4", "s/c.mp4"]
    assert any("no test.txt" in note for note in found.notes)
    with pytest.raises(BadFolder, match=r"neither a test.txt nor test/"):
        landscape.recognise(tree("a.mp4"), SUITE, ())


def test_recordings_by_what_is_there(tmp_path: Path) -> None:
    items = (Item("2015-a"), Item("2015-b"), Item("2015-c"))
    files = ("v/2015-a_denoised.mp4", "v/2015-a_denoised_thumb.mp4", "v/2015-b_denoised.mp4", "v/2015-b-1_denoised.mp4")
    found = greatesthits.recognise(with_files(tmp_path, files, test_txt="2015-a_denoised_thumb.mp4\n2015-z\n"), SUITE, items)
    assert {id: p.name for id, p in found.clips.items()} == {"2015-a": files[1][2:], "2015-b": files[2][2:]}
    assert "test.txt has 1 recordings that the suite has not, and lacks 2 of its 3" in found.notes
    with pytest.raises(BadFolder, match=r"expected names like 2015-a_denoised_thumb.mp4"):
        greatesthits.recognise(tree("x.mp4"), SUITE, items)


def test_vggsound_by_both_ways_to_name_a_clip() -> None:
    items = (Item("abcdefghijk_000030"), Item("-_cdefghijk_000007"))
    found = vggsound.recognise(tree("v/abcdefghijk_30000_40000.mp4", "w/-_cdefghijk_000007.mp4", "w/x.mp4"), SUITE, items)
    assert {id: p.name for id, p in found.clips.items()} == {
        "abcdefghijk_000030": "abcdefghijk_30000_40000.mp4",
        "-_cdefghijk_000007": "-_cdefghijk_000007.mp4",
    }
    assert found.notes == ["1 videos are no clips of this suite"]
    with pytest.raises(BadFolder, match=r"expected names like abcdefghijk_000030.mp4"):
        vggsound.recognise(tree("v/x.mp4"), SUITE, items)


def test_mmdiffusion_takes_the_training_videos() -> None:
    items = (Item("sample_0000"),)
    found = windows(tree("d/train/a.mp4", "d/train/b/c.mp4", "d/test/e.mp4"), items, "Landscape")
    assert list(found.clips) == ["d/train/a.mp4", "d/train/b/c.mp4"]
    assert found.windows is not None
    assert (found.windows.count, found.windows.frames, found.windows.rate, found.windows.seed) == (1, 16, 10.0, 0)
    loose = windows(tree("d/a.mp4", "d/test/e.mp4"), items, "Landscape")
    assert (list(loose.clips), len(loose.notes)) == (["d/a.mp4"], 1)
    with pytest.raises(BadFolder, match="Landscape with train/"):
        windows(tree("d/a.txt"), items, "Landscape")


# ------------------------------------------------------------------ the command


def test_the_command_says_what_is_here(
    avbench_cli: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greatesthits, "HOW", How(("one", "two"), (Download("https://example.org/x.zip"),)))
    everything = json.loads(avbench_cli("data", "status", "--json").out)
    assert {s["suite"]: s["state"] for s in everything} == {
        name: "not prepared" if layout_of(name) else "nothing to do" for name in suites.names()
    }
    counts = {s["suite"]: s["items"] for s in everything}
    assert counts["avsync15"] == 150
    assert counts["vggsound"] == 15_221
    assert "avsync15" in avbench_cli("data", "status").out
    said = avbench_cli("data", "status", "greatesthits").out
    assert "0 of 243 items" in said
    assert "1. one\n2. two" in said
    unknown = avbench_cli("data", "prepare", "avsync16")
    assert (unknown.code, "did you mean 'avsync15'" in unknown.message) == (2, True)
    nothing = avbench_cli("data", "prepare", "synth15")
    assert (nothing.code, "needs no preparation" in nothing.message) == (2, True)
    gone = avbench_cli("data", "prepare", "avsync15", "--from", tmp_path / "gone")
    assert (gone.code, "is not there; give the folder" in gone.message) == (2, True)
    empty = avbench_cli("data", "prepare", "vggsound", "--from", tmp_path)
    assert (empty.code, "none of its 0 videos" in empty.message) == (2, True)


def test_names_are_checked() -> None:
    assert preparing.checked_name("aistpp") == "aistpp"
    with pytest.raises(UnknownName):
        preparing.checked_name("../aistpp")


def test_links_out_of_the_download_are_not_followed(tmp_path: Path) -> None:
    source = miniatures.landscape(tmp_path)
    clip = source / "videos" / "test" / "raining" / "raining_1_clip.mp4"
    clip.replace(tmp_path / "outside.mp4")
    clip.symlink_to(tmp_path / "outside.mp4")
    index = prepare("landscape", source, workers=1)
    assert index.missing == {"raining_1_clip": "not in the download"}
    assert "1 links lead out of the download and were not followed; give the real folder" in index.notes


def test_an_index_of_another_version_is_not_used(tmp_path: Path) -> None:
    prepare("landscape", miniatures.landscape(tmp_path), workers=1)
    home = suites.data_home() / "landscape"
    table = json.loads((home / indexes.FILE).read_text(encoding="utf-8"))
    (home / indexes.FILE).write_text(json.dumps({**table, "version": 99}), encoding="utf-8")
    assert status("landscape").state == "changed"
    suite = suites.load("landscape")
    with pytest.raises(BadParameter, match="prepared for landscape@99, this is landscape@1"):
        suite.reference.ready(suite.items)  # type: ignore[union-attr]
