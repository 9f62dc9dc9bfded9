"""LSTM: the network with a long-term memory c(t) beside its short-term state h(t), and gates that guard it.

    i, f, o = σ(W x(t) + U h(t-1) + b), each with its own W, U, b      what to add, to keep, to show
    g       = tanh(W x(t) + U h(t-1) + b)                              what could be added
    c(t)    = f ⊙ c(t-1) + i ⊙ g
    h(t)    = o ⊙ tanh(c(t))

Where f = 1 and i = 0 the memory stands still, and so does the gradient that flows back through it.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.checks import OneOf, Range, Real, Truth
from nnzoo.estimator import Network
from nnzoo.networks.gates import Moment, Term, combined, gate, matrices, plain, products
from nnzoo.networks.memory import Fused, State, Unrolled, draw_recurrent
from nnzoo.networks.remembering import RECURRENT_RANGES, Remembering
from nnzoo.trace import Step, factor

GATES = {
    "i": ("sigmoid", "input gate: how much of the candidate is added to the memory, unit by unit from 0 to 1."),
    "f": ("sigmoid", "forget gate: how much of the memory is kept, unit by unit from 0 to 1."),
    "g": ("tanh", "candidate: what could be added to the memory."),
    "o": ("sigmoid", "output gate: how much of the memory is shown, unit by unit from 0 to 1."),
}


class LSTMCell(nn.Module):
    """The equations of one step, written out, in torch's order of the gates: i, f, g, o.

    Parameters
    ----------
    n_in, n_hidden : int
    forget_gate : bool
        False: f = 1, the cell of 1997.
    peepholes : bool
        The gates see the memory: i and f see c(t-1), o sees c(t), one weight a unit.
    normalization : None or "layer"
        Layer normalisation of W x, of U h and of c before the tanh (Ba et al. 2016).
    """

    n_states = 2

    def __init__(
        self,
        n_in: int,
        n_hidden: int,
        *,
        forget_gate: bool = True,
        peepholes: bool = False,
        normalization: str | None = None,
    ) -> None:
        super().__init__()
        self.n_hidden = n_hidden
        self.forget_gate = forget_gate
        self.weight_ih = nn.Parameter(torch.empty(4 * n_hidden, n_in))
        self.weight_hh = nn.Parameter(torch.empty(4 * n_hidden, n_hidden))
        self.bias_ih = nn.Parameter(torch.empty(4 * n_hidden))
        self.bias_hh = nn.Parameter(torch.empty(4 * n_hidden))
        self.peephole = nn.Parameter(torch.zeros(3, n_hidden)) if peepholes else None
        is_normal = normalization == "layer"
        self.norm_ih = nn.LayerNorm(4 * n_hidden) if is_normal else nn.Identity()
        self.norm_hh = nn.LayerNorm(4 * n_hidden) if is_normal else nn.Identity()
        self.norm_c = nn.LayerNorm(n_hidden) if is_normal else nn.Identity()
        draw_recurrent(self, gates=4)

    def project(self, x: Tensor) -> Tensor:
        """Return W x + b for all four gates."""
        return self.norm_ih(nn.functional.linear(x, self.weight_ih)) + self.bias_ih

    def advance(self, sums: Tensor, state: State) -> State:
        """Return h(t) and c(t)."""
        h, c = state
        sums = sums + self.norm_hh(nn.functional.linear(h, self.weight_hh)) + self.bias_hh
        i, f, g, o = sums.chunk(4, dim=-1)
        if self.peephole is not None:
            i, f = i + self.peephole[0] * c, f + self.peephole[1] * c
        kept = torch.sigmoid(f) * c if self.forget_gate else c
        c = kept + torch.sigmoid(i) * torch.tanh(g)
        if self.peephole is not None:
            o = o + self.peephole[2] * c
        return torch.sigmoid(o) * torch.tanh(self.norm_c(c)), c

    def trace(self, x: Tensor, state: State, at: Moment) -> Iterator[Step]:
        """Yield one step: the gates, the memory, the state."""
        before, k, c_before = state[1], at.unit, at.name("c").replace(f"({at.t})", f"({at.t - 1})")
        h_now, c_now = self.advance(self.project(x), state)
        values = {}
        for n, (symbol, (squash, words)) in enumerate(GATES.items()):
            if symbol == "f" and not self.forget_gate:
                values["f"] = torch.ones_like(before)
                continue
            values[symbol], terms, operands = self._gate(n, x, state, c_now, at)
            own = self._formula(symbol, at)
            yield gate(at, symbol, squash, words, values[symbol], terms, operands, own)
        i, f, g, o = (float(values[symbol][k]) for symbol in "ifgo")
        mixed = {at.name(symbol): values[symbol] for symbol in ("ifg" if self.forget_gate else "ig")}
        remember = f"{factor(f)}·{factor(float(before[k]))}" if self.forget_gate else factor(float(before[k]))
        f_name = f"{at.name('f')} ⊙ " if self.forget_gate else ""
        yield combined(
            at,
            "memory",
            "the memory c",
            f"{at.name('c')} = {f_name}{c_before} + {at.name('i')} ⊙ {at.name('g')}",
            f"{remember} + {factor(i)}·{factor(g)}",
            at.name("c"),
            c_now,
            "M(t) = remember(t) · M(t-1) + add(t) · M'(t): what is kept of the old memory, and what is written to it.",
            **mixed | {c_before: before},
        )
        shown = self.norm_c(c_now)
        inner = f"LN({at.name('c')})" if isinstance(self.norm_c, nn.LayerNorm) else at.name("c")
        yield combined(
            at,
            "hidden state",
            "the state h",
            f"{at.h_name}({at.t}) = {at.name('o')} ⊙ tanh({inner})",
            f"{factor(o)}·tanh({factor(float(shown[k]))})",
            f"{at.h_name}({at.t})",
            h_now,
            "What the rest of the network sees of the memory at this step.",
            **{at.name("o"): values["o"], inner: shown},
        )

    def _gate(
        self, n: int, x: Tensor, state: State, c_now: Tensor, at: Moment
    ) -> tuple[Tensor, list[Term], dict[str, np.ndarray]]:
        """Return gate n in torch's order, what enters its followed unit, and what it is computed with."""
        h, c = state
        k, symbol = at.unit, tuple(GATES)[n]
        W, U = self.weight_ih.chunk(4)[n], self.weight_hh.chunk(4)[n]
        bias = (self.bias_ih + self.bias_hh).chunk(4)[n]
        of_x = self.norm_ih(nn.functional.linear(x, self.weight_ih)).chunk(4)[n]
        of_h = self.norm_hh(nn.functional.linear(h, self.weight_hh)).chunk(4)[n]
        z, operands = of_x + of_h + bias, matrices(at, symbol, W, U, bias)
        terms: list[Term] = products(at, W, U)
        if isinstance(self.norm_ih, nn.LayerNorm):
            operands |= {f"LN(W_{symbol} x)": plain(of_x), f"LN(U_{symbol} h)": plain(of_h)}
            terms = [("LN(W x)", float(of_x[k]), ""), ("LN(U h)", float(of_h[k]), "")]
        if self.peephole is not None and symbol != "g":
            seen, weight = (c_now if symbol == "o" else c), self.peephole["ifo".index(symbol)]
            z = z + weight * seen
            operands |= {"p": plain(weight), "c": plain(seen)}
            terms.append(("memory", float(seen[k]), float(weight[k])))
        terms.append(("bias", float(bias[k]), ""))
        return (torch.tanh if symbol == "g" else torch.sigmoid)(z), terms, operands

    def _formula(self, symbol: str, at: Moment) -> str:
        """Return the sum inside a gate."""
        parts = [f"W_{symbol} {at.x_now}", f"U_{symbol} {at.h_before}"]
        if isinstance(self.norm_ih, nn.LayerNorm):
            parts = [f"LN({part})" for part in parts]
        if self.peephole is not None and symbol != "g":
            parts.append("p ⊙ c")
        return " + ".join([*parts, f"b_{symbol}"])


class LSTM(Remembering, Network):
    """Long short-term memory for sequences, series and symbols.

    c(t) = f ⊙ c(t-1) + i ⊙ g, h(t) = o ⊙ tanh(c(t)), with gates i, f, o = σ(W x(t) + U h(t-1) + b). Rows are sequences:
    arrays (n, T, d) with ``lengths``, lists of arrays (T_i, d), or flat rows (n, T), one value a step. What stands
    behind the end of a row changes nothing.

    Parameters
    ----------
    task : "classification" or "regression", default "classification"
    output : "sequence", "step" or "next", default "sequence"
        One target a sequence, one a step, or what comes next in the sequence itself; then ``fit(X)`` needs no y.
    n_hidden : int, default 128
        Units of a layer, in each direction.
    n_layers : int, default 1
    forget_bias : float, default 1.0
        First bias of the forget gate: at 1 the memory is kept until training says otherwise.
    forget_gate : bool, default True
        False is the cell of 1997, which never forgets.
    peepholes : bool, default False
        The gates see the memory, too (Gers et al. 2002).
    normalization : None or "layer", default None
        Without forget gate, with peepholes or with normalisation the steps run one by one, slower than torch's kernel.
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
    Hochreiter & Schmidhuber, "Long short-term memory", Neural Computation 9, 1997. Gers, Schmidhuber & Cummins,
    "Learning to forget", Neural Computation 12, 2000. Gers, Schraudolph & Schmidhuber, Journal of Machine Learning
    Research 3, 2002 (peepholes).

    Examples
    --------
    >>> import numpy as np
    >>> from nnzoo import LSTM
    >>> draw = np.random.default_rng(0)
    >>> X = [draw.normal(size=(draw.integers(3, 9), 1)) for _ in range(200)]
    >>> y = [row.sum() > 0 for row in X]
    >>> LSTM(n_hidden=16, n_epochs=40, random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    ranges: ClassVar[Mapping[str, Range]] = RECURRENT_RANGES | {
        "forget_bias": Real(-100.0, 100.0),
        "forget_gate": Truth(),
        "peepholes": Truth(),
        "normalization": OneOf((None, "layer")),
    }

    def __init__(
        self,
        *,
        task: str = "classification",
        output: str = "sequence",
        n_hidden: int = 128,
        n_layers: int = 1,
        forget_bias: float = 1.0,
        forget_gate: bool = True,
        peepholes: bool = False,
        normalization: str | None = None,
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
        self.forget_bias = forget_bias
        self.forget_gate = forget_gate
        self.peepholes = peepholes
        self.normalization = normalization
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
        """Return one layer in one direction: torch's kernel, or the written-out cell for what the kernel lacks."""
        if self.peepholes or self.normalization is not None or not self.forget_gate:
            cell = LSTMCell(
                n_in,
                self.n_hidden,
                forget_gate=self.forget_gate,
                peepholes=self.peepholes,
                normalization=self.normalization,
            )
            layer, bias = Unrolled(cell), cell.bias_ih
        else:
            kernel = nn.LSTM(n_in, self.n_hidden, batch_first=True)
            draw_recurrent(kernel, gates=4)
            make_cell = partial(LSTMCell, n_in, self.n_hidden)
            layer, bias = Fused(kernel, make_cell), kernel.get_parameter("bias_ih_l0")
        # torch keeps two biases that are added: the first one alone holds the bias of the forget gate
        nn.init.constant_(bias.detach()[self.n_hidden : 2 * self.n_hidden], self.forget_bias)
        return layer
