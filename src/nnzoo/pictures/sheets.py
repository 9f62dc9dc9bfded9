"""Sheets of images as HTML: predictions, a confusion matrix with the images behind its cells, images by class.

Nothing here needs a script or another file: the images lie inside the page, and what opens is a ``<details>``. The
rules in ``STYLE`` belong into the page once, below an element of class "nnzoo".
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnzoo.pictures.canvas import GREEN, ORANGE, label
from nnzoo.pictures.matrices import DEEP, PALE, text_colour
from nnzoo.pictures.tiles import SIDE, Picture, img, tiles, words

CELL_SIDE, CELL_PIXELS = 64, 48
THUMB_SIDE, THUMB_PIXELS = 40, 32
STRIP_SIDE = 56
MAX_CLASSES = 12
FAINT = "color-mix(in srgb,currentColor 25%,transparent)"
STYLE = f"""
.nnzoo .sheet{{display:flex;flex-wrap:wrap;gap:.8rem .5rem;margin:.6rem 0}}
.nnzoo .tile{{margin:0;flex:none;font-size:.8rem;line-height:1.3;overflow-wrap:anywhere;white-space:normal}}
.nnzoo .tile.right,.nnzoo .tile.wrong{{padding-top:4px;border-top:3px solid {GREEN}}}
.nnzoo .tile.wrong{{border-top:3px dashed {ORANGE}}}
.nnzoo .tile img,.nnzoo .grid img,.nnzoo .strip img{{display:block;margin:0;max-width:none;border-radius:2px;
outline:1px solid {FAINT};outline-offset:-1px}}
.nnzoo img.px{{image-rendering:pixelated}}
.nnzoo .tile .bar{{display:block;height:4px;margin:4px 0 2px;background:{FAINT}}}
.nnzoo .tile .bar i{{display:block;height:4px;background:{GREEN};print-color-adjust:exact}}
.nnzoo .tile.wrong .bar i{{background:{ORANGE}}}
.nnzoo .tile .mark{{color:{GREEN}}}
.nnzoo .tile.wrong .mark{{color:{ORANGE}}}
.nnzoo .tile small{{display:block;font-size:.75rem;opacity:.8}}
.nnzoo .seen{{font-size:.92rem;opacity:.85}}
.nnzoo .matrix{{position:relative}}
.nnzoo .matrix:has(details[open]){{padding-bottom:11.5rem}}
.nnzoo .grid table{{border-collapse:separate;border-spacing:2px}}
.nnzoo .grid th,.nnzoo .grid td{{padding:0;border:0;text-align:center;vertical-align:middle;font-size:.8rem;
font-weight:400}}
.nnzoo .grid thead th{{vertical-align:bottom;max-height:9rem}}
.nnzoo .grid thead th span{{writing-mode:vertical-rl;transform:rotate(180deg);white-space:nowrap}}
.nnzoo .grid tbody th{{text-align:right;padding-right:.4rem;max-width:6.5rem;line-height:1.15}}
.nnzoo .grid td{{min-width:{THUMB_SIDE + 6}px;opacity:1}}
.nnzoo .grid td.none{{color:{FAINT}}}
.nnzoo .grid summary{{display:block;list-style:none;padding:3px 3px 1px;border-radius:3px;line-height:1.2;
print-color-adjust:exact}}
.nnzoo .grid summary::-webkit-details-marker{{display:none}}
.nnzoo .grid summary img{{margin:0 auto 1px}}
.nnzoo .grid details[open]>summary{{outline:3px solid {ORANGE}}}
.nnzoo .behind{{position:absolute;left:0;right:0;bottom:0;height:10.6rem;overflow:auto;text-align:left;
border-left:.4rem solid {ORANGE};padding-left:.8rem}}
.nnzoo .behind p{{margin:0 0 .3rem;font-size:.92rem}}
.nnzoo .behind .sheet{{flex-wrap:nowrap;margin:0}}
.nnzoo .strip td,.nnzoo .strip th{{border:0;padding:2px 4px 2px 0;vertical-align:middle;text-align:left}}
.nnzoo .strip th{{font-weight:400;padding-right:.8rem}}
.nnzoo .scale{{display:inline-block;width:6rem;height:.7em;margin:0 .4em;print-color-adjust:exact}}
"""


def tile_sheet(pictures: Sequence[Picture], side: int = SIDE, pixels: int | None = None) -> str:
    """Return the pictures side by side, in as many lines as the page is wide.

    Parameters
    ----------
    pictures : sequence of Picture
    side : int
        Width of a tile on the page.
    pixels : int, optional
        Longest side that is stored of an image; default ``side``.
    """
    return f'<div class="sheet">{tiles(pictures, side, pixels)}</div>'


def pair_sheet(pictures: Sequence[Picture]) -> str:
    """Return the few pictures behind a cell as a sheet of smaller tiles."""
    return tile_sheet(pictures, CELL_SIDE, CELL_PIXELS)


def matrix_sheet(
    counts: np.ndarray, labels: Sequence[object], behind: Mapping[tuple[int, int], tuple[str, Sequence[Picture]]]
) -> str:
    """Return a confusion matrix as a table whose cells show an image and open to more of them.

    Parameters
    ----------
    counts : array (k, k) of int
        Rows are true labels, columns predicted ones.
    labels : sequence of length k
    behind : mapping of (row, column) to (sentence, pictures)
        The cells that open; the first picture stands in the cell. The one that comes first in the mapping is open.
    """
    names = [words(label(each)) for each in labels]
    head = "".join(f'<th scope="col"><span>{name}</span></th>' for name in names)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    first = next(iter(behind), None)
    lines = "".join(
        f'<tr><th scope="row">{name}</th>'
        + "".join(
            _cell(int(counts[i, j]), float(shares[i, j]), behind.get((i, j)), (i, j) == first)
            for j in range(len(names))
        )
        + "</tr>"
        for i, name in enumerate(names)
    )
    return (
        '<div class="matrix"><div class="wide grid"><table><thead><tr><th>true ↓<br>predicted →</th>'
        f"{head}</tr></thead><tbody>{lines}</tbody></table></div></div>"
    )


def image_lines(lines: Mapping[str, np.ndarray], side: int = STRIP_SIDE) -> str:
    """Return rows of images, each behind its name.

    Parameters
    ----------
    lines : mapping of str to uint8 array (n, height, width), (n, height, width, 1) or (n, height, width, 3)
    side : int, default 56
        Longest side of an image on the page.
    """
    rows = "".join(
        f'<tr><th scope="row">{words(name)}</th>'
        + "".join(
            f"<td>{img(image, f'{name}, image {i}', side)}</td>" for i, image in enumerate(_flat(images), start=1)
        )
        + "</tr>"
        for name, images in lines.items()
    )
    return f'<div class="wide strip" style="overflow-x:auto"><table><tbody>{rows}</tbody></table></div>'


def _flat(images: np.ndarray) -> np.ndarray:
    """Return grey images without an axis of channels."""
    return images[..., 0] if images.ndim == 4 and images.shape[-1] == 1 else images


def image_strip(
    images: np.ndarray, labels: Sequence[Any] | np.ndarray | None = None, *, per_label: int = 8, side: int = STRIP_SIDE
) -> str:
    """Return the first images of each class, a line per class, as a fragment with its own style.

    Parameters
    ----------
    images : uint8 array (n, height, width), (n, height, width, 1) or (n, height, width, 3)
    labels : array or sequence of length n, optional
        Without labels, or where they are floats, the first images stand in one sheet.
    per_label : int, default 8
    side : int, default 56
        Longest side of an image on the page.

    Returns
    -------
    str
        At most 12 classes, sorted by number or letter.
    """
    pixels = _flat(images)
    known = labels.tolist() if isinstance(labels, np.ndarray) else labels if labels is None else list(labels)
    if not known or isinstance(known[0], float):
        body = _strip_sheet(pixels, known, 2 * per_label, side)
    else:
        body = _strip_lines(pixels, known, per_label, side)
    return f'<div class="nnzoo"><style>{STYLE}</style>{body}</div>'


def _cell(count: int, share: float, behind: tuple[str, Sequence[Picture]] | None, is_open: bool) -> str:
    if not count:
        return '<td class="none">·</td>'
    colour = PALE + share * (DEEP - PALE)
    red, green, blue = (round(255 * part) for part in colour)
    paint = f"background:rgb({red},{green},{blue});color:{text_colour(colour)}"
    if behind is None:
        return f'<td style="{paint}">{count:,}</td>'
    sentence, pictures = behind
    thumb = img(pictures[0].image, sentence, THUMB_SIDE, THUMB_PIXELS)
    return (
        f'<td><details name="nnzoo-cell"{" open" * is_open}><summary style="{paint}">{thumb}{count:,}</summary>'
        f'<div class="behind"><p>{words(sentence)}</p>{pair_sheet(pictures)}</div></details></td>'
    )


def _strip_lines(images: np.ndarray, labels: list[object], per_label: int, side: int) -> str:
    places: dict[object, list[int]] = {}
    for i, each in enumerate(labels):
        found = places.setdefault(each, [])
        if len(found) < per_label:
            found.append(i)
    lines = "".join(
        f'<tr><th scope="row">{words(label(name))}</th>'
        + "".join(f"<td>{img(images[i], f'{name}, image {i + 1}', side)}</td>" for i in found)
        + "</tr>"
        for name, found in sorted(places.items(), key=lambda item: _rank(item[0]))[:MAX_CLASSES]
    )
    more = len(places) - MAX_CLASSES
    rest = f" {more:,} more classes are not shown." if more > 0 else ""
    return (
        f'<div class="wide strip" style="overflow-x:auto"><table><tbody>{lines}</tbody></table></div>'
        f'<p class="seen">The first images of each class, at most {per_label}.{rest}</p>'
    )


def _rank(name: object) -> tuple[bool, float, str]:
    """Return what sorts numbers by value, before texts by letter."""
    is_number = isinstance(name, int | float)
    return not is_number, float(name) if is_number else 0.0, str(name)


def _strip_sheet(images: np.ndarray, values: list[float] | None, n_shown: int, side: int) -> str:
    captions = [""] * len(images) if values is None else [f"{value:.4g}" for value in values[:n_shown]]
    pictures = [
        Picture(image, caption, alt=f"image {i}: {caption}" if caption else f"image {i}")
        for i, (image, caption) in enumerate(zip(images[:n_shown], captions, strict=False), start=1)
    ]
    what = "The first images." if values is None else "The first images, each with its target."
    return f'{tile_sheet(pictures, side)}<p class="seen">{what}</p>'
