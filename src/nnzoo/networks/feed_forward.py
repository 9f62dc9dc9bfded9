"""Feed Forward network (FF): one hidden layer.

    h = f(W₁ x + b₁)
    o = g(W₂ h + b₂)

with f the activation and g the head's final activation. Backpropagation gives, for every head of the table and up to a
constant,

    δ₂ = o - y,    δ₁ = W₂ᵀ δ₂ ⊙ f'(W₁ x + b₁),    ∂E/∂Wₖ = δₖ · (input of layer k)ᵀ

Source: Rumelhart, Hinton & Williams 1986. The chart cites Rosenblatt 1958, by way of the perceptron; learning a hidden
layer came with backpropagation. Siblings: deep_feed_forward.py (any number of hidden layers).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from nnzoo.checks import Range, Whole
from nnzoo.engine.device import Arithmetic
from nnzoo.estimator import GRADIENT_RANGES, TABLE_RANGES, Encoder, Network
from nnzoo.inputs import Inputs
from nnzoo.networks.backpropagation import dense_trainer
from nnzoo.networks.parts import DENSE_RANGES, TableInput, choose_init, dense_layer
from nnzoo.training.gradient import GradientSettings
from nnzoo.training.loop import Trainer


class FeedForwardBody(nn.Module):
    """h = f(W₁ x + b₁): (n, n_features) to (n, n_hidden)."""

    def __init__(
        self,
        table: TableInput,
        n_hidden: int,
        *,
        activation: str = "relu",
        normalization: str | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.table = table
        self.hidden = dense_layer(
            table.n_out,
            n_hidden,
            activation=activation,
            init=choose_init(activation),
            normalization=normalization,
            dropout=dropout,
        )
        self.n_out = n_hidden

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations of the hidden layer."""
        return self.hidden(self.table(x))

    def layers(self) -> list[Any]:
        """Return the dense layers in their order."""
        return [self.hidden]


class FeedForward(Encoder, Network):
    """Feed-forward network with one hidden layer, trained by backpropagation.

    h = f(W₁ x + b₁), o = g(W₂ h + b₂). Inputs are standardised with weighted means and deviations of the training
    rows (0/1 columns stay), regression targets too; predictions come in the target's own unit.

    Parameters
    ----------
    task : "classification" or "regression", default "classification"
    n_hidden : int, default 100
        Units of the hidden layer, from 1.
    activation : str, default "relu"
        f: "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu" or "selu".
    dropout : float, default 0.0
        Share of hidden units left out at random in a training step.
    normalization : None, "batch" or "layer", default None
    optimizer : "adam", "adamw", "sgd" or "lbfgs", default "adam"
        "lbfgs" takes all rows at each step.
    learning_rate : float, default 0.001
        Not used by "lbfgs".
    schedule : "constant", "cosine" or "one_cycle", default "constant"
    batch_size : int, default 256
        Rows a step; up to this many rows a step takes all.
    n_epochs : int, default 200
        Passes through the training rows, at most.
    early_stopping : bool or "auto", default "auto"
        Stop when the validation loss has not fallen for ``patience`` epochs. "auto": when validation rows are given, or
        from 10,000 rows on, of which ``validation_fraction`` are then held out.
    patience : int, default 20
    validation_fraction : float, default 0.1
    weight_decay : float, default 0.0001
        L2 penalty.
    clip_norm : float or None, default None
        Largest norm of the gradient.
    class_weight : None, "balanced" or dict of label to weight
    categorical_features : list of int or None
        Columns that hold category codes 0, 1, 2, ... (0 is "unknown"); each gets trained vectors.
    kind : None, "table", "image" or "sequence", default None
        What the arrays are; None takes rows of two dimensions as a table and refuses all else. Images and sequences
        are flattened; images that come as bytes stay bytes, and are divided by 255 and standardised as a whole.
    input_shape : tuple of int or None
        Shape of a row, (height, width[, channels]), where images come flat.
    device : "auto", "cpu", "cuda" or "mps", default "auto"
    precision : "auto", "float64", "float32" or "bfloat16", default "auto"
        "auto": float64 below 1,000 rows, else float32.
    random_state : int, RandomState or None
    verbose : int, default 0

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised inputs (n, n_features) to scores (n, n_scores).
    classes_ : ndarray of shape (n_classes,)
    n_features_in_, n_iter_ : int
    history_ : dict of str to list
        A column a quantity, an entry an epoch.
    best_epoch_ : int
        The epoch whose weights were kept.

    References
    ----------
    Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors", Nature 323, 1986.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nnzoo import FeedForward
    >>> X, y = load_iris(return_X_y=True)
    >>> FeedForward(n_hidden=20, n_epochs=500, random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    kinds = ("table", "image", "sequence")
    ranges: ClassVar[Mapping[str, Range]] = {
        **TABLE_RANGES,
        **GRADIENT_RANGES,
        **DENSE_RANGES,
        "n_hidden": Whole(1, 10**9),
    }

    def __init__(
        self,
        *,
        task: str = "classification",
        n_hidden: int = 100,
        activation: str = "relu",
        dropout: float = 0.0,
        normalization: str | None = None,
        optimizer: str = "adam",
        learning_rate: float = 1e-3,
        schedule: str = "constant",
        batch_size: int = 256,
        n_epochs: int = 200,
        early_stopping: bool | str = "auto",
        patience: int = 20,
        validation_fraction: float = 0.1,
        weight_decay: float = 1e-4,
        clip_norm: float | None = None,
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
        self.n_hidden = n_hidden
        self.activation = activation
        self.dropout = dropout
        self.normalization = normalization
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

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the untrained body; images and sequences are flattened."""
        return FeedForwardBody(
            TableInput(inputs.n_features, inputs.n_codes),
            self.n_hidden,
            activation=self.activation,
            normalization=self.normalization,
            dropout=self.dropout,
        )

    def learn(self, network: nn.Module, n_rows: int, n_steps: int) -> Trainer:
        """Return gradient descent, by the rule of backpropagation written out where the layers are plain."""
        settings = GradientSettings(n_steps=n_steps, **self.gradient_settings())
        return dense_trainer(network, self.target_.head, settings, Arithmetic.named(self.arithmetic_))
