"""What the categories share: a scene is dressed from one random stream and acts from another."""

from __future__ import annotations

import importlib
import math
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from avbench.errors import UnknownName

if TYPE_CHECKING:
    from avbench.synth15.pictures import Canvas
    from avbench.synth15.sounds import Tape

CATEGORIES: tuple[str, ...] = tuple(
    sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).with_name("categories"))]))
)
"""One module of `avbench.synth15.categories` each, sorted."""

EARLIEST = 0.3
"""Seconds: no event comes before. Anticipation (a hammer that is lifted) needs this time, so that frame 0 is at rest."""
LATEST = 0.12
"""Seconds before the end of the clip after which no event comes, so that something of it is heard and seen."""

_WORDS = ("no times", "once", "twice", "three times", "four times", "five times", "six times", "seven times", "eight times")

Backdrop = Callable[["Canvas", np.random.Generator], None]


def times_in_words(count: int) -> str:
    """`once`, `twice`, `three times` ... `many times`."""
    return _WORDS[count] if count < len(_WORDS) else "many times"


class Scene(ABC):
    """One clip of one category, in abstract units: nothing here knows of pixels, frames or samples.

    `dress` runs before the events are known to the scene, on its own random stream: whatever frame 0 shows cannot depend on
    when the events are.

    Args:
        events: Times of the sounding events in seconds, rising.
        look: The stream for colours, places and sizes.
        script: The stream for how the events are acted.
    """

    gap: ClassVar[tuple[float, float]] = (0.35, 0.7)
    """Shortest and longest time between two events in seconds."""

    def __init__(self, events: Sequence[float], look: np.random.Generator, script: np.random.Generator) -> None:
        self.size = float(look.uniform(0.88, 1.06))
        self.x = float(look.uniform(-0.05, 0.05))
        self.y = float(look.uniform(-0.02, 0.03))
        self.side = 1.0 if look.random() < 0.5 else -1.0
        self.phase = float(look.random())
        self.level = float(look.uniform(0.4, 0.8))
        self.floor_db = float(look.uniform(-62.0, -46.0))
        self.dress(look)
        self.events = tuple(events)
        self.strength = script.uniform(0.7, 1.0, len(self.events)).tolist()
        self.rehearse(script)

    @classmethod
    def times(cls, random: np.random.Generator, seconds: float) -> list[float]:
        """Times of the events of a clip of this length in seconds: at least one, rising, within EARLIEST and LATEST.

        A clip has a tempo of its own, and its gaps vary by a sixth around it.
        """
        end = seconds - LATEST
        shortest, longest = cls.gap
        tempo = math.exp(random.uniform(math.log(shortest * 1.15), math.log(longest / 1.15)))
        time = EARLIEST + random.random() * min(0.45, 0.5 * (end - EARLIEST))
        out = []
        while time < end:
            out.append(time)
            time += min(max(tempo * random.uniform(0.84, 1.16), shortest), longest)
        return out

    @classmethod
    @abstractmethod
    def caption(cls, random: np.random.Generator, count: int) -> str:
        """An English sentence on what is seen and heard, for `count` events."""

    @abstractmethod
    def dress(self, look: np.random.Generator) -> None:
        """Choose colours, shapes and the voice."""

    @abstractmethod
    def rehearse(self, script: np.random.Generator) -> None:
        """Make the tracks of motion from `self.events` and `self.strength`."""

    @abstractmethod
    def backdrop(self, canvas: Canvas, look: np.random.Generator) -> None:
        """Draw what never moves."""

    @abstractmethod
    def draw(self, canvas: Canvas, time: float) -> None:
        """Draw the actor at `time` seconds; the canvas is placed, scaled and mirrored already."""

    @abstractmethod
    def sound(self, tape: Tape) -> None:
        """Put the sound of every event on the tape; loudness and background noise are added by the caller."""

    def placed(self, canvas: Canvas) -> Canvas:
        """The canvas in the actor's own coordinates."""
        return canvas.moved(self.x, self.y, size=self.size, wide=self.side)


def scene_type(category: str) -> type[Scene]:
    """The class of a category's scenes.

    Raises:
        UnknownName: if there is no such category.
    """
    if category not in CATEGORIES:
        raise UnknownName("category", category, CATEGORIES)
    module = importlib.import_module(f"avbench.synth15.categories.{category}")
    found: type[Scene] = module.Act
    return found
