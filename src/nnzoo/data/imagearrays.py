"""Files that hold arrays of images: .npy and .npz of NumPy, IDX as MNIST has it, one by one or as a folder."""

import os
import re
import zipfile
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from nnzoo.data.arrays import TARGET_NAME
from nnzoo.data.idx import read_idx
from nnzoo.data.images import ImageTable
from nnzoo.data.imagestack import LABEL, ImageArray, check_counts, image_arrays, join_parts
from nnzoo.data.limits import check_memory
from nnzoo.data.npy import read_header, read_member, read_npy, unpacking
from nnzoo.data.opening import InputFile
from nnzoo.data.rawtable import shown
from nnzoo.data.splits import TEST, TRAIN, VALID
from nnzoo.errors import DataError, listing, quote

__all__ = ["ImageArray", "image_arrays", "is_idx_name", "read_array_file", "read_idx_folder"]

_SAVE = "Save it again with numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...), or X=... and y=..."
_IDX_NAME = re.compile(r"(^|[-_.])idx[1-4]?([-_.]ubyte)?(\.gz)?$", re.IGNORECASE)
_IMAGES = re.compile(r"(?<![a-z])images?(?![a-z])", re.IGNORECASE)
_PART = re.compile(r"(?<![a-z0-9])(train|valid|validation|val|test|t10k)(?![a-z0-9])", re.IGNORECASE)
_PART_OF_NAME = {"train": TRAIN, "valid": VALID, "val": VALID, "validation": VALID, "test": TEST, "t10k": TEST}


class _Pair(NamedTuple):
    """Names of an array of images and of its labels in an .npz file, in lower case."""

    images: str
    labels: str
    target: str = LABEL


_ALONE = (_Pair("x", "y", TARGET_NAME), _Pair("images", "labels"))
_BY_PART = tuple(
    {_Pair(images.format(name), labels.format(name)): part for name, part in _PART_OF_NAME.items()}
    for images, labels in (("x_{}", "y_{}"), ("{}_images", "{}_labels"))
)


def is_idx_name(name: str) -> bool:
    """Say whether a file of this name is in the IDX format, such as "train-images-idx3-ubyte.gz"."""
    return bool(_IDX_NAME.search(name))


def read_array_file(path: str | os.PathLike[str]) -> ImageTable | None:
    """Read the images of a .npy, .npz or IDX file; None for a file of NumPy that holds a table.

    An .npz file holds ``x_train, y_train, x_test, y_test`` (or ``train_images, train_labels, ...``; a part "valid" or
    "val" may be there, and labels may be missing in all), ``X, y``, ``images, labels``, or a single array. Beside an
    IDX file of images, its labels are found by name: "images" becomes "labels", and "idx3" becomes "idx1".

    Returns
    -------
    ImageTable
        The column of labels is "label"; "y" for ``X, y``.

    Raises
    ------
    DataError
        The file is damaged, holds other arrays beside these, or as for ``image_arrays`` and ``join_parts``.
    ResourceError
        The arrays do not fit into memory.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".npy", ".npz"):
        return _idx_table({None: Path(path)}, shown(os.fspath(path)))
    with InputFile(path) as file:
        return _from_npy(file) if suffix == ".npy" else _from_npz(file)


def read_idx_folder(folder: str | os.PathLike[str]) -> ImageTable | None:
    """Read a folder of IDX files, as MNIST comes: train-images-idx3-ubyte, t10k-images-idx3-ubyte and their labels.

    Names say the part: train, valid (or val), and test or t10k; each may be packed with gzip.

    Returns
    -------
    ImageTable or None
        None if no file in the folder has the name of an IDX file of images.

    Raises
    ------
    DataError
        Several files of images are of the same part, or as for ``read_array_file``.
    """
    root, origin = Path(folder), shown(os.fspath(folder))
    with os.scandir(root) as entries:
        names = {entry.name for entry in entries if is_idx_name(entry.name) and _IMAGES.search(entry.name)}
    names = sorted(name for name in names if name.removesuffix(".gz") == name or name.removesuffix(".gz") not in names)
    if not names:
        return None
    parts = [_part_of(name) for name in names]
    if len(names) > 1 and (None in parts or len(set(parts)) < len(parts)):
        raise DataError(
            f"{origin} needs one file of images for each part, train, valid and test; got {listing(names)}.",
            f"Give one of the files, such as {quote(root / names[0])}, or put each set into a folder of its own.",
        )
    return _idx_table({part: root / name for part, name in zip(parts, names, strict=True)}, origin)


def _part_of(name: str) -> int | None:
    found = _PART.search(name)
    return None if found is None else _PART_OF_NAME[found[0].lower()]


def _idx_table(paths: dict[int | None, Path], origin: str) -> ImageTable:
    images, labels = {}, {}
    for part, path in sorted(paths.items(), key=lambda item: item[0] or TRAIN):
        place = TRAIN if part is None else part
        images[place] = _read_images(path)
        beside = _labels_beside(path)
        if beside is not None:
            with InputFile(beside) as file:
                values = read_idx(file)
                check_counts(file.origin, len(images[place]), values)
            labels[place] = values.astype(np.int64) if values.dtype.kind in "iu" else values
    return join_parts(images, labels, origin)


def _read_images(path: Path) -> np.ndarray:
    with InputFile(path) as file:
        images = read_idx(file)
        if images.ndim < 3:
            raise DataError(
                f"{file.origin} needs images, 3 or 4 dimensions; its header says {images.ndim}: it may be the labels.",
                "Give the file of images, such as train-images-idx3-ubyte.",
            )
    return images


def _labels_beside(path: Path) -> Path | None:
    wanted = _IMAGES.sub(_labels_like, path.name).replace("idx3", "idx1").replace("IDX3", "IDX1").removesuffix(".gz")
    beside = [path.with_name(name) for name in (wanted, f"{wanted}.gz") if name != path.name]
    return next((each for each in beside if each.is_file()), None) if _IMAGES.search(path.name) else None


def _labels_like(found: re.Match[str]) -> str:
    word = "labels" if found[0][-1] in "sS" else "label"
    return word.upper() if found[0].isupper() else word


def _from_npy(file: InputFile) -> ImageTable | None:
    if _n_dimensions(file.raw) not in (3, 4):
        return None
    file.rewind()
    return image_arrays(read_npy(file.origin, file.raw, file.size), origin=file.origin)


def _from_npz(file: InputFile) -> ImageTable | None:
    with unpacking(file.origin, _SAVE), zipfile.ZipFile(file.raw) as archive:
        members = {each.filename.removesuffix(".npy").lower(): each for each in archive.infolist()}
        pairs = _pairs(members)
        first = next(iter(pairs.values()), None)
        if first is None:
            return None
        with archive.open(members[first.images]) as stream:
            if _n_dimensions(stream) not in (3, 4):
                return None
        known = {name for pair in pairs.values() for name in (pair.images, pair.labels)}
        others = [each.filename for name, each in members.items() if name not in known]
        if others:
            message = f"{file.origin} needs images and labels and nothing else; it also holds {listing(others)}."
            raise DataError(message, _SAVE)
        check_memory(file.origin, sum(each.file_size for each in members.values()))
        arrays = {name: read_member(file.origin, archive, member) for name, member in members.items()}
    images = {part: arrays[pair.images] for part, pair in pairs.items()}
    labels = {part: arrays[pair.labels] for part, pair in pairs.items() if pair.labels in arrays}
    return join_parts(images, labels, file.origin, target=first.target)


def _pairs(members: dict[str, zipfile.ZipInfo]) -> dict[int, _Pair]:
    """Return the part of each array of images in the archive; empty if no name is known."""
    for scheme in _BY_PART:
        found = {part: pair for pair, part in scheme.items() if pair.images in members}
        if TRAIN in found:
            return found
    for pair in _ALONE:
        if pair.images in members:
            return {TRAIN: pair}
    return {TRAIN: _Pair(next(iter(members)), "")} if len(members) == 1 else {}


def _n_dimensions(stream: IO[bytes]) -> int | None:
    """Return the number of dimensions that an array's header says; None if ``read_npy`` is to refuse the content."""
    header = read_header(stream)
    return None if header is None else len(header[0])
