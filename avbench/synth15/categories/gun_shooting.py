"""A pistol is fired; an event is a shot."""

from __future__ import annotations

import math

import numpy as np

from avbench.synth15 import backdrops, sounds
from avbench.synth15.motion import jolts, wave
from avbench.synth15.pictures import Canvas, hsv, mix, shade, smooth
from avbench.synth15.scene import Scene, times_in_words
from avbench.synth15.sounds import Tape


def blast(canvas: Canvas, size: float, turn: float) -> None:
    """A muzzle flash at the origin that points right; `size` 0 to 1, `turn` in radians varies its rays."""
    if size <= 0.02:
        return
    canvas.glow(0.05, 0.0, 0.5 * size + 0.1, (255, 190, 90), 0.9 * size)
    for reach, colour in ((1.0, (255, 150, 40)), (0.68, (255, 226, 110)), (0.38, (255, 255, 235))):
        rays = []
        for k in range(14):
            angle = 2.0 * math.pi * k / 14.0
            long = (
                (0.17 if k % 2 == 0 else 0.07)
                * (1.0 + 0.8 * max(math.cos(angle), 0.0))
                * (1.0 + 0.2 * math.sin(3.0 * k + turn))
            )
            rays.append((0.06 + long * reach * size * math.cos(angle), long * reach * size * math.sin(angle)))
        canvas.polygon(rays, colour, line=None)


class Act(Scene):
    """A hand with a pistol from the side: flash, recoil, smoke and a flying case."""

    gap = (0.4, 0.9)

    @classmethod
    def caption(cls, random: np.random.Generator, count: int) -> str:
        """See `Scene`."""
        noise = random.choice(["loud bangs with an echo", "sharp gunshots", "booming shots"])
        return f"A hand fires a pistol {times_in_words(count)} with a muzzle flash and recoil; {noise}."

    def dress(self, look: np.random.Generator) -> None:
        """See `Scene`."""
        self.steel = hsv(0.62, look.uniform(0.03, 0.2), look.uniform(0.22, 0.6))
        self.grip = hsv(float(look.choice([0.06, 0.09, 0.65])), look.uniform(0.1, 0.6), look.uniform(0.2, 0.5))
        self.skin = hsv(look.uniform(0.05, 0.08), look.uniform(0.3, 0.55), look.uniform(0.5, 0.95))
        self.sleeve = hsv(look.random(), look.uniform(0.3, 0.7), look.uniform(0.25, 0.65))
        self.echo = look.uniform(0.08, 0.2)
        self.boom = look.uniform(55.0, 95.0)

    def rehearse(self, script: np.random.Generator) -> None:
        """See `Scene`."""
        self.kick = jolts(self.events, self.strength, rise=0.05, fall=0.3)
        self.slide = jolts(self.events, [1.0] * len(self.events), rise=0.04, fall=0.08)
        self.flash = jolts(self.events, self.strength, rise=0.004, fall=0.15)
        self.turns = script.uniform(0.0, 6.0, max(len(self.events), 1)).tolist()

    def backdrop(self, canvas: Canvas, look: np.random.Generator) -> None:
        """See `Scene`."""
        backdrops.shooting_range(canvas, look)

    def draw(self, canvas: Canvas, time: float) -> None:
        """See `Scene`."""
        kick, slide, flash = self.kick(time), self.slide(time), self.flash(time)
        last = max((k for k, at in enumerate(self.events) if at <= time), default=-1)
        idle = 0.003 * wave(time, 0.5, self.phase)
        gun = canvas.moved(-0.1 - 0.07 * kick, 0.06 + idle - 0.03 * kick, angle=-20.0 * kick, size=1.12)
        gun.stroke([(-0.62, 0.32), (-0.19, 0.16)], self.sleeve, 0.17, edge=(28, 26, 32))
        gun.stroke([(-0.24, 0.18), (-0.1, 0.12)], self.skin, 0.12, edge=(28, 26, 32))
        if slide > 0.02 or flash > 0.02:
            blast(gun.moved(0.36, -0.115), flash, self.turns[max(last, 0)])
        gun.polygon([(-0.13, -0.04), (0.0, -0.04), (-0.03, 0.21), (-0.15, 0.21)], self.grip)
        gun.polygon(smooth([(0.0, -0.02), (0.1, -0.02), (0.09, 0.06), (0.0, 0.07)]), None, width=0.02)
        gun.stroke([(0.04, -0.02), (0.03, 0.035)], shade(self.steel, 0.7), 0.014)
        gun.polygon([(-0.15, -0.08), (0.3, -0.08), (0.3, -0.035), (0.02, -0.02), (-0.14, -0.03)], shade(self.steel, 0.75))
        gun.box(0.25, -0.135, 0.35, -0.1, shade(self.steel, 0.6))
        top = gun.moved(-0.1 * slide, 0.0)
        top.polygon([(-0.17, -0.155), (0.33, -0.155), (0.33, -0.078), (-0.16, -0.078)], self.steel)
        top.stroke([(-0.13, -0.142), (0.3, -0.142)], shade(self.steel, 1.4), 0.01)
        for k in range(5):
            top.stroke([(-0.13 + 0.018 * k, -0.125), (-0.13 + 0.018 * k, -0.09)], shade(self.steel, 0.6), 0.006)
        top.box(0.05, -0.135, 0.13, -0.11, shade(self.steel, 0.5), line=None)
        top.box(0.29, -0.178, 0.31, -0.155, shade(self.steel, 0.8))
        gun.ball(-0.1, 0.1, 0.075, 0.09, self.skin)
        for k in range(3):
            gun.ellipse(-0.03 - 0.004 * k, 0.06 + 0.045 * k, 0.05, 0.024, shade(self.skin, 1.06), width=0.007)
        gun.stroke([(-0.06, 0.015), (0.03, 0.015)], self.skin, 0.035, edge=(28, 26, 32))
        if last >= 0:
            self._after(canvas, time - self.events[last])

    def _after(self, canvas: Canvas, age: float) -> None:
        if age < 0.5:
            case = canvas.moved(-0.1 - 0.75 * age, -0.12 - 1.5 * age + 4.2 * age * age, angle=900.0 * age)
            case.polygon([(-0.028, -0.012), (0.028, -0.012), (0.028, 0.012), (-0.028, 0.012)], (226, 178, 66), width=0.006)
        if 0.03 < age < 0.5:
            fade = 0.4 * (1.0 - age / 0.5)
            for k, x in enumerate((0.3, 0.36, 0.41)):
                puff = 0.03 + 0.1 * age + 0.012 * k
                canvas.ellipse(
                    x + 0.1 * age,
                    -0.12 - 0.2 * age - 0.02 * k,
                    puff,
                    None,
                    mix((200, 200, 204), (255, 255, 255), 0.3),
                    alpha=fade,
                )

    def sound(self, tape: Tape) -> None:
        """See `Scene`."""
        for k, (time, strength) in enumerate(zip(self.events, self.strength, strict=True)):
            random = tape.random(k + 1)
            t = sounds.clock(0.8, tape.rate)
            crack = sounds.noise(random, t) * sounds.decay(t, 0.007, 0.0004)
            body = sounds.band(sounds.noise(random, t), tape.rate, 250.0, 2500.0) * sounds.decay(t, 0.03)
            tail = sounds.band(sounds.noise(random, t), tape.rate, 120.0, 1400.0) * sounds.decay(t, self.echo * 0.5, 0.02)
            thump = np.sin(sounds.sweep(t, self.boom * (1.0 + 1.5 * np.exp2(-t / 0.02)))) * sounds.decay(t, 0.05)
            tape.put(time, 1.1 * crack + 1.2 * body + 0.22 * tail + 1.4 * thump, strength)
