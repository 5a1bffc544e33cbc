"""Tables: which cells are ranked together, marks, notes, counts, columns, published numbers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbench import registry, results, tables
from avbench.errors import BadManifest, BadParameter, UnknownName
from avbench.tables import columns as column_sets
from avbench.tables import sources
from avbench.tables.model import Cell, Column, Row, Table, interval_text, letter, number_text
from tests.made_runs import made_run

Cli = Callable[..., Any]
NAN = float("nan")


def column(key: str = "x", **changes: Any) -> Column:
    return Column(**{"key": key, "heading": key, "better": "higher", "metrics": (key,), "digits": 2, **changes})


def table(values: list[float], *, kins: list[str] | None = None, better: str = "higher", **changes: Any) -> Table:
    kin = kins or ["same"] * len(values)
    rows = [Row(f"m{k}", {"x": Cell(v, n=10, kin=(("suite", kin[k]),))}) for k, v in enumerate(values)]
    return tables.build([column(better=better, **changes)], rows)


def marks(made: Table, key: str = "x") -> dict[str, str]:
    return {made.rows[r].name: mark for (r, k), mark in made.marks.items() if k == key}


# ------------------------------------------------------------------ marks


def test_best_and_second_follow_the_direction() -> None:
    assert marks(table([0.1, 0.3, 0.2])) == {"m1": "best", "m2": "second"}
    assert marks(table([0.1, 0.3, 0.2], better="lower")) == {"m0": "best", "m2": "second"}
    assert marks(table([0.1, 0.3, 0.2], better="none")) == {}


def test_cells_that_show_the_same_share_a_mark() -> None:
    assert marks(table([0.301, 0.299, 0.2, 0.2, 0.1])) == {"m0": "best", "m1": "best", "m2": "second", "m3": "second"}
    assert marks(table([0.301, 0.299, 0.2], digits=3)) == {"m0": "best", "m1": "second"}
    assert marks(table([0.2, 0.2])) == {}
    assert marks(table([0.2])) == {}


def test_cells_without_a_number_are_not_ranked() -> None:
    made = table([NAN, 0.3, math.inf, 0.2])
    assert marks(made) == {"m1": "best", "m3": "second"}
    assert made.cell(0, made.columns[0]) is None


def test_minus_nothing_is_nothing() -> None:
    assert number_text(-0.001, 2) == "0.00"
    assert number_text(-0.006, 2) == "-0.01"
    assert number_text(-0.0, 0) == "0"
    assert number_text(3.2e9, 1) == "3.2e+09"
    assert marks(table([-0.001, 0.001, -0.5])) == {"m0": "best", "m1": "best", "m2": "second"}


def test_only_the_largest_set_of_kin_is_ranked_and_the_others_say_why() -> None:
    made = table([0.9, 0.3, 0.2, 0.1], kins=["other", "same", "same", "same"])
    assert marks(made) == {"m1": "best", "m2": "second"}
    assert made.notes == ("not ranked: suite other instead of same",)
    assert made.refers == {(0, "x"): (0,)}


def test_published_cells_are_ranked_in_themselves() -> None:
    published = [
        Row(f"p{k}", {"x": Cell(v, kin=(("published in", "P"),), signature="P")}, "", "reported")
        for k, v in enumerate((0.9, 0.8))
    ]
    elsewhere = [Row("q", {"x": Cell(0.99, kin=(("published in", "Q"),), signature="Q")}, "", "reported")]
    measured = [Row(f"m{k}", {"x": Cell(v, n=3, kin=(("suite", "s"),))}) for k, v in enumerate((0.5, 0.4))]
    made = tables.build([column()], [*published, *elsewhere, *measured])
    assert marks(made) == {"p0": "best", "p1": "second", "m0": "best", "m1": "second"}
    assert made.notes == ()
    assert made.remarks[:2] == ("published in: P", "published in: Q")


def test_rows_of_a_group_stand_together_in_order_of_their_first() -> None:
    rows = [Row("a", {}, "one"), Row("b", {}, "two"), Row("c", {}, "one")]
    made = tables.build([column()], rows)
    assert [r.name for r in made.rows] == ["a", "c", "b"]
    assert made.row_groups == [("one", [0, 1]), ("two", [2])]


def test_counts_are_shown_where_they_differ() -> None:
    def counted(*ns: tuple[int | None, int | None]) -> Table:
        rows = [Row(f"m{k}", {"x": Cell(1.0, n=a), "y": Cell(1.0, n=b)}) for k, (a, b) in enumerate(ns)]
        return tables.build([column(), column("y")], rows)

    assert counted((5, 5), (5, 5)).counts == "none"
    assert "n = 5 clips" in counted((5, 5), (5, None)).remarks
    assert counted((5, 5), (4, 4)).counts == "rows"
    assert counted((5, 4), (5, 5)).counts == "cells"
    partial = tables.build([column()], [Row("a", {"x": Cell(1.0, n=4, of=5)}), Row("b", {"x": Cell(1.0, n=5, of=5)})])
    assert "4/5" in tables.FORMATS["text"](partial)


def test_digits_come_from_the_largest_number() -> None:
    def digits(*values: float) -> int | None:
        return table(list(values), digits=None).columns[0].digits

    assert digits(326.4, 1.0) == 1
    assert digits(0.2631, 0.1) == 4
    assert digits(12_345.0) == 0
    assert digits(1e-9) == 6
    assert digits(0.0, NAN) == 0


def test_letters_of_notes() -> None:
    assert [letter(n) for n in (0, 25, 26, 27, 701, 702)] == ["a", "z", "aa", "ab", "zz", "aaa"]
    assert interval_text(Cell(1.0, 0.5, NAN), 1) == ""


# ------------------------------------------------------------------ runs


def test_numbers_of_runs_checked_by_hand(tmp_path: Path, avbench_cli: Cli) -> None:
    """(0.1 + 0.2 + 0.6) / 3 = 0.3 and (0.4 + 0.4 + 0.5) / 3 = 0.4333; for av_align higher is better."""
    a = made_run(
        tmp_path / "a", {"av_align": np.array([0.1, 0.2, 0.6]), "motion_score": np.array([5.0, 6.0, 7.0])}, model="one"
    )
    b = made_run(
        tmp_path / "b", {"av_align": np.array([0.4, 0.4, 0.5]), "motion_score": np.array([1.0, 2.0, 3.0])}, model="two"
    )
    said = avbench_cli("table", a, b)
    assert said.code == 0, said.err
    lines = [line.split() for line in said.out.splitlines()]
    assert lines[0] == ["model", "av_align", "↑", "motion_score", "(%/s)"]
    assert lines[2:4] == [["one", "0.3000+", "6.000"], ["two", "0.4333*", "2.000"]]
    assert ["n", "=", "3", "clips"] in lines
    assert avbench_cli("table", a, b, "--intervals").out.count("[") == 4


def test_runs_that_differ_are_shown_and_not_ranked(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)

    def row(name: str, n: int = 6, **changes: Any) -> Row:
        run = results.read(made_run(tmp_path / name, {"av_align": draw.random(n)}, model=name, **changes))
        return sources.of_run(run, [column("av_align")])

    rows = [
        row("a"),
        row("b"),
        row("seed", seed=5),
        row("fewer", 5),
        row("ids", ids=list("uvwxyz")),
        row("suite", suite={"name": "mine", "version": 2, "items": "ff"}),
        row("weights", extractor="net:1,weights=ffffffffffff"),
        row("version", settings="reader:pyav-18.1.0|v:0.2.0"),
        row("partial", unscored=["gone"]),
    ]
    made = tables.build([column("av_align")], rows)
    assert set(marks(made, "av_align")) <= {"a", "b", "seed"}
    said = {made.rows[r].name: made.notes[n[0]] for (r, _), n in made.refers.items()}
    assert said == {
        "fewer": "not ranked: n 5 instead of 6",
        "ids": "not ranked: other clip ids",
        "suite": "not ranked: suite mine@2 instead of synth15@1",
        "weights": "not ranked: net 1,weights=ffffffffffff instead of 1,weights=0123456789ab",
        "version": "not ranked: v 0.2.0 instead of 0.1.0",
        "partial": "not ranked: other clip ids",
    }


def test_runs_of_one_model_over_two_suites_are_one_row(tmp_path: Path) -> None:
    chosen = [column("l", metrics=("av_align",), suite="landscape"), column("g", metrics=("av_align",), suite="greatest_hits")]
    made = []
    for name, value in (("landscape", 0.2), ("greatest_hits", 0.4)):
        path = made_run(tmp_path / name, {"av_align": np.full(3, value)}, suite={"name": name, "version": 1, "items": ""})
        made.append(sources.of_run(results.read(path), chosen))
    (row,) = sources.merged(made)
    assert {k: round(c.value, 6) for k, c in row.cells.items()} == {"l": 0.2, "g": 0.4}
    assert len(sources.merged([made[0], made[0]])) == 2
    assert len(sources.merged([made[0], dataclasses.replace(made[1], name="other")])) == 2


def test_another_variant_fills_a_column_and_says_so(tmp_path: Path) -> None:
    rows = {"kl_passt[verse]": np.ones(3), "kl_passt[stable]": np.ones(3)}
    run = results.read(made_run(tmp_path / "a", rows))
    wanted = (("kl_passt[stable]",), ("kl_passt", "kl_passt[stable]"), ("kl_passt",), ("fvd", "kl_panns"))
    cells = [sources.of_run(run, [column("x", metrics=labels)]).cells.get("x") for labels in wanted]
    assert [cell and cell.note for cell in cells] == ["", "", "measured as kl_passt[verse]", None]


def test_a_scale_moves_number_and_interval(tmp_path: Path) -> None:
    run = results.read(made_run(tmp_path / "a", {"av_align": np.full(3, 0.25)}))
    cell = sources.of_run(run, [column("av_align", scale=100.0)]).cells["av_align"]
    assert (round(cell.value, 9), round(cell.low, 9), round(cell.high, 9)) == (25.0, 15.0, 35.0)


def test_columns_are_those_that_were_asked_for(tmp_path: Path) -> None:
    rows = {"av_align": np.ones(2), "loudness": np.ones(2), "motion_score": np.ones(2)}
    both = [results.read(made_run(tmp_path / "a", rows)), results.read(made_run(tmp_path / "b", {"duration": np.ones(2)}))]
    assert [c.key for c in column_sets.chosen(None, both)[1]] == ["av_align", "motion_score"]
    assert [c.key for c in column_sets.chosen(None, both[1:])[1]] == ["duration"]
    assert [c.key for c in column_sets.chosen("duration, av_align", both)[1]] == ["duration", "av_align"]
    assert column_sets.split_labels("a[x=1,y=2],b") == ["a[x=1,y=2]", "b"]
    with pytest.raises(
        UnknownName, match="no column set or metric of these runs 'jointdit-tabel1'; did you mean 'jointdit-table1'"
    ):
        column_sets.chosen("jointdit-tabel1", both)
    with pytest.raises(BadParameter, match="no metric"):
        column_sets.chosen(None, [dataclasses.replace(both[0], metrics=())])


# ------------------------------------------------------------------ column sets and published tables


@pytest.mark.parametrize("name", column_sets.names())
def test_column_sets_hold_together(name: str) -> None:
    found = column_sets.load(name)
    for one in found.columns:
        assert one.digits is not None
        for label in one.metrics:
            spec = registry.parse_spec(label)
            if spec.name in registry.names("metrics"):
                metric = registry.metric(spec.name, **dict(spec.parameters))
                assert metric.label == label
                assert metric.better == one.better, f"{label} is better {metric.better}, the paper says {one.better}"


@pytest.mark.parametrize("name", sources.reported_names())
def test_published_numbers_have_a_source_a_column_and_all_their_digits(name: str) -> None:
    published = sources.reported(name)
    chosen = {c.key: c for c in column_sets.load(published.columns).columns}
    assert published.source
    assert {r.origin for r in published.rows} == {"reported"}
    assert all(r.group for r in published.rows)
    for row in published.rows:
        for key, cell in row.cells.items():
            assert float(number_text(cell.value, chosen[key].digits or 0)) == cell.value, (row.name, key)


def published_marks(name: str) -> dict[str, tuple[set[str], set[str]]]:
    """By column, which models are best and which second."""
    published = sources.reported(name)
    made = tables.build(column_sets.load(published.columns).columns, published.rows)
    out: dict[str, tuple[set[str], set[str]]] = {c.key: (set(), set()) for c in made.columns}
    for (r, key), mark in made.marks.items():
        out[key][mark == "second"].add(made.rows[r].name)
    return out


SVD = {"SVD+IM2Wav", "SVD+AudioLDM-v", "SVD+Diff-Foley", "SVD+FoleyCrafter", "SVD+TiVA", "SVD+SeeingHearing"}


def test_jointdit_table_1() -> None:
    """By hand from the numbers: JointDiT leads everywhere but in AV-Align, where AudioLDM-v+AVSyncD does."""
    ours = {"JointDiT"}
    assert published_marks("jointdit-table1") == {
        "FVD": (ours, SVD),
        "KVD": (ours, SVD),
        "FAD": (ours, {"SVD+AudioLDM-v", "AudioLDM-v+AVSyncD"}),
        "KL": (ours, {"SVD+FoleyCrafter"}),
        "IB-VA": (ours, {"SVD+FoleyCrafter"}),
        "AV-Align": ({"AudioLDM-v+AVSyncD"}, ours),
        "IB-IV": (ours, SVD),
        "IB-IA": (ours, {"SVD+FoleyCrafter"}),
    }


def test_jointdit_table_2() -> None:
    """By hand from the numbers."""
    ours = {"JointDiT"}
    assert published_marks("jointdit-table2") == {
        "FVD (GreatestHits)": (ours, {"AudioLDM-v+AVSyncD"}),
        "FAD (GreatestHits)": (ours, {"SVD+SeeingHearing"}),
        "AV-Align (GreatestHits)": ({"CoDi"}, {"AudioLDM-v+AVSyncD"}),
        "FVD (Landscape)": (ours, SVD),
        "FAD (Landscape)": ({"JointDiT", "SVD+FoleyCrafter"}, {"SVD+IM2Wav", "IM2Wav+AVSyncD"}),
        "AV-Align (Landscape)": (ours, {"AudioLDM-v+AVSyncD"}),
    }


def test_jova() -> None:
    """Bold as the authors' README has it, but for ID: there no number is bold, where UniVerse-1's 0.82 is the best."""
    bold = {"JoVA": "LSE-C WER FD KL CE CU PC PQ MS AS", "Ovi": "CS"}
    wanted = {key: model for model, keys in bold.items() for key in keys.split()} | {"ID": "UniVerse-1"}
    found = published_marks("jova")
    assert {key: best for key, (best, _) in found.items()} == {key: {model} for key, model in wanted.items()}
    assert found["ID"][1] == {"JoVA"}
    assert found["AS"][1] == {"UniVerse-1"}


def test_javisbench() -> None:
    """By hand from the numbers; empty cells are left out, not ranked as 0."""
    found = published_marks("javisbench")
    assert found["FVD"] == ({"UniVerse-1"}, {"JavisDiT"})
    assert found["TA-IB"] == ({"OpenSora+FoleyCrafter"}, {"JavisDiT"})
    assert found["AVHScore"] == ({"OpenSora+FoleyCrafter"}, {"JavisDiT"})
    assert found["JavisScore"] == ({"JavisDiT"}, {"OpenSora+FoleyCrafter"})
    assert published_marks("javisbench-plus")["AV-IB"] == ({"JavisDiT++", "OpenSora+MMAudio"}, {"JavisDiT"})
    assert published_marks("javisdit-table2")["FVD (AIST++)"] == ({"AV-DiT"}, {"JavisDiT"})


def test_measured_runs_beside_a_published_table(tmp_path: Path, avbench_cli: Cli) -> None:
    run = made_run(tmp_path / "a", {"kl_passt": np.array([1.0, 2.0])}, model="mine")
    said = avbench_cli("table", run, "--reported", "jointdit-table1", "--group", "I→VA", "--origin", "reproduced")
    assert said.code == 0, said.err
    mine = next(line for line in said.out.splitlines() if "mine" in line)
    assert mine.split() == ["mine§", "1.50"]
    assert said.out.index("JointDiT†") < said.out.index("mine§")
    assert "no metric of avbench computes AV-Align" in said.out
    assert "no run here has FVD, KVD, FAD, IB-VA, IB-IV, IB-IA" in said.out


# ------------------------------------------------------------------ mistakes

PUBLISHED = '[source]\npaper = "P"\ntable = "T"\n[[rows]]\nmodel = "m"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = [", "not a table of published numbers"),
        ("[source]\npaper = 'P'\n", r"expected \[source\] and \[\[rows\]\]"),
        ("[[rows]]\nmodel = 'm'\n", r"expected \[source\] and \[\[rows\]\]"),
        ("[source]\npaper = 'P'\n[[rows]]\nmodel = 'm'\n", "missing: table"),
        ("[source]\npaper = 'P'\ntable = 1\n[[rows]]\nmodel = 'm'\n", "wrong: table"),
        (PUBLISHED, "'values' must hold finite numbers"),
        (PUBLISHED + "values = {FVD = '1'}\n", "'values' must hold finite numbers"),
        (PUBLISHED + "values = {FVD = nan}\n", "'values' must hold finite numbers"),
        (PUBLISHED + "values = {FVD = true}\n", "'values' must hold finite numbers"),
        (PUBLISHED + "values = {FVD = 1}\nnotes = {KVD = 'x'}\n", "'notes' must hold texts"),
        (PUBLISHED + "values = {FVD = 1}\nwho = 'x'\n", "wrong: who"),
        (PUBLISHED.replace('"m"', "3") + "values = {FVD = 1}\n", "wrong: model"),
    ],
)
def test_a_file_of_published_numbers_that_is_wrong(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadManifest, match=message):
        sources.reported(str(path))


def test_a_file_of_published_numbers_of_a_user(tmp_path: Path, avbench_cli: Cli) -> None:
    path = tmp_path / "x.toml"
    path.write_text(PUBLISHED + "values = {FVD = 12}\n", encoding="utf-8")
    said = avbench_cli("table", "--reported", path, "--columns", "jointdit-table1")
    assert said.code == 0, said.err
    assert "published in: P, T" in said.out


def test_mistakes_are_one_message(tmp_path: Path, avbench_cli: Cli) -> None:
    run = made_run(tmp_path / "a", {"av_align": np.ones(2)})
    (tmp_path / "unfinished").mkdir()
    later = (run / "result.json").read_text(encoding="utf-8").replace('"schema": 1', '"schema": 9')
    (tmp_path / "later.json").write_text(later, encoding="utf-8")
    own = tmp_path / "own.toml"
    own.write_text(PUBLISHED + "values = {Other = 1}\n", encoding="utf-8")
    for arguments, part in (
        (["table"], "nothing to show: give folders of runs, or --reported with one of javisbench"),
        (["table", tmp_path / "unfinished"], "not a result"),
        (["table", tmp_path / "later.json"], "schema 9 is newer than this avbench reads"),
        (["table", run, "--format", "latx"], "no format 'latx'; did you mean 'latex'?"),
        (["table", run, "--columns", "jointdit"], "no column set or metric of these runs 'jointdit'; did you mean"),
        (["table", run, "--columns", "jova"], "the runs have none of the columns of 'jova'; they have av_align"),
        (["table", run, "--reported", "jointdit"], "no published table or TOML file 'jointdit'; did you mean"),
        (["table", run, "--reported", own], "none of them is a column of this table"),
        (["table", run, "--origin", "reported"], "--origin must be submitted or reproduced, got 'reported'"),
        (["table", run, "--name", "a", "--name", "b"], "--name is given 2 times for 1 runs"),
        (["table", run, "--out", tmp_path / "a" / "result.json" / "x"], "result.json"),
        (["macros", tmp_path / "unfinished"], "not a result"),
    ):
        said = avbench_cli(*arguments)
        assert said.code == 2, arguments
        assert part in said.message, said.message
        assert "Traceback" not in said.err
