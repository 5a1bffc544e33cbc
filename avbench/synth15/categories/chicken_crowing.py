"""A rooster crows; an event is the onset of a syllable of the crow."""

from __future__ import annotations

import math

import numpy as np

from avbench.synth15 import backdrops, sounds
from avbench.synth15.motion import gaps, jolts, swells, wave
from avbench.synth15.pictures import INK, Canvas, hsv, shade, smooth
from avbench.synth15.scene import EARLIEST, LATEST, Scene
from avbench.synth15.sounds import Tape

_CROW = (0.24, 0.21, 0.27, 0.75)
"""Seconds from each syllable of cock-a-doodle-doo to the next."""


class Act(Scene):
    """A rooster from the side that stretches its neck."""

    @classmethod
    def caption(cls, random: np.random.Generator, count: int) -> str:
        """See `Scene`."""
        place = random.choice(["in the grass", "in a meadow", "outdoors"])
        noise = random.choice(["a bright cock-a-doodle-doo", "a piercing crow", "a long shrill call"])
        return (
            f"A rooster {place} stretches its neck, opens its beak and crows; {noise} of {count} syllable{'s' * (count != 1)}."
        )

    @classmethod
    def times(cls, random: np.random.Generator, seconds: float) -> list[float]:
        """Crows of four syllables, with a pause between them."""
        end = seconds - LATEST
        time, pace, out = EARLIEST + random.random() * min(0.4, 0.5 * (end - EARLIEST)), random.uniform(0.9, 1.2), []
        while time < end:
            for step in _CROW:
                if time < end:
                    out.append(time)
                time += step * pace * random.uniform(0.93, 1.07)
            time += random.uniform(0.1, 0.5)
        return out

    def dress(self, look: np.random.Generator) -> None:
        """See `Scene`."""
        self.body = hsv(float(look.choice([0.04, 0.06, 0.09, 0.1])), look.uniform(0.15, 0.8), look.uniform(0.35, 0.95))
        self.neck = hsv(look.uniform(0.07, 0.13), look.uniform(0.4, 0.8), look.uniform(0.75, 0.95))
        self.tail = hsv(look.uniform(0.3, 0.62), look.uniform(0.4, 0.7), look.uniform(0.2, 0.45))
        self.comb = hsv(look.uniform(0.97, 1.01), 0.85, look.uniform(0.75, 0.92))
        self.pitch = look.uniform(560.0, 760.0)
        self.down = look.uniform((-0.2, 0.02), (0.08, 0.2), (22, 2))

    def rehearse(self, script: np.random.Generator) -> None:
        """See `Scene`."""
        self.lengths = [min(0.65, g - 0.05) for g in gaps(self.events, 0.8)]
        self.beak = swells(self.events, self.lengths, self.strength, rise=0.06, release=0.12, ahead=0.02)
        self.neck_up = jolts(self.events, self.strength, rise=0.07, fall=0.5, ahead=0.015)
        self.stretch = swells(self.events, [n + 0.05 for n in self.lengths], self.strength, rise=0.08, release=0.16, ahead=0.02)

    def backdrop(self, canvas: Canvas, look: np.random.Generator) -> None:
        """See `Scene`."""
        backdrops.meadow(canvas, look)
        backdrops.shadow(canvas, self.x, 0.41, 0.28, 0.03)

    def draw(self, canvas: Canvas, time: float) -> None:
        """See `Scene`."""
        up = 0.8 * self.neck_up(time) + 0.2 * self.stretch(time)
        breath = 0.003 * wave(time, 1.0, self.phase)
        for x in (-0.09, 0.02):
            leg = canvas.moved(x, 0.2)
            leg.stroke([(0.0, 0.0), (0.01, 0.19)], (226, 164, 48), 0.02, edge=INK)
            for toe in (-0.05, 0.015, 0.075):
                leg.stroke([(0.01, 0.19), (0.01 + toe, 0.21)], (226, 164, 48), 0.016, edge=INK)
        bird = canvas.moved(-0.03, 0.02 - 0.015 * up + breath, angle=-5.0 * up)
        for k, angle in enumerate((-62, -40, -18, 4)):
            feather = bird.moved(-0.2, 0.03, angle=angle + 5.0 * up)
            feather.polygon(
                smooth([(0.05, 0.04), (-0.1, -0.02), (-0.24, 0.02), (-0.33, 0.12), (-0.2, 0.08), (-0.06, 0.1)]),
                shade(self.tail, 0.8 + 0.25 * k),
            )
        body = [
            (-0.27, -0.02),
            (-0.16, 0.0),
            (0.0, -0.02),
            (0.14, -0.04),
            (0.2, 0.06),
            (0.15, 0.2),
            (0.0, 0.26),
            (-0.16, 0.22),
            (-0.25, 0.1),
        ]
        bird.polygon(smooth(body), self.body)
        bird.speckle(self.down, 0.008, shade(self.body, 0.75))
        # The neck is drawn from the chest to a head that moves up and back.
        x, y = 0.15 + 0.06 * up, -0.17 - 0.14 * up
        neck = [
            (-0.03, -0.02),
            (0.06, -0.08 - 0.06 * up),
            (x - 0.08, y),
            (x, y - 0.05),
            (x + 0.06, y + 0.03),
            (0.19 + 0.02 * up, -0.02),
            (0.2, 0.09),
            (0.08, 0.12),
        ]
        bird.polygon(smooth(neck), self.neck)
        for k in range(3):
            shift = 0.05 * k
            bird.stroke([(x - 0.04 + 0.5 * shift, y + 0.05), (0.02 + shift, 0.06)], shade(self.neck, 0.7), 0.007)
        bird.polygon(
            smooth([(-0.17, 0.05), (-0.02, 0.03), (0.05, 0.08), (-0.02, 0.16), (-0.14, 0.17), (-0.21, 0.13)]),
            shade(self.body, 0.72),
        )
        for k in range(3):
            bird.stroke([(-0.16 + 0.05 * k, 0.14), (-0.08 + 0.05 * k, 0.1)], shade(self.body, 0.5), 0.007)
        self._head(bird.moved(x, y, angle=-32.0 * up), self.beak(time))

    def _head(self, head: Canvas, beak: float) -> None:
        comb = [
            (-0.06, -0.03),
            (-0.075, -0.1),
            (-0.04, -0.075),
            (-0.025, -0.13),
            (0.0, -0.085),
            (0.03, -0.125),
            (0.04, -0.07),
            (0.065, -0.08),
            (0.05, -0.02),
        ]
        head.polygon(smooth(comb, steps=4), self.comb)
        head.ball(0.0, 0.0, 0.078, 0.07, self.neck)
        hinge = head.moved(0.05, 0.012)
        if beak > 0.05:
            turn = math.radians(42.0 * beak)
            hinge.polygon(
                [(0.0, -0.01), (0.1, -0.015), (0.09 * math.cos(turn), 0.09 * math.sin(turn))], (150, 30, 40), line=None
            )
        lower = hinge.moved(0.0, 0.0, angle=42.0 * beak)
        lower.polygon([(-0.01, 0.0), (0.1, 0.002), (0.03, 0.032), (-0.015, 0.026)], (238, 168, 40))
        hinge.moved(0.0, 0.0, angle=-8.0 * beak).polygon(
            [(-0.015, -0.04), (0.05, -0.034), (0.125, 0.008), (0.0, 0.004)], (250, 188, 56)
        )
        head.ellipse(0.02, 0.085 + 0.012 * beak, 0.028, 0.048, self.comb)
        head.ellipse(0.01, -0.015, 0.021, None, (252, 244, 214))
        head.ellipse(0.014, -0.015, 0.011, None, INK, line=None)

    def sound(self, tape: Tape) -> None:
        """See `Scene`."""
        for k, (time, strength, length) in enumerate(zip(self.events, self.strength, self.lengths, strict=True)):
            random = tape.random(k + 1)
            t = sounds.clock(length, tape.rate)
            u = t / length
            part = k % 4
            high = (0.8, 1.0, 1.12, 1.3)[part]
            contour = [0.85, 1.0, 1.05, 0.95] if part < 3 else [0.8, 1.0, 0.97, 0.6]
            pitch = (
                self.pitch
                * high
                * sounds.envelope(u, [0.0, 0.2, 0.5, 1.0], contour)
                * (1.0 + 0.015 * sounds.wander(random, t, 60.0))
            )
            crow = sounds.voice(t, tape.rate, pitch, [(1700.0, 700.0, 1.0), (3300.0, 700.0, 0.6)], tilt=0.25, floor=0.1)
            rasp = 0.12 * sounds.band(sounds.noise(random, t), tape.rate, 1500.0, 6000.0)
            tape.put(time, (crow + rasp) * sounds.envelope(u, [0.0, 0.07, 0.7, 1.0], [0.0, 1.0, 0.75, 0.0]), strength)
