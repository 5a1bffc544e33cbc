"""Where the ImageBind family's embeddings come from: ImageBind itself, or the small network that comes with avbench.

ImageBind has an extractor for each part of a clip, so that a metric asked alone pays for its own part only. `mini_av` gives all
parts at once. Both have embeddings of every frame, of the whole picture, of the whole sound, of windows of the sound, and of
the caption.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from avbench.errors import BadParameter, Unscorable
from avbench.types import Array, Features, Metric, Need

Network = Literal["imagebind", "mini_av"]
Part = Literal["frames", "video", "audio", "windows", "text"]

_OF_MINI = ("window", "overlap")
"""What `mini_av` takes of the parameters of windows."""
_STREAM: Mapping[Part, str] = {"frames": "no_video", "video": "no_video", "audio": "no_audio", "windows": "no_audio"}


def needs(network: Network, parts: Mapping[Part, Mapping[str, Any]]) -> tuple[Need, ...]:
    """The extractors that give these parts.

    Args:
        network: Whose embeddings.
        parts: Each part, with the parameters of ImageBind's extractor of it.
    """
    if network == "imagebind":
        return tuple(Need.of(f"imagebind_{part}", **parameters) for part, parameters in parts.items())
    windows = parts.get("windows", {})
    return (Need.of("mini_av", **{key: value for key, value in windows.items() if key in _OF_MINI}),)


def embedding(got: Features, network: Network, part: Part) -> Array:
    """A part's embedding: `(d,)`, or `(T, d)` for frames and `(W, d)` for windows.

    Raises:
        Unscorable: `no_video` or `no_audio` where the clip has none of it; `no_text` for a caption without words in `mini_av`,
            which has no vector for it.
    """
    if network == "imagebind":
        return got[f"imagebind_{part}.embedding"]
    found = got[f"mini_av.{part}"]
    if part == "text" and not int(np.asarray(got["mini_av.words"])):
        raise Unscorable("no_text", "mini_av has no vector for a caption without words")
    if not found.size:
        raise Unscorable(_STREAM[part])
    return found


def frame_times(got: Features, network: Network) -> Array:
    """Seconds of the frames, `(T,)`."""
    return got["imagebind_frames.times" if network == "imagebind" else "mini_av.times"]


def windows(got: Features, network: Network) -> tuple[Array, Array, Array]:
    """JavisScore's windows: embeddings of their sound `(W, d)`, first frame and last plus one `(W, 2)`, seconds `(W, 2)`.

    Raises:
        Unscorable: `no_video`, `no_audio`, or `too_short` at a frame rate at which windows stand still.
    """
    if network == "imagebind":
        layers = (got[f"imagebind_windows.{layer}"] for layer in ("embedding", "frames", "times"))
        return next(layers), next(layers), next(layers)
    embedding(got, network, "frames")
    heard, spans = embedding(got, network, "windows"), got["mini_av.spans"]
    if not len(spans):
        raise Unscorable("too_short", "windows of the picture stand still at this frame rate")
    if len(spans) == 1 and len(heard) > 1:  # the picture fills one window at most, whose sound is then the whole
        heard = embedding(got, network, "audio")[None]
    return heard[: len(spans)], spans, got["mini_av.span_times"]


def refuse_settings(metric: Metric, network: Network, allowed: tuple[str, ...] = ()) -> None:
    """Refuse parameters of ImageBind's preparation where another network is asked for.

    Raises:
        BadParameter: if one besides `network` and `allowed` is not its default.
    """
    others = [key for key in metric.changed() if key not in ("network", *allowed)]
    if network != "imagebind" and others:
        raise BadParameter(f"{metric.name}: {', '.join(others)} is of ImageBind's own preparation; leave it out with {network}")


def words(got: Features, network: Network, cut: int, none: int) -> tuple[str, ...]:
    """Flags of the caption: `caption_truncated` if words were cut off, `caption_empty` if there were none.

    Args:
        got: Features of the clip.
        network: Whose.
        cut: Most tokens that ImageBind's text tower takes.
        none: Tokens of a caption without words.
    """
    if network != "imagebind":
        return ()  # a bag of words cuts nothing, and an empty one is unscored
    count = int(got["imagebind_text.tokens"])
    return ("caption_truncated",) if count > cut else ("caption_empty",) if count <= none else ()
