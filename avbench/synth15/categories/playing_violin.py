"""A violin is bowed; an event is the onset of a note."""

from __future__ import annotations

import math

import numpy as np

from avbench.synth15 import backdrops, sounds
from avbench.synth15.motion import Track, gaps, jolts, steps, wave
from avbench.synth15.pictures import INK, Canvas, arc, hsv, shade, smooth
from avbench.synth15.scene import Scene, times_in_words
from avbench.synth15.sounds import Tape

_SCALE = (0, 2, 4, 5, 7, 9, 11, 12)
_STROKE = 0.17


class Act(Scene):
    """A violin from the front, its neck to the upper left; the bow turns round and the fingers move at each note."""

    gap = (0.26, 0.7)

    @classmethod
    def caption(cls, random: np.random.Generator, count: int) -> str:
        """See `Scene`."""
        noise = random.choice(["warm string notes with vibrato", "singing violin tones", "bowed notes of a fiddle"])
        return f"A bow is drawn over the strings of a violin and changes direction {times_in_words(count)}; {noise}."

    def dress(self, look: np.random.Generator) -> None:
        """See `Scene`."""
        self.wood = hsv(look.uniform(0.03, 0.085), look.uniform(0.6, 0.85), look.uniform(0.5, 0.85))
        self.skin = hsv(look.uniform(0.05, 0.08), look.uniform(0.25, 0.55), look.uniform(0.5, 0.97))
        self.cuff = hsv(look.random(), look.uniform(0.3, 0.7), look.uniform(0.3, 0.7))
        self.tilt = look.uniform(-42.0, -26.0)
        self.pitch = 293.7 * 2.0 ** (float(look.integers(0, 9)) / 12.0)
        self.rate = look.uniform(5.0, 6.5)
        self.first = 1.0 if look.random() < 0.5 else -1.0

    def rehearse(self, script: np.random.Generator) -> None:
        """See `Scene`."""
        degree, self.degrees = int(script.integers(len(_SCALE))), []
        for _ in self.events:
            self.degrees.append(degree)
            degree = (degree + int(script.choice([-3, -2, -1, 1, 2, 3]))) % len(_SCALE)
        lengths = gaps(self.events, 0.7)
        self.lengths = [min(0.9, 0.93 * g) for g in lengths]
        # Each stroke starts fast and slows down, so that the bow is fastest at the onset.
        self.bow = Track(0.0)
        way = self.first
        for time, gap, strength in zip(self.events, lengths, self.strength, strict=True):
            self.bow.hold(time)
            length = 0.94 * min(gap, 0.8)
            self.bow.key(time + 0.3 * length, 0.55 * way * strength, "out")
            self.bow.key(time + length, way * strength, "out")
            way = -way
        self.fingers = steps(self.events, [0.04 + 0.2 * d / 7.0 for d in self.degrees], rest=0.12, time=0.07, ahead=0.01)
        self.sway = jolts(self.events, self.strength, rise=0.07, fall=0.4)

    def backdrop(self, canvas: Canvas, look: np.random.Generator) -> None:
        """See `Scene`."""
        (backdrops.stage if look.random() < 0.5 else backdrops.studio)(canvas, look)

    def draw(self, canvas: Canvas, time: float) -> None:
        """See `Scene`."""
        sway = self.sway(time)
        # In the violin's coordinates the neck points up and the bow lies across.
        violin = canvas.moved(
            0.04, 0.07 + 0.014 * sway + 0.003 * wave(time, 0.4, self.phase), angle=self.tilt - 3.5 * sway, size=1.08
        )
        self._hand_behind(violin, self.fingers(time))
        self._violin(violin, time)
        self._fingers(violin, self.fingers(time), time)
        self._bow(violin.moved(0.0, 0.045, angle=14.0), self.bow(time))

    def _violin(self, at: Canvas, time: float) -> None:
        half = [
            (0.0, -0.17),
            (0.08, -0.165),
            (0.135, -0.12),
            (0.13, -0.06),
            (0.085, -0.02),
            (0.09, 0.05),
            (0.15, 0.1),
            (0.175, 0.19),
            (0.14, 0.28),
            (0.06, 0.315),
            (0.0, 0.32),
        ]
        outline = [*half, *((-x, y) for x, y in half[-2:0:-1])]
        at.polygon(smooth(outline), shade(self.wood, 0.6), width=0.014)
        at.polygon(smooth([(0.93 * x, 0.95 * y + 0.004) for x, y in outline]), self.wood, line=None)
        at.polygon(smooth([(0.6 * x - 0.01, 0.7 * y - 0.01) for x, y in outline]), shade(self.wood, 1.18), line=None)
        for side in (-1.0, 1.0):
            hole = smooth(
                [
                    (side * 0.045, -0.01),
                    (side * 0.06, 0.005),
                    (side * 0.068, 0.06),
                    (side * 0.09, 0.115),
                    (side * 0.105, 0.105),
                ],
                closed=False,
            )
            at.stroke(hole, INK, 0.012)
        at.polygon([(-0.022, -0.44), (0.022, -0.44), (0.034, -0.01), (-0.034, -0.01)], (40, 32, 34))
        at.polygon(smooth([(-0.03, -0.44), (0.03, -0.44), (0.035, -0.55), (0.0, -0.6), (-0.035, -0.55)]), self.wood)
        for k, y in enumerate((-0.47, -0.49, -0.52, -0.54)):
            side = 1.0 if k % 2 else -1.0
            at.stroke([(side * 0.03, y), (side * 0.075, y - 0.006)], (50, 36, 32), 0.02)
        at.polygon([(-0.035, 0.19), (0.035, 0.19), (0.022, 0.31), (-0.022, 0.31)], (40, 32, 34))
        at.polygon([(-0.055, 0.1), (0.055, 0.1), (0.06, 0.125), (-0.06, 0.125)], (228, 196, 140))
        for k in range(4):
            x = (k - 1.5) / 1.5
            at.stroke([(0.017 * x, -0.44), (0.034 * x, 0.105), (0.024 * x, 0.2)], (236, 236, 240), 0.004)

    def _hand_behind(self, at: Canvas, place: float) -> None:
        y = -0.4 + place
        at.stroke([(-0.78, y + 0.8), (-0.1, y + 0.06)], self.cuff, 0.12, edge=INK)
        at.ball(-0.055, y + 0.04, 0.07, 0.085, self.skin)

    def _fingers(self, at: Canvas, place: float, time: float) -> None:
        y = -0.4 + place
        shake = 0.004 * wave(time, self.rate, self.phase) * (self.sway(time) > 0.02)
        for k in range(3):
            at.stroke(
                [(-0.075, y + 0.045 * k - 0.02), (-0.02, y + 0.045 * k - 0.045), (0.012, y + 0.045 * k - 0.02 + shake)],
                self.skin,
                0.03,
                edge=INK,
            )

    def _bow(self, at: Canvas, way: float) -> None:
        bow = at.moved(_STROKE * way - 0.07, 0.0)
        bow.stroke([(-0.36, 0.012), (0.38, 0.012)], (244, 240, 226), 0.012, edge=(96, 90, 84))
        bow.stroke(
            smooth([(-0.38, 0.008), (-0.34, -0.03), (0.0, -0.014), (0.42, -0.026)], closed=False), (96, 46, 26), 0.02, edge=INK
        )
        bow.box(0.36, -0.03, 0.42, 0.02, (44, 34, 36))
        bow.stroke([(0.5, 0.12), (0.8, 0.3)], self.cuff, 0.13, edge=INK)
        bow.ball(0.46, 0.01, 0.078, 0.066, self.skin)
        for k in range(3):
            bow.stroke(arc(0.42 + 0.032 * k, -0.01, 0.014, 0.035, 150.0, 380.0), shade(self.skin, 0.75), 0.008)

    def sound(self, tape: Tape) -> None:
        """See `Scene`."""
        for k, (time, strength, length) in enumerate(zip(self.events, self.strength, self.lengths, strict=True)):
            random = tape.random(k + 1)
            t = sounds.clock(length, tape.rate)
            note = self.pitch * 2.0 ** (_SCALE[self.degrees[k]] / 12.0)
            depth = 0.009 * np.clip((t - 0.08) / 0.15, 0.0, 1.0)
            pitch = note * (1.0 + depth * np.sin(2.0 * math.pi * self.rate * t) + 0.002 * sounds.wander(random, t, 30.0))
            body = [(480.0, 200.0, 0.8), (1050.0, 350.0, 0.6), (2700.0, 900.0, 0.8)]
            tone = sounds.voice(t, tape.rate, pitch, body, tilt=0.7, floor=0.15)
            scratch = sounds.band(sounds.noise(random, t), tape.rate, 1800.0, 6500.0) * (0.02 + 0.2 * np.exp2(-t / 0.02))
            loud = sounds.envelope(t, [0.0, 0.03, 0.12, 0.8 * length, length], [0.0, 1.0, 0.8, 0.5, 0.0])
            tape.put(time, (tone + 0.6 * scratch) * loud, strength)
