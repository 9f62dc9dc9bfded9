"""Attention, written out: what asks is compared with every step, and gets the mean of the steps weighed by the result.

    e_j = vᵀ tanh(W q + U h_j + b)                     additive (Bahdanau, Cho & Bengio 2014)
    e_j = (W q)·(U h_j) / √d                           scaled (Vaswani et al. 2017)
    α   = softmax(e over the steps that may be seen)
    c   = Σ_j α_j v_j

with q what asks, h_j the steps, d the width of the products, and v_j = h_j, or V h_j in the scaled form. One scaled
step with keys and values = stored patterns is the recall of a modern Hopfield network with β = 1/√d (Ramsauer et al.
2020). torch's fused kernel computes the scaled form without ever holding all weights; a test holds both equal.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nnzoo.networks.gates import plain
from nnzoo.networks.parts import initialize
from nnzoo.trace import MAX_SHOWN, Step, Working, written

ATTENTIONS = ("auto", "additive", "scaled")
REACH = 1024
"""Steps that a step sees at most, itself among them, where what is next is learned."""
MAX_LINES = 200
"""Of longer sequences only the last step is shown looking."""


def linear(n_in: int, n_out: int, *, bias: bool = True, init: str = "glorot") -> nn.Linear:
    """Return a dense layer with weights from one of the laws of :func:`nnzoo.networks.parts.initialize`."""
    layer = nn.Linear(n_in, n_out, bias=bias)
    initialize(layer, init)
    return layer


@dataclass(frozen=True)
class Sight:
    """Which steps may be seen by what asks.

    Attributes
    ----------
    mask : bool Tensor of shape (n, n_asking or 1, n_steps), or None
        True where a step may be seen.
    causal : bool
        Without a mask: the step that asks sees itself and what came before. Both count from the first step.
    """

    mask: Tensor | None = None
    causal: bool = False

    def matrix(self, scores: Tensor) -> Tensor | None:
        """Return the mask of scores (n, n_asking, n_steps) written out, or None where all is seen."""
        if self.mask is not None or not self.causal:
            return self.mask
        return torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()[None]


def look_back(n_asking: int, n_steps: int, device: torch.device) -> Sight:
    """Return the sight of the last ``n_asking`` of ``n_steps`` steps: each sees itself and what came before it.

    No step sees more than :data:`REACH` steps, so that neither time nor memory grows with the length of a series.
    """
    if n_asking == n_steps <= REACH:
        return Sight(causal=True)
    if n_asking == 1 and n_steps <= REACH:
        return Sight()
    ahead = n_steps - n_asking
    seen = torch.ones(n_asking, n_steps, dtype=torch.bool, device=device).tril(ahead).triu(ahead - REACH + 1)
    return Sight(seen[None])


def remember(past: Tensor | None, now: Tensor) -> Tensor:
    """Return (n, n_steps, d) of past and present steps together."""
    return now if past is None else torch.cat([past[:, 1 - REACH :], now], dim=1)


def n_remembered(past: Tensor | None) -> int:
    """Return how many past steps are still seen, beside present ones."""
    return 0 if past is None else min(past.shape[1], REACH - 1)


def weigh(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Return the softmax of scores (..., n_asking, n_steps) over the steps that may be seen; the others get 0."""
    return torch.softmax(scores if mask is None else scores.masked_fill(~mask, -torch.inf), dim=-1)


def scaled_weights(queries: Tensor, keys: Tensor, sight: Sight) -> Tensor:
    """Return softmax(Q Kᵀ / √d), which the fused kernel never shows, of (n, n_heads, n_asking and n_steps, d)."""
    scores = queries @ keys.transpose(-1, -2) / math.sqrt(queries.shape[-1])
    mask = sight.matrix(scores)
    return weigh(scores, None if mask is None else mask[:, None])


def attend(queries: Tensor, keys: Tensor, values: Tensor, sight: Sight) -> Tensor:
    """Return softmax(Q Kᵀ / √d) V by torch's fused kernel; all are (n, n_heads, n_steps, d)."""
    mask = None if sight.mask is None else sight.mask[:, None]
    return functional.scaled_dot_product_attention(queries, keys, values, mask, is_causal=sight.causal)


class AdditiveAttention(nn.Module):
    """e_j = vᵀ tanh(W q + U h_j + b); memory grows with n_asking x n_steps x n_hidden.

    Parameters
    ----------
    n_asking, n_told : int
        Width of what asks, and of the steps.
    n_hidden : int

    Attributes
    ----------
    n_out : int
        Width of what is answered: that of the steps.
    """

    def __init__(self, n_asking: int, n_told: int, n_hidden: int) -> None:
        super().__init__()
        self.asks = linear(n_asking, n_hidden, bias=False)
        self.told = linear(n_told, n_hidden)
        self.weighs = linear(n_hidden, 1, bias=False)
        self.n_out = n_told
        self.drawn = ("Y", "attention", "to all steps")

    def prepare(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return what every question needs of the steps (n, n_steps, n_told): U h + b, and the steps."""
        return self.told(h), h

    def ask(self, q: Tensor, prepared: tuple[Tensor, Tensor], sight: Sight) -> Tensor:
        """Return c (n, n_asking, n_out) of q (n, n_asking, width)."""
        told, h = prepared
        scores = self._scores(q, told)
        weights = weigh(scores, sight.matrix(scores))
        return weights @ h.to(weights.dtype)

    def weights(self, q: Tensor, h: Tensor, sight: Sight) -> Tensor:
        """Return α (n, n_asking, n_steps)."""
        scores = self._scores(q, self.told(h))
        return weigh(scores, sight.matrix(scores))

    def _scores(self, q: Tensor, told: Tensor) -> Tensor:
        return self.weighs(torch.tanh(self.asks(q)[:, :, None] + told[:, None]))[..., 0]

    def trace(self, q: Tensor, h: Tensor, names: tuple[str, str]) -> Iterator[Step]:
        """Yield the scores of one question (n_asking,) about all steps (n_steps, n_told), and what is answered.

        Parameters
        ----------
        names : pair of str
            Symbols of the question and of the steps.
        """
        asked, told = self.asks(q), self.told(h)
        scores = self._scores(q[None, None], told[None])[0, 0]
        j = int(scores.argmax())
        bent, v = plain(torch.tanh(asked + told[j])), plain(self.weighs.weight[0])
        rows = [
            (str(k + 1), float(asked[k]), float(told[j, k]), float(bent[k]), float(v[k]), float(bent[k] * v[k]))
            for k in range(len(v))
        ]
        yield Step(
            "additive scores",
            "How well each step answers the question",
            f"e[j] = v·tanh(W {names[0]} + U {names[1]}(j) + b)",
            f"e[{j + 1}] = {written(float(scores[j]))}, the sum of the last column below",
            "e",
            plain(scores),
            "A small network compares what asks with every step; the step with the largest score fits best.",
            {f"W {names[0]}": plain(asked), f"U {names[1]} + b": plain(told), "v": v}
            if told.numel() <= MAX_SHOWN
            else {f"W {names[0]}": plain(asked), f"U {names[1]}({j + 1}) + b": plain(told[j]), "v": v},
            (j,),
            Working(("unit", "W q", "U h + b", "tanh", "v", "v·tanh"), (*rows, ("sum", "", "", "", "", bent @ v))),
        )
        yield from _trace_answer(plain(scores), plain(h), names[1])


class ScaledAttention(nn.Module):
    """e_j = (W q)·(U h_j) / √d and v_j = V h_j, by torch's fused kernel.

    Parameters
    ----------
    n_asking, n_told : int
        Width of what asks, and of the steps.
    n_hidden : int
        Width d of the products, and of what is answered.
    """

    def __init__(self, n_asking: int, n_told: int, n_hidden: int) -> None:
        super().__init__()
        self.asks = linear(n_asking, n_hidden)
        self.told = linear(n_told, n_hidden)
        self.values = linear(n_told, n_hidden)
        self.n_out = n_hidden
        self.drawn = ("Y", "attention", "to all steps")

    def prepare(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return what every question needs of the steps (n, n_steps, n_told): U h and V h, each plus its bias."""
        return self.told(h), self.values(h)

    def ask(self, q: Tensor, prepared: tuple[Tensor, Tensor], sight: Sight) -> Tensor:
        """Return c (n, n_asking, n_out) of q (n, n_asking, width)."""
        told, values = prepared
        return attend(self.asks(q)[:, None], told[:, None], values[:, None], sight)[:, 0]

    def weights(self, q: Tensor, h: Tensor, sight: Sight) -> Tensor:
        """Return α (n, n_asking, n_steps)."""
        return scaled_weights(self.asks(q)[:, None], self.told(h)[:, None], sight)[:, 0]

    def trace(self, q: Tensor, h: Tensor, names: tuple[str, str]) -> Iterator[Step]:
        """Yield the scores of one question (n_asking,) about all steps (n_steps, n_told), and what is answered."""
        asked, told = self.asks(q), self.told(h)
        scores = told @ asked / math.sqrt(len(asked))
        j = int(scores.argmax())
        symbols = f"W {names[0]}", f"U {names[1]}"
        shown = {symbols[1]: plain(told)} if told.numel() <= MAX_SHOWN else {f"{symbols[1]}({j + 1})": plain(told[j])}
        yield Step(
            "scaled scores",
            "How well each step answers the question",
            f"e[j] = ({symbols[0]})·({symbols[1]}(j)) / √{len(asked)}",
            f"e[{j + 1}] = {written(float(asked @ told[j]))} / √{len(asked)} = {written(float(scores[j]))}",
            "e",
            plain(scores),
            "Both sides become vectors of the same width; their product is large where they point the same way.",
            {symbols[0]: plain(asked)} | shown,
            (j,),
        )
        yield from _trace_answer(plain(scores), plain(self.values(h)), f"V {names[1]}")


def trace_matrix(weights: Tensor, name: str, words: str) -> Step:
    """Return weights as a picture, (n_asking, n_steps) or (n_heads, n_asking, n_steps); of many steps the last line."""
    shares = plain(weights if weights.shape[-1] <= MAX_LINES else weights[..., -1:, :])
    cell = tuple(int(place) for place in np.unravel_index(int(shares.argmax()), shares.shape))
    places = ", ".join(str(place + 1) for place in cell)
    return Step(
        "attention",
        "Who looks at whom",
        f"{name}[t, j] = share of step j in what step t gets"
        if shares.ndim == 2
        else f"{name}[head, t, j] = share of step j in what step t gets",
        f"{name}[{places}] = {written(shares[cell])}; the shares of a line add up to 1",
        name,
        shares,
        words,
        {},
        cell,
    )


def _trace_answer(scores: np.ndarray, values: np.ndarray, symbol: str) -> Iterator[Step]:
    powers = np.exp(scores - scores.max())
    shares = powers / powers.sum()
    j = int(shares.argmax())
    yield Step(
        "attention shares",
        "Scores become shares",
        "α[j] = e^e[j] / Σ e^e[i]",
        f"α[{j + 1}] = {written(powers[j])} / {written(powers.sum())} = {written(shares[j])}, each power over e^max",
        "α",
        shares,
        "All shares are above 0 and add up to 1: this is where the network looks.",
        {"e": scores},
        (j,),
    )
    context = shares @ values
    k = int(np.abs(context).argmax())
    shown = {symbol: values} if values.size <= MAX_SHOWN else {f"column {k + 1} of {symbol}": values[:, k]}
    rows = [
        (str(j + 1), float(a), float(v), float(a * v))
        for j, (a, v) in enumerate(zip(shares, values[:, k], strict=True))
    ]
    yield Step(
        "context",
        "The mean of the steps, by their shares",
        f"c = Σ_j α[j] {symbol}(j)",
        f"c[{k + 1}] = {written(context[k])}, the sum of the last column below",
        "c",
        context,
        "What was looked at most counts most; the rest of the network sees this one vector of the whole sequence.",
        {"α": shares} | shown,
        (k,),
        Working(("step", "α", "value", "α·value"), tuple(rows)) if len(rows) <= MAX_SHOWN // 4 else None,
    )
