"""Images that are arrays already: in memory, in NumPy's files, in IDX files."""

import hashlib
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nnzoo.data.arrays import TARGET_NAME, read_npy, with_target
from nnzoo.data.idx import read_idx
from nnzoo.data.imagefiles import LABEL, ImageTable
from nnzoo.data.opening import InputFile
from nnzoo.data.pixelrule import PixelRule
from nnzoo.data.pixels import fit_pixels
from nnzoo.data.splits import TEST, TRAIN
from nnzoo.errors import DataError, listing

IMAGE = "image"
"""Column that numbers the images of an array."""
IDX_IMAGES = re.compile(r"(^|[-_.])images?([-_.]idx3([-_.]ubyte)?)?(\.gz)?$|idx3-ubyte(\.gz)?$")
X_NAMES, Y_NAMES = ("X", "x", "images"), ("y", "labels")
PAIRS = ("x_train", "y_train", "x_test", "y_test")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
SPLIT_IDX = {"train": TRAIN, "t10k": TEST, "test": TEST}


@dataclass
class ImageArray:
    """Images in one array (n, H, W, C): bytes, or float32 numbers that stay as they are."""

    pixels: np.ndarray

    @property
    def heights(self) -> np.ndarray:
        """Height of every image."""
        return np.full(len(self.pixels), self.pixels.shape[1])

    @property
    def widths(self) -> np.ndarray:
        """Width of every image."""
        return np.full(len(self.pixels), self.pixels.shape[2])

    @property
    def modes(self) -> list[str]:
        """Pillow's mode; "F" for numbers."""
        mode = MODES[self.pixels.shape[3]] if self.pixels.dtype == np.uint8 else "F"
        return [mode] * len(self.pixels)

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, index: np.ndarray) -> "ImageArray":
        """Return the images at these places."""
        return ImageArray(self.pixels[index])

    def decode(self, rule: PixelRule) -> tuple[np.ndarray, dict[int, str]]:
        """Return the pixels by the rule; nothing is copied where they fit it already."""
        if self.pixels.dtype != np.uint8 or self.pixels.shape[1:] == (rule.height, rule.width, rule.channels):
            return self.pixels, {}
        return np.stack([fit_pixels(image, rule) for image in self.pixels]), {}


def image_arrays(X: Any, y: Any = None, *, origin: str = "the array", part: np.ndarray | None = None) -> ImageTable:
    """Return images (n, H, W) or (n, H, W, C) with their targets as an image table.

    Parameters
    ----------
    X : array
        Bytes with 1, 3 or 4 (the last one is transparency) channels; or numbers, which must be finite.
    y : array of shape (n,), optional
        Becomes the column "label", or "y" if it holds fractional numbers.
    origin : str
    part : ndarray of int8, shape (n,), optional
        0 train, 1 valid, 2 test.

    Raises
    ------
    DataError
        X has another shape, is empty, or holds NaN or inf.
    SchemaError
        X and y differ in length.
    """
    pixels = _checked(np.asarray(X), origin)
    frame = pl.DataFrame({IMAGE: np.arange(1, len(pixels) + 1)})
    target = None
    if y is not None:
        named = with_target(frame, y, origin)
        target = TARGET_NAME if named.frame[TARGET_NAME].dtype.is_float() else LABEL
        frame = named.frame.rename({TARGET_NAME: target})
    sha = hashlib.sha256(f"{pixels.shape}{pixels.dtype}".encode())
    sha.update(np.ascontiguousarray(pixels).data)
    sha.update(repr(None if target is None else frame[target].to_list()).encode())
    rows = np.arange(1, len(pixels) + 1)
    return ImageTable(frame, rows, origin, sha.hexdigest(), [], target, images=ImageArray(pixels), part=part)


def read_array_file(path: Path) -> ImageTable | None:
    """Return the images of a .npy, .npz or IDX file; None for a NumPy file that holds a table."""
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".npz"):
        return read_idx_images(path)
    with InputFile(path) as file:
        if suffix == ".npy":
            array = read_npy(file.origin, file.raw, file.size)
            return image_arrays(array, origin=file.origin) if array.ndim in (3, 4) else None
        return _from_npz(file)


def is_idx_name(name: str) -> bool:
    """Say whether a file of this name holds images in the IDX format."""
    return bool(IDX_IMAGES.search(name.lower()))


def read_idx_images(path: Path) -> ImageTable:
    """Return the images of an IDX file, with the labels of the file beside it where there is one.

    Raises
    ------
    DataError
        As for ``read_idx``, or images and labels differ in number.
    """
    with InputFile(path) as file:
        images, origin = read_idx(file), file.origin
    labels = _labels_beside(path)
    return image_arrays(images, None if labels is None else _read_labels(labels, len(images)), origin=origin)


def read_idx_folder(folder: Path) -> ImageTable | None:
    """Return the training and test images of a folder of IDX files, as MNIST comes; None if it holds none."""
    found = {
        part: path
        for name, part in SPLIT_IDX.items()
        for path in sorted(folder.iterdir())
        if path.name.lower().startswith(name) and is_idx_name(path.name)
    }
    if not found:
        return None
    tables = {part: read_idx_images(path) for part, path in sorted(found.items())}
    return joined_parts(tables, origin=str(folder))


def joined_parts(tables: dict[int, ImageTable], origin: str) -> ImageTable:
    """Return the tables of several parts as one that says which row is of which part."""
    pixels = np.concatenate([np.asarray(table.images.pixels) for table in tables.values()])  # pyright: ignore[reportAttributeAccessIssue]
    labels = [table.frame[table.target] if table.target else None for table in tables.values()]
    y = None if any(each is None for each in labels) else pl.concat([x for x in labels if x is not None]).to_numpy()
    part = np.concatenate([np.full(len(table.rows), number, dtype=np.int8) for number, table in tables.items()])
    return image_arrays(pixels, y, origin=origin, part=part if len(tables) > 1 else None)


def _checked(X: np.ndarray, origin: str) -> np.ndarray:
    if X.ndim not in (3, 4) or 0 in X.shape:
        raise DataError(
            f"{origin} needs images of shape (images, height, width) or (images, height, width, channels); "
            f"got shape {X.shape}.",
            "Reshape your data.",
        )
    X = X[..., None] if X.ndim == 3 else X
    if X.dtype == np.bool_:
        X = X.astype(np.uint8) * np.uint8(255)
    if X.dtype == np.uint8:
        if X.shape[3] not in MODES:
            raise DataError(f"{origin} needs images of 1, 3 or 4 channels; got {X.shape[3]}.", "Put the channels last.")
        return X
    if X.dtype.kind not in "iuf":
        raise DataError(f"{origin} needs bytes or numbers; got an array of {X.dtype}.", "Pass X.astype('uint8').")
    numbers = X.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise DataError(f"{origin} needs finite numbers; got NaN or inf.", "Remove these images or fill them in.")
    whole = X.dtype.kind in "iu" and X.min() >= 0 and X.max() <= 255 and X.shape[3] in MODES  # noqa: PLR2004
    return X.astype(np.uint8) if whole else numbers


def _from_npz(file: InputFile) -> ImageTable | None:
    try:
        with zipfile.ZipFile(file.raw) as archive:
            members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}

            def array(name: str) -> np.ndarray:
                with archive.open(members[name]) as stream:
                    return read_npy(f"{file.origin}, array {name},", stream, members[name].file_size)  # pyright: ignore[reportArgumentType]

            if set(PAIRS) <= set(members):
                parts = {TRAIN: "train", TEST: "test"}
                tables = {n: image_arrays(array(f"x_{p}"), array(f"y_{p}"), origin=file.origin) for n, p in parts.items()}
                return joined_parts(tables, file.origin)
            names = [name for name in X_NAMES if name in members] or (list(members) if len(members) == 1 else [])
            if not names:
                return None
            X = array(names[0])
            if X.ndim not in (3, 4):
                return None
            labels = [name for name in Y_NAMES if name in members]
            return image_arrays(X, array(labels[0]) if labels else None, origin=file.origin)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise DataError(f"{file.origin} is damaged: it cannot be unpacked.", "Save it again with numpy.savez.") from error


def _labels_beside(path: Path) -> Path | None:
    wanted = path.name.replace("images", "labels").replace("idx3", "idx1")
    names = [wanted, wanted.removesuffix(".gz"), f"{wanted}.gz"]
    return next((path.with_name(name) for name in names if name != path.name and path.with_name(name).is_file()), None)


def _read_labels(path: Path, n_images: int) -> np.ndarray:
    with InputFile(path) as file:
        labels = read_idx(file)
    if labels.shape != (n_images,):
        raise DataError(
            f"{file.origin} needs one label for each of {n_images:,} images; got shape {labels.shape}.",
            f"Take the labels that belong to the images; beside each other stand {listing([path.name])}.",
        )
    return labels.astype(np.int64)
