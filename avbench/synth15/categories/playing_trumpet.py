"""A trumpet is played; an event is the onset of a note."""

from __future__ import annotations

import numpy as np

from avbench.synth15 import backdrops, sounds
from avbench.synth15.motion import gaps, jolts, steps, swells, wave
from avbench.synth15.pictures import INK, Canvas, arc, hsv, mix, shade, smooth
from avbench.synth15.scene import Scene, times_in_words
from avbench.synth15.sounds import Tape

_SCALE = (0, 2, 4, 5, 7, 9, 10, 12)
_VALVES = ((0, 0, 0), (1, 0, 1), (1, 1, 0), (1, 0, 0), (0, 0, 0), (1, 1, 0), (1, 0, 0), (0, 0, 0))


class Act(Scene):
    """A player's face with a trumpet from the side: cheek, valves and the bell move with each note."""

    gap = (0.3, 0.75)

    @classmethod
    def caption(cls, random: np.random.Generator, count: int) -> str:
        """See `Scene`."""
        noise = random.choice(["bright brass notes", "a fanfare of clear tones", "blaring horn notes"])
        return f"A musician blows a trumpet {times_in_words(count)}, pressing its valves; {noise}."

    def dress(self, look: np.random.Generator) -> None:
        """See `Scene`."""
        self.brass = hsv(look.uniform(0.1, 0.14), look.uniform(0.1, 0.7), look.uniform(0.78, 0.95))
        self.skin = hsv(look.uniform(0.05, 0.08), look.uniform(0.25, 0.55), look.uniform(0.45, 0.97))
        self.hair = hsv(look.uniform(0.02, 0.12), look.uniform(0.2, 0.7), look.uniform(0.12, 0.6))
        self.coat = hsv(look.random(), look.uniform(0.3, 0.7), look.uniform(0.25, 0.65))
        self.pitch = 233.1 * 2.0 ** (float(look.integers(0, 8)) / 12.0)

    def rehearse(self, script: np.random.Generator) -> None:
        """See `Scene`."""
        degree, self.degrees = int(script.integers(len(_SCALE))), []
        for _ in self.events:
            self.degrees.append(degree)
            # Always another note, so that the valves or the lips have something to do.
            degree = (degree + int(script.choice([-2, -1, 1, 2, 3]))) % len(_SCALE)
        self.lengths = [min(0.6, 0.84 * g) for g in gaps(self.events, 0.7)]
        self.cheek = swells(self.events, self.lengths, self.strength, rise=0.07, release=0.16, ahead=0.02)
        self.bob = jolts(self.events, self.strength, rise=0.06, fall=0.4, ahead=0.01)
        self.valves = [
            steps(self.events, [float(_VALVES[d][v]) for d in self.degrees], time=0.05, ahead=0.01) for v in range(3)
        ]

    def backdrop(self, canvas: Canvas, look: np.random.Generator) -> None:
        """See `Scene`."""
        (backdrops.stage if look.random() < 0.5 else backdrops.studio)(canvas, look)

    def draw(self, canvas: Canvas, time: float) -> None:
        """See `Scene`."""
        cheek, bob = self.cheek(time), self.bob(time)
        idle = 0.003 * wave(time, 0.4, self.phase)
        canvas.polygon(smooth([(-0.62, 0.6), (-0.52, 0.32), (-0.34, 0.23), (-0.2, 0.3), (-0.06, 0.6)]), self.coat)
        canvas.polygon([(-0.42, 0.1), (-0.26, 0.1), (-0.25, 0.3), (-0.42, 0.3)], shade(self.skin, 0.85))
        player = canvas.moved(-0.34, 0.0 + idle - 0.02 * bob, angle=-5.0 * bob)
        self._head(player, cheek)
        horn = player.moved(0.185, 0.07, angle=-6.0 * bob)
        canvas.stroke([(-0.22, 0.46), (0.02, 0.36), (0.06, 0.14 - 0.03 * bob)], self.coat, 0.1, edge=INK)
        self._horn(horn, cheek, [valve(time) for valve in self.valves])

    def _head(self, head: Canvas, cheek: float) -> None:
        face = [
            (-0.19, -0.14),
            (-0.12, -0.29),
            (0.03, -0.31),
            (0.12, -0.22),
            (0.125, -0.1),
            (0.185, -0.01),
            (0.14, 0.025),
            (0.165, 0.07),
            (0.14, 0.1),
            (0.13, 0.17),
            (0.0, 0.19),
            (-0.13, 0.12),
        ]
        head.polygon(smooth(face), self.skin, width=0.011)
        hair = [
            (-0.22, 0.02),
            (-0.24, -0.2),
            (-0.1, -0.36),
            (0.07, -0.35),
            (0.13, -0.25),
            (0.04, -0.26),
            (-0.04, -0.2),
            (-0.07, -0.1),
            (-0.12, -0.04),
            (-0.13, 0.08),
        ]
        head.polygon(smooth(hair), self.hair)
        head.ellipse(-0.095, -0.02, 0.032, 0.05, shade(self.skin, 0.93))
        head.ellipse(0.085, -0.1, 0.02, 0.026 * (1.0 - 0.6 * cheek), (252, 250, 248), width=0.007)
        head.ellipse(0.092, -0.1, 0.01, 0.014 * (1.0 - 0.6 * cheek), INK, line=None)
        head.stroke([(0.045, -0.155), (0.12, -0.16 + 0.014 * cheek)], shade(self.hair, 0.8), 0.016)
        wide, tall = 0.05 + 0.045 * cheek, 0.04 + 0.045 * cheek
        red = mix(self.skin, (235, 90, 80), 0.08 + 0.22 * cheek)
        head.ellipse(0.06, 0.075, wide, tall, red, line=None)
        head.ellipse(0.05, 0.06, 0.55 * wide, 0.5 * tall, shade(red, 1.0 + 0.22 * cheek), line=None)
        head.stroke(arc(0.06, 0.075, wide, tall, 20.0, 170.0), shade(self.skin, 0.55), 0.009)

    def _horn(self, horn: Canvas, cheek: float, valves: list[float]) -> None:
        dark = shade(self.brass, 0.72)
        # Lower tube, then the valves, then the bell over them.
        horn.stroke(
            smooth([(0.08, 0.0), (0.04, 0.05), (0.08, 0.1), (0.34, 0.1), (0.39, 0.05), (0.34, 0.0)], closed=False),
            dark,
            0.022,
            edge=INK,
        )
        for k, down in enumerate(valves):
            x = 0.165 + 0.055 * k
            horn.stroke([(x, -0.045), (x, -0.125 + 0.05 * down)], (224, 224, 230), 0.014, edge=INK)
            horn.ellipse(x, -0.13 + 0.05 * down, 0.02, 0.01, (244, 240, 226))
            horn.box(x - 0.021, -0.05, x + 0.021, 0.13, self.brass)
            horn.stroke([(x - 0.008, -0.03), (x - 0.008, 0.11)], shade(self.brass, 1.5), 0.008)
        horn.stroke([(0.0, 0.0), (0.1, 0.0)], dark, 0.02, edge=INK)
        horn.polygon([(-0.015, -0.026), (0.03, -0.01), (0.03, 0.01), (-0.015, 0.026)], self.brass)
        flare = 0.125 + 0.012 * cheek
        bell = [
            (0.08, -0.013),
            (0.34, -0.015),
            (0.44, -0.035),
            (0.5, -0.07),
            (0.53, -flare),
            (0.545, -flare),
            (0.545, flare),
            (0.53, flare),
            (0.5, 0.07),
            (0.44, 0.035),
            (0.34, 0.015),
            (0.08, 0.013),
        ]
        horn.polygon(bell, self.brass)
        horn.stroke([(0.1, -0.004), (0.34, -0.006), (0.45, -0.02), (0.51, -0.06)], shade(self.brass, 1.6), 0.01)
        horn.ellipse(0.545, 0.0, 0.028, flare, shade(self.brass, 0.55))
        if cheek > 0.1:
            for side in (-1.0, 0.0, 1.0):
                start, stop = 0.6, 0.6 + 0.07 * cheek
                horn.stroke([(start, 0.09 * side), (stop, 0.13 * side)], (255, 244, 190), 0.011)
        for k, down in enumerate(valves):
            x = 0.165 + 0.055 * k
            horn.stroke(
                [(x - 0.04, -0.055), (x - 0.015, -0.165 + 0.05 * down), (x + 0.004, -0.14 + 0.05 * down)],
                self.skin,
                0.03,
                edge=INK,
            )
        horn.ball(0.2, 0.035, 0.075, 0.05, self.skin)

    def sound(self, tape: Tape) -> None:
        """See `Scene`."""
        for k, (time, strength, length) in enumerate(zip(self.events, self.strength, self.lengths, strict=True)):
            random = tape.random(k + 1)
            t = sounds.clock(length, tape.rate)
            note = self.pitch * 2.0 ** (_SCALE[self.degrees[k]] / 12.0)
            vibrato = 1.0 + 0.006 * np.sin(2.0 * np.pi * 5.2 * t) * np.minimum(t / 0.25, 1.0)
            pitch = note * vibrato * (1.0 - 0.03 * np.exp2(-t / 0.015))
            # Brass is brighter the louder it is: the formant rises with the attack.
            bright = 700.0 + 1100.0 * sounds.envelope(t, [0.0, 0.05, 0.12, length], [0.0, 1.0, 0.75, 0.4])
            tone = sounds.voice(t, tape.rate, pitch, [(bright, 1400.0, 1.0), (1300.0, 500.0, 0.5)], tilt=0.35, floor=0.03)
            breath = 0.06 * sounds.band(sounds.noise(random, t), tape.rate, 800.0, 5000.0) * sounds.decay(t, 0.03)
            loud = sounds.envelope(t, [0.0, 0.025, 0.1, 0.75 * length, length], [0.0, 1.0, 0.8, 0.6, 0.0])
            tape.put(time, (tone + breath) * loud, strength)
