"""`avbench agree` from files to numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats as reference

from avbench import pipeline
from avbench.encode import write_clip
from avbench.types import Clip
from tests.conftest import Said

CLIPS = [f"c{n:02d}" for n in range(30)]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study of 30 clips by 4 people, and a good, a turned and an idle metric."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=30)
    lines = ["clip,annotator,dimension,score,prompt"]
    for person in range(4):
        for n, clip in enumerate(CLIPS):
            score = np.clip(np.round(2 * (2.5 + truth[n] + 0.5 * rng.normal())) / 2, 0, 5)
            lines.append(f"{clip},p{person},synchrony,{score:g},prompt {n // 3}")
    (tmp_path / "ratings.csv").write_text("\n".join(lines) + "\n")
    rows = ["clip,metric,value,better"]
    for n, clip in enumerate(CLIPS):
        rows += [f"{clip},good,{truth[n] + 0.3 * rng.normal()},higher", f"{clip},turned,{-truth[n] + 2 * rng.normal()},lower"]
        rows += [f"{clip},bit_rate,{1e6 * (3 + truth[n])},none"]
    (tmp_path / "scores.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def report(said: Said) -> dict[str, Any]:
    """The JSON of a command that went well."""
    assert said.code == 0, said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


def test_values_are_those_of_scipy(avbench_cli: Callable[..., Said], study: Path) -> None:
    said = avbench_cli("agree", study / "scores.csv", "--ratings", study / "ratings.csv", "--json", "--resamples", "300")
    found = report(said)
    from avbench.agreement.ratings import read_ratings
    from avbench.agreement.scores import read_scores

    people = read_ratings([study / "ratings.csv"]).per_clip("synchrony")["score"]
    for entry in found["agreement"]:
        values = read_scores(study / "scores.csv").metrics[entry["metric"]]
        metric = [values.sign * values.by_clip[c] for c in people.index]
        assert entry["spearman"]["value"] == pytest.approx(reference.spearmanr(people, metric).statistic)
        assert entry["pearson"]["value"] == pytest.approx(reference.pearsonr(people, metric).statistic)
        assert entry["kendall"]["value"] == pytest.approx(reference.kendalltau(people, metric).statistic, abs=1e-6)
        assert entry["accuracy"]["groups"] == 10
        assert entry["accuracy"]["value"]["low"] < entry["accuracy"]["value"]["value"]
        assert entry["clips"] == 30
    good, turned = (next(e for e in found["agreement"] if e["metric"] == m) for m in ("good", "turned"))
    assert good["spearman"]["value"] > turned["spearman"]["value"] > 0
    assert found["people"][0]["alpha"]["value"] > 0.5
    assert found["people"][0]["ceiling"]["reliability"] > 0.8
    (comparison,) = found["comparisons"]
    assert 0 < comparison["p"] <= comparison["p_holm"] <= 1
    assert any("bit_rate says nothing of quality" in n for n in found["notes"])


def test_the_table_says_it_to_people(avbench_cli: Callable[..., Said], study: Path) -> None:
    said = avbench_cli(
        "agree", study / "scores.csv", "--ratings", study / "ratings.csv", "--resamples", "200", "--out", "r.json"
    )
    assert said.code == 0, said.err
    for part in ("good", "turned", "sentinel", "Krippendorff's alpha (ordinal)", "PERM-BOTH", "note:", "…"):
        assert part in said.out
    assert json.loads(Path("r.json").read_text())["schema"] == 1


def test_clips_that_one_side_lacks_are_counted_or_refused(avbench_cli: Callable[..., Said], study: Path) -> None:
    with (study / "ratings.csv").open("a") as file:
        file.write("stranger,p0,synchrony,3,\n")
    arguments = ("agree", study / "scores.csv", "--ratings", study / "ratings.csv", "--resamples", "100")
    found = report(avbench_cli(*arguments, "--json"))
    assert any("1 of 31 rated clips" in n and "'stranger'" in n and "ratings.csv, line 122" in n for n in found["notes"])
    assert found["agreement"][0]["unscored"] == 1
    said = avbench_cli(*arguments, "--strict")
    assert said.code == 2
    assert "ratings.csv, line 122" in said.message
    (study / "other.csv").write_text("clip,score\nnobody,3\n")
    said = avbench_cli("agree", study / "scores.csv", "--ratings", study / "other.csv")
    assert said.code == 2
    assert "'nobody'" in said.message


def test_labels_are_an_auroc_with_the_metrics_sign(avbench_cli: Callable[..., Said], tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 60)
    worse = -label + rng.normal(size=60)  # lower is better
    (tmp_path / "l.csv").write_text("clip,label\n" + "".join(f"k{i},{v}\n" for i, v in enumerate(label)))
    rows = "".join(f"k{i},desync,{v},lower\n" for i, v in enumerate(worse))
    (tmp_path / "s.csv").write_text("clip,metric,value,better\n" + rows)
    found = report(avbench_cli("agree", tmp_path / "s.csv", "--ratings", tmp_path / "l.csv", "--json"))
    u = reference.mannwhitneyu(-worse[label == 1], -worse[label == 0]).statistic
    area = found["agreement"][0]["auroc"]
    assert area["value"] == pytest.approx(u / (label.sum() * (1 - label).sum()))
    assert 0.5 < area["low"] < area["value"] < area["high"]
    assert found["people"][0]["alpha"] is None


def test_votes_give_strengths_and_accuracy(avbench_cli: Callable[..., Said], tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    true = {"m": 0.8, "n": 0.0, "o": -0.8}
    lines, rows = ["clip_a,clip_b,winner,prompt"], ["clip,metric,value"]
    for prompt in range(40):
        quality = {s: v + 0.3 * rng.normal() for s, v in true.items()}
        rows += [f"{s}/{prompt},javis,{v}" for s, v in quality.items()]
        for a, b in (("m", "n"), ("n", "o"), ("o", "m")):
            apart = quality[a] - quality[b] + 0.5 * rng.normal()
            lines.append(f"{a}/{prompt}.mp4,{b}/{prompt},{'tie' if abs(apart) < 0.2 else 'a' if apart > 0 else 'b'},{prompt}")
    (tmp_path / "v.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "s.csv").write_text("\n".join(rows) + "\n")
    found = report(avbench_cli("agree", tmp_path / "s.csv", "--ratings", tmp_path / "v.csv", "--json", "--resamples", "200"))
    (entry,) = found["agreement"]
    assert [s["system"] for s in entry["strengths"]] == ["m", "n", "o"]
    assert entry["strengths"][0]["best"] > 0.95
    assert entry["accuracy"]["decided"]["low"] > 0.75
    assert entry["votes"] == 120
    said = avbench_cli("agree", tmp_path / "s.csv", "--ratings", tmp_path / "v.csv", "--resamples", "200")
    assert "Bradley-Terry" in said.out


def test_systems_over_the_same_prompts_have_soft_pairwise_accuracy(avbench_cli: Callable[..., Said], tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    lines, rows = ["clip,annotator,score,prompt,system"], ["clip,metric,value"]
    for s, mean in enumerate((1.0, 2.0, 3.0)):
        for p in range(12):
            score = np.clip(np.round(2 * (mean + rng.normal())) / 2, 0, 5)
            lines.append(f"s{s}/{p},ann,{score:g},{p},s{s}")
            rows.append(f"s{s}/{p},m,{score}")
    (tmp_path / "r.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "s.csv").write_text("\n".join(rows) + "\n")
    (entry,) = report(avbench_cli("agree", tmp_path / "s.csv", "--ratings", tmp_path / "r.csv", "--json"))["agreement"]
    assert entry["soft_pairwise_accuracy"] == {"value": 1.0, "systems": 3, "prompts": 12}


def test_cells_compare_other_clips_of_the_same_distortions(avbench_cli: Callable[..., Said], tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    mean = rng.uniform(1, 5, (3, 10))
    lines, rows = ["video_name,score"], ["clip,metric,value"]
    for kind in range(3):
        for level in range(10):
            name = f"output_{kind + 1:02d}_{level}"
            lines += [f"theirs{k}_{name}.mp4,{np.clip(mean[kind, level] + 0.3 * rng.normal(), 1, 5):.3f}" for k in range(6)]
            rows += [f"ours{k}_{name},m,{mean[kind, level] + 0.3 * rng.normal()}" for k in range(5)]
    (tmp_path / "r.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "s.csv").write_text("\n".join(rows) + "\n")
    arguments = ("agree", tmp_path / "s.csv", "--ratings", tmp_path / "r.csv", "--cells")
    (entry,) = report(avbench_cli(*arguments, "--json"))["agreement"]
    assert (entry["cells"], entry["sources"], entry["human_sources"]) == (30, 5, 6)
    assert 0.8 < entry["spearman"]["low"] < entry["spearman"]["value"]
    assert set(entry["by_type"]) == {"01", "02", "03"}
    assert avbench_cli(*arguments).code == 0


@pytest.mark.parametrize("kinds", [9, 1])
def test_metrics_are_compared_over_cells(avbench_cli: Callable[..., Said], tmp_path: Path, kinds: int) -> None:
    """The difference is SciPy's; a type of distortion changes places as one, so that nine types can do so in 512 ways."""
    rng = np.random.default_rng(5)
    people, good, poor = (np.zeros((3, kinds, 10)) for _ in range(3))
    people += 1 + 4 * rng.random((kinds, 10))
    good += people + 0.2 * rng.normal(size=good.shape)
    poor += people + 6 * rng.normal(size=(kinds, 10))
    lines, rows = ["video_name,score"], ["clip,metric,value,better"]
    for source, kind, level in np.ndindex(people.shape):
        at, name = (source, kind, level), f"s{source}_output_{kind + 1:02d}_{level}"
        lines.append(f"{name}.mp4,{people[at]}")
        rows += [f"{name},good,{-good[at]},lower", f"{name},poor,{poor[at]},higher", f"{name},bit_rate,{poor[at]},none"]
    (tmp_path / "r.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "s.csv").write_text("\n".join(rows) + "\n")
    arguments = ("agree", tmp_path / "s.csv", "--ratings", tmp_path / "r.csv", "--cells")
    (found,) = report(avbench_cli(*arguments, "--json"))["comparisons"]
    means = [m.mean(axis=0).ravel() for m in (people, good, poor)]
    first, second = (float(reference.spearmanr(means[0], m).statistic) for m in means[1:])
    assert (found["a"], found["b"], found["cells"]) == ("good", "poor", 10 * kinds)
    assert found["difference"] == pytest.approx(first - second)
    assert found["difference"] > 0.2
    assert found["p"] == found["p_holm"]
    if kinds == 9:
        assert 0.5 / 512 < found["p"] < 0.05
    assert "PERM-BOTH" in avbench_cli(*arguments).out


def test_metrics_without_a_cell_in_common_are_not_compared(avbench_cli: Callable[..., Said], tmp_path: Path) -> None:
    cells = [f"s_output_{kind:02d}_{level}" for kind in (1, 2) for level in range(10)]
    (tmp_path / "r.csv").write_text("video_name,score\n" + "".join(f"{c}.mp4,{1 + n % 5}\n" for n, c in enumerate(cells)))
    rows = [f"{c},{'a' if n < 10 else 'b'},{n * 7 % 10}\n" for n, c in enumerate(cells)]
    (tmp_path / "s.csv").write_text("clip,metric,value\n" + "".join(rows))
    arguments = ("agree", tmp_path / "s.csv", "--ratings", tmp_path / "r.csv", "--cells")
    (found,) = report(avbench_cli(*arguments, "--json"))["comparisons"]
    assert "no cell in common" in found["reason"]
    assert "no cell in common" in avbench_cli(*arguments).out


def test_a_run_brings_its_sentinels(avbench_cli: Callable[..., Said], tmp_path: Path, make_clip: Callable[..., Clip]) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    lines = ["clip,annotator,score"]
    for n in range(6):
        write_clip(clips / f"k{n}.mp4", make_clip(f"k{n}", seed=n, width=64 + 16 * (n % 3)))
        lines += [f"k{n}.mp4,p{p},{(n + p) % 6}" for p in range(2)]
    (tmp_path / "r.csv").write_text("\n".join(lines) + "\n")
    pipeline.score(clips, metrics=["av_align"], out=tmp_path / "run")
    found = report(avbench_cli("agree", tmp_path / "run", "--ratings", tmp_path / "r.csv", "--json", "--resamples", "100"))
    sentinels = {e["metric"] for e in found["agreement"] if e["sentinel"]}
    assert sentinels == {"duration", "loudness", "bit_rate", "motion_energy", "resolution"}
    av_align = next(e for e in found["agreement"] if e["metric"] == "av_align")
    assert av_align["clips"] + av_align["unscored"] == 6
    (tmp_path / "s.csv").write_text("clip,metric,value\n" + "".join(f"k{n},mine,{n}\n" for n in range(6)))
    arguments = ("agree", tmp_path / "s.csv", "--ratings", tmp_path / "r.csv", "--clips", clips, "--json", "--resamples", "100")
    assert {e["metric"] for e in report(avbench_cli(*arguments))["agreement"] if e["sentinel"]} == sentinels


def test_pair_ratings_also_say_who_won_within_a_pair(avbench_cli: Callable[..., Said], tmp_path: Path) -> None:
    lines = ["_unit_id,_worker_id,video1_score,video2_score,video1_fname,video2_fname"]
    rows = ["clip,metric,value"]
    for n in range(12):
        lines += [f"u{n},w{w},score_{2 + w},score_{4 - w},a{n}.mp4,b{n}.mp4" for w in range(3)]  # b wins, a tie, a wins
        rows += [f"a{n},m,1", f"b{n},m,{2 + 0.01 * n}"]  # the metric says b
    (tmp_path / "r.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "s.csv").write_text("\n".join(rows) + "\n")
    found = report(avbench_cli("agree", tmp_path / "s.csv", "--ratings", tmp_path / "r.csv", "--json", "--resamples", "100"))
    within = found["agreement"][0]["within_pairs"]
    assert (within["votes"], within["ties"], within["decided"]) == (36, 12, 0.5)
    assert found["ratings"]["kind"] == "pairs"
    assert found["people"][0]["alpha"]["value"] < 0.1


def test_a_metric_with_one_value_has_a_reason_and_no_numbers(avbench_cli: Callable[..., Said], study: Path) -> None:
    (study / "same.csv").write_text("clip,metric,value\n" + "".join(f"{c},m,1\n" for c in CLIPS))
    arguments = ("agree", study / "same.csv", "--ratings", study / "ratings.csv")
    (entry,) = report(avbench_cli(*arguments, "--json"))["agreement"]
    assert entry["reason"] == "the metric has one value throughout"
    assert "spearman" not in entry
    assert "one value throughout" in avbench_cli(*arguments).out
