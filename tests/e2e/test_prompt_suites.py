"""The prompt suites from miniatures of their published layouts: scored by one command, by category, with every sentence of it.

The metrics of the default run are those that need no network or one that comes with avbench; the slow run has every metric of
every protocol, on seeded weights in the published layouts.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import avbench
from avbench import content, item_tables, registry, results, suites, weights
from avbench.encode import write_clip, write_wav
from avbench.errors import BadManifest, BadParameter, MissingData, OffProtocol
from avbench.types import Clip
from tests.conftest import Said

Make = Callable[..., Clip]
Run = Callable[..., Said]
CHEAP = ["av_align[javisbench]", "motion_score"]


def put(folder: Path, name: str, clip: Clip, *, sound: bool = True, picture: bool = True) -> None:
    """`name.mp4` and `name.wav`, as JavisBench and Verse-Bench have them."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    assert clip.audio is not None
    if picture:
        write_clip(folder / f"{name}.mp4", clip)
    if sound:
        write_wav(folder / f"{name}.wav", clip.audio, clip.sample_rate)


def javisbench(folder: Path, make: Make, count: int = 6, seconds: float = 1.0) -> Path:
    """A results folder and a list with the published names and columns; returns the list."""
    path = folder / "JavisBench-mini.csv"
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["path", "id", "fps", "text", "audio_path", "audio_text", *(f"cat{n}_ind" for n in range(5))])
        for n in range(count):
            sounds = "0,2" if n % 3 == 0 else str(n % 5)
            row = [
                f"/data/{n}.mp4",
                n,
                24,
                f"A thing, number {n},\nmoves",
                f"/data/{n}.wav",
                f"a click {n}",
                n % 5,
                n % 3,
                sounds,
                n % 3,
                0,
            ]
            out.writerow(row)
    for n in range(count):
        put(folder / "samples", f"sample_{n:04d}", make(f"s{n}", seed=n, seconds=seconds))
    return path


def test_a_javisbench_folder_and_list_by_one_command(
    tmp_path: Path, make_clip: Make, avbench_cli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also: numbers of classes equal a direct computation, clips that are short are flagged, the cache is found by itself."""
    listed = javisbench(tmp_path, make_clip)
    monkeypatch.chdir(tmp_path)
    said = avbench_cli(
        "score",
        "samples",
        "--suite",
        "javisbench-mini",
        "--manifest",
        listed.name,
        "--metrics",
        ",".join(CHEAP),
        "--workers",
        "1",
        "--json",
    )
    assert said.code == 0, said.err
    result = json.loads(said.out)
    assert result["suite"]["name"] == "javisbench-mini"
    assert result["suite"]["protocol"] == "javisbench"
    assert "visual quality (VideoAlign)" in result["suite"]["not_yet"]
    assert result["suite"]["conformance"]["seconds"]["clips"].keys() == {f"sample_{n:04d}" for n in range(6)}
    assert set(result["suite"]["conformance"]) == {"seconds"}, "size and rate are not held against anybody"
    assert "shorter_than_suite" in result["clips"]["sample_0000"]["flags"]

    read = results.read(next((tmp_path / "runs").iterdir()))
    for label in ("av_align[javisbench]", "motion_score"):
        rows = results.rows(read, label).set_index("clip")
        column = next(c for c in rows.columns if c != "part")
        score = read[label]
        assert len(score.groups) == 19
        with listed.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        for position, (aspect, classes) in enumerate(item_tables.ASPECTS.items()):
            for index, name in enumerate(classes):
                members = [
                    f"sample_{n:04d}" for n, line in enumerate(lines) if str(index) in line[f"cat{position}_ind"].split(",")
                ]
                group = score.groups[f"{aspect}/{name}"]
                assert group["n_items"] == len(members)
                here = rows.loc[[m for m in members if m in rows.index], column]
                assert group["n_scored"] == len(here)
                if len(here):
                    assert group["value"] == pytest.approx(float(here.mean()), rel=1e-12)
                else:
                    assert np.isnan(group["value"])

    for text in ("--protocol nope", "--protocol javisbench"):  # the second wants FVD, whose reference is not there
        said = avbench_cli("score", "samples", "--suite", "javisbench-mini", "--manifest", listed.name, *text.split())
        assert said.code == 2
        assert ("nope" in said.message) or (
            "JavisBench-mini-vanilla-max4s.pt" in said.message and "--reference-stats" in said.message
        )
    said = avbench_cli("score", "samples", "--suite", "javisbench-mini", "--metrics", "motion_score")
    assert said.code == 2
    assert "avbench data prepare javisbench-mini --from FILE" in said.message
    assert "huggingface.co/datasets/JavisVerse/JavisBench" in said.message


def test_a_prepared_list_and_the_published_cache_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from avbench import pipeline

    monkeypatch.setenv("AVBENCH_DATA", str(tmp_path / "data"))
    folder = tmp_path / "data" / "javisbench-mini"
    folder.mkdir(parents=True)
    with pytest.raises(MissingData):
        suites.load("javisbench-mini")
    text = "text,cat0_ind,cat1_ind,cat2_ind,cat3_ind,cat4_ind\n" + "".join(f"p{n},0,0,0,0,0\n" for n in range(4))
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    item_tables.write(item_tables.read(tmp_path / "x.csv"), folder / "items.jsonl")
    suite = suites.load("javisbench-mini", limit=2)
    assert [i.prompt for i in suite.items] == ["p0", "p1"]
    assert suite.expected == 4
    assert pipeline._statistics((), suite) == []
    torch.save({"video": torch.randn(4, 400), "audio": torch.randn(4, 1024)}, folder / suite.statistics)
    files = pipeline._statistics((), suite)
    made = [registry.metric(m.name, **dict(m.parameters)) for m in suite.metrics[:3]]
    assert [m.label for m in made] == ["fvd[javisbench]", "kvd[javisbench]", "fad_audioclip[seconds=4.0]"]
    for metric in made:
        found = files[0].reference(metric, [])
        assert found is not None, metric.label
        assert found.clips == 4


def test_verse_bench_asks_some_metrics_of_some_items(tmp_path: Path, make_clip: Make) -> None:
    items = suites.load("verse-bench").items
    assert len(items) == 600
    counts = {tag: sum(tag in i.tags for i in items) for tag in ("set1", "set2", "set3", "sound", "speech")}
    assert counts == {"set1": 205, "set2": 295, "set3": 100, "sound": 454, "speech": 243}
    assert all(i.fields["transcript"] for i in items if "speech" in i.tags)
    assert all(i.audio_text for i in items if "sound" in i.tags)
    for n, item in enumerate(items[:2]):
        put(tmp_path / "clips", item.id, make_clip(item.id, seed=n))
    result = avbench.score(
        tmp_path / "clips", suite="verse-bench", metrics=["motion_score"], limit=3, workers=1, out=tmp_path / "run"
    )
    assert result["motion_score"].n_items == 3
    assert result["motion_score"].n_scored == 2
    assert set(result["motion_score"].unscored) == {items[2].id}
    assert result["motion_score"].groups["category/set1"]["n_scored"] == 2


def test_avgen_bench_takes_its_own_folder(tmp_path: Path, make_clip: Make) -> None:
    items = suites.load("avgen-bench").items
    assert len(items) == 235
    assert len({i.category for i in items}) == 11
    task, name = items[0].id.split("/")
    put(tmp_path / task, name, make_clip("a"), sound=False)
    result = avbench.score(
        tmp_path, suite="avgen-bench", metrics=["motion_score"], limit=2, workers=1, out=tmp_path.with_name("run")
    )
    assert result["motion_score"].n_scored == 1
    assert result.suite["not_yet"]


def test_two_folders_and_captions_as_av_benchmark_has_them(tmp_path: Path, make_clip: Make, avbench_cli: Run) -> None:
    for n, name in enumerate(("a", "b", "c")):
        put(tmp_path / "gt_audio", name, make_clip(name, seed=n), picture=False)
        put(tmp_path / "videos", name, make_clip(name, seed=n), sound=False)
        if name != "c":
            put(tmp_path / "pred_audio", name, make_clip(name, seed=n + 5), picture=False)
    (tmp_path / "captions.csv").write_text("name,caption\na,a bell\nb,a dog\nc,a cat\n", encoding="utf-8")
    folders = ("--references", str(tmp_path / "gt_audio"), "--pictures", str(tmp_path / "videos"))
    said = avbench_cli(
        "score", str(tmp_path / "pred_audio"), *folders, "--manifest", str(tmp_path / "captions.csv"),
        "--metrics", "kl_mini,av_align", "--workers", "1", "--out", str(tmp_path / "run"), "--json",
    )  # fmt: skip
    assert said.code == 0, said.err
    scores = {s["metric"]: s for s in json.loads(said.out)["metrics"]}
    assert scores["kl_mini"]["n_scored"] == 2
    assert scores["kl_mini"]["n_items"] == 3, "av-benchmark leaves a missing clip out in silence"
    assert scores["av_align"]["n_scored"] == 2
    assert list(scores["av_align"]["unscored"]) == ["c"]
    said = avbench_cli("score", str(tmp_path / "pred_audio"), "--protocol", "x")
    assert said.code == 2
    assert "--suite" in said.message


def test_a_suite_of_ones_own_in_five_minutes(tmp_path: Path, avbench_cli: Run) -> None:
    folder = tmp_path / "my suite"
    said = avbench_cli("suites", "new", str(folder))
    assert said.code == 0, said.err
    path = folder / "suite.toml"
    text = path.read_text(encoding="utf-8")
    for key in ("width = 256", "height = 256"):
        text = text.replace(key, key.replace("256", "48"))
    text = text.replace("seconds = 2.0", "seconds = 1.0").replace("samples_per_item = 1", "samples_per_item = 2")
    path.write_text(text, encoding="utf-8")
    said = avbench_cli(
        "run", "--model", "noise", "--suite", str(folder), "--limit", "2", "--workers", "1",
        "--out", str(tmp_path / "run"), "--json",
    )  # fmt: skip
    assert said.code == 0, said.err
    result = json.loads(said.out)
    assert result["suite"]["name"] == "my_suite"
    assert list(result["clips"]) == ["dog_00_0", "dog_00_1", "drum_00_0", "drum_00_1"]
    assert len({c["sha256"] for c in result["clips"].values()}) == 4
    align = next(s for s in result["metrics"] if s["metric"] == "av_align")
    assert align["groups"]["category/drumming"]["n_items"] == 2
    assert "conformance" not in result["suite"]

    path.write_text(
        text.replace("seconds = 1.0", "seconds = 3.0").replace('seconds = "flag"', 'seconds = "error"'), encoding="utf-8"
    )
    with pytest.raises(OffProtocol, match=r"4 clips have less than the seconds of 3"):
        avbench.score(tmp_path / "run" / "clips", suite=str(folder), limit=2, metrics=["motion_score"], out=tmp_path / "scored")
    path.write_text(text.replace("[clip]", "[clips]"), encoding="utf-8")
    with pytest.raises(BadManifest, match=r"suite.toml: unknown key 'clips'; .* did you mean 'clip'"):
        suites.load(str(folder))
    assert avbench_cli("suites", "new", str(folder)).code == 2
    assert "DIR" in avbench_cli("suites", "new").message
    assert avbench_cli("suites", "synth15", "x").code == 2


# ------------------------------------------------------------------ every metric of every protocol


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "protocol"),
    [(n, p) for n in ("javisbench-mini", "verse-bench", "avgen-bench", "uniavatar") for p in suites.described(n).protocols],
)
def test_every_metric_of_a_protocol(
    name: str, protocol: str, tmp_path: Path, make_clip: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from tests.parity import seeded_home

    seeded_home.fill(weights.folder())
    seeded_home.clap_fusion(weights.folder())
    monkeypatch.setattr(weights, "_checked", lambda checkpoint, path: "0" * 64)
    monkeypatch.setenv("AVBENCH_DATA", str(tmp_path / "data"))
    more: dict[str, Any] = {}
    seconds = 8.0 if protocol == "mova" else 5.0  # MOVA makes 193 frames at 24 Hz, and its IB-Score needs four at 0.5 Hz
    clip = {"seconds": seconds, "frame_rate": 25.0, "width": 96, "height": 72}
    if name == "javisbench-mini":
        listed = javisbench(tmp_path, make_clip, 3, seconds=4.0)
        torch.save({"video": torch.randn(3, 400), "audio": torch.randn(3, 1024)}, tmp_path / "cache.pt")
        more = {"manifest": listed, "reference_stats": [tmp_path / "cache.pt"]}
    elif name == "uniavatar":
        (tmp_path / "list.csv").write_text("id,prompt,transcript\na,He speaks,Yes\nb,She speaks,No\n", encoding="utf-8")
        more = {"manifest": tmp_path / "list.csv", "references": tmp_path / "real"}
        for n, id in enumerate("ab"):
            put(tmp_path / "samples", id, make_clip(id, seed=n, **clip))
            put(tmp_path / "real", id, make_clip(id, seed=n + 5, **clip))
    else:
        items = suites.load(name).items
        chosen = [next(i for i in items if tag in i.tags) for tag in ("set2", "speech")] if name == "verse-bench" else items[:2]
        for n, item in enumerate(chosen):
            put(tmp_path / "samples", item.id, make_clip(item.id, seed=n, **clip))
            put(
                tmp_path / "data" / name / "set2", item.id.split("/")[-1], make_clip(item.id, seed=n + 5, **clip), picture=False
            )
    plan = suites.described(name, protocol=protocol)
    labels = [registry.metric(m.name, **dict(m.parameters)).label for m in plan.metrics]
    result = avbench.score(tmp_path / "samples", suite=name, protocol=protocol, out=tmp_path / "run", **more)
    assert [s.metric for s in result.metrics][: len(labels)] == labels
    for label in labels:
        score = result[label]
        faceless = {r.split(":")[0] for r in score.unscored.values()} <= {"no_face", "missing"}
        assert score.n_scored > 0 or faceless, (label, score.unscored)


# ------------------------------------------------------------------ what is said of them


def test_the_table_and_the_schema_are_those_of_the_readme(avbench_cli: Run) -> None:
    said = avbench_cli("suites", "--markdown")
    assert said.code == 0, said.err
    text = (content.folder("benchmarks") / "README.md").read_text(encoding="utf-8")
    assert said.out in text, "avbench suites --markdown has changed: put its table into benchmarks/README.md"
    from avbench.suite_schema import markdown

    assert markdown() in text
    for name in suites.names():
        assert f"| `{name}` |" in said.out


def small(folder: Path) -> Path:
    """A suite of JavisBench's shape with two of its metrics."""
    folder.mkdir()
    (folder / "items.jsonl").write_text('{"id": "a", "prompt": "p"}\n', encoding="utf-8")
    (folder / "suite.toml").write_text(
        'name = "small"\nversion = 1\ntitle = "two metrics"\nitems = "items.jsonl"\ndefault_protocol = "p"\n'
        "[clip]\nseconds = 4.0\nframe_rate = 24.0\nwidth = 426\nheight = 240\nsample_rate = 16000\n"
        '[protocols.p]\nmetrics = ["fvd[javisbench]", {metric = "ib_va[javisbench]", only = ["sound"]}]\nnot_yet = ["WER"]\n',
        encoding="utf-8",
    )
    return folder


def test_the_protocol_as_it_is_computed(avbench_cli: Run, tmp_path: Path) -> None:
    said = avbench_cli("protocol", "show", small(tmp_path / "small"), "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert [m["metric"] for m in found["metrics"]] == ["fvd[javisbench]", "ib_va[javisbench]"]
    assert found["metrics"][1]["only items with"] == ["sound"]
    assert found["not_yet"] == ["WER"]
    fvd = found["metrics"][0]
    assert fvd["features of the clip"] == ["i3d_k400[javisbench]"]
    assert fvd["unit"] == "plain number"
    i3d = found["extractors"]["i3d_k400[javisbench]"]
    assert i3d["preparation"]["frames"].startswith("24 of 96: 0, 4, 8")
    steps = "\n".join(i3d["preparation"]["steps"])
    resized = (
        "interpolate(input=float32 (1, 3, 240, 426), size=(126, 224), mode='bilinear', align_corners=False, antialias=True)"
    )
    assert resized in steps
    assert i3d["preparation"]["prepared"] == {"frames": "uint8 (24, 3, 224, 224)"}
    assert i3d["files"][0]["file"] == "i3d_pretrained_400.pt"
    assert i3d["files"][0]["here"] == "not on this machine"
    assert "shift" in i3d["definition"]
    sound = "\n".join(found["extractors"]["imagebind_audio"]["preparation"]["steps"])
    assert "resampling.torchaudio_resample(samples=float32 (64000,), from_rate=16000, to_rate=16000" in sound
    plan = suites.described("javisbench-mini", protocol="javisbench-plus")
    text = avbench_cli("protocol", "show", "javisbench-mini", "--protocol", "javisbench-plus", "--no-observe").out
    for label in (registry.metric(m.name, **dict(m.parameters)).label for m in plan.metrics):
        assert f"NUMBER {label}, revision" in text
    for word in ("DECODER pyav", "FEATURES synchformer", "NOT COMPUTED", "imagebind_huge.pth", "unit: s\n"):
        assert word in text
    assert avbench_cli("protocol", "show", "javisbench", "--protocol", "x").code == 2


def test_the_probe_sees_a_change_in_the_preparation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from avbench.extractors import i3d_k400
    from avbench.protocol_chain import chain

    plan = suites.described(str(small(tmp_path / "small")))
    before = chain(plan)["extractors"]["i3d_k400[javisbench]"]["preparation"]
    assert before == chain(plan)["extractors"]["i3d_k400[javisbench]"]["preparation"]
    monkeypatch.setattr(i3d_k400, "SIDE", 112)
    after = chain(plan)["extractors"]["i3d_k400[javisbench]"]["preparation"]
    assert "size=(63, 112)" in "\n".join(after["steps"])
    assert after["prepared"] == {"frames": "uint8 (24, 3, 112, 112)"}


def test_a_protocol_of_nothing_known_is_refused() -> None:
    with pytest.raises(BadParameter, match="protocol x is a suite's"):
        avbench.score(".", protocol="x")
