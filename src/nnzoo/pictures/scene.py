"""A drawing as a few primitives, and the files it is written to: SVG by itself, PDF and PNG by matplotlib.

Colours are roles ("ink", "link", "hidden", ...) that a theme fills in; an SVG of the theme "auto" takes light or dark
from the page that shows it.
"""

import io
import os
import zlib
from dataclasses import dataclass
from typing import Any

from nnzoo.errors import UsageError, nearest
from nnzoo.pictures.tiles import words as escape

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1a1e24",
    "soft": "#4d5560",
    "link": "#8a929c",
    "input": "#f2c84b",
    "hidden": "#7cc38a",
    "output": "#f0955c",
    "memory": "#79aee0",
    "kernel": "#c9a3d9",
}
DARK = LIGHT | {
    "paper": "#14171c",
    "ink": "#e6e8eb",
    "soft": "#b0b7c0",
    "link": "#6d7682",
    "input": "#9a7a10",
    "hidden": "#2f7a41",
    "output": "#ad5216",
    "memory": "#2c69a6",
    "kernel": "#81509a",
}
THEMES = {"light": LIGHT, "dark": DARK}
SUFFIXES = (".svg", ".pdf", ".png")
DPI = 100


@dataclass(frozen=True)
class Line:
    """A line through points, in ink or in the colour of links."""

    points: tuple[tuple[float, float], ...]
    width: float = 1.0
    colour: str = "ink"


@dataclass(frozen=True)
class Circle:
    """A filled circle with an edge in ink."""

    x: float
    y: float
    r: float
    colour: str


@dataclass(frozen=True)
class Polygon:
    """A filled polygon with an edge in ink."""

    points: tuple[tuple[float, float], ...]
    colour: str


@dataclass(frozen=True)
class Text:
    """A line of text; ``anchor`` is "start", "middle" or "end" of the baseline."""

    x: float
    y: float
    text: str
    size: float = 14.0
    anchor: str = "middle"
    bold: bool = False
    colour: str = "ink"


@dataclass(frozen=True)
class Area:
    """A rectangle that leads to a page, in files that can; invisible."""

    x: float
    y: float
    width: float
    height: float
    link: str
    title: str


Mark = Line | Circle | Polygon | Text | Area


@dataclass(frozen=True)
class Scene:
    """A drawing.

    Attributes
    ----------
    width, height : float
        In pixels; y grows downwards.
    title, words : str
        For people who do not see it: what it is, and what is in it.
    marks : tuple
        In the order in which they are drawn.
    """

    width: float
    height: float
    title: str
    words: str
    marks: tuple[Mark, ...]


def render(scene: Scene, suffix: str, theme: str = "auto") -> bytes:
    """Return a scene as the bytes of a file; equal scenes give equal bytes.

    Parameters
    ----------
    scene : Scene
    suffix : ".svg", ".pdf" or ".png"
    theme : "auto", "light" or "dark"
        "auto" follows the page in SVG and is light elsewhere.

    Raises
    ------
    UsageError
        The suffix or the theme is another one.
    """
    check_form(suffix, theme)
    if suffix == ".svg":
        return to_svg(scene, theme).encode()
    return _by_matplotlib(scene, suffix, THEMES.get(theme, LIGHT))


def to_svg(scene: Scene, theme: str = "auto") -> str:
    """Return a scene as an SVG document without any script."""
    style = _style(THEMES.get(theme, LIGHT))
    if theme == "auto":
        style += f"@media (prefers-color-scheme:dark){{{_style(DARK)}}}"
    body = "\n".join(_svg_mark(mark) for mark in scene.marks)
    own = f"{zlib.crc32(body.encode()):08x}"
    role = "group" if any(isinstance(mark, Area) for mark in scene.marks) else "img"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {scene.width:g} {scene.height:g}" '
        f'width="{scene.width:g}" height="{scene.height:g}" role="{role}" aria-labelledby="t{own} w{own}">\n'
        f'<title id="t{own}">{escape(scene.title)}</title>\n<desc id="w{own}">{escape(scene.words)}</desc>\n'
        f"<style>.c-text{{font-family:system-ui,sans-serif}}.c-edge{{stroke-width:1.2}}{style}</style>\n"
        f'<rect class="c-paper" width="100%" height="100%"/>\n{body}\n</svg>\n'
    )


def _style(colours: dict[str, str]) -> str:
    fills = "".join(
        f".c-{name}{{fill:{colour}}}.s-{name}{{stroke:{colour};fill:none}}" for name, colour in colours.items()
    )
    return f"{fills}.c-edge{{stroke:{colours['ink']}}}"


def _svg_mark(mark: Mark) -> str:
    if isinstance(mark, Line):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in mark.points)
        return f'<polyline class="s-{mark.colour}" points="{points}" stroke-width="{mark.width:g}"/>'
    if isinstance(mark, Circle):
        return f'<circle class="c-edge c-{mark.colour}" cx="{mark.x:.1f}" cy="{mark.y:.1f}" r="{mark.r:.1f}"/>'
    if isinstance(mark, Polygon):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in mark.points)
        return f'<polygon class="c-edge c-{mark.colour}" points="{points}"/>'
    if isinstance(mark, Text):
        weight = ' font-weight="700"' if mark.bold else ""
        return (
            f'<text class="c-text c-{mark.colour}" x="{mark.x:.1f}" y="{mark.y:.1f}" font-size="{mark.size:g}" '
            f'text-anchor="{mark.anchor}"{weight}>{escape(mark.text)}</text>'
        )
    return (
        f'<a href="{escape(mark.link)}"><title>{escape(mark.title)}</title><rect x="{mark.x:.1f}" y="{mark.y:.1f}" '
        f'width="{mark.width:.1f}" height="{mark.height:.1f}" fill="transparent"/></a>'
    )


def _by_matplotlib(scene: Scene, suffix: str, colours: dict[str, str]) -> bytes:
    from matplotlib.figure import Figure

    from nnzoo.pictures.canvas import drawing

    with drawing():
        figure = Figure(figsize=(scene.width / DPI, scene.height / DPI), dpi=DPI, facecolor=colours["paper"])
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, scene.width)
        axes.set_ylim(scene.height, 0)
        for order, mark in enumerate(scene.marks):
            _add(axes, mark, colours, order)
        out = io.BytesIO()
        pages: dict[str, Any] = {"Title": scene.title, "Subject": scene.words, "CreationDate": None}
        texts = {"Title": scene.title, "Description": scene.words, "Software": None}
        is_page = suffix == ".pdf"
        figure.savefig(
            out, format=suffix[1:], dpi=DPI if is_page else 2 * DPI, metadata=pages if is_page else texts,
            facecolor=colours["paper"],
        )  # fmt: skip
    return out.getvalue()


def _add(axes: Any, mark: Mark, colours: dict[str, str], order: int) -> None:
    from matplotlib import patches

    points_a_pixel = 72 / DPI
    edge = {"edgecolor": colours["ink"], "linewidth": 1.2 * points_a_pixel, "zorder": order}
    if isinstance(mark, Line):
        xs, ys = zip(*mark.points, strict=True)
        axes.plot(xs, ys, color=colours[mark.colour], linewidth=mark.width * points_a_pixel, zorder=order)
    elif isinstance(mark, Circle):
        axes.add_patch(patches.Circle((mark.x, mark.y), mark.r, facecolor=colours[mark.colour], **edge))
    elif isinstance(mark, Polygon):
        axes.add_patch(patches.Polygon(mark.points, facecolor=colours[mark.colour], **edge))
    elif isinstance(mark, Text):
        side = {"start": "left", "middle": "center", "end": "right"}[mark.anchor]
        axes.text(
            mark.x, mark.y, mark.text, fontsize=mark.size * points_a_pixel, ha=side, va="baseline",
            color=colours[mark.colour], weight="bold" if mark.bold else "normal", zorder=order,
        )  # fmt: skip


def check_form(path: str | os.PathLike[str], theme: str) -> None:
    """Raise UsageError unless a picture can be written under that name, or suffix, and in that theme."""
    suffix = suffix_of(path) or os.fspath(path)
    if suffix not in SUFFIXES:
        raise UsageError(
            f"draw needs a file name that ends in {', '.join(SUFFIXES)}; got {os.fspath(path)!r}.", "Write net.svg."
        )
    if theme != "auto" and theme not in THEMES:
        raise UsageError(f"draw needs a theme: auto, light or dark; got {theme!r}.", nearest(theme, ["auto", *THEMES]))


def suffix_of(path: str | os.PathLike[str]) -> str:
    """Return the suffix of a file name in lower case."""
    return os.path.splitext(os.fspath(path))[1].lower()
