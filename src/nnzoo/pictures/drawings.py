"""Drawings of networks in the language of the chart: one entry, a model with its real sizes, and the whole chart."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from nnzoo.chart import CHART, CREDIT, KINDS, Drawing
from nnzoo.pictures.canvas import label
from nnzoo.pictures.cells import draw_cell
from nnzoo.pictures.scene import Area, Circle, Line, Mark, Scene, Text

SLIDE, MARGIN = (1280.0, 720.0), 150.0
MOST_CELLS, MOST_COLUMNS = 8, 12
POOL_LINKS = (
    (0, 4), (0, 3), (1, 3), (1, 5), (2, 4), (2, 5), (3, 7), (4, 6), (4, 8), (5, 7), (5, 8), (6, 10), (7, 9), (7, 11),
    (8, 10), (8, 11), (3, 4), (7, 8), (9, 10),
)  # fmt: skip
POOL_IN, POOL_OUT = ((0, 0), (0, 1), (1, 0), (1, 2), (2, 1), (2, 2)), ((9, 0), (10, 0), (10, 1), (11, 1))
TILE = 300.0, 236.0
POSTER_COLUMNS = 6


@dataclass(frozen=True)
class DrawnLayer:
    """A layer of a real network.

    Attributes
    ----------
    letter : str
        Kind of its cells.
    n_cells : int
    title, shape : str
        What stands above and beneath it.
    n_weights : int
        Of the links that lead into it.
    link : "f", "1" or "l"
        How the layer before leads into it.
    loops : bool
    labels : tuple of str
        Names of the cells, written beside those of the first and the last layer where all are drawn.
    """

    letter: str
    n_cells: int
    title: str
    shape: str
    n_weights: int = 0
    link: str = "f"
    loops: bool = False
    labels: tuple[str, ...] = ()


def draw_layers(layers: Sequence[DrawnLayer], title: str, note: str = "") -> Scene:
    """Return a network of these layers on a slide of 1280 x 720; large layers and long chains are abbreviated."""
    width, height = SLIDE
    shown = _abridged(layers)
    r = min(21.0, 0.28 * (width - 120) / max(len(shown), 4))
    gap = (width - 2 * MARGIN) / max(len(shown) - 1, 1)
    marks: list[Mark] = []
    columns: list[list[tuple[float, float]]] = []
    for n, layer in enumerate(shown):
        x = width / 2 if len(shown) == 1 else MARGIN + n * gap
        columns.append(list(_column(layer, x, height / 2 + 4, r)) if layer else [])
    for (before, after), layer in zip(pairwise(columns), shown[1:], strict=True):
        if before and after and layer:
            marks += _links(before, after, layer.link)
    for layer, column in zip(shown, columns, strict=True):
        if layer:
            marks += _layer_marks(layer, column, r, min(gap, 300.0))
    for n, layer in enumerate(shown):
        if layer is None:
            marks.append(Text(MARGIN + n * gap, height / 2 - 4, "…", 28))
    marks += [*_names(layers[0], columns[0], -r, "end"), *_names(layers[-1], columns[-1], r, "start")]
    total = sum(layer.n_weights for layer in layers)
    letters = list(dict.fromkeys(layer.letter for layer in layers))
    marks += [
        Text(width / 2, 48, title, 26, bold=True),
        Text(width / 2, 78, f"{total:,} weights{note}", 16, colour="soft"),
    ]
    marks += _legend(letters, 60, height - 34, width - 120)
    words = "; then ".join(
        f"{layer.title}: {layer.n_cells:,} {KINDS[layer.letter]} {layer.shape}, {layer.n_weights:,} weights"
        for layer in layers
    )
    return Scene(width, height, title, f"{title}. From left to right: {words}. {total:,} weights in all.", tuple(marks))


def draw_one(drawing: Drawing) -> Scene:
    """Return one network of the chart with its legend."""
    width, height = 640.0, 400.0
    marks = [
        *_drawing_marks(drawing, 40, 60, width - 80, 232),
        Text(width / 2, 42, f"{drawing.name} ({drawing.abbreviation})", 22, bold=True),
        *_wrapped(drawing.differs, width / 2, height - 86, 13, 88),
        *_legend(list(dict.fromkeys(drawing.cells)), 30, height - 24, width - 60),
    ]
    words = f"{drawing.words()} {drawing.differs}".strip()
    return Scene(width, height, f"{drawing.name} ({drawing.abbreviation})", words, tuple(marks))


def draw_unlabelled(drawing: Drawing) -> Scene:
    """Return one network of the chart without its name."""
    width, height = 640.0, 300.0
    marks = [
        *_drawing_marks(drawing, 40, 16, width - 80, 226),
        *_legend(list(dict.fromkeys(drawing.cells)), 30, height - 24, width - 60),
    ]
    return Scene(width, height, "Which network is it?", "A drawing without its name.", tuple(marks))


def draw_chart(links: str = "networks/", standing: Sequence[str] = ()) -> Scene:
    """Return the poster: all networks of both charts, each leading to its page.

    Parameters
    ----------
    links : str
        What stands before "NAME.html" of a page.
    standing : sequence of str
        Abbreviations of those that have a page.
    """
    n_rows = math.ceil(len(CHART) / POSTER_COLUMNS)
    width, top = POSTER_COLUMNS * TILE[0] + 60, 210.0
    height = top + n_rows * TILE[1] + 70
    about = f"All {len(CHART)} networks of the charts of 2016 and 2019. Shape and mark of a cell tell its kind."
    about += " What 2016 calls Different Memory is Gated Memory in 2019."
    marks: list[Mark] = [
        Text(30, 62, "The chart of neural networks", 38, "start", bold=True),
        Text(30, 96, about, 17, "start", colour="soft"),
        *_legend(list(KINDS), 30, 150, width - 60),
    ]
    for n, drawing in enumerate(CHART):
        x, y = 30 + n % POSTER_COLUMNS * TILE[0], top + n // POSTER_COLUMNS * TILE[1]
        marks += _drawing_marks(drawing, x + 12, y + 36, TILE[0] - 30, TILE[1] - 96)
        year = "" if len(drawing.years) > 1 else f"only {max(drawing.years)}"
        marks.append(Text(x + 6, y + 20, drawing.abbreviation, 19, "start", bold=True))
        name = f"{drawing.name}{f' · {year}' if year else ''}"
        marks += _wrapped(name, x + 16 + 15 * len(drawing.abbreviation), y + 20, 12, 34, "start")
        marks += _wrapped(drawing.differs, x + 6, y + TILE[1] - 42, 10.5, 50, "start")
        if drawing.abbreviation in standing:
            page = f"{links}{drawing.name.lower().replace(' ', '-')}.html"
            marks.append(Area(x, y, TILE[0] - 10, TILE[1] - 10, page, drawing.name))
    marks.append(Text(30, height - 28, f"{CREDIT} Drawn anew, in a style of our own.", 13, "start", colour="soft"))
    words = " ".join(f"{drawing.words()} {drawing.differs}".strip() for drawing in CHART)
    return Scene(width, height, "The chart of neural networks", f"{words} {CREDIT}", tuple(marks))


def _abridged(layers: Sequence[DrawnLayer]) -> list[DrawnLayer | None]:
    """Return the layers; of a long chain the first and the last ones around a gap."""
    if len(layers) <= MOST_COLUMNS:
        return list(layers)
    half = MOST_COLUMNS // 2
    return [*layers[:half], None, *layers[-half + 1 :]]


def _column(layer: DrawnLayer, x: float, middle: float, r: float) -> Iterator[tuple[float, float]]:
    """Yield the places of the cells that are drawn; of many a gap is left in the middle."""
    n = min(layer.n_cells, MOST_CELLS - 1) if layer.n_cells > MOST_CELLS else layer.n_cells
    step = min(2.7 * r, 400 / max(n, 1))
    slots = n + (layer.n_cells > MOST_CELLS)
    for k in range(slots):
        if layer.n_cells > MOST_CELLS and k == slots - 2:
            continue
        yield x, middle + (k - (slots - 1) / 2) * step


def _layer_marks(layer: DrawnLayer, column: list[tuple[float, float]], r: float, room: float) -> Iterator[Mark]:
    if layer.loops:
        for x, y in column:
            yield _loop(x, y, r)
    for x, y in column:
        yield from draw_cell(layer.letter, x, y, r * 0.8)
    x = column[0][0]
    if layer.n_cells > MOST_CELLS:
        y = (column[-2][1] + column[-1][1]) / 2
        for shift in (-7, 0, 7):
            yield Circle(x, y + shift, 1.8, "ink")
    size = max(9.0, min(14.0, room / 8.5))
    yield Text(x, 116, layer.title, size, bold=True)
    yield Text(x, 602, f"{layer.n_cells:,}", size + 1, bold=True)
    yield Text(x, 602 + size + 5, layer.shape, size - 1, colour="soft")
    if layer.n_weights:
        yield Text(x, 602 + 2 * (size + 5), f"{layer.n_weights:,} weights", size - 1, colour="soft")


def _names(layer: DrawnLayer, column: Sequence[tuple[float, float]], shift: float, anchor: str) -> Iterator[Mark]:
    if len(layer.labels) == len(column) == layer.n_cells:
        for name, (x, y) in zip(layer.labels, column, strict=True):
            yield Text(x + 1.5 * shift, y + 4, label(name), 12, anchor)


def _drawing_marks(drawing: Drawing, left: float, top: float, width: float, height: float) -> Iterator[Mark]:
    """Yield a drawing of the chart fitted into a rectangle."""
    places, links, loops = lay_out(drawing)
    xs, ys = [x for x, _ in places], [y for _, y in places]
    across, down = max(xs) - min(xs), max(ys) - min(ys)
    unit = min(width / (across + 1), height / (down + 1), 58.0)
    x0, y0 = left + (width - across * unit) / 2 - min(xs) * unit, top + (height - down * unit) / 2 - min(ys) * unit
    at = [(x0 + x * unit, y0 + y * unit) for x, y in places]
    for link in links:
        yield Line(tuple(at[k] for k in link), 1.0, "link")
    for a, b in drawing.arcs:
        yield Line(tuple(_arc(at[_first(drawing, a)], at[_first(drawing, b)], unit)), 1.6, "soft")
    r = 0.34 * unit
    for k in loops:
        yield _loop(*at[k], r)
    for letter, (x, y) in zip(drawing.cells, at, strict=True):
        yield from draw_cell(letter, x, y, r)


def lay_out(drawing: Drawing) -> tuple[list[tuple[float, float]], list[tuple[int, int]], list[int]]:
    """Return the places of all cells, pairs of cells that are joined, and cells that are joined to themselves."""
    if drawing.form == "ring":
        n = len(drawing.cells)
        places = [(1.9 * math.sin(2 * math.pi * k / n), -1.9 * math.cos(2 * math.pi * k / n)) for k in range(n)]
        return places, [(a, b) for a in range(n) for b in range(a)], []
    places, starts = [], []
    x = 0.0
    for column in drawing.columns:
        starts.append(len(places))
        block = {"pool": 12, "grid": 9}.get(drawing.form) == len(column)
        places += _block(len(column), x) if block else [(x, k - (len(column) - 1) / 2) for k in range(len(column))]
        x += (len(column) / 3 + 0.4 if block else 1.0) + (drawing.form != "columns") * 0.3
    places += [(x, y) for _, x, y in drawing.more]
    links = list(_all_links(drawing, starts, places)) + list(drawing.ties)
    loops = [k for k, letter in enumerate(drawing.cells) if letter in _looped(drawing)]
    return places, links, loops


def _looped(drawing: Drawing) -> str:
    """Return the kinds of cells that are joined to themselves: recurrent ones, or where there are none the memories."""
    if not drawing.loops:
        return ""
    return "R" if "R" in drawing.cells else "YG"


def _block(n: int, x: float) -> list[tuple[float, float]]:
    """Return a block of three rows, column by column, slightly out of line where it is a pool."""
    shift = 0.16 if n == 12 else 0.0
    return [(x + k // 3 + shift * (k % 2), k % 3 - 1 + shift * ((k // 3) % 2)) for k in range(n)]


def _all_links(
    drawing: Drawing, starts: Sequence[int], places: Sequence[tuple[float, float]]
) -> Iterator[tuple[int, int]]:
    kinds = drawing.links or "f" * (len(starts) - 1)
    for n, kind in enumerate(kinds):
        first = range(starts[n], starts[n] + len(drawing.columns[n]))
        second = range(starts[n + 1], starts[n + 1] + len(drawing.columns[n + 1]))
        if kind == "p":
            pairs = POOL_IN if n == 0 else POOL_OUT
            yield from ((first[a], second[b]) for a, b in pairs)
        else:
            ys = [[places[k][1] for k in part] for part in (first, second)]
            yield from ((first[a], second[b]) for a, b in joined(ys[0], ys[1], kind))
    if drawing.form == "pool":
        yield from ((starts[1] + a, starts[1] + b) for a, b in POOL_LINKS)


def joined(before: Sequence[float], after: Sequence[float], kind: str) -> Iterator[tuple[int, int]]:
    """Yield the pairs of two columns that are joined: all, one to one, or those that stand nearest.

    Examples
    --------
    >>> list(joined([-1, 0, 1], [-0.5, 0.5], "l"))
    [(0, 0), (1, 0), (1, 1), (2, 1)]
    """
    for a, y in enumerate(before):
        for b, z in enumerate(after):
            if kind == "f" or (kind == "1" and a == b) or (kind == "l" and abs(y - z) <= 0.6):
                yield a, b


def _links(before: Sequence[tuple[float, float]], after: Sequence[tuple[float, float]], kind: str) -> Iterator[Mark]:
    reach = "f" if kind == "l" and len(before) != len(after) else kind
    for a, first in enumerate(before):
        for b, second in enumerate(after):
            if reach == "f" or (reach == "1" and a == b) or (reach == "l" and abs(a - b) <= 1):
                yield Line((first, second), 0.8, "link")


def _loop(x: float, y: float, r: float) -> Line:
    """Return a loop above a cell."""
    points = (math.radians(k) for k in range(110, 431, 20))
    return Line(
        tuple((x + 0.62 * r * math.cos(a), y - 1.15 * r - 0.62 * r * math.sin(a - math.pi)) for a in points),
        1.3,
        "soft",
    )


def _arc(first: tuple[float, float], second: tuple[float, float], unit: float) -> Iterator[tuple[float, float]]:
    (x1, y1), (x2, _) = first, second
    for k in range(17):
        angle = math.pi * k / 16
        yield (x1 + x2) / 2 - (x2 - x1) / 2 * math.cos(angle), y1 - 0.75 * unit * math.sin(angle)


def _first(drawing: Drawing, column: int) -> int:
    return sum(len(each) for each in drawing.columns[:column])


def _legend(letters: Sequence[str], left: float, y: float, width: float) -> Iterator[Mark]:
    """Yield cells with their names, in as many lines as the width asks for, the last one at y."""
    order = [letter for letter in KINDS if letter in letters]
    lines: list[list[tuple[str, float]]] = [[]]
    x = 0.0
    for letter in order:
        needed = 40 + 7.4 * len(KINDS[letter])
        if x + needed > width and lines[-1]:
            lines.append([])
            x = 0.0
        lines[-1].append((letter, x))
        x += needed
    for n, line in enumerate(lines):
        top = y - 26 * (len(lines) - 1 - n)
        for letter, x in line:
            yield from draw_cell(letter, left + x + 10, top - 5, 9)
            yield Text(left + x + 26, top, KINDS[letter], 13, "start")


def _wrapped(text: str, x: float, y: float, size: float, n_letters: int, anchor: str = "middle") -> Iterator[Mark]:
    import textwrap

    for n, line in enumerate(textwrap.wrap(text, n_letters)):
        yield Text(x, y + n * size * 1.35, line, size, anchor, colour="soft")
