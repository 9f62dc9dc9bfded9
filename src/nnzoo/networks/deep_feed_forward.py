"""Deep Feed Forward network (DFF): any number of hidden layers, none included.

    h₀ = x
    hₗ = f(Wₗ hₗ₋₁ + bₗ)        l = 1 ... L
    o  = g(W h_L + b)

With no hidden layer the network *is* linear regression (g the identity), logistic regression (g the sigmoid) or softmax
regression (g the softmax). Initial weights: He W ~ N(0, 2/n_in), Glorot N(0, 2/(n_in + n_out)), LeCun N(0, 1/n_in).

A network may also start from the layers of a fitted autoencoder, which has seen many rows without labels; the head then
learns from few.

Sources: Rumelhart, Hinton & Williams 1986; Glorot & Bengio 2010; He et al. 2015; Klambauer et al. 2017 (SELU); Erhan et
al. 2010 (pre-training).
Sibling: feed_forward.py (exactly one hidden layer).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.checks import Each, Offering, OneOf, Range, Real, Truth, Whole, either
from nnzoo.engine.device import Arithmetic
from nnzoo.engine.scaling import Standardizer
from nnzoo.errors import DataError, UsageError
from nnzoo.estimator import GRADIENT_RANGES, TABLE_RANGES, Encoder, Network
from nnzoo.inputs import Inputs
from nnzoo.networks.backpropagation import dense_trainer
from nnzoo.networks.parts import (
    DENSE_RANGES,
    OPTIONAL_INIT,
    HiddenLayers,
    TableInput,
    choose_init,
    dense_layer,
    layer_widths,
)
from nnzoo.training.gradient import GradientSettings
from nnzoo.training.loop import Trainer


class DeepFeedForwardBody(nn.Module):
    """hₗ = f(Wₗ hₗ₋₁ + bₗ) for every hidden layer: (n, n_features) to (n, width of the last layer)."""

    def __init__(
        self,
        table: TableInput,
        hidden_layer_sizes: Sequence[int],
        *,
        activation: str = "relu",
        init: str | None = None,
        normalization: str | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.table = table
        self.hidden = nn.Sequential(
            *(
                dense_layer(
                    n_in,
                    n_out,
                    activation=activation,
                    init=init or choose_init(activation),
                    normalization=normalization,
                    dropout=dropout,
                )
                for n_in, n_out in layer_widths(table.n_out, hidden_layer_sizes)
            )
        )
        self.n_out = hidden_layer_sizes[-1] if len(hidden_layer_sizes) else table.n_out

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations of the last hidden layer."""
        return self.hidden(self.table(x))

    def layers(self) -> list[Any]:
        """Return the dense layers in their order."""
        return list(self.hidden)

    @torch.no_grad()
    def take_over(self, given: HiddenLayers) -> None:
        """Copy weights and biases into the first layers, as many as are given."""
        for layer, (weight, bias) in zip(self.layers(), given.layers, strict=False):
            layer[0].weight.copy_(weight)
            layer[0].bias.copy_(bias)


class DeepFeedForward(Encoder, Network):
    """Feed-forward network with any number of hidden layers, trained by backpropagation.

    h₀ = x, hₗ = f(Wₗ hₗ₋₁ + bₗ), o = g(W h_L + b). ``hidden_layer_sizes=()`` is linear, logistic or softmax regression.
    Inputs are standardised with weighted means and deviations of the training rows (0/1 columns stay), regression
    targets too; predictions come in the target's own unit.

    Parameters
    ----------
    task : "classification" or "regression", default "classification"
    hidden_layer_sizes : sequence of int, default (256, 128)
        Units of each hidden layer, from 1; may be empty.
    activation : str, default "relu"
        f: "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu" or "selu".
    init : None, "he", "glorot", "lecun" or "orthogonal", default None
        Initial weights of the hidden layers; None follows the activation.
    start_from : None or a fitted network, default None
        An Autoencoder, DenoisingAutoencoder or another with ``hidden_layers()``: the first hidden layers begin with the
        weights of its layers, as far as either has any, and inputs are scaled as there. Sizes and activation must
        agree. A model file holds what was learned, and None here.
    dropout : float, default 0.0
        Share of hidden units left out at random in a training step.
    normalization : None, "batch" or "layer", default None
    optimizer : "auto", "adam", "adamw", "sgd" or "lbfgs", default "auto"
        "auto": "adam" with hidden layers. Without one the loss is convex, and "lbfgs" goes to its bottom.
    learning_rate : float, default 0.001
        Not used by "lbfgs".
    schedule : "constant", "cosine" or "one_cycle", default "constant"
    warmup : float, default 0.0
        Share of all steps in which the learning rate rises from zero.
    average : bool, default False
        Whether to keep a running mean of the weights (decay 0.99 a step) and to predict with it.
    batch_size : int, default 256
        Rows a step; up to this many rows a step takes all.
    n_epochs : int, default 200
        Passes through the training rows, at most.
    early_stopping : bool or "auto", default "auto"
        Stop when the validation loss has not fallen for ``patience`` epochs. "auto": when validation rows are given, or
        from 10,000 rows on, of which ``validation_fraction`` are then held out.
    patience : int, default 20
    validation_fraction : float, default 0.1
    weight_decay : float or "auto", default "auto"
        L2 penalty. "auto": 1e-4 with hidden layers, none without.
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
    He, Zhang, Ren & Sun, "Delving deep into rectifiers", ICCV 2015.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from nnzoo import DeepFeedForward
    >>> X, y = load_diabetes(return_X_y=True)
    >>> linear = DeepFeedForward(hidden_layer_sizes=(), task="regression").fit(X, y)
    >>> bool(abs(linear.predict(X) - LinearRegression().fit(X, y).predict(X)).max() < 1e-4)
    True
    """

    kinds = ("table", "image", "sequence")
    ranges: ClassVar[Mapping[str, Range]] = {
        **TABLE_RANGES,
        **GRADIENT_RANGES,
        **DENSE_RANGES,
        "hidden_layer_sizes": Each(Whole(1, 10**9), high=1000),
        "init": OPTIONAL_INIT,
        "start_from": either(OneOf((None,)), Offering("hidden_layers", "a network with hidden_layers()")),
        "optimizer": either(OneOf(("auto",)), GRADIENT_RANGES["optimizer"]),
        "weight_decay": either(OneOf(("auto",)), GRADIENT_RANGES["weight_decay"]),
        "warmup": Real(0.0, 1.0),
        "average": Truth(),
    }

    def __init__(
        self,
        *,
        task: str = "classification",
        hidden_layer_sizes: Sequence[int] = (256, 128),
        activation: str = "relu",
        init: str | None = None,
        start_from: Any = None,
        dropout: float = 0.0,
        normalization: str | None = None,
        optimizer: str = "auto",
        learning_rate: float = 1e-3,
        schedule: str = "constant",
        warmup: float = 0.0,
        average: bool = False,
        batch_size: int = 256,
        n_epochs: int = 200,
        early_stopping: bool | str = "auto",
        patience: int = 20,
        validation_fraction: float = 0.1,
        weight_decay: float | str = "auto",
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.init = init
        self.start_from = start_from
        self.dropout = dropout
        self.normalization = normalization
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.warmup = warmup
        self.average = average
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
        body = DeepFeedForwardBody(
            TableInput(inputs.n_features, inputs.n_codes),
            self.hidden_layer_sizes,
            activation=self.activation,
            init=self.init,
            normalization=self.normalization,
            dropout=self.dropout,
        )
        if self.start_from is not None:
            given = self.start_from.hidden_layers()
            self._check_start(given, inputs)
            body.take_over(given)
        return body

    def standardize(self, X: np.ndarray, weight: np.ndarray | None, codes: Collection[int]) -> Standardizer:
        """Return the scaling of a table, or that of the network which this one starts from."""
        if self.start_from is not None:
            return self.start_from.hidden_layers().inputs.standard
        return super().standardize(X, weight, codes)

    def standardize_channels(self, X: np.ndarray, weight: np.ndarray | None, *, pixels: bool) -> Standardizer:
        """Return the scaling of images and signals, or that of the network which this one starts from."""
        if self.start_from is not None:
            return self.start_from.hidden_layers().inputs.standard
        return super().standardize_channels(X, weight, pixels=pixels)

    def __sklearn_clone__(self) -> Self:
        """Return an untrained copy; what it starts from stays fitted."""
        copy: Any = super().__sklearn_clone__()
        copy.start_from = self.start_from
        return copy

    def gradient_settings(self) -> dict[str, Any]:
        """Return how the weights move, with the two "auto" values decided."""
        convex = len(self.hidden_layer_sizes) == 0
        settings = super().gradient_settings()
        if self.optimizer == "auto":
            settings["optimizer"] = "lbfgs" if convex else "adam"
        if self.weight_decay == "auto":
            settings["weight_decay"] = 0.0 if convex else 1e-4
        return settings | {"warmup": self.warmup, "average": self.average}

    def learn(self, network: nn.Module, n_rows: int, n_steps: int) -> Trainer:
        """Return gradient descent, by the rule of backpropagation written out where the layers are plain."""
        settings = GradientSettings(n_steps=n_steps, **self.gradient_settings())
        return dense_trainer(network, self.target_.head, settings, Arithmetic.named(self.arithmetic_))

    # Inside

    def _check_start(self, given: HiddenLayers, inputs: Inputs) -> None:
        """Refuse layers that read other rows, or are other layers, than those of this network."""
        mine, theirs = ((each.kind, each.shape, each.pixels) for each in (inputs, given.inputs))
        if mine != theirs or inputs.n_codes:
            raise DataError(
                f"DeepFeedForward starts from layers of {given.owner}, which read {_rows_in_words(given.inputs)}; "
                f"these are {_rows_in_words(inputs)}.",
                "Give both the same kind of rows, of the same shape and type, and no categorical_features.",
            )
        n_both = min(len(given.sizes), len(self.hidden_layer_sizes))
        if tuple(self.hidden_layer_sizes[:n_both]) != given.sizes[:n_both] or not n_both:
            raise UsageError(
                f"DeepFeedForward: hidden_layer_sizes={tuple(self.hidden_layer_sizes)}, but the layers of "
                f"{given.owner} that it starts from have {given.sizes} units.",
                f"Pass hidden_layer_sizes={given.sizes}.",
            )
        if self.activation != given.activation or self.normalization is not None:
            raise UsageError(
                f"DeepFeedForward: activation={self.activation!r} and normalization={self.normalization!r}, but "
                f"the layers of {given.owner} that it starts from have {given.activation!r} and None.",
                f"Pass activation={given.activation!r} and normalization=None.",
            )


def _rows_in_words(inputs: Inputs) -> str:
    many = {"table": "tables", "image": "images", "sequence": "sequences"}[inputs.kind]
    return f"{many} with rows of shape {inputs.shape}{' as bytes' if inputs.pixels else ''}"
