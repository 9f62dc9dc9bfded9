"""Gets the files of a public set: from this machine, else from a mirror; verified by their content either way.

What is verified is the content, gzip taken off: distributions pack it again, and every byte of it is still official.
Nothing is read beyond the length that the official content has.
"""

import contextlib
import hashlib
import http.client
import os
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nnzoo.data.checkup import Finding
from nnzoo.data.opening import GZIP_MAGIC, InputFile
from nnzoo.errors import DataError, quote
from nnzoo.files import atomic_write, shown

TIMEOUT_S = 20.0
LIMIT_S = 3600.0
PIECE_BYTES = 1 << 18
# gzip makes what cannot be packed longer by 5 bytes in 16 KiB, and has a header
MAX_GROWTH = 1.01
SLACK_BYTES = 1 << 16
WITH_GZIP_HEADER = 31

Opener = Callable[..., Any]


@dataclass(frozen=True)
class PublicFile:
    """A file of a public set.

    Attributes
    ----------
    name : str
        Its name, unpacked.
    n_bytes : int
        Length of its content.
    sha256 : str
        SHA-256 of its content, 64 hex digits.
    packed : bool
        Whether mirrors pack it with gzip, as ``name`` + ".gz".
    """

    name: str
    n_bytes: int
    sha256: str
    packed: bool = True

    @property
    def sent_name(self) -> str:
        """Name on the mirrors and in the cache."""
        return f"{self.name}.gz" if self.packed else self.name

    @property
    def max_bytes(self) -> int:
        """More than the file takes on a disk or a mirror, packed or not."""
        return int(MAX_GROWTH * self.n_bytes) + SLACK_BYTES


class Unusable(Exception):
    """A file or an answer that is not the official one; its text follows the name of the place."""


@dataclass
class Search:
    """Where the files of a set may be, and what came of looking there.

    Attributes
    ----------
    owner : str
        Name of the set, for messages.
    folders : sequence of Path
        Searched in this order, before the cache.
    mirrors : list of str
        Addresses of the folders that hold the files; the one that answered last moves to the front.
    cache : Path
        Folder that keeps what was downloaded.
    opener : callable
        As ``urllib.request.urlopen``: takes an address and ``timeout`` in seconds.
    timeout : float
        Seconds without a byte after which a mirror counts as dead.
    findings : list of Finding
        Files that were passed over, and what was downloaded.
    """

    owner: str
    folders: Sequence[Path]
    mirrors: list[str]
    cache: Path
    opener: Opener = urllib.request.urlopen
    timeout: float = TIMEOUT_S
    findings: list[Finding] = field(default_factory=list)

    def content(self, file: PublicFile) -> bytes | None:
        """Return the verified content of a file that is on this machine; None if there is none."""
        for folder in (*self.folders, self.cache):
            for name in dict.fromkeys((file.name, file.sent_name)):
                path = folder / name
                if os.path.lexists(path):
                    try:
                        return verified(_read(path, file.max_bytes), file)
                    except Unusable as exc:
                        hint = f"Remove it, or put the official {quote(file.name)} there."
                        message = f"{self.owner}: {shown(path)} was passed over: it {exc}."
                        self.findings.append(Finding("warning", "other content", None, message, hint))
        return None

    def download(self, file: PublicFile) -> bytes:
        """Return the verified content of a file from the first mirror that has it, and keep it in the cache.

        Raises
        ------
        Unusable
            No mirror gave the official content; the text says what came of each.
        """
        failures = []
        for mirror in list(self.mirrors):
            try:
                sent = received(mirror + file.sent_name, file.max_bytes, self.opener, self.timeout)
                content = verified(sent, file)
            except Unusable as exc:
                failures.append(f"{urlsplit(mirror).netloc} {exc}")
                continue
            self.mirrors.remove(mirror)
            self.mirrors.insert(0, mirror)
            self._keep(file, sent, mirror)
            return content
        raise Unusable("; ".join(failures))

    def _keep(self, file: PublicFile, sent: bytes, mirror: str) -> None:
        path = self.cache / file.sent_name
        came = f"{self.owner}: {quote(file.sent_name)} was downloaded from {urlsplit(mirror).netloc}"
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
            atomic_write(path, sent)
        except OSError as exc:
            message = f"{came}; it could not be kept in {shown(self.cache)}: {str(exc.strerror).lower()}."
            finding = Finding("warning", "download not kept", None, message, "Make room, or check the rights there.")
        else:
            finding = Finding("note", "download", None, f"{came} and is kept in {shown(self.cache)}.", "")
        self.findings.append(finding)


def verified(sent: bytes, file: PublicFile) -> bytes:
    """Return the content of a file, unpacked where it is packed; raise Unusable if it is not the official one."""
    if file.packed and sent.startswith(GZIP_MAGIC):
        unpacker = zlib.decompressobj(WITH_GZIP_HEADER)
        try:
            sent = unpacker.decompress(sent, file.n_bytes + 1)
        except zlib.error as exc:
            raise Unusable("is damaged: it cannot be unpacked") from exc
        if len(sent) <= file.n_bytes and not unpacker.eof:
            raise Unusable("is cut off: its gzip data ends early")
    if len(sent) != file.n_bytes:
        came = f"{len(sent):,} bytes" if len(sent) < file.n_bytes else "more"
        raise Unusable(f"needs {file.n_bytes:,} bytes of content; it has {came}")
    found = hashlib.sha256(sent).hexdigest()
    if found != file.sha256:
        raise Unusable(
            f"has other content: its SHA-256 is {found[:12]}…, that of the official file {file.sha256[:12]}…"
        )
    return sent


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        with InputFile(path) as file:
            if file.size > max_bytes:
                raise Unusable(f"is too long: {file.size:,} bytes")
            return file.read()
    except DataError as exc:
        raise Unusable(f"cannot be read: {exc.message.rstrip('.')}") from exc


def received(address: str, max_bytes: int, opener: Opener, timeout: float) -> bytes:
    """Return what an address sends; raise Unusable if that is an error, too long, cut off, or takes too long."""
    end = time.monotonic() + LIMIT_S
    with _words_for_failures(), opener(address, timeout=timeout) as answer:
        pieces, n_bytes = [], 0
        for piece in _pieces(answer):
            pieces.append(piece)
            n_bytes += len(piece)
            if n_bytes > max_bytes:
                raise Unusable(f"sends more than {max_bytes:,} bytes")
            if time.monotonic() > end:
                raise Unusable(f"was too slow: it sent {n_bytes:,} bytes in {LIMIT_S:,.0f} seconds")
        promised = answer.headers.get("Content-Length", "")
    if promised.isdecimal() and n_bytes < int(promised):
        raise Unusable(f"broke off after {n_bytes:,} of {int(promised):,} bytes")
    return b"".join(pieces)


def _pieces(answer: Any) -> Iterable[bytes]:
    return iter(lambda: answer.read1(PIECE_BYTES), b"")


@contextlib.contextmanager
def _words_for_failures() -> Iterator[None]:
    try:
        yield
    except urllib.error.HTTPError as exc:
        exc.close()
        raise Unusable(f"answered with status {exc.code}") from exc
    except (OSError, http.client.HTTPException) as exc:
        reason = exc.reason if isinstance(exc, urllib.error.URLError) else exc
        if isinstance(reason, TimeoutError):
            raise Unusable("did not answer in time") from exc
        words = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
        raise Unusable(f"could not be reached: {quote(words or type(exc).__name__)}") from exc


def cache_folder() -> Path:
    """Return the folder in which nnzoo keeps downloads, where the platform has such folders.

    Linux and others: ``~/.cache/nnzoo``, or below ``XDG_CACHE_HOME`` if the user has set it; macOS:
    ``~/Library/Caches/nnzoo``; Windows: ``nnzoo`` in the user's local application data.
    """
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "nnzoo"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "nnzoo"
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (chosen if chosen.is_absolute() else home / ".cache") / "nnzoo"
