"""Whether the verdicts of a comparison stand: what is claimed where there is nothing, and what is found where there is.

    python benchmarks/compare_claims.py [--only permuted] [--runs 400] [--page]

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
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.special import ndtr
from sklearn.datasets import load_breast_cancer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.tree import DecisionTreeClassifier

import nnzoo
from nnzoo.comparison.folds import Folds
from nnzoo.comparison.plan import better_half
from nnzoo.comparison.statistics import TIED, Gap, gaps, interval
from nnzoo.comparison.verdict import Standing, words
from nnzoo.data.dataset import Data
from nnzoo.data.splits import TEST
from nnzoo.evaluation.intervals import wilson

PAGE = Path(__file__).parents[1] / "docs" / "comparison.md"
N_FOLDS = 10
N_FINALISTS = 4
NAIVE = 1e-12
"""Share of test rows in the correction: next to none of it, which leaves the t-test that takes folds for independent."""
Cut = tuple[np.ndarray, np.ndarray]


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
    "nearest neighbours": KNeighborsClassifier(5),
    "tree": DecisionTreeClassifier(max_depth=4, random_state=0),
}
NETWORKS = {
    **{f"{n} random features": RandomFeatures(n) for n in (5, 10, 20, 40, 80)},
    "normal classes": GaussianNB(),
    "linear discriminant": LinearDiscriminantAnalysis(),
    "quadratic discriminant": QuadraticDiscriminantAnalysis(reg_param=0.1),
    "nearest centre": NearestCentroid(),
    "signs": BernoulliNB(binarize=0.0),
    "nearest neighbour": KNeighborsClassifier(1),
    "two cuts": DecisionTreeClassifier(max_depth=2, random_state=0),
}
LEARNERS = NETWORKS | BASELINES
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


def permuted(n_runs: int) -> str:
    """Return a table: how often something is claimed of labels that have nothing to do with the rows."""
    n_rows = 250
    X = load_breast_cancer().data
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    claims: dict[str, list[bool]] = {}
    bias: dict[str, list[float]] = {}
    for run in range(n_runs):
        rng = np.random.default_rng(run)
        rows = X[rng.choice(len(X), n_rows, replace=False)]
        scores, sealed, share = scores_of(rows, np.arange(n_rows) % 2)
        for what, claimed in claims_of(scores, share).items():
            claims.setdefault(what, []).append(claimed)
        best = ranked(finalists(scores, 2), scores)[0]
        for what, value in (("folds", np.mean(list(scores[best].values()))), ("sealed", sealed[best])):
            bias.setdefault(what, []).append(100 * (float(value) - 0.5))
    lines = [
        f"| what is claimed, {n_runs} times | of {len(NETWORKS)} networks, 4 baselines | 95 % interval |",
        "|---|---|---|",
    ]
    lines += [f"| {what} | {share_words(found)} |" for what, found in claims.items()]
    told = "; ".join(f"{what} {np.mean(v):+.2f} ± {1.96 * np.std(v) / np.sqrt(len(v)):.2f}" for what, v in bias.items())
    return "\n".join([*lines, "", f"Accuracy of the best network less the true 50 %, mean in points: {told}."])


def scores_of(X: np.ndarray, y: np.ndarray) -> tuple[dict[str, dict[int, float]], dict[str, float], float]:
    """Return the score of each learner on each fold and on the sealed rows, and the share of the folds."""
    folds, apart, share = cuts(len(X))
    scores: dict[str, dict[int, float]] = {name: {} for name in LEARNERS}
    sealed = {}
    for number, (train, test) in enumerate([*folds, apart]):
        for name, learner in LEARNERS.items():
            right = float((learner.fit(X[train], y[train]).predict(X[test]) == y[test]).mean())
            if number < N_FOLDS:
                scores[name][number] = right
            else:
                sealed[name] = right
    return scores, sealed, share


def claims_of(scores: dict[str, dict[int, float]], share: float) -> dict[str, bool]:
    """Return what would be claimed, by the corrected test and by others."""
    pair = ("normal classes", "tree")
    found = {}
    for n_folds in (5, N_FOLDS):
        some = {name: {f: of[f] for f in range(n_folds)} for name, of in scores.items()}
        for test, by in (("corrected", share), ("plain t-test", NAIVE)):
            found[f"two learners named before, {n_folds} folds, {test}"] = is_claimed(judge(some, by, [pair]))
    for test, by, n_pairs in (
        ("corrected, for all pairs", share, None),
        ("plain t-test, for all pairs", NAIVE, None),
        ("plain t-test, each pair by itself", NAIVE, 1),
    ):
        judged = judge(scores, by, ALL_PAIRS, n_pairs)
        found[f"any of all {len(ALL_PAIRS)} pairs, {test}"] = is_claimed(judged)
        found[f"a network as winner, nobody dropped, {test}"] = is_won(scores, judged)
    for n_seen in (2, 5):
        last = finalists(scores, n_seen)
        kept = {name: scores[name] for name in (*last, *BASELINES)}
        family = [each for each in ALL_PAIRS if set(each) <= set(kept)]
        fresh = {name: {f: of[f] for f in range(n_seen, N_FOLDS)} for name, of in kept.items()}
        for how, of, n_pairs in (
            ("for the finalists' pairs", kept, None),
            ("for all pairs", kept, len(ALL_PAIRS)),
            ("on the folds that chose none", fresh, None),
        ):
            judged = judge(of, share, family, n_pairs)
            found[f"any pair of 4 finalists by {n_seen} folds, corrected, {how}"] = is_claimed(judged)
            found[f"a network as winner, 4 finalists by {n_seen} folds, corrected, {how}"] = is_won(of, judged)
    return found


def judge(
    scores: dict[str, dict[int, float]], share: float, family: Sequence[tuple[str, str]], n_pairs: int | None = None
) -> list[Gap]:
    """Return the differences; ``n_pairs`` of 1 judges each pair by itself."""
    if n_pairs == 1:
        return [gap for pair in family for gap in gaps(scores, share, better="higher", family=[pair])]
    return gaps(scores, share, better="higher", family=family, n_pairs=n_pairs)


def is_claimed(judged: Iterable[Gap]) -> bool:
    return any(gap.outcome != TIED for gap in judged)


def is_won(scores: dict[str, dict[int, float]], judged: Sequence[Gap]) -> bool:
    """Return whether the verdict names a network as the one to use."""
    table = [
        Standing(name, name in NETWORKS, float(np.mean(list(of.values()))), None, None, len(of), None, None)
        for name, of in scores.items()
    ]
    return words(table, judged, "accuracy")[1] in NETWORKS


def finalists(scores: dict[str, dict[int, float]], n_seen: int) -> list[str]:
    """Return the networks that go on: the better half by the first fold, the best four by the first ``n_seen``."""
    second = list(NETWORKS) if n_seen > 2 else better_half(ranked(NETWORKS, scores, 1))
    return ranked(second, scores, n_seen)[:N_FINALISTS]


def ranked(names: Iterable[str], scores: dict[str, dict[int, float]], n_folds: int = N_FOLDS) -> list[str]:
    return sorted(names, key=lambda name: -np.mean([scores[name][f] for f in range(n_folds)]))


# Something to find


def power(n_runs: int) -> str:
    """Return a table: how often a planted difference is found, and how often intervals hold it."""
    lines = [
        "| rows | planted | true | found, one pair | found, 22 pairs | wrong way | interval holds it | plain t-test's does |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for n_rows in (320, 1250, 5000):
        for planted in (0, 1, 2, 3, 5, 7, 10):
            lines.append(planted_row(n_rows, planted, n_runs))
    return "\n".join(lines)


def planted_row(n_rows: int, planted: float, n_runs: int) -> str:
    """Return a row of the table: two linear discriminants, each with a view of its own of the same rows.

    A row of class c has c m + e in each view, c = -1 or 1; the best accuracy of a view is ndtr(m). The errors e of the
    two views are correlated, as the errors of two networks on the same rows are.
    """
    folds, _, share = cuts(n_rows)
    middles = [quantile(0.9), quantile(0.9 - planted / 100)]
    y = np.arange(n_rows) % 2
    one, among, plain, single, true = [], [], [], [], []
    for run in range(n_runs):
        rng = np.random.default_rng([n_rows, run])
        noise = rng.normal(size=(2, n_rows, 5))
        noise[1] = CORRELATION * noise[0] + np.sqrt(1 - CORRELATION**2) * noise[1]
        scores: dict[str, dict[int, float]] = {"first": {}, "second": {}}
        exact = []
        for number, (train, test) in enumerate(folds):
            of_fold = []
            for name, middle, errors in zip(scores, middles, noise, strict=True):
                X = errors.copy()
                X[:, 0] += middle * (2 * y - 1)
                weight, bias = discriminant(X[train], y[train])
                scores[name][number] = float(((X[test] @ weight + bias > 0) == y[test]).mean())
                of_fold.append(exact_accuracy(weight, bias, middle))
            exact.append(of_fold[0] - of_fold[1])
        one += gaps(scores, share, better="higher")
        among += gaps(scores, share, better="higher", n_pairs=22)
        plain += gaps(scores, NAIVE, better="higher")
        single.append(interval(scores["first"].values(), share))
        true.append(float(np.mean(exact)))
    middle = float(np.mean(true))
    held, naive = ([gap.low <= middle <= gap.high for gap in of] for of in (one, plain))
    found = [f"{np.mean([gap.outcome == 'beats' for gap in of]):.0%}" for of in (one, among)]
    wrong = np.mean([gap.outcome == "is worse than" for gap in one])
    cells = [f"{len(folds[0][0]) + len(folds[0][1]):,}", f"{planted}", f"{100 * middle:.2f}", *found, f"{wrong:.1%}"]
    return f"| {' | '.join([*cells, f'{np.mean(held):.1%}', f'{np.mean(naive):.1%}'])} |"


CORRELATION = 0.7


def quantile(accuracy: float) -> float:
    """Return the distance of a class from the border for an accuracy: the inverse of ndtr."""
    from scipy.special import ndtri

    return float(ndtri(accuracy))


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
    return f"{np.mean(found):.1%} | {low:.1%} to {high:.1%}"


PARTS: dict[str, Callable[[int], str]] = {"permuted": permuted, "power": power}


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
