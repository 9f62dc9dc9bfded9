"""GRU: gates like the LSTM's, but one state only.

r, z = σ(W x(t) + U h(t-1) + b), each with its own W, U, b         how much of the past to look at, to keep
n    = tanh(W x(t) + b + r ⊙ (U h(t-1) + b'))                      reset after the product, as cuDNN and torch
n    = tanh(W x(t) + b + U (r ⊙ h(t-1)) + b')                      reset before it, as in the paper
h(t) = (1 - z) ⊙ n + z ⊙ h(t-1)
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

import numpy as np
from torch import nn

from nnzoo.checks import Range, Truth
from nnzoo.estimator import Network
from nnzoo.networks.gated_cell import GRUCell
from nnzoo.networks.memory import Fused, Unrolled, draw_recurrent
from nnzoo.networks.remembering import RECURRENT_RANGES, Remembering


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
