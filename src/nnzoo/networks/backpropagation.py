"""Backpropagation through plain dense layers, written out: the learning rule of the feed-forward networks.

    zₖ = Wₖ hₖ₋₁ + bₖ,  hₖ = mₖ ⊙ f(zₖ),  h₀ = x
    δ_L = ∂E/∂z_L,  δₖ₋₁ = Wₖᵀ δₖ ⊙ mₖ₋₁ ⊙ f'(zₖ₋₁),  ∂E/∂Wₖ = δₖ hₖ₋₁ᵀ,  ∂E/∂bₖ = δₖ

with E the loss of the head, L the last layer, and m the factor of dropout (1 without it). Source: Rumelhart, Hinton &
Williams 1986, equations 8 and 9 of the generalised delta rule. torch's own differentiation gives the same gradients (a
test holds them equal); with few rows or narrow layers its bookkeeping takes longer than the products: a step of
784-128-10 on 128 rows takes 0.8 of the time without it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nnzoo.engine.batches import Batch
from nnzoo.engine.device import Arithmetic
from nnzoo.engine.routes import product, weight_gradient, weighted_sum
from nnzoo.heads import Head
from nnzoo.networks.parts import Dropout
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
NARROW = 32
"""Products of fewer units than this are float32 always: in bfloat16 they took twice as long."""


class Backpropagation(GradientTrainer):
    """Gradient descent whose gradients come from the rule above.

    Parameters
    ----------
    network : ScoreNetwork
        All its layers are plain.
    head : Head
    settings, arithmetic
        As of :class:`GradientTrainer`. In bfloat16 are the products of all layers but narrow ones, of weights that are
        converted once a step; the loss and the gradients that move the weights are float32.
    """

    def __init__(self, network: nn.Module, head: Head, settings: GradientSettings, arithmetic: Arithmetic) -> None:
        super().__init__(network, head.row_loss, settings, arithmetic)
        self.loss_and_slope = head.row_loss_and_slope
        self.layers = plain_layers(network) or []
        self._weights_in_full = [parameter.detach() for parameter in self.parameters]
        self._halves: list[Tensor] = []
        self._found: list[Tensor] = []

    def _gradients(self, batch: Batch, n_rows: int, network: Any, seed: int | None = None) -> tuple[Tensor, Gradients]:
        """Return the share of a batch of ``n_rows`` in the loss, and in its gradient."""
        del seed
        with torch.no_grad():
            weights = self._weights()
            h = network.body.table(network.scaling(batch.inputs))
            passed: list[tuple[Tensor, Tensor, Tensor, Tensor | None]] = []
            for layer, weight, bias in zip(self.layers, weights[:-2:2], weights[1:-2:2], strict=True):
                x = h.to(weight.dtype)
                z = weighted_sum(x, weight, bias)
                active = layer.activation(z)
                factor = None if layer.dropout is None else layer.dropout.factor(active)
                passed.append((x, z, active, factor))
                h = active if factor is None else active * factor
            h = h.to(weights[-2].dtype)
            scores = nn.functional.linear(h, weights[-2], weights[-1]).to(self.arithmetic.dtype)
            target: Any = batch.target
            losses, delta = self.loss_and_slope(scores, target)
            loss = batch.mean(losses)
            if len(batch) < n_rows:
                loss *= len(batch) / n_rows
            delta.div_(n_rows)
            if batch.weight is not None:
                delta *= batch.weight[:, None]
            delta = delta.to(h.dtype)
            found = self._memory_for(weights, is_whole=len(batch) == n_rows)
            torch.mm(delta.t(), h, out=found[-2])
            torch.sum(delta, dim=0, out=found[-1])
            for number in reversed(range(len(self.layers))):
                x, z, active, factor = passed[number]
                delta = product(delta, weights[2 * number + 2]).to(z.dtype)
                if factor is not None:
                    delta *= factor
                delta = SLOPES[type(self.layers[number].activation)](delta, z, active)
                found[2 * number] = weight_gradient(delta, x, out=found[2 * number])
                torch.sum(delta, dim=0, out=found[2 * number + 1])
        if self.arithmetic.autocast:
            found = [gradient.to(self.arithmetic.dtype) for gradient in found]
        return loss, found

    def _memory_for(self, weights: list[Tensor], *, is_whole: bool) -> list[Tensor]:
        """Return memory for the gradient, the same in every step; of a part of a batch, which is added up, its own."""
        if not is_whole:
            return [torch.empty_like(weight) for weight in weights]
        if not self._found:
            self._found = [torch.empty_like(weight) for weight in weights]
        return self._found

    def _weights(self) -> list[Tensor]:
        """Return weight and bias of layer after layer, in the type that its products have."""
        weights = self._weights_in_full
        if not self.arithmetic.autocast:
            return weights
        are_half = [min(weight.shape) >= NARROW for weight in weights[::2] for _ in range(2)]
        wide = [weight for weight, is_half in zip(weights, are_half, strict=True) if is_half]
        if len(self._halves) != len(wide):
            self._halves = [weight.bfloat16() for weight in wide]
        elif wide:
            torch._foreach_copy_(self._halves, wide)  # pyright: ignore[reportPrivateImportUsage]
        halves = iter(self._halves)
        return [next(halves) if is_half else weight for weight, is_half in zip(weights, are_half, strict=True)]


class PlainLayer(NamedTuple):
    """A weighted sum, its activation, and dropout behind it or None."""

    weighted_sum: Any
    activation: nn.Module
    dropout: Dropout | None = None


def plain_layers(network: Any) -> list[PlainLayer] | None:
    """Return the hidden layers; None where the body holds anything else."""
    body = network.body
    if not hasattr(body, "layers") or body.table.code_columns:
        return None
    layers = [tuple(layer) for layer in body.layers()]
    kinds = [tuple(type(part) for part in layer[1:]) for layer in layers]
    if not all(kind[0] in SLOPES and kind[1:] in ((), (Dropout,)) for kind in kinds):
        return None
    return [PlainLayer(*layer) for layer in layers]


def dense_trainer(network: Any, head: Head, settings: GradientSettings, arithmetic: Arithmetic) -> GradientTrainer:
    """Return the written-out rule where every layer is a weighted sum and an activation of the table, else torch's."""
    if plain_layers(network) is None:
        return GradientTrainer(network, head.row_loss, settings, arithmetic)
    return Backpropagation(network, head, settings, arithmetic)
