"""What evaluation takes: checked arrays, and labels as numbers."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nnzoo.errors import DataError
from nnzoo.evaluation.intervals import divide


def check_pair(
    task: str, truth: ArrayLike, prediction: ArrayLike, several_labels: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and prediction as arrays that fit each other and the task, or raise DataError."""
    truth, prediction = np.asarray(truth), np.asarray(prediction)
    if truth.shape != prediction.shape:
        raise DataError(
            f"Evaluation needs one prediction per row; got truth {truth.shape} and prediction {prediction.shape}.",
            "Predict the same rows that the truth comes from.",
        )
    wanted = 2 if several_labels else 1
    if truth.ndim != wanted:
        raise DataError(
            f"Evaluation needs a truth with {wanted} dimension{'s' * (wanted > 1)}; got shape {truth.shape}.",
            "Pass labels or numbers of shape (rows,), or indicators of shape (rows, labels) with several_labels=True.",
        )
    if len(truth) == 0:
        raise DataError("Evaluation needs at least 1 row; got 0 rows.", "Give a table with rows that have a target.")
    if task == "regression":
        truth, prediction = _finite("truth", truth), _finite("prediction", prediction)
    return truth, prediction


def check_probability(probability: ArrayLike, n_rows: int, n_classes: int) -> np.ndarray:
    """Return the probabilities as float64, or raise DataError."""
    probability = np.asarray(probability, dtype=np.float64)
    if probability.shape != (n_rows, n_classes):
        raise DataError(
            f"Evaluation needs probabilities of shape ({n_rows}, {n_classes}), a column per class; "
            f"got {probability.shape}.",
            "Pass the output of predict_proba with its classes.",
        )
    if not (np.isfinite(probability).all() and (probability >= 0).all() and (probability <= 1 + 1e-6).all()):
        raise DataError(
            "Evaluation needs probabilities from 0 to 1; got other values.",
            "Pass the output of predict_proba, not scores.",
        )
    return probability


def label_index(*labels: np.ndarray) -> dict[Any, int]:
    """Return a number for every label, in the order of first occurrence."""
    return {label: i for i, label in enumerate(dict.fromkeys(label for each in labels for label in each.tolist()))}


def label_codes(labels: np.ndarray, index: dict[Any, int]) -> np.ndarray:
    """Return the number of each label, shape (n,)."""
    return np.fromiter((index[label] for label in labels.tolist()), dtype=np.int64, count=len(labels))


def chance_of(codes: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Return the probability given to each of the labels, shape (n,); 0 for a label without a column."""
    known = codes < probability.shape[1]
    chance = np.zeros(len(codes))
    chance[known] = divide(probability[known, codes[known]], probability[known].sum(axis=1))
    return chance


def _finite(name: str, values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise DataError(
            f"Evaluation needs finite numbers; {name} has NaN or inf at index {int(np.argmin(np.isfinite(values)))}.",
            "Leave out rows without a target, or train again with a smaller learning_rate.",
        )
    return values
