"""Hopfield Network (HN): a memory of patterns that completes what is broken.

    W = (1/N) Σ_μ ξ^μ ξ^μᵀ,  w_ii = 0                  what is stored, states are -1 and 1 (Hebb's rule)
    sᵢ ← sign(Σⱼ wᵢⱼ sⱼ - θ)                           recall, unit after unit; where the sum is 0 sᵢ stays
    E = -½ sᵀWs + θ Σᵢ sᵢ                              never rises

Storkey's rule takes pattern after pattern: wᵢⱼ ← wᵢⱼ + (ξᵢξⱼ - ξᵢhⱼᵢ - hᵢⱼξⱼ)/N with hᵢⱼ = Σ_{k≠i,j} wᵢₖξₖ. The
pseudo-inverse makes W the projection on the patterns, so that independent ones all stay. A dense memory has
E = -Σ_μ (ξ^μ·s/N)ⁿ + θ Σᵢ sᵢ; for n = 2 it recalls as Hebb's rule does. The modern one takes any numbers:

    q ← Ξᵀ softmax(β Ξ q),  E = -β⁻¹ log Σ_μ exp(β ξ^μ·q) + ½ q·q

Sources: Hopfield 1982; Storkey 1997; Personnaz, Guyon & Dreyfus 1985 (pseudo-inverse); Amit, Gutfreund & Sompolinsky
1985 (capacity); Krotov & Hopfield 2016 (dense); Ramsauer et al. 2020 (modern, which is attention).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor, nn

from nnzoo.checks import OneOf, Range, Real, Whole
from nnzoo.engine.batches import Batch
from nnzoo.errors import DataError, UsageError
from nnzoo.estimator import Network, Rows
from nnzoo.evaluation.rowvalues import Competitor, RowValues, Shown, as_bytes, timed_competitor
from nnzoo.inputs import Inputs
from nnzoo.networks.levels import Levels, round_levels
from nnzoo.networks.unlabelled import MAX_BESIDE, UNLABELLED_RANGES, Unlabelled
from nnzoo.opsteps import dense
from nnzoo.pictures.curves import energy_curves
from nnzoo.targets import Target
from nnzoo.trace import Step, Working, cell_name, shown_rows, written
from nnzoo.tracing import Names, array, trace_layers, trace_scaling
from nnzoo.training.loop import LoopSettings

PIECE_ROWS = 1024
DAMAGED = 0.1
"""Share of the entries of a row that are turned round before the network is asked to recall it."""
MAX_WORKED = 64
SETTLED = 1e-6
"""A recall has ended when no number moves by more, or all are back where they were two sweeps before."""


class HopfieldMemory(nn.Module):
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
            return 0.5 * s.square().sum(dim=1) - torch.logsumexp(self._agreement(s), dim=1) / self.beta
        field = self.threshold * s.sum(dim=1)
        if self.memory == "dense":
            return field - self.overlaps(s).pow(self.degree) @ self.mass
        return field - 0.5 * ((s @ self.weight) * s).sum(dim=1)

    def attended(self, q: Tensor) -> Tensor:
        """Return one modern step, the mean of the patterns by their shares."""
        return torch.softmax(self._agreement(q), dim=1) @ self.patterns

    def _agreement(self, q: Tensor) -> Tensor:
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
    memory : HopfieldMemory
    update : "asynchronous" or "synchronous"
        Of binary states.
    temperature : float
        T: sᵢ becomes 1 with probability 1 / (1 + exp(-2 hᵢ / T)); at 0 it takes the sign.
    max_sweeps : int
    """

    def __init__(self, memory: HopfieldMemory, *, update: str, temperature: float, max_sweeps: int) -> None:
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


class HopfieldBody(nn.Module):
    """Overlaps with the stored patterns: rows (n, *shape) to (n, n_patterns), and recall of rows."""

    def __init__(self, shape: tuple[int, ...], memory: HopfieldMemory, recall: Recall) -> None:
        super().__init__()
        self.shape = shape
        self.memory = memory
        self.recall = recall

    @property
    def n_out(self) -> int:
        """Return the number of stored patterns."""
        return len(self.memory.patterns)

    def forward(self, x: Tensor) -> Tensor:
        """Return the overlaps of the states of rows with the stored patterns."""
        return self.memory.overlaps(self.memory.state_of(x.flatten(1)))

    def decode(self, z: Tensor) -> Tensor:
        """Return the stored pattern with the largest overlap, as rows (n, *shape)."""
        return self.memory.row_of(self.memory.patterns[z.argmax(dim=1)]).unflatten(1, self.shape)

    def recalled(self, x: Tensor) -> Tensor:
        """Return the states (n, n_in) that rows end in."""
        return self.recall(self.memory.state_of(x.flatten(1)))

    def row_loss(self, x: Tensor) -> Tensor:
        """Return the energy of each row (n,)."""
        return self.memory.energy(self.memory.state_of(x.flatten(1)))

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield how one row is recalled."""
        yield from trace_recall(self.memory, self.recall, x.flatten(1), names)


class MemoryTrainer:
    """Store rows by a rule, in one step.

    Parameters
    ----------
    network : CodeNetwork
    rule : "hebb", "storkey" or "pseudo_inverse"
        Of a classic memory; the others keep the patterns alone.
    """

    finished = False

    def __init__(self, network: Any, rule: str) -> None:
        self.network = network
        self.memory: HopfieldMemory = network.body.memory
        self.rule = rule

    @torch.no_grad()
    def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Store the rows; returns the share of their entries that the memory would change at once."""
        x = torch.cat([self._rows(part) for part in batch.pieces(PIECE_ROWS, PIECE_ROWS)])
        weight = x.new_ones(len(x)) if batch.weight is None else batch.weight
        s = self.memory.keep(x, weight)
        if self.memory.memory == "classic":
            {"hebb": self._hebb, "storkey": self._storkey, "pseudo_inverse": self._project}[self.rule](s, weight.to(s))
        return {"loss": self.measure(batch)}

    def _rows(self, part: Batch) -> Tensor:
        return self.network.scaling(part.inputs).flatten(1)

    def _hebb(self, s: Tensor, weight: Tensor) -> None:
        self.memory.weight.add_((s * weight[:, None]).t() @ s / s.shape[1]).fill_diagonal_(0)

    def _storkey(self, s: Tensor, weight: Tensor) -> None:
        w, n = self.memory.weight, s.shape[1]
        for pattern, share in zip(s, weight.tolist(), strict=True):
            h = (w @ pattern)[:, None] - w * pattern  # h[i, j], as w_ii = 0
            away = pattern[:, None] * h.t()
            w.add_((torch.outer(pattern, pattern) - away - away.t()) * (share / n)).fill_diagonal_(0)

    def _project(self, s: Tensor, weight: Tensor) -> None:
        _, values, right = torch.linalg.svd(self.memory.patterns.double(), full_matrices=False)
        right = right[values > values[:1] * max(self.memory.patterns.shape) * torch.finfo(values.dtype).eps]
        self.memory.weight.copy_(right.t() @ right).fill_diagonal_(0)

    @torch.no_grad()
    def measure(self, batch: Batch) -> float:
        """Return the share of entries that the memory would change at once."""
        changed = 0.0
        for part in batch.pieces(PIECE_ROWS, PIECE_ROWS):
            s = self.memory.state_of(self._rows(part))
            after = self.memory.attended(s) if self.memory.is_modern else self.memory.fields(s)
            away = ((after * s < 0) & (after.abs() > self.memory.rounding)).double().mean(dim=1)
            changed += float(away.sum() if part.weight is None else away @ part.weight.double())
        return changed / len(batch)

    def weights(self) -> dict[str, Tensor]:
        """Return what is stored."""
        return self.network.state_dict()

    def state(self) -> tuple[Any, dict[str, Tensor]]:
        """Return what is stored."""
        return None, {f".{name}": tensor for name, tensor in self.network.state_dict().items()}

    def load_state(self, values: Any, tensors: dict[str, Tensor]) -> None:
        """Take over what :meth:`state` gave."""
        self.network.load_state_dict({name[1:]: tensor for name, tensor in tensors.items()}, assign=True)

    def restart(self, weights: dict[str, Tensor]) -> None:
        """Go back to what was stored."""
        self.network.load_state_dict(weights, assign=True)


def trace_recall(memory: HopfieldMemory, recall: Recall, x: Tensor, names: Names) -> Iterator[Step]:
    """Yield how one row (1, n_in) is recalled, and which stored pattern it has become."""
    s = memory.state_of(x)
    patterns = memory.patterns.double().cpu().numpy()
    if memory.is_modern:
        yield from _trace_attention(memory, array(s), patterns, names)
        names.next("r")  # what it is when nothing moves any more
    else:
        before, name = names.next("s", new_layer=True)
        yield Step(
            "signs",
            "The row as a state",
            f"{name} = 1 where {before} > 0, else -1",
            f"{int((s > 0).sum())} of {s.shape[1]:,} are 1",
            name,
            array(s),
            "A unit knows two states only: above its usual value, or not.",
            {before: array(x)},
        )
        if memory.memory == "classic":
            told, W = array(memory.fields(s)), memory.weight.double().cpu().numpy()
            bias = np.full(len(W), -memory.threshold) if memory.threshold else None
            title = "What the others tell each unit at first"
            yield dense(array(s), W, bias, told, names.next("h"), title=title)
        yield _trace_sweeps(memory, recall, s, names)
    end = recall(s)
    overlap = array(memory.overlaps(end))
    before, name = names.next("m")
    best = int(overlap.argmax())
    yield Step(
        "overlaps",
        "Overlaps with what is stored",
        f"{name}[μ] = ξ[μ]·{before} / {memory.n_out}",
        f"{cell_name(name, (best,))} = {written(overlap[best])}",
        name,
        overlap,
        "1 is the stored pattern itself, -1 all of it turned round.",
        {before: array(end)} | shown_rows("ξ", patterns, best),
        (best,),
    )
    before, name = names.next("c")
    yield Step(
        "best pattern",
        "The nearest stored pattern",
        f"{name} = argmax over μ of {before}[μ], counted from 0",
        f"{name} = {best}: {cell_name(before, (best,))} = {written(overlap[best])} is the largest",
        name,
        np.array([best]),
        "What comes out is a pattern again only where this overlap is 1; all else is a spurious state.",
        {before: overlap},
    )


def _trace_sweeps(memory: HopfieldMemory, recall: Recall, s: Tensor, names: Names) -> Step:
    """Return the step of all sweeps, the energies after each, and the first turns one by one."""
    states = [s, *recall.sweeps(s)]
    energies = [float(memory.energy(state)) for state in states]
    before, name = names.next("r")
    first, after = array(s), array(states[1])
    rows = tuple((f"unit {i + 1}", float(first[i]), float(after[i])) for i in range(min(len(first), MAX_WORKED)))
    changed = int((array(states[-1]) != first).sum())
    operands = {before if before.startswith("s") else f"s{names.number}": first}
    if memory.memory == "classic" and memory.weight.numel() <= MAX_WORKED**2:
        operands["W"] = memory.weight.double().cpu().numpy()
    return Step(
        "recall",
        f"Recall, {recall.update if not recall.temperature else 'by chance'}",
        f"{name}[i] ← sign(Σ over j of W[i, j] {name}[j] - θ), where it is 0 as it was, again and again",
        f"E from {written(energies[0])} to {written(energies[-1])} in {len(states) - 1} sweeps; {changed} changed",
        name,
        array(states[-1]),
        "Each turn of a unit lowers the energy or leaves it, so the state runs down to a valley and stays.",
        operands,
        working=Working(("unit", "at first", "after one sweep"), rows),
    )


def _trace_attention(memory: HopfieldMemory, q: np.ndarray, patterns: np.ndarray, names: Names) -> Iterator[Step]:
    """Yield the first modern step as attention."""
    agreement = memory._agreement(torch.from_numpy(q[None]).to(memory.patterns))
    values, shares = array(agreement), array(torch.softmax(agreement, dim=1))
    best, prior = int(values.argmax()), memory.mass.log().double().cpu().numpy()
    before, name = names.next("a", new_layer=True)
    yield Step(
        "agreement",
        "Agreement with each pattern",
        f"{name}[μ] = β ξ[μ]·{before} + log w[μ]",
        f"{cell_name(name, (best,))} = {written(values[best])}",
        name,
        values,
        "The larger it is, the more of the pattern comes back; w are the weights of the rows, 1 without.",
        {before: q, "log w": prior, "β": np.array(memory.beta)} | shown_rows("ξ", patterns, best),
        (best,),
    )
    before, name = names.next("p")
    yield Step(
        "attention shares",
        "Shares of the patterns",
        f"{name} = softmax({before})",
        f"{cell_name(name, (best,))} = {written(shares[best])}",
        name,
        shares,
        "They are above 0 and add up to 1.",
        {before: values},
        (best,),
    )
    after = shares @ patterns
    cell = int(np.abs(after).argmax())
    before, name = names.next("q")
    column = {f"ξ[:, {cell + 1}]": patterns[:, cell]}
    yield Step(
        "context",
        "The mean of the patterns by their shares",
        f"{name} = Σ over μ of {before}[μ] ξ[μ]",
        f"{cell_name(name, (cell,))} = {written(after[cell])}",
        name,
        after,
        "This is attention; it goes on from here until nothing moves.",
        {before: shares} | column,
        (cell,),
    )


class HopfieldNetwork(Unlabelled, Network):
    """Hopfield Network: a memory that completes patterns, by running down its energy.

    sᵢ ← sign(Σⱼ wᵢⱼ sⱼ - θ) with W = (1/N) Σ_μ ξ^μ ξ^μᵀ, wᵢᵢ = 0, for states of -1 and 1; q ← Ξᵀ softmax(β Ξ q) for
    numbers of any size. Every training row is a pattern. A number is taken for 1 where it lies above the mean of its
    column, else for -1; what is recalled gets the mean of either side again, which of columns with two values gives
    these back.

    Parameters
    ----------
    rule : "hebb", "storkey" or "pseudo_inverse", default "hebb"
        How a classic memory stores: some 0.14 N patterns drawn by chance by Hebb's rule, more by Storkey's, N
        independent ones by the pseudo-inverse.
    memory : "classic", "dense" or "modern", default "classic"
    update : "asynchronous" or "synchronous", default "asynchronous"
        Unit after unit, in their order, or all at once; the modern memory moves as a whole.
    threshold : float, default 0.0
        θ.
    temperature : float, default 0.0
        T of Glauber's rule: a unit becomes 1 with probability 1 / (1 + exp(-2 h / T)); 0 leaves nothing to chance.
    max_sweeps : int, default 100
        Turns of all units, at most.
    degree : int, default 3
        n of the dense memory.
    inverse_temperature : float, default 1.0
        β of the modern memory: the larger, the fewer patterns come back mixed.
    kind : None, "table", "image" or "sequence", default None
    input_shape : tuple of int or None
    device : "auto", "cpu", "cuda" or "mps", default "auto"
    precision : "auto", "float64", "float32" or "bfloat16", default "auto"
    random_state : int, RandomState or None
        Nothing is drawn in training; ``sample`` has its own.
    verbose : int, default 0

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised rows (n, *shape) to overlaps (n, n_patterns_).
    n_patterns_ : int
        Stored rows.
    coef_ : ndarray of shape (n_features, n_features)
        W of a classic memory.
    n_features_in_, n_iter_ : int
    history_ : dict of str to list
        "train_loss" is the share of entries of the stored rows that the memory would change at once.

    Notes
    -----
    ``partial_fit`` adds patterns; the pseudo-inverse is worked out anew from all of them.

    References
    ----------
    Hopfield, "Neural networks and physical systems with emergent collective computational abilities", PNAS 79, 1982.
    Storkey, "Increasing the capacity of a Hopfield network without sacrificing functionality", ICANN 1997. Krotov &
    Hopfield, "Dense associative memory for pattern recognition", NeurIPS 2016. Ramsauer et al., "Hopfield networks is
    all you need", ICLR 2021.

    Examples
    --------
    >>> from nnzoo import HopfieldNetwork
    >>> X = [[1, 1, 1, 1, -1, -1, -1, -1], [1, -1, 1, -1, 1, -1, 1, -1]]
    >>> HopfieldNetwork().fit(X).predict([[-1, 1, 1, 1, -1, -1, -1, -1]]).astype(int).tolist()
    [[1, 1, 1, 1, -1, -1, -1, -1]]
    """

    kinds = ("table", "image", "sequence")
    own_counts = ("n_patterns",)
    ranges: ClassVar[Mapping[str, Range]] = {
        **UNLABELLED_RANGES,
        "rule": OneOf(("hebb", "storkey", "pseudo_inverse")),
        "memory": OneOf(("classic", "dense", "modern")),
        "update": OneOf(("asynchronous", "synchronous")),
        "threshold": Real(-1e9, 1e9),
        "temperature": Real(0.0),
        "max_sweeps": Whole(1, 10**6),
        "degree": Whole(0, 100),
        "inverse_temperature": Real(0.0, above=True),
    }

    def __init__(
        self,
        *,
        rule: str = "hebb",
        memory: str = "classic",
        update: str = "asynchronous",
        threshold: float = 0.0,
        temperature: float = 0.0,
        max_sweeps: int = 100,
        degree: int = 3,
        inverse_temperature: float = 1.0,
        kind: str | None = None,
        input_shape: Sequence[int] | None = None,
        device: str = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.rule = rule
        self.memory = memory
        self.update = update
        self.threshold = threshold
        self.temperature = temperature
        self.max_sweeps = max_sweeps
        self.degree = degree
        self.inverse_temperature = inverse_temperature
        self.kind = kind
        self.input_shape = input_shape
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    @property
    def coef_(self) -> np.ndarray:
        """Return W of a classic memory (n_features, n_features)."""
        return self._memory.weight.cpu().numpy()

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the memory with nothing in it."""
        memory = HopfieldMemory(
            inputs.n_features,
            self.n_patterns_,
            memory=self.memory,
            degree=self.degree,
            beta=self.inverse_temperature,
            threshold=self.threshold,
        )
        recall = Recall(memory, update=self.update, temperature=self.temperature, max_sweeps=self.max_sweeps)
        return HopfieldBody(inputs.shape, memory, recall)

    def learn(self, network: nn.Module, n_rows: int, n_steps: int) -> MemoryTrainer:
        """Return the rule that stores."""
        return MemoryTrainer(network, self.rule)

    def loop_settings(self, n_rows: int, seed: int, *, with_validation: bool) -> LoopSettings:
        """Return one step with all rows."""
        return LoopSettings(1, n_rows, seed, shuffle=False, keep="last")

    def predict(self, X: Any) -> np.ndarray:
        """Return what each row is completed to, in the unit of the rows: (n, n_features), or images in their shape."""
        inputs = self._check_inputs(X)
        return self._rows_of(self._recalled(inputs))

    def reconstruct(self, X: Any) -> np.ndarray:
        """Return what ``predict`` gives."""
        return self.predict(X)

    def answers(self, X: Any) -> Mapping[str, np.ndarray]:
        """Return "prediction", the stored row (from 0) that is nearest to what is recalled, the overlap, the energy.

        An overlap of 1 is that row itself, unit by unit; all else is a spurious state.
        """
        inputs = self._check_inputs(X)
        states = torch.from_numpy(self._recalled(inputs)).to(self._weight)
        overlap = self._pass(self._memory.overlaps, states)
        energy = self._pass(self._memory.energy, states)
        return {"prediction": overlap.argmax(axis=1), "overlap": overlap.max(axis=1), "energy": energy}

    def recall_rate(self, X: Any, wanted: Any) -> float:
        """Return the share of rows of X that are recalled as the rows ``wanted``, unit by unit."""
        found, right = self._recalled(self._check_inputs(X)), self._states(self._check_inputs(wanted))
        if found.shape != right.shape:
            raise DataError(
                f"HopfieldNetwork needs a wanted row for each row; got {len(right):,} for {len(found):,}.",
                "Pass as many rows of each.",
            )
        return float(np.all((found > 0) == (right > 0), axis=1).mean())

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the share of rows that the memory leaves as they are, unit by unit; y is left aside."""
        inputs = self._check_inputs(X)
        kept = np.all((self._recalled(inputs) > 0) == (self._states(inputs) > 0), axis=1)
        return float(np.average(kept, weights=sample_weight))

    def classify(self, X: Any, labels: Any) -> np.ndarray:
        """Return the label of the stored row nearest to what each row is recalled to; labels are those of training."""
        labels = np.asarray(labels)
        if len(labels) != self.n_patterns_:
            raise DataError(
                f"HopfieldNetwork needs a label for each stored row; got {len(labels):,} for {self.n_patterns_:,}.",
                "Pass the labels of the rows that it was fitted on.",
            )
        return labels[self.answers(X)["prediction"]]

    def spurious_states(self, X: Any) -> np.ndarray:
        """Return the distinct states that rows are recalled to and that are no stored row, nor one turned round.

        States are in the unit of the rows: (n_spurious, n_features), or images in their shape.
        """
        states = self._recalled(self._check_inputs(X))
        overlap = self._pass(self._memory.overlaps, torch.from_numpy(states).to(self._weight))
        most = np.abs(overlap).max(axis=1)
        return self._rows_of(np.unique(states[most < 1 - 1e-6], axis=0))

    def sample(self, n_samples: int = 1, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Return rows drawn by Glauber's rule, after ``max_sweeps`` sweeps from random states, in their own unit.

        Raises
        ------
        UsageError
            Nothing is left to chance: the temperature is 0, or the memory is the modern one.
        """
        memory = self._memory
        if not self.temperature or memory.is_modern:
            raise UsageError(
                f"HopfieldNetwork draws by chance at a temperature above 0; this one has temperature="
                f"{self.temperature:g} and memory={self.memory!r}.",
                'Pass temperature=0.5, and memory="classic" or "dense".',
            )
        draw = np.random.default_rng(_seed_of(random_state))
        states = torch.from_numpy(np.where(draw.random((n_samples, memory.n_out)) < 0.5, -1.0, 1.0)).to(self._weight)
        with torch.inference_mode():
            states = self._body.recall(states, lambda sweep: draw.random((memory.n_out, n_samples)))
        return self._rows_of(states.double().cpu().numpy())

    def measures(self, X: Any, X_train: Any | None) -> RowValues:
        """Return the share of each row that is right after a tenth of it was turned round and recalled."""
        inputs = self._check_inputs(X)
        wanted = self._states(inputs)
        turned = np.random.default_rng(0).random(wanted.shape) < DAMAGED
        damaged = torch.from_numpy(np.where(turned, -wanted, wanted)).to(self._weight)
        found = self._pass(self._body.recall, damaged)

        def right(states: np.ndarray) -> np.ndarray:
            return ((states > 0) == (wanted > 0)).mean(axis=1)

        def nearest() -> np.ndarray:
            overlap = self._pass(self._memory.overlaps, damaged)
            return right(self._memory.patterns.double().cpu().numpy()[overlap.argmax(axis=1)])

        def usual() -> np.ndarray:
            mass = self._memory.mass.double().cpu().numpy()
            return right(np.broadcast_to(mass @ self._memory.patterns.double().cpu().numpy(), wanted.shape))

        competitors: tuple[Competitor, ...] = (
            timed_competitor("constant", usual, "the commoner side of each column"),
            timed_competitor("nearest stored row", nearest, "looked up"),
        )
        load = self.n_patterns_ / self._memory.n_out
        return RowValues(
            "recalled",
            "higher",
            "Share of the entries of a row on the right side of their column's mean, after a tenth of them was turned "
            "round and the network recalled the row.",
            right(found),
            competitors,
            {"load": (load, "lower", "Stored rows a unit; Hebb's rule breaks down from 0.138 on, for random rows.")},
            self._shows(damaged, wanted, found),
        )

    def _shows(self, damaged: Tensor, wanted: np.ndarray, found: np.ndarray) -> tuple[Shown, ...]:
        memory, few = self._memory, damaged[:MAX_BESIDE]
        with torch.inference_mode():
            states = [few, *self._body.recall.sweeps(few)]
            energies = np.array([memory.energy(each).double().cpu().numpy() for each in states])
        sentence = "Each line is a row of which a tenth was turned round: recall runs down until it stays in a valley."
        shows = (Shown("Energy along a recall", sentence, energy_curves(energies)),)
        if self.inputs_.kind != "image":
            return shows
        rows = {
            "as it was": wanted[:MAX_BESIDE],
            "damaged": few.double().cpu().numpy(),
            "recalled": found[:MAX_BESIDE],
        }
        images = {name: as_bytes(self._rows_of(each)) for name, each in rows.items()}
        return (*shows, Shown("What is recalled", "Images that the network was not trained on.", images))

    def trace(self, X: Any, inputs: Sequence[str] = (), labels: Sequence[str] = ()) -> Iterator[Step]:
        """Yield how one row is recalled, step by step, from the tensors that are computed."""
        del labels
        rows = self._read(X, reset=False)[1]
        names = Names("x", tuple(inputs))
        tensors = self._to_inputs(rows)
        if not self.inputs_.pixels:
            yield from trace_scaling(
                self.inputs_.standard, np.asarray(rows[0], dtype=np.float64), array(tensors), names
            )
        yield from trace_layers(self.network_, tensors, names)

    def settle(self, X: Any, sample_weight: Any) -> None:
        """Count what is stored."""
        self.n_patterns_ = self._body.n_out

    @property
    def _body(self) -> HopfieldBody:
        return self.network_.body  # pyright: ignore[reportReturnType]

    @property
    def _memory(self) -> HopfieldMemory:
        return self._body.memory

    def _states(self, inputs: Tensor) -> np.ndarray:
        return self._pass(lambda x: self._memory.state_of(self.network_.scaling(x).flatten(1)), inputs)

    def _recalled(self, inputs: Tensor) -> np.ndarray:
        return self._pass(lambda x: self._body.recalled(self.network_.scaling(x)), inputs)

    def _rows_of(self, states: np.ndarray) -> np.ndarray:
        """Return states (n, n_in) as rows in their own unit."""
        rows = self._in_units(self._memory.row_of(torch.from_numpy(states).to(self._weight)).double().cpu().numpy())
        if self._memory.is_modern or self.inputs_.pixels:
            return rows
        return round_levels(rows, self._weight.dtype)

    def _size(self, train: Rows, target: Target) -> None:
        self.n_patterns_ = train.X.shape[0]
        super()._size(train, target)

    def _sizes(self) -> dict[str, Any]:
        return super()._sizes() | {"n_patterns": self.n_patterns_}

    def _bare_network(self, inputs: Inputs, sizes: Mapping[str, Any]) -> Any:
        self.n_patterns_ = sizes["n_patterns"]
        return super()._bare_network(inputs, sizes)


def _seed_of(random_state: int | np.random.RandomState | None) -> int | None:
    """Return the seed of a numpy generator, one drawn from a RandomState."""
    return random_state.randint(2**31 - 1) if isinstance(random_state, np.random.RandomState) else random_state
