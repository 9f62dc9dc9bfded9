"""How like the real rows the rows are that a network draws: kernel distance, precision and recall, modes reached.

All compare two sets of vectors: rows themselves, or features of them. A network without a likelihood has no other
measure, and every network that draws can be put beside it by these.

Sources: Gretton et al. 2012 (kernel distance); Sajjadi et al. 2018, Kynkäänniemi et al. 2019 (precision and recall by
nearest neighbours).
"""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors

MAX_COMPARED = 2_000
"""Rows of each set that the others are compared with."""
WIDTHS = (0.25, 1.0, 4.0)
"""Of the Gaussian kernels, as multiples of the median squared distance between real rows."""
MEDIAN_ROWS = 500
PIECE_ROWS = 1_024
LEAST_SHARE = 0.25
"""A group counts as reached when it gets at least this share of the samples that it should."""


def kernel_values(rows: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return what each real row adds to the kernel distance: (n,), whose mean is the distance.

    The squared distance between two distributions in the space of a kernel, E k(x, x') - 2 E k(x, y) + E k(y, y'), is 0
    if and only if they are one; k is the mean of three Gaussian kernels whose widths follow from the real rows. The
    estimate is unbiased, so that of equal distributions it lies around 0, below as often as above.

    Parameters
    ----------
    rows, drawn : array (n, d), (m, d)
        Real rows, and rows of the network; of each set 2,000 evenly chosen ones stand for all.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(400, 2))
    >>> same, moved = kernel_values(rows[:200], rows[200:]).mean(), kernel_values(rows[:200], rows[200:] + 1).mean()
    >>> bool(abs(same) < 0.02), bool(moved > 0.1)
    (True, True)
    """
    chosen, drawn = np.arange(len(rows))[:: -(-len(rows) // MAX_COMPARED)], thinned(drawn, MAX_COMPARED)
    known, width = rows[chosen], _median_square(rows[chosen])
    n_others = np.full(len(rows), len(chosen))
    n_others[chosen] -= 1
    near, far = np.empty(len(rows)), np.empty(len(rows))
    for start in range(0, len(rows), PIECE_ROWS):
        piece = slice(start, start + PIECE_ROWS)
        near[piece] = _kernel(rows[piece], known, width).sum(axis=1)
        far[piece] = _kernel(rows[piece], drawn, width).mean(axis=1)
    near[chosen] -= 1  # itself
    among = (_kernel(drawn, drawn, width).sum() - len(drawn)) / max(len(drawn) * (len(drawn) - 1), 1)
    return near / np.maximum(n_others, 1) - 2 * far + among


def precision_and_recall(rows: np.ndarray, drawn: np.ndarray, n_neighbors: int = 5) -> tuple[float, float]:
    """Return the share of samples that lie among real rows, and of real rows that lie among samples.

    A point lies among a set if it is nearer to some point of it than that is to its ``n_neighbors``-th neighbour there.
    """
    rows, drawn = thinned(rows, MAX_COMPARED), thinned(drawn, MAX_COMPARED)
    apart = euclidean_distances(rows, drawn)
    around_rows, around_drawn = _radius(rows, n_neighbors), _radius(drawn, n_neighbors)
    precision = (apart <= around_rows[:, None]).any(axis=0).mean()
    return float(precision), float((apart <= around_drawn).any(axis=1).mean())


def groups_reached(rows: np.ndarray, drawn: np.ndarray, n_groups: int = 20) -> tuple[int, int]:
    """Return how many groups of real rows the samples reach, and how many there are.

    Groups are those of k-means with a fixed seed; one is reached when at least a quarter as many samples fall to it as
    real rows do.
    """
    n_groups = min(n_groups, len(np.unique(rows, axis=0)))
    found = KMeans(n_groups, random_state=0).fit(rows)
    wanted = np.bincount(found.predict(rows), minlength=n_groups) / len(rows)
    came = np.bincount(found.predict(drawn), minlength=n_groups) / len(drawn)
    return int((came >= LEAST_SHARE * wanted).sum()), n_groups


def modes_reached(drawn: np.ndarray, centers: np.ndarray, deviation: float) -> tuple[int, float]:
    """Return how many modes of a known mixture have a sample, and the share of samples that are good.

    A sample is good if it lies within three standard deviations of the nearest mode.

    Parameters
    ----------
    drawn : array (m, d)
    centers : array (n_modes, d)
    deviation : float
        Of every mode along each axis.
    """
    apart = euclidean_distances(drawn, centers)
    is_good = apart.min(axis=1) <= 3 * deviation
    return len(np.unique(apart.argmin(axis=1)[is_good])), float(is_good.mean())


def nearest_rows(drawn: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the place of the known row that is nearest to each sample: (m,)."""
    return NearestNeighbors(n_neighbors=1, algorithm="brute").fit(known).kneighbors(drawn, return_distance=False)[:, 0]


def thinned(rows: np.ndarray, most: int) -> np.ndarray:
    """Return at most so many rows, evenly chosen."""
    return rows[:: -(-len(rows) // most)] if len(rows) else rows


def _kernel(x: np.ndarray, y: np.ndarray, width: float) -> np.ndarray:
    squared = euclidean_distances(x, y, squared=True)
    return np.mean([np.exp(squared / (-2 * share * width)) for share in WIDTHS], axis=0)


def _median_square(rows: np.ndarray) -> float:
    """Return the median squared distance between some different rows; 1 where there are none."""
    some = thinned(rows, MEDIAN_ROWS)
    squared = euclidean_distances(some, squared=True)[np.triu_indices(len(some), 1)]
    apart = squared[squared > 0]
    return float(np.median(apart)) if len(apart) else 1.0


def _radius(points: np.ndarray, n_neighbors: int) -> np.ndarray:
    """Return how far each point is from its neighbour of that rank among the others."""
    rank = min(n_neighbors, len(points) - 1)
    return np.partition(euclidean_distances(points), rank, axis=1)[:, rank]
