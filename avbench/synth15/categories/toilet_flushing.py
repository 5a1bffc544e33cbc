"""A toilet is flushed; an event is the moment when the lever goes down and the water starts."""

from __future__ import annotations

import math

import numpy as np

from avbench.synth15 import backdrops, sounds
from avbench.synth15.motion import Track, gaps, swells, wave
from avbench.synth15.pictures import INK, Canvas, arc, hsv, shade, smooth
from avbench.synth15.scene import Scene, times_in_words
from avbench.synth15.sounds import Tape

_WATER_Y = 0.2


class Act(Scene):
    """A toilet from the front and above: a hand on the lever, water that rushes in and whirls."""

    gap = (0.95, 1.7)

    @classmethod
    def caption(cls, random: np.random.Generator, count: int) -> str:
        """See `Scene`."""
        noise = random.choice(["rushing and gurgling water", "a swell of roaring water", "a loud gush"])
        return f"A hand presses the lever of a toilet {times_in_words(count)} and water whirls in the bowl; {noise}."

    def dress(self, look: np.random.Generator) -> None:
        """See `Scene`."""
        self.china = hsv(look.random(), look.uniform(0.0, 0.12), look.uniform(0.88, 0.99))
        self.seat = hsv(look.random(), look.uniform(0.0, 0.5), look.uniform(0.6, 1.0))
        self.water = hsv(look.uniform(0.5, 0.58), look.uniform(0.35, 0.6), look.uniform(0.7, 0.95))
        self.lever = hsv(0.12, float(look.choice([0.05, 0.5])), 0.85)
        self.skin = hsv(look.uniform(0.05, 0.08), look.uniform(0.25, 0.55), look.uniform(0.5, 0.97))
        self.sleeve = hsv(look.random(), look.uniform(0.3, 0.7), look.uniform(0.3, 0.75))
        self.gurgle = look.uniform(5.0, 9.0)

    def rehearse(self, script: np.random.Generator) -> None:
        """See `Scene`."""
        self.lengths = [min(1.5, 0.84 * g) for g in gaps(self.events, 1.7)]
        count = len(self.events)
        self.press = swells(
            self.events, [min(0.4, n) for n in self.lengths], [1.0] * count, rise=0.06, release=0.2, ahead=0.015
        )
        self.rush = swells(self.events, self.lengths, self.strength, rise=0.09, release=0.6, ahead=0.01, sag=0.45)
        # The whirl turns fastest when the water comes; its angle is what has turned so far.
        self.whirl = Track(0.0)
        turned = 0.0
        for time, length, strength in zip(self.events, self.lengths, self.strength, strict=True):
            self.whirl.hold(time)
            self.whirl.key(time + 0.25 * length, turned + 1.1 * strength, "out")
            turned += 1.6 * strength
            self.whirl.key(time + length, turned, "out")

    def backdrop(self, canvas: Canvas, look: np.random.Generator) -> None:
        """See `Scene`."""
        tile = hsv(look.random(), look.uniform(0.1, 0.35), look.uniform(0.6, 0.85))
        backdrops.fade(canvas, shade(tile, 1.15), shade(tile, 0.95))
        joint = shade(tile, float(look.choice([0.8, 1.3])))
        wide = canvas.half_width
        size = look.uniform(0.1, 0.16)
        for x in np.arange(-wide - size, wide + size, size):
            canvas.stroke([(x, -0.6), (x, 0.34)], joint, 0.006)
        for y in np.arange(-0.6, 0.34, size):
            canvas.stroke([(-wide, y), (wide, y)], joint, 0.006)
        floor = hsv(look.random(), look.uniform(0.05, 0.3), look.uniform(0.35, 0.6))
        backdrops.fade(canvas, shade(floor, 0.85), floor, start=0.34)
        for x in np.arange(-3.0, 3.0, 0.2):
            canvas.stroke([(0.7 * x, 0.34), (1.2 * x, 0.6)], shade(floor, 0.75), 0.006)

    def draw(self, canvas: Canvas, time: float) -> None:
        """See `Scene`."""
        press, rush = self.press(time), self.rush(time)
        canvas = canvas.moved(0.0, -0.01, size=0.98)
        shake = canvas.moved(0.002 * rush * wave(time, 11.0, self.phase), 0.0)
        shake.polygon(
            smooth([(-0.17, 0.3), (0.17, 0.3), (0.14, 0.42), (0.17, 0.5), (-0.17, 0.5), (-0.14, 0.42)]), shade(self.china, 0.85)
        )
        shake.polygon([(-0.27, -0.38), (0.27, -0.38), (0.24, -0.06), (-0.24, -0.06)], shade(self.china, 0.94))
        shake.box(-0.29, -0.43, 0.29, -0.37, self.china)
        shake.polygon([(0.15, -0.35), (0.24, -0.35), (0.22, -0.09), (0.14, -0.09)], shade(self.china, 0.84), line=None)
        shake.polygon(
            smooth(
                [
                    (-0.27, 0.13),
                    (-0.24, 0.0),
                    (0.0, -0.09),
                    (0.24, 0.0),
                    (0.27, 0.13),
                    (0.23, 0.28),
                    (0.1, 0.39),
                    (-0.1, 0.39),
                    (-0.23, 0.28),
                ]
            ),
            self.china,
        )
        shake.ellipse(0.0, 0.14, 0.265, 0.19, self.seat, width=0.011)
        shake.ellipse(0.0, 0.15, 0.205, 0.145, shade(self.china, 0.8), width=0.009)
        self._water(shake, time, rush)
        handle = shake.moved(-0.2, -0.29, angle=-32.0 * press)
        handle.stroke([(0.0, 0.0), (-0.11, 0.0)], self.lever, 0.03, edge=INK)
        handle.ellipse(0.0, 0.0, 0.028, None, shade(self.lever, 0.85))
        turn = math.radians(-32.0 * press)
        hand = canvas.moved(
            -0.2 - 0.11 * math.cos(turn), -0.29 - 0.11 * math.sin(turn) - 0.035 + 0.002 * wave(time, 0.5, self.phase)
        )
        hand.stroke([(-0.3, -0.1 - 0.02 * press), (-0.06, -0.02)], self.sleeve, 0.1, edge=INK)
        hand.ball(0.0, -0.008, 0.06, 0.048, self.skin)
        hand.stroke([(0.0, 0.0), (0.05, 0.01)], self.skin, 0.03, edge=INK)

    def _water(self, at: Canvas, time: float, rush: float) -> None:
        wide, tall = 0.15 + 0.035 * rush, 0.085 + 0.03 * rush
        y = _WATER_Y - 0.03 * rush
        # Water that runs down from below the rim.
        if rush > 0.03:
            for k in range(9):
                turn = math.radians(190.0 + 20.0 * k)
                top = (0.19 * math.cos(turn), 0.15 + 0.13 * math.sin(turn))
                wobble = 0.006 * wave(time, 5.0 + 0.7 * k, 0.37 * k)
                low = (0.8 * wide * math.cos(turn) + wobble, y + 0.8 * tall * math.sin(turn))
                at.stroke([top, low], shade(self.water, 1.55), 0.006 + 0.02 * rush)
        at.ellipse(0.0, y, wide, tall, self.water, width=0.007)
        turned = self.whirl(time)
        for arm in range(3):
            spiral = []
            for k in range(14):
                r = 1.0 - k / 15.0
                turn = 2.0 * math.pi * (turned + arm / 3.0 + (0.1 + 0.6 * rush) * (1.0 - r) + self.phase)
                spiral.append((0.9 * wide * r * math.cos(turn), y + 0.9 * tall * r * math.sin(turn) + 0.03 * rush * (1.0 - r)))
            at.stroke(smooth(spiral, closed=False, steps=3), shade(self.water, 1.65 if arm else 0.75), 0.007 + 0.008 * rush)
        if rush > 0.03:
            at.ellipse(0.0, y + 0.03 * rush, 0.035 * rush + 0.01, 0.02 * rush + 0.005, shade(self.water, 0.4), line=None)
            for k in range(8):
                turn = 2.0 * math.pi * (1.0 * turned + k / 8.0)
                r = 0.55 + 0.35 * ((k * 0.37 + 0.9 * time) % 1.0)
                at.ellipse(wide * r * math.cos(turn), y + tall * r * math.sin(turn), 0.011, 0.009, (250, 253, 255), width=0.004)
        at.stroke(arc(0.0, 0.15, 0.205, 0.145, 20.0, 160.0, 20), shade(self.china, 1.0), 0.012)

    def sound(self, tape: Tape) -> None:
        """See `Scene`."""
        for k, (time, strength, length) in enumerate(zip(self.events, self.strength, self.lengths, strict=True)):
            random = tape.random(k + 1)
            t = sounds.clock(length, tape.rate)
            u = t / length
            loud = sounds.envelope(t, [0.0, 0.03, 0.12, 0.45 * length, length], [0.0, 0.85, 1.0, 0.7, 0.0])
            rush = sounds.band(sounds.noise(random, t), tape.rate, 350.0, 3800.0)
            hiss = 0.35 * sounds.band(sounds.noise(random, t), tape.rate, 2500.0, 7000.0) * (1.0 - u)
            roar = 1.1 * sounds.band(sounds.noise(random, t), tape.rate, 70.0, 420.0) * u
            bubbles = np.zeros_like(t)
            for _ in range(int(length * 45)):
                start, pitch = random.uniform(0.1, 0.95) * length, random.uniform(280.0, 900.0)
                b = np.arange(min(round(0.05 * tape.rate), len(t))) / tape.rate
                blip = np.sin(sounds.sweep(b, pitch * (1.0 + 6.0 * b))) * sounds.decay(b, 0.008, 0.003)
                first = min(round(start * tape.rate), len(t) - len(b))
                bubbles[first : first + len(b)] += random.uniform(0.3, 1.0) * blip
            gurgle = 1.0 + 0.3 * u * np.sin(2.0 * math.pi * self.gurgle * t)
            tape.put(time, ((0.3 * rush + 0.3 * hiss + 0.3 * roar) * gurgle + 0.25 * bubbles * u) * loud, strength)
            c = sounds.clock(0.06, tape.rate)
            clack = sounds.modes(c, tape.rate, [900.0, 1700.0, 2900.0], [0.008, 0.006, 0.004], [0.5, 0.4, 0.3])
            tape.put(time, clack, 0.5 * strength)
