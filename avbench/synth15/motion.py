"""Movement over time as keys and easings, and the movements that events make.

Speeds are highest at the time of the event: an impact ends a fall that gets faster and faster, and a jolt starts at full speed.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

Ease = Literal["smooth", "in", "out"]

_CLOSEST = 1e-4


class Track:
    """A number that moves over time, from key to key.

    Args:
        rest: The value before the first key.
    """

    def __init__(self, rest: float = 0.0) -> None:
        self.rest = rest
        self._times = [0.0]
        self._keys: list[tuple[float, Ease]] = [(rest, "smooth")]

    def key(self, time: float, value: float, ease: Ease = "smooth") -> None:
        """Reach `value` at `time` seconds; keys come in order, one that comes too early is moved just behind the last.

        Args:
            time: Seconds.
            value: What is reached.
            ease: How it is approached: `in` gets faster until the key, `out` starts fast and slows down, `smooth` both.
        """
        self._times.append(max(time, self._times[-1] + _CLOSEST))
        self._keys.append((value, ease))

    def hold(self, time: float) -> None:
        """Stay where the last key left it until `time` seconds; nothing if that is past."""
        if time > self._times[-1] + _CLOSEST:
            self.key(time, self._keys[-1][0])

    @property
    def last(self) -> float:
        """Time of the last key in seconds."""
        return self._times[-1]

    def __call__(self, time: float) -> float:
        """The value at `time` seconds."""
        after = bisect_right(self._times, time)
        if after == 0:
            return self.rest
        if after == len(self._times):
            return self._keys[-1][0]
        start, stop = self._times[after - 1], self._times[after]
        before = self._keys[after - 1][0]
        value, ease = self._keys[after]
        u = (time - start) / (stop - start)
        if ease == "in":
            u = u * u
        elif ease == "out":
            u = 1.0 - (1.0 - u) ** 2
        else:
            u = u * u * (3.0 - 2.0 * u)
        return before + (value - before) * u


def gaps(events: Sequence[float], last: float = 10.0) -> list[float]:
    """Seconds from each event to the next; `last` for the last one."""
    return [*(b - a for a, b in pairwise(events)), last][: len(events)]


def strikes(
    events: Sequence[float],
    strengths: Sequence[float],
    *,
    lift: float = 0.3,
    fall: float = 0.09,
    back: float = 0.2,
    hit: float = 0.0,
    rest: float = 0.4,
    top: float = 1.0,
) -> Track:
    """Height of something that is lifted and comes down on each event: `rest` at first, `hit` at the event.

    Args:
        events: Times of the impacts, seconds.
        strengths: 0 to 1 for each; weaker strikes are lifted less.
        lift: Seconds from the start of the lifting to the impact, shorter where events are close.
        fall: Seconds of the fall.
        back: Seconds from the impact back to rest.
        hit: Height at the event.
        rest: Height before the first event and between events that are far apart.
        top: Height before the fall of a strike of strength 1.
    """
    track, rising = Track(rest), True
    for time, strength, gap in zip(events, strengths, gaps(events), strict=True):
        if rising:
            track.hold(time - lift)
        track.key(max(time - fall, track.last + 0.5 * (time - track.last)), rest + (top - rest) * strength)
        track.key(time, hit, "in")
        # Where the next strike is close, the lifting begins at once and takes its time: the impact stays the fastest moment.
        rising = gap > lift + back
        if rising:
            track.key(time + back, rest)
    return track


def jolts(
    events: Sequence[float], strengths: Sequence[float], *, rise: float = 0.045, fall: float = 0.25, ahead: float = 0.0
) -> Track:
    """Zero at rest; jumps to each event's strength and comes back.

    Args:
        events: Times, seconds.
        strengths: The height of each jolt.
        rise: Seconds up; the speed is highest at once.
        fall: Seconds down, shorter where the next event is close.
        ahead: Seconds by which the movement leads the event, since a mouth opens before it is heard.
    """
    track = Track(0.0)
    for time, strength, gap in zip(events, strengths, gaps(events), strict=True):
        track.hold(time - ahead)
        up = min(rise, 0.4 * gap)
        track.key(time - ahead + up, strength, "out")
        track.key(time - ahead + min(up + fall, 0.97 * gap), 0.0)
    return track


def swells(
    events: Sequence[float],
    lengths: Sequence[float],
    strengths: Sequence[float],
    *,
    rise: float = 0.08,
    release: float = 0.14,
    ahead: float = 0.03,
    sag: float = 1.0,
) -> Track:
    """Zero at rest; opens on each event, stays open for its length and closes.

    Args:
        events: Times, seconds.
        lengths: Seconds from each event until it is closed again.
        strengths: How far each opens.
        rise: Seconds of opening.
        release: Seconds of closing.
        ahead: Seconds by which the opening leads the event.
        sag: What is left of the opening, 0 to 1, when the release begins.
    """
    track = Track(0.0)
    for time, length, strength in zip(events, lengths, strengths, strict=True):
        start = time - ahead
        track.hold(start)
        track.key(start + min(rise, 0.4 * length), strength, "out")
        track.key(time + max(length - release, 0.5 * length), strength * sag)
        track.key(time + length, 0.0)
    return track


def steps(
    events: Sequence[float], values: Sequence[float], *, rest: float = 0.0, time: float = 0.06, ahead: float = 0.0
) -> Track:
    """Stays at `rest`, then goes to each event's value and stays there until the next."""
    track = Track(rest)
    for at, value in zip(events, values, strict=True):
        track.hold(at - ahead)
        track.key(at - ahead + time, value, "out")
    return track


def wave(time: float, rate: float, phase: float) -> float:
    """A sine of `rate` Hz that starts at `phase` turns: breathing and other idle motion."""
    return math.sin(2.0 * math.pi * (rate * time + phase))
