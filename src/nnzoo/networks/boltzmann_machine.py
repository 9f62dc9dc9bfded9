"""Boltzmann Machine (BM): units of 0 and 1, visible and hidden, any two of which may be joined.

    E(s) = -½ sᵀWs - b·s,  p(s) = exp(-E(s)) / Z          s = (v, h); W is symmetric, w_ii = 0
    p(sᵢ = 1 | all others) = σ(bᵢ + Σⱼ wᵢⱼ sⱼ)             a turn of a unit
    Δwᵢⱼ = η (⟨sᵢsⱼ⟩_clamped - ⟨sᵢsⱼ⟩_free)                with the visible units held at the rows, and with none held

The free mean is added up over all states, or taken from chains that go on from step to step, or from means that take
the place of units (mean field). The clamped mean is exact where hidden units are few, else mean field. Without hidden
units there is also Σᵢ log p(vᵢ | all others), the pseudo-likelihood, which needs neither.

Two things are not as in the source: units take turns in their order, not by chance; and the second mean begins anew in
no step, so that it needs no annealing (``start_temperature`` brings it back).

Sources: Ackley, Hinton & Sejnowski 1985; Peterson & Anderson 1987 (mean field); Besag 1975 (pseudo-likelihood);
Tieleman 2008 (chains that go on); Salakhutdinov & Hinton 2009 (clamped mean field); Montavon & Müller 2012 (centring).
Siblings: hopfield.py (the same energy without chance); restricted_boltzmann.py (links across sides alone).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional

from nnzoo.checks import Each, OneOf, Range, Real, Truth, Whole, either
from nnzoo.errors import DataError, UsageError
from nnzoo.estimator import GRADIENT_RANGES, LOOP_RANGES, Network, Rows
from nnzoo.evaluation.rowvalues import RowValues, density_by_shares
from nnzoo.inputs import Inputs
from nnzoo.networks.boltzmann import (
    CHAIN_RANGES,
    generator_of,
)
from nnzoo.networks.boltzmann_learning import BoltzmannTrainer
from nnzoo.networks.boltzmann_units import MAX_EXACT, MEAN_FIELD_ROUNDS, PIECE_ROWS, BoltzmannUnits, mean_field
from nnzoo.networks.levels import Levels, round_levels
from nnzoo.networks.parameters import UnlabelledParameters, with_parameters
from nnzoo.networks.unlabelled import (
    Unlabelled,
    drawn_images,
    read_with_gaps,
    scale_with_gaps,
)
from nnzoo.opsteps import activation, dense
from nnzoo.targets import Target
from nnzoo.trace import Step, cell_name, largest, written
from nnzoo.tracing import Names, array, trace_layers, trace_scaling
from nnzoo.training.gradient import GradientSettings
from nnzoo.training.loop import LoopSettings

METHODS = ("exact", "pcd", "mean_field", "pseudo_likelihood")


class BoltzmannBody(nn.Module):
    """Rows (n, *shape) to means of hidden units (n, n_components), or of visible ones where there are no others."""

    def __init__(self, shape: tuple[int, ...], machine: BoltzmannUnits) -> None:
        super().__init__()
        self.machine = machine
        self.levels = Levels(machine.n_visible)
        self.shape = shape
        self.n_out = machine.n_out

    def units(self, x: Tensor) -> Tensor:
        """Return rows as visible units: 1 above 0, else 0."""
        return (x.flatten(1) > 0).to(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return the means of the hidden units, or of each visible one given all others."""
        v, machine = self.units(x), self.machine
        if not machine.n_hidden:
            return torch.sigmoid(machine.fields(v))
        return torch.cat([machine.hidden(part)[0] for part in v.split(machine.rows_at_once)])

    def decode(self, z: Tensor) -> Tensor:
        """Return standardised rows (n, *shape) from means of hidden units, visible ones by mean field."""
        machine, n = self.machine, self.machine.n_visible
        if machine.n_hidden:
            told = torch.addmm(machine.bias[:n], z, machine.weight[n:, :n])
            z = mean_field(told, machine.weight[:n, :n])
        return self.levels.row_of(z).unflatten(1, self.shape)

    def row_loss(self, x: Tensor) -> Tensor:
        """Return -log p of each row (n,), or a bound above it."""
        machine = self.machine
        parts = self.units(x).split(machine.rows_at_once)
        return machine.log_z - torch.cat([machine.hidden(part)[1] for part in parts])

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield what hidden units become, and how likely the row is."""
        yield from trace_machine(self, x, output, names)


def trace_machine(body: BoltzmannBody, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
    """Yield the units of one row (1, *shape), what hidden ones are told and become, and log p of the row."""
    machine = body.machine
    labels = names.labels if len(names.labels) == machine.n_visible else ()
    v, n = body.units(x), machine.n_visible
    weight, bias = (each.detach().double().cpu().numpy() for each in (machine.weight, machine.bias))
    before, name = names.next("v")
    yield Step(
        "on or off",
        "The row as units",
        f"{name} = 1 where {before} > 0, else 0",
        f"{int(v.sum())} of {n:,} are on",
        name,
        array(v),
        "A unit knows two states only: above its usual value, or not.",
        {before: array(x.flatten(1))},
        labels=labels,
    )
    if not machine.n_hidden:
        told = array(machine.fields(v))
        yield dense(array(v), weight, bias, told, names.next("z", new_layer=True), title="What each unit is told")
        yield activation("sigmoid", told, array(output), names.next("p"))
        return
    told = array(machine.told_to_hidden(v))
    title = "What the row tells each hidden unit"
    yield dense(array(v), weight[:n, n:].T, bias[n:], told, names.next("z", new_layer=True), inputs=labels, title=title)
    among, result = weight[n:, n:], array(output)
    before, name = names.next("h")
    cell = largest(result)
    how = "over all their states together" if machine.is_summed else "by means that tell one another"
    yield Step(
        "means over states" if machine.is_summed else "mean field",
        f"How likely each hidden unit is on, {how}",
        f"{name} = Σ over states h of p(h) h, p(h) ~ exp({before}·h + ½ h·Uh)"
        if machine.is_summed
        else f"{name} ← ½ ({name} + σ({before} + U {name})), {MEAN_FIELD_ROUNDS} times from σ({before})",
        f"{cell_name(name, cell)} = {written(result[cell])}",
        name,
        result,
        "Hidden units are joined among themselves (U), so none can be told apart from the others.",
        {before: told, "U": among},
        cell,
    )


@with_parameters
class BoltzmannMachine(UnlabelledParameters, Unlabelled, Network):
    """Boltzmann machine: learns how likely rows of 0 and 1 are, and fills in what is missing of them.

    p(s) = exp(½ sᵀWs + b·s) / Z over visible and hidden units, any two of which may be joined. A number is taken for 1
    where it lies above the mean of its column, else for 0; what comes out gets the mean of either side again, which of
    columns with two values gives these back.

    Parameters
    ----------
    n_components : int, default 8
        Hidden units; 0 for none.
    visible_links : bool or tuple of int, default True
        Whether visible units are joined; or a group for each column, and those of one group are.
    hidden_links : bool, default True
        Whether hidden units are joined.
    method : "auto", "exact", "pcd", "mean_field" or "pseudo_likelihood", default "auto"
        How it is known what units do while no row is held: all states, which takes up to 20 units; chains that go on
        from step to step; means in place of units. "auto": exact where it can be. The pseudo-likelihood, of machines
        without hidden units, needs none of them.
    n_gibbs_steps : int, default 1
        Turns of all units in each step.
    n_chains : int, default 100
    start_temperature : float, default 1.0
        From which the turns of a step cool down to 1; above 1 chains that stick come free.
    centering : bool, default True
        Whether moments are taken around means, which is the faster way to the same fixed points.
    learning_rate : float, default 0.1
        η.
    schedule : "constant", "cosine" or "one_cycle", default "cosine"
    batch_size : int, default 100
    n_epochs : int, default 50
    weight_decay : float, default 0.0
        L2 penalty of W.
    device : "auto", "cpu", "cuda" or "mps", default "auto"
        Chains run on the processor.
    Others: those of UnlabelledParameters.

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised rows (n, *shape) to means of hidden units (n, n_components).
    coef_ : ndarray of shape (n_units, n_units)
        W, visible units first.
    intercept_ : ndarray of shape (n_units,)
        b.
    log_partition_ : float
        log Z: over all states of up to 20 units, else by annealing.
    log_partition_error_ : float
        Its standard error, 0 where it is exact.
    n_features_in_, n_iter_ : int
    history_ : dict of str to list
        "train_loss" is -log p of a row where the method is exact, else -Σᵢ log p(vᵢ | all others), hidden units at
        their means.

    Notes
    -----
    ``score_samples`` is log p of a row as units. It is exact up to log Z for up to 10 hidden units, or 20 in all; for
    more it is the bound of mean field below it.

    References
    ----------
    Ackley, Hinton & Sejnowski, "A learning algorithm for Boltzmann machines", Cognitive Science 9, 1985. Peterson &
    Anderson, "A mean field theory learning algorithm for neural networks", Complex Systems 1, 1987. Salakhutdinov &
    Hinton, "Deep Boltzmann machines", AISTATS 2009.

    Examples
    --------
    >>> from nnzoo import BoltzmannMachine
    >>> X = [[1, 1, 0, 0], [0, 0, 1, 1]] * 20
    >>> network = BoltzmannMachine(n_components=2, n_epochs=200, random_state=0).fit(X)
    >>> network.predict([[1, float("nan"), float("nan"), 0]]).tolist()
    [[1.0, 1.0, 0.0, 0.0]]
    """

    n_components: int = 8
    visible_links: bool | Sequence[int] = True
    hidden_links: bool = True
    method: str = "auto"
    n_gibbs_steps: int = 1
    n_chains: int = 100
    start_temperature: float = 1.0
    centering: bool = True
    learning_rate: float = 0.1
    schedule: str = "cosine"
    batch_size: int = 100
    n_epochs: int = 50
    weight_decay: float = 0.0

    kinds: ClassVar[tuple[str, ...]] = ("table", "image", "sequence")
    trains_in_bfloat16: ClassVar[bool] = False
    ranges: ClassVar[Mapping[str, Range]] = {
        **UnlabelledParameters.ranges,
        **CHAIN_RANGES,
        "n_components": Whole(0, 10**6),
        "visible_links": either(Truth(), Each(Whole(0), low=1, high=10**6)),
        "hidden_links": Truth(),
        "method": OneOf(("auto", *METHODS)),
        "start_temperature": Real(1.0, 1e6),
        "n_epochs": LOOP_RANGES["n_epochs"],
        **{name: GRADIENT_RANGES[name] for name in ("learning_rate", "schedule", "batch_size", "weight_decay")},
    }

    @property
    def coef_(self) -> np.ndarray:
        """Return W (n_units, n_units), visible units first."""
        return self._machine.weight.cpu().numpy()

    @property
    def intercept_(self) -> np.ndarray:
        """Return b (n_units,)."""
        return self._machine.bias.cpu().numpy()

    @property
    def log_partition_(self) -> float:
        """Return log Z."""
        return float(self._machine.log_z)

    @property
    def log_partition_error_(self) -> float:
        """Return the standard error of log Z."""
        return float(self._machine.log_z_error)

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the untrained machine."""
        n = inputs.n_features
        links = np.ones((n + self.n_components, n + self.n_components))
        links[:n, :n] = self._links_of_visible(n)
        links[n:, n:] = float(self.hidden_links)
        np.fill_diagonal(links, 0)
        machine = BoltzmannUnits(n, self.n_components, links)
        self._check_method(machine)
        return BoltzmannBody(inputs.shape, machine)

    def learn(self, network: nn.Module, n_rows: int, n_steps: int) -> BoltzmannTrainer:
        """Return the learning rule by the method."""
        method = ("exact" if self._machine.is_small else "pcd") if self.method == "auto" else self.method
        settings = GradientSettings(
            n_steps=n_steps,
            learning_rate=self.learning_rate,
            schedule=self.schedule,
            weight_decay=self.weight_decay,
        )
        # The last sweep is at 1.
        temperatures = np.geomspace(self.start_temperature, 1.0, self.n_gibbs_steps + 1)[1:].tolist()
        return BoltzmannTrainer(
            network,
            method=method,
            temperatures=temperatures,
            n_chains=self.n_chains,
            centering=self.centering,
            settings=settings,
        )

    def loop_settings(self, n_rows: int, seed: int, *, with_validation: bool) -> LoopSettings:
        """Return what the parameters say; the last weights are kept."""
        return LoopSettings(self.n_epochs, self.batch_size, seed, keep="last", falls=False)

    def conditional_means(self, X: Any) -> np.ndarray:
        """Return how likely each unit is on given what is known of its row, NaN being unknown: (n, n_features).

        Of known numbers it is 1 or 0. Up to 14 unknown units, the hidden ones counted, are added up over all their
        states; more are read off chains that cool down first, the same for every row and at every call.
        """
        rows = read_with_gaps(self, X)
        x = torch.from_numpy(scale_with_gaps(self, rows)).to(self._weight)
        known = torch.from_numpy(~np.isnan(rows.reshape(len(rows), -1))).to(x)
        with torch.inference_mode():
            return self._machine.fill(self._body.units(x) * known, known).double().cpu().numpy()

    def predict(self, X: Any) -> np.ndarray:
        """Return rows with what is missing (NaN) filled in, the likelier value of each, in their own unit and shape."""
        rows = read_with_gaps(self, X)
        likelier = self._rows_of((self.conditional_means(X) > 0.5).astype(np.float64))
        return np.where(np.isnan(rows), likelier, rows).reshape(np.shape(X))

    def pseudo_likelihood(self, X: Any) -> np.ndarray:
        """Return Σᵢ log p(vᵢ | all others) of each row, which needs no log Z: (n,).

        Raises
        ------
        UsageError
            There are hidden units.
        """
        inputs = self._check_inputs(X)
        if self.n_components:
            raise UsageError(
                f"BoltzmannMachine has a pseudo-likelihood without hidden units; got n_components={self.n_components}.",
                "Take score_samples.",
            )

        def told(x: Tensor) -> Tensor:
            v = self._body.units(self.network_.scaling(x))
            fields = self._machine.fields(v)
            return -functional.binary_cross_entropy_with_logits(fields, v, reduction="none").sum(dim=1)

        return self._pass(told, inputs)

    def sample(self, n_samples: int = 1, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Return new rows in their own unit, drawn over all states or at the end of annealing.

        Parameters
        ----------
        n_samples : int, default 1
        random_state : int, RandomState or None
        """
        check_is_fitted(self)
        with torch.inference_mode():
            v = self._machine.sample(n_samples, generator_of(random_state, self._device))
        return self._rows_of(v.double().cpu().numpy())

    def settle(self, X: Any, sample_weight: Any) -> None:
        """Work out log Z."""
        machine = self._machine
        with torch.inference_mode():
            values = machine.log_partition()
        for value, buffer in zip(values, (machine.log_z, machine.log_z_error), strict=True):
            buffer.fill_(value)

    def measures(self, X: Any, X_train: Any | None) -> RowValues:
        """Return the log-likelihood of each row as units, beside that of independent units."""
        competitors: Sequence[Any] = ()
        if X_train is not None:
            competitors = density_by_shares(self._units(X_train), self._units(X))
        return RowValues(
            "log_likelihood",
            "higher",
            "How likely a row is, its numbers taken as on or off, in nats.",
            self.score_samples(X),
            tuple(competitors),
            {"log_z_error": (self.log_partition_error_, "lower", "Standard error of log Z, which all rows share.")},
            drawn_images(self, "Images from chains that begin without links and know no row of training."),
        )

    def trace(self, X: Any, inputs: Sequence[str] = (), labels: Sequence[str] = ()) -> Iterator[Step]:
        """Yield what one row tells the machine, step by step, from the tensors that are computed."""
        del labels
        rows = self._read(X, reset=False)[1]
        names = Names("x", tuple(inputs))
        tensors = self._to_inputs(rows)
        if not self.inputs_.pixels:
            yield from trace_scaling(
                self.inputs_.standard, np.asarray(rows[0], dtype=np.float64), array(tensors), names
            )
        yield from trace_layers(self.network_, tensors, names)

    @property
    def _body(self) -> BoltzmannBody:
        return self.network_.body  # pyright: ignore[reportReturnType]

    @property
    def _machine(self) -> BoltzmannUnits:
        return self._body.machine

    def _links_of_visible(self, n: int) -> Any:
        """Return which of n visible units are joined, as ``visible_links`` says: (n, n), or one number for all."""
        groups = self.visible_links
        if isinstance(groups, bool | np.bool_):
            return float(groups)
        if len(groups) != n:
            raise DataError(
                f"BoltzmannMachine needs a group for each of {n:,} columns; visible_links has {len(groups):,}.",
                "Pass True, False, or as many groups as columns.",
            )
        return np.equal.outer(np.asarray(groups), np.asarray(groups))

    def _check_method(self, machine: BoltzmannUnits) -> None:
        """Refuse a method that is not for such a machine."""
        if self.method == "exact" and not machine.is_small:
            raise UsageError(
                f"BoltzmannMachine: method='exact' needs at most {MAX_EXACT} units; got {len(machine.bias):,}, "
                f"{machine.n_visible:,} of them visible.",
                "Take fewer columns or components, or method='pcd'.",
            )
        if self.method == "pseudo_likelihood" and machine.n_hidden:
            raise UsageError(
                "BoltzmannMachine: method='pseudo_likelihood' needs a machine without hidden units; got "
                f"n_components={machine.n_hidden}.",
                "Pass n_components=0.",
            )

    def _units(self, X: Any) -> np.ndarray:
        return self._pass(lambda x: self._body.units(self.network_.scaling(x)), self._check_inputs(X))

    def _rows_of(self, units: np.ndarray) -> np.ndarray:
        """Return units (n, n_features), or their probabilities, as rows in their own unit and shape."""
        rows = self._in_units(self._body.levels.row_of(torch.from_numpy(units).to(self._weight)).double().cpu().numpy())
        return rows if self.inputs_.pixels else round_levels(rows, self._weight.dtype)

    def _start(self, train: Rows, target: Target, seed: int) -> None:
        super()._start(train, target, seed)
        body, rows = self._body, self._to_batch(train)
        total = torch.zeros(body.machine.n_visible, dtype=torch.float64, device=self._device)
        n_rows = 0.0
        with torch.no_grad():
            for part in rows.pieces(PIECE_ROWS, PIECE_ROWS):
                x = self.network_.scaling(part.inputs).flatten(1)
                weight = x.new_ones(len(x)) if part.weight is None else part.weight
                body.levels.keep(x, weight)
                total += weight.double() @ body.units(x).double()
                n_rows += float(weight.double().sum())
            body.machine.begin(total / n_rows)
