"""Opens the file of a table: its form by suffix, verified by content, watched for change while it is read."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

from nnzoo.data.rawtable import shown
from nnzoo.errors import DataError, NnzooError, quote
from nnzoo.files import open_regular

PIECE_BYTES = 2 << 20
END_BYTES = 4096
GZIP_MAGIC = b"\x1f\x8b"

FORMS = {
    ".csv": "text",
    ".tsv": "text",
    ".txt": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
    ".npy": "npy",
    ".npz": "npz",
}
PACKABLE = ("text", "jsonl")

# What the first bytes say: (first bytes, what it is, the suffix that nnzoo reads it by).
SIGNATURES = (
    (b"PAR1", "Parquet", ".parquet"),
    (GZIP_MAGIC, "gzip", ".gz"),
    (b"PK\x03\x04", "a zip archive, such as an Excel workbook or NumPy's .npz", ".xlsx"),
    (b"\x93NUMPY", "a NumPy array", ".npy"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", ""),
    (b"ARROW1\0\0", "Arrow (Feather)", ""),
    (b"SQLite format 3\0", "an SQLite database", ""),
    (b"%PDF-", "a PDF", ""),
)
FIRST_BYTES = {
    "parquet": b"PAR1",
    "xlsx": b"PK\x03\x04",
    "npy": b"\x93NUMPY",
    "npz": b"PK",
}


@dataclass(frozen=True)
class Form:
    """How a file is read: ``kind`` of FORMS, its suffix, and whether it is packed with gzip."""

    kind: str
    suffix: str
    packed: bool


class InputFile:
    """An open regular file that is hashed while it is read, and watched: it must not change meanwhile.

    Use it in a ``with`` block: on leaving, size, time and both ends of the file are compared with those at the start.

    Parameters
    ----------
    path : str or os.PathLike
        The file. A folder, a pipe, a device or a missing file raises DataError at once.
    hashing : bool
        Whether ``fingerprint`` will be asked for.
    """

    def __init__(self, path: str | os.PathLike[str], *, hashing: bool = False) -> None:
        self.path = Path(path)
        self.origin = shown(os.fspath(path))
        self._file = open_regular(path, DataError)
        self._sought = False
        self._sha = hashlib.sha256() if hashing else None
        self._stamp = _stamp(os.fstat(self._file.fileno()))
        self.size = self._stamp[2]
        self.head, self.tail = self._ends()

    def __enter__(self) -> "InputFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None or isinstance(error, NnzooError):
                self._check_unchanged(error)
        finally:
            self._file.close()

    @property
    def raw(self) -> BinaryIO:
        """The file object itself, for readers that need to seek."""
        self._sought = True
        return self._file

    def read(self, n_bytes: int = -1) -> bytes:
        """Return the next bytes of the file."""
        try:
            data = self._file.read(n_bytes)
        except OSError as exc:
            raise DataError(f"{self.origin} cannot be read: {exc.strerror}.", "Check the disk and the file.") from exc
        if self._sha is not None:
            self._sha.update(data)
        return data

    def rewind(self) -> None:
        """Go back to the start of the file."""
        self._file.seek(0)
        self._sought = False
        if self._sha is not None:
            self._sha = hashlib.sha256()

    def fingerprint(self) -> str:
        """Return the SHA-256 of the whole file as stored, reading what has not been read yet; "" without hashing."""
        if self._sha is None:
            return ""
        if self._sought:
            self.rewind()
        while self.read(PIECE_BYTES):
            pass
        return self._sha.hexdigest()

    def _ends(self) -> tuple[bytes, bytes]:
        place = self._file.tell()
        self._file.seek(0)
        head = self._file.read(END_BYTES)
        self._file.seek(max(0, self.size - END_BYTES))
        tail = self._file.read(END_BYTES)
        self._file.seek(place)
        return head, tail

    def _check_unchanged(self, cause: BaseException | None) -> None:
        try:
            found = _stamp(os.stat(self.path))
        except OSError as exc:
            raise DataError(f"{self.origin}: input changed: the file vanished while it was read.", _AGAIN) from exc
        if found != self._stamp or self._ends() != (self.head, self.tail):
            raise DataError(f"{self.origin}: input changed while it was read.", _AGAIN) from cause


_AGAIN = "Wait until nothing writes to the file any more, then run again."


def _stamp(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def form_of(file: InputFile) -> Form:
    """Return the form of a file by its suffix; raise DataError if the suffix is unknown or the content is another."""
    suffixes = [suffix.lower() for suffix in file.path.suffixes[-2:]]
    packed = suffixes[-1:] == [".gz"]
    suffix = suffixes[-2] if packed and len(suffixes) > 1 else (suffixes[-1] if suffixes else "")
    kind = FORMS.get(suffix)
    if kind is None or (packed and kind not in PACKABLE):
        raise DataError(
            f"{file.origin} needs a suffix that says what it is: {', '.join(FORMS)}, "
            f"or one of the text kinds with .gz; got {quote(''.join(suffixes))}.",
            "Rename the file after its content, or convert it to CSV.",
        )
    if not file.size:
        raise DataError(f"{file.origin} needs a table; got an empty file (0 rows).", "Check how it was written.")
    form = Form(kind, suffix, packed)
    _check_content(file, form)
    return form


def _check_content(file: InputFile, form: Form) -> None:
    first = GZIP_MAGIC if form.packed else FIRST_BYTES.get(form.kind)
    if first is None:
        refuse_other_content(file, form, file.head)
    elif not file.head.startswith(first):
        found, suffix = _signature(file.head, file.tail) or ("something else", "")
        wanted = "gzip" if form.packed else form.suffix
        raise DataError(
            f"{file.origin} needs content that fits its suffix ({wanted}); its first bytes are {found}.",
            _rename(suffix),
        )


def refuse_other_content(file: InputFile, form: Form, head: bytes) -> None:
    """Raise DataError if the first bytes of a text file are those of another format."""
    found = _signature(head, file.tail) or _text_signature(head, form.kind)
    if found is not None:
        raise DataError(f"{file.origin} needs {form.suffix} text; its content is {found[0]}.", _rename(found[1]))


def _signature(head: bytes, tail: bytes) -> tuple[str, str] | None:
    for first, name, suffix in SIGNATURES:
        if head.startswith(first) and (name != "Parquet" or tail.endswith(first)):
            return name, suffix
    return None


def _text_signature(head: bytes, kind: str) -> tuple[str, str] | None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:64].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page", ""
    if kind == "text" and start.startswith((b'{"', b'[{"')):
        return "JSON", ".jsonl"
    return None


def _rename(suffix: str) -> str:
    return f"Rename the file so that it ends in {suffix}." if suffix else "Convert it to CSV or Parquet."


def content_pieces(file: InputFile, form: Form) -> Iterator[bytes]:
    """Yield the content of a text file in pieces of at most 2 MiB, unpacked if it is packed.

    Raises
    ------
    DataError
        If packed content is damaged or ends early.
    """
    if not form.packed:
        while data := file.read(PIECE_BYTES):
            yield data
        return
    unpacked = gzip.GzipFile(fileobj=cast(BinaryIO, file), mode="rb")
    try:
        while data := unpacked.read(PIECE_BYTES):
            yield data
    except EOFError as exc:
        raise DataError(f"{file.origin} is cut off: its gzip data ends early.", _COPY) from exc
    except (gzip.BadGzipFile, zlib.error) as exc:
        raise DataError(f"{file.origin} is damaged: its gzip data cannot be unpacked ({exc}).", _COPY) from exc


_COPY = "Copy or download the file again."
