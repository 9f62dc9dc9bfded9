"""What stands behind the numbers: confusions, classes, calibration, residuals, and the rows that went worst."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nnzoo.evaluation.inputs import chance_of, label_codes, label_index
from nnzoo.evaluation.intervals import divide, wilson
from nnzoo.evaluation.metrics import N_BINS, confidence_bins

MAX_CLASSES = 200
N_WORST = 10
N_CONFUSIONS = 20
N_POINTS = 1000
N_FIFTHS = 5


@dataclass(frozen=True)
class Confusion:
    """Counts of true against predicted labels.

    Parameters
    ----------
    labels : list
    counts : array (k, k) of int
        Rows are true labels, columns predicted ones.
    """

    labels: list[Any]
    counts: np.ndarray

    def to_json(self) -> dict[str, Any]:
        """Return labels and counts as plain JSON values."""
        return {"labels": self.labels, "counts": self.counts.tolist()}


@dataclass(frozen=True)
class LabelScore:
    """How one label fares.

    Parameters
    ----------
    label : object
    rows : int
        Rows that have it.
    precision, recall : float or None
        Share of its predictions that are right; share of its rows that are found. None where there are none.
    f1 : float
    """

    label: Any
    rows: int
    precision: float | None
    recall: float | None
    f1: float


@dataclass(frozen=True)
class CalibrationBin:
    """Predictions whose probability lies in one tenth of the scale.

    Parameters
    ----------
    rows : int
    said : float
        Mean probability.
    right, low, high : float
        Share that is right, with its 95 % interval.
    """

    rows: int
    said: float
    right: float
    low: float
    high: float


@dataclass(frozen=True)
class ResidualBin:
    """A fifth of the rows, ordered by prediction.

    Parameters
    ----------
    rows : int
    prediction, truth : float
        Means; where they differ the network is off on average.
    rmse : float
    """

    rows: int
    prediction: float
    truth: float
    rmse: float


@dataclass(frozen=True)
class Residuals:
    """Truth against prediction of a regression.

    Parameters
    ----------
    truth, prediction : array (at most 1000,)
        Of all rows, or of rows at equal distances.
    bins : tuple of ResidualBin
        At most five, by prediction.
    """

    truth: np.ndarray
    prediction: np.ndarray
    bins: tuple[ResidualBin, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the bins as plain JSON values."""
        return {"bins": [asdict(each) for each in self.bins]}


@dataclass(frozen=True)
class Worst:
    """A row that went badly.

    Parameters
    ----------
    row : int
        Number in the file, from 1.
    truth, prediction : object
        Label, number, or labels joined by ``|``.
    probability : float or None
        That the network gave to its prediction.
    name : str or None
        What the row is called, for example its file.
    """

    row: int
    truth: Any
    prediction: Any
    probability: float | None
    name: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the parts as plain JSON values; the name only where there is one."""
        return {key: value for key, value in asdict(self).items() if key != "name" or value is not None}


def confusion(truth: np.ndarray, prediction: np.ndarray, classes: np.ndarray) -> Confusion | None:
    """Return the confusion matrix of the labels that occur or are known; nothing above 200 labels."""
    index = label_index(classes, truth, prediction)
    n_labels = len(index)
    if n_labels > MAX_CLASSES:
        return None
    flat = label_codes(truth, index) * n_labels + label_codes(prediction, index)
    return Confusion(list(index), np.bincount(flat, minlength=n_labels**2).reshape(n_labels, n_labels))


def frequent_confusions(truth: np.ndarray, prediction: np.ndarray) -> list[tuple[Any, Any, int]]:
    """Return the most frequent pairs of true and wrongly predicted label with their counts, at most 20."""
    index = label_index(truth, prediction)
    labels = list(index)
    codes, guesses = label_codes(truth, index), label_codes(prediction, index)
    wrong = codes != guesses
    pairs, counts = np.unique(codes[wrong] * len(labels) + guesses[wrong], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:N_CONFUSIONS]
    return [(labels[pairs[i] // len(labels)], labels[pairs[i] % len(labels)], int(counts[i])) for i in order]


def label_scores(truth: np.ndarray, prediction: np.ndarray, classes: np.ndarray) -> list[LabelScore]:
    """Return the scores of each label, from labels (n,) or from indicators (n, k) whose columns are ``classes``."""
    if truth.ndim == 2:
        labels = classes.tolist()
        rows, guessed = truth.sum(axis=0), prediction.sum(axis=0)
        right = (truth.astype(bool) & prediction.astype(bool)).sum(axis=0)
    else:
        index = label_index(classes, truth, prediction)
        labels = list(index)
        codes, guesses = label_codes(truth, index), label_codes(prediction, index)
        rows, guessed = (np.bincount(each, minlength=len(labels)) for each in (codes, guesses))
        right = np.bincount(codes[codes == guesses], minlength=len(labels))
    f1 = divide(2.0 * right, 1.0 * rows + guessed)
    return [
        LabelScore(labels[i], int(rows[i]), _share(right[i], guessed[i]), _share(right[i], rows[i]), float(f1[i]))
        for i in range(len(labels))
    ]


def calibration(truth: np.ndarray, prediction: np.ndarray, probability: np.ndarray) -> list[CalibrationBin]:
    """Return, for each tenth of the probability of the predicted label, how often it was right.

    With indicators (n, k) the probability of every label of every row counts, and "right" means that the row has it.
    """
    if truth.ndim == 2:
        confidence, right = probability.ravel(), truth.ravel().astype(bool)
    else:
        confidence, right = probability.max(axis=1), truth == prediction
    bins, _ = confidence_bins(confidence, right)
    found = []
    for number in range(N_BINS):
        here = bins == number
        if n_rows := int(here.sum()):
            share = float(right[here].mean())
            found.append(CalibrationBin(n_rows, float(confidence[here].mean()), share, *wilson(share * n_rows, n_rows)))
    return found


def residuals(truth: np.ndarray, prediction: np.ndarray) -> Residuals:
    """Return truth against prediction, thinned to 1000 points, and their means over fifths of the predictions."""
    order = np.argsort(prediction, kind="stable")
    bins = [
        ResidualBin(
            len(part),
            float(prediction[part].mean()),
            float(truth[part].mean()),
            float(np.sqrt(((truth[part] - prediction[part]) ** 2).mean())),
        )
        for part in np.array_split(order, N_FIFTHS)
        if len(part)
    ]
    step = np.unique(np.linspace(0, len(truth) - 1, N_POINTS).round().astype(np.int64))
    return Residuals(truth[step], prediction[step], tuple(bins))


def largest_errors(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return the positions of all rows of a regression, the largest error first."""
    return np.argsort(-np.abs(truth - prediction), kind="stable")


def surest_mistakes(truth: np.ndarray, prediction: np.ndarray, chance: np.ndarray | None) -> np.ndarray:
    """Return the positions of the rows with a wrong label: the surest first, or most wrong of several first.

    Parameters
    ----------
    truth, prediction : array (n,), or indicators (n, k)
    chance : array (n,) or None
        Probability of the predicted label; without it one label's mistakes keep their order.
    """
    if truth.ndim == 2:
        n_wrong = (truth != prediction).sum(axis=1)
        order = np.argsort(-n_wrong, kind="stable")
        return order[: int((n_wrong > 0).sum())]
    wrong = np.flatnonzero(truth != prediction)
    return wrong if chance is None else wrong[np.argsort(-chance[wrong], kind="stable")]


def label_chance(
    truth: np.ndarray, prediction: np.ndarray, probability: np.ndarray | None, classes: np.ndarray
) -> np.ndarray | None:
    """Return the probability that each row's predicted label was given, shape (n,); None without probabilities."""
    if probability is None:
        return None
    return chance_of(label_codes(prediction, label_index(classes, truth, prediction)), probability)


def worst_numbers(
    truth: np.ndarray, prediction: np.ndarray, rows: np.ndarray, names: Sequence[str] | None = None
) -> list[Worst]:
    """Return the rows with the largest error, at most ten."""
    order = largest_errors(truth, prediction)[:N_WORST]
    return [Worst(int(rows[i]), float(truth[i]), float(prediction[i]), None, _name(names, i)) for i in order]


def worst_labels(
    truth: np.ndarray,
    prediction: np.ndarray,
    probability: np.ndarray | None,
    classes: np.ndarray,
    rows: np.ndarray,
    names: Sequence[str] | None = None,
) -> list[Worst]:
    """Return rows with a wrong label, at most ten: the surest first, or those with most wrong labels of several."""
    if truth.ndim == 2:
        return [
            Worst(int(rows[i]), joined(truth[i], classes), joined(prediction[i], classes), None, _name(names, i))
            for i in surest_mistakes(truth, prediction, None)[:N_WORST]
        ]
    labels, guesses = truth.tolist(), prediction.tolist()
    chance = label_chance(truth, prediction, probability, classes)
    return [
        Worst(int(rows[i]), labels[i], guesses[i], None if chance is None else float(chance[i]), _name(names, i))
        for i in surest_mistakes(truth, prediction, chance)[:N_WORST]
    ]


def joined(marks: np.ndarray, classes: np.ndarray) -> str:
    """Return the labels that a row of indicators marks, joined by ``|``."""
    return "|".join(str(label) for label in classes[marks.astype(bool)].tolist())


def _name(names: Sequence[str] | None, place: int) -> str | None:
    return None if names is None else str(names[place])


def _share(over: int, under: int) -> float | None:
    return float(over / under) if under else None
