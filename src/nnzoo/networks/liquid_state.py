"""Liquid State Machine (LSM): a pool of spiking units that is never trained, and a least-squares readout of its spikes.

    τ dv/dt = -v + I(t),    v ≥ 1: a spike, v ← 0, rest for t_ref        I = W_in u + I_0, v in units of the threshold
    v(t+1) = e^(-1/τ) v(t) + (1 - e^(-1/τ)) I(t) + W s(t)                 exact over a step of 1 ms; s: spikes, 0 or 1
    r(t+1) = e^(-1/τ_f) r(t) + s(t+1)                                     the liquid state that the readout sees
    P(a hears b) = C exp(-(D(a, b) / λ)²)                                 units stand on a grid, D is their distance

Every value of a sequence is held for ``hold`` ms. A spike raises or lowers the voltage of those that hear it by W, one
step later; a fifth of the units lower it. A unit that rests hears nothing: what arrives then is lost. A constant
current above 1 makes a unit fire 1 / (t_ref + τ ln(I / (I - 1))) times a ms.

Source: Maass, Natschläger & Markram 2002 (cited). The drawing has no loops and links in one direction; the pool has
both. Where we differ: rest and reset are 0 and the threshold is 1; synapses are static jumps of the voltage; inputs are
currents into all units; inputs are standardised.
"""

import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn

from nnzoo.checks import Range, Real, Whole
from nnzoo.estimator import Network, Rows
from nnzoo.networks.gates import plain
from nnzoo.networks.memory import State
from nnzoo.networks.parameters import with_parameters
from nnzoo.networks.reservoirs import Links, Reservoir, uniform
from nnzoo.trace import MAX_SHOWN, Step, largest, shown_rows, sum_of_products, written

DEPTH = 3
"""The grid is 3 x 3 units wide and as long as it takes: 15 for 135 units."""
INHIBITORY_SHARE = 0.2
LINK_CHANCE = {(False, False): 0.3, (False, True): 0.2, (True, False): 0.4, (True, True): 0.1}
"""C by whether the sender and the receiver are inhibitory: EE, EI, IE, II."""
SILENT, SATURATED = 0.5, 0.5
"""Spikes a second below which a pool is silent; share of the highest possible rate above which it is saturated."""
RATED_ROWS = 20


class LiquidPool(nn.Module):
    """Leaky integrate-and-fire units: (n, T, n_in) and a state to filtered spikes (n, T, n_hidden) and the last state.

    The state is (r, v, ms left to rest, s), each (n, n_hidden).
    """

    caption = ("pool", "random, not trained")
    rate: Tensor

    def __init__(
        self,
        n_in: int,
        n_hidden: int,
        *,
        link_length: float,
        link_scaling: float,
        input_scaling: float,
        background: float,
        tau: float,
        refractory: int,
        filter_tau: float,
        hold: int,
    ) -> None:
        super().__init__()
        self.n_hidden = self.n_out = n_hidden
        self.keep, self.filter_keep = math.exp(-1 / tau), math.exp(-1 / filter_tau)
        self.refractory, self.hold = refractory, hold
        self.n_spikes = 0
        inputs, weight = nn.Linear(n_in, n_hidden), torch.empty(n_hidden, n_hidden)
        if not weight.is_meta:
            with torch.no_grad():
                inputs.weight.copy_(input_scaling / math.sqrt(n_in) * uniform(n_hidden, n_in))
                inputs.bias.fill_(background)
            weight = link_scaling * draw_synapses(n_hidden, link_length)
        self.inputs = inputs
        self.links = Links(weight)
        self.register_buffer("rate", torch.zeros(()))

    def project(self, x: Tensor) -> Tensor:
        """Return the currents W_in u + I_0: (..., n_hidden)."""
        return self.inputs(x)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return r of all steps and the last state."""
        return self._run(x, state, self.hold)

    def _run(self, x: Tensor, state: State | None, hold: int) -> tuple[Tensor, State]:
        """Read x, each step for ``hold`` ms; units stand in the rows of the arrays inside."""
        currents = self.project(x).detach().permute(1, 2, 0).contiguous().numpy()
        zeros = np.zeros(currents.shape[1:])
        given = [zeros] * 4 if state is None else [part.numpy().T for part in state]
        r, v, rest, s = (np.array(part, order="C") for part in given)
        W, self.n_spikes = self.links.matrix, 0
        for place, current in enumerate(currents):
            gained = (1 - self.keep) * current
            for _ in range(hold):
                v *= self.keep
                v += gained
                v += W @ s
                v *= rest <= 0
                s = (v >= 1).astype(np.float64)
                v *= 1 - s
                rest = np.maximum(rest - 1, self.refractory * s)
                r *= self.filter_keep
                r += s
                self.n_spikes += int(np.count_nonzero(s))
            currents[place] = r
        last = tuple(torch.from_numpy(part.T.copy()) for part in (r, v, rest, s))
        return torch.from_numpy(currents).permute(2, 0, 1), last

    def trace_steps(self, x: Tensor, h: Tensor, names: tuple[str, str]) -> Iterator[Step]:
        """Yield how the pool reads one sequence: its liquid states, then the last step ms by ms."""
        n_steps = x.shape[1]
        states = plain(h[0])
        yield Step(
            "unrolled",
            "The liquid over time",
            f"{names[1]}(t) = liquid({names[0]}(t), state before), t = 1 ... {n_steps}, everything 0 at the start",
            f"{n_steps:,} steps of {self.hold} ms, {self.n_hidden:,} units: a line is a step, a column a unit",
            names[1],
            states,
            "The same pool reads one step after the other; what it still spikes about is what it remembers.",
            {names[0]: plain(x[0])} if x[0].numel() <= MAX_SHOWN else {},
        )
        before = self(x[:, : n_steps - 1])[1] if n_steps > 1 else None
        yield from self._trace_last(x[0, -1], before, (f"{names[0]}({n_steps})", f"{names[1]}({n_steps})", n_steps))

    def _trace_last(self, x: Tensor, before: State | None, names: tuple[str, str, int]) -> Iterator[Step]:
        state = before or tuple(x.new_zeros(1, self.n_hidden) for _ in range(4))
        current, W_in, bias = plain(self.project(x)), plain(self.inputs.weight), plain(self.inputs.bias)
        unit = largest(current)
        yield Step(
            "current",
            f"Step {names[2]}: currents into the units",
            f"I = W_in {names[0]} + I_0",
            f"I[{unit[0] + 1}] = {sum_of_products(W_in[unit], plain(x), bias[unit])} = {written(current[unit])}",
            "I",
            current,
            "A current above 1, the threshold, makes a unit fire by itself; below 1 it needs the spikes of others.",
            {names[0]: plain(x), **shown_rows("W_in", W_in, unit[0]), "I_0": bias},
            unit,
        )
        pairs = []
        for _ in range(self.hold):
            state = self._run(x[None, None], state, 1)[1]
            pairs.append((plain(state[1][0]), plain(state[3][0])))
        spikes = np.stack([s for _, s in pairs])
        yield Step(
            "spikes",
            f"Step {names[2]}: spikes, ms by ms",
            "v ← e^(-1/τ) v + (1 - e^(-1/τ)) I + W s, where a unit does not rest; s = 1 where v ≥ 1, then v ← 0",
            f"{int(spikes.sum()):,} spikes of {self.n_hidden:,} units in {self.hold} ms: a line a ms, a column a unit",
            "s",
            spikes,
            "Spikes reach those that hear them one ms later, and raise or lower their voltage.",
        )
        start = plain((before or (x.new_zeros(1, self.n_hidden),))[0][0])
        k, name, keep = largest(plain(state[0][0])), names[1], np.array(self.filter_keep)
        yield Step(
            "filtered spikes",
            f"Step {names[2]}: the liquid state",
            f"{name} = Σ over ms of e^(-age/τ_f) s + what is left of before",
            f"{name}[{k[0] + 1}] = {written(start[k])}·{written(self.filter_keep**self.hold)} + "
            f"{int(spikes[:, k[0]].sum())} spikes, faded by their age = {written(plain(state[0][0])[k])}",
            name,
            plain(state[0][0]),
            "A spike counts 1 and fades; so spikes, which come and go, become numbers that a linear readout can use.",
            {"s": spikes, "before": start, "e^(-1/τ_f)": keep},
            k,
        )


def draw_synapses(n_hidden: int, link_length: float) -> Tensor:
    """Return W (n_hidden, n_hidden), in float64: of mean size 1 where a unit (row) hears another (column), signed."""
    place = torch.arange(n_hidden)
    grid = torch.stack([place // DEPTH**2, place // DEPTH % DEPTH, place % DEPTH], dim=1).double()
    squared = (grid[:, None] - grid[None]).square().sum(dim=2)
    inhibits = torch.zeros(n_hidden, dtype=torch.bool)
    inhibits[torch.randperm(n_hidden)[: round(INHIBITORY_SHARE * n_hidden)]] = True
    chance = torch.empty(n_hidden, n_hidden, dtype=torch.float64)
    for (sends, hears), share in LINK_CHANCE.items():
        chance[(inhibits[:, None] == hears) & (inhibits[None] == sends)] = share
    hears = torch.rand(n_hidden, n_hidden) < chance * torch.exp(-squared / link_length**2)
    hears.fill_diagonal_(False)
    size = 2 * torch.rand(n_hidden, n_hidden, dtype=torch.float64)
    return size * hears * torch.where(inhibits, -1.0, 1.0)


@with_parameters
class LiquidStateMachine(Reservoir, Network):
    """Liquid state machine: a random pool of spiking units, and a readout by least squares in one pass.

    τ dv/dt = -v + W_in u + I_0; a unit with v ≥ 1 spikes, is reset to 0 and rests; the readout sees its spikes filtered
    by e^(-t/τ_f), and the inputs. Only the readout is learned. Rows are sequences: arrays (n, T, d) with ``lengths``,
    lists of arrays (T_i, d), or flat rows (n, T), one value a step; spikes are sequences of 0 and 1 with ``hold=1``.
    Inputs are standardised, regression targets too; all is computed in float64 on the CPU. Scores of classes estimate
    0 and 1; one factor, found on rows left out, makes probabilities of them. A pool that hardly spikes, or spikes all
    the time, is warned of.

    Parameters
    ----------
    n_hidden : int, default 135
        Units of the pool, on a grid of 3 x 3 times as many as it takes; a fifth of them inhibits.
    link_length : float, default 2.0
        λ, in distances of the grid: how far links reach.
    link_scaling : float, default 0.1
        Mean size of the jump of the voltage that a spike causes, in units of the threshold.
    input_scaling : float, default 1.0
        Deviation of the sums of a unit over standardised inputs, in units of the threshold.
    background : float, default 0.5
        I_0, the current that flows without input; from 1 on units fire by themselves.
    tau : float, default 30.0
        τ of the voltage, in ms.
    refractory : int, default 3
        t_ref, in ms.
    filter_tau : float, default 30.0
        τ_f of the filter that makes states of spikes, in ms.
    hold : int, default 10
        How many ms each step of a sequence lasts.
    pooling : "last", "mean" or "max", default "last"
        How states become one vector a sequence; "mean" counts spikes.
    Others: those of Reservoir.

    Attributes
    ----------
    mean_rate_ : float
        Spikes of a unit in a second, over the first training sequences.
    Others: those of Reservoir.

    References
    ----------
    Maass, Natschläger & Markram, "Real-time computing without stable states: a new framework for neural computation
    based on perturbations", Neural Computation 14, 2002.

    Examples
    --------
    >>> from nnzoo import LiquidStateMachine
    >>> from nnzoo.data.timeseries import spike_templates
    >>> X, y = spike_templates(150, duration=200, rate=50.0)
    >>> net = LiquidStateMachine(hold=1, input_scaling=3.0, pooling="mean", random_state=0).fit(X[:100], y[:100])
    >>> net.score(X[100:], y[100:]) > 0.9
    True
    """

    n_hidden: int = 135
    link_length: float = 2.0
    link_scaling: float = 0.1
    input_scaling: float = 1.0
    background: float = 0.5
    tau: float = 30.0
    refractory: int = 3
    filter_tau: float = 30.0
    hold: int = 10
    pooling: str = "last"

    ranges: ClassVar[Mapping[str, Range]] = {
        **Reservoir.ranges,
        "link_length": Real(0.0, 1000.0, above=True),
        "link_scaling": Real(0.0, 1000.0),
        "background": Real(0.0, 1000.0),
        "tau": Real(0.0, 1e6, above=True),
        "refractory": Whole(0, 10**6),
        "filter_tau": Real(0.0, 1e6, above=True),
        "hold": Whole(1, 10**4),
    }

    @property
    def mean_rate_(self) -> float:
        """Return the spikes of a unit in a second."""
        pool: Any = self.network_.body.pool  # pyright: ignore[reportAttributeAccessIssue]
        return float(pool.rate)

    def make_pool(self, n_in: int) -> nn.Module:
        """Return the pool, drawn."""
        return LiquidPool(
            n_in,
            self.n_hidden,
            link_length=float(self.link_length),
            link_scaling=float(self.link_scaling),
            input_scaling=float(self.input_scaling),
            background=float(self.background),
            tau=float(self.tau),
            refractory=int(self.refractory),
            filter_tau=float(self.filter_tau),
            hold=int(self.hold),
        )

    def _start(self, train: Rows, target: Any, seed: int) -> None:
        """Draw the pool, count its spikes, and say so where its states will tell little."""
        super()._start(train, target, seed)
        body: Any = self.network_.body
        n_spikes, n_ms = 0, 0
        with torch.inference_mode():
            for row in self._to_inputs(train.X[:RATED_ROWS]).split(1):
                body.pool(row.padded(body.table(row.flat())))
                n_spikes, n_ms = n_spikes + body.pool.n_spikes, n_ms + row.longest * self.hold
        rate = 1000 * n_spikes / (n_ms * self.n_hidden)
        body.pool.rate.fill_(rate)
        if not SILENT <= rate <= SATURATED * 1000 / (1 + self.refractory):
            warnings.warn(
                f"a unit of the pool spikes {rate:.3g} times a second, so its states say little of the inputs; use "
                f"{'larger' if rate < SILENT else 'smaller'} input_scaling or background",
                ConvergenceWarning,
                stacklevel=2,
            )
