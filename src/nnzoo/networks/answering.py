"""Sequence to sequence: a question, a border and its answer become one sequence; answers are searched code by code.

The border is the code behind the last one of the alphabet. It begins the answer and, as what is to be said last, ends
it.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from nnzoo.engine.scaling import Standardizer
from nnzoo.engine.steps import Steps
from nnzoo.errors import DataError, UsageError
from nnzoo.estimator import Rows
from nnzoo.fitted import FittedState
from nnzoo.heads import choose_head
from nnzoo.networks.remembering import Remembering
from nnzoo.ragged import Ragged
from nnzoo.sequences import OUTPUTS as READ_OUTPUTS
from nnzoo.sequences import to_ragged
from nnzoo.targets import Target

OUTPUTS = (*READ_OUTPUTS, "generated")


def codes_of(owner: str, name: str, rows: Any) -> Ragged:
    """Return sequences of one code a step, given as ``Ragged``, a list of arrays (T_i,), or an array (n, T).

    Raises
    ------
    DataError
        There are other numbers than 0, 1, 2, ...
    """
    given = [np.asarray(row, dtype=np.float64) for row in rows] if isinstance(rows, list | tuple) else rows
    found = to_ragged(owner, given)
    if found.width != 1 or np.any(found.values < 0) or np.any(found.values != np.floor(found.values)):
        raise DataError(
            f"{owner} needs {name} as sequences of one code a step, 0, 1, 2, ...; got other numbers.",
            "Code the symbols with whole numbers.",
        )
    return found


def in_one(questions: Ragged, answers: Any, border: int) -> tuple[Ragged, Ragged]:
    """Return question, border and answer as one sequence, and what is to be said from the border on.

    Examples
    --------
    >>> rows, said = in_one(Ragged.of([[1, 2]]), Ragged.of([[2, 1, 1]]), 3)
    >>> rows[0].ravel().tolist(), said[0].ravel().tolist()
    ([1.0, 2.0, 3.0, 2.0, 1.0, 1.0], [2, 1, 1, 3])
    """
    pairs = [(np.ravel(q), np.ravel(a)) for q, a in zip(questions, answers, strict=True)]
    rows = Ragged.of(np.concatenate([q, [border], a]).astype(np.float64) for q, a in pairs)
    return rows, Ragged.of(np.append(a, border).astype(np.int64) for _, a in pairs)


def split_at(x: Steps, border: int) -> tuple[Steps, Steps]:
    """Return what stands before the border, and the rest from the border on; a row without one has no rest."""
    is_border = x.padded(x.flat()[:, 0] == border).cpu()
    n_before = torch.where(is_border.any(dim=1), is_border.int().argmax(dim=1), x.lengths)
    return Steps(x.values, x.starts, n_before), Steps(x.values, x.starts + n_before, x.lengths - n_before)


def beam_search(
    follow: Callable[[Ragged], np.ndarray], questions: Ragged, border: int, n_beams: int, n_most: int
) -> list[np.ndarray]:
    """Return the answer to each question: of the ``n_beams`` likeliest beginnings that are kept, the best at the end.

    With one beam this is the greedy search: the likeliest code at every step.

    Parameters
    ----------
    follow : callable
        Rows, each a question, the border and what was said, to log-probabilities (n_rows, border + 1) of what follows.
    questions : Ragged
    border : int
    n_beams : int
    n_most : int
        Codes after which an answer ends in any case.
    """
    n = len(questions)
    said: list[list[Sequence[int]]] = [[[]] for _ in range(n)]
    total, done = np.zeros((n, 1)), np.zeros((n, 1), dtype=bool)
    for _ in range(n_most):
        flat = [(q, beam) for q, beams in zip(questions, said, strict=True) for beam in beams]
        rows = Ragged.of(np.concatenate([np.ravel(q), [border], beam]) for q, beam in flat)
        shares = follow(rows).reshape(*total.shape, border + 1)
        shares[done] = -np.inf
        shares[done, border] = 0.0
        sums = (total[:, :, None] + shares).reshape(n, -1)
        best = np.argsort(-sums, axis=1, kind="stable")[:, :n_beams]
        beams, codes = np.divmod(best, border + 1)
        total = np.take_along_axis(sums, best, axis=1)
        done = codes == border
        said = [
            [[*said[row][beam], int(code)] for beam, code in zip(beams[row], codes[row], strict=True)]
            for row in range(n)
        ]
        if done.all():
            break
    return [_until(beams[0], border) for beams in said]


def _until(codes: Sequence[int], border: int) -> np.ndarray:
    """Return the codes before the first border."""
    found = np.asarray(codes, dtype=np.int64)
    ends = np.flatnonzero(found == border)
    return found[: ends[0]] if len(ends) else found


class Answering(Remembering):
    """A network that reads sequences, and with ``output="generated"`` answers them with sequences of codes.

    The class has ``n_beams``, and a body that gives features of every step of an answer.
    """

    own_counts: ClassVar[tuple[str, ...]] = ("n_errors", "longest_answer")

    def predict(self: Any, X: Any, *, lengths: Any = None) -> Any:
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

    def score(self: Any, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return accuracy or R²: of the sequences, of all steps, of all that comes next; or the share of right answers.

        An answer is right where every code is.
        """
        if self.output != "generated":
            return super().score(X, y, sample_weight)
        right = [np.array_equal(said, wanted) for said, wanted in zip(self.predict(X), y, strict=True)]
        return float(np.average(right, weights=sample_weight))

    def _log_shares(self: Any, rows: Ragged) -> np.ndarray:
        """Return log-probabilities (n, n_classes) of the code that follows each row, a question and what was said."""
        network = self.network_.eval()
        steps = self._to_inputs(rows)
        with torch.inference_mode():
            scores = network(steps)
            n_said = split_at(steps, len(self.classes_) - 1)[1].lengths
            ends = scores[(n_said.cumsum(0) - 1).to(scores.device)]
            return torch.log_softmax(ends.double(), dim=1).cpu().numpy()

    def _scores_of(self: Any, rows: Ragged) -> np.ndarray:
        if self.output == "generated":
            raise UsageError(
                f"{type(self).__name__} with output='generated' gives answers, no scores of classes.", "Use predict."
            )
        return super()._scores_of(rows)

    def _as_learned(self: Any, rows: Ragged) -> Ragged:
        """Return the steps as the network reads them: their changes, if it learns those; questions with a border."""
        if self.output != "generated":
            return super()._as_learned(rows)
        return in_one(rows, [np.zeros(0)] * len(rows), len(self.classes_) - 1)[0]

    def _read(self: Any, X: Any, *, reset: bool, **target: Any) -> tuple[str, Any, Any]:
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

    def _learn_target(self: Any, rows: Rows) -> Target:
        if self.output != "generated":
            return super()._learn_target(rows)
        classes = np.arange(int(rows.flat_y.max()) + 1)
        return Target(choose_head(self.task, len(classes)), classes, len(classes), True, Standardizer.identity(1))

    def _sizes(self: Any) -> dict[str, Any]:
        return super()._sizes() | {"longest_answer": getattr(self, "longest_answer_", 0)}

    def restore(self: Any, state: FittedState) -> Any:
        """Take over a stored state."""
        super().restore(state)
        self.longest_answer_ = state.sizes["longest_answer"]
        return self
