"""Looking at pages: with a parser, in a browser, in TeX."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from avbench.leaderboard.pages import hashed

CHROMIUM = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
needs_tex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="no pdflatex; Debian: texlive-latex-base, texlive-latex-extra, texlive-science"
)


class Links(HTMLParser):
    """Where a page leads, and what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        table = dict(attrs)
        self.ids |= {table["id"] or ""} if "id" in table else set()
        if tag == "a":
            self.found.append(table.get("href") or "")
        self.loads += [f"{tag} {k}" for k in table if k in ("src", "srcset", "style", "data") or k.startswith("on")]


def with_script(page: str, script: str) -> str:
    """The page with one more script, which its policy allows beside its own."""
    return page.replace("script-src ", f"script-src {hashed(script)} ").replace("</body>", f"<script>{script}</script></body>")


def answered(page: Path, folder: Path) -> tuple[Any, str]:
    """What the page's scripts left in its title, as JSON, and the page's elements after they have run."""
    command = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={folder / 'profile'}",
        "--virtual-time-budget=2000",
        "--dump-dom",
        page.as_uri(),
    ]
    dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    title = re.search(r"<title>(.*?)</title>", dom, re.S)
    assert title is not None
    return json.loads(html.unescape(title[1])), dom


def compile_tables(texts: Iterable[str], folder: Path) -> None:
    """TeX stops at the first error, and writes nothing but its own files."""
    head = (
        r"\documentclass{article}\usepackage[paperwidth=120cm,paperheight=200cm,margin=1cm]{geometry}\usepackage[T1]{fontenc}"
    )
    head += r"\usepackage{textcomp}\usepackage{booktabs}\usepackage{siunitx}\begin{document}"
    folder.mkdir()
    (folder / "t.tex").write_text(head + r"\clearpage ".join(texts) + r"\end{document}", encoding="ascii")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=500, check=False)
    assert done.returncode == 0, (folder / "t.log").read_text(encoding="latin-1")[-3000:]
    assert sorted(p.name for p in folder.iterdir()) == ["t.aux", "t.log", "t.pdf", "t.tex"]
