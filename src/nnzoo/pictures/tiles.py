"""An image with its caption: the piece that all image sheets are made of.

Pixels travel as PNG inside the page, without loss. A small image is enlarged by a whole factor with hard pixels, so
that each of them can be seen; a large one is shrunk before it goes into the page.
"""

import base64
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

import numpy as np

SIDE = 96
"""Longest side of an image in a sheet, in pixels of the page."""
SHEET_GAP = 2
"""White pixels between the images of a sheet."""
TICK, CROSS = "✓", "✗"


@dataclass(frozen=True)
class Picture:
    """An image and what is written under it.

    Parameters
    ----------
    image : uint8 array (height, width) or (height, width, 3)
    caption : str
    notes : tuple of str
        Further lines.
    alt : str
        For people who do not see the image.
    right : bool or None
        Marked with a tick or a cross; None for neither.
    share : float or None
        From 0 to 1, drawn as a bar.
    """

    image: np.ndarray
    caption: str = ""
    notes: tuple[str, ...] = ()
    alt: str = ""
    right: bool | None = None
    share: float | None = None


def words(text: object) -> str:
    """Return text for a page: control characters replaced, markup escaped.

    Examples
    --------
    >>> words('<b title="1">')
    '&lt;b title=&quot;1&quot;&gt;'
    """
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text)))


def img(image: np.ndarray, alt: str, side: int = SIDE, pixels: int | None = None) -> str:
    """Return an image as an ``<img>`` that holds its own pixels.

    Parameters
    ----------
    image : uint8 array (height, width) or (height, width, 3)
    alt : str
    side : int
        Longest side on the page.
    pixels : int, optional
        Longest side that is stored; default ``side``. A larger image is shrunk to it.
    """
    kept = _shrunk(image, min(side, pixels or side))
    height, width = kept.shape[:2]
    factor, _ = _drawn(max(height, width), side)
    size = f'width="{max(1, round(width * factor))}" height="{max(1, round(height * factor))}"'
    kind = ' class="px"' if isinstance(factor, int) else ""
    data = base64.b64encode(_png(kept)).decode()
    return f'<img{kind} {size} alt="{words(alt)}" src="data:image/png;base64,{data}">'


def tile(picture: Picture, side: int = SIDE, pixels: int | None = None) -> str:
    """Return a picture with bar, mark and caption as one ``<figure>``."""
    longest = min(side, pixels or side, max(picture.image.shape[:2]))
    width = _drawn(longest, side)[1]
    kind = {True: " right", False: " wrong", None: ""}[picture.right]
    mark = "" if picture.right is None else f'<b class="mark">{TICK if picture.right else CROSS}</b> '
    bar = "" if picture.share is None else f'<i class="bar"><i style="width:{100 * picture.share:.0f}%"></i></i>'
    notes = "".join(f"<small>{words(note)}</small>" for note in picture.notes)
    lines = (
        f"<figcaption>{mark}{words(picture.caption)}{notes}</figcaption>" if mark or picture.caption or notes else ""
    )
    return (
        f'<figure class="tile{kind}" style="width:{width}px">'
        f"{img(picture.image, picture.alt, side, pixels)}{bar}{lines}</figure>"
    )


def tiles(pictures: Iterable[Picture], side: int = SIDE, pixels: int | None = None) -> str:
    """Return pictures side by side, without a box around them."""
    return "".join(tile(picture, side, pixels) for picture in pictures)


def contact_sheet(images: np.ndarray, side: int = SIDE) -> bytes:
    """Return images side by side in a nearly square grid, as PNG.

    Parameters
    ----------
    images : uint8 array (n, height, width), (n, height, width, 1) or (n, height, width, 3)
    side : int
        Longest side of each on the sheet; small images are enlarged by a whole factor.
    """
    images = images[..., 0] if images.ndim == 4 and images.shape[-1] == 1 else images
    images = np.stack([_shrunk(image, side) for image in images])
    factor = max(side // max(images.shape[1:3]), 1)
    images = images.repeat(factor, axis=1).repeat(factor, axis=2)
    n_across = math.ceil(math.sqrt(len(images)))
    n_down = math.ceil(len(images) / n_across)
    height, width = images.shape[1] + SHEET_GAP, images.shape[2] + SHEET_GAP
    sheet = np.full((n_down * height + SHEET_GAP, n_across * width + SHEET_GAP, *images.shape[3:]), 255, dtype=np.uint8)
    for number, image in enumerate(images):
        top, left = SHEET_GAP + number // n_across * height, SHEET_GAP + number % n_across * width
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return _png(sheet)


def _drawn(longest: int, side: int) -> tuple[float, int]:
    """Return the factor by which an image is enlarged and the length of its longest side then.

    A small image gets a whole factor, which keeps its pixels alike; one above half the side fills it smoothly.
    """
    factor = side // longest if 2 * longest <= side else side / longest
    return factor, round(factor * longest)


def _shrunk(image: np.ndarray, longest: int) -> np.ndarray:
    """Return the image with its longest side at most that long, by Lanczos's filter."""
    if max(image.shape[:2]) <= longest:
        return image
    from PIL import Image

    small = Image.fromarray(image)
    small.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return np.asarray(small)


def _png(image: np.ndarray) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(out, format="PNG", optimize=True)
    return out.getvalue()
