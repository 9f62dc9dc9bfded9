"""Tables that are in memory already: pandas, polars and other frames, arrays, (X, y), dicts and lists of dicts."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl

from nnzoo.data.arrays import Named, array_frame, with_target
from nnzoo.data.cells import columns
from nnzoo.data.rawtable import check_flat, check_names, without_nan
from nnzoo.errors import DataError, SchemaError, quote

TABLE, ARRAY = "the table", "the array"
HASH_ROWS = 65_536


def origin_of(source: object) -> str:
    """Return how messages name a source that is in memory."""
    first = source[0] if isinstance(source, tuple) and source else source
    return ARRAY if hasattr(first, "__array__") and not _is_frame(first) else TABLE


def to_frame(source: object, origin: str) -> Named:
    """Return a source that is in memory as a frame with null for every missing value.

    Raises
    ------
    DataError
        If the source is no table.
    SchemaError
        If its columns have no or equal names, unequal lengths, or hold more than single values.
    """
    if isinstance(source, tuple):
        if len(source) != 2:
            raise DataError(f"{origin} needs the two parts (X, y); got a tuple of {len(source)}.", "Pass (X, y).")
        named = with_target(_table(source[0], origin), source[1], origin)
    else:
        named = Named(_table(source, origin), None)
    check_flat(origin, named.frame)
    return Named(without_nan(named.frame), named.target)


def _table(source: object, origin: str) -> pl.DataFrame:
    if isinstance(source, Mapping):
        return _from_mapping(source, origin)
    if isinstance(source, list) and source and all(isinstance(record, Mapping) for record in source):
        return _from_records(source, origin)
    if _is_frame(source):
        return _from_frame(source, origin)
    if hasattr(source, "__array__"):
        return array_frame(source if isinstance(source, np.ndarray) else np.asarray(source), origin)
    raise DataError(
        "A table needs to be a path, a frame, an array, (X, y), a dict or a list of dicts; "
        f"got {type(source).__name__}.",
        "Pass numpy.asarray(rows), or a dict from column name to values.",
    )


def _is_frame(source: object) -> bool:
    if nw.dependencies.is_pandas_dataframe(nw.to_native(source, pass_through=True)):
        return True
    return isinstance(nw.from_native(source, pass_through=True), nw.DataFrame | nw.LazyFrame)


def _from_frame(source: object, origin: str) -> pl.DataFrame:
    source = nw.to_native(source, pass_through=True)
    if nw.dependencies.is_pandas_dataframe(source):
        names = [str(name) for name in source.columns]
        check_names(origin, names)
        source = source.set_axis(names, axis=1)
    frame: Any = nw.from_native(source, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    check_names(origin, frame.columns)
    return pl.DataFrame([_from_series(frame[name], origin) for name in frame.columns])


def _from_series(series: nw.Series, origin: str) -> pl.Series:
    if series.dtype == nw.Object:
        return columns({series.name: series.to_list()}, origin).to_series()
    made = series.to_polars().rechunk()
    return made.cast(pl.String) if made.dtype == pl.Null else made


def _from_mapping(source: Mapping[object, object], origin: str) -> pl.DataFrame:
    values = {str(name): value for name, value in source.items()}
    check_names(origin, [str(name) for name in source])
    lists = {name: value for name, value in values.items() if _is_listed(value)}
    if not lists:
        return columns({name: [value] for name, value in values.items()}, origin)
    if len(lists) < len(values):
        single = next(name for name in values if name not in lists)
        raise SchemaError(
            f"{origin} needs a list for every column, or one value for every column; "
            f"got one value for {quote(single)} and a list for {quote(next(iter(lists)))}.",
            "Give each column a list of the same length.",
        )
    lengths = {name: len(value) for name, value in lists.items()}  # pyright: ignore[reportArgumentType]
    first, *rest = lengths
    odd = next((name for name in rest if lengths[name] != lengths[first]), None)
    if odd is not None:
        raise SchemaError(
            f"{origin} needs columns of one length; got {lengths[first]} values for {quote(first)} "
            f"and {lengths[odd]} for {quote(odd)}.",
            "Give each column a list of the same length.",
        )
    return columns({name: list(value) for name, value in lists.items()}, origin)  # pyright: ignore[reportArgumentType]


def _is_listed(value: object) -> bool:
    if isinstance(value, str | bytes | Mapping):
        return False
    return isinstance(value, Sequence) or (hasattr(value, "__len__") and getattr(value, "ndim", 1) == 1)


def _from_records(source: Sequence[Mapping[object, object]], origin: str) -> pl.DataFrame:
    names = list(dict.fromkeys(name for record in source for name in record))
    check_names(origin, [str(name) for name in names])
    return columns({str(name): [record.get(name) for record in source] for name in names}, origin)


def fingerprint_of(frame: pl.DataFrame) -> str:
    """Return the SHA-256 of a frame's names, dtypes and values; it does not depend on how the frame is stored."""
    sha = hashlib.sha256(repr([(name, str(dtype)) for name, dtype in frame.schema.items()]).encode())
    for part in frame.iter_slices(HASH_ROWS):
        for column in part:
            sha.update(np.packbits(column.is_null().to_numpy()).tobytes())
            sha.update(_content(column))
    return sha.hexdigest()


def _content(column: pl.Series) -> bytes:
    if column.dtype == pl.Boolean:
        return column.fill_null(False).to_numpy().tobytes()
    if column.dtype.is_numeric() and not column.dtype.is_decimal():
        return column.fill_null(0).to_numpy().tobytes()
    if column.dtype.is_temporal():
        return column.to_physical().fill_null(0).to_numpy().tobytes()
    text = column.cast(pl.String).fill_null("")
    return text.str.len_bytes().to_numpy().tobytes() + "".join(text.to_list()).encode()
