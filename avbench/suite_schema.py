"""What may stand in `suite.toml` and `items.jsonl`: every key with its type and its meaning, in one place.

The check of a file, the schema in `benchmarks/README.md` and the comments of the skeleton of `avbench suites new` are all made
from these tables.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from avbench.errors import BadManifest

LARGE = 1e12
"""Beyond any length, rate or size; also refuses infinities, and integers that no float holds."""
CONDITIONS = (
    "audio",
    "category",
    "first_frame",
    "last_frame",
    "negative_prompt",
    "reference_image",
    "text",
    "transcript",
    "video",
)
"""What a suite can give to a generator."""
RULES = ("error", "flag", "ignore")
"""What becomes of a clip that is less than its suite asks for."""


@dataclass(frozen=True)
class Key:
    """One key: what it takes, what it means, whether it has to be there."""

    kind: type
    meaning: str
    required: bool = False


TOP: Mapping[str, Key] = {
    "name": Key(str, "letters, digits and _ . -; signatures and folders quote it", required=True),
    "version": Key(
        int, "raise it whenever an item or a setting changes: numbers of two versions are not compared", required=True
    ),
    "title": Key(str, "a line for lists", required=True),
    "items": Key(str, "the file of items, inside this folder", required=True),
    "conditions": Key(list, f"what a model is given of an item, of {', '.join(CONDITIONS)}"),
    "default_protocol": Key(str, "the protocol that is used unless another is asked for", required=True),
    "samples_per_item": Key(int, "clips that a model makes of each item; from 2 on their ids are ID_0, ID_1, ..."),
    "paper": Key(str, "the paper that introduced the suite"),
    "source": Key(str, "where items and clips come from"),
    "licence": Key(str, "of the items"),
    "download": Key(str, "what a user has to get, and how; nothing if the key is missing"),
    "clip": Key(dict, "the clips that are asked for", required=True),
    "conformance": Key(dict, "what becomes of clips that are less than that"),
    "reference": Key(dict, "the reference clips, where there are some"),
    "prepared": Key(dict, "for a suite whose items cannot be part of avbench"),
    "aspects": Key(dict, 'groups of categories, NAME = [classes]; an item is in a class by the tag "NAME: class"'),
    "protocols": Key(dict, "named lists of metrics", required=True),
}
CLIP: Mapping[str, Key] = {
    "seconds": Key(float, "length", required=True),
    "frame_rate": Key(float, "frames a second", required=True),
    "width": Key(int, "pixels", required=True),
    "height": Key(int, "pixels", required=True),
    "sample_rate": Key(int, "samples of the sound a second", required=True),
}
CONFORMANCE: Mapping[str, Key] = {
    key: Key(str, f"{' | '.join(RULES)}: what becomes of a clip whose {key} is less; flag unless said") for key in CLIP
}
REFERENCE: Mapping[str, Key] = {
    "renderer": Key(str, "a package of avbench that draws them"),
    "folder": Key(str, "a folder of clips named by item, in this folder or in AVBENCH_DATA/NAME"),
    "obtain": Key(str, "where to get them; the error of a missing folder says so"),
    "prepared": Key(bool, "true: the clips that `avbench data prepare` has put into the data folder"),
    "statistics": Key(str, "a published file of their features, in AVBENCH_DATA/NAME; taken in place of clips if it is there"),
}
PREPARED: Mapping[str, Key] = {
    "count": Key(int, "how many items there are; 0 if that is not published", required=True),
    "obtain": Key(str, "which file to get from where", required=True),
    "reader": Key(str, "the reader of `avbench.item_tables` that makes the items of it"),
}
PROTOCOL: Mapping[str, Key] = {
    "metrics": Key(
        list, 'in the order of the table: "NAME[VARIANT]", or {metric = "...", only = ["tag"]} for some items', required=True
    ),
    "not_yet": Key(list, "metrics of the table that avbench does not have, as the paper calls them"),
    "paper": Key(str, "who used it, and in which table"),
    "conformance": Key(dict, "in place of the suite's [conformance]"),
}
ITEM: Mapping[str, Key] = {
    "id": Key(str, "different for every item; clips carry it as file name", required=True),
    "prompt": Key(str, "caption of picture and sound"),
    "category": Key(str, "class label"),
    "tags": Key(list, 'further labels; "ASPECT: class" puts the item into a class of [aspects]'),
    "seconds": Key(float, "length, where it is not the suite's"),
    "events": Key(list, "times of the sounding events, s"),
    "fields": Key(dict, "all else: first_frame, video, audio (paths in this folder), audio_text, transcript, ..."),
}
SECTIONS: Mapping[str, Mapping[str, Key]] = {
    "suite.toml": TOP,
    "[clip]": CLIP,
    "[conformance]": CONFORMANCE,
    "[reference]": REFERENCE,
    "[prepared]": PREPARED,
    "[protocols.NAME]": PROTOCOL,
    "items.jsonl": ITEM,
}


def check(table: Any, known: Mapping[str, Key], where: str) -> None:
    """Refuse unknown keys, wrong types and missing keys.

    Raises:
        BadManifest: with the place, and the nearest key that there is.
    """
    if not isinstance(table, dict):
        raise BadManifest(f"{where}: expected a table, got {type(table).__name__} {table!r:.80}")
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            guess = f"; did you mean '{near[0]}'?" if near else ""
            raise BadManifest(f"{where}: unknown key '{key:.80}'; known are {', '.join(sorted(known))}{guess}")
        kind = known[key].kind
        fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
        if not fits or (isinstance(value, bool) and kind in (int, float)):
            raise BadManifest(f"{where}: {key} must be {kind.__name__}, got {type(value).__name__} {value!r:.80}")
    missing = [key for key, what in known.items() if what.required and key not in table]
    if missing:
        raise BadManifest(f"{where}: key '{sorted(missing)[0]}' is missing")


def markdown() -> str:
    """The schema as tables, for `benchmarks/README.md`."""
    parts = []
    for section, keys in SECTIONS.items():
        lines = [f"`{section}`", "", "| key | type | |", "|---|---|---|"]
        for name, key in keys.items():
            kind = {
                "str": "text",
                "int": "whole number",
                "bool": "true or false",
                "float": "number",
                "list": "list",
                "dict": "table",
            }[key.kind.__name__]
            meaning = key.meaning.replace("|", "\\|")
            lines.append(f"| `{name}`{' *' if key.required else ''} | {kind} | {meaning} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
