"""NumPy arrays, and the files that hold them (.npy, .npz), as tables with the columns x0, x1, ..."""

import zipfile
from typing import BinaryIO, NamedTuple

import numpy as np
import polars as pl

from nnzoo.data.cells import columns
from nnzoo.data.npy import SAVE_AGAIN, read_member, unpacking
from nnzoo.errors import DataError, SchemaError, listing, quote

TARGET_NAME = "y"


class Named(NamedTuple):
    """A frame, and the name of its target column if the source brought one."""

    frame: pl.DataFrame
    target: str | None


def array_frame(array: np.ndarray, origin: str) -> pl.DataFrame:
    """Return an array of shape (n_rows, n_columns) as a frame.

    Raises
    ------
    DataError
        If the array has another number of dimensions, is masked, or holds complex numbers or records.
    """
    if isinstance(array, np.ma.MaskedArray):
        raise DataError(f"{origin} needs plain values; got a masked array.", "Pass X.astype(float).filled(numpy.nan).")
    if array.ndim != 2:
        raise DataError(
            f"{origin} needs 2 dimensions (rows, columns); got shape {array.shape}.",
            "Reshape your data: X.reshape(-1, 1) makes one column, X.reshape(1, -1) one row.",
        )
    names = [f"x{j}" for j in range(array.shape[1])]
    if array.dtype == object:
        return columns({name: array[:, j] for j, name in enumerate(names)}, origin)
    array = _readable(array, origin)
    return pl.DataFrame([pl.Series(name, np.ascontiguousarray(array[:, j])) for j, name in enumerate(names)])


def with_target(frame: pl.DataFrame, target: object, origin: str) -> Named:
    """Return the frame with the target as its last column, "y".

    Raises
    ------
    SchemaError
        If there is not one target value for each row, or the frame has a column "y" already.
    """
    values = target if isinstance(target, list | tuple) else np.asarray(target)
    if isinstance(values, np.ndarray):
        values = _one_value_a_row(values, origin)
    if len(values) != frame.height:
        raise SchemaError(
            f"{origin} needs one y for each row of X; got {frame.height} rows and {len(values)} values of y.",
            "Give X and y of the same length.",
        )
    if TARGET_NAME in frame.columns:
        raise SchemaError(f'{origin} needs another name for the column "y" of X; y itself takes it.', "Rename it.")
    if isinstance(values, np.ndarray) and values.dtype != object:
        column = pl.Series(TARGET_NAME, np.ascontiguousarray(_readable(values, origin)))
    else:
        column = columns({TARGET_NAME: values}, origin).to_series()
    return Named(frame.with_columns(column.alias(TARGET_NAME)), TARGET_NAME)


def _one_value_a_row(values: np.ndarray, origin: str) -> np.ndarray:
    if values.ndim == 2 and values.shape[1] == 1:
        return values[:, 0]
    if values.ndim != 1:
        raise SchemaError(
            f"{origin} needs one value of y for each row; got y of shape {values.shape}.",
            "Join several labels of a row by | in one text, and pass labels=True (--labels).",
        )
    return values


def _readable(array: np.ndarray, origin: str) -> np.ndarray:
    """Return the array in a dtype that a frame can hold, values unchanged."""
    kind = array.dtype.kind
    if kind not in "biufUSmM":
        raise DataError(
            f"{origin} needs numbers, truth values, texts or times; got an array of {quote(array.dtype)}.",
            "Give each part as a column of its own.",
        )
    if kind == "f" and array.dtype.itemsize not in (4, 8):
        return array.astype(np.float32 if array.dtype.itemsize == 2 else np.float64)
    if kind == "S":
        try:
            return np.char.decode(array, "utf-8")
        except UnicodeDecodeError as exc:
            raise DataError(f"{origin} needs text in UTF-8; got bytes that are not.", "Decode them first.") from exc
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def read_npz(origin: str, file: BinaryIO) -> Named:
    """Return the arrays ``X`` and, if there, ``y`` of an .npz file; a single array counts as X whatever its name."""
    with unpacking(origin), zipfile.ZipFile(file) as archive:
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        if set(members) not in ({"X", "y"}, {"X"}) and (len(members) > 1 or "y" in members):
            raise DataError(
                f'{origin} needs the arrays "X" and, if it has a target, "y"; got {listing(members)}.',
                "Save it with numpy.savez(path, X=X, y=y).",
            )
        arrays = {name: read_member(origin, archive, member) for name, member in members.items()}
    if not arrays:
        raise DataError(f"{origin} needs an array; the archive is empty.", SAVE_AGAIN)
    target = arrays.pop("y", None)
    frame = array_frame(next(iter(arrays.values())), origin)
    return Named(frame, None) if target is None else with_target(frame, target, origin)
