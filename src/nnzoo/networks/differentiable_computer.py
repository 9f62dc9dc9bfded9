"""DNC: the differentiable neural computer, an NTM that knows which slots are free and in what order they were written.

A step, with the controller's h(t), one writing head w and reading heads r_i:

    u ← (u + w - u ⊙ w) ⊙ Π_i (1 - f_i r_i)                   usage: written slots are in use, free gates f release them
    a[φ(j)] = (1 - u[φ(j)]) Π_{k<j} u[φ(k)]                   allocation: φ lists the slots by rising usage
    w = g_w (g_a a + (1 - g_a) C(M, k_w, β_w))                write to a free slot, or by content
    M ← M ⊙ (1 - w eᵀ) + w vᵀ
    L_ij ← (1 - w_i - w_j) L_ij + w_i p_j,  L_ii = 0          links: slot i was written right behind slot j
    p ← (1 - Σ w) p + w                                       precedence: where was written last
    r = π₁ Lᵀ r + π₂ C(M, k_r, β_r) + π₃ L r                  read backward, by content, or forward

C(M, k, β) = softmax(β cos(k, M(i))), β = 1 + softplus. Sorting passes no gradient through φ, as in the paper. Before
any training the network writes mostly to free slots and releases few of those that it reads; the paper leaves its start
open. The chart draws three layers of recurrent cells for the controller.
"""

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from nnzoo.estimator import Network
from nnzoo.networks.gates import Moment, plain
from nnzoo.networks.memory import State
from nnzoo.networks.parameters import SlotParameters, with_parameters
from nnzoo.networks.remembering import Remembering
from nnzoo.networks.slots import (
    Controller,
    SlotLayer,
    cell_step,
    content_weights,
    focus,
    last_slots,
    reading_heads,
    trace_content,
    trace_read,
    trace_write,
    written_memory,
)
from nnzoo.trace import Step, Working, factor, written

START_ALLOCATION, START_FREE = 2.0, -2.0
"""The sums behind the allocation gate g_a and the free gates f before training, all others being near 0."""


class Orders(NamedTuple):
    """What the controller says to the heads at a step; R reading heads."""

    read_keys: Tensor
    read_strengths: Tensor
    write_key: Tensor
    write_strength: Tensor
    erase: Tensor
    add: Tensor
    free: Tensor
    by_allocation: Tensor
    write_gate: Tensor
    modes: Tensor


def allocation(usage: Tensor) -> Tensor:
    """Return shares of the slots (n, n_slots) to write to: the least used first, the next as far as it is in use."""
    rising, order = usage.sort(dim=1, stable=True)
    before = torch.cat([torch.ones_like(rising[:, :1]), rising[:, :-1].cumprod(dim=1)], dim=1)
    return torch.zeros_like(usage).scatter(1, order, (1 - rising) * before)


def used(usage: Tensor, written_to: Tensor, free: Tensor, read_from: Tensor) -> Tensor:
    """Return the usage (n, n_slots) behind the last step; free (n, R, 1) and read_from (n, R, n_slots) are of heads."""
    return (usage + written_to - usage * written_to) * (1 - free * read_from).prod(dim=1)


def linked(links: Tensor, precedence: Tensor, written_to: Tensor) -> Tensor:
    """Return the links (n, n_slots, n_slots) behind a step that wrote to some slots."""
    w = written_to[:, :, None]
    kept = (1 - w - written_to[:, None]) * links + w * precedence[:, None]
    return kept * (1 - torch.eye(links.shape[1], dtype=links.dtype, device=links.device))


class ComputerCell(nn.Module):
    """The equations of one step; the states are h, r, c, reading weights, w, u, p, L and the memory.

    Parameters
    ----------
    n_in, n_hidden, n_slots, slot_size, n_memory_heads : int
    """

    letter = "R"

    def __init__(
        self, n_in: int, n_hidden: int, *, n_slots: int = 32, slot_size: int = 16, n_memory_heads: int = 1
    ) -> None:
        super().__init__()
        self.n_slots, self.slot_size, self.n_heads = n_slots, slot_size, n_memory_heads
        self.controller = Controller(n_in, n_hidden, n_memory_heads * slot_size, "lstm")
        R, W = n_memory_heads, slot_size
        self.widths = R * W, R, W, 1, W, W, R, 1, 1, 3 * R
        self.weight_heads = nn.Parameter(torch.empty(sum(self.widths), n_hidden))
        self.bias_heads = nn.Parameter(torch.zeros(sum(self.widths)))
        nn.init.xavier_uniform_(self.weight_heads)
        *_, free, by_allocation, _, _ = self.bias_heads.detach().split(self.widths)
        free.fill_(START_FREE)
        by_allocation.fill_(START_ALLOCATION)

    def start(self, x: Tensor) -> State:
        """Return the states before the first step of rows x (n, ...): all zeros."""
        n, slots = len(x), self.n_slots
        shapes = (self.n_heads, slots), (slots,), (slots,), (slots,), (slots, slots), (slots, self.slot_size)
        return *self.controller.start(x), *(x.new_zeros(n, *shape) for shape in shapes)

    def advance(self, sums: Tensor, state: State) -> State:
        """Return the states after a step."""
        h, r, c, reading, writing, usage, precedence, links, memory = state
        h, c = self.controller.advance(sums, h, r, c)
        orders = self.orders(h)
        usage = used(usage, writing, orders.free, reading)
        writing = self.writing_weights(orders, usage, memory)
        memory = written_memory(memory, writing, orders.erase, orders.add)
        links = linked(links, precedence, writing)
        precedence = (1 - writing.sum(dim=1, keepdim=True)) * precedence + writing
        reading = self.reading_weights(orders, reading, links, memory)
        return h, (reading @ memory).flatten(1), c, reading, writing, usage, precedence, links, memory

    def orders(self, h: Tensor) -> Orders:
        """Return what h (n, n_hidden) says to the heads."""
        parts = functional.linear(h, self.weight_heads, self.bias_heads).split(self.widths, dim=1)
        keys, strengths, write_key, write_strength, erase, add, free, by_allocation, gate, modes = parts
        return Orders(
            keys.unflatten(1, (self.n_heads, self.slot_size)),
            1 + functional.softplus(strengths)[..., None],
            write_key[:, None],
            1 + functional.softplus(write_strength)[..., None],
            torch.sigmoid(erase),
            add,
            torch.sigmoid(free)[..., None],
            torch.sigmoid(by_allocation),
            torch.sigmoid(gate),
            torch.softmax(modes.unflatten(1, (self.n_heads, 3)), dim=2),
        )

    def writing_weights(self, orders: Orders, usage: Tensor, memory: Tensor) -> Tensor:
        """Return where to write, (n, n_slots)."""
        by_content = content_weights(orders.write_key, orders.write_strength, memory)[:, 0]
        return orders.write_gate * torch.lerp(by_content, allocation(usage), orders.by_allocation)

    def reading_weights(self, orders: Orders, before: Tensor, links: Tensor, memory: Tensor) -> Tensor:
        """Return where each head reads, (n, R, n_slots)."""
        backward, content, forward = orders.modes.split(1, dim=2)
        by_content = content_weights(orders.read_keys, orders.read_strengths, memory)
        return backward * (before @ links) + content * by_content + forward * (before @ links.transpose(1, 2))

    def names(self) -> tuple[str, ...]:
        """Return the symbols of the reading heads."""
        return reading_heads(self.n_heads)

    def pictures(self, layer: SlotLayer, x: Tensor) -> Iterator[Step]:
        """Yield where the heads were at each step, which slots were in use, and what they hold at the end."""
        (reading, writing, usage), last = layer.walk(x, kept=(3, 4, 5))
        for k, head in enumerate(self.names()):
            yield focus(f"w_{head}", "Where the head is that reads", reading[0, :, k], "Forward, backward, by content.")
        yield focus("w_w", "Where the head is that writes", writing[0], "A slot that is free, or one found by content.")
        yield focus(
            "u", "Which slots are in use", usage[0], "What was written is in use until a free gate releases it."
        )
        yield last_slots(last[-1][0], x.shape[1])

    def trace(self, x: Tensor, state: State, at: Moment) -> Iterator[Step]:
        """Yield one step of one sequence: the controller, usage, writing, links, reading."""
        yield from self.controller.trace(x, state, at)
        batch = tuple(part[None] for part in state)
        now = tuple(part[0] for part in self.advance(self.controller.project(x)[None], batch))
        reading, writing, usage, precedence, links, memory = state[3:]
        orders = Orders(*(part[0] for part in self.orders(now[0][None])))
        yield self._trace_orders(at, now[0], orders)
        heads = {f"w_{head}({at.t - 1})": reading[k] for k, head in enumerate(self.names())}
        u, a, before = at.name("u"), at.name("alloc"), at.t - 1
        yield cell_step(
            "usage",
            f"Step {at.t}: which slots are in use",
            f"{u} = (u({before}) + w_w({before}) - u({before}) ⊙ w_w({before})) ⊙ Π_i (1 - f_i w_r_i({before}))",
            "{cell} = {value}",
            u,
            now[5],
            "What was written last is in use now; what was read and is not needed any more is free.",
            **{f"u({before})": usage, f"w_w({before})": writing, "f": orders.free[:, 0], **heads},
        )
        free = allocation(now[5][None])[0]
        yield cell_step(
            "allocation",
            f"Step {at.t}: free slots",
            f"{a}[φ(j)] = (1 - {u}[φ(j)]) Π_{{k<j}} {u}[φ(k)]",
            "{cell} = {value}",
            a,
            free,
            "The least used slot comes first; φ lists the slots by rising usage.",
            **{u: now[5]},
        )
        found = content_weights(orders.write_key[None], orders.write_strength[None], memory[None])[0, 0]
        yield from trace_content(at, "w", orders.write_key[0], orders.write_strength[0], memory, found, f"M({before})")
        yield cell_step(
            "writing weights",
            f"Step {at.t}: where to write",
            f"{at.name('w_w')} = g_w (g_a {a} + (1 - g_a) {at.name('c_w')})",
            "{cell} = " + f"{factor(float(orders.write_gate))} · (…)" + " = {value}",
            at.name("w_w"),
            now[4],
            "To a free slot, to one found by content, or, with g_w near 0, nowhere.",
            **{"g_w": orders.write_gate, "g_a": orders.by_allocation, a: free, at.name("c_w"): found},
        )
        yield from trace_write(at, at.name("w_w"), now[4], orders.erase, orders.add, memory)
        yield from self._trace_links(at, links, precedence, now)
        yield from self._trace_reading(at, orders, reading, now)

    def _trace_orders(self, at: Moment, h: Tensor, orders: Orders) -> Step:
        """Return all that the controller says to the heads, one number a line."""
        sums = functional.linear(h, self.weight_heads, self.bias_heads)
        values = plain(torch.cat([part.flatten() for part in orders]))
        names = ("k_r", "β_r", "k_w", "β_w", "e", "v", "f", "g_a", "g_w", "π")
        labels = tuple(f"{name}[{n + 1}]" for name, width in zip(names, self.widths, strict=True) for n in range(width))
        how = ("as it is", "1 + softplus", "as it is", "1 + softplus", "σ", "as it is", "σ", "σ", "σ", "softmax")
        through = [f for f, width in zip(how, self.widths, strict=True) for _ in range(width)]
        lines = zip(labels, plain(sums).tolist(), through, values.tolist(), strict=True)
        return Step(
            "orders",
            f"Step {at.t}: what the controller says to the heads",
            f"{at.name('ξ')} = W_ξ h({at.t}) + b_ξ, each number through its function",
            f"g_w = σ({written(float(sums[-3 * self.n_heads - 1]))}) = {written(float(orders.write_gate))}",
            at.name("ξ"),
            values,
            "Keys and their strengths, what to erase and to write, gates, and the shares of the three ways to read.",
            {f"h({at.t})": plain(h)},
            working=Working(("order", "sum", "through", "value"), tuple(lines)),
            labels=labels,
        )

    def _trace_links(self, at: Moment, links: Tensor, precedence: Tensor, now: State) -> Iterator[Step]:
        before, w = at.t - 1, at.name("w_w")
        yield cell_step(
            "links",
            f"Step {at.t}: in what order slots were written",
            f"{at.name('L')}[i, j] = (1 - w[i] - w[j]) L({before})[i, j] + w[i] p({before})[j], 0 for i = j",
            "{cell} = {value}",
            at.name("L"),
            now[7],
            "Near 1 where slot i was written right behind slot j.",
            **{f"L({before})": links, f"p({before})": precedence, w: now[4]},
        )
        yield cell_step(
            "precedence",
            f"Step {at.t}: where was written last",
            f"{at.name('p')} = (1 - Σ {w}) p({before}) + {w}",
            "{cell} = {value}",
            at.name("p"),
            now[6],
            "As far as something was written now, it takes the place of what was written before.",
            **{f"p({before})": precedence, w: now[4]},
        )

    def _trace_reading(self, at: Moment, orders: Orders, before: Tensor, now: State) -> Iterator[Step]:
        links, memory = now[7:]
        found = content_weights(orders.read_keys[None], orders.read_strengths[None], memory[None])[0]
        for k, head in enumerate(self.names()):
            M = at.name("M")
            yield from trace_content(at, head, orders.read_keys[k], orders.read_strengths[k], memory, found[k], M)
            L, was = at.name("L"), f"w_{head}({at.t - 1})"
            yield cell_step(
                "reading weights",
                f"Step {at.t}: backward, by content or forward",
                f"{at.name(f'w_{head}')} = π[1] {L}ᵀ {was} + π[2] {at.name(f'c_{head}')} + π[3] {L} {was}",
                "{cell} = {value}",
                at.name(f"w_{head}"),
                now[3][k],
                "Forward goes to the slot that was written next, backward to the one before.",
                **{"π": orders.modes[k], L: links, was: before[k], at.name(f"c_{head}"): found[k]},
            )
            read = now[1][k * self.slot_size : (k + 1) * self.slot_size]
            yield trace_read(at, head, now[3][k], memory, read, M)


@with_parameters
class DifferentiableNeuralComputer(SlotParameters, Remembering, Network):
    """Differentiable neural computer: a controller with a memory that knows which slots are free and their order.

    w = g_w (g_a a + (1 - g_a) C(M, k, β)), M ← M ⊙ (1 - w eᵀ) + w vᵀ, r = π₁ Lᵀ r + π₂ C(M, k, β) + π₃ L r. Rows are
    sequences: arrays (n, T, d) with ``lengths``, lists of arrays (T_i, d), or flat rows (n, T), one value a step. What
    stands behind the end of a row changes nothing. The features of a step are the controller's state and what was read.

    Parameters
    ----------
    n_slots : int, default 32
        Slots of the memory; the links between them cost its square a row and step.
    slot_size : int, default 16
        Numbers of a slot.
    Others: those of SlotParameters.

    Attributes
    ----------
    Others: those of SlotParameters.

    References
    ----------
    Graves et al., "Hybrid computing using a neural network with dynamic external memory", Nature 538, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from nnzoo import DifferentiableNeuralComputer
    >>> X = np.random.default_rng(0).normal(size=(80, 5, 1))
    >>> y = X[:, 0, 0] > 0
    >>> net = DifferentiableNeuralComputer(n_hidden=16, n_slots=6, slot_size=4, n_epochs=60, learning_rate=0.01)
    >>> net.set_params(random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    n_slots: int = 32
    slot_size: int = 16

    trains_in_bfloat16: ClassVar[bool] = False

    def make_layer(self, n_in: int) -> nn.Module:
        """Return the controller with its memory."""
        sizes = {"n_slots": self.n_slots, "slot_size": self.slot_size, "n_memory_heads": self.n_memory_heads}
        return SlotLayer(ComputerCell(n_in, self.n_hidden, **sizes))
