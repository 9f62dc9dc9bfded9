"""Which rows have all that every row needs: target, group, time, entity."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from nnzoo.data.rawtable import Reject
from nnzoo.data.target import SEPARATOR
from nnzoo.errors import DataError, SchemaError, quote

_MAX_NAMED_ROWS = 5


def complete_rows(
    frame: pl.DataFrame,
    needed: Mapping[str, str],
    rows: np.ndarray,
    origin: str,
    *,
    several_labels: bool = False,
    skip: bool = False,
) -> tuple[np.ndarray, list[Reject]]:
    """Return the mask of the rows that have a value in every needed column, and the others as rejects.

    Parameters
    ----------
    frame : polars.DataFrame
        Parsed rows.
    needed : mapping
        Role, such as "target", to the name of its column.
    rows : ndarray of int64, shape (n_rows,)
        Number of each row in the source.
    origin : str
        Name of the source for messages.
    several_labels : bool
        The target holds label sets.
    skip : bool
        Leave such rows out instead of refusing them.

    Raises
    ------
    SchemaError
        A value is missing, and ``skip`` is False.
    DataError
        No row is left.
    """
    complete, rejects = np.ones(frame.height, dtype=bool), []
    for role, name in needed.items():
        missing = frame[name].is_null().to_numpy() & complete
        numbers = rows[missing].tolist()
        if numbers and not skip:
            raise _missing(role, name, numbers, origin, several_labels=role == "target" and several_labels)
        complete &= ~missing
        rejects += [Reject(row, None, f"has no {role} {quote(name)}") for row in numbers]
    if not complete.any():
        message = f"{origin} needs rows with a {', '.join(needed)}; got 0 rows."
        raise DataError(message, "Fill in these columns.")
    return complete, rejects


def _missing(role: str, name: str, rows: list[int], origin: str, *, several_labels: bool) -> SchemaError:
    named = ", ".join(map(str, rows[:_MAX_NAMED_ROWS]))
    more = f" and {len(rows) - _MAX_NAMED_ROWS:,} more" if len(rows) > _MAX_NAMED_ROWS else ""
    hint = 'Fill it in, or pass on_bad_row="skip" (--on-bad-row skip) to leave such rows out.'
    if several_labels:
        hint += f" A row without any label is written {quote(SEPARATOR)}."
    where = f"row{'s' * (len(rows) > 1)} {named}{more}"
    return SchemaError(f"{origin} needs the {role} {quote(name)} in every row; it is missing in {where}.", hint)
