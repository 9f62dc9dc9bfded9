"""Feed Forward network (FF): one hidden layer.

    h = f(W₁ x + b₁)
    o = g(W₂ h + b₂)

with f the activation and g the head's final activation. Backpropagation gives, for every head of the table and up to a
constant,

    δ₂ = o - y,    δ₁ = W₂ᵀ δ₂ ⊙ f'(W₁ x + b₁),    ∂E/∂Wₖ = δₖ · (input of layer k)ᵀ

Source: Rumelhart, Hinton & Williams 1986. The chart cites Rosenblatt 1958, by way of the perceptron; learning a hidden
layer came with backpropagation. Siblings: deep_feed_forward.py (any number of hidden layers).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from nnzoo.checks import Range, Whole
from nnzoo.engine.device import Arithmetic
from nnzoo.estimator import Encoder, Network
from nnzoo.inputs import Inputs
from nnzoo.networks.backpropagation import dense_trainer
from nnzoo.networks.parameters import DenseParameters, with_parameters
from nnzoo.networks.parts import TableInput, choose_init, dense_layer
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


@with_parameters
class FeedForward(DenseParameters, Encoder, Network):
    """Feed-forward network with one hidden layer, trained by backpropagation.

    h = f(W₁ x + b₁), o = g(W₂ h + b₂). Inputs are standardised with weighted means and deviations of the training
    rows (0/1 columns stay), regression targets too; predictions come in the target's own unit.

    Parameters
    ----------
    task : "classification" or "regression", default "classification"
    n_hidden : int, default 100
        Units of the hidden layer, from 1.
    optimizer : "adam", "adamw", "sgd" or "lbfgs", default "adam"
        "lbfgs" takes all rows at each step.
    Others: those of DenseParameters.

    Attributes
    ----------
    Others: those of DenseParameters.

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

    n_hidden: int = 100

    kinds: ClassVar[tuple[str, ...]] = ("table", "image", "sequence")
    ranges: ClassVar[Mapping[str, Range]] = {
        **DenseParameters.ranges,
        "n_hidden": Whole(1, 10**9),
    }

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
