"""Restricted Boltzmann machines as layers, and how they learn: what one machine and a stack of them share.

    E(v, h) = -b·v - c·h - vᵀWh                               visible units of 0 and 1
    E(v, h) = Σᵢ (vᵢ - bᵢ)² / (2 σᵢ²) - c·h - (v / σ²)ᵀWh     visible units of any number
    p(hⱼ = 1|v) = σ(cⱼ + (Wᵀv)ⱼ),  p(vᵢ = 1|h) = σ(bᵢ + (Wh)ᵢ)
    F(v) = -b·v - Σⱼ log(1 + exp(cⱼ + (Wᵀv)ⱼ)),  log p(v) = -F(v) - log Z
    ∂ log p / ∂W = ⟨v hᵀ⟩_data - ⟨v hᵀ⟩_machine

The second mean comes from chains of Gibbs steps: short ones that begin at the rows (contrastive divergence), or ones
that go on from step to step (persistent).
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional

from nnzoo import opsteps
from nnzoo.checks import OneOf, Range
from nnzoo.engine.batches import Batch
from nnzoo.estimator import GRADIENT_RANGES, LOOP_RANGES, Rows
from nnzoo.evaluation.rowvalues import (
    MAX_ROWS,
    RowValues,
    Shown,
    as_bytes,
    density_by_components,
    density_by_shares,
)
from nnzoo.inputs import Inputs
from nnzoo.networks.boltzmann import CHAIN_RANGES, anneal, drawn, generator_of, log_mean, log_sum
from nnzoo.networks.parameters import UnlabelledParameters, with_parameters
from nnzoo.networks.parts import HiddenLayers
from nnzoo.networks.unlabelled import (
    Unlabelled,
    drawn_images,
    reconstruction_values,
    within_unit_range,
)
from nnzoo.targets import Target
from nnzoo.trace import Step
from nnzoo.tracing import Names, array
from nnzoo.training.gradient import GradientSettings, rate_factor
from nnzoo.training.loop import LoopSettings, NotFinite
from nnzoo.training.state import flatten_state, restore_state

VISIBLE = ("gaussian", "bernoulli")
FIRST_DEVIATION = 0.3
"""Of a weight, times the root of the number of units."""
HIDDEN_PACE = 0.01
"""How far the mean of the hidden units moves in a step towards that of the rows."""
LEAST_LOG_VARIANCE, MOST_LOG_VARIANCE = -4.6, 0.7
STEP_ROWS, LOSS_ROWS, PIECE_ROWS = 2048, 256, 4096
N_ANNEALED, N_TEMPERATURES = 50, 300
N_SAMPLE_STEPS = 200
MOST_FILTERS = 96
MOST_EXACT, EXACT_TERMS = 20, 2**24
"""Up to so many units of the smaller side, and states of theirs times units of the other, log Z is added up."""


class BoltzmannLayer(nn.Module):
    """A restricted Boltzmann machine: visible units (n, n_in) to the probabilities of hidden ones (n, n_out).

    Parameters
    ----------
    n_in, n_out : int
    gaussian : bool
        Whether visible units are any numbers, with a variance each; else 0 and 1, or probabilities.
    n_chains : int

    Attributes
    ----------
    weight : Parameter of shape (n_in, n_out)
    visible_bias, hidden_bias : Parameter
    log_variance : Parameter of shape (n_in,) or None
    visible_mean, hidden_mean : Tensor
        Of the training rows; ``hidden_mean`` follows the machine.
    chains : Tensor of shape (n_chains, n_out)
        Hidden units of the chains that go on from step to step; before the first one, probabilities of ½.
    log_z, log_z_error : Tensor of shape ()
        log Z and its standard error, which is 0 where all states were added up.
    """

    visible_mean: Tensor
    hidden_mean: Tensor
    chains: Tensor
    log_z: Tensor
    log_z_error: Tensor

    def __init__(self, n_in: int, n_out: int, *, gaussian: bool = False, n_chains: int = 100) -> None:
        super().__init__()
        self.n_out = n_out
        self.drawn = ("P", "hidden units", "on or off by chance")
        self.weight = nn.Parameter(
            FIRST_DEVIATION / (n_in + n_out) ** 0.5 * torch.randn(n_in, n_out), requires_grad=False
        )
        self.visible_bias = nn.Parameter(torch.zeros(n_in), requires_grad=False)
        self.hidden_bias = nn.Parameter(torch.zeros(n_out), requires_grad=False)
        self.log_variance = nn.Parameter(torch.zeros(n_in), requires_grad=False) if gaussian else None
        self.register_buffer("visible_mean", torch.full((n_in,), 0.0 if gaussian else 0.5))
        self.register_buffer("hidden_mean", torch.full((n_out,), 0.5))
        self.register_buffer("chains", torch.full((n_chains, n_out), 0.5))
        for name in ("log_z", "log_z_error"):
            self.register_buffer(name, torch.zeros((), dtype=torch.float64))

    def forward(self, v: Tensor) -> Tensor:
        """Return the probabilities of the hidden units."""
        return torch.sigmoid(self.hidden_sums(v))

    def hidden_sums(self, v: Tensor) -> Tensor:
        """Return c + Wᵀv, of Gaussian units c + Wᵀ(v / σ²): (n, n_out)."""
        v = v if self.log_variance is None else v * (-self.log_variance).exp()
        return torch.addmm(self.hidden_bias, v, self.weight)

    def visible_sums(self, h: Tensor) -> Tensor:
        """Return b + Wh: (n, n_in)."""
        return torch.addmm(self.visible_bias, h, self.weight.t())

    def means(self, sums: Tensor) -> Tensor:
        """Return the means of visible units from their sums."""
        return torch.sigmoid(sums) if self.log_variance is None else sums

    def draw_visible(self, sums: Tensor, generator: torch.Generator) -> Tensor:
        """Return visible units drawn from what their sums say."""
        if self.log_variance is None:
            return drawn(torch.sigmoid(sums), generator)
        noise = torch.randn(sums.shape, dtype=sums.dtype, device=sums.device, generator=generator)
        return sums + (self.log_variance / 2).exp() * noise

    def gibbs_step(self, v: Tensor, generator: torch.Generator) -> Tensor:
        """Return visible units after one step to the hidden ones and back, all drawn."""
        return self.draw_visible(self.visible_sums(drawn(self.forward(v), generator)), generator)

    def visible_energy(self, v: Tensor) -> Tensor:
        """Return -b·v, of Gaussian units Σ (v - b)² / (2 σ²): (n,)."""
        if self.log_variance is None:
            return -(v @ self.visible_bias)
        return 0.5 * (v - self.visible_bias).square() @ (-self.log_variance).exp()

    def free_energy(self, v: Tensor) -> Tensor:
        """Return F(v): (n,)."""
        return self.visible_energy(v) - functional.softplus(self.hidden_sums(v)).sum(dim=1)

    def log_conditional(self, v: Tensor, h: Tensor) -> Tensor:
        """Return log p(v|h): (n,)."""
        sums = self.visible_sums(h)
        if self.log_variance is None:
            return -functional.binary_cross_entropy_with_logits(sums, v, reduction="none").sum(dim=1)
        squares = (v - sums).square() * (-self.log_variance).exp()
        return -0.5 * (squares + self.log_variance + np.log(2 * np.pi)).sum(dim=1)

    def hidden_log_weight(self, h: Tensor) -> Tensor:
        """Return log Σ_v exp(-E(v, h)), of Gaussian units the integral: (n,)."""
        sums = self.visible_sums(h)
        if self.log_variance is None:
            return h @ self.hidden_bias + functional.softplus(sums).sum(dim=1)
        squares = (sums.square() - self.visible_bias.square()) @ (-self.log_variance).exp()
        return h @ self.hidden_bias + 0.5 * (squares + (np.log(2 * np.pi) + self.log_variance).sum())

    @property
    def base(self) -> Tensor:
        """Return the visible biases of the machine without links from which annealing begins."""
        return self.visible_bias if self.log_variance is not None else torch.logit(self.visible_mean, eps=1e-6)

    def begin(self, mean: Tensor) -> None:
        """Take over the means of the visible units, and the biases that give them without links."""
        self.visible_mean.copy_(mean)
        self.visible_bias.copy_(self.base if self.log_variance is None else mean)

    def trace(self, v: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the sums of the hidden units and their probabilities."""
        labels = names.labels if len(names.labels) == v.shape[1] else ()
        weight = self.weight if self.log_variance is None else self.weight * (-self.log_variance).exp()[:, None]
        sums = array(self.hidden_sums(v))
        bias = _numbers(self.hidden_bias)
        yield opsteps.dense(array(v), _numbers(weight.t()), bias, sums, names.next("z", new_layer=True), inputs=labels)
        yield opsteps.activation("sigmoid", sums, array(output), names.next("h"))


class Downward(nn.Module):
    """The way back through a layer: hidden units (n, n_out) to the means of the visible ones (n, n_in)."""

    def __init__(self, layer: BoltzmannLayer) -> None:
        super().__init__()
        self.layer = (layer,)  # in a tuple, so that its weights are not counted twice

    def forward(self, h: Tensor) -> Tensor:
        """Return the means."""
        (layer,) = self.layer
        return layer.means(layer.visible_sums(h))

    def trace(self, h: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the sums of the visible units and their means."""
        (layer,) = self.layer
        sums, bias = array(layer.visible_sums(h)), _numbers(layer.visible_bias)
        yield opsteps.dense(array(h), _numbers(layer.weight), bias, sums, names.next("z", new_layer=True))
        if layer.log_variance is None:
            yield opsteps.activation("sigmoid", sums, array(output), names.next("h"))


def anneal_layer(
    layer: BoltzmannLayer, n_chains: int, generator: torch.Generator, n_temperatures: int = N_TEMPERATURES
) -> tuple[Tensor, Tensor]:
    """Return visible units (n_chains, n_in) and the logarithms of their weights (n_chains,), whose mean is Z.

    Between the machine without links, of visible biases b₀, and the layer stand those with
    log p*_β(v) = (1 - β) b₀·v + β b·v + Σⱼ log(1 + exp(β (cⱼ + (Wᵀv)ⱼ))); Gaussian units keep b and σ.
    """
    base, shift = layer.base, layer.visible_bias - layer.base
    sums: Any = None

    def gain(v: Tensor, before: float, beta: float) -> Tensor:
        nonlocal sums
        sums = layer.hidden_sums(v)
        gained = functional.softplus(beta * sums) - functional.softplus(before * sums)
        return gained.sum(dim=1, dtype=torch.float64) + (beta - before) * (v @ shift)

    def move(v: Tensor, beta: float) -> Tensor:
        h = drawn(torch.sigmoid(beta * sums), generator)
        return layer.draw_visible(torch.addmm(base + beta * shift, h, layer.weight.t(), alpha=beta), generator)

    first = layer.draw_visible(base.expand(n_chains, -1), generator)
    v, log_weight = anneal(first, gain, move, n_temperatures)
    if layer.log_variance is None:
        visible = functional.softplus(base.double()).sum()
    else:
        visible = (np.log(2 * np.pi) + layer.log_variance.double()).sum() / 2
    return v, log_weight + visible + layer.n_out * np.log(2)


def log_partition(layer: BoltzmannLayer) -> tuple[float, float]:
    """Return log Z and its standard error: by adding up all states of the smaller side, or by annealing."""
    n_in, n_out = layer.weight.shape
    by_hidden = n_out <= n_in or layer.log_variance is not None
    n_small, n_large = (n_out, n_in) if by_hidden else (n_in, n_out)
    if n_small <= MOST_EXACT and 2**n_small * n_large <= EXACT_TERMS:
        exact = deepcopy(layer).double()
        log_weight = exact.hidden_log_weight if by_hidden else lambda v: -exact.free_energy(v)
        return log_sum(log_weight, n_small, exact.weight), 0.0
    return log_mean(anneal_layer(layer, N_ANNEALED, torch.Generator(layer.weight.device).manual_seed(0))[1])


@dataclass(frozen=True)
class ContrastiveSettings:
    """How a layer learns; the names are the estimators' own parameters.

    Attributes
    ----------
    method : "pcd" or "cd"
    n_gibbs_steps, n_chains, batch_size, n_epochs : int
    centering : bool
    learning_rate, weight_decay : float
    schedule : str
    """

    method: str = "pcd"
    n_gibbs_steps: int = 1
    n_chains: int = 100
    batch_size: int = 50
    n_epochs: int = 20
    centering: bool = True
    learning_rate: float = 0.1
    schedule: str = "cosine"
    weight_decay: float = 0.0


class ContrastiveDivergence:
    """Move the weights of a layer along ⟨v hᵀ⟩_data - ⟨v hᵀ⟩_machine, estimated by chains.

    With ``centering`` both are means of (v - μ)(h - λ)ᵀ, and the biases follow the weights as if these stood between
    centred units (Montavon & Müller 2012): the same fixed points on a straighter way. μ is the mean of the visible
    units over the training rows, λ follows that of the hidden ones.

    Parameters
    ----------
    layer : BoltzmannLayer
    settings : ContrastiveSettings
    """

    def __init__(self, layer: BoltzmannLayer, settings: ContrastiveSettings) -> None:
        self.layer = layer
        self.settings = settings

    def move(self, v: Tensor, share: Tensor, rate: float, generator: torch.Generator) -> None:
        """Move the weights once.

        Parameters
        ----------
        v : Tensor of shape (n, n_in)
        share : Tensor of shape (n,)
            Of each row in the mean; 1 together.
        rate : float
        generator : torch.Generator
        """
        layer, settings = self.layer, self.settings
        visible = torch.cat([v, self._run_chains(v, generator)])
        n, n_chains = v.shape[0], visible.shape[0] - v.shape[0]
        hidden = layer.forward(visible)
        of_rows = hidden[:n]
        if settings.method == "pcd":
            layer.chains = drawn(hidden[n:], generator)
        # The signs add up to 0, so that in the means of the biases nothing is left of the centres but by way of ΔW.
        sign = torch.cat([share, -share if settings.method == "cd" else share.new_full((n_chains,), -1 / n_chains)])
        along, across = sign, torch.ones_like(sign)
        if layer.log_variance is not None:
            self._move_variance(visible, hidden, sign, rate)
        if settings.centering:
            visible, hidden = visible - layer.visible_mean, hidden - layer.hidden_mean
        hidden = hidden * sign[:, None]
        if settings.centering:
            along = torch.addmv(along, hidden, layer.hidden_mean, alpha=-1)
            across = torch.addmv(across, visible, layer.visible_mean, alpha=-1)
        if settings.weight_decay:
            layer.weight.mul_(1 - rate * settings.weight_decay)
        layer.weight.addmm_(visible.t(), hidden, alpha=rate)
        layer.visible_bias.addmv_(visible.t(), along, alpha=rate)
        layer.hidden_bias.addmv_(hidden.t(), across, alpha=rate)
        layer.hidden_mean.addmv_(of_rows.t(), share, beta=1 - HIDDEN_PACE, alpha=HIDDEN_PACE)

    def _run_chains(self, v: Tensor, generator: torch.Generator) -> Tensor:
        """Return visible units of the chains after their steps, which end with the hidden ones still to be drawn."""
        layer, settings = self.layer, self.settings
        state = drawn(layer.forward(v), generator) if settings.method == "cd" else layer.chains
        visible = layer.draw_visible(layer.visible_sums(state), generator)
        for _ in range(settings.n_gibbs_steps - 1):
            visible = layer.gibbs_step(visible, generator)
        return visible

    def _move_variance(self, v: Tensor, h: Tensor, sign: Tensor, rate: float) -> None:
        """Move log σ² along ⟨(½ (v - b)² - v ⊙ Wh) / σ²⟩ of the rows less that of the machine."""
        layer: Any = self.layer
        pull = 0.5 * (v - layer.visible_bias).square() - v * (h @ layer.weight.t())
        slope = (sign @ pull) * (-layer.log_variance).exp()
        layer.log_variance.add_(slope, alpha=rate).clamp_(LEAST_LOG_VARIANCE, MOST_LOG_VARIANCE)


class ContrastiveTrainer:
    """Contrastive divergence for a stack of layers, one after the other; a layer sees what the one below makes of rows.

    Upward go probabilities; what is drawn by chance are the chains inside the layer that learns.

    Parameters
    ----------
    network : CodeNetwork
        Its body has ``layers`` and counts ``n_passes``.
    n_rows : int
        Of a pass.
    settings : ContrastiveSettings
        ``n_epochs`` of each layer.
    """

    finished = False

    def __init__(self, network: Any, n_rows: int, settings: ContrastiveSettings) -> None:
        self.network = network
        self.n_rows = n_rows
        self.settings = settings
        self.rules = [ContrastiveDivergence(layer, settings) for layer in network.body.layers]
        self.n_taken = 0
        self.rate_factor = 1.0

    @property
    def place(self) -> int:
        """Return which layer learns, counted from 0."""
        return min(int(self.network.body.n_passes) // self.settings.n_epochs, len(self.rules) - 1)

    @torch.no_grad()
    def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Move the weights for each ``batch_size`` rows; returns what was lost of the first rows, there and back."""
        place = self.place
        rule = self.rules[place]
        v = self._inputs(batch, place)
        weight = v.new_ones(len(v)) if batch.weight is None else batch.weight
        loss = self._lost(rule.layer, v[:LOSS_ROWS])
        before = [p.clone() for p in rule.layer.parameters()]
        rate, size = self._rate(), self.settings.batch_size
        for rows, share in zip(v.split(size), weight.split(size), strict=True):
            rule.move(rows, share / share.sum(), rate, generator)
        if not all(bool(p.isfinite().all()) for p in rule.layer.parameters()):
            for p, good in zip(rule.layer.parameters(), before, strict=True):
                p.copy_(good)
            raise NotFinite(loss=loss, gradient_norm=float("inf"))
        self._count(len(batch))
        return {"loss": loss}

    def _rate(self) -> float:
        """Return the rate of the present step; a schedule is laid out over the passes of each layer."""
        settings = self.settings
        n_done = (int(self.network.body.n_passes) % settings.n_epochs) * self.n_rows + self.n_taken
        schedule = GradientSettings(schedule=settings.schedule, n_steps=settings.n_epochs * self.n_rows)
        return settings.learning_rate * self.rate_factor * rate_factor(schedule, n_done)

    def _count(self, n_rows: int) -> None:
        """Count rows; at the end of a layer's passes the next one learns from its means on."""
        self.n_taken += n_rows
        if self.n_taken < self.n_rows:
            return
        place, self.n_taken = self.place, 0
        self.network.body.n_passes += 1
        if self.place != place:
            self.rules[self.place].layer.begin(self.rules[place].layer.hidden_mean)

    def _inputs(self, batch: Batch, place: int) -> Tensor:
        """Return rows as the layer at a place gets them."""
        v = self.network.scaling(batch.inputs).flatten(1)
        for rule in self.rules[:place]:
            v = rule.layer(v)
        return v

    def _lost(self, layer: BoltzmannLayer, v: Tensor) -> float:
        """Return the squared error of rows that went up and came down, means in place of draws, on average."""
        back = layer.means(layer.visible_sums(layer(v)))
        return float((v - back).square().sum(dim=1).mean())

    @torch.no_grad()
    def measure(self, batch: Batch) -> float:
        """Return what is lost of the rows in the layer that learns."""
        parts = list(batch.pieces(PIECE_ROWS, PIECE_ROWS))
        layer = self.rules[self.place].layer
        return sum(self._lost(layer, self._inputs(part, self.place)) * len(part) for part in parts) / len(batch)

    def weights(self) -> dict[str, Tensor]:
        """Return the layers and the number of passes."""
        return self.network.state_dict()

    def state(self) -> tuple[Any, dict[str, Tensor]]:
        """Return layers, passes and chains."""
        return flatten_state(
            {
                "network": dict(self.network.state_dict()),
                "n_taken": self.n_taken,
                "rate_factor": self.rate_factor,
            }
        )

    def load_state(self, values: Any, tensors: dict[str, Tensor]) -> None:
        """Take over what :meth:`state` gave."""
        state = restore_state(values, tensors)
        self.network.load_state_dict(state["network"])
        self.n_taken, self.rate_factor = state["n_taken"], state["rate_factor"]

    def restart(self, weights: dict[str, Tensor]) -> None:
        """Go back to these weights and chains, with a tenth of the rate."""
        self.network.load_state_dict(weights)
        self.n_taken = 0
        self.rate_factor /= 10


@with_parameters
class ContrastiveNetwork(UnlabelledParameters, Unlabelled):
    """What networks of restricted machines do alike; their body has ``layers``, a list of :class:`BoltzmannLayer`.

    Parameters
    ----------
    visible : "auto", "bernoulli" or "gaussian", default "auto"
        "bernoulli" is for numbers from 0 to 1, bytes as shares of 255, which are then not standardised; "gaussian" has
        a variance of each column, which is learned. "auto": Bernoulli if all numbers are from 0 to 1.
    method : "pcd" or "cd", default "pcd"
        Chains that go on from step to step, or that begin at the rows of each step.
    n_gibbs_steps : int, default 1
        From side to side and back, for each step.
    n_chains : int, default 100
        Of "pcd"; samples come from them.
    centering : bool, default True
        Whether means are taken of centred units, which is the faster way to the same fixed points.
    learning_rate : float, default 0.1
        η.
    schedule : "constant", "cosine" or "one_cycle", default "cosine"
        The slower a machine moves at the end, the better its chains can follow.
    batch_size : int, default 50
    n_epochs : int, default 20
        Passes through the training rows.
    weight_decay : float, default 0.0
        L2 penalty of W.
    Others: those of UnlabelledParameters.
    """

    visible: str = "auto"
    method: str = "pcd"
    n_gibbs_steps: int = 1
    n_chains: int = 100
    centering: bool = True
    learning_rate: float = 0.1
    schedule: str = "cosine"
    batch_size: int = 50
    n_epochs: int = 20
    weight_decay: float = 0.0

    kinds: ClassVar[tuple[str, ...]] = ("table", "image", "sequence")
    own_counts: ClassVar[tuple[str, ...]] = ("bernoulli",)
    trains_in_bfloat16: ClassVar[bool] = False
    ranges: ClassVar[Mapping[str, Range]] = {
        **UnlabelledParameters.ranges,
        **CHAIN_RANGES,
        "visible": OneOf(("auto", *VISIBLE)),
        "method": OneOf(("pcd", "cd")),
        "n_epochs": LOOP_RANGES["n_epochs"],
        **{name: GRADIENT_RANGES[name] for name in ("learning_rate", "schedule", "batch_size", "weight_decay")},
    }

    @property
    def in_unit_range(self: Any) -> bool:
        """Return whether visible units are 0 and 1."""
        return self.visible_ == "bernoulli"

    @property
    def n_machines(self) -> int:
        """Return how many layers are trained, one after the other."""
        return 1

    def learn(self: Any, network: nn.Module, n_rows: int, n_steps: int) -> ContrastiveTrainer:
        """Return contrastive divergence, layer by layer."""
        own = self.get_params(deep=False)
        names = ContrastiveSettings.__dataclass_fields__
        return ContrastiveTrainer(network, n_rows, ContrastiveSettings(**{name: own[name] for name in names}))

    def loop_settings(self: Any, n_rows: int, seed: int, *, with_validation: bool) -> LoopSettings:
        """Return all passes of all layers; a step takes some batches, and the last weights are kept."""
        n_epochs = self.n_epochs * self.n_machines
        n_batches = max(STEP_ROWS // self.batch_size, 1)
        return LoopSettings(n_epochs, n_batches * self.batch_size, seed, keep="last", falls=False)

    def sample(self: Any, n_samples: int = 1, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Return new rows in their own unit: the means of visible units at the end of chains of Gibbs steps.

        No chain has ever begun at a row of training. Of "pcd" they are the chains of training itself, each of which
        takes 200 steps more, now that the weights stay; more samples than chains share their beginning. Of "cd" each
        one comes by 300 machines from one without links. From the top layer they go down, drawn but for the last step.

        Parameters
        ----------
        n_samples : int, default 1
        random_state : int, RandomState or None
        """
        check_is_fitted(self)
        generator = generator_of(random_state, self._device)
        *below, top = self.network_.body.layers
        with torch.inference_mode():
            if self.method == "pcd":
                places = torch.randperm(len(top.chains), generator=generator, device=self._device)
                v = top.means(top.visible_sums(top.chains[places[torch.arange(n_samples) % len(places)]]))
            else:
                v = anneal_layer(top, n_samples, generator)[0]
            for _ in range(N_SAMPLE_STEPS):
                v = top.gibbs_step(v, generator)
            sums = top.visible_sums(drawn(top(v), generator))
            for layer in reversed(below):
                sums = layer.visible_sums(layer.draw_visible(sums, generator))
            rows = self.network_.body.layers[0].means(sums)
        return self._in_units(rows.double().cpu().numpy())

    def hidden_layers(self: Any) -> HiddenLayers:
        """Return the layers as those of a feed-forward network with sigmoid units, for one that starts from them."""
        check_is_fitted(self)
        weights = []
        for layer in self.network_.body.layers:
            scale = 1.0 if layer.log_variance is None else (-layer.log_variance).exp()[:, None]
            weights.append(((layer.weight * scale).t(), layer.hidden_bias.detach()))
        return HiddenLayers(type(self).__name__, self.inputs_, tuple(weights), "sigmoid")

    def settle(self: Any, X: Any, sample_weight: Any) -> None:
        """Work out log Z of the top layer."""
        top = self.network_.body.layers[-1]
        for value, buffer in zip(log_partition(top), (top.log_z, top.log_z_error), strict=True):
            buffer.fill_(value)

    # Inside

    def _start(self: Any, train: Rows, target: Target, seed: int) -> None:
        super()._start(train, target, seed)  # pyright: ignore[reportAttributeAccessIssue]
        first = self.network_.body.layers[0]
        if not self.in_unit_range:
            return
        rows = self._to_batch(train)
        total = torch.zeros_like(first.visible_mean, dtype=torch.float64)
        for part in rows.pieces(PIECE_ROWS, PIECE_ROWS):
            v = self.network_.scaling(part.inputs).flatten(1).double()
            total += v.sum(dim=0) if part.weight is None else part.weight.double() @ v
        # half a row of either kind more, so that no unit is sure
        first.begin((total + 0.5) / (len(rows) + 1))

    def _size(self: Any, train: Rows, target: Target) -> None:
        is_share = within_unit_range(train.X)
        self.visible_ = VISIBLE[is_share] if self.visible == "auto" else self.visible
        super()._size(train, target)  # pyright: ignore[reportAttributeAccessIssue]

    def _sizes(self: Any) -> dict[str, Any]:
        return super()._sizes() | {"bernoulli": int(self.visible_ == "bernoulli")}  # pyright: ignore[reportAttributeAccessIssue]

    def _bare_network(self: Any, inputs: Inputs, sizes: Mapping[str, Any]) -> Any:
        self.visible_ = VISIBLE[bool(sizes["bernoulli"])]
        return super()._bare_network(inputs, sizes)


def likelihood_values(network: Any, X: Any, X_train: Any | None, n_components: int) -> RowValues:
    """Return the log-likelihood of each row beside that of simpler distributions; what comes back, samples, filters.

    Parameters
    ----------
    network : ContrastiveNetwork
    X, X_train : rows, as for ``transform``
        Those that are measured; those of training, or None where they are not at hand.
    n_components : int
        Of the principal components beside it.
    """
    values, rows = network.score_samples(X), network._standardized(network._check_inputs(X))
    rebuilt = reconstruction_values(network, X, None, n_components)
    more = {"reconstruction_error": (float(rebuilt.values.mean()), rebuilt.better, rebuilt.what)}
    competitors: Any = ()
    if X_train is not None:
        X_train = X_train[:: -(-len(X_train) // MAX_ROWS)]
        known = network._standardized(network._check_inputs(X_train))
        beside = (
            density_by_shares if network.in_unit_range else partial(density_by_components, n_components=n_components)
        )
        competitors = beside(known, rows)
        gap = float(network.score_samples(X_train).mean() - values.mean())
        more["free_energy_gap"] = (gap, "lower", "How much more likely rows of training are, in nats; log Z cancels.")
    top = network.network_.body.layers[-1]
    more["log_z_error"] = (float(top.log_z_error), "lower", "Standard error of log Z, which all rows share.")
    sentence = "Images from chains that never began at a row of training; means of the last step."
    return RowValues(
        "log_likelihood",
        "higher",
        "How likely a row is, as standardised, in nats.",
        values,
        tuple(competitors),
        more,
        rebuilt.shows + drawn_images(network, sentence) + _filters(network),
    )


def _filters(network: Any) -> tuple[Shown, ...]:
    """Return the picture of what the first hidden units look for, if rows are images."""
    inputs: Inputs = network.inputs_
    if inputs.kind != "image":
        return ()
    tiles = as_bytes(_numbers(network.network_.body.layers[0].weight.t())[:MOST_FILTERS]).reshape(-1, *inputs.shape)
    lines = {f"{start + 1} on": tiles[start : start + 12] for start in range(0, len(tiles), 12)}
    return (Shown("The filters", "The weights of hidden units: bright where light turns one on.", lines),)


def _numbers(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().cpu().numpy()
