"""The units of a Boltzmann machine: their links, turns and means; the equations stand in boltzmann_machine.py."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nnzoo.networks.boltzmann import (
    anneal,
    clamped_moments,
    drawn,
    free_moments,
    generator_of,
    log_mean,
    log_table,
    states_at_once,
)

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
            return self.mean_field_of(v)
        states = states_at_once(self.n_hidden, v)
        table = log_table(v, states, self.weight, self.bias)
        log_weight = table.logsumexp(dim=1)
        return (table - log_weight[:, None]).exp() @ states, log_weight

    def told_to_hidden(self, v: Tensor) -> Tensor:
        """Return what visible units tell the hidden ones: (n, n_hidden)."""
        return torch.addmm(self.bias[self.n_visible :], v, self.weight[: self.n_visible, self.n_visible :])

    def mean_field_of(self, v: Tensor) -> tuple[Tensor, Tensor]:
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
        means, log_weight = self.mean_field_of(v)
        s = torch.cat([v, means], dim=1)
        return moments_of_means(s, share), s, log_weight

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


def moments_of_means(s: Tensor, share: Tensor) -> Tensor:
    """Return Σ share ⟨s⟩⟨s⟩ᵀ with the means in its diagonal."""
    moments = s.t() @ (s * share[:, None])
    return moments.diagonal_scatter(share @ s)
