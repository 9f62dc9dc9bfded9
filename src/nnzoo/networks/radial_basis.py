"""Radial Basis Network (RBF): hidden units that measure distances, and a least-squares readout.

    f(x) = Σᵢ aᵢ ρ(‖x - cᵢ‖),    ρ(r) = exp(-βᵢ r²)
    a = (AᵀA + λI)⁻¹ Aᵀ y,       Aₙᵢ = ρ(‖xₙ - cᵢ‖)

with centres cᵢ, βᵢ = 1 / (2 σᵢ²) of widths σᵢ, and λ = ``ridge``. With all rows as centres and λ = 0 it passes through
every row exactly.

Sources: Broomhead & Lowe 1988; centres by k-means and widths from their neighbours Moody & Darken 1989; centres by
orthogonal least squares Chen, Cowan & Grant 1991. The chart draws it as a Feed Forward network; the hidden cells
compute distances, not weighted sums. Siblings: extreme_learning.py and support_vector.py, which compare rows, too.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn

from nnzoo.checks import OneOf, Range, Real, Truth, Whole, either
from nnzoo.engine.device import isolated_random_state
from nnzoo.errors import DataError, UsageError
from nnzoo.estimator import LEARNER_RANGES, Encoder, Network, Rows, ScoreNetwork
from nnzoo.inputs import Inputs
from nnzoo.networks.kernels import squared_distances, trace_distances, trace_of_distances
from nnzoo.networks.parameters import ReadoutParameters, with_parameters
from nnzoo.targets import Target
from nnzoo.trace import Step, cell_name, largest, written
from nnzoo.tracing import Names, array
from nnzoo.training.loop import LoopSettings
from nnzoo.training.readout import ReadoutTrainer, one_pass, with_sums

KERNELS = {
    "gaussian": ("exp(-β·{d})", lambda s: torch.exp(-s)),
    "multiquadric": ("√(1 + β·{d})", lambda s: torch.sqrt(1 + s)),
    "inverse_multiquadric": ("1 / √(1 + β·{d})", lambda s: torch.rsqrt(1 + s)),
    "thin_plate_spline": ("½ β·{d}·log(β·{d})", lambda s: 0.5 * torch.xlogy(s, s)),
    "linear": ("√(β·{d})", lambda s: torch.sqrt(s)),
}
"""Name to ρ in words, and as a function of s = β r²."""
POSITIVE = ("gaussian", "multiquadric", "inverse_multiquadric")
N_NEIGHBOURS = 2
ROWS_A_CENTER = 100
"""k-means and orthogonal least squares look at so many rows for each centre that they seek, drawn from all."""
MOST_CANDIDATES = 1000
LEAST_WIDTH = 1e-6
"""Of centres that are nearly one; in deviations of the inputs."""


class CentersRange:
    """A way to choose centres, or the centres themselves."""

    ways = ("kmeans", "random", "ols", "all")

    def holds(self, value: object) -> bool:
        """Say whether the value lies in the range."""
        if isinstance(value, str):
            return value in self.ways
        return isinstance(value, list | tuple | np.ndarray) and np.ndim(value) == 2 and len(value) > 0

    def __str__(self) -> str:
        return f"one of {', '.join(map(repr, self.ways))}, or an array (n_centers, n_features)"


class RadialBody(nn.Module):
    """hᵢ = ρ(‖x - cᵢ‖), flat rows (n, n_in) to (n, n_centers); normalised, hᵢ / Σ h."""

    drawn = ("H", "distances to centres", "a unit a centre")

    def __init__(self, n_in: int, n_centers: int, *, kernel: str, normalize: bool) -> None:
        super().__init__()
        self.kernel = kernel
        self.normalize = normalize
        self.n_out = n_centers
        self.centers = nn.Parameter(torch.zeros(n_centers, n_in), requires_grad=False)
        self.beta = nn.Parameter(torch.ones(n_centers), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations."""
        h = self.activations(squared_distances(x.flatten(1), self.centers))
        if not self.normalize:
            return h
        total = h.sum(dim=1, keepdim=True)
        return torch.where(total > 0, h / total, 1 / self.n_out)

    def activations(self, squared: Tensor) -> Tensor:
        """Return ρ of squared distances (n, n_centers)."""
        return KERNELS[self.kernel][1](self.beta * squared)

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the distances, the activations, and their shares."""
        distances = squared_distances(x.flatten(1), self.centers)
        h, squared, beta = self.activations(distances), array(distances), self.beta.double().cpu().numpy()
        centers = self.centers.double().cpu().numpy()
        yield trace_distances(array(x.flatten(1)), centers, squared, names.next("d", new_layer=True))
        formula, result = KERNELS[self.kernel][0], array(h)
        at = formula.replace("β", f"{beta[largest(result)]:.5g}")
        words = "A unit answers by how far the row lies from its centre, in every direction alike."
        yield trace_of_distances(self.kernel, formula, at, squared, result, names.next("h"), words, {"β": beta})
        if self.normalize:
            yield _shares(result, array(output), names.next("p"))


def _shares(h: np.ndarray, shares: np.ndarray, symbols: Sequence[str]) -> Step:
    cell = largest(shares)
    return Step(
        "shares",
        "Shares of the activations",
        f"{symbols[1]} = {symbols[0]} / Σ {symbols[0]}",
        f"{cell_name(symbols[1], cell)} = {written(h[cell])} / {written(h.sum())} = {written(shares[cell])}",
        symbols[1],
        shares,
        "The activations add up to 1: far from all centres the nearest one still decides.",
        {symbols[0]: h},
        cell,
    )


def choose_centers(
    X: np.ndarray, T: np.ndarray, weight: np.ndarray | None, way: str, n_centers: int, random: np.random.Generator
) -> np.ndarray:
    """Return at most ``n_centers`` centres (m, d) for rows X (n, d) with coded targets T (n, k).

    Equal rows count as one, because two equal centres would make AᵀA singular; if there are no more rows than centres,
    every one of them is a centre.
    """
    distinct = np.unique(X, axis=0)
    if way == "all" or len(distinct) <= n_centers:
        return distinct
    if way == "random":
        return distinct[np.sort(random.choice(len(distinct), n_centers, replace=False))]
    chosen = random.permutation(len(X))[: ROWS_A_CENTER * n_centers]
    X, T, weight = X[chosen], T[chosen], None if weight is None else weight[chosen]
    if way == "ols":
        return _orthogonal_least_squares(X, T, n_centers)
    means: Any = KMeans(n_centers, n_init=1, random_state=int(random.integers(2**31)))  # pyright: ignore[reportArgumentType]
    means.fit(X, sample_weight=weight)
    return np.unique(means.cluster_centers_, axis=0)


def _orthogonal_least_squares(X: np.ndarray, T: np.ndarray, n_centers: int) -> np.ndarray:
    """Return the rows whose Gaussians explain the target best, one after the other (Chen et al. 1991, section III).

    Each step takes the candidate whose part q orthogonal to those taken explains most, Σ (qᵀt)² / qᵀq.
    """
    candidates = np.unique(X, axis=0)[:MOST_CANDIDATES]
    squared = squared_distances(torch.from_numpy(X), torch.from_numpy(candidates)).numpy()
    rest = np.exp(-squared * n_centers / squared.max())
    open_, taken = np.ones(len(candidates), dtype=bool), []
    floor = 1e-10 * np.square(rest).sum(axis=0)
    for _ in range(n_centers):
        norms = np.square(rest).sum(axis=0)
        open_ &= norms > floor
        if not open_.any():
            break
        gain = np.where(open_, np.square(rest.T @ T).sum(axis=1) / np.where(open_, norms, 1.0), -1.0)
        best = int(gain.argmax())
        taken.append(best)
        open_[best] = False
        q = rest[:, best] / np.sqrt(norms[best])
        rest = rest - np.outer(q, q @ rest)
    return candidates[np.sort(taken)]


def choose_widths(centers: np.ndarray, width: str | float) -> np.ndarray:
    """Return σ of each centre (m,).

    "nearest" is the root of the mean squared distance to the two nearest other centres; "global" is the largest
    distance of two centres over √(2 m), for all.
    """
    m = len(centers)
    if not isinstance(width, str) or m == 1:
        return np.full(m, 1.0 if isinstance(width, str) else float(width))
    points = torch.from_numpy(centers)
    squared = squared_distances(points, points)
    if width == "global":
        return np.full(m, np.sqrt(float(squared.max()) / (2 * m)))
    nearest = squared.fill_diagonal_(torch.inf).topk(min(N_NEIGHBOURS, m - 1), dim=1, largest=False)[0]
    return nearest.mean(dim=1).sqrt().clamp(min=LEAST_WIDTH).numpy()


@with_parameters
class RadialBasisNetwork(ReadoutParameters, Encoder, Network):
    """Radial basis network: units that measure distances to centres, and a readout by least squares.

    f(x) = Σ aᵢ ρ(‖x - cᵢ‖). Inputs are standardised with weighted means and deviations of the training rows (0/1
    columns stay), regression targets too; distances are those of standardised rows, and all is computed in float64.
    There is no b: far from every centre a Gaussian network says the mean of the target.

    Parameters
    ----------
    task : "classification" or "regression", default "classification"
    centers : "kmeans", "random", "ols", "all" or array of shape (n_centers, n_features), default "kmeans"
        "ols" takes rows one by one, that which explains most; "all" takes every row. An array is in the unit of X.
    n_centers : int, default 100
        At most; not used by "all" and arrays.
    kernel : str, default "gaussian"
        ρ: "gaussian", "multiquadric", "inverse_multiquadric", "thin_plate_spline" or "linear".
    width : "nearest", "global" or float, default "nearest"
        σ, with β = 1 / (2 σ²): from the two nearest centres, one for all from the largest distance, or a number, in
        deviations of the inputs.
    normalize : bool, default False
        Whether activations are divided by their sum; for the kernels that are positive.
    device : "auto", "cpu", "cuda" or "mps", default "auto"
    Others: those of ReadoutParameters.

    Attributes
    ----------
    centers_ : ndarray of shape (n_centers, n_features)
        In the unit of standardised inputs.
    widths_ : ndarray of shape (n_centers,)
    Others: those of ReadoutParameters.

    References
    ----------
    Broomhead & Lowe, "Multivariable functional interpolation and adaptive networks", Complex Systems 2, 1988. Moody &
    Darken, "Fast learning in networks of locally-tuned processing units", Neural Computation 1, 1989. Chen, Cowan &
    Grant, "Orthogonal least squares learning algorithm for radial basis function networks", IEEE Transactions on
    Neural Networks 2, 1991.

    Examples
    --------
    >>> import numpy as np
    >>> from nnzoo import RadialBasisNetwork
    >>> X = np.linspace(-3, 3, 50)[:, None]
    >>> net = RadialBasisNetwork(task="regression", n_centers=10, random_state=0).fit(X, np.sin(X[:, 0]))
    >>> net.score(X, np.sin(X[:, 0])) > 0.99
    True
    """

    centers: str | Sequence[Sequence[float]] | np.ndarray = "kmeans"
    n_centers: int = 100
    kernel: str = "gaussian"
    width: str | float = "nearest"
    normalize: bool = False
    device: str = "auto"

    kinds: ClassVar[tuple[str, ...]] = ("table", "image", "sequence")
    own_counts: ClassVar[tuple[str, ...]] = ("n_centers",)
    ranges: ClassVar[Mapping[str, Range]] = {
        **ReadoutParameters.ranges,
        "device": LEARNER_RANGES["device"],
        "centers": CentersRange(),
        "n_centers": Whole(1, 10**6),
        "kernel": OneOf(tuple(KERNELS)),
        "width": either(OneOf(("nearest", "global")), Real(0.0, above=True)),
        "normalize": Truth(),
    }

    @property
    def centers_(self) -> np.ndarray:
        """Return the centres (n_centers, n_features), standardised."""
        return self._body.centers.cpu().numpy()

    @property
    def widths_(self) -> np.ndarray:
        """Return σ of each centre (n_centers,)."""
        return (2 * self._body.beta.cpu().numpy()) ** -0.5

    @property
    def ridge_(self) -> float:
        """Return λ of the readout."""
        sums: Any = self.network_.sums
        return float(sums.ridge)

    @property
    def _body(self) -> RadialBody:
        return self.network_.body  # pyright: ignore[reportReturnType]

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the body with centres still to come; images and sequences are flattened."""
        if self.normalize and self.kernel not in POSITIVE:
            raise UsageError(
                f"RadialBasisNetwork: normalize needs a kernel that is positive; {self.kernel!r} is not.",
                f"Take one of {', '.join(map(repr, POSITIVE))}, or normalize=False.",
            )
        return RadialBody(inputs.n_features, self.n_centers_, kernel=self.kernel, normalize=self.normalize)

    def learn(self, network: nn.Module, n_rows: int, n_steps: int) -> ReadoutTrainer:
        """Return least squares on the activations."""
        return ReadoutTrainer(network, self.target_.head, ridge=self.ridge, with_bias=False)

    def loop_settings(self, n_rows: int, seed: int, *, with_validation: bool) -> LoopSettings:
        """Return one pass."""
        return one_pass(seed)

    def _size(self, train: Rows, target: Target) -> None:
        n_rows = train.X.shape[0]
        if not isinstance(self.centers, str):
            self.n_centers_ = len(self.centers)
        else:
            self.n_centers_ = n_rows if self.centers == "all" else min(self.n_centers, n_rows)
        super()._size(train, target)

    def _sizes(self) -> dict[str, Any]:
        return super()._sizes() | {"n_centers": self.n_centers_}

    def _bare_network(self, inputs: Inputs, sizes: Mapping[str, Any]) -> ScoreNetwork:
        self.n_centers_ = sizes["n_centers"]
        return with_sums(super()._bare_network(inputs, sizes))

    def _start(self, train: Rows, target: Target, seed: int) -> None:
        super()._start(train, target, seed)
        batch = self._to_batch(train)
        with torch.inference_mode():
            X = self.network_.scaling(batch.inputs).flatten(1).double().cpu().numpy()
        centers = self._choose(X, np.asarray(batch.target.cpu()), train.weight, seed)  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
        self.n_centers_ = len(centers)
        with isolated_random_state(seed, self._device):
            self.network_ = self._bare_network(self.inputs_, self._sizes()).to(self._device)
        widths = choose_widths(centers, self.width)
        with torch.no_grad():
            self._body.centers.copy_(torch.from_numpy(centers))
            self._body.beta.copy_(torch.from_numpy(0.5 * widths**-2.0))

    def _choose(self, X: np.ndarray, T: np.ndarray, weight: np.ndarray | None, seed: int) -> np.ndarray:
        """Return the centres for standardised rows X (n, d) and coded targets T."""
        if isinstance(self.centers, str):
            if self.target_.head.kind == "multiclass":
                T = np.eye(self.target_.n_targets)[T]
            return choose_centers(X, T, weight, self.centers, self.n_centers, np.random.default_rng(seed))
        centers = np.asarray(self.centers, dtype=np.float64)
        if centers.shape[1] != X.shape[1] or self.inputs_.kind != "table":
            raise DataError(
                f"RadialBasisNetwork: centers needs rows of a table of {X.shape[1]} columns; got {centers.shape[1]}.",
                "Give an array of shape (n_centers, n_features), or choose centers='kmeans'.",
            )
        return self.inputs_.standard.apply(np.unique(centers, axis=0), np.float64)
