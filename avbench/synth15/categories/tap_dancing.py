"""Two feet tap; an event is a tap."""

from __future__ import annotations

import numpy as np

from avbench.synth15 import backdrops, sounds
from avbench.synth15.motion import Track, jolts, strikes, wave
from avbench.synth15.pictures import INK, Canvas, hsv, shade, smooth
from avbench.synth15.scene import Scene, times_in_words
from avbench.synth15.sounds import Tape

_SOLE = 0.36


class Act(Scene):
    """The legs of a dancer on a stage, from the side; the feet take turns."""

    gap = (0.17, 0.45)

    @classmethod
    def caption(cls, random: np.random.Generator, count: int) -> str:
        """See `Scene`."""
        noise = random.choice(["crisp clicks on wood", "rhythmic metal taps", "sharp clacking steps"])
        return f"A dancer in shiny shoes taps the stage floor {times_in_words(count)}; {noise}."

    def dress(self, look: np.random.Generator) -> None:
        """See `Scene`."""
        self.shoe = hsv(look.random(), look.uniform(0.1, 0.9), look.uniform(0.2, 0.75))
        self.cloth = hsv(look.random(), look.uniform(0.15, 0.6), look.uniform(0.3, 0.75))
        self.sock = hsv(look.random(), look.uniform(0.0, 0.5), look.uniform(0.75, 1.0))
        self.metal = look.uniform(0.85, 1.25)
        self.lead = int(look.integers(2))

    def rehearse(self, script: np.random.Generator) -> None:
        """See `Scene`."""
        self.feet: list[Track] = []
        for foot in range(2):
            mine = [(t, s) for k, (t, s) in enumerate(zip(self.events, self.strength, strict=True)) if k % 2 == foot]
            self.feet.append(
                strikes([t for t, _ in mine], [s for _, s in mine], rest=0.0, top=0.8, lift=0.28, fall=0.09, back=0.03)
            )
        self.hit = [jolts(self.events[foot::2], self.strength[foot::2], rise=0.02, fall=0.12) for foot in range(2)]
        self.bounce = jolts(self.events, self.strength, rise=0.035, fall=0.2)

    def backdrop(self, canvas: Canvas, look: np.random.Generator) -> None:
        """See `Scene`."""
        backdrops.stage(canvas, look, floor=0.22)

    def draw(self, canvas: Canvas, time: float) -> None:
        """See `Scene`."""
        sink = 0.002 * wave(time, 0.5, self.phase)
        canvas = canvas.moved(0.0, 0.026 * self.bounce(time))
        for side in (1, 0):
            foot = (side + self.lead) % 2
            self._leg(canvas, -0.17 + 0.24 * side, 0.0 if side else 0.04, self.feet[foot](time), self.hit[foot](time), sink)

    def _leg(self, canvas: Canvas, x: float, nearer: float, height: float, hit: float, sink: float) -> None:
        ground = _SOLE + nearer
        backdrops.shadow(canvas, x + 0.08, ground + 0.012, 0.17 - 0.05 * height, 0.02)
        if hit > 0.05:
            for k, angle in enumerate((-0.35, 0.0, 0.35)):
                far = 0.07 + 0.07 * (1.0 - hit)
                start = (x + 0.25, ground - 0.01 - 0.03 * k)
                canvas.stroke([start, (start[0] + far, start[1] + angle * far - 0.02 * k)], (255, 246, 190), 0.012)
        ankle = (x - 0.01 - 0.05 * height, ground - 0.12 - 0.19 * height)
        knee = (x + 0.04 + 0.08 * height, -0.22 + sink - 0.05 * height)
        hip = (x * 0.6, -0.7)
        canvas.stroke([hip, knee], shade(self.cloth, 0.95), 0.17, edge=INK)
        calf = [
            (knee[0] - 0.085, knee[1]),
            (knee[0] + 0.085, knee[1]),
            (ankle[0] + 0.09, ankle[1] - 0.02),
            (ankle[0] - 0.08, ankle[1] - 0.02),
        ]
        canvas.ellipse(*knee, 0.085, None, self.cloth, line=None)
        shoe = canvas.moved(*ankle, angle=26.0 * height)
        shoe.polygon([(-0.045, -0.05), (0.055, -0.05), (0.06, 0.05), (-0.05, 0.05)], self.sock)
        canvas.polygon(calf, self.cloth, line=None)
        for edge in ((calf[0], calf[3], calf[2]), (calf[1], calf[2])):
            canvas.stroke(edge, INK, 0.009)
        canvas.stroke([(knee[0] + 0.02, knee[1]), (ankle[0] + 0.02, ankle[1] - 0.03)], shade(self.cloth, 0.78), 0.01)
        shoe.polygon(
            smooth([(-0.075, 0.0), (-0.02, 0.0), (0.06, 0.0), (0.13, 0.045), (0.23, 0.06), (0.255, 0.105), (-0.075, 0.105)]),
            self.shoe,
        )
        shoe.polygon(smooth([(0.14, 0.06), (0.21, 0.066), (0.23, 0.085), (0.16, 0.08)]), shade(self.shoe, 1.6), line=None)
        for k in range(3):
            shoe.stroke([(0.055 + 0.03 * k, 0.01 + 0.016 * k), (0.035 + 0.03 * k, 0.045 + 0.01 * k)], (246, 246, 246), 0.009)
        shoe.box(-0.075, 0.1, 0.0, 0.12, (196, 198, 206))
        shoe.box(0.1, 0.105, 0.245, 0.12, (196, 198, 206))

    def sound(self, tape: Tape) -> None:
        """See `Scene`."""
        for k, (time, strength) in enumerate(zip(self.events, self.strength, strict=True)):
            random = tape.random(k + 1)
            t = sounds.clock(0.25, tape.rate)
            plate = np.array([2250.0, 3480.0, 5120.0, 6900.0]) * self.metal * (1.0 if k % 2 else 1.07)
            click = sounds.modes(t, tape.rate, plate, [0.012, 0.009, 0.006, 0.004], [1.0, 0.8, 0.6, 0.4])
            wood = sounds.modes(t, tape.rate, [230.0, 410.0, 640.0], [0.022, 0.016, 0.012], [0.9, 0.7, 0.5])
            edge = sounds.band(sounds.noise(random, t), tape.rate, 2000.0, 7000.0) * sounds.decay(t, 0.004)
            tape.put(time, click + 0.8 * wood + 1.5 * edge, strength)
