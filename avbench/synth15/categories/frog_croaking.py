"""A frog croaks; an event is a croak."""

from __future__ import annotations

import numpy as np

from avbench.synth15 import backdrops, sounds
from avbench.synth15.motion import gaps, jolts, swells, wave
from avbench.synth15.pictures import INK, Canvas, arc, hsv, shade, smooth
from avbench.synth15.scene import Scene, times_in_words
from avbench.synth15.sounds import Tape


class Act(Scene):
    """A frog on a leaf, from the front, with a sac below its mouth."""

    gap = (0.42, 0.95)

    @classmethod
    def caption(cls, random: np.random.Generator, count: int) -> str:
        """See `Scene`."""
        noise = random.choice(["rattling croaks", "low ribbits", "hollow croaking"])
        return f"A frog on a lily pad blows up its throat and croaks {times_in_words(count)}; {noise}."

    def dress(self, look: np.random.Generator) -> None:
        """See `Scene`."""
        self.skin = hsv(look.uniform(0.2, 0.38), look.uniform(0.5, 0.8), look.uniform(0.5, 0.8))
        self.belly = hsv(look.uniform(0.12, 0.2), look.uniform(0.15, 0.4), look.uniform(0.85, 0.97))
        self.leaf = hsv(look.uniform(0.27, 0.4), look.uniform(0.45, 0.7), look.uniform(0.4, 0.6))
        self.iris = hsv(float(look.choice([0.1, 0.13, 0.03])), 0.85, 0.95)
        self.warts = look.uniform((-0.2, -0.08), (0.2, 0.0), (14, 2))
        self.flank = look.uniform((-0.3, 0.1), (-0.2, 0.25), (9, 2))
        self.rate = look.uniform(28.0, 48.0)
        self.tone = look.uniform(420.0, 760.0)

    def rehearse(self, script: np.random.Generator) -> None:
        """See `Scene`."""
        self.lengths = [min(0.34 * s, 0.62 * g) for s, g in zip(self.strength, gaps(self.events), strict=True)]
        self.sac = swells(self.events, [n + 0.12 for n in self.lengths], self.strength, rise=0.1, release=0.22, ahead=0.03)
        self.hop = jolts(self.events, self.strength, rise=0.05, fall=0.25)

    def backdrop(self, canvas: Canvas, look: np.random.Generator) -> None:
        """See `Scene`."""
        backdrops.pond(canvas, look)

    def draw(self, canvas: Canvas, time: float) -> None:
        """See `Scene`."""
        sac, hop = self.sac(time), self.hop(time)
        breath = 0.003 * wave(time, 0.8, self.phase)
        leaf = canvas.moved(0.0, 0.33)
        leaf.polygon([(0.03, 0.01), *arc(0.0, 0.0, 0.46, 0.12, 70.0, 395.0, 40)], self.leaf)
        for angle in range(0, 360, 45):
            leaf.stroke([(0.0, 0.0), *arc(0.0, 0.0, 0.4, 0.1, angle, angle, 1)], shade(self.leaf, 0.75), 0.006)
        frog = canvas.moved(0.0, 0.03 - 0.02 * hop + breath)
        for side in (-1.0, 1.0):
            half = frog.moved(wide=side)
            half.polygon(smooth([(0.16, 0.12), (0.32, 0.08), (0.38, 0.22), (0.34, 0.31), (0.18, 0.3)]), shade(self.skin, 0.85))
            half.polygon(smooth([(0.24, 0.29), (0.4, 0.29), (0.43, 0.33), (0.26, 0.34)]), shade(self.skin, 0.95))
        frog.polygon(
            smooth([(-0.22, 0.04), (0.0, 0.0), (0.22, 0.04), (0.26, 0.2), (0.18, 0.33), (-0.18, 0.33), (-0.26, 0.2)]), self.skin
        )
        frog.polygon(
            smooth([(-0.13, 0.08), (0.13, 0.08), (0.16, 0.22), (0.1, 0.32), (-0.1, 0.32), (-0.16, 0.22)]), self.belly, line=None
        )
        for side in (-1.0, 1.0):
            half = frog.moved(wide=side)
            half.speckle(-self.flank * (1.0, -1.0), 0.009, shade(self.skin, 0.65))
            half.polygon(smooth([(0.1, 0.18), (0.19, 0.2), (0.17, 0.3), (0.22, 0.35), (0.08, 0.36), (0.11, 0.29)]), self.skin)
        # Sac below the mouth: small and wrinkled at rest, a bright balloon in a croak.
        wide, tall = 0.13 + 0.13 * sac, 0.035 + 0.125 * sac
        frog.ball(0.0, 0.05 + 0.9 * tall, wide, tall, shade(self.belly, 1.0 + 0.3 * sac))
        if sac > 0.2:
            frog.stroke(arc(0.0, 0.05 + 0.9 * tall, 0.7 * wide, 0.75 * tall, 30.0, 150.0), shade(self.belly, 0.75), 0.006)
        self._head(frog.moved(0.0, -0.02 * sac), sac)

    def _head(self, head: Canvas, sac: float) -> None:
        for side in (-1.0, 1.0):
            head.ball(side * 0.15, -0.13, 0.088, 0.088, self.skin)
        head.polygon(
            smooth(
                [
                    (-0.28, 0.01),
                    (-0.2, -0.1),
                    (0.0, -0.13),
                    (0.2, -0.1),
                    (0.28, 0.01),
                    (0.18, 0.085),
                    (0.0, 0.1),
                    (-0.18, 0.085),
                ]
            ),
            self.skin,
        )
        head.speckle(self.warts, 0.009, shade(self.skin, 0.7))
        for side in (-1.0, 1.0):
            x = side * 0.15
            squeeze = 1.0 - 0.35 * sac
            head.ellipse(x, -0.14, 0.06, 0.062 * squeeze, self.iris)
            head.ellipse(x, -0.14, 0.036, 0.022 * squeeze, INK, line=None)
            head.ellipse(x - 0.015, -0.155, 0.011, None, (255, 255, 255), line=None)
        head.speckle([(-0.03, -0.05), (0.03, -0.05)], 0.008, INK)
        lift = 0.02 * sac
        head.stroke(
            smooth([(-0.24, 0.0 - lift), (-0.12, 0.045), (0.0, 0.055), (0.12, 0.045), (0.24, 0.0 - lift)], closed=False),
            INK,
            0.013,
        )

    def sound(self, tape: Tape) -> None:
        """See `Scene`."""
        for k, (time, strength, length) in enumerate(zip(self.events, self.strength, self.lengths, strict=True)):
            random = tape.random(k + 1)
            t = sounds.clock(length, tape.rate)
            u = t / length
            rate = self.rate * (1.0 + 0.25 * u + 0.02 * sounds.wander(random, t, 20.0))
            beat = 0.5 + 0.5 * np.cos(sounds.sweep(t, rate))
            pitch = np.full_like(t, 0.25 * self.tone)
            body = sounds.voice(
                t, tape.rate, pitch, [(self.tone * (1 + 0.2 * u), 180.0, 1.0), (2.6 * self.tone, 300.0, 0.6)], tilt=0.3
            )
            loud = sounds.envelope(u, [0.0, 0.05, 0.6, 1.0], [0.0, 1.0, 0.8, 0.0])
            grit = 0.1 * sounds.band(sounds.noise(random, t), tape.rate, 800.0, 3000.0)
            tape.put(time, (body + grit) * beat**2 * loud, strength)
