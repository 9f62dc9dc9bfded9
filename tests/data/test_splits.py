"""The split: disjoint parts, whole groups, time in order, every class everywhere."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnzoo.data.splits import TEST, TRAIN, VALID, first_seen_codes, split
from nnzoo.errors import SchemaError, UsageError

LABELS = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=80)


def counts(part):
    return np.bincount(part, minlength=3).tolist()


def test_random_split_of_a_hundred_rows_has_seventy_fifteen_fifteen():
    assert counts(split(100).part) == [70, 15, 15]


@pytest.mark.parametrize(("n_rows", "expected"), [(0, [0, 0, 0]), (1, [1, 0, 0]), (2, [1, 0, 1]), (3, [1, 1, 1])])
def test_tiny_tables_fill_train_then_test_then_valid(n_rows, expected):
    assert counts(split(n_rows).part) == expected


def test_same_seed_gives_the_same_split_and_another_seed_another():
    first, again, other = (split(200, strata=["a", "b"] * 100, seed=seed).part for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_split_leaves_the_global_random_state_alone():
    before = np.random.get_state()[1].copy()
    split(50, seed=3)
    assert np.array_equal(before, np.random.get_state()[1])


@given(LABELS, st.integers(0, 1000))
@settings(max_examples=150)
def test_every_class_of_three_rows_is_in_all_parts(labels, seed):
    part = split(len(labels), strata=labels, seed=seed).part
    for label in set(labels):
        found = counts(part[np.array(labels) == label])
        size = sum(found)
        assert found[TRAIN] >= 1
        assert found[TEST] >= min(1, size - 1)
        assert found[VALID] >= (size >= 3)
        assert size != 2 or found[VALID] == 0


def test_classes_keep_their_shares_in_each_part():
    labels = np.array(["a"] * 600 + ["b"] * 300 + ["c"] * 100)
    part = split(1000, strata=labels).part
    for label, size in (("a", 600), ("b", 300), ("c", 100)):
        assert counts(part[labels == label]) == [size * 70 // 100, size * 15 // 100, size * 15 // 100]


def test_A5_class_of_one_row_stays_in_train():
    part = split(21, strata=["a"] * 10 + ["rare"] + ["b"] * 10).part
    assert part[10] == TRAIN


def test_stratified_split_names_the_column():
    assert split(4, strata=pl.Series("species", list("aabb"))).how == (
        'at random, every class of "species" in the same shares, seed 0'
    )


@given(st.lists(st.integers(0, 9), min_size=1, max_size=100), st.integers(0, 1000))
@settings(max_examples=150)
def test_no_group_is_in_two_parts_and_no_part_is_empty(groups, seed):
    if len(set(groups)) < 3:
        with pytest.raises(SchemaError, match="at least 3 groups"):
            split(len(groups), groups=groups, seed=seed)
        return
    part = split(len(groups), groups=groups, seed=seed).part
    assert min(counts(part)) >= 1
    assert all(len(set(part[np.array(groups) == group])) == 1 for group in set(groups))


def test_groups_of_equal_size_follow_the_shares():
    assert counts(split(1000, groups=np.repeat(np.arange(200), 5)).part) == [700, 150, 150]


def test_group_split_says_that_no_group_is_in_two_parts():
    how = split(6, groups=pl.Series("patient", [1, 1, 2, 2, 3, 3]), seed=4).how
    assert how == 'by group "patient", seed 4: no group is in two parts'


@given(st.lists(st.integers(0, 30), min_size=1, max_size=100))
@settings(max_examples=150)
def test_time_split_keeps_the_order_of_time_and_equal_times_together(times):
    if len(set(times)) < 3:
        with pytest.raises(SchemaError, match="at least 3 different times"):
            split(len(times), times=times)
        return
    part = split(len(times), times=times).part
    values = np.array(times)
    assert values[part == TRAIN].max() < values[part == VALID].min()
    assert values[part == VALID].max() < values[part == TEST].min()


def test_time_split_of_shuffled_times_puts_the_last_rows_into_the_test():
    times = np.random.default_rng(0).permutation(100)
    part = split(100, times=pl.Series("date", times)).part
    assert np.array_equal(part == TEST, times >= 85)
    assert np.array_equal(part == TRAIN, times < 70)


def test_time_split_fills_all_parts_where_one_time_holds_most_rows():
    assert counts(split(100, times=[0] * 84 + [1] * 11 + [2] * 5).part) == [84, 11, 5]


def test_time_split_says_which_rows_are_the_test():
    how = split(3, times=pl.Series("date", [1, 2, 3])).how
    assert how == 'by time "date": the first rows are train, the last rows are the test'


def test_missing_time_is_refused():
    with pytest.raises(SchemaError, match="needs the time of every row; 1 of 4 have none"):
        split(4, times=[1, None, 2, 3])


def test_group_and_time_together_are_refused():
    with pytest.raises(UsageError, match=r"got both\. Pass one of group and time"):
        split(4, groups=[1, 2, 3, 4], times=[1, 2, 3, 4])


@pytest.mark.parametrize("shares", [(0.7, 0.3, 0.0), (0.5, 0.2, 0.2)])
def test_shares_that_do_not_sum_to_one_are_refused(shares):
    with pytest.raises(UsageError, match="three numbers above 0 that sum to 1"):
        split(10, shares=shares)


def test_first_seen_codes_count_a_missing_value_as_a_value():
    assert first_seen_codes(pl.Series(["b", None, "a", "b", None])).tolist() == [0, 1, 2, 0, 1]
