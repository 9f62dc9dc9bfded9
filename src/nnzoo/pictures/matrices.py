"""Matrices as coloured cells: the confusion of true and predicted labels."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnzoo.pictures.canvas import INK, drawing, label, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_WRITTEN = 12
# Opaque cells carry their own contrast, so they read the same on a light and on a dark page.
PALE, DEEP = np.array([0xE8, 0xF1, 0xF8]) / 255, np.array([0x0B, 0x3C, 0x5D]) / 255
DARK_TEXT, LIGHT_TEXT = "#000000", "#ffffff"


def confusion_matrix(counts: np.ndarray, labels: Sequence[object]) -> "Figure":
    """Return the counts as cells, the deeper the larger their share of the true label's rows.

    Parameters
    ----------
    counts : array (k, k) of int
        Rows are true labels, columns predicted ones. Up to 12 labels the counts are written into the cells.
    labels : sequence of length k
    """
    counts = np.asarray(counts)
    n_labels = len(labels)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    colours = PALE + shares[..., None] * (DEEP - PALE)
    with drawing():
        side = min(1.6 + 0.45 * n_labels, 4.8)
        figure, axes = new_figure(height=max(side, 2.2))
        axes.imshow(colours, interpolation="nearest", aspect="auto")
        for side_name in ("left", "bottom"):
            axes.spines[side_name].set_visible(False)
        if n_labels <= MAX_WRITTEN:
            _write(axes, counts, colours)
        ticks = np.unique(np.linspace(0, n_labels - 1, min(n_labels, MAX_WRITTEN)).round().astype(int))
        names = [label(labels[i]) for i in ticks]
        slanted = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if max(map(len, names)) > 4 else {}
        axes.set_xticks(ticks, names, color=INK, parse_math=False, **slanted)
        axes.set_yticks(ticks, names, color=INK, parse_math=False)
        axes.tick_params(length=0)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
    return figure


def text_colour(cell: np.ndarray) -> str:
    """Return dark or light text, whichever has the higher contrast on a cell (red, green, blue from 0 to 1)."""
    return LIGHT_TEXT if luminance(cell) < 0.179 else DARK_TEXT


def luminance(colour: np.ndarray) -> float:
    """Return the relative luminance of a colour (red, green, blue from 0 to 1) as WCAG 2 defines it."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))


def _write(axes: "Axes", counts: np.ndarray, colours: np.ndarray) -> None:
    for (i, j), count in np.ndenumerate(counts):
        axes.text(j, i, f"{count:,}", ha="center", va="center", color=text_colour(colours[i, j]))
