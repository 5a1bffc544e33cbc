"""A baby cries; an event is the onset of a cry."""

from __future__ import annotations

import numpy as np

from avbench.synth15 import backdrops, sounds
from avbench.synth15.motion import gaps, jolts, swells, wave
from avbench.synth15.pictures import INK, Canvas, arc, hsv, mix, shade, smooth
from avbench.synth15.scene import Scene, times_in_words
from avbench.synth15.sounds import Tape


class Act(Scene):
    """A baby's face: the mouth opens wide, the eyes shut, tears fly."""

    gap = (0.45, 0.9)

    @classmethod
    def caption(cls, random: np.random.Generator, count: int) -> str:
        """See `Scene`."""
        noise = random.choice(["high wailing", "shrill cries that fall in pitch", "loud wails"])
        return f"A baby shuts its eyes, opens its mouth wide and cries {times_in_words(count)}; {noise}."

    def dress(self, look: np.random.Generator) -> None:
        """See `Scene`."""
        self.skin = hsv(look.uniform(0.05, 0.08), look.uniform(0.22, 0.48), look.uniform(0.55, 0.99))
        self.hair = hsv(look.uniform(0.03, 0.12), look.uniform(0.4, 0.8), look.uniform(0.2, 0.75))
        self.suit = hsv(look.random(), look.uniform(0.25, 0.5), look.uniform(0.75, 0.97))
        self.dots = look.uniform((-0.24, 0.34), (0.24, 0.52), (12, 2))
        self.pitch = look.uniform(400.0, 500.0)

    def rehearse(self, script: np.random.Generator) -> None:
        """See `Scene`."""
        self.lengths = [min(0.62, 0.78 * g) for g in gaps(self.events, 0.8)]
        self.mouth = swells(
            self.events, [n + 0.06 for n in self.lengths], self.strength, rise=0.09, release=0.2, ahead=0.03, sag=0.85
        )
        self.toss = jolts(self.events, self.strength, rise=0.08, fall=0.4, ahead=0.01)
        self.lean = script.choice([-1.0, 1.0], max(len(self.events), 1)).tolist()

    def backdrop(self, canvas: Canvas, look: np.random.Generator) -> None:
        """See `Scene`."""
        if look.random() < 0.5:
            backdrops.studio(canvas, look)
        else:
            backdrops.room(canvas, look, floor=0.9)

    def draw(self, canvas: Canvas, time: float) -> None:
        """See `Scene`."""
        mouth, toss = self.mouth(time), self.toss(time)
        body = canvas.moved(0.0, 0.004 * wave(time, 0.8, self.phase))
        body.polygon(smooth([(-0.34, 0.62), (-0.3, 0.38), (-0.12, 0.27), (0.12, 0.27), (0.3, 0.38), (0.34, 0.62)]), self.suit)
        body.speckle(self.dots, 0.013, shade(self.suit, 0.75))
        for side in (-1.0, 1.0):
            fist = body.moved(side * (0.36 - 0.02 * toss), 0.36 - 0.11 * toss, wide=side)
            fist.stroke([(-0.1, 0.16), (0.0, 0.03)], self.suit, 0.11, edge=INK)
            fist.ball(0.0, 0.0, 0.062, 0.058, self.skin)
            for k in range(3):
                fist.ellipse(-0.028 + 0.028 * k, -0.03, 0.017, 0.024, shade(self.skin, 1.05), width=0.006)
        body.polygon(smooth([(-0.17, 0.27), (0.17, 0.27), (0.14, 0.37), (0.0, 0.42), (-0.14, 0.37)]), shade(self.suit, 1.5))
        now = max((k for k, at in enumerate(self.events) if at <= time + 0.05), default=0)
        head = body.moved(0.0, -0.035 * toss, angle=5.0 * toss * self.lean[now])
        for side in (-1.0, 1.0):
            head.ball(side * 0.305, -0.02, 0.05, 0.065, self.skin)
        red = mix(self.skin, (226, 60, 50), 0.28 * mouth)
        skull = [
            (-0.3, -0.05),
            (-0.24, -0.3),
            (0.0, -0.41),
            (0.24, -0.3),
            (0.3, -0.05),
            (0.26, 0.16),
            (0.12, 0.26 + 0.03 * mouth),
            (-0.12, 0.26 + 0.03 * mouth),
            (-0.26, 0.16),
        ]
        head.polygon(smooth(skull), red, width=0.011)
        head.stroke(
            smooth([(-0.06, -0.37), (0.02, -0.43), (0.06, -0.37), (0.01, -0.33), (-0.02, -0.37)], closed=False), self.hair, 0.02
        )
        head.stroke(arc(0.0, -0.06, 0.25, 0.31, 215.0, 255.0), self.hair, 0.014)
        head.stroke(arc(0.0, -0.06, 0.25, 0.31, 285.0, 325.0), self.hair, 0.014)
        for side in (-1.0, 1.0):
            self._eye(head.moved(side * 0.125, -0.07, wide=side), mouth)
            head.ellipse(side * 0.2, 0.06, 0.055, 0.042, (240, 96, 96), alpha=0.35)
        head.stroke(arc(0.0, 0.015, 0.026, 0.02, 20.0, 160.0), shade(self.skin, 0.55), 0.011)
        self._mouth(head.moved(0.0, 0.12), mouth)
        if mouth > 0.25:
            for side in (-1.0, 1.0):
                for k in range(2):
                    fall = (1.6 * time + 0.5 * k + 0.25 * side) % 1.0
                    drop = head.moved(side * (0.19 + 0.16 * fall), -0.04 + 0.3 * fall * fall, size=0.8)
                    drop.polygon(smooth([(0.0, -0.04), (0.02, 0.0), (0.0, 0.022), (-0.02, 0.0)]), (150, 210, 255), width=0.006)

    def _eye(self, eye: Canvas, mouth: float) -> None:
        shut = min(2.0 * mouth, 1.0)
        if shut < 0.75:
            eye.ellipse(0.0, 0.0, 0.05, 0.05 * (1.0 - 0.9 * shut), (252, 252, 250))
            eye.ellipse(0.0, 0.0, 0.03, 0.034 * (1.0 - 0.9 * shut), (60, 44, 40), line=None)
            eye.ellipse(-0.01, -0.012, 0.01, None, (255, 255, 255), line=None)
        else:
            eye.stroke([(0.05, -0.035), (-0.035, 0.0), (0.05, 0.035)], INK, 0.014)
        eye.stroke(
            [(-0.05, -0.085 + 0.03 * mouth), (0.0, -0.095), (0.055, -0.075 - 0.02 * mouth)], shade(self.hair, 0.8), 0.014
        )

    def _mouth(self, at: Canvas, mouth: float) -> None:
        if mouth < 0.05:
            at.stroke(arc(0.0, 0.03, 0.06, 0.025, 200.0, 340.0), shade(self.skin, 0.45), 0.012)
            return
        wide, tall = 0.07 + 0.06 * mouth, 0.015 + 0.105 * mouth
        shape = smooth(
            [
                (-wide, -0.01),
                (-0.6 * wide, -0.4 * tall),
                (0.6 * wide, -0.4 * tall),
                (wide, -0.01),
                (0.75 * wide, tall),
                (0.0, 1.15 * tall),
                (-0.75 * wide, tall),
            ]
        )
        at.polygon(shape, (110, 20, 34), width=0.012)
        if mouth > 0.3:
            at.ellipse(0.0, 0.75 * tall, 0.6 * wide, 0.32 * tall, (232, 106, 118), width=0.005)
            at.stroke([(-0.5 * wide, -0.28 * tall), (0.5 * wide, -0.28 * tall)], (240, 150, 156), 0.016)

    def sound(self, tape: Tape) -> None:
        """See `Scene`."""
        for k, (time, strength, length) in enumerate(zip(self.events, self.strength, self.lengths, strict=True)):
            random = tape.random(k + 1)
            t = sounds.clock(length, tape.rate)
            u = t / length
            shape = sounds.envelope(u, [0.0, 0.2, 0.5, 1.0], [0.86, 1.08, 1.04, 0.78])
            quiver = 1.0 + 0.02 * np.sin(2.0 * np.pi * 7.0 * t) + 0.01 * sounds.wander(random, t, 40.0)
            bands = [(1150.0, 300.0, 1.0), (2000.0, 350.0, 0.45), (3500.0, 500.0, 0.5)]
            cry = sounds.voice(t, tape.rate, self.pitch * shape * quiver, bands, tilt=0.35, floor=0.08)
            breath = 0.05 * sounds.band(sounds.noise(random, t), tape.rate, 1500.0, 6000.0)
            tape.put(time, (cry + breath) * sounds.envelope(u, [0.0, 0.06, 0.6, 1.0], [0.0, 1.0, 0.8, 0.0]), strength)
