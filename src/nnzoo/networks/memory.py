"""What the recurrent networks share: layers over time, both directions, pooling, and the state that is carried on.

A layer takes (n, T, d) and a state, a tuple of tensors (n, ...), and gives (n, T, n_out) and the state behind the last
step. Padding stands behind the end of a row, so it can reach nothing in the forward direction; for the
backward direction each row is turned round within its own length.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.engine.steps import Steps
from nnzoo.networks.gates import Moment, plain, trace_recurrence
from nnzoo.networks.parts import Dropout, TableInput
from nnzoo.trace import MAX_SHOWN, Step, largest, written
from nnzoo.tracing import Names

POOLINGS = ("last", "mean", "max")
State = tuple[Tensor, ...]


class Cell(Protocol):
    """The equations of one step, written out."""

    n_hidden: int
    widths: tuple[int, ...]
    """Of the states, that of h(t) first."""

    def project(self, x: Tensor) -> Tensor:
        """Return what the inputs alone contribute to the sums of all gates: (..., n_gates * n_hidden)."""
        ...

    def advance(self, sums: Tensor, state: State) -> State:
        """Return the state after a step; its first tensor is h(t)."""
        ...

    def trace(self, x: Tensor, state: State, at: Moment) -> Iterator[Step]:
        """Yield one step of one sequence, gate by gate: x (n_in,), each state (width,)."""
        ...


class Fused(nn.Module):
    """One layer in one direction by torch's kernel for all steps.

    Parameters
    ----------
    kernel : torch.nn.RNNBase
    make_cell : callable
        Returns the same cell written out, by which the layer is explained.
    """

    def __init__(self, kernel: nn.RNNBase, make_cell: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.kernel = kernel
        self.make_cell = make_cell
        self.n_hidden = self.n_out = kernel.hidden_size

    @property
    def cell(self) -> Any:
        """Return the written-out cell with the weights of the kernel."""
        with torch.device("meta"):
            cell = self.make_cell()
        weights = {name.removesuffix("_l0"): weight for name, weight in self.kernel.named_parameters()}
        cell.load_state_dict(weights, assign=True)
        return cell

    def trace(
        self, x: Tensor, out: Tensor, names: tuple[str, str], shown: Collection[int] | None = None
    ) -> Iterator[Step]:
        """Yield how the layer reads one sequence (1, T, n_in) into ``out`` (1, T, n_hidden)."""
        yield from trace_recurrence(self, self.cell, x, out, names, shown)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return outputs (n, T, n_hidden) and the last state."""
        given: Any = None if state is None else tuple(part.unsqueeze(0) for part in state)
        if given is not None and not isinstance(self.kernel, nn.LSTM):
            given = given[0]
        out, last = self.kernel(x, given)
        parts = last if isinstance(last, tuple) else (last,)
        return out, tuple(part.squeeze(0) for part in parts)


class Unrolled(nn.Module):
    """One layer in one direction, step by step with a written-out cell, for what torch's kernels do not have.

    The inputs of all steps are multiplied at once.
    """

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self.cell = cell
        self.n_hidden, self.n_out = cell.n_hidden, cell.widths[0]

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return outputs (n, T, n_out) and the last state."""
        sums = self.cell.project(x)
        now = state or tuple(sums.new_zeros(len(x), width) for width in self.cell.widths)
        out = []
        for step in sums.unbind(1):
            now = self.cell.advance(step, now)
            out.append(now[0])
        return torch.stack(out, dim=1), now

    def trace(
        self, x: Tensor, out: Tensor, names: tuple[str, str], shown: Collection[int] | None = None
    ) -> Iterator[Step]:
        """Yield how the layer reads one sequence (1, T, n_in) into ``out`` (1, T, n_out)."""
        yield from trace_recurrence(self, self.cell, x, out, names, shown)


@dataclass(frozen=True)
class Carried:
    """What goes on from one window of time to the next.

    Attributes
    ----------
    layers : tuple of State
        Of each layer, in the forward direction.
    pooled : Tensor of shape (n, n_out)
        h of the last step, sum, or largest value of the steps so far.
    n_steps : int64 Tensor of shape (n,)
        Steps so far.
    """

    layers: tuple[State, ...]
    pooled: Tensor
    n_steps: Tensor

    def detached(self) -> "Carried":
        """Return the same values without the past that gradients would flow into."""
        layers = tuple(tuple(part.detach() for part in layer) for layer in self.layers)
        return Carried(layers, self.pooled.detach(), self.n_steps)


class RecurrentBody(nn.Module):
    """Layers of recurrent cells over sequences; then one vector a sequence, or one a step.

    Parameters
    ----------
    table : TableInput
        For the values of a step.
    make_layer : callable
        Number of values of a step to a layer in one direction.
    n_layers : int
    bidirectional : bool
    dropout : float
        Between the layers, and before the last one of the network.
    pooling : "last", "mean" or "max"
    per_step : bool
        Whether features come for every step: (n_steps_in_all, n_out); else for every sequence: (n, n_out).

    Attributes
    ----------
    n_out : int
    """

    def __init__(
        self,
        table: TableInput,
        make_layer: Callable[[int], nn.Module],
        *,
        n_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        pooling: str = "last",
        per_step: bool = False,
    ) -> None:
        super().__init__()
        self.table = table
        self.pooling = pooling
        self.per_step = per_step
        self.dropout = Dropout(dropout)
        self.forward_layers, self.backward_layers = nn.ModuleList(), nn.ModuleList()
        n_in = table.n_out
        for _ in range(n_layers):
            layer: Any = make_layer(n_in)
            self.forward_layers.append(layer)
            if bidirectional:
                self.backward_layers.append(make_layer(n_in))
            n_in = layer.n_out * (2 if bidirectional else 1)
        self.n_out = n_in

    @property
    def bidirectional(self) -> bool:
        """Return whether the second half of the features has read the sequence from its end."""
        return len(self.backward_layers) > 0

    @property
    def reads_straight(self) -> bool:
        """Return whether one sequence goes forwards from layer to layer, and its last step or every one is kept."""
        return type(self) is RecurrentBody and self.pooling == "last" and not self.bidirectional

    def forward(self, x: Steps) -> Tensor:
        """Return the features of every sequence, or of every step, row after row."""
        if len(x) == 1 and self.reads_straight:
            return self._of_one(x.flat())
        outputs, carried = self.advance(x)
        return self.flat(outputs, x) if self.per_step else self.summary(carried)

    def advance(self, x: Steps, carried: Carried | None = None) -> tuple[Tensor, Carried]:
        """Return outputs (n, longest, n_out) of a window of time, and what the next window goes on from."""
        h = x.padded(self.table(x.flat()))
        turned = turning(x) if self.bidirectional else None
        states = []
        for number, layer in enumerate(self.forward_layers):
            h = self.dropout(h) if number else h
            out, state = layer(h, None if carried is None else carried.layers[number])
            if turned is not None:
                back = turn(self.backward_layers[number](turn(h, turned))[0], turned)
                out = torch.cat([out, back], dim=2)
            states.append(state)
            h = out
        return h, Carried(tuple(states), *self._pool(h, x, carried))

    def flat(self, outputs: Tensor, x: Steps) -> Tensor:
        """Return outputs (n, longest, k) of the steps that are there, row after row: (n_steps, k)."""
        return self.dropout(x.unpadded(outputs))

    def summary(self, carried: Carried) -> Tensor:
        """Return one vector for each sequence, (n, n_out)."""
        pooled = carried.pooled / carried.n_steps[:, None] if self.pooling == "mean" else carried.pooled
        return self.dropout(pooled)

    def _of_one(self, values: Tensor) -> Tensor:
        """Return the features of one sequence (T, ...) read forwards, of its end or of every step, without padding."""
        h = self.table(values)[None]
        for number, layer in enumerate(self.forward_layers):
            h = layer(self.dropout(h) if number else h)[0]
        h = h[0] if self.per_step else h[:, -1]
        return self.dropout(h) if self.training else h

    def _pool(self, h: Tensor, x: Steps, carried: Carried | None) -> tuple[Tensor, Tensor]:
        lengths = x.lengths.to(h.device)
        if self.pooling == "last":
            pooled = self._last(h, x)
            return (pooled if carried is None else torch.where(lengths[:, None] > 0, pooled, carried.pooled)), lengths
        before = torch.zeros_like(lengths) if carried is None else carried.n_steps
        mask = x.mask()[..., None]
        if self.pooling == "mean":
            pooled = (h * mask).sum(dim=1)
            return pooled if carried is None else pooled + carried.pooled, before + lengths
        pooled = h.masked_fill(~mask, -torch.inf).amax(dim=1)
        return pooled if carried is None else torch.maximum(pooled, carried.pooled), before + lengths

    def trace(self, x: Steps, output: Tensor, names: Names, *, brief: bool = False) -> Iterator[Step]:
        """Yield how one sequence is read: layer by layer, both directions, then how its outputs become one vector.

        A brief trace shows gate by gate the last step of the forward direction, else the first and last ones of both.
        """
        read = self.table(x.flat())
        yield from self.table.trace(x.flat(), read, names)
        names.labels = ()
        h = x.padded(read)
        turned = turning(x) if self.bidirectional else None
        symbol = names.last
        layers: Any = enumerate(zip_longest(self.forward_layers, self.backward_layers), start=1)
        for number, (layer, reader) in layers:
            out = layer(h)[0]
            yield from layer.trace(h, out, (symbol, f"h{number}"), [x.longest] if brief else None)
            if turned is not None:
                back = turn(h, turned)
                from_end = reader(back)[0]
                symbols = f"{symbol}←", f"h{number}←"
                yield from reader.trace(back, from_end, symbols, [] if brief else None)
                out = torch.cat([out, turn(from_end, turned)], dim=2)
            h, symbol = out, f"h{number}"
        names.number = len(self.forward_layers)
        names.last = symbol
        if self.per_step:
            names.last = f"{symbol}({x.longest})"
        else:
            yield self.trace_summary(plain(h[0]), plain(output[0]), names)

    def trace_summary(self, h: np.ndarray, v: np.ndarray, names: Names) -> Step:
        """Return how outputs (T, n_out) become one vector (n_out,)."""
        before, name = names.next("v")
        cell = largest(v)
        column = h[:, cell[0]]
        both = self.bidirectional and self.pooling == "last"
        from_end = both and cell[0] >= self.n_out // 2
        last = f"[{before}({len(h)}), {before}←({len(h)})]" if both else f"{before}({len(h)})"
        formula = last if self.pooling == "last" else f"{self.pooling} over t of {before}(t)"
        place = cell[0] % (self.n_out // 2) if both else cell[0]
        how = {
            "last": f"{before}{'←' * from_end}({len(h)})[{place + 1}]",
            "mean": f"{written(column.sum())} / {len(h)}",
            "max": f"the largest of {len(h):,} steps",
        }[self.pooling]
        return Step(
            f"{self.pooling} of steps",
            "One vector for the sequence",
            f"{name} = {formula}",
            f"{name}[{cell[0] + 1}] = {how} = {written(v[cell])}",
            name,
            v,
            "The last layer of the network sees this one vector, however long the sequence was.",
            {before: h} if h.size <= MAX_SHOWN else {},
            cell,
        )

    def _last(self, h: Tensor, x: Steps) -> Tensor:
        """Return the last outputs of the rows; of the backward direction those of the first step."""
        if x.are_even:
            last = h[:, -1]
        else:
            last = h[torch.arange(len(h), device=h.device), (x.lengths - 1).clamp(min=0).to(h.device)]
        if not self.bidirectional:
            return last
        half = self.n_out // 2
        return torch.cat([last[:, :half], h[:, 0, half:]], dim=1)


def turning(x: Steps) -> Tensor:
    """Return for every place of the padded rows the place that it changes with when the row is turned round."""
    place = torch.arange(x.longest)[None]
    lengths = x.lengths[:, None]
    return torch.where(place < lengths, lengths - 1 - place, place).to(x.device)


def turn(h: Tensor, turned: Tensor) -> Tensor:
    """Return (n, T, k) with every row turned round within its length."""
    return h.gather(1, turned[..., None].expand(-1, -1, h.shape[2]))


def draw_recurrent(layer: nn.Module, *, gates: int, names: Sequence[str] = ("weight_ih", "weight_hh")) -> None:
    """Draw the weights of a kernel or cell: hidden ones orthogonal gate by gate, others from Glorot's law, biases 0."""
    for name, weight in layer.named_parameters():
        if name.startswith(names[0]):
            for part in weight.detach().chunk(gates):
                nn.init.xavier_uniform_(part)
        elif name.startswith(names[1]):
            for part in weight.detach().chunk(gates):
                nn.init.orthogonal_(part)
        elif name.startswith("bias"):
            nn.init.zeros_(weight)
        elif name.startswith("weight_hr"):
            nn.init.xavier_uniform_(weight)
