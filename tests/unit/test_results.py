"""`result.json`: written, read back, compared, and refused where it is not one."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbench import results
from avbench.errors import BadManifest
from avbench.results import Result, Score

NAN = float("nan")


def score(metric: str = "av_align", **changes: Any) -> Score:
    fields: dict[str, Any] = {
        "metric": metric,
        "title": "a title",
        "value": 0.1 + 0.2,
        "low": 0.25,
        "high": 1 / 3,
        "interval": "95 %",
        "unit": "",
        "better": "higher",
        "n_items": 3,
        "n_scored": 2,
        "unscored": {"c": "no_audio: there is no audio stream"},
        "flagged": {"a": ["silent"]},
        "signature": f"{metric}|v:1",
        "parameters": {"variant": "svg", "resize": None},
        "extractors": [{"name": "onsets", "revision": 1, "parameters": {}, "weights": None}],
    }
    return Score(**{**fields, **changes})


def result(*scores: Score, **changes: Any) -> Result:
    fields: dict[str, Any] = {
        "model": "reference",
        "suite": {"name": "mine", "version": 1, "items": "ab"},
        "request": {"verb": "run", "limit": None, "seed": 0},
        "clips": {"a": {"sha256": "1", "flags": []}, "b": {"sha256": "2", "flags": ["rotated"]}},
        "others": {"notes.txt": "neither a video nor a sound file by its suffix"},
        "versions": {"avbench": "0.1.0", "numpy": "2"},
        "device": "cpu",
        "hashes": {"ids": "x", "clips": "y", "references": ""},
    }
    return Result(metrics=scores or (score(),), **{**fields, **changes})


def test_a_result_comes_back_as_it_was(tmp_path: Path) -> None:
    made = result(score(), score("motion_score", value=math.pi, better="none", parameters={}))
    results.write(made, tmp_path)
    for path in (tmp_path, tmp_path / "result.json"):
        back = results.read(path)
        assert back == made
        assert back.folder == tmp_path
        assert results.to_json(back) == results.to_json(made)


def test_numbers_that_do_not_exist_survive_any_json_reader(tmp_path: Path) -> None:
    made = result(score(value=NAN, low=-math.inf, high=math.inf))
    results.write(made, tmp_path)
    text = (tmp_path / "result.json").read_text(encoding="utf-8")
    raw = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert [raw["metrics"][0][k] for k in ("value", "low", "high")] == ["NaN", "-Infinity", "Infinity"]
    back = results.read(tmp_path)["av_align"]
    assert math.isnan(back.value)
    assert (back.low, back.high) == (-math.inf, math.inf)


def test_the_schema_comes_first_and_numpy_and_paths_are_plain(tmp_path: Path) -> None:
    made = result(score(n_items=int(np.int64(3)), parameters={"x": np.float64(0.5)}), request={"clips": Path("a/b")})
    text = results.to_json(made)
    assert text.startswith('{\n "schema": 1,\n')
    assert text.endswith("}\n")
    assert '"x": 0.5' in text
    assert '"clips": "a/b"' in text
    assert "folder" not in json.loads(text)
    with pytest.raises(TypeError, match="complex in a result"):
        results.to_json(result(score(parameters={"x": 1j})))


def test_scores_are_found_by_label_or_by_a_unique_name() -> None:
    made = result(score("av_align[svg]"), score("av_align[javisbench]"), score("motion_score[native]"))
    assert made["motion_score"].metric == "motion_score[native]"
    assert made["av_align[svg]"].metric == "av_align[svg]"
    with pytest.raises(KeyError, match="no metric 'av_align' in this result; there are av_align"):
        _ = made["av_align"]


def test_a_later_schema_asks_for_an_update_and_an_older_one_is_read(tmp_path: Path) -> None:
    table = json.loads(results.to_json(result()))
    path = tmp_path / "result.json"
    path.write_text(json.dumps({**table, "schema": results.SCHEMA + 1, "novelty": 1}), encoding="utf-8")
    with pytest.raises(BadManifest, match=r"schema 2 is newer than this avbench reads \(1\); update avbench"):
        results.read(path)
    for score_ in table["metrics"]:  # fields that came with a default may be absent in a file that was written before
        for key in ("parameters", "revision", "extractors"):
            del score_[key]
    path.write_text(json.dumps(table), encoding="utf-8")
    assert results.read(path)["av_align"].revision == 1


def _without(*keys: str) -> Callable[[dict[str, Any]], Any]:
    return lambda table: {k: v for k, v in table.items() if k not in keys}


def _metric(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda table: {**table, "metrics": [{**table["metrics"][0], **changes}]}


def _with(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda table: {**table, **changes}


HOSTILE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a list": lambda table: [table],
    "null": lambda table: None,
    "no schema": _without("schema"),
    "schema true": _with(schema=True),
    "schema text": _with(schema="1"),
    "no metrics": _without("metrics"),
    "metrics a number": _with(metrics=5),
    "a metric a number": _with(metrics=[5]),
    "an unknown field": _with(surprise=1),
    "an unknown field of a metric": _metric(surprise=1),
    "value text": _metric(value="high"),
    "value null": _metric(value=None),
    "value a list": _metric(value=[1]),
    "name a number": _metric(metric=7),
    "name a path": _metric(metric="../../secret"),
    "better sideways": _metric(better="sideways"),
    "better a list": _metric(better=[]),
    "unscored a list": _metric(unscored=["a"]),
    "unscored numbers": _metric(unscored={"a": 1}),
    "flagged text": _metric(flagged={"a": "silent"}),
    "scored text": _metric(n_scored="2"),
    "scored true": _metric(n_scored=True),
    "extractors numbers": _metric(extractors=[1]),
    "extractors nameless": _metric(extractors=[{"revision": 1}]),
    "clips a list": _with(clips=["a"]),
    "a clip a number": _with(clips={"a": 1}),
    "others numbers": _with(others={"a": 1}),
    "versions null": _with(versions=None),
    "request text": _with(request="run"),
    "hashes null": _with(hashes=None),
    "model a number": _with(model=1),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_file_that_is_no_result_is_refused(what: str, tmp_path: Path) -> None:
    table = json.loads(results.to_json(result()))
    path = tmp_path / "result.json"
    path.write_text(json.dumps(HOSTILE[what](table)), encoding="utf-8")
    with pytest.raises(BadManifest, match=r"result\.json: "):
        results.read(path)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff\xfe{}", b"[" * 100_000, b'{"schema": ' + b"9" * 5_000 + b"}", b"\0" * 10, b"nan"]
)
def test_bytes_that_are_no_result_are_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_bytes(data)
    with pytest.raises(BadManifest, match="not a result"):
        results.read(tmp_path)


def test_a_folder_without_a_result_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(BadManifest, match=r"not a result: .*expected the folder of a finished run"):
            results.read(path)


# ------------------------------------------------------------------ rows


def test_rows_come_back_clip_by_clip(tmp_path: Path) -> None:
    made = result(score(), folder=tmp_path)
    results.write_rows(
        tmp_path / "rows" / "av_align.parquet", ["a", "b"], [np.array([0.5, 1.0]), np.array([1.0, 2.0])], ("x", "y"), "s"
    )
    frame = results.rows(made, "av_align")
    assert list(frame.columns) == ["clip", "part", "x", "y"]
    assert frame["clip"].tolist() == ["a", "b"]
    assert frame["y"].tolist() == [1.0, 2.0]
    with pytest.raises(BadManifest, match="the rows of other are not there"):
        results.rows(result(score("other"), folder=tmp_path), "other")


def test_rows_with_several_parts_and_embeddings_and_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    made = result(score("x"), folder=tmp_path)
    path = tmp_path / "rows" / "x.parquet"
    results.write_rows(path, ["a", "b"], [np.zeros((2, 3)), np.ones((1, 3))], (), "s")
    frame = results.rows(made, "x")
    assert frame["clip"].tolist() == ["a", "a", "b"]
    assert frame["part"].tolist() == [0, 1, 0]
    assert frame["row"][2].tolist() == [1.0, 1.0, 1.0]
    results.write_rows(path, [], [], ("value",), "s")
    assert len(results.rows(made, "x")) == 0


# ------------------------------------------------------------------ diff


def test_equal_results_have_no_difference() -> None:
    made = result(score(value=NAN, low=NAN, high=NAN))
    assert results.diff(made, made) == []
    assert results.diff(made, dataclasses.replace(made)) == []


@pytest.mark.parametrize(
    ("other", "where", "what"),
    [
        (result(model="noise"), "model", "model"),
        (result(suite={"name": "mine", "version": 2, "items": "ab"}), "suite", "version"),
        (result(request={"verb": "run", "limit": 4, "seed": 0}), "request", "limit"),
        (result(request={"verb": "run", "limit": None, "seed": 1}), "request", "seed"),
        (result(versions={"avbench": "0.1.0", "numpy": "3"}), "version", "numpy"),
        (result(versions={"avbench": "0.1.0"}), "version", "numpy"),
        (result(device="cuda"), "device", "device"),
        (result(hashes={"ids": "x", "clips": "y", "references": "z"}), "reference clips", "hash"),
        (result(score("other")), "metric", "av_align"),
        (result(score(revision=2)), "setting of av_align", "revision"),
        (result(score(parameters={"variant": "javisbench", "resize": None})), "setting of av_align", "variant"),
        (result(score(extractors=[{"name": "onsets", "revision": 2}])), "extractor of av_align", "onsets"),
        (
            result(score(extractors=[{"name": "onsets", "revision": 1, "parameters": {}, "weights": "ffff"}])),
            "extractor of av_align",
            "onsets",
        ),
        (result(score(unscored={})), "unscored in av_align", "c"),
        (result(clips={"a": {"sha256": "1"}}), "id only in A", "1 clips"),
        (result(clips={"a": {"sha256": "1"}, "b": {"sha256": "9"}}), "clip", "1 clips have other bytes"),
        (result(score(value=0.5)), "value", "av_align"),
        (result(score(value=NAN)), "value", "av_align"),
    ],
)
def test_each_difference_is_named(other: Result, where: str, what: str) -> None:
    found = results.diff(result(), other)
    assert (where, what) in [(d.where, d.what) for d in found]
    back = results.diff(other, result())
    assert len(back) == len(found)


def test_settings_come_before_numbers() -> None:
    other = result(score(value=0.9, revision=2), model="noise")
    assert [d.where for d in results.diff(result(), other)] == ["model", "setting of av_align", "value"]
