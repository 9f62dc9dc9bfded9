"""Reads images from files: a folder of classes, a table with a column of paths, single files.

Only headers are read here; ``ImageFiles.decode`` gives the pixels.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl

from nnzoo.data.checkup import Finding
from nnzoo.data.imageindex import IMAGE_SUFFIXES, Layout, escaped, find_images
from nnzoo.data.images import ImageFiles, Images, ImageTable, Index, index_files
from nnzoo.data.pixels import MAX_PIXELS
from nnzoo.data.rawtable import MAX_REJECTED, Reject, Table, shown
from nnzoo.errors import DataError, listing, quote

__all__ = [
    "ImageFiles",
    "ImageTable",
    "Images",
    "check_rejects",
    "path_column",
    "read_image_folder",
    "read_image_paths",
    "read_image_table",
]


def read_image_folder(
    folder: str | os.PathLike[str], *, need_labels: bool = True, max_pixels: int = MAX_PIXELS
) -> ImageTable:
    """Read the headers of a folder of images with one sub-folder for each class.

    ``find_images`` says how classes and parts are found, and ``imageindex`` which names are left alone.

    Parameters
    ----------
    folder : path
    need_labels : bool, default True
        Whether class folders must be there. Without them, or with images beside them, and ``need_labels=False``, all
        images are read and there is no column "label".
    max_pixels : int, default 25 million
        Larger images are rejected.

    Returns
    -------
    ImageTable
        Columns "file", relative to the folder, and "label". Row numbers count the files in the order of their names,
        from 1; what is no image is in ``rejects``. The fingerprint is of names and contents.

    Raises
    ------
    DataError
        No such folder, no image in it, or more than 5 % of the files cannot be used.
    SchemaError
        No class folders.
    """
    root = os.fspath(folder)
    origin = shown(root)
    layout = find_images(root, need_labels=need_labels)
    index = index_files(origin, [found.entry.path for found in layout.files], max_pixels=max_pixels)
    names = [found.entry.name for found in layout.files]
    bad = [Reject(place + 1, None, reason, escaped(names[place])) for place, reason in index.bad.items()]
    rejects = [*layout.rejects, *bad]
    if not names and not rejects:
        raise DataError(f"{origin} needs at least one image; got none.", "Give the folder that holds the images.")
    check_rejects(origin, rejects, len(names) + len(layout.rejects))
    kept = index.kept
    columns = {"file": [escaped(names[place]) for place in kept]}
    holders = np.array([layout.files[place].folder for place in kept], dtype=np.int64)
    if layout.folders:
        columns["label"] = [layout.folders[holder].label for holder in holders]
    parts = np.array([folder.part for folder in layout.folders], dtype=np.int8)
    return ImageTable(
        frame=pl.DataFrame(columns),
        rows=kept + 1,
        origin=origin,
        fingerprint=_fingerprint([names[place] for place in kept], index),
        rejects=rejects,
        target="label" if layout.folders else None,
        images=index.images,
        part=parts[holders] if layout.with_parts else None,
        findings=_findings(origin, layout, holders),
    )


def read_image_table(
    table: Table, column: str, root: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS
) -> ImageTable:
    """Read the headers of the images that a table names.

    Parameters
    ----------
    table : Table
    column : str
        Its column of paths, relative to ``root`` or absolute.
    root : path
        The folder of the table.
    max_pixels : int, default 25 million
        Larger images are rejected.

    Returns
    -------
    ImageTable
        The rows of the table whose image can be read, with all their columns.

    Raises
    ------
    DataError
        The table has no row, or more than 5 % of the images cannot be used.
    """
    given = table.need_rows().frame[column].cast(pl.String).to_list()
    paths = [os.path.join(os.fspath(root), path) if path else "" for path in given]
    index = index_files(table.origin, paths, max_pixels=max_pixels)
    bad = [
        Reject(int(table.rows[place]), None, reason if given[place] else "has no path", escaped(given[place] or ""))
        for place, reason in index.bad.items()
    ]
    where = f"{table.origin}, column {quote(column)}"
    check_rejects(where, bad, len(paths), f"Paths are relative to the folder of the table: {shown(os.fspath(root))}.")
    kept = index.kept
    names = [given[place] or "" for place in kept]
    return ImageTable(
        frame=table.frame[kept],
        rows=table.rows[kept],
        origin=table.origin,
        fingerprint=_fingerprint(names, index, table.fingerprint),
        rejects=[*table.rejects, *bad],
        target=table.target,
        images=index.images,
    )


def read_image_paths(paths: Sequence[str | os.PathLike[str]], *, max_pixels: int = MAX_PIXELS) -> ImageTable:
    """Read the headers of single image files.

    Returns
    -------
    ImageTable
        Column "file": the paths as given.

    Raises
    ------
    DataError
        No path, or more than 5 % of the files cannot be used.
    """
    given = [os.fspath(path) for path in paths]
    if not given:
        raise DataError("Images need at least one file; got none.", "Give the path of an image.")
    origin = shown(given[0]) if len(given) == 1 else f"{len(given):,} files"
    index = index_files(origin, given, max_pixels=max_pixels)
    bad = [Reject(place + 1, None, reason, escaped(given[place])) for place, reason in index.bad.items()]
    check_rejects(origin, bad, len(given))
    names = [given[place] for place in index.kept]
    return ImageTable(
        frame=pl.DataFrame({"file": [escaped(name) for name in names]}),
        rows=index.kept + 1,
        origin=origin,
        fingerprint=_fingerprint(names, index),
        rejects=bad,
        images=index.images,
    )


def path_column(frame: pl.DataFrame) -> str | None:
    """Return the column whose every value ends like the name of an image file, if there is exactly one.

    Empty cells do not count, a column of them only is none.
    """
    endings = tuple(IMAGE_SUFFIXES)
    found = []
    for name, dtype in frame.schema.items():
        if dtype == pl.String:
            values = frame[name].drop_nulls()
            if len(values) and all(value.lower().endswith(endings) for value in values):
                found.append(name)
    return found[0] if len(found) == 1 else None


def check_rejects(origin: str, rejects: Sequence[Reject], n_images: int, hint: str = "") -> None:
    """Raise DataError if more than 5 % of ``n_images`` images were rejected; the first is named as an example."""
    if len(rejects) <= MAX_REJECTED * n_images:
        return
    first = rejects[0]
    file = quote(first.file or "")
    if n_images == 1:
        raise DataError(f"{file} needs to be an image that can be read; it {first.reason}.", hint or _REPLACE)
    raise DataError(
        f"{origin} needs at least 95 % usable images; {len(rejects):,} of {n_images:,} cannot be used, "
        f"the first, {file}: it {first.reason}.",
        hint or _REPLACE,
    )


_REPLACE = "Replace it by a whole PNG, JPEG, BMP, GIF or WEBP, or leave it out."


def _fingerprint(names: Iterable[str], index: Index, start: str = "") -> str:
    """Return the SHA-256 of ``start`` and of name, length and SHA-256 of every file."""
    sha = hashlib.sha256(start.encode())
    for name, digest in zip(names, index.images.digests, strict=True):
        raw = os.fsencode(name)
        sha.update(len(raw).to_bytes(8) + raw + digest)
    return sha.hexdigest()


def _findings(origin: str, layout: Layout, holders: np.ndarray) -> list[Finding]:
    """Return what a reader should know: ``holders`` is the place of the class folder of every usable image."""
    findings = []
    if layout.beside:
        message = f"{origin} is split into train, valid and test; left out beside them: {listing(layout.beside)}."
        findings.append(Finding("warning", "folders left out", None, message, "Move their images if they belong in."))
    n_images = np.bincount(holders[holders >= 0], minlength=len(layout.folders))
    empty = [folder.entry.name for folder, n in zip(layout.folders, n_images, strict=True) if not n]
    if empty:
        words = "Class folder {} holds" if len(empty) == 1 else "Class folders {} hold"
        message = f"{words.format(listing(empty))} no image: such a class is never predicted."
        findings.append(Finding("warning", "empty class", "label", message, "Add images, or remove the folder."))
    labels = {folder.label for folder, n in zip(layout.folders, n_images, strict=True) if n}
    if len(labels) == 1:
        message = f"{origin} has images of one class, {listing(labels)}: every prediction will be this one."
        hint = "If the classes are the folders inside that folder, give that folder."
        findings.append(Finding("warning", "one class", "label", message, hint))
    if layout.n_ignored:
        message = f"{layout.n_ignored:,} files or folders were left alone as no images, by their names."
        findings.append(Finding("note", "files left alone", None, message, ""))
    return findings
