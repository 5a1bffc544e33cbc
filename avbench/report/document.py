"""One file of everything.

The page's policy names its scripts and its style by hash: whatever a name or a prompt smuggles in, no browser runs it. Data is
JSON in an element that is no script; the scripts put it into the page as text only, never as markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avbench.report import plots
from avbench.tables.hypertext import escaped

_FOLDER = Path(__file__).parent / "page"
SCRIPTS = ("base", "summary", "plots", "categories", "players", "clips", "failures", "numbers", "start")
"""In order: each may use those before it."""


def render(data: Mapping[str, Any], table: str, *, embedded: bool) -> str:
    """The page.

    Args:
        data: What the scripts show.
        table: The first table, as HTML.
        embedded: Whether clips are inside; else they may be loaded from disk, or from where the page is.
    """
    texts = {name: (_FOLDER / name).read_text(encoding="utf-8") for name in ("page.html", "page.css")}
    own = "\n".join((_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    script = f'"use strict";\n(() => {{\n{own}\n}})();\n'
    vega = plots.library()
    style = texts["page.css"]
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hashed(vega)} {_hashed(script)}",
            f"style-src {_hashed(style)}",
            "media-src data: blob:" if embedded else "media-src 'self' file:",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    filled = {
        "policy": policy,
        "title": escaped(data["title"]),
        "style": style,
        "table": table,
        "data": _inside({**data, "plots": plots.specifications()}),
        "vega": vega,
        "script": script,
    }
    # The template is taken apart first, so that nothing that is put in is looked at again.
    parts = texts["page.html"].split("{{")
    out = [parts[0]]
    for part in parts[1:]:
        name, _, rest = part.partition("}}")
        out += [filled[name], rest]
    return "".join(out)


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _inside(data: Mapping[str, Any]) -> str:
    """JSON in ASCII, with every "<" escaped: inside of a script element nothing else can end it."""
    return json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
