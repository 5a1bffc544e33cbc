"""`avbench data prepare javisbench` from a miniature of its page: the list, and the features beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from avbench import suites
from avbench.errors import BadFolder, BadManifest

preparing = pytest.importorskip("avbench.data.preparing")

TEXT = 'text,cat0_ind,cat1_ind,cat2_ind,cat3_ind,cat4_ind\na dog,0,0,"0,1",0,0\na cat,4,2,4,2,2\n'


def test_the_list_and_the_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVBENCH_DATA", str(tmp_path / "data"))
    page = tmp_path / "page"
    (page / "cache" / "fvd_fad").mkdir(parents=True)
    (page / "JavisBench-mini.csv").write_text(TEXT, encoding="utf-8")
    (page / "JavisBench.csv").write_text(TEXT, encoding="utf-8")
    index = preparing.prepare("javisbench-mini", page / "JavisBench-mini.csv")
    assert any("JavisBench-mini-vanilla-max4s.pt is not here" in note for note in index.notes)
    assert any("2 items, 1,000 are published" in note for note in index.notes)
    assert [i.prompt for i in suites.load("javisbench-mini").items] == ["a dog", "a cat"]
    (page / "cache" / "fvd_fad" / "JavisBench-mini-vanilla-max4s.pt").write_bytes(b"features")
    assert not any("is not here" in note for note in preparing.prepare("javisbench-mini", page).notes)
    assert (tmp_path / "data" / "javisbench-mini" / "JavisBench-mini-vanilla-max4s.pt").read_bytes() == b"features"
    assert suites.load("javisbench-mini").items[1].tags[0] == "Event Scenario: Virtual"
    assert preparing.status("javisbench-mini").how is not None


def test_what_is_no_download_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVBENCH_DATA", str(tmp_path / "data"))
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "x.csv").write_text(TEXT, encoding="utf-8")
    with pytest.raises(BadFolder, match=r"JavisBench.csv is not there"):
        preparing.prepare("javisbench", tmp_path / "page")
    (tmp_path / "page" / "JavisBench.csv").write_text("name,caption\na,b\n", encoding="utf-8")
    with pytest.raises(BadManifest, match="no list of JavisBench"):
        preparing.prepare("javisbench", tmp_path / "page")
    (tmp_path / "page" / "JavisBench.csv").write_text(TEXT + "x,9,0,0,0,0\n", encoding="utf-8")
    with pytest.raises(BadManifest, match=r"JavisBench.csv:4: column cat0_ind"):
        preparing.prepare("javisbench", tmp_path / "page")
