"""The matrix products of a network: how many multiply-adds a row takes, and how long they take alone."""

import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from nnzoo.engine.batches import Batch, cut_batch
from nnzoo.engine.device import Arithmetic
from nnzoo.engine.routes import Conv2d, filter_gradient, product, weight_gradient
from nnzoo.engine.steps import Steps

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)
REPEATS = 5


def multiply_adds(network: nn.Module, row: Tensor | Steps) -> float:
    """Return the multiply-adds of the products in the forward pass of one row.

    Every weight matrix or filter counts once for each place where its layer gives an output (a transposed one: takes an
    input): a pixel of a map, a step of a sequence, or the row.

    Parameters
    ----------
    network : torch.nn.Module
    row : Tensor of shape (1, ...), or Steps of one row

    Examples
    --------
    >>> multiply_adds(nn.Sequential(nn.Conv2d(1, 3, 5), nn.Flatten(), nn.Linear(12, 10)), torch.zeros(1, 1, 6, 6))
    420.0
    """
    passes = _pass_through(network, row)
    return float(
        sum(
            math.prod(parameter.shape) * _n_places(module, passes[module])
            for module, own in _own_matrices(passes).items()
            for parameter in own.values()
        )
    )


def seconds_alone(network: nn.Module, rows: Batch, batch_size: int, arithmetic: Arithmetic) -> float:
    """Return how long the products of a training step take by themselves, forward and backward, in one precision.

    Layer by layer, with random numbers in the shapes of the first batch, on the device of the rows: no activations, no
    losses, no optimiser, and nothing that brings numbers from one layer to the next; stacks of small matrices are left
    out. The fastest of five rounds counts.

    Parameters
    ----------
    network : torch.nn.Module
        Scores of a batch.
    rows : Batch
    batch_size : int
    arithmetic : Arithmetic
    """
    inputs = cut_batch(rows, None, 0, batch_size).inputs
    dtype = torch.bfloat16 if arithmetic.autocast else arithmetic.dtype
    products: list[Callable[[], object]] = []
    passes = _pass_through(network, inputs)
    for module, own in _own_matrices(passes).items():
        products += _products_of(module, own, passes[module], dtype, is_first=not products)
    best = math.inf
    with torch.no_grad():
        for _ in range(REPEATS):
            start = time.perf_counter()
            for each in products:
                each()
            if inputs.device.type == "cuda":
                torch.cuda.synchronize(inputs.device)
            best = min(best, time.perf_counter() - start)
    return best


def _pass_through(network: nn.Module, rows: Tensor | Steps) -> dict[nn.Module, tuple[Tensor, Tensor]]:
    """Return input and output of every module with weight matrices, outer ones before inner ones."""
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}
    weighted = [module for module in network.modules() if any(p.ndim > 1 for p in module.parameters())]

    def note(module: nn.Module, given: Any, output: Any) -> None:
        seen[module] = (given[0], output[0] if isinstance(output, tuple) else output)

    handles = [module.register_forward_hook(note) for module in weighted]
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            network(rows)
    finally:
        network.train(was_training)
        for handle in handles:
            handle.remove()
    return {module: seen[module] for module in weighted if module in seen}


def _n_places(module: nn.Module, passed: tuple[Tensor, Tensor]) -> int:
    """Return how often the weights of a layer are multiplied: at places that come out, or of transposed ones go in."""
    values = passed[0 if isinstance(module, TRANSPOSED) else 1]
    return values.numel() // values.shape[1 if isinstance(module, CONVOLUTIONS) else -1]


def _own_matrices(passes: Iterable[nn.Module]) -> dict[nn.Module, dict[str, Tensor]]:
    """Return the weight matrices and filters of each module that belong to none of its inner ones."""
    innermost = {parameter: module for module in passes for parameter in module.parameters()}
    own: dict[nn.Module, dict[str, Tensor]] = {
        module: {name: p for name, p in module.named_parameters() if p.ndim > 1 and innermost[p] is module}
        for module in passes
        if not isinstance(module, nn.Embedding)
    }
    return {module: matrices for module, matrices in own.items() if matrices}


def _products_of(
    module: Any, own: dict[str, Tensor], passed: tuple[Tensor, Tensor], dtype: torch.dtype, *, is_first: bool
) -> list[Callable[[], object]]:
    """Return the products of one layer: the pass forward, the weights' gradient and, behind others, the inputs'."""
    x, out = passed

    def noise(*shape: int) -> Tensor:
        return torch.rand(shape, device=out.device).to(dtype)

    if isinstance(module, CONVOLUTIONS):
        given, kernels, slope = noise(*x.shape), noise(*module.weight.shape), noise(*out.shape)
        how: Any = (module.stride, module.padding, module.dilation, module.transposed, module.output_padding, 1)
        wanted = [not is_first, True, False]
        backward = torch.ops.aten.convolution_backward
        products: list[Callable[[], object]] = [lambda: torch.convolution(given, kernels, None, *how)]
        if isinstance(module, Conv2d) and module.unfolds(given):
            wanted[1] = False
            products.append(lambda: filter_gradient(slope, given, module.kernel_size, *how[:2]))
        return [*products, lambda: backward(slope, given, kernels, None, *how, wanted)] if any(wanted) else products
    products: list[Callable[[], object]] = []
    for name, matrix in own.items():
        if matrix.ndim > 2:
            continue
        is_hidden = "weight_hh" in name
        n_times, with_inputs = (out.shape[1] if is_hidden else 1), is_hidden or not is_first
        products += _matrix_products(noise, _n_places(module, passed), matrix, n_times, with_inputs=with_inputs)
    return products


def _matrix_products(
    noise: Callable[..., Tensor], n_rows: int, weight: Tensor, n_times: int, *, with_inputs: bool
) -> list[Callable[[], object]]:
    """Return x Wᵀ, δᵀ x and δ W for ``n_rows`` rows; what a recurrence computes step by step comes in ``n_times``."""
    n_out, n_in = weight.shape
    x, slope, matrix = noise(n_rows, n_in), noise(n_rows, n_out), noise(n_out, n_in)
    x_step, slope_step = x[: n_rows // n_times], slope[: n_rows // n_times]

    def backward() -> None:
        weight_gradient(slope, x)
        for _ in range(n_times if with_inputs else 0):
            product(slope_step, matrix)

    def forward() -> None:
        for _ in range(n_times):
            product(x_step, matrix.t())

    return [forward, backward]


def halve_products(network: nn.Module) -> None:
    """Give the layers that are multiplied, in place, parameters of their own in bfloat16; the others stay."""
    for module in network.modules():
        if isinstance(module, (nn.Linear, *CONVOLUTIONS, nn.RNNBase)):
            for name, parameter in list(module.named_parameters(recurse=False)):
                half = nn.Parameter(parameter.detach().bfloat16(), requires_grad=parameter.requires_grad)
                setattr(module, name, half)
