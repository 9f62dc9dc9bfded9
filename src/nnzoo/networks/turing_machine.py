"""NTM: the neural Turing machine, a controller with heads that read and write slots of a memory, by content or in turn.

Each head of step t comes from the controller's h(t) and goes through four stages:

    w_c = softmax(β cos(k, M(i)))          by content: slots that resemble the key k, β its strength
    w_g = g w_c + (1 - g) w(t-1)           gate g: by content, or where the head was
    w̃   = w_g ⊛ s                          shift s: on by -shift_range ... shift_range slots, the last next to the first
    w   = w̃^γ / Σ w̃^γ                      sharpening γ ≥ 1
    r(t) = wᵀ M(t-1)                       a head that reads
    M(t) = M(t-1) ⊙ (1 - w eᵀ) + w aᵀ      the head that writes: erase e, then add a

All heads see M(t-1); every head starts on the first slot, and before any training most of it moves on by one slot a
step. A network that begins so learns more often to copy by places, which holds for longer sequences, and less often to
keep short ones in its controller. The paper leaves open how memory and heads begin and in what order heads work; the
constant memory is the stable start of Collier & Beel 2018. The chart draws a feed-forward controller.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from nnzoo.checks import OneOf, Range, Whole
from nnzoo.errors import UsageError
from nnzoo.estimator import Network
from nnzoo.networks.gates import Moment, plain
from nnzoo.networks.memory import State
from nnzoo.networks.parameters import SlotParameters, with_parameters
from nnzoo.networks.remembering import Remembering
from nnzoo.networks.slots import (
    CONTROLLERS,
    Controller,
    SlotLayer,
    cell_step,
    content_weights,
    focus,
    head_gate,
    last_slots,
    reading_heads,
    trace_content,
    trace_read,
    trace_write,
    written_memory,
)
from nnzoo.trace import Step, Working, written

MEMORY_STARTS = ("constant", "learned", "random")
START_VALUE, START_DEVIATION = 1e-6, 0.5
START_SHIFT = 2.0
"""The sum behind s(+1) before training, the others being near 0."""


def shifted(weights: Tensor, shift: Tensor) -> Tensor:
    """Return w ⊛ s: weights (n, k, n_slots) moved on by -S ... S slots in the shares s (n, k, 2 S + 1)."""
    n_slots, reach = weights.shape[2], shift.shape[2] // 2
    around = torch.cat([weights[..., -reach:], weights, weights[..., :reach]], dim=2) if reach else weights
    moved = around[..., 2 * reach : 2 * reach + n_slots] * shift[..., :1]
    for place in range(1, 2 * reach + 1):
        start = 2 * reach - place
        moved = torch.addcmul(moved, around[..., start : start + n_slots], shift[..., place : place + 1])
    return moved


def sharpened(weights: Tensor, power: Tensor) -> Tensor:
    """Return w^γ / Σ w^γ, by logarithms: where all powers are too small for a number their shares are still right."""
    tiny = torch.finfo(weights.dtype).tiny
    return torch.softmax(power * weights.clamp(min=tiny).log(), dim=2)


class TuringCell(nn.Module):
    """The equations of one step; the states are h, r, c, the heads' weights (n, k, n_slots) and the memory.

    Parameters
    ----------
    n_in, n_hidden : int
    controller : "lstm" or "feedforward"
    n_slots, slot_size, n_memory_heads, shift_range : int
    memory_init : "constant", "learned" or "random"
    """

    letter = "H"

    def __init__(
        self,
        n_in: int,
        n_hidden: int,
        *,
        controller: str = "lstm",
        n_slots: int = 128,
        slot_size: int = 20,
        n_memory_heads: int = 1,
        shift_range: int = 1,
        memory_init: str = "constant",
    ) -> None:
        super().__init__()
        self.n_slots, self.slot_size = n_slots, slot_size
        self.n_heads = n_memory_heads + 1
        self.controller = Controller(n_in, n_hidden, n_memory_heads * slot_size, controller)
        self.widths = slot_size, 1, 1, 2 * shift_range + 1, 1
        n_numbers = self.n_heads * sum(self.widths) + 2 * slot_size
        self.weight_heads = nn.Parameter(torch.empty(n_numbers, n_hidden))
        self.bias_heads = nn.Parameter(torch.zeros(n_numbers))
        nn.init.xavier_uniform_(self.weight_heads)
        if shift_range:
            addressing = self.bias_heads.detach()[: self.n_heads * sum(self.widths)].unflatten(0, (self.n_heads, -1))
            addressing[:, slot_size + 2 + shift_range + 1] = START_SHIFT
        self.memory_start: Tensor | None = None
        if memory_init != "constant":
            first = torch.empty(n_slots, slot_size)
            nn.init.trunc_normal_(first, std=START_DEVIATION)
            if memory_init == "learned":
                self.memory_start = nn.Parameter(first)
            else:
                del self.memory_start
                self.register_buffer("memory_start", first)

    def start(self, x: Tensor) -> State:
        """Return the states before the first step of rows x (n, ...)."""
        weights = x.new_zeros(len(x), self.n_heads, self.n_slots)
        weights[:, :, 0] = 1
        if self.memory_start is None:
            memory = x.new_full((len(x), self.n_slots, self.slot_size), START_VALUE)
        else:
            memory = self.memory_start.expand(len(x), -1, -1)
        return *self.controller.start(x), weights, memory

    def advance(self, sums: Tensor, state: State) -> State:
        """Return the states after a step."""
        h, r, c, weights, memory = state
        h, c = self.controller.advance(sums, h, r, c)
        heads, erase, add = self.heads(h)
        weights = self.stages(heads, weights, memory)[-1]
        r = (weights[:, :-1] @ memory).flatten(1)
        return h, r, c, weights, written_memory(memory, weights[:, -1], erase, add)

    def heads(self, h: Tensor) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """Return k, β, g, s, γ of every head, the writing one last, each (n, n_heads, ...), and erase and add."""
        numbers = functional.linear(h, self.weight_heads, self.bias_heads)
        addressing, erase, add = numbers.split(
            [numbers.shape[1] - 2 * self.slot_size, self.slot_size, self.slot_size], dim=1
        )
        key, strength, gate, shift, power = addressing.unflatten(1, (self.n_heads, -1)).split(self.widths, dim=2)
        heads = (
            torch.tanh(key),
            functional.softplus(strength),
            torch.sigmoid(gate),
            torch.softmax(shift, dim=2),
            1 + functional.softplus(power),
        )
        return heads, torch.sigmoid(erase), torch.tanh(add)

    def stages(self, heads: Sequence[Tensor], before: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the weights (n, n_heads, n_slots) by content, behind the gate, shifted and sharpened."""
        key, strength, gate, shift, power = heads
        by_content = content_weights(key, strength, memory)
        gated = torch.lerp(before, by_content, gate)
        moved = shifted(gated, shift)
        return by_content, gated, moved, sharpened(moved, power)

    def names(self) -> tuple[str, ...]:
        """Return the symbols of the heads: those that read, then the one that writes."""
        return *reading_heads(self.n_heads - 1), "w"

    def pictures(self, layer: SlotLayer, x: Tensor) -> Iterator[Step]:
        """Yield where the heads were at each step, and what the slots hold at the end."""
        (weights,), last = layer.walk(x, kept=(3,))
        for k, head in enumerate(self.names()):
            reads = head != "w"
            yield focus(
                f"w_{head}",
                f"Where the head is that {'reads' if reads else 'writes'}",
                weights[0, :, k],
                "A head that goes on by one slot a step draws a diagonal; one that finds by content jumps.",
            )
        yield last_slots(last[-1][0], x.shape[1])

    def trace(self, x: Tensor, state: State, at: Moment) -> Iterator[Step]:
        """Yield one step of one sequence: the controller, each head stage by stage, reading, writing."""
        before, memory = state[3:]
        yield from self.controller.trace(x, state, at)
        h = self.controller.advance(self.controller.project(x), *state[:3])[0]
        heads, erase, add = self.heads(h[None])
        stages = self.stages(heads, before[None], memory[None])
        M_before = f"M({at.t - 1})"
        for k, head in enumerate(self.names()):
            own = [part[0, k] for part in heads]
            yield self._trace_sums(at, h, f"k_{head}", k * sum(self.widths), own[0], "key: what a slot should hold.")
            yield self._trace_settings(at, h, head, k, own)
            yield from trace_content(at, head, own[0], own[1], memory, stages[0][0, k], M_before)
            yield from _trace_places(at, head, own, before[k], [stage[0, k] for stage in stages])
            if head != "w":
                w = stages[-1][0, k]
                yield trace_read(at, head, w, memory, (w[None] @ memory)[0], M_before)
        first = self.n_heads * sum(self.widths)
        words = "erase: which numbers of a slot are forgotten, from 0 to 1."
        yield self._trace_sums(at, h, "e", first, erase[0], words, squash="sigmoid")
        yield self._trace_sums(at, h, "a", first + self.slot_size, add[0], "add: what is added to a slot.")
        yield from trace_write(at, at.name("w_w"), stages[-1][0, -1], erase[0], add[0], memory)

    def _trace_sums(
        self, at: Moment, h: Tensor, symbol: str, first: int, values: Tensor, words: str, squash: str = "tanh"
    ) -> Step:
        rows = slice(first, first + self.slot_size)
        given = {f"h({at.t})": h}
        return head_gate(
            at, symbol, squash, words, values, {f"W_{symbol}": self.weight_heads[rows]}, given, self.bias_heads[rows]
        )

    def _trace_settings(self, at: Moment, h: Tensor, head: str, k: int, own: Sequence[Tensor]) -> Step:
        """Return β, g, s and γ of a head, each from its own sum."""
        first = k * sum(self.widths) + self.slot_size
        rows = slice(first, (k + 1) * sum(self.widths))
        W, b = self.weight_heads[rows], self.bias_heads[rows]
        sums, values = plain(functional.linear(h, W, b)), plain(torch.cat(list(own[1:])))
        reach = self.widths[3] // 2
        labels = ("β", "g", *(f"s({j:+d})" for j in range(-reach, reach + 1)), "γ")
        how = ("softplus", "σ", *["softmax"] * self.widths[3], "1 + softplus")
        lines = tuple((label, float(z), f, float(v)) for label, z, f, v in zip(labels, sums, how, values, strict=True))
        name = at.name(f"settings_{head}")
        return Step(
            "settings",
            f"Step {at.t}: how the head {head} moves",
            "β = softplus(w_β·h + b), g = σ(w_g·h + b), s = softmax(W_s h + b), γ = 1 + softplus(w_γ·h + b)",
            f"β = softplus({written(sums[0])}) = {written(values[0])}",
            name,
            values,
            "Strength of the key, gate between content and the place before, shares of the shifts, sharpening.",
            {f"h({at.t})": plain(h), "W": plain(W), "b": plain(b)},
            working=Working(("setting", "sum", "through", "value"), lines),
            labels=labels,
        )


def _trace_places(
    at: Moment, head: str, own: Sequence[Tensor], before: Tensor, stages: Sequence[Tensor]
) -> Iterator[Step]:
    """Yield the gate between content and place, the shift and the sharpening of one head."""
    _, _, gate, shift, power = own
    by_content, gated, moved, sharp = stages
    c_name, g_name, m_name, w_name = (at.name(f"{symbol}_{head}") for symbol in ("c", "w_g", "w̃", "w"))
    w_before = f"w_{head}({at.t - 1})"
    yield cell_step(
        "interpolation",
        f"Step {at.t}: by content, or where the head was",
        f"{g_name} = g {c_name} + (1 - g) {w_before}",
        "{cell} = {value}",
        g_name,
        gated,
        "At g = 1 the head goes where the key says, at g = 0 it stays where it was.",
        **{"g": gate, c_name: by_content, w_before: before},
    )
    yield cell_step(
        "shift",
        f"Step {at.t}: on to the neighbours",
        f"{m_name}[i] = Σ_j {g_name}[i - j] s(j)",
        "{cell} = {value}",
        m_name,
        moved,
        "The shares s say how far the head moves on; the last slot stands next to the first.",
        **{g_name: gated, "s": shift},
    )
    yield cell_step(
        "sharpening",
        f"Step {at.t}: sharpened",
        f"{w_name} = {m_name}^γ / Σ {m_name}^γ",
        "{cell} = {value}",
        w_name,
        sharp,
        "Shifting blurs; the power γ takes the blur away.",
        **{m_name: moved, "γ": power},
    )


@with_parameters
class NeuralTuringMachine(SlotParameters, Remembering, Network):
    """Neural Turing machine: a controller that reads and writes the slots of a memory.

    w = (g softmax(β cos(k, M(i))) + (1 - g) w(t-1)) ⊛ s, sharpened by γ; r = wᵀ M; M ← M ⊙ (1 - w eᵀ) + w aᵀ. Rows are
    sequences: arrays (n, T, d) with ``lengths``, lists of arrays (T_i, d), or flat rows (n, T), one value a step. What
    stands behind the end of a row changes nothing. The features of a step are the controller's state and what was read.

    Parameters
    ----------
    controller : "lstm" or "feedforward", default "lstm"
    n_slots : int, default 128
        Slots of the memory, from ``2 shift_range + 1``.
    shift_range : int, default 1
        How many slots a head moves on at most in a step, in either direction.
    memory_init : "constant", "learned" or "random", default "constant"
        What the slots hold at first: 1e-6 everywhere, trained numbers, or numbers drawn once.
    Others: those of SlotParameters.

    Attributes
    ----------
    Others: those of SlotParameters.

    References
    ----------
    Graves, Wayne & Danihelka, "Neural Turing machines", arXiv:1410.5401, 2014. Collier & Beel, "Implementing neural
    Turing machines", ICANN 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from nnzoo import NeuralTuringMachine
    >>> X = np.random.default_rng(0).normal(size=(80, 5, 1))
    >>> y = X[:, 0, 0] > 0
    >>> net = NeuralTuringMachine(n_hidden=16, n_slots=8, slot_size=4, n_epochs=40, learning_rate=0.01, random_state=0)
    >>> net.fit(X, y).score(X, y) > 0.9
    True
    """

    controller: str = "lstm"
    shift_range: int = 1
    memory_init: str = "constant"

    trains_in_bfloat16: ClassVar[bool] = False
    ranges: ClassVar[Mapping[str, Range]] = {
        **SlotParameters.ranges,
        "controller": OneOf(CONTROLLERS),
        "shift_range": Whole(0, 1_000),
        "memory_init": OneOf(MEMORY_STARTS),
    }

    def make_layer(self, n_in: int) -> nn.Module:
        """Return the controller with its memory."""
        if self.n_slots < 2 * self.shift_range + 1:
            raise UsageError(
                f"NeuralTuringMachine needs n_slots of at least 2 shift_range + 1 = {2 * self.shift_range + 1}; "
                f"got {self.n_slots}.",
                "Pass more slots, or a smaller shift_range.",
            )
        return SlotLayer(
            TuringCell(
                n_in,
                self.n_hidden,
                controller=self.controller,
                n_slots=self.n_slots,
                slot_size=self.slot_size,
                n_memory_heads=self.n_memory_heads,
                shift_range=self.shift_range,
                memory_init=self.memory_init,
            )
        )
