"""Kohonen Network (KN): a map of units that arranges itself, so that like rows lie close together on it.

    c = argminᵢ ‖x - mᵢ‖                                  the unit that answers to a row
    h_ci = exp(-d(c, i)² / (2 σ²))                        its neighbourhood, d measured on the map
    batch     mᵢ = Σₙ h_{c(n) i} xₙ / Σₙ h_{c(n) i}       from all rows at once
    online    mᵢ ← mᵢ + α h_ci (x - mᵢ)                   row by row

σ and α shrink while it learns. With σ → 0 a batch step is one of k-means. Where the answering unit is the one whose
whole neighbourhood is nearest, argminᵢ Σⱼ h_ij ‖x - mⱼ‖², the batch form descends Σₙ Σⱼ h_{c(n) j} ‖xₙ - mⱼ‖².

Sources: Kohonen 1982 (online); Kohonen 2001 (batch); Kiviluoto 1996 (topographic error); Ultsch & Siemon 1990
(distances between neighbours as a picture, the U-matrix); Heskes 1999 (the energy).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.checks import OneOf, Range, Real, Whole, either
from nnzoo.engine.batches import Batch
from nnzoo.errors import DataError, UsageError
from nnzoo.estimator import GRADIENT_RANGES, LOOP_RANGES, Network, Rows
from nnzoo.evaluation.rowvalues import RowValues
from nnzoo.inputs import Inputs
from nnzoo.networks.map_units import PIECE_ROWS, Grid, MapBody, distances, units_on_plane
from nnzoo.networks.parameters import UnlabelledParameters, with_parameters
from nnzoo.networks.showing_maps import map_values
from nnzoo.networks.unlabelled import Unlabelled
from nnzoo.targets import Target
from nnzoo.training.loop import LoopSettings
from nnzoo.training.state import flatten_state, restore_state

LAST_SIGMA, LAST_RATE = 0.5, 0.01
"""Where σ ends, and what is left of α."""
ONLINE_ROWS = 256


@dataclass(frozen=True)
class Schedule:
    """σ and α while it learns.

    Attributes
    ----------
    n_epochs : int
    sigma, rate : float
        At the start.
    decay : None, "linear" or "exponential"
    """

    n_epochs: int
    sigma: float
    rate: float
    decay: str | None

    def at(self, n_passes: float) -> tuple[float, float]:
        """Return σ and α after so many passes; the last pass has the least."""
        done = min(n_passes / max(self.n_epochs - 1, 1), 1.0)
        ends = ((self.sigma, min(LAST_SIGMA, self.sigma)), (self.rate, LAST_RATE * self.rate))
        if self.decay is None:
            return self.sigma, self.rate
        if self.decay == "linear":
            sigma, rate = (first + (last - first) * done for first, last in ends)
        else:
            sigma, rate = (first * (last / first) ** done for first, last in ends)
        return sigma, rate


class MapTrainer:
    """The batch rule, a step of which takes all rows; or the online rule.

    Parameters
    ----------
    network : CodeNetwork
        Its units are moved from where they are.
    n_rows : int
        Of a pass.
    schedule : Schedule
    online : bool
    neighborhood : "gaussian" or "bubble"
    averaged : bool
        Whether that unit answers whose neighbourhood is nearest.
    """

    def __init__(
        self, network: Any, n_rows: int, schedule: Schedule, *, online: bool, neighborhood: str, averaged: bool
    ) -> None:
        self.network = network
        self.body: MapBody = network.body
        self.n_rows = n_rows
        self.schedule = schedule
        self.online = online
        self.neighborhood = neighborhood
        self.averaged = averaged
        self.still = False

    @property
    def finished(self) -> bool:
        """Return whether the last step moved no unit, and the next one would be like it."""
        same = self.schedule.at(self.n_passes) == self.schedule.at(self.n_passes - 1) or self.body.units.n_out == 1
        return self.still and same

    @property
    def n_passes(self) -> float:
        """Return how often the rows have been seen."""
        return float(self.body.n_passes)

    @torch.no_grad()
    def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Move the units; returns how far the rows were from the nearest one."""
        loss = self._row_by_row(batch) if self.online else self._all_at_once(batch)
        self.body.n_passes += len(batch) / self.n_rows
        return {"loss": loss}

    def _all_at_once(self, batch: Batch) -> float:
        codebook, h = self.body.units.codebook, self._neighborhood(self.schedule.at(self.n_passes)[0])
        sums, mass, lost = torch.zeros_like(codebook, dtype=torch.float64), h.new_zeros(len(h)), 0.0
        for x, weight in self._pieces(batch):
            best = nearest = self.body.units.compared(x).argmin(dim=1)
            lost += float((self.body.distance_to(x, nearest).double() * weight).sum())
            if self.averaged:
                best = (self.body.units(x).double().square() @ h).argmin(dim=1)
            sums.index_add_(0, best, x.double() * weight[:, None])
            mass.index_add_(0, best, weight)
        moved, share = h @ sums, (h @ mass)[:, None]
        # A unit to which no row speaks stays where it is.
        after = torch.where(share > torch.finfo(share.dtype).tiny, moved / share, codebook.double()).to(codebook)
        self.still = bool(torch.equal(after, codebook))
        codebook.copy_(after)
        return lost / len(batch)

    def _row_by_row(self, batch: Batch) -> float:
        codebook, lost, n_taken = self.body.units.codebook, 0.0, 0
        squared = torch.from_numpy(self.body.grid.squared).to(codebook)
        for rows, weights in self._pieces(batch):
            for x, weight in zip(rows.split(1), weights.tolist(), strict=True):
                sigma, rate = self.schedule.at(self.n_passes + n_taken / self.n_rows)
                nearest = self.body.units.compared(x).argmin(dim=1)
                lost += weight * float(self.body.distance_to(x, nearest))
                best = int(nearest)
                if self.averaged:
                    best = int((self._neighborhood(sigma).to(x) @ self.body.units(x)[0].square()).argmin())
                if self.neighborhood == "bubble":
                    h = (squared[best] <= sigma**2 * (1 + 1e-6)).to(x.dtype)
                else:
                    h = torch.exp(squared[best] / (-2 * sigma**2))
                share = rate * h if weight == 1 else 1 - (1 - rate * h).clamp_(min=0) ** weight
                codebook.add_(share[:, None] * (x - codebook))
                n_taken += 1
        return lost / len(batch)

    def measure(self, batch: Batch) -> float:
        """Return how far the rows are from the nearest unit, on average."""
        with torch.no_grad():
            pieces = ((self.body.row_loss(x).double() * weight).sum() for x, weight in self._pieces(batch))
            return float(sum(pieces)) / len(batch)

    def weights(self) -> dict[str, Tensor]:
        """Return the units and the number of passes."""
        return self.network.state_dict()

    def state(self) -> tuple[Any, dict[str, Tensor]]:
        """Return units, passes, and whether the last step moved any."""
        return flatten_state({"network": dict(self.network.state_dict()), "still": self.still})

    def load_state(self, values: Any, tensors: dict[str, Tensor]) -> None:
        """Take over what :meth:`state` gave."""
        state = restore_state(values, tensors)
        self.network.load_state_dict(state["network"])
        self.still = state["still"]

    def restart(self, weights: dict[str, Tensor]) -> None:
        """Go back to these units."""
        self.network.load_state_dict(weights)

    def _neighborhood(self, sigma: float) -> Tensor:
        return torch.from_numpy(self.body.grid.neighborhood(sigma, self.neighborhood)).to(self.body.n_passes.device)

    def _pieces(self, batch: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield standardised flat rows (n, d) and their weights in float64 (n,), some at a time."""
        for part in batch.pieces(PIECE_ROWS, PIECE_ROWS):
            x = self.network.scaling(part.inputs).flatten(1)
            yield x, x.new_ones(len(x), dtype=torch.float64) if part.weight is None else part.weight.double()


@with_parameters
class KohonenNetwork(UnlabelledParameters, Unlabelled, Network):
    """Kohonen Network: a self-organising map, on which rows that are alike lie close together.

    The unit nearest to a row answers, c = argminᵢ ‖x - mᵢ‖, and draws its neighbours on the map with it:
    mᵢ = Σₙ h_{c(n) i} xₙ / Σₙ h_{c(n) i} from all rows, or mᵢ ← mᵢ + α h_ci (x - mᵢ) row by row.

    Parameters
    ----------
    n_rows : int, default 10
    n_columns : int, default 10
    grid : "rectangular" or "hexagonal", default "rectangular"
        Hexagons have six neighbours at one distance; odd rows (from 0) lie half a unit to the right.
    border : "planar" or "toroid", default "planar"
        On a toroid each border touches the one across.
    method : "batch" or "online", default "batch"
    learning_rate : float, default 0.5
        α at the start of "online"; it ends at a hundredth of it.
    sigma : float or None, default None
        σ at the start, in units of the map; None is half of the longer side. It ends at 0.5, or less if it begins with
        less.
    decay : None, "linear" or "exponential", default "exponential"
        How σ and α shrink; None leaves them.
    neighborhood : "gaussian" or "bubble", default "gaussian"
        h falls with the distance on the map, or is 1 up to σ and 0 beyond.
    winner : "nearest" or "averaged", default "nearest"
        Which unit answers in training: the nearest one, or the one whose neighbourhood is nearest.
    init : "pca" or "random", default "pca"
        Where units begin: on the plane of the two first principal components, or at rows drawn at random.
    metric : "euclidean", "cosine" or "manhattan", default "euclidean"
        What nearest means; units move to means whatever it is.
    codes : "places" or "distances", default "places"
        What ``transform`` gives: how far down and to the right the unit of a row lies on the map, or how far the row
        is from every unit.
    n_epochs : int, default 30
        Passes through the training rows.
    random_state : int, RandomState or None
        Draws the units of "random", and the order of rows of "online".
    Others: those of UnlabelledParameters.

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised rows (n, *shape) to codes (n, 2) or (n, n_units).
    codebook_ : ndarray of shape (n_units, n_features), or (n_units, *shape)
        What each unit stands for, in the unit of the rows.
    u_matrix_ : ndarray of shape (n_rows, n_columns)
        How far each unit is from its neighbours, on average, in standardised rows: ridges part what belongs together.
    n_features_in_, n_iter_ : int
    history_ : dict of str to list
        "train_loss" is how far the rows were from the nearest unit, at the start of each pass.

    Notes
    -----
    Rows of weight w count w times in the batch rule; online they move the units as far as w equal rows. ``partial_fit``
    takes the next step of the schedule with the rows that it is given; for streams take ``method="online"``, because a
    batch step forgets what came before.

    References
    ----------
    Kohonen, "Self-organized formation of topologically correct feature maps", Biological Cybernetics 43, 1982.
    Kiviluoto, "Topology preservation in self-organizing maps", International Conference on Neural Networks, 1996.
    Heskes, "Energy functions for self-organizing maps", in Kohonen Maps, 1999.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nnzoo import KohonenNetwork
    >>> X, _ = load_iris(return_X_y=True)
    >>> network = KohonenNetwork(n_rows=4, n_columns=6).fit(X)
    >>> network.transform(X).shape, network.codebook_.shape, network.u_matrix_.shape
    ((150, 2), (24, 4), (4, 6))
    """

    n_rows: int = 10
    n_columns: int = 10
    grid: str = "rectangular"
    border: str = "planar"
    method: str = "batch"
    learning_rate: float = 0.5
    sigma: float | None = None
    decay: str | None = "exponential"
    neighborhood: str = "gaussian"
    winner: str = "nearest"
    init: str = "pca"
    metric: str = "euclidean"
    codes: str = "places"
    n_epochs: int = 30

    kinds: ClassVar[tuple[str, ...]] = ("table", "image", "sequence")
    shows_inputs: ClassVar[bool] = True
    ranges: ClassVar[Mapping[str, Range]] = {
        **UnlabelledParameters.ranges,
        "n_rows": Whole(1, 1000),
        "n_columns": Whole(1, 1000),
        "grid": OneOf(("rectangular", "hexagonal")),
        "border": OneOf(("planar", "toroid")),
        "method": OneOf(("batch", "online")),
        "learning_rate": GRADIENT_RANGES["learning_rate"],
        "sigma": either(OneOf((None,)), Real(0.0, above=True)),
        "decay": OneOf((None, "linear", "exponential")),
        "neighborhood": OneOf(("gaussian", "bubble")),
        "winner": OneOf(("nearest", "averaged")),
        "init": OneOf(("pca", "random")),
        "metric": OneOf(("euclidean", "cosine", "manhattan")),
        "codes": OneOf(("places", "distances")),
        "n_epochs": LOOP_RANGES["n_epochs"],
    }

    @property
    def codebook_(self) -> np.ndarray:
        """Return what each unit stands for, in the unit of the rows."""
        return self._in_units(self._codebook)

    @property
    def u_matrix_(self) -> np.ndarray:
        """Return how far each unit is from its neighbours, on average: (n_rows, n_columns)."""
        body, codebook = self._map, torch.from_numpy(self._codebook)
        touching = body.grid.touching
        apart = distances(codebook, codebook, self.metric).numpy() * touching
        return (apart.sum(axis=1) / np.maximum(touching.sum(axis=1), 1)).reshape(self.n_rows, self.n_columns)

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the map with all units at zero."""
        if self.grid == "hexagonal" and self.border == "toroid" and self.n_rows % 2:
            raise UsageError(
                f"KohonenNetwork: a toroid of hexagons needs an even n_rows; got {self.n_rows}.",
                f"Pass n_rows={self.n_rows + 1}, or border='planar'.",
            )
        grid = Grid(self.n_rows, self.n_columns, self.grid, self.border)
        return MapBody(grid, inputs.shape, metric=self.metric, codes=self.codes)

    def learn(self, network: nn.Module, n_rows: int, n_steps: int) -> MapTrainer:
        """Return the batch or the online rule."""
        sigma = max(self.n_rows, self.n_columns) / 2 if self.sigma is None else self.sigma
        return MapTrainer(
            network,
            n_rows,
            Schedule(self.n_epochs, sigma, self.learning_rate, self.decay),
            online=self.method == "online",
            neighborhood=self.neighborhood,
            averaged=self.winner == "averaged",
        )

    def loop_settings(self, n_rows: int, seed: int, *, with_validation: bool) -> LoopSettings:
        """Return all epochs of the schedule; a batch step takes all rows."""
        batch_size = n_rows if self.method == "batch" else ONLINE_ROWS
        return LoopSettings(self.n_epochs, batch_size, seed, keep="last", falls=False)

    def predict(self, X: Any) -> np.ndarray:
        """Return the unit nearest to each row, counted from 0, row by row of the map: (n,)."""
        inputs = self._check_inputs(X)
        return self._pass(lambda x: self._compared(x).argmin(dim=1), inputs).astype(np.int64)

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """Fit, and return the unit of each row; y is left aside."""
        return self.fit(X, y, sample_weight=sample_weight).predict(X)

    def answers(self, X: Any) -> Mapping[str, np.ndarray]:
        """Return "prediction", the unit of each row, its row and column on the map, and the row's distance from it."""
        unit = self.predict(X)
        down, right = np.divmod(unit, self.n_columns)
        return {"prediction": unit, "map_row": down, "map_column": right, "distance": -self.score_samples(X)}

    def topographic_error(self, X: Any) -> float:
        """Return the share of rows whose two nearest units are no neighbours on the map."""
        inputs = self._check_inputs(X)
        if self._map.units.n_out == 1:
            return 0.0
        two = self._pass(lambda x: self._compared(x).topk(2, largest=False)[1], inputs).astype(np.int64)
        return float(1 - self._map.grid.touching[two[:, 0], two[:, 1]].mean())

    def label_map(self, X: Any, y: Any) -> np.ndarray:
        """Return the commonest label among the rows of each unit, None where it has none: (n_rows, n_columns)."""
        unit, labels = self.predict(X), np.asarray(y)
        if labels.shape != unit.shape:
            raise DataError(
                f"KohonenNetwork needs one label a row; got {labels.shape} for {len(unit):,} rows.", "Check y."
            )
        found, code = np.unique(labels, return_inverse=True)
        counts = np.zeros((self._map.units.n_out, len(found)), dtype=np.int64)
        np.add.at(counts, (unit, code), 1)
        names = np.array([*found.tolist(), None], dtype=object)
        chosen = np.where(counts.any(axis=1), counts.argmax(axis=1), len(found))
        return names[chosen].reshape(self.n_rows, self.n_columns)

    def measures(self, X: Any, X_train: Any | None, inputs: Sequence[str] = ()) -> RowValues:
        """Return how far each row is from its unit, beside as many means without a map; pictures of the map."""
        return map_values(self, X, X_train, inputs)

    @property
    def _map(self) -> MapBody:
        return self.network_.body  # pyright: ignore[reportReturnType]

    @property
    def _codebook(self) -> np.ndarray:
        return self._map.units.codebook.double().cpu().numpy()

    def _compared(self, x: Tensor) -> Tensor:
        return self._map.units.compared(self.network_.scaling(x).flatten(1))  # pyright: ignore[reportCallIssue]

    def _start(self, train: Rows, target: Target, seed: int) -> None:
        super()._start(train, target, seed)
        codebook = self._map.units.codebook
        with torch.no_grad():
            if self.init == "random":
                n = train.X.shape[0]
                chosen = np.random.default_rng(seed).choice(n, len(codebook), replace=n < len(codebook))
                rows = self.network_.scaling(self._to_inputs(train.X[chosen]))  # pyright: ignore[reportCallIssue]
                codebook.copy_(rows.flatten(1))
                return
            x = self.network_.scaling(self._to_inputs(train.X)).flatten(1)  # pyright: ignore[reportCallIssue]
            weight = torch.ones(len(x)) if train.weight is None else torch.from_numpy(train.weight)
            codebook.copy_(units_on_plane(self._map.grid, x, weight.to(x.device, torch.float64)))
