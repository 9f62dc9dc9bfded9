"""What several networks share: activations, initial weights, dense layers, the inputs of a table and of images.

Sources: Glorot & Bengio 2010 (Glorot), He et al. 2015 (He), LeCun et al. 1998 (LeCun), Saxe et al. 2014 (orthogonal).
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.checks import OneOf, Range, Real, either
from nnzoo.engine import draws
from nnzoo.engine.routes import Linear
from nnzoo.inputs import Inputs
from nnzoo.trace import Step, written
from nnzoo.tracing import Names

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "selu": nn.SELU,
}
"""Activations by name; leaky ReLU has slope 0.01 below zero, ELU has alpha 1."""

INITS = ("he", "glorot", "lecun", "orthogonal")
NORMALIZATIONS = ("batch", "layer")
UNKNOWN_CODE_SHARE = 0.02
"""Share of the codes of a training step that are replaced by 0, so that the unknown category is trained, too."""

DENSE_RANGES: dict[str, Range] = {
    "activation": OneOf(tuple(ACTIVATIONS)),
    "dropout": Real(0.0, 0.99),
    "normalization": OneOf((None, *NORMALIZATIONS)),
}
"""Ranges of the parameters that :func:`dense_layer` takes."""

OPTIONAL_INIT = either(OneOf((None,)), OneOf(INITS))


def choose_init(activation: str) -> str:
    """Return the initial weights that suit an activation: He for the ReLU family, LeCun for SELU, else Glorot."""
    if activation in ("relu", "leaky_relu", "elu", "gelu"):
        return "he"
    return "lecun" if activation == "selu" else "glorot"


def initialize(layer: nn.Linear | nn.Conv1d | nn.Conv2d, init: str) -> nn.Module:
    """Draw the weights of a layer from N(0, v) and set its biases to zero; returns the layer.

    The variance v is 2/n_in for "he", 2/(n_in + n_out) for "glorot" and 1/n_in for "lecun", with n_in the inputs of one
    unit or of one place of a feature map; "orthogonal" draws a matrix with orthonormal rows or columns.
    """
    n_out, n_in = layer.weight.shape[0], layer.weight[0].numel()
    if init == "orthogonal":
        nn.init.orthogonal_(layer.weight)
    else:
        variance = {"he": 2 / n_in, "glorot": 2 / (n_in + n_out), "lecun": 1 / n_in}[init]
        draw_normal(layer.weight, std=math.sqrt(variance))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def draw_normal(weight: Tensor, *, std: float) -> None:
    """Draw weights from N(0, std²); of a sketch without memory nothing, for which torch would load its compiler."""
    if not weight.is_meta:
        nn.init.normal_(weight, std=std)


def dense_layer(
    n_in: int, n_out: int, *, activation: str, init: str, normalization: str | None, dropout: float
) -> nn.Sequential:
    """Return h = f(Wx + b), shapes (n, n_in) to (n, n_out); torch stores W as (n_out, n_in).

    Normalisation stands between the sum and the activation, dropout behind the activation.
    """
    parts: list[nn.Module] = [initialize(Linear(n_in, n_out), init)]
    if normalization == "batch":
        parts.append(nn.BatchNorm1d(n_out))
    elif normalization == "layer":
        parts.append(nn.LayerNorm(n_out))
    parts.append(ACTIVATIONS[activation]())
    if dropout:
        parts.append(Dropout(dropout))
    return nn.Sequential(*parts)


class Dropout(nn.Module):
    """Set a share p of the values to zero in training and divide the others by 1 - p (Srivastava et al. 2014).

    The law of ``torch.nn.Dropout`` with p rounded to 1/65,536. On the CPU torch draws one number for each value, which
    took a third of a training step of 784-512-256-10; here one draw of 64 bits decides on four values.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Return x, of any shape, with values dropped while training."""
        if not self.training or not self.p:
            return x
        return nn.functional.dropout(x, self.p) if x.device.type != "cpu" else x * self.factor(x)

    def factor(self, x: Tensor) -> Tensor:
        """Return what values of x's shape and type are multiplied by: 0, or 1 / (1 - p)."""
        if x.device.type != "cpu":
            return nn.functional.dropout(torch.ones_like(x), self.p)
        dropped = round(self.p * 2**16)
        bits = torch.empty(math.ceil(x.numel() / 4), dtype=torch.int64).random_(
            -(2**63), None, generator=draws.generator()
        )
        keep = bits.view(torch.int16)[: x.numel()].view(x.shape) >= dropped - 2**15
        return keep.to(x.dtype).mul_(2**16 / (2**16 - dropped))

    def extra_repr(self) -> str:
        """Name the share, as torch's layers do."""
        return f"p={self.p}"


class ChannelsFirst(nn.Module):
    """(n, ..., C) to (n, C, ...), torch's order: a view, so that images keep their channels-last memory."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the view."""
        return x.movedim(-1, 1)


def embedding_width(n_codes: int) -> int:
    """Return how many numbers stand for one of ``n_codes`` categories: the root of the count, 2 to 32."""
    return min(32, max(2, math.ceil(math.sqrt(n_codes))))


class TableInput(nn.Module):
    """The columns of a table as numbers: categories given by code become trained vectors, the rest stays.

    Parameters
    ----------
    n_features : int
        Columns that come in.
    n_codes : mapping of int to int
        Column index to number of codes; code 0 is the unknown category.

    Attributes
    ----------
    n_out : int
        Columns that go out: plain columns first, then one vector per category column.
    """

    def __init__(self, n_features: int, n_codes: Mapping[int, int]) -> None:
        super().__init__()
        self.code_columns = sorted(n_codes)
        self.plain_columns = [column for column in range(n_features) if column not in n_codes]
        self.embeddings = nn.ModuleList(
            [nn.Embedding(n_codes[column], embedding_width(n_codes[column])) for column in self.code_columns]
        )
        for embedding in self.embeddings:
            draw_normal(embedding.weight, std=0.1)  # pyright: ignore[reportArgumentType]
        self.n_out = len(self.plain_columns) + sum(embedding_width(n_codes[column]) for column in self.code_columns)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (n, ...) of n_features numbers a row into (n, n_out)."""
        if not self.code_columns:
            return x.flatten(1)
        parts = [x[:, self.plain_columns]]
        for column, embedding in zip(self.code_columns, self.embeddings, strict=True):
            codes = x[:, column].long()
            codes = codes * (codes < int(embedding.num_embeddings))  # pyright: ignore[reportArgumentType]
            if self.training:
                drawn = torch.rand(codes.shape, device=codes.device, generator=draws.generator())
                codes = codes * (drawn >= UNKNOWN_CODE_SHARE)
            parts.append(embedding(codes))
        return torch.cat(parts, dim=1)

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield how the codes of the last row become vectors, where there are any."""
        if not self.code_columns:
            return
        labels = names.labels or tuple(f"{names.last}[{column + 1}]" for column in range(x.shape[1]))
        codes = {column: int(x[-1, column]) for column in self.code_columns}
        vectors = {}
        for (column, code), embedding in zip(codes.items(), self.embeddings, strict=True):
            weight = embedding.weight.detach().double().cpu().numpy()  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
            vectors[f"vector of {labels[column]} = {code}"] = weight[code if code < len(weight) else 0]
        before, name = names.next("e")
        result = output[-1].detach().double().cpu().numpy()
        first = next(iter(vectors.values()))
        plain = [labels[column] for column in self.plain_columns]
        named = [f"{key}[{n + 1}]" for key, vector in vectors.items() for n in range(len(vector))]
        names.labels = (*plain, *named)
        yield Step(
            "embedding",
            "A vector for each category",
            f"{name} = plain columns of {before}, then the vector of each code",
            f"{next(iter(vectors))} = ({', '.join(written(value) for value in first[:8])}{', …' * (len(first) > 8)})",
            name,
            result,
            "A code is no number to calculate with: it picks a row of trained numbers. Code 0 stands for the unknown.",
            {before: x[-1].detach().double().cpu().numpy()} | vectors,
            labels=names.labels,
        )


@dataclass(frozen=True)
class HiddenLayers:
    """Dense layers of a fitted network, from which another one may start; its method ``hidden_layers`` gives them.

    Attributes
    ----------
    owner : str
        Name of the class, for messages.
    inputs : Inputs
        What they read, and how it is scaled.
    layers : tuple of (Tensor, Tensor)
        Weights (n_out, n_in) and biases (n_out,) of each.
    activation : str
        Behind each.
    """

    owner: str
    inputs: Inputs
    layers: tuple[tuple[Tensor, Tensor], ...]
    activation: str

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the units of each layer."""
        return tuple(len(bias) for _, bias in self.layers)

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of all numbers, 64 hexadecimal digits."""
        total = hashlib.sha256()
        arrays = [each.cpu().double().numpy() for layer in self.layers for each in layer]
        for numbers in (*arrays, self.inputs.standard.mean, self.inputs.standard.scale):
            total.update(np.ascontiguousarray(numbers).tobytes())
        return total.hexdigest()


def layer_widths(n_in: int, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Return (n_in, n_out) of each layer of a stack.

    Examples
    --------
    >>> layer_widths(4, (8, 3))
    [(4, 8), (8, 3)]
    """
    return list(pairwise([n_in, *sizes]))
