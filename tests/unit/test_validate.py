"""Curves of metrics under known damage, and the report that shows them."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench.agreement.scores import Values
from avbench.distortions import catalogue
from avbench.encode import write_clip
from avbench.errors import AvbenchError
from avbench.types import Clip
from avbench.validate import curves, page
from avbench.validate.drawing import Drawing, pdf_file, text_width
from tests.conftest import Said

LEVELS = tuple(range(10))


def curve(table: NDArray[np.float64], name: str = "blur", better: str = "higher") -> curves.Curve:
    (distortion,) = catalogue.chosen([name])
    return curves._curve("m", Values(better, {}), distortion, LEVELS, table, 300, 0)  # type: ignore[arg-type]


def falling(clips: int, noise: float, seed: int = 0) -> NDArray[np.float64]:
    """Undistorted 1, then a step down per level, with an offset of each clip."""
    rng = np.random.default_rng(seed)
    return 1 - 0.05 * np.arange(11) + rng.normal(size=(clips, 1)) + noise * rng.normal(size=(clips, 11))


def test_a_metric_that_falls_with_the_damage() -> None:
    found = curve(falling(20, 0.08))
    assert found.monotonicity.value == pytest.approx(1.0, abs=0.06)
    assert found.monotonicity.low > 0.8
    assert found.isotonic > 0.98
    assert found.told in (0, 1, 2, 3)
    assert found.told_by == "test"
    assert [p.level for p in found.points] == [-1, *range(10)]
    assert found.points[-1].effect < -2
    assert found.points[0].mean.value == pytest.approx(np.mean(falling(20, 0.08)[:, 0]))


def test_a_metric_that_points_the_other_way() -> None:
    assert curve(falling(20, 0.08), better="lower").monotonicity.value == pytest.approx(-1.0, abs=0.06)
    assert curve(-falling(20, 0.08), better="lower").monotonicity.value == pytest.approx(1.0, abs=0.06)


def test_a_metric_that_notices_nothing() -> None:
    told = [curve(falling(12, 0.0) * 0 + np.random.default_rng(s).normal(size=(12, 11))).told for s in range(60)]
    assert sum(t is not None for t in told) <= 9  # 5 % of 60 are expected
    flat = curve(np.ones((12, 11)))
    assert (flat.told, math.isnan(flat.monotonicity.value), math.isnan(flat.isotonic)) == (None, True, True)
    assert flat.points[5].effect == 0


def test_levels_stand_by_severity_and_shifts_either_way_share_a_rank() -> None:
    assert [p.level for p in curve(falling(9, 0.1), "06").points] == [-1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    shifts = curve(falling(9, 0.1), "01").points
    assert [p.parameter for p in shifts] == [None, -0.045, -0.1, 0.125, -0.125, -0.25, 0.5, -0.5, 1.0, -1.0, -2.0]
    assert [p.severity for p in shifts] == [0, 1, 2, 3, 3, 4, 5, 5, 6, 6, 7]


def test_few_clips_are_told_by_effect_size() -> None:
    found = curve(falling(5, 0.02))
    assert (found.told_by, found.told) == ("effect size", 0)
    assert math.isnan(found.points[1].p)


def test_a_clip_counts_where_it_has_both_values() -> None:
    table = falling(12, 0.05)
    table[3, 5] = np.nan  # not scored at one level
    table[4, 0] = np.nan  # not scored undistorted
    found = curve(table)
    assert [p.clips for p in found.points] == [11, 11, 11, 11, 11, 10, 11, 11, 11, 11, 11]
    table[:, 7] = np.nan
    empty = curve(table)
    assert math.isnan(empty.points[7].mean.value)
    assert empty.points[7].clips == 0


def test_equal_differences_are_infinitely_large() -> None:
    table = np.repeat(np.arange(10.0)[:, None], 11, axis=1)
    table[:, 3] -= 1
    assert curve(table).points[3].effect == -math.inf


# ------------------------------------------------------------------ drawing


def test_svg_is_well_formed_and_hostile_text_stays_text() -> None:
    drawing = Drawing(100, 50)
    drawing.line([(0, 0), (10, 10)], (255, 0, 0), dash=True)
    drawing.dot(5, 5, 2, (0, 0, 255))
    drawing.text(1, 2, "<script>alert('x')</script> & \\(é…", anchor="end", bold=True)
    root = ET.fromstring(drawing.svg('a "label" <b>'))  # noqa: S314
    assert {child.tag for child in root} == {"polyline", "polygon", "text"}
    assert "<script" not in drawing.svg("x")


def test_pdf_has_its_objects_where_its_table_says() -> None:
    drawing = Drawing(200, 100)
    drawing.text(10, 10, "a (b) \\ … 日本", 9)
    drawing.area([(0, 0), (5, 0), (5, 5)], (1, 2, 3))
    data = pdf_file([drawing, drawing], "title (x)")
    start = int(re.search(rb"startxref\n(\d+)", data).group(1))  # type: ignore[union-attr]
    assert data[start : start + 4] == b"xref"
    places = [int(m) for m in re.findall(rb"(\d{10}) 00000 n", data)]
    assert [data[p : p + 8].split()[0] for p in places] == [b"%d" % n for n in range(1, len(places) + 1)]
    assert b"(a \\(b\\) \\\\ \x85 ??) Tj" in data
    assert data.count(b"/Type /Page ") == 2


def test_text_width_is_about_that_of_helvetica() -> None:
    assert text_width("0.25", 10) == pytest.approx((3 * 556 + 278) / 100)


# ------------------------------------------------------------------ the command


def test_from_clips_to_report(avbench_cli: Callable[..., Said], tmp_path: Path, make_clip: Callable[..., Clip]) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for n in range(3):
        write_clip(clips / f"<b>k{n}.mp4", make_clip(f"k{n}", seed=n))
    types = ("--type", "frame_drop,low_pass", "--level", "1,5,9")
    arguments = ("validate", "static_picture", "loudness", "--clips", clips, *types)
    said = avbench_cli(*arguments, "--out", "v", "--workers", "1", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found == json.loads(Path("v/validation.json").read_text())
    assert {(c["metric"], c["name"]) for c in found["curves"]} == {
        (m, d) for m in ("static_picture", "loudness") for d in ("frame_drop", "low_pass")
    }
    dropped = next(c for c in found["curves"] if (c["metric"], c["name"]) == ("static_picture", "frame_drop"))
    assert [p["level"] for p in dropped["points"]] == [-1, 1, 5, 9]
    assert [p["clips"] for p in dropped["points"]] == [3, 3, 3, 3]
    assert dropped["points"][-1]["mean"]["value"] > dropped["points"][0]["mean"]["value"] + 30
    assert dropped["told_by"] == "effect size"
    text = Path("v/validation.html").read_text()
    assert text.count("<svg") == 4
    assert "src=" not in text
    assert "http" not in text.replace("https://", "")
    assert Path("v/validation.pdf").read_bytes().startswith(b"%PDF-1.4")
    again = avbench_cli(*arguments, "--out", "v", "--workers", "1")
    assert again.code == 0, again.err
    assert "frame_drop" in again.out
    assert "too few for a paired test" in " ".join(again.out.split())


def test_a_metric_without_a_value_per_clip_is_refused(
    avbench_cli: Callable[..., Said], tmp_path: Path, make_clip: Callable[..., Clip]
) -> None:
    (tmp_path / "clips").mkdir()
    write_clip(tmp_path / "clips" / "a.mp4", make_clip("a"))
    said = avbench_cli(
        "validate", "fad_vggish", "--clips", tmp_path / "clips", "--type", "blur", "--level", "1", "--workers", "1"
    )
    assert said.code == 2
    assert "compares with reference clips" in said.message


def test_a_curve_without_values_is_drawn_as_such() -> None:
    empty = curves.plain({"curves": [vars_of(curve(np.full((4, 11), np.nan)))]})["curves"][0]
    assert "no clip could be scored" in page.plot(empty).svg("x")


def vars_of(found: curves.Curve) -> dict[str, object]:
    import dataclasses

    return dataclasses.asdict(found)


def test_nothing_to_show_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AvbenchError):
        curves.validate(["av_align"], tmp_path / "none", tmp_path / "out", catalogue.chosen(["blur"]), (1,))
