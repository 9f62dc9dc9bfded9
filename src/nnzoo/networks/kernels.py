"""Distances to given rows and what is made of them: shared by the networks whose hidden units compare, not weigh.

    d²ₖ = ‖x - cₖ‖²,    K(x, c) = exp(-γ ‖x - c‖²)

Used by radial_basis.py, extreme_learning.py and support_vector.py.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.checks import OneOf, Real, either
from nnzoo.opsteps import dense
from nnzoo.trace import Step, Working, cell_name, factor, largest, shortened, shown_rows, written
from nnzoo.tracing import Names, array, linear

GAMMA = either(OneOf(("scale",)), Real(0.0, above=True))
"""Range of γ; "scale" is 1 over the number of inputs, for rows that are standardised."""
ROUNDING = 1e-12
"""Eigenvalues of a kernel matrix below this share of the largest are rounding."""
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


def trace_gaussian(x: Tensor, points: Tensor, gamma: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
    """Yield the steps of exp(-γ ‖x - p‖²) for the points p, with γ of each: of one row (1, d)."""
    squared, rates = array(squared_distances(x, points)), gamma.double().cpu().numpy()
    yield trace_distances(array(x), points.double().cpu().numpy(), squared, names.next("d", new_layer=True))
    result = array(output)
    rate = float(rates[int(np.abs(result).argmax())])
    words = "A unit answers with 1 at its point and fades with the distance."
    yield trace_of_distances(
        "gaussian", "exp(-γ·{d})", f"exp(-{rate:.5g}·{{d}})", squared, result, names.next("h"), words, {"γ": rates}
    )


class KernelFeatures(nn.Module):
    """φ(x) = K^(-1/2) k(x), (n, n_in) to (n, m), with k(x) = exp(-γ ‖x - aᵢ‖²) against m training rows aᵢ."""

    drawn = ("H", "kernels with training rows", "features of equal products")
    rows: Tensor
    root: Tensor

    def __init__(self, n_in: int, n_rows: int, *, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma
        self.n_out = n_rows
        self.register_buffer("rows", torch.zeros(n_rows, n_in))
        self.register_buffer("root", torch.zeros(n_rows, n_rows))

    def take(self, rows: Tensor) -> None:
        """Take over the rows, and the inverse root of their kernel matrix without what is rounding in it."""
        values, vectors = torch.linalg.eigh(gaussian(rows, rows, self.gamma))
        inverse = torch.where(values > ROUNDING * values[-1], values.clamp(min=ROUNDING).rsqrt(), 0.0)
        self.rows, self.root = rows.clone(), (vectors * inverse) @ vectors.t()

    def forward(self, x: Tensor) -> Tensor:
        """Return the features."""
        return gaussian(x, self.rows, self.gamma) @ self.root

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the distances, the kernel, and what makes features of it."""
        kernel = gaussian(x, self.rows, self.gamma)
        gamma = torch.full((len(self.rows),), self.gamma, dtype=x.dtype, device=x.device)
        yield from trace_gaussian(x, self.rows, gamma, kernel, names)
        root = self.root.double().cpu().numpy()
        title = "Features whose products are kernels"
        yield dense(array(kernel), root, None, array(output), names.next("φ", new_layer=True), title=title)


class Fourier(nn.Module):
    """φ(x) = √(2/m) cos(W x + b), W from N(0, 2γ), b from U(0, 2π): φ(x)·φ(z) is near exp(-γ ‖x - z‖²).

    Source: Rahimi & Recht 2007.
    """

    drawn = ("H", "random Fourier features", "a wave a unit")

    def __init__(self, n_in: int, n_components: int, *, gamma: float) -> None:
        super().__init__()
        self.waves = nn.Linear(n_in, n_components).requires_grad_(False)
        self.n_out = n_components
        if not self.waves.weight.is_meta:
            nn.init.normal_(self.waves.weight, std=math.sqrt(2 * gamma))
            nn.init.uniform_(self.waves.bias, 0.0, 2 * math.pi)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features."""
        return math.sqrt(2 / self.n_out) * torch.cos(self.waves(x))

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the sums and the waves."""
        sums, result = array(self.waves(x)), array(output)
        yield linear(self.waves, array(x), sums, names)
        before, name = names.next("φ")
        (k,) = largest(result)
        yield Step(
            "waves",
            "Random waves",
            f"{name} = √(2 / {self.n_out}) cos({before})",
            f"{cell_name(name, (k,))} = √(2 / {self.n_out}) cos({written(sums[k])}) = {written(result[k])}",
            name,
            result,
            "Products of such features are near the kernel, so a weighted sum of them stands for all support vectors.",
            {before: sums},
            (k,),
        )
