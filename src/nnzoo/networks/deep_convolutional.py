"""Deep Convolutional Network (DCN): small filters that slide over an image or a signal, pooling, then dense layers.

    y_k = f(Σ_c w_kc ∗ x_c + b_k), then pooling, repeated; then dense layers

with x_c channel c of the input, y_k feature map k, f the activation and ∗ deep learning's convolution: slide, multiply,
add; the filter is not flipped. For an input of N values and a filter of K, a valid convolution gives N - K + 1 values,
same N (an even filter pads one more below and to the right), full N + K - 1.

Source: LeCun, Bottou, Bengio & Haffner 1998; the architecture is Fukushima's (1980). The chart draws input cells,
kernels, convolution or pool cells with local links, then two full hidden layers; here the dense layers are optional,
because the average over all places of a map (global average pooling) needs fewer weights.
Siblings: deep_feed_forward.py (no places, no shared weights).
"""

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional

from nnzoo.checks import Each, OneOf, Range, Whole, either
from nnzoo.engine.forward import forward_in_blocks
from nnzoo.engine.routes import Conv2d
from nnzoo.errors import ParameterError
from nnzoo.estimator import Encoder, Network
from nnzoo.heads import TASKS
from nnzoo.inputs import Inputs
from nnzoo.networks.parameters import ImageParameters, with_parameters
from nnzoo.networks.parts import (
    ACTIVATIONS,
    DENSE_RANGES,
    ChannelsFirst,
    Dropout,
    choose_init,
    dense_layer,
    initialize,
    layer_widths,
)
from nnzoo.opsteps import mean_over_places
from nnzoo.trace import MAX_SHOWN, Step
from nnzoo.tracing import Names, array

PADDINGS = ("same", "valid", "full", "circular")
POOLS = ("max", "average")
AUGMENTS = ("shift", "shift_flip")
LARGEST_SHIFT = 2
SMALL_SIDE = 20
"""Images whose shorter side is below this shift by one pixel only."""

INCREASING = ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu")
"""The largest of f(z) is f of the largest z, so max pooling may stand before f. It then also stands before the
normalisation, whose means are those of the maxima. Measured with the default network on Fashion-MNIST, bfloat16, 2
threads, against pooling between normalisation and f: 0.9 of the time, and 0.913 in place of 0.905 right after 3 epochs
(medians of 3 seeds)."""

CONVOLUTIONS: dict[int, Any] = {1: nn.Conv1d, 2: Conv2d}
BATCH_NORMS: dict[int, Any] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}
POOL_LAYERS: dict[tuple[str, int], Any] = {
    ("max", 1): nn.MaxPool1d,
    ("max", 2): nn.MaxPool2d,
    ("average", 1): nn.AvgPool1d,
    ("average", 2): nn.AvgPool2d,
}


def pad_widths(padding: str, kernel_size: int) -> tuple[int, int]:
    """Return how many values are added before and after an axis.

    Examples
    --------
    >>> pad_widths("same", 3), pad_widths("same", 2), pad_widths("full", 3), pad_widths("valid", 5)
    ((1, 1), (0, 1), (2, 2), (0, 0))
    """
    if padding == "valid":
        return 0, 0
    if padding == "full":
        return kernel_size - 1, kernel_size - 1
    return (kernel_size - 1) // 2, kernel_size // 2


class Padding(nn.Module):
    """Adds zeros, or for "circular" the other end, around (n, C, ...)."""

    def __init__(self, padding: str, kernel_size: int, n_axes: int) -> None:
        super().__init__()
        self.widths = pad_widths(padding, kernel_size) * n_axes
        self.mode = "circular" if padding == "circular" else "constant"

    def forward(self, x: Tensor) -> Tensor:
        """Return the padded maps."""
        return functional.pad(x, self.widths, mode=self.mode) if any(self.widths) else x

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the padded maps."""
        if not any(self.widths):
            return
        before, name = names.next("x̂")
        around = "the other end" if self.mode == "circular" else "zeros"
        yield Step(
            f"{self.mode} padding",
            "Padding",
            f"{name} = {before} with {around} around each map",
            f"{self.widths[0]} before and {self.widths[1]} after each axis",
            name,
            array(output),
            "The filter can then stand on the border of the input, too.",
            {before: array(x)} if x.numel() <= MAX_SHOWN else {},
        )


class RandomShift(nn.Module):
    """In training, moves every image by up to a few pixels, edge values moving in; may mirror it left to right."""

    def __init__(self, largest: int, *, flips: bool) -> None:
        super().__init__()
        self.largest = largest
        self.flips = flips

    def forward(self, x: Tensor) -> Tensor:
        """Return images (n, H, W, C), moved only in training mode."""
        if not self.training:
            return x
        n, height, width, _ = x.shape
        down, right = torch.randint(-self.largest, self.largest + 1, (2, n, 1), device=x.device)
        rows = (torch.arange(height, device=x.device) + down).clamp(0, height - 1)
        columns = (torch.arange(width, device=x.device) + right).clamp(0, width - 1)
        if self.flips:
            columns = torch.where(torch.rand(n, 1, device=x.device) < 0.5, columns, width - 1 - columns)
        return x[torch.arange(n, device=x.device)[:, None, None], rows[:, :, None], columns[:, None, :]]


class MeanOverPlaces(nn.Module):
    """Global average pooling: (n, C, ...) to (n, C)."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return the mean of every map."""
        return maps.flatten(2).mean(dim=2)

    def trace(self, maps: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the means of the maps."""
        yield mean_over_places(array(maps), array(output), names.next("v"))


class ConvolutionBlock(nn.Sequential):
    """Layers one behind the other; in training a convolution and a ReLU behind it are one."""

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return what the last layer gives."""
        layers: list[Any] = list(self)
        if self.training and isinstance(layers[0], Conv2d) and isinstance(layers[1], nn.ReLU):
            x, layers = layers[0].rectified(x), layers[2:]
        for layer in layers:
            x = layer(x)
        return x


def convolution_block(
    n_in: int,
    n_maps: int,
    windows: Sequence[int],
    *,
    kernel_size: int,
    stride: int,
    padding: str,
    pool: str,
    activation: str,
    normalization: str | None,
) -> nn.Sequential:
    """Return convolution, max pooling, normalisation and activation; average pooling comes last.

    Parameters
    ----------
    windows : sequence of int
        Places that become one, by axis.
    """
    n_axes = len(windows)
    before, after = pad_widths(padding, kernel_size)
    pads_itself = before == after and padding != "circular"
    convolution = CONVOLUTIONS[n_axes](n_in, n_maps, kernel_size, stride, padding=before if pads_itself else 0)
    initialize(convolution, choose_init(activation))
    pooling = {"pooling": POOL_LAYERS[pool, n_axes](tuple(windows))} if max(windows) > 1 else {}
    pools_first = pool == "max" and activation in INCREASING
    layers: dict[str, nn.Module] = {} if pads_itself else {"padding": Padding(padding, kernel_size, n_axes)}
    layers["convolution"] = convolution
    layers |= pooling if pools_first else {}
    layers |= {"normalization": BATCH_NORMS[n_axes](n_maps)} if normalization == "batch" else {}
    layers["activation"] = ACTIVATIONS[activation]()
    layers |= {} if pools_first else pooling
    return ConvolutionBlock(OrderedDict(layers))


class DeepConvolutionalBody(nn.Module):
    """Blocks of convolution, pooling, normalisation and activation; then a mean over places, or dense layers.

    Parameters
    ----------
    shape : tuple of int
        Of a row: an image (H, W, C) or a signal (T, C), channels last.
    n_filters, kernel_size, pool, pool_size, stride, padding, activation, hidden_layer_sizes, normalization, dropout
        As in :class:`DeepConvolutionalNetwork`; ``padding`` has one name per convolution.
    augment : None, "shift" or "shift_flip"

    Attributes
    ----------
    features : torch.nn.Sequential
        Rows (n, *shape) to (n, n_features), all that stands before dropout and dense layers.
    sizes : list of tuple of int
        Places of the maps: of the input, then after each block.
    n_features, n_out : int
    """

    def __init__(
        self,
        shape: Sequence[int],
        n_filters: Sequence[int],
        *,
        kernel_size: int = 3,
        pool: str = "max",
        pool_size: int = 2,
        stride: int = 1,
        padding: Sequence[str],
        activation: str = "relu",
        hidden_layer_sizes: Sequence[int] = (),
        normalization: str | None = "batch",
        dropout: float = 0.0,
        augment: str | None = None,
    ) -> None:
        super().__init__()
        self.sizes = [tuple(shape[:-1])]
        blocks = nn.Sequential()
        for (n_in, n_maps), rule in zip(layer_widths(shape[-1], n_filters), padding, strict=True):
            size = _size_after(self.sizes[-1], len(self.sizes), kernel_size, stride, rule)
            windows = [pool_size if n >= pool_size else 1 for n in size]
            block = convolution_block(
                n_in,
                n_maps,
                windows,
                kernel_size=kernel_size,
                stride=stride,
                padding=rule,
                pool=pool,
                activation=activation,
                normalization=normalization,
            )
            blocks.append(block)
            self.sizes.append(tuple(n // window for n, window in zip(size, windows, strict=True)))
        is_dense = len(hidden_layer_sizes) > 0
        self.features = nn.Sequential(
            OrderedDict(
                augmentation=_augmentation(augment, self.sizes[0]),
                channels_first=ChannelsFirst(),
                blocks=blocks,
                summary=nn.Flatten() if is_dense else MeanOverPlaces(),
            )
        )
        self.n_features = int(n_filters[-1]) * (math.prod(self.sizes[-1]) if is_dense else 1)
        init = choose_init(activation)
        self.dense = nn.Sequential(
            *(
                dense_layer(a, b, activation=activation, init=init, normalization=None, dropout=dropout)
                for a, b in layer_widths(self.n_features, hidden_layer_sizes)
            )
        )
        if dropout and not is_dense:
            self.dense.append(Dropout(dropout))
        self.n_out = int(hidden_layer_sizes[-1]) if is_dense else self.n_features

    def forward(self, x: Tensor) -> Tensor:
        """Return what the last layer sees, (n, n_out), of standardised rows (n, *shape)."""
        return self.dense(self.features(x))


@with_parameters
class DeepConvolutionalNetwork(ImageParameters, Encoder, Network):
    """Convolutional network for images and signals.

    y_k = f(Σ_c w_kc ∗ x_c + b_k), then pooling, repeated. An array (n, H, W) is read as grey images, (n, H, W, C) as
    images with channels, (n, d) as signals of one channel; ``kind="sequence"`` reads (n, T, d) as signals of d
    channels. Bytes are divided by 255; then every channel gets mean 0 and deviation 1 over the training rows.

    Parameters
    ----------
    task : "classification" or "regression", default "classification"
    n_filters : list of int, default (32, 64, 128)
        Feature maps of each convolution.
    kernel_size : int, default 3
        Side of the filters, in pixels or steps.
    pool : "max" or "average", default "max"
    pool_size : int, default 2
        Side of the windows that become one value; an axis shorter than that is left as it is. 1 pools nothing.
    stride : int, default 1
        Pixels that a filter moves at a time.
    padding : "same", "valid", "full" or "circular", or a list with one of them for each convolution, default "same"
    activation : str, default "relu"
        f: as in :class:`nnzoo.FeedForward`.
    hidden_layer_sizes : list of int, default ()
        Dense layers behind the last maps. Without any, the features are the means of the last maps over all places.
    normalization : "batch" or None, default "batch"
    dropout : float, default 0.25
        Share of the features left out at random in a training step, and of the units of each dense layer.
    augment : None, "shift" or "shift_flip", default None
        In training, move every image by up to 2 pixels (1 below 20 pixels) each time, or also mirror it left to right
        every other time. Mirror images only where they mean the same: no digits, no letters. Signals stay.
    schedule : "constant", "cosine" or "one_cycle", default "constant"
        "one_cycle" with a learning rate of 0.01 learns fastest where the number of epochs is known.
    batch_size : int, default 256
        Rows a step. The normalisation needs some dozens of steps in all: take less where there are few rows.
    weight_decay : float, default 0.0001
        L2 penalty.
    kind : None, "image" or "sequence", default None
        What the arrays are; None takes rows of two dimensions as signals, all else as images.
    input_shape : list of int or None
        Shape of a row, (height, width[, channels]) or (steps, channels), where rows come flat.
    Others: those of ImageParameters.

    Attributes
    ----------
    network_ : torch.nn.Module
        Rows (n, *shape) to scores (n, n_scores).
    Others: those of ImageParameters.

    References
    ----------
    LeCun, Bottou, Bengio & Haffner, "Gradient-based learning applied to document recognition", Proceedings of the IEEE
    86, 1998. Fukushima, "Neocognitron", Biological Cybernetics 36, 1980.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from nnzoo import DeepConvolutionalNetwork
    >>> digits = load_digits()
    >>> net = DeepConvolutionalNetwork(n_filters=(8, 16), n_epochs=8, batch_size=32, random_state=0)
    >>> net.fit(digits.images[:500], digits.target[:500]).score(digits.images[500:], digits.target[500:]) > 0.7
    True
    """

    task: str = "classification"
    n_filters: Sequence[int] = (32, 64, 128)
    kernel_size: int = 3
    pool: str = "max"
    pool_size: int = 2
    stride: int = 1
    padding: str | Sequence[str] = "same"
    activation: str = "relu"
    hidden_layer_sizes: Sequence[int] = ()
    normalization: str | None = "batch"
    dropout: float = 0.25
    augment: str | None = None
    weight_decay: float = 1e-4

    kinds: ClassVar[tuple[str, ...]] = ("image", "sequence")
    ranges: ClassVar[Mapping[str, Range]] = {
        "task": OneOf(TASKS),
        **ImageParameters.ranges,
        **DENSE_RANGES,
        "kind": OneOf((None, "image", "sequence")),
        "normalization": OneOf((None, "batch")),
        "n_filters": Each(Whole(1, 10**6), low=1, high=100),
        "kernel_size": Whole(1, 1000),
        "pool": OneOf(POOLS),
        "pool_size": Whole(1, 1000),
        "stride": Whole(1, 1000),
        "padding": either(OneOf(PADDINGS), Each(OneOf(PADDINGS), low=1, high=100)),
        "hidden_layer_sizes": Each(Whole(1, 10**9), high=1000),
        "augment": OneOf((None, *AUGMENTS)),
    }

    @classmethod
    def lenet5(cls, **params: Any) -> Self:
        """Return LeNet-5 (LeCun et al. 1998): 6 and 16 filters of 5 x 5, average pooling, tanh, 120 and 84 dense units.

        Images of 28 x 28 are padded to 32 x 32, as in the paper. Three things differ: every map of the second
        convolution sees all 6 maps, pooling has no weights of its own, and the output is a softmax, not a layer of
        radial basis functions.

        Parameters
        ----------
        **params
            Further parameters of the class.
        """
        preset: dict[str, Any] = {
            "n_filters": (6, 16),
            "kernel_size": 5,
            "pool": "average",
            "padding": ("same", "valid"),
            "activation": "tanh",
            "hidden_layer_sizes": (120, 84),
            "normalization": None,
            "dropout": 0.0,
        }
        return cls(**(preset | params))

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the untrained body for images or signals of this shape."""
        n_layers = len(self.n_filters)
        padding = (self.padding,) * n_layers if isinstance(self.padding, str) else tuple(self.padding)
        if len(padding) != n_layers:
            raise ParameterError(
                f"DeepConvolutionalNetwork: padding needs one name, or {n_layers}, one for each of n_filters; "
                f"got {len(padding)}.",
                'Pass padding="same".',
            )
        return DeepConvolutionalBody(
            inputs.shape,
            self.n_filters,
            kernel_size=self.kernel_size,
            pool=self.pool,
            pool_size=self.pool_size,
            stride=self.stride,
            padding=padding,
            activation=self.activation,
            hidden_layer_sizes=self.hidden_layer_sizes,
            normalization=self.normalization,
            dropout=self.dropout,
            augment=self.augment,
        )

    def transform(self, X: Any) -> np.ndarray:
        """Return the features before any dense layer: the mean of each last map, or with dense layers all its places.

        Parameters
        ----------
        X : array of images or signals

        Returns
        -------
        ndarray of shape (n, n_filters[-1]), or (n, n_filters[-1] * places)
        """
        inputs, network = self._check_inputs(X), self.network_
        body: Any = network.body
        return forward_in_blocks(nn.Sequential(network.scaling, body.features), inputs)

    @property
    def _n_features_out(self) -> int:
        body: Any = self.network_.body
        return body.n_features

    def pictures(self) -> dict[str, np.ndarray]:
        """Return the learned filters of the first convolution of images: (n_filters, kernel, kernel, channels)."""
        check_is_fitted(self)
        body: Any = self.network_.body
        weight = body.features.blocks[0].convolution.weight.detach().float().cpu().numpy()
        return {"first layer": np.moveaxis(weight, 1, -1)} if weight.ndim == 4 else {}


def _augmentation(augment: str | None, size: tuple[int, ...]) -> nn.Module:
    """Return what moves training images of that size; signals stay."""
    largest = min(LARGEST_SHIFT if min(size) >= SMALL_SIDE else 1, min(size) - 1)
    if augment is None or len(size) == 1:
        return nn.Identity()
    return RandomShift(largest, flips=augment == "shift_flip")


def _size_after(size: tuple[int, ...], layer: int, kernel_size: int, stride: int, padding: str) -> tuple[int, ...]:
    """Return the places of a map behind a convolution."""
    least = {"valid": kernel_size, "circular": kernel_size // 2}.get(padding, 1)
    if min(size) < least:
        raise ParameterError(
            f"DeepConvolutionalNetwork: a {padding} convolution with kernel_size={kernel_size} needs at least {least} "
            f"places an axis; convolution {layer} gets {' x '.join(map(str, size))}.",
            'Take fewer n_filters, a smaller kernel_size or pool_size, or padding="same".',
        )
    added = sum(pad_widths(padding, kernel_size))
    return tuple((n + added - kernel_size) // stride + 1 for n in size)
