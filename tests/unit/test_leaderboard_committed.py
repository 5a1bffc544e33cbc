"""The leaderboard that is in the repository."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import pytest

from avbench.leaderboard import building, feed, views
from avbench.leaderboard.checking import check
from avbench.leaderboard.entry import Measured, Reported
from tests.seen_pages import Links, answered, compile_tables, needs_browser, needs_tex, with_script
from tests.small_board import COMMITTED, ROOT

MEDIA = Path(os.environ.get("AVBENCH_MEDIA", Path(__file__).resolve().parents[3] / "shared"))


def test_the_committed_leaderboard_is_valid_and_its_site_is_what_the_entries_make() -> None:
    """One run here, every run in `avbench leaderboard validate`, which CI calls."""
    entries = COMMITTED.read_all()
    runs = [place for place, e in entries.items() if isinstance(e, Measured)]
    checked, problems = check(COMMITTED, [COMMITTED.entries / place for place in entries if place not in runs[1:]])
    assert problems == []
    assert checked >= 137
    assert len(runs) >= 4
    assert building.differences(COMMITTED, COMMITTED.site) == []
    models = {e.model for e in COMMITTED.read_all().values() if isinstance(e, Measured)}
    assert {"reference", "shifted", "shuffled", "noise"} <= models


def test_the_committed_leaderboard_is_small() -> None:
    sizes = {p: p.stat().st_size for p in COMMITTED.entries.parent.rglob("*") if p.is_file()}
    assert sum(sizes.values()) < 8_000_000
    assert max(sizes.values()) < 600_000


@pytest.mark.skipif(not (MEDIA / "reported-results.csv").is_file(), reason="the list of published numbers is not here")
def test_the_committed_reported_entries_are_the_list_of_published_numbers() -> None:
    """Counted from the list itself, not through the importer."""
    with (MEDIA / "reported-results.csv").open(newline="") as file:
        wanted = sorted(
            (r["paper"], r["table"], r["benchmark"], r["method"], r["process"], r["metric"], r["value"], r["note"])
            for r in csv.DictReader(file)
        )
    found = sorted(
        (e.source.paper, e.source.table, e.source.benchmark, e.model, e.process, n.metric, n.value or "", n.note)
        for e in COMMITTED.read_all().values()
        if isinstance(e, Reported)
        for n in e.numbers
    )
    assert len(found) == 789
    assert found == wanted


def test_every_link_of_the_committed_site_leads_somewhere_and_nothing_is_loaded() -> None:
    pages = {p.name: Links() for p in COMMITTED.site.glob("*.html")}
    for name, page in pages.items():
        page.feed((COMMITTED.site / name).read_text(encoding="utf-8"))
        assert page.loads == [], name
    for name, page in pages.items():
        for link in page.found:
            file, _, anchor = link.partition("#")
            if link.startswith("https://arxiv.org/abs/"):
                continue
            assert (COMMITTED.site / file).is_file(), (name, link)
            assert not anchor or anchor in pages[file].ids, (name, link)


def test_a_table_of_a_paper_by_hand() -> None:
    """JointDiT's row of its Table 1, and who is best and second, as the paper prints them."""
    (page,) = [p for p in views.pages(COMMITTED) if p.suite == "avsync15"]
    section = next(s for s in page.sections if s.title.startswith("JointDiT") and s.title.endswith("Table 1"))
    row = next(made for made in section.entries if made.model == "JointDiT")
    assert isinstance(row, Reported)
    assert [n.value for n in row.numbers] == ["326", "15.2", "23.9", "1.36", "37.5", "1.296", "87.7", "36.3"]
    marked = {(key, mark): section.entries[r].model for (r, key), mark in section.table.marks.items()}
    best = {key: model for (key, mark), model in marked.items() if mark == "best"}
    assert best.pop("AV-Align(refined) lower") == "AudioLDM-v+AVSyncD"
    assert marked["AV-Align(refined) lower", "second"] == "JointDiT"
    assert best == dict.fromkeys(
        ("FVD lower", "KVD lower", "FAD lower", "KL lower", "IB-VA higher", "IB-IV higher", "IB-IA higher"), "JointDiT"
    )
    assert section.remarks[0] == "IB scores in percent"


def test_the_feed_has_every_number_of_the_entries() -> None:
    lines = feed.numbers(views.pages(COMMITTED))
    entries = COMMITTED.read_all()
    wanted = sum(len(e.numbers) if isinstance(e, Reported) else len(e.result.metrics) for e in entries.values())
    assert len(lines) == wanted
    measured = [line for line in lines if line["origin"] != "reported"]
    assert all(line["signature"] and line["n"] for line in measured)
    reported = [line for line in lines if line["origin"] == "reported"]
    assert all(line["paper"] and line["table"] for line in reported)


@needs_browser
def test_sorting_in_a_browser(tmp_path: Path) -> None:
    """A click on a heading puts the best first, a second click the worst; empty cells stay last."""
    text = (COMMITTED.site / "avsync15.html").read_text(encoding="utf-8")
    script = """
const heading = [...document.querySelectorAll("h2")].find((h) => h.textContent.endsWith("Table 1"));
const table = heading.parentElement.querySelector("table");
const column = [...table.tHead.rows[0].cells].findIndex((c) => c.textContent.startsWith("AV-Align"));
const shown = () => [...table.tBodies[0].rows].map((r) => r.cells[column].dataset.value ?? "none");
const button = table.tHead.rows[0].cells[column].querySelector("button");
button.click();
const once = shown();
button.click();
document.title = JSON.stringify([once, shown()]);
"""
    (tmp_path / "page.html").write_text(with_script(text, script), encoding="utf-8")
    (once, twice), _ = answered(tmp_path / "page.html", tmp_path)
    assert once[-1] == twice[-1] == "none"
    assert [float(v) for v in once[:-1]] == sorted(float(v) for v in once[:-1])
    assert [float(v) for v in twice[:-1]] == sorted((float(v) for v in once[:-1]), reverse=True)


@needs_tex
@pytest.mark.slow
def test_the_tables_compile(tmp_path: Path) -> None:
    texts = [p.read_text(encoding="utf-8") for p in sorted((COMMITTED.site / "data").glob("*.tex"))]
    assert len(texts) >= 11
    compile_tables(texts, tmp_path / "tex")


# ------------------------------------------------------------------ CI


def test_the_workflow_is_pinned_and_forks_get_no_secrets() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    uses = re.findall(r"uses: (\S+)(.*)", text)
    assert len(uses) >= 7
    for action, comment in uses:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), comment
    assert "pull_request_target" not in text
    assert "secrets." not in text
    assert re.search(r"^permissions:\n  contents: read\n\n", text, re.M)
    writes = [job for job in re.split(r"\n  (?=[a-z]+:\n    name)", text) if ": write" in job]
    assert len(writes) == 1
    assert "github.ref == 'refs/heads/main'" in writes[0]
    for command in ("avbench leaderboard validate", "avbench leaderboard build --check"):
        assert command in text
        assert command.removeprefix("avbench") in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
