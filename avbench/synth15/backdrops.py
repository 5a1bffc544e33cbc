"""Backgrounds: what stands behind the actor and never moves."""

from __future__ import annotations

import numpy as np

from avbench.synth15.pictures import Canvas, Colour, hsv, shade, smooth

FLOOR = 0.3
"""Height of the ground that actors stand on, unit coordinates."""


def fade(canvas: Canvas, top: Colour, bottom: Colour, start: float | None = None, stop: float | None = None) -> None:
    """Colour over the full width that changes from `start` down to `stop` (unit heights; None for the picture's edges)."""
    rows = canvas.image.shape[0]
    at = (np.arange(rows) + 0.5) / rows * 2.0 * canvas.half_height - canvas.half_height
    first = -canvas.half_height if start is None else start
    last = canvas.half_height if stop is None else stop
    inside = (at >= first) & (at <= last)
    share = np.clip((at - first) / max(last - first, 1e-6), 0.0, 1.0)[:, None]
    line = np.asarray(top) * (1.0 - share) + np.asarray(bottom) * share
    canvas.image[inside] = np.rint(line[inside]).astype(np.uint8)[:, None, :]


def grain(canvas: Canvas, look: np.random.Generator, strength: float) -> None:
    """Static texture: two layers of noise that have the same content at any size of the picture; `strength` in grey levels."""
    import cv2

    height, width = canvas.image.shape[:2]
    coarse = look.standard_normal((20, 20)).astype(np.float32)
    fine = look.standard_normal((160, 160)).astype(np.float32)
    layer = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    layer = (layer + 0.8 * cv2.resize(fine, (width, height), interpolation=cv2.INTER_LINEAR)) * np.float32(strength)
    # The edges of the picture are a little darker, as in a photograph.
    dy = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    dx = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None, :]
    corner = 1.0 - 0.13 * (dx * dx + dy * dy)
    lit = canvas.image * corner[:, :, None] + layer[:, :, None]
    canvas.image[:] = np.clip(lit, 0.0, 255.0).astype(np.uint8)


def shadow(canvas: Canvas, x: float, y: float, width: float, height: float = 0.03) -> None:
    """A soft shadow on the ground."""
    for k in (1.0, 0.75, 0.5):
        canvas.ellipse(x, y, width * k, height * k, (20.0, 18.0, 24.0), alpha=0.16)


def room(canvas: Canvas, look: np.random.Generator, *, floor: float = FLOOR) -> None:
    """A wall with a pattern, a skirting board and a floor of planks or tiles."""
    hue, wide = float(look.random()), canvas.half_width
    wall = hsv(hue, float(look.uniform(0.1, 0.35)), float(look.uniform(0.62, 0.88)))
    fade(canvas, shade(wall, 1.1), shade(wall, 0.85))
    pattern = int(look.integers(4))
    spacing = float(look.uniform(0.09, 0.16))
    columns = np.arange(-wide - spacing, wide + spacing, spacing)
    tone = shade(wall, float(look.choice([0.9, 1.18])))
    if pattern == 0:
        for x in columns:
            canvas.polygon([(x, -2), (x + 0.4 * spacing, -2), (x + 0.4 * spacing, floor), (x, floor)], tone, line=None)
    elif pattern == 1:
        for row, y in enumerate(np.arange(-canvas.half_height, floor, spacing)):
            shift = 0.5 * spacing * (row % 2)
            canvas.speckle([(x + shift, y) for x in columns], 0.013, tone)
    elif pattern == 2:
        for row, y in enumerate(np.arange(floor, -canvas.half_height - 0.1, -0.55 * spacing)):
            canvas.stroke([(-wide, y), (wide, y)], tone, 0.006)
            for x in columns:
                at = x + 0.5 * spacing * (row % 2)
                canvas.stroke([(at, y), (at, y - 0.55 * spacing)], tone, 0.006)
    if look.random() < 0.7:
        _window_or_frame(canvas, look, wall)
    boards(canvas, look, floor)
    canvas.polygon([(-wide, floor - 0.035), (wide, floor - 0.035), (wide, floor), (-wide, floor)], shade(wall, 1.4), line=None)
    canvas.stroke([(-wide, floor), (wide, floor)], shade(wall, 0.45), 0.006)


def boards(canvas: Canvas, look: np.random.Generator, top: float) -> None:
    """A floor of planks in perspective, from `top` to the lower edge."""
    wood = hsv(float(look.uniform(0.04, 0.12)), float(look.uniform(0.3, 0.6)), float(look.uniform(0.42, 0.7)))
    fade(canvas, shade(wood, 0.75), shade(wood, 1.05), start=top)
    low = canvas.half_height + 0.05
    for x in np.arange(-3.0, 3.0, 0.17):
        canvas.stroke([(x * 0.6, top), (x * 1.3, low)], shade(wood, 0.55), 0.005)


def _window_or_frame(canvas: Canvas, look: np.random.Generator, wall: Colour) -> None:
    x = float(look.uniform(0.16, 0.36)) * (1.0 if look.random() < 0.5 else -1.0)
    y = float(look.uniform(-0.36, -0.24))
    wide, tall = float(look.uniform(0.09, 0.14)), float(look.uniform(0.09, 0.15))
    frame = shade(hsv(float(look.random()), 0.3, 0.45), 0.9)
    canvas.box(x - wide, y - tall, x + wide, y + tall, frame, line=shade(frame, 0.6))
    inner = 0.85
    if look.random() < 0.5:
        sky = hsv(0.57, float(look.uniform(0.2, 0.5)), 0.95)
        canvas.box(x - wide * inner, y - tall * inner, x + wide * inner, y + tall * inner, sky, line=None)
        canvas.stroke([(x, y - tall), (x, y + tall)], frame, 0.014)
        canvas.stroke([(x - wide, y), (x + wide, y)], frame, 0.014)
    else:
        paper = hsv(float(look.random()), 0.35, 0.8)
        canvas.box(x - wide * inner, y - tall * inner, x + wide * inner, y + tall * inner, paper, line=None)
        hills = smooth(
            [
                (x - wide * inner, y + 0.5 * tall),
                (x - 0.3 * wide, y),
                (x + 0.2 * wide, y + 0.4 * tall),
                (x + wide * inner, y - 0.1 * tall),
            ],
            closed=False,
        )
        canvas.polygon(
            [*hills, (x + wide * inner, y + tall * inner), (x - wide * inner, y + tall * inner)], shade(paper, 0.6), line=None
        )


def meadow(canvas: Canvas, look: np.random.Generator, *, ground: float = 0.12, dry: bool = False) -> None:
    """Sky, clouds, hills and grass; `dry` for a savanna."""
    wide = canvas.half_width
    sky = hsv(0.08 if dry else float(look.uniform(0.53, 0.61)), float(look.uniform(0.25, 0.5)), float(look.uniform(0.85, 0.98)))
    fade(canvas, sky, shade(sky, 1.6))
    for _ in range(int(look.integers(1, 4))):
        x, y, r = float(look.uniform(-wide, wide)), float(look.uniform(-0.45, -0.2)), float(look.uniform(0.03, 0.06))
        for dx, dy, k in ((-1.4, 0.25, 0.75), (0.0, 0.0, 1.1), (1.3, 0.2, 0.8)):
            canvas.ellipse(x + dx * r, y + dy * r, r * k * 1.4, r * k * 0.8, (252.0, 252.0, 255.0), line=None)
    hue = float(look.uniform(0.11, 0.14)) if dry else float(look.uniform(0.22, 0.36))
    grass = hsv(hue, float(look.uniform(0.4, 0.6)), float(look.uniform(0.5, 0.72)))
    ridge = [(x, ground - float(look.uniform(0.02, 0.14))) for x in np.linspace(-wide - 0.2, wide + 0.2, 8)]
    canvas.polygon([*smooth(ridge, closed=False), (wide + 0.3, 0.6), (-wide - 0.3, 0.6)], shade(grass, 0.72), line=None)
    fade(canvas, shade(grass, 0.9), shade(grass, 1.1), start=ground)
    for _ in range(60):
        x, y = float(look.uniform(-wide, wide)), float(look.uniform(ground + 0.02, canvas.half_height))
        tall = 0.015 + 0.05 * (y - ground)
        lean = float(look.uniform(-0.4, 0.4)) * tall
        canvas.stroke([(x, y), (x + lean, y - tall)], shade(grass, float(look.uniform(0.65, 1.25))), 0.006)


def pond(canvas: Canvas, look: np.random.Generator, *, shore: float = -0.08) -> None:
    """Water with ripples and reeds in front of a green bank."""
    wide = canvas.half_width
    meadow(canvas, look, ground=shore - 0.06)
    water = hsv(float(look.uniform(0.48, 0.58)), float(look.uniform(0.35, 0.6)), float(look.uniform(0.42, 0.62)))
    fade(canvas, shade(water, 1.25), shade(water, 0.75), start=shore)
    for _ in range(26):
        x, y = float(look.uniform(-wide, wide)), float(look.uniform(shore + 0.02, canvas.half_height))
        long = float(look.uniform(0.02, 0.09))
        canvas.stroke([(x - long, y), (x + long, y)], shade(water, float(look.choice([0.8, 1.4]))), 0.005)
    for _ in range(int(look.integers(4, 9))):
        x = float(look.uniform(0.28, wide + 0.1)) * (1.0 if look.random() < 0.5 else -1.0)
        tall = float(look.uniform(0.18, 0.34))
        canvas.stroke([(x, shore + 0.06), (x + 0.02, shore - tall)], (52.0, 96.0, 48.0), 0.012)
        canvas.ellipse(x + 0.02, shore - tall, 0.012, 0.04, (98.0, 62.0, 36.0), line=None)


def street(canvas: Canvas, look: np.random.Generator, *, ground: float = FLOOR) -> None:
    """Houses behind a pavement."""
    wide = canvas.half_width
    sky = hsv(float(look.uniform(0.53, 0.63)), float(look.uniform(0.15, 0.4)), float(look.uniform(0.8, 0.97)))
    fade(canvas, sky, shade(sky, 1.5))
    x = -wide - float(look.uniform(0.0, 0.2))
    while x < wide:
        broad, tall = float(look.uniform(0.16, 0.3)), float(look.uniform(0.3, 0.66))
        wall = hsv(float(look.random()), float(look.uniform(0.08, 0.3)), float(look.uniform(0.5, 0.8)))
        canvas.box(x, ground - tall, x + broad, ground, wall, line=shade(wall, 0.7))
        pane = shade(wall, float(look.choice([0.6, 1.5])))
        for row in np.arange(ground - tall + 0.04, ground - 0.1, 0.1):
            for column in np.arange(x + 0.03, x + broad - 0.04, 0.07):
                canvas.box(column, row, column + 0.035, row + 0.05, pane, line=None)
        x += broad
    road = hsv(0.6, 0.05, float(look.uniform(0.42, 0.6)))
    fade(canvas, shade(road, 1.25), shade(road, 0.85), start=ground - 0.04)
    canvas.stroke([(-wide, ground - 0.04), (wide, ground - 0.04)], shade(road, 0.6), 0.01)
    for at in np.arange(-2.0, 2.0, 0.35):
        canvas.stroke([(at, ground - 0.04), (at * 1.6, 0.6)], shade(road, 0.75), 0.005)


def stage(canvas: Canvas, look: np.random.Generator, *, floor: float = FLOOR) -> None:
    """Curtains, a cone of light and a wooden floor."""
    wide = canvas.half_width
    cloth = hsv(
        float(look.choice([0.98, 0.02, 0.62, 0.8, 0.36])), float(look.uniform(0.5, 0.8)), float(look.uniform(0.35, 0.6))
    )
    fade(canvas, shade(cloth, 0.6), cloth)
    fold = float(look.uniform(0.07, 0.12))
    for x in np.arange(-wide - fold, wide + fold, fold):
        canvas.polygon(
            [(x, -1), (x + 0.35 * fold, -1), (x + 0.5 * fold, floor), (x + 0.1 * fold, floor)], shade(cloth, 1.14), line=None
        )
        canvas.polygon(
            [(x + 0.6 * fold, -1), (x + 0.8 * fold, -1), (x + 0.9 * fold, floor), (x + 0.7 * fold, floor)],
            shade(cloth, 0.72),
            line=None,
        )
    boards(canvas, look, floor)
    lamp = float(look.uniform(-0.2, 0.2))
    canvas.polygon([(lamp - 0.05, -0.6), (lamp + 0.05, -0.6), (0.4, 0.55), (-0.4, 0.55)], (255.0, 244.0, 214.0), alpha=0.16)


def studio(canvas: Canvas, look: np.random.Generator) -> None:
    """A plain backdrop with soft discs of light."""
    base = hsv(float(look.random()), float(look.uniform(0.15, 0.5)), float(look.uniform(0.45, 0.8)))
    fade(canvas, shade(base, 1.15), shade(base, 0.7))
    for _ in range(int(look.integers(3, 9))):
        x, y = look.uniform(-canvas.half_width, canvas.half_width), look.uniform(-0.5, 0.5)
        canvas.ellipse(float(x), float(y), float(look.uniform(0.04, 0.17)), None, shade(base, 1.45), alpha=0.22)


def shooting_range(canvas: Canvas, look: np.random.Generator) -> None:
    """A concrete hall with lanes and a target far away, or open dusty ground."""
    if look.random() < 0.5:
        meadow(canvas, look, ground=0.2, dry=True)
        return
    grey = hsv(float(look.uniform(0.5, 0.7)), float(look.uniform(0.03, 0.15)), float(look.uniform(0.45, 0.7)))
    fade(canvas, shade(grey, 0.8), shade(grey, 1.15))
    fade(canvas, shade(grey, 0.55), shade(grey, 0.8), start=0.24)
    for x in np.arange(-2.0, 2.0, 0.3):
        canvas.stroke([(x * 0.6, 0.24), (x * 1.5, 0.6)], shade(grey, 0.45), 0.006)
    for y in np.arange(-0.45, 0.24, 0.16):
        canvas.stroke([(-canvas.half_width, y), (canvas.half_width, y)], shade(grey, 0.88), 0.006)
