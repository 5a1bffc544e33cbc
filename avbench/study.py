"""Rating pages: one HTML file with the clips inside, that a person opens, works through and sends an answer file back from.

The page shows clips in an order drawn from seed and annotator, keeps what is done in the browser so that a closed tab goes on,
and offers the answers as CSV in the schema of `agreement.ratings`. It loads nothing from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from avbench.errors import BadFolder, BadParameter
from avbench.folders import VIDEO_SUFFIXES, find_clips
from avbench.types import ClipFile

Kind = Literal["mos", "ab"]

DIMENSIONS = ("video quality", "audio quality", "consistency", "synchrony", "overall")
"""Of the user study of JointDiT (CVPR 2025, table 3)."""
MOST_BYTES = 300_000_000
_MEDIA = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm"}


@dataclass(frozen=True)
class Page:
    """A page, and what is in it.

    Args:
        html: The file's text.
        clips: How many clips it holds.
        questions: How many screens an annotator works through.
        left_out: Files that no browser plays or that belong to no comparison, with reasons.
    """

    html: str
    clips: int
    questions: int
    left_out: dict[str, str]


def build(
    folders: Sequence[Path],
    *,
    kind: Kind = "mos",
    dimensions: Sequence[str] = DIMENSIONS,
    title: str = "Rating of clips",
    limit: int | None = None,
    seed: int = 0,
) -> Page:
    """A page that rates every clip (`mos`), or compares the clips of two systems at a time, blind (`ab`).

    Args:
        folders: Of clips. With several, a clip's id is `<folder>/<clip>`, the folder is its system and clips of the same name
            share a prompt; the names are not shown.
        kind: `mos`: each dimension 0 to 5 in halves. `ab`: which of two is better in each dimension, or a tie.
        dimensions: What is asked.
        title: Of the page.
        limit: Only the first prompts.
        seed: Of the order of clips and of sides.

    Raises:
        BadFolder: if there are no clips, two folders have the same name, or no prompt has clips of two folders (`ab`).
        BadParameter: for no dimension, one that is given twice, or more than 300 MB of clips.
    """
    if not dimensions or len(set(dimensions)) < len(dimensions) or not all(d.strip() for d in dimensions):
        raise BadParameter(f"dimensions must be different names, got {', '.join(dimensions) or 'none'}")
    systems, left_out = _systems(folders)
    prompts = list(dict.fromkeys(clip for clips in systems.values() for clip in clips))[:limit]
    if kind == "ab":
        questions, lonely = _comparisons(systems, prompts, seed)
        left_out |= lonely
        if not questions:
            raise BadFolder("no clip name is in two folders; blind comparisons need folders of several systems, same names")
    else:
        questions = [{"clips": [[s, p]]} for s, clips in systems.items() for p in prompts if p in clips]
    used = list(dict.fromkeys((s, p) for q in questions for s, p in q["clips"]))
    media = _media(systems, used)
    place = {pair: k for k, pair in enumerate(used)}
    several = len(systems) > 1
    data = {
        "kind": kind,
        "title": title,
        "dimensions": list(dimensions),
        "seed": seed,
        "clips": [{"id": f"{s}/{p}" if several else p, "system": s if several else "", "prompt": p} for s, p in used],
        "questions": [[place[s, p] for s, p in q["clips"]] for q in questions],
    }
    data["study"] = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]
    return Page(_html(data, media), len(used), len(questions), left_out)


def _systems(folders: Sequence[Path]) -> tuple[dict[str, dict[str, ClipFile]], dict[str, str]]:
    systems: dict[str, dict[str, ClipFile]] = {}
    left_out: dict[str, str] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in systems:
            raise BadFolder(f"two folders are named '{name}'; their clips could not be told apart, rename one")
        found = find_clips(folder)
        left_out |= {f"{name}/{other}": why for other, why in found.others.items()}
        systems[name] = {}
        for clip in found.clips:
            if clip.path.suffix.lower() in _MEDIA and clip.audio is None:
                systems[name][clip.id] = clip
            else:
                what = "sound in a file of its own" if clip.audio is not None else "a kind of file that browsers do not play"
                known = clip.path.suffix.lower() in VIDEO_SUFFIXES
                left_out[f"{name}/{clip.id}"] = f"{what}; make it an mp4" if known else "no video"
        if not systems[name]:
            raise BadFolder(f"{folder}: no clip that a browser plays ({', '.join(_MEDIA)} with the sound inside)")
    return systems, left_out


def _comparisons(
    systems: dict[str, dict[str, ClipFile]], prompts: Sequence[str], seed: int
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    rng = random.Random(seed)  # the same on any platform
    questions, lonely = [], {}
    for prompt in prompts:
        made = [s for s, clips in systems.items() if prompt in clips]
        if len(made) == 1:
            lonely[f"{made[0]}/{prompt}"] = "no other folder has a clip of this name"
        for pair in itertools.combinations(made, 2):
            sides = list(pair)
            rng.shuffle(sides)
            questions.append({"clips": [[s, prompt] for s in sides]})
    return questions, lonely


def _media(systems: dict[str, dict[str, ClipFile]], used: Sequence[tuple[str, str]]) -> list[str]:
    files = [systems[s][p].path for s, p in used]
    size = sum(f.stat().st_size for f in files)
    if size > MOST_BYTES:
        raise BadParameter(f"{size / 1e6:.0f} MB of clips do not fit into a page (300 MB); use --limit, or smaller clips")
    return [f"data:{_MEDIA[f.suffix.lower()]};base64,{base64.b64encode(f.read_bytes()).decode()}" for f in files]


def _html(data: dict[str, Any], media: Sequence[str]) -> str:
    folder = Path(__file__).parent / "study_page"
    page = (folder / "page.html").read_text(encoding="utf-8")
    script = (folder / "page.js").read_text(encoding="utf-8")
    # Inside of a script element only "<" can end it; "\u003c" is the same to JSON.
    inside = json.dumps({**data, "media": list(media)}, ensure_ascii=True).replace("<", "\\u003c")
    before, _, after = page.partition("/*SCRIPT*/")
    head, _, middle = before.partition("/*DATA*/")
    return f"{head}{inside}{middle}{script}{after}"
