"""Reads a table from anywhere: a file, a frame, an array, a dict. Nothing is parsed here; kinds come later."""

import itertools
import os
from collections.abc import Generator, Iterable, Iterator

import numpy as np

from nnzoo.data.arrays import Named, array_frame, read_npz
from nnzoo.data.delimited import DelimitedReader
from nnzoo.data.excel import read_sheet
from nnzoo.data.frames import fingerprint_of, origin_of, to_frame
from nnzoo.data.jsonlines import JsonLinesReader
from nnzoo.data.limits import check_memory
from nnzoo.data.npy import read_npy
from nnzoo.data.opening import Form, InputFile, content_pieces, form_of, refuse_other_content
from nnzoo.data.parquet import ParquetReader
from nnzoo.data.rawtable import BadRows, Piece, Reject, Table, join, without_nan
from nnzoo.data.textstream import text_start, utf8_pieces
from nnzoo.errors import UsageError, quote

__all__ = ["Reject", "Table", "read_chunks", "read_table"]

BLOCK_ROWS = 256
# A cell of text takes 16 bytes in memory, few bytes in a file: a table takes up to about four times the text.
MEMORY_PER_TEXT = 4
CHUNK_ROWS = 65_536
SEPARATORS = {".tsv": "\t"}


def read_table(source: object, *, on_bad_row: str = "error", sheet: str | int | None = None) -> Table:
    """Read a whole table.

    Parameters
    ----------
    source : path, frame, array, tuple (X, y), dict or list of dicts
        Files: .csv .tsv .txt .jsonl .ndjson (all also with .gz), .parquet .xlsx .npy .npz; the suffix decides and the
        content must agree. Any frame that narwhals knows. An array of shape (n_rows, n_columns) gets the columns
        x0, x1, ...; the y of (X, y) becomes the column "y". A dict goes from column to one value, or to a list.
    on_bad_row : {"error", "skip"}, default "error"
        "skip": rows that cannot be read are left out and listed in ``rejects``.
    sheet : str or int, optional
        Sheet of an Excel workbook, by name or by its place from 1; the first one by default.

    Returns
    -------
    Table
        May have 0 rows, if there is a header; ``need_rows`` refuses that.

    Raises
    ------
    DataError
        If the source cannot be read, changes while it is read, holds a bad row, or more than 5 % of them with "skip".
    SchemaError
        If column names are empty or equal, or a column holds lists or records.
    ResourceError
        If the table does not fit into memory.
    UsageError
        If an argument does not fit.

    Examples
    --------
    >>> read_table({"age": [31, None], "city": ["Rome", "Bonn"]}).frame.shape
    (2, 2)
    """
    _check_arguments(source, on_bad_row, sheet)
    if not isinstance(source, str | os.PathLike):
        return _table_in_memory(source)
    with InputFile(source, hashing=True) as file:
        form = form_of(file)
        if form.kind in ("npy", "npz"):
            named = _read_arrays(file, form)
            piece, target = Piece(named.frame, np.arange(1, named.frame.height + 1), []), named.target
        else:
            piece, target = join(list(_pieces(file, form, on_bad_row, sheet, whole=True))), None
        return Table(piece.frame, piece.rows, file.origin, file.fingerprint(), piece.rejects, target)


def read_chunks(source: object, *, n_rows: int = CHUNK_ROWS, on_bad_row: str = "error") -> Iterator[Table]:
    """Read a table in chunks, in order; text and Parquet files of any size take the memory of a few chunks.

    Parameters
    ----------
    source : path, frame, array, dict or list of dicts
        As for ``read_table``. Excel and NumPy files and what is in memory is read whole, then cut.
    n_rows : int, default 65536
        Row numbers that a chunk spans, a multiple of 256. Rejected rows are missing in it.
    on_bad_row : {"error", "skip"}, default "error"
        As for ``read_table``; more than 5 % rejected rows are an error at the end of the file.

    Yields
    ------
    Table
        At least one; with the columns, values and row numbers that ``read_table`` gives, and an empty fingerprint.
    """
    if n_rows <= 0 or n_rows % BLOCK_ROWS:
        raise UsageError(f"read_chunks needs n_rows as a multiple of {BLOCK_ROWS}; got {n_rows}.", "Pass n_rows=65536.")
    _check_arguments(source, on_bad_row, None)
    return _chunks(source, n_rows, on_bad_row)


def hashed_chunks(source: object, *, on_bad_row: str = "error") -> Generator[Table, None, str]:
    """Yield what ``read_chunks`` yields, and return the SHA-256 of the content at the end."""
    _check_arguments(source, on_bad_row, None)
    return _chunks(source, CHUNK_ROWS, on_bad_row, hashing=True)


def _chunks(source: object, n_rows: int, on_bad_row: str, *, hashing: bool = False) -> Generator[Table, None, str]:
    if isinstance(source, str | os.PathLike):
        with InputFile(source, hashing=hashing) as file:
            form = form_of(file)
            if form.kind not in ("npy", "npz"):
                for piece in _aligned(_pieces(file, form, on_bad_row, None, whole=False), n_rows):
                    yield Table(piece.frame, piece.rows, file.origin, "", piece.rejects)
                return file.fingerprint()
    table = read_table(source, on_bad_row=on_bad_row)
    for piece in _aligned([Piece(table.frame, table.rows, table.rejects)], n_rows):
        yield Table(piece.frame, piece.rows, table.origin, "", piece.rejects, table.target)
    return table.fingerprint


def _check_arguments(source: object, on_bad_row: str, sheet: str | int | None) -> None:
    if on_bad_row not in ("error", "skip"):
        raise UsageError(
            f'Reading needs on_bad_row="error" or "skip"; got {quote(on_bad_row)}.', 'Pass on_bad_row="skip".'
        )
    if sheet is not None and not str(source).lower().endswith(".xlsx"):
        raise UsageError(f"Only an Excel workbook has sheets; got sheet={quote(sheet)}.", "Leave sheet out.")


def _table_in_memory(source: object) -> Table:
    origin = origin_of(source)
    frame, target = to_frame(source, origin)
    return Table(frame, np.arange(1, frame.height + 1), origin, fingerprint_of(frame), [], target)


def _read_arrays(file: InputFile, form: Form) -> Named:
    if form.kind == "npz":
        frame, target = read_npz(file.origin, file.raw)
    else:
        frame, target = array_frame(read_npy(file.origin, file.raw, file.size), file.origin), None
    return Named(without_nan(frame), target)


def _pieces(file: InputFile, form: Form, on_bad_row: str, sheet: str | int | None, *, whole: bool) -> Iterator[Piece]:
    """Yield the rows of a file in pieces, at least one."""
    if form.kind == "xlsx":
        check_memory(file.origin, file.size)
        yield read_sheet(file.origin, file.read(), sheet)
    elif form.kind == "parquet":
        reader = ParquetReader(file.origin, file.raw, file.size)
        reader.check_size(whole=whole)
        for piece in reader.pieces(whole=whole):
            yield piece._replace(frame=without_nan(piece.frame))
    else:
        bad_rows = BadRows(file.origin, on_bad_row)
        yield from _counted(_text_pieces(file, form, bad_rows, whole=whole), bad_rows)


def _text_pieces(file: InputFile, form: Form, bad_rows: BadRows, *, whole: bool) -> Iterator[Piece]:
    if whole and not form.packed:
        check_memory(file.origin, MEMORY_PER_TEXT * file.size)

    def content() -> Iterator[bytes]:
        pieces = _judged(content_pieces(file, form), file, form)
        return _within_memory(pieces, file.origin) if whole else pieces

    if form.kind == "jsonl":
        reader = JsonLinesReader(file.origin, bad_rows)
        reader.survey(utf8_pieces(content(), file.origin))
        file.rewind()
        return reader.pieces(utf8_pieces(content(), file.origin))
    pieces = content()
    first = next(pieces, b"")
    reader = DelimitedReader(file.origin, SEPARATORS.get(form.suffix), bad_rows, text_start(first))
    return reader.pieces(utf8_pieces(itertools.chain([first], pieces), file.origin))


def _judged(pieces: Iterator[bytes], file: InputFile, form: Form) -> Iterator[bytes]:
    """Yield the pieces; raise DataError if the first one is not text of the kind that the suffix says."""
    first = next(pieces, b"")
    refuse_other_content(file, form, first)
    return itertools.chain([first], pieces)


def _within_memory(pieces: Iterator[bytes], origin: str) -> Iterator[bytes]:
    n_bytes = 0
    for piece in pieces:
        n_bytes += len(piece)
        check_memory(origin, MEMORY_PER_TEXT * n_bytes)
        yield piece


def _counted(pieces: Iterator[Piece], bad_rows: BadRows) -> Iterator[Piece]:
    """Yield the pieces; raise DataError at the end if too many rows were rejected."""
    n_rows, first = 0, None
    for piece in pieces:
        n_rows = max(n_rows, piece.last)
        first = first or next(iter(piece.rejects), None)
        yield piece
    bad_rows.check_share(n_rows, first)


def _aligned(pieces: Iterable[Piece], n_rows: int) -> Iterator[Piece]:
    """Yield the same rows in pieces whose borders are multiples of ``n_rows`` in row number, at least one piece."""
    held: list[Piece] = []
    border = n_rows
    for piece in pieces:
        while piece.last > border:
            head, piece = piece.cut(border)
            yield join([*held, head])
            held, border = [], border + n_rows
        held.append(piece)
    yield join(held)
