"""Distances to given rows and what is made of them: shared by the networks whose hidden units compare, not weigh.

    d²ₖ = ‖x - cₖ‖²,    K(x, c) = exp(-γ ‖x - c‖²)

Used by radial_basis.py, extreme_learning.py and support_vector.py.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from nnzoo.trace import Step, Working, cell_name, factor, largest, shortened, shown_rows, written

FEW_COLUMNS = 16
"""Up to so many columns differences are squared one by one; beyond, by a product of matrices in a fraction of the time,
which at distance d² leaves an error of some 1e-16 (‖x‖² + ‖c‖²)."""


def squared_distances(x: Tensor, centers: Tensor) -> Tensor:
    """Return ‖x - c‖², shapes (n, d) and (m, d) to (n, m), never below 0."""
    if x.shape[1] <= FEW_COLUMNS:
        return torch.cdist(x, centers, compute_mode="donot_use_mm_for_euclid_dist").square()
    squares = x.square().sum(dim=1)[:, None] + centers.square().sum(dim=1)
    return torch.addmm(squares, x, centers.t(), alpha=-2).clamp_(min=0.0)


def gaussian(x: Tensor, centers: Tensor, gamma: float | Tensor) -> Tensor:
    """Return exp(-γ ‖x - c‖²), shapes (n, d) and (m, d) to (n, m); γ one number, or one for each c."""
    return torch.exp(-gamma * squared_distances(x, centers))


def trace_distances(x: np.ndarray, centers: np.ndarray, squared: np.ndarray, symbols: Sequence[str]) -> Step:
    """Return the step of the squared distances of one row: x (d,), centres (m, d), squared (m,), worked at the nearest.

    Parameters
    ----------
    symbols : sequence of str
        Of x and of the result.
    """
    before, name = symbols
    k = int(squared.argmin())
    differences = x - centers[k]
    terms = shortened([f"({written(a)} - {factor(c)})²" for a, c in zip(x, centers[k], strict=True)])
    rows = [
        (f"{before}[{j + 1}]", float(x[j]), float(centers[k, j]), float(differences[j] ** 2)) for j in range(len(x))
    ]
    return Step(
        "squared distances",
        "Squared distances",
        f"{name}[k] = Σ over j of ({before}[j] - c[k, j])²",
        f"{cell_name(name, (k,))} = {' + '.join(terms)} = {written(squared[k])}",
        name,
        squared,
        f"Each of the {len(squared):,} units compares the row with a point of its own; the nearest one is worked out.",
        {before: x} | shown_rows("c", centers, k),
        (k,),
        Working(("from", "value", "point", "difference²"), tuple(rows)),
    )


def trace_of_distances(
    op: str,
    formula: str,
    at: str,
    squared: np.ndarray,
    result: np.ndarray,
    symbols: Sequence[str],
    words: str,
    constants: Mapping[str, np.ndarray],
) -> Step:
    """Return the step that makes activations of squared distances, one by one.

    Parameters
    ----------
    op : str
    formula, at : str
        What is computed, after ``name = ``, in symbols and with numbers; ``{d}`` stands for the squared distance.
    constants : mapping of str to ndarray
        What enters the formula beside it.
    """
    before, name = symbols
    cell = largest(result)
    return Step(
        op,
        "From distance to activation",
        f"{name} = {formula.format(d=before)}",
        f"{cell_name(name, cell)} = {at.format(d=factor(squared[cell]))} = {written(result[cell])}",
        name,
        result,
        words,
        {before: squared, **constants},
        cell,
    )
