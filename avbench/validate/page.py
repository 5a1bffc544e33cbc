"""The report of a validation: one HTML file that needs nothing else, and a PDF with the same curves."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from avbench.validate.curves import FEWEST_FOR_TEST, LARGE_EFFECT
from avbench.validate.drawing import Colour, Drawing, pdf_file

_BLUE: Colour = (31, 84, 150)
_BAND: Colour = (205, 219, 237)
_GREY: Colour = (140, 140, 140)
_RED: Colour = (190, 50, 40)
_WIDTH, _HEIGHT = 250.0, 165.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 42.0, 8.0, 28.0, 34.0
_COLUMNS = 3
_A4 = (842.0, 595.0)

_STYLE = """
body{font-family:Helvetica,Arial,sans-serif;color:#282828;max-width:68rem;margin:1.5rem auto;padding:0 1rem;line-height:1.4}
h1{font-size:1.4rem}h2{font-size:1.15rem;margin-top:2rem}svg{width:100%;height:auto}
.curves{display:grid;margin-top:1rem;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:.6rem}
table{border-collapse:collapse;font-size:.85rem}th,td{padding:.2rem .7rem .2rem 0;text-align:left;border-bottom:1px solid #ddd}
td.n{text-align:right;font-variant-numeric:tabular-nums}.note{color:#7a5a00}code{font-size:.8rem;word-break:break-all}
"""


def html(report: Mapping[str, Any]) -> str:
    """The page."""
    title = f"Validation on {len(report['sources'])} clips of {report['clips']}"
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'>",
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>",
        "<p>Each curve goes from none (left: the clips without distortion, encoded again like the distorted ones) to the worst "
        "level, with 95 % intervals. The dashed line is the value at none, the red mark the mildest level that is told from "
        "none. What a value is and how a level is told stands with each metric.</p>",
    ]
    parts += [f"<p class=note>{escape(note)}</p>" for note in report["notes"]]
    if report["failed"]:
        first = report["failed"][0]
        said = f"{len(report['failed'])} cells could not be made, such as type {first['type']} level {first['level']} of "
        parts.append(f"<p class=note>{escape(said + repr(first['clip']) + ': ' + first['reason'])}</p>")
    for metric, curves in _by_metric(report).items():
        parts.append(f"<h2>{escape(metric)}</h2><p>{escape(explained(curves[0]))}</p>")
        parts.append(f"<p><code>{escape(report['signatures'][metric])}</code></p>")
        if report["unscored"].get(metric):
            parts.append(f"<p class=note>{len(report['unscored'][metric])} distorted clips have no value of it.</p>")
        parts.append(_table(curves))
        drawn = "".join(f"<div>{plot(c).svg(_label(c))}</div>" for c in curves)
        parts.append(f"<div class=curves>{drawn}</div>")
    return "\n".join(parts) + "\n"


def pdf(report: Mapping[str, Any]) -> bytes:
    """The curves on A4 pages."""
    pages = []
    per_page = _COLUMNS * 3
    for metric, curves in _by_metric(report).items():
        for first in range(0, len(curves), per_page):
            page = Drawing(*_A4)
            page.text(30, 36, f"{metric}, {len(report['sources'])} clips", 14, bold=True)
            for k, line in enumerate(textwrap.wrap(explained(curves[0]), 225)):
                page.text(30, 46 + 8 * k, line, 7, _GREY)
            for k, curve in enumerate(curves[first : first + per_page]):
                page.put(plot(curve), 30 + (k % _COLUMNS) * (_WIDTH + 12), 66 + (k // _COLUMNS) * (_HEIGHT + 10))
            pages.append(page)
    return pdf_file(pages, "avbench validate")


def _by_metric(report: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    out: dict[str, list[Mapping[str, Any]]] = {}
    for curve in report["curves"]:
        out.setdefault(curve["metric"], []).append(curve)
    return out


def explained(curve: Mapping[str, Any]) -> str:
    """What the values of a metric's curves are, and how a level is told from none."""
    if curve["of"] == "clip":
        said = "A value is the mean over clips, with its interval over clips."
        if curve["reference"]:
            said = "A value is the mean over clips, each compared with its own clip as given, with its interval over clips."
    else:
        said = "A value is one number of all clips of a level, with the interval that the metric reports."
        if curve["reference"]:
            said = "A value compares all clips of a level with the clips as given, with the interval that the metric reports."
    if curve["reference"]:
        said += " At none it is what encoding the clips again costs, not 0 by definition."
    if curve["of"] == "clip":
        return (
            f"{said} A level is told from none by a paired test over clips, adjusted for the number of levels; with fewer than "
            f"{FEWEST_FOR_TEST} clips by an effect size of {LARGE_EFFECT} or more. Effect size: mean difference from none over "
            "its standard deviation."
        )
    return (
        f"{said} There is no paired test: a level is told from none if its interval and that of none do not overlap, with no "
        "adjustment for the number of levels, and without intervals none is told. Effect size: difference from none over its "
        "standard error, by the two intervals as if they were independent."
    )


def _table(curves: Sequence[Mapping[str, Any]]) -> str:
    heads = ("distortion", "monotonicity", "95 % interval", "isotonic share", "mildest level told apart", "effect size", "by")
    rows = [f"<table><tr>{''.join(f'<th>{head}' for head in heads)}</tr>"]
    for c in curves:
        m = c["monotonicity"]
        rows.append(
            f"<tr><td>{escape(c['code'])} {escape(c['name'])}<td class=n>{number(m['value'])}<td>{escape(ends(c))}<td class=n>"
            f"{number(c['isotonic'])}<td>{escape(told(c))}<td class=n>{escape(told_effect(c))}<td>{escape(c['told_by'])}</tr>"
        )
    return "".join([*rows, "</table>"])


def ends(curve: Mapping[str, Any]) -> str:
    """The interval of the monotonicity, or why there is none; nothing where there is no monotonicity either."""
    found = curve["monotonicity"]
    if found["low"] is not None:
        return f"{found['low']:.2f} … {found['high']:.2f}"
    return "" if found["value"] is None else str(found["how"])


def told(curve: Mapping[str, Any]) -> str:
    """The mildest level that is told from none, in words."""
    if curve["told"] is None:
        return "no level"
    point = next(p for p in curve["points"] if p["level"] == curve["told"])
    return f"level {curve['told']} ({point['parameter']:g} {curve['unit']})".replace(" )", ")")


def told_effect(curve: Mapping[str, Any]) -> str:
    """Effect size at the mildest level that is told."""
    found = [p["effect"] for p in curve["points"] if curve["told"] is not None and p["level"] == curve["told"]]
    return number(found[0]) if found else ""


def number(value: float | str | None) -> str:
    """Two decimals, or what there is instead."""
    return "-" if value is None else value if isinstance(value, str) else f"{value:.2f}"


def _label(curve: Mapping[str, Any]) -> str:
    how = number(curve["monotonicity"]["value"])
    return f"{curve['metric']} under {curve['name']}: monotonicity {how}, told apart: {told(curve)}"


def plot(curve: Mapping[str, Any]) -> Drawing:
    """One curve."""
    drawing = Drawing(_WIDTH, _HEIGHT)
    drawing.text(4, 11, f"{curve['code']} {curve['name']}", 9, bold=True)
    drawing.text(4, 21, f"monotonicity {number(curve['monotonicity']['value'])}, told apart: {told(curve)}", 7, _GREY)
    points = [p for p in curve["points"] if p["mean"]["value"] is not None]
    if not points:
        drawing.text(_WIDTH / 2, _HEIGHT / 2, "no clip could be scored", 8, _GREY, anchor="middle")
        return drawing
    ends = [v for p in points for v in (p["mean"]["value"], p["mean"]["low"], p["mean"]["high"]) if v is not None]
    low, high = float(min(ends)), float(max(ends))
    if high - low < 1e-12 * max(1.0, abs(high)):  # a flat curve in the middle
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    order = {int(p["level"]): k for k, p in enumerate(curve["points"])}
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(order) - 1)

    def x(point: Mapping[str, Any]) -> float:
        return _LEFT + order[int(point["level"])] * step

    def y(value: float) -> float:
        return _TOP + (high - float(value)) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    for k in range(4):
        value = low + k * (high - low) / 3
        drawing.line([(_LEFT, y(value)), (_WIDTH - _RIGHT, y(value))], (225, 225, 225), 0.5)
        drawing.text(_LEFT - 4, y(value) + 2.5, f"{value:.3g}", 7, _GREY, anchor="end")
    for point in curve["points"]:
        name = "none" if point["parameter"] is None else f"{point['parameter']:g}"
        drawing.text(x(point), _HEIGHT - _BOTTOM + 11, name, 6, _GREY, anchor="middle")
    unit = f" ({curve['unit']})" if curve["unit"] else ""
    drawing.text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, f"mildest to worst{unit}", 7, _GREY, anchor="middle")
    band = [p for p in points if p["mean"]["low"] is not None]
    if band:
        upper = [(x(p), y(p["mean"]["high"])) for p in band]
        drawing.area([*upper, *((x(p), y(p["mean"]["low"])) for p in reversed(band))], _BAND)
    if points[0]["level"] == -1:
        base = y(points[0]["mean"]["value"])
        drawing.line([(_LEFT, base), (_WIDTH - _RIGHT, base)], _GREY, 0.8, dash=True)
    drawing.line([(x(p), y(p["mean"]["value"])) for p in points], _BLUE, 1.4)
    for p in points:
        marked = curve["told"] is not None and p["level"] == curve["told"]
        drawing.dot(x(p), y(p["mean"]["value"]), 3.6 if marked else 2.2, _RED if marked else _BLUE)
    return drawing
