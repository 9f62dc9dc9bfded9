"""Recurrent cells without a model: a small one reads three steps, gate by gate; and two networks side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from nnzoo import catalog
from nnzoo.explanation.basics import _vector
from nnzoo.explanation.traces import Trace
from nnzoo.networks.gated_cell import GRUCell
from nnzoo.networks.gates import Moment, plain
from nnzoo.networks.lstm import LSTMCell
from nnzoo.networks.recurrent import RecurrentCell
from nnzoo.trace import Step, Working

SERIES, N_HIDDEN = (1.0, -0.5, 0.25), 2
WHAT = {
    "rnn": "One state h(t), made anew at every step from the input and from the state before.",
    "lstm": "A memory c(t) beside the state h(t): gates decide what is kept, what is added, what is shown.",
    "gru": "One state h(t), and a gate that says how much of it stays: M(t) = remember · M(t-1) + add · M'(t).",
}


def rnn(series: Sequence[float] = SERIES) -> Trace:
    """Return a plain recurrent cell of two units reading a short series, one value a step."""
    return _read(RecurrentCell(1, N_HIDDEN), series, "rnn", "A recurrent cell")


def lstm(series: Sequence[float] = SERIES) -> Trace:
    """Return an LSTM cell of two units reading a short series, one value a step."""
    return _read(LSTMCell(1, N_HIDDEN), series, "lstm", "A long short-term memory cell")


def gru(series: Sequence[float] = SERIES) -> Trace:
    """Return a GRU cell of two units reading a short series, one value a step."""
    return _read(GRUCell(1, N_HIDDEN), series, "gru", "A gated recurrent unit")


def _read(cell: Any, series: Any, name: str, title: str) -> Trace:
    x = torch.from_numpy(_vector(series, "series"))[:, None]
    cell = cell.double()
    steps: list[Step] = []
    with torch.no_grad():
        for parameter in cell.parameters():
            count = parameter.numel()
            parameter.copy_(((torch.arange(count) * 7 % 11 - 5) / 5).reshape(parameter.shape))
        state = tuple(torch.zeros(width, dtype=torch.float64) for width in cell.widths)
        for t, value in enumerate(x, start=1):
            following = cell.advance(cell.project(value), state)
            unit = int(following[0].abs().argmax())
            steps += cell.trace(value, state, Moment(t, "x", "h1", plain(value), plain(state[0]), unit))
            state = following
    words = (
        f"{WHAT[name]} {len(x)} steps, {N_HIDDEN} units; the weights are made up, so that every number can be checked."
    )
    return Trace(title, words, tuple(steps))


def compare(*names: str) -> Trace:
    """Return two or more networks side by side: equations, weights, what is learned, what they are for.

    Parameters
    ----------
    *names : str
        In any usual form.
    """
    rows = [catalog.find(name) for name in names]
    lines: list[tuple[Any, ...]] = [("published", *(f"{row.year}, {row.source}" for row in rows))]
    lines.append(("computes", *("; ".join(row.equations) for row in rows)))
    lines.append(("reads", *(", ".join(row.kinds) for row in rows)))
    lines.append(("learns by", *(row.learns_by for row in rows)))
    counts = [_n_weights(row) for row in rows]
    if all(counts):
        lines.append(("weights, 8 inputs, 16 units", *(f"{count:,}" for count in counts)))
    lines.append(("for", *(row.use_for for row in rows)))
    step = Step(
        "comparison",
        " and ".join(row.name for row in rows),
        "what changed from one to the other",
        "see the table",
        "networks",
        np.array([row.abbreviation for row in rows]),
        "Read across: what is the same stays, what differs is the idea of the network.",
        working=Working(("", *(row.abbreviation for row in rows)), tuple(lines)),
    )
    return Trace(" against ".join(row.name for row in rows), "The same questions put to each.", (step,))


def _n_weights(row: catalog.Row) -> int | None:
    cells = {"RNN": RecurrentCell, "LSTM": LSTMCell, "GRU": GRUCell}
    if row.abbreviation not in cells:
        return None
    return sum(p.numel() for p in cells[row.abbreviation](8, 16).parameters())
