"""From clips to a table, macros and a comparison, through the command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


def test_two_runs_end_in_a_paper(suite_folder: Any, avbench_cli: Cli) -> None:
    suite = suite_folder(["a", "b", "c"], reference=None, metrics=["motion_score"])
    for out, seed in (("one", "0"), ("two", "1")):
        said = avbench_cli("run", "--model", "noise", "--suite", suite, "--seed", seed, "--out", out)
        assert said.code == 0, said.err
    values = [json.loads(Path(out, "result.json").read_text())["metrics"][0]["value"] for out in ("one", "two")]

    said = avbench_cli("table", "one", "two/result.json", "--format", "csv", "--name", "A", "--name", "B", "--out", "t/all.csv")
    assert (said.code, said.out) == (0, "t/all.csv\n")
    with Path("t/all.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert [(row[0], float(row[3])) for row in rows[1:]] == [("A", values[0]), ("B", values[1])]
    for output in ("text", "markdown", "latex", "html"):
        said = avbench_cli("table", "one", "two", "--format", output, "--intervals", "--group", "noise")
        assert said.code == 0, said.err
        assert f"{values[0]:.2f}" in said.out
        assert "not ranked" not in said.out

    macros = avbench_cli("macros", "one", "two", "--name", "A", "--name", "B")
    assert macros.out.count(r"\newcommand{\avbAMotionScore}") == 1

    said = avbench_cli("compare", "one", "two", "--metrics", "motion_score", "--json")
    assert said.code == 0, said.err
    (found,) = json.loads(said.out)["comparisons"]
    assert found["n"] == 3
    assert found["difference"] == pytest.approx(values[0] - values[1])
    assert (found["a"], found["b"]) == ("noise (one)", "noise (two)")


def test_commands_say_what_they_take(avbench_cli: Cli) -> None:
    for command, options in (
        ("table", ("--format", "--columns", "--reported", "--intervals", "--origin", "--out")),
        ("macros", ("--name", "--out")),
        ("compare", ("--common", "--permutations", "--alpha", "--seed", "--json")),
    ):
        said = avbench_cli(command, "--help")
        assert said.code == 0
        assert all(option in said.out for option in options)
