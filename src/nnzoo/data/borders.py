"""What lies at the border of images: a plain background, or content that runs to the edge."""

import numpy as np

FLAT = 0.1
"""A border is flat if its values differ by no more than this share of the full range."""


def full_range(images: np.ndarray) -> float:
    """Return by how much two values can differ: 255 for bytes, else the range that the images have."""
    if images.dtype == np.uint8:
        return 255.0
    return float(images.max()) - float(images.min()) if images.size else 0.0


def border_values(images: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest value in the outer band of every image.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width) or (n_images, height, width, n_channels)
    width : int
        Pixels of the band, at least 1.

    Returns
    -------
    low, high : ndarray of shape (n_images, n_channels)
    """
    # (n, h, w) -> (n, h, w, 1)
    pixels = images if images.ndim == 4 else images[..., None]
    n_images, n_channels = pixels.shape[0], pixels.shape[-1]
    bands = (pixels[:, :width], pixels[:, -width:], pixels[:, :, :width], pixels[:, :, -width:])
    # (n, h', w', c) -> (n, h' w', c)
    flat = [np.ascontiguousarray(band).reshape(n_images, -1, n_channels) for band in bands]
    low = np.minimum.reduce([band.min(axis=1) for band in flat])
    high = np.maximum.reduce([band.max(axis=1) for band in flat])
    return low, high


def flat_borders(images: np.ndarray, width: int) -> np.ndarray:
    """Return for every image whether its outer band is flat: booleans, shape (n_images,)."""
    low, high = border_values(images, width)
    contrast = (high.astype(np.float64) - low).max(axis=1)
    return contrast <= FLAT * full_range(images)
