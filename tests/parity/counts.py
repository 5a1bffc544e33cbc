"""Counts the golden cases that ran and that were skipped, whatever else is printed."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

KEY = "golden"


def write_counts(terminalreporter: Any) -> None:
    """One line per family: cases run, cases skipped."""
    outcomes: dict[str, set[str]] = defaultdict(set)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and (report.when == "call" or report.outcome != "passed"):
                for golden in (value for key, value in report.user_properties if key == KEY):
                    outcomes[str(golden)].add(report.outcome)
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for golden, seen in outcomes.items():
        counts[golden.split(":")[0]][seen == {"skipped"}] += 1
    for family, (run, skipped) in sorted(counts.items()):
        terminalreporter.write_line(f"golden cases {family}: {run} run, {skipped} skipped")
