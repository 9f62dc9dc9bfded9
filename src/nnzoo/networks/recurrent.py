"""RNN: the recurrent network, whose hidden state is its own next input.

    h(t) = f(W_ih x(t) + b_ih + W_hh h(t-1) + b_hh),  o(t) = g(W_ho h(t) + b_o)

Every step multiplies the gradient by W_hh once more, so what lies far back fades or explodes: beyond some twenty steps
take an LSTM or GRU.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from nnzoo.checks import OneOf, Range
from nnzoo.estimator import Network
from nnzoo.networks.gates import Moment, gate, matrices, products
from nnzoo.networks.memory import Fused, State, draw_recurrent
from nnzoo.networks.parameters import RecurrentParameters, with_parameters
from nnzoo.networks.remembering import Remembering
from nnzoo.trace import Step


class RecurrentCell(nn.Module):
    """The equation of one step, written out; torch.nn.RNN computes the same.

    Parameters
    ----------
    n_in, n_hidden : int
    activation : "tanh" or "relu"
    """

    def __init__(self, n_in: int, n_hidden: int, activation: str = "tanh") -> None:
        super().__init__()
        self.n_hidden, self.widths = n_hidden, (n_hidden,)
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


@with_parameters
class RNN(RecurrentParameters, Remembering, Network):
    """Recurrent network for sequences, series and symbols (Elman's: the hidden state is fed back).

    h(t) = f(W_ih x(t) + b_ih + W_hh h(t-1) + b_hh). Rows are sequences: arrays (n, T, d) with ``lengths``, lists of
    arrays (T_i, d), or flat rows (n, T), one value a step. What stands behind the end of a row changes nothing.

    Parameters
    ----------
    activation : "tanh" or "relu", default "tanh"
        With "relu" the hidden weights start as the identity (Le, Jaitly & Hinton 2015), else orthogonal.
    Others: those of RecurrentParameters.

    Attributes
    ----------
    Others: those of RecurrentParameters.

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

    activation: str = "tanh"

    ranges: ClassVar[Mapping[str, Range]] = {**RecurrentParameters.ranges, "activation": OneOf(("tanh", "relu"))}

    def make_layer(self, n_in: int) -> nn.Module:
        """Return one layer in one direction."""
        kernel = nn.RNN(n_in, self.n_hidden, nonlinearity=self.activation, batch_first=True)
        draw_recurrent(kernel, gates=1)
        if self.activation == "relu":
            nn.init.eye_(kernel.get_parameter("weight_hh_l0"))
        return Fused(kernel, partial(RecurrentCell, n_in, self.n_hidden, self.activation))
