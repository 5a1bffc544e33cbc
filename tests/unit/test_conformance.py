"""Clips that are less than their suite asks for, numbers by category, and metrics for some items alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench import conformance, groups, registry, suites
from avbench.errors import OffProtocol
from avbench.reference_stats import Reference
from avbench.rows import Table
from avbench.types import Item, Metric, Suite

ASKED = {"seconds": 4.0, "frame_rate": 24.0, "width": 64, "height": 48, "sample_rate": 16_000}


def suite(rules: Mapping[str, str] | None = None, **more: object) -> Suite:
    made = Suite("mine", 1, "t", (), (), (), 4.0, 24.0, 64, 48, 16_000, Path(), protocol="p")
    return dataclasses.replace(made, conformance={**dict.fromkeys(ASKED, "flag"), **(rules or {})}, **more)  # type: ignore[arg-type]


def facts(**changed: float) -> dict[str, NDArray[np.float64]]:
    values = {
        "video_seconds": 4.0,
        "audio_seconds": 4.0,
        "has_video": 1,
        "has_audio": 1,
        "frames": 96,
        "frame_rate": 24.0,
        "width": 64,
        "height": 48,
        "sample_rate": 16_000,
        **changed,
    }
    return {f"stream_facts.{k}": np.asarray(v, dtype=np.float64) for k, v in values.items()}


@pytest.mark.parametrize(
    ("changed", "less"),
    [
        ({}, {}),
        ({"video_seconds": 9.0, "width": 1280, "frame_rate": 60.0, "sample_rate": 48_000}, {}),
        ({"video_seconds": 4.0 - 1 / 24, "audio_seconds": 3.95, "frame_rate": 23.976}, {}),  # a frame, a codec's delay, NTSC
        ({"video_seconds": 3.9}, {"seconds": (3.9, 4.0)}),
        ({"audio_seconds": 3.5}, {"seconds": (3.5, 4.0)}),
        ({"frame_rate": 16.0}, {"frame_rate": (16.0, 24.0)}),
        ({"width": 63, "height": 47}, {"width": (63, 64), "height": (47, 48)}),
        ({"sample_rate": 8_000}, {"sample_rate": (8_000, 16_000)}),
        ({"has_video": 0, "video_seconds": 0, "frame_rate": 0, "width": 0, "height": 0}, {}),
        ({"has_audio": 0, "audio_seconds": 0, "sample_rate": 0}, {}),
    ],
)
def test_what_is_less_than_asked(changed: dict[str, float], less: dict[str, tuple[float, float]]) -> None:
    assert conformance.shortfalls(facts(**changed), Item("a"), suite()) == less
    ignored = suite(dict.fromkeys(ASKED, "ignore"))
    assert conformance.shortfalls(facts(**changed), Item("a"), ignored) == {}


def test_an_items_own_length_goes_before_the_suites() -> None:
    assert conformance.shortfalls(facts(video_seconds=2.0, audio_seconds=2.0), Item("a", seconds=2.0), suite()) == {}
    assert "seconds" in conformance.shortfalls(facts(), Item("a", seconds=6.0), suite())


def test_a_rule_flags_or_ends_the_run() -> None:
    found = {"a": {"seconds": (1.5, 4.0)}, "b": {"seconds": (2.0, 4.0), "width": (32.0, 64.0)}}
    said = conformance.checked(found, suite())
    assert said["seconds"] == {"rule": "flag", "asked": 4.0, "clips": {"a": 1.5, "b": 2.0}}
    assert said["width"]["clips"] == {"b": 32.0}
    with pytest.raises(
        OffProtocol, match=r"2 clips have less than the seconds of 4 that protocol p of suite mine demands: a \(1.5\), b"
    ):
        conformance.checked(found, suite({"seconds": "error"}))
    assert conformance.checked({}, suite({"seconds": "error"})) == {}


# ------------------------------------------------------------------ groups

ITEMS = tuple(
    Item(f"i{n:02d}", category="even" if n % 2 == 0 else "odd", tags=("S: x",) if n < 6 else ("S: x", "S: y") if n < 9 else ())
    for n in range(12)
)


def table(metric: str, rows: NDArray[np.float64], left_out: str = "") -> tuple[Metric, Table]:
    spec = registry.parse_spec(metric)
    found = Table()
    for item, row in zip(ITEMS, rows, strict=True):
        if item.id != left_out:
            found.clips.append(item.id)
            found.rows.append(row)
    return registry.metric(spec.name, **dict(spec.parameters)), found


def test_groups_are_categories_and_the_classes_of_aspects() -> None:
    mine = suite(items=ITEMS, aspects={"S": ("x", "y", "z")})
    among = groups.groups(mine)
    assert list(among) == ["category/even", "category/odd", "S/x", "S/y", "S/z"]
    assert [len(items) for items in among.values()] == [6, 6, 9, 3, 0]


def test_a_mean_of_a_group_is_the_mean_of_its_rows() -> None:
    rows = np.random.default_rng(0).uniform(size=(12, len(registry.metric("av_align").columns)))
    metric, found = table("av_align", rows, left_out="i02")
    mine = suite(items=ITEMS, aspects={"S": ("x", "y", "z")})
    got = groups.scores(metric, found, groups.groups(mine), mine, None)
    assert got["category/even"] == {"value": rows[[0, 4, 6, 8, 10], 0].mean(), "n_scored": 5, "n_items": 6}
    assert got["S/y"]["value"] == rows[6:9, 0].mean()
    assert got["S/z"]["n_items"] == 0
    assert np.isnan(got["S/z"]["value"])


def test_a_distance_of_a_group_takes_the_groups_share_of_the_reference() -> None:
    draw = np.random.default_rng(0)
    rows, real = draw.standard_normal((12, 400)), draw.standard_normal((12, 400)) + 0.2
    metric, found = table("fvd[javisbench]", rows)
    mine = suite(items=ITEMS, aspects={"S": ("x", "y", "z")})
    cache = Reference(12, None, real, None, "cache")
    got = groups.scores(metric, found, groups.groups(mine), mine, cache)
    assert got["S/y"]["value"] == metric.score(rows[6:9], real[6:9])
    assert set(got) == {"S/x", "S/y", "S/z"}, "categories are many and small: no distances of theirs"
    assert np.isnan(got["S/z"]["value"])
    other = Reference(11, None, real[:11], None, "another set")
    assert np.isnan(groups.scores(metric, found, groups.groups(mine), mine, other)["S/y"]["value"])
    found.ref_rows = list(real)
    direct = groups.scores(metric, found, groups.groups(mine), mine, None)
    assert direct["S/y"]["value"] == got["S/y"]["value"]


def test_several_samples_of_an_item() -> None:
    several = suites.sampled((Item("a", "x", fields={"k": 1}), Item("b")), 3, "s")
    assert [i.id for i in several] == ["a_0", "a_1", "a_2", "b_0", "b_1", "b_2"]
    assert several[1].fields == {"k": 1, "sample_of": {"id": "a", "index": 1}}
    assert [i.origin for i in several[2:4]] == ["a", "b"]
    assert suites.sampled((Item("a"),), 1, "s") == (Item("a"),)
