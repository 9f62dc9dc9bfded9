"""Python values to typed columns: for JSON Lines, dicts and object arrays, where a column may mix types."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import polars as pl

from nnzoo.data.rawtable import refuse_column
from nnzoo.errors import quote

_INT64 = range(-(2**63), 2**63)
_MISSING_TYPES = ("NAType", "NaTType")


def plain(value: object) -> object:
    """Return a cell as a plain Python value: NumPy scalars unpacked, every way to say "missing" as None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    return None if type(value).__name__ in _MISSING_TYPES else value


def type_of(value: object) -> str:
    """Return what a plain value is: truth, whole, real, text or other; "" if it is missing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int):
        return "whole" if value in _INT64 else "text"
    return "real" if isinstance(value, float) else "text" if isinstance(value, str) else "other"


def common_dtype(types: Collection[str]) -> pl.DataType | None:
    """Return the dtype of a column whose cells have these types; None if polars must find it.

    Whole and real numbers are real together; any other mixture is text.
    """
    found = set(types) - {""}
    if "other" in found:
        return None
    if found == {"truth"}:
        return pl.Boolean()
    if found == {"whole"}:
        return pl.Int64()
    return pl.Float64() if found in ({"real"}, {"whole", "real"}) else pl.String()


def column(name: str, values: Sequence[object], dtype: pl.DataType | None, origin: str) -> pl.Series:
    """Return plain values as a column of the given dtype, or of the one that fits if None.

    Raises
    ------
    SchemaError
        If a cell holds a list or another thing that is no single value.
    """
    if isinstance(dtype, pl.String):
        return pl.Series(name, [None if value in (None, "") else _as_text(value) for value in values], dtype)
    try:
        return pl.Series(name, values, dtype)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        odd = next((value for value in values if type_of(value) == "other"), None)
        refuse_column(origin, name, quote(odd))
        raise


def columns(values: Mapping[str, Iterable[object]], origin: str) -> pl.DataFrame:
    """Return columns of Python values as a frame."""
    made = []
    for name, cells in values.items():
        flat = [plain(cell) for cell in cells]
        made.append(column(name, flat, common_dtype({type_of(cell) for cell in flat}), origin))
    return pl.DataFrame(made)


def _as_text(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return joined_surrogates(text)
    return text


def joined_surrogates(text: str) -> str:
    """Return the text with surrogate pairs joined, and U+FFFD in place of halves: no file and no frame holds them.

    Examples
    --------
    >>> joined_surrogates(chr(0xD83D) + chr(0xDE00)) == chr(0x1F600)
    True
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
