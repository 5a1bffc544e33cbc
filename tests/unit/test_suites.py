"""Suite files: read, and refused with file, line and key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from avbench import suites
from avbench.errors import BadManifest, BadParameter, MissingData, UnknownName
from avbench.suites import InFolder, Rendered
from avbench.types import ClipFile, MetricSpec

Write = Callable[..., Path]


def test_a_suite_of_a_user_is_read_whole(suite_folder: Write) -> None:
    folder = suite_folder(["a", "b"], metrics=["av_align[svg]", "motion_score"])
    suite = suites.load(str(folder))
    assert (suite.name, suite.version, suite.title) == ("mine", 1, "A suite of a user")
    assert [(i.id, i.prompt, i.category) for i in suite.items] == [("a", "prompt of a", "c0"), ("b", "prompt of b", "c1")]
    assert suite.metrics == (MetricSpec("av_align", (("variant", "svg"),)), MetricSpec("motion_score"))
    assert (suite.seconds, suite.frame_rate, suite.width, suite.height, suite.sample_rate) == (1.0, 12.0, 64, 48, 16000)
    assert suite.conditions == ("text",)
    assert isinstance(suite.reference, InFolder)
    assert suites.load(str(folder), limit=1).items == suite.items[:1]
    assert suites.load(str(folder), limit=99).items == suite.items


def test_an_item_holds_everything_that_is_known_of_it(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(
        '{"id": "a", "prompt": "x\\u2028y", "category": "c", "tags": ["t"], "seconds": 3, '
        '"events": [0, 0.5], "fields": {"k": [1]}}\n'
        '\n  \n{"id": "b"}',
        encoding="utf-8",
    )
    first, second = suites.read_items(path)
    assert (first.prompt, first.tags, first.seconds, first.events, first.fields) == (
        "x\u2028y",
        ("t",),
        3,
        (0.0, 0.5),
        {"k": [1]},
    )
    assert (second.prompt, second.tags, second.seconds, second.events, dict(second.fields)) == ("", (), None, (), {})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", ":2:2: not JSON"),
        ("[1]", ":2: expected an object, got list"),
        ('{"prompt": "x"}', ":2: key 'id' is missing"),
        ('{"id": ""}', ":2: id is empty"),
        ('{"id": 5}', ":2: id must be str, got int 5"),
        ('{"id": "first"}', ":2: id 'first' is already on line 1; ids must differ"),
        ('{"id": "x", "promt": "y"}', ":2: unknown key 'promt'; known are category, events"),
        ('{"id": "x", "events": ["0.5"]}', ":2: events must be "),
        ('{"id": "x", "events": [true]}', ":2: events must be "),
        ('{"id": "x", "events": [NaN]}', ":2: events must be "),
        ('{"id": "x", "tags": [1]}', ":2: tags must be strings"),
        ('{"id": "x", "seconds": true}', ":2: seconds must be float, got bool"),
        ('{"id": "x", "seconds": 0}', ":2: seconds must be a positive number"),
        ('{"id": "x", "seconds": -1}', ":2: seconds must be a positive number"),
        ("[" * 100_000, ":2: not JSON"),
    ],
)
def test_a_wrong_item_is_named_by_its_line(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(f'{{"id": "first"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(BadManifest) as caught:
        suites.read_items(path)
    assert f"items.jsonl{message}" in str(caught.value)


def test_items_that_are_missing_empty_or_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadManifest, match="cannot be read"):
        suites.read_items(tmp_path / "nothing.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n\n", encoding="utf-8")
    with pytest.raises(BadManifest, match="there are no items"):
        suites.read_items(tmp_path / "empty.jsonl")
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadManifest, match="cannot be read"):
        suites.read_items(tmp_path / "bytes.jsonl")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version = 1", "version = 1\nverzion = 2", "unknown key 'verzion'; known are"),
        ("version = 1", "version = '1'", "version must be int, got str '1'"),
        ("version = 1", "version = true", "version must be int, got bool True"),
        ("version = 1", "", "key 'version' is missing"),
        ("version = 1", "version =", "suite.toml: "),
        ("width = 64", "width = 64.5", r"\[clip\]: width must be int, got float 64.5"),
        ("width = 64", "width = 0", r"\[clip\]: width must be a positive number, got 0"),
        ("seconds = 1.0", "seconds = nan", r"\[clip\]: seconds must be a positive number, got nan"),
        ("width = 64", "depth = 64", r"\[clip\]: unknown key 'depth'"),
        ("width = 64\n", "", r"\[clip\]: key 'width' is missing"),
        ("items.jsonl", "../items.jsonl", "leads out of the suite's folder"),
        ("items.jsonl", "/etc/passwd", "leads out of the suite's folder"),
        ("items.jsonl", "other.jsonl", "other.jsonl: cannot be read"),
        ('metrics = ["av_align"]', "metrics = 5", r"\[protocols.short\]: metrics must be list, got int 5"),
        ('metrics = ["av_align"]', "metrics = [5]", r"\[protocols.short\]: a metric is a name such as"),
        ('metrics = ["av_align"]', 'metrics = ["av_align[svg"]', "the bracket does not close"),
        ('metrics = ["av_align"]', 'metrics = ["av_align"]\nother = 1', r"\[protocols.short\]: unknown key 'other'; known are"),
        ('conditions = ["text"]', "conditions = [1]", "conditions must be strings"),
        (
            'conditions = ["text"]',
            'conditions = ["smell"]',
            "unknown condition 'smell'; known are audio, category, first_frame, last_frame,",
        ),
        ("version = 1", "version = 1\nsamples_per_item = 0", "samples_per_item must be 1 to 1000, got 0"),
        ("version = 1", "version = 1\naspects = {Style = [1]}", r"\[aspects\]: Style must be a list of classes"),
        ("version = 1", "version = 1\nconformance = {secs = 'flag'}", "unknown key 'secs'; known are"),
        ("version = 1", "version = 1\nconformance = {seconds = 'warn'}", "seconds must be error or flag or ignore, got 'warn'"),
        ("version = 1", "version = 1\nconformance = {seconds = []}", "seconds must be str, got list"),
        ("version = 1", "version = 1\nprepared = {count = 5}", r"\[prepared\]: key 'obtain' is missing"),
        ('metrics = ["av_align"]', 'metrics = [{metric = "av_align"}]', "a metric is a name such as"),
        ('metrics = ["av_align"]', 'metrics = [{metric = "av_align", only = []}]', "only must be a list of tags"),
        ('metrics = ["av_align"]', 'metrics = ["av_align"]\nnot_yet = [1]', "not_yet must be names"),
        ("width = 64", "width = 64\nseconts = 1", "did you mean 'seconds'"),
        ('folder = "reference"', 'renderer = "no_such"', "has no renderer 'no_such'"),
        ('folder = "reference"', 'renderer = "os.path"', "has no renderer"),
        ('folder = "reference"', 'renderer = "results"', "has no renderer 'results'"),
        ('folder = "reference"', 'folder = "../.."', "leads out of the suite's folder"),
        ('folder = "reference"', 'rendrer = "synth15"', r"\[reference\]: unknown key 'rendrer'"),
    ],
)
def test_a_wrong_manifest_is_refused_by_key(old: str, new: str, message: str, suite_folder: Write) -> None:
    folder = suite_folder(["a"])
    path = folder / "suite.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(BadManifest, match=message):
        suites.load(str(folder))


def test_names_protocols_and_limits_that_are_not_there(suite_folder: Write, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no suite 'sinth15'; did you mean 'synth15'"):
        suites.load("sinth15")
    for name in (str(tmp_path), "", "..", "synth15/suite.toml", "../benchmarks/synth16"):
        with pytest.raises(UnknownName):
            suites.load(name)
    folder = suite_folder(["a"])
    with pytest.raises(UnknownName, match=r"no protocol of suite mine 'long'; .*there are: short"):
        suites.load(str(folder), protocol="long")
    for limit in (0, -3):
        with pytest.raises(BadParameter, match="limit must be 1 or more"):
            suites.load(str(folder), limit=limit)


def test_reference_clips_are_found_in_the_suite_or_in_the_data_folder(
    suite_folder: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = suite_folder(["a", "b", "c"])
    monkeypatch.setenv("AVBENCH_DATA", str(tmp_path / "data"))
    suite = suites.load(str(folder))
    assert suite.reference is not None
    with pytest.raises(MissingData) as caught:
        suite.reference.ready(suite.items)
    for part in (
        "suite mine",
        str(tmp_path / "data" / "mine" / "reference"),
        "https://example.org/clips.zip",
        "AVBENCH_DATA",
        "<item id>.mp4",
    ):
        assert part in str(caught.value)
    (tmp_path / "data" / "mine" / "reference" / "part1").mkdir(parents=True)
    (tmp_path / "data" / "mine" / "reference" / "part1" / "a.mp4").write_bytes(b"x")
    found = suite.reference.ready(suite.items)
    assert found == {"a": ClipFile("a", tmp_path / "data" / "mine" / "reference" / "part1" / "a.mp4", text="prompt of a")}
    (folder / "reference").mkdir()
    (folder / "reference" / "b.mp4").write_bytes(b"x")
    again = suites.load(str(folder))
    assert again.reference is not None
    assert list(again.reference.ready(again.items)) == ["b"]


def test_rendered_clips_of_another_size_are_in_another_folder(tmp_path: Path) -> None:
    import dataclasses

    suite = suites.load("synth15", limit=1)
    assert isinstance(suite.reference, Rendered)
    small = Rendered(dataclasses.replace(suite, width=64), "synth15")
    assert small.folder != suite.reference.folder
    assert small.folder.parent == suite.reference.folder.parent


def test_the_data_folder_follows_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AVBENCH_HOME", str(tmp_path))
    monkeypatch.delenv("AVBENCH_DATA")
    assert suites.data_home() == tmp_path / "data"
    monkeypatch.setenv("AVBENCH_DATA", "")
    assert suites.data_home() == tmp_path / "data"
    monkeypatch.setenv("AVBENCH_DATA", str(tmp_path / "else"))
    assert suites.data_home() == tmp_path / "else"


def test_an_items_file_may_have_windows_line_ends(suite_folder: Write) -> None:
    folder = suite_folder(["a"])
    (folder / "items.jsonl").write_bytes(b"\r\n".join(json.dumps({"id": i}).encode() for i in "ab"))
    assert [i.id for i in suites.load(str(folder)).items] == ["a", "b"]
