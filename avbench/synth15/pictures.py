"""Drawing with sub-pixel precision in units that do not depend on the size of the picture.

A `Canvas` maps unit coordinates onto an image: (0, 0) is the middle, x runs right, y runs down, and 1 is the shorter side of
the picture. Every shape becomes an anti-aliased polygon with 1/16 pixel precision, so that slow movements stay smooth.

OpenCV is imported where it draws, since listing items imports this module and draws nothing.
"""

from __future__ import annotations

import colorsys
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Colour = tuple[float, float, float]
"""Red, green and blue, each 0 to 255."""

INK: Colour = (34.0, 30.0, 38.0)
"""The outline of every actor."""

_SHIFT = 4
_TURN = np.linspace(0.0, 2.0 * math.pi, 48, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """A colour from hue (turns, wraps round), saturation and value, each 0 to 1."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0))
    return 255.0 * red, 255.0 * green, 255.0 * blue


def shade(colour: Colour, factor: float) -> Colour:
    """Darker (`factor` below 1, towards black) or lighter (above 1, towards white; 2 is white)."""
    if factor <= 1.0:
        return colour[0] * factor, colour[1] * factor, colour[2] * factor
    return mix(colour, (255.0, 255.0, 255.0), min(factor - 1.0, 1.0))


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` (0 to 1) of the other colour in the first."""
    return tuple(a + (b - a) * share for a, b in zip(one, other, strict=True))  # type: ignore[return-value]


def smooth(points: ArrayLike, *, closed: bool = True, steps: int = 6) -> NDArray[np.float64]:
    """A Catmull-Rom curve through points `(n, 2)`, `steps` points for each piece."""
    given = np.asarray(points, dtype=np.float64)
    around = np.concatenate([given[-1:], given, given[:2]]) if closed else np.concatenate([given[:1], given, given[-1:]])
    u = np.linspace(0.0, 1.0, steps, endpoint=False)[None, :, None]
    a, b, c, d = (around[i : len(around) - 3 + i, None, :] for i in range(4))
    curve = 0.5 * (2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u**2 + (3 * b - a - 3 * c + d) * u**3)
    line: NDArray[np.float64] = curve.reshape(-1, 2)
    return line if closed else np.concatenate([line, given[-1:]])


def arc(
    x: float, y: float, radius_x: float, radius_y: float, start: float, stop: float, count: int = 14
) -> NDArray[np.float64]:
    """Points `(count, 2)` on an ellipse from angle `start` to `stop` in degrees, clockwise from the right."""
    angle = np.radians(np.linspace(start, stop, count))
    return np.stack([x + radius_x * np.cos(angle), y + radius_y * np.sin(angle)], axis=1)


class Canvas:
    """An image with a map from unit coordinates to pixels.

    Args:
        image: uint8 `(H, W, 3)` RGB, drawn on in place.
        matrix: float64 `(2, 3)` from unit coordinates to pixels; None for the one in the module's description.
    """

    def __init__(self, image: NDArray[np.uint8], matrix: NDArray[np.float64] | None = None) -> None:
        self.image = image
        height, width = image.shape[:2]
        side = float(min(height, width))
        self.half_width = 0.5 * width / side
        self.half_height = 0.5 * height / side
        if matrix is None:
            matrix = np.array([[side, 0.0, 0.5 * width - 0.5], [0.0, side, 0.5 * height - 0.5]])
        self._matrix = matrix
        self._scale = math.sqrt(abs(float(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0])))

    def moved(
        self, x: float = 0.0, y: float = 0.0, *, angle: float = 0.0, size: float = 1.0, wide: float = 1.0, tall: float = 1.0
    ) -> Canvas:
        """The same image with its origin at (x, y), turned clockwise by `angle` degrees, then scaled.

        Args:
            x: Unit coordinate of the new origin, to the right.
            y: The same, downwards.
            angle: Degrees, clockwise.
            size: Scale of both axes.
            wide: Scale of the x axis on top; negative mirrors.
            tall: Scale of the y axis on top.
        """
        turn = math.radians(angle)
        cos, sin = math.cos(turn), math.sin(turn)
        own = np.array([[cos * size * wide, -sin * size * tall, x], [sin * size * wide, cos * size * tall, y], [0.0, 0.0, 1.0]])
        return Canvas(self.image, self._matrix @ own)

    def polygon(
        self, points: ArrayLike, fill: Colour | None, *, line: Colour | None = INK, width: float = 0.009, alpha: float = 1.0
    ) -> None:
        """A filled shape.

        Args:
            points: `(n, 2)` unit coordinates, concave shapes allowed.
            fill: None leaves the inside alone.
            line: Colour of the outline; None for no outline.
            width: Width of the outline in units.
            alpha: 0 (nothing) to 1 (opaque), for the inside alone; shapes with alpha below 1 get no outline.
        """
        import cv2

        pixels = self._pixels(points)
        if alpha < 1.0:
            if fill is not None and alpha > 0.0:
                self._blend(pixels, fill, alpha)
            return
        if fill is not None:
            cv2.fillPoly(self.image, [pixels], fill, cv2.LINE_AA, _SHIFT)
        if line is not None:
            cv2.polylines(self.image, [pixels], True, line, self._thickness(width), cv2.LINE_AA, _SHIFT)

    def ellipse(
        self,
        x: float,
        y: float,
        radius_x: float,
        radius_y: float | None = None,
        fill: Colour | None = None,
        *,
        angle: float = 0.0,
        line: Colour | None = INK,
        width: float = 0.009,
        alpha: float = 1.0,
    ) -> None:
        """An ellipse around (x, y), turned clockwise by `angle` degrees; see `polygon`."""
        radii = (radius_x, radius_x if radius_y is None else radius_y)
        points = _CIRCLE * radii
        if angle:
            turn = math.radians(angle)
            points = points @ np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
        self.polygon(np.add(points, (x, y)), fill, line=line, width=width, alpha=alpha)

    def box(self, left: float, top: float, right: float, bottom: float, fill: Colour, *, line: Colour | None = INK) -> None:
        """A rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], fill, line=line)

    def stroke(self, points: ArrayLike, colour: Colour, width: float = 0.009, *, edge: Colour | None = None) -> None:
        """An open line with round ends; `edge` draws a wider line of that colour below it."""
        import cv2

        pixels = self._pixels(points)
        if edge is not None:
            cv2.polylines(self.image, [pixels], False, edge, self._thickness(width + 0.016), cv2.LINE_AA, _SHIFT)
        cv2.polylines(self.image, [pixels], False, colour, self._thickness(width), cv2.LINE_AA, _SHIFT)

    def ball(self, x: float, y: float, radius_x: float, radius_y: float, fill: Colour, *, angle: float = 0.0) -> None:
        """An ellipse with an outline that is lit from the upper left."""
        self.ellipse(x, y, radius_x, radius_y, shade(fill, 0.86), angle=angle)
        for k, share in ((0.84, 0.5), (0.62, 1.0)):
            low = 1.0 - k
            self.ellipse(
                x - 0.4 * low * radius_x,
                y - 0.5 * low * radius_y,
                radius_x * k,
                radius_y * k,
                shade(fill, 0.86 + 0.2 * share),
                angle=angle,
                line=None,
            )

    def speckle(self, spots: ArrayLike, radius: float, colour: Colour) -> None:
        """Small dots `(n, 2)`: fur, feathers, dirt. They move with the actor and give its surface a texture."""
        import cv2

        for x, y in np.asarray(spots, dtype=np.float64):
            cv2.circle(self.image, *self._spot(float(x), float(y), radius), colour, cv2.FILLED, cv2.LINE_AA, _SHIFT)

    def glow(self, x: float, y: float, radius: float, colour: Colour, strength: float) -> None:
        """Light that adds to the picture around (x, y), `strength` 0 to 1 in the middle, zero at `radius`."""
        (px, py), pr = self._spot(x, y, radius)
        unit = 1 << _SHIFT
        px, py, pr = px // unit, py // unit, max(pr // unit, 1)
        top, bottom = max(py - pr, 0), min(py + pr + 1, self.image.shape[0])
        left, right = max(px - pr, 0), min(px + pr + 1, self.image.shape[1])
        if top >= bottom or left >= right or strength <= 0.0:
            return
        dy = (np.arange(top, bottom, dtype=np.float32)[:, None] - py) / pr
        dx = (np.arange(left, right, dtype=np.float32)[None, :] - px) / pr
        light = np.clip(1.0 - np.sqrt(dx * dx + dy * dy), 0.0, 1.0) ** 2 * np.float32(strength)
        part = self.image[top:bottom, left:right]
        lit = part + light[:, :, None] * np.asarray(colour, dtype=np.float32)
        part[:] = np.minimum(lit, 255.0).astype(np.uint8)

    def _pixels(self, points: ArrayLike) -> NDArray[np.int32]:
        given = np.asarray(points, dtype=np.float64)
        mapped = given @ self._matrix[:, :2].T + self._matrix[:, 2]
        return np.rint(mapped * (1 << _SHIFT)).astype(np.int32)

    def _spot(self, x: float, y: float, radius: float) -> tuple[tuple[int, int], int]:
        at = self._pixels([(x, y)])[0]
        return (int(at[0]), int(at[1])), max(round(radius * self._scale * (1 << _SHIFT)), 1)

    def _thickness(self, width: float) -> int:
        return max(round(width * self._scale), 1)

    def _blend(self, pixels: NDArray[np.int32], fill: Colour, alpha: float) -> None:
        import cv2

        unit = 1 << _SHIFT
        left, top = np.maximum(pixels.min(axis=0) // unit - 2, 0)
        right, bottom = np.minimum(pixels.max(axis=0) // unit + 3, (self.image.shape[1], self.image.shape[0]))
        if left >= right or top >= bottom:
            return
        part = self.image[top:bottom, left:right]
        over = part.copy()
        moved = (pixels - np.array([left, top]) * unit).astype(np.int32)
        cv2.fillPoly(over, [moved], fill, cv2.LINE_AA, _SHIFT)
        part[:] = cv2.addWeighted(over, alpha, part, 1.0 - alpha, 0.0)
