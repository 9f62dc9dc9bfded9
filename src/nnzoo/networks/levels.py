"""Rows of any numbers as units that are on or off, and back: what networks of binary units share.

A unit is on where the number is above 0 once standardised: above the mean of its column, or 1 where a column is of 0
and 1. On and off stand for the mean of the numbers on either side, which of columns with two values gives these back.
"""

import numpy as np
import torch
from torch import Tensor, nn

KEPT_DIGITS = {torch.float64: 12, torch.float32: 5}
"""Digits of a level that scaling and its way back leave as they were."""


class Levels(nn.Module):
    """What on and off stand for in each column.

    Attributes
    ----------
    sums, mass : Tensor of shape (2, n_in)
        Of the numbers of training rows that are off, and on: what they add up to, and their weights.
    """

    sums: Tensor
    mass: Tensor

    def __init__(self, n_in: int) -> None:
        super().__init__()
        for name in ("sums", "mass"):
            self.register_buffer(name, torch.zeros(2, n_in))

    def keep(self, x: Tensor, weight: Tensor) -> None:
        """Count standardised rows (n, n_in) with their weights (n,)."""
        for side, chosen in enumerate((x <= 0, x > 0)):
            part = chosen * weight.to(x)[:, None]
            self.sums[side] += (part * x).sum(dim=0)
            self.mass[side] += part.sum(dim=0)

    def row_of(self, on: Tensor) -> Tensor:
        """Return standardised rows from units of 0 and 1, or their probabilities; a side not seen is as the other."""
        tiny = torch.finfo(self.mass.dtype).tiny
        all_seen = self.sums.sum(dim=0) / self.mass.sum(dim=0).clamp(min=tiny)
        low, high = torch.where(self.mass > 0, self.sums / self.mass.clamp(min=tiny), all_seen)
        return torch.lerp(low.expand_as(on), high.expand_as(on), on)


def round_levels(rows: np.ndarray, dtype: torch.dtype) -> np.ndarray:
    """Return rows in their own unit without the digits that their way through a type has made up."""
    size = np.floor(np.log10(np.maximum(np.abs(rows), np.finfo(np.float64).tiny)))
    digits = 10.0 ** np.clip(KEPT_DIGITS[dtype] - size, -300, 300)
    return np.round(rows * digits) / digits
