"""The IDX format of MNIST: a header of big-endian numbers, then the values of one array; packed with gzip or not.

Header: two zero bytes, one byte for the type of the values, one for the number of dimensions, and four bytes for the
length of each dimension (LeCun, Cortes, Burges: The MNIST database, "the IDX file format").
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from nnzoo.data.limits import check_memory
from nnzoo.data.opening import GZIP_MAGIC, Form, InputFile, content_pieces
from nnzoo.errors import DataError, quote

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_DIMENSIONS = 4
MAX_LENGTH = 2**31 - 1
# deflate packs at most 258 bytes into 2 bits, so no honest file promises more than this times its size
MAX_INFLATION = 1032
_FIRST = "IDX files begin with the bytes 00 00 08 03 (images) or 00 00 08 01 (labels)"
_COPY = "Copy or download the file again."


class Header(NamedTuple):
    """What an IDX header promises."""

    dtype: np.dtype
    shape: tuple[int, ...]
    n_header: int

    @property
    def n_values(self) -> int:
        """Bytes that the values take."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_idx(file: InputFile) -> np.ndarray:
    """Return the array of an IDX file.

    Parameters
    ----------
    file : InputFile
        The open file; gzip is recognised by its first bytes.

    Returns
    -------
    ndarray
        In the type and shape that the header says, in the machine's byte order; up to 4 dimensions. Read-only.

    Raises
    ------
    DataError
        The header is not one of IDX, a length is negative, or the file holds fewer or more values than promised.
    ResourceError
        The values would not fit into memory.
    """
    packed = file.head.startswith(GZIP_MAGIC)
    pieces = content_pieces(file, Form("idx", "", packed))
    first = next(pieces, b"")
    header = idx_header(file.origin, first)
    if header.n_values > (MAX_INFLATION if packed else 1) * file.size:
        raise _wrong_length(file.origin, header, "a file that is far shorter")
    check_memory(file.origin, 2 * header.n_values)
    return _array(file.origin, header, _at_most(first, pieces, header))


def idx_array(origin: str, content: bytes) -> np.ndarray:
    """Return the array of an IDX file that is in memory, unpacked; the errors are those of ``read_idx``."""
    return _array(origin, idx_header(origin, content), content)


def idx_header(origin: str, content: bytes) -> Header:
    """Return what the header promises; ``content`` holds at least the first 20 bytes of the file, if it has as many.

    Raises
    ------
    DataError
        It is not an IDX header, or one of its lengths is negative.
    """
    if content[:2] != b"\0\0" or len(content) < 4 or content[2] not in TYPES:
        raise DataError(f"{origin} needs to be an IDX file; its first bytes are {_hex(content[:4])}.", f"{_FIRST}.")
    n_dimensions = content[3]
    if not 1 <= n_dimensions <= MAX_DIMENSIONS:
        message = f"{origin} needs 1 to {MAX_DIMENSIONS} dimensions; its header says {n_dimensions}."
        raise DataError(message, f"Check that it is an IDX file: {_FIRST}.")
    n_header = 4 + 4 * n_dimensions
    if len(content) < n_header:
        raise DataError(f"{origin} is cut off: it ends within its header, after {len(content)} bytes.", _COPY)
    shape = tuple(np.frombuffer(content[4:n_header], ">u4").tolist())
    if max(shape) > MAX_LENGTH:
        lengths = np.frombuffer(content[4:n_header], ">i4").tolist()
        raise DataError(f"{origin} needs lengths from 0 to {MAX_LENGTH}; its header says {lengths}.", _COPY)
    return Header(np.dtype(TYPES[content[2]]), shape, n_header)


def _at_most(first: bytes, pieces: Iterator[bytes], header: Header) -> bytes:
    """Return the content, read until it is longer than promised at most."""
    held, n_held = [first], len(first)
    for piece in pieces:
        held.append(piece)
        n_held += len(piece)
        if n_held > header.n_header + header.n_values:
            break
    return b"".join(held)


def _array(origin: str, header: Header, content: bytes) -> np.ndarray:
    n_values = len(content) - header.n_header
    if n_values != header.n_values:
        raise _wrong_length(origin, header, f"{n_values} bytes" if n_values < header.n_values else "more bytes")
    array = np.frombuffer(content, header.dtype, offset=header.n_header).reshape(header.shape)
    return array.astype(header.dtype.newbyteorder("="), copy=False)


def _wrong_length(origin: str, header: Header, came: str) -> DataError:
    shape = " x ".join(map(str, header.shape))
    message = f"{origin} needs {header.n_values} bytes of values after its header ({shape}); got {came}."
    return DataError(message, _COPY)


def _hex(content: bytes) -> str:
    return quote(content.hex(" ")) if content else "none: it is empty"
