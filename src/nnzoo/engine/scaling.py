"""Weighted standardisation of columns, in float64 and safe at the ends of its range."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from nnzoo.errors import DataError, listing


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
        top = np.maximum(np.abs(X).max(axis=0), np.finfo(np.float64).tiny)
        share = np.full(len(X), 1 / len(X)) if weight is None else weight / weight.sum()
        tame = X / top
        mean = share @ tame
        scale = np.sqrt(share @ np.square(tame - mean))
        same = np.all(X[0] == X, axis=0)
        is_rounding = scale <= 10 * np.finfo(np.float64).eps * np.abs(mean)
        mean = np.where(same, X[0], mean * top)
        scale = np.where(same, 1.0, np.where(is_rounding, top, scale * top))
        scale = np.maximum(scale, np.finfo(np.float64).tiny)
        as_is = np.all((X == 0) | (X == 1), axis=0)
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
        with np.errstate(over="ignore"):
            Z = (X - self.mean) / self.scale
        too_large = ~(np.abs(Z).max(axis=0, initial=0.0) <= np.finfo(dtype).max)
        if too_large.any():
            columns = np.flatnonzero(too_large)
            called = [list(names)[c] for c in columns] if names is not None else columns
            raise DataError(
                f"X needs values that fit into {np.dtype(dtype)} once standardised; too large in column "
                f"{listing(called)}.",
                "Remove the extreme rows or take the logarithm of the column.",
            )
        return Z.astype(dtype)

    def invert(self, Z: np.ndarray) -> np.ndarray:
        """Return values in their own unit, float64."""
        return Z.astype(np.float64) * self.scale + self.mean
