"""The first pass over delimited text: where its rows and cells lie, found with whole-array operations."""

import re
from dataclasses import dataclass

import numpy as np

NEWLINE, RETURN, QUOTE = b'\n\r"'


@dataclass(frozen=True)
class Rows:
    """Where the complete rows of a block lie. All positions are byte offsets in the block.

    Attributes
    ----------
    starts, ends : numpy.ndarray of int64, shape (n_rows,)
        First byte of each row, and its line feed.
    n_cells : numpy.ndarray of int64, shape (n_rows,)
        Cells of each row.
    marks : numpy.ndarray of int64
        Every separator and line feed outside quotes.
    loose : numpy.ndarray of int64
        Quotes that are ordinary characters.
    trailed : numpy.ndarray of int64
        Bytes that follow a closing quote but are neither a separator nor the end of a line.
    returns : numpy.ndarray of int64
        Carriage returns outside quotes that no line feed follows.
    """

    starts: np.ndarray
    ends: np.ndarray
    n_cells: np.ndarray
    marks: np.ndarray
    loose: np.ndarray
    trailed: np.ndarray
    returns: np.ndarray

    def row_of(self, places: np.ndarray) -> np.ndarray:
        """Return the index of the row in which each position lies, those behind the last row left out."""
        rows = np.searchsorted(self.ends, places)
        return rows[rows < len(self.ends)]


def find_rows(data: bytes, separator: int) -> Rows:
    """Find the complete rows of a block that begins at the start of a row."""
    codes = np.frombuffer(data, np.uint8)
    is_mark = (codes == separator) | (codes == NEWLINE)
    loose = trailed = returns = np.empty(0, np.int64)
    if data.count(b"\r") != data.count(b"\r\n"):
        returns = np.flatnonzero((codes[:-1] == RETURN) & (codes[1:] != NEWLINE))
    if b'"' in data:
        quoted, loose, trailed = _find_quoted(data, codes, separator)
        is_mark &= ~quoted
        returns = returns[~quoted[returns]]
    marks = np.flatnonzero(is_mark)
    last_marks = np.flatnonzero(codes[marks] == NEWLINE)
    ends = marks[last_marks]
    starts = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    return Rows(starts, ends, np.diff(last_marks, prepend=-1), marks, loose, trailed, returns)


def _find_quoted(data: bytes, codes: np.ndarray, separator: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which bytes stand in quotes, the loose quotes, and the bytes that trail a closing quote."""
    is_quote = codes == QUOTE
    places = np.flatnonzero(is_quote)
    borders = np.zeros(256, bool)
    borders[[separator, NEWLINE, QUOTE]] = True
    opening, closing = places[0::2], places[1::2]
    well_opened = borders[codes[np.maximum(opening - 1, 0)]]
    borders[RETURN] = True
    well_closed = borders[codes[np.minimum(closing + 1, len(codes) - 1)]]
    if well_opened.all() and well_closed.all():
        nothing = np.empty(0, np.int64)
        return np.bitwise_xor.accumulate(is_quote.view(np.uint8)).view(bool), nothing, nothing
    return _lex_quoted(data, codes, places, separator)


def _lex_quoted(
    data: bytes, codes: np.ndarray, quotes: np.ndarray, separator: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    cell = re.compile(rb'(?<![^%b\n])"(?:[^"]++|"")*+(?:"|\Z)' % re.escape(bytes([separator])))
    spans = np.array([match.span() for match in cell.finditer(data)], np.int64).reshape(-1, 2)
    depth = np.zeros(len(data) + 1, np.int8)
    depth[spans[:, 0]] = 1
    depth[spans[:, 1]] -= 1
    quoted = np.cumsum(depth[:-1], dtype=np.int8).astype(bool)
    after = spans[:, 1][spans[:, 1] < len(data)]
    trailed = after[~np.isin(codes[after], (separator, NEWLINE, RETURN))]
    return quoted, quotes[~quoted[quotes]], trailed
