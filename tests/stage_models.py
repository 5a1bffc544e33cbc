"""Small stages of a cascade, as functions; each notes its calls."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.adapters import generator
from avbench.media import Reader
from avbench.types import ClipFile

CALLS: list[tuple[str, str]] = []
"""Stage and what it was given."""
FAIL: set[str] = set()
"""Ids that a stage fails at."""
Target = dict[str, Any]


def _tone(seed: int, seconds: float) -> NDArray[np.float32]:
    samples = np.sin(np.arange(round(16_000 * seconds)) * (0.02 + seed % 97 / 400)) / 2
    out: NDArray[np.float32] = samples[None].astype(np.float32)
    return out


def _frames(first: NDArray[np.uint8], seed: int, seconds: float) -> NDArray[np.uint8]:
    out = np.repeat(first[None], round(12 * seconds), axis=0)
    for k, image in enumerate(out):
        image[k : k + 8, seed % 30 : seed % 30 + 8] = 255 - image[k : k + 8, seed % 30 : seed % 30 + 8]
    return out


@generator(task="I2V", conditions=("first_frame",), source="tests")
def picture(item: Any, first_frame: NDArray[np.uint8], seed: int, target: Target, gain: int = 1) -> Any:
    """A square that moves over the first frame."""
    CALLS.append(("picture", item.id))
    if item.id in FAIL:
        raise RuntimeError("the picture fails")
    return _frames(first_frame, seed * gain, target["seconds"]), 12.0, None, 0


@generator(task="V2A", conditions=("video",), source="tests", clip_seconds=3.0)
def foley(item: Any, video: Path, seed: int) -> Any:
    """Three seconds of sound, whatever the video is."""
    with Reader(ClipFile("v", video)) as reader:
        CALLS.append(("foley", f"{reader.info.video_seconds:g} s, prompt '{item.prompt}', sound {reader.info.sample_rate}"))
    return None, 0.0, _tone(seed, 3.0), 16_000


@generator(task="I2A", conditions=("first_frame",), source="tests")
def sound(item: Any, first_frame: NDArray[np.uint8], seed: int, target: Target) -> Any:
    """A tone for a picture."""
    CALLS.append(("sound", item.id))
    return None, 0.0, _tone(seed + int(first_frame.sum()), target["seconds"]), 16_000


@generator(task="A2V", conditions=("audio", "category?"), source="tests")
def seeing(item: Any, audio: Path, category: str | None, seed: int, target: Target) -> Any:
    """Frames for a sound."""
    with wave.open(str(audio)) as file:
        CALLS.append(("seeing", f"{file.getnframes()} samples, category {category}"))
    return _frames(np.full((48, 64, 3), 90, np.uint8), seed, target["seconds"]), 12.0, None, 0


@generator(task="I2T", conditions=("first_frame",), source="tests")
def captioner(first_frame: NDArray[np.uint8]) -> str:
    """A caption."""
    CALLS.append(("captioner", ""))
    return f"a picture of brightness {int(first_frame.mean())}"


@generator(task="T2V", conditions=("text",), source="tests")
def text_to_video(text: str, seed: int, target: Target) -> Any:
    """Frames for a caption."""
    CALLS.append(("text_to_video", text))
    return _frames(np.full((48, 64, 3), 40, np.uint8), seed, target["seconds"]), 12.0, None, 0


@generator(task="T2A", conditions=("text",), source="tests")
def text_to_audio(text: str, seed: int, target: Target) -> Any:
    """A tone for a caption."""
    CALLS.append(("text_to_audio", text))
    return None, 0.0, _tone(seed, target["seconds"]), 16_000
