"""The forward pass of a network on one row, layer by layer, from the tensors that the layers gave and took.

Ordinary layers are written down here for all networks. A module whose computation is its own has a method
``trace(inputs, output, names)`` that yields its steps; what is inside of it is then its own affair.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo import opsteps
from nnzoo.engine import routes
from nnzoo.engine.scaling import Standardizer
from nnzoo.targets import Target
from nnzoo.trace import MAX_SHOWN, Step, factor, written

SILENT = (nn.Identity, nn.Unflatten, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)
"""Layers that change nothing in a prediction."""


class Names:
    """Symbols of the results in their order: z1, h1, z2, ...; a new number with every layer of weights."""

    def __init__(self, first: str = "x", labels: tuple[str, ...] = ()) -> None:
        self.last = first
        self.labels = labels
        self.number = 0

    def next(self, letter: str, *, new_layer: bool = False) -> tuple[str, str]:
        """Return the symbols of what goes in and of what comes out."""
        self.number += new_layer
        before, self.last = self.last, f"{letter}{self.number or ''}"
        self.labels = ()
        return before, self.last


def trace_layers(network: nn.Module, inputs: Any, names: Names) -> Iterator[Step]:
    """Yield the steps of every layer of a network on a batch of one row, in the order in which they are computed.

    Parameters
    ----------
    network : torch.nn.Module
        It is put into evaluation mode.
    inputs : Tensor of shape (1, ...) or Steps of one sequence
    names : Names
    """
    calls: list[tuple[nn.Module, Any, Any]] = []

    def keep(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        calls.append((module, given[0], output))

    handles = [module.register_forward_hook(keep) for module in _traced(network)]
    network.eval()
    try:
        with torch.inference_mode():
            network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    before: Any = inputs
    with torch.inference_mode():
        for module, given, output in calls:
            if _differs(given, before):
                yield _own_code(before, given, names)
            yield from _steps(module, given, output, names)
            before = output


def trace_scaling(standard: Standardizer, x: np.ndarray, y: np.ndarray, names: Names) -> Iterator[Step]:
    """Yield the standardisation of one row, or of the steps of one sequence, if there is any."""
    if np.array_equal(x, y):
        return
    labels = names.labels
    yield opsteps.scaled(x, standard.mean, standard.scale, y, names.next("x'"), labels=labels)
    names.labels = labels


def trace_scores(
    network: nn.Module,
    inputs: Any,
    target: Target,
    names: Names,
    labels: Sequence[str] = (),
    *,
    with_shares: bool = True,
) -> Iterator[Step]:
    """Yield all layers of a network on one row, and what its head makes of the scores.

    Parameters
    ----------
    network : ScoreNetwork
    inputs : Tensor or Steps
    target : Target
    names : Names
    labels : sequence of str
        Of the classes.
    with_shares : bool
        Whether scores become probabilities.
    """
    *before, last = trace_layers(network, inputs, names)
    yield from before
    yield replace(last, labels=tuple(labels)) if len(labels) == len(last.result) else last
    scores, kind = last.result, target.head.kind
    if kind == "none":
        return
    if kind == "regression":
        standard = target.standard
        value = standard.invert(scores[None])[0]
        yield opsteps.unscaled(scores, standard.mean, standard.scale, value, names.next("y"))
        return
    if not with_shares:
        return
    shares = target.head.activation(torch.from_numpy(scores)[None])[0].numpy()
    symbols = (names.last, "p")
    names.last = "p"
    if kind == "multiclass":
        yield opsteps.softmax(scores, shares, symbols, labels)
    else:
        yield opsteps.sigmoid(scores, shares, symbols, labels[-1:] if kind == "binary" else labels)


def trace_losses(rows: np.ndarray, rebuilt: np.ndarray, names: Names) -> Step:
    """Return the last step of a network that gives back what it was given: the squared error of the row.

    Parameters
    ----------
    rows, rebuilt : array
        One row as standardised, and what came back.
    """
    before, name = names.next("e")
    x, y = rows.ravel(), rebuilt.ravel()
    squares = np.square(x - y)
    cell = int(squares.argmax())
    return Step(
        "squared error",
        "What was lost on the way",
        f"{name} = Σ over i of (x'[i] - {before}[i])²",
        f"{name} = {written(squares.sum())}; most at i = {cell + 1}: ({written(x[cell])} - {factor(y[cell])})² = "
        f"{written(squares[cell])}",
        name,
        squares.sum(keepdims=True),
        "The more a row differs from those of training, the worse the code holds it.",
        {"x'": rows, before: rebuilt} if rows.size <= MAX_SHOWN else {},
    )


def array(tensor: Tensor) -> np.ndarray:
    """Return the only row of a batch, or the last step of a sequence, as a float64 array."""
    return tensor[-1].detach().double().cpu().numpy()


def _traced(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the outermost modules that have steps, or no parts."""
    if hasattr(module, "trace") or type(module) in ORDINARY or not any(module.children()):
        yield module
        return
    for child in module.children():
        yield from _traced(child)


def _differs(given: Any, before: Any) -> bool:
    """Return whether something happened between two layers; a change of shape alone is none."""
    if not isinstance(given, Tensor) or not isinstance(before, Tensor):
        return False
    return given.numel() != before.numel() or not bool(
        torch.equal(given.flatten().sort()[0], before.flatten().sort()[0])
    )


def _steps(module: nn.Module, given: Any, output: Any, names: Names) -> Iterator[Step]:
    if hasattr(module, "trace"):
        yield from module.trace(given, output, names)  # pyright: ignore[reportCallIssue]
    elif type(module) in ORDINARY:
        yield ORDINARY[type(module)](module, array(given), array(output), names)
    elif not isinstance(module, SILENT) and _differs(given, output):
        yield _activation(module, array(given), array(output), names)


def _own_code(before: Any, given: Tensor, names: Names) -> Step:
    symbols = names.next("u", new_layer=True)
    operands = {symbols[0]: array(before)} if isinstance(before, Tensor) else {}
    return Step(
        "own code",
        "Code of the module's own",
        f"{symbols[1]} = what the module computes between its layers",
        "is not spelt out",
        symbols[1],
        array(given),
        "The module changes the values here with code that is no layer; only its result is known.",
        operands,
    )


def linear(module: Any, x: np.ndarray, z: np.ndarray, names: Names, **more: Any) -> Step:
    """Return the step of a ``torch.nn.Linear``, which stores W as (n_out, n_in)."""
    bias = None if module.bias is None else _numbers(module.bias)
    inputs = names.labels if len(names.labels) == len(x) else ()
    return opsteps.dense(x, _numbers(module.weight), bias, z, names.next("z", new_layer=True), inputs=inputs, **more)


def _convolution(module: Any, x: np.ndarray, z: np.ndarray, names: Names) -> Step:
    bias = None if module.bias is None else _numbers(module.bias)
    width, stride = int(module.padding[0]), int(module.stride[0])
    symbols = names.next("z", new_layer=True)
    return opsteps.convolution(x, _numbers(module.weight), bias, z, symbols, pad=(width, width), stride=stride)


def _transposed(module: Any, x: np.ndarray, z: np.ndarray, names: Names) -> Step:
    bias = None if module.bias is None else _numbers(module.bias)
    pad, stride = int(module.padding[0]), int(module.stride[0])
    symbols = names.next("z", new_layer=True)
    return opsteps.transposed_convolution(x, _numbers(module.weight), bias, z, symbols, pad=pad, stride=stride)


def _batch_norm(module: Any, x: np.ndarray, y: np.ndarray, names: Names) -> Step:
    moments = [_numbers(module.running_mean), _numbers(module.running_var)]
    affine = [_numbers(module.weight), _numbers(module.bias)]
    return opsteps.batch_normalization(x, moments, affine, float(module.eps), y, names.next("n"))


def _layer_norm(module: Any, x: np.ndarray, y: np.ndarray, names: Names) -> Step:
    affine = [_numbers(module.weight), _numbers(module.bias)]
    return opsteps.layer_normalization(x, affine, float(module.eps), y, names.next("n"))


def _pooling(kind: str) -> Callable[[Any, np.ndarray, np.ndarray, Names], Step]:
    def pooled(module: Any, x: np.ndarray, y: np.ndarray, names: Names) -> Step:
        size = module.kernel_size
        windows = [size] * (x.ndim - 1) if isinstance(size, int) else list(size)
        return opsteps.pooling(kind, x, y, windows, names.next("p"))

    return pooled


def _flatten(module: Any, x: np.ndarray, y: np.ndarray, names: Names) -> Step:
    return opsteps.flatten(x, y, names.next("v"))


def _activation(module: nn.Module, z: np.ndarray, h: np.ndarray, names: Names) -> Step:
    name = ACTIVATION_NAMES.get(type(module), type(module).__name__)
    return opsteps.activation(name, z, h, names.next("h"))


def _numbers(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().cpu().numpy()


ACTIVATION_NAMES: dict[type[nn.Module], str] = {
    nn.Sigmoid: "sigmoid",
    nn.Tanh: "tanh",
    nn.ReLU: "relu",
    nn.LeakyReLU: "leaky_relu",
    nn.ELU: "elu",
    nn.GELU: "gelu",
    nn.SELU: "selu",
}
ORDINARY: dict[type[nn.Module], Callable[[Any, np.ndarray, np.ndarray, Names], Step]] = {
    nn.Linear: linear,
    routes.Linear: linear,
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    routes.Conv2d: _convolution,
    nn.ConvTranspose1d: _transposed,
    nn.ConvTranspose2d: _transposed,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.MaxPool1d: _pooling("max"),
    nn.MaxPool2d: _pooling("max"),
    nn.AvgPool1d: _pooling("average"),
    nn.AvgPool2d: _pooling("average"),
    nn.Flatten: _flatten,
}
"""Layers of torch whose arithmetic is written out; activations are told from their values alone."""
