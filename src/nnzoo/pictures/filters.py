"""The filters of a convolution as tiles, each weight a coloured pixel."""

import numpy as np

from nnzoo.pictures.sheets import tile_sheet
from nnzoo.pictures.tiles import Picture, words

NEGATIVE, ZERO, POSITIVE = np.array([0x08, 0x45, 0x94]), np.array([0xFF, 0xFF, 0xFF]), np.array([0xB3, 0x3A, 0x00])
MAX_FILTERS = 64
COLOURS = "from blue over white to red-brown"
BETWEEN = np.array([0x7A, 0x7F, 0x87])
"""Colour of the line between the planes of one filter; no weight has it."""
MAX_FILTERS = 64
MAX_PLANES = 4


def diverging(weights: np.ndarray, limit: float) -> np.ndarray:
    """Return colours uint8 (..., 3): blue at ``-limit``, white at 0, red-brown at ``limit``, straight between.

    Parameters
    ----------
    weights : array
        Values beyond the limit get its colour.
    limit : float
        Above 0.
    """
    share = np.clip(weights / limit, -1, 1)[..., None]
    ends = np.where(share < 0, NEGATIVE, POSITIVE)
    return np.round(ZERO + np.abs(share) * (ends - ZERO)).astype(np.uint8)


def filter_sheet(weights: np.ndarray, caption: str) -> str:
    """Return the first filters of a layer as tiles with one scale for all, and below them caption and scale.

    Parameters
    ----------
    weights : float array (filters, height, width) or (filters, height, width, channels)
        At most 64 filters are drawn; of several channels at most 4, from left to right in one tile.
    caption : str
        A sentence.
    """
    planes = weights[..., None] if weights.ndim == 3 else weights
    limit = float(np.abs(planes).max()) or 1.0
    drawn = planes[:MAX_FILTERS, :, :, :MAX_PLANES]
    side = 48 if drawn.shape[3] == 1 else 96
    pictures = [
        Picture(
            _beside(diverging(each, limit)),
            f"{i}",
            alt=f"filter {i}, weights from {each.min():.2g} to {each.max():.2g}",
        )
        for i, each in enumerate(drawn, start=1)
    ]
    return tile_sheet(pictures, side) + _below(caption, limit)


def _beside(colours: np.ndarray) -> np.ndarray:
    """Return planes of colours (height, width, channels, 3) from left to right, a pixel's line between two."""
    height, width, n_channels, _ = colours.shape
    wide = np.full((height, n_channels * (width + 1) - 1, 3), BETWEEN, dtype=np.uint8)
    for channel in range(n_channels):
        start = channel * (width + 1)
        wide[:, start : start + width] = colours[:, :, channel]
    return wide


def _below(caption: str, limit: float) -> str:
    colours = ",".join(f"rgb({','.join(map(str, each))})" for each in (NEGATIVE, ZERO, POSITIVE))
    bar = f'role="img" aria-label="{COLOURS}" style="background:linear-gradient(90deg,{colours})"'
    return (
        f'<p class="seen">{words(caption)} Scale: −{limit:.2g}<span class="scale" {bar}></span>+{limit:.2g}; '
        "white is 0.</p>"
    )
