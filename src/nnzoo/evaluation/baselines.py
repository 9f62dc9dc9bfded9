"""Plain competitors from scikit-learn, trained on the same rows and scored on the same rows as the network.

``constant`` answers the most frequent label or the mean. ``linear`` is logistic regression, or ridge regression, on
standardised columns with a column of its own for each of the 999 most frequent codes of a code column. ``boosted
trees`` is HistGradientBoosting at its defaults; a code column goes in as categories, its 254 most frequent codes apart
and the others together. ``nearest neighbours``, which a comparison of networks asks for as well, joins the five nearest
rows, columns as for the linear model. None of them is tuned: a network that needs tuning to win should be seen to need
it.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nnzoo.errors import DataError
from nnzoo.evaluation.competitors import Job, fit_predict
from nnzoo.evaluation.metrics import Metric, score
from nnzoo.evaluation.sklearn_lines import code_lines

__all__ = ["Baseline", "code_lines", "run_baselines"]

NAMES = ("constant", "linear", "boosted trees")
ALL_NAMES = ("constant", "linear", "nearest neighbours", "boosted trees")
MAX_ROWS = 200_000


@dataclass(frozen=True)
class Baseline:
    """A competitor of the network and what it reached.

    Parameters
    ----------
    name : str
        One of ``ALL_NAMES``.
    metrics : dict of str to Metric
    prediction : array (n,) or (n, k)
        For the test rows, in the kind of the truth.
    seconds : float
        Training and prediction.
    code : str
        Lines that build it from the user's own file; empty where there is no file.
    note : str
        What was cut short for the sake of time, in words; may be empty.
    """

    name: str
    metrics: dict[str, Metric]
    prediction: np.ndarray
    seconds: float
    code: str = ""
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return name, metrics, seconds, code and note as plain JSON values."""
        return {
            "name": self.name,
            "metrics": {name: metric.to_json() for name, metric in self.metrics.items()},
            "seconds": round(self.seconds, 3),
            "code": self.code,
            "note": self.note,
        }


def run_baselines(
    task: str,
    X_train: ArrayLike,
    y_train: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    *,
    names: Sequence[str] = NAMES,
    categorical_features: Collection[int] = (),
    several_labels: bool = False,
    seed: int = 0,
    max_rows: int = MAX_ROWS,
    effort: float = 1.0,
    source: object = None,
    target: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> list[Baseline]:
    """Train and score the baselines; where the target has one value, or X no column, there is only the constant.

    At most two threads work, and the time is bounded: the linear model sees at most ``max_rows`` training rows; with
    very many rows, columns or classes both models see fewer rows and the trees take fewer rounds. ``note`` says so.

    Parameters
    ----------
    task : str
        "classification" or "regression".
    X_train, X_test : array (n, d)
        Finite numbers; a column of ``categorical_features`` holds codes 0, 1, 2, ...
    y_train, y_test : array (n,)
        Labels of any type, or numbers. With several labels: indicators of 0 and 1, shape (n, k); each label gets a
        model of its own.
    names : sequence of str
        Which of ``ALL_NAMES``.
    categorical_features : collection of int
        Indices of the code columns; a mapping whose keys are the indices will do.
    several_labels : bool, default False
    seed : int, default 0
    max_rows : int, default 200_000
        Training rows of the linear model.
    effort : float, default 1
        Share of the usual work that may be done, before rows are left out.
    source, target, columns
        For ``Baseline.code``; see ``code_lines``.

    Returns
    -------
    list of Baseline
        In the order of ``names``.

    Raises
    ------
    DataError
        There is no training row, or the rows and the targets differ in number.
    """
    X_train, X_test = np.asarray(X_train, dtype=np.float64), np.asarray(X_test, dtype=np.float64)
    y_train, y_test = np.asarray(y_train), np.asarray(y_test)
    for part, X, y in (("training", X_train, y_train), ("test", X_test, y_test)):
        if len(y) == 0 or len(X) != len(y):
            raise DataError(
                f"Baselines need at least 1 {part} row and a target for each; got {len(X)} rows and {len(y)} targets.",
                f"Pass the {part} rows with their targets.",
            )
    if not X_train.shape[1] or (y_train == y_train[0]).all():
        names = names[:1]
    predict = _numbers if task == "regression" else _several if several_labels else _labels
    found = []
    for name in names:
        start = time.monotonic()
        job = Job(name, task, X_train, X_test, sorted(categorical_features), 1, seed, max_rows, effort)
        prediction, probability, classes, note = predict(job, y_train)
        seconds = time.monotonic() - start
        metrics = score(task, y_test, prediction, probability, classes, several_labels=several_labels, seed=seed)
        code = code_lines(name, task, source, target, columns or {}, several_labels=several_labels)
        found.append(Baseline(name, metrics, prediction, seconds, code, note))
    return found


Predicted = tuple[np.ndarray, np.ndarray | None, np.ndarray | None, str]


def _numbers(job: Job, y: np.ndarray) -> Predicted:
    """Train on the standardised target, because the trees add up their gradients in float32."""
    y = y.astype(np.float64)
    unit = float(np.abs(y).max()) or 1.0
    y = y / unit
    centre, spread = float(y.mean()), float(np.ptp(y)) or 1.0
    prediction, note = fit_predict(job, (y - centre) / spread)
    return (prediction * spread + centre) * unit, None, None, note


def _labels(job: Job, y: np.ndarray) -> Predicted:
    classes, numbers = np.unique(y, return_inverse=True)
    n_outputs = 1 if len(classes) <= 2 else len(classes)
    chances, note = fit_predict(replace(job, n_outputs=n_outputs), numbers, len(classes))
    return classes[chances.argmax(axis=1)], chances, classes, note


def _several(job: Job, y: np.ndarray) -> Predicted:
    job = replace(job, n_outputs=y.shape[1])
    each = [fit_predict(job, column.astype(np.int64), 2) for column in y.T]
    chances = np.stack([chance[:, 1] for chance, _ in each], axis=1)
    notes = dict.fromkeys(note for _, note in each if note)
    return (chances > 0.5).astype(y.dtype), None, None, "; ".join(notes)
