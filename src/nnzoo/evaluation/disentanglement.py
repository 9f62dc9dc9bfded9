"""How well the numbers of a code stand for the factors that rows were made from, one for one.

Circles (angles in radians) are told by their cosine and sine, so that 359° and 1° are near each other.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.preprocessing import PolynomialFeatures

from nnzoo.errors import DataError

N_BINS = 20


def explained_shares(
    codes: np.ndarray,
    factors: np.ndarray,
    *,
    groups: Sequence[Sequence[int]] | None = None,
    circles: Sequence[int] = (),
    degree: int = 1,
) -> np.ndarray:
    """Return R² of each factor from each group of numbers of the code: (n_factors, n_groups).

    A factor is told by a polynomial in the numbers of a group, by least squares.

    Parameters
    ----------
    codes : array of shape (n, n_components)
    factors : array of shape (n, n_factors)
    groups : sequence of sequences of int, optional
        Which numbers belong together; each is alone without.
    circles : sequence of int
        Factors that are angles in radians.
    degree : int, default 1
        Of the polynomial: 1 is a line; 3 also finds what a bent scale tells, and how far a point is from the middle.

    Examples
    --------
    >>> codes = np.array([[0.0, 1], [1, 1], [2, -1], [3, -1], [4, 1], [5, -1]])
    >>> explained_shares(codes, codes[:, :1]).round(3).tolist()
    [[1.0, 0.238]]
    """
    codes, factors, together = _checked(codes, factors, groups)
    shares = np.empty((factors.shape[1], len(together)))
    for place, group in enumerate(together):
        spread = codes[:, group] - codes[:, group].mean(axis=0)
        spread = spread / np.maximum(spread.std(axis=0), np.finfo(float).tiny)
        terms = PolynomialFeatures(degree).fit_transform(spread)
        for number in range(factors.shape[1]):
            wanted = _coordinates(factors[:, number], is_circle=number in circles)
            left = wanted - terms @ np.linalg.lstsq(terms, wanted, rcond=None)[0]
            total = np.square(wanted - wanted.mean(axis=0)).sum()
            shares[number, place] = 1 - np.square(left).sum() / total if total else 0.0
    return shares


def information_gap(
    codes: np.ndarray,
    factors: np.ndarray,
    *,
    groups: Sequence[Sequence[int]] | None = None,
    n_bins: int = N_BINS,
) -> float:
    """Return the mutual information gap: how much more of a factor its best number tells than any other one does.

    The mean over factors of (I(z_first; v) - I(z_second; v)) / H(v) (Chen et al. 2018), numbers and factors in bins
    that hold equally many rows. A group tells what the best of its numbers tells, and the second comes from another
    group than the first. Bins of equal counts do not depend on where a circle begins.

    Parameters
    ----------
    codes, factors, groups
        As for :func:`explained_shares`.
    n_bins : int, default 20
    """
    codes, factors, together = _checked(codes, factors, groups)
    told = np.array([equal_bins(column, n_bins) for column in codes.T])
    gaps = []
    for column in factors.T:
        wanted = equal_bins(column, n_bins)
        each = [_information(line, wanted) for line in told]
        best = sorted((max(each[number] for number in group) for group in together), reverse=True)
        gaps.append((best[0] - (best[1] if len(best) > 1 else 0.0)) / max(_information(wanted, wanted), 1e-12))
    return float(np.mean(gaps))


def _checked(
    codes: np.ndarray, factors: np.ndarray, groups: Sequence[Sequence[int]] | None
) -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    codes, factors = np.asarray(codes, dtype=np.float64), np.asarray(factors, dtype=np.float64)
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors) or not len(codes):
        raise DataError(
            "Disentanglement needs codes (rows, numbers) and factors (rows, factors) of the same rows; got "
            f"{codes.shape} and {factors.shape}.",
            "Pass what transform gives, and the factors of the same rows.",
        )
    return codes, factors, [[k] for k in range(codes.shape[1])] if groups is None else [list(each) for each in groups]


def _coordinates(values: np.ndarray, *, is_circle: bool) -> np.ndarray:
    return np.stack([np.cos(values), np.sin(values)], axis=1) if is_circle else values[:, None]


def equal_bins(values: np.ndarray, n_bins: int) -> np.ndarray:
    """Return the bin of each value, bins with equally many; equal values share one, so whole classes stay apart."""
    edges = np.quantile(values, np.arange(1, n_bins) / n_bins)
    return np.searchsorted(edges, values, side="left")


def _information(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mutual information of two columns of bins, in nats."""
    joint = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(joint, (a, b), 1 / len(a))
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / apart[seen])).sum())
