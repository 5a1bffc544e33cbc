"""What every folder under baselines/ keeps to; a new one needs no edit here.

A folder with a card alone goes with a Python class. One with a description (`config.toml` with a `kind`) is a published model
or a cascade of the papers, and its card says where it comes from, what it needs and what its paper reports.
"""

from __future__ import annotations

import ast
import csv
import functools
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from avbench import content, registry

FOLDER = content.folder("baselines")
TABLES = Path(content.__file__).parent / "tables" / "reported"
BESIDE_THE_REPOSITORY = Path(os.environ.get("AVBENCH_MEDIA", Path(__file__).resolve().parents[3] / "shared"))
CSV = BESIDE_THE_REPOSITORY / "reported-results.csv"
"""All published numbers that were collected. What `tables/reported` holds of them is checked without this file."""

FACTS = (
    "paper",
    "venue",
    "arXiv",
    "code",
    "licence of code",
    "licence of weights",
    "weights",
    "task",
    "conditions",
    "output",
    "environment",
    "memory",
    "called",
)
SECTIONS = ("Published inference", "Use", "Reported numbers", "Not verified")
REQUIRES = {"environment", "weights", "vram", "licence"}
STANDARD = {"argparse", "functools", "json", "math", "os", "pathlib", "re", "socket", "sys", "tempfile", "types", "typing"}
BESIDE = {"__future__", "collections", "avbench_worker", "upstream"}


def _described() -> dict[str, dict[str, Any]]:
    found = {}
    for path in sorted(FOLDER.glob("*/config.toml")):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        if table.get("kind") in ("proc", "cascade", "dir"):
            found[path.parent.name] = table
    return found


DESCRIBED = _described()
every_description = pytest.mark.parametrize("name", DESCRIBED)
every_worker = pytest.mark.parametrize("name", [n for n, t in DESCRIBED.items() if t["kind"] == "proc"])
every_cascade = pytest.mark.parametrize("name", [n for n, t in DESCRIBED.items() if t["kind"] == "cascade"])
every_script = pytest.mark.parametrize(
    "path", sorted([*FOLDER.glob("*/runner.py"), *FOLDER.glob("*.py")]), ids=lambda p: f"{p.parent.name}/{p.name}"
)


@functools.cache
def card(name: str) -> str:
    return content.card("baselines", name)


def facts(name: str) -> dict[str, str]:
    """The card's table of two columns, by row."""
    rows = re.findall(r"(?m)^\| ([^|]*?) \| (.*?) \|$", card(name).partition("\n## ")[0])
    return dict(rows)


def section(name: str, title: str) -> str:
    found = re.search(rf"(?ms)^## {re.escape(title)}\n(.*?)(?=^## |\Z)", card(name))
    return found[1].strip() if found else ""


# ------------------------------------------------------------------ cards


@pytest.mark.parametrize(
    "folder", sorted(p for p in FOLDER.iterdir() if p.is_dir() and p.name != "__pycache__"), ids=lambda p: p.name
)
def test_every_folder_has_a_card_of_its_name(folder: Path) -> None:
    text = content.card("baselines", folder.name)
    assert text.startswith(f"# {folder.name}\n")
    assert len(text) > 200


@every_description
def test_a_card_says_where_the_model_comes_from_and_what_it_needs(name: str) -> None:
    known = facts(name)
    assert tuple(k for k in known if k) == FACTS
    assert all(known[key] for key in FACTS if key != "called")
    for title in SECTIONS:
        assert section(name, title), f"{name}: section '{title}' is missing or empty"
    assert section(name, "Differs from the published code" if DESCRIBED[name]["kind"] == "proc" else "Known deviations")
    assert DESCRIBED[name]["title"]
    if DESCRIBED[name]["kind"] != "cascade":
        assert set(DESCRIBED[name]["requires"]) == REQUIRES
        assert all(DESCRIBED[name]["requires"].values())
        assert DESCRIBED[name]["task"] in known["task"]


@every_worker
def test_the_code_that_was_read_is_named_by_commit_everywhere(name: str) -> None:
    commit = re.search(r"read (?:at|in \S+ at) ([0-9a-f]{7})", facts(name)["code"])
    assert commit is not None
    if name != "qwen-vl":  # its code comes with the weights
        assert commit[1] in DESCRIBED[name]["source"]
        assert commit[1] in _script(name).read_text(encoding="utf-8")
    environment = (FOLDER / name / "environment.yml").read_text(encoding="utf-8")
    assert commit[1] in environment
    assert "Untested by avbench" in environment
    assert "untested" in DESCRIBED[name]["requires"]["environment"]


# ------------------------------------------------------------------ reported numbers


def _blocks(name: str) -> list[tuple[str, list[str], dict[str, dict[str, str]], str]]:
    """Each table under "Reported numbers": its title, metrics, rows, and the notes below it."""
    out = []
    parts = re.split(r"(?m)^(?=\S.*:$)", section(name, "Reported numbers"))
    for part in parts:
        lines = [line for line in part.splitlines() if line.strip()]
        if not lines or not lines[0].endswith(":"):
            continue
        cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines[1:] if line.startswith("|")]
        metrics = [re.sub(r" [↓↑]$", "", c) for c in cells[0][2:]]
        rows = {row[0]: dict(zip(metrics, row[2:], strict=True)) for row in cells[2:]}
        out.append((lines[0], metrics, rows, "\n".join(line for line in lines if line.startswith("- "))))
    return out


def _called(name: str) -> set[str]:
    return {c.strip() for c in facts(name)["called"].split(",") if c.strip()}


def _is_of(called: set[str], row: str) -> bool:
    return row in called or (not row.endswith("+") and any(part in called for part in row.split("+")))


@every_description
def test_reported_numbers_are_those_of_the_tables(name: str) -> None:
    seen = set()
    for title, _, rows, notes in _blocks(name):
        table = re.search(r"\(`([a-z0-9-]+)`\):$", title)
        if table is None:
            continue
        seen.add(table[1])
        stored = tomllib.loads((TABLES / f"{table[1]}.toml").read_text(encoding="utf-8"))
        wanted = {row["model"]: row for row in stored["rows"] if _is_of(_called(name), row["model"])}
        assert set(rows) == set(wanted)
        for model, row in wanted.items():
            assert {k: float(v) for k, v in rows[model].items() if v} == {k: float(v) for k, v in row["values"].items()}
            assert all(note in notes for note in row.get("notes", {}).values())
        assert all(stored["source"][key] in title for key in ("paper", "table", "benchmark"))
    there = {p.stem for p in TABLES.glob("*.toml") if _has_row(p, _called(name))}
    assert seen == there, f"the card of {name} lacks {there - seen}"


def _has_row(path: Path, called: set[str]) -> bool:
    return any(_is_of(called, row["model"]) for row in tomllib.loads(path.read_text(encoding="utf-8"))["rows"])


@every_description
@pytest.mark.skipif(not CSV.is_file(), reason="reported-results.csv is not beside the repository")
def test_the_other_reported_numbers_are_those_of_the_collection(name: str) -> None:
    collected: dict[str, dict[str, dict[str, str]]] = {}
    with CSV.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["value"] and _is_of(_called(name), row["method"]):
                title = f"{row['paper']}; {row['table']}; {row['benchmark']}:"
                collected.setdefault(title, {}).setdefault(row["method"], {})[row["metric"]] = row["value"]
    inside = [rows for title, _, rows, _ in _blocks(name) if title.endswith("`):")]
    outside = {title: rows for title, _, rows, _ in _blocks(name) if not title.endswith("`):")}
    for title, rows in outside.items():
        assert {m: {k: v for k, v in cells.items() if v} for m, cells in rows.items()} == collected[title]
    for title in set(collected) - set(outside):
        for model in collected[title]:  # what a table of the repository holds, the test above has compared
            assert any(model in rows for rows in inside), f"the card of {name} lacks {title} {model}"


# ------------------------------------------------------------------ descriptions


def _script(name: str) -> Path:
    script = DESCRIBED[name]["command"][-1]
    return Path(script.replace("{dir}", str(FOLDER / name)).replace("{workers}", str(FOLDER)))


@every_description
def test_the_loader_takes_the_description(name: str) -> None:
    config = pytest.importorskip("avbench.adapters.config")
    cls = config.model_class(FOLDER / name / "config.toml")
    assert cls.name == name
    cls()
    for stage in DESCRIBED[name].get("stages", ()):
        assert stage["use"].partition("[")[0] in registry.names("generators")


@every_worker
def test_a_worker_is_started_in_an_environment_of_its_own(name: str) -> None:
    table = DESCRIBED[name]
    assert re.fullmatch(r"\{env:[A-Z0-9_]+_PYTHON\}", table["command"][0])
    assert _script(name).is_file()
    assert table["timeout_s"] >= 60
    assert table["workers"] == 1
    text = _script(name).read_text(encoding="utf-8")
    for option in table["options"]:
        assert f'"{option}"' in text, f"the runner of {name} does not read the option {option}"
    if "cwd" in table:
        home = table["cwd"][len("{env:") : -1]
        assert f'"{home}"' in text
        assert all(file.startswith(f"{{env:{home}}}/") for file in table["files"])


@every_cascade
def test_a_cascade_passes_on_what_its_stages_need(name: str) -> None:
    table = DESCRIBED[name]
    made: set[str] = set()
    for stage in table["stages"]:
        model = stage["use"].partition("[")[0]
        assert all(source.startswith("item.") or source in made for source in stage["in"].values())
        for condition in DESCRIBED.get(model, {}).get("conditions", ()):
            assert condition.endswith("?") or condition in stage["in"]
        made |= {f"{stage['name']}.{stream}" for stream in ("video", "audio", "text")}
    assert {table["merge"]["video"], table["merge"]["audio"]} <= made
    assert table["process"] in ("I->V || I->A", "I->V + V->A", "I->A + A->V", "I->T->V + I->T->A")
    with_sound = {"I->V + V->A": "vid.video", "I->A + A->V": "aud.audio"}.get(table["process"])
    assert with_sound is None or with_sound in table["stages"][-1]["in"].values()


def test_every_cascade_of_the_paper_s_table_is_there() -> None:
    stored = tomllib.loads((TABLES / "jointdit-table1.toml").read_text(encoding="utf-8"))
    listed = {row["model"] for row in stored["rows"] if "+" in row["model"]}
    assert listed == {model for name in DESCRIBED if DESCRIBED[name]["kind"] == "cascade" for model in _called(name)}


# ------------------------------------------------------------------ scripts of other environments


@every_script
def test_a_script_is_python_3_8_and_imports_nothing_of_the_model_before_it_loads(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    top = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            top |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            top.add((node.module or "").partition(".")[0])
    everywhere = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    everywhere |= {alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    assert not any(module.partition(".")[0] == "avbench" for module in everywhere)
    if path.name == "runner.py":
        assert top <= STANDARD | BESIDE, f"{path} imports {top - STANDARD - BESIDE} before it is told to load"
        assert {n.name for n in tree.body if isinstance(n, ast.FunctionDef)} >= {"load", "generate"}
    assert not {m.partition(".")[0] for m in everywhere} & {"requests", "urllib", "http", "gdown"}, (
        "runners fetch nothing themselves"
    )
