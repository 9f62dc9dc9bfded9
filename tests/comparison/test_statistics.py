import numpy as np
import pytest
from scipy import stats

from nnzoo.comparison.statistics import find, gaps, interval, tied
from nnzoo.errors import DataError, UsageError

FIRST = [0.90, 0.94, 0.92, 0.95, 0.89]
SECOND = [0.85, 0.88, 0.88, 0.89, 0.83]


def by_fold(**scores):
    return {name: dict(enumerate(each, start=1)) for name, each in scores.items()}


def one(first, second, share=0.25, better="higher", **options):
    (found,) = gaps(by_fold(first=first, second=second), share, better=better, **options)
    return found


# By hand: differences 5, 6, 4, 6, 6 points; mean 5.4; squared deviations 0.16 + 0.36 + 1.96 + 0.36 + 0.36 = 3.2, so the
# variance is 3.2 / 4 = 0.8. Corrected: (1/5 + 1/4) 0.8 = 0.36, a standard error of 0.6 points, t = 5.4 / 0.6 = 9 with 4
# degrees of freedom. The tables' t of 97.5 % is 2.776: 5.4 -+ 1.666 points.
def test_gap_of_five_folds_is_the_one_worked_by_hand():
    found = one(FIRST, SECOND)
    assert (found.first, found.second, found.n_folds, found.outcome) == ("first", "second", 5, "beats")
    assert found.mean == pytest.approx(0.054)
    assert (found.low, found.high) == pytest.approx((0.054 - 0.01666, 0.054 + 0.01666), abs=1e-5)
    assert found.p == pytest.approx(2 * stats.t.sf(9, 4))
    assert found.probability == pytest.approx(stats.t.cdf(9, 4))


def test_without_the_correction_it_is_scipys_paired_t_test():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 12))
    found = one(first, second, share=1e-12)
    theirs = stats.ttest_rel(first, second)
    assert found.p == pytest.approx(theirs.pvalue)
    ends = theirs.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high))


def test_interval_is_the_gap_to_a_constant_zero_with_one_pair():
    found = one(FIRST, [0.0] * 5)
    assert interval(FIRST, 0.25) == pytest.approx((found.mean, found.low, found.high))


def test_more_folds_of_the_same_rows_narrow_the_interval_only_so_far():
    scores = np.random.default_rng(0).normal(0.9, 0.02, size=400)
    _, low, high = interval(scores, 0.25)
    assert (high - low) / 2 > 1.96 * scores.std() * np.sqrt(0.25)


def test_where_lower_is_better_the_sides_change():
    found = one(FIRST, SECOND, better="lower")
    assert found.outcome == "is worse than"
    assert found.mean == pytest.approx(-0.054)
    assert found == one([-x for x in FIRST], [-x for x in SECOND])


def test_turned_gap_is_the_gap_of_the_second_to_the_first():
    there, back = one(FIRST, SECOND), one(SECOND, FIRST)
    assert there.turned().turned() == there
    assert (back.mean, back.low, back.high, back.p, back.probability) == pytest.approx(
        tuple(getattr(there.turned(), name) for name in ("mean", "low", "high", "p", "probability"))
    )
    assert there.turned().outcome == back.outcome


@pytest.mark.parametrize("n_others", [1, 2, 5, 11])
@pytest.mark.parametrize("n_folds", [2, 3, 5, 10])
def test_interval_and_p_value_claim_the_same(n_others, n_folds):
    rng = np.random.default_rng(n_others + 100 * n_folds)
    names = [str(number) for number in range(1 + n_others)]
    scores = by_fold(**{name: rng.normal(int(name) / 2, 1, n_folds) for name in names})
    found = gaps(scores, 0.25, better="higher")
    assert len(found) == len(names) * n_others / 2
    for gap in found:
        assert gap.low < gap.mean < gap.high
        assert (gap.p < 0.05) == (gap.outcome != "cannot be told apart from") == (gap.low > 0 or gap.high < 0)


def test_intervals_hold_together_for_as_many_pairs_as_are_asked_for():
    scores = by_fold(a=FIRST, b=SECOND, c=[0.8, 0.9, 0.8, 0.85, 0.87])
    alone = gaps(scores, 0.25, better="higher", family=[("a", "b")])[0]
    among = gaps(scores, 0.25, better="higher", family=[("b", "a"), ("a", "c"), ("b", "c")])[0].turned()
    picked = gaps(scores, 0.25, better="higher", family=[("a", "b")], n_pairs=3)[0]
    assert among.mean == pytest.approx(alone.mean)
    assert among.high - among.low > alone.high - alone.low
    assert (among.low, among.high, among.p) == pytest.approx((picked.low, picked.high, picked.p))
    assert picked.p == pytest.approx(3 * alone.p)


def test_pairs_are_judged_on_the_folds_that_both_have():
    scores = {"a": {1: 0.9, 2: 0.8, 4: 0.7}, "b": {2: 0.7, 3: 0.1, 4: 0.5}, "c": {3: 0.5}}
    found = gaps(scores, 0.25, better="higher")
    assert [(gap.first, gap.second, gap.n_folds) for gap in found] == [("a", "b", 2), ("b", "c", 1)]
    assert found[0].mean == pytest.approx(0.15)


def test_one_fold_tells_nothing_apart():
    found = one([0.9], [0.1])
    assert (found.low, found.high, found.p, found.probability) == (None, None, None, None)
    assert (found.mean, found.outcome) == (pytest.approx(0.8), "cannot be told apart from")
    assert interval([0.9], 0.25) == (0.9, None, None)


def test_equal_scores_are_not_told_apart():
    found = one([0.9, 0.8, 0.7], [0.9, 0.8, 0.7])
    assert (found.mean, found.low, found.outcome) == (0.0, None, "cannot be told apart from")


@pytest.mark.parametrize(("n_folds", "outcome"), [(2, "cannot be told apart from"), (4, "cannot be told apart from"), (5, "beats"), (10, "beats")])  # fmt: skip
def test_the_same_difference_in_every_fold_is_believed_from_five_folds_on(n_folds, outcome):
    second = np.linspace(0.1, 0.7, n_folds)  # the differences are equal but for rounding
    found = one(second + 0.1, second)
    assert found.outcome == outcome
    assert found.mean == pytest.approx(0.1)
    assert (found.low is None) == (n_folds < 5)
    assert found.turned().outcome == ("is worse than" if n_folds >= 5 else outcome)


def test_scores_without_spread_have_no_interval():
    assert interval([0.5, 0.5, 0.5], 0.25) == (0.5, None, None)


def test_the_unit_of_the_scores_does_not_matter():
    small, large = one(FIRST, SECOND), one([1e9 * x for x in FIRST], [1e9 * x for x in SECOND])
    assert large.p == pytest.approx(small.p)
    assert (large.mean, large.low, large.high) == pytest.approx((1e9 * small.mean, 1e9 * small.low, 1e9 * small.high))


def test_tied_and_find_see_a_pair_from_either_side():
    scores = by_fold(a=FIRST, b=[0.91, 0.93, 0.91, 0.96, 0.89], c=[0.2, 0.1, 0.2, 0.1, 0.2])
    found = gaps(scores, 0.25, better="higher")
    assert (tied("a", found), tied("b", found), tied("c", found)) == (["b"], ["a"], [])
    assert find("a", "c", found).outcome == "beats"
    assert find("c", "a", found).outcome == "is worse than"
    assert find("a", "d", found) is None


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_scores_that_are_not_finite_are_refused(bad):
    with pytest.raises(DataError, match="Scores of first need finite numbers; fold 2 has"):
        one([0.9, bad], [0.8, 0.8])
    with pytest.raises(DataError, match="Scores of a candidate need finite numbers; fold 1 has"):
        interval([0.9, bad], 0.25)


def test_a_candidate_without_scores_is_refused():
    with pytest.raises(DataError, match="Scores of first are needed; there is none"):
        one([], [0.8])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"share": 0.0}, "share needs test rows for each training row, above 0; got 0.0"),
        ({"level": 1.0}, "level needs a share between 0 and 1; got 1.0"),
        ({"better": "more"}, 'better needs "higher" or "lower"; got "more"'),
        ({"family": [("first", "third")]}, 'family names "third", which has no scores'),
        ({"n_pairs": 0}, "n_pairs needs at least the 1 pairs that are judged; got 0"),
    ],
)
def test_options_out_of_range_are_refused(options, said):
    with pytest.raises(UsageError, match=said):
        one(FIRST, SECOND, **options)
