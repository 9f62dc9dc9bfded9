"""Writing and reading a model file: a manifest and named tensors in the layout of ``tensorlayout``.

The reader checks everything before it allocates anything, and nothing from a file is ever run, imported or unpickled.
"""

import hashlib
import io
import itertools
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nnzoo.errors import listing, quote
from nnzoo.files import Pathish, atomic_write, open_regular
from nnzoo.tensorlayout import (
    DTYPE_NAMES,
    DTYPES,
    MAX_BYTES,
    MAX_HEADER,
    TENSOR_NAME,
    ZEROS,
    Header,
    Kind,
    Owner,
    Table,
    Tensor,
    make_header,
    parse_header,
    parse_table,
)

FOREIGN = {
    b"PK\x03\x04": "a zip archive, as .pt, .keras and .npz files are",
    b"\x89HDF": "an HDF5 file",
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"\x1f\x8b": "a gzip file",
    b"\x93NUM": "a numpy array",
    b"<!": "an HTML page",
    b"<h": "an HTML page",
    b"<?": "an XML page",
}


def write_tensors(
    path: Pathish,
    manifest: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    *,
    kind: Kind = "model",
    backup: bool = False,
    allow_nonfinite: bool = False,
    max_bytes: int = MAX_BYTES,
) -> str:
    """Write a manifest and tensors atomically. What ``read_tensors`` would refuse is refused here.

    Equal content gives equal bytes, in whatever order it comes.

    Parameters
    ----------
    path : str or PathLike
        The file.
    manifest : mapping
        Plain JSON values; at most 1 MiB as text, 16 levels deep.
    tensors : mapping of str to ndarray
        At most 20,000 arrays of float64, float32, int64, int32, int16, int8, uint8 or bool with at most 8 dimensions;
        names of letters, digits, ``_``, ``.`` and ``-``. A uint8 array holds at most 64 MiB.
    kind : {"model", "checkpoint"}, default "model"
        What the file is called in messages, and which error is raised.
    backup : bool, default False
        Whether a file that is replaced stays as ``path`` + ``.bak``.
    allow_nonfinite : bool, default False
        Whether NaN and infinite numbers may be saved.
    max_bytes : int, default 2 GiB
        Size of the largest file.

    Returns
    -------
    str
        The 64 hexadecimal digits of the file's SHA-256, with these digits taken as zeros.

    Raises
    ------
    ModelFileError, CheckpointError
        The content breaks a limit.
    OSError
        The file cannot be written; an old file is as it was.
    """
    owner = Owner(path, kind, "What could not be loaded again is not saved: let it hold less.")
    arrays = {name: _plain_array(name, tensors[name], owner) for name in sorted(tensors)}
    header = make_header(manifest, arrays, owner)
    table = parse_table(header, owner)
    n_bytes = 8 + len(header.data) + sum(array.nbytes for array in arrays.values())
    if n_bytes > max_bytes:
        raise owner.limit(f"at most {max_bytes} bytes", str(n_bytes))
    for tensor in table:
        _check_values(tensor, arrays[tensor.name], owner, allow_nonfinite=allow_nonfinite)
    pieces = [arrays[tensor.name].reshape(-1).view(np.uint8).data for tensor in table]
    digest = hashlib.sha256(header.with_digits(ZEROS))
    for piece in pieces:
        digest.update(piece)
    start = header.with_digits(digest.hexdigest().encode("ascii"))
    atomic_write(path, itertools.chain([start], pieces), backup=backup)
    return digest.hexdigest()


def read_tensors(
    path: Pathish,
    expected: Callable[[dict[str, Any]], Table] | None = None,
    *,
    kind: Kind = "model",
    allow_nonfinite: bool = False,
    max_bytes: int = MAX_BYTES,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a file of ``write_tensors``; check everything before allocating anything of its size.

    One descriptor serves from the first byte to the last.

    Parameters
    ----------
    path : str or PathLike
        The file; not a link.
    expected : callable, optional
        Gets the manifest, checks it, and returns the name, dtype name and shape of every tensor that the file must
        hold. A size of -1 stands for any.
    kind : {"model", "checkpoint"}, default "model"
        What the file is called in messages, and which error is raised.
    allow_nonfinite : bool, default False
        Whether NaN and infinite numbers are taken.
    max_bytes : int, default 2 GiB
        Size of the largest file that is read.

    Returns
    -------
    manifest : dict
        As it was written; tuples are lists.
    tensors : dict of str to ndarray
        By name, in ascending order; every array owns its memory and can be written.

    Raises
    ------
    ModelFileError, CheckpointError
        The file is missing, is something else, is damaged, breaks a limit, or does not hold what is expected.
    """
    owner = Owner(path, kind, "nnzoo saves no such files: take another copy.")
    with open_regular(path, owner.error, follow=False) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > max_bytes:
            raise owner.limit(f"at most {max_bytes} bytes", str(size))
        header = parse_header(_read_header(stream, size, owner), owner)
        wanted = None if expected is None else expected(header.manifest)
        table = parse_table(header, owner)
        n_data = size - 8 - len(header.data)
        if n_data != max((tensor.end for tensor in table), default=0):
            raise owner.damaged(f"{n_data} bytes follow its header, which is not the size of its tensors")
        if wanted is not None:
            _check_expected(table, wanted, owner)
        arrays = _read_arrays(stream, table, header, owner)
    for tensor in table:
        _check_values(tensor, arrays[tensor.name], owner, allow_nonfinite=allow_nonfinite)
    return header.manifest, {name: arrays[name] for name in sorted(arrays)}


def _plain_array(name: str, value: np.ndarray, owner: Owner) -> np.ndarray:
    if not isinstance(name, str) or not TENSOR_NAME.fullmatch(name):
        raise owner.limit("tensor names of 1 to 200 letters, digits, _ . and -", quote(name))
    code = value.dtype.newbyteorder("<").str if isinstance(value, np.ndarray) else type(value).__name__
    if code not in DTYPE_NAMES:
        raise owner.limit(f"arrays of {', '.join(DTYPES)}", f"{code} as {quote(name)}")
    return np.asarray(value, dtype=code, order="C")


def _read_header(stream: io.BufferedReader, size: int, owner: Owner) -> bytes:
    start = stream.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > min(MAX_HEADER, size - 8) or length % 8 or stream.peek(1)[:1] != b"{":
        for magic, words in FOREIGN.items():
            if start.startswith(magic):
                raise owner.foreign(words)
        if len(start) == 8 and size - 8 < length <= MAX_HEADER:
            raise owner.damaged(f"it ends after {size} bytes, within its header")
        raise owner.foreign("something else" if size else "empty")
    return stream.read(length)


def _check_expected(table: list[Tensor], wanted: Table, owner: Owner) -> None:
    """Refuse a table that is not the expected one; name the first difference."""
    rows = {row.name: row for row in table}
    missing, extra = sorted(wanted.keys() - rows.keys()), sorted(rows.keys() - wanted.keys())
    if missing or extra:
        parts = [f"{what} {listing(names)}" for what, names in (("lacks", missing), ("has also", extra)) if names]
        raise owner.damaged(f"its tensors do not fit its manifest: it {' and '.join(parts)}")
    for name in sorted(wanted):
        dtype, shape = wanted[name]
        row = rows[name]
        fits = len(shape) == len(row.shape) and all(
            size in (-1, came) for size, came in zip(shape, row.shape, strict=True)
        )
        if row.dtype != dtype or not fits:
            needed, came = f"{dtype} {tuple(shape)}", f"{row.dtype} {row.shape}"
            raise owner.damaged(f"tensor {quote(name)} needs {needed} by its manifest; it is {came}")


def _read_arrays(stream: io.BufferedReader, table: list[Tensor], header: Header, owner: Owner) -> dict[str, np.ndarray]:
    """Read the tensors and their SHA-256 in one pass."""
    digest = hashlib.sha256(header.with_digits(ZEROS))
    arrays: dict[str, np.ndarray] = {}
    for tensor in table:
        array = np.empty(tensor.shape, DTYPES[tensor.dtype])
        piece = array.reshape(-1).view(np.uint8).data
        if stream.readinto(piece) != len(piece):
            raise owner.damaged("it ended while it was read")
        digest.update(piece)
        arrays[tensor.name] = array
    if digest.hexdigest() != header.digits:
        raise owner.damaged("its SHA-256 is not the one that it states")
    return arrays


def _check_values(tensor: Tensor, array: np.ndarray, owner: Owner, *, allow_nonfinite: bool) -> None:
    if tensor.dtype == "BOOL" and array.size and array.view(np.uint8).max() > 1:
        raise owner.damaged(f"tensor {quote(tensor.name)} holds truth values other than 0 and 1")
    if tensor.dtype in ("F64", "F32") and not allow_nonfinite and not np.isfinite(array).all():
        raise owner.error(
            f"{owner.name} needs finite numbers; tensor {quote(tensor.name)} holds NaN or infinity.",
            "Train again with a smaller learning_rate, or pass allow_nonfinite=True.",
        )
