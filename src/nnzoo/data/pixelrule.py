"""The rule that brings every image, at training and at prediction, to one height, one width and grey or colour."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from nnzoo.checks import Each, Whole
from nnzoo.data import stored
from nnzoo.errors import DataError, ParameterError, quote

MAX_SIDE = 64
MAX_GIVEN_SIDE = 4096
GREY_MODES = frozenset({"1", "L", "I", "I;16", "I;16B", "I;16L", "I;16N", "F", "LA", "La"})

_SIDE = Whole(1, MAX_GIVEN_SIDE)
_TWO_SIDES = Each(_SIDE, low=2, high=2)
_CHECKS = {
    "height": stored.whole(1, MAX_GIVEN_SIDE),
    "width": stored.whole(1, MAX_GIVEN_SIDE),
    "channels": lambda value: type(value) is int and value in (1, 3),
    "why": stored.is_text,
}


@dataclass(frozen=True)
class PixelRule:
    """The size and the channels that every image is brought to.

    Attributes
    ----------
    height, width : int
        Pixels.
    channels : {1, 3}
        1 for grey, 3 for red, green and blue.
    why : str
        How the rule was found, in words.
    """

    height: int
    width: int
    channels: int
    why: str

    @classmethod
    def learn(
        cls,
        heights: np.ndarray,
        widths: np.ndarray,
        modes: Sequence[str] | np.ndarray,
        *,
        size: tuple[int, int] | int | None = None,
    ) -> Self:
        """Return the rule for these training images.

        Grey if all images are grey, else colour. The size is the given one; else the size that at least half of the
        images have; else the median height and the median width. A size that was not given is brought down to at most
        64 pixels on its longer side, its ratio kept.

        Parameters
        ----------
        heights, widths : ndarray of int, shape (n_images,)
            Pixels, the orientation applied.
        modes : sequence of str, length n_images
            Pillow's names, such as "L" or "RGB"; a palette counts as colour.
        size : int or tuple of int, optional
            Side of a square, or height and width; 1 to 4096 pixels each. It is taken as it is.

        Raises
        ------
        DataError
            If there is no image.
        ParameterError
            If the size is none.
        """
        if not len(heights):
            raise DataError("The size of images is learned from the training images; got 0 of them.", "Add images.")
        channels, colours = _channels(modes)
        if size is not None:
            height, width = _given(size)
            return cls(height, width, channels, f"{_pixels(height, width)} as given; {colours}")
        found_height, found_width, found = _usual_size(np.asarray(heights), np.asarray(widths))
        height, width = _brought_down(found_height, found_width)
        if (height, width) != (found_height, found_width):
            found += f"; brought down to {height} x {width}, as the longer side is at most {MAX_SIDE}"
        return cls(height, width, channels, f"{found}; {colours}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image: (height, width) if grey, else (height, width, 3)."""
        return (self.height, self.width) if self.channels == 1 else (self.height, self.width, self.channels)

    def to_json(self) -> dict[str, Any]:
        """Return the rule as plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the rule that :meth:`to_json` described.

        Raises
        ------
        ModelFileError
            If the value is anything that ``to_json`` does not give.
        """
        return cls(**stored.record(value, "its rule for images", _CHECKS))


def is_grey(modes: Sequence[str] | np.ndarray) -> np.ndarray:
    """Return for every mode, by Pillow's name, whether it is grey: booleans, shape (n_images,)."""
    names, places = np.unique(np.asarray(modes, dtype=str), return_inverse=True)
    return np.array([str(name) in GREY_MODES for name in names], dtype=bool)[places]


def _channels(modes: Sequence[str] | np.ndarray) -> tuple[int, str]:
    grey = is_grey(modes)
    n_colour = int(np.count_nonzero(~grey))
    if not n_colour:
        return 1, "all grey"
    if n_colour == len(grey):
        return 3, "all in colour"
    return 3, f"in colour, as {n_colour:,} of {len(grey):,} are"


def _given(size: Any) -> tuple[int, int]:
    sides = (size, size) if _SIDE.holds(size) else size
    if not _TWO_SIDES.holds(sides):
        raise ParameterError(
            f"The size of images needs one or two whole numbers from 1 to {MAX_GIVEN_SIDE}; got {quote(repr(size))}.",
            "Pass size=32 for 32 x 32, or size=(height, width).",
        )
    return int(sides[0]), int(sides[1])


def _usual_size(heights: np.ndarray, widths: np.ndarray) -> tuple[int, int, str]:
    """Return the height and the width that stand for all, and how they were found."""
    n_images = len(heights)
    sizes, counts = np.unique(np.stack([heights, widths], axis=1), axis=0, return_counts=True)
    height, width = map(int, sizes[counts.argmax()])
    n_usual = int(counts.max())
    if n_usual == n_images:
        images = "the training image is" if n_images == 1 else f"all {n_images:,} training images are"
        return height, width, f"{images} {_pixels(height, width)}"
    if 2 * n_usual >= n_images:
        share = f"{n_usual:,} of {n_images:,} training images"
        return height, width, f"{_pixels(height, width)}, the size of {share}"
    height, width = (max(1, round(float(np.median(sides)))) for sides in (heights, widths))
    ranges = f"heights {heights.min()} to {heights.max()}, widths {widths.min()} to {widths.max()}"
    return height, width, f"{_pixels(height, width)}, the median sides of {n_images:,} training images ({ranges})"


def _brought_down(height: int, width: int) -> tuple[int, int]:
    shrink = min(1.0, MAX_SIDE / max(height, width))
    return max(1, round(height * shrink)), max(1, round(width * shrink))


def _pixels(height: int, width: int) -> str:
    return f"{height} x {width} pixels (height x width)"
