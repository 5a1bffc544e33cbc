"""Two sticks play a drum; an event is a stroke."""

from __future__ import annotations

import numpy as np

from avbench.synth15 import backdrops, sounds
from avbench.synth15.motion import Track, jolts, strikes, wave
from avbench.synth15.pictures import Canvas, arc, hsv, shade
from avbench.synth15.scene import Scene, times_in_words
from avbench.synth15.sounds import Tape

_RADIUS, _DEPTH, _TOP, _TALL = 0.36, 0.11, 0.1, 0.24


class Act(Scene):
    """A drum from the front, sticks that take turns."""

    gap = (0.18, 0.55)

    @classmethod
    def caption(cls, random: np.random.Generator, count: int) -> str:
        """See `Scene`."""
        noise = random.choice(["deep beats with a rattle", "punchy strokes on the skin", "dry drum hits"])
        return f"Two sticks strike a drum {times_in_words(count)} in turns; {noise}."

    def dress(self, look: np.random.Generator) -> None:
        """See `Scene`."""
        self.shell = hsv(look.random(), look.uniform(0.5, 0.85), look.uniform(0.45, 0.8))
        self.skin = hsv(look.uniform(0.1, 0.14), look.uniform(0.03, 0.2), look.uniform(0.85, 0.97))
        self.stick = hsv(look.uniform(0.07, 0.11), look.uniform(0.4, 0.6), look.uniform(0.65, 0.9))
        self.hand = hsv(look.uniform(0.05, 0.08), look.uniform(0.3, 0.55), look.uniform(0.45, 0.95))
        self.sleeve = hsv(look.random(), look.uniform(0.3, 0.7), look.uniform(0.3, 0.7))
        self.pitch = look.uniform(105.0, 190.0)
        self.rattle = look.uniform(0.15, 0.7)
        self.lead = int(look.integers(2))

    def rehearse(self, script: np.random.Generator) -> None:
        """See `Scene`."""
        self.sticks: list[Track] = []
        for hand in range(2):
            mine = [(t, s) for k, (t, s) in enumerate(zip(self.events, self.strength, strict=True)) if k % 2 == hand]
            self.sticks.append(
                strikes([t for t, _ in mine], [s for _, s in mine], rest=0.4, top=0.85, lift=0.3, fall=0.09, back=0.25)
            )
        self.ripple = jolts(self.events, self.strength, rise=0.035, fall=0.2)

    def backdrop(self, canvas: Canvas, look: np.random.Generator) -> None:
        """See `Scene`."""
        (backdrops.stage if look.random() < 0.6 else backdrops.room)(canvas, look)
        backdrops.shadow(canvas, self.x, 0.43, 0.4, 0.05)

    def draw(self, canvas: Canvas, time: float) -> None:
        """See `Scene`."""
        ripple = self.ripple(time)
        drum = canvas.moved(0.0, 0.024 * ripple)
        low = _TOP + _TALL
        front = arc(0.0, low, _RADIUS, _DEPTH, 0.0, 180.0)
        drum.polygon([(-_RADIUS, _TOP), *front[::-1], (_RADIUS, _TOP)], self.shell)
        drum.polygon(
            [(-0.3, _TOP), *arc(0.0, low, _RADIUS, _DEPTH, 150.0, 115.0), (-0.15, _TOP)], shade(self.shell, 1.25), line=None
        )
        for y in (_TOP + 0.035, low):
            drum.stroke(arc(0.0, y, _RADIUS, _DEPTH, 0.0, 180.0, 24), (214, 214, 220), 0.022, edge=(40, 38, 44))
        for angle in (25, 60, 90, 120, 155):
            at = arc(0.0, 0.0, _RADIUS, _DEPTH, angle, angle, 1)[0]
            drum.stroke([(at[0], _TOP + 0.06 + at[1]), (at[0], low - 0.02 + at[1])], (226, 226, 232), 0.012, edge=(60, 58, 66))
        drum.ellipse(0.0, _TOP, _RADIUS, _DEPTH, shade(self.skin, 0.7), width=0.016)
        drum.ellipse(0.0, _TOP, _RADIUS - 0.02, _DEPTH - 0.01, self.skin, line=None)
        for k in (0.75, 0.45):
            size = k * (1.0 + 0.2 * ripple)
            tone = shade(self.skin, 0.93 - 0.3 * ripple)
            drum.ellipse(0.0, _TOP, _RADIUS * size, _DEPTH * size, None, line=tone, width=0.008 + 0.012 * ripple)
        for hand, track in enumerate(self.sticks):
            side = 1.0 if hand == self.lead else -1.0
            self._stick(
                canvas.moved(side * 0.42, -0.06 + 0.004 * wave(time, 0.5, self.phase + 0.3 * hand), wide=side), track(time)
            )

    def _stick(self, canvas: Canvas, height: float) -> None:
        # Drawn for the right hand: the tip points left, and is on the skin at height 0.
        arm = canvas.moved(0.0, -0.1 * height, angle=58.0 * height - 28.0)
        arm.stroke([(0.03, 0.01), (0.3, 0.1)], self.sleeve, 0.11, edge=(30, 26, 34))
        arm.polygon([(0.07, -0.017), (0.07, 0.017), (-0.3, 0.01), (-0.3, -0.01)], self.stick)
        arm.ellipse(-0.31, 0.0, 0.022, 0.016, shade(self.stick, 1.15))
        arm.ball(0.0, 0.0, 0.066, 0.055, self.hand)
        for k in range(3):
            arm.ellipse(-0.035 + 0.03 * k, 0.022, 0.017, 0.028, shade(self.hand, 1.08), width=0.006)

    def sound(self, tape: Tape) -> None:
        """See `Scene`."""
        ratios = np.array([1.0, 1.593, 2.135, 2.295, 2.653, 2.917])
        for k, (time, strength) in enumerate(zip(self.events, self.strength, strict=True)):
            random = tape.random(k + 1)
            t = sounds.clock(0.6, tape.rate)
            glide = 1.0 + 0.35 * np.exp2(-t / 0.012)
            skin = np.zeros_like(t)
            for ratio, gain, half_life in zip(
                ratios, (1.0, 0.6, 0.4, 0.3, 0.25, 0.2), (0.05, 0.03, 0.02, 0.02, 0.015, 0.015), strict=True
            ):
                skin += gain * np.sin(sounds.sweep(t, self.pitch * ratio * glide)) * np.exp2(-t / half_life)
            wires = sounds.band(sounds.noise(random, t), tape.rate, 1200.0, 6500.0) * sounds.decay(t, 0.03)
            click = sounds.band(sounds.noise(random, t), tape.rate, 2500.0, 7500.0) * sounds.decay(t, 0.003)
            tape.put(time, skin * np.minimum(t / 0.0015, 1.0) + self.rattle * wires + 0.8 * click, strength)
