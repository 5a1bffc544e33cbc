"""A machine gun fires bursts; an event is a shot."""

from __future__ import annotations

import numpy as np

from avbench.synth15 import backdrops, sounds
from avbench.synth15.categories.gun_shooting import blast
from avbench.synth15.motion import gaps, jolts, wave
from avbench.synth15.pictures import INK, Canvas, hsv, shade
from avbench.synth15.scene import EARLIEST, LATEST, Scene
from avbench.synth15.sounds import Tape


class Act(Scene):
    """A gun on a tripod from the side, with a belt of cartridges."""

    @classmethod
    def caption(cls, random: np.random.Generator, count: int) -> str:
        """See `Scene`."""
        noise = random.choice(["rapid rattling gunfire", "fast hammering shots", "bursts of automatic fire"])
        return f"A machine gun on a tripod fires {count} shot{'s' * (count != 1)} in bursts, its muzzle flashing; {noise}."

    @classmethod
    def times(cls, random: np.random.Generator, seconds: float) -> list[float]:
        """Bursts of 3 to 8 shots at 8 to 12 a second."""
        end = seconds - LATEST
        time, step = EARLIEST + random.random() * min(0.45, 0.5 * (end - EARLIEST)), 1.0 / random.uniform(8.0, 12.0)
        left, out = int(random.integers(3, 9)), []
        while time < end:
            out.append(time)
            left -= 1
            time += step * random.uniform(0.97, 1.03) + (random.uniform(0.3, 0.6) if left == 0 else 0.0)
            left = int(random.integers(3, 9)) if left == 0 else left
        return out

    def dress(self, look: np.random.Generator) -> None:
        """See `Scene`."""
        self.steel = hsv(look.uniform(0.2, 0.65), look.uniform(0.05, 0.3), look.uniform(0.25, 0.5))
        self.stock = hsv(look.uniform(0.05, 0.1), look.uniform(0.4, 0.7), look.uniform(0.35, 0.6))
        self.bags = hsv(look.uniform(0.09, 0.13), look.uniform(0.25, 0.5), look.uniform(0.5, 0.75))
        self.pitch = look.uniform(80.0, 140.0)

    def rehearse(self, script: np.random.Generator) -> None:
        """See `Scene`."""
        self.kick = jolts(self.events, self.strength, rise=0.03, fall=0.1)
        self.flash = jolts(self.events, self.strength, rise=0.004, fall=0.095)
        self.turns = script.uniform(0.0, 6.0, max(len(self.events), 1)).tolist()
        self.lengths = [min(0.45, g + 0.03) for g in gaps(self.events)]

    def backdrop(self, canvas: Canvas, look: np.random.Generator) -> None:
        """See `Scene`."""
        backdrops.meadow(canvas, look, ground=0.16, dry=True)
        backdrops.shadow(canvas, self.x, 0.4, 0.36, 0.035)

    def draw(self, canvas: Canvas, time: float) -> None:
        """See `Scene`."""
        canvas = canvas.moved(-0.03, 0.03, size=0.9)
        kick = self.kick(time)
        last = max((k for k, at in enumerate(self.events) if at <= time), default=-1)
        for row, y in enumerate((0.43, 0.37)):
            for k in range(5 - row):
                canvas.ball(-0.36 + 0.18 * k + 0.09 * row, y, 0.1, 0.042, self.bags)
        for x in (-0.24, 0.05, 0.2):
            canvas.stroke([(-0.02, 0.05), (x, 0.36)], shade(self.steel, 0.8), 0.024, edge=INK)
        gun = canvas.moved(-0.05 * kick, -0.02 + 0.002 * wave(time, 0.5, self.phase) - 0.008 * kick, angle=-3.5 * kick)
        blast(gun.moved(0.41, -0.043, size=0.85), self.flash(time), self.turns[max(last, 0)])
        gun.polygon([(-0.44, -0.06), (-0.22, -0.05), (-0.22, 0.01), (-0.4, 0.09), (-0.45, 0.08)], self.stock)
        gun.polygon([(-0.19, 0.03), (-0.14, 0.03), (-0.16, 0.14), (-0.22, 0.13)], self.stock)
        gun.box(0.1, -0.065, 0.4, -0.022, shade(self.steel, 0.75))
        gun.box(0.37, -0.075, 0.43, -0.012, shade(self.steel, 0.55))
        gun.box(-0.25, -0.09, 0.14, 0.035, self.steel)
        gun.box(-0.2, -0.115, 0.06, -0.085, shade(self.steel, 1.2))
        gun.stroke([(-0.22, -0.06), (0.1, -0.06)], shade(self.steel, 1.35), 0.01)
        for k in range(6):
            gun.ellipse(0.135 + 0.04 * k, -0.043, 0.009, 0.011, shade(self.steel, 0.35), line=None)
        gun.box(0.3, -0.11, 0.315, -0.065, self.steel)
        gun.box(-0.13, -0.002, -0.05 - 0.05 * kick, 0.018, shade(self.steel, 0.4), line=None)
        self._belt(gun, time, last)
        for k in range(max(last - 3, 0), last + 1):
            age = time - self.events[k]
            if age < 0.4:
                case = canvas.moved(
                    -0.08 - (0.35 + 0.03 * self.turns[k]) * age, -0.02 - 1.1 * age + 4.5 * age * age, angle=1100.0 * age
                )
                case.polygon([(-0.03, -0.01), (0.03, -0.01), (0.03, 0.01), (-0.03, 0.01)], (230, 182, 70), width=0.006)

    def _belt(self, gun: Canvas, time: float, last: int) -> None:
        # A cartridge moves up with each shot.
        feed = 0.0 if last < 0 else min((time - self.events[last]) / 0.05, 1.0)
        for k in range(6):
            y = 0.03 + 0.034 * (k + 1.0 - feed)
            x = 0.02 + 0.012 * k
            gun.polygon(
                [(x - 0.035, y - 0.011), (x + 0.03, y - 0.011), (x + 0.05, y), (x + 0.03, y + 0.011), (x - 0.035, y + 0.011)],
                (222, 172, 64),
                width=0.006,
            )
        gun.box(0.0, 0.2, 0.18, 0.32, shade(self.steel, 1.1))
        gun.box(0.02, 0.22, 0.16, 0.3, shade(self.steel, 0.9), line=None)

    def sound(self, tape: Tape) -> None:
        """See `Scene`."""
        for k, (time, strength, length) in enumerate(zip(self.events, self.strength, self.lengths, strict=True)):
            random = tape.random(k + 1)
            t = sounds.clock(length, tape.rate)
            crack = sounds.noise(random, t) * sounds.decay(t, 0.005, 0.0004)
            body = sounds.band(sounds.noise(random, t), tape.rate, 300.0, 3000.0) * sounds.decay(t, 0.012)
            tail = sounds.band(sounds.noise(random, t), tape.rate, 150.0, 1200.0) * sounds.decay(t, 0.035, 0.01)
            thump = np.sin(sounds.sweep(t, self.pitch * (1.0 + np.exp2(-t / 0.01)))) * sounds.decay(t, 0.016)
            metal = sounds.modes(t, tape.rate, [1850.0, 3120.0], [0.012, 0.008], [0.25, 0.2])
            tape.put(time, crack + body + 0.12 * tail + thump + metal, strength)
