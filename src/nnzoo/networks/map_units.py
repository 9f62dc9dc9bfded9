"""The map of a Kohonen network: where its units lie, how far rows are from them, and where they begin."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nnzoo.networks.kernels import FEW_COLUMNS, squared_distances, trace_distances
from nnzoo.pictures.maps import HEXAGON_STEP
from nnzoo.trace import Step, cell_name, shown_rows, written
from nnzoo.tracing import Names, array

PIECE_ROWS = 4096
EXACT_COLUMNS = 1024
"""Up to so many columns their covariances give the plane of the first units; beyond, so many rows."""


@dataclass(frozen=True)
class Grid:
    """Where the units lie: row by row, in a plane or on a torus.

    Attributes
    ----------
    n_rows, n_columns : int
    grid : "rectangular" or "hexagonal"
    border : "planar" or "toroid"
    """

    n_rows: int
    n_columns: int
    grid: str
    border: str

    @cached_property
    def places(self) -> np.ndarray:
        """Return how far down and how far to the right each unit lies: (n_units, 2)."""
        rows, columns = np.divmod(np.arange(self.n_rows * self.n_columns), self.n_columns)
        if self.grid == "rectangular":
            return np.stack([rows, columns], axis=1).astype(np.float64)
        return np.stack([HEXAGON_STEP * rows, columns + 0.5 * (rows % 2)], axis=1)

    @cached_property
    def squared(self) -> np.ndarray:
        """Return d(i, j)² of every two units: (n_units, n_units)."""
        apart = self.places[:, None] - self.places
        around = (0,) if self.border == "planar" else (-1, 0, 1)
        size = np.array([self.n_rows * (1 if self.grid == "rectangular" else HEXAGON_STEP), self.n_columns])
        return np.min([np.square(apart + size * turn).sum(axis=2) for turn in product(around, repeat=2)], axis=0)

    @cached_property
    def touching(self) -> np.ndarray:
        """Return which units are neighbours, at a corner, too: bool (n_units, n_units)."""
        reach = 2.0 if self.grid == "rectangular" else 1.0
        return (self.squared < reach + 1e-9) & ~np.eye(len(self.squared), dtype=bool)

    def neighborhood(self, sigma: float, shape: str) -> np.ndarray:
        """Return h_ij: (n_units, n_units)."""
        if shape == "bubble":
            return (self.squared <= sigma**2 * (1 + 1e-9)).astype(np.float64)
        return np.exp(-self.squared / (2 * sigma**2))


class MapUnits(nn.Module):
    """The units mᵢ, and how far rows are from them: (n, d) to (n, n_units)."""

    def __init__(self, grid: Grid, n_in: int, metric: str) -> None:
        super().__init__()
        self.n_out = grid.n_rows * grid.n_columns
        self.metric = metric
        self.drawn = ("H", "map", f"{grid.n_rows} x {grid.n_columns}, {grid.grid}, {grid.border}")
        self.codebook = nn.Parameter(torch.zeros(self.n_out, n_in), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the distances."""
        return distances(x, self.codebook, self.metric)

    def compared(self, x: Tensor) -> Tensor:
        """Return numbers (n, n_units) that are in each row as the distances are, up to what does not matter."""
        if self.metric != "euclidean" or x.shape[1] <= FEW_COLUMNS:
            return self(x)
        # ‖x‖² is left out: one product of matrices in place of all differences.
        return torch.addmm(self.codebook.square().sum(dim=1), x, self.codebook.t(), alpha=-2)


class MapBody(nn.Module):
    """The place of the nearest unit, or the distances to all: rows (n, *shape) to (n, 2) or (n, n_units).

    Attributes
    ----------
    units : MapUnits
    n_passes : Tensor of shape ()
        Through the training rows, so far.
    """

    n_passes: Tensor

    def __init__(self, grid: Grid, shape: tuple[int, ...], *, metric: str, codes: str) -> None:
        super().__init__()
        self.grid = grid
        self.shape = shape
        self.codes = codes
        self.units = MapUnits(grid, math.prod(shape), metric)
        self.n_out = 2 if codes == "places" else self.units.n_out
        self.register_buffer("n_passes", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return the codes."""
        x = x.flatten(1)
        if self.codes == "distances":
            return self.units(x)
        return self._places(x)[self.units.compared(x).argmin(dim=1)]

    def decode(self, z: Tensor) -> Tensor:
        """Return the unit whose place is the nearest, or whose distance is the least: rows (n, *shape)."""
        best = z.argmin(dim=1) if self.codes == "distances" else torch.cdist(z, self._places(z)).argmin(dim=1)
        return self.units.codebook[best].unflatten(1, self.shape)

    def row_loss(self, x: Tensor) -> Tensor:
        """Return how far each row is from the nearest unit: (n,)."""
        x = x.flatten(1)
        return self.distance_to(x, self.units.compared(x).argmin(dim=1))

    def distance_to(self, x: Tensor, best: Tensor) -> Tensor:
        """Return how far each row (n, d) is from a unit (n,)."""
        points = self.units.codebook[best]
        if self.units.metric == "cosine":
            return 1 - functional.cosine_similarity(x, points)
        return torch.linalg.vector_norm(x - points, ord=1 if self.units.metric == "manhattan" else 2, dim=1)

    def _places(self, like: Tensor) -> Tensor:
        return torch.from_numpy(self.grid.places).to(like)

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the distances, the unit that answers, and what it stands for."""
        x, codebook = x.flatten(1), self.units.codebook.double().cpu().numpy()
        if self.units.metric == "euclidean":
            squared = array(squared_distances(x, self.units.codebook))
            yield trace_distances(array(x), codebook, squared, names.next("d", new_layer=True))
        else:
            squared = array(self.units(x))
            yield _trace_metric(self.units.metric, array(x), codebook, squared, names.next("d", new_layer=True))
        before, name = names.next("c")
        best, (down, right) = int(squared.argmin()), np.divmod(int(squared.argmin()), self.grid.n_columns)
        yield Step(
            "best unit",
            "The unit that answers",
            f"{name} = argmin over k of {before}[k], counted from 0",
            f"{name} = {best}: {cell_name(before, (best,))} = {written(squared[best])} is the least",
            name,
            np.array([best]),
            f"It lies in row {down + 1} and column {right + 1} of the map; rows that are alike are answered nearby.",
            {before: squared},
        )
        before, name = names.next("m")
        yield Step(
            "unit",
            "What this unit stands for",
            f"{name} = w[{before}], its line of the codebook",
            f"{name} = line {best + 1} of {len(codebook):,}",
            name,
            codebook[best],
            "Training has put the unit amid the rows that it and its neighbours on the map answer to.",
            shown_rows("w", codebook, best),
        )


def distances(x: Tensor, points: Tensor, metric: str) -> Tensor:
    """Return how far rows are from points: (n, d) and (m, d) to (n, m)."""
    if metric == "cosine":
        return 1 - functional.normalize(x) @ functional.normalize(points).t()
    if metric == "manhattan":
        return torch.cdist(x, points, p=1)
    return torch.cdist(x, points, compute_mode="donot_use_mm_for_euclid_dist")


def _trace_metric(metric: str, x: np.ndarray, codebook: np.ndarray, found: np.ndarray, symbols: Sequence[str]) -> Step:
    before, name = symbols
    k = int(found.argmin())
    formula = {
        "cosine": f"1 - {before}·w[k] / (‖{before}‖ ‖w[k]‖)",
        "manhattan": f"Σ over j of |{before}[j] - w[k, j]|",
    }[metric]
    return Step(
        f"{metric} distances",
        "Distances to the units",
        f"{name}[k] = {formula}",
        f"{cell_name(name, (k,))} = {written(found[k])}",
        name,
        found,
        f"Each of the {len(found):,} units compares the row with a point of its own; the nearest one is worked out.",
        {before: x} | shown_rows("w", codebook, k),
        (k,),
    )


def first_plane(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weighted mean of rows (d,), and their two principal axes times the deviation along them (2, d).

    Parameters
    ----------
    x : Tensor of shape (n, d)
        Of more than 1,024 columns so many rows count, drawn evenly.
    weight : Tensor of shape (n,)
    """
    if x.shape[1] > EXACT_COLUMNS:
        x, weight = (each[:: -(-len(x) // EXACT_COLUMNS)] for each in (x, weight))
    share = weight / weight.sum()
    mean = sum(
        (s @ part.double() for part, s in zip(x.split(PIECE_ROWS), share.split(PIECE_ROWS), strict=True)),
        torch.zeros(x.shape[1], dtype=torch.float64, device=x.device),
    )
    axes = torch.zeros(2, x.shape[1], dtype=torch.float64, device=x.device)
    if x.shape[1] > EXACT_COLUMNS:
        rows = (x.double() - mean) * share.sqrt()[:, None]
        values, vectors = torch.linalg.eigh(rows @ rows.t())
        found = (vectors.t() @ rows).flip(0)[:2]
    else:
        covariance = torch.zeros(x.shape[1], x.shape[1], dtype=torch.float64, device=x.device)
        for part, s in zip(x.split(PIECE_ROWS), share.split(PIECE_ROWS), strict=True):
            centred = part.double() - mean
            covariance.addmm_(centred.t(), centred * s[:, None])
        values, vectors = torch.linalg.eigh(covariance)
        found = (values.clamp(min=0).sqrt() * vectors).t().flip(0)[:2]
    axes[: len(found)] = found
    largest = axes.gather(1, axes.abs().argmax(dim=1, keepdim=True))
    return mean, torch.where(largest < 0, -axes, axes)


def units_on_plane(grid: Grid, x: Tensor, weight: Tensor) -> Tensor:
    """Return units (n_units, d) spread over the plane of the two first principal components of rows (n, d)."""
    mean, axes = first_plane(x, weight)
    span = np.ptp(grid.places, axis=0)
    from_centre = (2 * grid.places - span) / np.maximum(span, 1.0)
    order = [0, 1] if span[0] >= span[1] else [1, 0]
    return mean + torch.from_numpy(from_centre[:, order]).to(mean) @ axes
