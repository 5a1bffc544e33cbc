"""The Markdown that cards are written in, as HTML: headings, paragraphs, tables, lists, code, emphasis.

Everything is escaped first, links keep their text alone, and what is not known stays text: a card can show nothing but letters.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from avbench.tables.hypertext import escaped

_HEADING = re.compile(r"(#{1,4}) +(.*)")
_BULLET = re.compile(r" {0,3}(?:[-*]|\d+\.) +(.*)")


def render(text: str) -> str:
    """A card as HTML, its first heading as `<h1>`."""
    lines = text.splitlines()
    out: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif line.startswith("```"):
            end = next((k for k in range(at + 1, len(lines)) if lines[k].startswith("```")), len(lines))
            out.append(_code(lines[at + 1 : end]))
            at = end + 1
        elif line.startswith("    "):
            end = _while(lines, at, lambda t: t.startswith("    ") or not t.strip())
            out.append(_code([t[4:] for t in lines[at:end]]))
            at = end
        elif found := _HEADING.fullmatch(line):
            level = len(found[1])
            out.append(f"<h{level}>{_inline(found[2])}</h{level}>")
            at += 1
        elif line.startswith("|"):
            end = _while(lines, at, lambda t: t.startswith("|"))
            out.append(_table(lines[at:end]))
            at = end
        elif _BULLET.fullmatch(line):
            end = _while(lines, at, lambda t: bool(_BULLET.fullmatch(t)) or t.startswith("  "))
            out.append(_list(lines[at:end]))
            at = end
        else:
            end = max(_while(lines, at, _is_prose), at + 1)
            out.append(f"<p>{_inline(' '.join(t.strip() for t in lines[at:end]))}</p>")
            at = end
    return "\n".join(out) + "\n"


def _is_prose(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(("#", "|", "```")) and not _BULLET.fullmatch(line)


def _while(lines: list[str], start: int, holds: Callable[[str], bool]) -> int:
    """The first line from `start` on of which it does not hold."""
    at = start
    while at < len(lines) and holds(lines[at]):
        at += 1
    return at


def _code(lines: list[str]) -> str:
    return "<pre><code>" + "\n".join(escaped(line) for line in lines).rstrip() + "</code></pre>"


def _list(lines: list[str]) -> str:
    items: list[str] = []
    for line in lines:
        found = _BULLET.fullmatch(line)
        if found:
            items.append(found[1])
        else:
            items[-1] += f" {line.strip()}"
    return "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>"


def _table(lines: list[str]) -> str:
    rows = [[cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in lines]
    head = rows[0] if len(rows) > 1 and all(set(c) <= set("-: ") for c in rows[1]) else None
    body = rows[2:] if head is not None else rows
    out = ["<table>"]
    if head is not None and any(head):
        out.append("<thead><tr>" + "".join(f"<th>{_inline(c)}</th>" for c in head) + "</tr></thead>")
    out += ["<tbody>", *("<tr>" + "".join(f"<td>{_inline(c)}</td>" for c in row) + "</tr>" for row in body), "</tbody></table>"]
    return f'<div class="wide">{"".join(out)}</div>'


def _inline(text: str) -> str:
    """Code as it is; elsewhere emphasis, and the text of links."""
    spans: list[str] = []

    def keep(found: re.Match[str]) -> str:
        spans.append(f"<code>{escaped(found[2])}</code>")
        return f"\x00{len(spans) - 1}\x00"

    plain = re.sub(r"(`+)(.+?)\1", keep, text.replace("\x00", ""))
    plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", plain)
    letters = "\x00".join(escaped(part) for part in plain.split("\x00"))
    strong = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", letters)
    return re.sub(r"\x00(\d+)\x00", lambda found: spans[int(found[1])], strong)
