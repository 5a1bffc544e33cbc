"""Reports: the numbers in them, what a page may run and load, and pages of runs that lack something."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import json
import math
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pytest

from avbench import results, suites
from avbench.encode import write_clip
from avbench.errors import BadParameter, UnknownName
from avbench.folders import file_name
from avbench.media import Reader, sound_alone
from avbench.report import Report, build, categories, clips, curves, document, gather, plots
from avbench.types import Clip, ClipFile, Item, canonical
from tests.conftest import Said
from tests.hostile_names import ALL, HTML
from tests.made_runs import made_run

CHROMIUM = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)


def run_of(folder: Path, rows: Mapping[str, Any], **options: Any) -> Path:
    return made_run(folder, {label: np.asarray(values, dtype=np.float64) for label, values in rows.items()}, **options)


def made(folder: Path, **rows: Sequence[float]) -> Path:
    return run_of(folder, rows, model=folder.name)


def report(*runs: Path, **options: Any) -> Report:
    return build([results.read(run) for run in runs], out=runs[0].parent / "report.html", **options)


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def written_suite(folder: Path, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A suite, and what a result says of it."""
    folder.mkdir(parents=True)
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    (folder / "suite.toml").write_text(
        'name = "small"\nversion = 1\ntitle = "t"\nitems = "items.jsonl"\ndefault_protocol = "p"\n'
        "[clip]\nseconds = 1.0\nframe_rate = 8.0\nwidth = 64\nheight = 64\nsample_rate = 16000\n"
        '[protocols.p]\nmetrics = ["av_align"]\n'
    )
    asked = [dataclasses.asdict(item) for item in suites.load(str(folder)).items]
    return {"name": "small", "version": 1, "items": hashlib.sha256(canonical(asked).encode()).hexdigest()}


# ------------------------------------------------------------------ numbers


def test_the_numbers_are_those_of_the_runs(tmp_path: Path) -> None:
    a = made(tmp_path / "a", av_align=[0.1, 0.4, 0.7], motion_score=[1, 2, 3])
    b = made(tmp_path / "b", av_align=[0.2, 0.3, 0.4])
    made_report = report(a, b)
    data = data_of(made_report.html)
    assert [run["name"] for run in data["runs"]] == ["a", "b"]
    assert [m["label"] for m in data["metrics"]] == ["av_align", "motion_score"]
    assert data["values"][0] == [[0.1, 0.4, 0.7], [1, 2, 3]]
    assert data["values"][1] == [[0.2, 0.3, 0.4], None]
    first, second = data["numbers"][0][0], data["numbers"][1][1]
    assert math.isclose(first["value"], 0.4)
    assert (first["n"], first["of"], second) == (3, 3, None)
    assert first["signature"].startswith("av_align|")
    assert r"\num{0.4000}" in first["latex"]
    assert first["bibtex"].startswith("@misc{avbench-a-av-align-")
    assert data["cells"] == [[0, 1], [0, None]]
    assert "<strong>0.4000</strong>" in made_report.html
    assert (made_report.items, made_report.players) == (3, 3)


def test_where_runs_stand_is_the_share_of_clips_beaten(tmp_path: Path) -> None:
    best = made(tmp_path / "best", av_align=[5, 6], motion_score=[1, 1])
    worst = made(tmp_path / "worst", av_align=[1, 1], motion_score=[2, 2])
    standing = data_of(report(best, worst).html)["standing"]
    assert standing == [
        [0.75, None],
        [0.25, None],
    ]  # half of all clips are its own, of which it beats half; motion ranks nothing
    turned = data_of(report(made(tmp_path / "x", desync=[0.1, 0.1]), made(tmp_path / "y", desync=[0.9, 0.8])).html)["standing"]
    assert turned == [[0.75], [0.25]]


def test_a_missing_number_is_null_and_never_zero(tmp_path: Path) -> None:
    run = run_of(tmp_path / "m", {"av_align": []}, ids=[], unscored=["x", "y"])
    data = data_of(report(run).html)
    number = data["numbers"][0][0]
    assert (number["value"], number["low"], number["high"], number["n"], number["of"]) == (None, None, None, 0, 2)
    assert number["latex"].endswith("\n--")
    assert data["values"] == [[None]]
    (entry,) = data["failures"]["unscored"]
    assert (entry["code"], entry["meaning"]) == ("too_short", "the clip is shorter than the metric needs")
    assert entry["clips"] == [[[0, "made so", [0]], [1, "made so", [0]]]]


def test_a_broken_clip_is_one_line_with_its_metrics(tmp_path: Path) -> None:
    run = run_of(tmp_path / "m", {"av_align": [0.5], "motion_score": [1.0]}, ids=["x"], unscored=["y"])
    path = run / "result.json"
    table = json.loads(path.read_text())
    table["metrics"][0]["flagged"] = {"x": ["black_picture"]}
    table["clips"]["x"]["flags"] = ["rotated"]
    table["others"] = {"notes.txt": "no clip"}
    path.write_text(json.dumps(table))
    failures = data_of(report(run).html)["failures"]
    assert failures["unscored"][0]["clips"] == [[[1, "made so", [0, 1]]]]
    assert {f["code"]: f["clips"] for f in failures["flags"]} == {"black_picture": [[[0, "", [0]]]], "rotated": [[[0, "", []]]]}
    assert failures["others"] == [[["notes.txt", "no clip"]]]


def test_categories_by_hand(tmp_path: Path) -> None:
    said = written_suite(
        tmp_path / "suite",
        [{"id": f"c{k}", "category": "dog" if k < 4 else "cat", "prompt": f"p{k}", "fields": {"seed": k}} for k in range(6)],
    )
    run = run_of(
        tmp_path / "m", {"av_align": [1.0, 2.0, 3.0, 6.0, 5.0]}, ids=[f"c{k}" for k in range(5)], unscored=["c5"], suite=said
    )
    data = data_of(report(run, suite=str(tmp_path / "suite")).html)
    (facet,) = data["facets"]
    assert (facet["name"], facet["labels"], facet["items"]) == ("category", ["dog", "cat"], [[0, 1, 2, 3], [4, 5]])
    # mean 3, standard deviation sqrt(14/3), t(3, 97.5 %) = 3.18245
    (dog, cat), half = facet["means"][0][0], 3.182446 * math.sqrt(14 / 3) / 2
    assert dog == [3.0, float(f"{half:.4g}"), 4]
    assert cat == [5.0, None, 1]
    assert data["items"][0]["prompt"] == "p0"


def test_a_distance_between_sets_has_the_numbers_of_classes_that_the_run_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [{"id": f"c{k}", "category": "dog" if k < 2 else "cat"} for k in range(4)]
    said = written_suite(tmp_path / "suite", items)
    rows = [np.random.default_rng(k).normal(size=(4, 512)) for k in range(4)]
    run = made_run(
        tmp_path / "m", {"fad_mini": rows}, references={"fad_mini": rows}, ids=[f"c{k}" for k in range(4)], suite=said
    )
    assert data_of(report(run, suite=str(tmp_path / "suite")).html)["facets"][0]["means"] == [[None]]
    made_of = {"category/dog": {"value": 1.5, "n_scored": 2}, "category/cat": {"value": math.nan, "n_scored": 2}}
    score = dataclasses.replace(results.read(run).metrics[0])
    object.__setattr__(score, "groups", made_of)
    found = gather.gather([results.read(run)], suite=str(tmp_path / "suite"))
    monkeypatch.setattr(gather.Found, "score", lambda *_: score)
    assert categories.breakdown(found)[0]["means"] == [[[[1.5, None, 2], None]]]


def test_javisbench_aspects_keep_their_order_and_items_their_several_classes() -> None:
    items = [
        Item(str(k), fields={"cat0_ind": k % 5, "cat2_ind": "0,3" if k % 2 else "4", "path": f"x/{k}.mp4"}) for k in range(20)
    ]
    found = categories.facets(items)
    assert list(found) == ["Event Scenario", "Sound Type"]
    assert list(found["Event Scenario"]) == ["Natural", "Urban", "Living", "Industrial", "Virtual"]
    assert list(found["Sound Type"]) == ["Ambient", "Musical", "Speech"]
    assert found["Sound Type"]["Ambient"] == found["Sound Type"]["Musical"] == list(range(1, 20, 2))
    named = categories.facets([Item(str(k), fields={"spatial_composition": ["Off-screen sound"]}) for k in range(3)])
    assert named == {"Spatial Composition": {"Off-screen sound": [0, 1, 2]}}
    tagged = categories.facets([Item(str(k), tags=("Sound Type: Speech", "Sound Type: Musical", "loud")) for k in range(4)])
    assert tagged == {"Sound Type": {"Musical": [0, 1, 2, 3], "Speech": [0, 1, 2, 3]}}  # one tag for all parts nothing
    assert sum(len(classes) for _, classes in categories.ASPECTS) == 19


def test_players_go_to_the_most_telling_items(tmp_path: Path) -> None:
    a = made(tmp_path / "a", av_align=[0.5] * 10 + [0.9] + [0.5] * 9)
    b = made(tmp_path / "b", av_align=[0.5] * 15 + [0.1] + [0.5] * 4)
    found = gather.gather([results.read(a), results.read(b)])
    assert {10, 15} <= set(clips.worth_a_look(found, 4))
    assert clips.worth_a_look(found, 20) == list(range(20))
    assert clips.worth_a_look(found, 0) == []
    made_report = report(a, b, players=4)
    assert made_report.players == 4
    assert "4 of 20 items have players" in " ".join(made_report.notes)
    with pytest.raises(BadParameter, match="--players must be 0 or more"):
        clips.worth_a_look(found, -1)


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    run = made(tmp_path / "m", av_align=[0.1, 0.2])
    assert report(run).html == report(run).html


# ------------------------------------------------------------------ commands


def test_the_command_is_the_one_that_was_given(tmp_path: Path) -> None:
    run = made(tmp_path / "m", av_align=[0.1])
    result = results.read(run)
    assert gather.command(result) == "avbench run --model m --seed 0 --metrics av_align"
    info = run / "run_info.json"
    info.write_text(json.dumps({"command": ["/x/bin/avbench", "run", "--model", "m", "--out", "a b"]}))
    assert gather.command(result) == "avbench run --model m --out 'a b'"
    for strange in ('{"command": ["/bin/sh", "-c", "rm"]}', '{"command": "x"}', "[]", "{"):
        info.write_text(strange)
        assert gather.command(result) == "avbench run --model m --seed 0 --metrics av_align"


def test_commands_bring_any_word_through_a_shell() -> None:
    words = [w for w in ALL if "\0" not in w and not any("\ud800" <= c <= "\udfff" for c in w)]
    assert len(words) > 55
    line = " ".join(["printf", "'%s\\0'", *(gather.quoted(w) for w in words)])
    assert line.isprintable()
    said = subprocess.run(["/bin/bash", "-c", line], capture_output=True, check=True)
    assert said.stdout.split(b"\0")[:-1] == [w.encode() for w in words]


# ------------------------------------------------------------------ clips and curves


def _with_clips(tmp_path: Path, make_clip: Callable[..., Clip], ids: Sequence[str]) -> Path:
    run = run_of(tmp_path / "run", {"av_align": np.linspace(0, 1, len(ids))}, ids=ids)
    for id in ids:
        path = run / "clips" / f"{file_name(id)}.mp4"
        path.parent.mkdir(exist_ok=True)
        write_clip(path, make_clip(id, seconds=0.5))
    table = json.loads((run / "result.json").read_text())
    for id in ids:
        with Reader(ClipFile(id, run / "clips" / f"{file_name(id)}.mp4")) as reader:
            table["clips"][id]["sha256"] = reader.sha256
    (run / "result.json").write_text(json.dumps(table))
    return run


def test_clips_are_linked_from_where_the_page_lies(tmp_path: Path, make_clip: Callable[..., Clip]) -> None:
    run = _with_clips(tmp_path, make_clip, ["a#b?c%20d", "javascript:x"])
    data = data_of(report(run).html)
    links = [entries[0]["video"] for entries in data["clips"].values()]
    assert links == [f"./run/clips/{quote(file_name(id))}.mp4" for id in ("a#b?c%20d", "javascript:x")]
    assert (tmp_path / unquote(links[0])).is_file()
    (tmp_path / unquote(links[0])).unlink()
    again = data_of(report(run).html)
    assert again["clips"]["0"] == [{"why": "its file is gone"}]


def test_clips_inside_the_page_and_a_clip_that_has_changed(
    tmp_path: Path, make_clip: Callable[..., Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _with_clips(tmp_path, make_clip, ["a", "b"])
    write_clip(run / "clips" / "b.mp4", make_clip("b", seconds=0.5, seed=9))
    made_report = report(run, embed=True)
    data = data_of(made_report.html)
    inside = data["clips"]["0"][0]["video"]
    assert base64.b64decode(inside.removeprefix("data:video/mp4;base64,")) == (run / "clips" / "a.mp4").read_bytes()
    assert data["clips"]["1"][0]["why"] == "the file has changed since it was scored"
    assert "wave" in data["curves"]["0"][0]
    assert "wave" not in data["curves"]["1"][0]
    assert "media-src data: blob:;" in made_report.html
    monkeypatch.setattr(clips, "MOST_BYTES", 1000)
    with pytest.raises(BadParameter, match="do not fit into a page"):
        report(run, embed=True)


def test_a_waveform_is_where_the_sound_is(tmp_path: Path, make_clip: Callable[..., Clip]) -> None:
    clip = make_clip("a", seconds=1.0)
    assert clip.audio is not None
    sound = np.zeros_like(clip.audio)
    sound[:, clip.sample_rate // 2 :] = 0.5
    write_clip(tmp_path / "a.mp4", dataclasses.replace(clip, audio=sound))
    wave, start = sound_alone(ClipFile("a", tmp_path / "a.mp4"))
    assert wave is not None
    assert (wave.sample_rate, start) == (clip.sample_rate, 0.0)
    drawn = curves._sound(ClipFile("a", tmp_path / "a.mp4"))["wave"]
    level = np.frombuffer(base64.b64decode(drawn[4]), np.uint8)
    middle = int(len(level) * 0.5 / drawn[1])
    assert level[: middle - 8].max() < 20
    assert level[middle + 8 : 2 * middle - 8].min() > 90


def test_curves_come_back_as_they_were() -> None:
    x = np.linspace(1.0, 3.0, 40)
    y = np.sin(x)
    y[10] = np.nan
    first, last, low, high, text = curves.packed(x, y)
    points = np.frombuffer(base64.b64decode(text), np.uint8)
    assert (first, last, len(points), points[10]) == (1.0, 3.0, 40, 255)
    kept = np.delete(points, 10).astype(float)
    np.testing.assert_allclose(low + (high - low) * kept / 254, np.delete(y, 10), atol=(high - low) / 250)
    assert len(base64.b64decode(curves.packed(np.arange(5000.0), np.arange(5000.0))[4])) == curves.POINTS


def test_traces_are_drawn_and_strange_ones_are_not(tmp_path: Path) -> None:
    run = run_of(tmp_path / "m", {"av_align": [0.5], "javisscore": [0.5], "desync": [0.1], "loudness": [-20.0]}, ids=["a"])
    times = np.arange(5) / 5
    flow = {"flow": times, "flow_times": times, "onset_strength": times[:3], "onset_strength_times": times[:3]}
    peaks = {"video_peaks": np.array([0.2]), "audio_peaks": np.array([np.nan, 0.4])}
    results.write_traces(run / "traces" / "av_align.parquet", {"a": {**flow, **peaks}})
    scores, starts = np.array([0.5, np.nan, np.inf]), np.arange(3.0)
    windows = {"window_scores": scores, "window_starts": starts, "window_ends": starts + 2}
    results.write_traces(run / "traces" / "javisscore.parquet", {"a": windows})
    results.write_traces(run / "traces" / "desync.parquet", {"a": {"start": np.arange(2.0), "offset": np.array([0.1])}})
    (run / "traces" / "loudness.parquet").write_bytes(b"no parquet")
    data = data_of(report(run).html)
    drawn = data["curves"]["0"][0]
    assert drawn["peaks"] == [[0.2], [0.4]]
    assert drawn["windows"] == [[0.0, 2.0, 0.5]]
    assert [name for name, _ in drawn["motion"]] == ["motion", "onsets"]
    assert set(drawn) == {"peaks", "windows", "motion"}
    assert {"windows", "motion", "loudness"} <= {view["key"] for view in data["views"]}


# ------------------------------------------------------------------ the page


def test_the_page_runs_its_own_scripts_and_loads_nothing(tmp_path: Path) -> None:
    page = report(made(tmp_path / "m", av_align=[0.1, 0.2])).html
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.S)
    allowed = dict(part.split(" ", 1) for part in policy.split("; "))

    def hashed(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert allowed["default-src"] == "'none'"
    assert allowed["script-src"].split() == [hashed(script) for script in scripts]
    assert allowed["style-src"] == hashed(style)
    assert "unsafe" not in policy
    assert "\r" not in page
    ours = page.replace(scripts[0], "")
    assert not re.search(
        r"https?://|//[a-z]+\.|<link|<img|<iframe|@import|innerHTML|outerHTML|insertAdjacentHTML|\beval\(", ours
    )
    assert "BSD-3-Clause" in scripts[0][:400]


def test_specifications_compile(tmp_path: Path) -> None:
    import vl_convert

    for name, spec in plots.specifications().items():
        rows = [{"run": "r", "value": 1, "low": 0, "high": 2, "x": 1, "y": 2, "order": 0, "label": "l", "item": 0, "tip": {}}]
        grid = [{"x": 0, "y": 1, "order": 0, "ring": 1, "text": "t", "align": "left"}]
        spec = {**spec, "datasets": {"rows": rows, "grid": grid, "corners": grid}}
        assert vl_convert.vegalite_to_vega(spec)["marks"], name


def test_a_name_is_never_markup(tmp_path: Path) -> None:
    run = made(tmp_path / "m", av_align=[0.1, 0.2])
    names = list(ALL)
    table = json.loads((run / "result.json").read_text())
    score = table["metrics"][0]
    score |= {"title": HTML[0], "unit": HTML[2], "interval": HTML[1], "signature": HTML[0]}
    score["unscored"] = {name: f"{name}: {name}" for name in names if "\ud800" not in name}
    table |= {"others": {HTML[0]: HTML[1]}, "device": HTML[2], "versions": {HTML[0]: HTML[1]}}
    table["suite"] = {"name": HTML[3], "version": HTML[0], "items": ""}
    (run / "result.json").write_text(json.dumps(table))
    for name in names:
        data = gather.gather([results.read(run)], names=[name])
        assert data.runs[0].described()["name"].isprintable()
    page = report(run, names=[HTML[1]], title=HTML[0]).html
    outside = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert page.count("</script>") == 3
    for name in HTML:
        if "<" in name:
            assert name not in outside


class Elements(HTMLParser):
    """Tags and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: dict[str, set[str]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for key, value in attrs:
            self.attributes.setdefault(key, set()).add(value or "")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_browser_shows_hostile_names_as_text(tmp_path: Path) -> None:
    names = [name for name in ALL if "\ud800" not in name]
    items = [{"id": f"{n}", "prompt": n, "category": names[k % 20], "tags": [names[k % 7]]} for k, n in enumerate(names)]
    said = written_suite(tmp_path / "suite", items)
    ids = [item.id for item in suites.load(str(tmp_path / "suite")).items]
    runs = [
        run_of(
            tmp_path / f"{k}", {"av_align": np.arange(len(ids)) / 60, "motion_score": np.ones(len(ids))}, ids=ids, suite=said
        )
        for k in range(3)
    ]
    page = report(*runs, names=HTML[:3], suite=str(tmp_path / "suite"), title=HTML[1]).html
    shown = _in_browser(tmp_path, page)
    assert 'data-ready="true"' in shown
    found = Elements(shown)
    assert not found.tags & {"img", "iframe", "base", "object", "embed", "link", "marquee", "b"}
    assert not [key for key in found.attributes if key.startswith("on") or key in ("srcdoc", "autofocus")]
    assert all(link.startswith("#") for link in found.attributes["href"])
    assert shown.count("</script>") == 3
    assert shown.count("<style>") == 1
    assert "a part of this page failed" not in re.sub(r"<script.*?</script>", "", shown, flags=re.S)
    # What stands in the list of items is what the items are called.
    listed = re.search(r'id="list".*?</tbody>', shown, re.S)
    assert listed is not None
    assert listed[0].count("<tr ") == len(ids)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in listed[0]


CLICKS = """
<script>
const said = [], at = (id) => document.getElementById(id);
const names = (where) => [...document.querySelectorAll(where)].map((e) => e.textContent);
const heading = document.querySelector("#table thead th:nth-child(2) button");
heading.click(); said.push(names("#table tbody th"));
heading.click(); said.push(names("#table tbody th"));
for (const id of ["to-best", "to-worst", "to-worst", "to-different"]) { at(id).click(); said.push(at("item-id").textContent); }
at("clip-run").value = 1; at("clip-run").dispatchEvent(new Event("change"));
at("to-best").click(); said.push(at("item-id").textContent);
document.querySelectorAll("#list thead button")[1].click(); said.push(names("#list tbody th").slice(0, 3));
at("find").value = "C3"; at("find").dispatchEvent(new Event("input")); said.push(names("#list tbody th"));
document.querySelector("#facet-table tbody tr").click(); said.push(at("class").value);
document.querySelector("#table tbody td[data-opens]").click();
said.push(at("explained").open, document.querySelector("#explained pre").textContent);
const answer = document.createElement("pre");
answer.id = "answer";
answer.textContent = JSON.stringify(said);
document.body.append(answer);
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_sorting_and_jumping_in_a_browser(tmp_path: Path) -> None:
    items = [{"id": f"c{k}", "category": "dog" if k < 3 else "cat", "prompt": f"p{k}"} for k in range(6)]
    suite = written_suite(tmp_path / "suite", items)
    ids = [f"c{k}" for k in range(6)]
    a = run_of(tmp_path / "a", {"desync": [0.5, 0.2, 0.9, 0.8, 0.3, 0.4]}, ids=ids, suite=suite, model="a")
    b = run_of(tmp_path / "b", {"desync": [0.4, 0.6, 0.8, 0.7, 0.1, 0.3]}, ids=ids, suite=suite, model="b")
    page = report(a, b, suite=str(tmp_path / "suite")).html
    # The page's policy does not let a test's script in either.
    shown = _in_browser(tmp_path, re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page) + CLICKS)
    found = re.search(r'<pre id="answer">(.*?)</pre>', shown, re.S)
    assert found is not None
    said = json.loads(html.unescape(found[1]))
    assert said[:2] == [["b", "a"], ["a", "b"]]  # lower is better, so the lowest comes first
    assert said[2:6] == ["c1", "c2", "c3", "c1"]  # best, worst, second worst, most different
    assert said[6] == "c4"
    assert said[7] == ["c1", "c4", "c5"]
    assert said[8:10] == [["c3"], "0,0"]
    assert said[10] is True
    assert said[11].startswith("avbench run --model a")


def _in_browser(tmp_path: Path, page: str) -> str:
    assert CHROMIUM is not None
    file = tmp_path / "report.html"
    file.write_text(page)
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,900", "--virtual-time-budget=3000"]
    command = [CHROMIUM, *arguments, f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom", file.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


# ------------------------------------------------------------------ the command


def test_a_run_folder_gets_a_report_on_request(tmp_path: Path, avbench_cli: Callable[..., Said]) -> None:
    run, other = made(tmp_path / "m", av_align=[0.1, 0.2]), made(tmp_path / "o", av_align=[0.1, 0.2])
    assert not (run / "report.html").exists()
    said = avbench_cli("report", run)
    assert said.code == 0
    assert (run / "report.html").read_text().startswith("<!doctype html>")
    assert said.out.startswith(f"{run / 'report.html'}: 1 runs, 2 items, 2 with players")
    assert "note: m: its clips are not where the run left them" in said.err
    (tmp_path / "pages").mkdir()
    assert avbench_cli("report", other, "--out", tmp_path / "pages").code == 0
    assert (tmp_path / "pages" / "report.html").is_file()
    both = tmp_path / "both.html"
    assert avbench_cli("report", run, other, "--out", both, "--name", "A", "--name", "B", "--no-intervals").code == 0
    assert [r["name"] for r in data_of(both.read_text())["runs"]] == ["A", "B"]


def test_two_runs_of_one_model_are_told_apart(tmp_path: Path) -> None:
    run = made(tmp_path / "m", av_align=[0.1, 0.2])
    assert [r["name"] for r in data_of(report(run, run, run).html)["runs"]] == ["m", "m (2)", "m (3)"]


def test_what_cannot_be_reported(tmp_path: Path, avbench_cli: Callable[..., Said]) -> None:
    run = made(tmp_path / "m", av_align=[0.1])
    with pytest.raises(BadParameter, match="--name is given 2 times for 1 runs"):
        report(run, names=["a", "b"])
    with pytest.raises(BadParameter, match="nothing to report"):
        build([], out=tmp_path / "x.html")
    with pytest.raises(UnknownName, match="no suite 'synth16'; did you mean 'synth15'"):
        report(run, suite="synth16")
    with pytest.raises(UnknownName, match="av_aling"):
        report(run, columns="av_aling")
    said = avbench_cli("report", run, "--out", run / "result.json" / "x.html")
    assert said.code == 2
    assert "cannot write" in said.err
    said = avbench_cli("report", tmp_path / "nowhere")
    assert said.code == 2
    assert "not a result" in said.err


def test_pages_of_runs_that_lack_things(tmp_path: Path) -> None:
    empty = run_of(tmp_path / "empty", {}, ids=[])
    none = run_of(tmp_path / "none", {"av_align": [], "motion_score": []}, ids=[], unscored=["a", "b"])
    odd = made(tmp_path / "odd", av_align=[0.5])
    table = json.loads((odd / "result.json").read_text())
    table["metrics"].append({**table["metrics"][0], "metric": "of_a_plugin"})
    table["suite"] = {"name": "elsewhere", "version": 1, "items": "0"}
    (odd / "result.json").write_text(json.dumps(table))
    torn = made(tmp_path / "torn", av_align=[0.5])
    (torn / "rows" / "av_align.parquet").write_bytes(b"")
    made_report = report(empty, none, odd, torn)
    data = data_of(made_report.html)
    assert data["facets"] == []
    assert data["standing"] == [[None] * 3] * 4
    said = " ".join(made_report.notes)
    for text in ("of_a_plugin is not installed here", "suite elsewhere is not here", "not rows of a run", "different suites"):
        assert text in said
    assert document.SCRIPTS[-1] == "start"
    assert report(empty).items == 0
