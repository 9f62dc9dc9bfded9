"""Reads Parquet through pyarrow: the footer is judged before any page is unpacked, and each row group is named."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from nnzoo.data.limits import check_memory
from nnzoo.data.rawtable import Piece, check_names, refuse_column
from nnzoo.errors import DataError, ResourceError

MAX_FOOTER_BYTES = 64 << 20
BATCH_ROWS = 65_536
STREAM_BYTES = 1 << 20
_READ_ERRORS = (pa.ArrowException, OSError, ValueError, EOFError)
_COPY = "Copy the file again, or write it again without encryption."


class ParquetReader:
    """Turns an open Parquet file into pieces of a table.

    Parameters
    ----------
    origin : str
        How messages name the file.
    file : binary file object
        The open file; it is read by seeking.
    n_bytes : int
        Size of the file.
    """

    def __init__(self, origin: str, file: BinaryIO, n_bytes: int) -> None:
        self.origin = origin
        self._check_ends(file, n_bytes)
        try:
            self._file = pq.ParquetFile(file, buffer_size=STREAM_BYTES, page_checksum_verification=True)
        except _READ_ERRORS as exc:
            raise DataError(f"{origin}: its Parquet footer cannot be read: {_first_line(exc)}.", _COPY) from exc
        # Notes of the program that wrote the file are left out: damaged ones make polars panic.
        self._schema = pa.schema([pa.field(each.name, each.type, each.nullable) for each in self._file.schema_arrow])
        self._check_schema()

    def check_size(self, *, whole: bool) -> None:
        """Raise ResourceError if the table, or its largest row group when it is streamed, is too large for memory."""
        meta = self._file.metadata
        sizes = [meta.row_group(i).total_byte_size for i in range(meta.num_row_groups)]
        if whole:
            check_memory(self.origin, max(sum(sizes), meta.num_rows * self._row_bytes()))
        else:
            check_memory(self.origin, max(sizes, default=0))

    def pieces(self, *, whole: bool) -> Iterator[Piece]:
        """Yield the rows in pieces, at least one; ``whole``: they are all kept, so their sum must fit into memory."""
        n_read = n_bytes = 0
        empty = pl.DataFrame(self._schema.empty_table())
        yield Piece(empty, np.empty(0, np.int64), [])
        for frame in self._batches():
            n_bytes += int(frame.estimated_size())
            if whole:
                check_memory(self.origin, n_bytes)
            yield Piece(frame, np.arange(n_read + 1, n_read + 1 + frame.height), [])
            n_read += frame.height
        if n_read != self._file.metadata.num_rows:
            raise DataError(
                f"{self.origin}: its footer promises {self._file.metadata.num_rows} rows; got {n_read}.", _COPY
            )

    def _batches(self) -> Iterator[pl.DataFrame]:
        for group in range(self._file.metadata.num_row_groups):
            try:
                for batch in self._file.iter_batches(BATCH_ROWS, row_groups=[group]):
                    yield pl.DataFrame(pa.RecordBatch.from_arrays(batch.columns, schema=self._schema))
            except _READ_ERRORS as exc:
                if isinstance(exc, DataError):
                    raise
                raise DataError(
                    f"{self.origin}, row group {group + 1} of {self._file.metadata.num_row_groups} cannot be read: "
                    f"{_first_line(exc)}.",
                    _COPY,
                ) from exc

    def _check_ends(self, file: BinaryIO, n_bytes: int) -> None:
        file.seek(max(0, n_bytes - 8))
        tail = file.read(8)
        file.seek(0)
        if tail[-4:] == b"PARE":
            raise DataError(f"{self.origin} needs an open Parquet file; this one is encrypted.", _COPY)
        if len(tail) < 8 or tail[-4:] != b"PAR1":
            raise DataError(f"{self.origin} is cut off: its Parquet footer is missing.", _COPY)
        n_footer = int.from_bytes(tail[:4], "little")
        if n_footer > n_bytes - 8:
            raise DataError(f"{self.origin} is damaged: its Parquet footer is longer than the file.", _COPY)
        if n_footer > MAX_FOOTER_BYTES:
            raise ResourceError(
                f"{self.origin}: its Parquet footer is larger than {MAX_FOOTER_BYTES >> 20} MiB.",
                "Write it again with fewer columns and larger row groups.",
            )

    def _check_schema(self) -> None:
        check_names(self.origin, self._schema.names)
        for field in self._schema:
            kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            if pa.types.is_nested(kind) or "binary" in str(kind) or isinstance(kind, pa.BaseExtensionType):
                refuse_column(self.origin, field.name, str(kind))

    def _row_bytes(self) -> int:
        """Return the least memory of one row: a dictionary or run-length coded column can promise far more rows."""
        return max(1, sum(_bits(field.type) for field in self._schema) // 8)


def _bits(kind: pa.DataType) -> int:
    try:
        return kind.bit_width
    except ValueError:  # text has no fixed width; a cell of it takes at least its view
        return 128


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200].rstrip(".")
