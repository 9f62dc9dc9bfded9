"""GRU: gates like the LSTM's, but one state only.

r, z = σ(W x(t) + U h(t-1) + b), each with its own W, U, b         how much of the past to look at, to keep
n    = tanh(W x(t) + b + r ⊙ (U h(t-1) + b'))                      reset after the product, as cuDNN and torch
n    = tanh(W x(t) + b + U (r ⊙ h(t-1)) + b')                      reset before it, as in the paper
h(t) = (1 - z) ⊙ n + z ⊙ h(t-1)
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.checks import Range, Truth
from nnzoo.estimator import Network
from nnzoo.networks.gates import Moment, combined, gate, matrices, plain, products
from nnzoo.networks.memory import Fused, State, Unrolled, draw_recurrent
from nnzoo.networks.remembering import RECURRENT_RANGES, Remembering
from nnzoo.trace import Step, factor


class GRUCell(nn.Module):
    """The equations of one step, written out, in torch's order of the gates: r, z, n.

    Parameters
    ----------
    n_in, n_hidden : int
    reset_after : bool
        Whether r multiplies the product U h, or h itself.
    """

    n_states = 1

    def __init__(self, n_in: int, n_hidden: int, *, reset_after: bool = True) -> None:
        super().__init__()
        self.n_hidden = n_hidden
        self.reset_after = reset_after
        self.weight_ih = nn.Parameter(torch.empty(3 * n_hidden, n_in))
        self.weight_hh = nn.Parameter(torch.empty(3 * n_hidden, n_hidden))
        self.bias_ih = nn.Parameter(torch.empty(3 * n_hidden))
        self.bias_hh = nn.Parameter(torch.empty(3 * n_hidden))
        draw_recurrent(self, gates=3)

    def project(self, x: Tensor) -> Tensor:
        """Return W x + b for both gates and the candidate."""
        return nn.functional.linear(x, self.weight_ih, self.bias_ih)

    def advance(self, sums: Tensor, state: State) -> State:
        """Return h(t)."""
        (h,) = state
        of_r, of_z, of_n = sums.chunk(3, dim=-1)
        u_r, u_z, u_n = self.weight_hh.chunk(3)
        b_r, b_z, b_n = self.bias_hh.chunk(3)
        r = torch.sigmoid(of_r + nn.functional.linear(h, u_r, b_r))
        z = torch.sigmoid(of_z + nn.functional.linear(h, u_z, b_z))
        past = r * nn.functional.linear(h, u_n, b_n) if self.reset_after else nn.functional.linear(r * h, u_n, b_n)
        n = torch.tanh(of_n + past)
        return ((1 - z) * n + z * h,)

    def trace(self, x: Tensor, state: State, at: Moment) -> Iterator[Step]:
        """Yield one step: both gates, the candidate, the state."""
        (h,), k = state, at.unit
        W, U = self.weight_ih.chunk(3), self.weight_hh.chunk(3)
        b_w, b_u = self.bias_ih.chunk(3), self.bias_hh.chunk(3)
        gates = {}
        for n, (symbol, words) in enumerate(
            (
                ("r", "reset gate: how much of the past the candidate looks at, unit by unit from 0 to 1."),
                ("z", "update gate: how much of the old state is kept, unit by unit from 0 to 1."),
            )
        ):
            bias = b_w[n] + b_u[n]
            sums = nn.functional.linear(x, W[n]) + nn.functional.linear(h, U[n]) + bias
            gates[symbol] = torch.sigmoid(sums)
            terms = [*products(at, W[n], U[n]), ("bias", float(bias[k]), "")]
            yield gate(at, symbol, "sigmoid", words, gates[symbol], terms, matrices(at, symbol, W[n], U[n], bias))
        r, z = gates["r"], gates["z"]
        n, step = self._candidate(x, h, r, at)
        yield step
        (h_now,) = self.advance(self.project(x), state)
        symbols = at.name("z"), at.name("n"), f"{at.h_name}({at.t})"
        old, new, keep = float(h[k]), float(n[k]), float(z[k])
        yield combined(
            at,
            "gated state",
            "the state h",
            f"{symbols[2]} = (1 - {symbols[0]}) ⊙ {symbols[1]} + {symbols[0]} ⊙ {at.h_before}",
            f"(1 - {factor(keep)})·{factor(new)} + {factor(keep)}·{factor(old)}",
            symbols[2],
            h_now,
            "M(t) = remember(t) · M(t-1) + add(t) · M'(t), with add = 1 - remember: one gate does both.",
            **{symbols[0]: z, symbols[1]: n, at.h_before: h},
        )

    def _candidate(self, x: Tensor, h: Tensor, r: Tensor, at: Moment) -> tuple[Tensor, Step]:
        k, W, U = at.unit, self.weight_ih.chunk(3)[2], self.weight_hh.chunk(3)[2]
        b_w, b_u = self.bias_ih.chunk(3)[2], self.bias_hh.chunk(3)[2]
        r_name = at.name("r")
        if self.reset_after:
            past = nn.functional.linear(h, U, b_u)
            own = f"W_n {at.x_now} + b_n + {r_name} ⊙ (U_n {at.h_before} + b'_n)"
            terms = [*products(at, W, U[:, :0]), ("bias", float(b_w[k]), "")]
            terms.append((f"{r_name}[{k + 1}] times (U h + b')", float(past[k]), float(r[k])))
            n = torch.tanh(nn.functional.linear(x, W, b_w) + r * past)
            operands = matrices(at, "n", W, U, b_w) | {"b'_n": plain(b_u), "U h + b'": plain(past), r_name: plain(r)}
        else:
            looked = r * h
            own = f"W_n {at.x_now} + b_n + U_n ({r_name} ⊙ {at.h_before})"
            u, seen = plain(U)[k], plain(looked)
            terms = products(at, W, U[:, :0])
            terms += [(f"({r_name} ⊙ {at.h_before})[{j + 1}]", float(seen[j]), float(u[j])) for j in range(len(u))]
            terms.append(("bias", float(b_w[k] + b_u[k]), ""))
            n = torch.tanh(nn.functional.linear(x, W, b_w) + nn.functional.linear(looked, U, b_u))
            operands = matrices(at, "n", W, U, b_w + b_u) | {"r ⊙ h": seen, r_name: plain(r)}
        words = "candidate: what the new state could be, from the input and as much of the past as r lets through."
        return n, gate(at, "n", "tanh", words, n, terms, operands, own)


class GRU(Remembering, Network):
    """Gated recurrent unit for sequences, series and symbols: three quarters of the weights of an LSTM.

    h(t) = (1 - z) ⊙ n + z ⊙ h(t-1), with gates r, z = σ(W x(t) + U h(t-1) + b). Rows are sequences: arrays (n, T, d)
    with ``lengths``, lists of arrays (T_i, d), or flat rows (n, T), one value a step. What stands behind the end of a
    row changes nothing.

    Parameters
    ----------
    task : "classification" or "regression", default "classification"
    output : "sequence", "step" or "next", default "sequence"
        One target a sequence, one a step, or what comes next in the sequence itself; then ``fit(X)`` needs no y.
    n_hidden : int, default 128
        Units of a layer, in each direction.
    n_layers : int, default 1
    reset_after : bool, default True
        True is the form of cuDNN and torch, False that of the paper, whose steps run one by one.
    bidirectional : bool, default False
        Read from the end, too, and put both outputs side by side.
    dropout : float, default 0.0
        Share of the values left out at random between the layers and before the last one of the network.
    pooling : "last", "mean" or "max", default "last"
        How outputs become one vector a sequence.
    differences : bool, default False
        Of forecasts: read and learn the change from step to step in place of the value, for series that wander or grow.
    bptt_steps : int or None, default None
        Truncated backpropagation: walk along long sequences in windows of so many steps, move the weights after each
        and carry the state on; memory does not grow with the length.
    optimizer : "adam", "adamw", "sgd" or "lbfgs", default "adam"
    learning_rate : float, default 0.003
        Not used by "lbfgs".
    schedule : "constant", "cosine" or "one_cycle", default "constant"
    batch_size : int, default 64
        Sequences a step; those of similar length come together.
    n_epochs : int, default 100
        Passes through the training rows, at most.
    early_stopping : bool or "auto", default "auto"
        Stop when the validation loss has not fallen for ``patience`` epochs. "auto": when validation rows are given, or
        from 10,000 rows on, of which ``validation_fraction`` are then held out.
    patience : int, default 20
    validation_fraction : float, default 0.1
    weight_decay : float, default 0.0
        L2 penalty.
    clip_norm : float or None, default 1.0
        Largest norm of the gradient; long products of weights make it explode.
    class_weight : None, "balanced" or dict of label to weight
    categorical_features : list of int or None
        Values of a step that are category codes 0, 1, 2, ... (0 is "unknown"); each gets trained vectors.
    kind : None or "sequence", default None
    input_shape : list of int or None
        (steps, values), where rows come flat with more than one value a step.
    device : "auto", "cpu", "cuda" or "mps", default "auto"
    precision : "auto", "float64", "float32" or "bfloat16", default "auto"
        "auto": float64 below 1,000 rows of at most 5,000 numbers in all; bfloat16 for classification from 1,000 rows
        on, where the processor multiplies in it; else float32. Predictions are made in float32 at least.
    random_state : int, RandomState or None
    verbose : int, default 0

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised steps to scores.
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int
        Values of a step; of flat rows their columns.
    n_iter_, best_epoch_ : int
    history_ : dict of str to list

    References
    ----------
    Chung, Gulcehre, Cho & Bengio, "Empirical evaluation of gated recurrent neural networks on sequence modeling",
    arXiv:1412.3555, 2014. Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from nnzoo import GRU
    >>> series = np.sin(np.arange(400) / 5)[None, :, None]
    >>> net = GRU(task="regression", output="next", n_hidden=16, n_epochs=150, random_state=0).fit(series)
    >>> bool(abs(net.forecast(series, 10)[0, :, 0] - np.sin(np.arange(400, 410) / 5)).max() < 0.3)
    True
    """

    ranges: ClassVar[Mapping[str, Range]] = RECURRENT_RANGES | {"reset_after": Truth()}

    def __init__(
        self,
        *,
        task: str = "classification",
        output: str = "sequence",
        n_hidden: int = 128,
        n_layers: int = 1,
        reset_after: bool = True,
        bidirectional: bool = False,
        dropout: float = 0.0,
        pooling: str = "last",
        differences: bool = False,
        bptt_steps: int | None = None,
        optimizer: str = "adam",
        learning_rate: float = 3e-3,
        schedule: str = "constant",
        batch_size: int = 64,
        n_epochs: int = 100,
        early_stopping: bool | str = "auto",
        patience: int = 20,
        validation_fraction: float = 0.1,
        weight_decay: float = 0.0,
        clip_norm: float | None = 1.0,
        class_weight: str | Mapping[object, float] | None = None,
        categorical_features: Sequence[int] | None = None,
        kind: str | None = None,
        input_shape: Sequence[int] | None = None,
        device: str = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.task = task
        self.output = output
        self.n_hidden = n_hidden
        self.n_layers = n_layers
        self.reset_after = reset_after
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.pooling = pooling
        self.differences = differences
        self.bptt_steps = bptt_steps
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.batch_size = batch_size
        self.n_epochs = n_epochs
        self.early_stopping = early_stopping
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.class_weight = class_weight
        self.categorical_features = categorical_features
        self.kind = kind
        self.input_shape = input_shape
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def make_layer(self, n_in: int) -> nn.Module:
        """Return one layer in one direction: torch's kernel, or the written-out cell of the paper."""
        if not self.reset_after:
            return Unrolled(GRUCell(n_in, self.n_hidden, reset_after=False))
        kernel = nn.GRU(n_in, self.n_hidden, batch_first=True)
        draw_recurrent(kernel, gates=3)
        return Fused(kernel, partial(GRUCell, n_in, self.n_hidden))
