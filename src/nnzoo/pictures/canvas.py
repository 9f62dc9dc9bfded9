"""What all pictures share: size, colours, safe text, and the way to SVG.

The background is transparent. Ink (text, axes) becomes ``currentColor`` in the SVG and so takes the colour of the text
around it; the colours of data have a contrast of at least 3 to 1 against white and against near-black pages alike.
"""

import io
import re
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#10131a"
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009066", "#7a7f87"
WIDTH, HEIGHT = 4.8, 3.2
WIDE = 6.4
"""Width where long names stand beside the axes."""
MAX_LABEL = 18
MAX_NAME = 28
"""Of a label that has a line of its own."""
SETTINGS: dict[str, Any] = {
    "text.usetex": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "nnzoo",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.unicode_minus": True,
    "axes.formatter.use_mathtext": False,
    "path.simplify": True,
}
PIXELS = 115


@contextmanager
def drawing() -> Iterator[None]:
    """Use our settings inside, whatever style the user has chosen outside."""
    import matplotlib as mpl

    with mpl.rc_context(cast(Any, SETTINGS)), warnings.catch_warnings():
        # The reader's page has its own fonts; the one used here only measures the text.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def new_figure(width: float = WIDTH, height: float = HEIGHT) -> "tuple[Figure, Axes]":
    """Return an empty figure of that size in inches, and its axes, transparent and in ink."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.tick_params(colors=INK, which="both")
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    for side, spine in axes.spines.items():
        spine.set_color(INK)
        spine.set_visible(side in ("left", "bottom"))
    return figure, axes


def add_legend(axes: "Axes", **where: Any) -> None:
    """Add a legend without a frame above the axes, in ink."""
    axes.legend(frameon=False, labelcolor=INK, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, **where)


def label(value: object, longest: int = MAX_LABEL) -> str:
    """Return user content as a short label without control characters.

    Examples
    --------
    >>> label("a very long name of a class")
    'a very long name …'
    """
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value)[: longest + 1])
    return text if len(text) <= longest else text[: longest - 1] + "…"


def svg(figure: "Figure", description: str = "") -> str:
    """Return the figure as an SVG element for a page, as wide as its place allows.

    Parameters
    ----------
    figure : Figure
    description : str, optional
        For people who do not see the picture.

    Returns
    -------
    str
        One ``<svg>`` element; its ids are unlike those of a different picture on the same page.
    """
    out = io.StringIO()
    with drawing():
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    opening, body = out.getvalue().split("<svg", 1)[1].split(">", 1)
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL).replace(INK, "currentColor")
    mark = f"p{zlib.crc32(body.encode()):08x}-"
    body = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{mark}", body)
    view = re.search(r'viewBox="[^"]*"', opening)
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    style = f"width:100%;max-width:{figure.get_figwidth() * PIXELS:.0f}px;height:auto"
    words = f'role="img" aria-label="{escape(description)}"'
    return f'<svg {names} {view.group() if view else ""} {words} style="{style}">{body}'
