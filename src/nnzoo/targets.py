"""Targets: what y is, how a head codes it, and how scores become predictions again."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from nnzoo.engine.scaling import Standardizer
from nnzoo.errors import DataError, listing
from nnzoo.heads import NO_HEAD, Head, choose_head

MAX_DISTINCT_NUMBERS = 0.5
"""Numbers given as class labels are refused when more than this share of many rows is distinct."""


@dataclass(frozen=True)
class Target:
    """The target of a fitted network.

    Attributes
    ----------
    head : Head
    classes : ndarray or None
        Labels in sorted order; None for regression. For several labels a row, 0 ... k - 1.
    n_targets : int
        Number of classes, labels or values.
    flat : bool
        Whether y came as one dimension.
    standard : Standardizer
        Of the values, for regression; changes nothing otherwise.
    """

    head: Head
    classes: np.ndarray | None
    n_targets: int
    flat: bool
    standard: Standardizer

    @property
    def n_scores(self) -> int:
        """Return how many scores the last layer gives."""
        return self.head.n_scores(self.n_targets)

    def code(self, y: np.ndarray) -> np.ndarray:
        """Return y as the head's loss wants it: (n, k) floats, or (n,) class numbers for "multiclass"."""
        if self.head.kind == "regression":
            values = np.asarray(y, dtype=np.float64)
            return self.standard.apply(values.reshape(len(values), -1), np.float64)
        if self.head.kind == "labels":
            return np.asarray(y, dtype=np.float64)
        numbers = self._class_numbers(np.asarray(y))
        return numbers if self.head.kind == "multiclass" else numbers[:, None].astype(np.float64)

    def _class_numbers(self, y: np.ndarray) -> np.ndarray:
        classes = self.classes if self.classes is not None else np.array([])
        numbers = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
        unknown = classes[numbers] != y
        if np.any(unknown):
            raise DataError(
                f"y needs labels seen at the first fit; new: {listing(np.unique(y[unknown]))}.",
                "Fit anew with all labels, or give classes= to the first partial_fit.",
            )
        return numbers

    def labels_or_values(self, scores: np.ndarray) -> np.ndarray:
        """Return predictions: labels, indicator rows (n, k), or values in their own unit; scores are (n, n_scores)."""
        if self.head.kind == "regression":
            values = self.standard.invert(scores)
            return values[:, 0] if self.flat else values
        if self.head.kind == "labels":
            return (scores > 0).astype(np.int64)
        numbers = (scores[:, 0] > 0).astype(np.int64) if self.head.kind == "binary" else scores.argmax(axis=1)
        return np.asarray(self.classes)[numbers]


NO_TARGET = Target(NO_HEAD, None, 0, True, Standardizer.identity(0))
"""Of networks that learn without one."""


def read_target(owner: str, task: str, y: object, weight: np.ndarray | None) -> Target:
    """Return what ``y`` is under a task.

    Raises
    ------
    DataError
        y does not fit the task; a ValueError by scikit-learn's words ("Unknown label type") where it looks for them.
    """
    values = np.asarray(y)
    if task == "regression":
        table = values.reshape(len(values), -1).astype(np.float64)
        return Target(choose_head(task), None, table.shape[1], values.ndim == 1, Standardizer.learn(table, weight))
    check_classification_targets(values)
    kind = type_of_target(values, input_name="y")
    if kind == "multilabel-indicator":
        k = values.shape[1]
        head = choose_head(task, k, several_labels=True)
        return Target(head, np.arange(k), k, False, Standardizer.identity(k))
    if kind == "multiclass-multioutput":
        raise DataError(
            f"{owner} needs one label a row, or an indicator matrix of 0 and 1; got y of shape {values.shape}.",
            "Fit one network per target, or code the labels with scikit-learn's MultiLabelBinarizer.",
        )
    classes = np.unique(values)
    _refuse_numbers(owner, values, classes)
    return Target(choose_head(task, len(classes)), classes, len(classes), True, Standardizer.identity(1))


def _refuse_numbers(owner: str, labels: np.ndarray, classes: np.ndarray) -> None:
    is_number = np.issubdtype(labels.dtype, np.number)
    if is_number and len(labels) > 100 and len(classes) > MAX_DISTINCT_NUMBERS * len(labels):
        raise DataError(
            f"{owner} needs class labels; got {len(classes)} different numbers in {len(labels)} rows of y.",
            "Say task='regression'.",
        )
