"""Images as data: which column names the class, one size for all, one decoding pass, and the check-up."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nnzoo.data.imagearrays import is_idx_name, read_array_file, read_idx_folder
from nnzoo.data.imagefiles import path_column, read_image_folder, read_image_paths, read_image_table
from nnzoo.data.imageindex import IMAGE_SUFFIXES
from nnzoo.data.images import ImageTable
from nnzoo.data.imagestack import image_arrays
from nnzoo.data.kinds import Column
from nnzoo.data.opening import FORMS
from nnzoo.data.pixelrule import PixelRule
from nnzoo.data.rawtable import MAX_REJECTED, Reject, Table
from nnzoo.data.roles import Roles, Wishes, check_wishes, target_column
from nnzoo.data.splits import TRAIN
from nnzoo.data.tables import read_table
from nnzoo.errors import DataError, listing, quote

FILE = "file"
ARRAY_KINDS = (".npy", ".npz")
DIGEST_BYTES = 16


def read_source(source: Any, kind: str | None, *, on_bad_row: str = "error", need_labels: bool = True) -> Table:
    """Read a table or images.

    Parameters
    ----------
    source : path, array, (X, y), frame, dict, list
        Images: a folder, a photo or a list of paths, an IDX file or a folder of them, an .npz or .npy file, an array of
        3 or 4 dimensions, or a file that holds a table with one column of image paths. All else is a table.
    kind : None, "image" or "table"
        What the caller says.
    on_bad_row : "error" or "skip"
        As for ``read_table``.
    need_labels : bool
        Whether a folder needs a sub-folder a class.

    Returns
    -------
    Table
        An ``ImageTable`` if the rows are images.

    Raises
    ------
    DataError
        ``kind="image"``, and there are no images; or as for the reader of the source.
    """
    in_file = isinstance(source, str | os.PathLike)
    images = None
    if kind != "table":
        images = _of_path(Path(source), need_labels) if in_file else _of_memory(source)
    if images is not None:
        return images
    table = read_table(source, on_bad_row=on_bad_row)
    column = path_column(table.frame) if kind == "image" or (in_file and kind is None) else None
    if column is not None:
        return read_image_table(table, column, Path(source).parent if in_file else Path())
    if kind == "image":
        raise DataError(
            f"{table.origin} needs images: a folder, an array of 3 or 4 dimensions, an .npz or IDX file, or a table "
            f"with one column of image files; got the columns {listing(table.frame.columns)}.",
            "Leave kind out to read it as a table.",
        )
    return table


def image_roles(frame: pl.DataFrame, wishes: Wishes, origin: str) -> Roles:
    """Give the columns beside the images their parts: target, group and time; all others are left out.

    Raises
    ------
    SchemaError, UsageError
        A column that was named is not there, or does not fit.
    """
    check_wishes(frame.columns, wishes, origin)
    target = None if wishes.target is None else target_column(frame[wishes.target], wishes, origin)
    name = name_column(frame)
    columns = [Column(name, "id", "names the images")]
    columns += [Column(wishes.group, "category", "keeps images together")] if wishes.group else []
    columns += [Column(wishes.time, wishes.kinds.get(wishes.time, "time"), "orders the images")] if wishes.time else []
    taken = {column.name for column in columns} | {wishes.target}
    ignored = tuple(column for column in frame.columns if column not in taken)
    return Roles(tuple(columns), target, wishes.group, wishes.time, name, ignored)


def name_column(frame: pl.DataFrame) -> str:
    """Return the column that names the images: that of their paths, or their number in an array."""
    return path_column(frame) or (FILE if FILE in frame.columns else frame.columns[0])


def learn_rule(table: ImageTable, part: np.ndarray, size: tuple[int, int] | int | None) -> PixelRule:
    """Return the rule that the training images set; images that came as numbers stay as they are."""
    modes = np.asarray(table.images.modes, dtype=object)
    train = part == TRAIN if (part == TRAIN).any() else np.ones(len(part), dtype=bool)
    heights, widths = table.images.heights[train], table.images.widths[train]
    if len(modes) and modes[0] == "F":
        return PixelRule(int(heights[0]), int(widths[0]), 1, "numbers, taken as they come")
    return PixelRule.learn(heights, widths, modes[train].tolist(), size=size)


def decoded(table: ImageTable, rule: PixelRule) -> tuple[np.ndarray, np.ndarray, list[Reject]]:
    """Return the pixels of the images that can be decoded, the mask of these, and the others as rejects.

    Raises
    ------
    DataError
        More than 5 % of all images cannot be used.
    """
    pixels, bad = table.images.decode(rule)
    good = np.ones(len(pixels), dtype=bool)
    good[list(bad)] = False
    names = table.frame[name_column(table.frame)]
    rejects = [Reject(int(table.rows[i]), None, reason, str(names[i])) for i, reason in sorted(bad.items())]
    n_bad, n_all = len(rejects) + len(table.rejects), len(pixels) + len(table.rejects)
    if rejects and n_bad > max(MAX_REJECTED * n_all, 0):
        raise DataError(
            f"{table.origin} needs at least 95 % usable images; {n_bad:,} of {n_all:,} cannot be used, one of them "
            f"{quote(rejects[0].file)}: it {rejects[0].reason}.",
            "Remove or repair these files.",
        )
    pixels = pixels if not bad else pixels[good]
    return (pixels[..., 0] if pixels.ndim == 4 and pixels.shape[3] == 1 else pixels), good, rejects


def digests(images: np.ndarray) -> np.ndarray:
    """Return a hash of the pixels of every image, equal for equal images: bytes, shape (n,)."""
    flat = np.ascontiguousarray(images).reshape(len(images), -1)
    return np.array([hashlib.blake2b(image.data, digest_size=DIGEST_BYTES).digest() for image in flat], dtype="S16")


def from_rows(settings: Mapping[str, Any], table: ImageTable) -> ImageTable:
    """Return the table with the columns that the settings know, in place of a source's own names."""
    target = settings["target"]
    if target is not None and table.target not in (None, target["name"]) and target["name"] not in table.frame.columns:
        table = replace(table, frame=table.frame.rename({str(table.target): target["name"]}), target=target["name"])
    known, name = settings["image_column"], name_column(table.frame)
    if known is not None and known not in table.frame.columns:
        column = table.frame[name].cast(pl.String).alias(known)
        table = replace(table, frame=table.frame.drop(name).insert_column(0, column))
    return table


def _of_path(path: Path, need_labels: bool) -> ImageTable | None:
    suffix = path.suffix.lower()
    if path.is_dir() and suffix not in FORMS:
        return read_idx_folder(path) or read_image_folder(path, need_labels=need_labels)
    if suffix in IMAGE_SUFFIXES:
        return read_image_paths([path])
    is_array = suffix in ARRAY_KINDS or is_idx_name(path.name)
    return read_array_file(path) if is_array and path.is_file() else None


def _of_memory(source: Any) -> ImageTable | None:
    if isinstance(source, list) and source and all(isinstance(each, str | os.PathLike) for each in source):
        return read_image_paths(source)
    X, y = source if isinstance(source, tuple) and len(source) == 2 else (source, None)
    n_dimensions = getattr(X, "ndim", 0)
    return image_arrays(X, y) if n_dimensions in (3, 4) else None
