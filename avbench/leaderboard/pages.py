"""The site: HTML pages that need nothing beside them, and the data as CSV, JSON and LaTeX.

Nothing is loaded from anywhere. Each page's one style and one script are named by hash in its content security policy, so that
no other script runs even if a name got past the escaping. No page holds a date or anything else that the entries do not say.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from avbench import registry, suites, tables
from avbench.content import card
from avbench.leaderboard import feed, markdown
from avbench.leaderboard.board import Board
from avbench.leaderboard.entry import Measured, Reported, slug
from avbench.leaderboard.views import ALPHA, PERMUTATIONS, Category, Page, Section, pages, said_of
from avbench.results import Score
from avbench.tables.hypertext import escaped
from avbench.tables.model import ARROWS, Cell, Column, count_text, interval_text, letter, number_text

_HERE = Path(__file__).parent / "page"
_DASH = "\N{EN DASH}"
_ORIGINS = {
    "reported": "numbers of a paper, not measured here",
    "submitted": "clips made elsewhere and scored with avbench; every number is made again from its rows",
    "reproduced": "clips made and scored by the project",
}


@cache
def _part(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8").strip()


def files(board: Board) -> dict[str, str]:
    """Every file of the site by its name.

    Raises:
        AvbenchError: if an entry or its rows cannot be read.
    """
    found = pages(board)
    out = {"index.html": _index(found)}
    cards: set[str] = set()
    for page in found:
        out[f"{slug(page.suite)}.html"] = _suite(page, found)
        if page.categories:
            out[f"{slug(page.suite)}--categories.html"] = _by_category(page, found)
        for place, made in page.measured.items():
            out[_entry_file(made)] = _of_entry(place, made, found)
            cards |= {s.metric.split("[")[0] for s in made.result.metrics}
        out[f"data/{slug(page.suite)}.tex"] = _latex(page)
    for name in sorted(cards):
        out[f"card-{name}.html"] = _html(f"{name}", f'<div class="prose">{markdown.render(card("metrics", name))}</div>', found)
    lines, by_category = feed.numbers(found), feed.categories(found)
    out["data/leaderboard.json"] = feed.as_json(lines, feed.SHARED)
    out["data/leaderboard.csv"] = feed.as_csv(lines, feed.COLUMNS)
    out["data/categories.json"] = feed.as_json(by_category, feed.CATEGORY_SHARED)
    out["data/categories.csv"] = feed.as_csv(by_category, feed.CATEGORY_COLUMNS)
    return dict(sorted(out.items()))


# ------------------------------------------------------------------ frame


def hashed(text: str) -> str:
    """How a content security policy names a script or a style."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def _html(title: str, body: str, found: Sequence[Page], current: str = "") -> str:
    style, script = _part("style.css"), _part("script.js")
    policy = f"default-src 'none'; style-src {hashed(style)}; script-src {hashed(script)}; base-uri 'none'; form-action 'none'"
    tabs = "".join(
        f'<a href="{slug(page.suite)}.html"{" aria-current=page" if page.suite == current else ""}>{escaped(page.suite)}</a>'
        for page in found
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="referrer" content="no-referrer">
<title>{escaped(title)} · avbench leaderboard</title>
<style>{style}</style>
</head>
<body>
<header><a class="brand" href="index.html">avbench leaderboard</a><p>Joint audio-video generation, suite by suite</p>
<nav class="tabs" aria-label="Suites">{tabs}</nav></header>
<main>
{body}</main>
<footer>Data: <a href="data/leaderboard.csv">CSV</a>, <a href="data/leaderboard.json">JSON</a>; by category
<a href="data/categories.csv">CSV</a>, <a href="data/categories.json">JSON</a>. Made from the entries with
<code>avbench leaderboard build</code>; numbers are checked with <code>avbench leaderboard validate</code>.</footer>
<script>{script}</script>
</body>
</html>
"""


def _index(found: Sequence[Page]) -> str:
    rows = []
    for page in found:
        entries = {place: e for s in page.sections for place, e in zip(s.places, s.entries, strict=True)}
        counts = {o: sum(e.origin == o for e in entries.values()) for o in _ORIGINS}
        cells = "".join(f'<td data-value="{counts[o]}">{counts[o] or ""}</td>' for o in _ORIGINS)
        title = escaped(page.about.title) if page.about is not None else ""
        link = f'<a href="{slug(page.suite)}.html">{escaped(page.suite)}</a>'
        rows.append(f'<tr><th scope="row">{link}</th><td class="text">{title}</td>{cells}</tr>')
    heads = "".join(_head(o, "descending") for o in _ORIGINS)
    table = (
        f'<div class="wide"><table class="sortable"><thead><tr>{_head("suite", "ascending", kind="text")}'
        f"{_head('about', 'ascending', kind='text')}{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
    origins = "".join(f'<li><span class="origin">{o}</span> {text}</li>' for o, text in _ORIGINS.items())
    body = f"""<h1>Suites</h1>
<p>Each number says where it comes from. Numbers of a paper are ranked among those of the same table only; measured numbers
only where suite, clips, reference clips, settings, weights and versions agree.</p>
<ul class="notes">{origins}</ul>
{table}
"""
    return _html("Suites", body, found)


def _head(text: str, first: str, *, kind: str = "number", below: str = "") -> str:
    side = f' class="text{" side" if text in ("process", "origin") else ""}"' if kind == "text" else ""
    button = f'<button type="button">{escaped(text)}</button>'
    return f'<th scope="col"{side} data-first="{first}" data-kind="{kind}">{button}{below}</th>'


# ------------------------------------------------------------------ a suite


def _suite(page: Page, found: Sequence[Page]) -> str:
    about = ""
    if page.about is not None:
        # What is published, not what happens to be prepared on this machine: the site is the same bytes everywhere.
        count = page.about.expected if page.about.prepared else suites.count(page.about)
        items = f"{count} items, " if count else ""
        about = f"<p>{escaped(page.about.title)}. {items}version {page.about.version}.</p>"
    if page.categories:
        about += f'<p><a href="{slug(page.suite)}--categories.html">By category</a></p>'
    what = "Filter by model or process"
    search = f'<p hidden><input type="search" id="search" placeholder="{what}" aria-label="{what}"></p>'
    latex = f'<p class="soft">Click a heading to sort. These tables as <a href="data/{slug(page.suite)}.tex">LaTeX</a>.</p>'
    body = [f"<h1>{escaped(page.suite)}</h1>", about, latex, search, *(_section(page, section) for section in page.sections)]
    return _html(page.suite, "\n".join(part for part in body if part) + "\n", found, page.suite)


def _section(page: Page, section: Section) -> str:
    measured = section.source is None
    heads = [_head(what, "ascending", kind="text") for what in ("model", "process", "origin")]
    for column in section.table.columns:
        text = " ".join(p for p in (column.heading, ARROWS[column.better], f"({column.unit})" if column.unit else "") if p)
        name = column.key.split("[")[0]
        link = f'<a class="card" href="card-{name}.html">card</a>' if measured else ""
        heads.append(_head(text, "ascending" if column.better == "lower" else "descending", below=link))
    rows = [_row(section, r) for r in range(len(section.places))]
    notes = [f"<sup>{letter(n)}</sup> {escaped(note)}" for n, note in enumerate(section.table.notes)]
    if section.source is not None:
        said = [section.source.benchmark, section.source.place, *section.remarks]
        parts = [_paper(text) for text in dict.fromkeys(said) if text]
        lead = f'<p class="soft">{"; ".join(parts)}. Bold: best of this table; underlined: second.</p>'
    else:
        notes = [*(escaped(remark) for remark in section.table.remarks), *notes]
        lead = (
            '<p class="soft">Number, 95 % interval, and in a pill the places that its rank group covers. Models of one group '
            f"are not told apart: paired sign flips of clips ({PERMUTATIONS} draws, Holm over the column's pairs, level "
            f"{ALPHA:g}), or overlapping intervals where the number is of a set. A number links to its signature.</p>"
        )
    below = f'<ul class="notes">{"".join(f"<li>{note}</li>" for note in notes)}</ul>' if notes else ""
    return (
        f'<section><h2>{escaped(section.title)}</h2>{lead}<div class="wide"><table class="sortable"><thead>'
        f"<tr>{''.join(heads)}</tr></thead><tbody>\n{''.join(rows)}</tbody></table></div>{below}</section>"
    )


def _paper(text: str) -> str:
    """The text, an arXiv number as a link."""
    if re.fullmatch(r"\d{4}\.\d{5}", text):
        return f'<a rel="noopener" href="https://arxiv.org/abs/{text}">arXiv {text}</a>'
    return f"<bdi>{escaped(text)}</bdi>"


def _row(section: Section, r: int) -> str:
    made = section.entries[r]
    name = f"<bdi>{escaped(registry.shown(made.model)).replace('+', '+<wbr>')}</bdi>"
    if isinstance(made, Measured):
        name = f'<a href="{_entry_file(made)}">{name}</a>'
    elif said := said_of(made, section.remarks):
        name += f'<span class="said">{escaped("; ".join(said))}</span>'
    cells = "".join(_cell(section, r, column) for column in section.table.columns)
    name += f'<span class="sub">{escaped(made.process)} <i>{made.origin}</i></span>'  # on narrow screens, in place of columns
    process = f'<td class="text side"><bdi>{escaped(made.process)}</bdi></td>'
    origin = f'<td class="text side"><span class="origin">{made.origin}</span></td>'
    return f'<tr><th scope="row">{name}</th>{process}{origin}{cells}</tr>\n'


def _cell(section: Section, r: int, column: Column) -> str:
    table, made = section.table, section.entries[r]
    notes = ",".join(letter(n) for n in table.refers.get((r, column.key), ()))
    notes = f"<sup>{notes}</sup>" if notes else ""
    cell = table.cell(r, column)
    if cell is None:
        return f"<td>{_DASH if column.key in table.rows[r].cells else ''}{notes}</td>"
    text = _digits(made, column, cell)
    mark = table.marks.get((r, column.key))
    text = f"<strong>{text}</strong>" if mark == "best" else f"<u>{text}</u>" if mark == "second" else text
    if isinstance(made, Measured):
        at = next(k for k, s in enumerate(made.result.metrics) if s.metric == column.key)
        text = f'<a href="{_entry_file(made)}#m{at}">{text}</a>'
    if (r, column.key) in section.ranks:
        first, last = section.ranks[r, column.key]
        places = f"{first}" if first == last else f"{first}{_DASH}{last}"
        text += f'<span class="rank{" first" if first == 1 else ""}" title="rank group">{places}</span>'
    text += notes
    if interval := interval_text(cell, column.digits or 0):
        text += f'<span class="interval">{interval}</span>'
    if cell.n is not None and table.counts != "none":
        text += f'<span class="count">n = {count_text(cell)}</span>'
    return f'<td data-value="{cell.value!r}">{text}</td>'


def _digits(made: Measured | Reported, column: Column, cell: Cell) -> str:
    """A paper's own digits, or the column's."""
    if isinstance(made, Reported):
        return next(n.value or "" for n in made.numbers if f"{n.metric} {n.better}" == column.key)
    return number_text(cell.value, column.digits or 0)


def _latex(page: Page) -> str:
    """All tables of a suite, one after the other; booktabs and siunitx."""
    return "\n".join(tables.FORMATS["latex"](section.table) for section in page.sections)


def _by_category(page: Page, found: Sequence[Page]) -> str:
    order = sorted({name for c in page.categories for _, name in c.means})
    body = [
        f"<h1>{escaped(page.suite)} by category</h1>",
        f'<p><a href="{slug(page.suite)}.html">All items</a>. Means of the clips of a category, with its number of clips; ten '
        "clips say little, and distances between sets are not taken apart.</p>",
        *(_category(page, c, order, k == 0) for k, c in enumerate(page.categories)),
    ]
    return _html(f"{page.suite} by category", "\n".join(body) + "\n", found, page.suite)


def _category(page: Page, category: Category, order: Sequence[str], is_open: bool) -> str:
    score = next(s for e in page.measured.values() for s in e.result.metrics if s.metric == category.metric)
    first = "ascending" if score.better == "lower" else "descending"
    heads = "".join(_head(name, first) for name in order)
    rows = []
    for place in sorted(page.measured, key=lambda p: (page.measured[p].model.lower(), p)):
        made = page.measured[place]
        cells = []
        for name in order:
            mean, n = category.means.get((place, name), (math.nan, 0))
            cells.append(
                f'<td data-value="{mean!r}">{_short(mean)}<span class="count">n = {n}</span></td>' if n else "<td></td>"
            )
        link = f'<a href="{_entry_file(made)}"><bdi>{escaped(registry.shown(made.model))}</bdi></a>'
        rows.append(f'<tr><th scope="row">{link}</th>{"".join(cells)}</tr>\n')
    title = f"{escaped(category.metric)} {ARROWS[score.better]}"
    return (
        f'<details{" open" if is_open else ""}><summary>{title}</summary><div class="wide"><table class="sortable"><thead><tr>'
        f"{_head('model', 'ascending', kind='text')}{heads}</tr></thead><tbody>\n"
        f"{''.join(rows)}</tbody></table></div></details>"
    )


def _short(value: float) -> str:
    """Four significant digits without an exponent."""
    if not math.isfinite(value):
        return ""
    digits = 3 - math.floor(math.log10(abs(value))) if value else 0
    return number_text(value, min(6, max(0, digits)))


# ------------------------------------------------------------------ an entry


def _entry_file(made: Measured | Reported) -> str:
    return f"{slug(made.suite)}--{slug(made.model)}--{made.revision}.html"


def _of_entry(place: str, made: Measured, found: Sequence[Page]) -> str:
    result = made.result
    verb = str(result.request.get("verb"))
    again = (
        f"avbench run --model {shlex.quote(made.model)} --suite {made.suite} --seed {result.request.get('seed', 0)}"
        if verb == "run"
        else f"avbench score CLIPS --suite {made.suite}"
    )
    file = f"../entries/{escaped(place.removesuffix('.json'))}"
    facts: dict[str, str] = {
        "model": f"<bdi>{escaped(registry.shown(made.model))}</bdi>",
        "revision": escaped(made.revision),
        "origin": f'<span class="origin">{made.origin}</span> {_ORIGINS[made.origin]}',
        "by": f"<bdi>{escaped(made.by)}</bdi>",
        "process": f"<bdi>{escaped(made.process)}</bdi>" if made.process else "",
        "link": f'<a rel="noopener nofollow" href="{escaped(made.link)}">{escaped(made.link)}</a>' if made.link else "",
        "note": f"<bdi>{escaped(made.note)}</bdi>" if made.note else "",
        "suite": f"{escaped(made.suite)}, version {escaped(str(result.suite.get('version')))}",
        "command": f'<code class="all">{escaped(again)}</code>',
        "device": escaped(result.device),
        "versions": escaped(", ".join(f"{k} {v}" for k, v in result.versions.items())),
        "hash of clips": f"<code>{escaped(result.hashes.get('clips', ''))}</code>",
        "hash of reference clips": f"<code>{escaped(result.hashes.get('references', ''))}</code>",
        "files": f'<a href="{file}.json">entry</a>, <a href="{file}.parquet">rows</a>',
    }
    rows = "".join(f'<tr><th scope="row">{k}</th><td>{v}</td></tr>' for k, v in facts.items() if v)
    numbers = "".join(_number(k, s) for k, s in enumerate(result.metrics))
    heads = "".join(_head(what, "descending") for what in ("value", "low", "high", "clips"))
    heads = _head("metric", "ascending", kind="text") + heads
    heads += "".join(_head(what, "ascending", kind="text") for what in ("interval", "signature"))
    body = f"""<h1><bdi>{escaped(registry.shown(made.model))}</bdi> on {escaped(made.suite)}</h1>
<div class="wide"><table class="facts"><tbody>{rows}</tbody></table></div>
<h2>Numbers</h2>
<div class="wide"><table class="sortable"><thead><tr>{heads}</tr></thead><tbody>
{numbers}</tbody></table></div>
{_left_out(result.metrics)}"""
    return _html(f"{registry.shown(made.model)} on {made.suite}", body, found, made.suite)


def _number(k: int, score: Score) -> str:
    name = score.metric.split("[")[0]
    values = "".join(
        f'<td data-value="{v!r}">{_short(v)}</td>' if math.isfinite(v) else f"<td>{_DASH}</td>"
        for v in (score.value, score.low, score.high)
    )
    unit = f" ({escaped(score.unit)})" if score.unit else ""
    metric = f'<a href="card-{name}.html">{escaped(score.metric)}</a> {ARROWS[score.better]}{unit}'
    return (
        f'<tr id="m{k}"><th scope="row">{metric}</th>{values}'
        f'<td data-value="{score.n_scored}">{score.n_scored}/{score.n_items}</td>'
        f'<td class="text">{escaped(score.interval)}</td>'
        f'<td class="text"><code class="all">{escaped(score.signature)}</code></td></tr>\n'
    )


def _left_out(scores: Sequence[Score]) -> str:
    """Clips without a number, and why."""

    def lines(unscored: Mapping[str, str]) -> Iterator[str]:
        for clip in sorted(unscored):
            yield f"<li><bdi>{escaped(clip)}</bdi>: {escaped(unscored[clip])}</li>"

    parts = [
        f"<details><summary>{escaped(s.metric)}: {len(s.unscored)} without a number</summary>"
        f'<ul class="notes">{"".join(lines(s.unscored))}</ul></details>'
        for s in scores
        if s.unscored
    ]
    return (
        f"<h2>Clips without a number</h2>\n{''.join(parts)}\n"
        if parts
        else "<p>Every metric has a number for every clip.</p>\n"
    )
