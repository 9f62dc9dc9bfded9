"""How networks with memory read arrays: sequences of any length, and the targets of rows, of steps, or of what is next.

A row is one sequence. It comes as ``Ragged``, as an array (n, T, d) with ``lengths``, as a list of arrays (T_i, d) or
(T_i,), or as flat rows (n, T), a signal of one value a step.
"""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_array

from nnzoo.errors import DataError
from nnzoo.ragged import Ragged

OUTPUTS = ("sequence", "step", "next")


def is_flat(X: Any) -> bool:
    """Return whether X is a table: two dimensions, a data frame, or a sparse matrix."""
    if isinstance(X, Ragged):
        return False
    if isinstance(X, list | tuple):
        try:
            return np.asarray(X).ndim <= 2 and not _holds_arrays(X)
        except ValueError:
            return False
    return getattr(X, "ndim", 2) <= 2


def to_ragged(owner: str, X: Any, lengths: Any = None) -> Ragged:
    """Return sequences that came as ``Ragged``, a list of arrays, or an array (n, T, d) with ``lengths``.

    Raises
    ------
    DataError
        No sequence, an empty one, steps of different widths, or values that are not finite; what stands behind the
        end of a row is never looked at.
    """
    if isinstance(X, Ragged):
        rows = X
    elif isinstance(X, list | tuple):
        rows = _of_list(owner, X)
    else:
        array = np.asarray(X)
        if array.ndim == 2:
            array = array[:, :, None]
        if array.ndim != 3:
            raise DataError(
                f"{owner} needs X of shape (rows, steps, values), or a list of arrays (steps, values); "
                f"got shape {array.shape}.",
                "Reshape your data.",
            )
        rows = Ragged.of_padded(array, lengths)
    if not len(rows):
        raise DataError(f"{owner} needs at least 1 sequence; got 0.", "Give sequences.")
    if rows.lengths.min() < 1:
        number = int(rows.lengths.argmin()) + 1
        raise DataError(
            f"{owner} needs sequences of at least one step; sequence {number} has length 0.", "Leave empty ones out."
        )
    return Ragged(_checked(owner, rows.values), rows.lengths)


def target_of_steps(owner: str, y: Any, rows: Ragged) -> Ragged:
    """Return the target of every step, given as ``Ragged``, a list of arrays, an array (n, T), or flat (n_steps,).

    Raises
    ------
    DataError
        There is not one value for each step.
    """
    n_rows, n_steps = len(rows), len(rows.values)
    if isinstance(y, Ragged):
        values = y.values
    elif isinstance(y, list | tuple) and len(y) == n_rows and all(np.ndim(each) for each in y):
        values = np.concatenate([np.asarray(each) for each in y])
    else:
        values = np.asarray(y)
        longest = int(rows.lengths.max())
        if values.ndim >= 2 and values.shape[0] == n_rows and values.shape[1] >= longest:
            values = values[np.arange(values.shape[1]) < rows.lengths[:, None]]
    if len(values) != n_steps:
        raise DataError(
            f"{owner} with output='step' needs a target for each of the {n_steps:,} steps; got {len(values):,}.",
            "Pass y of shape (rows, steps), or a list with one array a sequence.",
        )
    return Ragged(values if values.ndim > 1 else values[:, None], rows.lengths)


def target_of_next(owner: str, rows: Ragged, n_codes: int) -> tuple[Ragged, Ragged]:
    """Return the sequences without their last step, and for every step what comes next.

    Sequences of one step have nothing to predict and are left out.

    Parameters
    ----------
    owner : str
    rows : Ragged
    n_codes : int
        Columns that hold codes: none, or the only one.

    Raises
    ------
    DataError
        Every sequence has one step only, or codes stand beside other columns.
    """
    if n_codes and rows.width > 1:
        raise DataError(
            f"{owner} with output='next' needs numbers only, or one column of codes; got codes beside other columns.",
            "Leave the other columns out.",
        )
    kept = rows[rows.lengths > 1]
    if not len(kept):
        raise DataError(f"{owner} with output='next' needs sequences of at least 2 steps.", "Give longer sequences.")
    ends = np.cumsum(kept.lengths) - 1
    is_last = np.zeros(len(kept.values), dtype=bool)
    is_last[ends] = True
    is_first = np.zeros(len(kept.values), dtype=bool)
    is_first[kept.starts] = True
    lengths = kept.lengths - 1
    after = kept.values[~is_first]
    return Ragged(kept.values[~is_last], lengths), Ragged(after.astype(np.int64) if n_codes else after, lengths)


def in_rows(values: np.ndarray, rows: Ragged) -> Any:
    """Return values of steps row by row: an array (n, T, ...) where all rows are of one length, else a list."""
    if len(np.unique(rows.lengths)) == 1:
        return values.reshape(len(rows), int(rows.lengths[0]), *values.shape[1:])
    return np.split(values, rows.starts[1:])


def _checked(owner: str, values: np.ndarray) -> Any:
    """Return steps as float64; only in doubt by scikit-learn's check, which is slower than a small network."""
    if values.ndim == 2 and values.dtype.kind == "f" and values.shape[1]:
        found = np.ascontiguousarray(values, dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(found.sum()):
                return found
    return check_array(values, dtype="float64", order="C", input_name="X", estimator=owner)


def _of_list(owner: str, X: Any) -> Ragged:
    arrays = [np.asarray(each) for each in X]
    arrays = [array[:, None] if array.ndim == 1 else array for array in arrays]
    if not arrays:
        raise DataError(f"{owner} needs at least 1 sequence; got 0.", "Give sequences.")
    widths = {array.shape[1:] for array in arrays if array.ndim == 2}
    if len(widths) != 1 or any(array.ndim != 2 for array in arrays):
        raise DataError(
            f"{owner} needs a list of arrays (steps, values) with equally many values a step; got shapes "
            f"{', '.join(str(shape) for shape in sorted({array.shape for array in arrays})[:3])}.",
            "Give every step of every sequence the same values.",
        )
    return Ragged(np.concatenate(arrays), np.array([len(array) for array in arrays]))


def _holds_arrays(X: Any) -> bool:
    return len(X) > 0 and all(isinstance(each, np.ndarray) and each.ndim == 2 for each in X)
