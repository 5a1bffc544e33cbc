"""Writes the test split as JSON lines: `python -m avbench.synth15 > benchmarks/synth15/items.jsonl`."""

import json
import sys

from avbench.synth15 import items


def lines() -> str:
    """One JSON object for each test item."""
    rows = (
        {"id": it.id, "prompt": it.prompt, "category": it.category, "events": list(it.events), "fields": dict(it.fields)}
        for it in items("test")
    )
    return "".join(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    sys.stdout.write(lines())
