"""How a step of a recurrent cell is written down: which values enter a unit, gate by gate."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnzoo.trace import MAX_SHOWN, Step, Working, cell_name, factor, neighbour, shortened, shown_rows, written

MAX_UNROLLED = 1_000
"""Longer sequences show h(t), which torch's kernel gives, but not the memory c(t) of every step."""
SQUASHES = {"sigmoid": "σ", "tanh": "tanh", "relu": "max(0, ·)"}
Term = tuple[str, float, float | str]


@dataclass(frozen=True, eq=False)
class Moment:
    """One step of one layer: what it reads, and the unit that is followed through all gates.

    Attributes
    ----------
    t : int
        Number of the step, from 1.
    x_name, h_name : str
        Symbols of what is read and of the state, such as "x" and "h1".
    x : ndarray of shape (n_in,)
    h : ndarray of shape (n_hidden,)
        The state before the step.
    unit : int
        From 0.
    """

    t: int
    x_name: str
    h_name: str
    x: np.ndarray
    h: np.ndarray
    unit: int

    @property
    def x_now(self) -> str:
        """Return the symbol of what is read."""
        return f"{self.x_name}({self.t})"

    @property
    def h_before(self) -> str:
        """Return the symbol of the state before the step."""
        return f"{self.h_name}({self.t - 1})"

    def name(self, symbol: str) -> str:
        """Return the symbol of a value of this step: "i(3)"; of layers above the first also the layer."""
        layer = self.h_name.removeprefix("h")
        return f"{symbol}{layer if layer != '1' else ''}({self.t})"


def plain(tensor: Tensor) -> np.ndarray:
    """Return a tensor as float64."""
    return tensor.detach().double().cpu().numpy()


def products(at: Moment, W: Tensor, U: Tensor) -> list[Term]:
    """Return all that enters the followed unit by weights: its inputs and the state before."""
    w, u = plain(W)[at.unit], plain(U)[at.unit]
    terms: list[Term] = [(f"{at.x_now}[{j + 1}]", float(at.x[j]), float(w[j])) for j in range(len(w))]
    return [*terms, *((f"{at.h_before}[{j + 1}]", float(at.h[j]), float(u[j])) for j in range(len(u)))]


def matrices(at: Moment, symbol: str, W: Tensor, U: Tensor, bias: Tensor) -> dict[str, np.ndarray]:
    """Return what a gate computes with, by name; of large matrices the rows of two units."""
    inputs = {at.x_now: at.x, at.h_before: at.h}
    shown: dict[str, np.ndarray] = {}
    for name, matrix in ((f"W_{symbol}", plain(W)), (f"U_{symbol}", plain(U))):
        for unit in (at.unit, neighbour(at.unit, len(matrix))):
            shown |= shown_rows(name, matrix, unit)
    return inputs | shown | {f"b_{symbol}": plain(bias)}


def gate(
    at: Moment,
    symbol: str,
    squash: str,
    words: str,
    values: Tensor,
    terms: Sequence[Term],
    operands: dict[str, np.ndarray],
    formula: str = "",
) -> Step:
    """Return a gate or a candidate: the squashed sum of terms, worked out for the followed unit.

    Parameters
    ----------
    squash : "sigmoid", "tanh" or "relu"
    values : Tensor of shape (n_hidden,)
        The result.
    terms : sequence of (name, value, weight)
        A summand of its own has no weight.
    """
    name = at.name(symbol)
    f = SQUASHES[squash]
    rows = [(label, value, weight, value if weight == "" else value * float(weight)) for label, value, weight in terms]
    total = sum(row[3] for row in rows)
    written_terms = [factor(v) if w == "" else f"{factor(float(w))}·{factor(v)}" for _, v, w in terms]
    own = formula or f"W_{symbol} {at.x_now} + U_{symbol} {at.h_before} + b_{symbol}"
    inner = " + ".join(shortened(written_terms))
    result = plain(values)
    other = neighbour(at.unit, len(result))
    of_other = {key: array for key, array in operands.items() if key[0] in "WU" and key.endswith(f"[{other + 1}]")}
    return Step(
        f"gate {squash}",
        f"Step {at.t}: {words.partition(':')[0]} {symbol}",
        f"{name} = {f.replace('·', own) if '·' in f else f'{f}({own})'}",
        f"{cell_name(name, (at.unit,))} = {f}({inner}) = {f}({written(total)}) = {written(result[at.unit])}",
        name,
        result,
        words.partition(": ")[2].capitalize(),
        {key: array for key, array in operands.items() if key not in of_other},
        (at.unit,),
        Working(("from", "value", "weight", "weight·value"), (*rows, ("sum", "", "", total))),
        other=(other,) if of_other else (),
        of_other=of_other,
    )


def combined(
    at: Moment, op: str, title: str, formula: str, numbers: str, name: str, values: Tensor, words: str, **operands: Any
) -> Step:
    """Return a step that mixes vectors unit by unit."""
    arrays = {key: plain(value) if isinstance(value, Tensor) else value for key, value in operands.items()}
    result = plain(values)
    return Step(
        op,
        f"Step {at.t}: {title}",
        formula,
        f"{cell_name(name, (at.unit,))} = {numbers} = {written(result[at.unit])}",
        name,
        result,
        words,
        arrays,
        (at.unit,),
    )


def trace_recurrence(
    layer: Any, cell: Any, x: Tensor, out: Tensor, names: tuple[str, str], shown: Collection[int] | None = None
) -> Iterator[Step]:
    """Yield how a layer reads one sequence: all its states, then its first and its last step gate by gate.

    Parameters
    ----------
    layer : module
        The layer as it computes.
    cell : Cell
        The same written out.
    x : Tensor of shape (1, T, n_in)
    out : Tensor of shape (1, T, n_hidden)
        What the layer gave.
    names : pair of str
        Symbols of what is read and of the states.
    shown : collection of int, optional
        Other steps to show gate by gate, counted from 1.
    """
    n_steps = x.shape[1]
    h = plain(out[0])
    read = {names[0]: plain(x[0])} if x[0].numel() <= MAX_SHOWN else {}
    n_hidden = h.shape[1]
    yield Step(
        "unrolled",
        "Recurrence unrolled",
        f"{names[1]}(t) = cell({names[0]}(t), {names[1]}(t-1)), t = 1 ... {n_steps}, {names[1]}(0) = 0",
        f"{n_steps:,} steps, {n_hidden:,} units: a line is a step, a column a unit",
        names[1],
        h,
        "The same cell with the same weights reads one step after the other; its state is all it knows of the past.",
        read,
    )
    if len(cell.widths) > 1 and n_steps <= MAX_UNROLLED:
        yield _memories(cell, x, names)
    for t in sorted({1, n_steps} if shown is None else shown):
        state = _state_before(layer, cell, x, t)
        reached = cell.advance(cell.project(x[0, t - 1]), state)[0]
        unit = int(reached.abs().argmax())
        yield from cell.trace(x[0, t - 1], state, Moment(t, *names, plain(x[0, t - 1]), plain(state[0]), unit))


def _memories(cell: Any, x: Tensor, names: tuple[str, str]) -> Step:
    sums = cell.project(x[0])
    state = tuple(sums.new_zeros(width) for width in cell.widths)
    kept = []
    for step in sums:
        state = cell.advance(step, state)
        kept.append(state[1])
    memory = plain(torch.stack(kept))
    name = f"c{names[1].removeprefix('h')}"
    return Step(
        "memories",
        "The memory c(t) over all steps",
        f"{name}(t) = f(t) ⊙ {name}(t-1) + i(t) ⊙ g(t): remember times what was, add times what could be added",
        f"{len(memory):,} steps, {memory.shape[1]:,} units: a line is a step, a column a unit",
        name,
        memory,
        "Where a column keeps its colour from line to line, the unit remembers; where it changes, it was written to.",
    )


def _state_before(layer: Any, cell: Any, x: Tensor, t: int) -> tuple[Tensor, ...]:
    if t == 1:
        return tuple(x.new_zeros(width) for width in cell.widths)
    return tuple(part[0] for part in layer(x[:, : t - 1])[1])
