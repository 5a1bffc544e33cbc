"""Every format shows the same table, and no name does anything in it."""

from __future__ import annotations

import csv
import dataclasses
import io
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt

from avbench import results, tables
from avbench.tables import latex, macros, text
from avbench.tables.comma_separated import escaped as csv_escaped
from avbench.tables.model import Cell, Column, Origin, Row, Table
from avbench.tables.names import visible
from tests.hostile_names import ALL, CSV
from tests.made_runs import made_run

Cli = Callable[..., Any]
FORMATS = sorted(tables.FORMATS)


def example(*, intervals: bool = False, counts: tuple[int, int] = (10, 10)) -> Table:
    columns = [
        Column("a", "FVD", "lower", ("fvd",), digits=1, group="picture"),
        Column("b", "KVD", "lower", ("kvd",), digits=2, group="picture"),
        Column("c", "AV-Align", "higher", ("av_align",), "s", 3),
    ]
    kin = (("suite", "s"),)
    rows = [
        Row("one", {"a": Cell(326.04, 320.0, 330.0, counts[0], 10, kin), "c": Cell(0.5, n=counts[1], kin=kin)}, "I→V"),
        Row("two", {"a": Cell(444.0, n=10, kin=kin), "b": Cell(-1.5, n=10, kin=kin)}, "I→VA", "submitted"),
        Row(
            "three",
            {"a": Cell(1000.0, n=10, kin=kin), "b": Cell(float("nan"), kin=kin, note="no number")},
            "I→VA",
            "reproduced",
        ),
        Row("four", {"c": Cell(0.25, n=10, kin=kin, note="read off a figure")}, "I→V", "reported"),
    ]
    return tables.build(columns, rows, title="A & B", intervals=intervals)


def named(name: str) -> Table:
    """A table in which one text is everywhere."""
    kin = (("suite", name),)
    cells = {"x": Cell(0.5, 0.4, 0.6, 3, 4, kin, name, note=name), "y": Cell(1.0, n=3, kin=(("suite", "s"),))}
    columns = [Column("x", name, "higher", ("x",), name, group=name), Column("y", "y", "lower", ("y",))]
    rows = [Row(name, cells, name, "submitted"), Row("plain", {"y": Cell(2.0, n=3, kin=(("suite", "s"),))}, "g")]
    return tables.build(columns, rows, title=name, intervals=True)


# ------------------------------------------------------------------ what is shown


def test_text() -> None:
    lines = tables.FORMATS["text"](example()).splitlines()
    assert lines[0] == "A & B"
    assert lines[1].split() == ["model", "picture", "FVD", "↓", "picture", "KVD", "↓", "AV-Align", "↑", "(s)"]
    assert [line.split() for line in lines[3:]] == [
        ["I→V"],
        ["one", "326.0*", "0.500"],
        ["four†", "0.250", "b"],
        [],
        ["I→VA"],
        ["two‡", "444.0+", "-1.50"],
        ["three§", "1000.0", "-", "a"],
        ["*", "best,", "+", "second"],
        ["†", "reported", "by", "the", "paper,", "not", "measured", "here"],
        ["‡", "submitted:", "the", "clips", "were", "made", "elsewhere", "and", "scored", "by", "avbench"],
        ["§", "reproduced:", "clips", "made", "and", "scored", "by", "avbench"],
        ["published", "in:"],
        ["n", "=", "10", "clips", "of", "the", "measured", "rows"],
        ["published", "numbers", "are", "ranked", "among", "those", "of", "their", "own", "table", "only"],
        ["a", "no", "number"],
        ["b", "read", "off", "a", "figure"],
    ]
    assert "\x1b[1m326.0" in text.render(example(), colour=True)
    assert "\x1b[4m444.0" in text.render(example(), colour=True)


def test_markdown() -> None:
    lines = tables.FORMATS["markdown"](example(intervals=True, counts=(9, 10))).splitlines()
    assert lines[0] == "**A \\& B**"
    assert lines[2] == "| model | picture FVD ↓ | picture KVD ↓ | AV-Align ↑ (s) |"
    assert lines[3] == "| --- | ---: | ---: | ---: |"
    assert lines[5] == "| one | **326.0** \\[320.0, 330.0\\] (n=9/10) |  | 0.500 (n=10) |"
    assert lines[8] == "| two‡ | <ins>444.0</ins> (n=10) | -1.50 (n=10) |  |"


def test_csv_has_numbers_in_full() -> None:
    rows = list(csv.reader(io.StringIO(tables.FORMATS["csv"](example(intervals=True)))))
    assert rows[0][:5] == ["model", "group", "origin", "picture FVD ↓", "picture FVD ↓ low"]
    assert len({len(row) for row in rows}) == 1
    assert rows[1][:9] == ["one", "I→V", "", "326.04", "320.0", "330.0", "10", "best", ""]
    three = next(row for row in rows if row[0] == "three")
    assert three[9:15] == ["", "", "", "", "", "no number"]


def test_html() -> None:
    made = tables.FORMATS["html"](example(intervals=True))
    assert "<caption>A &amp; B</caption>" in made
    assert '<th colspan="2" scope="colgroup">picture</th>' in made
    assert '<td data-value="326.04"><strong>326.0</strong> <span class="interval">[320.0, 330.0]</span></td>' in made
    assert "<u>444.0</u>" in made


def test_latex() -> None:
    lines = tables.FORMATS["latex"](example()).splitlines()
    assert r"\begin{tabular}{@{}lS[table-format=4.1]S[table-format=-1.2]S[table-format=1.3]@{}}" in lines
    assert r" & \multicolumn{2}{c}{picture} &  \\" in lines
    assert r"\cmidrule(lr){2-3}" in lines
    assert r"one & \bfseries 326.0 &  & 0.500 \\" in lines
    assert r"two\textsuperscript{\ddag} & {\avbsecond{\num{444.0}}} & -1.50 &  \\" in lines
    assert r"three\textsuperscript{\S} & 1000.0 & {--\rlap{\textsuperscript{a}}} &  \\" in lines


@pytest.mark.parametrize("name", FORMATS)
def test_equal_tables_have_equal_bytes(name: str, fresh_python: Callable[..., Any], tmp_path: Path) -> None:
    code = (
        "import sys; from tests.unit import test_table_formats as t; from avbench import tables\n"
        f"made = tables.FORMATS[{name!r}](t.example(intervals=True)) + tables.FORMATS[{name!r}](t.named('<b>é'))\n"
        "sys.stdout.buffer.write(made.encode())"
    )
    root = str(Path(__file__).resolve().parents[2])
    said = {
        fresh_python(
            "-c", code, cwd=tmp_path, env={"PYTHONPATH": root, "PYTHONHASHSEED": seed, "LC_ALL": lang, "COLUMNS": columns}
        ).stdout
        for seed, lang, columns in (("0", "C.UTF-8", "20"), ("7", "C", "200"))
    }
    assert len(said) == 1
    (text_of,) = said
    assert text_of.endswith("\n")
    assert "\r" not in text_of


# ------------------------------------------------------------------ hostile names


def test_there_are_sixty_of_them() -> None:
    assert len(set(ALL)) == 60


class _Tags(HTMLParser):
    """Tags with their attributes' names, and the text of the first row's name."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: set[tuple[str, tuple[str, ...]]] = set()
        self.texts: list[str] = []
        self.rows = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add((tag, tuple(sorted(key for key, _ in attrs))))
        self.rows += tag == "tr"

    def handle_comment(self, data: str) -> None:
        self.found.add(("comment", ()))

    def unknown_decl(self, data: str) -> None:
        self.found.add(("declaration", ()))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def tags(fragment: str) -> _Tags:
    parser = _Tags()
    parser.feed(fragment)
    parser.close()
    return parser


@pytest.mark.parametrize("name", ALL, ids=ascii)
def test_a_name_is_text_in_html(name: str) -> None:
    found, plain = tags(tables.FORMATS["html"](named(name))), tags(tables.FORMATS["html"](named("plain name")))
    assert found.found == plain.found
    assert found.rows == plain.rows
    assert visible(name) in found.texts


@pytest.mark.parametrize("name", ALL, ids=ascii)
def test_a_name_is_text_in_markdown(name: str) -> None:
    render = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render
    found, plain = (
        tags(render(tables.FORMATS["markdown"](named(name)))),
        tags(render(tables.FORMATS["markdown"](named("plain name")))),
    )
    assert found.found == plain.found
    assert found.rows == plain.rows
    assert visible(name).strip() + "‡" in found.texts


@pytest.mark.parametrize("name", ALL, ids=ascii)
def test_a_name_is_no_formula_in_csv(name: str) -> None:
    made = tables.FORMATS["csv"](named(name))
    rows = list(csv.reader(io.StringIO(made, newline="")))
    assert len(rows) == 3
    assert {len(row) for row in rows} == {15}
    for cell in (*rows[1][:2], *rows[0]):
        assert not cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
    assert rows[1][0].removeprefix("'").strip() == visible(name).removeprefix("'").strip()


def test_every_formula_is_led_by_an_apostrophe() -> None:
    dangerous = [name for name in CSV if name.lstrip(" ")[0] in "=+-@\t\r\uff1d"]
    assert len(dangerous) == 9
    assert all(csv_escaped(name).startswith("'") for name in dangerous)
    assert csv_escaped("a=1") == "a=1"
    assert csv_escaped("") == ""


@pytest.mark.parametrize("name", ALL, ids=ascii)
def test_a_name_is_one_line_without_control_characters_in_text(name: str) -> None:
    made, plain = tables.FORMATS["text"](named(name)), tables.FORMATS["text"](named("plain name"))
    assert made.count("\n") == plain.count("\n")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]", made)


@pytest.mark.parametrize("name", ALL, ids=ascii)
def test_a_name_is_ascii_without_commands_in_latex(name: str) -> None:
    r"""Every backslash starts one of the commands of the escape, and braces are balanced."""
    made = latex.escaped(name)
    assert made.isascii()
    assert "\n" not in made
    commands = set(re.findall(r"\\([A-Za-z]+|.)", made))
    symbols = set("{}$&#%_`'^~=.\"")
    assert commands <= symbols | {c for t in latex._SPECIAL.values() for c in re.findall(r"\\([A-Za-z]+)", t)} | set("urHvcdb")
    bare = re.sub(r"\\[{}]", "", made)
    assert bare.count("{") == bare.count("}")
    assert not re.search(r"(?<!\\)[&#%]", made)


def test_every_format_shows_every_letter_that_can_be_shown() -> None:
    assert visible("\u202egnp.exe\u202c") == "[U+202E]gnp.exe[U+202C]"
    assert visible("x\ny\r\nz\tq") == "x y  z q"
    assert visible("e\u0301") == "é"
    assert latex.escaped("Ünï ñ ž") == r"\"{U}n\"{i} \~{n} \v{z}"
    assert latex.escaped("a→b \u03b1") == r"a$\rightarrow$b $\alpha$"


# ------------------------------------------------------------------ macros


def test_macros_checked_by_hand(tmp_path: Path, avbench_cli: Cli) -> None:
    path = made_run(
        tmp_path / "a", {"av_align": np.array([0.1, 0.2, 0.6]), "kl_passt[verse]": np.ones(3)}, model="Veo 3.1 Fast"
    )
    said = avbench_cli("macros", path, "--out", tmp_path / "m.tex")
    assert said.code == 0, said.err
    lines = (tmp_path / "m.tex").read_text(encoding="ascii").splitlines()
    defined = {m[1]: m[2] for line in lines if (m := re.fullmatch(r"\\newcommand\{\\([A-Za-z]+)\}\{(.+)\}", line))}
    run = defined.pop("avbVeoThreeOneFastRun")
    assert re.fullmatch("[0-9a-f]{12}", run)
    assert defined == {
        "avbVeoThreeOneFastAvAlign": "0.3000",
        "avbVeoThreeOneFastAvAlignN": "3",
        "avbVeoThreeOneFastAvAlignLow": "0.2000",
        "avbVeoThreeOneFastAvAlignHigh": "0.4000",
        "avbVeoThreeOneFastKlPasstVerse": "1.000",
        "avbVeoThreeOneFastKlPasstVerseN": "3",
        "avbVeoThreeOneFastKlPasstVerseLow": "0.9000",
        "avbVeoThreeOneFastKlPasstVerseHigh": "1.100",
    }
    assert any(run in line and "av_align|variant:tempotokens_2025" in line for line in lines if line.startswith("% "))


def test_the_hash_of_a_run_changes_with_any_number_and_not_with_its_place(tmp_path: Path) -> None:
    def run(name: str, values: list[float]) -> str:
        return macros.render([results.read(made_run(tmp_path / name, {"av_align": np.array(values)}))])

    assert run("a", [0.1, 0.2]) == run("b", [0.1, 0.2])
    first, second = (re.search("Run}{(.*?)}", run(n, v)) for n, v in (("c", [0.1, 0.2]), ("d", [0.1, 0.2000001])))
    assert first is not None
    assert second is not None
    assert first[1] != second[1]


def test_macros_of_names_that_look_alike_do_not_collide(tmp_path: Path) -> None:
    names = ["a-b", "a_b", "aB", "A b", "1", "One", "\u97f3", "\u58f0", "x", "x", *ALL]
    run = results.read(made_run(tmp_path / "a", {"av_align": np.ones(2)}))
    found = [dataclasses.replace(run, model=name, device=f"{k}") for k, name in enumerate(names)]
    made = macros.render([*found, found[0]])
    defined = re.findall(r"^\\newcommand\{\\([A-Za-z]+)\}", made, re.MULTILINE)
    assert len(defined) == len(set(defined)) == 5 * len(found)
    assert made.isascii()
    assert all(line.startswith(("%", r"\newcommand{\avb")) for line in made.splitlines())


def test_macros_of_a_number_that_does_not_exist(tmp_path: Path) -> None:
    made = macros.render([results.read(made_run(tmp_path / "a", {"av_align": np.ones(2)}, value=float("nan")))])
    assert r"\newcommand{\avbMAvAlign}{--}" in made


# ------------------------------------------------------------------ LaTeX itself

T1 = r"\usepackage[T1]{fontenc}"
PREAMBLE = r"""\documentclass{article}
\usepackage[paperwidth=120cm,paperheight=60cm,margin=1cm]{geometry}
ENCODING
\usepackage{textcomp}
\usepackage{booktabs}
\usepackage{siunitx}
"""
needs_tex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="no pdflatex; Debian: texlive-latex-base, texlive-latex-extra, texlive-science"
)


def drawn_table(draw: random.Random) -> Table:
    """A table of hostile names with random numbers, marks, gaps, counts, groups and notes."""
    origins: tuple[Origin, ...] = ("", "reported", "submitted", "reproduced")

    def name() -> str:
        return draw.choice(ALL) + (draw.choice(ALL) if draw.random() < 0.3 else "")

    columns = [
        Column(
            f"k{k}",
            name(),
            draw.choice(["higher", "lower", "none"]),
            ("x",),
            draw.choice(["", name()]),
            draw.choice([None, 0, 2]),
        )
        for k in range(draw.randint(1, 4))
    ]
    if draw.random() < 0.4:
        columns = [
            Column(c.key, c.heading, c.better, c.metrics, c.unit, c.digits, group=f"{name()}{k // 2}")
            for k, c in enumerate(columns)
        ]
    size = 10.0 ** draw.randint(-4, 9)

    def cell() -> Cell:
        value = draw.choice([draw.uniform(-size, size), draw.uniform(0, size), 0.0, float("nan")])
        n = draw.choice([10, 10, 10, 7])
        return Cell(
            value,
            value - 1,
            value + 1,
            n,
            10,
            (("suite", draw.choice(["s", "s", name()])),),
            name(),
            note=draw.choice(["", name()]),
        )

    groups = ["", name(), name()]
    rows = [
        Row(name(), {c.key: cell() for c in columns if draw.random() < 0.8}, draw.choice(groups), draw.choice(origins))
        for _ in range(draw.randint(1, 6))
    ]
    return tables.build(columns, rows, title=name(), intervals=draw.random() < 0.5)


def compiled(body: str, folder: Path, encoding: str = T1) -> str:
    """The log of pdflatex, which stops at the first error."""
    (folder / "t.tex").write_text(PREAMBLE.replace("ENCODING", encoding) + body, encoding="ascii")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=500, check=False)
    log = (folder / "t.log").read_text(encoding="latin-1")
    assert done.returncode == 0, log[-3000:]
    assert sorted(p.name for p in folder.iterdir()) == ["t.aux", "t.log", "t.pdf", "t.tex"]
    return log


@needs_tex
@pytest.mark.parametrize("count", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_tables_of_hostile_names_compile(count: int, tmp_path: Path) -> None:
    draw = random.Random(3)
    pages = "\n".join(tables.FORMATS["latex"](drawn_table(draw)) + r"\clearpage" for _ in range(count))
    log = compiled(rf"\begin{{document}}{pages}\end{{document}}", tmp_path)
    printed = re.search(r"Output written on t\.pdf \((\d+) pages", log)
    assert printed is not None
    assert int(printed[1]) == count
    assert "Missing character" not in log


@needs_tex
@pytest.mark.parametrize("encoding", [T1, ""], ids=["T1", "OT1"])
def test_every_hostile_name_and_the_published_tables_are_printed_as_they_are(encoding: str, tmp_path: Path) -> None:
    from avbench.tables import columns, sources

    rows = [Row(name, {"x": Cell(float(k), kin=(("s", "s"),))}) for k, name in enumerate(ALL)]
    all_names = tables.FORMATS["latex"](tables.build([Column("x", "x", "higher", ("x",))], rows))
    published = [sources.reported(name) for name in sources.reported_names()]
    made = [tables.FORMATS["latex"](tables.build(columns.load(p.columns).columns, p.rows)) for p in published]
    run = results.read(made_run(tmp_path / "a", {"av_align": np.array([0.1, 0.2, 0.6])}, model="mine"))
    uses = r"\avbMineAvAlign{} of \avbMineRun"
    (tmp_path / "tex").mkdir()
    body = "\n".join(
        [macros.render([run]), r"\begin{document}", uses, *(m + r"\clearpage" for m in [all_names, *made]), r"\end{document}"]
    )
    log = compiled(body, tmp_path / "tex", encoding)
    assert "Missing character" not in log
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext (Debian: poppler-utils), so the pages were not read")
    command = ["pdftotext", "-layout", "t.pdf", "-"]
    printed = subprocess.run(command, cwd=tmp_path / "tex", capture_output=True, text=True, check=True).stdout
    assert "0.3000 of " in printed
    for name in (
        r"\input{/etc/passwd}",
        r"\immediate\write18{touch pwned}",
        "[3em] x",
        "100% done",
        "<script>alert(1)</script>",
        "--><b>",
    ):
        assert name in printed, name
    assert "root:" not in printed
