"""Sequence to sequence: a question, a border and its answer become one sequence; answers are searched code by code.

The border is the code behind the last one of the alphabet. It begins the answer and, as what is to be said last, ends
it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from nnzoo.engine.steps import Steps
from nnzoo.errors import DataError
from nnzoo.ragged import Ragged
from nnzoo.sequences import to_ragged


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
    is_border = x.like(x.flat()[:, 0] == border).padded().cpu()
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
