"""Reads a sheet of an Excel workbook (.xlsx), with the extra ``nnzoo[excel]``."""

import io
import zipfile
from typing import Any

import numpy as np
import polars as pl

from nnzoo.data.limits import check_memory
from nnzoo.data.rawtable import Piece, check_flat, check_names
from nnzoo.errors import DataError, NnzooError, UsageError, nearest, quote

MAX_UNPACKED_BYTES = 1 << 30
UNPACK_BYTES = 1 << 20


def read_sheet(origin: str, content: bytes, sheet: str | int | None) -> Piece:
    """Return a sheet: its first row that is not empty is the header, empty rows below it are skipped.

    Parameters
    ----------
    origin : str
        How messages name the file.
    content : bytes
        The workbook.
    sheet : str, int or None
        Name of the sheet or its place from 1; None: the first one.

    Raises
    ------
    DataError
        If the workbook is damaged, too large when unpacked, or the extra is missing.
    UsageError
        If there is no such sheet.
    """
    _check_archive(origin, content)
    fastexcel = _fastexcel(origin)
    try:
        book = fastexcel.read_excel(content)
        name = _sheet_name(origin, book.sheet_names, sheet)
        text = book.load_sheet(name, header_row=None, skip_rows=0, dtypes="string").to_polars()
        filled = np.flatnonzero(~text.select(pl.all_horizontal(pl.all().is_null())).to_series().to_numpy())
        if not len(filled):
            raise DataError(f"{origin}, sheet {quote(name)} needs a header and rows; got 0 rows.", "Give sheet=.")
        n_above = int(filled[0]) + 1
        frame = book.load_sheet(name, header_row=None, skip_rows=n_above, schema_sample_rows=None).to_polars()
    except fastexcel.FastExcelError as exc:
        reason = str(exc).splitlines()[0]
        raise DataError(f"{origin} cannot be read as a workbook: {reason}.", "Save it again.") from exc
    names = [cell or "" for cell in text.row(n_above - 1)]
    check_names(origin, names)
    return _named(origin, frame, names, filled[1:] - n_above)


def _named(origin: str, frame: pl.DataFrame, names: list[str], filled: np.ndarray) -> Piece:
    columns = [column.cast(pl.String) if column.dtype == pl.Null else column for column in frame.get_columns()]
    frame = pl.DataFrame([column.alias(name) for column, name in zip(columns, names, strict=True)])
    check_flat(origin, frame)
    return Piece(frame[filled], (filled + 1).astype(np.int64), [])


def _sheet_name(origin: str, names: list[str], sheet: str | int | None) -> str:
    if not names:
        raise DataError(f"{origin} needs a sheet; the workbook has none.", "Check how it was written.")
    if sheet is None:
        return names[0]
    if isinstance(sheet, int) and 1 <= sheet <= len(names):
        return names[sheet - 1]
    if sheet not in names:
        raise UsageError(f"{origin} has no sheet {quote(sheet)}.", nearest(sheet, names))
    return str(sheet)


def _check_archive(origin: str, content: bytes) -> None:
    """Unpack every member once, counting: neither a bomb nor a damaged member gets to the reader."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            promised = sum(member.file_size for member in archive.infolist())
            check_memory(origin, promised if promised <= MAX_UNPACKED_BYTES else 1 << 62)
            for member in archive.infolist():
                with archive.open(member) as stream:
                    while stream.read(UNPACK_BYTES):
                        pass
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as exc:
        if isinstance(exc, NnzooError):
            raise
        raise DataError(f"{origin} is damaged: it cannot be unpacked ({exc}).", "Copy or save it again.") from exc


def _fastexcel(origin: str) -> Any:
    try:
        import fastexcel
    except ImportError as exc:
        raise DataError(f"{origin} needs the extra that reads Excel.", "Run: pip install 'nnzoo[excel]'") from exc
    return fastexcel
