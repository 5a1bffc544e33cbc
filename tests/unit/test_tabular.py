"""Lists that somebody else wrote: read as they are, refused with line and column."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avbench import tabular
from avbench.data import index as indexes
from avbench.data.layout import Tree, class_texts, items_of, listed
from avbench.errors import BadManifest

HOSTILE = settings(
    deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
TOKENS = st.sampled_from(
    [
        "id", "a", "b", ",", ",,", "\t", "\n", "\r\n", "\r", '"', '""', '"a,b"', '"a\nb"', " ", "\0", "é", "e\u0301", "\u2028",
        "\ufeff", "\x1a", "=1+1", "/", "..", "\\", "{", "}", "[", ":", "1", "9" * 320, "1e999", '{"id": "a"}',
        '"\\ud800"', "dog/a.mp4",
        ".mp4", "null",
    ]
)  # fmt: skip
TEXTS = st.one_of(st.lists(TOKENS, max_size=9).map("".join), st.text(max_size=20))
BYTES = st.one_of(TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=40))


def _refused(error: BadManifest, path: Path) -> None:
    text = str(error)
    assert str(path) in text
    assert re.search(re.escape(str(path)) + r":\d+:\d+: ", text), text


def _read(data: bytes, path: Path) -> None:
    """Every reader: a result, or line and column; never anything else."""
    path.write_bytes(data)
    tree = Tree("x", {"x/list": path})
    for read in (
        lambda: list(tabular.table(path, ("id",))),
        lambda: list(tabular.table(path, header=("file", "label"))),
        lambda: list(tabular.table(path, delimiter="\t")),
        lambda: list(tabular.objects(path)),
        lambda: list(tabular.lines(path)),
        lambda: items_of(listed(tree, "x/list", classes=True), {}),
        lambda: listed(tree, "x/list", classes=False),
        lambda: class_texts(tree, "x/list"),
    ):
        try:
            found = read()
        except BadManifest as error:
            if "differ only by case" not in str(error):
                _refused(error, path)
        else:
            repr(found).encode()


def _index(table: object, folder: Path) -> None:
    (folder / indexes.FILE).write_text(json.dumps(table), encoding="utf-8")
    said, found = "", None
    try:
        found = indexes.read(folder)
    except BadManifest as error:
        said = str(error)
    if found is None:
        assert str(folder / indexes.FILE) in said
    else:
        assert all(not Path(e.path).is_absolute() and ".." not in e.path.split("/") for e in found.clips.values())


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(["", "a", "../a", "/a", "\0", "clips/a"])
)
ENTRY = {
    "path": "clips/a.mp4", "sha256": "0", "size": 1, "seconds": 1.0, "frames": 1, "frame_rate": 1.0, "width": 1, "height": 1,
    "sample_rate": 1, "audio": "", "audio_sha256": "", "audio_size": 0, "origin": "",
}  # fmt: skip
INDEX = {"schema": 1, "suite": "s", "version": 1, "clips": {"a": ENTRY}, "missing": {"b": "no"}, "notes": ["n"], "settings": {}}
CHANGES: st.SearchStrategy[tuple[str, object]] = st.tuples(
    st.sampled_from([*INDEX, *ENTRY]), st.one_of(LEAVES, st.just([]), st.just({}), st.just({"a": {}}))
)


def _changed(key: str, value: object) -> dict[str, object]:
    if key in ENTRY:
        return {**INDEX, "clips": {"a": {**ENTRY, key: value}}}
    return {**INDEX, key: value}


@given(data=BYTES)
@settings(HOSTILE, max_examples=200)
def test_any_bytes_are_read_or_refused_with_line_and_column(data: bytes, tmp_path: Path) -> None:
    _read(data, tmp_path / "list.csv")


@pytest.mark.slow
@given(data=BYTES)
@settings(HOSTILE, max_examples=10_000)
def test_ten_thousand_lists(data: bytes, tmp_path: Path) -> None:
    _read(data, tmp_path / "list.csv")


@given(change=CHANGES)
@settings(HOSTILE, max_examples=200)
def test_any_index_is_read_or_refused(change: tuple[str, object], tmp_path: Path) -> None:
    _index(_changed(*change), tmp_path)


@pytest.mark.slow
@given(change=CHANGES)
@settings(HOSTILE, max_examples=10_000)
def test_ten_thousand_indices(change: tuple[str, object], tmp_path: Path) -> None:
    _index(_changed(*change), tmp_path)


CELLS = st.text(alphabet=st.sampled_from(["a", "b", ",", '"', " ", "\n", "é", ";"]), max_size=4)


@given(rows=st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=4))
@settings(HOSTILE, max_examples=200)
def test_what_pythons_writer_writes_is_read_back(rows: list[list[str]], tmp_path: Path) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([["x", "y"], *rows])
    (tmp_path / "t.csv").write_text(buffer.getvalue(), encoding="utf-8", newline="")
    assert [[r.cells["x"], r.cells["y"]] for r in tabular.table(tmp_path / "t.csv")] == rows


def test_a_table_with_everything(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes('\ufeffid, text \r\na,"say ""x"", then\r\nmore"\r\n\r\nb,5" disk\r\n'.encode())
    one, two = tabular.table(path, ("id", "text"))
    assert (one.line, dict(one.cells)) == (2, {"id": "a", "text": 'say "x", then\nmore'})
    assert (two.line, dict(two.cells)) == (5, {"id": "b", "text": '5" disk'})
    assert two.where("text") == f"{path}:5:3: column 'text'"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", ":1:1: is empty; expected a header"),
        ("text\nx", ":1:1: column 'id' is missing; there are text"),
        ("id,text,id\n", ":1:9: column 'id' is there twice"),
        ("id,text\na\n", ":2:2: 1 cells, expected 2"),
        ("id,text\na,b,c\n", ":2:5: 3 cells, expected 2"),
        ('id,text\na,"b', ":2:3: a quote that does not end"),
        ('id,text\na,"b"c', ":2:6: 'c' after a quoted cell"),
        ("id,text\na,b\0c", ":2:4: a zero byte"),
    ],
)
def test_a_wrong_table_is_named_by_line_and_column(text: str, place: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadManifest) as caught:
        list(tabular.table(path, ("id",)))
    assert f"{path}{place}" in str(caught.value)


def test_what_is_no_text_is_named_by_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("id\né".encode() + b"\xff")
    with pytest.raises(BadManifest, match=r"t\.csv:2:2: not UTF-8"):
        tabular.text_of(path)
    with pytest.raises(BadManifest, match="cannot be read"):
        tabular.text_of(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"a": 1}\n{', ":2:2: not JSON"),
        ("[1]", ":1:1: expected an object, got list"),
        ("[" * 100_000, ":1:1: not JSON"),
        ('{"a": ' + "9" * 5000 + "}", ":1:1: not JSON"),
        ('{"a": "\\ud800"}', ":1:1: half of a surrogate pair"),
    ],
)
def test_a_wrong_line_of_json_is_named(text: str, place: str, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadManifest) as caught:
        list(tabular.objects(path))
    assert f"{path}{place}" in str(caught.value)


@pytest.mark.parametrize(
    "line", ["../a.mp4", "a.mp4", "a/b/c.mp4", "/a.mp4", "a/", "a/..", "a\\b/c.mp4", "a/\x07.mp4", "a/x.mp4"]
)
def test_a_list_of_clips_names_files_in_class_folders(line: str, tmp_path: Path) -> None:
    path = tmp_path / "test.txt"
    path.write_text(f"a/x.mp4\n{line}\n", encoding="utf-8")
    with pytest.raises(BadManifest, match=r"test\.txt:2:1: "):
        listed(Tree("", {"test.txt": path}), "test.txt", classes=True)
