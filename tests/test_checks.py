"""Ranges of parameters: what they hold, what they say, and the errors beyond them."""

import math

import numpy as np
import pytest

from nnzoo.checks import Each, Labelled, OneOf, Real, Seed, Truth, Whole, check_names, check_ranges, either
from nnzoo.errors import ParameterError

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("allowed", "inside", "outside"),
    [
        (Whole(1, 5), [1, 5, np.int64(3)], [0, 6, 2.0, True, np.True_, "3", None]),
        (Whole(0), [0, 10**9], [-1, 10**9 + 1]),
        (Real(0.0, 1.0), [0, 0.0, 1.0, np.float32(0.5)], [-0.1, 1.1, NAN, INF, True, "0.5", None, 1j]),
        (Real(0.0, 1.0, above=True), [1e-300, 1.0], [0.0, 0]),
        (Real(0.0), [1e300], [INF, -INF]),
        (OneOf((None, "l1", 1)), [None, "l1", 1], ["l2", True, 1.0, [], np.array([1])]),
        (Truth(), [True, False, np.False_], [0, 1, None, "True"]),
        (Each(Whole(1), low=1, high=2), [[1], (1, 2), np.array([3])], [[], [1, 2, 3], [0], 1, "1", {1}]),
        (Labelled(Real(0.0)), [{}, {"a": 1.0, 2: 0}], [{"a": -1.0}, {"a": "b"}, [1.0], None]),
        (Seed(), [None, 0, 2**32 - 1, np.random.RandomState(0)], [-1, 2**32, 1.0, np.random.default_rng(0)]),
        (either(OneOf((None,)), Whole(1, 2)), [None, 1], [0, "None"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_range_holds_what_lies_inside_and_nothing_else(allowed, inside, outside):
    assert [allowed.holds(value) for value in inside] == [True] * len(inside)
    assert [allowed.holds(value) for value in outside] == [False] * len(outside)


@pytest.mark.parametrize(
    ("allowed", "words"),
    [
        (Whole(1, 5), "a whole number from 1 to 5"),
        (Real(0.0, 0.5), "a number from 0 to 0.5"),
        (Real(0.0, above=True), "a number above 0"),
        (OneOf((None, "l1")), "one of None, 'l1'"),
        (Truth(), "True or False"),
        (Each(Whole(1, 9), high=3), "a list of 0 to 3 members, each a whole number from 1 to 9"),
        (Labelled(Real(0.0)), "a dict from label to a number from 0"),
        (Seed(), "None, a whole number from 0 to 4294967295, or a numpy RandomState"),
        (either(OneOf((None,)), Truth()), "one of None, or True or False"),
    ],
)
def test_range_says_itself_in_words(allowed, words):
    assert str(allowed) == words


def test_value_outside_its_range_is_named_with_the_range_and_what_came():
    with pytest.raises(ParameterError, match='FeedForward: n_hidden needs a whole number from 1 to 9; got "0"') as err:
        check_ranges("FeedForward", {"n_hidden": 0}, {"n_hidden": Whole(1, 9)})
    assert err.value.hint == "Pass n_hidden= within that range."


def test_unknown_parameter_is_answered_with_the_nearest_names():
    with pytest.raises(ParameterError, match='FeedForward has no parameter "n_hiden".*Did you mean "n_hidden"'):
        check_ranges("FeedForward", {"n_hiden": 3}, {"n_hidden": Whole(1), "patience": Whole(1)})


def test_several_unknown_parameters_are_all_listed():
    with pytest.raises(ParameterError, match='no parameter "a", "b"'):
        check_names("P", {"a": 1, "b": 2, "c": 3}, {"c": 0})


def test_parameters_inside_their_ranges_pass():
    check_ranges("P", {"n": 1}, {"n": Whole(1), "not given": Truth()})
