"""Bodies that attend: what all of them share, and the one without recurrence.

Where an answer is generated, question, border and answer are one sequence (answering.py): a body reads the question and
gives the features of every step of the answer.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from nnzoo.engine.steps import Steps
from nnzoo.networks.answering import split_at
from nnzoo.networks.attending import Sight, look_back, n_remembered
from nnzoo.networks.gates import plain
from nnzoo.networks.memory import Carried, State
from nnzoo.networks.parts import Dropout, TableInput
from nnzoo.networks.transformer import Transformer
from nnzoo.trace import Step, largest, written
from nnzoo.tracing import Names


def embed(x: Steps, table: TableInput) -> Tensor:
    """Return the steps as a table gives their values, zeros behind the end of a row: (n, longest, table.n_out)."""
    return x.padded(table(x.flat()))


def sight_of(x: Steps) -> Sight:
    """Return the sight of all steps that are there."""
    return Sight() if bool((x.lengths == x.longest).all()) else Sight(x.mask()[:, None])


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
        h = embed(x, self.table)
        past: tuple[State, ...] | None = None if carried is None else carried.layers
        n_past = n_remembered(None if past is None else past[0][0])
        first = 0 if carried is None else int(carried.n_steps.max())
        sight = sight_of(x) if self.bidirectional else look_back(h.shape[1], n_past + h.shape[1], h.device)
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
        outputs, _ = self.transformer(embed(whole, self.table), Sight(mask.to(whole.device)))
        ends = Steps(outputs.flatten(0, 1), torch.arange(len(whole)) * whole.longest + n_before, said.lengths)
        return self.dropout(ends.flat())

    def trace(self, x: Steps, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield how one sequence is read, layer by layer."""
        read = self.table(x.flat())
        yield from self.table.trace(x.flat(), read, names)
        names.labels = ()
        h = x.padded(read)
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
