"""Entries, adding runs, published numbers, ranks, and the site that is made of them."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avbench import results
from avbench.errors import BadFolder, BadManifest, BadParameter
from avbench.leaderboard import adding, blocks, building, entry, importing, markdown, views
from avbench.leaderboard.board import Board
from avbench.leaderboard.checking import check
from avbench.leaderboard.entry import Number, Reported, Source
from avbench.leaderboard.pages import files
from avbench.leaderboard.ranges import range_of
from avbench.types import Suite
from tests.conftest import Said
from tests.hostile_names import ALL
from tests.seen_pages import Links, answered, compile_tables, needs_browser, needs_tex, with_script
from tests.small_board import edited, small_board, small_run, small_suite


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    with pytest.MonkeyPatch.context() as patch:
        yield small_suite(tmp_path_factory.mktemp("suite") / "benchmarks", patch)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, suite: Suite) -> Path:
    base = tmp_path_factory.mktemp("made")
    small_board(base, suite)
    return base


@pytest.fixture
def board(made: Path, tmp_path: Path) -> Board:
    shutil.copytree(made / "leaderboard", tmp_path / "leaderboard")
    return Board(tmp_path / "leaderboard" / "entries")


# ------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("SVD+IM2Wav", "svd+im2wav"),
        ("MOVA-360p s_B=1.0", "mova-360p-s-b-1.0"),
        ("JavisDiT++", "javisdit++"),
        ("LTX-2 (19B)", "ltx-2-19b"),
        ("a..b", "a.b"),
        ("../../etc/passwd", "etc-passwd"),
        ("", ""),
        ("音声", ""),
    ],
)
def test_a_folder_s_name(name: str, wanted: str) -> None:
    found = entry.slug(name)
    assert re.fullmatch(re.escape(wanted) + r"(-?[0-9a-f]{6})?", found), found
    assert ".." not in found
    assert "/" not in found
    assert found not in ("", ".")


def test_names_that_lose_letters_stay_apart() -> None:
    names = [*ALL, "JointDiT w/ JointCFG", "JointDiT w/ JointCFG*", "x" * 100, "x" * 101]
    assert len({entry.slug(name) for name in names}) == len(names)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", entry.slug(name)) for name in names)


# ------------------------------------------------------------------ rows


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    held = {
        "a": {"x": draw.normal(size=(1, 3)), "y": draw.normal(size=(1, 3))},
        "b": {"x": draw.normal(size=(3, 128)).astype(np.float32).astype(np.float64), "z": draw.normal(size=(2, 128))},
    }
    data = blocks.written(held)
    assert data == blocks.written(held)
    found = blocks.read(data, "x")
    assert {n: list(b) for n, b in found.items()} == {"a": ["x", "y"], "b": ["x", "z"]}
    assert all(np.array_equal(found[n][c], held[n][c]) for n in held for c in held[n])


def test_rows_of_a_network_take_half_the_space() -> None:
    wide = np.random.default_rng(0).normal(size=(200, 128))
    narrow = wide.astype(np.float32).astype(np.float64)
    sizes = [len(blocks.written({"a": {str(k): row[None] for k, row in enumerate(rows)}})) for rows in (wide, narrow)]
    assert sizes[1] < 0.55 * sizes[0]


# ------------------------------------------------------------------ adding


def test_an_added_run_holds_no_path_of_its_maker(board: Board, made: Path, suite: Suite, tmp_path: Path) -> None:
    run = small_run(tmp_path / "run", "shuffled", suite)
    result = results.read(run)
    request = {**result.request, "verb": "score", "model": "", "clips": "/home/ann/secret/clips"}
    results.write(replace(result, model="", request=request, others={"/home/ann/x.txt": "no clip"}), run)
    with pytest.raises(BadParameter, match="--model"):
        adding.add(board, run, by="ann")
    path = adding.add(board, run, by="ann", model="Ann's model", link="https://example.org/model")
    assert re.fullmatch(r"synth15/ann-s-model-[0-9a-f]{6}/[0-9a-f]{12}\.json", board.place(path))
    assert "/home" not in path.read_text()
    assert "secret" not in path.read_text()
    assert check(board) == (5, [])
    with pytest.raises(BadParameter, match="is there already"):
        adding.add(board, run, by="ann", model="Ann's model")
    assert len(list(board.references("synth15").iterdir())) == 2  # the same reference rows as the others


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"by": ""}, "by: expected a text"),
        ({"by": "x", "link": "javascript:alert(1)"}, "link"),
        ({"by": "x", "revision": "../x"}, "--revision"),
    ],
)
def test_what_is_not_added(board: Board, suite: Suite, tmp_path: Path, options: dict[str, str], said: str) -> None:
    run = small_run(tmp_path / "run", "shuffled", suite)
    before = sorted(board.entries.parent.rglob("*"))
    with pytest.raises((BadParameter, BadManifest), match=said):
        adding.add(board, run, **options)  # type: ignore[arg-type]
    assert sorted(board.entries.parent.rglob("*")) == before


def test_a_run_with_other_reference_clips_rows_is_not_added(board: Board, suite: Suite, tmp_path: Path) -> None:
    run = small_run(tmp_path / "run", "shuffled", suite)
    shutil.copy(run / "rows" / "fad_mini.parquet", run / "references" / "fad_mini.parquet")
    with pytest.raises(BadParameter, match="fad_mini: the rows of 12 reference clips"):
        adding.add(board, run, by="x")


def test_a_clip_that_a_metric_could_not_score(board: Board, suite: Suite, tmp_path: Path) -> None:
    """Its reason is stored, its row is not expected, and the reference rows of the others still serve."""
    run = small_run(tmp_path / "run", "shuffled", suite)
    result = results.read(run)
    ids = [item.id for item in suite.items]
    scores = []
    for score in result.metrics:
        if score.metric == "clipping":
            frame = results.rows(result, "clipping")
            kept = frame[frame["clip"] != ids[3]]
            columns = [c for c in frame.columns if c not in ("clip", "part")]
            values = list(kept[columns].to_numpy(dtype=np.float64))
            results.write_rows(run / "rows" / "clipping.parquet", [i for i in ids if i != ids[3]], values, columns, "s")
            from avbench import registry

            metric = registry.metric("clipping")
            low, high, how = metric.interval(values, None, seed=0)
            score = replace(
                score,
                value=metric.score(np.stack(values), None),
                low=low,
                high=high,
                interval=how,
                n_scored=11,
                unscored={ids[3]: "no_audio: there is no audio stream"},
                signature=score.signature.replace("|n:12|", "|n:11|"),
            )
        scores.append(score)
    results.write(replace(result, metrics=tuple(scores)), run)
    adding.add(board, run, by="x", revision="two")
    assert check(board) == (5, [])
    page = files(board)["synth15--shuffled--two.html"]
    assert "no_audio: there is no audio stream" in page
    assert "11/12" in page


# ------------------------------------------------------------------ published numbers

HEADING = ",".join(importing.COLUMNS)
LINES = (
    "Paper (X 2025),2501.00001,Table 1,AVSync15 test,A,I->VA,FVD,lower,44.0,",
    "Paper (X 2025),2501.00001,Table 1,AVSync15 test,B,I->VA,FVD,lower,,cell lost",
    'Paper (X 2025),2501.00001,Table 1,AVSync15 test,A,I->VA,KL,lower,2.50,"said once"',
)


def test_published_numbers_keep_their_digits(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("\n".join([HEADING, *LINES]) + "\n")
    a, b = importing.read(tmp_path / "x.csv")
    assert (a.model, a.suite, a.revision, a.row, b.row) == ("A", "avsync15", "paper-table-1", 1, 2)
    assert a.numbers == (Number("FVD", "lower", "44.0"), Number("KL", "lower", "2.50", "said once"))
    assert b.numbers == (Number("FVD", "lower", None, "cell lost"),)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Paper (X 2025),,Table 1,AVSync15 test,A,I->VA,FVD,lower,45.0,", r"line 5: FVD of 'A' is there twice|twice"),
        ("P,,Table 1,S,C,,FVD,sideways,45.0,", "line 5: direction"),
        ("P,,,S,C,,FVD,lower,45.0,", "line 5: paper, table"),
        ("P,,T,S,C,,FVD,lower,very good,", "value"),
        ("P,,T,S,C", "line 5"),
    ],
)
def test_lines_that_are_no_published_numbers(tmp_path: Path, line: str, said: str) -> None:
    first = LINES[0].replace("2501.00001", "")
    (tmp_path / "x.csv").write_text("\n".join([HEADING, first, *LINES[1:], line]) + "\n")
    with pytest.raises(BadManifest, match=said):
        importing.read(tmp_path / "x.csv")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("av_align", (0.0, float("inf"))),
        ("av_curve_distance", (0.0, 2.0)),
        ("fvd", (0.0, float("inf"))),
        ("clipping", (0.0, 100.0)),
        ("ib_va", (-100.0, 100.0)),
        ("fad_clap", (0.0, float("inf"))),
        ("kvd", (float("-inf"), float("inf"))),
        ("loudness", (-70.0, float("inf"))),
    ],
)
def test_ranges_are_read_from_cards(name: str, wanted: tuple[float, float]) -> None:
    assert range_of(name) == wanted


# ------------------------------------------------------------------ ranks


def test_rank_groups_tell_models_apart_where_clips_do(board: Board, suite: Suite, tmp_path: Path) -> None:
    for model in ("reference", "shuffled"):
        adding.add(board, small_run(tmp_path / model, model, suite), by="x", revision="one")
    (page,) = [p for p in views.pages(board) if p.measured]
    section = page.sections[0]
    at = {made.model: r for r, made in enumerate(section.entries)}
    kl = {model: section.ranks[r, "kl_mini"] for model, r in at.items()}
    assert kl["reference"] == (1, 1)
    assert kl["shifted"] == (2, 2)
    fvd = {model: section.ranks[r, "fvd[network=mini_video]"] for model, r in at.items()}
    assert fvd == {"reference": (1, 3), "shifted": (1, 3), "shuffled": (1, 3), "noise": (4, 4)}
    checks = next(s for s in page.sections if s.title == "Signal checks")
    assert {c.key for c in checks.table.columns} == {"clipping"}


def test_categories_are_means_of_their_clips(board: Board, suite: Suite) -> None:
    (page,) = [p for p in views.pages(board) if p.measured]
    assert {c.metric for c in page.categories} == {"av_align", "kl_mini"}
    made = page.measured["synth15/noise/one.json"]
    rows = board.rows(made)["av_align"]
    category = next(c for c in page.categories if c.metric == "av_align")
    for name in {item.category for item in suite.items}:
        values = [rows[item.id][0, 0] for item in suite.items if item.category == name]
        mean, n = category.means["synth15/noise/one.json", name]
        assert mean == pytest.approx(np.mean(values))
        assert n == len(values)


# ------------------------------------------------------------------ site


def test_the_site_is_the_same_each_time(board: Board, tmp_path: Path) -> None:
    building.write(board, tmp_path / "a")
    shutil.copytree(board.entries.parent, tmp_path / "other" / "leaderboard")
    building.write(Board(tmp_path / "other" / "leaderboard" / "entries"), tmp_path / "b")
    a, b = ({p.relative_to(tmp_path / x): p.read_bytes() for p in (tmp_path / x).rglob("*") if p.is_file()} for x in "ab")
    assert a == b
    assert building.differences(board, tmp_path / "a") == []


def test_build_check_is_red_after_one_digit(board: Board, avbench_cli: Callable[..., Said]) -> None:
    def said(*arguments: str) -> Said:
        return avbench_cli("leaderboard", "build", "--entries", str(board.entries), *arguments)

    assert said().code == 0
    assert said("--check").code == 0
    page = board.site / "synth15.html"
    text = page.read_text()
    at = re.search(r'data-value="0\.(\d)', text)
    assert at is not None
    other = str((int(at[1]) + 1) % 10)
    page.write_text(text[: at.start(1)] + other + text[at.end(1) :])
    red = said("--check")
    assert red.code == 1
    assert "synth15.html: line" in red.out
    assert said().code == 0
    edited(board.entries / "avsync15/jointdit/jointdit-table-1.json", lambda t: t["numbers"][0].update(value="365"))
    red = said("--check")
    assert red.code == 1
    assert "avsync15.html" in red.out
    assert "data/leaderboard.csv" in red.out


def test_the_commands(board: Board, suite: Suite, tmp_path: Path, avbench_cli: Callable[..., Said]) -> None:
    where = ("--entries", str(board.entries))
    run = small_run(tmp_path / "run", "shuffled", suite)
    added = avbench_cli("leaderboard", "add", run, "--by", "someone", "--process", "I->VA", *where)
    assert (added.code, added.out.strip().startswith(str(board.entries))) == (0, True)
    again = avbench_cli("leaderboard", "add", run, "--by", "someone", *where)
    assert again.code == 2
    assert "is there already" in again.message
    place = Path(added.out.strip())
    assert avbench_cli("leaderboard", "validate", *where).out.strip() == "5 entries, 0 problems"
    edited(place, lambda table: table["result"]["metrics"][0].update(value=0.9))
    for files_given in ((), (place,)):
        red = avbench_cli("leaderboard", "validate", *files_given, *where)
        assert red.code == 1
        assert "av_align: value: its rows give" in red.out
    (tmp_path / "x.csv").write_text("\n".join([HEADING, *LINES]) + "\n")
    assert avbench_cli("leaderboard", "import-reported", tmp_path / "x.csv", "--check", *where).code == 1
    assert "2 entries with 3 numbers" in avbench_cli("leaderboard", "import-reported", tmp_path / "x.csv", *where).out
    assert avbench_cli("leaderboard", "import-reported", tmp_path / "x.csv", "--check", *where).code == 0
    nowhere = avbench_cli("leaderboard", "validate")
    assert nowhere.code == 2
    assert "no such folder of entries" in nowhere.message


def test_a_folder_that_is_no_site_is_not_written_over(board: Board, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("x")
    with pytest.raises(BadFolder, match="it is no site"):
        building.write(board, tmp_path / "home")
    building.write(board, tmp_path / "site")
    (tmp_path / "site" / "old.html").write_text("x")
    assert any("no entry makes it" in line for line in building.differences(board, tmp_path / "site"))
    building.write(board, tmp_path / "site")
    assert not (tmp_path / "site" / "old.html").exists()


# ------------------------------------------------------------------ hostile names


def hostile(board: Board, suite: Suite, folder: Path) -> None:
    """Every text that someone else writes, as each of the sixty names in turn."""
    for k, name in enumerate(ALL):
        source = Source(f"{name} (2025)", name, name, f"AVSync15 {name}")
        number = Number(name, "lower", f"{k}.5", name)
        made = Reported("avsync15", name, entry.reported_revision(source), name, source, 1, (number,))
        path = board.write(made)
        if "\ud800" in name:
            with pytest.raises(BadManifest, match="not an entry"):
                entry.read(path)
            path.unlink()
    for k in (1, 16, 31, 43, 53):  # one of each kind as the name of a suite
        source = Source("Paper", "", "Table 1", ALL[k])
        board.write(Reported(ALL[k], "m", entry.reported_revision(source), "", source, 1, (Number("x", "lower", "1"),)))
    adding.add(board, small_run(folder / "run", "shuffled", suite), by=ALL[0], note=ALL[1], process=ALL[2], revision="x")


def test_hostile_names_stay_letters(board: Board, suite: Suite, tmp_path: Path) -> None:
    hostile(board, suite, tmp_path)
    assert check(board)[1] == []
    made = files(board)
    for name, text in made.items():
        if not name.endswith(".html"):
            continue
        page = Links()
        page.feed(text)
        assert page.loads == [], name
        strange = [
            x for x in page.found if not re.match(r"[a-z0-9_.+-]+\.html|data/|\.\./entries/|https://arxiv\.org/abs/\d", x)
        ]
        assert strange == []
        assert text.count("<script") == 1
        assert text.count("<style") == 1
        assert "<img" not in text
        assert "<iframe" not in text
    for cell in (c for line in csv.reader(made["data/leaderboard.csv"].splitlines()) for c in line):
        assert not cell.startswith(("=", "+", "@", "\t", "\r")), cell
        assert not re.match(r"-\D", cell), cell
    lines = json.loads(made["data/leaderboard.json"])
    assert len({line["model"] for line in lines} & set(ALL)) == len(ALL) - 1
    assert {"<script>alert(1)</script>", r"\input{/etc/passwd}"} <= {line["model"] for line in lines if "model" in line}


PROBE = """
const fired = [];
window.alert = () => fired.push("alert");
for (const e of document.querySelectorAll("*"))
  for (const a of e.attributes) if (a.name.startsWith("on")) fired.push(a.name);
document.querySelectorAll("button").forEach((b) => b.click());
document.querySelectorAll("input").forEach((i) => { i.value = "script"; i.dispatchEvent(new Event("input")); });
const extra = document.querySelectorAll("img, iframe, svg, object, embed, form, base, link").length;
const visible = getComputedStyle(document.body).display;
document.title = JSON.stringify({ fired, extra, scripts: document.scripts.length, visible });
"""


@needs_browser
def test_hostile_names_in_a_browser(board: Board, suite: Suite, tmp_path: Path) -> None:
    """The page's own script runs under its policy and sorts; nothing else runs, and no element comes of a name."""
    hostile(board, suite, tmp_path)
    building.write(board, tmp_path / "site")
    for name in ("avsync15.html", "synth15--shuffled--x.html"):
        text = (tmp_path / "site" / name).read_text(encoding="utf-8")
        (tmp_path / "site" / "probe.html").write_text(with_script(text, PROBE), encoding="utf-8")
        found, dom = answered(tmp_path / "site" / "probe.html", tmp_path)
        assert found == {"fired": [], "extra": 0, "scripts": 2, "visible": "block"}
        assert 'aria-sort="' in dom


@needs_tex
def test_hostile_names_in_tex(board: Board, suite: Suite, tmp_path: Path) -> None:
    hostile(board, suite, tmp_path)
    compile_tables([text for name, text in files(board).items() if name.endswith(".tex")], tmp_path / "tex")


# ------------------------------------------------------------------ cards


def test_a_card_shows_letters_alone() -> None:
    text = markdown.render(
        "# <script>x</script>\n\nA **bold `co**de` line** and [a link](javascript:alert).\n\n"
        "| a | b |\n|---|---|\n| `x|y` \\| z | <b> |\n\n- one\n  more\n- two\n\n    code <i>\n\n```\n**raw**\n```\n"
    )
    assert "<script>" not in text
    assert "javascript" not in text
    assert "<h1>&lt;script&gt;x&lt;/script&gt;</h1>" in text
    assert "<strong>bold <code>co**de</code> line</strong> and a link." in text
    assert "<li>one more</li><li>two</li>" in text
    assert "<pre><code>code &lt;i&gt;</code></pre>" in text
    assert "<pre><code>**raw**</code></pre>" in text
    assert "&lt;b&gt;" in text
