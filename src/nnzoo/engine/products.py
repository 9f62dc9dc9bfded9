"""The matrix products of a network: how many multiply-adds a row takes, and weights in the type of the products."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from nnzoo.engine.steps import Steps

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def multiply_adds(network: nn.Module, row: Tensor | Steps) -> float:
    """Return the multiply-adds of the products in the forward pass of one row.

    Every weight matrix or filter counts once for each place where its layer gives an output: a pixel of a map, a step
    of a sequence, or the row.

    Parameters
    ----------
    network : torch.nn.Module
    row : Tensor of shape (1, ...), or Steps of one row

    Examples
    --------
    >>> multiply_adds(nn.Sequential(nn.Conv2d(1, 3, 5), nn.Flatten(), nn.Linear(12, 10)), torch.zeros(1, 1, 6, 6))
    420.0
    """
    places: dict[nn.Module, int] = {}
    weighted = [module for module in network.modules() if any(p.ndim > 1 for p in module.parameters())]

    def note(module: nn.Module, _: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output
        places[module] = first.numel() // first.shape[1 if isinstance(module, CONVOLUTIONS) else -1]

    handles = [module.register_forward_hook(note) for module in weighted]
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            network(row)
    finally:
        network.train(was_training)
        for handle in handles:
            handle.remove()
    innermost = {parameter: module for module in weighted if module in places for parameter in module.parameters()}
    return float(
        sum(
            math.prod(parameter.shape) * places[module]
            for parameter, module in innermost.items()
            if parameter.ndim > 1 and not isinstance(module, nn.Embedding)
        )
    )


def halve_products(network: nn.Module) -> None:
    """Give the layers that are multiplied, in place, parameters of their own in bfloat16; the others stay."""
    for module in network.modules():
        if isinstance(module, (nn.Linear, *CONVOLUTIONS, nn.RNNBase)):
            for name, parameter in list(module.named_parameters(recurse=False)):
                half = nn.Parameter(parameter.detach().bfloat16(), requires_grad=parameter.requires_grad)
                setattr(module, name, half)
