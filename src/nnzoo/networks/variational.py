"""What variational networks share: the distribution of a row's code, the bounds, and what follows from them.

    q(z|x) = N(μ(x), σ(x)²), p(z) = N(0, I), p(x|z) = Bernoulli(g(z)) or N(g(z), s² I)
    E_q[log p(x|z)] - β KL(q(z|x) ‖ p(z)), or of E log (1/k) Σᵢ p(x, zᵢ) / q(zᵢ|x)

variational_autoencoder.py tells where they come from.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional

from nnzoo.engine import draws
from nnzoo.estimator import Rows
from nnzoo.evaluation.rowvalues import LEAST_VARIANCE, RowValues, density_by_components, density_by_shares
from nnzoo.inputs import Inputs
from nnzoo.networks.coding import make_coders
from nnzoo.networks.unlabelled import (
    CodeNetwork,
    Unlabelled,
    drawn_images,
    reconstruction_values,
    within_unit_range,
)
from nnzoo.opsteps import dense
from nnzoo.trace import Step, factor, largest, written
from nnzoo.tracing import Names, array

LIKELIHOODS = ("gaussian", "bernoulli")
LOG_VARIANCES = (-10.0, 10.0)
"""Range of log σ² of a code; outside of it a density overflows."""
VARIANCE_PACE = 0.1
ACTIVE_FROM = 0.01
DRAWS_AT_ONCE = 10


class CodeDistribution(nn.Module):
    """q(z|x): what the encoder's last layer says of a row becomes mean and log variance of its code.

    Parameters
    ----------
    layer : torch.nn.Linear
        To 2 n_components numbers: the means, then the logarithms of the variances.
    """

    drawn = ("P", "code", "mean and variance")

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer
        self.n_out = layer.out_features // 2

    def forward(self, h: Tensor) -> Tensor:
        """Return the means (n, n_components)."""
        return self.moments(h)[0]

    def moments(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and log variances, each (n, n_components)."""
        mean, log_variance = self.layer(h).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCES)

    def trace(self, h: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the sums, and the distribution of codes that they stand for."""
        sums, before = array(self.layer(h)), array(h)
        weight, bias = (each.detach().double().cpu().numpy() for each in (self.layer.weight, self.layer.bias))
        labels = names.labels if len(names.labels) == len(before) else ()
        yield dense(before, weight, bias, sums, names.next("z", new_layer=True), inputs=labels)
        mean = array(output)
        n, (cell, *_) = self.n_out, largest(mean)
        deviation = math.exp(np.clip(sums[n + cell], *LOG_VARIANCES) / 2)
        symbols = names.next("μ")
        yield Step(
            "code distribution",
            "The code is a distribution",
            f"q(z[i]) = N(μ[i], σ[i]²), μ[i] = {symbols[0]}[i], σ[i] = e^({symbols[0]}[{n} + i] / 2)",
            f"i = {cell + 1}: μ = {written(mean[cell])}, "
            f"σ = e^({factor(float(sums[n + cell]))} / 2) = {written(deviation)}",
            symbols[1],
            mean,
            "In training the code is drawn from it, so that near codes must mean near rows; here its mean goes on.",
            {symbols[0]: sums},
            (cell,),
        )


class VariationalBody(nn.Module):
    """Encoder to q(z|x), decoder to p(x|z): rows (n, *shape) to mean codes (n, n_components), and back.

    Parameters
    ----------
    shape : tuple of int
        Of a row.
    likelihood : "gaussian" or "bernoulli"
    hidden_layer_sizes, n_filters, n_components, activation, beta, n_importance
        As in :class:`VariationalAutoencoder`.

    Attributes
    ----------
    variance : Tensor of shape ()
        s² of a Gaussian likelihood, one for all numbers of a row.
    n_active : Tensor of shape ()
    """

    variance: Tensor
    n_active: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        hidden_layer_sizes: Sequence[int],
        n_filters: Sequence[int],
        n_components: int,
        activation: str,
        likelihood: str = "gaussian",
        beta: float = 1.0,
        n_importance: int = 1,
    ) -> None:
        super().__init__()
        sizes = {"hidden_layer_sizes": hidden_layer_sizes, "n_filters": n_filters, "activation": activation}
        encoder, self.decoder = make_coders(shape, 2 * n_components, n_components, **sizes)
        self.encoder, last = encoder[:-1], encoder[-1]
        self.code = CodeDistribution(last)  # pyright: ignore[reportArgumentType]
        self.outcome = nn.Sigmoid() if likelihood == "bernoulli" else nn.Identity()
        self.likelihood = likelihood
        self.beta = beta
        self.n_importance = n_importance
        self.n_out = n_components
        self.register_buffer("variance", torch.ones(()))
        self.register_buffer("n_active", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return the means of the codes."""
        return self.code(self.encoder(x))

    def decode(self, z: Tensor) -> Tensor:
        """Return the mean rows (n, *shape) of p(x|z)."""
        return self.outcome(self.decoder(z))

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and log variances of the codes, each (n, n_components)."""
        mean, log_variance = self.code.moments(self.encoder(x))
        return mean.to(x.dtype), log_variance.to(x.dtype)

    def row_loss(self, x: Tensor) -> Tensor:
        """Return minus the bound of each row (n,): with fresh codes in training, with the same always elsewhere."""
        if self.n_importance > 1:
            noise = self._noise(x) if self.training else fixed_noise(self.n_importance, x, self.n_out)
            return -weighted_bound(self.log_weights(x, noise, self.beta))
        noise = self._noise(x) if self.training else balanced_noise(x, self.n_out)
        return -self.bound(x, noise)

    def bound(self, x: Tensor, noise: Tensor) -> Tensor:
        """Return E_q[log p(x|z)] - β KL of each row (n,), the mean over noise (n_draws, n or 1, n_components)."""
        mean, log_variance = self.moments(x)
        codes = mean + (log_variance / 2).exp() * noise
        return self.log_likelihood(x, codes).mean(dim=0) - self.beta * divergence(mean, log_variance)

    def log_weights(self, x: Tensor, noise: Tensor, beta: float = 1.0) -> Tensor:
        """Return log p(x|z) + β (log p(z) - log q(z|x)) of codes drawn by noise: (n_draws, n)."""
        mean, log_variance = self.moments(x)
        codes = mean + (log_variance / 2).exp() * noise
        ratio = (noise.square() - codes.square() + log_variance).sum(dim=2) / 2
        return self.log_likelihood(x, codes) + beta * ratio

    def log_likelihood(self, x: Tensor, codes: Tensor) -> Tensor:
        """Return log p(x|z), the sum over the numbers of a row, of codes (n_draws, n, n_components): (n_draws, n)."""
        n_draws, n, k = codes.shape
        rows = self.decoder(codes.reshape(n_draws * n, k)).reshape(n_draws, n, -1)
        x = x.flatten(1).expand(n_draws, -1, -1)
        if self.likelihood == "bernoulli":
            return -functional.binary_cross_entropy_with_logits(rows.to(x.dtype), x, reduction="none").sum(dim=2)
        errors = (x - rows).square()
        if self.training:
            self._follow(errors)
        normalizer = (2 * math.pi * self.variance).log()
        return -(errors / self.variance + normalizer).sum(dim=2) / 2

    @torch.no_grad()
    def _follow(self, errors: Tensor) -> None:
        """Move s² towards the mean squared error, where the bound is largest if all else stays."""
        self.variance.lerp_(errors.mean().to(self.variance), VARIANCE_PACE).clamp_(min=LEAST_VARIANCE)

    def _noise(self, x: Tensor) -> Tensor:
        shape = (self.n_importance, len(x), self.n_out)
        return torch.randn(shape, dtype=x.dtype, device=x.device, generator=draws.generator())


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(μ, σ²) ‖ N(0, I)) = ½ Σ (μ² + σ² - 1 - log σ²) of each row (n,)."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2


def weighted_bound(log_weights: Tensor) -> Tensor:
    """Return log (1/k) Σᵢ wᵢ of each row (n,) from the logarithms of its weights (k, n)."""
    return log_weights.logsumexp(dim=0) - math.log(len(log_weights))


def fixed_noise(n_draws: int, like: Tensor, n_components: int) -> Tensor:
    """Return draws of N(0, I), always the same and the same for every row: (n_draws, 1, n_components)."""
    drawn = torch.randn((n_draws, 1, n_components), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return drawn.to(like)


def balanced_noise(like: Tensor, n_components: int) -> Tensor:
    """Return four fixed draws whose mean is exactly 0 and whose variance is exactly 1: (4, 1, n_components)."""
    half = fixed_noise(2, like, n_components)
    half = half / half.square().mean(dim=0).sqrt()
    return torch.cat([half, -half])


class Variational(Unlabelled):
    """A network whose body is a :class:`VariationalBody`: densities, samples, and how much of the code is in use."""

    own_counts: ClassVar[tuple[str, ...]] = ("bernoulli",)

    @property
    def in_unit_range(self: Any) -> bool:
        """Return whether rows are taken as numbers from 0 to 1."""
        return self.likelihood_ == "bernoulli"

    @property
    def n_active_(self: Any) -> int:
        """Return how many numbers of the code say something of a row."""
        return int(self.network_.body.n_active)

    @property
    def draws_in_training(self) -> bool:
        """Return True: codes are drawn."""
        return True

    def score_samples(self: Any, X: Any, n_importance: int = 100) -> np.ndarray:
        """Return the importance weighted bound on log p(x) of each row, from so many codes: (n,).

        The codes are drawn by the same noise for every row and at every call, so that a score is a function of its row.
        """
        inputs = self._check_inputs(X)
        body, scaling = self.network_.body, self.network_.scaling
        noise = fixed_noise(n_importance, self._weight, self.n_components)

        def score(rows: Tensor) -> Tensor:
            x = scaling(rows)
            return weighted_bound(torch.cat([body.log_weights(x, part) for part in noise.split(DRAWS_AT_ONCE)]))

        return self._pass(score, inputs)

    def sample(self: Any, n_samples: int = 1, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Return new rows in their own unit: the means of p(x|z) at codes drawn from N(0, I).

        Parameters
        ----------
        n_samples : int, default 1
        random_state : int, RandomState or None
        """
        check_is_fitted(self)
        return self.inverse_transform(check_random_state(random_state).standard_normal((n_samples, self.n_components)))

    def settle(self: Any, X: Any, sample_weight: Any) -> None:
        """Count the numbers of the code that vary over the training rows."""
        codes = self.transform(X)
        weight = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        mean = np.average(codes, axis=0, weights=weight)
        varies = np.average(np.square(codes - mean), axis=0, weights=weight) > ACTIVE_FROM
        self.network_.body.n_active.fill_(int(varies.sum()))

    def measures(self: Any, X: Any, X_train: Any | None) -> RowValues:
        """Return the bound on the log-likelihood of each row beside the likelihood of simpler distributions."""
        rows = self._standardized(self._check_inputs(X))
        competitors: Sequence[Any] = ()
        if X_train is not None:
            known = self._standardized(self._check_inputs(X_train))
            competitors = (
                density_by_shares(known, rows)
                if self.in_unit_range
                else density_by_components(known, rows, self.n_components)
            )
        rebuilt = reconstruction_values(self, X, None, self.n_components)
        return RowValues(
            "log_likelihood",
            "higher",
            "How likely a row is, as standardised, in nats: a bound below its logarithm, from 100 codes.",
            self.score_samples(X),
            tuple(competitors),
            more={
                "reconstruction_error": (float(rebuilt.values.mean()), rebuilt.better, rebuilt.what),
                "active_units": (self.n_active_, "higher", "Numbers of the code that vary from row to row."),
            },
            shows=rebuilt.shows + drawn_images(self, "Images decoded from codes drawn at random."),
        )

    # Inside

    def _size(self: Any, train: Rows, target: Any) -> None:
        self.likelihood_ = LIKELIHOODS[within_unit_range(train.X)] if self.likelihood == "auto" else self.likelihood
        super()._size(train, target)  # pyright: ignore[reportAttributeAccessIssue]

    def _sizes(self: Any) -> dict[str, Any]:
        return super()._sizes() | {"bernoulli": int(self.likelihood_ == "bernoulli")}  # pyright: ignore[reportAttributeAccessIssue]

    def _bare_network(self: Any, inputs: Inputs, sizes: Mapping[str, Any]) -> CodeNetwork:
        self.likelihood_ = LIKELIHOODS[bool(sizes["bernoulli"])]
        return super()._bare_network(inputs, sizes)
