"""A drawing of lines, areas and text that is written as SVG or as a page of PDF, so that both show the same.

Coordinates are points from the top left. Text is Helvetica, which every PDF reader has; characters that it lacks become `?` in
the PDF.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

Colour = tuple[int, int, int]
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class _Shape:
    points: tuple[tuple[float, float], ...]
    stroke: Colour | None
    fill: Colour | None
    width: float
    dash: bool


@dataclass(frozen=True)
class _Text:
    x: float
    y: float
    text: str
    size: float
    colour: Colour
    anchor: Anchor
    bold: bool


@dataclass
class Drawing:
    """Shapes in order of painting."""

    width: float
    height: float
    _items: list[_Shape | _Text] = field(default_factory=list)

    def line(self, points: Sequence[tuple[float, float]], colour: Colour, width: float = 1.0, *, dash: bool = False) -> None:
        """A line through points."""
        self._items.append(_Shape(tuple(points), colour, None, width, dash))

    def area(self, points: Sequence[tuple[float, float]], fill: Colour) -> None:
        """A filled polygon."""
        self._items.append(_Shape(tuple(points), None, fill, 0.0, False))

    def dot(self, x: float, y: float, radius: float, fill: Colour) -> None:
        """A filled diamond."""
        self.area([(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)], fill)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 8.0,
        colour: Colour = (40, 40, 40),
        *,
        anchor: Anchor = "start",
        bold: bool = False,
    ) -> None:
        """Text on a baseline."""
        self._items.append(_Text(x, y, text, size, colour, anchor, bold))

    def put(self, other: Drawing, x: float, y: float) -> None:
        """Another drawing, moved."""
        for item in other._items:
            if isinstance(item, _Text):
                self._items.append(_Text(item.x + x, item.y + y, item.text, item.size, item.colour, item.anchor, item.bold))
            else:
                moved = tuple((px + x, py + y) for px, py in item.points)
                self._items.append(_Shape(moved, item.stroke, item.fill, item.width, item.dash))

    def svg(self, label: str) -> str:
        """An inline SVG element; `label` is what a screen reader says."""
        parts = [
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" width="{self.width:g}" height="{self.height:g}" role="img" '
            f'aria-label="{escape(label)}">'
        ]
        for item in self._items:
            if isinstance(item, _Text):
                weight = ' font-weight="bold"' if item.bold else ""
                parts.append(
                    f'<text x="{item.x:.1f}" y="{item.y:.1f}" font-size="{item.size:g}" fill="{_hex(item.colour)}" '
                    f'text-anchor="{item.anchor}"{weight}>{escape(item.text)}</text>'
                )
                continue
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in item.points)
            if item.fill is not None:
                parts.append(f'<polygon points="{points}" fill="{_hex(item.fill)}"/>')
            elif item.stroke is not None:
                dash = ' stroke-dasharray="3 3"' if item.dash else ""
                stroke = f'stroke="{_hex(item.stroke)}" stroke-width="{item.width:g}"{dash}'
                parts.append(f'<polyline points="{points}" fill="none" {stroke}/>')
        return "".join([*parts, "</svg>"])

    def pdf(self) -> bytes:
        """The content of a PDF page of this size."""
        out = []
        for item in self._items:
            if isinstance(item, _Text):
                out.append(self._pdf_text(item))
                continue
            path = " ".join(f"{x:.2f} {self.height - y:.2f} {'l' if k else 'm'}" for k, (x, y) in enumerate(item.points))
            if item.fill is not None:
                out.append(f"{_rgb(item.fill)} rg {path} h f".encode())
            elif item.stroke is not None:
                dash = "[3 3] 0 d" if item.dash else "[] 0 d"
                out.append(f"{dash} {item.width:g} w {_rgb(item.stroke)} RG {path} S".encode())
        return b"\n".join(out)

    def _pdf_text(self, item: _Text) -> bytes:
        shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[item.anchor] * text_width(item.text, item.size, bold=item.bold)
        said = item.text.encode("cp1252", "replace").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
        said = bytes(b for b in said if b >= 32)
        where = f"BT /{'B' if item.bold else 'R'} {item.size:g} Tf {_rgb(item.colour)} rg"
        return f"{where} {item.x - shift:.2f} {self.height - item.y:.2f} Td (".encode() + said + b") Tj ET"


_NARROW = {**dict.fromkeys("ijl", 222), **dict.fromkeys("ft.,:; !/", 278), **dict.fromkeys("()-r", 333)}
_WIDTHS = {**_NARROW, "m": 833, "w": 722, "M": 833, "W": 944, "%": 889, "…": 1000}
"""Of Helvetica, in thousandths; letters without an entry are near 556, capitals near 667."""


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """About how wide Helvetica is."""
    return sum(_WIDTHS.get(c, 667 if c.isupper() else 556) for c in text) * size / 1000 * (1.06 if bold else 1.0)


def pdf_file(pages: Sequence[Drawing], title: str) -> bytes:
    """A PDF of pages."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    for name in (b"Helvetica", b"Helvetica-Bold"):
        objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /" + name + b" /Encoding /WinAnsiEncoding >>")
    kids = []
    for page in pages:
        content = page.pdf()
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        kids.append(len(objects) + 1)
        size = f"[0 0 {page.width:g} {page.height:g}]"
        fonts = "<< /Font << /R 3 0 R /B 4 0 R >> >>"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox {size} /Resources {fonts} /Contents {len(objects)} 0 R >>".encode()
        )
    objects[1] = f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(f'{k} 0 R' for k in kids)}] >>".encode()
    plain = title.encode("ascii", "replace").replace(b"\\", b"").replace(b"(", b"").replace(b")", b"")
    objects.append(b"<< /Title (" + plain + b") >>")
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer << /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        len(objects),
        len(out),
    )
    return out + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + table + trailer


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _rgb(colour: Colour) -> str:
    return " ".join(f"{c / 255:.3f}" for c in colour)
