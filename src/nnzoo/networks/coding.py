"""Encoders and decoders that several networks share: dense layers, and convolutions with stride 2 for images.

The decoder mirrors the encoder. A convolution with kernel 3 and stride 2 takes a side of N pixels to ⌈N / 2⌉; the
transposed one with the same kernel gives 2N - 1, or with one more row of output 2N, so that every size comes back.
"""

import math
from collections.abc import Sequence
from typing import Any

from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from nnzoo.checks import Each, OneOf, Range, Whole
from nnzoo.errors import UsageError
from nnzoo.networks.parts import ACTIVATIONS, HiddenLayers, choose_init, dense_layer, initialize, layer_widths

CODING_RANGES: dict[str, Range] = {
    "hidden_layer_sizes": Each(Whole(1, 10**9)),
    "n_filters": Each(Whole(1, 10**6)),
    "n_components": Whole(1, 10**6),
    "activation": OneOf(tuple(ACTIVATIONS)),
}
"""Ranges of what encoders and decoders take."""


class ToMaps(nn.Module):
    """(n, H, W, C) to (n, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the view."""
        return x.movedim(-1, 1)


class FromMaps(nn.Module):
    """(n, C, H, W) to (n, H, W, C)."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return the view."""
        return maps.movedim(1, -1)


def make_coders(
    shape: tuple[int, ...],
    n_code: int,
    n_components: int,
    *,
    hidden_layer_sizes: Sequence[int],
    n_filters: Sequence[int],
    activation: str,
) -> tuple[nn.Sequential, nn.Sequential]:
    """Return encoder and decoder: rows (n, *shape) to (n, n_code), and (n, n_components) to (n, *shape).

    Parameters
    ----------
    shape : tuple of int
        Of a row; images (height, width, channels) go through convolutions where ``n_filters`` names any.
    n_code, n_components : int
        Numbers that come out of the encoder and go into the decoder; a probabilistic code has two of the first for one
        of the second.
    hidden_layer_sizes : sequence of int
        Dense layers of the encoder, behind the convolutions; the decoder has them in reverse.
    n_filters : sequence of int
        Convolutions with stride 2 of the encoder.
    activation : str
    """
    maps_in, maps_out, inner = _convolutions(shape, n_filters if len(shape) == 3 else (), activation)
    n_inner, sizes = math.prod(inner), list(hidden_layer_sizes)
    encoder = [
        *maps_in,
        *([nn.Flatten()] if len(shape) > 1 else []),
        *dense_layers(n_inner, sizes, activation),
        last_layer(sizes[-1] if sizes else n_inner, n_code),
    ]
    back = sizes[::-1]
    decoder = [*dense_layers(n_components, back, activation), last_layer(back[-1] if back else n_components, n_inner)]
    decoder += [ACTIVATIONS[activation](), nn.Unflatten(1, inner), *maps_out] if maps_out else [nn.Unflatten(1, shape)]
    return nn.Sequential(*encoder), nn.Sequential(*decoder)


def dense_layers_of(network: Any) -> HiddenLayers:
    """Return the dense layers between rows and code of a fitted network; the code itself has no activation.

    Raises
    ------
    UsageError
        Convolutions stand before them, or there is none.
    """
    check_is_fitted(network)
    owner, encoder = type(network).__name__, network.network_.body.encoder
    layers = [module for module in encoder if isinstance(module, nn.Sequential)]
    if any(isinstance(module, nn.Conv2d) for module in encoder) or not layers:
        raise UsageError(
            f"{owner} gives dense layers from rows on; it was trained with n_filters={tuple(network.n_filters)} and "
            f"hidden_layer_sizes={tuple(network.hidden_layer_sizes)}.",
            "Train it with n_filters=() and at least one hidden layer.",
        )
    parts: list[Any] = [layer[0] for layer in layers]
    weights = tuple((part.weight.detach(), part.bias.detach()) for part in parts)
    return HiddenLayers(owner, network.inputs_, weights, network.activation)


def dense_layers(n_in: int, sizes: Sequence[int], activation: str) -> list[nn.Module]:
    """Return a dense layer of each size, one upon the other."""
    init = choose_init(activation)
    return [
        dense_layer(a, b, activation=activation, init=init, normalization=None, dropout=0.0)
        for a, b in layer_widths(n_in, sizes)
    ]


def last_layer(n_in: int, n_out: int) -> nn.Module:
    """Return a dense layer without activation."""
    return initialize(nn.Linear(n_in, n_out), "glorot")


def _convolutions(
    shape: tuple[int, ...], n_filters: Sequence[int], activation: str
) -> tuple[list[nn.Module], list[nn.Module], tuple[int, ...]]:
    """Return the layers before and behind the dense ones, and the shape of what they give and take."""
    if not n_filters:
        return [], [], shape
    height, width, n_maps = shape
    into: list[nn.Module] = [ToMaps()]
    back: list[nn.Module] = [FromMaps()]
    for number, n_out in enumerate(n_filters):
        convolution = nn.Conv2d(n_maps, n_out, 3, stride=2, padding=1)
        into += [initialize(convolution, choose_init(activation)), ACTIVATIONS[activation]()]
        rest = (1 - height % 2, 1 - width % 2)
        transposed = nn.ConvTranspose2d(n_out, n_maps, 3, stride=2, padding=1, output_padding=rest)
        nn.init.xavier_uniform_(transposed.weight)
        nn.init.zeros_(transposed.bias)  # pyright: ignore[reportArgumentType]
        back = [transposed, *([ACTIVATIONS[activation]()] if number else []), *back]
        height, width, n_maps = math.ceil(height / 2), math.ceil(width / 2), n_out
    return into, back, (n_maps, height, width)
