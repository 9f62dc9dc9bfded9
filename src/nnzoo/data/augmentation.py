"""Whether training may show shifted or mirrored images: only where that cannot make the label wrong."""

from dataclasses import dataclass

import numpy as np

from nnzoo.data.borders import flat_borders
from nnzoo.data.pixelrule import PixelRule
from nnzoo.errors import counted

MANY_IMAGES = 20_000
"""From so many training images on, what shifts teach is in the images already, and they only slow training."""
ALMOST_ALL = 0.95
MOST = 0.5
SHIFT_FROM = 12
TWO_PIXELS_FROM = 20
PHOTOGRAPH_FROM = 32
_MIRROR_OFF = (
    "Mirror images stay off: in a mirror a letter is another sign; if none of your classes changes in it, pass "
    "--set augment=shift_flip."
)


@dataclass(frozen=True)
class Advice:
    """Which changed copies of the training images are safe to learn from.

    Attributes
    ----------
    augment : {None, "shift", "shift_flip"}
        What the convolutional network takes as ``augment``.
    why : str
        The reason, in one or two sentences for the terminal.
    """

    augment: str | None
    why: str


def largest_shift(height: int, width: int) -> int:
    """Return by how many pixels an image may be shifted: 2, or 1 below 20 pixels of the shorter side, 0 below 12."""
    shorter = min(height, width)
    if shorter < SHIFT_FROM:
        return 0
    return 1 if shorter < TWO_PIXELS_FROM else 2


def advise(
    images_train: np.ndarray, rule: PixelRule, *, mirror_safe: bool | None, task: str = "classification"
) -> Advice:
    """Decide whether training shifts and mirrors its images.

    A shift is safe where the outer band, as wide as the shift, is flat background in at least 95 % of the training
    images, so that nothing leaves the frame; or where the content runs to the border in more than half of them and both
    sides have at least 32 pixels, as in photographs, so that 2 pixels at the edge are lost at most. Mirror images are
    used only where the classes are known to be the same in a mirror. A number to predict may be a place or an angle, so
    neither is used in a regression. With 20,000 training images or more neither is needed.

    Parameters
    ----------
    images_train : ndarray of shape (n_images, height, width) or (n_images, height, width, n_channels)
        The training images as the network gets them.
    rule : PixelRule
        Their size.
    mirror_safe : bool or None
        Whether a mirror image is of the same class; None where that is not known.
    task : str
        "classification" or "regression".
    """
    if task != "classification":
        return Advice(None, "Images are not shifted or mirrored: the number to predict may depend on place or side.")
    if len(images_train) >= MANY_IMAGES:
        why = f"{len(images_train):,} training images show enough: shifted copies would slow training more than help."
        return Advice(None, f"Images are not shifted or mirrored: {why}")
    safe, why = _shift(images_train, rule)
    if not safe:
        return Advice(None, f"Images are not shifted or mirrored: {why}.")
    shifted = f"Training shifts images by up to {counted(largest_shift(rule.height, rule.width), 'pixel')}"
    if mirror_safe:
        return Advice("shift_flip", f"{shifted} and mirrors half of them: {why}, and a mirror image keeps its class.")
    mirror = _MIRROR_OFF if mirror_safe is None else "Mirror images stay off: here they can be of another class."
    return Advice("shift", f"{shifted}: {why}. {mirror}")


def _shift(images: np.ndarray, rule: PixelRule) -> tuple[bool, str]:
    """Return whether shifting is safe, and why."""
    pixels, shorter = largest_shift(rule.height, rule.width), min(rule.height, rule.width)
    if pixels == 0:
        return False, f"of {rule.height} x {rule.width} pixels, one is already much"
    share = float(flat_borders(images, pixels).mean()) if len(images) else 0.0
    band = f"a band of {counted(pixels, 'pixel')} at the border"
    if share >= ALMOST_ALL:
        return True, f"{band} is plain background in {_percent(share)} of the training images, so nothing is cut off"
    content = f"content reaches into {band} in {_percent(1 - share)} of the training images"
    if share < MOST and shorter >= PHOTOGRAPH_FROM:
        return True, f"{content}, as in photographs, and {pixels} of {shorter} pixels can be spared"
    return False, f"{content} and would be cut off"


def _percent(share: float) -> str:
    """Return a share in per cent, rounded down, so that only all is 100 %."""
    return f"{np.floor(100 * share):.0f} %"
