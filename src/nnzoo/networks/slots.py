"""What networks with a memory of slots share: the controller, content addressing, writing, and the walk over time.

The memory is a matrix M of ``n_slots`` rows, the slots, of ``slot_size`` numbers each. A controller reads the input and
what was read from the memory before; what it says to the heads decides which slots are read and written next.

    C(M, k, β) = softmax(β cos(k, M(i)))              slots that resemble a key
    M ← M ⊙ (1 - w eᵀ) + w aᵀ                         erase first, then add

Sources: Graves, Wayne & Danihelka 2014; Graves et al. 2016.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.networks.gates import Moment, Term, combined, gate, plain
from nnzoo.networks.memory import State
from nnzoo.trace import MAX_SHOWN, Step, cell_name, factor, largest, neighbour, sum_of_products, written

CONTROLLERS = ("lstm", "feedforward")
EPSILON = 1e-6
"""Added to squared lengths: the cosine of zeros is 0, and its slope stays finite."""
MOST_OF_SLOTS = 1024
"""Memories and matrices of more numbers are shown by the slot or the row that is worked out."""
GATES = {
    "i": ("sigmoid", "input gate: how much of the candidate is added to the controller's own memory."),
    "f": ("sigmoid", "forget gate: how much of the controller's own memory is kept."),
    "g": ("tanh", "candidate: what could be added to the controller's own memory."),
    "o": ("sigmoid", "output gate: how much of the controller's own memory is shown."),
}


def cosines(keys: Tensor, memory: Tensor) -> Tensor:
    """Return cos(k, M(i)) of keys (n, k, slot_size) and slots (n, n_slots, slot_size): (n, k, n_slots)."""
    of_keys = torch.rsqrt(keys.square().sum(dim=2, keepdim=True) + EPSILON)
    of_slots = torch.rsqrt(torch.linalg.vector_norm(memory, dim=2).square() + EPSILON)
    return (keys * of_keys) @ memory.transpose(1, 2) * of_slots[:, None]


def content_weights(keys: Tensor, strength: Tensor, memory: Tensor) -> Tensor:
    """Return softmax(β cos(k, M(i))), with β (n, k, 1): (n, k, n_slots)."""
    return torch.softmax(strength * cosines(keys, memory), dim=2)


def written_memory(memory: Tensor, weights: Tensor, erase: Tensor, add: Tensor) -> Tensor:
    """Return M ⊙ (1 - w eᵀ) + w aᵀ, with w (n, n_slots) and e, a (n, slot_size)."""
    w = weights[:, :, None]
    return torch.baddbmm(torch.addcmul(memory, memory, w * erase[:, None], value=-1), w, add[:, None])


class Controller(nn.Module):
    """An LSTM or a layer of tanh units that reads x(t) and r(t-1), what the heads have read.

    Parameters
    ----------
    n_in, n_hidden : int
    n_read : int
        Numbers that all reading heads bring together.
    kind : "lstm" or "feedforward"
    """

    def __init__(self, n_in: int, n_hidden: int, n_read: int, kind: str) -> None:
        super().__init__()
        self.n_hidden, self.n_read = n_hidden, n_read
        self.remembers = kind == "lstm"
        n_gates, n_back = (4, n_hidden + n_read) if self.remembers else (1, n_read)
        self.weight_ih = nn.Parameter(torch.empty(n_gates * n_hidden, n_in))
        self.weight_hh = nn.Parameter(torch.empty(n_gates * n_hidden, n_back))
        self.bias = nn.Parameter(torch.zeros(n_gates * n_hidden))
        for weight in (self.weight_ih, self.weight_hh):
            for part in weight.detach().chunk(n_gates):
                nn.init.xavier_uniform_(part)
        if self.remembers:
            nn.init.ones_(self.bias.detach()[n_hidden : 2 * n_hidden])

    def start(self, like: Tensor) -> State:
        """Return h(0), r(0) and c(0): zeros; c has no units where the controller does not remember."""
        n_memory = self.n_hidden if self.remembers else 0
        return tuple(like.new_zeros(len(like), n) for n in (self.n_hidden, self.n_read, n_memory))

    def project(self, x: Tensor) -> Tensor:
        """Return W x + b of all units."""
        return nn.functional.linear(x, self.weight_ih, self.bias)

    def advance(self, sums: Tensor, h: Tensor, r: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Return h(t) and c(t)."""
        if not self.remembers:
            return torch.tanh(sums + nn.functional.linear(r, self.weight_hh)), c
        sums = sums + nn.functional.linear(torch.cat([h, r], dim=-1), self.weight_hh)
        i, f, g, o = sums.chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def trace(self, x: Tensor, state: State, at: Moment) -> Iterator[Step]:
        """Yield one step of one sequence: the gates, the own memory and h(t), or h(t) at once."""
        h, r, c = state[:3]
        k = at.unit
        h_now, c_now = self.advance(self.project(x), h, r, c)
        if not self.remembers:
            yield self._gate("h", 0, x, state, at, h_now, "tanh", "controller: what is read now and was read before.")
            return
        values = {}
        sums = self.project(x) + nn.functional.linear(torch.cat([h, r], dim=-1), self.weight_hh)
        for n, (symbol, (squash, words)) in enumerate(GATES.items()):
            values[symbol] = getattr(torch, squash)(sums.chunk(4)[n])
            yield self._gate(symbol, n, x, state, at, values[symbol], squash, words)
        i, f, g, o = (factor(float(values[symbol][k])) for symbol in "ifgo")
        c_name, c_before = at.name("c"), f"c({at.t - 1})"
        yield combined(
            at,
            "memory",
            "the controller's own memory c",
            f"{c_name} = {at.name('f')} ⊙ {c_before} + {at.name('i')} ⊙ {at.name('g')}",
            f"{f}·{factor(float(c[k]))} + {i}·{g}",
            c_name,
            c_now,
            "What the controller keeps by itself, beside the slots.",
            **{at.name(symbol): values[symbol] for symbol in "ifg"} | {c_before: c},
        )
        yield combined(
            at,
            "hidden state",
            "the controller's state h",
            f"{at.h_name}({at.t}) = {at.name('o')} ⊙ tanh({c_name})",
            f"{o}·tanh({factor(float(c_now[k]))})",
            f"{at.h_name}({at.t})",
            h_now,
            "From this vector all heads take what they do at this step.",
            **{at.name("o"): values["o"], c_name: c_now},
        )

    def _gate(
        self, symbol: str, n: int, x: Tensor, state: State, at: Moment, values: Tensor, squash: str, words: str
    ) -> Step:
        """Return the squashed sums of one gate, worked out for the followed unit."""
        W, V = (weight.chunk(4 if self.remembers else 1)[n] for weight in (self.weight_ih, self.weight_hh))
        bias = self.bias.chunk(4 if self.remembers else 1)[n]
        before = {f"{at.h_before}": state[0]} if self.remembers else {}
        given = {at.x_now: x, **before, f"r({at.t - 1})": state[1]}
        W = torch.cat([W, V], dim=1)
        parts = W.split([len(value) for value in given.values()], dim=1)
        symbols = [f"{letter}_{symbol}" for letter in ("W", "U", "V")]
        symbols = symbols if self.remembers else [symbols[0], symbols[2]]
        return head_gate(at, symbol, squash, words, values, dict(zip(symbols, parts, strict=True)), given, bias)


def head_gate(
    at: Moment,
    symbol: str,
    squash: str,
    words: str,
    values: Tensor,
    matrices: dict[str, Tensor],
    given: dict[str, Tensor],
    bias: Tensor,
) -> Step:
    """Return a gate whose sums come from several vectors, one matrix a vector, worked out for its largest unit."""
    unit = largest(plain(values))[0]
    own = Moment(at.t, at.x_name, at.h_name, at.x, at.h, unit)
    terms: list[Term] = []
    operands: dict[str, np.ndarray] = {name: plain(vector) for name, vector in given.items()}
    for (name, vector), (matrix_name, matrix) in zip(given.items(), matrices.items(), strict=True):
        row, numbers = plain(matrix)[unit], plain(vector)
        terms += [(f"{name}[{j + 1}]", float(numbers[j]), float(row[j])) for j in range(len(row))]
        if matrix.numel() <= MOST_OF_SLOTS:
            operands[matrix_name] = plain(matrix)
            continue
        for each in (unit, neighbour(unit, len(matrix))):
            operands[cell_name(matrix_name, (each,))] = plain(matrix[each])
    terms.append(("bias", float(bias[unit]), ""))
    formula = " + ".join([*(f"{W} {v}" for W, v in zip(matrices, given, strict=True)), f"b_{symbol}"])
    operands |= {f"b_{symbol}": plain(bias)}
    return gate(own, symbol, squash, words, values, terms, operands, formula)


class SlotLayer(nn.Module):
    """One layer that walks along sequences with a cell that has a controller and slots; the inputs go in at once.

    The outputs of a step are the controller's state and what the heads have read: [h(t), r(t)].

    Parameters
    ----------
    cell : module
        It has ``controller`` and its ``letter`` in drawings, ``n_slots``, ``slot_size``, ``start``, ``advance``,
        ``trace`` and ``pictures``. The states begin with h and r and end with the memory (n, n_slots, slot_size).
    """

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self.cell = cell
        self.n_hidden = cell.controller.n_hidden
        self.n_out = cell.controller.n_hidden + cell.controller.n_read

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return outputs (n, T, n_out) and the last state."""
        outputs, now = self.walk(x, state, kept=(0, 1))
        return torch.cat(outputs, dim=2), now

    def walk(self, x: Tensor, state: State | None = None, *, kept: Sequence[int]) -> tuple[list[Tensor], State]:
        """Return some of the states of all steps, each (n, T, ...), and the last state.

        Never in bfloat16: what was written into a slot must be read again.
        """
        now = self.cell.start(x) if state is None else state
        seen: list[State] = []
        with torch.autocast(x.device.type, enabled=False):
            for sums in self.cell.controller.project(x).unbind(1):
                now = self.cell.advance(sums, now)
                seen.append(tuple(now[place] for place in kept))
        return [torch.stack(parts, dim=1) for parts in zip(*seen, strict=True)], now

    def drawn_parts(self) -> Iterator[tuple[str, int, str, str, int, bool]]:
        """Yield letter, cells, title, words, weights and whether they loop: of the controller, then of the slots."""
        cell, controller = self.cell, self.cell.controller
        n_weights = sum(p.numel() for p in controller.parameters())
        kind = "an LSTM" if controller.remembers else "feed-forward"
        yield cell.letter, self.n_hidden, "controller", kind, n_weights, controller.remembers
        n_rest = sum(p.numel() for p in cell.parameters()) - n_weights
        yield "Y", cell.n_slots, "slots", f"{cell.n_slots} x {cell.slot_size}", n_rest, True

    def trace(
        self, x: Tensor, out: Tensor, names: tuple[str, str], shown: Collection[int] | None = None
    ) -> Iterator[Step]:
        """Yield how the layer reads one sequence: its outputs, where its heads were, its first and its last step."""
        n_steps, h = x.shape[1], plain(out[0])
        n_shown = min(n_steps, max(1, MAX_SHOWN // max(x.shape[2], 1)))
        yield Step(
            "unrolled",
            "Recurrence unrolled",
            f"{names[1]}(t), r(t) = cell({names[0]}(t), h(t-1), r(t-1), M(t-1)), t = 1 ... {n_steps}",
            f"{n_steps:,} steps; a line is a step: {self.n_hidden:,} units, then what was read",
            names[1],
            h,
            "The same cell with the same weights reads one step after the other; the slots are its memory.",
            {names[0]: plain(x[0])} if n_shown == n_steps else {},
        )
        yield from self.cell.pictures(self, x)
        for t in sorted({1, n_steps} if shown is None else shown):
            state = self.cell.start(x) if t == 1 else self.walk(x[:, : t - 1], kept=())[1]
            one = tuple(part[0] for part in state)
            reached = self.cell.advance(self.cell.controller.project(x[:, t - 1]), state)[0][0]
            unit = int(reached.abs().argmax())
            yield from self.cell.trace(
                x[0, t - 1], one, Moment(t, names[0], "h", plain(x[0, t - 1]), plain(one[0]), unit)
            )


def focus(name: str, title: str, weights: Tensor, words: str) -> Step:
    """Return where a head was at every step: a line a step, a column a slot."""
    shown = plain(weights)
    return Step(
        "focus",
        title,
        f"{name}(t), t = 1 ... {len(shown)}",
        f"{len(shown):,} steps, {shown.shape[1]:,} slots: a line is a step, a column a slot",
        name,
        shown,
        words,
    )


def last_slots(memory: Tensor, n_steps: int) -> Step:
    """Return what the slots (n_slots, slot_size) hold behind the last step."""
    shown = plain(memory)
    return Step(
        "slots",
        "What the slots hold at the end",
        f"M(t) for t = {n_steps}",
        f"{len(shown):,} slots of {shown.shape[1]:,} numbers: a line is a slot",
        "M",
        shown,
        "What was written at any step, less what was erased.",
    )


def reading_heads(n_heads: int) -> tuple[str, ...]:
    """Return the symbols of heads that read."""
    return tuple(f"r{k + 1}" if n_heads > 1 else "r" for k in range(n_heads))


def cell_step(
    op: str, title: str, formula: str, numbers: str, name: str, result: Tensor, words: str, **operands: Tensor
) -> Step:
    """Return a step worked out for the largest entry of its result; ``numbers`` may say ``{cell}`` and ``{value}``."""
    shown = plain(result)
    cell = largest(shown)
    said = numbers.format(cell=cell_name(name, cell), value=written(shown[cell]))
    return Step(op, title, formula, said, name, shown, words, {k: plain(v) for k, v in operands.items()}, cell)


def trace_content(
    at: Moment, head: str, key: Tensor, strength: Tensor, memory: Tensor, found: Tensor, M_name: str
) -> Iterator[Step]:
    """Yield cosines of a key with all slots, and the weights (n_slots,) that were found by them."""
    alike = cosines(key[None, None], memory[None])[0, 0]
    k_name, a_name, c_name = (at.name(f"{symbol}_{head}") for symbol in ("k", "cos", "c"))
    slot = largest(plain(alike))[0]
    yield cell_step(
        "cosines",
        f"Step {at.t}: likeness of the key to each slot",
        f"{a_name}[i] = {k_name}·{M_name}[i] / (|{k_name}| |{M_name}[i]|), with {EPSILON} under each root",
        "{cell} = " + f"{factor(float(key @ memory[slot]))} / "
        f"({written(float((key.square().sum() + EPSILON).sqrt()))} · "
        f"{written(float((memory[slot].square().sum() + EPSILON).sqrt()))})" + " = {value}",
        a_name,
        alike,
        "1 where a slot points where the key points, -1 where it points away.",
        **{k_name: key},
        **{M_name: memory} if memory.numel() <= MOST_OF_SLOTS else {f"{M_name}[{slot + 1}]": memory[slot]},
    )
    yield cell_step(
        "content weights",
        f"Step {at.t}: slots found by content",
        f"{c_name} = softmax(β_{head} {a_name})",
        "{cell} = {value}",
        c_name,
        found,
        "The key's strength β sharpens the choice: shares of all slots, 1 in sum.",
        **{f"β_{head}": strength, a_name: alike},
    )


def trace_read(at: Moment, head: str, w: Tensor, memory: Tensor, read: Tensor, M_name: str) -> Step:
    """Return what a head reads: of large memories the numbers that make the entry that is worked out."""
    (j,) = largest(plain(read))
    w_name = at.name(f"w_{head}")
    slots = {M_name: memory} if memory.numel() <= MOST_OF_SLOTS else {f"{M_name}[·, {j + 1}]": memory[:, j]}
    return cell_step(
        "reading",
        f"Step {at.t}: what is read",
        f"{at.name(head)} = {w_name}ᵀ {M_name}",
        "{cell} = " + sum_of_products(plain(w), plain(memory[:, j])) + " = {value}",
        at.name(head),
        read,
        "The mean of all slots, each weighted by how far the head is on it.",
        **{w_name: w},
        **slots,
    )


def trace_write(at: Moment, w_name: str, w: Tensor, erase: Tensor, add: Tensor, before: Tensor) -> Iterator[Step]:
    """Yield the memory after erasing and adding."""
    after = written_memory(before[None], w[None], erase[None], add[None])[0]
    i, j = largest(plain(after))
    e_name, a_name, M_name, M_before = at.name("e"), at.name("a"), at.name("M"), f"M({at.t - 1})"
    operands = {M_before: before, w_name: w, e_name: erase, a_name: add}
    if before.numel() > MOST_OF_SLOTS:
        operands[cell_name(M_before, (i,))] = operands.pop(M_before)[i]
    yield cell_step(
        "writing",
        f"Step {at.t}: erase, then add",
        f"{M_name} = {M_before} ⊙ (1 - {w_name} {e_name}ᵀ) + {w_name} {a_name}ᵀ",
        "{cell} = " + f"{factor(float(before[i, j]))}·(1 - {factor(float(w[i]))}·{factor(float(erase[j]))}) + "
        f"{factor(float(w[i]))}·{factor(float(add[j]))}" + " = {value}",
        M_name,
        after,
        "Each slot is changed as far as the writing head is on it.",
        **operands,
    )
