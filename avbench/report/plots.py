"""Plots: Vega-Lite specifications without data, and Vega itself.

The specifications are data; the page puts its own numbers and colours in. Vega, Vega-Lite and Vega-Embed are not kept in this
repository: the package `vl-convert-python` carries them, and one file of script is made of them when the first report is built.
Expressions run in Vega's interpreter (`ast`), so that the page needs no `eval`.
"""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from typing import Any

from avbench.store import default_home, write_bytes

FILE = Path(__file__).parent / "page" / "plots.json"


def specifications() -> dict[str, dict[str, Any]]:
    """By name, without data.

    `interval`: each run's number of one metric; `spread`: every clip's; `scatter`: metric against metric, a point per clip;
    `radar`: where runs stand, corners computed in the page; `categories`: one metric by class. They read data sets whose fields
    are fixed, so that a name is never part of a specification.
    """
    found: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, under a comment with their licences; made once per version, then kept."""
    import vl_convert

    version = importlib.metadata.version(PACKAGE)
    path = default_home() / "scripts" / f"vega-{version}.js"
    try:
        kept = path.read_text(encoding="utf-8")
    except OSError:
        kept = ""
    if kept.endswith(_END):
        return kept
    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg, unused-ignore]  # without a snippet: all of it
    made = f"{_notice(version)}\n(() => {{\n{bundle}\n}})();\n{_END}"
    # Inside of a script element these would end it or change how the rest is read.
    if "</script" in made.lower() or "<!--" in made:
        made = made.replace("</", "<\\/").replace("<!--", "<\\!--")
    write_bytes(path, made.encode())
    return made


PACKAGE = "vl-convert-python"
_END = "// end of vega\n"


def _notice(version: str) -> str:
    """What the licences ask to be kept beside the script."""
    import vl_convert as carrier

    terms = ""
    for file in importlib.metadata.files(PACKAGE) or ():
        if file.name == "LICENSE":
            terms = Path(str(file.locate())).read_text(encoding="utf-8")
    told = (
        f"Vega {carrier.get_vega_version()}, Vega-Lite {carrier.get_vegalite_versions()[-1]}, "
        f"Vega-Embed {carrier.get_vega_embed_version()}: Copyright University of Washington Interactive Data Lab and "
        "contributors, BSD-3-Clause; parts of D3: Copyright Mike Bostock, ISC.\n"
        f"Bundled by {PACKAGE} {version}, whose licence (BSD-3-Clause as well) follows.\n\n{terms}"
    )
    return "/*\n" + told.replace("*/", "* /").replace("\r", "") + "\n*/"
