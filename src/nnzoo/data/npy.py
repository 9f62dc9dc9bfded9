"""The files of NumPy, .npy and .npz: headers first, sizes checked before anything is taken, never a Python object."""

import contextlib
import lzma
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

import numpy as np

from nnzoo.data.limits import check_memory
from nnzoo.errors import DataError, NnzooError, quote

SAVE_AGAIN = "Save it again with numpy.save or numpy.savez."
MAX_HEADER_BYTES = 10_000
_HEADER_ERRORS = (
    ValueError,
    KeyError,
    EOFError,
    SyntaxError,
    TypeError,
    RecursionError,
    MemoryError,
    tokenize.TokenError,
)
_UNPACKING_ERRORS = (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, zlib.error, lzma.LZMAError)


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype] | None:
    """Return shape, whether columns stand first, and type, as a .npy stream says; None if its header is damaged."""
    try:
        version = np.lib.format.read_magic(stream)
        readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        return readers[version](stream, max_header_size=MAX_HEADER_BYTES)
    except _HEADER_ERRORS:
        return None


def read_npy(origin: str, stream: IO[bytes], n_bytes: int) -> np.ndarray:
    """Return the array of a .npy stream of ``n_bytes``; its promised size is checked before anything is taken.

    Raises
    ------
    DataError
        If the header is damaged, the array holds Python objects, or the content is not as long as promised.
    """
    check_memory(origin, n_bytes)
    header = read_header(stream)
    if header is None:
        raise DataError(f"{origin} is damaged: its NumPy header cannot be read.", SAVE_AGAIN)
    shape, by_column, dtype = header
    if dtype.hasobject:
        raise DataError(f"{origin} needs numbers or texts; got an array of Python objects.", SAVE_AGAIN)
    content = stream.read(n_bytes)
    promised = dtype.itemsize
    for length in shape:
        promised *= length
    if min(shape, default=0) < 0 or promised != len(content):
        raise DataError(
            f"{origin} needs {promised} bytes of values, as its header says; got {len(content)}.", SAVE_AGAIN
        )
    return np.frombuffer(content, dtype).reshape(shape, order="F" if by_column else "C")


def read_member(origin: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Return one array of an .npz file."""
    with archive.open(member) as stream:
        return read_npy(f"{origin}, array {quote(member.filename)},", stream, member.file_size)


@contextlib.contextmanager
def unpacking(origin: str, hint: str = SAVE_AGAIN) -> Iterator[None]:
    """Turn what ``zipfile`` raises on damaged or encrypted content into DataError."""
    try:
        yield
    except NnzooError:
        raise
    except _UNPACKING_ERRORS as exc:
        raise DataError(f"{origin} is damaged: it cannot be unpacked ({exc}).", hint) from exc
    except RuntimeError as exc:
        if "encrypted" not in str(exc):
            raise
        raise DataError(f"{origin} is encrypted; it cannot be read.", hint) from exc
