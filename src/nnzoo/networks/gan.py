"""Generative Adversarial Network (GAN): a generator makes rows from noise, a critic tells them from real ones.

    min over G, max over D of E log σ(D(x)) + E log (1 - σ(D(G(z)))), z ~ N(0, I)

D is the critic's number for a row, σ(D) = 1 / (1 + e^(-D)) its guess that the row is real. For a given G the best guess
is p / (p + q), p and q the densities of real and made rows, and the value there 2 JSD(p, q) - log 4. What is brought
down, where D₊ is the number of a real row and D₋ that of a made one:

                     critic                                       generator
    non_saturating   log(1 + e^(-D₊)) + log(1 + e^(D₋))           log(1 + e^(-D₋))
    hinge            max(0, 1 - D₊) + max(0, 1 + D₋)              -D₋
    wgan_gp          D₋ - D₊ + λ (‖∂D/∂x‖ - 1)² in between        -D₋
    least_squares    ½ (D₊ - 1)² + ½ D₋²                          ½ (D₋ - 1)²

The drawing is one chain, noise → generator → rows → critic; real rows, which the critic gets too, are not in it.

Sources: Goodfellow et al. 2014; Radford, Metz & Chintala 2016 (convolutions); Gulrajani et al. 2017 (wgan_gp); Mao et
al. 2017 (least squares); Miyato et al. 2018 (spectral norm, hinge); Mescheder, Geiger & Nowozin 2018 (R1 penalty).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn.functional import relu, softplus
from torch.nn.utils import parametrizations

from nnzoo.checks import OneOf, Range, Real, Truth, Whole, either
from nnzoo.engine.batches import Batch
from nnzoo.engine.device import Arithmetic, isolated_random_state
from nnzoo.errors import UsageError
from nnzoo.estimator import GRADIENT_RANGES, Network
from nnzoo.evaluation.rowvalues import RowValues
from nnzoo.evaluation.samples import kernel_values
from nnzoo.inputs import Inputs
from nnzoo.networks.coding import CODING_RANGES, FromMaps, ToMaps, dense_layers, last_layer
from nnzoo.networks.parameters import UnlabelledParameters, with_parameters
from nnzoo.networks.parts import ACTIVATIONS, choose_init, draw_normal, initialize, layer_widths
from nnzoo.networks.sampling import sample_distance, sample_values
from nnzoo.networks.unlabelled import Unlabelled
from nnzoo.opsteps import sigmoid
from nnzoo.trace import Step
from nnzoo.tracing import Names
from nnzoo.training.gradient import GradientSettings, check_finite, laid_out_as, move_mean, rate_factor
from nnzoo.training.loop import LoopSettings
from nnzoo.training.optimizers import FusedOptimizer
from nnzoo.training.state import flatten_state, restore_state

BETAS = (0.5, 0.99)
DENSE_R1_WEIGHT = 1.0
MEASURED_ROWS = 1_000
"""Held-out rows, and samples, of which the kernel distance is taken after each epoch."""


class Losses(NamedTuple):
    """What is brought down: functions of the critic's numbers, element by element."""

    of_real: Callable[[Tensor], Tensor]
    of_made: Callable[[Tensor], Tensor]
    of_generator: Callable[[Tensor], Tensor]


LOSSES = {
    "non_saturating": Losses(lambda d: softplus(-d), softplus, lambda d: softplus(-d)),
    "hinge": Losses(lambda d: relu(1 - d), lambda d: relu(1 + d), torch.neg),
    "wgan_gp": Losses(torch.neg, lambda d: d, torch.neg),
    "least_squares": Losses(lambda d: (d - 1).square() / 2, lambda d: d.square() / 2, lambda d: (d - 1).square() / 2),
}


class Between(nn.Module):
    """Squash maps (n, ..., C) between the least and the largest number that a byte becomes, channel by channel."""

    low: Tensor
    high: Tensor

    def __init__(self, low: np.ndarray, high: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("low", torch.from_numpy(low))
        self.register_buffer("high", torch.from_numpy(high))

    def forward(self, x: Tensor) -> Tensor:
        """Return the numbers."""
        return self.low + (self.high - self.low) * torch.sigmoid(x)


class Generator(nn.Module):
    """Noise (n, n_components) to standardised rows (n, *shape)."""

    def __init__(
        self, inputs: Inputs, n_components: int, hidden_layer_sizes: Sequence[int], n_filters: Sequence[int], f: str
    ) -> None:
        super().__init__()
        self.n_components = n_components
        self.n_out = inputs.n_features
        self.drawn = ("M", "generator", f"{n_components} numbers of noise to a row")
        layers = _upwards(inputs.shape, n_components, n_filters, f) if n_filters else []
        if not layers:
            sizes = [n_components, *hidden_layer_sizes]
            last = last_layer(sizes[-1], inputs.n_features)
            layers = [*_dense(sizes, f), last, nn.Unflatten(1, inputs.shape)]
        if inputs.pixels:
            mean, scale = inputs.standard.mean, inputs.standard.scale
            layers.append(Between(-mean / scale, (1 - mean) / scale))
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Return the rows."""
        return self.layers(z)


class Verdict(nn.Module):
    """The last layer of the critic: features (n, n_features) to one number (n, 1), high for real rows."""

    drawn = ("M", "critic", "real, or made up")
    n_out = 1

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.layer = last_layer(n_features, 1)

    def forward(self, h: Tensor) -> Tensor:
        """Return the numbers."""
        return self.layer(h)


class Critic(nn.Module):
    """Standardised rows (n, *shape) to one number each (n, 1).

    Nothing in it is a mean over rows, so that real rows and made ones do not meet.
    """

    def __init__(
        self, shape: tuple[int, ...], hidden_layer_sizes: Sequence[int], n_filters: Sequence[int], f: str
    ) -> None:
        super().__init__()
        if n_filters:
            layers, self.n_features = _downwards(shape, n_filters, f)
        else:
            sizes = [math.prod(shape), *hidden_layer_sizes]
            flat: list[nn.Module] = [nn.Flatten()] if len(shape) > 1 else []
            layers, self.n_features = [*flat, *_dense(sizes, f)], sizes[-1]
        self.features = nn.Sequential(*layers)
        self.verdict = Verdict(self.n_features)

    def forward(self, x: Tensor) -> Tensor:
        """Return the numbers."""
        return self.verdict(self.features(x))


class GanBody(nn.Module):
    """Generator and critic; as a body it turns rows (n, *shape) into the critic's last features (n, n_out)."""

    def __init__(
        self, inputs: Inputs, n_components: int, hidden_layer_sizes: Sequence[int], n_filters: Sequence[int], f: str
    ) -> None:
        super().__init__()
        self.drawn_first = ("B", n_components, "noise", "drawn anew for every row")
        self.generator = Generator(inputs, n_components, hidden_layer_sizes, n_filters, f)
        self.critic = Critic(inputs.shape, hidden_layer_sizes, n_filters, f)
        self.n_out = self.critic.n_features

    def forward(self, x: Tensor) -> Tensor:
        """Return the features."""
        return self.critic.features(x)

    def row_loss(self, x: Tensor) -> Tensor:
        """Return minus the critic's number for each row: (n,)."""
        return -self.critic(x)[:, 0]


def _dense(sizes: Sequence[int], f: str) -> list[nn.Module]:
    """Return dense layers whose biases are drawn, too, so that not all creases of the first units meet at the origin.

    From there they move slowly: of 25 near modes, 4,000 moves bring 27 % of the samples into one, or 76 %.
    """
    layers = dense_layers(sizes[0], sizes[1:], f)
    for layer in _weighted(nn.Sequential(*layers)):
        draw_normal(layer.bias, std=layer.in_features**-0.5)
    return layers


def _sides(shape: tuple[int, ...], n_filters: Sequence[int]) -> list[tuple[int, int]]:
    """Return height and width of an image, and of its maps after each halving."""
    sides = [(shape[0] >> k, shape[1] >> k) for k in range(len(n_filters) + 1)]
    if min(sides[-1]) < 1:
        raise UsageError(
            f"GAN: {len(n_filters)} layers of filters need images of at least {2 ** len(n_filters)} pixels a side; got "
            f"{shape[0]} x {shape[1]}.",
            f"Pass fewer n_filters, e.g. n_filters={tuple(n_filters[:1])}, or () for dense layers.",
        )
    return sides


def _upwards(shape: tuple[int, ...], n_components: int, n_filters: Sequence[int], f: str) -> list[nn.Module]:
    """Return layers from noise to an image: maps double their sides until they have its own."""
    sides, n_maps = _sides(shape, n_filters)[::-1], [*n_filters[::-1], shape[2]]
    first = initialize(nn.Linear(n_components, n_maps[0] * math.prod(sides[0])), choose_init(f))
    layers: list[nn.Module] = [first, nn.Unflatten(1, (n_maps[0], *sides[0]))]
    for (n_in, n_out), before, after in zip(layer_widths(n_maps[0], n_maps[1:]), sides, sides[1:], strict=False):
        rest = (after[0] - 2 * before[0], after[1] - 2 * before[1])
        transposed = nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1, output_padding=rest)
        nn.init.xavier_uniform_(transposed.weight)
        nn.init.zeros_(transposed.bias)  # pyright: ignore[reportArgumentType]
        layers += [nn.BatchNorm2d(n_in), ACTIVATIONS[f](), transposed]
    return [*layers, FromMaps()]


def _downwards(shape: tuple[int, ...], n_filters: Sequence[int], f: str) -> tuple[list[nn.Module], int]:
    """Return layers from an image to features, and how many these are."""
    layers: list[nn.Module] = [ToMaps()]
    for n_in, n_out in layer_widths(shape[2], n_filters):
        layers += [initialize(nn.Conv2d(n_in, n_out, 4, stride=2, padding=1), choose_init(f)), ACTIVATIONS[f]()]
    return [*layers, nn.Flatten()], n_filters[-1] * math.prod(_sides(shape, n_filters)[-1])


@dataclass(frozen=True)
class Game:
    """How the two learn: the estimator's parameters, with those chosen that it left open, and what is not used 0."""

    loss: str
    n_critic: int
    gp_weight: float
    r1_weight: float
    spectral_norm: bool
    average_decay: float


class AdversarialTrainer:
    """Moves the critic at every step, and the generator at every ``n_critic``-th, with an optimiser each.

    The game is played by copies. The network's own generator follows the one that plays as a running mean of its
    weights; the network's critic is the one that plays, of spectral norm 1 where that is asked for.

    Parameters
    ----------
    network : CodeNetwork
    game : Game
    settings : GradientSettings
    arithmetic : Arithmetic
    """

    finished = False

    def __init__(self, network: Any, game: Game, settings: GradientSettings, arithmetic: Arithmetic) -> None:
        self.network = network
        self.body: GanBody = network.body
        self.game = game
        self.losses = LOSSES[game.loss]
        self.settings = settings
        self.arithmetic = arithmetic
        self.generator_loss = 0.0
        self._rate_factor = 1.0
        self._start()

    def _start(self) -> None:
        self.generator, self.critic = deepcopy(self.body.generator).train(), deepcopy(self.body.critic).train()
        if self.game.spectral_norm:
            # Its first singular vectors are drawn; power iteration forgets them.
            with isolated_random_state(0, next(self.critic.parameters()).device):
                for layer in _weighted(self.critic):
                    parametrizations.spectral_norm(layer)
        self.optimizers = {
            name: FusedOptimizer("adam", list(player.parameters()), 0.0, betas=BETAS)
            for name, player in (("generator", self.generator), ("critic", self.critic))
        }
        self.n_moves = 0

    def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Move the critic, and the generator if it is its turn; returns the losses before the moves."""
        moves_both = self.n_moves % self.game.n_critic == 0
        real = self.network.scaling(batch.inputs)
        with self._precision(real), torch.set_grad_enabled(moves_both):
            made = self.generator(self._noise(max(len(batch), 2), real, generator))
        loss = self._descend("critic", self._critic_loss(batch, real, made.detach().to(real.dtype), generator))
        if moves_both:
            self.generator_loss = self._descend("generator", self.losses.of_generator(self._scores(made)).mean())
            # The first weights, which were drawn, are soon forgotten.
            n_before = self.n_moves // self.game.n_critic
            decay = min(self.game.average_decay, (1 + n_before) / (10 + n_before))
            move_mean(self.body.generator, self.generator, decay)
        self.n_moves += 1
        return {"loss": loss, "loss_of_generator": self.generator_loss}

    def _scores(self, x: Tensor) -> Tensor:
        with self._precision(x):
            scores = self.critic(x)[:, 0]
        return scores.float() if self.arithmetic.autocast else scores

    def _critic_loss(self, batch: Batch, real: Tensor, made: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of real and of made rows, and the penalties, whose second derivatives want full precision."""
        of_real, of_made = self._scores(torch.cat([real, made])).split([len(real), len(made)])
        loss = batch.mean(self.losses.of_real(of_real)) + self.losses.of_made(of_made).mean()
        if self.game.gp_weight:
            share = torch.rand(len(real), generator=generator, dtype=real.dtype, device=real.device)
            share = share.view(-1, *[1] * (real.ndim - 1))
            norm = slopes(self.critic, made[: len(real)].lerp(real, share)).norm(dim=1)
            loss = loss + self.game.gp_weight * batch.mean((norm - 1).square())
        if self.game.r1_weight:
            squares = slopes(self.critic, real).square().sum(dim=1)
            loss = loss + self.game.r1_weight / 2 * batch.mean(squares)
        return loss

    def _descend(self, name: str, loss: Tensor) -> float:
        """Move one of the two; the other gets no gradient."""
        optimizer, value = self.optimizers[name], loss.item()
        gradients = torch.autograd.grad(loss, optimizer.parameters)
        check_finite(value, gradients)
        for parameter, gradient in zip(optimizer.parameters, gradients, strict=True):
            parameter.grad = laid_out_as(parameter, gradient)
        factor = rate_factor(self.settings, self.n_moves)
        optimizer.step(self.settings.learning_rate * self._rate_factor * factor)
        return value

    def measure(self, batch: Batch) -> float:
        """Return the kernel distance of some of the rows from as many samples, always of the same noise."""
        some = batch.take(slice(0, MEASURED_ROWS))
        self.body.generator.eval()
        with torch.inference_mode():
            real = self.network.scaling(some.inputs)
            fixed = torch.Generator(real.device).manual_seed(0)
            made = self.body.generator(self._noise(MEASURED_ROWS, real, fixed))
        return float(kernel_values(*(rows.flatten(1).double().cpu().numpy() for rows in (real, made))).mean())

    def weights(self) -> dict[str, Tensor]:
        """Return the mean generator, and the critic as it plays."""
        self.critic.eval()
        with torch.no_grad():
            for own, live in zip(_weighted(self.body.critic), _weighted(self.critic), strict=True):
                own.weight.copy_(live.weight)
                own.bias.copy_(live.bias)
        self.critic.train()
        return self.network.state_dict()

    def state(self) -> tuple[Any, dict[str, Tensor]]:
        """Return the network, both players and their optimisers."""
        return flatten_state(
            {
                "network": dict(self.network.state_dict()),
                "generator": dict(self.generator.state_dict()),
                "critic": dict(self.critic.state_dict()),
                "optimizers": {name: each.state_dict() for name, each in self.optimizers.items()},
                "generator_loss": self.generator_loss,
                "n_moves": self.n_moves,
                "rate_factor": self._rate_factor,
            }
        )

    def load_state(self, values: Any, tensors: dict[str, Tensor]) -> None:
        """Take over what :meth:`state` gave."""
        state = restore_state(values, tensors)
        self.network.load_state_dict(state["network"])
        self.generator.load_state_dict(state["generator"])
        self.critic.load_state_dict(state["critic"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.generator_loss, self.n_moves = state["generator_loss"], state["n_moves"]
        self._rate_factor = state["rate_factor"]

    def restart(self, weights: dict[str, Tensor]) -> None:
        """Play on from these weights, at a tenth of the learning rate."""
        self.network.load_state_dict(weights)
        self._rate_factor /= 10
        self._start()

    def _noise(self, n_rows: int, like: Tensor, generator: torch.Generator) -> Tensor:
        n_components = self.body.generator.n_components
        return torch.randn(n_rows, n_components, generator=generator, dtype=like.dtype, device=like.device)

    def _precision(self, like: Tensor) -> torch.autocast:
        return torch.autocast(like.device.type, torch.bfloat16, enabled=self.arithmetic.autocast, cache_enabled=False)


def slopes(critic: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return the gradient of the critic's number by each row, flat (n, n_features), to be differentiated itself."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0].flatten(1)


def _weighted(module: nn.Module) -> list[Any]:
    """Return the layers with weights, in order."""
    return [each for each in module.modules() if isinstance(each, nn.Linear | nn.Conv2d)]


@with_parameters
class GAN(UnlabelledParameters, Unlabelled, Network):
    """Generative adversarial network: draws rows that a critic cannot tell from real ones.

    A generator G makes rows of noise, a critic D gives real rows high numbers and made ones low ones, and both learn at
    once: min over G, max over D of E log σ(D(x)) + E log (1 - σ(D(G(z)))), or one of the losses that followed.

    Parameters
    ----------
    n_components : int, default 64
        Numbers of the noise, each N(0, 1).
    hidden_layer_sizes : tuple of int, default (128, 128)
        Dense layers of both networks, where rows are no images or ``n_filters`` is ().
    n_filters : tuple of int, default (32, 64)
        Of images: convolutions of the critic, each of which halves the sides; the generator has them in reverse. ()
        takes images as flat rows.
    activation : str, default "leaky_relu"
        "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu" or "selu".
    loss : "non_saturating", "hinge", "wgan_gp" or "least_squares", default "non_saturating"
    n_critic : int or None
        Moves of the critic for one of the generator. None: 1, or 5 of "wgan_gp".
    gp_weight : float, default 10.0
        Weight λ with which "wgan_gp" keeps the slope of the critic near 1 between real and made rows.
    r1_weight : float or None
        Weight of half the squared slope of the critic at real rows, which keeps the game from running away. None: 1
        where the critic has no other bound, neither spectral norms nor the penalty of "wgan_gp".
    spectral_norm : bool or "auto", default "auto"
        Divide the weights of each layer of the critic by their largest singular value. "auto": where it has filters;
        dense critics become too smooth by it to tell near modes apart.
    average_decay : float, default 0.999
        Samples come of a running mean of the generator's weights, which keeps this share of itself at each step, less
        at the first ones; 0 is the generator of the last step.
    learning_rate : float, default 0.002
        Of both, by Adam with β = (0.5, 0.99).
    schedule : "constant", "cosine" or "one_cycle", default "constant"
    batch_size : int, default 32
    n_epochs : int, default 60
        Passes through the training rows, all of which are done: no loss says when to stop.
    Others: those of UnlabelledParameters.

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised rows (n, *shape) to the last features of the critic (n, n_features_out).
    n_features_in_, n_iter_ : int
    history_ : dict of str to list
        "train_loss" is the critic's, "train_loss_of_generator" the generator's: neither need fall while samples get
        better. "valid_loss", with validation rows, is their kernel distance from samples of a fixed noise.

    Notes
    -----
    The weights that are kept are the last ones: means over some thousand steps, of which none stands out.

    References
    ----------
    Goodfellow et al., "Generative adversarial nets", NeurIPS 2014. Radford, Metz & Chintala, "Unsupervised
    representation learning with deep convolutional generative adversarial networks", ICLR 2016. Gulrajani et al.,
    "Improved training of Wasserstein GANs", NeurIPS 2017. Mao et al., "Least squares generative adversarial networks",
    ICCV 2017. Miyato et al., "Spectral normalization for generative adversarial networks", ICLR 2018. Mescheder, Geiger
    & Nowozin, "Which training methods for GANs do actually converge?", ICML 2018.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nnzoo import GAN
    >>> X, _ = load_iris(return_X_y=True)
    >>> network = GAN(hidden_layer_sizes=(16,), n_epochs=20, random_state=0).fit(X)
    >>> network.sample(5, random_state=0).shape, network.transform(X).shape
    ((5, 4), (150, 16))
    """

    n_components: int = 64
    hidden_layer_sizes: Sequence[int] = (128, 128)
    n_filters: Sequence[int] = (32, 64)
    activation: str = "leaky_relu"
    loss: str = "non_saturating"
    n_critic: int | None = None
    gp_weight: float = 10.0
    r1_weight: float | None = None
    spectral_norm: bool | str = "auto"
    average_decay: float = 0.999
    learning_rate: float = 2e-3
    schedule: str = "constant"
    batch_size: int = 32
    n_epochs: int = 60

    kinds: ClassVar[tuple[str, ...]] = ("table", "image", "sequence")
    goes_back: ClassVar[bool] = False
    ranges: ClassVar[Mapping[str, Range]] = {
        **UnlabelledParameters.ranges,
        **CODING_RANGES,
        "loss": OneOf(tuple(LOSSES)),
        "n_critic": either(OneOf((None,)), Whole(1, 100)),
        "gp_weight": Real(0.0),
        "r1_weight": either(OneOf((None,)), Real(0.0)),
        "spectral_norm": either(Truth(), OneOf(("auto",))),
        "average_decay": Real(0.0, 1.0),
        **{name: GRADIENT_RANGES[name] for name in ("learning_rate", "schedule", "batch_size", "n_epochs")},
    }

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the untrained generator and critic."""
        n_filters = self.n_filters if len(inputs.shape) == 3 else ()
        return GanBody(inputs, self.n_components, self.hidden_layer_sizes, n_filters, self.activation)

    def learn(self, network: nn.Module, n_rows: int, n_steps: int) -> AdversarialTrainer:
        """Return the game; a critic without another bound gets the R1 penalty."""
        with_filters = bool(self.n_filters) and len(self.inputs_.shape) == 3
        is_bounded = with_filters if self.spectral_norm == "auto" else bool(self.spectral_norm)
        gp_weight = self.gp_weight if self.loss == "wgan_gp" else 0.0
        r1_weight = 0.0 if is_bounded or gp_weight else DENSE_R1_WEIGHT
        game = Game(
            self.loss,
            self.n_critic or (5 if self.loss == "wgan_gp" else 1),
            gp_weight,
            r1_weight if self.r1_weight is None else self.r1_weight,
            is_bounded,
            self.average_decay,
        )
        settings = GradientSettings(learning_rate=self.learning_rate, schedule=self.schedule, n_steps=n_steps)
        return AdversarialTrainer(network, game, settings, Arithmetic.named(self.arithmetic_))

    def loop_settings(self, n_rows: int, seed: int, *, with_validation: bool) -> LoopSettings:
        """Return all epochs, of which the last gives the weights."""
        return LoopSettings(self.n_epochs, self.batch_size, seed, keep="last", falls=False)

    def sample(self, n_samples: int = 1, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Return new rows in their own unit, made of noise N(0, I).

        Parameters
        ----------
        n_samples : int, default 1
        random_state : int, RandomState or None
        """
        check_is_fitted(self)
        noise = check_random_state(random_state).standard_normal((n_samples, self.n_components))
        return self._in_units(self._pass(self._gan.generator, torch.from_numpy(noise).to(self._weight)))

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the critic's number for each row, high for rows that look real to it: (n,)."""
        return super().score_samples(X)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return minus the kernel distance between rows and samples, of images on features learned from X."""
        rows = self._standardized(self._check_inputs(X))
        return -float(np.average(sample_distance(self, rows), weights=sample_weight))

    def measures(self, X: Any, X_train: Any | None) -> RowValues:
        """Return the kernel distance from samples beside that of simpler distributions, and what else samples show."""
        return sample_values(self, X, X_train)

    def trace(self, X: Any, inputs: Sequence[str] = (), labels: Sequence[str] = ()) -> Iterator[Step]:
        """Yield how the critic comes to its number for one row, and its guess that the row is real."""
        names = Names("x", tuple(inputs))
        network: Any = self.network_
        last = None
        for last in self._trace_pass(nn.Sequential(network.scaling, network.body.critic), X, names):
            yield last
        if self.loss == "non_saturating" and last is not None:
            before = names.last
            share = torch.sigmoid(torch.from_numpy(last.result)).numpy()
            guess = sigmoid(last.result, share, (before, "p"), ("real",))
            yield replace(guess, op="guess", title="The critic's guess that the row is real")

    # Inside

    @property
    def _gan(self) -> GanBody:
        return self.network_.body  # pyright: ignore[reportReturnType]
