"""What follows from the transition probabilities of a chain: its classes, its long run, its times.

    π P = π                                 the long run
    H = -Σᵢ πᵢ Σⱼ Pᵢⱼ log₂ Pᵢⱼ              bits a step
    hᵢ = 1 + Σⱼ Pᵢⱼ hⱼ, hᵢ = 0 in the target           steps until a state is hit
    B = (I - Q)⁻¹ R                         where a chain that leaves its transient states ends

States that lead to each other and back are a class; one that nothing leaves is closed, all others are transient.

Sources: Kemeny & Snell 1960; Levin, Peres & Wilmer 2009 (mixing).
"""

from dataclasses import dataclass
from functools import cached_property, reduce
from math import gcd
from typing import Any

import numpy as np
from scipy.sparse import csc_array, csr_array, eye_array
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.sparse.linalg import splu

from nnzoo.errors import DataError, UsageError

MOST_SOLVED = 5_000
"""States whose long run is solved for; of more it is found by going on, until nothing moves."""
MOST_MIXED = 1_000
MOST_STEPS = 2**40
STILL = 1e-14


@dataclass(frozen=True)
class StateClass:
    """States that lead to each other.

    Attributes
    ----------
    states : int array
    closed : bool
        Nothing leaves them.
    period : int
        Returns take a multiple of so many steps; 0 where there is no return.
    """

    states: np.ndarray
    closed: bool
    period: int


class Transitions:
    """A transition matrix, and where the chain starts.

    Parameters
    ----------
    matrix : csr_array (n, n)
        Each row adds up to 1.
    start : array (n,)
        Probabilities of the first state.

    Examples
    --------
    >>> chain = Transitions(csr_array([[0.9, 0.1], [0.5, 0.5]]), np.array([1.0, 0.0]))
    >>> chain.stationary.round(4).tolist(), chain.hitting_times([1]).round(4).tolist()
    ([0.8333, 0.1667], [10.0, 0.0])
    """

    def __init__(self, matrix: Any, start: np.ndarray) -> None:
        self.matrix: Any = csr_array(matrix)
        self.start = start

    def __len__(self) -> int:
        return self.matrix.shape[0]

    @cached_property
    def classes(self) -> tuple[StateClass, ...]:
        """The communicating classes, the one with the first state first."""
        n, label = connected_components(self.matrix, connection="strong")
        rows, columns = self.matrix.nonzero()
        leaves = np.zeros(n, dtype=bool)
        leaves[label[rows][label[rows] != label[columns]]] = True
        order = np.argsort(label, kind="stable")
        groups = np.split(order, np.cumsum(np.bincount(label, minlength=n))[:-1])
        found = [StateClass(group, not leaves[k], self._period(group)) for k, group in enumerate(groups)]
        return tuple(sorted(found, key=lambda each: each.states[0]))

    def _period(self, states: np.ndarray) -> int:
        """Return the greatest common divisor of all lengths of return, from the depths of a search in breadth."""
        inside = self.matrix[states][:, states].tocoo()
        if not inside.nnz:
            return 0
        order, before = breadth_first_order(inside.tocsr(), 0)
        depth = np.zeros(len(states), dtype=np.int64)
        for state in order[1:]:
            depth[state] = depth[before[state]] + 1
        rows, columns = inside.coords
        return reduce(gcd, np.unique(np.abs(depth[rows] + 1 - depth[columns])).tolist(), 0)

    @cached_property
    def stationary(self) -> np.ndarray:
        """The share of time in each state in the long run, from the start on: π P = π.

        With several closed classes, each has as much of it as is likely to end there.
        """
        closed = [each for each in self.classes if each.closed]
        pi = np.zeros(len(self))
        for each, share in zip(closed, self.start @ self.absorption(), strict=True):
            pi[each.states] = share * self._long_run(each.states)
        return pi

    def _long_run(self, states: np.ndarray) -> np.ndarray:
        """Return π of one closed class."""
        P, n = self.matrix[states][:, states], len(states)
        if n > MOST_SOLVED:
            return _gone_on(P)
        # One equation of π (P - I) = 0 follows from the others; Σ π = 1 takes its place.
        A = (P.T - eye_array(n)).tolil()
        A[n - 1] = 1.0
        pi = splu(csc_array(A)).solve(np.eye(n)[n - 1]).clip(0)
        return pi / pi.sum()

    @cached_property
    def entropy_rate(self) -> float:
        """The bits that a step tells in the long run."""
        P = self.matrix
        logs = np.log2(P.data, out=np.zeros_like(P.data), where=P.data > 0)
        terms = csr_array((P.data * logs, P.indices, P.indptr), shape=P.shape).sum(axis=1)
        return float(max(-(self.stationary @ terms), 0.0))

    def absorption(self) -> np.ndarray:
        """Return how likely the chain ends in each closed class, from each state: (n, n_closed)."""
        closed = [each for each in self.classes if each.closed]
        B = np.zeros((len(self), len(closed)))
        for k, each in enumerate(closed):
            B[each.states, k] = 1.0
        inner = self._transient
        if len(inner):
            B[inner] = self._solve(inner, self.matrix[inner] @ B)
        return B

    def absorption_times(self) -> np.ndarray:
        """Return the expected steps until a closed class is entered, from each state: (n,)."""
        inner, times = self._transient, np.zeros(len(self))
        if len(inner):
            times[inner] = self._solve(inner, np.ones(len(inner)))
        return times

    @property
    def _transient(self) -> np.ndarray:
        inner = [each.states for each in self.classes if not each.closed]
        return np.sort(np.concatenate(inner)) if inner else np.zeros(0, dtype=np.int64)

    def _solve(self, states: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return x of x = Q x + right with Q the transitions among some states."""
        Q = self.matrix[states][:, states]
        return splu(csc_array(eye_array(len(states)) - Q)).solve(right)

    def hitting_times(self, targets: Any) -> np.ndarray:
        """Return the expected steps until one of some states is reached, from each state: (n,).

        Infinite where it may never be.
        """
        is_target = np.zeros(len(self), dtype=bool)
        is_target[targets] = True
        # What can never reach a target, and what may get there.
        lost = ~self._leads_to(is_target, self.matrix)
        through = self.matrix.multiply(~is_target[:, None]).tocsr()
        endless = self._leads_to(lost, csr_array(through))
        times = np.where(endless, np.inf, 0.0)
        inner = np.flatnonzero(~endless & ~is_target)
        if len(inner):
            times[inner] = self._solve(inner, np.ones(len(inner)))
        return times

    def _leads_to(self, states: np.ndarray, matrix: Any) -> np.ndarray:
        """Return from which states some states can be reached; they themselves are among them."""
        reached = states
        while True:
            wider = reached | (matrix @ reached.astype(np.float64) > 0)
            if (wider == reached).all():
                return reached
            reached = wider

    def is_reversible(self, tolerance: float = 1e-10) -> bool:
        """Say whether πᵢ Pᵢⱼ = πⱼ Pⱼᵢ for all states: backwards in time the chain looks the same."""
        flow = csr_array(self.matrix.multiply(self.stationary[:, None]))
        return bool(abs(flow - flow.T).max() <= tolerance)

    def mixing_time(self, epsilon: float = 0.25) -> int:
        """Return the least t at which Σⱼ |Pᵗᵢⱼ - πⱼ| / 2 is at most ε from every state i.

        Raises
        ------
        DataError
            The chain has several closed classes, or a period: it never mixes.
        UsageError
            There are more than 1,000 states.
        """
        closed = [each for each in self.classes if each.closed]
        if len(closed) != 1 or closed[0].period != 1:
            raise DataError(
                f"mixing_time needs one closed class without a period; this chain has {len(closed)}, of the "
                f"period{'s' * (len(closed) != 1)} {', '.join(str(each.period) for each in closed)}.",
                "It never forgets where it began; look at absorption().",
            )
        if len(self) > MOST_MIXED:
            raise UsageError(
                f"mixing_time takes powers of the whole matrix, up to {MOST_MIXED:,} states; got {len(self):,}.",
                "Use a lower order.",
            )
        # The distance never grows with t: powers of two from above, then back by halves.
        powers = [self.matrix.toarray()]
        if not self._away(np.eye(len(self)), epsilon):
            return 0
        while self._away(powers[-1], epsilon):
            if 2 ** len(powers) > MOST_STEPS:
                raise DataError("mixing_time needs a chain that mixes in 10¹² steps.", "Its classes hardly meet.")
            powers.append(powers[-1] @ powers[-1])
        if len(powers) == 1:
            return 1
        steps, reached = 2 ** (len(powers) - 2), powers[-2]
        for k in range(len(powers) - 3, -1, -1):
            further = reached @ powers[k]
            if self._away(further, epsilon):
                steps, reached = steps + 2**k, further
        return steps + 1

    def _away(self, power: np.ndarray, epsilon: float) -> bool:
        return bool(0.5 * np.abs(power - self.stationary).sum(axis=1).max() > epsilon)


def _gone_on(P: Any) -> np.ndarray:
    """Return π of one closed class by going on until nothing moves; half steps know no period."""
    back, pi = csr_array(P.T), np.full(P.shape[0], 1 / P.shape[0])
    for _ in range(100_000):
        after = 0.5 * (pi + back @ pi)
        if np.abs(after - pi).max() <= STILL * after.max():
            break
        pi = after
    return pi / pi.sum()
