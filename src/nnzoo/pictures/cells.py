"""The cells of drawings: shape and mark tell the kinds apart, colour comes second.

A family has a shape: inputs are squares, hidden cells circles, outputs diamonds, cells with a memory hexagons, kernels
octagons, capsules lie. The mark inside tells the members of a family apart, also in black and white.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from nnzoo.pictures.scene import Circle, Line, Mark, Polygon


@dataclass(frozen=True)
class Look:
    """How a kind of cell looks.

    Attributes
    ----------
    shape : str
        "square", "circle", "diamond", "hexagon", "octagon" or "capsule".
    mark : str
        What is drawn inside: "", "ring", "inner", "stripes", "bolt", "cross" or "grid".
    colour : str
        Role of the fill in a theme.
    """

    shape: str
    mark: str
    colour: str


LOOKS = {
    "B": Look("square", "inner", "input"),
    "I": Look("square", "", "input"),
    "N": Look("square", "stripes", "input"),
    "H": Look("circle", "", "hidden"),
    "P": Look("circle", "ring", "hidden"),
    "S": Look("circle", "bolt", "hidden"),
    "C": Look("capsule", "", "hidden"),
    "O": Look("diamond", "", "output"),
    "M": Look("diamond", "ring", "output"),
    "R": Look("hexagon", "", "memory"),
    "Y": Look("hexagon", "ring", "memory"),
    "G": Look("hexagon", "cross", "memory"),
    "K": Look("octagon", "grid", "kernel"),
    "V": Look("octagon", "ring", "kernel"),
}
"""Letter of a kind, as in ``nnzoo.chart.KINDS``, to its look."""

CORNERS = {"square": (4, 45.0, 1.2), "diamond": (4, 0.0, 1.2), "hexagon": (6, 0.0, 1.08), "octagon": (8, 22.5, 1.05)}


def draw_cell(letter: str, x: float, y: float, r: float) -> Iterator[Mark]:
    """Yield the marks of one cell around (x, y) with about the radius r."""
    look = LOOKS[letter]
    if look.shape == "circle":
        yield Circle(x, y, r, look.colour)
    elif look.shape == "capsule":
        yield Polygon(tuple(_capsule(x, y, r)), look.colour)
    else:
        n, turn, reach = CORNERS[look.shape]
        yield Polygon(tuple(_corners(x, y, r * reach, n, turn)), look.colour)
    yield from _mark(look.mark, x, y, r)


def _mark(mark: str, x: float, y: float, r: float) -> Iterator[Mark]:
    if mark == "ring":
        yield Circle(x, y, 0.5 * r, "paper")
    elif mark == "inner":
        yield Polygon(tuple(_corners(x, y, 0.58 * r, 4, 45.0)), "paper")
    elif mark == "stripes":
        for shift in (-0.55, 0.0, 0.55):
            half = 0.72 - abs(shift) / 2
            middle = x + shift * r / 2, y + shift * r / 2
            yield Line(
                ((middle[0] - half * r, middle[1] + half * r), (middle[0] + half * r, middle[1] - half * r)), 1.3
            )
    elif mark == "bolt":
        points = ((-0.45, 0.15), (-0.1, -0.45), (0.1, 0.45), (0.45, -0.15))
        yield Line(tuple((x + a * r, y + b * r) for a, b in points), 1.5)
    elif mark == "cross":
        for a in (-1, 1):
            yield Line(((x - 0.45 * r, y - 0.45 * r * a), (x + 0.45 * r, y + 0.45 * r * a)), 1.5)
    elif mark == "grid":
        for shift in (-0.28, 0.28):
            yield Line(((x - 0.8 * r, y + shift * r), (x + 0.8 * r, y + shift * r)), 1.0)
            yield Line(((x + shift * r, y - 0.8 * r), (x + shift * r, y + 0.8 * r)), 1.0)


def _corners(x: float, y: float, r: float, n: int, turn: float) -> Iterator[tuple[float, float]]:
    for k in range(n):
        angle = math.radians(turn + 360 * k / n)
        yield x + r * math.cos(angle), y + r * math.sin(angle)


def _capsule(x: float, y: float, r: float) -> Iterator[tuple[float, float]]:
    """Yield the outline of a lying capsule: two half circles side by side."""
    small = 0.62 * r
    for side, start in ((1, -90), (-1, 90)):
        for k in range(9):
            angle = math.radians(start + 180 * k / 8)
            yield x + side * 0.55 * r + small * math.cos(angle), y + small * math.sin(angle)
