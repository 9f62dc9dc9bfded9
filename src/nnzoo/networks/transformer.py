"""The Transformer's layers: attention of all steps to all steps, then two dense layers at every step.

    x ← x + W_o [head_1; ...; head_H] + b_o,  head = softmax(Q Kᵀ / √d) V,  Q, K, V linear in n(x)
    x ← x + W_2 max(0, W_1 n(x) + b_1) + b_2

with n the layer normalisation. Source: Vaswani et al. 2017; as in most of today's, the normalisation stands before each
part and once at the end (Xiong et al. 2020), not behind the sum. Attention alone knows no order: it comes from sines
p(t, 2i) = sin(t / 10000^(2i/D)), p(t, 2i+1) = cos(same) or from trained vectors, added to the steps, or from turning
queries and keys by angles that grow with t (rotary, Su et al. 2021).
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo import opsteps
from nnzoo.networks.attending import Sight, attend, linear, remember, scaled_weights, trace_matrix
from nnzoo.networks.gates import plain
from nnzoo.networks.memory import State
from nnzoo.networks.parts import Dropout, draw_normal
from nnzoo.trace import MAX_SHOWN, Step, cell_name, largest, sum_of_products, written
from nnzoo.tracing import Names

POSITIONS = ("sinusoidal", "learned", "rotary", "none")
SLOWEST = 10_000.0
"""The longest wave of positions is 2π times as many steps."""
N_LEARNED = 1024
"""Trained positions; steps behind them share the last one."""
WIDER = 4
"""The dense layers between are so many times as wide."""


def angles(first: int, n_steps: int, width: int, like: Tensor) -> Tensor:
    """Return t / 10000^(2i/width) for the steps t from ``first`` on, (n_steps, width / 2)."""
    dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
    steps = torch.arange(first, first + n_steps, device=like.device, dtype=dtype)
    slowing = SLOWEST ** (-torch.arange(0, width, 2, device=like.device, dtype=dtype) / width)
    return steps[:, None] * slowing


class Positions(nn.Module):
    """Add the place of each step to it: sines, trained vectors, or nothing.

    Parameters
    ----------
    kind : "sinusoidal", "learned", "rotary" or "none"
    width : int
    """

    def __init__(self, kind: str, width: int) -> None:
        super().__init__()
        self.kind = kind
        self.learned = nn.Embedding(N_LEARNED, width) if kind == "learned" else None
        self.drawn = ("H", "positions", "") if self.learned is not None else None
        self.n_out = width
        if self.learned is not None:
            draw_normal(self.learned.weight, std=0.1)

    def at(self, first: int, h: Tensor) -> Tensor | None:
        """Return what is added to steps (n, n_steps, width) that begin with number ``first``; None for nothing."""
        n_steps, width = h.shape[1:]
        if self.learned is not None:
            return self.learned(torch.arange(first, first + n_steps, device=h.device).clamp(max=N_LEARNED - 1))
        if self.kind != "sinusoidal":
            return None
        waves = angles(first, n_steps, width, h)
        return torch.stack([waves.sin(), waves.cos()], dim=2).flatten(1).to(h.dtype)

    def forward(self, h: Tensor, first: int) -> Tensor:
        """Return h with positions."""
        added = self.at(first, h)
        return h if added is None else h + added


def turned(x: Tensor, first: int) -> Tensor:
    """Return queries or keys (n, n_heads, n_steps, d), each pair of their numbers turned by an angle of its place."""
    waves = angles(first, x.shape[2], x.shape[3], x)
    sin, cos = waves.sin().to(x.dtype), waves.cos().to(x.dtype)
    a, b = x.chunk(2, dim=3)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=3)


class SelfAttention(nn.Module):
    """Every step asks all steps, with several heads that look for different things.

    Parameters
    ----------
    width, n_heads : int
    rotary : bool
    """

    def __init__(self, width: int, n_heads: int, *, rotary: bool) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.rotary = rotary
        self.drawn = ("Y", "attention", "of all steps to all steps")
        self.n_out = width
        self.qkv = linear(width, 3 * width)
        self.out = linear(width, width)

    def project(self, x: Tensor, past: State | None, first: int) -> tuple[Tensor, Tensor, Tensor, State]:
        """Return queries, keys and values (n, n_heads, n_steps, d), and keys and values (n, n_steps, width) to keep."""
        q, k, v = self.qkv(x).chunk(3, dim=2)
        if self.rotary:
            q, k = (self._merge(turned(self._split(each), first)) for each in (q, k))
        keys, values = (remember(None if past is None else past[n], each) for n, each in enumerate((k, v)))
        return self._split(q), self._split(keys), self._split(values), (keys, values)

    def forward(self, x: Tensor, sight: Sight, past: State | None = None, first: int = 0) -> tuple[Tensor, State]:
        """Return what each step of (n, n_steps, width) gets, and the keys and values to keep."""
        q, k, v, kept = self.project(x, past, first)
        return self.out(self._merge(attend(q, k, v, sight))), kept

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.n_heads, -1)).transpose(1, 2)

    @staticmethod
    def _merge(x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)


class Block(nn.Module):
    """Attention, then two dense layers, each added to what came in.

    Parameters
    ----------
    width, n_heads : int
    dropout : float
        Of what is added.
    rotary : bool
    """

    def __init__(self, width: int, n_heads: int, *, dropout: float, rotary: bool) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = SelfAttention(width, n_heads, rotary=rotary)
        self.norm_dense = nn.LayerNorm(width)
        self.wide = linear(width, WIDER * width, init="he")
        self.narrow = linear(WIDER * width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, sight: Sight, past: State | None, first: int) -> tuple[Tensor, State]:
        """Return (n, n_steps, width), and the keys and values to keep."""
        answer, kept = self.attention(self.norm_attention(x), sight, past, first)
        x = x + self.dropout(answer)
        return x + self.dropout(self.narrow(torch.relu(self.wide(self.norm_dense(x))))), kept

    def trace(self, x: Tensor, sight: Sight, number: int, names: Names) -> Iterator[Step]:
        """Yield how the last step of one sequence (1, n_steps, width) is changed by this block."""
        normal = self.norm_attention(x)
        q, k, _, _ = self.attention.project(normal, None, 0)
        yield trace_matrix(
            scaled_weights(q, k, sight)[0],
            f"A{number}",
            f"Layer {number}: each of {self.attention.n_heads} heads is a picture, a line for each step that looks.",
        )
        answer, _ = self.attention(normal, sight)
        between = x + answer
        symbol, shifted = f"x{number}", f"x{number}'"
        yield _added(
            "added attention",
            "What the heads found is added",
            f"{shifted}(t) = {names.last}(t) + W_o [heads of A{number}] + b_o",
            {f"{names.last}(T)": plain(x[0, -1]), "W_o [heads] + b_o": plain(answer[0, -1])},
            shifted,
            plain(between[0]),
        )
        normal = self.norm_dense(between)[0, -1]
        bent = torch.relu(self.wide(normal))
        change, result = plain(self.narrow(bent)), self(x, sight, None, 0)[0]
        cell = largest(change)
        weight, bias = plain(self.narrow.weight), plain(self.narrow.bias)
        yield Step(
            "dense in between",
            "Two dense layers, at every step by itself",
            f"z{number} = W2 max(0, W1 n({shifted}(T)) + b1) + b2",
            f"{cell_name(f'z{number}', cell)} = "
            f"{sum_of_products(weight[cell[0]], plain(bent), float(bias[cell]))} = {written(change[cell])}",
            f"z{number}",
            change,
            "What was gathered from other steps is worked on.",
            {"max(0, W1 n + b1)": plain(bent), f"W2[{cell[0] + 1}]": weight[cell[0]], "b2": bias},
            cell,
        )
        yield _added(
            "added dense",
            "and added, too",
            f"{symbol}(t) = {shifted}(t) + z{number}(t)",
            {f"{shifted}(T)": plain(between[0, -1]), f"z{number}": change},
            symbol,
            plain(result[0]),
        )
        names.last = symbol


class Transformer(nn.Module):
    """Steps to steps of the model's width, which know of one another.

    Parameters
    ----------
    n_in, width, n_layers, n_heads : int
        ``n_heads`` divides half the width.
    dropout : float
    positions : "sinusoidal", "learned", "rotary" or "none"
    """

    def __init__(
        self, n_in: int, width: int, *, n_layers: int, n_heads: int, dropout: float = 0.0, positions: str = "sinusoidal"
    ) -> None:
        super().__init__()
        self.enter = linear(n_in, width)
        self.positions = Positions(positions, width)
        rotary = positions == "rotary"
        self.blocks = nn.ModuleList([Block(width, n_heads, dropout=dropout, rotary=rotary) for _ in range(n_layers)])
        self.norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(
        self, x: Tensor, sight: Sight, past: tuple[State, ...] | None = None, first: int = 0
    ) -> tuple[Tensor, tuple[State, ...]]:
        """Return (n, n_steps, width), and the keys and values of each layer for the steps that follow.

        Parameters
        ----------
        x : Tensor of shape (n, n_steps, n_in)
        sight : Sight
            Of these steps over past and present ones.
        past : tuple of State, optional
            Keys and values of the steps before.
        first : int
            Number of the first of these steps.
        """
        h = self.dropout(self.positions(self.enter(x), first))
        kept = []
        for number, block in enumerate(self.blocks):
            h, state = block(h, sight, None if past is None else past[number], first)
            kept.append(state)
        return self.norm(h), tuple(kept)

    def trace(self, x: Tensor, sight: Sight, names: Names) -> Iterator[Step]:
        """Yield how one sequence (1, n_steps, n_in) is read: steps, places, layer by layer, the last normalisation."""
        h = self.enter(x)
        before, name = names.next("z", new_layer=True)
        z = plain(h[0])
        t, k = len(z) - 1, int(np.abs(z[-1]).argmax())
        weight, bias, last = plain(self.enter.weight), plain(self.enter.bias), plain(x[0, -1])
        yield Step(
            "steps widened",
            "Every step becomes a vector of the model's width",
            f"{name}(t) = W {before}(t) + b",
            f"{cell_name(name, (t, k))} = {sum_of_products(weight[k], last, float(bias[k]))} = {written(z[t, k])}",
            name,
            z,
            "A line is a step; the same weights serve all of them.",
            {f"{before}({t + 1})": last, f"W[{k + 1}]": weight[k], "b": bias},
            (t, k),
        )
        added = self.positions.at(0, h)
        if added is not None:
            h = h + added
            yield _added(
                "positions",
                "Where each step stands",
                f"x0(t) = {name}(t) + p(t)",
                {f"{name}({t + 1})": z[-1], f"p({t + 1})": plain(added[-1])},
                "x0",
                plain(h[0]),
            )
            names.last = "x0"
        for number, block in enumerate(self.blocks, start=1):
            yield from block.trace(h, sight, number, names)  # pyright: ignore[reportCallIssue]
            h = block(h, sight, None, 0)[0]
        end = f"{names.last}(T)"
        affine = [plain(self.norm.weight), plain(self.norm.bias)]
        normal = plain(self.norm(h)[0, -1])
        names.number = len(self.blocks)
        names.last = f"n{names.number}(T)"
        yield opsteps.layer_normalization(plain(h[0, -1]), affine, self.norm.eps, normal, (end, names.last))


def _added(op: str, title: str, formula: str, parts: dict[str, np.ndarray], name: str, result: np.ndarray) -> Step:
    """Return a sum of two vectors, worked out for the last step; the result is that of all steps."""
    (first, second), k = parts.values(), int(np.abs(result[-1]).argmax())
    return Step(
        op,
        title,
        formula,
        f"{cell_name(name, (len(result) - 1, k))} = {written(first[k])} + {written(second[k])} = "
        f"{written(result[-1, k])}",
        name,
        result if result.size <= 4 * MAX_SHOWN else result[-1:],
        "What came in goes on unchanged, and something is added: gradients pass through the sum undiminished.",
        parts,
        (len(result) - 1, k) if result.size <= 4 * MAX_SHOWN else (0, k),
    )
