"""A lion roars; an event is the onset of a roar."""

from __future__ import annotations

import math

import numpy as np

from avbench.synth15 import backdrops, sounds
from avbench.synth15.motion import gaps, jolts, swells, wave
from avbench.synth15.pictures import INK, Canvas, arc, hsv, shade, smooth
from avbench.synth15.scene import Scene, times_in_words
from avbench.synth15.sounds import Tape


class Act(Scene):
    """A lion's head with its mane, from the front."""

    gap = (0.7, 1.5)

    @classmethod
    def caption(cls, random: np.random.Generator, count: int) -> str:
        """See `Scene`."""
        noise = random.choice(["a deep rough roar", "low growling roars", "a rumbling roar"])
        return f"A lion opens its jaws and roars {times_in_words(count)}; {noise}."

    def dress(self, look: np.random.Generator) -> None:
        """See `Scene`."""
        self.fur = hsv(look.uniform(0.085, 0.12), look.uniform(0.4, 0.65), look.uniform(0.78, 0.95))
        self.mane = hsv(look.uniform(0.03, 0.085), look.uniform(0.55, 0.85), look.uniform(0.3, 0.62))
        self.eyes = hsv(look.uniform(0.1, 0.16), 0.8, 0.9)
        self.locks = look.uniform(0.88, 1.12, 22)
        self.pitch = look.uniform(70.0, 110.0)

    def rehearse(self, script: np.random.Generator) -> None:
        """See `Scene`."""
        self.lengths = [min(0.95, 0.72 * g) for g in gaps(self.events, 1.3)]
        self.jaw = swells(self.events, self.lengths, self.strength, rise=0.1, release=0.35, ahead=0.03, sag=0.85)
        self.jerk = jolts(self.events, self.strength, rise=0.08, fall=0.6, ahead=0.01)

    def backdrop(self, canvas: Canvas, look: np.random.Generator) -> None:
        """See `Scene`."""
        backdrops.meadow(canvas, look, dry=True)

    def draw(self, canvas: Canvas, time: float) -> None:
        """See `Scene`."""
        jaw, jerk = self.jaw(time), self.jerk(time)
        canvas = canvas.moved(0.0, 0.02)
        canvas.polygon(smooth([(-0.4, 0.62), (-0.3, 0.2), (0.0, 0.1), (0.3, 0.2), (0.4, 0.62)]), shade(self.fur, 0.75))
        head = canvas.moved(0.0, -0.04 - 0.045 * jerk + 0.004 * wave(time, 0.6, self.phase), size=1.0 + 0.05 * jerk)
        tremble = 0.006 * jaw * wave(time, 9.0, self.phase)
        for size, tone, shift in ((0.43, 0.75, 0.0), (0.36, 1.05, 0.5)):
            outline = []
            count = len(self.locks)
            for k, lock in enumerate(self.locks):
                for part, far in ((0.0, 0.87), (0.5, 1.0 * lock)):
                    turn = 2.0 * math.pi * (k + part + shift) / count
                    r = size * far * (1.0 + 0.06 * jaw) + tremble * (1 if k % 2 else -1)
                    outline.append((r * math.cos(turn), r * math.sin(turn) * 1.03))
            head.polygon(smooth(outline, steps=3), shade(self.mane, tone))
        for side in (-1.0, 1.0):
            head.ball(side * 0.2, -0.24, 0.068, 0.066, self.fur)
            head.ellipse(side * 0.2, -0.23, 0.036, 0.036, shade(self.mane, 0.8), line=None)
        chin = 0.2 + 0.13 * jaw
        face = [
            (-0.23, -0.1),
            (-0.17, -0.24),
            (0.0, -0.27),
            (0.17, -0.24),
            (0.23, -0.1),
            (0.2, 0.08),
            (0.12, chin),
            (0.0, chin + 0.02),
            (-0.12, chin),
            (-0.2, 0.08),
        ]
        head.polygon(smooth(face), self.fur)
        self._mouth(head, jaw, chin)
        pale = shade(self.fur, 1.5)
        nose = [(-0.045, -0.22), (0.045, -0.22), (0.06, 0.0), (-0.06, 0.0)]
        head.polygon(nose, shade(self.fur, 1.12), line=None)
        lift = -0.022 * jaw
        for side in (-1.0, 1.0):
            head.ball(side * 0.07, 0.07 + lift, 0.082, 0.062, pale)
            head.speckle([(side * x, y + lift) for x, y in ((0.06, 0.06), (0.09, 0.045), (0.1, 0.08))], 0.006, INK)
            for y in (0.05, 0.075):
                head.stroke(
                    [(side * 0.12, y + lift), (side * 0.27, y + lift - 0.03 + 0.8 * (y - 0.05))], (245, 240, 230), 0.005
                )
            x = side * 0.115
            squint = 1.0 - 0.55 * jaw
            head.ellipse(x, -0.1, 0.045, 0.033 * squint, self.eyes)
            head.ellipse(x, -0.1, 0.016, 0.024 * squint, INK, line=None)
            head.stroke([(x + side * 0.06, -0.155), (x - side * 0.05, -0.135 + 0.03 * jaw)], shade(self.mane, 0.6), 0.02)
        head.polygon(
            smooth([(-0.06, -0.01 + lift), (0.06, -0.01 + lift), (0.02, 0.045 + lift), (-0.02, 0.045 + lift)]), (70, 40, 42)
        )

    def _mouth(self, head: Canvas, jaw: float, chin: float) -> None:
        if jaw < 0.04:
            head.stroke([(0.0, 0.1), (0.0, 0.135)], INK, 0.01)
            head.stroke(arc(0.0, 0.11, 0.1, 0.045, 20.0, 160.0), INK, 0.01)
            return
        wide, low = 0.11 + 0.035 * jaw, 0.11 + (chin - 0.13) * min(1.5 * jaw, 1.0)
        low = max(low - 0.01, 0.12)
        head.polygon(
            smooth([(-wide, 0.07), (0.0, 0.05), (wide, 0.07), (0.8 * wide, low), (0.0, low + 0.012), (-0.8 * wide, low)]),
            (96, 14, 26),
            width=0.012,
        )
        if jaw > 0.3:
            head.ellipse(0.0, low - 0.03, 0.6 * wide, 0.035 * jaw + 0.01, (222, 98, 108), width=0.006)
            for side in (-1.0, 1.0):
                x = side * 0.62 * wide
                head.polygon([(x - 0.02, 0.105), (x + 0.02, 0.105), (x, 0.105 + 0.075 * jaw)], (252, 248, 232), width=0.006)
                head.polygon(
                    [(x - 0.016, low - 0.01), (x + 0.016, low - 0.01), (x, low - 0.01 - 0.05 * jaw)],
                    (252, 248, 232),
                    width=0.006,
                )

    def sound(self, tape: Tape) -> None:
        """See `Scene`."""
        for k, (time, strength, length) in enumerate(zip(self.events, self.strength, self.lengths, strict=True)):
            random = tape.random(k + 1)
            t = sounds.clock(length, tape.rate)
            u = t / length
            pitch = (
                self.pitch
                * sounds.envelope(u, [0.0, 0.2, 1.0], [0.9, 1.3, 0.75])
                * (1.0 + 0.06 * sounds.wander(random, t, 60.0))
            )
            open_band = 380.0 + 350.0 * sounds.envelope(u, [0.0, 0.3, 1.0], [0.3, 1.0, 0.1])
            roar = sounds.voice(
                t, tape.rate, pitch, [(open_band, 250.0, 1.0), (950.0, 350.0, 0.6), (2200.0, 700.0, 0.2)], tilt=0.4
            )
            rough = 1.0 + 0.45 * np.sin(sounds.sweep(t, 0.33 * pitch)) + 0.15 * sounds.wander(random, t, 50.0)
            breath = 0.35 * sounds.band(sounds.noise(random, t), tape.rate, 200.0, 1600.0)
            loud = sounds.envelope(t, [0.0, 0.05, 0.6 * length, length], [0.0, 1.0, 0.75, 0.0])
            tape.put(time, (roar + breath) * rough * loud, strength)
