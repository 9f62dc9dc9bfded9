"""Numbers to reproduce: what one is, what it takes to meet it, and what several networks are measured on.

The numbers of a network stand in ``numbers/<stem of its module>.py`` as ``FIGURES``; ``reproduce.py`` measures them.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from peers import FOLDER, NotRun

KINDS = ("paper", "theorem", "own target")
SIGNS = {"up": "≥", "down": "≤", "equal": "="}
BY = {"median": "the median", "best": "the best seed", "all": "every seed"}
LARGE = 10_000
FOLDERS: dict[str, Path] = {"mnist": FOLDER / "data" / "mnist"}
"""Where a public set lies, if not where ``nnzoo.load`` looks for it by itself."""

__all__ = ["FOLDERS", "KINDS", "Figure", "NotRun", "number", "public_images", "told_apart", "verdict", "wanted"]


@dataclass(frozen=True)
class Figure:
    """A number to reproduce: what, whose it is, and the function that measures it for one seed.

    Attributes
    ----------
    what : str
        E.g. "test accuracy, digits, first half to train".
    wanted : float
    kind : "paper", "theorem" or "own target"
    source : str
        Paper and table, or whose theorem; of an own target "".
    better : "up", "down" or "equal"
        At least, at most, or as far as ``tolerance`` from ``wanted``.
    measure : callable
        Seed to figure; raises NotRun with the reason where it cannot be measured.
    n_seeds : int, default 5
        Seeds 0, 1, ...; one is enough for what no draw changes.
    tolerance : float, default 0.0
    by : "median", "best" or "all", default "median"
        What of the seeds must meet it.
    """

    what: str
    wanted: float
    kind: str
    source: str
    better: str
    measure: Callable[[int], float]
    n_seeds: int = 5
    tolerance: float = 0.0
    by: str = "median"


def verdict(figure: Figure, values: Sequence[float]) -> tuple[bool, str]:
    """Return whether the values of the seeds meet the figure, in words, too.

    A value that is no number meets nothing.
    """
    if not values:
        return False, "not measured"

    def missing(value: float) -> float:
        far = {"up": figure.wanted - value, "down": value - figure.wanted, "equal": abs(value - figure.wanted)}
        found = far[figure.better] - figure.tolerance
        return found if np.isfinite(value) else np.inf

    judged = {
        "median": statistics.median(values) if np.isfinite(values).all() else np.nan,
        "best": min(values, key=missing),
        "all": max(values, key=missing),
    }[figure.by]
    if missing(judged) <= 0:
        return True, "met"
    return False, f"missed: {'the worst seed' if figure.by == 'all' else BY[figure.by]} has {number(judged)}"


def wanted(figure: Figure) -> str:
    """Return what is asked for, e.g. "≥ 0.8833, the median"."""
    around = f" ± {number(figure.tolerance)}" if figure.tolerance else ""
    return f"{SIGNS[figure.better]} {number(figure.wanted)}{around}, {BY[figure.by]}"


def number(value: float) -> str:
    """Return a number with four digits that count, whole from 10,000 on."""
    return f"{value:,.0f}" if LARGE <= abs(value) < np.inf else f"{value:.4g}"


@cache
def public_images(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return training images and labels, test images and labels of a public set, as its authors split it.

    Images are bytes (n, height, width[, channels]), labels whole numbers in the order of the classes' names.

    Raises
    ------
    NotRun
        The set is neither on this machine nor to be had.
    """
    import nnzoo

    folder = FOLDERS.get(name)
    try:
        data = nnzoo.load(name, data_dir=folder if folder and folder.is_dir() else None)
    except nnzoo.errors.DataError as error:
        raise NotRun(str(error)) from error
    labels = np.unique(data.frame[data.target].to_numpy(), return_inverse=True)[1]
    n_train = len(data.images) - len(data.test)
    return data.images[:n_train], labels[:n_train], data.images[n_train:], labels[n_train:]


def told_apart(make: Callable[[], Any]) -> float:
    """Return how well other digits are told from one digit that alone a network has learned from.

    It is the mean over the ten digits of scikit-learn of the area under the ROC curve of ``score_samples``: every other
    image of one digit, as numbers from 0 to 1, to learn from, and all images that are left to be judged.

    Parameters
    ----------
    make : callable
        Returns what has ``fit`` and ``score_samples``, low where a row is strange.
    """
    from sklearn.datasets import load_digits
    from sklearn.metrics import roc_auc_score

    X, y = load_digits(return_X_y=True)
    areas = []
    for digit in range(10):
        known = np.flatnonzero(y == digit)[::2]
        left = np.delete(np.arange(len(X)), known)
        areas.append(roc_auc_score(y[left] == digit, make().fit(X[known] / 16).score_samples(X[left] / 16)))
    return float(np.mean(areas))
