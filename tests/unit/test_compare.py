"""Which runs can be compared, what comes out, and what is said where they cannot."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench import registry, results
from avbench.compare import Report, compare
from avbench.compare_rows import read_rows
from avbench.errors import AvbenchError, BadParameter, UnknownName
from avbench.rows import Table
from tests.made_runs import made_run

Cli = Callable[..., Any]
Float64s = NDArray[np.float64]


def values(seed: int = 0, shift: float = 0.0, n: int = 40) -> Float64s:
    return np.random.default_rng(seed).normal(0.5 + shift, 0.1, n)


def embeddings(n: int = 24, shift: float = 0.0, seed: int = 0, d: int = 400) -> list[Float64s]:
    return list(np.random.default_rng(seed).normal(shift, 1.0, (n, d)))


def compared(*paths: Path, **options: Any) -> Report:
    return compare([results.read(p) for p in paths], **options)


def reasons(report: Report) -> list[str]:
    return [r.reason for r in report.refusals]


# ------------------------------------------------------------------ clips


def test_a_difference_checked_by_hand(tmp_path: Path) -> None:
    """Differences 0.1, 0.2, 0.3: mean 0.2, standard deviation 0.1, dz 2; of 8 flips 2 reach the sum, so p is about 1/4."""
    a = made_run(tmp_path / "a", {"av_align": np.array([0.5, 0.7, 0.6])}, model="one")
    b = made_run(tmp_path / "b", {"av_align": np.array([0.4, 0.5, 0.3])}, model="two")
    report = compared(a, b)
    (found,) = report.comparisons
    assert (found.metric, found.a, found.b, found.better, found.n) == ("av_align", "one", "two", "higher", 3)
    assert found.value_a == pytest.approx(0.6)
    assert found.value_b == pytest.approx(0.4)
    assert found.difference == pytest.approx(0.2)
    assert found.dz == pytest.approx(2.0)
    assert found.p == pytest.approx(0.25, abs=0.02)
    assert found.p_holm == found.p
    assert found.permutations == 9_999
    assert report.groups == {"av_align": [["one", "two"]]}


def test_pairs_follow_the_clip_and_not_the_place_in_the_file(tmp_path: Path) -> None:
    ids = [f"c{k:03d}" for k in range(40)]
    order = np.random.default_rng(1).permutation(40)
    one, two = values(0), values(0, 0.01)
    a = made_run(tmp_path / "a", {"av_align": one}, model="a", ids=ids)
    b = made_run(tmp_path / "b", {"av_align": two[order]}, model="b", ids=[ids[k] for k in order])
    (found,) = compared(a, b).comparisons
    assert found.difference == pytest.approx(-0.01)
    assert found.low == pytest.approx(found.high) == pytest.approx(-0.01)
    assert found.p == 1 / 10_000


def test_several_runs_are_grouped_and_corrected_together(tmp_path: Path, avbench_cli: Cli) -> None:
    paths = [
        made_run(tmp_path / name, {"av_align": values(k, shift), "motion_score": values(k)}, model=name)
        for k, (name, shift) in enumerate([("worst", -0.5), ("best", 0.5), ("good", 0.0), ("as good", 0.0)])
    ]
    report = compared(*paths)
    assert len(report.comparisons) == 6  # motion_score ranks nothing
    assert report.groups["av_align"] == [["best"], ["good", "as good"], ["worst"]] or report.groups["av_align"] == [
        ["best"],
        ["as good", "good"],
        ["worst"],
    ]
    assert all(c.p_holm >= c.p for c in report.comparisons)
    assert min(c.p_holm for c in report.comparisons) == pytest.approx(6 / 10_000)
    said = avbench_cli("compare", *paths)
    assert said.code == 0, said.err
    assert "rank groups by av_align (alpha 0.05): 1. best; 2. " in said.out
    assert "; 4. worst" in said.out
    assert "best is better" in said.out
    assert "not told apart" in said.out
    assert "p (Holm) is corrected for 6 tests" in said.out
    assert len(compared(*paths, metrics=["motion_score"]).comparisons) == 6


def test_lower_is_better_where_the_metric_says_so(tmp_path: Path, avbench_cli: Cli) -> None:
    a = made_run(tmp_path / "a", {"kl_passt": values(0, 1.0)}, model="far")
    b = made_run(tmp_path / "b", {"kl_passt": values(1)}, model="near")
    assert compared(a, b).groups == {"kl_passt": [["near"], ["far"]]}
    assert "near is better" in avbench_cli("compare", a, b).out


def test_runs_of_one_model_are_told_apart_by_their_folder(tmp_path: Path) -> None:
    a, b = (made_run(tmp_path / name, {"av_align": values(k)}, seed=k) for k, name in enumerate(("x", "y")))
    (found,) = compared(a, b).comparisons
    assert (found.a, found.b) == ("m (x)", "m (y)")
    (again,) = compared(a, a).comparisons
    assert (again.a, again.b, again.p, again.difference) == ("m (1)", "m (2)", 1.0, 0.0)


def test_json_is_the_report(tmp_path: Path, avbench_cli: Cli) -> None:
    a = made_run(tmp_path / "a", {"av_align": np.full(5, 0.5)}, model="a")
    b = made_run(tmp_path / "b", {"av_align": np.full(5, 0.4)}, model="\x1b[31mb")
    said = avbench_cli("compare", a, b, "--json", "--permutations", "99", "--seed", "4", "--name", "x", "--name", "y")
    table = json.loads(said.out)
    assert table["seed"] == 4
    assert [name for name, _ in table["runs"]] == ["x", "y"]
    (found,) = table["comparisons"]
    assert found["dz"] == "NaN"  # all differences are equal
    assert found["permutations"] == 99
    assert (
        avbench_cli("compare", a, b, "--json", "--permutations", "99", "--seed", "4", "--name", "x", "--name", "y").out
        == said.out
    )
    assert "\x1b" not in avbench_cli("compare", a, b).out


# ------------------------------------------------------------------ sets


def test_sets_are_compared_by_swaps_of_their_rows(tmp_path: Path) -> None:
    there = {
        "fvd": embeddings(seed=9),
        "kvd": embeddings(seed=9),
        "fad_vggish": [r.reshape(4, 100) for r in embeddings(seed=9)],
    }
    paths = []
    for k, (name, shift) in enumerate([("near", 0.0), ("far", 1.0)]):
        mine = embeddings(shift=shift, seed=k)
        rows = {"fvd": mine, "kvd": mine, "fad_vggish": [r.reshape(4, 100) for r in mine]}
        paths.append(made_run(tmp_path / name, rows, model=name, references=there))
    report = compared(*paths, permutations=99)
    assert [(c.metric, c.test) for c in report.comparisons] == [
        ("fvd", "swaps within items, exact Fréchet distance"),
        ("kvd", "swaps within items, exact kernel distance"),
        ("fad_vggish", "swaps within items, exact Fréchet distance"),
    ]
    for found in report.comparisons:
        first, second = (results.read(p)[found.metric].value for p in paths)
        assert found.difference == pytest.approx(first - second)
        assert found.low < found.difference < found.high < 0
        assert found.p == 1 / 100
        assert np.isnan(found.dz)
    assert report.groups["fvd"] == [["near"], ["far"]]


def test_a_score_that_is_no_distance_is_permuted_itself(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    sharp, flat = (list(draw.normal(0.0, spread, (20, 527))) for spread in (6.0, 0.1))
    a = made_run(tmp_path / "a", {"is_passt[splits=2]": sharp}, model="sharp")
    b = made_run(tmp_path / "b", {"is_passt[splits=2]": flat}, model="flat")
    (found,) = compared(a, b, permutations=49).comparisons
    assert found.test == "swaps within items, the metric's own score"
    assert found.p == 1 / 50
    assert found.difference > 0


def test_reference_rows_are_kept_by_a_run(tmp_path: Path) -> None:
    table = Table()
    table.clips = ["a", "b", "c"]
    table.rows, table.ref_rows = embeddings(3), embeddings(3, seed=1)
    table.write(tmp_path, registry.metric("fvd"), "s")
    run = results.read(made_run(tmp_path / "other", {"av_align": values()}))
    found = read_rows(dataclasses.replace(run, folder=tmp_path), "references", "fvd")
    assert list(found) == ["a", "b", "c"]
    assert np.array_equal(np.concatenate(list(found.values())), np.stack(table.ref_rows))


# ------------------------------------------------------------------ what cannot be compared


def refusal(tmp_path: Path, n: int = 10, **changes: Any) -> str:
    a = made_run(tmp_path / "a", {"av_align": values()[:10]}, model="a")
    b = made_run(tmp_path / "b", {"av_align": values(1)[:n]}, model="b", **changes)
    (reason,) = reasons(compared(a, b))
    return reason


COMMON = "; --common compares the clips that both scored"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"suite": {"name": "mine", "version": 1, "items": "1"}}, "suite mine@1 instead of synth15@1"),
        ({"suite": {"name": "synth15", "version": 1, "items": "1"}}, "other items"),
        ({"suite": {}}, "suite none instead of synth15@1"),
        ({"extractor": "net:1,weights=ff"}, "net 1,weights=ff instead of 1,weights=0123456789ab"),
        ({"extractor": "net:2,weights=0123456789ab"}, "net 2,weights=0123456789ab instead of 1,weights=0123456789ab"),
        ({"settings": "reader:other|v:0.1.0"}, "reader other instead of pyav-18.1.0"),
        ({"n": 9}, "n 9 instead of 10" + COMMON),
        ({"ids": [f"d{k}" for k in range(10)]}, "other clip ids" + COMMON),
        ({"value": float("nan")}, "a run has no number for it"),
        ({"value": 0.5}, "rows/av_align.parquet gives"),
    ],
)
def test_each_reason_is_named(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    found = refusal(tmp_path, **changes)
    assert reason in found
    assert found.count(";") == reason.count(";") or "parquet" in found


def test_clips_in_common_can_be_asked_for(tmp_path: Path) -> None:
    ids = [f"c{k:03d}" for k in range(10)]
    a = made_run(tmp_path / "a", {"av_align": np.arange(10) / 10}, model="a", ids=ids)
    b = made_run(tmp_path / "b", {"av_align": np.arange(8) / 10 + 0.1}, model="b", ids=ids[:8], unscored=ids[8:])
    assert "--common" in reasons(compared(a, b))[0]
    (found,) = compared(a, b, common=True).comparisons
    assert found.n == 8
    assert found.value_a == pytest.approx(0.35)
    assert found.difference == pytest.approx(-0.1)
    c = made_run(tmp_path / "c", {"av_align": values()[:2]}, model="c", ids=["x", "c000"])
    assert reasons(compared(a, c, common=True)) == ["1 clips in common; at least 2 are needed"]


def test_rows_that_are_not_there_or_are_no_rows(tmp_path: Path) -> None:
    a = made_run(tmp_path / "a", {"av_align": values()}, model="a")
    b = made_run(tmp_path / "b", {"av_align": values(1)}, model="b")
    rows = b / "rows" / "av_align.parquet"
    for data in (b"", b"PAR1 nonsense PAR1", None):
        if data is None:
            rows.unlink()
        else:
            rows.write_bytes(data)
        (reason,) = reasons(compared(a, b))
        assert "av_align" in reason
        assert "run the same command again" in reason
    results.write_rows(rows, ["c000", "c001"], [np.full(4, np.nan), np.zeros(4)], ("a", "b", "c", "d"), "s")
    assert "rows must be finite" in reasons(compared(a, b))[0]


def test_a_set_without_reference_rows(tmp_path: Path) -> None:
    a, b = (
        made_run(tmp_path / name, {"fvd": embeddings(seed=k)}, references={"fvd": embeddings(seed=9)}, model=name)
        for k, name in enumerate("ab")
    )
    shutil.rmtree(a / "references")
    assert reasons(compared(a, b)) == ["the run's folder has no rows of the reference clips; run the same command again"]


def test_a_pair_that_cannot_be_compared_leaves_no_rank_groups(tmp_path: Path, avbench_cli: Cli) -> None:
    a, b = (made_run(tmp_path / name, {"av_align": values(k)}, model=name) for k, name in enumerate("ab"))
    c = made_run(tmp_path / "c", {"av_align": values(3)[:20]}, model="c")
    report = compared(a, b, c)
    assert len(report.comparisons) == 1
    assert len(report.refusals) == 2
    assert report.groups == {}
    said = avbench_cli("compare", a, b, c)
    assert said.code == 0
    assert said.out.count("not compared, av_align") == 2
    alone = avbench_cli("compare", a, c)
    assert alone.code == 1
    assert "n 20 instead of 40" in alone.out


def test_mistakes_are_one_message(tmp_path: Path, avbench_cli: Cli) -> None:
    a = made_run(tmp_path / "a", {"av_align": values()}, model="a")
    b = made_run(tmp_path / "b", {"kl_passt": values()}, model="b")
    (tmp_path / "unfinished").mkdir()
    with pytest.raises(BadParameter, match="two runs or more are compared, got 1"):
        compared(a)
    with pytest.raises(AvbenchError, match=r"no metric in common to compare \(a: av_align; b: kl_passt\)"):
        compared(a, b)
    with pytest.raises(UnknownName, match="no metric in these runs 'av_algin'; did you mean 'av_align'"):
        compared(a, a, metrics=["av_algin"])
    with pytest.raises(BadParameter, match="alpha must be between 0 and 1"):
        compared(a, a, alpha=0.0)
    with pytest.raises(BadParameter, match="got 1 names for 2 runs"):
        compare([results.read(a)] * 2, names=["x"])
    for arguments in (
        ["compare", a, b],
        ["compare", a],
        ["compare", a, tmp_path / "unfinished"],
        ["compare", a, a, "--name", "x"],
    ):
        said = avbench_cli(*arguments)
        assert said.code == 2
        assert "Traceback" not in said.err


def test_progress_is_told(tmp_path: Path) -> None:
    a = made_run(tmp_path / "a", {"av_align": values(), "kl_passt": values()})
    told: list[tuple[str, int, int]] = []
    compared(a, a, progress=lambda *step: told.append(step))
    assert told == [("compare", 0, 2), ("compare", 1, 2)]
