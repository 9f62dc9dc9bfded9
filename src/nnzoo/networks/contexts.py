"""Counts of symbols behind their contexts: what a Markov chain of any order knows.

A row of a table of grams is a symbol, the k symbols before it, the nearest first, and how often this came. Before the
first symbol of a sequence stands the border, a symbol of its own that is never drawn, so nothing crosses from one
sequence into the next. Grams are told apart as packed integers; whatever would not fit into 63 bits gets numbered anew
before it is packed on, so neither the order nor the alphabet has a limit.

From the table follows a tree: its root is the empty context, a step down reads one symbol further back. Every node
knows how often each symbol came behind it; the parent of a node is the context that it backs off to.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.stats import chi2

from nnzoo.ragged import places
from nnzoo.trace import Step, cell_name, written
from nnzoo.tracing import Names

Table = tuple[np.ndarray, np.ndarray]
"""Grams (n_grams, order + 1) and their counts (n_grams,)."""
BACKOFFS = (None, "witten_bell", "kneser_ney")
LARGEST = 2**63 - 1
USUAL_DISCOUNT = 0.5
"""Kneser and Ney's discount where no symbol came once, or none twice."""
N_DISCOUNTS = 3
"""One of what came once, one of what came twice, and one of all that came more often."""


def border_of(n_symbols: int) -> int:
    """Return the code of what stands before a sequence; the one behind it is that of unknown symbols."""
    return n_symbols


def shifted(codes: np.ndarray, starts: np.ndarray, n_back: int, border: int) -> np.ndarray:
    """Return for every place the code that stands ``n_back`` places before it, the border before the first of a row.

    Examples
    --------
    >>> shifted(np.array([0, 1, 2, 1, 0]), np.array([0, 3]), 1, 9).tolist()
    [9, 0, 1, 9, 1]
    """
    out = np.full_like(codes, border)
    out[n_back:] = codes[: max(len(codes) - n_back, 0)]
    out[places(starts, np.minimum(n_back, np.diff(starts, append=len(codes))))] = border
    return out


def distinct(columns: Sequence[np.ndarray], base: int, weights: np.ndarray | None = None) -> Table:
    """Return the different rows of some columns of codes below ``base``, sorted, and how often each comes.

    Parameters
    ----------
    columns : sequence of int arrays (n,)
    base : int
    weights : array (n,), optional
        What a row counts; 1 without.

    Examples
    --------
    >>> rows, counts = distinct([np.array([1, 0, 1]), np.array([2, 2, 2])], 3)
    >>> rows.tolist(), counts.tolist()
    ([[0, 2], [1, 2]], [1.0, 2.0])
    """
    key, n_keys, packed = columns[0].astype(np.int64), base, True
    for column in columns[1:]:
        if n_keys > LARGEST // base:
            known, key = np.unique(key, return_inverse=True)
            n_keys, packed = len(known), False
        key = key * base + column
        n_keys *= base
    if weights is None and packed:
        # Sorted alone the keys take a fifth of the time, and are taken apart again.
        known, counts = np.unique(key, return_counts=True)
        rows = np.empty((len(known), len(columns)), dtype=np.int64)
        for place in reversed(range(len(columns))):
            known, rows[:, place] = np.divmod(known, base)
        return rows, counts.astype(np.float64)
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    counts = np.bincount(which, weights, minlength=len(first)).astype(np.float64)
    return np.stack([column[first] for column in columns], axis=1).astype(np.int64), counts


def count_grams(
    codes: np.ndarray, starts: np.ndarray, order: int, n_symbols: int, weights: np.ndarray | None = None
) -> Table:
    """Return the table of grams of sequences: int64 (n_grams, order + 1) and their counts (n_grams,).

    Parameters
    ----------
    codes : int array (n_steps_in_all,)
        Sequence behind sequence.
    starts : int array (n_sequences,)
    order, n_symbols : int
    weights : array (n_steps_in_all,), optional
    """
    border = border_of(n_symbols)
    columns = [codes, *(shifted(codes, starts, n_back, border) for n_back in range(1, order + 1))]
    return distinct(columns, n_symbols + 1, weights)


def add_grams(first: Table, second: Table, n_symbols: int) -> Table:
    """Return the table of two tables together."""
    grams = np.concatenate([first[0], second[0]])
    return distinct(list(grams.T), n_symbols + 1, np.concatenate([first[1], second[1]]))


@dataclass(frozen=True)
class Level:
    """The contexts of one length.

    Attributes
    ----------
    nodes : int64 array (n_nodes,)
        Parent, a node of the level above, times ``n_symbols + 2`` plus the symbol; sorted.
    pairs : int64 array (n_pairs,)
        Node times ``n_symbols + 2`` plus the symbol that came behind it; sorted.
    counts : array (n_pairs,)
        How often it came.
    variety : array (n_pairs,)
        How many different symbols stood before the two; where nothing did, how often the pair came.
    """

    nodes: np.ndarray
    pairs: np.ndarray
    counts: np.ndarray
    variety: np.ndarray

    def sums(self, values: np.ndarray, base: int) -> np.ndarray:
        """Return the sum of values (n_pairs,) over the pairs of each node."""
        return np.bincount(self.pairs // base, values, minlength=len(self.nodes)).astype(np.float64)


@dataclass(frozen=True)
class Shares:
    """The part of a level in a probability: P(x | node) = own(node, x) + rest(node) P(x | parent).

    Attributes
    ----------
    own : array (n_pairs,)
    rest : array (n_nodes,)
    """

    own: np.ndarray
    rest: np.ndarray


class ContextTree:
    """All contexts of a table of grams, and the probabilities that follow.

    Parameters
    ----------
    grams : int array (n_grams, order + 1)
    counts : array (n_grams,)
    n_symbols : int
    smoothing : float
        α of (n(c, x) + α) / (n(c) + α n_symbols), for the longest contexts alone.
    backoff : None, "witten_bell" or "kneser_ney"
    """

    def __init__(
        self,
        grams: np.ndarray,
        counts: np.ndarray,
        n_symbols: int,
        *,
        smoothing: float = 0.0,
        backoff: str | None = None,
    ) -> None:
        self.n_symbols = n_symbols
        self.order = grams.shape[1] - 1
        self.base = n_symbols + 2
        self.smoothing = smoothing
        self.backoff = backoff
        self.levels = self._grow(grams.astype(np.int64), counts.astype(np.float64))

    def _grow(self, grams: np.ndarray, counts: np.ndarray) -> list[Level]:
        border = border_of(self.n_symbols)
        rows, node, nodes, levels = np.arange(len(grams)), np.zeros(len(grams), np.int64), np.zeros(1, np.int64), []
        for depth in range(self.order + 1):
            pairs, which = np.unique(node * self.base + grams[rows, 0], return_inverse=True)
            came = np.bincount(which, counts[rows], minlength=len(pairs)).astype(np.float64)
            levels.append(Level(nodes, pairs, came, came))
            if depth < self.order:
                # Behind a border nothing is read any more.
                going = np.ones(len(rows), bool) if depth == 0 else grams[rows, depth] != border
                rows = rows[going]
                nodes, node = np.unique(node[going] * self.base + grams[rows, depth + 1], return_inverse=True)
        return self._with_variety(levels)

    def _with_variety(self, levels: list[Level]) -> list[Level]:
        """Count for every pair the pairs one level down that end in it."""
        out = levels[-1:]
        for upper, lower in zip(reversed(levels[:-1]), reversed(levels[1:]), strict=True):
            parent = lower.nodes[lower.pairs // self.base] // self.base
            ends = np.searchsorted(upper.pairs, parent * self.base + lower.pairs % self.base)
            before = np.bincount(ends, minlength=len(upper.pairs)).astype(np.float64)
            out.append(replace(upper, variety=np.where(before > 0, before, upper.counts)))
        return out[::-1]

    @cached_property
    def shares(self) -> list[Shares]:
        """The parts of all levels, the root first."""
        rules = {None: self._additive, "witten_bell": self._witten_bell, "kneser_ney": self._kneser_ney}
        return [rules[self.backoff](level) for level in self.levels]

    def _additive(self, level: Level) -> Shares:
        total = level.sums(level.counts, self.base) + self.smoothing * self.n_symbols
        rest = np.divide(self.smoothing * self.n_symbols, total, out=np.ones_like(total), where=total > 0)
        return Shares(level.counts / total[level.pairs // self.base], rest)

    def _witten_bell(self, level: Level) -> Shares:
        """P = (n(c, x) + T(c) P') / (n(c) + T(c)) with T(c) the number of different symbols behind c."""
        total, kinds = level.sums(level.counts, self.base), level.sums(np.ones(len(level.pairs)), self.base)
        whole = total + kinds
        rest = np.divide(kinds, whole, out=np.ones_like(whole), where=whole > 0)
        return Shares(level.counts / whole[level.pairs // self.base], rest)

    def _kneser_ney(self, level: Level) -> Shares:
        """P = max(v(c, x) - D(v), 0) / v(c) + rest P', v counting, above the longest contexts, what stood before."""
        total = level.sums(level.variety, self.base)
        own = np.maximum(level.variety - self.discounts(level, level.variety), 0) / total[level.pairs // self.base]
        return Shares(own, np.where(total > 0, 1 - level.sums(own, self.base), 1.0).clip(0))

    def discounts(self, level: Level, counts: np.ndarray) -> np.ndarray:
        """Return D of each count (n,): D₁, D₂ or D₃ as it is 1, 2 or more.

        D_k = k - (k + 1) Y n_{k+1} / n_k with Y = n₁ / (n₁ + 2 n₂), from how many pairs n_k came k times; Y for all,
        as Kneser and Ney had it, where some n_k is 0.
        """
        n = np.array([np.count_nonzero(level.variety == k) for k in range(1, N_DISCOUNTS + 2)])
        usual = n[0] / (n[0] + 2 * n[1]) if n[0] and n[1] else USUAL_DISCOUNT
        if not n.all():
            return np.full(len(counts), usual)
        k = np.arange(1, N_DISCOUNTS + 1)
        found = (k - (k + 1) * usual * n[1:] / n[:-1]).clip(0, k)
        return found[np.clip(counts, 1, N_DISCOUNTS).astype(np.int64) - 1]

    # What is asked of it

    def walk(self, before: Sequence[np.ndarray], n: int) -> Iterator[tuple[Level, Shares, np.ndarray, np.ndarray]]:
        """Yield, for each level that enters a probability, which of ``n`` contexts it knows, and their nodes.

        Parameters
        ----------
        before : sequence of int arrays (n,)
            The symbols of the contexts, the nearest first, as many as the order.
        n : int
        """
        rows, node = np.arange(n), np.zeros(n, np.int64)
        for depth, (level, shares) in enumerate(zip(self.levels, self.shares, strict=True)):
            if depth:
                node, there = _find(level.nodes, node * self.base + before[depth - 1][rows])
                rows, node = rows[there], node[there]
            if self.backoff is not None or depth == self.order:
                yield level, shares, rows, node
            elif depth:
                # Without backoff a shorter context counts only where the sequence begins with it.
                whole = level.nodes[node] % self.base == border_of(self.n_symbols)
                yield level, shares, rows[whole], node[whole]

    def probability(self, symbols: np.ndarray, before: Sequence[np.ndarray]) -> np.ndarray:
        """Return P of symbols (n,) behind contexts; 0 for one that is not of the alphabet.

        Without backoff an unknown context leaves all symbols equally likely.
        """
        known = symbols < self.n_symbols
        out = np.where(known, 1 / self.n_symbols, 0.0)
        for level, shares, rows, node in self.walk(before, len(symbols)):
            at, there = _find(level.pairs, node * self.base + symbols[rows])
            out[rows] *= shares.rest[node]
            out[rows[there]] += shares.own[at[there]]
        return np.where(known, out, 0.0)

    def distribution(self, before: Sequence[np.ndarray], n: int) -> np.ndarray:
        """Return P of every symbol behind ``n`` contexts: (n, n_symbols)."""
        out = np.full((n, self.n_symbols), 1 / self.n_symbols)
        for level, shares, rows, node in self.walk(before, n):
            starts = np.searchsorted(level.pairs, node * self.base)
            lengths = np.searchsorted(level.pairs, (node + 1) * self.base) - starts
            at = places(starts, lengths)
            out[rows] *= shares.rest[node][:, None]
            out[np.repeat(rows, lengths), level.pairs[at] % self.base] += shares.own[at]
        return out


@dataclass(frozen=True)
class OrderFit:
    """How well a chain of some order describes the sequences of training.

    Attributes
    ----------
    order, n_parameters : int
    log_likelihood : float
        Of the same symbols for each order: those with as many before them as the highest order has.
    aic, bic : float
        2 p - 2 L and p ln N - 2 L: the least is the best.
    statistic, p_value : float
        Likelihood-ratio test against the order below: 2 (L - L'), and how likely so much is if that were the truth;
        NaN for order 0.
    """

    order: int
    n_parameters: int
    log_likelihood: float
    aic: float
    bic: float
    statistic: float
    p_value: float


def fits_of_orders(grams: np.ndarray, counts: np.ndarray, n_symbols: int) -> list[OrderFit]:
    """Return how well the orders 0, 1, ... up to that of the table fit, without smoothing.

    A context has ``n_symbols`` - 1 parameters; those that never came have none.
    """
    whole = (grams[:, 1:] != border_of(n_symbols)).all(axis=1)
    tree, n = ContextTree(grams[whole], counts[whole], n_symbols), float(counts[whole].sum())
    found: list[OrderFit] = []
    for order, level in enumerate(tree.levels):
        share = level.counts / level.sums(level.counts, tree.base)[level.pairs // tree.base]
        fit, n_free = float(level.counts @ np.log(share)), len(level.nodes) * (n_symbols - 1)
        gain, p_value = np.nan, np.nan
        if found:
            gain = max(2 * (fit - found[-1].log_likelihood), 0.0)
            p_value = float(chi2.sf(gain, max(n_free - found[-1].n_parameters, 1)))
        bic = n_free * np.log(max(n, 1.0)) - 2 * fit
        found.append(OrderFit(order, n_free, fit, 2 * n_free - 2 * fit, float(bic), float(gain), p_value))
    return found


def trace_contexts(tree: ContextTree, before: Sequence[np.ndarray], codes: np.ndarray, names: Names) -> Iterator[Step]:
    """Yield what came behind the last symbols of one sequence, and the probabilities that follow, root first."""
    came, name = names.next("c")
    last = np.array([int(each[0]) for each in before][::-1], dtype=np.int64)
    yield Step(
        "last symbols",
        "The state",
        f"{name} = the last {len(last)} of {came}",
        f"code {tree.n_symbols} stands before the first symbol" if (last == tree.n_symbols).any() else "as codes",
        name,
        last,
        "Whatever came earlier makes no difference: that is what makes it a Markov chain.",
        {came: codes},
    )
    p = np.full(tree.n_symbols, 1 / tree.n_symbols)
    said = False
    for level, shares, rows, node in tree.walk(before, 1):
        if not len(rows):
            continue
        counts = np.zeros(tree.n_symbols)
        pairs = np.flatnonzero(level.pairs // tree.base == node[0])
        values = level.variety if tree.backoff == "kneser_ney" else level.counts
        counts[level.pairs[pairs] % tree.base] = values[pairs]
        own = np.zeros(tree.n_symbols)
        own[level.pairs[pairs] % tree.base] = shares.own[pairs]
        after = own + shares.rest[node[0]] * p
        yield _trace_level(tree, level, counts, p, after, names)
        p, said = after, True
    if not said:
        _, name = names.next("p", new_layer=True)
        why = "This state never came in training, so every symbol is equally likely."
        yield Step("all alike", "No count", f"{name}[x] = 1 / n", f"1 / {len(p)}", name, p, why)


def _trace_level(
    tree: ContextTree, level: Level, n: np.ndarray, p: np.ndarray, after: np.ndarray, names: Names
) -> Step:
    """Return how the counts of one context change the probabilities of the shorter one."""
    names.next("n", new_layer=True)
    count, name = names.last, f"p{names.number}"
    before = f"p{names.number - 1}"
    best, total, kinds = int(after.argmax()), n.sum(), int((n > 0).sum())
    cell, operands = cell_name(name, (best,)), {count: n}
    if tree.backoff is None:
        op, formula = "smoothed shares", f"{name}[x] = ({count}[x] + α) / (Σ {count} + α {tree.n_symbols})"
        told = f"({written(n[best])} + {tree.smoothing:g}) / ({written(total)} + {tree.smoothing * len(n):g})"
        operands["α"] = np.array(tree.smoothing)
    elif tree.backoff == "witten_bell":
        op, formula = "witten bell", f"{name}[x] = ({count}[x] + T {before}[x]) / (Σ {count} + T)"
        told = f"({written(n[best])} + {kinds}·{written(p[best])}) / ({written(total)} + {kinds})"
        operands |= {before: p}
    else:
        discounts = tree.discounts(level, n)
        op, formula = "kneser ney", f"{name}[x] = max({count}[x] - D[x], 0) / Σ {count} + rest {before}[x]"
        told = f"max({written(n[best])} - {written(discounts[best])}, 0) / {written(total)} + rest·{written(p[best])}"
        operands |= {before: p, "D": discounts}
    names.last = name
    why = "What often came behind this state is likely now; the rarer the state, the more the shorter one has to say."
    numbers = f"{cell} = {told} = {written(after[best])}"
    return Step(op, "Shares behind this context", formula, numbers, name, after, why, operands, (best,))


def _find(known: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of keys in a sorted array, and which of them are there."""
    if not len(known):
        return np.zeros(len(keys), np.int64), np.zeros(len(keys), bool)
    at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return at, known[at] == keys
