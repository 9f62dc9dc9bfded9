"""Images that are arrays already: in memory, in NumPy's files, in IDX files.

Bytes are grey or colour, 0 black and 255 white, and are fitted by a ``PixelRule`` as images in files are. Truth values
are 0 and 255. Whole numbers from 0 to 255 are taken as bytes. Fractional numbers stay what they are, as float32.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from nnzoo.data.arrays import TARGET_NAME, with_target
from nnzoo.data.checkup import Finding
from nnzoo.data.frames import fingerprint_of
from nnzoo.data.images import ImageTable
from nnzoo.data.limits import check_memory
from nnzoo.data.pixelrule import PixelRule
from nnzoo.data.pixels import fit_pixels, inner_size
from nnzoo.errors import DataError, quote

IMAGE = "image"
LABEL = "label"
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
NUMBERS = "F"
HASH_BYTES = 16
_SHAPES = "(images, height, width) or (images, height, width, channels)"


@dataclass(frozen=True, eq=False)
class ImageArray:
    """Images of one size in one array.

    Attributes
    ----------
    pixels : ndarray of uint8 or float32, shape (n_images, height, width, n_channels)
        Bytes: 1 channel is grey, 3 colour, 4 colour and opacity. Float32: any number of channels.
    """

    pixels: np.ndarray

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def heights(self) -> np.ndarray:
        """Pixels: int64, shape (n_images,)."""
        return np.full(len(self), self.pixels.shape[1], dtype=np.int64)

    @property
    def widths(self) -> np.ndarray:
        """Pixels: int64, shape (n_images,)."""
        return np.full(len(self), self.pixels.shape[2], dtype=np.int64)

    @property
    def modes(self) -> list[str]:
        """Pillow's name of the mode of each image; "F" for float32 of any number of channels."""
        return [MODES[self.pixels.shape[3]] if self.dtype == np.uint8 else NUMBERS] * len(self)

    @property
    def dtype(self) -> np.dtype:
        """What ``decode`` gives: uint8 or float32."""
        return self.pixels.dtype

    def take(self, index: np.ndarray) -> "ImageArray":
        """Return the images at these places, in this order."""
        return ImageArray(self.pixels[index])

    def decode(self, rule: PixelRule, *, threads: int | None = None) -> tuple[np.ndarray, dict[int, str]]:
        """Return the pixels by the rule; nothing is copied where they fit it already.

        Parameters
        ----------
        rule : PixelRule
            Size and channels; float32 keeps its channels.
        threads : int, optional
            Makes no difference here.

        Returns
        -------
        pixels : ndarray of uint8 or float32, shape (n_images, rule.height, rule.width, n_channels)
            May be read-only.
        bad : dict
            Empty: there is nothing to unpack.

        Raises
        ------
        ResourceError
            The pixels do not fit into memory.
        """
        fit, n_channels = (fit_pixels, rule.channels) if self.dtype == np.uint8 else (_fit, self.pixels.shape[3])
        shape = (rule.height, rule.width, n_channels)
        if self.pixels.shape[1:] == shape:
            return self.pixels, {}
        check_memory("The images at the wanted size", math.prod(shape) * len(self) * self.dtype.itemsize)
        out = np.empty((len(self), *shape), self.dtype)
        for place, image in enumerate(self.pixels):
            out[place] = fit(image, rule)
        return out, {}

    def content_hashes(self) -> list[bytes]:
        """Return a hash of the pixels of each image, 16 bytes; equal images have equal ones."""
        flat = np.ascontiguousarray(self.pixels).reshape(len(self), -1)
        return [hashlib.blake2b(image.data, digest_size=HASH_BYTES).digest() for image in flat]


def _fit(image: np.ndarray, rule: PixelRule) -> np.ndarray:
    """Return an image of float32 at the size of the rule, as ``fit_pixels`` does it with bytes."""
    width, height = inner_size((image.shape[1], image.shape[0]), (rule.width, rule.height))
    planes = [Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR) for plane in _planes(image)]
    pixels = np.stack([np.asarray(plane) for plane in planes], axis=-1)  # (height, width, channels)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    out = np.empty((rule.height, rule.width, image.shape[2]), np.float32)
    out[:] = np.median(border, axis=0)
    top, left = (rule.height - height) // 2, (rule.width - width) // 2
    out[top : top + height, left : left + width] = pixels
    return out


def _planes(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(image, -1, 0))


def image_arrays(
    X: Any, y: Any = None, *, origin: str = "the array", target: str = TARGET_NAME, part: np.ndarray | None = None
) -> ImageTable:
    """Return images in an array, with their targets, as an image table.

    Parameters
    ----------
    X : array of shape (n_images, height, width) or (n_images, height, width, n_channels)
        Bytes or whole numbers from 0 to 255 with 1, 3 or 4 channels (the fourth is opacity), truth values, or finite
        fractional numbers with any number of channels. It is not changed, and copied only to become another type.
    y : array, list or Series of shape (n_images,), optional
        One target for each image.
    origin : str
        How messages name the source.
    target : str, default "y"
        Name of the column that ``y`` becomes.
    part : ndarray of int8, shape (n_images,), optional
        0 train, 1 valid, 2 test, where the source itself says so.

    Returns
    -------
    ImageTable
        Columns "image", which counts from 1, and the target, if there is one.

    Raises
    ------
    DataError
        X has another shape, no pixels, another type, another number of channels, NaN or infinity.
    SchemaError
        There is not one target for each image.
    """
    pixels, findings = _pixels(X, origin)
    rows = np.arange(1, len(pixels) + 1)
    frame = pl.DataFrame({IMAGE: rows})
    if y is not None:
        frame = with_target(frame, y, origin).frame.rename({TARGET_NAME: target})
    sha = hashlib.sha256(f"{pixels.shape} {pixels.dtype} {fingerprint_of(frame)}".encode())
    sha.update(np.ascontiguousarray(pixels).data)
    return ImageTable(
        frame=frame,
        rows=rows,
        origin=origin,
        fingerprint=sha.hexdigest(),
        target=None if y is None else target,
        images=ImageArray(pixels),
        part=part,
        findings=findings,
    )


def join_parts(
    images: Mapping[int, np.ndarray], labels: Mapping[int, np.ndarray], origin: str, *, target: str = LABEL
) -> ImageTable:
    """Return the images of several parts as one table that says of each row which part it is of.

    Parameters
    ----------
    images : mapping from part (0 train, 1 valid, 2 test) to array
        As ``X`` of ``image_arrays``.
    labels : mapping from part to array of shape (n_images,)
        For the same parts, or for none of them.
    origin, target : str
        As for ``image_arrays``.

    Raises
    ------
    DataError
        The parts differ in size or channels, or only some of them have labels, or as for ``image_arrays``.
    SchemaError
        A part has not one label for each image.
    """
    if labels and labels.keys() != images.keys():
        raise DataError(
            f"{origin} needs labels for every part or for none; got {len(images)} parts and {len(labels)} with labels.",
            "Add the labels that are missing, or give the part that has them alone.",
        )
    shapes = [array.shape[1:] for array in images.values()]
    if len(set(shapes)) > 1:
        message = f"{origin} needs images of one shape in all parts; got {' and '.join(map(str, shapes))}."
        raise DataError(message, "Give the parts one size, or save each part as a file of its own.")
    for part, values in labels.items():
        check_counts(origin, len(images[part]), values)
    if len(images) == 1:
        (X,) = images.values()
        return image_arrays(X, next(iter(labels.values()), None), origin=origin, target=target)
    y = np.concatenate([labels[part] for part in images]) if labels else None
    part = np.repeat(np.array(list(images), dtype=np.int8), [len(array) for array in images.values()])
    return image_arrays(np.concatenate(list(images.values())), y, origin=origin, target=target, part=part)


def check_counts(origin: str, n_images: int, labels: np.ndarray) -> None:
    """Raise DataError unless there is one label for each image."""
    if labels.shape not in ((n_images,), (n_images, 1)):
        raise DataError(
            f"{origin} needs one label for each of its {n_images:,} images; got labels of shape {labels.shape}.",
            "Take images and labels that belong together.",
        )


def _pixels(X: Any, origin: str) -> tuple[np.ndarray, list[Finding]]:
    """Return the images as uint8 or float32 with 4 dimensions, and what is odd about their shape."""
    if isinstance(X, np.ma.MaskedArray):
        raise DataError(f"{origin} needs plain values; got a masked array.", "Pass X.filled(0).")
    X = np.asarray(X)
    if X.ndim not in (3, 4) or 0 in X.shape[1:]:
        hint = "Reshape your data: one grey picture is X[None], one picture in colour too."
        raise DataError(f"{origin} needs images of the shape {_SHAPES}; got {X.shape}.", hint)
    findings = _odd_shape(X)
    X = X if X.ndim == 4 else X[..., None]
    if X.dtype.kind == "f":
        return _finite(X, origin), findings
    if X.shape[3] not in MODES:
        raise DataError(
            f"{origin} needs images of 1, 3 or 4 channels, unless they are fractional numbers; got {X.shape[3]} in "
            f"shape {X.shape}.",
            "Put the channels last: X.transpose(0, 2, 3, 1)." if X.shape[1] in MODES else "Pass X.astype('float32').",
        )
    return _bytes(X, origin), findings


def _odd_shape(X: np.ndarray) -> list[Finding]:
    shape = " x ".join(map(str, X.shape))
    if X.ndim == 3 and X.shape[2] in (3, 4) and X.shape[1] > 4 * X.shape[2]:
        message = f"The array, {shape}, was read as {len(X):,} grey images that are {X.shape[2]} pixels wide."
        return [Finding("warning", "narrow images", None, message, "If it is one picture in colour, pass X[None].")]
    if X.ndim == 4 and X.shape[1] in MODES and X.shape[3] not in MODES and X.dtype.kind == "f":
        message = (
            f"The array, {shape}, was read as images that are {X.shape[1]} pixels high with {X.shape[3]} channels."
        )
        hint = "If the channels come first, pass X.transpose(0, 2, 3, 1)."
        return [Finding("warning", "low images", None, message, hint)]
    return []


def _finite(X: np.ndarray, origin: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        numbers = X.astype(np.float32, copy=False)
    bad = np.flatnonzero(~np.isfinite(numbers).reshape(len(X), -1).all(axis=1))
    if len(bad):
        first = X[bad[0]]
        came = "NaN" if np.isnan(first).any() else "infinity" if np.isinf(first).any() else "a number beyond float32"
        images = f"{len(bad):,} of {len(X):,} images, the first of them image {bad[0] + 1:,}"
        raise DataError(
            f"{origin} needs finite numbers; got {came} in {images}.", "Leave these images out or mend them."
        )
    return numbers


def _bytes(X: np.ndarray, origin: str) -> np.ndarray:
    if X.dtype == np.uint8:
        return X
    if X.dtype == np.bool_:
        return X.astype(np.uint8) * np.uint8(255)
    if X.dtype.kind not in "iu":
        message = f"{origin} needs images of bytes, truth values or numbers; got an array of {quote(X.dtype)}."
        raise DataError(message, "Pass X.astype('uint8').")
    low, high = (int(X.min()), int(X.max())) if X.size else (0, 0)
    if low < 0 or high > 255:
        raise DataError(
            f"{origin} needs whole numbers from 0 to 255; got {low} to {high}.",
            "Pass X.astype('float32') to keep their scale, or X // 257 for 16 bits.",
        )
    return X.astype(np.uint8)
