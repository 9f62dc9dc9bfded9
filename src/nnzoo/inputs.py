"""What a network reads: how arrays become rows of one shape, their scaling, and their tensors on the device.

A row of a table has the shape (d,), an image (H, W, C), a sequence (T, d): channels last, as the arrays come. Bytes of
images stay bytes on the device; they are divided and centred when a batch is computed.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.engine.scaling import Standardizer
from nnzoo.engine.steps import Steps
from nnzoo.errors import DataError
from nnzoo.opsteps import scaled
from nnzoo.ragged import Ragged
from nnzoo.trace import Step
from nnzoo.tracing import Names, array

KINDS = ("table", "image", "sequence")
PIXEL_MAX = 255.0
N_DIMENSIONS = {"table": 1, "image": 3, "sequence": 2}
_MEANINGS = {
    "table": "(rows, columns)",
    "image": "(images, height, width) or (images, height, width, channels)",
    "sequence": "(rows, steps, values)",
}


@dataclass(frozen=True)
class Inputs:
    """The rows that a fitted network reads.

    Attributes
    ----------
    kind : "table", "image" or "sequence"
    shape : tuple of int
        Of one row: (d,), (H, W, C) or (T, d); of sequences of any length that of a step: (d,).
    pixels : bool
        The rows are bytes from 0 to 255.
    n_codes : dict of int to int
        Column of category codes to its number of codes; only tables have them.
    standard : Standardizer
        Of the columns of a table; of the channels of all else, bytes counted as shares of 255.
    """

    kind: str
    shape: tuple[int, ...]
    pixels: bool
    n_codes: Mapping[int, int]
    standard: Standardizer

    @property
    def n_features(self) -> int:
        """How many numbers a row has."""
        return math.prod(self.shape)

    @property
    def n_scaled(self) -> int:
        """How many means the standardisation has: columns of a table, channels of all else."""
        return self.shape[-1]

    @property
    def of_any_length(self) -> bool:
        """Whether rows are sequences of any number of steps."""
        return self.kind == "sequence" and len(self.shape) == 1

    def blank(self, dtype: torch.dtype, device: str) -> Tensor | Steps:
        """Return one row of zeros as a network gets it; of sequences of any length one of a single step."""
        zeros = torch.zeros(1, *self.shape, dtype=dtype, device=device)
        return Steps(zeros, torch.tensor([0]), torch.tensor([1])) if self.of_any_length else zeros

    def to_steps(self, X: Ragged, dtype: torch.dtype, names: Sequence[str] | None = None) -> Steps:
        """Return sequences with their steps standardised in the type given."""
        return Steps.of(X, torch.from_numpy(self.standard.apply(X.values, _numpy_type(dtype), names)))

    def to_tensor(self, X: np.ndarray, dtype: torch.dtype, names: Sequence[str] | None = None) -> Tensor:
        """Return rows (n, *shape) as a tensor: bytes as they are, all else standardised in the type given."""
        if self.pixels:
            return torch.from_numpy(X if X.flags.writeable and X.flags.c_contiguous else X.copy())
        flat = X.reshape(-1, self.n_scaled)
        return torch.from_numpy(self.standard.apply(flat, _numpy_type(dtype), names).reshape(X.shape))

    def make_scaling(self) -> nn.Module:
        """Return what is left to be done to a batch of :meth:`to_tensor`."""
        return PixelScaling(self.standard) if self.pixels else nn.Identity()

    def of_row(self, X: Any, owner: str) -> Any:
        """Return rows in the type that was trained on; numbers that are whole and from 0 to 255 become bytes.

        Raises
        ------
        DataError
            The rows have another shape, or are no bytes.
        """
        if isinstance(X, Ragged):
            return self._of_step(X, owner)
        if X.shape[1:] != self.shape:
            raise DataError(
                f"{owner} was trained on rows of shape {self.shape}; X has rows of shape {X.shape[1:]}.",
                "Bring X to the shape of the training rows.",
            )
        if not self.pixels or X.dtype == np.uint8:
            return X
        if np.any(X < 0) or np.any(X > PIXEL_MAX) or np.any(np.floor(X) != X):
            raise DataError(
                f"{owner} was trained on bytes from 0 to 255; X has other numbers.", "Pass X as numpy.uint8, 0 to 255."
            )
        return X.astype(np.uint8)

    def _of_step(self, X: Ragged, owner: str) -> Ragged:
        if X.width != self.n_scaled:
            raise DataError(
                f"X has {X.width} features, but {owner} is expecting {self.n_scaled} features as input, at each step.",
                "Give every step the values that it had in training.",
            )
        return X


class PixelScaling(nn.Module):
    """x ↦ (x / 255 - mean) / deviation, channel by channel: bytes (n, ..., C) to floats of the module's type."""

    def __init__(self, standard: Standardizer) -> None:
        super().__init__()
        self.factor: Tensor
        self.shift: Tensor
        self.register_buffer("factor", torch.from_numpy(1 / (PIXEL_MAX * standard.scale)), persistent=False)
        self.register_buffer("shift", torch.from_numpy(-standard.mean / standard.scale), persistent=False)
        self.single_factor = float(self.factor) if len(self.factor) == 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """Return standardised floats."""
        factor, shift = self.factor, self.shift
        if self.single_factor is not None:
            values = x.to(shift.dtype)  # and then in place: half the time of an addition that converts
            return torch.add(shift, values, alpha=self.single_factor, out=None if values is x else values)
        # Along all values of a row at once: half the time of three channels at a time.
        n_places = x.shape[1:].numel() // len(factor)
        rows = x.to(factor.dtype).flatten(1)
        return torch.addcmul(shift.repeat(n_places), rows, factor.repeat(n_places)).view(x.shape)

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the scaling of one image."""
        factor, shift = self.factor.double().cpu().numpy(), self.shift.double().cpu().numpy()
        scale = 1 / (PIXEL_MAX * factor)
        before, after = (np.moveaxis(array(each), -1, 0) for each in (x, output))
        yield scaled(before, -shift * scale, scale, after, names.next("x'"), unit=PIXEL_MAX, axis=0)


@dataclass(frozen=True)
class Reading:
    """How a network reads arrays.

    Attributes
    ----------
    owner : str
        Name of the class, for messages.
    kinds : tuple of str
        What it can read, the kind of plain rows first.
    kind : str or None
        What the caller says the arrays are.
    input_shape : tuple of int or None
        Shape of a row, where rows come flat.
    """

    owner: str
    kinds: tuple[str, ...]
    kind: str | None = None
    input_shape: tuple[int, ...] | None = None

    @classmethod
    def of(cls, network: Any) -> Self:
        """Return the reading that the parameters of a network say."""
        shape = getattr(network, "input_shape", None)
        kind = getattr(network, "kind", None)
        return cls(type(network).__name__, network.kinds, kind, None if shape is None else tuple(int(n) for n in shape))

    def look_at(self, X: Any) -> tuple[Any, bool]:
        """Return X, as an array where it has more than two dimensions, and whether its rows are images or sequences."""
        if self.kinds == ("table",) or self.kind == "table":
            return X, False
        if isinstance(X, list | tuple):
            try:
                array = np.asarray(X)
            except ValueError:
                return X, False
            X = array if array.ndim > 2 else X
        n_dimensions = getattr(X, "ndim", 2)
        if n_dimensions > 2:
            return np.asarray(X), True
        return (np.asarray(X), True) if n_dimensions == 2 and self.input_shape is not None else (X, False)

    def arrange(self, X: np.ndarray) -> tuple[str, np.ndarray]:
        """Return the kind of the rows, and the rows as (n, *shape).

        A table has 2 dimensions; images have 3 (grey) or 4, sequences 3; ``input_shape`` unfolds flat rows.

        Raises
        ------
        DataError
            The number of dimensions fits no kind that the network reads, or ``input_shape`` does not fit the columns.
        """
        kind = self.kind or self._likely(X.ndim)
        if X.ndim == 2 and self.input_shape is not None:
            X = self._unfold(X)
        if X.ndim == 2 and kind == "sequence":
            X = X[:, :, None]
        if X.ndim == 3 and kind == "image":
            X = X[..., None]
        if X.ndim != 1 + N_DIMENSIONS[kind]:
            raise self._refusal(kind, X.shape)
        return kind, X

    def _likely(self, n_dimensions: int) -> str:
        """Return the kind of arrays of so many dimensions, where nobody says it."""
        of_grids = [kind for kind in self.kinds if kind != "table"]
        is_one_of_several = "table" in self.kinds and len(of_grids) != 1
        if self.input_shape is None and (n_dimensions == 2 or is_one_of_several):
            return next(kind for kind in ("table", "sequence", "image") if kind in self.kinds)
        if n_dimensions == 2:
            n_dimensions = 1 + len(self.input_shape or ())
        if n_dimensions == 2 and "sequence" in self.kinds:
            return "sequence"
        return "image" if n_dimensions == 4 and "image" in of_grids else of_grids[0]

    def _unfold(self, X: np.ndarray) -> np.ndarray:
        shape = self.input_shape or ()
        if math.prod(shape) != X.shape[1]:
            raise DataError(
                f"{self.owner}: X has {X.shape[1]} columns, but input_shape={shape} needs {math.prod(shape)}.",
                "Pass an input_shape whose product is the number of columns.",
            )
        return X.reshape(len(X), *shape)

    def _refusal(self, kind: str, shape: tuple[int, ...]) -> DataError:
        others = [f"kind={other!r}" for other in self.kinds if other not in ("table", kind)]
        hint = "Pass input_shape=(height, width) to unfold flat rows" if len(shape) == 2 else "Reshape your data"
        return DataError(
            f"{self.owner} needs X of shape {_MEANINGS[kind]}; got shape {shape}.",
            f"{', or pass '.join([hint, *others])}.",
        )


def _numpy_type(dtype: torch.dtype) -> type[np.floating]:
    return np.float64 if dtype == torch.float64 else np.float32


def learn_channels(X: np.ndarray, weight: np.ndarray | None, *, pixels: bool, block_rows: int = 4096) -> Standardizer:
    """Return weighted mean and deviation of each channel over all places of all rows (n, ..., C), block by block."""
    n_channels = X.shape[-1]
    weight = np.full(len(X), 1.0) if weight is None else weight
    unit = PIXEL_MAX if pixels else 1.0
    blocks = range(0, len(X), block_rows)

    def mean_of(numbers: Any) -> np.ndarray:
        total = np.zeros(n_channels)
        for start in blocks:
            part = X[start : start + block_rows].reshape(-1, X[0].size // n_channels, n_channels)
            total += weight[start : start + block_rows] @ numbers(part.astype(np.float64) / unit).mean(axis=1)
        return total / weight.sum()

    mean = mean_of(lambda part: part)
    scale = np.sqrt(mean_of(lambda part: np.square(part - mean)))
    flat = scale <= 10 * np.finfo(np.float64).eps * np.abs(mean)
    return Standardizer(mean, np.where(flat, 1.0, scale))
