"""Images in files: a folder with one sub-folder a class, a table with a column of paths, a list of photos.

Indexing reads every file once for its hash and its header; pixels are decoded later, in one pass, once it is known to
which size. A file that is no image, or a damaged one, is left out and listed, never replaced by another.
"""

import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl

from nnzoo.data.checkup import Finding
from nnzoo.data.limits import check_memory
from nnzoo.data.pixelrule import PixelRule
from nnzoo.data.pixels import MAX_PIXELS, BadImage, Header, decode, read_header, strict_pillow
from nnzoo.data.rawtable import MAX_REJECTED, Reject, Table, shown
from nnzoo.data.splits import TEST, TRAIN, VALID
from nnzoo.errors import DataError, SchemaError, listing, quote
from nnzoo.files import open_regular

FILE, LABEL = "file", "label"
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
PARTS = {"train": TRAIN, "training": TRAIN, "valid": VALID, "val": VALID, "validation": VALID, "test": TEST}
"""Names of sub-folders that say which part their images belong to."""
IGNORED_NAMES = ("thumbs.db", "desktop.ini", "__macosx", "@eadir")
IGNORED_SUFFIXES = (".txt", ".md", ".csv", ".tsv", ".json", ".xml", ".yaml", ".yml", ".html", ".pdf", ".py", ".ipynb")
"""Hidden files, files of these names, and notes with these suffixes are passed over."""
THREADS = 4
PIECE = 128
MAX_DEPTH = 32


class Images(Protocol):
    """Images that are not decoded yet, or need not be.

    Attributes
    ----------
    heights, widths : ndarray of int, shape (n,)
    modes : list of str
        Pillow's names.
    """

    heights: np.ndarray
    widths: np.ndarray
    modes: list[str]

    def __len__(self) -> int: ...

    def take(self, index: np.ndarray) -> "Images":
        """Return the images at these places."""
        ...

    def decode(self, rule: PixelRule) -> tuple[np.ndarray, dict[int, str]]:
        """Return pixels (n, height, width, channels), and place and reason of those that cannot be decoded."""
        ...


@dataclass
class ImageTable(Table):
    """A table whose rows have an image each.

    Attributes
    ----------
    images : Images
        In the order of the rows.
    part : ndarray of int8, shape (n_rows,), or None
        0 train, 1 valid, 2 test where the source itself says it.
    findings : list of Finding
        What reading has noticed.
    mirrors_alike : bool or None
        Whether a mirror image is of the same class; None where nobody knows.
    """

    images: Images = field(kw_only=True)
    part: np.ndarray | None = None
    findings: list[Finding] = field(default_factory=list)
    mirrors_alike: bool | None = None


@dataclass
class ImageFiles:
    """Image files with their headers and hashes, as :class:`Images`."""

    paths: list[str]
    heights: np.ndarray
    widths: np.ndarray
    modes: list[str]
    hashes: list[bytes]
    max_pixels: int = MAX_PIXELS

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, index: np.ndarray) -> "ImageFiles":
        """Return the files at these places."""
        at = np.asarray(index).tolist()
        return ImageFiles(
            [self.paths[i] for i in at],
            self.heights[index],
            self.widths[index],
            [self.modes[i] for i in at],
            [self.hashes[i] for i in at],
            self.max_pixels,
        )

    def decode(self, rule: PixelRule) -> tuple[np.ndarray, dict[int, str]]:
        """Return pixels uint8 (n, height, width, channels), and place and reason of the files that failed.

        Raises
        ------
        ResourceError
            The pixels do not fit into memory.
        """
        shape = (len(self), rule.height, rule.width, rule.channels)
        check_memory("the folder of images", int(np.prod(shape)))
        pixels = np.zeros(shape, dtype=np.uint8)
        bad: dict[int, str] = {}

        def work(start: int) -> dict[int, str]:
            found = {}
            for place in range(start, min(start + PIECE, len(self))):
                try:
                    pixels[place] = self._decode_one(place, rule)
                except BadImage as error:
                    found[place] = error.reason
            return found

        with strict_pillow(), ThreadPoolExecutor(THREADS) as pool:
            for found in pool.map(work, range(0, len(self), PIECE)):
                bad |= found
        return pixels, bad

    def _decode_one(self, place: int, rule: PixelRule) -> np.ndarray:
        content = _read(self.paths[place])
        if hashlib.sha256(content).digest() != self.hashes[place]:
            raise BadImage("changed while it was read")
        return decode(io.BytesIO(content), rule, max_pixels=self.max_pixels)


def read_image_folder(folder: str | os.PathLike[str], *, need_labels: bool = True) -> ImageTable:
    """Read a folder with one sub-folder a class, below train, valid and test folders where there are such.

    Parameters
    ----------
    folder : path
    need_labels : bool, default True
        Without, images may lie anywhere; if they lie flat there is no column "label".

    Returns
    -------
    ImageTable
        With the columns "file" (path in the folder) and "label", sorted by file name; the file numbers count from 1.

    Raises
    ------
    SchemaError
        There are no class folders, or a class folder stands beside a train folder.
    DataError
        There is no image, or more than 5 % of the files cannot be used.
    """
    root = os.fspath(folder)
    origin = shown(root.rstrip("/") or root)
    names = sorted(_walk(root), key=os.fsencode)
    if not names:
        raise DataError(f"{origin} needs images ({', '.join(SUFFIXES)}) in its folders; got none.", "Check the path.")
    top = {name.partition("/")[0] for name in names if "/" in name}
    with_parts = bool(top) and top <= set(PARTS)
    labels = [_label_of(name, skip=int(with_parts)) for name in names]
    flat = [name for name, label in zip(names, labels, strict=True) if label is None]
    if flat and need_labels:
        raise SchemaError(
            f"{origin} needs one sub-folder a class, with the images in it; got images outside of such folders, "
            f"such as {quote(flat[0])}.",
            "Make a folder for each class, or load a table with a column of paths and one of labels.",
        )
    if not with_parts and top & set(PARTS) and need_labels:
        raise SchemaError(
            f"{origin} needs either part folders (train, valid, test) or class folders at its top; got both: "
            f"{listing(sorted(top))}.",
            "Move the class folders into the part folders.",
        )
    indexed = _index([os.path.join(root, name) for name in names], names)
    part = np.array([PARTS[names[i].partition("/")[0]] for i in indexed.kept], dtype=np.int8) if with_parts else None
    columns = {FILE: [escaped(names[i]) for i in indexed.kept]}
    if not flat:
        columns[LABEL] = [escaped(str(labels[i])) for i in indexed.kept]
    table = _table(indexed, pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)), origin)
    table.part, table.target = part, None if flat else LABEL
    table.findings = _empty_classes(root, with_parts, {str(label) for label in labels})
    return table


def read_image_paths(paths: Sequence[str | os.PathLike[str]], origin: str = "the list of images") -> ImageTable:
    """Read single photos; "file" is the path as given.

    Raises
    ------
    DataError
        A single photo cannot be used, or more than 5 % of several.
    """
    names = [os.fspath(path) for path in paths]
    indexed = _index(names, names)
    if len(names) == 1 and indexed.rejects:
        raise DataError(f"{shown(names[0])} {indexed.rejects[0].reason}.", "Give a PNG, JPEG, BMP, GIF or WEBP image.")
    return _table(indexed, pl.DataFrame({FILE: [escaped(names[i]) for i in indexed.kept]}), origin)


def read_image_table(table: Table, column: str, root: str | os.PathLike[str]) -> ImageTable:
    """Return a table whose ``column`` holds paths with the images that they lead to; paths are relative to ``root``.

    Raises
    ------
    DataError
        More than 5 % of the files cannot be used.
    """
    names = [name or "" for name in table.frame[column].to_list()]
    indexed = _index([os.path.join(os.fspath(root), name) for name in names], names, table.rows)
    made = _table(indexed, table.frame[indexed.kept], table.origin, table.rows[indexed.kept])
    made.rejects = [*table.rejects, *made.rejects]
    made.fingerprint = hashlib.sha256(f"{table.fingerprint}{made.fingerprint}".encode()).hexdigest()
    made.target = table.target
    return made


def path_column(frame: pl.DataFrame) -> str | None:
    """Return the column whose every value is the name of an image file, if there is exactly one."""
    found = [
        column.name
        for column in frame
        if column.dtype == pl.String
        and column.null_count() < len(column)
        and column.drop_nulls().str.to_lowercase().str.contains(rf"\.({'|'.join(s[1:] for s in SUFFIXES)})$").all()
    ]
    return found[0] if len(found) == 1 else None


def escaped(name: str) -> str:
    """Return a file name as text that can be shown and written: what is no character, or steers one, is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in name)


@dataclass(frozen=True)
class _Indexed:
    kept: list[int]
    images: ImageFiles
    rejects: list[Reject]
    rows: np.ndarray
    fingerprint: str


def _walk(root: str, prefix: str = "", depth: int = 0) -> Iterator[str]:
    """Yield the files of a folder and the folders in it, relative to it with "/", but those to be ignored."""
    try:
        entries = list(os.scandir(os.path.join(root, prefix)))
    except OSError as error:
        name = shown(os.path.join(root, prefix))
        raise DataError(f"{name} cannot be read: {error.strerror}.", "Check path and rights.") from error
    for entry in entries:
        name = entry.name.lower()
        if name.startswith(".") or name in IGNORED_NAMES:
            continue
        if entry.is_dir(follow_symlinks=depth == 0):
            if depth < MAX_DEPTH:
                yield from _walk(root, f"{prefix}{entry.name}/", depth + 1)
        elif not name.endswith(IGNORED_SUFFIXES):
            yield prefix + entry.name


def _label_of(name: str, *, skip: int) -> str | None:
    """Return the class folder of a file, below so many part folders; None for a file that is in none."""
    folders = name.split("/")[skip:-1]
    return folders[0] if folders else None


def _empty_classes(root: str, with_parts: bool, labels: set[str]) -> list[Finding]:
    tops = [os.path.join(root, name) for name in os.listdir(root) if name in PARTS] if with_parts else [root]
    there = {e.name for top in tops for e in os.scandir(top) if e.is_dir() and not e.name.startswith(".")}
    empty = sorted(name for name in there - labels if name.lower() not in IGNORED_NAMES)
    if not empty:
        return []
    message = f"{'Folder' if len(empty) == 1 else 'Folders'} {listing(empty)} without an image: no class of its own."
    return [Finding("warning", "empty class", LABEL, message, "Add images, or remove the folder.")]


def _index(paths: Sequence[str], names: Sequence[str], rows: np.ndarray | None = None) -> _Indexed:
    """Read hash and header of every file; those that cannot be used become rejects."""
    numbers = np.arange(1, len(paths) + 1) if rows is None else rows

    def work(start: int) -> list[tuple[bytes, Header] | str]:
        return [_look_at(path) for path in paths[start : start + PIECE]]

    with strict_pillow(), ThreadPoolExecutor(THREADS) as pool:
        found = [each for piece in pool.map(work, range(0, len(paths), PIECE)) for each in piece]
    kept = [i for i, each in enumerate(found) if not isinstance(each, str)]
    rejects = [
        Reject(int(numbers[i]), None, each, escaped(names[i])) for i, each in enumerate(found) if isinstance(each, str)
    ]
    good = [each for each in found if not isinstance(each, str)]
    sha = hashlib.sha256()
    for i, (digest, _) in zip(kept, good, strict=True):
        sha.update(os.fsencode(names[i]) + b"\0" + digest)
    images = ImageFiles(
        [paths[i] for i in kept],
        np.array([header.height for _, header in good], dtype=np.int64),
        np.array([header.width for _, header in good], dtype=np.int64),
        [header.mode for _, header in good],
        [digest for digest, _ in good],
    )
    return _Indexed(kept, images, rejects, numbers[kept], sha.hexdigest())


def _look_at(path: str) -> tuple[bytes, Header] | str:
    try:
        content = _read(path)
        return hashlib.sha256(content).digest(), read_header(io.BytesIO(content))
    except BadImage as error:
        return error.reason


def _read(path: str) -> bytes:
    try:
        with open_regular(path, DataError) as file:
            return file.read()
    except DataError as error:
        reason = "is not there" if not os.path.lexists(path) else "cannot be read as a file"
        raise BadImage(reason) from error
    except (OSError, ValueError) as error:
        raise BadImage(f"cannot be read ({error})") from error


def _table(indexed: _Indexed, frame: pl.DataFrame, origin: str, rows: np.ndarray | None = None) -> ImageTable:
    check_share(origin, len(indexed.kept), indexed.rejects)
    return ImageTable(
        frame=frame,
        rows=indexed.rows if rows is None else rows,
        origin=origin,
        fingerprint=indexed.fingerprint,
        rejects=indexed.rejects,
        images=indexed.images,
    )


def check_share(origin: str, n_kept: int, rejects: Iterable[Reject]) -> None:
    """Raise DataError if more than 5 % of the images cannot be used."""
    rejects = list(rejects)
    n_all = n_kept + len(rejects)
    if rejects and len(rejects) > MAX_REJECTED * n_all:
        first = rejects[0]
        raise DataError(
            f"{origin} needs at least 95 % usable images; {len(rejects):,} of {n_all:,} files cannot be used, the first "
            f"{quote(first.file)}: it {first.reason}.",
            "Remove or repair these files.",
        )
