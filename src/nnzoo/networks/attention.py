"""Attention network: whatever has to be said looks at all steps of the sequence and chooses what it needs.

body="recurrent", that of the chart, with h_j the states of GRUs that read from both ends (Bahdanau, Cho & Bengio 2014):

    e_j = vᵀ tanh(W q + U h_j + b),  α = softmax(e),  c = Σ_j α_j h_j,  features = [c; q]

What asks, q, is the last state of both directions (output="sequence"), or the state h_t of the step (as Luong et al.
2015, "step" and "next"). output="generated" is the paper's decoder, with y what was said last and s its state:

    c_i = Σ_j α_ij h_j with q = s_(i-1),  s_i = GRU(s_(i-1), [y_(i-1); c_i]),  features = [c_i; s_i; y_(i-1)]

The papers bend these features once more (maxout, tanh) before the last layer; here a tanh saturates while the last
layer learns how often each class occurs, and learns nothing after that.

body="transformer" has no recurrence: its layers, in transformer.py, are attention of all steps to all steps (Vaswani et
al. 2017). What is next is learned by looking back only. To generate, it reads the question, a border and the answer as
one sequence whose answer looks back only (a prefix language model, Liu et al. 2018), where the paper has two stacks.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nnzoo.checks import OneOf, Range, Real, Whole
from nnzoo.engine.steps import Steps
from nnzoo.errors import UsageError
from nnzoo.estimator import Network
from nnzoo.inputs import Inputs
from nnzoo.networks.answering import OUTPUTS, Answering, split_at
from nnzoo.networks.attending import (
    ATTENTIONS,
    REACH,
    AdditiveAttention,
    ScaledAttention,
    Sight,
    linear,
    look_back,
    remember,
    trace_matrix,
)
from nnzoo.networks.attending_bodies import AttendingBody, TransformerBody, embed, sight_of
from nnzoo.networks.gated_cell import GRUCell
from nnzoo.networks.gates import plain
from nnzoo.networks.memory import Carried, Fused, RecurrentBody, draw_recurrent
from nnzoo.networks.parameters import SequenceParameters, with_parameters
from nnzoo.networks.parts import Dropout, TableInput
from nnzoo.networks.transformer import POSITIONS, Transformer
from nnzoo.trace import Step, largest, written
from nnzoo.tracing import Names

BODIES = ("recurrent", "transformer")


class RecurrentAttentionBody(AttendingBody):
    """GRUs over the sequence, attention to their states.

    Parameters
    ----------
    table : TableInput
    output, border
        As of :class:`AttendingBody`.
    n_hidden, n_layers : int
        Units of a layer in each direction, and layers.
    attention : class of attention
    dropout : float
    """

    def __init__(
        self,
        table: TableInput,
        output: str,
        border: int,
        *,
        n_hidden: int,
        n_layers: int,
        attention: type[AdditiveAttention] | type[ScaledAttention],
        dropout: float,
    ) -> None:
        super().__init__(output, border)
        self.encoder = RecurrentBody(
            table,
            partial(_make_layer, n_hidden=n_hidden),
            n_layers=n_layers,
            bidirectional=self.bidirectional,
            dropout=dropout,
            per_step=True,
        )
        n_told = self.encoder.n_out
        if output == "generated":
            self.decoder = Decoder(table.n_out, n_told, n_hidden, attention)
            self.n_out = self.decoder.n_out
        else:
            self.attention = attention(n_told, n_told, n_hidden)
            self.n_out = self.attention.n_out + n_told
        self.dropout = Dropout(dropout)

    def advance(self, x: Steps, carried: Carried | None = None) -> tuple[Tensor, Carried]:
        """Return outputs (n, longest, n_out), or (n, 1, n_out) of whole sequences, and what goes on."""
        if self.output == "generated":
            return self.begin(x)
        before = None
        if carried is not None:
            *layers, (_, pooled) = carried.layers
            before = Carried(tuple(layers), pooled, carried.n_steps)
        h, read = self.encoder.advance(x, before)
        n_steps = read.n_steps if carried is None else read.n_steps + carried.n_steps
        if self.bidirectional:
            pooled = self._look(read.pooled[:, None], h, sight_of(x))
            outputs = self._look(h, h, sight_of(x)) if self.per_step else pooled
            return outputs, Carried((*read.layers, (h, read.pooled)), pooled[:, 0], n_steps)
        told = remember(None if carried is None else carried.layers[-1][0], h)
        outputs = self._look(h, told, look_back(h.shape[1], told.shape[1], h.device))
        return outputs, Carried((*read.layers, (told, read.pooled)), self.last(outputs, x, carried), n_steps)

    def answer(self, question: Steps, said: Steps) -> Tensor:
        """Return features of what was said."""
        h, read = self.encoder.advance(question)
        outputs = self.decoder(h, sight_of(question), read.pooled, embed(said, self.encoder.table))
        return self.dropout(self.flat(outputs, said))

    def _look(self, q: Tensor, told: Tensor, sight: Sight) -> Tensor:
        """Return [c; q]."""
        c = self.attention.ask(q, self.attention.prepare(told), sight)
        return self.dropout(torch.cat([c, q.to(c.dtype)], dim=2))

    def trace(self, x: Steps, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield how one sequence is read, who asks, where it looks, and what comes of it."""
        if self.output == "generated":
            yield from self._trace_answer(*split_at(x, self.border), names)
            return
        yield from self.encoder.trace(x, output, names, brief=True)
        h, read = self.encoder.advance(x)
        if self.per_step:
            if x.longest <= REACH:
                sight = sight_of(x) if self.bidirectional else Sight(causal=True)
                words = "Each line is a step that asks; where it is coloured, there it looks."
                yield trace_matrix(self.attention.weights(h, h, sight)[0], "A", words)
            told = h[0] if self.bidirectional else h[0, -REACH:]
            q = h[0, -1]
        else:
            names.last = f"h{len(self.encoder.forward_layers)}"
            yield self.encoder.trace_summary(plain(h[0]), plain(read.pooled[0]), names)
            told, q = h[0], read.pooled[0]
        asks, number = names.last, names.number
        yield from self.attention.trace(q, told, (asks, f"h{number}"))
        names.last = f"[c; {asks}]"

    def _trace_answer(self, question: Steps, said: Steps, names: Names) -> Iterator[Step]:
        """Yield where the decoder looks while it says what was said."""
        yield from self.encoder.trace(question, question.values, names, brief=True)
        h, read = self.encoder.advance(question)
        features, weights = self.decoder.run(h, Sight(), read.pooled, embed(said, self.encoder.table))
        words = "Each line is a step of the answer; where it is coloured, there it looks in the question."
        yield trace_matrix(weights[0], "A", words)
        last = plain(features[0, -1])
        cell = largest(last)
        names.last = "[c; s; y]"
        yield Step(
            "decoder",
            "What is said next",
            "s(i) = GRU(s(i-1), [y(i-1); c(i)]), features = [c(i); s(i); y(i-1)]",
            f"feature {cell[0] + 1} = {written(last[cell])}",
            names.last,
            last,
            "The decoder knows what it has said, and what it looked at.",
            {},
            cell,
        )


class Decoder(nn.Module):
    """The paper's decoder: says one thing after the other, and looks at the whole question before each.

    Parameters
    ----------
    n_in : int
        Width of what is said.
    n_told : int
        Width of the states of the question.
    n_hidden : int
    attention : class of attention

    Attributes
    ----------
    n_out : int
    """

    def __init__(
        self, n_in: int, n_told: int, n_hidden: int, attention: type[AdditiveAttention] | type[ScaledAttention]
    ) -> None:
        super().__init__()
        self.drawn = ("R", "decoder", "a step after the other")
        self.n_out = n_hidden
        self.begin = linear(n_told, n_hidden)
        self.attention = attention(n_hidden, n_told, n_hidden)
        n_seen = self.attention.n_out
        self.cell = nn.GRUCell(n_in + n_seen, n_hidden)
        draw_recurrent(self.cell, gates=3)
        self.n_out = n_seen + n_hidden + n_in

    def start(self, read: Tensor) -> Tensor:
        """Return s_0 (n, n_hidden) from the last states of the question (n, n_told)."""
        return torch.tanh(self.begin(read))

    def forward(self, h: Tensor, sight: Sight, read: Tensor, said: Tensor) -> Tensor:
        """Return features (n, n_said, n_out).

        Parameters
        ----------
        h : Tensor of shape (n, n_steps, n_told)
        sight : Sight
            Of the steps of the questions.
        read : Tensor of shape (n, n_told)
        said : Tensor of shape (n, n_said, n_in)
        """
        prepared = self.attention.prepare(h)
        s, states, seen = self.start(read), [], []
        for y in said.unbind(1):
            c = self.attention.ask(s[:, None], prepared, sight)[:, 0]
            s = self.cell(torch.cat([y.to(c.dtype), c], dim=1), s.to(c.dtype))
            states.append(s)
            seen.append(c)
        parts = torch.stack(seen, dim=1), torch.stack(states, dim=1), said
        return torch.cat([part.to(said.dtype) for part in parts], dim=2)

    def run(self, h: Tensor, sight: Sight, read: Tensor, said: Tensor) -> tuple[Tensor, Tensor]:
        """Return features, and the weights (n, n_said, n_steps) that they came from."""
        prepared = self.attention.prepare(h)
        s, weights = self.start(read), []
        for y in said.unbind(1):
            weights.append(self.attention.weights(s[:, None], h, sight))
            c = self.attention.ask(s[:, None], prepared, sight)[:, 0]
            s = self.cell(torch.cat([y, c], dim=1), s)
        return self(h, sight, read, said), torch.cat(weights, dim=1)


def _make_layer(n_in: int, n_hidden: int) -> nn.Module:
    """Return one layer of gated recurrent units in one direction."""
    kernel = nn.GRU(n_in, n_hidden, batch_first=True)
    draw_recurrent(kernel, gates=3)
    return Fused(kernel, partial(GRUCell, n_in, n_hidden))


@with_parameters
class AttentionNetwork(SequenceParameters, Answering, Network):
    """Attention network for sequences, series and symbols: it looks at all steps and chooses what it needs.

    e_j = vᵀ tanh(W q + U h_j + b), α = softmax(e), c = Σ α_j h_j: every step gets a share α of what is said. Rows are
    sequences: arrays (n, T, d) with ``lengths``, lists of arrays (T_i, d), or flat rows (n, T), one value a step. What
    stands behind the end of a row changes nothing. Time grows with the square of the length.

    Parameters
    ----------
    output : "sequence", "step", "next" or "generated", default "sequence"
        One target a sequence, one a step, or what comes next in the sequence itself; then ``fit(X)`` needs no y.
        "generated" answers sequences of codes with sequences of codes: X and y are lists of arrays (T_i,).
    body : "recurrent" or "transformer", default "recurrent"
        "recurrent" is the network of the chart, and learns from few rows; "transformer" wants more of them.
    attention : "auto", "additive" or "scaled", default "auto"
        Of the recurrent body: a small network compares, or a product. "auto" is "additive", as in the paper, where one
        asks at a time ("sequence" and "generated"), else "scaled", whose memory does not grow with the square.
    n_hidden : int, default 128
        Units of a recurrent layer, in each direction; width of a transformer's steps.
    n_layers : int, default 1
        Recurrent layers, or layers of a transformer, which wants 2 and more.
    n_heads : int, default 4
        Of the transformer; they share its width.
    positions : "sinusoidal", "learned", "rotary" or "none", default "rotary"
        How the transformer knows the order of the steps: "rotary" by how far apart they are, which serves for longer
        sequences than those of training; the others by their numbers ("learned" has 1,024 places); "none" sees a set.
    n_beams : int, default 1
        Answers that are kept while generating; 1 says the likeliest code every time.
    dropout : float, default 0.0
        Share of the values left out at random: of what each layer of a transformer adds, or between recurrent layers,
        and before the last layer of the network.
    bptt_steps : int or None, default None
        Truncated backpropagation, of output="next": walk along long sequences in windows of so many steps and move the
        weights after each; earlier steps are seen (1,024 at most), but no gradient flows into them.
    learning_rate : float, default 0.001
        Not used by "lbfgs".
    warmup : float, default 0.0
        Share of the steps in which the learning rate rises from zero.
    Others: those of SequenceParameters.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Of "generated" all codes of the alphabet, and last the border, which ends an answer.
    longest_answer_ : int
        Of "generated": codes of the longest answer in training. Answers end at twice as many.
    Others: those of SequenceParameters.

    References
    ----------
    Bahdanau, Cho & Bengio, "Neural machine translation by jointly learning to align and translate", ICLR 2015
    (arXiv:1409.0473, 2014). Luong, Pham & Manning, "Effective approaches to attention-based neural machine
    translation", EMNLP 2015. Vaswani et al., "Attention is all you need", NIPS 2017. Xiong et al., "On layer
    normalization in the Transformer architecture", ICML 2020. Su et al., "RoFormer", arXiv:2104.09864, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from nnzoo import AttentionNetwork
    >>> draw = np.random.default_rng(0)
    >>> X = draw.normal(size=(200, 8, 2))
    >>> y = X[np.arange(200), X[:, :, 0].argmax(axis=1), 1] > 0
    >>> AttentionNetwork(n_hidden=16, n_epochs=30, learning_rate=0.01, random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    body: str = "recurrent"
    attention: str = "auto"
    n_layers: int = 1
    n_heads: int = 4
    positions: str = "rotary"
    n_beams: int = 1
    learning_rate: float = 1e-3
    warmup: float = 0.0

    ranges: ClassVar[Mapping[str, Range]] = {
        **SequenceParameters.ranges,
        "n_layers": Whole(1, 100),
        "output": OneOf(OUTPUTS),
        "body": OneOf(BODIES),
        "attention": OneOf(ATTENTIONS),
        "n_heads": Whole(1, 1000),
        "positions": OneOf(POSITIONS),
        "n_beams": Whole(1, 1000),
        "warmup": Real(0.0, 1.0),
    }

    def looks_ahead(self, output: str) -> bool:
        """Return whether a step of such an output is read with what comes after it."""
        return output != "next"

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the untrained body for steps of these values."""
        self._check_differences()
        table = TableInput(inputs.n_scaled, inputs.n_codes)
        border = inputs.n_codes[0] - 1 if self.output == "generated" else -1
        if self.body == "recurrent":
            by_network = self.attention == "additive" or (
                self.attention == "auto" and self.output in ("sequence", "generated")
            )
            return RecurrentAttentionBody(
                table,
                self.output,
                border,
                n_hidden=self.n_hidden,
                n_layers=self.n_layers,
                attention=AdditiveAttention if by_network else ScaledAttention,
                dropout=self.dropout,
            )
        if self.n_hidden % (2 * self.n_heads):
            raise UsageError(
                f"{type(self).__name__}: n_heads={self.n_heads} share a width that they divide in pairs; got "
                f"n_hidden={self.n_hidden}.",
                f"Pass n_hidden={2 * self.n_heads * max(1, self.n_hidden // (2 * self.n_heads))}, or other n_heads.",
            )
        transformer = Transformer(
            table.n_out,
            self.n_hidden,
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            dropout=self.dropout,
            positions=self.positions,
        )
        return TransformerBody(table, self.output, border, transformer=transformer, dropout=self.dropout)

    def gradient_settings(self) -> dict[str, Any]:
        """Return how the weights move, as keywords of GradientSettings."""
        return super().gradient_settings() | {"warmup": self.warmup}
