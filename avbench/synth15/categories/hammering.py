"""A hammer drives a nail into a board; an event is a blow."""

from __future__ import annotations

import math

import numpy as np

from avbench.synth15 import backdrops, sounds
from avbench.synth15.motion import jolts, steps, strikes, wave
from avbench.synth15.pictures import Canvas, hsv, shade
from avbench.synth15.scene import Scene, times_in_words
from avbench.synth15.sounds import Tape

_BOARD = 0.17
_NAIL_X = 0.17
_REACH = 0.44


class Act(Scene):
    """Hammer, hand, nail and board, from the side."""

    gap = (0.32, 0.75)

    @classmethod
    def caption(cls, random: np.random.Generator, count: int) -> str:
        """See `Scene`."""
        kind = random.choice(["a wooden board", "a thick plank", "a beam of wood"])
        noise = random.choice(["sharp metallic knocks", "hard clangs of metal on metal", "loud hammer blows"])
        return f"A hammer hits a nail in {kind} {times_in_words(count)}; {noise}."

    def dress(self, look: np.random.Generator) -> None:
        """See `Scene`."""
        self.wood = hsv(look.uniform(0.05, 0.11), look.uniform(0.4, 0.65), look.uniform(0.55, 0.85))
        self.handle = hsv(float(look.choice([0.07, 0.0, 0.14, 0.6])), look.uniform(0.5, 0.8), look.uniform(0.5, 0.8))
        self.steel = hsv(0.6, look.uniform(0.05, 0.15), look.uniform(0.5, 0.7))
        self.skin = hsv(look.uniform(0.05, 0.08), look.uniform(0.3, 0.55), look.uniform(0.45, 0.95))
        self.sleeve = hsv(look.random(), look.uniform(0.4, 0.8), look.uniform(0.4, 0.8))
        self.knots = [(look.uniform(-0.4, 0.4), look.uniform(_BOARD + 0.03, _BOARD + 0.12)) for _ in range(4)]
        self.ring = look.uniform(0.8, 1.3)

    def rehearse(self, script: np.random.Generator) -> None:
        """See `Scene`."""
        self.height = strikes(self.events, self.strength, rest=0.5, top=1.0, lift=0.3, fall=0.1, back=0.3)
        share = 1.0 / max(len(self.events), 4)
        self.depth = steps(self.events, [share * (k + 1) for k in range(len(self.events))], time=0.02)
        self.shake = jolts(self.events, self.strength, rise=0.035, fall=0.2)

    def backdrop(self, canvas: Canvas, look: np.random.Generator) -> None:
        """See `Scene`."""
        backdrops.room(canvas, look, floor=0.36)

    def draw(self, canvas: Canvas, time: float) -> None:
        """See `Scene`."""
        shake = self.shake(time)
        canvas = canvas.moved(0.0, 0.024 * shake)
        board = canvas
        for x in (-0.36, 0.36):
            board.box(x - 0.035, _BOARD + 0.1, x + 0.035, 0.46, shade(self.wood, 0.7))
        board.box(-0.47, _BOARD, 0.47, _BOARD + 0.15, self.wood)
        for k in range(3):
            y = _BOARD + 0.035 + 0.042 * k
            board.stroke([(-0.45, y), (-0.1, y + 0.008), (0.2, y - 0.006), (0.45, y)], shade(self.wood, 0.8), 0.005)
        for x, y in self.knots:
            board.ellipse(x, y, 0.022, 0.01, shade(self.wood, 0.6), line=None)
        top = _BOARD - 0.15 + 0.09 * self.depth(time)
        canvas.polygon(
            [(_NAIL_X - 0.009, top), (_NAIL_X + 0.009, top), (_NAIL_X + 0.005, _BOARD), (_NAIL_X - 0.005, _BOARD)], self.steel
        )
        canvas.box(_NAIL_X - 0.03, top - 0.006, _NAIL_X + 0.03, top + 0.008, shade(self.steel, 1.2))
        if shake > 0.05:
            for angle in (-160, -125, -55, -20):
                turn = math.radians(angle)
                near, far = 0.06 + 0.05 * (1 - shake), 0.12 + 0.08 * (1 - shake)
                canvas.stroke(
                    [(_NAIL_X + r * math.cos(turn), top + r * math.sin(turn)) for r in (near, far)], (255, 232, 120), 0.012
                )
        # The hand turns about the elbow; at height 0 the hammer's face lies on the nail.
        self._hammer(
            canvas.moved(_NAIL_X - _REACH, top - 0.1 + 0.004 * wave(time, 0.4, self.phase), angle=-50.0 * self.height(time))
        )

    def _hammer(self, arm: Canvas) -> None:
        arm.stroke([(-0.75, 0.3), (-0.02, 0.0)], self.sleeve, 0.12, edge=(30, 26, 34))
        arm.polygon([(-0.06, -0.03), (_REACH - 0.02, -0.022), (_REACH - 0.02, 0.022), (-0.06, 0.03)], self.handle)
        arm.stroke([(0.1, -0.012), (_REACH - 0.06, -0.01)], shade(self.handle, 1.4), 0.008)
        head = [
            (-0.05, -0.09),
            (0.05, -0.09),
            (0.04, 0.03),
            (0.055, 0.05),
            (0.055, 0.094),
            (-0.055, 0.094),
            (-0.055, 0.05),
            (-0.04, 0.03),
        ]
        claw = [(-0.045, -0.08), (0.05, -0.09), (0.02, -0.13), (-0.08, -0.16), (-0.03, -0.115)]
        at = arm.moved(_REACH, 0.0)
        at.polygon(claw, shade(self.steel, 0.8))
        at.polygon(head, self.steel)
        at.stroke([(-0.02, -0.07), (-0.02, 0.03)], shade(self.steel, 1.5), 0.014)
        arm.ball(0.01, 0.0, 0.075, 0.062, self.skin)
        for k in range(4):
            arm.ellipse(-0.035 + 0.03 * k, -0.03, 0.018, 0.03, shade(self.skin, 1.08), width=0.006)

    def sound(self, tape: Tape) -> None:
        """See `Scene`."""
        metal = np.array([1460.0, 2370.0, 3590.0, 5210.0, 6700.0]) * self.ring
        for k, (time, strength) in enumerate(zip(self.events, self.strength, strict=True)):
            random = tape.random(k + 1)
            t = sounds.clock(0.5, tape.rate)
            lift = 1.0 + 0.02 * k
            clang = sounds.modes(t, tape.rate, metal * lift, [0.04, 0.032, 0.025, 0.016, 0.01], [0.7, 1.0, 0.8, 0.6, 0.4])
            thump = sounds.modes(t, tape.rate, [170.0, 290.0, 455.0], [0.03, 0.022, 0.015], [1.0, 0.8, 0.5])
            click = sounds.band(sounds.noise(random, t), tape.rate, 1500.0, 7000.0) * sounds.decay(t, 0.006)
            tape.put(time, clang + 0.9 * thump + 1.2 * click, strength)
