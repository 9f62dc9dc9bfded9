"""The sections of a report's page that show images: above each a sentence of what it is, below it what one sees."""

from typing import TYPE_CHECKING, Any

import numpy as np

from nnzoo.errors import counted
from nnzoo.evaluation.gallery import MAX_GRID, Cell, Gallery, Tile
from nnzoo.evaluation.metrics import figure
from nnzoo.evaluation.report_text import cell, ending, percent, shown, sureness, worst_title
from nnzoo.pictures import svg
from nnzoo.pictures.filters import MAX_FILTERS, MAX_PLANES, filter_sheet
from nnzoo.pictures.matrices import confusion_matrix
from nnzoo.pictures.sheets import matrix_sheet, pair_sheet, tile_sheet
from nnzoo.pictures.tiles import Picture, words

if TYPE_CHECKING:
    from nnzoo.evaluation.report import Report

MAX_PICTURED = 40
N_OPEN = 3
"""Pairs whose images are open from the start, where there is no grid."""


def sample(report: "Report", gallery: Gallery) -> str:
    """Return the sheet of predictions."""
    if not gallery.sheet:
        return ""
    if report.task == "regression":
        seen = "Under each image: what the network says, and what it is."
    else:
        n_right = sum(bool(tile.right) for tile in gallery.sheet)
        seen = f"{n_right:,} of these {counted(len(gallery.sheet), 'image')} are right. ✓ is right, ✗ is wrong"
        has_chance = gallery.sheet[0].probability is not None
        seen += "; bar and percentage: how sure it was of what it says." if has_chance else "."
    sheet = tile_sheet([_picture(tile, report.task) for tile in gallery.sheet])
    above = f"A sample that does not pick what went well. {gallery.drawn} {gallery.scaling}"
    return "<h2>What it says, image by image</h2>" + _above(above) + sheet + _below(seen)


def confused(report: "Report", gallery: Gallery) -> str:
    """Return the confusion matrix with the images behind it."""
    matrix = report.confusion
    above = "Rows by true and predicted label: the diagonal is right, all else is a mistake."
    which = _which(gallery)
    if matrix is not None and len(matrix.labels) <= MAX_GRID:
        places = {name: i for i, name in enumerate(matrix.labels)}
        behind = {(places[each.truth], places[each.prediction]): (_pair(each), _behind(each)) for each in gallery.cells}
        above += (
            f" The deeper the blue, the larger the share of the true label's rows. Each cell shows the image {which}; "
            "click it for more of them below the table."
        )
        picture = matrix_sheet(matrix.counts, matrix.labels, behind)
    else:
        picture = _pairs(gallery)
        above += f" Below are the most frequent mistakes; each starts with the image {which}."
        if matrix is not None and len(matrix.labels) <= MAX_PICTURED:
            drawing = svg(confusion_matrix(matrix.counts, matrix.labels), "Counts of true against predicted labels")
            picture = drawing + picture
    return "<h2>What is taken for what</h2>" + _above(above) + picture + _below(_most_frequent(report))


def mistakes(report: "Report", gallery: Gallery) -> str:
    """Return the images that went worst."""
    if not gallery.worst:
        return ""
    first = gallery.worst[0]
    if report.task == "regression":
        off = figure(abs(first.prediction - first.truth))
        seen = f"The largest error is {off}: {_name(first)} is {shown(first.truth)}, it says {shown(first.prediction)}."
    else:
        seen = f"The first, {_name(first)}, is {_label(first.truth)} and was taken for {_label(first.prediction)}"
        seen += "." if first.probability is None else f" at {sureness(first.probability)}."
    above = (
        "Look at them for slips in the truth, for what the image does not show, and for what the network cannot see."
    )
    sheet = tile_sheet([_picture(tile, report.task, with_name=True) for tile in gallery.worst])
    return f"<h2>{worst_title(report.worst, report.task)}</h2>" + _above(above) + sheet + _below(seen)


def filters(gallery: Gallery) -> str:
    """Return the learned filters, layer by layer."""
    if not gallery.filters:
        return ""
    above = (
        "Each tile is one filter, each pixel one of its weights. A filter answers most to images that are bright where "
        "it is red-brown and dark where it is blue."
    )
    layers = [filter_sheet(weights, _layer(name, weights)) for name, weights in gallery.filters.items()]
    return "<h2>What its filters look for</h2>" + _above(above) + "".join(layers)


def _picture(tile: Tile, task: str | None, with_name: bool = False) -> Picture:
    """Return the tile with its caption: what the network says, and below it what is true where that differs."""
    said, true, name = _label(tile.prediction), _label(tile.truth), _name(tile)
    sure = () if tile.probability is None else (sureness(tile.probability),)
    if task == "regression":
        caption, notes = f"says {said}", (f"is {true}",)
    else:
        caption, notes = said, (*sure, *(() if tile.right else (f"is {true}",)))
    named = (name,) if with_name else ()
    alt = f"{name}: it says {' '.join((said, *sure))}, it is {true}"
    return Picture(tile.image, caption, (*notes, *named), alt, tile.right, tile.probability)


def _behind(pair: Cell) -> list[Picture]:
    """Return the tiles of a cell, captioned with what its sentence does not say."""
    kept = [_picture(tile, "classification") for tile in pair.tiles]
    return [
        Picture(each.image, each.notes[0] if tile.probability is not None else "", (_name(tile),), each.alt)
        for each, tile in zip(kept, pair.tiles, strict=True)
    ]


def _label(value: Any) -> str:
    """Return a label, or words for a row that has none of several."""
    return cell(value) or "none"


def _name(tile: Tile) -> str:
    return f"row {tile.row}" if tile.name is None else ending(tile.name)


def _which(gallery: Gallery) -> str:
    tiles = [tile for each in gallery.cells for tile in each.tiles]
    return "that the network was surest of" if tiles and tiles[0].probability is not None else "that comes first"


def _pair(pair: Cell) -> str:
    """Return what a cell counts, in words."""
    rows = counted(pair.count, "row")
    if pair.truth == pair.prediction:
        return f"{_label(pair.truth)}, rightly so: {rows}"
    return f"{_label(pair.truth)} taken for {_label(pair.prediction)}: {rows}"


def _pairs(gallery: Gallery) -> str:
    """Return the frequent mistakes as a list that opens."""
    return "".join(
        f"<details{' open' * (rank < N_OPEN)}><summary>{words(_pair(each))}</summary>"
        f"{pair_sheet(_behind(each))}</details>"
        for rank, each in enumerate(gallery.cells)
    )


def _most_frequent(report: "Report") -> str:
    if not report.confusions:
        return "There is no mistake."
    true, said, n_rows = report.confusions[0]
    of = next((each.rows for each in report.labels if each.label == true), 0)
    share = f" of {of:,} ({percent(n_rows / of)})" if of else ""
    return f"The most frequent mistake: {cell(true)} is taken for {cell(said)} in {n_rows:,}{share} rows."


def _layer(name: str, weights: np.ndarray) -> str:
    """Return what the tiles of a layer are, and how many of them are left out."""
    height, width = weights.shape[1:3]
    n_channels = weights.shape[3] if weights.ndim == 4 else 1
    seen = f"{shown(name)}: {counted(len(weights), 'filter')} of {height} × {width}"
    if n_channels > 1:
        seen += f" over {n_channels} channels, {'' if n_channels <= MAX_PLANES else f'the first {MAX_PLANES} '}"
        seen += "side by side"
    left_out = len(weights) - MAX_FILTERS
    return seen + (f". The first {MAX_FILTERS} are drawn." if left_out > 0 else ".")


def _above(line: str) -> str:
    return f"<p>{words(shown(line.strip()))}</p>"


def _below(line: str) -> str:
    return f'<p class="seen">{words(shown(line))}</p>'
