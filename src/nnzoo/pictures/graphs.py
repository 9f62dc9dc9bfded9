"""Graphs of transitions: states in a ring with arrows between them, or, of many states, a map of probabilities."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnzoo.pictures.canvas import BLUE, INK, drawing, label, new_figure
from nnzoo.pictures.matrices import DARK_TEXT, DEEP, PALE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_IN_RING = 12
LEAST_SHOWN, LEAST_WRITTEN = 0.02, 0.1
SIDE, CELL = 4.8, 0.16


def transition_graph(matrix: np.ndarray, names: Sequence[str]) -> "Figure":
    """Return a ring of up to 12 states, an arrow the thicker the likelier; of more states a map, rows to columns.

    Probabilities below 2 % have no arrow, those from 10 % on are written beside theirs.

    Parameters
    ----------
    matrix : array (n, n)
        Row i holds the probabilities of what comes behind state i.
    names : sequence of str
    """
    return _ring(matrix, names) if len(matrix) <= MOST_IN_RING else _map(matrix, names)


def _ring(matrix: np.ndarray, names: Sequence[str]) -> "Figure":
    n = len(matrix)
    angles = np.pi / 2 - 2 * np.pi * np.arange(n) / n
    places = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    radius = min(0.17, 1.6 / max(n, 2))
    with drawing():
        figure, axes = new_figure(SIDE, SIDE)
        axes.set_axis_off()
        axes.set_aspect("equal")
        axes.set_xlim(-1.6, 1.6)
        axes.set_ylim(-1.6, 1.6)
        for i, j in np.argwhere(matrix >= LEAST_SHOWN).tolist():
            if i == j:
                _loop(axes, places[i], radius, matrix[i, i])
            else:
                _arrow(axes, places[i], places[j], radius, matrix[i, j])
        for place, name in zip(places, names, strict=True):
            axes.add_patch(_circle(place, radius, facecolor=PALE, edgecolor=INK))
            axes.text(
                place[0], place[1], label(name), ha="center", va="center", color=DARK_TEXT, zorder=4, parse_math=False
            )
    return figure


def _circle(place: np.ndarray, radius: float, **style: Any) -> Any:
    from matplotlib.patches import Circle

    return Circle((float(place[0]), float(place[1])), radius, zorder=3, **style)


def _arrow(axes: "Axes", start: np.ndarray, end: np.ndarray, radius: float, share: float) -> None:
    """Draw a bent arrow from rim to rim, so that two that go both ways stand apart."""
    way = (end - start) / np.linalg.norm(end - start)
    across = np.array([way[1], -way[0]])
    a, b = start + radius * (way + 0.3 * across), end - 1.1 * radius * (way - 0.3 * across)
    style = {"arrowstyle": "-|>", "color": BLUE, "lw": 0.4 + 3 * share, "connectionstyle": "arc3,rad=0.15"}
    axes.annotate("", xy=tuple(b), xytext=tuple(a), arrowprops=style | {"shrinkA": 0, "shrinkB": 0})
    if share >= LEAST_WRITTEN:
        at = a + 0.42 * (b - a) + 0.12 * np.linalg.norm(b - a) * across
        axes.text(at[0], at[1], f"{share:.2f}", ha="center", va="center", color=INK, fontsize=7, zorder=5)


def _loop(axes: "Axes", place: np.ndarray, radius: float, share: float) -> None:
    """Draw a circle that touches the state on the outer side."""
    outward = place / max(float(np.linalg.norm(place)), 1e-12)
    centre = place + 1.5 * radius * outward
    axes.add_patch(_circle(centre, 0.8 * radius, fill=False, edgecolor=BLUE, lw=0.4 + 3 * share))
    if share >= LEAST_WRITTEN:
        at = place + 2.9 * radius * outward
        axes.text(at[0], at[1], f"{share:.2f}", ha="center", va="center", color=INK, fontsize=7)


def _map(matrix: np.ndarray, names: Sequence[str]) -> "Figure":
    n = len(matrix)
    # Square roots: most probabilities of many states are small, and would all be pale.
    colours = PALE + np.sqrt(matrix)[..., None] * (DEEP - PALE)
    with drawing():
        side = max(SIDE, 1.0 + CELL * n)
        figure, axes = new_figure(side, side)
        axes.imshow(colours, interpolation="nearest")
        shown = [label(name) for name in names]
        axes.set_xticks(np.arange(n), shown, fontsize=6, rotation=90 * any(len(name) > 2 for name in shown))
        axes.set_yticks(np.arange(n), shown, fontsize=6)
        axes.set_xlabel("comes next")
        axes.set_ylabel("came before")
    return figure
