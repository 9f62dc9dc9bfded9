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
from nnzoo.estimator import GRADIENT_RANGES, Encoder, Network
from nnzoo.inputs import Inputs
from nnzoo.networks.backpropagation import dense_trainer
from nnzoo.networks.parameters import DenseParameters, with_parameters
from nnzoo.networks.parts import (
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


@with_parameters
class DeepFeedForward(DenseParameters, Encoder, Network):
    """Feed-forward network with any number of hidden layers, trained by backpropagation.

    h₀ = x, hₗ = f(Wₗ hₗ₋₁ + bₗ), o = g(W h_L + b). ``hidden_layer_sizes=()`` is linear, logistic or softmax regression.
    Inputs are standardised with weighted means and deviations of the training rows (0/1 columns stay), regression
    targets too; predictions come in the target's own unit.

    Parameters
    ----------
    task : "classification" or "regression", default "classification"
    hidden_layer_sizes : sequence of int, default (256, 128)
        Units of each hidden layer, from 1; may be empty.
    init : None, "he", "glorot", "lecun" or "orthogonal", default None
        Initial weights of the hidden layers; None follows the activation.
    start_from : None or a fitted network, default None
        An Autoencoder, DenoisingAutoencoder or another with ``hidden_layers()``: the first hidden layers begin with the
        weights of its layers, as far as either has any, and inputs are scaled as there. Sizes and activation must
        agree. A model file holds what was learned, and None here.
    optimizer : "auto", "adam", "adamw", "sgd" or "lbfgs", default "auto"
        "auto": "adam" with hidden layers. Without one the loss is convex, and "lbfgs" goes to its bottom.
    warmup : float, default 0.0
        Share of all steps in which the learning rate rises from zero.
    average : bool, default False
        Whether to keep a running mean of the weights (decay 0.99 a step) and to predict with it.
    weight_decay : float or "auto", default "auto"
        L2 penalty. "auto": 1e-4 with hidden layers, none without.
    Others: those of DenseParameters.

    Attributes
    ----------
    Others: those of DenseParameters.

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

    hidden_layer_sizes: Sequence[int] = (256, 128)
    init: str | None = None
    start_from: Any = None
    optimizer: str = "auto"
    warmup: float = 0.0
    average: bool = False
    weight_decay: float | str = "auto"  # pyright: ignore[reportIncompatibleVariableOverride]

    kinds: ClassVar[tuple[str, ...]] = ("table", "image", "sequence")
    ranges: ClassVar[Mapping[str, Range]] = {
        **DenseParameters.ranges,
        "hidden_layer_sizes": Each(Whole(1, 10**9), high=1000),
        "init": OPTIONAL_INIT,
        "start_from": either(OneOf((None,)), Offering("hidden_layers", "a network with hidden_layers()")),
        "optimizer": either(OneOf(("auto",)), GRADIENT_RANGES["optimizer"]),
        "weight_decay": either(OneOf(("auto",)), GRADIENT_RANGES["weight_decay"]),
        "warmup": Real(0.0, 1.0),
        "average": Truth(),
    }

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
