"""The beginning of a suite of one's own: a commented `suite.toml` and three items, which validate and run as they are."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

from avbench.errors import OtherRun
from avbench.store import write_bytes
from avbench.suite_schema import CLIP, CONFORMANCE, ITEM, PROTOCOL, REFERENCE, TOP, Key

_TOP = {
    "version": "1",
    "title": '"Three prompts to begin with"',
    "items": '"items.jsonl"',
    "conditions": '["text", "category"]',
    "default_protocol": '"mine"',
    "samples_per_item": "1",
    "licence": '"yours"',
}
_CLIP = {"seconds": "2.0", "frame_rate": "24.0", "width": "256", "height": "256", "sample_rate": "16000"}
_REFERENCE = {"folder": '"reference"', "obtain": '"where to get them"'}
_METRICS = ("av_align", "av_curve_distance", "motion_score")
ITEMS = (
    {"id": "dog_00", "prompt": "A dog on a lawn barks twice.", "category": "dog barking"},
    {"id": "drum_00", "prompt": "Two sticks strike a snare drum in turns.", "category": "drumming"},
    {"id": "rain_00", "prompt": "Rain falls on a tin roof.", "category": "rain", "tags": ["outdoors"]},
)


def write(folder: Path) -> Path:
    """Write `suite.toml` and `items.jsonl` into a new folder; returns the former.

    Raises:
        OtherRun: if the folder holds anything.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OtherRun(f"{folder} is there and not empty; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / "items.jsonl", ("\n".join(json.dumps(item) for item in ITEMS) + "\n").encode())
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", folder.resolve().name).lstrip(".") or "mine"
    write_bytes(folder / "suite.toml", text(name).encode())
    return folder / "suite.toml"


def text(name: str) -> str:
    """The commented `suite.toml`."""
    parts = [
        "# A suite: what models are asked for, and what is computed of their clips. `avbench run --model noise --suite DIR`\n"
        "# runs it. Lines that begin with # are comments; keys that are not known are errors.\n",
        _lines({"name": f'"{name}"', **_TOP}, TOP),
        "[clip]\n" + _lines(_CLIP, CLIP),
        "# What becomes of a clip that is less than that; `flag` unless said otherwise.\n[conformance]\n"
        + _lines({"seconds": '"flag"', "sample_rate": '"ignore"'}, CONFORMANCE),
        "# Reference clips, for metrics that compare with some; take the # away where you have them.\n# [reference]\n"
        + re.sub("(?m)^(?=[a-z])", "# ", _lines(_REFERENCE, REFERENCE)),
        "# As many lists of metrics as you like; `avbench metrics` shows what there is. Signal checks are part of every run.\n"
        f"[protocols.mine]\n{_comment(PROTOCOL['metrics'])}metrics = [\n" + "".join(f'    "{m}",\n' for m in _METRICS) + "]\n",
        "# items.jsonl has one object on each line:\n"
        + "".join(
            textwrap.fill(f"{key}: {what.meaning}", 120, initial_indent="#   ", subsequent_indent="#     ") + "\n"
            for key, what in ITEM.items()
        ),
    ]
    return "\n".join(parts)


def _lines(values: Mapping[str, str], keys: Mapping[str, Key]) -> str:
    return "".join(f"{_comment(keys[key])}{key} = {value}\n" for key, value in values.items())


def _comment(key: Key) -> str:
    return textwrap.fill(key.meaning, 120, initial_indent="# ", subsequent_indent="# ") + "\n"
