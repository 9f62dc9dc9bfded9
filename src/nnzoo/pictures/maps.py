"""Maps of units as coloured cells, squares or hexagons: distances, counts, and what units stand for."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nnzoo.pictures.canvas import INK, drawing, label
from nnzoo.pictures.matrices import DEEP, PALE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS_A_LINE = 4
PANEL_WIDTH, PANEL_ABOVE = 1.9, 0.45
HEXAGON_STEP = math.sqrt(3) / 2
"""From one row of hexagons to the next; from one to its neighbour in the row it is 1."""


def draw_maps(maps: Mapping[str, np.ndarray], *, hexagonal: bool) -> "Figure":
    """Return maps beside each other, each with its own scale from pale, the least, to deep, the most.

    Parameters
    ----------
    maps : dict of str to array (n_rows, n_columns)
        By name; the first row lies on top.
    hexagonal : bool
        Odd rows, counted from 0, lie half a cell to the right.
    """
    from matplotlib.figure import Figure

    n_lines = -(-len(maps) // PANELS_A_LINE)
    n_wide = min(len(maps), PANELS_A_LINE)
    n_rows, n_columns = next(iter(maps.values())).shape
    step = HEXAGON_STEP if hexagonal else 1.0
    height = min(max(PANEL_WIDTH * n_rows * step / n_columns, 0.4), 2 * PANEL_WIDTH)
    with drawing():
        figure = Figure(figsize=(n_wide * PANEL_WIDTH, n_lines * (height + PANEL_ABOVE)), layout="constrained")
        figure.patch.set_alpha(0)
        panels = figure.subplots(n_lines, n_wide, squeeze=False).ravel()
        for axes, (name, values) in zip(panels, maps.items(), strict=False):
            _draw_map(axes, values, hexagonal=hexagonal)
            axes.set_title(
                f"{label(name)}\n{values.min():.4g} to {values.max():.4g}", color=INK, fontsize=8, parse_math=False
            )
        for axes in panels:
            axes.set_axis_off()
    return figure


def _draw_map(axes: "Axes", values: np.ndarray, *, hexagonal: bool) -> None:
    from matplotlib.collections import PolyCollection

    low, high = float(values.min()), float(values.max())
    share = (values - low) / (high - low) if high > low else np.zeros(values.shape)
    rows, columns = np.indices(values.shape)
    if hexagonal:
        centres = np.stack([columns + 0.5 * (rows % 2), HEXAGON_STEP * rows], axis=-1)
        angles = np.pi / 6 + np.pi / 3 * np.arange(6)
        corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) / math.sqrt(3)
    else:
        centres = np.stack([columns, rows], axis=-1)
        corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    cells = centres.reshape(-1, 1, 2) + corners
    colours = PALE + share.reshape(-1, 1) * (DEEP - PALE)
    axes.add_collection(PolyCollection(list(cells), facecolors=colours, edgecolors=colours, linewidths=0.3))
    axes.set_aspect("equal")
    axes.set_xlim(cells[..., 0].min(), cells[..., 0].max())
    axes.set_ylim(cells[..., 1].max(), cells[..., 1].min())
