"""Associative memory: what is stored, the energy of a state, and how states run down to what is stored.

States of "classic" and "dense" memories are -1 and 1, those of "modern" ones any numbers; their equations stand in
hopfield.py.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor, nn

from nnzoo.networks.levels import Levels

SETTLED = 1e-6
"""A recall has ended when no number moves by more, or all are back where they were two sweeps before."""


class AssociativeMemory(nn.Module):
    """What is stored: patterns (n_patterns, n_in), their weights, and of a classic memory W (n_in, n_in).

    States of "classic" and "dense" are -1 and 1, those of "modern" any numbers.
    """

    patterns: Tensor
    mass: Tensor
    n_stored: Tensor

    def __init__(self, n_in: int, n_patterns: int, *, memory: str, degree: int, beta: float, threshold: float) -> None:
        super().__init__()
        self.n_out = n_in
        self.memory = memory
        self.degree = degree
        self.beta = beta
        self.threshold = threshold
        self.drawn = ("B", f"{memory} memory", f"{n_patterns:,} patterns")
        if memory == "classic":
            self.weight = nn.Parameter(torch.zeros(n_in, n_in), requires_grad=False)
            self.register_buffer("patterns", torch.zeros(n_patterns, n_in))
        else:
            self.patterns = nn.Parameter(torch.zeros(n_patterns, n_in), requires_grad=False)
        self.register_buffer("mass", torch.zeros(n_patterns))
        self.levels = Levels(n_in)
        self.register_buffer("n_stored", torch.zeros((), dtype=torch.int64))

    @property
    def is_modern(self) -> bool:
        """Return whether states are any numbers."""
        return self.memory == "modern"

    def state_of(self, x: Tensor) -> Tensor:
        """Return standardised rows as states: 1 above 0, else -1; of a modern memory as they are."""
        return x if self.is_modern else torch.where(x > 0, 1.0, -1.0).to(x)

    def row_of(self, s: Tensor) -> Tensor:
        """Return states as standardised rows: the mean of what was taken for 1, or for -1, column by column."""
        return s if self.is_modern else self.levels.row_of((s > 0).to(s))

    def keep(self, x: Tensor, weight: Tensor) -> Tensor:
        """Store standardised rows (n, n_in) with their weights; returns their states."""
        s = self.state_of(x)
        first = int(self.n_stored) == 0
        patterns = s if first else torch.cat([self.patterns, s])
        self.mass = weight.to(s) if first else torch.cat([self.mass, weight.to(s)])
        if isinstance(self.patterns, nn.Parameter):
            self.patterns = nn.Parameter(patterns, requires_grad=False)
        else:
            self.patterns = patterns
        self.levels.keep(x, weight)
        self.n_stored += len(x)
        return s

    def overlaps(self, s: Tensor) -> Tensor:
        """Return ξ^μ·s/N with every pattern: (n, n_patterns)."""
        return s @ self.patterns.t() / self.n_out

    def energy(self, s: Tensor) -> Tensor:
        """Return E of states (n,)."""
        if self.is_modern:
            return 0.5 * s.square().sum(dim=1) - torch.logsumexp(self.agreement(s), dim=1) / self.beta
        field = self.threshold * s.sum(dim=1)
        if self.memory == "dense":
            return field - self.overlaps(s).pow(self.degree) @ self.mass
        return field - 0.5 * ((s @ self.weight) * s).sum(dim=1)

    def attended(self, q: Tensor) -> Tensor:
        """Return one modern step, the mean of the patterns by their shares."""
        return torch.softmax(self.agreement(q), dim=1) @ self.patterns

    def agreement(self, q: Tensor) -> Tensor:
        """Return β ξ^μ·q + log w_μ with every pattern, w its weight: (n, n_patterns)."""
        return self.beta * (q @ self.patterns.t()) + self.mass.log()

    def fields(self, s: Tensor) -> Tensor:
        """Return what each unit is told by the others: (n, n_in), for all units at once."""
        if self.memory == "classic":
            return s @ self.weight - self.threshold
        told = [self._dense_field(self.overlaps(s), s[:, i], i) for i in range(self.n_out)]
        return torch.stack(told, dim=1) - self.threshold

    def _dense_field(self, overlap: Tensor, s_i: Tensor, i: int) -> Tensor:
        """Return half of how much E is lower with sᵢ = 1 than with -1, θ apart: (n,)."""
        column = self.patterns[:, i] / self.n_out
        others = overlap - s_i[:, None] * column
        return 0.5 * ((others + column).pow(self.degree) - (others - column).pow(self.degree)) @ self.mass

    @property
    def rounding(self) -> float:
        """Return how far from 0 a field may be and still be 0."""
        largest = self.weight.abs().max() if self.memory == "classic" else self.mass.sum() / self.n_out
        return torch.finfo(self.mass.dtype).eps * self.n_out * float(largest)


class Recall:
    """How states go on: unit after unit, all at once, or with chance.

    Parameters
    ----------
    memory : AssociativeMemory
    update : "asynchronous" or "synchronous"
        Of binary states.
    temperature : float
        T: sᵢ becomes 1 with probability 1 / (1 + exp(-2 hᵢ / T)); at 0 it takes the sign.
    max_sweeps : int
    """

    def __init__(self, memory: AssociativeMemory, *, update: str, temperature: float, max_sweeps: int) -> None:
        self.memory = memory
        self.update = update
        self.temperature = temperature
        self.max_sweeps = max_sweeps

    def sweeps(self, s: Tensor, draw: Callable[[int], np.ndarray] | None = None) -> Iterator[Tensor]:
        """Yield the states after each sweep, until none changes, or two come again and again.

        Parameters
        ----------
        s : Tensor of shape (n, n_in)
        draw : callable, optional
            Number of the sweep to numbers from 0 to 1, (n_in, n) or (n_in, 1), that chance goes by; without it all
            states share the same ones, so that a row is recalled in the same way beside any other.
        """
        draw = draw or (lambda sweep: np.random.default_rng(sweep).random((self.memory.n_out, 1)))
        ended = torch.zeros(len(s), 1, dtype=torch.bool, device=s.device)
        before = last = s
        for sweep in range(self.max_sweeps):
            after, going = last.clone(), ~ended[:, 0]
            after[going] = self._sweep(last[going], draw(sweep) if self.temperature else None)
            yield after
            if not self.temperature or self.memory.is_modern:
                # A row that has ended stays, so that it does not matter how long others go on.
                moved = (after - last).abs().amax(dim=1, keepdim=True) > SETTLED
                again = (after - before).abs().amax(dim=1, keepdim=True) <= SETTLED
                ended |= ~moved | (again & (sweep > 0))
                if bool(ended.all()):
                    return
            before, last = last, after

    def __call__(self, s: Tensor, draw: Callable[[int], np.ndarray] | None = None) -> Tensor:
        """Return the states at the end."""
        for state in self.sweeps(s, draw):
            s = state
        return s

    def _sweep(self, s: Tensor, chance: np.ndarray | None) -> Tensor:
        if self.memory.is_modern:
            return self.memory.attended(s)
        if self.update == "asynchronous":
            return self._one_by_one(s, chance)
        states, told = (each.double().cpu().numpy() for each in (s, self.memory.fields(s)))
        new = self._next(states, told, None if chance is None else chance.T, self.memory.rounding)
        return torch.from_numpy(new).to(s)

    def _next(self, s: np.ndarray, told: np.ndarray, chance: np.ndarray | None, rounding: float) -> np.ndarray:
        """Return new states from fields: by sign, where a field of 0 leaves all as it is, or by chance."""
        if chance is None:
            return np.where(np.abs(told) <= rounding, s, np.sign(told))
        return np.where(chance < expit(2 * told / self.temperature), 1.0, -1.0)

    def _one_by_one(self, s: Tensor, chance: np.ndarray | None) -> Tensor:
        """Return the states after every unit has had its turn once; what the others are told follows each change."""
        memory, states = self.memory, s.double().cpu().numpy().copy()
        rounding = memory.rounding
        carried, shares, told_to = self._carried(states)
        settled = chance is None and memory.memory == "classic"
        # At the end of a recall nothing turns: seen at once, in place of unit after unit.
        if settled and not ((carried - memory.threshold) * states < -rounding).any():
            return s
        for i in range(memory.n_out):
            told, before = told_to(carried, states, i) - memory.threshold, states[:, i]
            if chance is None:
                changed = np.flatnonzero(told * before < -rounding)
            else:
                changed = np.flatnonzero(self._next(before, told, chance[i], rounding) != before)
            if len(changed):
                carried[changed] -= 2 * before[changed, None] * shares[i]
                states[changed, i] *= -1
        return torch.from_numpy(states).to(s)

    def _carried(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray, Callable[..., np.ndarray]]:
        """Return what is kept up to date: fields or overlaps, a unit's share in them, and the field of a unit."""
        memory = self.memory
        if memory.memory == "classic":
            weight = memory.weight.double().cpu().numpy()
            return states @ weight, weight, lambda fields, _, i: fields[:, i]
        patterns, mass = (each.double().cpu().numpy() for each in (memory.patterns, memory.mass))
        shares = np.ascontiguousarray(patterns.T) / memory.n_out

        def told(overlap: np.ndarray, states: np.ndarray, i: int) -> np.ndarray:
            others = overlap - states[:, i, None] * shares[i]
            return 0.5 * ((others + shares[i]) ** memory.degree - (others - shares[i]) ** memory.degree) @ mass

        return states @ shares, shares, told
