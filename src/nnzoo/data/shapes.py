"""Images that are drawn by rule from known factors: a triangle by its place, its angle, its size and its light."""

import numpy as np

FACTORS = {
    "right": (-0.12, 0.12),
    "down": (-0.12, 0.12),
    "angle": (0.0, 2 * np.pi),
    "size": (0.3, 0.56),
    "light": (0.3, 1.0),
}
"""Each factor with the range that it is drawn from, evenly: the centroid in sides of the image from its middle; radians
from the right towards below; the height of the triangle in sides of the image; the brightness, 1 is white."""
SHADE = 0.3
"""Brightness of the part behind the centroid, by that of the part before it: no turn brings the triangle onto itself,
and half a turn is seen at a glance."""
WHITE = 255


def draw_shapes(values: np.ndarray, side: int = 28) -> np.ndarray:
    """Return an image of a triangle for each row of factors: bytes (n, side, side) on black.

    The triangle is as wide as it is high. Its tip points along the angle and lies 2/3 of the height before the
    centroid, its base 1/3 behind it. A pixel on an edge has the share of it that lies inside, as if the edge ran along
    the pixel.

    Parameters
    ----------
    values : array of shape (n, 5)
        In the order and the units of ``FACTORS``.
    side : int
        Pixels along a side.

    Examples
    --------
    >>> draw_shapes(np.array([[0.0, 0.0, 0.0, 0.75, 1.0]]), side=8)[0, 3].tolist()
    [0, 0, 76, 76, 255, 255, 185, 70]
    """
    right, down, angle, size, light = np.asarray(values, dtype=np.float64).T[..., None, None]
    middle = (np.arange(side) + 0.5) / side - 0.5
    x, y = middle - right, middle[:, None] - down
    ahead, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    within_base = size / 3 + ahead
    within_sides = (2 / 3 * size - ahead - 2 * np.abs(across)) / np.sqrt(5)
    covered = np.clip(side * within_base + 0.5, 0, 1) * np.clip(side * within_sides + 0.5, 0, 1)
    shade = SHADE + (1 - SHADE) * np.clip(side * ahead + 0.5, 0, 1)
    return np.rint(WHITE * light * shade * covered).astype(np.uint8)


def random_shapes(n_samples: int, *, side: int = 28, random_state: int | None = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n_samples, side, side) and their factors (n_samples, 5), each drawn evenly from its range."""
    values = _draw(n_samples, np.random.default_rng(random_state))
    return draw_shapes(values, side), values


def shape_batches(
    n_batches: int, *, n_rows: int = 20, side: int = 28, random_state: int | None = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images in batches in which one factor alone varies, the five in turn.

    Parameters
    ----------
    n_batches : int
    n_rows : int
        Images of a batch.
    side : int
    random_state : int or None

    Returns
    -------
    X : uint8 array of shape (n_batches * n_rows, side, side)
    values : array of shape (n_batches * n_rows, 5)
        The factors.
    factors : int array of shape (n_batches * n_rows, 2)
        The batch of each image, and the factor that varies in it.

    Examples
    --------
    >>> X, values, factors = shape_batches(5, n_rows=3)
    >>> (values[6:9] == values[6]).all(axis=0).tolist(), factors[6].tolist()
    ([True, True, False, True, True], [2, 2])
    """
    draw = np.random.default_rng(random_state)
    varying = np.arange(n_batches) % len(FACTORS)
    values = _draw(n_batches, draw).repeat(n_rows, axis=0)
    factors = np.stack([np.arange(n_batches), varying], axis=1).repeat(n_rows, axis=0)
    rows = np.arange(len(values))
    values[rows, factors[:, 1]] = _draw(len(values), draw)[rows, factors[:, 1]]
    return draw_shapes(values, side), values, factors


def _draw(n: int, draw: np.random.Generator) -> np.ndarray:
    low, high = np.array(list(FACTORS.values())).T
    return draw.uniform(low, high, (n, len(FACTORS)))
