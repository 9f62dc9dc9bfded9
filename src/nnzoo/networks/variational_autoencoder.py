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

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from nnzoo.checks import OneOf, Range, Real, Whole
from nnzoo.errors import DataError
from nnzoo.estimator import Network
from nnzoo.inputs import PIXEL_MAX, Inputs, Reading
from nnzoo.networks.coding import CODING_RANGES
from nnzoo.networks.unlabelled import UNLABELLED_GRADIENT_RANGES
from nnzoo.networks.variational import LIKELIHOODS, Variational, VariationalBody

MAX_ROUNDS, ROUND_TOLERANCE = 200, 1e-6


class VariationalAutoencoder(Variational, Network):
    """Variational autoencoder: learns the distribution of rows, to embed, score, complete and draw them.

    Codes z ~ N(0, I), rows p(x|z) around what a decoder makes of them, and an encoder q(z|x) = N(μ(x), σ(x)²), trained
    together on the bound E_q[log p(x|z)] - KL(q(z|x) ‖ p(z)) ≤ log p(x). Likelihoods are in nats, of the row as
    standardised: sums over its numbers.

    Parameters
    ----------
    n_components : int, default 16
        Numbers of the code.
    hidden_layer_sizes : tuple of int, default (256,)
        Dense layers between rows and code; the decoder has them in reverse. () makes a linear one of a table.
    n_filters : tuple of int, default ()
        Of images: convolutions with stride 2 before the dense layers. () takes images as flat rows.
    activation : str, default "relu"
        "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu" or "selu".
    likelihood : "auto", "gaussian" or "bernoulli", default "auto"
        "gaussian" has one variance for all numbers of a row, which is learned. "bernoulli" is for numbers from 0 to 1,
        bytes as shares of 255, which are then not standardised. "auto": Bernoulli if all numbers are from 0 to 1.
    beta : float, default 1.0
        Weight β of the divergence: below 1 rows come back sharper, above 1 the code is simpler.
    n_importance : int, default 1
        Codes a row in training; with more than one the importance weighted bound is trained on.
    optimizer : "adam", "adamw" or "sgd", default "adam"
    learning_rate : float, default 0.003
    schedule : "constant", "cosine" or "one_cycle", default "constant"
    batch_size : int, default 64
    n_epochs : int, default 100
        Passes through the training rows, at most.
    early_stopping : bool or "auto", default "auto"
        Stop when the validation loss has not fallen for ``patience`` epochs. "auto": when validation rows are given, or
        from 10,000 rows on, of which ``validation_fraction`` are then held out.
    patience : int, default 20
    validation_fraction : float, default 0.1
    weight_decay : float, default 0.0
        L2 penalty.
    clip_norm : float or None, default None
    kind : None, "table", "image" or "sequence", default None
    input_shape : tuple of int or None
    device : "auto", "cpu", "cuda" or "mps", default "auto"
    precision : "auto", "float64", "float32" or "bfloat16", default "auto"
    random_state : int, RandomState or None
    verbose : int, default 0

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

    kinds = ("table", "image", "sequence")
    ranges: ClassVar[Mapping[str, Range]] = {
        **UNLABELLED_GRADIENT_RANGES,
        **CODING_RANGES,
        "likelihood": OneOf(("auto", *LIKELIHOODS)),
        "beta": Real(0.0),
        "n_importance": Whole(1, 10_000),
        "optimizer": OneOf(("adam", "adamw", "sgd")),
    }

    def __init__(
        self,
        *,
        n_components: int = 16,
        hidden_layer_sizes: Sequence[int] = (256,),
        n_filters: Sequence[int] = (),
        activation: str = "relu",
        likelihood: str = "auto",
        beta: float = 1.0,
        n_importance: int = 1,
        optimizer: str = "adam",
        learning_rate: float = 3e-3,
        schedule: str = "constant",
        batch_size: int = 64,
        n_epochs: int = 100,
        early_stopping: bool | str = "auto",
        patience: int = 20,
        validation_fraction: float = 0.1,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        kind: str | None = None,
        input_shape: Sequence[int] | None = None,
        device: str = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_filters = n_filters
        self.activation = activation
        self.likelihood = likelihood
        self.beta = beta
        self.n_importance = n_importance
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
        self.kind = kind
        self.input_shape = input_shape
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

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
        check_is_fitted(self)
        reading = Reading.of(self)
        X, is_grid = reading.look_at(X)
        found: Any = validate_data(
            self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan", allow_nd=True, ensure_2d=not is_grid
        )
        rows = reading.arrange(found)[1]
        if rows.shape[1:] != self.inputs_.shape:
            raise DataError(
                f"{type(self).__name__} was trained on rows of shape {self.inputs_.shape}; X has rows of shape "
                f"{rows.shape[1:]}.",
                "Bring X to the shape of the training rows.",
            )
        missing, standard = np.isnan(rows), self.inputs_.standard
        unit = PIXEL_MAX if self.inputs_.pixels else 1.0
        weight, body = self._weight, self.network_.body
        middle = self._pass(body.decode, torch.zeros(1, body.n_out).to(weight))
        known = np.where(missing, standard.mean, rows / unit).reshape(-1, self.inputs_.n_scaled)
        scaled = np.where(missing, middle, standard.apply(known, np.float64).reshape(rows.shape))
        for _ in range(MAX_ROUNDS):
            inputs = torch.from_numpy(scaled).to(weight)
            back = self._pass(lambda x: body.decode(body(x)), inputs)
            moved = np.abs(back - scaled)[missing].max(initial=0.0)
            scaled[missing] = back[missing]
            if moved < ROUND_TOLERANCE:
                break
        filled = standard.invert(scaled.reshape(-1, self.inputs_.n_scaled)).reshape(rows.shape) * unit
        return np.where(missing, filled, rows).reshape(found.shape)
