"""Images that belong to the rows of a table, and those of them that lie in files.

Files are read in two passes. The first reads every file once, keeps its header and its SHA-256, and lets the bytes go;
the second, ``ImageFiles.decode``, reads it again, compares the hash and unpacks it into one array. So a folder of any
size takes the memory of its decoded images, and every image is decoded once.
"""

import hashlib
import io
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from nnzoo import files
from nnzoo.data.checkup import Finding
from nnzoo.data.limits import check_memory
from nnzoo.data.pixelrule import PixelRule
from nnzoo.data.pixels import MAX_PIXELS, BadImage, Header, decode, max_bytes, quiet, read_header
from nnzoo.data.rawtable import Table
from nnzoo.errors import DataError

# Threads help where unpacking, during which other threads run, outweighs Python's own work: not for small images.
PIXELS_WORTH_A_THREAD = 128 * 128
BYTES_WORTH_A_THREAD = 32 << 10
MAX_THREADS = 8
N_SAMPLED = 100
PIECE = 32


class Images(Protocol):
    """Images of one source, in its order, not decoded or already in memory."""

    @property
    def heights(self) -> np.ndarray:
        """Pixels, orientation applied: ints, shape (n_images,)."""
        ...

    @property
    def widths(self) -> np.ndarray:
        """Pixels, orientation applied: ints, shape (n_images,)."""
        ...

    @property
    def modes(self) -> list[str]:
        """Pillow's name of the mode of each image."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """What ``decode`` gives: uint8, or float32 where the source held other numbers."""
        ...

    def __len__(self) -> int: ...

    def take(self, index: np.ndarray) -> "Images":
        """Return the images at these places, in this order."""
        ...

    def decode(self, rule: PixelRule, *, threads: int | None = None) -> tuple[np.ndarray, dict[int, str]]:
        """Return all pixels, shape (n_images, height, width, channels), and place -> reason of what has none."""
        ...

    def content_hashes(self) -> list[bytes]:
        """Return a digest of each image; equal images have equal digests."""
        ...


@dataclass(kw_only=True)
class ImageTable(Table):
    """A table with an image to each row.

    Attributes
    ----------
    images : Images
        One to each row, in the same order.
    part : ndarray of int8, shape (n_rows,), or None
        0 train, 1 valid, 2 test, where the source itself says so.
    findings : list of Finding
        What a reader should know about the source.
    """

    images: Images
    part: np.ndarray | None = None
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Images in files whose headers have been read.

    Attributes
    ----------
    origin : str
        How messages name the source.
    paths : list of str
        Undecodable bytes as surrogates.
    headers : list of Header
    digests : list of bytes
        SHA-256 of each file, 32 bytes.
    max_pixels : int
    """

    origin: str
    paths: list[str]
    headers: list[Header]
    digests: list[bytes]
    max_pixels: int = MAX_PIXELS

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def heights(self) -> np.ndarray:
        """Pixels, orientation applied: int64, shape (n_images,)."""
        return np.array([header.height for header in self.headers], dtype=np.int64)

    @property
    def widths(self) -> np.ndarray:
        """Pixels, orientation applied: int64, shape (n_images,)."""
        return np.array([header.width for header in self.headers], dtype=np.int64)

    @property
    def modes(self) -> list[str]:
        """Pillow's name of the mode of each image."""
        return [header.mode for header in self.headers]

    @property
    def dtype(self) -> np.dtype:
        """The type of the pixels: uint8."""
        return np.dtype(np.uint8)

    def take(self, index: np.ndarray) -> "ImageFiles":
        """Return the images at these places, in this order."""
        places = [int(place) for place in index]
        return ImageFiles(
            self.origin,
            [self.paths[place] for place in places],
            [self.headers[place] for place in places],
            [self.digests[place] for place in places],
            self.max_pixels,
        )

    def content_hashes(self) -> list[bytes]:
        """Return the SHA-256 of each file; the same picture saved in two ways has two of them."""
        return list(self.digests)

    def decode(self, rule: PixelRule, *, threads: int | None = None) -> tuple[np.ndarray, dict[int, str]]:
        """Read and unpack all images.

        Parameters
        ----------
        rule : PixelRule
            Size and channels.
        threads : int, optional
            One by default where the images are small, else one a core, at most 8. The result is the same.

        Returns
        -------
        pixels : ndarray of uint8, shape (n_images, rule.height, rule.width, rule.channels)
        bad : dict of int to str
            Place and reason of each image that cannot be decoded, or has changed since its header was read; its pixels
            are 0. ``check_rejects`` judges whether they are too many.

        Raises
        ------
        ResourceError
            The pixels do not fit into memory; nothing is allocated or decoded then.
        """
        shape = (len(self), rule.height, rule.width, rule.channels)
        check_memory(self.origin, math.prod(shape))
        pixels = np.zeros(shape, dtype=np.uint8)
        bad: dict[int, str] = {}

        def work(place: int) -> None:
            try:
                pixels[place] = self._decode_one(place, rule)
            except BadImage as exc:
                bad[place] = exc.reason

        if threads is None:
            mean = float(np.mean(self.heights * self.widths)) if len(self) else 0.0
            threads = _n_threads(worth_it=mean >= PIXELS_WORTH_A_THREAD)
        _for_each(work, len(self), threads)
        return pixels, dict(sorted(bad.items()))

    def _decode_one(self, place: int, rule: PixelRule) -> np.ndarray:
        content = _content(self.paths[place], max_bytes(self.max_pixels))
        if hashlib.sha256(content).digest() != self.digests[place]:
            raise BadImage("changed while it was read")
        return decode(io.BytesIO(content), rule, max_pixels=self.max_pixels)


@dataclass(frozen=True, eq=False)
class Index:
    """The headers of files: of those that can be used, in their order, and why the others cannot.

    Attributes
    ----------
    kept : ndarray of int64
        Places of the usable files among all.
    images : ImageFiles
        The usable files.
    bad : dict of int to str
        Place and reason of every other file.
    """

    kept: np.ndarray
    images: ImageFiles
    bad: dict[int, str]


def index_files(origin: str, paths: Sequence[str], *, max_pixels: int = MAX_PIXELS) -> Index:
    """Read every file once: its header and its SHA-256."""
    headers: dict[int, Header] = {}
    digests: dict[int, bytes] = {}
    bad: dict[int, str] = {}

    def work(place: int) -> None:
        try:
            content = _content(paths[place], max_bytes(max_pixels))
            headers[place] = read_header(io.BytesIO(content), max_pixels=max_pixels)
            digests[place] = hashlib.sha256(content).digest()
        except BadImage as exc:
            bad[place] = exc.reason

    _for_each(work, len(paths), _n_threads(worth_it=_usual_bytes(paths) >= BYTES_WORTH_A_THREAD))
    kept = sorted(digests)
    images = ImageFiles(
        origin,
        [paths[place] for place in kept],
        [headers[place] for place in kept],
        [digests[place] for place in kept],
        max_pixels,
    )
    return Index(np.array(kept, dtype=np.int64), images, dict(sorted(bad.items())))


def _content(path: str, limit: int) -> bytes:
    """Return the bytes of a regular file, one more than ``limit`` at most; raise BadImage if that cannot be."""
    try:
        os.stat(path)  # a missing file is found here: its message needs no search for names like it
        with files.open_regular(path) as file:
            return file.read(min(os.fstat(file.fileno()).st_size, limit) + 1)  # a buffer of the limit itself costs time
    except DataError as exc:
        raise BadImage(exc.message.removeprefix(files.shown(path)).strip(" .")) from exc
    except FileNotFoundError as exc:
        raise BadImage("was not found") from exc
    except OSError as exc:
        raise BadImage(f"cannot be opened: {str(exc.strerror).lower()}") from exc
    except ValueError as exc:
        raise BadImage(f"cannot be the name of a file: {exc}") from exc


def _usual_bytes(paths: Sequence[str]) -> float:
    sizes = []
    for path in paths[:: max(1, len(paths) // N_SAMPLED)]:
        try:
            sizes.append(os.stat(path).st_size)
        except (OSError, ValueError):
            sizes.append(0)
    return float(np.mean(sizes)) if sizes else 0.0


def _n_threads(*, worth_it: bool) -> int:
    if not worth_it:
        return 1
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(n_cores, MAX_THREADS)


def _for_each(work: Callable[[int], None], n: int, threads: int) -> None:
    """Do the work for every place from 0 to ``n`` - 1; an error, such as Ctrl-C, ends it at once."""
    with quiet():
        if threads <= 1:
            for place in range(n):
                work(place)
            return

        def piece(start: int) -> None:
            for place in range(start, min(start + PIECE, n)):
                work(place)

        pool = ThreadPoolExecutor(threads)
        try:
            for _ in pool.map(piece, range(0, n, PIECE)):
                pass
        finally:
            pool.shutdown(cancel_futures=True)
