"""A skater jumps; an event is the clap of the board on the ground, when it takes off and when it lands."""

from __future__ import annotations

import numpy as np

from avbench.synth15 import backdrops, sounds
from avbench.synth15.motion import Track, gaps, jolts, wave
from avbench.synth15.pictures import INK, Canvas, hsv, shade, smooth
from avbench.synth15.scene import EARLIEST, LATEST, Scene
from avbench.synth15.sounds import Tape

_GROUND = 0.4
_HIGH = 0.24


class Act(Scene):
    """A skater from the side with a camera that goes along: pop, flight, landing."""

    @classmethod
    def caption(cls, random: np.random.Generator, count: int) -> str:
        """See `Scene`."""
        noise = random.choice(["the clap of wood on the ground", "hard clacks of the board", "sharp claps"])
        jumps = "jumps once" if count < 3 else "jumps again and again"
        return f"A skateboarder with a helmet {jumps} with the board and lands; rolling wheels and {noise}."

    @classmethod
    def times(cls, random: np.random.Generator, seconds: float) -> list[float]:
        """Take-off and landing in turns."""
        end = seconds - LATEST
        time, out = EARLIEST + random.random() * min(0.4, 0.5 * (end - EARLIEST)), []
        while time < end:
            out.append(time)
            time += random.uniform(0.34, 0.46) if len(out) % 2 else random.uniform(0.35, 0.7)
        return out

    def dress(self, look: np.random.Generator) -> None:
        """See `Scene`."""
        self.skin = hsv(look.uniform(0.05, 0.08), look.uniform(0.25, 0.55), look.uniform(0.5, 0.97))
        self.shirt = hsv(look.random(), look.uniform(0.5, 0.85), look.uniform(0.5, 0.9))
        self.trousers = hsv(look.random(), look.uniform(0.2, 0.6), look.uniform(0.25, 0.55))
        self.helmet = hsv(look.random(), look.uniform(0.5, 0.9), look.uniform(0.5, 0.95))
        self.deck = hsv(look.random(), look.uniform(0.5, 0.9), look.uniform(0.5, 0.9))
        self.wheel = hsv(look.random(), look.uniform(0.0, 0.6), look.uniform(0.75, 0.97))
        self.rumble = look.uniform(0.025, 0.06)

    def rehearse(self, script: np.random.Generator) -> None:
        """See `Scene`."""
        self.flight, self.crouch, self.nose = Track(0.0), Track(0.25), Track(0.0)
        after = gaps(self.events, 0.4)
        for k, (time, strength, gap) in enumerate(zip(self.events, self.strength, after, strict=True)):
            self.flight.hold(time)
            self.crouch.hold(time - (0.2 if k % 2 == 0 else 0.0))
            if k % 2 == 0:
                self.flight.key(time + 0.5 * gap, strength, "out")
                self.flight.key(time + gap, 0.0, "in")
                self.crouch.key(time - 0.03, 0.6)
                self.crouch.key(time + 0.08, 0.1, "out")
                self.crouch.key(time + 0.5 * gap, 0.75)
                self.crouch.key(time + gap, 0.3)
                self.nose.hold(time)
                self.nose.key(time + 0.06, -30.0 * strength, "out")
                self.nose.key(time + 0.6 * gap, 0.0)
            else:
                self.crouch.key(time + 0.07, 1.0, "out")
                self.crouch.key(time + min(0.32, 0.7 * gap), 0.25)
        lands = self.events[1::2]
        self.dust = jolts(lands, self.strength[1::2], rise=0.04, fall=0.3)
        self.pops = jolts(self.events, self.strength, rise=0.03, fall=0.14)

    def backdrop(self, canvas: Canvas, look: np.random.Generator) -> None:
        """See `Scene`."""
        backdrops.street(canvas, look)

    def draw(self, canvas: Canvas, time: float) -> None:
        """See `Scene`."""
        up = _HIGH * self.flight(time)
        crouch, nose = self.crouch(time), self.nose(time)
        backdrops.shadow(canvas, 0.0, _GROUND + 0.015, 0.26 - 0.3 * up, 0.025)
        pop, dust = self.pops(time), self.dust(time)
        if pop > 0.05:
            for side in (-1.0, 1.0):
                for k in range(2):
                    near, far = 0.2 + 0.06 * (1 - pop), 0.25 + 0.1 * (1 - pop)
                    canvas.stroke(
                        [(side * near, _GROUND - 0.02 - 0.05 * k), (side * far, _GROUND - 0.03 - 0.09 * k)],
                        (255, 250, 226),
                        0.012,
                    )
        if dust > 0.02:
            for side in (-1.0, 1.0):
                for k in range(3):
                    far = 0.18 + (0.05 + 0.05 * k) * (1.6 - dust)
                    canvas.ellipse(side * far, _GROUND - 0.01 - 0.012 * k, 0.035, 0.022, (226, 220, 206), alpha=0.55 * dust)
        rider = canvas.moved(0.0, _GROUND - 0.045 - up + 0.002 * wave(time, 2.0, self.phase))
        board = rider.moved(-0.02, 0.0, angle=nose)
        self._board(board, time)
        self._person(rider, crouch, nose, self.flight(time), time)

    def _board(self, board: Canvas, time: float) -> None:
        for x in (-0.14, 0.14):
            board.stroke([(x, 0.0), (x, 0.02)], (150, 150, 156), 0.02, edge=INK)
            board.ellipse(x, 0.025, 0.026, None, self.wheel)
            turn = 1.2 * time + self.phase
            board.ellipse(
                x + 0.011 * wave(turn, 1.0, 0.25),
                0.025 + 0.011 * wave(turn, 1.0, 0.0),
                0.006,
                None,
                shade(self.wheel, 0.5),
                line=None,
            )
        board.stroke(
            smooth([(-0.27, -0.045), (-0.2, -0.008), (0.0, 0.0), (0.2, -0.008), (0.27, -0.045)], closed=False),
            self.deck,
            0.02,
            edge=INK,
        )

    def _person(self, at: Canvas, crouch: float, nose: float, flight: float, time: float) -> None:
        lean = 0.06 * crouch
        hip = (-0.03 - 0.6 * lean, -0.3 + 0.14 * crouch)
        neck = (0.03 + lean, hip[1] - 0.2 + 0.05 * crouch)
        turn = np.radians(nose)
        feet = [(-0.02 + r * float(np.cos(turn)), r * float(np.sin(turn)) - 0.03) for r in (-0.14, 0.13)]
        for k, foot in enumerate(feet):
            middle = (0.5 * (hip[0] + foot[0]), 0.5 * (hip[1] + foot[1]))
            knee = (middle[0] + (0.05 + 0.08 * crouch) * (1.0 if k else -0.35), middle[1] - 0.02)
            at.stroke([hip, knee, foot], self.trousers, 0.06, edge=INK)
            at.moved(foot[0] + 0.015, foot[1], angle=nose).polygon(
                smooth([(-0.04, 0.018), (-0.04, -0.02), (0.0, -0.025), (0.055, 0.0), (0.055, 0.018)]), (240, 240, 244)
            )
        spread = 0.3 + 0.7 * flight
        shoulder = (neck[0], neck[1] + 0.03)
        for side in (-1.0, 1.0):
            elbow = (shoulder[0] + side * 0.1, shoulder[1] + 0.07 - 0.07 * spread)
            hand = (
                shoulder[0] + side * (0.16 + 0.03 * spread),
                shoulder[1] + 0.14 - 0.22 * spread + 0.004 * wave(time, 0.6, self.phase),
            )
            at.stroke([elbow, hand], self.skin, 0.036, edge=INK)
            at.stroke([shoulder, elbow], self.shirt, 0.05, edge=INK)
            at.ellipse(*hand, 0.026, None, self.skin)
        at.stroke([hip, shoulder], self.shirt, 0.1, edge=INK)
        head = at.moved(neck[0] + 0.02, neck[1] - 0.065)
        head.ball(0.0, 0.0, 0.068, 0.072, self.skin)
        head.speckle([(0.03, 0.0)], 0.008, INK)
        head.stroke([(0.02, 0.035), (0.045, 0.032)], INK, 0.008)
        head.polygon(
            smooth([(-0.08, 0.0), (-0.07, -0.06), (0.0, -0.09), (0.065, -0.06), (0.08, -0.018), (0.0, -0.015)]), self.helmet
        )

    def sound(self, tape: Tape) -> None:
        """See `Scene`."""
        t = np.arange(len(tape.samples)) / tape.rate
        # The wheels are silent in the air and start again with the landing.
        rolling = np.ones_like(t)
        for start, gap in list(zip(self.events, gaps(self.events, 0.4), strict=True))[::2]:
            rolling *= 1.0 - sounds.envelope(t, [start - 0.02, start, start + gap, start + gap + 0.02], [0.0, 0.85, 0.85, 0.0])
        roll = sounds.band(sounds.noise(tape.random(1), t), tape.rate, 250.0, 1800.0)
        tape.put(0.0, roll * rolling * (1.0 + 0.25 * np.sin(2.0 * np.pi * 13.0 * t)), self.rumble)
        for k, (time, strength) in enumerate(zip(self.events, self.strength, strict=True)):
            random = tape.random(k + 2)
            t = sounds.clock(0.35, tape.rate)
            wood = sounds.modes(
                t,
                tape.rate,
                [310.0, 520.0, 870.0, 1390.0, 2150.0],
                [0.025, 0.02, 0.016, 0.01, 0.008],
                [0.9, 1.0, 0.8, 0.6, 0.5],
            )
            clap = sounds.band(sounds.noise(random, t), tape.rate, 700.0, 5500.0) * sounds.decay(t, 0.01)
            thud = sounds.modes(t, tape.rate, [95.0], [0.035], [1.0 if k % 2 else 0.3])
            tape.put(time, wood + 1.3 * clap + thud, strength * (1.0 if k % 2 else 0.75))
