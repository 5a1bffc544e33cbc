"""Where the folders of content are: cards, suites, baselines.

In a checkout they stand at the top level; a wheel carries them under `avbench/content/`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_HERE = Path(__file__).parent


def folder(kind: Literal["metrics", "benchmarks", "baselines"]) -> Path:
    """The folder of one kind of content."""
    inside = _HERE / "content" / kind
    return inside if inside.is_dir() else _HERE.parent / kind


def card(kind: Literal["metrics", "benchmarks", "baselines"], name: str) -> str:
    """The Markdown text of a card; empty where there is none."""
    for file in ("card.md", "README.md"):
        path = folder(kind) / name / file
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return ""
