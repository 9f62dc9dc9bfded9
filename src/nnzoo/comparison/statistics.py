"""What the scores of some folds say about a difference: corrected intervals, and who cannot be told apart.

Folds share most of their training rows, so their scores are not independent, and the t-test that takes them for
independent finds differences that are not there. The corrected resampled t-test adds the share of test rows, n2, to
training rows, n1, to the variance of the mean over J folds [1]:

    t = mean(d) / sqrt((1 / J + n2 / n1) var(d)),    J - 1 degrees of freedom

where d are the differences of two candidates, fold by fold. Read as a posterior with a flat prior, the same t gives
the probability that the first of them is better [2].

References
----------
.. [1] Nadeau and Bengio (2003), Inference for the Generalization Error, Machine Learning 52, 239-281.
.. [2] Benavoli, Corani, Demšar and Zaffalon (2017), Time for a Change: a Tutorial for Comparing Multiple Classifiers
   Through Bayesian Analysis, JMLR 18(77), 1-36; section 3.1.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from scipy.special import stdtr, stdtrit

from nnzoo.errors import DataError, UsageError, quote

Outcome = Literal["beats", "cannot be told apart from", "is worse than"]
BEATS: Outcome = "beats"
TIED: Outcome = "cannot be told apart from"
WORSE: Outcome = "is worse than"
LEAST_EVEN_FOLDS = 5
"""Folds that must all show the same difference before it is believed without a spread to judge it by."""
ROUNDING = 1e-9


@dataclass(frozen=True)
class Gap:
    """The difference of two candidates, first minus second, turned so that above 0 the first is better.

    Parameters
    ----------
    first, second : str
    mean : float
        Over the folds that both have, in the unit of the metric.
    low, high : float or None
        Interval that holds for all pairs of the family together; None where the folds have no spread to judge by.
    p : float or None
        Of the two-sided corrected test, times the number of pairs; below 1 - level exactly where 0 is outside.
    probability : float or None
        That the first is better, after these folds and with nothing known before; not adjusted for other pairs.
    n_folds : int
    outcome : str
        "beats", "cannot be told apart from" or "is worse than": the first the second.
    """

    first: str
    second: str
    mean: float
    low: float | None
    high: float | None
    p: float | None
    probability: float | None
    n_folds: int
    outcome: Outcome

    def turned(self) -> "Gap":
        """Return the same difference seen from the second."""
        low, high = (None if end is None else -end for end in (self.high, self.low))
        probability = None if self.probability is None else 1 - self.probability
        turned: dict[Outcome, Outcome] = {BEATS: WORSE, WORSE: BEATS, TIED: TIED}
        return Gap(
            self.second, self.first, -self.mean, low, high, self.p, probability, self.n_folds, turned[self.outcome]
        )

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return asdict(self)


def interval(scores: Iterable[float], share: float, level: float = 0.95) -> tuple[float, float | None, float | None]:
    """Return the mean of one candidate's scores and the ends of its interval: what other data of this kind would give.

    Parameters
    ----------
    scores : iterable of float
        One for each fold, at least one.
    share : float
        Test rows for each training row of a fold, above 0: 1/4 with five folds.
    level : float, default 0.95

    Returns
    -------
    tuple of float, float or None, float or None
        The ends are None with one fold, and where all folds have the same score: they show no spread.

    Raises
    ------
    DataError
        A score is not finite, or there is none.
    UsageError
        ``share`` or ``level`` is out of its range.

    Examples
    --------
    >>> mean, low, high = interval([0.90, 0.94, 0.92, 0.95, 0.89], share=1 / 4)
    >>> [round(end, 3) for end in (mean, low, high)]
    [0.92, 0.873, 0.967]
    """
    _check_ranges(share, level)
    values = _finite("a candidate", dict(enumerate(scores)))
    mean, error = _mean_and_error(values, share)
    if not error:
        return mean, None, None
    half = _quantile(level, 1, len(values)) * error
    return mean, mean - half, mean + half


def gaps(
    scores: Mapping[str, Mapping[int, float]],
    share: float,
    *,
    better: Literal["higher", "lower"] | str,
    level: float = 0.95,
    family: Sequence[tuple[str, str]] | None = None,
    n_pairs: int | None = None,
) -> list[Gap]:
    """Return the differences of pairs of candidates, with intervals that hold for all pairs together (Bonferroni).

    One beats another exactly where the interval excludes 0. Two that agree in every fold cannot be told apart. Two
    that differ by the same amount in every fold have no spread to judge by: that is believed with at least five folds.

    Parameters
    ----------
    scores : mapping of str to mapping of int to float
        Candidate to fold to score. A pair is judged on the folds that both have; with none in common it is left out.
    share : float
        Test rows for each training row of a fold, above 0.
    better : "higher" or "lower"
        Which scores are better.
    level : float, default 0.95
        At which all intervals hold together.
    family : sequence of pairs of str, optional
        The pairs to judge; all by default.
    n_pairs : int, optional
        How many pairs could have been judged, if these were picked by their scores; as many as are judged by default.

    Raises
    ------
    DataError
        A score is not finite.
    UsageError
        A pair names a candidate without scores, or ``share``, ``better``, ``level`` or ``n_pairs`` is out of its range.

    Examples
    --------
    >>> first, second = [0.90, 0.94, 0.92, 0.95, 0.89], [0.85, 0.88, 0.88, 0.89, 0.83]
    >>> scores = {"gru": dict(enumerate(first)), "constant": dict(enumerate(second))}
    >>> found, = gaps(scores, 1 / 4, better="higher")
    >>> found.outcome, round(found.mean, 3), round(found.low, 3), round(found.high, 3)
    ('beats', 0.054, 0.037, 0.071)
    """
    _check_ranges(share, level)
    if better not in ("higher", "lower"):
        raise UsageError(f'better needs "higher" or "lower"; got {quote(better)}.', "Take it from the metric.")
    pairs = list(combinations(scores, 2)) if family is None else list(family)
    if n_pairs is not None and n_pairs < len(pairs):
        raise UsageError(f"n_pairs needs at least the {len(pairs)} pairs that are judged; got {n_pairs}.", "Raise it.")
    for name in {name for pair in pairs for name in pair} - set(scores):
        raise UsageError(f"family names {quote(name)}, which has no scores.", "Leave that pair out.")
    found = {name: _finite(name, of_folds) for name, of_folds in scores.items()}
    sign = 1 if better == "higher" else -1
    judged = []
    for first, second in pairs:
        folds = [fold for fold in found[first] if fold in found[second]]
        if folds:
            difference = {fold: sign * (found[first][fold] - found[second][fold]) for fold in folds}
            scale = max(abs(found[name][fold]) for name in (first, second) for fold in folds)
            judged.append(_gap(first, second, difference, scale, share, level, n_pairs or len(pairs)))
    return judged


def find(first: str, second: str, judged: Iterable[Gap]) -> Gap | None:
    """Return the difference of two candidates, seen from the first; None where that pair was not judged."""
    for gap in judged:
        if (gap.first, gap.second) == (first, second):
            return gap
        if (gap.first, gap.second) == (second, first):
            return gap.turned()
    return None


def tied(best: str, judged: Iterable[Gap]) -> list[str]:
    """Return those that cannot be told apart from one candidate, in the order of the pairs."""
    return [
        gap.second if gap.first == best else gap.first
        for gap in judged
        if gap.outcome == TIED and best in (gap.first, gap.second)
    ]


def _gap(
    first: str, second: str, difference: Mapping[int, float], scale: float, share: float, level: float, n_pairs: int
) -> Gap:
    mean, error = _mean_and_error(difference, share, scale)
    n_folds = len(difference)
    if not error:
        mean = 0.0 if abs(mean) <= ROUNDING * scale else mean
        even = n_folds >= LEAST_EVEN_FOLDS and mean != 0
        end = mean if even else None
        outcome = _outcome(end, end)
        return Gap(first, second, mean, end, end, 0.0 if even else None, None, n_folds, outcome)
    t = mean / error
    half = _quantile(level, n_pairs, n_folds) * error
    p = min(1.0, n_pairs * 2 * float(stdtr(n_folds - 1, -abs(t))))
    low, high = mean - half, mean + half
    return Gap(first, second, mean, low, high, p, float(stdtr(n_folds - 1, t)), n_folds, _outcome(low, high))


def _outcome(low: float | None, high: float | None) -> Outcome:
    if low is not None and low > 0:
        return BEATS
    return WORSE if high is not None and high < 0 else TIED


def _mean_and_error(values: Mapping[int, float], share: float, scale: float | None = None) -> tuple[float, float]:
    """Return the mean over the folds and its standard error; 0 for a spread that is none but rounding."""
    array = np.array(list(values.values()), dtype=np.float64)
    mean = float(array.mean())
    scale = float(np.abs(array).max()) if scale is None else scale
    if len(array) < 2 or float(np.ptp(array)) <= ROUNDING * scale:
        return mean, 0.0
    return mean, float(array.std(ddof=1)) * math.sqrt(1 / len(array) + share)


def _quantile(level: float, n_pairs: int, n_folds: int) -> float:
    """Return how many standard errors an interval reaches to each side, all pairs together at ``level``."""
    return -float(stdtrit(n_folds - 1, (1 - level) / (2 * n_pairs)))


def _finite(name: str, of_folds: Mapping[int, float]) -> dict[int, float]:
    if not of_folds:
        raise DataError(f"Scores of {name} are needed; there is none.", "Leave it out.")
    for fold, score in of_folds.items():
        if not math.isfinite(score):
            raise DataError(f"Scores of {name} need finite numbers; fold {fold} has {score}.", "Leave that fold out.")
    return {fold: float(score) for fold, score in of_folds.items()}


def _check_ranges(share: float, level: float) -> None:
    if not 0 < share < math.inf:
        raise UsageError(f"share needs test rows for each training row, above 0; got {share}.", "Pass 1/4 for 5 folds.")
    if not 0 < level < 1:
        raise UsageError(f"level needs a share between 0 and 1; got {level}.", "Pass 0.95.")
