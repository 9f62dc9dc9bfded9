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
from nnzoo.engine.batches import Batch
from nnzoo.errors import DataError, UsageError
from nnzoo.estimator import GRADIENT_RANGES, LOOP_RANGES, Network, Rows
from nnzoo.evaluation.rowvalues import RowValues, density_by_shares
from nnzoo.inputs import Inputs
from nnzoo.networks.boltzmann import (
    CHAIN_RANGES,
    anneal,
    clamped_moments,
    drawn,
    free_moments,
    generator_of,
    log_mean,
    log_table,
    states_at_once,
)
from nnzoo.networks.levels import Levels, round_levels
from nnzoo.networks.unlabelled import (
    UNLABELLED_RANGES,
    Unlabelled,
    drawn_images,
    read_with_gaps,
    scale_with_gaps,
)
from nnzoo.opsteps import activation, dense
from nnzoo.targets import Target
from nnzoo.trace import Step, cell_name, largest, written
from nnzoo.tracing import Names, array, trace_layers, trace_scaling
from nnzoo.training.gradient import GradientSettings, rate_factor
from nnzoo.training.loop import LoopSettings, NotFinite
from nnzoo.training.state import flatten_state, restore_state

METHODS = ("exact", "pcd", "mean_field", "pseudo_likelihood")
MAX_EXACT, MAX_SUMMED, MAX_FILLED = 20, 10, 14
"""Units of a machine, hidden units of a row, and unknown ones of a row, up to which all their states are added up."""
TABLE_CELLS = 2**22
FIRST_DEVIATION = 0.1
LEAST_SHARE = 0.01
"""A visible unit that is always or never on begins as if it were so in all but this share of the rows."""
MEAN_FIELD_ROUNDS = 30
BLOCK_UNITS = 32
N_ANNEALED, N_TEMPERATURES, N_TURNS = 100, (100, 500), 50_000
"""Chains of annealing, and machines on the way, at least and at most: as many as so many turns of units allow."""
COOLING_SWEEPS, KEPT_SWEEPS, HOT = 100, 400, 4.0
"""Sweeps before what is missing is read off, sweeps over which it is, and the temperature at first."""
PIECE_ROWS = 4096


def mean_field(told: Tensor, among: Tensor) -> Tensor:
    """Return means of units that tell one another ``among`` (n_units, n_units), and are ``told`` more (n, n_units).

    Half a step at a time, which comes to rest where whole steps would go to and fro.
    """
    q = torch.sigmoid(told)
    for _ in range(MEAN_FIELD_ROUNDS):
        q = 0.5 * (q + torch.sigmoid(told + q @ among))
    return q


def sweep(
    s: np.ndarray, weight: np.ndarray, bias: np.ndarray, limits: np.ndarray, free: np.ndarray | None = None
) -> None:
    """Give each unit its turn, in their order, in many chains at once; the states are changed in place.

    What all units tell those of a block is one product; inside the block, what has changed is added on.

    Parameters
    ----------
    s : ndarray of shape (n_units, n_chains)
    weight, bias : ndarray of shape (n_units, n_units) and (n_units,)
    limits : ndarray of shape (n_units, n_chains) or (n_units, 1)
        A unit becomes 1 where what it is told is above.
    free : bool ndarray of shape (n_units, n_chains), optional
        Where units may change.
    """
    for start in range(0, len(s), BLOCK_UNITS):
        block = slice(start, start + BLOCK_UNITS)
        told = weight[block] @ s + bias[block, None]
        within = weight[block, block]
        for i, unit in enumerate(range(start, start + len(told))):
            change = (told[i] > limits[unit]) - s[unit]
            if free is not None:
                change *= free[unit]
            told[i + 1 :] += within[i + 1 :, i, None] * change
            s[unit] += change


class BoltzmannUnits(nn.Module):
    """The machine: visible units first, then hidden ones.

    Parameters
    ----------
    n_visible, n_hidden : int
    links : ndarray of shape (n_units, n_units)
        1 where two units are joined, else 0.

    Attributes
    ----------
    weight, bias : Parameter of shape (n_units, n_units) and (n_units,)
    centre : Tensor of shape (n_units,)
        Around which moments are taken in learning.
    log_z, log_z_error : Tensor of shape ()
        log Z and its standard error, which is 0 where all states were added up.
    """

    links: Tensor
    centre: Tensor
    log_z: Tensor
    log_z_error: Tensor

    def __init__(self, n_visible: int, n_hidden: int, links: np.ndarray) -> None:
        super().__init__()
        n_units = n_visible + n_hidden
        self.n_visible = n_visible
        self.n_hidden = n_hidden
        self.n_out = n_hidden or n_visible
        self.drawn = ("P", "hidden units", "on or off by chance") if n_hidden else ("B", "units", "joined in pairs")
        first = FIRST_DEVIATION * torch.randn(n_units, n_units).triu(1)
        first[:n_visible, :n_visible] = 0
        self.register_buffer("links", torch.as_tensor(links, dtype=first.dtype))
        self.weight = nn.Parameter((first + first.t()) * self.links, requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(n_units), requires_grad=False)
        self.register_buffer("centre", torch.full((n_units,), 0.5))
        for name in ("log_z", "log_z_error"):
            self.register_buffer(name, torch.zeros((), dtype=torch.float64))

    @property
    def is_summed(self) -> bool:
        """Return whether all states of the hidden units are added up for each row."""
        return self.n_hidden <= MAX_SUMMED or self.is_small

    @property
    def is_small(self) -> bool:
        """Return whether all states of the machine can be added up."""
        return len(self.bias) <= MAX_EXACT

    @property
    def rows_at_once(self) -> int:
        """Return of how many rows the states of hidden units are added up together."""
        return max(TABLE_CELLS >> self.n_hidden, 1) if self.is_summed else PIECE_ROWS

    def begin(self, mean: Tensor) -> None:
        """Take over the means of the visible units, and the biases that give them without links."""
        self.centre[: self.n_visible] = mean.to(self.centre)
        self.bias[: self.n_visible] = torch.logit(mean.clamp(LEAST_SHARE, 1 - LEAST_SHARE)).to(self.bias)

    def fields(self, s: Tensor) -> Tensor:
        """Return what each unit is told: b + Ws, (n, n_units)."""
        return torch.addmm(self.bias, s, self.weight)

    def energy(self, s: Tensor) -> Tensor:
        """Return E of states (n,)."""
        return -0.5 * ((s @ self.weight) * s).sum(dim=1) - s @ self.bias

    def hidden(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return the means of the hidden units of visible ones (n, n_visible), and log Σ_h exp(-E(v, h)) or a bound.

        Returns
        -------
        means, log_weight : Tensor of shape (n, n_hidden) and (n,)
        """
        if not self.is_summed:
            return self._mean_field(v)
        states = states_at_once(self.n_hidden, v)
        table = log_table(v, states, self.weight, self.bias)
        log_weight = table.logsumexp(dim=1)
        return (table - log_weight[:, None]).exp() @ states, log_weight

    def told_to_hidden(self, v: Tensor) -> Tensor:
        """Return what visible units tell the hidden ones: (n, n_hidden)."""
        return torch.addmm(self.bias[self.n_visible :], v, self.weight[: self.n_visible, self.n_visible :])

    def _mean_field(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return means q that tell one another, and ⟨-E⟩_q + H(q), which is below log Σ_h exp(-E)."""
        told, among = self.told_to_hidden(v), self.weight[self.n_visible :, self.n_visible :]
        q = mean_field(told, among)
        z = torch.logit(q, eps=torch.finfo(q.dtype).eps)
        entropy = functional.softplus(z) - q * z
        own = log_table(v, v.new_zeros(1, self.n_hidden), self.weight, self.bias)[:, 0]
        return q, own + (q * told + 0.5 * (q @ among) * q + entropy).sum(dim=1)

    def clamped(self, v: Tensor, share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the mean of ⟨s sᵀ⟩ with visible units held at rows, the means of all units, and the rows' log weights.

        Returns
        -------
        moments, means, log_weight : Tensor of shape (n_units, n_units), (n, n_units) and (n,)
        """
        if self.is_summed:
            moments, means, log_weight = clamped_moments(v, share, self.weight, self.bias)
            return moments, torch.cat([v, means], dim=1), log_weight
        means, log_weight = self._mean_field(v)
        s = torch.cat([v, means], dim=1)
        return _moments_of_means(s, share), s, log_weight

    def run(
        self, s: Tensor, temperatures: Sequence[float], generator: torch.Generator, free: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Yield chains (n_chains, n_units) after a sweep at each temperature.

        Parameters
        ----------
        s : Tensor
        temperatures : sequence of float
        generator : torch.Generator
        free : Tensor, optional
            1 where units may change, and then chance is the same for all chains, so that none depends on the others.
        """
        states = np.ascontiguousarray(s.t().cpu().numpy())
        weight, bias = self.weight.cpu().numpy(), self.bias.cpu().numpy()
        where = None if free is None else np.ascontiguousarray(free.t().cpu().numpy())
        size = (len(bias), len(s) if free is None else 1)
        for temperature in temperatures:
            chance = torch.rand(size, dtype=s.dtype, device=s.device, generator=generator)
            sweep(states, weight, bias, temperature * torch.logit(chance).cpu().numpy(), where)
            yield torch.from_numpy(states).to(s.device).t()

    def annealed(self, n_chains: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return states (n_chains, n_units) and the logarithms of their weights, whose mean is Z.

        Chains begin in the machine without links whose visible units have the means of the rows.
        """
        base = torch.logit(self.centre.clamp(LEAST_SHARE, 1 - LEAST_SHARE))
        weight, bias = self.weight.cpu().numpy(), self.bias.cpu().numpy()
        known, shift = base.cpu().numpy(), self.bias - base

        def gain(s: Tensor, before: float, beta: float) -> Tensor:
            return (beta - before) * (0.5 * ((s @ self.weight) * s).sum(dim=1) + s @ shift).double()

        def move(s: Tensor, beta: float) -> Tensor:
            chance = torch.rand(s.t().shape, dtype=s.dtype, device=s.device, generator=generator)
            states = np.ascontiguousarray(s.t().cpu().numpy())
            sweep(states, beta * weight, (1 - beta) * known + beta * bias, torch.logit(chance).cpu().numpy())
            return torch.from_numpy(states).to(s.device).t()

        start = drawn(torch.sigmoid(base).expand(n_chains, -1), generator)
        n_temperatures = int(np.clip(N_TURNS // len(self.bias), *N_TEMPERATURES))
        s, log_weight = anneal(start, gain, move, n_temperatures)
        return s, log_weight + functional.softplus(base.double()).sum()

    def log_partition(self) -> tuple[float, float]:
        """Return log Z and its standard error: over all states of few units, else by annealing."""
        if self.is_small:
            return float(free_moments(self.weight.double(), self.bias.double())[1]), 0.0
        return log_mean(self.annealed(N_ANNEALED, generator_of(0, self.weight.device))[1])

    def sample(self, n_samples: int, generator: torch.Generator) -> Tensor:
        """Return visible units (n_samples, n_visible): drawn from all states, or at the end of annealing."""
        if not self.is_small:
            return self.annealed(n_samples, generator)[0][:, : self.n_visible]
        n = len(self.bias) // 2
        left, right = (states_at_once(each, self.weight) for each in (n, len(self.bias) - n))
        table = log_table(left, right, self.weight, self.bias).double()
        place = torch.multinomial(table.flatten().softmax(dim=0), n_samples, replacement=True, generator=generator)
        s = torch.cat([left[place // len(right)], right[place % len(right)]], dim=1)
        return s[:, : self.n_visible]

    def fill(self, v: Tensor, known: Tensor) -> Tensor:
        """Return the means of visible units given those that are known (n, n_visible): of these, the values themselves.

        Up to 14 unknown units are added up over all their states, hidden ones included; more are read off chains.
        """
        filled = v.clone()
        patterns, place = torch.unique(known, dim=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            rows = (place == number).nonzero()[:, 0]
            held = torch.cat([pattern, pattern.new_zeros(self.n_hidden)]).bool()
            if bool(pattern.all()):
                continue
            few = int((~held).sum()) <= MAX_FILLED
            means = torch.cat([self._fill(part, held, few=few) for part in v[rows].split(TABLE_CELLS >> MAX_FILLED)])
            filled[rows[:, None], (~pattern.bool()).nonzero()[:, 0]] = means[:, : int((~pattern.bool()).sum())]
        return filled

    def _fill(self, v: Tensor, held: Tensor, *, few: bool) -> Tensor:
        """Return the means of the units that are not held, hidden ones last: (n, n_free)."""
        s = torch.cat([v, v.new_zeros(len(v), self.n_hidden)], dim=1)
        if few:
            order = torch.cat([held.nonzero()[:, 0], (~held).nonzero()[:, 0]])
            states = states_at_once(int((~held).sum()), v)
            weight, bias = self.weight[order][:, order], self.bias[order]
            return log_table(s[:, held], states, weight, bias).softmax(dim=1) @ states
        s[:, ~held] = 0.0
        cooling = np.geomspace(HOT, 1.0, COOLING_SWEEPS).tolist() + [1.0] * KEPT_SWEEPS
        total = torch.zeros_like(s)
        chains = self.run(s, cooling, generator_of(0, v.device), (~held).expand_as(s).to(s))
        for number, states in enumerate(chains):
            total += states if number >= COOLING_SWEEPS else 0.0
        return total[:, ~held] / KEPT_SWEEPS


def _moments_of_means(s: Tensor, share: Tensor) -> Tensor:
    """Return Σ share ⟨s⟩⟨s⟩ᵀ with the means in its diagonal."""
    moments = s.t() @ (s * share[:, None])
    return moments.diagonal_scatter(share @ s)


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


class BoltzmannTrainer:
    """Move weights along what units do together while rows are held less what they do while none is.

    Parameters
    ----------
    network : CodeNetwork
    method : "exact", "pcd", "mean_field" or "pseudo_likelihood"
    temperatures : sequence of float
        Of the sweeps of a step.
    n_chains : int
    centering : bool
    weight_decay : float
    settings : GradientSettings
        Whose rate and schedule count.
    """

    finished = False

    def __init__(
        self,
        network: Any,
        *,
        method: str,
        temperatures: Sequence[float],
        n_chains: int,
        centering: bool,
        settings: GradientSettings,
    ) -> None:
        self.network = network
        self.machine: BoltzmannUnits = network.body.machine
        self.method = method
        self.temperatures = temperatures
        self.n_chains = n_chains
        self.centering = centering
        self.settings = settings
        self.chains: Tensor | None = None
        self.n_steps = 0
        self.rate_factor = 1.0

    @torch.no_grad()
    def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Move the weights once; returns the mean loss of the rows before."""
        machine = self.machine
        v = self._units(batch)
        weight = v.new_ones(len(v)) if batch.weight is None else batch.weight.to(v)
        slope, loss = self.slope(v, weight / weight.sum(), generator)
        rate = self.settings.learning_rate * self.rate_factor * rate_factor(self.settings, self.n_steps)
        means, slope = slope.diagonal().clone(), slope * machine.links
        if self.centering:
            away = torch.outer(means, machine.centre)
            slope = slope - (away + away.t()) * machine.links
        move = rate * (slope - self.settings.weight_decay * machine.weight)
        new_weight, new_bias = machine.weight + move, machine.bias + rate * means
        if self.centering:
            new_bias -= move @ machine.centre
        if not bool(new_weight.isfinite().all() and new_bias.isfinite().all()):
            raise NotFinite(loss=loss, gradient_norm=float(slope.norm()))
        machine.weight.copy_(new_weight)
        machine.bias.copy_(new_bias)
        self.n_steps += 1
        return {"loss": loss}

    def slope(self, v: Tensor, share: Tensor, generator: torch.Generator) -> tuple[Tensor, float]:
        """Return ⟨s sᵀ⟩_clamped - ⟨s sᵀ⟩_free, the means in its diagonal, and the mean loss of the rows.

        Parameters
        ----------
        v, share : Tensor of shape (n, n_visible) and (n,)
        generator : torch.Generator
        """
        machine = self.machine
        if self.method == "pseudo_likelihood":
            left_over = v - torch.sigmoid(machine.fields(v))
            half = (left_over * share[:, None]).t() @ v
            return (half + half.t()).diagonal_scatter(share @ left_over), float(share @ self._losses(v))
        if self.method == "mean_field":
            means = machine._mean_field(v)[0] if machine.n_hidden else v[:, :0]
            s = torch.cat([v, means], dim=1)
            return _moments_of_means(s, share) - self._free_means(generator), float(share @ self._losses(v))
        parts = zip(v.split(machine.rows_at_once), share.split(machine.rows_at_once), strict=True)
        held = [(machine.clamped(rows, part), part) for rows, part in parts]
        clamped = torch.stack([moments for (moments, _, _), _ in held]).sum(dim=0)
        if self.method == "exact":
            free, log_z = free_moments(machine.weight, machine.bias)
            loss = log_z - sum(part @ log_weight for (_, _, log_weight), part in held)
            return clamped - free, float(loss)
        loss = float(share @ self._losses(v, torch.cat([s for (_, s, _), _ in held])))
        return clamped - self._free_chains(generator), loss

    def _free_chains(self, generator: torch.Generator) -> Tensor:
        """Return ⟨s sᵀ⟩ over the chains after their sweeps."""
        chains = self.chains
        if chains is None:
            chains = drawn(torch.sigmoid(self.machine.bias).expand(self.n_chains, -1), generator)
        for states in self.machine.run(chains, self.temperatures, generator):
            chains = states.contiguous()
        self.chains = chains
        return chains.t() @ chains / self.n_chains

    def _free_means(self, generator: torch.Generator) -> Tensor:
        """Return ⟨s sᵀ⟩ over many solutions of mean field, which begin by chance and go on from step to step."""
        chains, bias = self.chains, self.machine.bias
        if chains is None:
            size = (self.n_chains, len(bias))
            chains = torch.rand(size, dtype=bias.dtype, device=bias.device, generator=generator)
        for temperature in self.temperatures:
            chains = 0.5 * (chains + torch.sigmoid(self.machine.fields(chains) / temperature))
        self.chains = chains
        return _moments_of_means(chains, chains.new_full((self.n_chains,), 1 / self.n_chains))

    def _units(self, batch: Batch) -> Tensor:
        return self.network.body.units(self.network.scaling(batch.inputs))

    def _losses(self, v: Tensor, s: Tensor | None = None) -> Tensor:
        """Return -Σᵢ log p(vᵢ | all others) of each row, the hidden units at their means."""
        machine = self.machine
        s = torch.cat([v, machine.hidden(v)[0]], dim=1) if s is None else s
        told = machine.fields(s)[:, : machine.n_visible]
        return functional.binary_cross_entropy_with_logits(told, v, reduction="none").sum(dim=1)

    @torch.no_grad()
    def measure(self, batch: Batch) -> float:
        """Return the mean loss of the rows: -log p of "exact", else what is lost unit by unit."""
        total, machine = 0.0, self.machine
        log_z = free_moments(machine.weight, machine.bias)[1] if self.method == "exact" else None
        for part in batch.pieces(machine.rows_at_once, machine.rows_at_once):
            v = self._units(part)
            losses = self._losses(v) if log_z is None else log_z - machine.hidden(v)[1]
            total += float(losses.sum() if part.weight is None else losses @ part.weight.to(losses))
        return total / len(batch)

    def weights(self) -> dict[str, Tensor]:
        """Return the machine and the levels."""
        return self.network.state_dict()

    def state(self) -> tuple[Any, dict[str, Tensor]]:
        """Return machine, chains and place."""
        return flatten_state(
            {
                "network": dict(self.network.state_dict()),
                "chains": self.chains,
                "n_steps": self.n_steps,
                "rate_factor": self.rate_factor,
            }
        )

    def load_state(self, values: Any, tensors: dict[str, Tensor]) -> None:
        """Take over what :meth:`state` gave."""
        state = restore_state(values, tensors)
        self.network.load_state_dict(state["network"])
        self.chains, self.n_steps, self.rate_factor = state["chains"], state["n_steps"], state["rate_factor"]

    def restart(self, weights: dict[str, Tensor]) -> None:
        """Go back to these weights with a tenth of the rate and new chains."""
        self.network.load_state_dict(weights)
        self.chains = None
        self.rate_factor /= 10


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


class BoltzmannMachine(Unlabelled, Network):
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
    kind : None, "table", "image" or "sequence", default None
    input_shape : tuple of int or None
    device : "auto", "cpu", "cuda" or "mps", default "auto"
        Chains run on the processor.
    precision : "auto", "float64", "float32" or "bfloat16", default "auto"
    random_state : int, RandomState or None
    verbose : int, default 0

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

    kinds = ("table", "image", "sequence")
    trains_in_bfloat16 = False
    ranges: ClassVar[Mapping[str, Range]] = {
        **UNLABELLED_RANGES,
        **CHAIN_RANGES,
        "n_components": Whole(0, 10**6),
        "visible_links": either(Truth(), Each(Whole(0), low=1, high=10**6)),
        "hidden_links": Truth(),
        "method": OneOf(("auto", *METHODS)),
        "start_temperature": Real(1.0, 1e6),
        "n_epochs": LOOP_RANGES["n_epochs"],
        **{name: GRADIENT_RANGES[name] for name in ("learning_rate", "schedule", "batch_size", "weight_decay")},
    }

    def __init__(
        self,
        *,
        n_components: int = 8,
        visible_links: bool | Sequence[int] = True,
        hidden_links: bool = True,
        method: str = "auto",
        n_gibbs_steps: int = 1,
        n_chains: int = 100,
        start_temperature: float = 1.0,
        centering: bool = True,
        learning_rate: float = 0.1,
        schedule: str = "cosine",
        batch_size: int = 100,
        n_epochs: int = 50,
        weight_decay: float = 0.0,
        kind: str | None = None,
        input_shape: Sequence[int] | None = None,
        device: str = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.visible_links = visible_links
        self.hidden_links = hidden_links
        self.method = method
        self.n_gibbs_steps = n_gibbs_steps
        self.n_chains = n_chains
        self.start_temperature = start_temperature
        self.centering = centering
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.batch_size = batch_size
        self.n_epochs = n_epochs
        self.weight_decay = weight_decay
        self.kind = kind
        self.input_shape = input_shape
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

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
