"""Backpropagation through plain dense layers, written out: the learning rule of the feed-forward networks.

    zₖ = Wₖ hₖ₋₁ + bₖ,  hₖ = f(zₖ),  h₀ = x
    δ_L = ∂E/∂z_L,  δₖ₋₁ = Wₖᵀ δₖ ⊙ f'(zₖ₋₁),  ∂E/∂Wₖ = δₖ hₖ₋₁ᵀ,  ∂E/∂bₖ = δₖ

with E the loss of the head and L the last layer. Source: Rumelhart, Hinton & Williams 1986, equations 8 and 9 of the
generalised delta rule. torch's own differentiation gives the same gradients (a test holds them equal); with few rows or
narrow layers its bookkeeping takes longer than the products: a step of 784-128-10 on 128 rows takes 0.8 of the time
without it.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nnzoo.engine.batches import Batch
from nnzoo.engine.device import Arithmetic
from nnzoo.heads import Head
from nnzoo.training.gradient import Gradients, GradientSettings, GradientTrainer

SLOPES: dict[type[nn.Module], Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    nn.Identity: lambda delta, z, h: delta,
    nn.Sigmoid: lambda delta, z, h: delta * h * (1 - h),
    nn.Tanh: lambda delta, z, h: delta * (1 - h * h),
    nn.ReLU: lambda delta, z, h: torch.ops.aten.threshold_backward(delta, h, 0),
    nn.LeakyReLU: lambda delta, z, h: torch.where(z > 0, delta, 0.01 * delta),
    nn.ELU: lambda delta, z, h: torch.where(z > 0, delta, delta * (h + 1)),
}
"""δ ⊙ f'(z) for δ, z and h = f(z), by the activation."""


class Backpropagation(GradientTrainer):
    """Gradient descent whose gradients come from the rule above.

    Parameters
    ----------
    network : ScoreNetwork
        All its layers are plain.
    head : Head
    settings, arithmetic
        As of :class:`GradientTrainer`.
    """

    def __init__(self, network: nn.Module, head: Head, settings: GradientSettings, arithmetic: Arithmetic) -> None:
        super().__init__(network, head.row_loss, settings, arithmetic)
        self.loss_and_slope = head.row_loss_and_slope
        self.layers = plain_layers(network) or []

    def _gradients(self, batch: Batch, n_rows: int, network: Any, seed: int | None = None) -> tuple[Tensor, Gradients]:
        """Return the share of a batch of ``n_rows`` in the loss, and in its gradient."""
        del seed
        with torch.no_grad():
            h = network.body.table(network.scaling(batch.inputs))
            inputs, sums = [h], []
            for weighted_sum, activation in self.layers:
                sums.append(weighted_sum(h))
                h = activation(sums[-1])
                inputs.append(h)
            scores = network.head(h)
            target: Any = batch.target
            losses, delta = self.loss_and_slope(scores, target)
            loss = batch.mean(losses) * (len(batch) / n_rows)
            delta.div_(n_rows)
            if batch.weight is not None:
                delta *= batch.weight[:, None]
        gradients = [delta.t() @ h, delta.sum(dim=0)]
        above: Tensor = network.head.weight.detach()
        for (weighted_sum, activation), x, z, h in zip(
            reversed(self.layers), reversed(inputs[:-1]), reversed(sums), reversed(inputs[1:]), strict=True
        ):
            delta = SLOPES[type(activation)](delta @ above, z, h)
            above = weighted_sum.weight.detach()
            gradients = [delta.t() @ x, delta.sum(dim=0), *gradients]
        return loss.detach(), gradients


def plain_layers(network: Any) -> list[tuple[Any, nn.Module]] | None:
    """Return (weighted sum, activation) of each hidden layer; None where the body holds anything else."""
    body = network.body
    if not hasattr(body, "layers") or body.table.code_columns:
        return None
    layers = body.layers()
    if not all(len(layer) == 2 and type(layer[1]) in SLOPES for layer in layers):
        return None
    return [(layer[0], layer[1]) for layer in layers]


def dense_trainer(network: Any, head: Head, settings: GradientSettings, arithmetic: Arithmetic) -> GradientTrainer:
    """Return the written-out rule where every layer is a weighted sum and an activation of the table, else torch's."""
    layers = plain_layers(network)
    if layers is None or arithmetic.autocast:
        return GradientTrainer(network, head.row_loss, settings, arithmetic)
    return Backpropagation(network, head, settings, arithmetic)
