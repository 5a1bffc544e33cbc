"""JavisBench-mini: as JavisBench, the list `JavisBench-mini.csv`."""

from __future__ import annotations

from avbench.data.layouts.javisbench import how, recognise

__all__ = ["HOW", "recognise"]

HOW = how("javisbench-mini", "JavisBench-mini")
