"""R16: hostile names, as files to score and as items to generate."""

from __future__ import annotations

import os
import shutil
import unicodedata
from pathlib import Path

import pytest

from avbench import results
from avbench.errors import BadFolder, BadManifest
from avbench.options import Options
from avbench.pipeline import run, score
from avbench.suites import read_items

from .support import avbench, write_clips, write_suite

NAMES = [
    "plain",
    "two words",
    " leading space",
    "trailing space ",
    "100%",
    "%41",
    "%",
    "-rf",
    "--help",
    "new\nline",
    "tab\there",
    "return\r",
    "'single'",
    '"double"',
    "`tick`$(id)",
    "semi;colon&and|pipe",
    "star*?[a]",
    "back\\slash",
    "a..b",
    "dots...",
    "x.mp4",
    "x.wav",
    "[red]",
    "[/]",
    "[red",
    "x]]",
    "[bold red]x[/bold red]",
    "<script>alert(1)</script>",
    "{json: 1}",
    "😀🎬",
    "日本語",
    "\u202eright to left",
    "é",
    "ß",
    "nul",
    "~",
    "#1",
    "=1+1",
    "\x1b[31mred",
    "\x7f",
    "b" * 251,
    "é" * 125,
]


def test_files_with_hostile_names(tmp_path: Path) -> None:
    """Each is scored under its own name, in the result and in the rows, and printed without a fault."""
    (base,) = write_clips(tmp_path / "base", ["x"])
    folder = tmp_path / "clips"
    folder.mkdir()
    names = [n for n in NAMES if "/" not in n]
    for number, name in enumerate(names):
        (folder / f"{name}.mp4").write_bytes(base.read_bytes() + bytes(number))
    (folder / os.fsdecode(b"not \xff utf-8.mp4")).write_bytes(base.read_bytes() + bytes(len(names)))
    (folder / os.fsdecode(b"empty \xfe [red].mp4")).write_bytes(b"")
    arguments = ["score", "clips", "--out", "out", "--metrics", "duration"]
    avbench(arguments, cwd=tmp_path, home=tmp_path / "home")
    found = results.read(tmp_path / "out")
    sound = {*names, "not \\xff utf-8"}
    assert set(found.clips) == {*sound, "empty \\xfe [red]"}
    assert {s.n_scored for s in found.metrics if s.metric == "duration"} == {len(sound)}
    assert set(results.rows(found, "duration")["clip"]) == sound
    assert not found.others
    assert len({c["sha256"] for c in found.clips.values()}) == len(sound) + 1


@pytest.mark.parametrize("name", [b"\xff\xfe", b"[red] [x", b"-x", "é".encode()])
def test_folders_with_hostile_names(name: bytes, tmp_path: Path) -> None:
    (base,) = write_clips(tmp_path / "base", ["x"])
    folder = tmp_path / os.fsdecode(name)
    folder.mkdir()
    shutil.copyfile(base, folder / "x.mp4")
    home = tmp_path / "home"
    avbench([b"score", b"--metrics", b"duration", b"--", name], cwd=tmp_path, home=home)
    avbench([b"score", b"--metrics", b"duration", b"--", name], cwd=tmp_path, home=home)
    assert len(list(tmp_path.glob("runs/*/result.json"))) == 1


def test_items_with_hostile_ids(tmp_path: Path) -> None:
    """Every item gets a clip of its own inside the folder, and scoring that folder again finds each."""
    ids = [*NAMES, "../../out of here", "/absolute", "a/b", "..", ".", ".hidden", "A", "a", "x" * 3000]
    write_suite(tmp_path / "suite", [{"id": id} for id in ids], metrics=["duration"], side=16)
    result = run("noise", str(tmp_path / "suite"), out=tmp_path / "out", options=Options(workers=2))
    assert set(result.clips) == set(ids)
    assert result["duration"].n_scored == len(ids)
    files = list(tmp_path.rglob("*.mp4"))
    assert {p.parent for p in files} == {tmp_path / "out" / "clips"}
    assert len(files) == len(ids)
    again = score(tmp_path / "out" / "clips", suite=str(tmp_path / "suite"), out=tmp_path / "again", options=Options(workers=2))
    assert again.clips == result.clips
    assert not again.others


def test_two_ways_to_write_one_name(tmp_path: Path) -> None:
    """Two files of one name in NFC, and two items, are errors; one file in NFD is the item's clip in NFC and the reverse."""
    composed, apart = "é", unicodedata.normalize("NFD", "é")
    (base,) = write_clips(tmp_path / "base", ["x"])
    folder = tmp_path / "clips"
    folder.mkdir()
    shutil.copyfile(base, folder / f"{apart}.mp4")
    for id in (composed, apart):
        write_suite(tmp_path / "suite", [{"id": id}], metrics=["duration"])
        result = score(folder, suite=str(tmp_path / "suite"), out=tmp_path / "out", options=Options(workers=1))
        assert set(result.clips) == {composed}
    shutil.copyfile(base, folder / f"{composed}.mp4")
    with pytest.raises(BadFolder, match="both clip"):
        score(folder, out=tmp_path / "other")
    write_suite(tmp_path / "suite", [{"id": composed}, {"id": apart}], metrics=["duration"])
    with pytest.raises(BadManifest, match=r"items\.jsonl:2: .*already on line 1"):
        read_items(tmp_path / "suite" / "items.jsonl")
    assert not (tmp_path / "other").exists()
