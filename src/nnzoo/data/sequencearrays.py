"""Arrays become sequences: padded ones with lengths, lists of arrays of different lengths, with targets or without."""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from nnzoo.data.arrays import TARGET_NAME, with_target
from nnzoo.data.eventlog import event_target
from nnzoo.data.frames import ARRAY, fingerprint_of
from nnzoo.data.roles import Wishes
from nnzoo.data.sequences import NAME, Sequences, SequenceTable
from nnzoo.errors import DataError, SchemaError, listing
from nnzoo.ragged import Ragged


def array_sequences(source: Any, lengths: Any = None) -> SequenceTable:
    """Return the sequences of arrays, whose columns are x0, x1, ...

    Parameters
    ----------
    source : array (n, T, d), (n, T) or (T,), list of arrays (T_i, d) or (T_i,), Ragged, or (X, y) of these
        y has one value for each sequence; or one for each step, as an array (n, T) or a list of arrays (T_i,).
    lengths : array of shape (n,), optional
        Steps of each row of an array; what stands behind is never looked at.

    Raises
    ------
    DataError
        No sequence, an empty one, arrays of other shapes, or lengths that do not fit.
    SchemaError
        Not one target for each sequence or each step.
    """
    X, y = source if isinstance(source, tuple) and len(source) == 2 else (source, None)
    rows = _to_ragged(X, lengths)
    frame = step_frame(rows.values)
    table = SequenceTable(
        frame=pl.DataFrame({NAME: np.arange(1, len(rows) + 1)}),
        rows=np.arange(1, len(rows) + 1),
        origin=ARRAY,
        fingerprint="",
        sequences=Sequences(frame, rows.lengths),
        layout="array",
    )
    if y is not None:
        table = _with_array_target(table, y, X if isinstance(X, np.ndarray) else None)
    content = hashlib.sha256(fingerprint_of(table.sequences.frame).encode() + rows.lengths.tobytes())
    content.update(fingerprint_of(table.frame).encode())
    return replace(table, fingerprint=content.hexdigest())


def is_sequence_array(source: Any) -> bool:
    """Say whether a source in memory is a ``Ragged`` or a list of arrays, with a target or without."""
    X = source[0] if isinstance(source, tuple) and len(source) == 2 else source
    if isinstance(X, Ragged):
        return True
    return isinstance(X, list) and bool(X) and all(isinstance(each, np.ndarray) and each.ndim > 0 for each in X)


def is_array(source: Any) -> bool:
    """Say whether a source in memory is an array of 1 to 3 dimensions, with a target or without."""
    X = source[0] if isinstance(source, tuple) and len(source) == 2 else source
    return isinstance(X, np.ndarray) and 1 <= X.ndim <= 3


def step_frame(values: np.ndarray) -> pl.DataFrame:
    """Return values (n_steps, d) as a frame with the columns x0, x1, ..., NaN as null."""
    columns = [pl.Series(f"x{j}", np.ascontiguousarray(values[:, j], dtype=np.float64)) for j in range(values.shape[1])]
    return pl.DataFrame(columns).with_columns(pl.all().fill_nan(None))


def _to_ragged(X: Any, lengths: Any) -> Ragged:
    if isinstance(X, Ragged):
        rows = X
    elif isinstance(X, list):
        rows = _of_list(X)
    else:
        array = np.asarray(X)
        array = array[None] if array.ndim == 1 else array
        array = array[:, :, None] if array.ndim == 2 else array
        rows = Ragged.of_padded(array, lengths) if array.ndim == 3 else None
    if rows is None or rows.values.dtype.kind not in "biuf":
        came = f"shape {np.shape(X)}" if rows is None else f"type {rows.values.dtype}"
        raise DataError(
            f"{ARRAY} needs numbers of shape (rows, steps, values), or a list of arrays (steps, values); got {came}.",
            "Reshape your data.",
        )
    if not len(rows):
        raise DataError(f"{ARRAY} needs at least one sequence; got 0 rows.", "Add sequences.")
    if rows.lengths.min() < 1:
        row = int(rows.lengths.argmin()) + 1
        raise DataError(
            f"{ARRAY}, row {row} needs at least one step; got a sequence of length 0.", "Leave empty sequences out."
        )
    return rows


def _of_list(X: list[Any]) -> Ragged:
    arrays = [array[:, None] if array.ndim == 1 else array for array in map(np.asarray, X)]
    widths = {array.shape[1:] for array in arrays}
    if len(widths) > 1 or len(next(iter(widths), (1,))) != 1:
        raise DataError(
            f"{ARRAY} needs arrays (steps, values) with equally many values a step; got "
            f"{listing(sorted({str(array.shape) for array in arrays}))}.",
            "Give every step of every sequence the same values.",
        )
    return Ragged.of(arrays) if arrays else Ragged(np.zeros((0, 1)), np.zeros(0))


def _with_array_target(table: SequenceTable, y: Any, X: np.ndarray | None) -> SequenceTable:
    lengths = table.sequences.lengths
    values = _of_steps(y, lengths, None if X is None or X.ndim < 2 else X.shape[1])
    if values is None:
        return replace(table, frame=with_target(table.frame, y, ARRAY).frame, target=TARGET_NAME)
    if len(values) != table.sequences.n_steps:
        raise SchemaError(
            f"{ARRAY} needs a target for each of the {table.sequences.n_steps:,} steps; got {len(values):,}.",
            "Give one value for each step, or one for each sequence.",
        )
    frame = with_target(table.sequences.frame, values, ARRAY).frame
    sequences, wishes = table.sequences.with_frame(frame), Wishes(target=TARGET_NAME)
    column = event_target(replace(table, frame=frame), wishes)
    return replace(
        table, sequences=sequences, step_target=column, target=TARGET_NAME, why="the target has a value for each step"
    )


def _of_steps(y: Any, lengths: np.ndarray, n_padded: int | None) -> np.ndarray | None:
    """Return the targets of all steps, one behind the other; None where there is one for each sequence."""
    if isinstance(y, Ragged):
        return y.values[:, 0]
    if isinstance(y, list) and y and all(isinstance(each, np.ndarray | list) for each in y):
        return np.concatenate([np.asarray(each) for each in y])
    array = np.asarray(y)
    if array.ndim == 2 and array.shape == (len(lengths), n_padded) and n_padded != 1:
        return array[np.arange(array.shape[1]) < lengths[:, None]]
    return None
