"""Images as the columns of a table, for the baselines: means over small squares, in place of every pixel."""

import numpy as np

MAX_SIDE = 14
EFFORT = 0.1
"""Share of a table's work that the baselines of images may take: trees need minutes where every pixel is a column."""


def image_columns(images: np.ndarray) -> np.ndarray:
    """Return means over squares of pixels, so that at most 14 of them lie along a side: float64 (n, n_columns).

    Parameters
    ----------
    images : array (n, height, width) or (n, height, width, channels)
    """
    height, width = images.shape[1:3]
    step = max(1, -(-max(height, width) // MAX_SIDE))
    rows, columns = np.arange(0, height, step), np.arange(0, width, step)
    total = np.add.reduceat(np.add.reduceat(images, rows, axis=1, dtype=np.float64), columns, axis=2)
    n_pixels = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))
    return (total / n_pixels.reshape(1, *n_pixels.shape, *[1] * (images.ndim - 3))).reshape(len(images), -1)
