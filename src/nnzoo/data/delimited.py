"""Reads delimited text (CSV, TSV) in blocks: a first pass over the bytes finds the rows, then polars cuts the cells.

The first pass is what makes a bad row an error with its line, where a fast reader alone fills, cuts or merges rows in
silence. Rules: RFC 4180; a line feed, with or without a carriage return before it, ends a row unless it stands in
quotes; a quote inside a cell that does not begin with one is an ordinary character; blank lines are skipped.
"""

import itertools
import re
from collections.abc import Iterator

import numpy as np
import polars as pl

from nnzoo.data.rawtable import BadRows, Piece, Reject, check_names
from nnzoo.data.rowscan import NEWLINE, RETURN, Rows, find_rows
from nnzoo.errors import DataError, quote

SEPARATORS = b",;\t|"
MAX_ROW_BYTES = 64 << 20


class DelimitedReader:
    """Turns a stream of UTF-8 text into pieces of a table.

    Parameters
    ----------
    origin : str
        How messages name the file.
    separator : str or None
        What separates the cells; None: the one of ``, ; tab |`` that the header holds most often, a comma if none.
    bad_rows : BadRows
        What happens to ragged rows.
    offset : int or None
        Offset of the text in the file, for messages; None: offsets are not said.
    """

    def __init__(self, origin: str, separator: str | None, bad_rows: BadRows, offset: int | None = 0) -> None:
        self.origin = origin
        self.bad_rows = bad_rows
        self.names: list[str] = []
        self.n_rows = 0
        self._separator = separator
        self._line = 1
        self._offset = offset

    def pieces(self, text: Iterator[bytes]) -> Iterator[Piece]:
        """Yield the rows in pieces, at least one; raise DataError at text that is no table."""
        text = _with_last_line_end(text)
        rest = self._read_header(text)
        yield self._parse(b"", np.empty(0, np.int64), [])
        for piece in itertools.chain([b""], text):
            data = rest + piece
            rows = find_rows(data, self._code)
            used = int(rows.ends[-1]) + 1 if len(rows.ends) else 0
            if used:
                yield self._take(data[:used], rows)
            rest = data[used:]
            if len(rest) > MAX_ROW_BYTES:
                self._refuse_open_row(f"a row longer than {MAX_ROW_BYTES >> 20} MiB")
        if rest:
            self._refuse_open_row("a quote that is never closed")

    @property
    def _code(self) -> int:
        return ord(self._separator or ",")

    def _read_header(self, text: Iterator[bytes]) -> bytes:
        """Read up to and with the header; return the bytes behind it."""
        data = b""
        for piece in text:
            data = self._skip_blank(data + piece)
            end = _end_of_header(data)
            if end >= 0:
                self._set_names(data[:end])
                self._advance(data[: end + 1])
                return data[end + 1 :]
            if len(data) > MAX_ROW_BYTES:
                break
        if data.strip():
            self._refuse_open_row("a header that does not end; a quote in it is never closed")
        raise DataError(f"{self.origin} needs a header and rows; got 0 rows: the file is empty.", "Check the file.")

    def _skip_blank(self, data: bytes) -> bytes:
        n_blank = len(data) - len(data.lstrip(b"\r\n"))
        self._advance(data[:n_blank])
        return data[n_blank:]

    def _set_names(self, header: bytes) -> None:
        header = header.removesuffix(b"\r")
        if b"\r" in re.sub(rb'"[^"]*"', b"", header):
            raise DataError(
                f"{self.origin} needs lines that end in a line feed; got a carriage return alone in the header.",
                "Save it with Unix or Windows line ends.",
            )
        if self._separator is None:
            self._separator = _likely_separator(header)
        rows = find_rows(header + b"\n", self._code)
        if len(rows.ends) != 1 or len(rows.trailed):
            self._refuse_open_row("a header in which a quote stands in the wrong place")
        cells = _cut(_with_quoted_cells(header + b"\n", rows, 0), int(rows.n_cells[0]), self._code, 1, self.origin)
        self.names = [name or "" for name in cells.row(0)]
        check_names(self.origin, self.names)

    def _take(self, data: bytes, rows: Rows) -> Piece:
        codes = np.frombuffer(data, np.uint8)
        lengths = rows.ends - rows.starts
        blank = (lengths == 0) | ((lengths == 1) & (codes[rows.starts] == RETURN))
        numbers = self.n_rows + np.cumsum(~blank)
        rejects = self._reject(data, rows, blank, numbers)
        dropped = blank.copy()
        dropped[list(rejects)] = True
        special = dropped.copy()
        special[rows.row_of(rows.loose)] = True
        kept = _rewritten(data, rows, np.flatnonzero(special), dropped) if special.any() else data
        self.n_rows = int(numbers[-1])
        self._advance(data)
        return self._parse(kept, numbers[~dropped].astype(np.int64), list(rejects.values()))

    def _reject(self, data: bytes, rows: Rows, blank: np.ndarray, numbers: np.ndarray) -> dict[int, Reject]:
        """Return the rows of the block that cannot be read, by their index in the block."""
        codes = np.frombuffer(data, np.uint8)
        ragged = (rows.n_cells != len(self.names)) & ~blank
        trailed = rows.row_of(rows.trailed)
        returned = rows.row_of(rows.returns)
        bad = np.union1d(np.union1d(np.flatnonzero(ragged), trailed), returned)
        if not len(bad):
            return {}
        newlines = np.flatnonzero(codes == NEWLINE)
        lines = self._line + np.searchsorted(newlines, rows.starts[bad])
        ends_badly, has_return = set(trailed.tolist()), set(returned.tolist())
        rejects = {}
        for index, line in zip(bad.tolist(), lines.tolist(), strict=True):
            reason, hint = self._why(rows, index, index in ends_badly, index in has_return)
            byte = None if self._offset is None else self._offset + int(rows.starts[index])
            rejects[index] = self.bad_rows.reject(int(numbers[index]), line, reason, byte=byte, hint=hint)
        return rejects

    def _why(self, rows: Rows, index: int, ends_badly: bool, has_return: bool) -> tuple[str, str]:
        separator = quote(chr(self._code))
        if ends_badly:
            return (
                f"needs {separator} or the end of the line after a closing quote; got text",
                "Inside a quoted cell a quote is written twice.",
            )
        if has_return:
            return "needs lines that end in a line feed; got a carriage return inside a cell", "Quote the cell."
        return (
            f"needs {len(self.names)} cells like the header; got {rows.n_cells[index]}",
            f"Cells are separated by {separator}.",
        )

    def _parse(self, data: bytes, numbers: np.ndarray, rejects: list[Reject]) -> Piece:
        frame = _cut(data, len(self.names), self._code, len(numbers), self.origin)
        frame.columns = self.names
        return Piece(frame, numbers, rejects)

    def _advance(self, data: bytes) -> None:
        self._line += data.count(b"\n")
        if self._offset is not None:
            self._offset += len(data)

    def _refuse_open_row(self, found: str) -> None:
        raise DataError(
            f"{self.origin}, line {self._line} needs complete rows; got {found}.",
            "Close the quote, or write a quote inside a quoted cell twice.",
        )


def _with_last_line_end(text: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the text with a line feed at its end, if it has none there."""
    last = b"\n"
    for piece in text:
        last = piece[-1:] or last
        yield piece
    if last != b"\n":
        yield b"\n"


def _end_of_header(data: bytes) -> int:
    """Return the position of the first line feed outside quotes, or -1."""
    end = data.find(b"\n")
    n_quotes = data.count(b'"', 0, max(end, 0))
    while end >= 0 and n_quotes % 2:
        start, end = end, data.find(b"\n", end + 1)
        n_quotes += data.count(b'"', start, max(end, 0))
    return end


def _likely_separator(header: bytes) -> str:
    plain = re.sub(rb'"[^"]*"', b"", header)
    return chr(max(SEPARATORS, key=lambda code: plain.count(bytes([code]))))


def _rewritten(data: bytes, rows: Rows, special: np.ndarray, dropped: np.ndarray) -> bytes:
    """Return the block without its dropped rows, and with cells that hold loose quotes written as RFC 4180 says."""
    parts, place = [], 0
    for index in special.tolist():
        parts.append(data[place : rows.starts[index]])
        if not dropped[index]:
            parts.append(_with_quoted_cells(data, rows, index))
        place = int(rows.ends[index]) + 1
    parts.append(data[place:])
    return b"".join(parts)


def _with_quoted_cells(data: bytes, rows: Rows, index: int) -> bytes:
    start, end = int(rows.starts[index]), int(rows.ends[index])
    first, last = np.searchsorted(rows.marks, [start, end])
    line_end = b"\r\n" if data[start:end].endswith(b"\r") else b"\n"
    stops = [*rows.marks[first:last].tolist(), end + 1 - len(line_end)]
    cells, separator = [], b""
    for stop in stops:
        cell = data[start:stop]
        if b'"' in cell and not cell.startswith(b'"'):
            cell = b'"' + cell.replace(b'"', b'""') + b'"'
        cells.append(cell)
        separator = separator or data[stop : stop + 1]
        start = stop + 1
    return separator.join(cells) + line_end


def _cut(data: bytes, n_columns: int, separator: int, n_rows: int, origin: str) -> pl.DataFrame:
    """Return the cells of rows that the first pass found in order, all strings, empty ones null."""
    head = chr(separator).join(map(str, range(n_columns))).encode() + b"\n"
    try:
        frame = pl.read_csv(head + data, separator=chr(separator), infer_schema=False, null_values=[""])
    except pl.exceptions.PolarsError as exc:
        raise DataError(f"{origin} cannot be cut into cells: {exc}.", "Save the table again as plain CSV.") from exc
    if frame.shape != (n_rows, n_columns):
        raise DataError(
            f"{origin} cannot be cut into cells: {n_rows} rows were found but {frame.height} read.",
            "Save the table again as plain CSV.",
        )
    return frame
