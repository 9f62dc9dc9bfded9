"""RNN: the recurrent network, whose hidden state is its own next input.

    h(t) = f(W_ih x(t) + b_ih + W_hh h(t-1) + b_hh),  o(t) = g(W_ho h(t) + b_o)

Every step multiplies the gradient by W_hh once more, so what lies far back fades or explodes: beyond some twenty steps
take an LSTM or GRU.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.checks import OneOf, Range
from nnzoo.estimator import Network
from nnzoo.networks.gates import Moment, gate, matrices, products
from nnzoo.networks.memory import Fused, State, draw_recurrent
from nnzoo.networks.remembering import RECURRENT_RANGES, Remembering
from nnzoo.trace import Step


class RecurrentCell(nn.Module):
    """The equation of one step, written out; torch.nn.RNN computes the same.

    Parameters
    ----------
    n_in, n_hidden : int
    activation : "tanh" or "relu"
    """

    n_states = 1

    def __init__(self, n_in: int, n_hidden: int, activation: str = "tanh") -> None:
        super().__init__()
        self.n_hidden = n_hidden
        self.activation = torch.tanh if activation == "tanh" else torch.relu
        self.weight_ih = nn.Parameter(torch.empty(n_hidden, n_in))
        self.weight_hh = nn.Parameter(torch.empty(n_hidden, n_hidden))
        self.bias_ih = nn.Parameter(torch.empty(n_hidden))
        self.bias_hh = nn.Parameter(torch.empty(n_hidden))
        draw_recurrent(self, gates=1)

    def project(self, x: Tensor) -> Tensor:
        """Return W_ih x + b_ih."""
        return nn.functional.linear(x, self.weight_ih, self.bias_ih)

    def advance(self, sums: Tensor, state: State) -> State:
        """Return h(t)."""
        return (self.activation(sums + nn.functional.linear(state[0], self.weight_hh, self.bias_hh)),)

    def trace(self, x: Tensor, state: State, at: Moment) -> Iterator[Step]:
        """Yield one step: the new state."""
        (h_now,) = self.advance(self.project(x), state)
        bias = self.bias_ih + self.bias_hh
        squash = "tanh" if self.activation is torch.tanh else "relu"
        terms = [*products(at, self.weight_ih, self.weight_hh), ("bias", float(bias[at.unit]), "")]
        operands = matrices(at, "h", self.weight_ih, self.weight_hh, bias)
        words = "state: what is read now and what was known before become the new state."
        yield gate(at, "h", squash, words, h_now, terms, operands)


class RNN(Remembering, Network):
    """Recurrent network for sequences, series and symbols (Elman's: the hidden state is fed back).

    h(t) = f(W_ih x(t) + b_ih + W_hh h(t-1) + b_hh). Rows are sequences: arrays (n, T, d) with ``lengths``, lists of
    arrays (T_i, d), or flat rows (n, T), one value a step. What stands behind the end of a row changes nothing.

    Parameters
    ----------
    task : "classification" or "regression", default "classification"
    output : "sequence", "step" or "next", default "sequence"
        One target a sequence, one a step, or what comes next in the sequence itself; then ``fit(X)`` needs no y.
    n_hidden : int, default 128
        Units of a layer, in each direction.
    n_layers : int, default 1
    activation : "tanh" or "relu", default "tanh"
        With "relu" the hidden weights start as the identity (Le, Jaitly & Hinton 2015), else orthogonal.
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
    Elman, "Finding structure in time", Cognitive Science 14, 1990. Werbos, "Backpropagation through time", Proceedings
    of the IEEE 78, 1990. Schuster & Paliwal, "Bidirectional recurrent neural networks", IEEE Transactions on Signal
    Processing 45, 1997.

    Examples
    --------
    >>> import numpy as np
    >>> from nnzoo import RNN
    >>> X = np.random.default_rng(0).normal(size=(200, 5, 1))
    >>> y = X[:, 2:, 0].sum(axis=1) > 0
    >>> RNN(n_hidden=16, n_epochs=40, random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    ranges: ClassVar[Mapping[str, Range]] = RECURRENT_RANGES | {"activation": OneOf(("tanh", "relu"))}

    def __init__(
        self,
        *,
        task: str = "classification",
        output: str = "sequence",
        n_hidden: int = 128,
        n_layers: int = 1,
        activation: str = "tanh",
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
        self.activation = activation
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
        """Return one layer in one direction."""
        kernel = nn.RNN(n_in, self.n_hidden, nonlinearity=self.activation, batch_first=True)
        draw_recurrent(kernel, gates=1)
        if self.activation == "relu":
            nn.init.eye_(kernel.get_parameter("weight_hh_l0"))
        return Fused(kernel, partial(RecurrentCell, n_in, self.n_hidden, self.activation))
