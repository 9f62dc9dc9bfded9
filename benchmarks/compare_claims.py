"""Whether the verdicts of a comparison stand: what is claimed where there is nothing, and what is found where there is.

    python benchmarks/compare_claims.py [--only power] [--runs 400] [--page]

The statistics of ``nnzoo.compare``, with its own folds, on the scores of quick learners, so that hundreds of
comparisons take minutes. ``permuted``: labels that have nothing to do with the rows. ``power``: learners whose
difference is planted and known exactly. ``--page`` writes the tables into docs/comparison.md.
"""

import argparse
import re
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.special import ndtr, ndtri
from sklearn.datasets import load_breast_cancer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.tree import DecisionTreeClassifier

import nnzoo
from nnzoo.comparison.folds import Folds
from nnzoo.comparison.plan import better_half
from nnzoo.comparison.statistics import BEATS, TIED, Gap, gaps
from nnzoo.comparison.verdict import Standing, words
from nnzoo.data.dataset import Data
from nnzoo.data.splits import TEST
from nnzoo.errors import counted
from nnzoo.evaluation.intervals import wilson

PAGE = Path(__file__).parents[1] / "docs" / "comparison.md"
N_FOLDS = 20
N_FINALISTS = 4
BEST, CORRELATION = 0.9, 0.7
"""Accuracy of the better of two planted learners, and how their errors go together."""
NAIVE = 1e-12
"""Share of test rows in the correction: next to none of it, which leaves the t-test that takes folds for independent."""
Cut = tuple[np.ndarray, np.ndarray]
Scores = dict[str, dict[int, float]]


class RandomFeatures:
    """A network with a random hidden layer, drawn anew for each fit, and a linear readout."""

    def __init__(self, n_hidden: int) -> None:
        self.n_hidden = n_hidden

    def fit(self, X: np.ndarray, y: np.ndarray) -> "RandomFeatures":
        rng = np.random.default_rng([self.n_hidden, zlib.crc32(np.ascontiguousarray(X))])
        self.weight = rng.normal(size=(X.shape[1], self.n_hidden)) / np.sqrt(X.shape[1])
        hidden = np.tanh(X @ self.weight)
        self.middle = hidden.mean(axis=0)
        hidden -= self.middle
        self.out = np.linalg.solve(hidden.T @ hidden + np.eye(self.n_hidden), hidden.T @ (2.0 * y - 1))
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return ((np.tanh(X @ self.weight) - self.middle) @ self.out > 0).astype(int)


BASELINES = {
    "constant": DummyClassifier(),
    "linear": RidgeClassifier(),
    "nearest neighbours": KNeighborsClassifier(5, algorithm="kd_tree"),
    "tree": DecisionTreeClassifier(max_depth=4, random_state=0),
}
NETWORKS = {
    **{f"{n} random features": RandomFeatures(n) for n in (5, 10, 20, 40, 80)},
    "normal classes": GaussianNB(),
    "linear discriminant": LinearDiscriminantAnalysis(),
    "nearest centre": NearestCentroid(),
    "nearest neighbour": KNeighborsClassifier(1, algorithm="kd_tree"),
    "two cuts": DecisionTreeClassifier(max_depth=2, random_state=0),
}
LEARNERS = NETWORKS | BASELINES
NAMED_BEFORE = ("normal classes", "two cuts")
ALL_PAIRS = [pair for pair in combinations(LEARNERS, 2) if not set(pair) <= set(BASELINES)]


@cache
def cuts(n_rows: int) -> tuple[list[Cut], Cut, float]:
    """Return training and test rows of each fold, then of the sealed part, and the share; labels are 0, 1, 0, 1, ...

    The rows are drawn at random in every run, so that the same cut is a new one each time.
    """
    data = nnzoo.load({"x": np.arange(n_rows) / n_rows, "y": [("no", "yes")[k % 2] for k in range(n_rows)]}, target="y")
    folds = Folds(data)
    found = []
    for number in range(1, N_FOLDS + 1):
        fold = folds.make(number)
        found.append((place(data, fold, fold.part != TEST), place(data, fold, fold.part == TEST)))
    sealed = np.flatnonzero(data.part != TEST), np.flatnonzero(data.part == TEST)
    return found, sealed, folds.share


def place(data: Data, fold: Data, mask: np.ndarray) -> np.ndarray:
    """Return where some rows of a fold stand in the data."""
    return np.searchsorted(data.rows, fold.rows[mask])


# Nothing to find


def permuted(n_rows: int, n_runs: int) -> str:
    """Return a table: how often something is claimed of labels that have nothing to do with the rows."""
    X = load_breast_cancer().data[:, :10]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    claims: dict[str, list[tuple[bool, bool]]] = {}
    beyond: dict[str, list[float]] = {}
    for run in range(n_runs):
        rows = X[np.random.default_rng([n_rows, run]).choice(len(X), n_rows, replace=False)]
        scores, sealed, share = scores_of(rows, np.arange(n_rows) % 2)
        corrected, plain = claims_of(scores, share), claims_of(scores, NAIVE)
        for what, claimed in corrected.items():
            claims.setdefault(what, []).append((claimed, plain[what]))
        best = ranked(finalists(scores, 5), scores)[0]
        for what, value in (("on its folds", mean_of(scores[best], N_FOLDS)), ("on the sealed rows", sealed[best])):
            beyond.setdefault(what, []).append(100 * (value - 0.5))
    told = "; ".join(
        f"{what} {np.mean(v):+.2f} ± {1.96 * np.std(v) / np.sqrt(len(v)):.2f}" for what, v in beyond.items()
    )
    return "\n".join(
        [
            f"| claimed of nothing in {n_runs} comparisons of {n_rows} rows | corrected test | plain t-test |",
            "|---|---|---|",
            *(
                f"| {what} | {' | '.join(map(share_words, zip(*found, strict=True)))} |"
                for what, found in claims.items()
            ),
            "",
            f"Accuracy of the best network beyond the true 50 %, mean in points: {told}.",
        ]
    )


def scores_of(X: np.ndarray, y: np.ndarray) -> tuple[Scores, dict[str, float], float]:
    """Return the score of each learner on each fold and on the sealed rows, and the share of the folds."""
    folds, apart, share = cuts(len(X))
    scores: Scores = {name: {} for name in LEARNERS}
    sealed = {}
    for number, (train, test) in enumerate([*folds, apart]):
        for name, learner in LEARNERS.items():
            right = float((learner.fit(X[train], y[train]).predict(X[test]) == y[test]).mean())
            if number < N_FOLDS:
                scores[name][number] = right
            else:
                sealed[name] = right
    return scores, sealed, share


def claims_of(scores: Scores, share: float) -> dict[str, bool]:
    """Return what would be claimed with a share of test rows in the correction."""
    found = {}
    for n_folds in (5, 10, N_FOLDS):
        judged = gaps(some_folds(scores, n_folds), share, better="higher", family=[NAMED_BEFORE])
        found[f"two networks named before differ, {counted(n_folds, 'fold')}"] = is_claimed(judged)
    judged = gaps(scores, share, better="higher", family=ALL_PAIRS)
    found[f"any of all {len(ALL_PAIRS)} pairs differs, nobody dropped"] = is_claimed(judged)
    for n_seen in (2, 5):
        kept = {name: scores[name] for name in (*finalists(scores, n_seen), *BASELINES)}
        family = [pair for pair in ALL_PAIRS if set(pair) <= set(kept)]
        judged = gaps(kept, share, better="higher", family=family)
        who = f"of the {N_FINALISTS} best by {counted(n_seen, 'fold')}"
        found[f"any pair {who} differs, only theirs counted"] = is_claimed(judged)
        judged = gaps(kept, share, better="higher", family=family, n_pairs=len(ALL_PAIRS))
        found[f"**any pair {who} differs, all pairs counted**"] = is_claimed(judged)
        ahead = [gap for gap in judged if gap.second == "constant" and gap.outcome == BEATS]
        found[f"**a network {who} beats the constant, all pairs counted**"] = bool(ahead)
        found[f"**a network {who} is the one to use, all pairs counted**"] = is_won(kept, judged)
    return found


def some_folds(scores: Scores, n_folds: int) -> Scores:
    return {name: {f: of[f] for f in range(n_folds)} for name, of in scores.items()}


def mean_of(of_folds: dict[int, float], n_folds: int) -> float:
    return float(np.mean([of_folds[f] for f in range(n_folds)]))


def is_claimed(judged: Iterable[Gap]) -> bool:
    return any(gap.outcome != TIED for gap in judged)


def is_won(scores: Scores, judged: Sequence[Gap]) -> bool:
    """Return whether the verdict names a network as the one to use."""
    table = [
        Standing(name, name in NETWORKS, float(np.mean(list(of.values()))), None, None, len(of), None, None)
        for name, of in scores.items()
    ]
    return words(table, judged, "accuracy")[1] in NETWORKS


def finalists(scores: Scores, n_seen: int) -> list[str]:
    """Return the networks that go on: the better half by the first fold, the best four by the first ``n_seen``."""
    second = list(NETWORKS) if n_seen > 2 else better_half(ranked(NETWORKS, scores, 1))
    return ranked(second, scores, n_seen)[:N_FINALISTS]


def ranked(names: Iterable[str], scores: Scores, n_folds: int = N_FOLDS) -> list[str]:
    return sorted(names, key=lambda name: -mean_of(scores[name], n_folds))


# Something to find


def power(n_runs: int) -> str:
    """Return a table: how often a planted difference is found, and how often intervals hold it."""
    judgements = [(5, 1), (20, 1), (5, 22), (10, 22), (20, 22), (20, 130)]
    heads = [f"{n_folds} folds, {counted(n_pairs, 'pair')}" for n_folds, n_pairs in judgements]
    heads = ["rows", "planted", "true", *heads, "interval holds it", "that of the plain t-test does"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for n_rows in (300, 1200, 5000):
        for planted in (0, 1, 2, 3, 5, 7, 10):
            runs = [planted_run(n_rows, planted, run) for run in range(n_runs)]
            share, true = cuts(n_rows)[2], float(np.mean([difference for _, difference in runs]))
            found = {
                (n, m, by): [gaps(some_folds(scores, n), by, better="higher", n_pairs=m)[0] for scores, _ in runs]
                for n, m in judgements
                for by in (share, NAIVE)
            }
            cells = [f"{n_rows:,}", f"{planted}", f"{100 * true:.2f}"]
            cells += [f"{np.mean([gap.outcome == BEATS for gap in found[n, m, share]]):.0%}" for n, m in judgements]
            cells += [f"{np.mean([holds(gap, true) for gap in found[N_FOLDS, 1, by]]):.1%}" for by in (share, NAIVE)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def holds(gap: Gap, value: float) -> bool:
    return gap.low is not None and gap.high is not None and gap.low <= value <= gap.high


def planted_run(n_rows: int, planted: float, run: int) -> tuple[Scores, float]:
    """Return the scores of two linear discriminants that see the same rows each in its own way, and what they differ by.

    A row of class c has c m + e in each view, c = -1 or 1; the best accuracy of a view is ndtr(m). The errors e of the
    two views are correlated, as the errors of two networks on the same rows are.
    """
    middles = [float(ndtri(BEST)), float(ndtri(BEST - planted / 100))]
    rng = np.random.default_rng([n_rows, run])
    views = rng.normal(size=(2, n_rows, 5))
    views[1] = CORRELATION * views[0] + np.sqrt(1 - CORRELATION**2) * views[1]
    y = np.arange(n_rows) % 2
    scores: Scores = {"first": {}, "second": {}}
    exact = np.zeros((2, N_FOLDS))
    for which, (name, X, middle) in enumerate(zip(scores, views, middles, strict=True)):
        X[:, 0] += middle * (2 * y - 1)
        for number, (train, test) in enumerate(cuts(n_rows)[0]):
            weight, bias = discriminant(X[train], y[train])
            scores[name][number] = float(((X[test] @ weight + bias > 0) == y[test]).mean())
            exact[which, number] = exact_accuracy(weight, bias, middle)
    return scores, float(exact[0].mean() - exact[1].mean())


def discriminant(X: np.ndarray, y: np.ndarray) -> Cut:
    """Return weights and bias of Fisher's linear discriminant."""
    no, yes = X[y == 0], X[y == 1]
    spread = (np.cov(no.T) * (len(no) - 1) + np.cov(yes.T) * (len(yes) - 1)) / (len(X) - 2)
    weight = np.linalg.solve(spread, yes.mean(axis=0) - no.mean(axis=0))
    return weight, -weight @ (no.mean(axis=0) + yes.mean(axis=0)) / 2


def exact_accuracy(weight: np.ndarray, bias: float, middle: float) -> float:
    """Return the accuracy on rows without end: classes at -middle and middle on the first axis, errors of variance 1."""
    length = np.linalg.norm(weight)
    return float((ndtr((middle * weight[0] + bias) / length) + ndtr((middle * weight[0] - bias) / length)) / 2)


def share_words(found: Sequence[bool]) -> str:
    low, high = wilson(sum(found), len(found))
    return f"{np.mean(found):.1%} [{low:.1%}, {high:.1%}]"


PARTS: dict[str, Callable[[int], str]] = {
    "permuted-100": partial(permuted, 100),
    "permuted-250": partial(permuted, 250),
    "power": power,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(PARTS), help="all by default")
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--page", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in [options.only] if options.only else PARTS:
        started = time.monotonic()
        table = PARTS[name](options.runs)
        print(f"{name}\n\n{table}\n\n{time.monotonic() - started:.0f} s\n", file=sys.stdout)
        if options.page:
            text = PAGE.read_text()
            PAGE.write_text(
                re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)", rf"\g<1>{table}\n\g<2>", text, flags=re.DOTALL)
            )


if __name__ == "__main__":
    main()
