"""Variational Auto Encoder (VAE): a network that learns the distribution of its rows, through a distribution of codes.

    p(z) = N(0, I), p(x|z) = Bernoulli(g(z)) or N(g(z), s² I)     decoder
    q(z|x) = N(μ(x), σ(x)²)                                       encoder
    z = μ + σ ⊙ ε, ε ~ N(0, I)
    max over encoder and decoder of E_q[log p(x|z)] - β KL(q(z|x) ‖ p(z))
    KL = ½ Σ (μ² + σ² - 1 - log σ²)
    or of E log (1/k) Σᵢ p(x, zᵢ) / q(zᵢ|x), k codes a row (importance weighted)

With β = 1 both are bounds below log p(x); the second is the tighter one, more so with more codes. A linear one with s²
learned has the likelihood of probabilistic principal components at its best (Lucas et al. 2019).

The drawing has no bottleneck; here the code is usually much narrower than the rows.

Sources: Kingma & Welling 2013; Rezende, Mohamed & Wierstra 2014 (missing values); Burda, Grosse & Salakhutdinov 2015
(importance weights, active units). Siblings: autoencoder.py (one code a row), denoising_autoencoder.py (noisy rows in,
clean rows out), inverse_graphics.py (its convolutional form, taught by what varies). Body and bounds: variational.py.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from torch import nn

from nnzoo.checks import OneOf, Range, Real, Whole
from nnzoo.estimator import Network
from nnzoo.inputs import Inputs
from nnzoo.networks.parameters import CodingParameters, with_parameters
from nnzoo.networks.unlabelled import fill_missing
from nnzoo.networks.variational import LIKELIHOODS, Variational, VariationalBody


@with_parameters
class VariationalAutoencoder(CodingParameters, Variational, Network):
    """Variational autoencoder: learns the distribution of rows, to embed, score, complete and draw them.

    Codes z ~ N(0, I), rows p(x|z) around what a decoder makes of them, and an encoder q(z|x) = N(μ(x), σ(x)²), trained
    together on the bound E_q[log p(x|z)] - KL(q(z|x) ‖ p(z)) ≤ log p(x). Likelihoods are in nats, of the row as
    standardised: sums over its numbers.

    Parameters
    ----------
    n_components : int, default 16
        Numbers of the code.
    likelihood : "auto", "gaussian" or "bernoulli", default "auto"
        "gaussian" has one variance for all numbers of a row, which is learned. "bernoulli" is for numbers from 0 to 1,
        bytes as shares of 255, which are then not standardised. "auto": Bernoulli if all numbers are from 0 to 1.
    beta : float, default 1.0
        Weight β of the divergence: below 1 rows come back sharper, above 1 the code is simpler.
    n_importance : int, default 1
        Codes a row in training; with more than one the importance weighted bound is trained on.
    Others: those of CodingParameters.

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised rows (n, *shape) to the means of their codes (n, n_components).
    likelihood_ : "gaussian" or "bernoulli"
    n_active_ : int
        Numbers of the code whose mean varies over the training rows by more than 0.01; the others say nothing.
    n_features_in_, n_iter_, best_epoch_ : int
    history_ : dict of str to list
        Losses are minus the bound.

    References
    ----------
    Kingma & Welling, "Auto-encoding variational Bayes", ICLR 2014. Rezende, Mohamed & Wierstra, "Stochastic
    backpropagation and approximate inference in deep generative models", ICML 2014. Burda, Grosse & Salakhutdinov,
    "Importance weighted autoencoders", ICLR 2016.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nnzoo import VariationalAutoencoder
    >>> X, _ = load_iris(return_X_y=True)
    >>> network = VariationalAutoencoder(n_components=2, hidden_layer_sizes=(16,), random_state=0).fit(X)
    >>> network.transform(X).shape, network.sample(5, random_state=0).shape
    ((150, 2), (5, 4))
    """

    n_components: int = 16
    likelihood: str = "auto"
    beta: float = 1.0
    n_importance: int = 1

    kinds: ClassVar[tuple[str, ...]] = ("table", "image", "sequence")
    ranges: ClassVar[Mapping[str, Range]] = {
        **CodingParameters.ranges,
        "likelihood": OneOf(("auto", *LIKELIHOODS)),
        "beta": Real(0.0),
        "n_importance": Whole(1, 10_000),
    }

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the untrained encoder and decoder."""
        return VariationalBody(
            inputs.shape,
            hidden_layer_sizes=self.hidden_layer_sizes,
            n_filters=self.n_filters,
            n_components=self.n_components,
            activation=self.activation,
            likelihood=self.likelihood_,
            beta=self.beta,
            n_importance=self.n_importance,
        )

    def impute(self, X: Any) -> np.ndarray:
        """Return the rows with what is missing (NaN) filled in: float64, of the shape of X.

        Missing numbers start as those of the code 0; rows go through the mean of their code and back, and what comes
        back takes the place of what is missing, until nothing moves (Rezende et al. 2014, with means in place of
        draws). Of a linear one this gives the conditional means.
        """
        return fill_missing(self, X)
