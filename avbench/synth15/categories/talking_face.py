"""A face talks; an event is the onset of a syllable."""

from __future__ import annotations

import math

import numpy as np

from avbench.synth15 import backdrops, sounds
from avbench.synth15.motion import Track, gaps, steps, swells, wave
from avbench.synth15.pictures import INK, Canvas, hsv, mix, shade, smooth
from avbench.synth15.scene import EARLIEST, LATEST, Scene
from avbench.synth15.sounds import Tape

_VOWELS = {
    # First three formants of an adult voice in Hz.
    "a": (760.0, 1250.0, 2550.0),
    "e": (540.0, 1850.0, 2500.0),
    "i": (320.0, 2250.0, 2950.0),
    "o": (500.0, 900.0, 2450.0),
    "u": (340.0, 780.0, 2300.0),
    "ae": (680.0, 1650.0, 2450.0),
}
_ATTACK = 0.035


class Act(Scene):
    """A portrait whose mouth follows the loudness (opening), the first formant (how far) and the second (how wide)."""

    gap = (0.17, 0.32)

    @classmethod
    def caption(cls, random: np.random.Generator, count: int) -> str:
        """See `Scene`."""
        manner = random.choice(["talks to the viewer", "speaks clearly", "is talking"])
        noise = random.choice(["a steady human voice", "speech in an invented language", "babbling speech"])
        return f"A person facing the camera {manner}, {count} syllable{'s' * (count != 1)} long; {noise}."

    @classmethod
    def times(cls, random: np.random.Generator, seconds: float) -> list[float]:
        """Syllables in phrases of 2 to 6 with short pauses."""
        end = seconds - LATEST
        time = EARLIEST + random.random() * min(0.3, 0.5 * (end - EARLIEST))
        tempo, left, out = random.uniform(0.19, 0.27), int(random.integers(2, 7)), []
        while time < end:
            out.append(time)
            left -= 1
            time += max(tempo * random.uniform(0.85, 1.25), cls.gap[0]) + (random.uniform(0.15, 0.35) if left == 0 else 0.0)
            left = int(random.integers(2, 7)) if left == 0 else left
        return out

    def dress(self, look: np.random.Generator) -> None:
        """See `Scene`."""
        self.skin = hsv(look.uniform(0.045, 0.08), look.uniform(0.25, 0.6), look.uniform(0.42, 0.98))
        self.hair = hsv(look.uniform(0.02, 0.12), look.uniform(0.2, 0.8), look.uniform(0.12, 0.7))
        self.eyes = hsv(float(look.choice([0.07, 0.57, 0.35])), 0.6, 0.5)
        self.shirt = hsv(look.random(), look.uniform(0.3, 0.8), look.uniform(0.35, 0.85))
        self.long_hair = bool(look.random() < 0.5)
        self.glasses = bool(look.random() < 0.3)
        self.freckles = look.uniform((-0.14, 0.02), (0.14, 0.07), (10, 2)) if look.random() < 0.35 else np.zeros((0, 2))
        self.blink = look.uniform(0.5, 3.5)
        self.pitch = look.uniform(95.0, 230.0)
        self.tract = 0.95 + 0.22 * (self.pitch - 95.0) / 135.0

    def rehearse(self, script: np.random.Generator) -> None:
        """See `Scene`."""
        names = list(_VOWELS)
        self.vowels = [names[int(script.integers(len(names)))] for _ in self.events]
        self.lengths = [min(0.3, g - 0.035) for g in gaps(self.events, 0.3)]
        first = [_VOWELS[v][0] for v in self.vowels]
        second = [_VOWELS[v][1] for v in self.vowels]
        # Open vowels are louder, so that opening and loudness go together.
        self.openness = [s * (0.55 + 0.45 * (f - 320.0) / 440.0) for s, f in zip(self.strength, first, strict=True)]
        self.opening = swells(self.events, self.lengths, self.openness, rise=0.075, release=0.1, ahead=0.025, sag=0.8)
        self.width = steps(self.events, [(f - 780.0) / 1470.0 for f in second], rest=0.5, time=0.08, ahead=0.025)
        self.accent = swells(
            self.events[::3], [0.4] * len(self.events[::3]), [1.0] * len(self.events[::3]), rise=0.12, release=0.25
        )

    def backdrop(self, canvas: Canvas, look: np.random.Generator) -> None:
        """See `Scene`."""
        if look.random() < 0.5:
            backdrops.studio(canvas, look)
        else:
            backdrops.room(canvas, look, floor=0.9)

    def draw(self, canvas: Canvas, time: float) -> None:
        """See `Scene`."""
        canvas = canvas.moved(size=1.08)
        opening, width, nod = self.opening(time), self.width(time), self.accent(time)
        canvas.polygon(
            smooth([(-0.48, 0.62), (-0.42, 0.4), (-0.16, 0.33), (0.16, 0.33), (0.42, 0.4), (0.48, 0.62)]), self.shirt
        )
        canvas.polygon([(-0.085, 0.2), (0.085, 0.2), (0.11, 0.36), (0.0, 0.42), (-0.11, 0.36)], shade(self.skin, 0.85))
        head = canvas.moved(0.004 * wave(time, 0.3, self.phase), 0.008 * nod, angle=0.8 * wave(time, 0.25, self.phase + 0.4))
        if self.long_hair:
            head.polygon(
                smooth([(-0.27, 0.3), (-0.3, -0.1), (-0.2, -0.36), (0.0, -0.42), (0.2, -0.36), (0.3, -0.1), (0.27, 0.3)]),
                self.hair,
            )
        for side in (-1.0, 1.0):
            head.ball(side * 0.245, -0.02, 0.036, 0.055, self.skin)
        jaw = 0.275 + 0.03 * opening
        face = [
            (-0.24, -0.12),
            (-0.2, -0.3),
            (0.0, -0.37),
            (0.2, -0.3),
            (0.24, -0.12),
            (0.22, 0.1),
            (0.13, jaw - 0.05),
            (0.0, jaw),
            (-0.13, jaw - 0.05),
            (-0.22, 0.1),
        ]
        head.polygon(smooth(face), self.skin, width=0.011)
        for side in (-1.0, 1.0):
            head.ellipse(side * 0.14, 0.07, 0.05, 0.035, mix(self.skin, (235, 90, 80), 0.35), alpha=0.4)
        head.speckle(self.freckles, 0.006, shade(self.skin, 0.7))
        self._eyes(head, time, nod)
        head.stroke(
            smooth([(0.0, -0.03), (0.03, 0.055), (0.0, 0.07), (-0.02, 0.065)], closed=False), shade(self.skin, 0.6), 0.01
        )
        self._mouth(head.moved(0.0, 0.145), opening, width)
        fringe = [
            (-0.25, -0.1),
            (-0.27, -0.28),
            (-0.1, -0.42),
            (0.1, -0.42),
            (0.27, -0.28),
            (0.25, -0.1),
            (0.19, -0.22),
            (0.04, -0.27),
            (-0.12, -0.23),
            (-0.2, -0.17),
        ]
        head.polygon(smooth(fringe), self.hair)

    def _eyes(self, head: Canvas, time: float, nod: float) -> None:
        # Blinks follow the look, not the speech.
        since = (time + 4.0 - self.blink) % 4.0
        lid = max(0.0, 1.0 - abs(since - 0.08) / 0.08)
        for side in (-1.0, 1.0):
            x = side * 0.1
            head.ellipse(x, -0.075, 0.046, 0.032 * (1.0 - 0.92 * lid) + 0.001, (252, 250, 248), width=0.008)
            if lid < 0.6:
                head.ellipse(x, -0.075, 0.022, 0.025 * (1.0 - lid), self.eyes, line=None)
                head.ellipse(x, -0.075, 0.011, 0.012 * (1.0 - lid), INK, line=None)
                head.ellipse(x - 0.007, -0.083, 0.006, None, (255, 255, 255), line=None)
            y = -0.145 - 0.012 * nod
            head.stroke(
                [(x - side * 0.045, y + 0.006), (x, y - 0.012), (x + side * 0.05, y + 0.008)], shade(self.hair, 0.8), 0.017
            )
            if self.glasses:
                head.ellipse(x, -0.075, 0.072, 0.058, None, line=(40, 40, 48), width=0.012)
        if self.glasses:
            head.stroke([(-0.03, -0.08), (0.03, -0.08)], (40, 40, 48), 0.012)

    def _mouth(self, mouth: Canvas, opening: float, width: float) -> None:
        lips = mix(self.skin, (190, 50, 60), 0.55)
        half = (0.062 + 0.05 * width) * (1.0 - 0.12 * opening)
        up, down = 0.012 + 0.022 * opening, 0.016 + 0.1 * opening
        outer = smooth(
            [
                (-half - 0.014, 0.0),
                (-0.5 * half, -up - 0.012),
                (0.0, -up - 0.008),
                (0.5 * half, -up - 0.012),
                (half + 0.014, 0.0),
                (0.5 * half, down + 0.008),
                (-0.5 * half, down + 0.008),
            ]
        )
        mouth.polygon(outer, lips, width=0.006)
        if opening < 0.06:
            mouth.stroke([(-half, 0.0), (0.0, 0.006), (half, 0.0)], shade(lips, 0.45), 0.009)
            return
        inner = smooth(
            [
                (-half, 0.0),
                (-0.5 * half, -up + 0.006),
                (0.5 * half, -up + 0.006),
                (half, 0.0),
                (0.5 * half, down - 0.01),
                (-0.5 * half, down - 0.01),
            ]
        )
        mouth.polygon(inner, (74, 16, 24), line=None)
        if opening > 0.25:
            mouth.polygon(
                [(-0.6 * half, -up + 0.006), (0.6 * half, -up + 0.006), (0.5 * half, -up + 0.024), (-0.5 * half, -up + 0.024)],
                (250, 248, 244),
                line=None,
            )
            mouth.ellipse(0.0, down - 0.024, 0.5 * half, 0.018 * (0.5 + opening), (214, 92, 100), line=None)

    def sound(self, tape: Tape) -> None:
        """See `Scene`."""
        if not self.events:
            return
        start = self.events[0] - 0.05
        t = sounds.clock(self.events[-1] + self.lengths[-1] - start + 0.05, tape.rate)
        random = tape.random(1)
        loud = np.zeros_like(t)
        tracks = [Track(_VOWELS[self.vowels[0]][k] * self.tract) for k in range(3)]
        for k, (time, strength, length) in enumerate(zip(self.events, self.openness, self.lengths, strict=True)):
            at = time - start
            loud += strength * sounds.envelope(t - at, [0.0, _ATTACK, max(0.06, length - 0.1), length], [0.0, 1.0, 0.75, 0.0])
            for track, formant in zip(tracks, _VOWELS[self.vowels[k]], strict=True):
                track.hold(at - 0.03)
                track.key(at + 0.05, formant * self.tract)
            part = tape.random(k + 2)
            burst = sounds.clock(0.03, tape.rate)
            low = part.uniform(800.0, 3000.0)
            puff = sounds.band(sounds.noise(part, burst), tape.rate, low, low * 2.2) * sounds.decay(burst, 0.008)
            tape.put(time, puff, 0.12 * strength)
        grid = np.arange(0.0, t[-1] + 0.01, 0.005)
        curves = [np.interp(t, grid, [track(at) for at in grid.tolist()]) for track in tracks]
        phrase = 1.0 + 0.1 * np.sin(2.0 * math.pi * (0.7 * t + self.phase)) - 0.06 * t / max(float(t[-1]), 1.0)
        pitch = self.pitch * phrase * (1.0 + 0.008 * sounds.wander(random, t, 25.0))
        bands = list(zip(curves, (80.0, 110.0, 170.0), (1.0, 0.75, 0.4), strict=True))
        tone = sounds.voice(t, tape.rate, pitch, [*bands, (3500.0 * self.tract, 250.0, 0.2)], tilt=0.75)
        tape.put(start, 0.3 * sounds.levelled(tone, tape.rate) * loud)
