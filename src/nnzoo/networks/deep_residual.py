"""Deep Residual Network (DRN): blocks that add a change to what they got, so that a hundred layers still learn.

    y = s(x) + F(x)        F(x) = W₂ f(N(W₁ f(N(x))))        ∂y/∂x = I + ∂F/∂x where s(x) = x

with f(z) = max(0, z), N batch normalisation, W₁ and W₂ dense layers (tables) or convolutions of 3 x 3 (images), and s
the shortcut: x itself, or where a convolution halves the places, every second place of x with maps of zeros added. The
gradient reaches every block through I, however deep it stands. The order above is that of 2016, "pre-activation"; that
of 2015 is y = f(s(x) + N(W₂ f(N(W₁ x)))).

Sources: He, Zhang, Ren & Sun 2015 (blocks, stages, depth 6n + 2) and 2016 (pre-activation); Huang et al. 2016
(stochastic depth); Goyal et al. 2017 (blocks that start as the identity). Highway networks (Srivastava, Greff &
Schmidhuber 2015) weigh both ways by a gate. The chart draws dense layers of two cells with arcs over two layers; images
get convolutions here, as in the paper. Siblings: deep_feed_forward.py and deep_convolutional.py (no shortcuts).
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional

from nnzoo.checks import Each, OneOf, Range, Real, Truth, Whole
from nnzoo.engine import draws
from nnzoo.errors import ParameterError
from nnzoo.estimator import TABLE_RANGES, Encoder, Network
from nnzoo.inputs import Inputs
from nnzoo.networks.parameters import TableParameters, with_parameters
from nnzoo.networks.parts import ChannelsFirst, TableInput, initialize
from nnzoo.opsteps import mean_over_places
from nnzoo.trace import Step, cell_name, factor, largest, written
from nnzoo.tracing import Names, array, trace_layers

SHORTCUTS = ("pad", "project")
SIDE = 3
"""Of the filters, in pixels."""


@dataclass(frozen=True)
class BlockRules:
    """How blocks are made, as the parameters of :class:`DeepResidualNetwork` say it."""

    pre_activation: bool = True
    shortcut: str = "pad"
    shortcuts: bool = True
    normalization: str | None = "batch"
    stochastic_depth: float = 0.0


class PaddedShortcut(nn.Module):
    """s(x): every second place of (n, C, H, W) where the stride is 2, then maps of zeros; no weights."""

    def __init__(self, n_added: int, stride: int) -> None:
        super().__init__()
        self.n_added = n_added
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of the shape that the block gives."""
        return functional.pad(x[..., :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.n_added))

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the maps that the shortcut carries."""
        before, name = names.next("s")
        maps, result = array(x), array(output)
        cell = largest(result)
        place = (cell[0], *(self.stride * n for n in cell[1:]))
        yield Step(
            "padded shortcut",
            "Shortcut to more maps",
            f"{name}[k, i, j] = {before}[k, {self.stride}(i - 1) + 1, {self.stride}(j - 1) + 1], 0 in the "
            f"{self.n_added} new maps",
            f"{cell_name(name, cell)} = {cell_name(before, place)} = {written(result[cell])}",
            name,
            result,
            "The block gives more maps of fewer places; what goes past it has to fit, and has no weights of its own.",
            {before: maps},
            cell,
        )


class ResidualBlock(nn.Module):
    """y = s(x) + F(x) with f behind it in the order of 2015; without shortcuts y = F(x).

    Parameters
    ----------
    residual : torch.nn.Sequential
        F.
    shortcut : torch.nn.Module or None
        s; None has no shortcut.
    after : torch.nn.Module
        What follows the sum.
    survival : float
        Share of the rows of a training step that go through F; the others go past it. F is divided by this share then,
        so that a prediction takes F as it is.
    """

    def __init__(self, residual: nn.Sequential, shortcut: nn.Module | None, after: nn.Module, survival: float) -> None:
        super().__init__()
        self.residual = residual
        self.shortcut = shortcut
        self.after = after
        self.survival = survival

    def forward(self, x: Tensor) -> Tensor:
        """Return y for x of shape (n, width) or (n, maps, height, width)."""
        change = self.residual(x)
        if self.shortcut is None:
            return self.after(change)
        if self.training and self.survival < 1:
            change = self._drop(change)
        return self.after(self.shortcut(x) + change)

    def _drop(self, change: Tensor) -> Tensor:
        drawn = torch.rand(len(change), device=change.device, generator=draws.generator())
        kept = (drawn < self.survival).to(change.dtype) / self.survival
        return change * kept.view(-1, *[1] * (change.ndim - 1))

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the shortcut, the layers of F, and their sum."""
        start = names.last
        if self.shortcut is not None:
            yield from trace_layers(self.shortcut, x, names)
        carried, names.last = names.last, start
        yield from trace_layers(self.residual, x, names)
        total = change = self.residual(x)
        if self.shortcut is not None:
            past = self.shortcut(x)
            total = past + change
            yield _sum(carried, array(past), array(change), array(total), names)
        yield from trace_layers(self.after, total, names)


class MeanOverPlaces(nn.Module):
    """Global average pooling: (n, C, H, W) to (n, C)."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return the mean of every map."""
        return maps.mean(dim=(2, 3))

    def trace(self, maps: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the means of the maps."""
        yield mean_over_places(array(maps), array(output), names.next("v"))


class ResidualBody(nn.Sequential):
    """Entry, first layer, blocks, summary: rows (n, *shape) to features (n, n_out)."""

    def __init__(self, parts: Mapping[str, nn.Module], n_out: int) -> None:
        super().__init__(OrderedDict(parts))
        self.n_out = n_out


def dense(n_in: int, n_out: int, stride: int, *, bias: bool) -> nn.Module:
    """Return the weights of a layer for tables, (n, n_in) to (n, n_out); places, so a stride, they have none."""
    del stride
    return initialize(nn.Linear(n_in, n_out, bias=bias), "he")


def convolution(n_in: int, n_out: int, stride: int, *, bias: bool) -> nn.Module:
    """Return the weights of a layer for images: filters of 3 x 3 that move ``stride`` pixels at a time."""
    return initialize(nn.Conv2d(n_in, n_out, SIDE, stride, padding=SIDE // 2, bias=bias), "he")


NORMS: dict[Callable[..., nn.Module], Any] = {dense: nn.BatchNorm1d, convolution: nn.BatchNorm2d}


def unit(
    weights: Callable[..., nn.Module], n_in: int, n_out: int, stride: int, rules: BlockRules
) -> OrderedDict[str, nn.Module]:
    """Return weights, normalisation and activation in their order; the normalisation has the biases."""
    width = n_in if rules.pre_activation else n_out
    normalization = {"normalization": NORMS[weights](width)} if rules.normalization else {}
    activated = {**normalization, "activation": nn.ReLU()}
    layer = {"weights": weights(n_in, n_out, stride, bias=not rules.normalization)}
    return OrderedDict(activated | layer if rules.pre_activation else layer | activated)


def residual_block(
    weights: Callable[..., nn.Module], n_in: int, n_out: int, stride: int, survival: float, rules: BlockRules
) -> ResidualBlock:
    """Return a block of two layers whose last scale is zero, so that it starts as the shortcut alone.

    The last scale is that of the normalisation in the order of 2015; before it, or without one, the weights are.
    Without shortcuts all weights start as they are drawn: the signal has no other way.
    """
    first, second = unit(weights, n_in, n_out, stride, rules), unit(weights, n_out, n_out, 1, rules)
    after = nn.Identity() if rules.pre_activation else second.pop("activation")
    residual = nn.Sequential(nn.Sequential(first), nn.Sequential(second))
    if not rules.shortcuts:
        return ResidualBlock(residual, None, after, survival)
    last: Any = list(second.values())[-1]
    nn.init.zeros_(last.weight)
    if n_in == n_out and stride == 1:
        shortcut = nn.Identity()
    elif rules.shortcut == "pad":
        shortcut = PaddedShortcut(n_out - n_in, stride)
    else:
        shortcut = initialize(nn.Conv2d(n_in, n_out, 1, stride, bias=False), "he")
    return ResidualBlock(residual, shortcut, after, survival)


def chain(weights: Callable[..., nn.Module], sizes: Sequence[tuple[int, int, int]], rules: BlockRules) -> nn.Sequential:
    """Return blocks of (n_in, n_out, stride); the share of rows that block l of L leaves out grows as l / L."""
    return nn.Sequential(
        *(
            residual_block(weights, n_in, n_out, stride, 1 - rules.stochastic_depth * number / len(sizes), rules)
            for number, (n_in, n_out, stride) in enumerate(sizes, start=1)
        )
    )


def dense_body(table: TableInput, n_blocks: int, n_hidden: int, rules: BlockRules) -> ResidualBody:
    """Return a first layer and ``n_blocks`` blocks of ``n_hidden`` units for rows of a table."""
    first, last = ends(dense, table.n_out, n_hidden, n_hidden, rules)
    blocks = chain(dense, [(n_hidden, n_hidden, 1)] * n_blocks, rules)
    return ResidualBody({"table": table, "first": first, "blocks": blocks, "last": last}, n_hidden)


def convolutional_body(n_channels: int, depth: int, n_filters: Sequence[int], rules: BlockRules) -> ResidualBody:
    """Return a convolution and stages of blocks for images (n, H, W, n_channels), then the mean over all places.

    Every stage but the first halves height and width with its first convolution.
    """
    n_blocks = (depth - 2) // (2 * len(n_filters))
    widths = [n_filters[0], *(n for n in n_filters for _ in range(n_blocks))]
    starts = {n_blocks * stage for stage in range(1, len(n_filters))}
    sizes = [(a, b, 2 if number in starts else 1) for number, (a, b) in enumerate(pairwise(widths))]
    first, last = ends(convolution, n_channels, n_filters[0], n_filters[-1], rules)
    parts: dict[str, nn.Module] = {"channels_first": ChannelsFirst(), "first": first}
    parts |= {"blocks": chain(convolution, sizes, rules), "last": last, "summary": MeanOverPlaces()}
    return ResidualBody(parts, n_filters[-1])


def ends(
    weights: Callable[..., nn.Module], n_in: int, n_first: int, n_last: int, rules: BlockRules
) -> tuple[nn.Sequential, nn.Sequential]:
    """Return what stands before the blocks and behind them: one of the two normalises and activates."""
    width = n_last if rules.pre_activation else n_first
    activated: list[nn.Module] = [NORMS[weights](width)] if rules.normalization else []
    activated.append(nn.ReLU())
    first = weights(n_in, n_first, 1, bias=not rules.normalization)
    if rules.pre_activation:
        return nn.Sequential(first), nn.Sequential(*activated)
    return nn.Sequential(first, *activated), nn.Sequential()


@with_parameters
class DeepResidualNetwork(TableParameters, Encoder, Network):
    """Residual network: dense blocks for tables, convolutional blocks for images.

    y = x + F(x), block behind block. Rows of two dimensions are read as a table; an array (n, H, W) as grey images,
    (n, H, W, C) as images with channels. Inputs are standardised with the means and deviations of the training rows,
    column by column or channel by channel; bytes of images are divided by 255 first.

    Parameters
    ----------
    task : "classification" or "regression", default "classification"
    n_blocks : int, default 4
        Blocks for tables, of two layers each.
    n_hidden : int, default 128
        Units of each layer for tables.
    depth : int, default 20
        Layers with weights for images, on the longest way: 2 + 2 n stages, with n blocks a stage; 20, 32, 44, 56 and
        110 are those of the paper.
    n_filters : list of int, default (16, 32, 64)
        Feature maps of each convolution of a stage, for images; from stage to stage height and width are halved.
    pre_activation : bool, default True
        Whether normalisation and f stand before the weights (2016), or behind them (2015).
    shortcut : "pad" or "project", default "pad"
        Where a block gives more maps: every second place and maps of zeros, without weights, or a convolution of 1 x 1.
    shortcuts : bool, default True
        False gives the plain twin: the same layers without shortcuts.
    normalization : "batch" or None, default "batch"
    stochastic_depth : float, default 0.0
        Share of the rows that go past the last block in a training step; it grows from block to block.
    schedule : "constant", "cosine" or "one_cycle", default "constant"
        "one_cycle" with a learning rate of 0.01 learns fastest where the number of epochs is known.
    batch_size : int, default 256
        Rows a step. The normalisation needs some dozens of steps in all: take less where there are few rows.
    n_epochs : int, default 100
        Passes through the training rows, at most.
    categorical_features : list of int or None
        Columns that hold category codes 0, 1, 2, ... (0 is "unknown"); each gets trained vectors.
    kind : None, "table" or "image", default None
        What the arrays are; None takes rows of two dimensions as a table, all else as images.
    input_shape : list of int or None
        Shape of a row, (height, width[, channels]), where images come flat.
    precision : "auto", "float64", "float32" or "bfloat16", default "auto"
        "auto": float64 below 1,000 rows, for images of at most 100,000 numbers in all; bfloat16 from 1,000 images on,
        where the processor multiplies in it; else float32. What was trained in bfloat16 predicts in float32.
    Others: those of TableParameters.

    Attributes
    ----------
    network_ : torch.nn.Module
        Rows (n, *shape) to scores (n, n_scores).
    Others: those of TableParameters.

    Notes
    -----
    Stochastic depth draws for every row, the paper for every step. The paper's projection is followed by a
    normalisation in the order of 2015; here it stands alone.

    References
    ----------
    He, Zhang, Ren & Sun, "Deep residual learning for image recognition", arXiv 1512.03385, 2015, section 4.2; "Identity
    mappings in deep residual networks", ECCV 2016, figure 1b. Huang, Sun, Liu, Sedra & Weinberger, "Deep networks with
    stochastic depth", ECCV 2016. Goyal et al., "Accurate, large minibatch SGD", arXiv 1706.02677, 2017, section 5.1.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from nnzoo import DeepResidualNetwork
    >>> X, y = load_wine(return_X_y=True)
    >>> net = DeepResidualNetwork(n_blocks=3, n_hidden=16, n_epochs=150, random_state=0)
    >>> net.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.9
    True
    """

    n_blocks: int = 4
    n_hidden: int = 128
    depth: int = 20
    n_filters: Sequence[int] = (16, 32, 64)
    pre_activation: bool = True
    shortcut: str = "pad"
    shortcuts: bool = True
    normalization: str | None = "batch"
    stochastic_depth: float = 0.0
    n_epochs: int = 100
    categorical_features: Sequence[int] | None = None

    kinds: ClassVar[tuple[str, ...]] = ("table", "image")
    ranges: ClassVar[Mapping[str, Range]] = {
        **TableParameters.ranges,
        "categorical_features": TABLE_RANGES["categorical_features"],
        "kind": OneOf((None, "table", "image")),
        "n_blocks": Whole(1, 10_000),
        "n_hidden": Whole(1, 10**9),
        "depth": Whole(4, 10_000),
        "n_filters": Each(Whole(1, 10**6), low=1, high=100),
        "pre_activation": Truth(),
        "shortcut": OneOf(SHORTCUTS),
        "shortcuts": Truth(),
        "normalization": OneOf((None, "batch")),
        "stochastic_depth": Real(0.0, 0.99),
    }

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the untrained body: dense blocks for a table, convolutional ones for images."""
        if self.stochastic_depth and not self.shortcuts:
            raise ParameterError(
                f"DeepResidualNetwork: stochastic_depth={self.stochastic_depth} needs shortcuts, past the blocks that "
                "are left out; got shortcuts=False.",
                "Pass stochastic_depth=0.0, or shortcuts=True.",
            )
        rules = BlockRules(
            self.pre_activation, self.shortcut, self.shortcuts, self.normalization, self.stochastic_depth
        )
        if inputs.kind == "table":
            table = TableInput(inputs.n_features, inputs.n_codes)
            return dense_body(table, self.n_blocks, self.n_hidden, rules)
        self._check_stages()
        return convolutional_body(inputs.shape[-1], self.depth, self.n_filters, rules)

    def pictures(self) -> dict[str, np.ndarray]:
        """Return the learned filters of the first convolution of images: (n_filters, 3, 3, channels)."""
        check_is_fitted(self)
        body: Any = self.network_.body
        weight = body.first[0].weight.detach().float().cpu().numpy()
        return {"first layer": np.moveaxis(weight, 1, -1)} if weight.ndim == 4 else {}

    def _check_stages(self) -> None:
        n_stages = len(self.n_filters)
        if (self.depth - 2) % (2 * n_stages) or self.depth < 2 + 2 * n_stages:
            n = max(1, round((self.depth - 2) / (2 * n_stages)))
            raise ParameterError(
                f"DeepResidualNetwork: depth needs to be {2 * n_stages} n + 2, for n blocks of two layers in each of "
                f"{n_stages} stages; got {self.depth}.",
                f"Pass depth={2 * n_stages * n + 2}.",
            )
        if any(b < a for a, b in pairwise(self.n_filters)) and self.shortcuts and self.shortcut == "pad":
            raise ParameterError(
                f"DeepResidualNetwork: shortcut='pad' needs n_filters that do not fall; got {tuple(self.n_filters)}.",
                "Pass shortcut='project'.",
            )


def _sum(carried: str, shortcut: np.ndarray, change: np.ndarray, total: np.ndarray, names: Names) -> Step:
    branch, name = names.next("y")
    cell = largest(total)
    return Step(
        "shortcut sum",
        "Shortcut",
        f"{name} = {carried} + {branch}",
        f"{cell_name(name, cell)} = {written(shortcut[cell])} + {factor(change[cell])} = {written(total[cell])}",
        name,
        total,
        "The layers of a block only have to learn a change; what they got goes past them as it is.",
        {carried: shortcut, branch: change},
        cell,
    )
