"""Convolutional sparse coding: an image as few numbers, each of which lays a small filter down at its place.

    E(z) = ½ Σ_c ‖u_c - Σ_k z_k ∗ f_kc‖² + λ Σ |z|
    ISTA     z ← soft(z - ∇/L, λ/L), soft(v, s) = sign(v) max(|v| - s, 0)
    FISTA    the same from the point z + ((t - 1)/t⁺) (z - z⁻), t⁺ = (1 + √(1 + 4t²)) / 2

with u the image, z_k map k, f_kc channel c of filter k and of norm 1 over all its numbers, L the largest slope of the
gradient, z⁻ the maps before and t from 1 on. A filter of side K touches an image of N places at N + K - 1 places an
axis, so many numbers has a map; what a filter lays down beyond the border is cut off. The way back, from image to maps,
is correlation with K - 1 zeros around: the adjoint.

Sources: Zeiler et al. 2010 (the model; they weigh the squares by λ where here 1/λ weighs the sum, and find the maps by
half-quadratic splitting); Daubechies, Defrise & De Mol 2004 (ISTA); Beck & Teboulle 2009 (FISTA and its rate).
"""

import math
from collections.abc import Iterator
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nnzoo import opsteps
from nnzoo.networks.parts import draw_normal
from nnzoo.trace import MAX_SHOWN, Step, cell_name, factor, largest, written
from nnzoo.tracing import Names, array

BLOCK = 4
PIECE = 2**18
"""Numbers of maps that are searched at a time: what a processor core keeps at hand."""


def block_filters(filters: Tensor) -> Tensor:
    """Return filters (k, C, K, K) as they stand over 4 x 4 neighbouring pixels: (16 C, k, K + 3, K + 3)."""
    flipped, rest = filters.flip(2, 3).transpose(0, 1), BLOCK - 1
    places = product(range(BLOCK), repeat=2)
    shifted = [functional.pad(flipped, (right, rest - right, down, rest - down)) for down, right in places]
    return torch.stack(shifted, dim=1).flatten(0, 1)


def synthesize(maps: Tensor, filters: Tensor, blocks: Tensor | None = None) -> Tensor:
    """Return Σ_k z_k ∗ f_k inside the image: maps (n, k, H + K - 1, W + K - 1), filters (k, C, K, K) to (n, C, H, W).

    This is ``conv_transpose2d(maps, filters, padding=K - 1)``. Processors work on many channels at once and images have
    few, so 4 x 4 neighbouring pixels are computed as channels of one place: with twice the products in a sixth of the
    time (16 filters of 7 x 7, one channel).

    Parameters
    ----------
    maps, filters : Tensor
    blocks : Tensor, optional
        ``block_filters(filters)``, for those who need it often.
    """
    side = filters.shape[-1] - 1
    height, width = maps.shape[2] - side, maps.shape[3] - side
    whole = functional.pad(maps, (0, -width % BLOCK, 0, -height % BLOCK))
    pixels = functional.conv2d(whole, block_filters(filters) if blocks is None else blocks, stride=BLOCK)
    return functional.pixel_shuffle(pixels, BLOCK)[:, :, :height, :width]


def correlate(images: Tensor, filters: Tensor) -> Tensor:
    """Return how alike each filter and each place of the images are, the adjoint of :func:`synthesize`."""
    return functional.conv2d(images, filters, padding=filters.shape[-1] - 1)


def largest_slope(filters: Tensor, size: tuple[int, int]) -> float:
    """Return L, a bound on the squared norm of :func:`synthesize` for images of that size; it is met on large ones.

    Without borders a frequency ω is turned by the matrix f̂_kc(ω), whose squared norm is at most Σ_kc |f̂_kc(ω)|², and is
    just that for one channel.
    """
    side = filters.shape[-1] - 1
    spectrum = torch.fft.rfft2(filters, s=(size[0] + 2 * side, size[1] + 2 * side))
    return float(spectrum.abs().square().sum(dim=(0, 1)).max())


def objective(images: Tensor, maps: Tensor, filters: Tensor, l1: float) -> Tensor:
    """Return E of each image (n,), ready to be differentiated by the filters."""
    squares = (images - synthesize(maps, filters)).square().flatten(1).sum(dim=1)
    return squares / 2 + l1 * maps.abs().flatten(1).sum(dim=1)


@torch.no_grad()
def infer_maps(images: Tensor, filters: Tensor, l1: float, n_steps: int, *, momentum: bool = True) -> Tensor:
    """Return the maps after so many steps of FISTA from zero; without momentum, of ISTA.

    Parameters
    ----------
    images : Tensor of shape (n, C, H, W)
    filters : Tensor of shape (k, C, K, K)
    l1 : float
        λ.
    n_steps : int
    momentum : bool, default True

    Returns
    -------
    Tensor of shape (n, k, H + K - 1, W + K - 1)
    """
    height, width = images.shape[2:]
    side, pace, blocks = filters.shape[-1] - 1, 1 / largest_slope(filters, (height, width)), block_filters(filters)
    size = (len(filters), height + side, width + side)
    found = []
    for part in images.split(max(PIECE // math.prod(size), 1)):
        maps = point = images.new_zeros(len(part), *size)
        t = 1.0
        for _ in range(n_steps):
            slope = correlate(synthesize(point, filters, blocks) - part, filters)
            before, maps = maps, functional.softshrink(torch.add(point, slope, alpha=-pace), l1 * pace)
            last, t = t, (1 + math.sqrt(1 + 4 * t * t)) / 2
            point = torch.lerp(before, maps, 1 + (last - 1) / t) if momentum else maps
        found.append(maps)
    return torch.cat(found)


class FilterBank(nn.Module):
    """The filters: (n_filters, channels, K, K), each used at norm 1.

    Without that bound filters would grow and maps shrink for ever, because only maps are charged for.
    """

    def __init__(self, n_filters: int, n_channels: int, kernel_size: int, map_size: tuple[int, int]) -> None:
        super().__init__()
        self.n_out = n_filters
        self.drawn = ("K", "feature maps", f"maps {map_size[0]} x {map_size[1]}")
        self.weight = nn.Parameter(torch.empty(n_filters, n_channels, kernel_size, kernel_size))
        draw_normal(self.weight, std=1 / math.sqrt(n_channels * kernel_size**2))

    def at_norm_1(self) -> Tensor:
        """Return the filters as they are used."""
        return functional.normalize(self.weight.flatten(1)).view_as(self.weight)


class SparseCodingBody(nn.Module):
    """Images to feature maps by FISTA, and back by laying filters down: (n, H, W, C) to (n, k (H + K - 1) (W + K - 1)).

    Parameters
    ----------
    shape : tuple of int
        Of an image: (H, W, C).
    n_filters, kernel_size, l1, n_inference_steps
        As in :class:`nnzoo.DeconvolutionalNetwork`.

    Attributes
    ----------
    mean : Tensor of shape (C, H, W)
        What every image starts from; the maps tell what differs.
    """

    mean: Tensor

    def __init__(
        self, shape: tuple[int, ...], *, n_filters: int, kernel_size: int, l1: float, n_inference_steps: int
    ) -> None:
        super().__init__()
        height, width, n_channels = shape
        self.map_shape = (n_filters, height + kernel_size - 1, width + kernel_size - 1)
        self.filters = FilterBank(n_filters, n_channels, kernel_size, self.map_shape[1:])
        self.l1 = l1
        self.n_inference_steps = n_inference_steps
        self.n_out = math.prod(self.map_shape)
        self.register_buffer("mean", torch.zeros(n_channels, height, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps, flat."""
        return self._maps(self._centred(x)).flatten(1)

    def decode(self, z: Tensor) -> Tensor:
        """Return the images (n, H, W, C) that flat maps stand for."""
        return (self.mean + synthesize(z.unflatten(1, self.map_shape), self.filters.at_norm_1())).movedim(1, -1)

    def row_loss(self, x: Tensor) -> Tensor:
        """Return E of each image (n,) at the maps that are best for it.

        Where the maps are at their best, E has no slope in them, so its slope in the filters is that with fixed maps:
        maps and filters are moved in turn.
        """
        images = self._centred(x)
        return objective(images, self._maps(images), self.filters.at_norm_1(), self.l1)

    def _centred(self, x: Tensor) -> Tensor:
        return x.movedim(-1, 1) - self.mean

    def _maps(self, images: Tensor) -> Tensor:
        return infer_maps(images.detach(), self.filters.at_norm_1(), self.l1, self.n_inference_steps)

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the first step of FISTA, the maps that the last one gives, and what they lay down."""
        images, filters = self._centred(x), self.filters.at_norm_1()
        size = (images.shape[2], images.shape[3])
        pace, f = 1 / largest_slope(filters, size), filters.detach().double().cpu().numpy()
        pad, mean = f.shape[-1] - 1, self.mean.double().cpu().numpy()
        yield _moved(array(x.movedim(-1, 1)), mean, array(images), -1, names)
        image_name, alike = names.last, correlate(images, filters)
        yield opsteps.convolution(array(images), f, None, array(alike), names.next("c", new_layer=True), pad=(pad, pad))
        yield _shrunk(array(alike), array(functional.softshrink(alike * pace, self.l1 * pace)), self.l1, pace, names)
        maps = output.unflatten(1, self.map_shape)
        yield self._last_step(images, maps, f, image_name, names)
        laid = synthesize(maps, filters)
        yield opsteps.transposed_convolution(array(maps), f, None, array(laid), names.next("v"), pad=pad)
        yield _moved(array(laid), mean, array(laid + self.mean), 1, names)

    def _last_step(self, images: Tensor, maps: Tensor, f: np.ndarray, image_name: str, names: Names) -> Step:
        _, name = names.next("z")
        first = objective(images, torch.zeros_like(maps), self.filters.at_norm_1(), self.l1)
        last, n_active = objective(images, maps, self.filters.at_norm_1(), self.l1), int((maps != 0).sum())
        return Step(
            "sparse code",
            "The feature maps after all steps",
            f"{name} = the maps after {self.n_inference_steps} steps of FISTA on E = ½ Σ ({image_name} - Σ over k of "
            f"{name}[k] ∗ f[k])² + {self.l1!r} Σ |{name}|",
            f"E = {written(float(first))} without any, {written(float(last))} now; {n_active:,} of {maps.numel():,} "
            "numbers are not 0",
            name,
            array(maps),
            "Each step follows the slope and takes the same from every number: what the image does not need goes to 0.",
            {image_name: array(images), "f": f} if maps.numel() <= MAX_SHOWN else {},
            view="images",
        )


def _moved(x: np.ndarray, mean: np.ndarray, result: np.ndarray, sign: int, names: Names) -> Step:
    """Return the step that takes the mean image away (-1), or adds it again (1)."""
    before, name = names.next("u" if sign < 0 else "x̂")
    cell = largest(result)
    between = "-" if sign < 0 else "+"
    return Step(
        "from the mean image" if sign < 0 else "to the mean image",
        "What differs from the mean image" if sign < 0 else "Back from the mean image",
        f"{name} = {before} {between} m",
        f"{cell_name(name, cell)} = {written(x[cell])} {between} {factor(mean[cell])} = {written(result[cell])}",
        name,
        result,
        "What all images have in common needs no filters." if sign < 0 else "The filters told only what differs.",
        {before: x, "m": mean} if x.size <= MAX_SHOWN else {},
        cell,
    )


def _shrunk(alike: np.ndarray, maps: np.ndarray, l1: float, pace: float, names: Names) -> Step:
    before, name = names.next("s")
    cell = largest(maps)
    return Step(
        "soft threshold",
        "The first step: take the same from every number",
        f"{name} = soft({before} / L, λ / L), soft(v, s) = sign(v) max(|v| - s, 0)",
        f"{cell_name(name, cell)} = soft({written(alike[cell])} / {written(1 / pace)}, {written(l1)} / "
        f"{written(1 / pace)}) = {written(maps[cell])}",
        name,
        maps,
        "Numbers that are small anyway become 0: that is what makes the code sparse.",
        {before: alike, "1/L": np.array([pace]), "λ": np.array([l1])} if alike.size <= MAX_SHOWN else {},
        cell,
    )
