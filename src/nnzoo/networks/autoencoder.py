"""Auto Encoder (AE): a network that learns to give back what it is given, through a narrow code.

    z = f(x)                encoder
    x̂ = g(z)                decoder
    min over f and g of Σₙ ‖xₙ - g(f(xₙ))‖²

A linear autoencoder with k code units spans the space of the k first principal components, and its error is the sum of
the variances that these leave over. A contractive one adds λ ‖∂f/∂x‖² to the loss, so that the code changes little
where the data do not.

Sources: Bourlard & Kamp 1988; Baldi & Hornik 1989 (no other minima); Hinton & Salakhutdinov 2006; Rifai et al. 2011
(contractive). Siblings: denoising_autoencoder.py (noisy rows in, clean rows out), sparse_autoencoder.py (wide, sparse
code), variational_autoencoder.py (a distribution of codes).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nnzoo.checks import OneOf, Range, Real, Truth
from nnzoo.errors import UsageError
from nnzoo.estimator import Network
from nnzoo.evaluation.rowvalues import RowValues
from nnzoo.inputs import Inputs
from nnzoo.networks.coding import dense_layers_of, make_coders
from nnzoo.networks.parameters import CodingParameters, with_parameters
from nnzoo.networks.parts import ACTIVATIONS, HiddenLayers
from nnzoo.networks.unlabelled import UNLABELLED_GRADIENT_RANGES, Unlabelled, reconstruction_values, weighted_quantile

LOSSES: dict[str, Callable[..., Tensor]] = {
    "squared": functional.mse_loss,
    "bernoulli": functional.binary_cross_entropy_with_logits,
    "huber": functional.huber_loss,
}
"""Loss of each number by name; what the decoder gives is the logarithm of the odds for "bernoulli"."""


class AutoencoderBody(nn.Module):
    """z = f(x), x̂ = g(z): rows (n, *shape) to codes (n, n_components), and back.

    Parameters
    ----------
    shape : tuple of int
        Of a row.
    hidden_layer_sizes, n_filters, n_components, activation, tied, loss, contractive
        As in :class:`Autoencoder`.

    Attributes
    ----------
    offset : Tensor of shape ()
        Score below which a row is taken for an outlier.
    """

    offset: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        hidden_layer_sizes: Sequence[int],
        n_filters: Sequence[int],
        n_components: int,
        activation: str,
        tied: bool = False,
        loss: str = "squared",
        contractive: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder, decoder = make_coders(
            shape,
            n_components,
            n_components,
            hidden_layer_sizes=hidden_layer_sizes,
            n_filters=() if tied else n_filters,
            activation=activation,
        )
        self.decoder = TiedDecoder(self.encoder, shape, activation) if tied else decoder
        self.loss = loss
        self.contractive = contractive
        self.n_out = n_components
        self.register_buffer("offset", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return the codes."""
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """Return the rows (n, *shape) that codes stand for."""
        rows = self.decoder(z)
        return torch.sigmoid(rows) if self.loss == "bernoulli" else rows

    def row_loss(self, x: Tensor, wanted: Tensor | None = None) -> Tensor:
        """Return the loss of each row (n,); the contractive penalty counts while weights are moved only.

        Parameters
        ----------
        x : Tensor of shape (n, *shape)
            What goes in.
        wanted : Tensor of the same shape, optional
            What is to come out; x itself without.
        """
        contracted = self.contractive and torch.is_grad_enabled()
        x = x.detach().requires_grad_() if contracted else x
        z = self.encoder(x)
        loss = (
            LOSSES[self.loss](self.decoder(z), x if wanted is None else wanted, reduction="none").flatten(1).sum(dim=1)
        )
        return loss + self.contractive * squared_jacobian(z, x) if contracted else loss


class TiedDecoder(nn.Module):
    """The encoder's dense layers backwards: its weights transposed, biases of its own."""

    def __init__(self, encoder: nn.Sequential, shape: tuple[int, ...], activation: str) -> None:
        super().__init__()
        self.encoder = (encoder,)  # in a tuple, so that its weights are not counted twice
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(layer.in_features)) for layer in self._layers()])
        self.activation = ACTIVATIONS[activation]()
        self.shape = shape

    def forward(self, z: Tensor) -> Tensor:
        """Return rows (n, *shape)."""
        for number, (layer, bias) in enumerate(zip(self._layers(), self.biases, strict=True)):
            z = functional.linear(self.activation(z) if number else z, layer.weight.t(), bias)
        return z.unflatten(1, self.shape)

    def _layers(self) -> list[nn.Linear]:
        return [module for module in self.encoder[0].modules() if isinstance(module, nn.Linear)][::-1]


def squared_jacobian(z: Tensor, x: Tensor) -> Tensor:
    """Return Σⱼ ‖∂zⱼ/∂x‖² of each row (n,), ready to be differentiated again."""
    slopes = [torch.autograd.grad(unit.sum(), x, create_graph=True)[0] for unit in z.unbind(dim=1)]
    return torch.stack([slope.flatten(1).square().sum(dim=1) for slope in slopes]).sum(dim=0)


@with_parameters
class Autoencoder(CodingParameters, Unlabelled, Network):
    """Autoencoder: compresses rows into a code of few numbers, and brings them back.

    z = f(x), x̂ = g(z), trained on Σ ‖x - x̂‖². Columns of tables are standardised, images by channel; what comes back
    comes in the rows' own unit. The loss of a row is the sum over its numbers, as standardised.

    Parameters
    ----------
    n_components : int, default 2
        Numbers of the code.
    hidden_layer_sizes : tuple of int, default (128,)
        Dense layers between rows and code; the decoder has them in reverse. () makes a linear autoencoder of a table.
    n_filters : tuple of int, default (32, 64)
        Of images: convolutions with stride 2 before the dense layers. () takes images as flat rows.
    tied : bool, default False
        The decoder's weights are the encoder's, transposed; images are then flat rows.
    loss : "squared", "bernoulli" or "huber", default "squared"
        "bernoulli" is for numbers from 0 to 1, which are then not standardised.
    contractive : float, default 0.0
        Weight λ of the squared slopes of the code.
    contamination : float, default 0.01
        Share of the training rows that ``predict`` calls outliers, those with the largest loss.
    optimizer : "adam", "adamw", "sgd" or "lbfgs", default "adam"
        "lbfgs" takes all rows at each step.
    learning_rate : float, default 0.001
    batch_size : int, default 128
    Others: those of CodingParameters.

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised rows (n, *shape) to codes (n, n_components).
    offset_ : float
        Score below which ``predict`` calls a row an outlier.
    n_features_in_, n_iter_, best_epoch_ : int
    history_ : dict of str to list

    References
    ----------
    Bourlard & Kamp, "Auto-association by multilayer perceptrons and singular value decomposition", Biological
    Cybernetics 59, 1988. Hinton & Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science
    313, 2006. Rifai et al., "Contractive auto-encoders", ICML 2011.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nnzoo import Autoencoder
    >>> X, _ = load_iris(return_X_y=True)
    >>> network = Autoencoder(hidden_layer_sizes=(16,), random_state=0).fit(X)
    >>> network.transform(X).shape, network.reconstruct(X).shape
    ((150, 2), (150, 4))
    """

    n_components: int = 2
    hidden_layer_sizes: Sequence[int] = (128,)
    n_filters: Sequence[int] = (32, 64)
    tied: bool = False
    loss: str = "squared"
    contractive: float = 0.0
    contamination: float = 0.01
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    batch_size: int = 128

    kinds: ClassVar[tuple[str, ...]] = ("table", "image", "sequence")
    ranges: ClassVar[Mapping[str, Range]] = {
        **CodingParameters.ranges,
        "optimizer": UNLABELLED_GRADIENT_RANGES["optimizer"],
        "tied": Truth(),
        "loss": OneOf(tuple(LOSSES)),
        "contractive": Real(0.0),
        "contamination": Real(0.0, 0.5, above=True),
    }

    @property
    def in_unit_range(self) -> bool:
        """Return whether rows are taken as numbers from 0 to 1."""
        return self.loss == "bernoulli"

    @property
    def offset_(self) -> float:
        """Return the score below which a row is an outlier."""
        return float(self.network_.body.offset)

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the untrained encoder and decoder."""
        if self.tied and inputs.kind == "image" and len(self.n_filters):
            raise UsageError("Autoencoder: tied=True is for dense layers.", "Pass n_filters=() with it.")
        return AutoencoderBody(
            inputs.shape,
            hidden_layer_sizes=self.hidden_layer_sizes,
            n_filters=self.n_filters,
            n_components=self.n_components,
            activation=self.activation,
            tied=self.tied,
            loss=self.loss,
            contractive=self.contractive,
        )

    def hidden_layers(self) -> HiddenLayers:
        """Return the dense layers between rows and code, for a network that starts from them."""
        return dense_layers_of(self)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return how far the score of each row lies above ``offset_``: below 0 it is an outlier: (n,)."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Return 1 for each row that is like the training rows, -1 for each outlier: (n,)."""
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def answers(self, X: Any) -> Mapping[str, np.ndarray]:
        """Return "prediction", 1 or -1 for an outlier, and "score", minus the loss, of each row."""
        score = self.score_samples(X)
        return {"prediction": np.where(score >= self.offset_, 1, -1), "score": score}

    def settle(self, X: Any, sample_weight: Any) -> None:
        """Set the border of outliers by the scores of the training rows."""
        offset = weighted_quantile(self.score_samples(X), sample_weight, self.contamination)
        self.network_.body.offset.fill_(offset)

    def measures(self, X: Any, X_train: Any | None) -> RowValues:
        """Return the reconstruction error of each row beside that of principal components, as many as code numbers."""
        return reconstruction_values(self, X, X_train, self.n_components)
