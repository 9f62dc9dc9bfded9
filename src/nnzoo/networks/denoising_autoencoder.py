"""Denoising Auto Encoder (DAE): a network that learns to give back clean what it is given with noise.

    x̃ ~ q(x̃|x)             noise
    z = f(x̃), x̂ = g(z)     encoder, decoder
    min over f and g of E ‖x - g(f(x̃))‖²

It may be as wide as its rows, as the drawing has it, or of any other width: the noise keeps it from copying. With
Gaussian noise of a small deviation s the way from a row to what comes back, (x̂ - x) / s², tends to the slope of the
logarithm of the density of the rows (Alain & Bengio 2014). A linear one learns S (S + s² I)⁻¹, with S the covariance
of the rows.

Sources: Vincent et al. 2008 (masking, salt and pepper); Alain & Bengio 2014 (Gaussian noise). Siblings:
autoencoder.py (the same without noise), sparse_autoencoder.py (wide, sparse code), variational_autoencoder.py (a
distribution of codes).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nnzoo.checks import OneOf, Range, Real
from nnzoo.engine import draws
from nnzoo.estimator import Network
from nnzoo.evaluation.rowvalues import RowValues, Shown, as_bytes, denoise_linearly
from nnzoo.inputs import Inputs
from nnzoo.networks.coding import dense_layers_of, make_coders
from nnzoo.networks.parameters import CodingParameters, with_parameters
from nnzoo.networks.parts import HiddenLayers
from nnzoo.networks.unlabelled import MAX_BESIDE, Unlabelled

NOISES = ("masking", "salt_and_pepper", "gaussian", "swap")


class Noise(nn.Module):
    """x̃ ~ q(x̃|x): rows (n, *shape) with noise.

    Fresh noise while training; elsewhere always the same, so that a validation loss does not follow chance.

    Parameters
    ----------
    kind : str
        One of "masking", "salt_and_pepper", "gaussian" and "swap".
    level : float
        Share of the numbers that are replaced; of Gaussian noise its deviation.
    """

    def __init__(self, kind: str, level: float) -> None:
        super().__init__()
        self.kind = kind
        self.level = level

    def forward(self, x: Tensor) -> Tensor:
        """Return the rows with noise."""
        if not self.level or (self.kind == "swap" and len(x) == 1):
            return x
        generator = draws.generator() if self.training else torch.Generator(x.device).manual_seed(0)
        like: dict[str, Any] = {"device": x.device, "dtype": x.dtype, "generator": generator}
        if self.kind == "gaussian":
            return x + self.level * torch.randn(x.shape, **like)
        return torch.where(torch.rand(x.shape, **like) < self.level, self._others(x, like), x)

    def _others(self, x: Tensor, like: Mapping[str, Any]) -> Tensor:
        """Return what stands in the place of the numbers that are replaced."""
        if self.kind == "masking":
            return torch.zeros_like(x)
        if self.kind == "salt_and_pepper":
            places = tuple(range(x.ndim - 1))
            return torch.where(torch.rand(x.shape, **like) < 0.5, x.amin(places), x.amax(places))
        n = len(x)
        steps = torch.randint(1, n, x.shape, device=x.device, generator=like["generator"])
        rows = torch.arange(n, device=x.device).view(-1, *[1] * (x.ndim - 1))
        return x.gather(0, (rows + steps) % n)


class DenoisingBody(nn.Module):
    """z = f(x̃), x̂ = g(z): rows (n, *shape) to codes (n, n_components), and back.

    Parameters
    ----------
    shape : tuple of int
        Of a row.
    noise, corruption_level, hidden_layer_sizes, n_filters, n_components, activation
        As in :class:`DenoisingAutoencoder`.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        hidden_layer_sizes: Sequence[int],
        n_filters: Sequence[int],
        n_components: int,
        activation: str,
        noise: str = "masking",
        corruption_level: float = 0.3,
    ) -> None:
        super().__init__()
        sizes = {"hidden_layer_sizes": hidden_layer_sizes, "n_filters": n_filters, "activation": activation}
        self.noise = Noise(noise, corruption_level)
        self.encoder, self.decoder = make_coders(shape, n_components, n_components, **sizes)
        self.n_out = n_components

    def forward(self, x: Tensor) -> Tensor:
        """Return the codes of rows as they come."""
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """Return the rows (n, *shape) that codes stand for."""
        return self.decoder(z)

    def row_loss(self, x: Tensor) -> Tensor:
        """Return the squared error between each row and what comes back of it with noise: (n,)."""
        rebuilt = self.decoder(self.encoder(self.noise(x)))
        return functional.mse_loss(rebuilt, x, reduction="none").flatten(1).sum(dim=1)


@with_parameters
class DenoisingAutoencoder(CodingParameters, Unlabelled, Network):
    """Denoising autoencoder: learns to take the noise out of rows, and features that noise does not change.

    x̃ = x with noise, z = f(x̃), x̂ = g(z), trained on Σ ‖x - x̂‖² with fresh noise in every epoch. Columns of tables are
    standardised, images by channel, before the noise comes; what is given back comes in the rows' own unit.

    Parameters
    ----------
    noise : "masking", "salt_and_pepper", "gaussian" or "swap", default "masking"
        "masking" puts the mean of the column or channel in the place of numbers, "salt_and_pepper" the lowest or
        highest value of the step, "swap" the value of the same place in another row; "gaussian" adds to all of them.
    corruption_level : float, default 0.3
        Share of the numbers that are replaced; of Gaussian noise its deviation, in deviations of the rows.
    Others: those of CodingParameters.

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised rows (n, *shape) to codes (n, n_components).
    n_features_in_, n_iter_, best_epoch_ : int
    history_ : dict of str to list

    References
    ----------
    Vincent, Larochelle, Bengio & Manzagol, "Extracting and composing robust features with denoising autoencoders",
    ICML 2008. Alain & Bengio, "What regularized auto-encoders learn from the data-generating distribution", Journal of
    Machine Learning Research 15, 2014.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nnzoo import DenoisingAutoencoder
    >>> X, _ = load_iris(return_X_y=True)
    >>> network = DenoisingAutoencoder(noise="swap", n_epochs=20, random_state=0).fit(X)
    >>> network.transform(X).shape, network.predict(X).shape
    ((150, 64), (150, 4))
    """

    noise: str = "masking"
    corruption_level: float = 0.3

    kinds: ClassVar[tuple[str, ...]] = ("table", "image", "sequence")
    ranges: ClassVar[Mapping[str, Range]] = {
        **CodingParameters.ranges,
        "noise": OneOf(NOISES),
        "corruption_level": Real(0.0, 1.0),
    }

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the untrained noise, encoder and decoder."""
        return DenoisingBody(
            inputs.shape,
            hidden_layer_sizes=self.hidden_layer_sizes,
            n_filters=self.n_filters,
            n_components=self.n_components,
            activation=self.activation,
            noise=self.noise,
            corruption_level=self.corruption_level,
        )

    @property
    def draws_in_training(self) -> bool:
        """Return whether there is noise."""
        return self.corruption_level > 0

    def hidden_layers(self) -> HiddenLayers:
        """Return the dense layers between rows and code, for a network that starts from them."""
        return dense_layers_of(self)

    def predict(self, X: Any) -> np.ndarray:
        """Return rows as they are without their noise, in their own unit and shape."""
        return self.reconstruct(X)

    def score_samples(self, X: Any) -> np.ndarray:
        """Return minus the squared error between each row, as standardised, and what comes back of it: (n,).

        No noise is added; the loss of training is that of rows with noise.
        """
        inputs = self._check_inputs(X)
        rows = self._standardized(inputs)
        return -np.square(rows - self._decoded(inputs).reshape(rows.shape)).sum(axis=1)

    def measures(self, X: Any, X_train: Any | None) -> RowValues:
        """Return the error that is left of rows with noise, beside what linear cleaning leaves."""
        rows, noisy, cleaned = self._cleaned(X)
        competitors: Sequence[Any] = ()
        if X_train is not None:
            known, known_noisy, _ = self._cleaned(X_train)
            competitors = denoise_linearly(known, known_noisy, rows, noisy)
        shows: tuple[Shown, ...] = ()
        if self.inputs_.kind == "image":
            pictures = {"given": rows, "with noise": noisy, "given back": cleaned}
            content = {name: as_bytes(self._in_units(each[:MAX_BESIDE])) for name, each in pictures.items()}
            shows = (Shown("What comes back", "Images that the network has not been trained on, with noise.", content),)
        return RowValues(
            "denoising_error",
            "lower",
            "Rows get the noise of training, and are cleaned: the squared differences to the clean row, as "
            "standardised, added up.",
            np.square(rows - cleaned).sum(axis=1),
            tuple(competitors),
            more={
                "reconstruction_error": (
                    float(-self.score_samples(X).mean()),
                    "lower",
                    "The same of rows as they come, without noise.",
                )
            },
            shows=shows,
        )

    # Inside

    def _cleaned(self, X: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rows as standardised, with noise, and cleaned: each (n, n_features)."""
        inputs, body = self._check_inputs(X), self.network_.body
        rows = self._standardized(inputs)
        shaped = torch.from_numpy(rows.reshape(-1, *self.inputs_.shape)).to(self._weight)
        with torch.inference_mode():
            noisy = body.noise.eval()(shaped)
        cleaned = self._pass(lambda x: body.decode(body(x)), noisy)
        return rows, noisy.flatten(1).double().cpu().numpy(), cleaned.reshape(rows.shape)
