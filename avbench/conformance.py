"""Whether a clip is what its suite asks for: as long, as large, as fast, with as fine a sound.

A protocol says what becomes of one that is less, property by property (`[conformance]` in `suite.toml`): the run ends with an
error that lists the clips, or it goes on and the clips carry a flag, or nobody asks. More than is asked for is fine: every
metric brings clips to its own size and rate.

The measured values are those of the extractor `stream_facts`, from decoded frames and samples, not from headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from avbench.errors import OffProtocol
from avbench.types import Features, Item, Suite

FLAGS = {
    "seconds": "shorter_than_suite",
    "frame_rate": "slower_than_suite",
    "width": "narrower_than_suite",
    "height": "lower_than_suite",
    "sample_rate": "lower_sample_rate_than_suite",
}
"""Flag of a clip, by the key of `[clip]`."""
_FRAMES = 1.01
"""A clip may be one frame short: encoders and frame rates round."""
_SOUND = 0.1
"""Seconds by which the sound may be short: a codec's frame and its delay."""
_RATE = 0.995
"""Of the frame rate: 23.976 is 24."""


def shortfalls(facts: Features, item: Item, suite: Suite) -> dict[str, tuple[float, float]]:
    """What of a clip is less than asked for: what was found and what was asked, by key of `[clip]`.

    Streams that are missing are another matter (`missing_stream`).

    Args:
        facts: Layers of `stream_facts`.
        item: Whose clip it is; its own length counts before the suite's.
        suite: What is asked for.
    """
    got = {key.removeprefix("stream_facts."): float(value) for key, value in facts.items()}
    asked = item.seconds or suite.seconds
    found: dict[str, tuple[float, float]] = {}
    if got["has_video"]:
        if got["video_seconds"] < asked - _FRAMES / (got["frame_rate"] or suite.frame_rate):
            found["seconds"] = (got["video_seconds"], asked)
        if got["frame_rate"] < suite.frame_rate * _RATE:
            found["frame_rate"] = (got["frame_rate"], suite.frame_rate)
        for side in ("width", "height"):
            if got[side] < getattr(suite, side):
                found[side] = (got[side], getattr(suite, side))
    if got["has_audio"]:
        if got["audio_seconds"] < asked - _SOUND and "seconds" not in found:
            found["seconds"] = (got["audio_seconds"], asked)
        if got["sample_rate"] < suite.sample_rate:
            found["sample_rate"] = (got["sample_rate"], suite.sample_rate)
    return {key: values for key, values in found.items() if suite.conformance.get(key, "ignore") != "ignore"}


def checked(found: Mapping[str, Mapping[str, tuple[float, float]]], suite: Suite) -> dict[str, Any]:
    """What the result says of clips that are less than asked for, by key of `[clip]`; empty if all are as asked.

    Args:
        found: `shortfalls` of each clip, by id.
        suite: With its rules.

    Raises:
        OffProtocol: if a rule says `error`; lists the clips.
    """
    said: dict[str, Any] = {}
    for key, rule in suite.conformance.items():
        clips = {id: round(values[key][0], 3) for id, values in found.items() if key in values}
        if clips and rule == "error":
            listed = ", ".join(f"{id} ({value:g})" for id, value in list(clips.items())[:5]) + (
                ", ..." if len(clips) > 5 else ""
            )
            raise OffProtocol(
                f"{len(clips)} clips have less than the {key} of {getattr(suite, key):g} that protocol {suite.protocol} of "
                f"suite {suite.name} demands: {listed}; make them as asked, or take a protocol that flags them ([conformance])"
            )
        if clips:
            said[key] = {"rule": rule, "asked": getattr(suite, key), "clips": clips}
    return said
