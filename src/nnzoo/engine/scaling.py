"""Weighted standardisation of columns, in float64 and safe at the ends of its range."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from nnzoo.errors import DataError, listing

BLOCK_LENGTH = 2**15
"""Rows that are worked on at a time, so that memory does not grow by copies of all of them."""


@dataclass(frozen=True)
class Standardizer:
    """x ↦ (x - mean) / scale, column by column.

    Attributes
    ----------
    mean, scale : ndarray of shape (n_columns,)
    """

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def learn(cls, X: np.ndarray, weight: np.ndarray | None, *, keep: Collection[int] = ()) -> "Standardizer":
        """Take weighted means and deviations of the columns of X (n, d).

        A column of only 0 and 1 stays as it is, because a rare 1 would become a huge number; so do the columns in
        ``keep``, and constant columns are only centred.
        """
        share = np.full(len(X), 1 / len(X)) if weight is None else weight / weight.sum()
        blocks = [slice(start, start + BLOCK_LENGTH) for start in range(0, len(X), BLOCK_LENGTH)]
        largest = np.max([np.abs(X[rows]).max(axis=0) for rows in blocks], axis=0)
        top = np.maximum(largest, np.finfo(np.float64).tiny)
        mean = sum(share[rows] @ (X[rows] / top) for rows in blocks)
        scale = np.sqrt(sum(share[rows] @ np.square(X[rows] / top - mean) for rows in blocks))
        same = np.all([np.all(X[0] == X[rows], axis=0) for rows in blocks], axis=0)
        is_rounding = scale <= 10 * np.finfo(np.float64).eps * np.abs(mean)
        mean = np.where(same, X[0], mean * top)
        scale = np.where(same, 1.0, np.where(is_rounding, top, scale * top))
        scale = np.maximum(scale, np.finfo(np.float64).tiny)
        as_is = np.all([np.all((X[rows] == 0) | (X[rows] == 1), axis=0) for rows in blocks], axis=0)
        as_is[list(keep)] = True
        return cls(np.where(as_is, 0.0, mean), np.where(as_is, 1.0, scale))

    @classmethod
    def identity(cls, n_columns: int) -> "Standardizer":
        """Return the standardisation that changes nothing."""
        return cls(np.zeros(n_columns), np.ones(n_columns))

    def apply(self, X: np.ndarray, dtype: type[np.floating], names: Collection[str] | None = None) -> np.ndarray:
        """Return standardised columns in the type given.

        Raises
        ------
        DataError
            A value is too large for the type after standardisation; the column is named.
        """
        Z, is_finite = np.empty(X.shape, dtype), np.True_
        with np.errstate(over="ignore"):
            for start in range(0, len(X), BLOCK_LENGTH):
                rows = slice(start, start + BLOCK_LENGTH)
                Z[rows] = (X[rows] - self.mean) / self.scale
                is_finite = is_finite & np.isfinite(Z[rows]).all(axis=0)
        if not np.all(is_finite):
            columns = np.flatnonzero(~is_finite)
            called = [list(names)[c] for c in columns] if names is not None else columns
            raise DataError(
                f"X needs values that fit into {np.dtype(dtype)} once standardised; too large in column "
                f"{listing(called)}.",
                "Remove the extreme rows or take the logarithm of the column.",
            )
        return Z

    def invert(self, Z: np.ndarray) -> np.ndarray:
        """Return values in their own unit, float64."""
        return Z.astype(np.float64) * self.scale + self.mean
