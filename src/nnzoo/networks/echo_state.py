"""Echo State Network (ESN): a recurrent pool that is drawn and never trained, and a least-squares readout of echoes.

    x(n+1) = (1 - a) x(n) + a tanh(W_in u(n+1) + W x(n) + b)        W_in, W, b random and fixed
    y(n)   = W_out [x(n), u(n)] + c,   W_out = Y Xᵀ (X Xᵀ + λI)⁻¹

with u the inputs, x the states, a the leak rate, X the states and inputs of all steps in columns, Y the targets and
λ = ``ridge``. W is scaled to the spectral radius asked for: below 1 the state forgets where it started, an echo that
fades. With output="next" the series is teacher of itself: in training its true values come in, in a forecast the
predictions come back through the same W_in, which is the W_back of the papers.

Sources: Jaeger 2001 (GMD 148), which the chart cites by way of Jaeger & Haas 2004; leaky units Jaeger et al. 2007;
Lukoševičius 2012. The drawing has no loops and few links; W has loops, and ``connectivity`` says how many links. Where
we differ: c bears no penalty, inputs are standardised, and so are the targets of regression.
"""

import math
from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import ArpackNoConvergence, eigs
from torch import Tensor, nn

from nnzoo.checks import OneOf, Range, Real
from nnzoo.estimator import Network
from nnzoo.networks.gates import Moment, combined, gate, matrices, products, trace_recurrence
from nnzoo.networks.memory import State
from nnzoo.networks.parameters import with_parameters
from nnzoo.networks.reservoirs import Links, Reservoir, uniform
from nnzoo.trace import Step, factor

TOPOLOGIES = ("random", "orthogonal", "cycle")
ITERATED_FROM = 200
"""Units from which the spectral radius is iterated (Arnoldi), not taken from all eigenvalues."""


class EchoPool(nn.Module):
    """Leaky tanh units: (n, T, n_in) and a state (n, n_hidden) to all states (n, T, n_hidden) and the last one.

    W_in has entries of deviation input_scaling / √n_in, so sums over standardised inputs have deviation input_scaling
    whatever their number; b has deviation bias_scaling. While it learns, uniform noise of ±state_noise enters the tanh.
    """

    caption = ("pool", "random, not trained")

    def __init__(
        self,
        n_in: int,
        n_hidden: int,
        *,
        topology: str,
        connectivity: float,
        spectral_radius: float,
        leak_rate: float,
        input_scaling: float,
        bias_scaling: float,
        state_noise: float,
    ) -> None:
        super().__init__()
        self.n_hidden = self.n_out = n_hidden
        self.widths = (n_hidden,)
        self.leak_rate = leak_rate
        self.state_noise = state_noise
        inputs = nn.Linear(n_in, n_hidden)
        weight = torch.empty(n_hidden, n_hidden)
        if not weight.is_meta:
            with torch.no_grad():
                inputs.weight.copy_(input_scaling / math.sqrt(n_in) * uniform(n_hidden, n_in))
                inputs.bias.copy_(bias_scaling * uniform(n_hidden))
            weight = spectral_radius * draw_links(topology, n_hidden, connectivity)
        self.inputs = inputs
        self.links = Links(weight)

    def project(self, x: Tensor) -> Tensor:
        """Return W_in u + b: (..., n_hidden)."""
        return self.inputs(x)

    def advance(self, sums: Tensor, state: State) -> State:
        """Return the state after a step, by the equation as it stands."""
        (h,) = state
        a = self.leak_rate
        return ((1 - a) * h + a * torch.tanh(sums + nn.functional.linear(h, self.links.weight)),)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return all states and the last one; units stand in the rows of the arrays inside."""
        sums = self.project(x)
        if self.training and self.state_noise:
            sums = sums + self.state_noise * (2 * torch.rand_like(sums) - 1)
        states = sums.detach().permute(1, 2, 0).contiguous().numpy()  # (T, n_hidden, n): sums, then states in place
        h = np.zeros(states.shape[1:]) if state is None else np.ascontiguousarray(state[0].numpy().T)
        W, a = self.links.matrix, self.leak_rate
        for step in states:
            step += W @ h
            np.tanh(step, out=step)
            if a != 1:
                step *= a
                step += (1 - a) * h
            h = step
        return torch.from_numpy(states).permute(2, 0, 1), (torch.from_numpy(h.T.copy()),)

    def trace_steps(self, x: Tensor, h: Tensor, names: tuple[str, str]) -> Iterator[Step]:
        """Yield how the pool reads one sequence: its states, then its first and its last step."""
        yield from trace_recurrence(self, self, x, h, names)

    def trace(self, x: Tensor, state: State, at: Moment) -> Iterator[Step]:
        """Yield one step: the new state, and with a leak what is kept of the old one."""
        (h,), W_in, W = state, self.inputs.weight, self.links.weight
        (after,) = self.advance(self.project(x), state)
        candidate = torch.tanh(self.project(x) + nn.functional.linear(h, W))
        terms = [*products(at, W_in, W), ("bias", float(self.inputs.bias[at.unit]), "")]
        leaks = self.leak_rate != 1
        words = "new state: what the inputs and the echo of the past make of a unit; no weight of it is trained."
        symbol = "n" if leaks else "h"
        yield gate(at, symbol, "tanh", words, candidate, terms, matrices(at, symbol, W_in, W, self.inputs.bias))
        if leaks:
            a, k = self.leak_rate, at.unit
            name = f"{at.h_name}({at.t})"
            yield combined(
                at,
                "leaky state",
                "the state h",
                f"{name} = (1 - a) {at.h_before} + a {at.name('n')}, a = {a:g}",
                f"{1 - a:g}·{factor(float(h[k]))} + {a:g}·{factor(float(candidate[k]))}",
                name,
                after,
                "A leak rate below 1 makes units slow: each keeps a share of its old state.",
                **{at.name("n"): candidate, at.h_before: h, "a": np.array(a)},
            )


def draw_links(topology: str, n_hidden: int, connectivity: float) -> Tensor:
    """Return W (n_hidden, n_hidden) of spectral radius 1, in float64.

    Parameters
    ----------
    topology : "random", "orthogonal" or "cycle"
        "random": each unit hears ``connectivity`` of all units, one at least, by uniform weights, so that there is a
        loop in every pool, and a radius. "orthogonal": W Wᵀ = I. "cycle": each unit hears the one before it.
    """
    if topology == "orthogonal":
        return nn.init.orthogonal_(torch.empty(n_hidden, n_hidden, dtype=torch.float64))
    if topology == "cycle":
        return torch.eye(n_hidden, dtype=torch.float64).roll(1, dims=0)
    n_heard = max(1, round(connectivity * n_hidden))
    heard = torch.rand(n_hidden, n_hidden).topk(n_heard, dim=1).indices
    weights = uniform(n_hidden, n_heard).double()
    W = torch.zeros(n_hidden, n_hidden, dtype=torch.float64).scatter_(1, heard, weights)
    return W / spectral_radius(W.numpy())


def spectral_radius(W: np.ndarray) -> float:
    """Return the largest modulus of an eigenvalue.

    Of many units the six largest are iterated from a fixed start: at 1,000 units 0.16 s in place of 0.40 s.
    """
    if len(W) >= ITERATED_FROM:
        try:
            few = eigs(csr_matrix(W), k=6, ncv=80, maxiter=200, v0=np.ones(len(W)), return_eigenvectors=False)
            return float(np.abs(few).max())
        except ArpackNoConvergence:
            pass
    return float(np.abs(np.linalg.eigvals(W)).max())


@with_parameters
class EchoStateNetwork(Reservoir, Network):
    """Echo state network: a random recurrent pool, and a readout by least squares in one pass.

    x(n+1) = (1 - a) x(n) + a tanh(W_in u(n+1) + W x(n) + b), y(n) = W_out [x(n), u(n)] + c; only W_out and c are
    learned. Rows are sequences: arrays (n, T, d) with ``lengths``, lists of arrays (T_i, d), or flat rows (n, T), one
    value a step. Inputs are standardised, regression targets too; all is computed in float64 on the CPU, because a step
    of a series is too small for any other device. Scores of classes estimate 0 and 1; one factor, found on rows left
    out, makes probabilities of them.

    Parameters
    ----------
    spectral_radius : float, default 0.9
        Largest modulus of an eigenvalue of W: the nearer to 1, the longer an echo lasts.
    leak_rate : float, default 1.0
        a, above 0 to 1; small for slow series.
    input_scaling : float, default 0.5
        Deviation of the sums of a unit over standardised inputs: small for nearly linear units.
    bias_scaling : float, default 0.5
        Deviation of b.
    connectivity : float, default 0.1
        Share of the units that each unit hears; one at least. Of topology "random".
    topology : "random", "orthogonal" or "cycle", default "random"
        How W is drawn; "orthogonal" and "cycle" keep the length of a state, times the spectral radius.
    state_noise : float, default 0.0
        Uniform noise in the sums while learning, from minus to plus this: makes forecasts steadier.
    Others: those of Reservoir.

    Attributes
    ----------
    Others: those of Reservoir.

    References
    ----------
    Jaeger, "The echo state approach to analysing and training recurrent neural networks", GMD report 148, 2001. Jaeger
    & Haas, "Harnessing nonlinearity", Science 304, 2004. Jaeger, Lukoševičius, Popovici & Siewert, "Optimization and
    applications of echo state networks with leaky-integrator neurons", Neural Networks 20, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from nnzoo import EchoStateNetwork
    >>> series = np.sin(np.arange(600) / 5)[None, :, None]
    >>> net = EchoStateNetwork(task="regression", output="next", n_hidden=100, random_state=0).fit(series[:, :500])
    >>> bool(abs(net.forecast(series[:, :500], 100) - series[:, 500:]).max() < 0.01)
    True
    """

    spectral_radius: float = 0.9
    leak_rate: float = 1.0
    bias_scaling: float = 0.5
    connectivity: float = 0.1
    topology: str = "random"
    state_noise: float = 0.0

    ranges: ClassVar[Mapping[str, Range]] = {
        **Reservoir.ranges,
        "spectral_radius": Real(0.0, 1000.0),
        "leak_rate": Real(0.0, 1.0, above=True),
        "bias_scaling": Real(0.0, 1e6),
        "connectivity": Real(0.0, 1.0, above=True),
        "topology": OneOf(TOPOLOGIES),
        "state_noise": Real(0.0, 1.0),
    }

    def make_pool(self, n_in: int) -> nn.Module:
        """Return the pool, drawn."""
        return EchoPool(
            n_in,
            self.n_hidden,
            topology=self.topology,
            connectivity=float(self.connectivity),
            spectral_radius=float(self.spectral_radius),
            leak_rate=float(self.leak_rate),
            input_scaling=float(self.input_scaling),
            bias_scaling=float(self.bias_scaling),
            state_noise=float(self.state_noise),
        )
