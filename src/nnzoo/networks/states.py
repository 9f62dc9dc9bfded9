"""The states of a Markov chain: its counts as a matrix of transitions, and what can be asked of it.

Of order k a state is the last k symbols. What the likeliest chain has never seen is no state of it; with backoff or
smoothing nothing is impossible, and every context is one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.utils.validation import check_is_fitted

from nnzoo.errors import DataError, UsageError
from nnzoo.networks.contexts import ContextTree, border_of, distinct
from nnzoo.networks.transitions import Transitions

MOST_STATES = 20_000
"""Contexts that a chain which leaves nothing out is written as a matrix of."""


class StatesOfChain:
    """What an estimator of a chain has beside its predictions: the chain as a matrix."""

    @property
    def transitions_(self: Any) -> Transitions:
        """The chain as a matrix with all that follows from it: classes, absorption, hitting and mixing times."""
        check_is_fitted(self)
        body = self._body
        if getattr(self, "_chain", (None,))[0] is not body.grams:
            self._chain = body.grams, *states_of(body.tree, *body.table)
        return self._chain[2]

    @property
    def states_(self: Any) -> list[Any]:
        """The states: symbols, or of a higher order tuples of them."""
        codes = self.transitions_ and self._chain[1]
        if codes.shape[1] == 1:
            return self.classes_[codes[:, 0]].tolist()
        return [tuple(each) for each in self.classes_[codes].tolist()]

    @property
    def transition_matrix_(self: Any) -> csr_array:
        """P between the states (n_states, n_states)."""
        return self.transitions_.matrix

    @property
    def stationary_(self: Any) -> np.ndarray:
        """π (n_states,)."""
        return self.transitions_.stationary

    @property
    def entropy_rate_(self: Any) -> float:
        """Bits a symbol in the long run."""
        return self.transitions_.entropy_rate

    def communicating_classes(self: Any) -> list[list[Any]]:
        """Return the states that lead to each other, class by class."""
        states = self.states_
        return [[states[k] for k in each.states.tolist()] for each in self.transitions_.classes]

    def hitting_times(self: Any, targets: Sequence[Any]) -> np.ndarray:
        """Return the expected steps until one of some states is reached, from each state: (n_states,).

        Raises
        ------
        DataError
            A target is no state of the chain.
        """
        place = {state: k for k, state in enumerate(self.states_)}
        unknown = [target for target in targets if target not in place]
        if unknown or not len(targets):
            raise DataError(f"MarkovChain needs states as targets; got {unknown[:1] or 'none'}.", "See states_.")
        return self.transitions_.hitting_times([place[target] for target in targets])

    def mixing_time(self: Any, epsilon: float = 0.25) -> int:
        """Return the steps after which the start is forgotten: all distributions are within ε of ``stationary_``."""
        return self.transitions_.mixing_time(epsilon)

    def is_reversible(self: Any) -> bool:
        """Say whether the chain looks the same backwards in time."""
        return self.transitions_.is_reversible()


def states_of(tree: ContextTree, grams: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, Transitions]:
    """Return the states as codes (n_states, max(order, 1)), the first symbol first, and the transitions.

    Parameters
    ----------
    tree : ContextTree
    grams : int array (n_grams, order + 1)
    counts : array (n_grams,)
        From which the tree has grown.

    Raises
    ------
    DataError
        No sequence is as long as the order.
    UsageError
        Every context is a state, and there are too many.
    """
    n, k, border = tree.n_symbols, max(tree.order, 1), border_of(tree.n_symbols)
    table = np.column_stack([grams, np.full(len(grams), border)])[:, : k + 1].astype(np.int64)
    # The first k symbols of a sequence: nothing but the border stands before them.
    first = (table[:, :k] < n).all(axis=1) & (table[:, k] == border)
    begins, n_begins = table[first][:, :k][:, ::-1], counts[first]
    if tree.backoff is not None or tree.smoothing or not tree.order:
        states, matrix = _all_states(tree, k)
    else:
        inner = (table < n).all(axis=1)
        states, matrix = _seen_states(table[inner][:, ::-1], counts[inner], begins, n)
    start = np.bincount(_places_of(states, begins, n), n_begins, minlength=len(states))
    start = start if start.any() else np.ones(len(states))
    return states, Transitions(matrix, start / start.sum())


def _all_states(tree: ContextTree, k: int) -> tuple[np.ndarray, csr_array]:
    """Return every context of k symbols, and the transitions between them."""
    n = tree.n_symbols
    if n**k > MOST_STATES:
        raise UsageError(
            f"MarkovChain: with backoff or smoothing every context is a state: {n:,} symbols give {n:,}^{k} of them, "
            f"more than {MOST_STATES:,}.",
            "Use a lower order, or neither of the two.",
        )
    states = np.stack(np.unravel_index(np.arange(n**k), (n,) * k), axis=1)
    P = tree.distribution(list(states.T[::-1][: tree.order]), len(states))
    rows, symbols = np.nonzero(P)
    to = rows % n ** (k - 1) * n + symbols
    return states, csr_array((P[rows, symbols], (rows, to)), shape=(n**k, n**k))


def _seen_states(steps: np.ndarray, counts: np.ndarray, begins: np.ndarray, n: int) -> tuple[np.ndarray, csr_array]:
    """Return the contexts that came, and their transitions; one that nothing has followed stays.

    Parameters
    ----------
    steps : int array (n_steps, k + 1)
        A context and what came behind it.
    counts : array (n_steps,)
    begins : int array (n_begins, k)
        The first contexts of sequences.
    n : int
        Symbols.
    """
    every = np.concatenate([steps[:, :-1], steps[:, 1:], begins])
    if not len(every):
        raise DataError(
            f"MarkovChain needs a sequence of at least {begins.shape[1]} symbols to have a state.", "Use a lower order."
        )
    states = distinct(list(every.T), n + 1)[0]
    came, went = _places_of(states, steps[:, :-1], n), _places_of(states, steps[:, 1:], n)
    total = np.bincount(came, counts, minlength=len(states))
    ends = np.flatnonzero(total == 0)
    values = np.concatenate([counts / total[came], np.ones(len(ends))])
    places = np.concatenate([came, ends]), np.concatenate([went, ends])
    return states, csr_array((values, places), shape=(len(states), len(states)))


def _places_of(states: np.ndarray, rows: np.ndarray, n: int) -> np.ndarray:
    """Return for each row (m, k) its place among the states, which are sorted."""
    if not len(rows):
        return np.zeros(0, dtype=np.int64)
    both = np.concatenate([states, rows])
    key = both[:, 0].astype(np.int64)
    for column in both.T[1:]:
        key = np.unique(key * (n + 1) + column, return_inverse=True)[1]
    order = np.argsort(key[: len(states)])
    return order[np.searchsorted(key[: len(states)], key[len(states) :], sorter=order)]
