"""Contrastive divergence: how a restricted Boltzmann machine learns, and a stack of them, layer by layer.

    ∂ log p / ∂W = ⟨v hᵀ⟩_data - ⟨v hᵀ⟩_machine

The second mean comes from chains of Gibbs steps: short ones that begin at the rows (contrastive divergence), or ones
that go on from step to step (persistent).

Sources: Hinton 2002; Tieleman 2008; Montavon & Müller 2012 (centring); Cho, Ilin & Raiko 2011 (Gaussian units).
"""

from dataclasses import dataclass
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from nnzoo.engine.batches import Batch
from nnzoo.networks.boltzmann import drawn
from nnzoo.networks.boltzmann_layers import BoltzmannLayer
from nnzoo.training.gradient import GradientSettings, rate_factor
from nnzoo.training.loop import NotFinite
from nnzoo.training.state import flatten_state, restore_state

HIDDEN_PACE = 0.01
"""How far the mean of the hidden units moves in a step towards that of the rows."""
LEAST_LOG_VARIANCE, MOST_LOG_VARIANCE = -4.6, 0.7
LOSS_ROWS, PIECE_ROWS = 256, 4096


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
        self._alike: dict[int, tuple[Tensor, Tensor]] = {}

    def move(self, v: Tensor, share: Tensor | None, rate: float, generator: torch.Generator) -> None:
        """Move the weights once.

        Parameters
        ----------
        v : Tensor of shape (n, n_in)
        share : Tensor of shape (n,) or None
            Of each row in the mean, 1 together; None where all count alike.
        rate : float
        generator : torch.Generator
        """
        layer, settings, n = self.layer, self.settings, len(v)
        weight, visible_mean, hidden_mean = layer.weight, layer.visible_mean, layer.hidden_mean
        visible = torch.cat([v, self._run_chains(v, generator)])
        hidden = layer.forward(visible)
        of_rows = hidden[:n]
        if settings.method == "pcd":
            layer.chains.copy_(drawn(hidden[n:], generator))
        # The signs add up to 0, so that in the means of the biases nothing is left of the centres but by way of ΔW.
        sign, ones = self._signs(v, share)
        along, across = sign, ones
        if layer.log_variance is not None:
            self._move_variance(visible, hidden, sign, rate)
        if settings.centering:
            visible, hidden = visible.sub_(visible_mean), hidden - hidden_mean
        hidden = hidden * sign[:, None]
        if settings.centering:
            along = torch.addmv(along, hidden, hidden_mean, alpha=-1)
            across = torch.addmv(across, visible, visible_mean, alpha=-1)
        if settings.weight_decay:
            weight.mul_(1 - rate * settings.weight_decay)
        weight.addmm_(visible.t(), hidden, alpha=rate)
        layer.visible_bias.addmv_(visible.t(), along, alpha=rate)
        layer.hidden_bias.addmv_(hidden.t(), across, alpha=rate)
        hidden_mean.addmv_(of_rows.t(), sign[:n], beta=1 - HIDDEN_PACE, alpha=HIDDEN_PACE)

    def _signs(self, v: Tensor, share: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return what each row counts and, below 0, each chain, and as many ones: both (n + n_chains,).

        Where rows count alike they are kept, since making them takes as long as a product with small weights.
        """
        if share is None and len(v) in self._alike:
            return self._alike[len(v)]
        of_rows = v.new_full((len(v),), 1 / len(v)) if share is None else share
        n_chains = len(self.layer.chains)
        of_chains = of_rows if self.settings.method == "cd" else v.new_full((n_chains,), 1 / n_chains)
        sign = torch.cat([of_rows, -of_chains])
        found = sign, torch.ones_like(sign)
        if share is None:
            self._alike[len(v)] = found
        return found

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

    @torch.inference_mode()  # in which small products take a fifth less time than without gradients alone
    def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Move the weights for each ``batch_size`` rows; returns what was lost of the first rows, there and back."""
        place = self.place
        rule = self.rules[place]
        v = self._inputs(batch, place)
        loss = self._lost(rule.layer, v[:LOSS_ROWS])
        before = [p.clone() for p in rule.layer.parameters()]
        rate, size = self._rate(), self.settings.batch_size
        shares = repeat(None) if batch.weight is None else (part / part.sum() for part in batch.weight.split(size))
        for rows, share in zip(v.split(size), shares, strict=False):
            rule.move(rows, share, rate, generator)
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
