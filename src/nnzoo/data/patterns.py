"""Patterns of 0 and 1 whose distribution is known: bars and stripes.

Source: MacKay 2003, Information Theory, Inference and Learning Algorithms, section 43.3.
"""

import numpy as np


def bars_and_stripes(side: int = 4, n_samples: int | None = None, *, random_state: int = 0) -> np.ndarray:
    """Return square pictures whose columns are all of one kind each, on or off, or whose rows are.

    There are 2^(side + 1) - 2 of them; no distribution gives them more than minus the logarithm of that number each.

    Parameters
    ----------
    side : int, default 4
    n_samples : int or None
        Pictures drawn evenly; None gives every one once.
    random_state : int

    Returns
    -------
    ndarray of shape (n_samples, side * side)
        Of 0 and 1, row by row of the picture.

    Examples
    --------
    >>> len(bars_and_stripes(3))
    14
    >>> bars_and_stripes(2).astype(int).tolist()
    [[0, 0, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1], [1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]]
    """
    lines = np.arange(2**side)[:, None] >> np.arange(side) & 1
    bars = np.repeat(lines, side, axis=1)
    stripes = np.tile(lines, (1, side))
    patterns = np.unique(np.vstack([bars, stripes]), axis=0).astype(np.float64)
    if n_samples is None:
        return patterns
    return patterns[np.random.default_rng(random_state).integers(0, len(patterns), n_samples)]
