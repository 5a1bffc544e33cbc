"""Clips in a page: which items are worth players, and how a browser gets each file."""

from __future__ import annotations

import base64
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from avbench.errors import BadParameter
from avbench.report.gather import Found
from avbench.store import clip_sha256
from avbench.types import ClipFile

PICTURES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm", ".mkv": "video/x-matroska"}
SOUNDS = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
}
"""What browsers play; Matroska in some."""
MOST_BYTES = 300_000_000
"""In one page."""


@dataclass
class Media:
    """How a browser gets the clips.

    Args:
        entries: By item and run: `video` and `audio` as URLs, or `why` there is none.
        files: The files behind them, by item and run, for those whose bytes are still what was scored.
        notes: Said of the report.
    """

    entries: dict[int, list[dict[str, str]]] = field(default_factory=dict)
    files: dict[tuple[int, int], ClipFile] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def worth_a_look(found: Found, most: int) -> list[int]:
    """Numbers of the items that get players: all, or the best, worst and most different ones of each metric in turn."""
    if most < 0:
        raise BadParameter(f"--players must be 0 or more, got {most}")
    if len(found.items) <= most:
        return list(range(len(found.items)))
    queues = [iter(order) for order in _orders(found)] + [iter(range(len(found.items)))]
    chosen: dict[int, None] = {}
    while queues and len(chosen) < most:
        for queue in list(queues):
            number = next((n for n in queue if n not in chosen), None)
            if number is None:
                queues.remove(queue)
            elif len(chosen) < most:
                chosen[number] = None
    return sorted(chosen)


def _orders(found: Found) -> Iterator[list[int]]:
    """Items from the most telling on, of each metric that is no signal check: by spread between runs, then from both ends."""
    ids = [s.item.id for s in found.items]
    for metric in found.metrics:
        held = [run.values[metric.label] for run in found.runs if run.values.get(metric.label)]
        if metric.always or not held:
            continue
        spread = {n: max(vs) - min(vs) for n, id in enumerate(ids) if len(vs := [h[id] for h in held if id in h]) > 1}
        yield sorted(spread, key=lambda n, s=spread: -s[n])  # type: ignore[misc]
        for values in held:
            rising = sorted((n for n, id in enumerate(ids) if id in values), key=lambda n, v=values: v[ids[n]])  # type: ignore[misc]
            ends = itertools.chain.from_iterable(zip(rising, reversed(rising), strict=True))
            yield list(dict.fromkeys(ends))


def sources(found: Found, chosen: Sequence[int], *, out: Path, embed: bool) -> Media:
    """Links to the chosen items' clips, or the clips themselves.

    Raises:
        BadParameter: if the clips do not fit into a page.
    """
    media = Media()
    size = changed = 0
    base = out.absolute().parent
    for number in chosen:
        id = found.items[number].item.id
        entries: list[dict[str, str]] = []
        for r, run in enumerate(found.runs):
            clip = run.clips.get(id)
            if clip is None:
                expected = id in run.result.clips
                entries.append({"why": ("its file is gone" if expected else "the run has no clip of it")})
                continue
            if embed:
                size += sum(f.stat().st_size for f in (clip.path, clip.audio) if f is not None)
                if size > MOST_BYTES:
                    raise BadParameter(
                        f"more than {MOST_BYTES / 1e6:.0f} MB of clips do not fit into a page; "
                        "link them (without --embed), or lower --players"
                    )
            entry = _entry(clip, base, embed)
            scored = str(run.result.clips.get(id, {}).get("sha256", ""))
            if scored and scored != clip_sha256(clip):
                changed += 1
                entry["why"] = "the file has changed since it was scored"
            elif "why" not in entry:
                media.files[number, r] = clip
            entries.append(entry)
        media.entries[number] = entries
    if changed:
        media.notes.append(f"{changed} clips have changed since they were scored; their players say so")
    return media


def _entry(clip: ClipFile, base: Path, embed: bool) -> dict[str, str]:
    entry: dict[str, str] = {}
    for key, path in (("video", clip.path), ("audio", clip.audio)):
        if path is None:
            continue
        suffix = path.suffix.lower()
        kind = PICTURES.get(suffix) or SOUNDS.get(suffix)
        if kind is None:
            entry["why"] = f"browsers do not play {suffix} files"
            continue
        place = "audio" if suffix in SOUNDS else key
        if embed:
            entry[place] = f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
        else:
            relative = os.path.relpath(path.absolute(), base)
            # "./" so that a name with a colon is no scheme.
            entry[place] = "./" + "/".join(quote(os.fsencode(part)) for part in Path(relative).parts)
    return entry
