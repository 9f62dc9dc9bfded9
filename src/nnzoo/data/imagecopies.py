"""Images that stand in the data more than once: across parts, with different labels, or at all."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import polars as pl

from nnzoo.data.checkup import Finding
from nnzoo.data.splits import PART_NAMES, TEST, TRAIN, VALID
from nnzoo.errors import counted, quote

Digests = Sequence[bytes] | np.ndarray
_MISLED = {VALID: "the choice of the best epoch is not honest", TEST: "the test is not honest"}


class Copies:
    """Which images equal which.

    Parameters
    ----------
    digests : sequence of bytes of one length, or ndarray of shape (n_images,) or (n_images, n_bytes)
        Equal for images of equal content.
    image : callable
        How a message names the image in a place.

    Attributes
    ----------
    contents : ndarray of int, shape (n_images,)
        The same number for equal images.
    earlier : ndarray of int, shape (n_images,)
        Place of the first image that equals this one; its own place if it is the first.
    """

    def __init__(self, digests: Digests, image: Callable[[int], str]) -> None:
        _, first, self.contents = np.unique(_flat(digests), return_index=True, return_inverse=True)
        self.earlier = first[self.contents]
        self.image = image

    def across_parts(self, part: np.ndarray) -> Iterator[Finding]:
        """Yield a warning for each held part some images of which are training images; ``part`` as in a split."""
        in_train = np.full(int(self.contents.max()) + 1, -1)
        places = np.flatnonzero(part == TRAIN)[::-1]
        in_train[self.contents[places]] = places
        twins = in_train[self.contents]
        for held, why in _MISLED.items():
            copied = (part == held) & (twins >= 0)
            n_copied = int(copied.sum())
            if n_copied:
                first = int(copied.argmax())
                message = (
                    f"{n_copied:,} of {counted(int((part == held).sum()), 'image')} of the {PART_NAMES[held]} part "
                    f"{'equals' if n_copied == 1 else 'equal'} a training image exactly, so {why}; the first, "
                    f"{self.image(first)}, equals {self.image(int(twins[first]))}."
                )
                hint = "Remove the copies, or keep images that belong together in one part with group= (--group)."
                yield Finding("warning", "copies across parts", None, message, hint)

    def contradictions(self, labels: pl.Series) -> Iterator[Finding]:
        """Yield a warning if equal images have different labels."""
        said = labels.cast(pl.String).to_numpy()
        unlike = said != said[self.earlier]
        if not unlike.any():
            return
        contents = np.unique(self.contents[unlike])
        second = int(unlike.argmax())
        first = int(self.earlier[second])
        message = (
            f"Exact copies have different labels: {int(np.isin(self.contents, contents).sum()):,} images in "
            f"{counted(len(contents), 'group')}; {self.image(first)} is {quote(said[first])}, but "
            f"{self.image(second)} is {quote(said[second])}."
        )
        yield Finding("warning", "labels contradict", labels.name, message, "Keep one label for each image.")

    def repeats(self) -> Iterator[Finding]:
        """Yield a note if any image stands in the data again."""
        copied = self.earlier != np.arange(len(self.earlier))
        n_copied = int(copied.sum())
        if n_copied:
            first = int(copied.argmax())
            message = (
                f"{n_copied:,} of {counted(len(copied), 'image')} {'repeats' if n_copied == 1 else 'repeat'} an "
                f"earlier one exactly; the first, {self.image(first)}, repeats "
                f"{self.image(int(self.earlier[first]))}."
            )
            yield Finding("note", "copies", None, message, "")


def _flat(digests: Digests) -> np.ndarray:
    """Return one value for each digest, shape (n_images,)."""
    if not isinstance(digests, np.ndarray) or digests.dtype == object:
        # a type as wide as the longest digest: numpy drops zero bytes at the end, which digests of one length survive
        return np.array([*digests], dtype=bytes)
    if digests.ndim == 1:
        return digests
    values = np.ascontiguousarray(digests).reshape(len(digests), -1).view(np.uint8)
    return values.view(f"S{values.shape[1]}").reshape(-1)
