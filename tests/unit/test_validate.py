"""Curves of metrics under known damage, and the report that shows them."""

from __future__ import annotations

import json
import math
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench import engine, pipeline, registry
from avbench.agreement.scores import Values
from avbench.distortions import catalogue
from avbench.encode import write_clip
from avbench.errors import AvbenchError
from avbench.options import Options
from avbench.results import Score
from avbench.types import Clip, ClipFile
from avbench.validate import cells, curves, job, page
from avbench.validate.drawing import Drawing, pdf_file, text_width
from tests.conftest import Said

LEVELS = tuple(range(10))


def curve(table: NDArray[np.float64], name: str = "blur", better: str = "higher") -> curves.Curve:
    (distortion,) = catalogue.chosen([name])
    return curves.clip_curve("m", Values(better, {}), distortion, LEVELS, table, 300, 0)  # type: ignore[arg-type]


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


def set_curve(numbers: dict[int, tuple[float, float, float]], metric: str = "fad_mini", name: str = "blur") -> curves.Curve:
    """Of value, low and high by level; -1 for none."""
    (distortion,) = catalogue.chosen([name])
    found = registry.metric(metric)

    def score(number: tuple[float, float, float]) -> Score:
        return Score(found.label, "", *number, "how", "", found.better, 9, 9, {}, {}, "")

    scores = {cells.UNDISTORTED if n < 0 else (distortion.code, n): score(v) for n, v in numbers.items()}
    return curves.set_curve(found, scores, distortion, sorted({n for n in (*numbers, 3) if n >= 0}))


def test_a_level_of_a_set_is_told_by_its_interval() -> None:
    found = set_curve({-1: (1, 0.5, 1.5), 0: (1.2, 0.8, 1.6), 3: (3, 1.4, 4.6), 5: (4, 2.5, 5.5), 9: (3.5, 1, 6)})
    assert (found.told, found.told_by, found.of, found.reference) == (5, "intervals", "set", True)
    assert found.monotonicity.value == pytest.approx(0.9)
    assert math.isnan(found.monotonicity.low)
    deviations = [p.effect * math.hypot(1, p.mean.high - p.mean.low) / (2 * 1.959964) for p in found.points]
    assert deviations == pytest.approx([0, 0.2, 2, 3, 2.5])


def test_a_score_of_a_set_that_falls_gets_worse() -> None:
    found = set_curve({-1: (5, 4, 6), 3: (3, 2, 3.9), 9: (1, 0.9, 1.1)}, "is_mini")
    assert (found.told, found.reference) == (3, False)
    assert found.monotonicity.value == pytest.approx(1.0)


def test_a_set_without_intervals_or_without_a_cell_tells_nothing() -> None:
    found = set_curve({-1: (1, math.nan, math.nan), 5: (9, math.nan, math.nan)})
    assert found.told is None
    assert [p.clips for p in found.points] == [9, 0, 9]
    assert math.isnan(found.points[2].effect)
    assert found.points[1].mean.how == "none: no clip could be made"
    assert math.isnan(found.monotonicity.value)  # a level is missing


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


def test_metrics_of_sets_and_of_pairs_beside_one_of_clips(
    avbench_cli: Callable[..., Said], tmp_path: Path, make_clip: Callable[..., Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = folder(tmp_path / "clips", make_clip, 3)
    passes: list[list[str]] = []
    extract = engine.extract

    def spied(sources: Sequence[ClipFile], *rest: Any, **how: Any) -> engine.Extraction:
        found = extract(sources, *rest, **how)
        passes.append([f"{s.id} {found.made}" for s in sources])
        return found

    monkeypatch.setattr(engine, "extract", spied)
    asked = ("fad_mini", "kl_mini", "is_mini", "loudness")
    arguments = ("validate", *asked, "--clips", clips, "--type", "low_pass,blur", "--level", "1,9", "--workers", "1")
    said = avbench_cli(*arguments, "--out", "v", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert [(c["metric"], c["of"], c["reference"]) for c in found["curves"][::2]] == [
        ("fad_mini", "set", True),
        ("kl_mini", "clip", True),
        ("is_mini", "set", False),
        ("loudness", "clip", False),
    ]
    # The undistorted clips go through the network in one pass of three, however many cells there are.
    assert [p for p in passes if p[0].startswith("k0 ")] == [["k0 3", "k1 3", "k2 3"]]
    by = {(c["metric"], c["name"]): c for c in found["curves"]}
    for metric in ("fad_mini", "kl_mini"):
        values = [p["mean"]["value"] for p in by[metric, "low_pass"]["points"]]
        assert 0 < values[0] < values[1] < values[2]  # encoding costs something
        assert len({p["mean"]["value"] for p in by[metric, "blur"]["points"]}) == 1  # the sound is the same
    heard = by["fad_mini", "low_pass"]
    assert [p["clips"] for p in heard["points"]] == [3, 3, 3]
    assert (heard["told"], heard["told_by"], heard["points"][2]["effect"], heard["points"][2]["p"]) == (
        None,
        "intervals",
        None,
        None,
    )
    assert heard["monotonicity"] == {"value": 1.0, "low": None, "high": None, "how": "none: one value per level"}
    assert "fad_mini has no interval without distortion (3 clips, halves need 8), so no level can be told" in str(
        found["notes"]
    )
    assert found["signatures"]["fad_mini"].endswith("|reference:undistorted")
    assert "reference:" not in found["signatures"]["is_mini"]
    text = Path("v/validation.html").read_text()
    assert text.count("<svg") == 8
    assert text.count("compares all clips of a level with the clips as given") == 1
    assert text.count("each compared with its own clip as given") == 1
    assert text.count("one number of all clips of a level, with") == 1
    assert "none: one value per level" in text
    assert Path("v/validation.pdf").read_bytes().count(b"/Type /Page ") == 4
    # A run over the clips of one cell, named as the clips, has the same numbers.
    cell = tmp_path / "cell"
    cell.mkdir()
    for n in range(3):
        shutil.copy(Path("v") / "clips" / f"k{n}_output_11_9.mp4", cell / f"k{n}.mp4")
    run = pipeline.score(cell, references=clips, metrics=asked, options=Options(workers=1))
    assert {m: by[m, "low_pass"]["points"][2]["mean"]["value"] for m in asked} == {m: run[m].value for m in asked}
    # The same numbers again, and no network runs.
    passes.clear()
    again = avbench_cli(*arguments, "--out", "v", "--json")
    assert again.out == said.out
    assert {line.split()[1] for p in passes for line in p} == {"0"}


def folder(path: Path, make_clip: Callable[..., Clip], clips: int, **how: Any) -> Path:
    path.mkdir()
    for n in range(clips):
        write_clip(path / f"k{n}.mp4", make_clip(f"k{n}", seed=n, **how))
    return path


@pytest.mark.parametrize(
    ("metric", "clips", "said"),
    [
        ("fad_mini", 1, "fad_mini is a number of 2 or more clips together, and 1 of"),
        ("is_passt", 3, "is_passt is a number of 10 or more clips together, and 3 of"),
        ("fad_vggish", 3, "avbench weights fetch"),
        ("fad_min", 3, "no metric 'fad_min'; did you mean 'fad_mini'?"),
        ("clap_ta", 3, "clap_ta compares with captions, and a folder of clips has none; leave it out"),
    ],
)
def test_what_cannot_be_had_is_said_before_anything_is_distorted(
    avbench_cli: Callable[..., Said], tmp_path: Path, make_clip: Callable[..., Clip], metric: str, clips: int, said: str
) -> None:
    where = folder(tmp_path / "clips", make_clip, clips)
    found = avbench_cli("validate", "loudness", metric, "--clips", where, "--type", "blur", "--level", "1", "--out", "v")
    assert found.code == 2
    assert said in found.message
    assert not Path("v").exists()


def test_clips_without_sound(avbench_cli: Callable[..., Said], tmp_path: Path, make_clip: Callable[..., Clip]) -> None:
    where = folder(tmp_path / "clips", make_clip, 2, audio=False)
    rest = ("--clips", where, "--type", "blur", "--level", "1", "--workers", "1", "--out", "v")
    alone = avbench_cli("validate", "fad_mini", *rest)
    assert alone.code == 2
    assert "no curve to draw: fad_mini has no value at any level: too_short: needs at least 2 clips" in alone.message
    assert "no_audio" in alone.message
    beside = avbench_cli("validate", "fad_mini", "kl_mini", "static_picture", *rest, "--json")
    assert beside.code == 0, beside.err
    found = json.loads(beside.out)
    assert [c["metric"] for c in found["curves"]] == ["fad_mini", "kl_mini", "static_picture"]
    for metric in ("fad_mini", "kl_mini"):
        assert any(f"{metric} has no value at any level" in note and "no_audio" in note for note in found["notes"])
        assert len(found["unscored"][metric]) == 4
    assert Path("v/validation.html").read_text().count("no clip could be scored") == 2


def test_a_curve_without_values_is_drawn_as_such() -> None:
    empty = job.plain({"curves": [vars_of(curve(np.full((4, 11), np.nan)))]})["curves"][0]
    assert "no clip could be scored" in page.plot(empty).svg("x")


def vars_of(found: curves.Curve) -> dict[str, object]:
    import dataclasses

    return dataclasses.asdict(found)


def test_nothing_to_show_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AvbenchError):
        job.validate(["av_align"], tmp_path / "none", tmp_path / "out", catalogue.chosen(["blur"]), (1,))
