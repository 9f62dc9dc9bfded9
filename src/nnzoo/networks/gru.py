"""GRU: gates like the LSTM's, but one state only.

r, z = σ(W x(t) + U h(t-1) + b), each with its own W, U, b         how much of the past to look at, to keep
n    = tanh(W x(t) + b + r ⊙ (U h(t-1) + b'))                      reset after the product, as cuDNN and torch
n    = tanh(W x(t) + b + U (r ⊙ h(t-1)) + b')                      reset before it, as in the paper
h(t) = (1 - z) ⊙ n + z ⊙ h(t-1)
"""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from torch import nn

from nnzoo.checks import Range, Truth
from nnzoo.estimator import Network
from nnzoo.networks.gated_cell import GRUCell
from nnzoo.networks.memory import Fused, Unrolled, draw_recurrent
from nnzoo.networks.parameters import RecurrentParameters, with_parameters
from nnzoo.networks.remembering import Remembering


@with_parameters
class GRU(RecurrentParameters, Remembering, Network):
    """Gated recurrent unit for sequences, series and symbols: three quarters of the weights of an LSTM.

    h(t) = (1 - z) ⊙ n + z ⊙ h(t-1), with gates r, z = σ(W x(t) + U h(t-1) + b). Rows are sequences: arrays (n, T, d)
    with ``lengths``, lists of arrays (T_i, d), or flat rows (n, T), one value a step. What stands behind the end of a
    row changes nothing.

    Parameters
    ----------
    reset_after : bool, default True
        True is the form of cuDNN and torch, False that of the paper, whose steps run one by one.
    Others: those of RecurrentParameters.

    Attributes
    ----------
    Others: those of RecurrentParameters.

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

    reset_after: bool = True

    ranges: ClassVar[Mapping[str, Range]] = {**RecurrentParameters.ranges, "reset_after": Truth()}

    def make_layer(self, n_in: int) -> nn.Module:
        """Return one layer in one direction: torch's kernel, or the written-out cell of the paper."""
        if not self.reset_after:
            return Unrolled(GRUCell(n_in, self.n_hidden, reset_after=False))
        kernel = nn.GRU(n_in, self.n_hidden, batch_first=True)
        draw_recurrent(kernel, gates=3)
        return Fused(kernel, partial(GRUCell, n_in, self.n_hidden))
