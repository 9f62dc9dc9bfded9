"""The images behind the numbers: a fair sample, those that were confused, those that went worst, and the filters.

First the rows are chosen by their position, then their images are made showable, all on one scale.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nnzoo.errors import DataError, quote
from nnzoo.evaluation.details import N_CONFUSIONS, joined, label_chance, largest_errors, surest_mistakes
from nnzoo.evaluation.inputs import label_codes, label_index

N_SHEET = 30
N_WORST = 20
MAX_GRID = 12
"""Labels up to which every cell of the confusion matrix shows an image."""
LARGE = 3 * 32 * 32
"""Values of an image above which a cell shows fewer, so that the page stays small."""


@dataclass(frozen=True)
class Tile:
    """One evaluated image.

    Parameters
    ----------
    row : int
        Number in the file, from 1.
    name : str or None
        What the row is called, for example its file.
    truth, prediction : object
        Label, number, or labels joined by ``|``.
    probability : float or None
        That the network gave to its prediction.
    right : bool or None
        None in a regression.
    image : uint8 array (height, width) or (height, width, 3)
    """

    row: int
    name: str | None
    truth: Any
    prediction: Any
    probability: float | None
    right: bool | None
    image: np.ndarray

    def to_json(self) -> dict[str, Any]:
        """Return everything but the pixels."""
        named = {} if self.name is None else {"name": self.name}
        said = {"truth": self.truth, "prediction": self.prediction, "probability": self.probability}
        return {"row": self.row, **named, **said}


@dataclass(frozen=True)
class Cell:
    """Rows of one true label that were given one predicted label.

    Parameters
    ----------
    truth, prediction : object
    count : int
        Of all such rows.
    tiles : tuple of Tile
        The first few, the surest first.
    """

    truth: Any
    prediction: Any
    count: int
    tiles: tuple[Tile, ...]

    def to_json(self) -> dict[str, Any]:
        """Return everything but the pixels."""
        tiles = [tile.to_json() for tile in self.tiles]
        return {"truth": self.truth, "prediction": self.prediction, "rows": self.count, "tiles": tiles}


@dataclass(frozen=True)
class Gallery:
    """The images of a report.

    Parameters
    ----------
    sheet : tuple of Tile
        A sample that does not favour what went well.
    drawn : str
        A sentence: how the sample was drawn.
    cells : tuple of Cell
        The most frequent mistakes first. Up to 12 labels every cell of the confusion matrix that has rows follows.
    worst : tuple of Tile
        At most 20.
    filters : dict of str to float array (filters, height, width) or (filters, height, width, channels)
        By layer.
    scaling : str
        A sentence: how values that are no pixels were made visible; empty for pixels.
    """

    sheet: tuple[Tile, ...]
    drawn: str
    cells: tuple[Cell, ...]
    worst: tuple[Tile, ...]
    filters: dict[str, np.ndarray]
    scaling: str

    def to_json(self) -> dict[str, Any]:
        """Return rows, labels and probabilities, no pixels."""
        return {
            "sheet": [tile.to_json() for tile in self.sheet],
            "drawn": self.drawn,
            "cells": [cell.to_json() for cell in self.cells],
            "worst": [tile.to_json() for tile in self.worst],
            "filters": {name: list(weights.shape) for name, weights in self.filters.items()},
            "scaling": self.scaling,
        }


@dataclass(frozen=True)
class Evaluated:
    """The evaluated rows, as the report has checked them.

    Parameters
    ----------
    task : str
    truth, prediction : array (n,), or indicators (n, k) of several labels
    probability : array (n, k) or None
    classes : array (k,)
    rows : array (n,) of int
    names : sequence of str, or None
    """

    task: str
    truth: np.ndarray
    prediction: np.ndarray
    probability: np.ndarray | None
    classes: np.ndarray
    rows: np.ndarray
    names: Sequence[str] | None

    @property
    def has_labels(self) -> bool:
        """Whether each row has one label."""
        return self.task == "classification" and self.truth.ndim == 1


def make_gallery(
    rows: Evaluated, images: ArrayLike | None, filters: Mapping[str, ArrayLike] | None, seed: int = 0
) -> Gallery | None:
    """Return the gallery; None without images and filters.

    Parameters
    ----------
    rows : Evaluated
    images : array (n, height, width), (n, height, width, 1) or (n, height, width, 3), optional
        One per row. Other values than uint8 are scaled to the range of the images that are shown.
    filters : mapping of str to array, optional
        By layer, (filters, height, width) or (filters, height, width, channels).
    seed : int, default 0
        Of the sample.

    Raises
    ------
    DataError
        Images or filters have another shape, or a filter is not finite.
    """
    if images is None and not filters:
        return None
    kept = {name: _checked_filters(name, weights) for name, weights in (filters or {}).items()}
    if images is None:
        return Gallery((), "", (), (), kept, "")
    pixels = _checked_images(np.asarray(images), len(rows.truth))
    chance = label_chance(rows.truth, rows.prediction, rows.probability, rows.classes) if rows.has_labels else None
    sheet, drawn = _sample(rows, seed)
    cells = _cells(rows, chance, int(np.prod(pixels.shape[1:]))) if rows.has_labels else []
    worst = _worst(rows, chance)
    places = np.unique(np.concatenate([sheet, worst, *(each[3] for each in cells)]))
    shown, scaling = showable(pixels[places])
    made = _tiles(rows, chance, places, shown)
    return Gallery(
        sheet=tuple(made[i] for i in sheet.tolist()),
        drawn=drawn,
        cells=tuple(Cell(true, said, n, tuple(made[i] for i in here.tolist())) for true, said, n, here in cells),
        worst=tuple(made[i] for i in worst.tolist()),
        filters=kept,
        scaling=scaling,
    )


def showable(images: np.ndarray) -> tuple[np.ndarray, str]:
    """Return images as uint8, (n, height, width) or (n, height, width, 3), and how they became so.

    Parameters
    ----------
    images : array (n, height, width) or (n, height, width, channels)
        uint8 stays as it is. Other values are stretched from the smallest to the largest of all images given; what is
        not finite becomes black. Of 2 or more than 3 channels the mean is shown.
    """
    said = []
    if images.ndim == 4 and images.shape[3] not in (1, 3):
        said.append(f"The mean of the {images.shape[3]} channels is shown.")
        images = images.mean(axis=3)
    elif images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.dtype == np.uint8:
        return images, " ".join(said)
    values = images.astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    shares = (np.nan_to_num(values, nan=low, posinf=low, neginf=low) - low) / ((high - low) or 1.0)
    said.append(f"Values are drawn from {low:.3g} (black) to {high:.3g} (white), the range of the images shown.")
    return np.round(255 * shares).astype(np.uint8), " ".join(said)


def _sample(rows: Evaluated, seed: int) -> tuple[np.ndarray, str]:
    """Return positions of a sample and how it was drawn: every label in turn, else any rows."""
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(len(rows.truth))
    index = label_index(rows.truth) if rows.has_labels else {}
    if not 1 < len(index) <= N_SHEET:
        chosen = np.sort(shuffled[:N_SHEET])
        how = "All rows." if len(chosen) == len(shuffled) else f"{len(chosen)} rows drawn by lot (seed {seed})."
        return chosen, how
    codes = label_codes(rows.truth, index)[shuffled]
    n_each = N_SHEET // len(index)
    by_label = [shuffled[codes == code][:n_each] for code in _label_order(rows, index)]
    turns = [here[turn] for turn in range(n_each) for here in by_label if turn < len(here)]
    fewer = "up to " if min(map(len, by_label)) < n_each else ""
    return np.array(turns), f"{fewer}{n_each} rows of each label, drawn by lot (seed {seed}).".capitalize()


def _label_order(rows: Evaluated, index: dict[Any, int]) -> list[int]:
    """Return the codes of the labels that occur in the truth, in the order of the classes where they are known."""
    known = [label for label in rows.classes.tolist() if label in index]
    return [index[label] for label in known] + [code for label, code in index.items() if label not in set(known)]


def _cells(rows: Evaluated, chance: np.ndarray | None, n_values: int) -> list[tuple[Any, Any, int, np.ndarray]]:
    """Return truth, prediction, count and positions of the pairs to show: frequent mistakes, others, what is right."""
    index = label_index(rows.classes, rows.truth, rows.prediction)
    labels, n_labels = list(index), len(index)
    flat = label_codes(rows.truth, index) * n_labels + label_codes(rows.prediction, index)
    order = np.arange(len(flat)) if chance is None else np.argsort(-chance, kind="stable")
    pairs, counts = np.unique(flat, return_counts=True)
    is_right = pairs // n_labels == pairs % n_labels
    ranked = np.lexsort((pairs, -counts, is_right))
    n_frequent = min(N_CONFUSIONS, int((~is_right).sum()))
    n_first, n_other = (3, 1) if n_values > LARGE else (6, 2)
    found = []
    for rank, k in enumerate(ranked if n_labels <= MAX_GRID else ranked[:n_frequent]):
        here = order[flat[order] == pairs[k]][: n_first if rank < n_frequent else n_other]
        found.append((labels[pairs[k] // n_labels], labels[pairs[k] % n_labels], int(counts[k]), here))
    return found


def _worst(rows: Evaluated, chance: np.ndarray | None) -> np.ndarray:
    if rows.task == "regression":
        return largest_errors(rows.truth, rows.prediction)[:N_WORST]
    return surest_mistakes(rows.truth, rows.prediction, chance)[:N_WORST]


def _tiles(rows: Evaluated, chance: np.ndarray | None, places: np.ndarray, images: np.ndarray) -> dict[int, Tile]:
    """Return the tile of each place."""
    truth, prediction = (_said(each[places], rows.classes) for each in (rows.truth, rows.prediction))
    return {
        place: Tile(
            row=int(rows.rows[place]),
            name=None if rows.names is None else str(rows.names[place]),
            truth=true,
            prediction=said,
            probability=None if chance is None else float(chance[place]),
            right=None if rows.task == "regression" else bool(true == said),
            image=image,
        )
        for place, true, said, image in zip(places.tolist(), truth, prediction, images, strict=True)
    }


def _said(values: np.ndarray, classes: np.ndarray) -> list[Any]:
    """Return labels or numbers as plain values, and indicators as joined labels."""
    return [joined(marks, classes) for marks in values] if values.ndim == 2 else values.tolist()


def _checked_images(images: np.ndarray, n_rows: int) -> np.ndarray:
    if images.ndim not in (3, 4) or images.dtype.kind not in "buif" or 0 in images.shape[1:]:
        raise DataError(
            "Evaluation needs images of shape (rows, height, width) or (rows, height, width, channels); "
            f"got {images.dtype} of shape {images.shape}.",
            "Pass the images that were predicted, one per row.",
        )
    if len(images) != n_rows:
        raise DataError(
            f"Evaluation needs one image for each of {n_rows} rows; got {len(images)}.",
            "Pass the images that were predicted, in the same order.",
        )
    return images


def _checked_filters(name: str, weights: ArrayLike) -> np.ndarray:
    weights = np.asarray(weights)
    fits = weights.ndim in (3, 4) and weights.size and weights.dtype.kind in "buif" and np.isfinite(weights).all()
    if not fits:
        raise DataError(
            "Evaluation needs filters as finite numbers of shape (filters, height, width) or (filters, height, width, "
            f"channels); got {weights.dtype} of shape {weights.shape} for {quote(name)}.",
            "Pass the weights of a convolution with the channels last.",
        )
    return weights.astype(np.float64)
