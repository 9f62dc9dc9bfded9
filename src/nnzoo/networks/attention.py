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

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.checks import OneOf, Range, Real, Whole
from nnzoo.engine.scaling import Standardizer
from nnzoo.engine.steps import Steps
from nnzoo.errors import DataError, UsageError
from nnzoo.estimator import FittedState, Network, Rows
from nnzoo.heads import choose_head
from nnzoo.inputs import Inputs
from nnzoo.networks.answering import beam_search, codes_of, in_one, split_at
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
from nnzoo.networks.gated_cell import GRUCell
from nnzoo.networks.gates import plain
from nnzoo.networks.memory import Carried, Fused, RecurrentBody, State, draw_recurrent
from nnzoo.networks.parameters import SequenceParameters, with_parameters
from nnzoo.networks.parts import Dropout, TableInput
from nnzoo.networks.remembering import Remembering
from nnzoo.networks.transformer import POSITIONS, Transformer
from nnzoo.ragged import Ragged
from nnzoo.sequences import OUTPUTS
from nnzoo.targets import Target
from nnzoo.trace import Step, largest, written
from nnzoo.tracing import Names

BODIES = ("recurrent", "transformer")


class AttendingBody(nn.Module):
    """Features of every sequence, of every step, or of every step of an answer: what both bodies share.

    Parameters
    ----------
    output : "sequence", "step", "next" or "generated"
        "next" looks back only.
    border : int
        The code between question and answer, of "generated".

    Attributes
    ----------
    n_out : int
    """

    n_out: int

    def __init__(self, output: str, border: int) -> None:
        super().__init__()
        self.output = output
        self.border = border
        self.per_step = output != "sequence"
        self.bidirectional = output != "next"

    def forward(self, x: Steps) -> Tensor:
        """Return (n, n_out), or (n_steps, n_out) of all steps, or of all steps from the border on, row after row."""
        if self.output == "generated":
            return self.answer(*split_at(x, self.border))
        outputs, carried = self.advance(x)
        return self.flat(outputs, x) if self.per_step else self.summary(carried)

    def answer(self, question: Steps, said: Steps) -> Tensor:
        """Return features (n_steps, n_out) of what was said: the border and the answer without its end."""
        raise NotImplementedError

    def advance(self, x: Steps, carried: Carried | None = None) -> tuple[Tensor, Carried]:
        """Return outputs (n, longest, n_out) of a window of time, and what the next window goes on from."""
        raise NotImplementedError

    def begin(self, x: Steps) -> tuple[Tensor, Carried]:
        """Return the features with which the answers to questions, each with its border, begin."""
        features = self.answer(*split_at(x, self.border))
        return features[:, None], Carried((), features, x.lengths)

    def flat(self, outputs: Tensor, x: Steps) -> Tensor:
        """Return outputs (n, longest, k) of the steps that are there, row after row: (n_steps, k)."""
        return x.unpadded(outputs)

    def summary(self, carried: Carried) -> Tensor:
        """Return one vector for each sequence, (n, n_out)."""
        return carried.pooled

    def last(self, outputs: Tensor, x: Steps, carried: Carried | None) -> Tensor:
        """Return the outputs of the last step of each row so far."""
        lengths = x.lengths.to(outputs.device)
        found = outputs[torch.arange(len(outputs), device=outputs.device), (lengths - 1).clamp(min=0)]
        return found if carried is None else torch.where(lengths[:, None] > 0, found, carried.pooled)


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
            pooled = self._look(read.pooled[:, None], h, _sight_of(x))
            outputs = self._look(h, h, _sight_of(x)) if self.per_step else pooled
            return outputs, Carried((*read.layers, (h, read.pooled)), pooled[:, 0], n_steps)
        told = remember(None if carried is None else carried.layers[-1][0], h)
        outputs = self._look(h, told, look_back(h.shape[1], told.shape[1], h.device))
        return outputs, Carried((*read.layers, (told, read.pooled)), self.last(outputs, x, carried), n_steps)

    def answer(self, question: Steps, said: Steps) -> Tensor:
        """Return features of what was said."""
        h, read = self.encoder.advance(question)
        outputs = self.decoder(h, _sight_of(question), read.pooled, _embed(said, self.encoder.table))
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
                sight = _sight_of(x) if self.bidirectional else Sight(causal=True)
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
        features, weights = self.decoder.run(h, Sight(), read.pooled, _embed(said, self.encoder.table))
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


class TransformerBody(AttendingBody):
    """Layers of attention of all steps to all steps; one vector a sequence is the mean of its steps.

    Parameters
    ----------
    table : TableInput
    output, border
        As of :class:`AttendingBody`.
    transformer : Transformer
    dropout : float
    """

    def __init__(
        self, table: TableInput, output: str, border: int, *, transformer: Transformer, dropout: float
    ) -> None:
        super().__init__(output, border)
        self.table = table
        self.transformer = transformer
        self.n_out = int(transformer.enter.out_features)
        self.dropout = Dropout(dropout)

    def advance(self, x: Steps, carried: Carried | None = None) -> tuple[Tensor, Carried]:
        """Return outputs (n, longest, n_out) of a window of time, and what the next window goes on from."""
        if self.output == "generated":
            return self.begin(x)
        h = _embed(x, self.table)
        past: tuple[State, ...] | None = None if carried is None else carried.layers
        n_past = 0 if past is None else min(past[0][0].shape[1], REACH - 1)
        first = 0 if carried is None else int(carried.n_steps.max())
        sight = _sight_of(x) if self.bidirectional else look_back(h.shape[1], n_past + h.shape[1], h.device)
        outputs, kept = self.transformer(h, sight, past, first)
        outputs, lengths = self.dropout(outputs), x.lengths.to(outputs.device)
        if self.bidirectional:
            pooled = (outputs * x.mask()[..., None]).sum(dim=1) / lengths[:, None]
        else:
            pooled = self.last(outputs, x, carried)
        return outputs, Carried(kept, pooled, lengths if carried is None else lengths + carried.n_steps)

    def answer(self, question: Steps, said: Steps) -> Tensor:
        """Return features of what was said."""
        n_before, whole = question.lengths, Steps(question.values, question.starts, question.lengths + said.lengths)
        place = torch.arange(whole.longest)
        mask = (place <= place[:, None]) | (place < n_before[:, None, None])
        outputs, _ = self.transformer(_embed(whole, self.table), Sight(mask.to(whole.device)))
        ends = Steps(outputs.flatten(0, 1), torch.arange(len(whole)) * whole.longest + n_before, said.lengths)
        return self.dropout(ends.flat())

    def trace(self, x: Steps, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield how one sequence is read, layer by layer."""
        read = self.table(x.flat())
        yield from self.table.trace(x.flat(), read, names)
        names.labels = ()
        h = x.like(read).padded()
        sight = Sight() if self.bidirectional else look_back(x.longest, x.longest, h.device)
        if self.output == "generated":
            place = torch.arange(x.longest, device=h.device)
            n_before = split_at(x, self.border)[0].lengths.to(h.device)
            sight = Sight(((place <= place[:, None]) | (place < n_before))[None])
        yield from self.transformer.trace(h, sight, names)
        if self.per_step:
            return
        outputs, v = plain(self.transformer(h, sight)[0][0]), plain(output[0])
        before, name = f"n{names.number}", f"v{names.number}"
        cell = largest(v)
        names.last = name
        yield Step(
            "mean of steps",
            "One vector for the sequence",
            f"{name} = mean over t of {before}(t)",
            f"{name}[{cell[0] + 1}] = {written(outputs[:, cell[0]].sum())} / {len(outputs)} = {written(v[cell])}",
            name,
            v,
            "The last layer of the network sees this one vector, however long the sequence was.",
            {before: outputs},
            cell,
        )


def _make_layer(n_in: int, n_hidden: int) -> nn.Module:
    """Return one layer of gated recurrent units in one direction."""
    kernel = nn.GRU(n_in, n_hidden, batch_first=True)
    draw_recurrent(kernel, gates=3)
    return Fused(kernel, partial(GRUCell, n_in, n_hidden))


def _embed(x: Steps, table: TableInput) -> Tensor:
    """Return the steps as a table gives their values, zeros behind the end of a row: (n, longest, table.n_out)."""
    return x.like(table(x.flat())).padded()


def _sight_of(x: Steps) -> Sight:
    """Return the sight of all steps that are there."""
    return Sight() if bool((x.lengths == x.longest).all()) else Sight(x.mask()[:, None])


@with_parameters
class AttentionNetwork(SequenceParameters, Remembering, Network):
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
        "output": OneOf((*OUTPUTS, "generated")),
        "body": OneOf(BODIES),
        "attention": OneOf(ATTENTIONS),
        "n_heads": Whole(1, 1000),
        "positions": OneOf(POSITIONS),
        "n_beams": Whole(1, 1000),
        "warmup": Real(0.0, 1.0),
    }
    own_counts: ClassVar[tuple[str, ...]] = ("n_errors", "longest_answer")

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

    # Answers that are generated

    def predict(self, X: Any, *, lengths: Any = None) -> Any:
        """Return the prediction of each sequence, of each step, or of what comes next, or the answers.

        Parameters
        ----------
        X : Ragged, array (n, T, d) or (n, T), or list of arrays (T_i, d)
        lengths : array of shape (n,), optional
            Steps of each row of a padded array.

        Returns
        -------
        ndarray or list of ndarray
            "sequence" and "next": one a row, (n,) or (n, k). "step": (n, T), or a list of arrays (T_i,). "generated":
            a list of arrays of codes.
        """
        if self.output != "generated":
            return super().predict(X, lengths=lengths)
        questions = self._read_inputs(self._cut_to(X, lengths))
        border = len(self.classes_) - 1
        return beam_search(self._log_shares, questions, border, self.n_beams, 2 * self.longest_answer_ + 1)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return accuracy or R²: of the sequences, of all steps, of all that comes next; or the share of right answers.

        An answer is right where every code is.
        """
        if self.output != "generated":
            return super().score(X, y, sample_weight)
        right = [np.array_equal(said, wanted) for said, wanted in zip(self.predict(X), y, strict=True)]
        return float(np.average(right, weights=sample_weight))

    def _log_shares(self, rows: Ragged) -> np.ndarray:
        """Return log-probabilities (n, n_classes) of the code that follows each row, a question and what was said."""
        network = self.network_.eval()
        steps = self._to_inputs(rows)
        with torch.inference_mode():
            scores = network(steps)
            n_said = split_at(steps, len(self.classes_) - 1)[1].lengths
            ends = scores[(n_said.cumsum(0) - 1).to(scores.device)]
            return torch.log_softmax(ends.double(), dim=1).cpu().numpy()

    def _scores_of(self, rows: Ragged) -> np.ndarray:
        if self.output == "generated":
            raise UsageError(
                f"{type(self).__name__} with output='generated' gives answers, no scores of classes.", "Use predict."
            )
        return super()._scores_of(rows)

    def _as_learned(self, rows: Ragged) -> Ragged:
        """Return the steps as the network reads them: their changes, if it learns those; questions with a border."""
        if self.output != "generated":
            return super()._as_learned(rows)
        return in_one(rows, [np.zeros(0)] * len(rows), len(self.classes_) - 1)[0]

    def _read(self, X: Any, *, reset: bool, **target: Any) -> tuple[str, Any, Any]:
        """Check sequences and their target; of questions and answers, make one sequence of each pair."""
        if self.output != "generated":
            return super()._read(X, reset=reset, **target)
        owner = type(self).__name__
        if self.task != "classification" or list(self.categorical_features or ()) != [0]:
            raise UsageError(f"{owner} generates codes.", "Pass task='classification' and categorical_features=[0].")
        questions = codes_of(owner, "X", X)
        if reset:
            self.n_features_in_ = 1
        if not target:
            border = len(self.classes_) - 1
            known = np.where(questions.values < border, questions.values, 0.0)
            return "sequence", Ragged(known, questions.lengths), None
        answers = codes_of(owner, "y", target["y"])
        if len(answers) != len(questions):
            raise DataError(
                f"{owner} needs an answer to each of {len(questions):,} sequences; got {len(answers):,}.",
                "Pass y as a list with one array of codes a sequence.",
            )
        if reset:
            self.longest_answer_ = int(answers.lengths.max())
            border = int(max(questions.values.max(), answers.values.max())) + 1
        else:
            border = len(self.classes_) - 1
        return "sequence", *in_one(questions, answers, border)

    def _learn_target(self, rows: Rows) -> Target:
        if self.output != "generated":
            return super()._learn_target(rows)
        classes = np.arange(int(rows.flat_y.max()) + 1)
        return Target(choose_head(self.task, len(classes)), classes, len(classes), True, Standardizer.identity(1))

    def _sizes(self) -> dict[str, Any]:
        return super()._sizes() | {"longest_answer": getattr(self, "longest_answer_", 0)}

    def restore(self, state: FittedState) -> Any:
        """Take over a stored state."""
        super().restore(state)
        self.longest_answer_ = state.sizes["longest_answer"]
        return self
