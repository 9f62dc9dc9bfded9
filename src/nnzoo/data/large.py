"""Tables larger than the memory: rows drawn at random to be looked at, and the others in chunks when they train."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from nnzoo.data.rawtable import Table
from nnzoo.data.tables import hashed_chunks
from nnzoo.errors import DataError, UsageError

Pathish = str | os.PathLike[str]


@dataclass(frozen=True)
class Large:
    """Where the rows are that are not in memory.

    Attributes
    ----------
    path : str
    on_bad_row : "error" or "skip"
    sample_rows : int
        Rows that were to be drawn.
    n_rows : int
        Rows of the file that can be read.
    """

    path: str
    on_bad_row: str
    sample_rows: int
    n_rows: int

    def chunks(self, fingerprint: str) -> Iterator[Table]:
        """Yield all rows in order; raise DataError at the end if the content is not that of the fingerprint."""
        chunks = hashed_chunks(self.path, on_bad_row=self.on_bad_row)
        while True:
            try:
                yield next(chunks)
            except StopIteration as end:
                if end.value != fingerprint:
                    message = f"{self.path} needs to stay as it is between two readings; it has changed."
                    raise DataError(message, "Start again.") from None
                return


def sample_table(source: object, n_rows: int, seed: int, *, on_bad_row: str) -> tuple[Table, Large]:
    """Read a table once, in chunks, and keep at most ``n_rows`` rows, drawn at random without repetition.

    Which rows are drawn depends on seed, file and ``n_rows`` alone.

    Raises
    ------
    UsageError
        The source is no file, or the number is not above 0.
    DataError
        As for ``read_table``.
    """
    if not isinstance(source, str | os.PathLike):
        raise UsageError("sample_rows needs a file; what is in memory is there already.", "Leave sample_rows out.")
    if n_rows < 1:
        raise UsageError(f"sample_rows needs a whole number above 0; got {n_rows}.", "Pass e.g. 300000.")
    chunks = hashed_chunks(source, on_bad_row=on_bad_row)
    kept: list[Table] = []
    n_all, most = 0, 2**64 - 1
    while True:
        try:
            table = next(chunks)
        except StopIteration as end:
            fingerprint = str(end.value)
            break
        n_all += len(table.rows)
        kept.append(_rows_below(table, seed, most))
        if sum(len(each.rows) for each in kept) > 2 * n_rows:
            kept, most = _fewest(kept, n_rows, seed)
    kept, _ = _fewest(kept, n_rows, seed)
    return replace(kept[0], fingerprint=fingerprint), Large(os.fspath(source), on_bad_row, n_rows, n_all)


def _rows_below(table: Table, seed: int, most: int) -> Table:
    good = _drawn(table.rows, seed) <= np.uint64(most)
    few = table.frame.filter(pl.Series(good))
    # copied cell by cell: a column of text that was cut out holds on to the text of the whole chunk
    own = pl.DataFrame([pl.Series(column.name, column.to_list(), dtype=column.dtype) for column in few])
    return replace(table, frame=own, rows=table.rows[good])


def _fewest(kept: list[Table], n_rows: int, seed: int) -> tuple[list[Table], int]:
    """Return one table of the rows with the smallest numbers, and the largest of these numbers."""
    frame = pl.concat([each.frame for each in kept], how="vertical_relaxed")
    rows = np.concatenate([each.rows for each in kept])
    rejects = [reject for each in kept for reject in each.rejects]
    joined = replace(kept[0], frame=frame, rows=rows, rejects=rejects)
    if len(rows) <= n_rows:
        return [joined], 2**64 - 1
    most = int(np.partition(_drawn(rows, seed), n_rows - 1)[n_rows - 1])
    return [_rows_below(joined, seed, most)], most


def _drawn(rows: np.ndarray, seed: int) -> np.ndarray:
    """Return a number for each row, uint64, that looks random and follows from row number and seed (SplitMix64)."""
    with np.errstate(over="ignore"):
        z = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed) * np.uint64(0xD1342543DE82EF95)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
