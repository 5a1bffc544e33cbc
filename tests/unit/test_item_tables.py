"""Lists that others wrote become items; what is wrong in one is named by line and column."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avbench import item_tables, suites
from avbench.errors import BadManifest
from avbench.types import Item

JAVIS = "path,text,audio_text,cat0_ind,cat1_ind,cat2_ind,cat3_ind,cat4_ind,fps\n"


def written(folder: Path, text: str, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_a_list_of_javisbench(tmp_path: Path) -> None:
    text = JAVIS + '/data/a.mp4,"A dog, a cat\nand rain",rain,0,0,"0,1",2,1,24\n\nb.mp4,"He said ""go""",,4.0,2,4,0,2,\n'
    first, second = item_tables.read(written(tmp_path, "\ufeff" + text))
    assert (first.id, second.id) == ("sample_0000", "sample_0001")
    assert first.prompt == "A dog, a cat\nand rain"
    assert second.prompt == 'He said "go"'
    assert first.audio_text == "rain"
    assert second.audio_text == ""
    assert first.fields == {"path": "/data/a.mp4", "audio_text": "rain"}
    assert first.tags == (
        "Event Scenario: Natural",
        "Visual Style: Camera Shooting",
        "Sound Type: Ambient",
        "Sound Type: Biological",
        "Temporal Composition: Simultaneous events",
        "Spatial Composition: Multiple subjects",
    )
    assert "Event Scenario: Virtual" in second.tags


def test_captions_of_av_benchmark_and_a_table_of_ones_own(tmp_path: Path) -> None:
    items = item_tables.read(written(tmp_path, "name,caption\nabc.def,a bell\nxyz,\n"))
    assert [(i.id, i.prompt) for i in items] == [("abc.def", "a bell"), ("xyz", "")]
    text = "file\tprompt\tlabel\tseconds\ttags\tfirst_frame\nvideos/a.mp4\ta bell\tbell\t2.5\tx; y\ta.png\n"
    (item,) = item_tables.read(written(tmp_path, text, "list.tsv"))
    assert item == Item("videos/a", "a bell", "bell", ("x", "y"), 2.5, fields={"first_frame": "a.png"})


def test_items_go_through_a_file_unchanged(tmp_path: Path) -> None:
    items = (Item("a", "p\nq", "c", ("t",), 1.5, (0.5,), {"n": [1]}), Item("b"))
    item_tables.write(items, tmp_path / "items.jsonl")
    assert suites.read_items(tmp_path / "items.jsonl") == items
    assert item_tables.read(tmp_path / "items.jsonl") == items


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected a header"),
        ("name,caption\n", "there are no items"),
        ("name,name\n", ":1: column 2: 'name' is there twice"),
        ("colour,caption\nx,y\n", ":1: no column names the items; expected one of id, name"),
        ("name,caption\na,b\nc\n", ":3: 1 cells, the header has 2 columns"),
        ("name,caption\na,b,c\n", ":2: 3 cells"),
        ('name,caption\na,"b\n', ":2: not a table"),
        ('name,caption\na,"b"c\n', ":2: not a table"),
        ("name,caption\na,b\na,c\n", ":3: column name: 'a' is already on line 2"),
        ("name,caption\n ,b\n", ":2: column name is empty"),
        ("name,seconds\na,-1\n", ":2: column seconds: expected a positive number, got '-1'"),
        ("name,seconds\na,nan\n", ":2: column seconds: expected"),
        ("name,caption\na,b\0\n", ":2: holds a zero byte"),
        ("text,cat0_ind\na,0\n", ":1: column 'cat1_ind' is missing"),
        (JAVIS + "a,b,,5,0,0,0,0,\n", r":2: column cat0_ind: expected numbers of classes, 0 to 4"),
        (JAVIS + "a,b,,0,0,,0,0,\n", ":2: column cat2_ind: expected"),
        (JAVIS + "a,b,,0,0,0.5,0,0,\n", ":2: column cat2_ind: expected"),
        (JAVIS + 'a,b,,0,0,"1,1",0,0,\n', ":2: column cat2_ind: class 1 is given twice"),
        (JAVIS + "a, ,,0,0,0,0,0,\n", ":2: column text is empty"),
    ],
)
def test_a_wrong_list_is_named_by_line_and_column(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadManifest) as caught:
        item_tables.read(written(tmp_path, text))
    assert "list.csv" in str(caught.value)
    assert message in str(caught.value)


def test_files_that_are_missing_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(BadManifest, match="cannot be read"):
        item_tables.read(tmp_path / "none.csv")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadManifest, match="cannot be read"):
        item_tables.read(tmp_path / "x.csv")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.text('a,"\n\r\t;0.5-1\\', max_size=80).map(lambda t: (JAVIS + t).encode())))
def test_no_bytes_end_in_a_traceback(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes(data)
    with contextlib.suppress(BadManifest):
        assert item_tables.read(path)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.lists(st.text(max_size=10), max_size=10), max_size=6), st.sampled_from([JAVIS, "name,text\n", "id\n", ""]))
def test_no_table_ends_in_a_traceback(tmp_path: Path, rows: list[list[str]], head: str) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes((head + "\n".join(",".join(row) for row in rows)).encode("utf-8", "surrogatepass"))
    with contextlib.suppress(BadManifest):
        assert item_tables.read(path)
