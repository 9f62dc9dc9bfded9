"""Curves and points: training, calibration, truth against prediction, intervals side by side."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnzoo.pictures.canvas import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MAX_NAME,
    ORANGE,
    WIDE,
    add_legend,
    drawing,
    label,
    new_figure,
)

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
    names: Sequence[str],
    values: Sequence[float],
    ends: Sequence[tuple[float | None, float | None]],
    title: str,
    *,
    marked: int | None = 0,
    quiet: Collection[int] = (),
    within: tuple[float, float] | None = None,
    line: float | None = None,
) -> "Figure":
    """Return one dot with its 95 % interval per name, one of them apart in colour.

    Parameters
    ----------
    names, values, ends
        Per row of the picture, from the top; an end may be None.
    title : str
        Of the axis.
    marked : int or None, default 0
        Row to set apart.
    quiet : collection of int
        Rows in grey.
    within : (low, high), optional
        What lies outside is drawn at the border, as an arrow.
    line : float, optional
        Value to draw a dashed line at.
    """
    low_end, high_end = within or (-np.inf, np.inf)
    with drawing():
        figure, axes = new_figure(WIDE, 0.8 + 0.3 * len(names))
        if line is not None:
            axes.axvline(line, linestyle="--", color=GREY, linewidth=1)
        for i in range(len(names)):
            colour = ORANGE if i == marked else GREY if i in quiet else BLUE
            low, high = ends[i]
            if low is not None and high is not None:
                axes.plot(np.clip([low, high], low_end, high_end), [i, i], color=colour, linewidth=2)
            shape = "<" if values[i] < low_end else ">" if values[i] > high_end else "D" if i == marked else "o"
            axes.plot(np.clip(values[i], low_end, high_end), i, shape, color=colour)
        written = [label(name, MAX_NAME) for name in names]
        axes.set_yticks(range(len(names)), written, color=INK, parse_math=False)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel(title)
    return figure


def learning_curves(curves: Mapping[str, Mapping[float, Sequence[float]]], up: str) -> "Figure":
    """Return a line a name through the means of its scores, a dot a score; at most four names.

    Parameters
    ----------
    curves : mapping of str to mapping of float to sequence of float
        Name to scores by share of the training rows, above 0 and at most 1; at least one.
    up : str
        What the score is.
    """
    shares = sorted({share for curve in curves.values() for share in curve})
    with drawing():
        figure, axes = new_figure(WIDE)
        for (name, curve), (colour, style) in zip(curves.items(), STYLES, strict=False):
            own = sorted(curve)
            means = [float(np.mean(curve[share])) for share in own]
            axes.plot(own, means, style, color=colour, label=label(name, MAX_NAME), linewidth=1.8)
            for share in own:
                axes.plot([share] * len(curve[share]), curve[share], "o", color=colour, markersize=3)
        axes.set_xscale("log", base=2)
        axes.minorticks_off()
        axes.set_xticks(shares, [f"{share:.3g}" if share < 1 else "all" for share in shares], color=INK)
        axes.set_xlabel("share of the training rows")
        axes.set_ylabel(up)
        add_legend(axes)
    return figure


def _floats(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else float(value) for value in values])


def _epochs(history: Mapping[str, Sequence[float | None]], n_values: int) -> np.ndarray:
    epochs = _floats(history.get("epoch", ()))
    return epochs if len(epochs) == n_values else np.arange(1.0, n_values + 1)


def _thinned(n_values: int) -> np.ndarray:
    return np.unique(np.linspace(0, n_values - 1, MAX_CURVE_POINTS).round().astype(np.int64))
