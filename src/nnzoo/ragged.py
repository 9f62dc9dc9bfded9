"""Rows of different lengths in one array: the steps of all sequences, one behind the other, and how many each has."""

import math
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, Self

import numpy as np

from nnzoo.errors import DataError


class Ragged:
    """Sequences of different lengths.

    Parameters
    ----------
    values : ndarray of shape (n_steps_in_all, d)
        The steps of row 0, then those of row 1, ...
    lengths : ndarray of int64, shape (n_rows,)
        Steps of each row, from 1.

    Examples
    --------
    >>> rows = Ragged.of([np.zeros((2, 1)), np.ones((3, 1))])
    >>> len(rows), rows.width, rows[1].shape, rows[np.array([1])].lengths.tolist()
    (2, 1, (3, 1), [3])
    """

    def __init__(self, values: np.ndarray, lengths: np.ndarray) -> None:
        self.values = values
        self.lengths = np.asarray(lengths, dtype=np.int64)

    @cached_property
    def starts(self) -> np.ndarray:
        """Return where each row begins in ``values``: int64 (n_rows,)."""
        return np.cumsum(self.lengths) - self.lengths if len(self.lengths) > 1 else np.zeros_like(self.lengths)

    @classmethod
    def of(cls, rows: Iterable[Any]) -> Self:
        """Return the sequences of a list of arrays (T_i, d), or (T_i,) for d = 1."""
        arrays = [np.asarray(row) for row in rows]
        arrays = [array[:, None] if array.ndim == 1 else array for array in arrays]
        return cls(np.concatenate(arrays), np.array([len(array) for array in arrays]))

    @classmethod
    def of_padded(cls, X: np.ndarray, lengths: Any = None) -> Self:
        """Return the first ``lengths`` steps of each row of an array (n, T, d); all steps if there are none given."""
        n_rows, n_steps = X.shape[:2]
        if lengths is None:
            return cls(X.reshape(n_rows * n_steps, math.prod(X.shape[2:])), np.full(n_rows, n_steps))
        counts = np.asarray(lengths)
        if counts.shape != (n_rows,) or counts.dtype.kind not in "iu":
            raise DataError(
                f"lengths needs {n_rows} whole numbers, one a row; got shape {counts.shape}, type {counts.dtype}.",
                "Pass the number of steps of each row.",
            )
        if n_rows and (counts.min() < 1 or counts.max() > n_steps):
            row = int(np.argmax((counts < 1) | (counts > n_steps)))
            raise DataError(
                f"lengths needs numbers from 1 to {n_steps}, the steps of X; got {counts[row]} in row {row}.",
                "Leave empty sequences out.",
            )
        return cls(X[np.arange(n_steps) < counts[:, None]], counts)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def shape(self) -> tuple[int]:
        """Return (n_rows,): what counts rows, as arrays have it."""
        return (len(self.lengths),)

    @property
    def dtype(self) -> np.dtype:
        """Return the type of the values."""
        return self.values.dtype

    @property
    def width(self) -> int:
        """Return how many values a step has."""
        return self.values.shape[1]

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(np.split(self.values, self.starts[1:])) if len(self) else iter(())

    def __getitem__(self, index: Any) -> Any:
        """Return one sequence (T, d) for a number; Ragged for a slice, a mask or an array of row numbers."""
        if isinstance(index, int | np.integer):
            start = self.starts[index]
            return self.values[start : start + self.lengths[index]]
        rows = np.arange(len(self))[index]
        return type(self)(self.values[places(self.starts[rows], self.lengths[rows])], self.lengths[rows])

    def changes(self) -> "Ragged":
        """Return how much each step differs from the one before; 0 at the first of a sequence."""
        steps = np.diff(self.values, axis=0, prepend=self.values[:1])
        steps[self.starts] = 0
        return Ragged(steps, self.lengths)

    def last(self) -> np.ndarray:
        """Return the last step of each sequence, (n_rows, d)."""
        return self.values[self.starts + self.lengths - 1]

    def padded(self, fill: float = 0.0) -> np.ndarray:
        """Return an array (n_rows, longest, d) with ``fill`` behind the end of each row."""
        longest = int(self.lengths.max(initial=0))
        out = np.full((len(self), longest, self.width), fill, dtype=self.values.dtype)
        out[np.arange(longest) < self.lengths[:, None]] = self.values
        return out


def places(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the numbers start, ..., start + length - 1 of each pair, one behind the other."""
    before = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths)
