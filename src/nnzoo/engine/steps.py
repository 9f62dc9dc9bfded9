"""Sequences of different lengths on the device, cut by rows and by windows of time without being copied.

Padding exists only inside :meth:`Steps.padded`, filled with zeros, and a mask stands beside it: what a caller had in
his own padding never comes here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nnzoo.ragged import Ragged


@dataclass(frozen=True)
class Steps:
    """Some sequences: row i is ``values[starts[i] : starts[i] + lengths[i]]``.

    Attributes
    ----------
    values : Tensor of shape (n_steps_in_all, ...)
        The steps of these and possibly of other rows.
    starts, lengths : int64 Tensor of shape (n_rows,), on the CPU
        A length may be 0: the row has ended before the window that was cut.
    n_each : int or None
        Where ``values`` consists of blocks of so many steps, each row being one of them; then nothing about the rows
        needs to be looked up again for every batch.
    """

    values: Tensor
    starts: Tensor
    lengths: Tensor
    n_each: int | None = None

    @classmethod
    def of(cls, rows: Ragged, values: Tensor) -> "Steps":
        """Return the rows of ``rows`` with other values for their steps, in the same order."""
        lengths = rows.lengths
        n_each = int(lengths[0]) if len(lengths) == 1 or (len(lengths) and (lengths == lengths[0]).all()) else None
        return cls(values, torch.from_numpy(rows.starts), torch.from_numpy(lengths), n_each)

    def __len__(self) -> int:
        return self.lengths.numel()

    @property
    def device(self) -> torch.device:
        """Return the device of the values."""
        return self.values.device

    @cached_property
    def longest(self) -> int:
        """Return the number of steps of the longest row."""
        if self.n_each is not None:
            return self.n_each
        return int(self.lengths.max()) if len(self) else 0

    @cached_property
    def are_even(self) -> bool:
        """Return whether all rows have the same number of steps."""
        return self.n_each is not None or bool((self.lengths == self.longest).all())

    def to(self, *where: torch.device | torch.dtype) -> "Steps":
        """Return the sequences with their values on a device or of a type."""
        values = self.values
        for place in where:
            values = values.to(place)
        return Steps(values, self.starts, self.lengths, self.n_each)

    def __getitem__(self, index: Tensor | slice) -> "Steps":
        if isinstance(index, Tensor):  # index_select takes a tenth of the time of starts[index]
            starts, lengths = (each.index_select(0, index.cpu()) for each in (self.starts, self.lengths))
        else:
            starts, lengths = self.starts[index], self.lengths[index]
        return Steps(self.values, starts, lengths, self.n_each)

    def split(self, n_rows: int) -> Iterator["Steps"]:
        """Yield blocks of so many rows."""
        for start in range(0, len(self), n_rows):
            yield self[start : start + n_rows]

    def windows(self, n_steps: int) -> Iterator["Steps"]:
        """Yield windows of so many steps; a row that has ended has length 0 in later ones."""
        if 0 < self.longest <= n_steps:
            yield self
            return
        n_each = n_steps if self.n_each and self.n_each % n_steps == 0 else None
        for start in range(0, self.longest, n_steps):
            yield Steps(self.values, self.starts + start, (self.lengths - start).clamp(0, n_steps), n_each)

    def places(self) -> Tensor:
        """Return where the steps of these rows stand in ``values``, row after row: int64 (n_steps,)."""
        before = self.lengths.cumsum(0) - self.lengths
        shift = (self.starts - before).repeat_interleave(self.lengths)
        return torch.arange(int(self.lengths.sum())) + shift

    def flat(self) -> Tensor:
        """Return the steps of these rows, row after row: (n_steps, ...); without a copy where they stand so."""
        if not len(self):
            return self.values[:0]
        if len(self) == 1 and self.n_each == self.values.shape[0]:  # all that there is
            return self.values
        if self._are_neighbours():
            first = self.starts[0].item()
            return self.values[first : first + self.starts[-1].item() - first + self.lengths[-1].item()]
        if self.n_each:
            blocks = self.values.unflatten(0, (-1, self.n_each))  # rows are cut faster than single steps
            return blocks.index_select(0, (self.starts // self.n_each).to(self.device)).flatten(0, 1)
        return self.values.index_select(0, self.places().to(self.device))

    def _are_neighbours(self) -> bool:
        """Return whether every row begins where the row before it ends; one look tells most shuffled even rows."""
        n_rows = len(self)
        if n_rows == 1:
            return True
        if self.n_each and self.starts[-1].item() - self.starts[0].item() != (n_rows - 1) * self.n_each:
            return False
        return bool((self.starts[1:] == self.starts[:-1] + self.lengths[:-1]).all())

    def rows(self) -> Tensor:
        """Return for every step of :meth:`flat` the number of its row here: int64 (n_steps,), on the device."""
        return torch.arange(len(self)).repeat_interleave(self.lengths).to(self.device)

    def mask(self) -> Tensor:
        """Return which places of :meth:`padded` hold a step: bool (n_rows, longest), on the device."""
        return (torch.arange(self.longest) < self.lengths[:, None]).to(self.device)

    def padded(self, flat: Tensor) -> Tensor:
        """Return values of the steps, as :meth:`flat` orders them, with zeros behind the end of each row.

        Shapes: (n_steps, ...) to (n_rows, longest, ...).
        """
        longest = self.longest
        if self.are_even:
            return flat.reshape(len(self), longest, *flat.shape[1:])
        out = flat.new_zeros((len(self), longest, *flat.shape[1:]))
        out[self.mask()] = flat
        return out

    def unpadded(self, values: Tensor) -> Tensor:
        """Return of values (n_rows, longest, ...) those of the steps that are there, row after row: (n_steps, ...)."""
        if self.are_even and self.longest == values.shape[1]:
            return values.flatten(0, 1)
        return values[self.mask()]


def groups_of_like_length(lengths: np.ndarray, max_cells: int) -> list[np.ndarray]:
    """Return row numbers in groups of similar length, at most ``max_cells`` steps with their padding, one row at least.

    Examples
    --------
    >>> [group.tolist() for group in groups_of_like_length(np.array([9, 1, 2, 8]), 16)]
    [[1, 2], [3], [0]]
    """
    order = np.argsort(lengths, kind="stable")
    groups, start = [], 0
    for place in range(1, len(order) + 1):
        if place == len(order) or (place - start + 1) * lengths[order[place]] > max_cells:
            groups.append(order[start:place])
            start = place
    return groups
