"""R17: whatever is in a suite's files, the answer is a suite or `BadManifest` with file and line."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avbench import suites
from avbench.errors import AvbenchError, BadManifest, UnknownName
from avbench.types import canonical

SEVERE = settings(
    deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
WORDS = st.sampled_from(["id", "prompt", "category", "tags", "seconds", "events", "fields", "x"])
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([10**400, -(10**400), 10**13, True]))
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=4), st.sampled_from(["\ud800", "\0", "é", "\u2028"]))
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=2) | st.dictionaries(st.text(max_size=2), v, max_size=2), max_leaves=4
)
ENTRIES = st.one_of(
    st.dictionaries(WORDS, VALUES, max_size=4),
    st.fixed_dictionaries({"id": st.text(max_size=3)}, optional={"seconds": NUMBERS, "events": st.lists(NUMBERS, max_size=2)}),
    VALUES,
)
LINES = st.one_of(ENTRIES.map(json.dumps), st.text(max_size=12), st.sampled_from(["", " ", "\ufeff", '{"id": "a"}', "{", "[]"]))


def _read(path: Path) -> None:
    refused = None
    try:
        items = suites.read_items(path)
    except BadManifest as error:
        refused = str(error)
    if refused is not None:
        assert str(path) in refused
        told = re.search(re.escape(str(path)) + r":(\d+)", refused)
        assert told or "there are no items" in refused or "cannot be read" in refused
        return
    # What is taken can be worked with: hashed, written, drawn.
    text = canonical([dataclasses.asdict(i) for i in items])
    assert text.encode()
    assert len({i.id for i in items}) == len(items) > 0
    for item in items:
        assert item.seconds is None or 0 < item.seconds < 1e13
        assert all(abs(e) < 1e13 for e in item.events)


TOKENS = st.sampled_from(
    [
        "{", "}", "[", "]", ",", ":", "\n", '"}', '"', '"id": ', '"a"', '"b"', '{"id": "', '{"id": "a"', '{"id": "b", ',
        '"seconds": ', '"events": [', '"tags": ["', '"fields": {', "1", "-1", "0", "1e999", "NaN", "null", "true", "9" * 320,
        "\\ud800", "\\", "\0", "é", "e\u0301", "\u2028", "\ufeff", " ", "\r", "\ud800",
    ]
)  # fmt: skip


@given(tokens=st.lists(TOKENS, max_size=7))
@settings(SEVERE, max_examples=10_000)
def test_items_of_any_tokens(tokens: list[str], tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_bytes("".join(tokens).encode("utf-8", "surrogatepass"))
    _read(path)


@given(lines=st.lists(LINES, max_size=3))
@settings(SEVERE, max_examples=1_000)
def test_items_of_any_values(lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    _read(path)


@given(data=st.binary(max_size=60))
@settings(SEVERE, max_examples=1_000)
def test_items_of_any_bytes(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_bytes(data)
    _read(path)


@pytest.mark.parametrize(
    "line",
    [
        "1" * 5_000,
        '{"id": "a", "seconds": ' + "9" * 5_000 + "}",
        '{"id": "a", "seconds": 1e999}',
        '{"id": "a", "seconds": NaN}',
        '{"id": "a", "seconds": -1}',
        '{"id": "a", "seconds": 0}',
        '{"id": "a", "events": [NaN]}',
        '{"id": "a", "events": [1' + "0" * 400 + "]}",
        '{"id": "\\ud800"}',
        '{"id": "a", "prompt": "\\udfff"}',
        '{"id": "a", "fields": {"\\ud800": 1}}',
        '{"id": "a", "fields": ' + '{"a": ' * 200_000 + "1" + "}" * 200_001,
        '{"id": "a", "fields": ' + '{"a": ' * 600 + "1" + "}" * 601,
        '{"id": ""}',
        '{"id": "a"} x',
        "[" * 100_000,
    ],
    ids=lambda line: line[:40],
)
def test_lines_that_once_got_through(line: str, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(f'{{"id": "fine"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(BadManifest, match=r"items\.jsonl:2"):
        suites.read_items(path)


SUITE: dict[str, dict[str, str]] = {
    "": {
        "name": '"s"',
        "version": "1",
        "title": '"t"',
        "items": '"items.jsonl"',
        "default_protocol": '"p"',
        "conditions": "[]",
    },
    "clip": {"seconds": "1", "frame_rate": "10", "width": "48", "height": "48", "sample_rate": "16000"},
    "reference": {"folder": '"clips"'},
    "protocols.p": {"metrics": '["duration"]'},
}
TOML = st.sampled_from(
    [
        '""', '"x"', '"\\u0000"', '"../x"', '"/etc"', '"a/b"', '"synth15"', '"worker"', '"."', "0", "-1", "1.5", "nan", "inf",
        "-inf", "9" * 30, "1" + "0" * 400, "9" * 5_000, "true", "[]", "[1]", '["x"]', '["x["]', '["x[y=1,2]"]', "[[]]", "{}",
        "{a = 1}", "1979-05-27", "[" * 2_000 + "]" * 2_000, "", "é", '"""\n"""',
    ]
)  # fmt: skip


def _load(folder: Path, text: str) -> None:
    (folder / "items.jsonl").write_text('{"id": "a"}\n')
    (folder / "suite.toml").write_text(text, encoding="utf-8")
    refused = None
    try:
        suite = suites.load(str(folder))
    except (BadManifest, UnknownName) as error:
        refused = str(error)
    if refused is not None:
        assert str(folder) in refused or refused.startswith("no protocol of suite")
        return
    assert re.fullmatch(r"[\w.-]+", suite.name, re.ASCII)
    assert min(suite.seconds, suite.frame_rate, suite.width, suite.height, suite.sample_rate) > 0
    assert round(suite.seconds * suite.frame_rate) >= 0
    assert ", ".join(suite.conditions) is not None
    if suite.reference is not None and "renderer" not in text:
        try:
            suite.reference.ready(suite.items)
        except AvbenchError:
            return


def _text(table: dict[str, dict[str, str]]) -> str:
    return "".join(
        (f"[{name}]\n" if name else "") + "".join(f"{k} = {v}\n" for k, v in values.items()) for name, values in table.items()
    )


@given(changes=st.lists(st.tuples(st.sampled_from([(s, k) for s in SUITE for k in SUITE[s]]), TOML), min_size=1, max_size=3))
@settings(SEVERE, max_examples=400)
def test_suites_with_any_value(changes: list[tuple[tuple[str, str], str]], tmp_path: Path) -> None:
    table = {name: dict(values) for name, values in SUITE.items()}
    for (section, key), value in changes:
        table[section][key] = value
    _load(tmp_path, _text(table))


@given(data=st.data())
@settings(SEVERE, max_examples=400)
def test_suites_with_any_change(data: st.DataObject, tmp_path: Path) -> None:
    """A piece cut out and any text put in its place."""
    whole = _text(SUITE)
    first = data.draw(st.integers(0, len(whole)))
    last = data.draw(st.integers(first, min(len(whole), first + 20)))
    _load(tmp_path, whole[:first] + data.draw(st.text(st.characters(codec="utf-8"), max_size=8)) + whole[last:])


@pytest.mark.parametrize("key", ["renderer", "folder"])
@pytest.mark.parametrize("value", ["..", "/etc", "nothing", "worker", "\\u0000", ""])
def test_references_that_lead_elsewhere(key: str, value: str, tmp_path: Path) -> None:
    """A renderer is a renderer of avbench, a folder is in the suite's folder or in the data folder."""
    table: dict[str, Any] = {name: dict(values) for name, values in SUITE.items()}
    table["reference"] = {key: f'"{value}"'}
    _load(tmp_path, _text(table))
    if key == "renderer" or value in ("..", "/etc", "\\u0000"):
        with pytest.raises(BadManifest, match="reference"):
            suites.load(str(tmp_path))
