"""Folds: disjoint, the same for all, the sealed test in none of them, groups whole, training before test in time."""

import itertools

import numpy as np
import polars as pl
import pytest

import nnzoo
from nnzoo.comparison.folds import N_FOLDS, Folds
from nnzoo.data.splits import TEST, TRAIN, VALID
from nnzoo.errors import DataError


def table(n_rows=60, **columns):
    rng = np.random.default_rng(0)
    frame = {"x": rng.normal(size=n_rows), "y": rng.choice(["a", "b"], n_rows, p=[0.8, 0.2])}
    return pl.DataFrame(frame | columns)


def rows_of(fold, part):
    return set(fold.rows[fold.part == part].tolist())


def test_five_folds_test_every_row_outside_the_sealed_part_once():
    data = nnzoo.load(table(), target="y")
    folds = [Folds(data).make(number) for number in range(1, N_FOLDS + 1)]
    tested = np.concatenate([fold.rows[fold.part == TEST] for fold in folds])
    assert sorted(tested.tolist()) == sorted(data.rows[data.part != TEST].tolist())


@pytest.mark.parametrize("number", [1, 7])
def test_parts_of_a_fold_are_disjoint_and_leave_the_sealed_rows_out(number):
    data = nnzoo.load(table(), target="y")
    fold = Folds(data).make(number)
    parts = [rows_of(fold, part) for part in (TRAIN, VALID, TEST)]
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts)) == (data.part != TEST).sum()
    assert not set.union(*parts) & rows_of(data, TEST)


def test_repeats_cut_the_rows_anew_and_the_same_seed_cuts_them_alike():
    data = nnzoo.load(table(), target="y")
    first, again, other = Folds(data).make(1), Folds(data).make(1), Folds(data).make(1 + N_FOLDS)
    assert np.array_equal(first.part, again.part)
    assert rows_of(first, TEST) != rows_of(other, TEST)


def test_every_fold_has_each_class_in_its_share():
    data = nnzoo.load(table(100), target="y")
    share = np.mean([label == "b" for label in data.frame["y"].filter(pl.Series(data.part != TEST))])
    for number in range(1, N_FOLDS + 1):
        tested = Folds(data).make(number).test.frame["y"]
        assert abs((tested == "b").mean() - share) <= 1 / len(tested)


def test_fold_0_holds_the_parts_as_they_were_loaded_and_no_test():
    data = nnzoo.load(table(), target="y")
    fold = Folds(data).make(0)
    assert rows_of(fold, TRAIN) == rows_of(data, TRAIN)
    assert rows_of(fold, VALID) == rows_of(data, VALID)
    assert not len(fold.test)


def test_a_group_lies_in_one_part_of_every_fold():
    data = nnzoo.load(table(90, who=[f"p{i // 5}" for i in range(90)]), target="y", group="who")
    for number in (1, 2, 6):
        fold = Folds(data).make(number)
        parts_of = fold.frame.with_columns(part=pl.Series(fold.part)).group_by("who").agg(pl.col("part").n_unique())
        assert parts_of["part"].max() == 1


def test_in_time_every_training_row_comes_before_every_test_row():
    days = pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2020, 3, 30), "1d", eager=True)
    data = nnzoo.load(table(90, day=days.to_list()), target="y", time="day")
    folds = Folds(data)
    assert folds.most == N_FOLDS
    for number in range(1, N_FOLDS + 1):
        fold = folds.make(number)
        first_tested = fold.test.frame["day"].min()
        assert fold.train.frame["day"].max() < fold.valid.frame["day"].min() < first_tested
    assert max(data.frame["day"].filter(pl.Series(data.part != TEST))) == fold.test.frame["day"].max()


def test_a_series_is_cut_anew_with_its_past_before_it():
    data = nnzoo.load("sunspots")
    folds = Folds(data)
    n_open = data.sequences.lengths[:2].sum()
    ends = []
    for number in range(1, N_FOLDS + 1):
        fold = folds.make(number)
        assert fold.sequences.n_steps == fold.sequences.lengths.sum() <= n_open
        ends.append((fold.sequences.lengths[:2].sum(), fold.sequences.lengths.sum()))
    assert ends[-1][1] == n_open
    assert all(before[1] == after[0] for before, after in itertools.pairwise(ends))


def test_share_is_that_of_test_rows_to_training_rows():
    data = nnzoo.load(table(100), target="y")
    assert Folds(data).share == pytest.approx(1 / 4, abs=0.02)


def test_too_few_rows_are_refused():
    with pytest.raises(DataError, match="at least 10 rows"):
        Folds(nnzoo.load(table(11), target="y")).make(1)
