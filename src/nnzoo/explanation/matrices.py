"""Matrices as a reader writes them, ``1 0; 0 2``, kernels by name, and pictures as numbers."""

import os
from pathlib import Path

import numpy as np

from nnzoo.data.pixelrule import PixelRule
from nnzoo.data.pixels import BadImage, decode, read_header
from nnzoo.errors import DataError, UsageError, listing, quote
from nnzoo.files import open_regular

MAX_TEXT, MAX_SIDE = 100_000, 512
KERNELS = {
    "blur": np.full((3, 3), 1 / 9),
    "sharpen": np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "edges": np.array([[-1.0, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
    "emboss": np.array([[-2.0, -1, 0], [-1, 1, 1], [0, 1, 2]]),
}
"""Kernels that photographers know, 3 x 3."""


def parse_matrix(text: str, owner: str) -> np.ndarray:
    """Return a matrix (rows, columns) of finite float64 from text: cells by spaces or commas, rows by semicolons.

    Raises
    ------
    UsageError
        The text is too long, a cell is no number, or rows differ in length.

    Examples
    --------
    >>> parse_matrix("1 0; 0 2", "kernel").tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    hint = 'Write rows between semicolons: "1 0; 0 2".'
    if len(text) > MAX_TEXT:
        raise UsageError(f"{owner} needs at most {MAX_TEXT:,} characters; got {len(text):,}.", "Give a file.")
    rows = [row.replace(",", " ").split() for row in text.strip().strip(";").split(";")]
    if not rows or not all(rows) or len({len(row) for row in rows}) > 1:
        lengths = listing([str(len(row)) for row in rows])
        raise UsageError(f"{owner} needs rows of equally many numbers; got rows of {lengths}.", hint)
    if max(len(rows), len(rows[0])) > MAX_SIDE:
        raise UsageError(f"{owner} needs at most {MAX_SIDE} rows and columns.", "Give a smaller one.")
    cells = [cell for row in rows for cell in row]
    try:
        values = np.array([float(cell) for cell in cells])
    except ValueError as exc:
        bad = next(cell for cell in cells if not _is_number(cell))
        raise UsageError(f"{owner} needs numbers; got {quote(bad)}.", hint) from exc
    if not np.isfinite(values).all():
        raise UsageError(
            f"{owner} needs finite numbers; got {quote(cells[int(np.argmin(np.isfinite(values)))])}.", hint
        )
    return values.reshape(len(rows), -1)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def read_kernel(text: str) -> np.ndarray:
    """Return a kernel by its name (blur, sharpen, edges, emboss) or from text."""
    return KERNELS[text] if text in KERNELS else parse_matrix(text, "kernel")


def read_image(text: str | os.PathLike[str]) -> np.ndarray:
    """Return an image as float64 (height, width), or (height, width, 3) of a coloured file; or a matrix from text.

    Raises
    ------
    DataError
        The file is no image that can be read.
    UsageError
        The text is neither a file nor a matrix.
    """
    if not os.path.exists(text):
        looks_like_a_file = isinstance(text, os.PathLike) or bool(Path(text).suffix[1:].isalpha())
        if not looks_like_a_file:
            return parse_matrix(str(text), "image")
    with open_regular(text) as stream:
        try:
            header = read_header(stream)
            sides = header.height, header.width
            stream.seek(0)
            rule = PixelRule.learn(np.array(sides[:1]), np.array(sides[1:]), [header.mode], size=sides)
            pixels = decode(stream, rule)
        except BadImage as error:
            raise DataError(
                f"image {quote(os.fspath(text))} needs a picture; it {error}.", "Give another one."
            ) from error
    return (pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels).astype(np.float64)
