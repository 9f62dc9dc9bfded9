"""A target that is given beside the table: one value for each row, or a matrix of indicators for several labels."""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from nnzoo.data.arrays import TARGET_NAME, with_target
from nnzoo.data.frames import fingerprint_of, to_frame
from nnzoo.data.rawtable import Table, without_nan
from nnzoo.data.target import SEPARATOR
from nnzoo.errors import SchemaError, listing, quote

NO_LABEL = SEPARATOR


def attach_target(table: Table, values: Any) -> Table:
    """Return the table with the given values as its target.

    Parameters
    ----------
    table : Table
        The table as read.
    values : array, list or Series of shape (n_rows,), or indicators of shape (n_rows, n_labels)
        One for each row of the source, rejected rows included. A named Series takes the place of the column of its
        name; without a name the column is called "y". Indicators are 0 and 1; a frame of them names the labels, else
        the labels are "0", "1", ...

    Raises
    ------
    SchemaError
        The number of values differs from that of the rows, the table has a column "y" of its own, or an indicator is
        neither 0 nor 1.
    """
    name = getattr(values, "name", None)
    if not isinstance(name, str) or not name:
        name = TARGET_NAME
        if name in table.frame.columns:
            raise SchemaError(
                f'{table.origin} has a column "{name}" already; got a target without a name.', "Rename it."
            )
    if len(getattr(values, "shape", ())) == 2 and values.shape[1] > 1:
        values = _joined(values)
    elif hasattr(values, "to_list"):
        values = values.to_list()
    every_row = pl.DataFrame({"row": np.arange(len(table.rows) + len(table.rejects))})
    column = without_nan(with_target(every_row, values, table.origin).frame)[TARGET_NAME]
    kept = column.gather(table.rows - 1).alias(name)
    fingerprint = hashlib.sha256((table.fingerprint + fingerprint_of(column.to_frame())).encode()).hexdigest()
    return replace(table, frame=table.frame.with_columns(kept), target=name, fingerprint=fingerprint)


def _joined(indicators: Any) -> list[str]:
    """Return for every row the names of the labels whose indicator is 1, joined by ``|``."""
    frame = to_frame(indicators, "the target").frame
    if not hasattr(indicators, "columns"):
        frame.columns = [str(place) for place in range(frame.width)]
    odd = [name for name in frame.columns if not frame[name].is_in([0, 1], nulls_equal=True).all()]
    if odd:
        message = f"A target of several labels needs indicators 0 and 1; got other values for {listing(odd)}."
        raise SchemaError(message, "Pass one value for each row, or a matrix of 0 and 1.")
    split = [name for name in frame.columns if SEPARATOR in name]
    if split:
        message = f"A target of several labels needs names without {quote(SEPARATOR)}; got {listing(split)}."
        raise SchemaError(message, "Rename them.")
    names = [pl.when(pl.col(name) == 1).then(pl.lit(name)) for name in frame.columns]
    joined = frame.select(joined=pl.concat_str(names, separator=SEPARATOR, ignore_nulls=True))["joined"]
    return joined.replace("", NO_LABEL).to_list()
