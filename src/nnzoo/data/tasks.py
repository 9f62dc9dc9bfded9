"""Tasks for networks with a memory, drawn by lot: copy, repeat copy, associative recall, priority sort, n-grams.

Each is a function of its parameters and of ``random_state``. The first four show a sequence, then ask for an answer of
several bits a step; while nothing is asked, all targets are 0.

Source: Graves, Wayne & Danihelka 2014, section 4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnzoo.ragged import Ragged

Lengths = tuple[int, int]


@dataclass(frozen=True)
class Task:
    """Sequences with a target of several bits at every step.

    Attributes
    ----------
    X, y : Ragged
        Inputs and targets of every step.
    answers : ndarray of bool, shape (n_steps_in_all,)
        Which steps hold the answer.
    """

    X: Ragged
    y: Ragged
    answers: np.ndarray

    def bits_right(self, predicted: Any) -> float:
        """Return the share of the bits of all answers that are right; ``predicted`` is as ``predict`` gives it."""
        return float((self._flat(predicted) == self.y.values)[self.answers].mean())

    def exact(self, predicted: Any) -> float:
        """Return the share of the sequences whose answer is right in every bit."""
        wrong = (self._flat(predicted) != self.y.values).any(axis=1) & self.answers
        return float(1 - (np.add.reduceat(wrong, self.X.starts) > 0).mean())

    def _flat(self, predicted: Any) -> np.ndarray:
        values = np.concatenate([np.asarray(row) for row in predicted])
        return values.reshape(len(values), -1)


def copying(n_sequences: int, *, n_bits: int = 8, lengths: Lengths = (1, 20), random_state: int = 0) -> Task:
    """Return vectors of random bits, a mark, and then the same vectors to say again.

    Parameters
    ----------
    n_sequences, n_bits : int
    lengths : pair of int
        Vectors of a sequence, from and to; the number is drawn evenly.
    random_state : int

    Returns
    -------
    Task
        Inputs of ``n_bits`` bits and the mark.
    """

    def one(draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        bits = draw.integers(0, 2, (_between(draw, lengths), n_bits))
        return _shown(bits, 1), bits

    return _task(n_sequences, one, random_state)


def repeat_copying(
    n_sequences: int,
    *,
    n_bits: int = 8,
    lengths: Lengths = (1, 10),
    repeats: Lengths = (1, 10),
    random_state: int = 0,
) -> Task:
    """Return vectors of random bits and a number: the vectors are to be said so many times, and then that it is over.

    The number stands in the last column, divided by its largest value; the end is one more bit of the answer.

    Parameters
    ----------
    n_sequences, n_bits : int
    lengths, repeats : pair of int
        Vectors of a sequence, and how often they are said, from and to.
    random_state : int
    """

    def one(draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        bits, n_times = draw.integers(0, 2, (_between(draw, lengths), n_bits)), _between(draw, repeats)
        shown = _shown(bits, 2)
        shown[-1, -1] = n_times / repeats[1]
        answer = np.zeros((len(bits) * n_times + 1, n_bits + 1), dtype=np.int64)
        answer[:-1, :-1], answer[-1, -1] = np.tile(bits, (n_times, 1)), 1
        return shown, answer

    return _task(n_sequences, one, random_state)


def associative_recall(
    n_sequences: int,
    *,
    n_bits: int = 6,
    item_length: int = 3,
    n_items: Lengths = (2, 6),
    random_state: int = 0,
) -> Task:
    """Return items of a few vectors each, then one of them again: the item behind it is to be said.

    A mark stands before each item, another one before the question and behind it.

    Parameters
    ----------
    n_sequences, n_bits : int
    item_length : int
        Vectors of an item.
    n_items : pair of int
        Items of a sequence, from and to, 2 at least.
    random_state : int
    """

    def one(draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        items = draw.integers(0, 2, (_between(draw, n_items), item_length, n_bits))
        asked = int(draw.integers(len(items) - 1))
        shown = np.zeros(((len(items) + 1) * (item_length + 1) + 1, n_bits + 2))
        for place, item in enumerate([*items, items[asked]]):
            start = place * (item_length + 1)
            shown[start, n_bits + (place == len(items))] = 1
            shown[start + 1 : start + 1 + item_length, :n_bits] = item
        shown[-1, -1] = 1
        return shown, items[asked + 1]

    return _task(n_sequences, one, random_state)


def priority_sorting(
    n_sequences: int, *, n_bits: int = 8, n_vectors: int = 20, n_sorted: int = 16, random_state: int = 0
) -> Task:
    """Return vectors of random bits with a priority from -1 to 1: those of the highest are to be said, in order.

    Parameters
    ----------
    n_sequences, n_bits : int
    n_vectors, n_sorted : int
        Vectors of a sequence, and how many of them are asked for.
    random_state : int
    """

    def one(draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        bits, priority = draw.integers(0, 2, (n_vectors, n_bits)), draw.uniform(-1, 1, n_vectors)
        shown = _shown(bits, 2)
        shown[:-1, n_bits + 1] = priority
        return shown, bits[np.argsort(-priority, kind="stable")[:n_sorted]]

    return _task(n_sequences, one, random_state)


def n_grams(n_sequences: int, *, n: int = 6, n_steps: int = 200, random_state: int = 0) -> Task:
    """Return bits whose probability follows the ``n - 1`` bits before, by a table of each sequence's own.

    The entries of a table are drawn from Beta(1/2, 1/2); the first ``n - 1`` bits are drawn evenly and not asked for.
    What is next? A sequence has ``n_steps`` steps, of one bit each; the target of a step is the bit behind it.
    """
    draw = np.random.default_rng(random_state)
    tables = draw.beta(0.5, 0.5, (n_sequences, 2 ** (n - 1)))
    bits = np.zeros((n_sequences, n_steps + 1), dtype=np.int64)
    bits[:, : n - 1] = draw.integers(0, 2, (n_sequences, n - 1))
    for step in range(n - 1, n_steps + 1):
        chance = tables[np.arange(n_sequences), contexts(bits[:, :step], n)]
        bits[:, step] = draw.random(n_sequences) < chance
    answers = np.tile(np.arange(n_steps) >= n - 2, n_sequences)
    X, y = bits[:, :-1, None].astype(np.float64), bits[:, 1:, None]
    return Task(Ragged.of_padded(X), Ragged.of_padded(y), answers)


def contexts(bits: np.ndarray, n: int) -> np.ndarray:
    """Return the last ``n - 1`` bits of each row as one number: (n_rows,)."""
    return bits[:, len(bits[0]) - (n - 1) :] @ (2 ** np.arange(n - 2, -1, -1))


def best_guesses(bits: np.ndarray, n: int) -> np.ndarray:
    """Return the best probability of a 1 that anybody can give who knows how the tables were drawn.

    (N1 + 1/2) / (N0 + N1 + 1), with N0 and N1 how often a 0 and a 1 came behind the same ``n - 1`` bits before (Graves
    et al. 2014, equation 10).

    Parameters
    ----------
    bits : ndarray of shape (n_rows, n_steps)
    n : int

    Returns
    -------
    ndarray of shape (n_rows, n_steps - n + 1)
        Of the bits from the n-th on.
    """
    row, counts = np.arange(len(bits)), np.zeros((len(bits), 2 ** (n - 1), 2))
    guesses = []
    for step in range(n - 1, bits.shape[1]):
        context = contexts(bits[:, :step], n)
        zeros, ones = counts[row, context].T
        guesses.append((ones + 0.5) / (zeros + ones + 1))
        counts[row, context, bits[:, step]] += 1
    return np.stack(guesses, axis=1)


def _between(draw: np.random.Generator, ends: Lengths) -> int:
    return int(draw.integers(ends[0], ends[1] + 1))


def _shown(bits: np.ndarray, n_more: int) -> np.ndarray:
    """Return the bits with further columns, and one more step that has the mark in the first of these."""
    shown = np.zeros((len(bits) + 1, bits.shape[1] + n_more))
    shown[:-1, : bits.shape[1]] = bits
    shown[-1, bits.shape[1]] = 1
    return shown


def _task(
    n_sequences: int, one: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]], random_state: int
) -> Task:
    """Return sequences of what is shown, then a silent step for each step of the answer."""
    draw = np.random.default_rng(random_state)
    X, y, answers = [], [], []
    for _ in range(n_sequences):
        shown, answer = one(draw)
        X.append(np.vstack([shown, np.zeros((len(answer), shown.shape[1]))]))
        y.append(np.vstack([np.zeros((len(shown), answer.shape[1]), dtype=np.int64), answer]))
        answers.append(np.arange(len(X[-1])) >= len(shown))
    return Task(Ragged.of(X), Ragged.of(y), np.concatenate(answers))
