"""What every reader gives: the table as it stood in its source, and the rows that were left out of it."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl

from nnzoo.errors import MAX_QUOTED, DataError, SchemaError, listing, quote

MAX_REJECTED = 0.05


@dataclass(frozen=True)
class Reject:
    """A row that could not be read, and why.

    Attributes
    ----------
    row : int or None
        Number of the data row, from 1, the header not counted.
    line : int or None
        Physical line of the file on which the row starts, from 1.
    reason : str
        What the row needs and what came.
    file : str or None
        File of its own that the row stands in, if it has one.
    """

    row: int | None
    line: int | None
    reason: str
    file: str | None = None


@dataclass
class Table:
    """A table as read: nothing parsed, scaled or split yet.

    Attributes
    ----------
    frame : polars.DataFrame
        Delimited text: every column is a string, an empty cell is null. Other sources: their own dtypes, NaN is null.
    rows : numpy.ndarray of int64, shape (n_rows,)
        Number of every row in the source, from 1; a gap is a rejected row.
    origin : str
        How messages name the source.
    fingerprint : str
        SHA-256 of the content, 64 hex digits; empty for a chunk.
    rejects : list of Reject
        The rows that were left out.
    target : str or None
        Name of the target column if the source itself brought one.
    """

    frame: pl.DataFrame
    rows: np.ndarray
    origin: str
    fingerprint: str
    rejects: list[Reject] = field(default_factory=list)
    target: str | None = None

    def need_rows(self) -> "Table":
        """Return the table itself; raise DataError if it has no rows."""
        if not len(self.rows):
            raise DataError(f"{self.origin} needs at least one row of data; got 0 rows.", "Add rows below the header.")
        return self


class Piece(NamedTuple):
    """Some consecutive rows of a source; the rejected ones among them stand in ``rejects``."""

    frame: pl.DataFrame
    rows: np.ndarray
    rejects: list[Reject]

    @property
    def last(self) -> int:
        """The highest row number in the piece, kept or rejected; 0 if there is none."""
        kept = int(self.rows[-1]) if len(self.rows) else 0
        return max(kept, (self.rejects[-1].row or 0) if self.rejects else 0)

    def cut(self, border: int) -> "tuple[Piece, Piece]":
        """Return the rows up to and with number ``border``, and the rest."""
        n_head = int(np.searchsorted(self.rows, border, side="right"))
        head = [reject for reject in self.rejects if (reject.row or 0) <= border]
        return (
            Piece(self.frame.head(n_head), self.rows[:n_head], head),
            Piece(self.frame[n_head:], self.rows[n_head:], self.rejects[len(head) :]),
        )


def join(pieces: Sequence[Piece]) -> Piece:
    """Return consecutive pieces as one."""
    if len(pieces) == 1:
        return pieces[0]
    return Piece(
        pl.concat([piece.frame for piece in pieces]),
        np.concatenate([piece.rows for piece in pieces]),
        [reject for piece in pieces for reject in piece.rejects],
    )


class BadRows:
    """What happens to rows that cannot be read: an error at the first one, or they are left out and counted.

    Parameters
    ----------
    origin : str
        How messages name the source.
    on_bad_row : {"error", "skip"}
        With "skip" a source of which more than 5 % is rejected is refused at its end.
    """

    def __init__(self, origin: str, on_bad_row: str) -> None:
        self.origin = origin
        self.skip = on_bad_row == "skip"
        self.n_rejected = 0

    def reject(self, row: int, line: int, reason: str, *, byte: int | None = None, hint: str = "") -> Reject:
        """Return the row as a Reject; raise DataError if bad rows are errors."""
        if not self.skip:
            at = f"line {line}" + ("" if byte is None else f", byte {byte}")
            remedy = 'Correct the line, or pass on_bad_row="skip" (--on-bad-row skip) to leave such rows out.'
            raise DataError(f"{self.origin}, row {row} ({at}) {reason}.", f"{hint} {remedy}".lstrip())
        self.n_rejected += 1
        return Reject(row, line, reason)

    def check_share(self, n_rows: int, first: Reject | None) -> None:
        """Raise DataError if more than 5 % of ``n_rows`` rows were rejected; ``first`` is named as an example."""
        if first is not None and self.n_rejected > MAX_REJECTED * n_rows:
            raise DataError(
                f"{self.origin} needs at least 95 % readable rows; {self.n_rejected} of {n_rows} rows cannot be read, "
                f"the first on line {first.line}: it {first.reason}.",
                "Correct the file: so many bad rows point to a wrong separator or a damaged file.",
            )


def shown(name: str) -> str:
    """Return a name for the start of a message: control characters escaped, at most 80 characters, its end kept."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    return text if len(text) <= MAX_QUOTED else "…" + text[1 - MAX_QUOTED :]


def check_names(origin: str, names: Sequence[str]) -> None:
    """Raise SchemaError unless every column has a name that differs from all others.

    Names that differ only in spaces or in their Unicode form (NFC) count as equal.
    """
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names, start=1):
        places.setdefault(unicodedata.normalize("NFC", " ".join(name.split())), []).append(place)
    unnamed = places.pop("", [])
    if unnamed:
        raise SchemaError(
            f"{origin} needs a name for every column; got none for column {_numbers(unnamed)}.",
            "Name the columns in the header; a row index written by pandas is left out with to_csv(index=False).",
        )
    repeated = [key for key, numbers in places.items() if len(numbers) > 1]
    if repeated:
        raise SchemaError(
            f"{origin} needs a different name for each column; got {listing(repeated)} more than once "
            f"(first in columns {_numbers(places[repeated[0]])}; spaces and Unicode forms make no difference).",
            "Rename the columns in the header.",
        )


def check_flat(origin: str, frame: pl.DataFrame) -> None:
    """Raise SchemaError if a column holds lists, records, bytes or Python objects instead of single values."""
    for name, dtype in frame.schema.items():
        if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
            refuse_column(origin, name, str(dtype))


def refuse_column(origin: str, name: str, content: str) -> None:
    """Raise SchemaError for a column that does not hold single values."""
    raise SchemaError(
        f"{origin}, column {quote(name)} needs a number, a text, a truth value or a time in each cell; got {content}.",
        "Leave the column out, or spread it over several columns.",
    )


def without_nan(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with null in place of NaN."""
    return frame.with_columns(pl.col(pl.Float32, pl.Float64).fill_nan(None))


def _numbers(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, list(numbers)[:10]))
