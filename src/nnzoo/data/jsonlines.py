"""Reads JSON Lines: one object a line, its keys are the columns.

The file is read twice. The first pass finds the columns and what they hold, so that a chunk has the same columns with
the same dtypes as the whole table.
"""

import json
from collections.abc import Iterator

import numpy as np
import polars as pl

from nnzoo.data.cells import column, common_dtype, type_of
from nnzoo.data.rawtable import BadRows, Piece, Reject, check_names
from nnzoo.errors import DataError, quote

MAX_LINE_BYTES = 64 << 20
PIECE_ROWS = 16_384


class JsonLinesReader:
    """Turns streams of UTF-8 text into pieces of a table.

    Parameters
    ----------
    origin : str
        How messages name the file.
    bad_rows : BadRows
        What happens to lines that hold no flat object.
    """

    def __init__(self, origin: str, bad_rows: BadRows) -> None:
        self.origin = origin
        self.bad_rows = bad_rows
        self.dtypes: dict[str, pl.DataType | None] = {}

    def survey(self, text: Iterator[bytes]) -> None:
        """Find the columns, in the order in which they first occur, and their dtypes."""
        types: dict[str, set[str]] = {}
        for _, record in self._records(text):
            if not isinstance(record, Reject):
                for name, value in record.items():
                    types.setdefault(name, set()).add(type_of(value))
        check_names(self.origin, list(types))
        self.dtypes = {name: common_dtype(found) for name, found in types.items()}
        self.bad_rows.n_rejected = 0

    def pieces(self, text: Iterator[bytes]) -> Iterator[Piece]:
        """Yield the rows of the surveyed file in pieces, at least one."""
        rows: list[int] = []
        records: list[dict[str, object]] = []
        rejects: list[Reject] = []
        for row, record in self._records(text):
            if isinstance(record, Reject):
                rejects.append(record)
            else:
                rows.append(row)
                records.append(record)
            if len(rows) + len(rejects) == PIECE_ROWS:
                yield self._piece(rows, records, rejects)
                rows, records, rejects = [], [], []
        yield self._piece(rows, records, rejects)

    def _records(self, text: Iterator[bytes]) -> Iterator[tuple[int, dict[str, object] | Reject]]:
        row = 0
        for line, content in enumerate(self._lines(text), start=1):
            if not content.strip():
                continue
            row += 1
            try:
                yield row, _flat_object(content)
            except (ValueError, RecursionError) as exc:
                yield row, self.bad_rows.reject(row, line, f"needs one flat JSON object; got {_short(exc)}")

    def _lines(self, text: Iterator[bytes]) -> Iterator[bytes]:
        rest = b""
        for piece in text:
            *lines, rest = (rest + piece).split(b"\n")
            yield from lines
            if len(rest) > MAX_LINE_BYTES:
                raise DataError(
                    f"{self.origin} needs one JSON object a line; got a line longer than {MAX_LINE_BYTES >> 20} MiB.",
                    "Write one object a line.",
                )
        yield rest

    def _piece(self, rows: list[int], records: list[dict[str, object]], rejects: list[Reject]) -> Piece:
        frame = pl.DataFrame(
            [
                column(name, [record.get(name) for record in records], dtype, self.origin)
                for name, dtype in self.dtypes.items()
            ]
        )
        return Piece(frame, np.array(rows, np.int64), rejects)


def _flat_object(content: bytes) -> dict[str, object]:
    record = json.loads(content, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    if not isinstance(record, dict):
        raise ValueError(f"a value that is no object: {quote(content[:80].decode(errors='replace'))}")
    for name, value in record.items():
        if isinstance(value, list | dict):
            raise ValueError(f"a nested value under {quote(name)}")
    if b"\\u" in content:
        "".join(text for text in (*record, *record.values()) if isinstance(text, str)).encode()
    return record


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a key that occurs twice")
    return record


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name}, which JSON does not have")


def _short(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at column {error.colno}"
    if isinstance(error, UnicodeEncodeError):
        return "half of a surrogate pair"
    return "nesting that is too deep" if isinstance(error, RecursionError) else str(error)
