"""95 % intervals: Wilson's for shares, the bootstrap over rows for all else."""

import math
from collections.abc import Callable

import numpy as np

Z_95 = 1.959963984540054
N_DRAWS = 1000
N_BLOCKS = 2000
CLASSES_AT_ONCE = 512


def wilson(n_right: float, n_rows: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share.

    With p = n_right / n_rows and z = 1.96: (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n).
    Unlike the bootstrap it stays honest where every row is right: 10 of 10 gives 0.72 to 1.

    Parameters
    ----------
    n_right : float
        From 0 to ``n_rows``.
    n_rows : float
        Above 0; an effective number of rows need not be whole.

    Examples
    --------
    >>> [round(end, 2) for end in wilson(10, 10)]
    [0.72, 1.0]
    """
    share = n_right / n_rows
    middle = share + Z_95**2 / (2 * n_rows)
    half = Z_95 * math.sqrt(share * (1 - share) / n_rows + Z_95**2 / (4 * n_rows**2))
    whole = 1 + Z_95**2 / n_rows
    # Middle and half are rounded apart: without min and max, a share of 1 could lie above its own interval.
    return max(0.0, min(share, (middle - half) / whole)), min(1.0, max(share, (middle + half) / whole))


class Bootstrap:
    """A thousand draws of the same rows with replacement, for statistics that are functions of sums over rows.

    Up to 2,000 rows each row is drawn by itself. Above that the rows are dealt at random into 2,000 blocks of equal
    size (to one row) and the blocks are drawn: the variance of a sum stays the same and the time stays small.
    The draws depend on the number of rows and the seed only, so two predictions of the same rows are drawn in pairs.

    Parameters
    ----------
    n_rows : int
        At least 1.
    seed : int
    """

    def __init__(self, n_rows: int, seed: int) -> None:
        generator = np.random.default_rng(seed)
        self.n_rows = n_rows
        self.n_blocks = min(n_rows, N_BLOCKS)
        self.block = generator.permutation(n_rows) % self.n_blocks
        even = np.full(self.n_blocks, 1 / self.n_blocks)
        self.times_drawn = generator.multinomial(self.n_blocks, even, size=N_DRAWS).astype(np.float64)

    def sums(self, parts: np.ndarray) -> np.ndarray:
        """Return the sum of each column in each draw, shape (n_draws, k), from the rows' parts, shape (n_rows, k)."""
        blocks = [np.bincount(self.block, weights=column, minlength=self.n_blocks) for column in parts.T]
        return self.times_drawn @ np.stack(blocks, axis=1)

    def counts(self, codes: np.ndarray, n_codes: int) -> np.ndarray:
        """Return how often each code occurs in each draw, shape (n_draws, n_codes); codes below 0 count for nothing."""
        kept = codes >= 0
        flat = self.block[kept] * n_codes + codes[kept]
        blocks = np.bincount(flat, minlength=self.n_blocks * n_codes).reshape(self.n_blocks, n_codes)
        return self.times_drawn @ blocks.astype(np.float64)

    def interval(self, draws: np.ndarray, value: float) -> tuple[float, float] | tuple[None, None]:
        """Return the middle 95 % of the draws, stretched where needed to hold the value; nothing below 2 rows."""
        draws = draws[np.isfinite(draws)]
        if self.n_rows < 2 or draws.size == 0:
            return None, None
        low, high = np.quantile(draws, [0.025, 0.975])
        return float(min(low, value)), float(max(high, value))


def mean_f1_draws(bootstrap: Bootstrap, truth: np.ndarray, prediction: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the mean F1 over the classes that occur, for each draw; classes are taken some hundred at a time."""
    total, present = np.zeros(N_DRAWS), np.zeros(N_DRAWS)
    right = np.where(truth == prediction, truth, -1)
    for start in range(0, n_classes, CLASSES_AT_ONCE):
        size = min(CLASSES_AT_ONCE, n_classes - start)

        def count(codes: np.ndarray, start: int = start, size: int = size) -> np.ndarray:
            here = (codes >= start) & (codes < start + size)
            return bootstrap.counts(np.where(here, codes - start, -1), size)

        below = count(truth) + count(prediction)
        total += divide(2 * count(right), below).sum(axis=1)
        present += (below > 0).sum(axis=1)
    return divide(total, present)


def divide(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """Return over / under, and 0 where under is 0."""
    return np.divide(over, under, out=np.zeros(np.broadcast_shapes(over.shape, under.shape)), where=under > 0)


def paired_interval(
    parts: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], seed: int
) -> tuple[float, float, float]:
    """Return a difference between two predictions of the same rows, with the ends of its 95 % interval.

    Parameters
    ----------
    parts : array (n_rows, k)
        What each row adds to the sums.
    statistic : callable
        From sums (n_draws, k) to differences (n_draws,).
    seed : int
    """
    value = float(statistic(parts.sum(axis=0, keepdims=True))[0])
    bootstrap = Bootstrap(len(parts), seed)
    low, high = bootstrap.interval(statistic(bootstrap.sums(parts)), value)
    return value, value if low is None else low, value if high is None else high
