"""R14, R15: few clips, and features that are no numbers: never a sentinel, always a reason."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from avbench import metric, registry, results
from avbench.errors import AvbenchError, BadFolder, BadParameter, Unscorable
from avbench.options import Options
from avbench.pipeline import score

from .support import write_clips

ONE = Options(workers=1)


def test_no_clip_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    with pytest.raises(BadFolder, match="no clips"):
        score(tmp_path / "clips", out=tmp_path / "out")


def test_only_bad_clips_have_no_numbers(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(b"")
    found = score(tmp_path / "clips", out=tmp_path / "out", options=ONE)
    for s in results.read(found.folder or tmp_path).metrics:
        assert math.isnan(s.value)
        assert math.isnan(s.low)
        assert math.isnan(s.high)
        assert (s.n_items, s.n_scored, s.unscored["a"].split(":")[0]) == (1, 0, "empty_file")


@pytest.mark.parametrize("count", [1, 2])
def test_one_and_two_clips(count: int, tmp_path: Path) -> None:
    """One clip has a number and no interval; two have an interval around it."""
    write_clips(tmp_path / "clips", [f"c{k}" for k in range(count)])
    found = score(tmp_path / "clips", out=tmp_path / "out", metrics=["motion_score"], options=ONE)
    for s in found.metrics:
        assert s.n_scored == count
        assert math.isfinite(s.value)
        if count == 1:
            assert math.isnan(s.low)
            assert math.isnan(s.high)
        else:
            assert s.low <= s.value <= s.high
    assert found["motion_score"].value > 0


@pytest.mark.parametrize("name", registry.names("metrics"))
def test_every_metric_refuses_too_few_rows_and_no_numbers(name: str) -> None:
    made = metric(name)
    width = len(made.columns) or 4
    refs = np.ones((made.minimum + 2, width)) if made.needs_all and made.needs_reference else None
    with pytest.raises((Unscorable, BadParameter)):
        made.compute(np.zeros((0, width)), refs)
    with pytest.raises((Unscorable, BadParameter)):
        made.compute(np.ones((made.minimum - 1, width)), refs)
    for bad in (np.nan, np.inf, -np.inf):
        rows = np.ones((made.minimum + 2, width))
        rows[1, -1] = bad
        with pytest.raises(BadParameter, match=f"1 of {len(rows)}"):
            made.compute(rows, refs)
    if made.columns:
        with pytest.raises(BadParameter, match="must be"):
            made.compute(np.ones((made.minimum + 2, width + 1)), refs)
    if refs is not None:
        with pytest.raises(BadParameter, match="reference rows are needed"):
            made.compute(np.ones((made.minimum + 2, width)))
    assert math.isfinite(made.compute(np.ones((made.minimum + 2, width)), refs))


@pytest.mark.usefixtures("plugins")
def test_clips_with_no_numbers_are_named_and_left_out(tmp_path: Path) -> None:
    values = ["1", "2", "4", "9", "nan", "inf"]
    write_clips(tmp_path / "clips", [f"clip {v}" for v in values])
    found = score(tmp_path / "clips", out=tmp_path / "out", metrics=["name_mean"], options=ONE)["name_mean"]
    assert found.value == 4.0
    assert (found.n_items, found.n_scored) == (6, 4)
    assert {k: v.split(":")[0] for k, v in found.unscored.items()} == {"clip nan": "non_finite", "clip inf": "non_finite"}


@pytest.mark.usefixtures("plugins")
def test_fewer_clips_than_the_minimum_have_no_number(tmp_path: Path) -> None:
    """And no number survives writing and reading, in JSON that any reader takes."""
    write_clips(tmp_path / "clips", ["clip 1", "clip 2", "clip nan"])
    result = score(tmp_path / "clips", out=tmp_path / "out", metrics=["name_mean"], options=ONE)
    again = results.read(tmp_path / "out")
    for found in (result["name_mean"], again["name_mean"]):
        assert math.isnan(found.value)
        assert (found.n_items, found.n_scored) == (3, 2)
    text = (tmp_path / "out" / "result.json").read_text()

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    table = json.loads(text, parse_constant=refuse)
    assert next(m for m in table["metrics"] if m["metric"] == "name_mean")["value"] == "NaN"
    assert results.to_json(again) == text
    assert not results.diff(result, again)
    with pytest.raises(AvbenchError):
        registry.metric("name_mean").compute(np.ones(2))
