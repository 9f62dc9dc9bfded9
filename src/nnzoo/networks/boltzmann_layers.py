"""Restricted Boltzmann machines as layers: energies and probabilities, chains of Gibbs steps, and log Z.

    E(v, h) = -b·v - c·h - vᵀWh                               visible units of 0 and 1
    E(v, h) = Σᵢ (vᵢ - bᵢ)² / (2 σᵢ²) - c·h - (v / σ²)ᵀWh     visible units of any number
    p(hⱼ = 1|v) = σ(cⱼ + (Wᵀv)ⱼ),  p(vᵢ = 1|h) = σ(bᵢ + (Wh)ᵢ)
    F(v) = -b·v - Σⱼ log(1 + exp(cⱼ + (Wᵀv)ⱼ)),  log p(v) = -F(v) - log Z

One machine is a layer, a deep belief network a stack of them. How they learn stands in contrastive.py.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nnzoo import opsteps
from nnzoo.networks.boltzmann import anneal, drawn, log_mean, log_sum
from nnzoo.trace import Step
from nnzoo.tracing import Names, array

FIRST_DEVIATION = 0.3
"""Of a weight, times the root of the number of units."""
N_ANNEALED, N_TEMPERATURES = 50, 300
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
        return self.hidden_sums(v).sigmoid_()

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
        bias = numbers(self.hidden_bias)
        yield opsteps.dense(array(v), numbers(weight.t()), bias, sums, names.next("z", new_layer=True), inputs=labels)
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
        sums, bias = array(layer.visible_sums(h)), numbers(layer.visible_bias)
        yield opsteps.dense(array(h), numbers(layer.weight), bias, sums, names.next("z", new_layer=True))
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
    # What is rounded in float32 is far below what chance leaves open, and takes half the time.
    generator = torch.Generator(layer.weight.device).manual_seed(0)
    return log_mean(anneal_layer(deepcopy(layer).float(), N_ANNEALED, generator)[1])


def numbers(tensor: Tensor) -> np.ndarray:
    """Return a tensor of a layer as float64."""
    return tensor.detach().double().cpu().numpy()
