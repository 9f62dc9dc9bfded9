"""Curves and points: training, calibration, truth against prediction, intervals side by side."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnzoo.pictures.canvas import BLUE, GREEN, GREY, INK, ORANGE, add_legend, drawing, label, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_CURVE_POINTS = 500
TITLES = {"train_loss": "training rows", "valid_loss": "validation rows"}
STYLES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (GREY, ":"))


def training_curves(history: Mapping[str, Sequence[float | None]]) -> "Figure | None":
    """Return the losses over the epochs, with a mark at the best validation epoch.

    Parameters
    ----------
    history : mapping of str to sequence
        "epoch" (optional) and columns that end in "loss"; None and NaN leave gaps. The first four are drawn.

    Returns
    -------
    Figure or None
        None where there is no loss to draw.
    """
    losses = {name: _floats(values) for name, values in history.items() if name.endswith("loss")}
    losses = {name: values for name, values in losses.items() if np.isfinite(values).any()}
    if not losses:
        return None
    from matplotlib.ticker import MaxNLocator

    with drawing():
        figure, axes = new_figure()
        for (name, values), (colour, line) in zip(losses.items(), STYLES, strict=False):
            epochs = _epochs(history, len(values))
            kept = _thinned(len(values))
            axes.plot(
                epochs[kept], values[kept], line, color=colour, label=TITLES.get(name, label(name)), linewidth=1.8
            )
            if name == "valid_loss":
                best = int(np.nanargmin(values))
                axes.plot(epochs[best], values[best], "o", color=colour, label=f"best epoch: {epochs[best]:.0f}")
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        add_legend(axes)
    return figure


def energy_curves(energies: np.ndarray) -> "Figure":
    """Return a line for each state, its energy after each sweep (n_sweeps + 1, n)."""
    from matplotlib.ticker import MaxNLocator

    with drawing():
        figure, axes = new_figure()
        axes.plot(np.arange(len(energies)), energies, color=BLUE, linewidth=1.2, alpha=0.7)
        axes.set_xlabel("sweep")
        axes.set_ylabel("energy")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def calibration_curve(said: Sequence[float], right: Sequence[float], ends: Sequence[tuple[float, float]]) -> "Figure":
    """Return how often predictions are right against how sure the network was, with 95 % intervals.

    Parameters
    ----------
    said, right : sequence of float
        Mean probability and share that is right, per bin.
    ends : sequence of (low, high)
        Intervals of ``right``.
    """
    with drawing():
        figure, axes = new_figure()
        axes.plot([0, 1], [0, 1], "--", color=GREY, label="what it says comes true")
        below = np.clip([share - low for share, (low, _) in zip(right, ends, strict=True)], 0, None)
        above = np.clip([high - share for share, (_, high) in zip(right, ends, strict=True)], 0, None)
        axes.errorbar(said, right, yerr=[below, above], fmt="o", color=BLUE, capsize=3, label="test rows")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("probability that the network gives")
        axes.set_ylabel("share that is right")
        add_legend(axes)
    return figure


def truth_against_prediction(truth: np.ndarray, prediction: np.ndarray) -> "Figure":
    """Return a point per row; on the line, truth and prediction are equal."""
    with drawing():
        figure, axes = new_figure()
        ends = [float(min(truth.min(), prediction.min())), float(max(truth.max(), prediction.max()))]
        axes.plot(prediction, truth, "o", color=BLUE, markersize=3, markeredgewidth=0, label="test rows")
        axes.plot(ends, ends, "--", color=ORANGE, label="truth = prediction")
        axes.set_xlabel("prediction")
        axes.set_ylabel("truth")
        add_legend(axes)
    return figure


def lines(curves: Mapping[str, np.ndarray], across: str, up: str) -> "Figure":
    """Return one line a name against 0, 1, 2, ..., on a logarithmic axis; at most four.

    Parameters
    ----------
    curves : mapping of str to array (n,)
        Values above zero.
    across, up : str
        Titles of the axes.
    """
    with drawing():
        figure, axes = new_figure()
        for (name, values), (colour, line) in zip(curves.items(), STYLES, strict=False):
            axes.plot(np.arange(len(values)), values, line, color=colour, label=label(name), linewidth=1.8)
        axes.set_yscale("log")
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        add_legend(axes)
    return figure


def intervals(
    names: Sequence[str], values: Sequence[float], ends: Sequence[tuple[float | None, float | None]], title: str
) -> "Figure":
    """Return one dot with its 95 % interval per name, the first name apart in colour and on top.

    Parameters
    ----------
    names, values, ends
        Per row of the picture; an end may be None.
    title : str
        Of the axis.
    """
    with drawing():
        figure, axes = new_figure(height=0.8 + 0.35 * len(names))
        for i in range(len(names)):
            colour = ORANGE if i == 0 else BLUE
            low, high = ends[i]
            if low is not None and high is not None:
                axes.plot([low, high], [i, i], color=colour, linewidth=2)
            axes.plot(values[i], i, "D" if i == 0 else "o", color=colour)
        axes.set_yticks(range(len(names)), [label(name) for name in names], color=INK, parse_math=False)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel(title)
    return figure


def _floats(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else float(value) for value in values])


def _epochs(history: Mapping[str, Sequence[float | None]], n_values: int) -> np.ndarray:
    epochs = _floats(history.get("epoch", ()))
    return epochs if len(epochs) == n_values else np.arange(1.0, n_values + 1)


def _thinned(n_values: int) -> np.ndarray:
    return np.unique(np.linspace(0, n_values - 1, MAX_CURVE_POINTS).round().astype(np.int64))
