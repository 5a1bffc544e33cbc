"""A dog barks; an event is a bark."""

from __future__ import annotations

import numpy as np

from avbench.synth15 import backdrops, sounds
from avbench.synth15.motion import gaps, jolts, swells, wave
from avbench.synth15.pictures import INK, Canvas, hsv, shade, smooth
from avbench.synth15.scene import Scene, times_in_words
from avbench.synth15.sounds import Tape


class Act(Scene):
    """Head, neck and shoulders of a dog from the side."""

    gap = (0.36, 0.8)

    @classmethod
    def caption(cls, random: np.random.Generator, count: int) -> str:
        """See `Scene`."""
        noise = random.choice(["short rough woofs", "loud barks", "sharp barking"])
        return f"A dog opens its mouth and barks {times_in_words(count)}; {noise}."

    def dress(self, look: np.random.Generator) -> None:
        """See `Scene`."""
        hue, value = float(look.choice([0.07, 0.09, 0.06, 0.1])), look.uniform(0.4, 0.92)
        self.fur = hsv(hue, look.uniform(0.25, 0.65), value)
        self.muzzle = shade(self.fur, float(look.choice([1.35, 1.5, 0.8])))
        self.ear = shade(self.fur, look.uniform(0.45, 0.7))
        self.collar = hsv(look.random(), 0.8, 0.8)
        self.spots = look.uniform((-0.22, -0.1), (0.06, 0.12), (18, 2))
        self.back = look.uniform((-0.42, 0.22), (-0.12, 0.46), (22, 2))
        self.pitch = look.uniform(260.0, 460.0)
        self.rough = look.uniform(0.25, 0.6)

    def rehearse(self, script: np.random.Generator) -> None:
        """See `Scene`."""
        self.lengths = [min(0.24 * s, 0.7 * g) for s, g in zip(self.strength, gaps(self.events), strict=True)]
        self.jaw = swells(self.events, [n + 0.08 for n in self.lengths], self.strength, rise=0.07, release=0.18, ahead=0.02)
        self.jerk = jolts(self.events, self.strength, rise=0.06, fall=0.28, ahead=0.01)

    def backdrop(self, canvas: Canvas, look: np.random.Generator) -> None:
        """See `Scene`."""
        (backdrops.meadow if look.random() < 0.6 else backdrops.room)(canvas, look)

    def draw(self, canvas: Canvas, time: float) -> None:
        """See `Scene`."""
        jaw, jerk = self.jaw(time), self.jerk(time)
        breath = 0.004 * wave(time, 0.9, self.phase)
        body = canvas.moved(-0.04, 0.05 + breath - 0.02 * jerk)
        chest = smooth(
            [(-0.55, 0.3), (-0.4, 0.16), (-0.2, 0.02), (0.0, 0.06), (0.1, 0.2), (0.12, 0.36), (0.04, 0.6), (-0.5, 0.6)]
        )
        body.polygon(chest, shade(self.fur, 0.93))
        body.polygon(smooth([(0.04, 0.14), (0.11, 0.24), (0.1, 0.4), (0.04, 0.52), (0.01, 0.3)]), self.muzzle, line=None)
        neck = [(-0.24, -0.16 - 0.04 * jerk), (0.02, -0.06 - 0.04 * jerk), (0.06, 0.17), (-0.27, 0.12)]
        canvas.moved(0.02 * jerk, 0.05).polygon(smooth(neck), shade(self.fur, 0.93))
        body.speckle(self.back, 0.008, shade(self.fur, 0.75))
        body.stroke([(-0.26, 0.1), (-0.1, 0.19), (0.07, 0.19)], self.collar, 0.05, edge=INK)
        body.ellipse(0.03, 0.235, 0.026, None, (236, 200, 70))
        self._head(canvas.moved(-0.06 + 0.045 * jerk, -0.08 - 0.06 * jerk + breath, angle=-20.0 * jerk), jaw, jerk)

    def _head(self, head: Canvas, jaw: float, jerk: float) -> None:
        lower = head.moved(0.02, 0.1, angle=34.0 * jaw)
        if jaw > 0.02:
            inside = [(0.03, 0.02), (0.3, 0.045), *(lower_point(0.27, 0.03, jaw),), lower_point(0.02, 0.03, jaw)]
            head.polygon(inside, (120, 24, 34), line=None)
        lower.polygon(
            smooth([(-0.03, -0.01), (0.12, 0.012), (0.24, 0.005), (0.275, 0.03), (0.22, 0.062), (0.06, 0.075), (-0.04, 0.06)]),
            self.muzzle,
        )
        if jaw > 0.1:
            lower.polygon(smooth([(0.05, 0.0), (0.16, -0.025), (0.25, 0.0), (0.16, 0.022)]), (236, 120, 132), width=0.006)
            for x in (0.2, 0.235):
                lower.polygon([(x, 0.008), (x + 0.012, -0.03), (x + 0.024, 0.008)], (250, 248, 240), width=0.005)
        skull = smooth(
            [
                (-0.23, 0.02),
                (-0.2, -0.13),
                (-0.08, -0.2),
                (0.04, -0.16),
                (0.09, -0.07),
                (0.09, 0.07),
                (-0.02, 0.15),
                (-0.16, 0.14),
            ]
        )
        head.polygon(skull, self.fur)
        head.speckle(self.spots, 0.007, shade(self.fur, 0.8))
        snout = smooth(
            [(0.02, -0.07), (0.14, -0.065), (0.28, -0.055), (0.325, -0.01), (0.3, 0.05), (0.2, 0.07), (0.08, 0.1), (0.0, 0.06)]
        )
        head.polygon(snout, self.muzzle)
        if jaw > 0.1:
            for x in (0.22, 0.265):
                head.polygon([(x, 0.058), (x + 0.01, 0.1), (x + 0.024, 0.052)], (250, 248, 240), width=0.005)
        head.ball(0.31, -0.035, 0.038, 0.032, (46, 40, 46))
        head.speckle([(0.17, 0.02), (0.2, 0.035), (0.22, 0.01)], 0.006, INK)
        head.ellipse(0.03, -0.075, 0.034, 0.036, (252, 250, 244))
        head.ellipse(0.042, -0.072, 0.021, 0.024, (58, 36, 24), line=None)
        head.ellipse(0.048, -0.08, 0.007, None, (255, 255, 255), line=None)
        head.stroke([(-0.005, -0.12 - 0.01 * jerk), (0.06, -0.122 + 0.012 * jerk)], shade(self.fur, 0.5), 0.014)
        ear = head.moved(-0.12, -0.13, angle=26.0 * jerk)
        ear.polygon(
            smooth([(-0.03, -0.03), (0.05, -0.01), (0.05, 0.12), (-0.01, 0.22), (-0.08, 0.17), (-0.08, 0.05)]), self.ear
        )

    def sound(self, tape: Tape) -> None:
        """See `Scene`."""
        for k, (time, strength, length) in enumerate(zip(self.events, self.strength, self.lengths, strict=True)):
            random = tape.random(k + 1)
            t = sounds.clock(length, tape.rate)
            u = t / length
            pitch = (
                self.pitch
                * (0.8 + 0.5 * np.exp(-(((u - 0.2) / 0.25) ** 2)) - 0.25 * u)
                * (1 + 0.03 * sounds.wander(random, t, 90.0))
            )
            vowel = [(650.0 + 300.0 * np.sin(np.pi * u), 260.0, 1.0), (1250.0, 300.0, 0.7), (2700.0, 500.0, 0.3)]
            tone = sounds.voice(t, tape.rate, pitch, vowel, tilt=0.6)
            rasp = sounds.band(sounds.noise(random, t), tape.rate, 500.0, 3500.0) * 0.4
            loud = sounds.envelope(u, [0.0, 0.06, 0.4, 1.0], [0.0, 1.0, 0.7, 0.0])
            tape.put(time, (tone + self.rough * rasp) * loud, strength)


def lower_point(x: float, y: float, jaw: float) -> tuple[float, float]:
    """A point of the lower jaw in the head's coordinates, for a jaw that is open by `jaw`."""
    turn = np.radians(34.0 * jaw)
    return float(0.02 + x * np.cos(turn) - y * np.sin(turn)), float(0.1 + x * np.sin(turn) + y * np.cos(turn))
