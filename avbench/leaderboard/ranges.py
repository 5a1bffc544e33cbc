"""Ranges of metrics, as their cards state them."""

from __future__ import annotations

import math
import re

from avbench.content import card

_RANGE = re.compile(r"(-?\d+(?:\.\d+)?) to (about )?\+?(-?\d+(?:\.\d+)?)")


def range_of(name: str) -> tuple[float, float]:
    """The range in a metric's card where it leaves no doubt: `a to b` (the widest of its variants), or `0 and up`."""
    row = next((line for line in card("metrics", name).splitlines() if line.startswith("| range |")), "")
    text = row.removeprefix("| range |").strip(" |")
    if text.startswith(("0 and up", "0 for equal sets, no upper end")):
        return 0.0, math.inf
    pairs = _RANGE.findall(text) if _RANGE.match(text) else []
    if not pairs:
        return -math.inf, math.inf
    open_end = any(about for _, about, _ in pairs) or "exceed" in text
    return min(float(low) for low, _, _ in pairs), math.inf if open_end else max(float(high) for _, _, high in pairs)
