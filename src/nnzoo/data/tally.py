"""Counts and notes of what is unusual in the rows that are encoded."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from nnzoo.errors import DataError, SchemaError, quote

MAX_EXAMPLES = 5

_FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass
class Tally:
    """Counts and notes what is unusual in one column.

    Parameters
    ----------
    column, origin : str
        Names for messages.
    rows : ndarray of int64, shape (n_rows,)
        Number of each row in the source.
    strict : bool
        Raise SchemaError at what training never showed, instead of counting it.
    """

    column: str
    origin: str
    rows: np.ndarray
    strict: bool = False
    counts: dict[str, Any] = field(default_factory=dict)
    notes: list[tuple[np.ndarray, Callable[[], list[str]]]] = field(default_factory=list)

    def missing(self, mask: np.ndarray, *, expected: bool) -> None:
        """Count missing values; ``expected`` says that training had some."""
        where = np.flatnonzero(mask)
        if len(where) == 0:
            return
        if self.strict and not expected:
            raise self._unseen(where[0], "a value, as in every training row", "an empty cell")
        self.counts["missing"] = len(where)
        self.notes.append((where, lambda: [f"{self.column}: missing"] * len(where)))

    def unknown(self, mask: np.ndarray, values: pl.Series) -> None:
        """Count words that are not among the categories kept from training."""
        where = np.flatnonzero(mask)
        if len(where) == 0:
            return
        words = values.gather(where)
        if self.strict:
            raise self._unseen(where[0], "a category kept from training", quote(words[0]))
        self.counts["unknown"] = len(where)
        self.counts["examples"] = words.unique(maintain_order=True).head(MAX_EXAMPLES).to_list()
        self.notes.append((where, lambda: [f"{self.column}: unknown category {quote(word)}" for word in words]))

    def outside(self, mask: np.ndarray, values: pl.Series, low: object, high: object) -> None:
        """Count values outside the range of the training rows."""
        where = np.flatnonzero(mask)
        if len(where) == 0:
            return
        self.counts["out_of_range"] = len(where)
        words, range_ = values.gather(where), f"{low} to {high}"
        self.notes.append(
            (where, lambda: [f"{self.column}: {word} is outside the training range {range_}" for word in words])
        )

    def check_fits(self, encoded: np.ndarray, values: np.ndarray) -> None:
        """Raise DataError at the first encoded number that is not finite as a float32."""
        bad = ~(np.abs(encoded) <= _FLOAT32_MAX)
        if bad.any():
            first = int(np.argmax(bad))
            raise DataError(
                f"{self.origin}, row {self.rows[first]}, column {quote(self.column)} needs a number that still fits a "
                f"float32 after scaling; got {values[first]}.",
                "Correct the cell, or leave it empty if the value is not known.",
            )

    def _unseen(self, index: int, needed: str, came: str) -> SchemaError:
        return SchemaError(
            f"{self.origin}, row {self.rows[index]}, column {quote(self.column)} needs {needed}; got {came}.",
            "Correct the cell, or leave out strict to have it counted and handled by the stored rule.",
        )
