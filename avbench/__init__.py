"""avbench: benchmark and evaluation of joint audio-video generation.

    import avbench

    features = avbench.extract("onsets", ["a.mp4", "b.mp4"])          # {"onsets.times": ..., ...}
    result = avbench.score("outputs/", metrics=["av_align"])          # clips that exist
    result = avbench.run("reference", "synth15", limit=8)             # generate, then score
    print(result["av_align"].value, result["av_align"].low, result["av_align"].high)

Importing avbench loads neither torch nor NumPy; what a call needs is loaded by the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from avbench.api import extract, metric, run, score
    from avbench.errors import AvbenchError
    from avbench.results import Result, Score
    from avbench.types import Clip, ClipFile, Item

_WHERE = {
    "AvbenchError": "errors",
    "Clip": "types",
    "ClipFile": "types",
    "Item": "types",
    "Result": "results",
    "Score": "results",
    "extract": "api",
    "metric": "api",
    "run": "api",
    "score": "api",
}

__all__ = ["AvbenchError", "Clip", "ClipFile", "Item", "Result", "Score", "extract", "metric", "run", "score"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used; `avbench.run` is the function, never the module of that name."""
    if name not in _WHERE:
        raise AttributeError(f"module 'avbench' has no attribute '{name}'")
    import importlib

    value = getattr(importlib.import_module(f"avbench.{_WHERE[name]}"), name)
    globals()[name] = value
    return value
