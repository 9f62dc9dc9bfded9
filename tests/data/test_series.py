"""Arrays, series in rows and one series through load."""

import json

import numpy as np
import polars as pl
import pytest

from nnzoo.data.dataset import load, load_like
from nnzoo.errors import DataError, SchemaError, UsageError
from nnzoo.ragged import Ragged

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6, 2))
Y = np.arange(40) % 2


def steps_of(data, row):
    return data.sequences.take(np.array([row])).frame.to_numpy()


# arrays


def test_an_array_of_three_dimensions_is_sequences_where_it_is_said():
    data = load((X, Y), kind="sequence")
    assert (data.kind, len(data), data.target, data.output) == ("sequence", 40, "y", "sequence")
    np.testing.assert_array_equal(steps_of(data, 3), X[3])
    assert data.sequences.frame.columns == ["x0", "x1"]


def test_lengths_say_so_too_and_cut_what_stands_behind():
    lengths = np.arange(40) % 6 + 1
    padded = np.where((np.arange(6) < lengths[:, None])[:, :, None], X, np.nan)
    data, same = load((X, Y), lengths=lengths), load((padded, Y), lengths=lengths)
    assert data.sequences.lengths.tolist() == lengths.tolist()
    assert data.sequences.frame.null_count().sum_horizontal()[0] == 0
    assert same.fingerprint == data.fingerprint


def test_a_list_of_arrays_and_ragged_are_sequences_unasked():
    rows = [X[i, : i % 6 + 1] for i in range(40)]
    data = load((rows, Y.tolist()))
    assert data.sequences.lengths.tolist() == [len(row) for row in rows]
    np.testing.assert_array_equal(steps_of(data, 11), rows[11])
    assert load((Ragged.of(rows), Y)).fingerprint == data.fingerprint


def test_flat_rows_are_signals_of_one_value_a_step():
    data = load((X[:, :, 0], Y), kind="sequence")
    np.testing.assert_array_equal(steps_of(data, 5)[:, 0], X[5, :, 0])


@pytest.mark.parametrize("as_list", [False, True])
def test_a_target_for_each_step_makes_the_output_step(as_list):
    y = RNG.integers(0, 3, (40, 6))
    data = load((X, list(y) if as_list else y), kind="sequence")
    assert (data.output, data.task) == ("step", "classification")
    np.testing.assert_array_equal(data.sequences.frame["y"], y.ravel())


def test_an_array_without_a_target_is_a_forecast():
    assert load(X, kind="sequence").output == "next"


def test_another_value_target_or_length_changes_the_fingerprint():
    other, longer = X.copy(), np.full(40, 6)
    other[3, 3, 1] += 1
    longer[7] = 5
    prints = {load(source, kind="sequence").fingerprint for source in ((X, Y), (other, Y), (X, 1 - Y), X)}
    assert len(prints | {load((X, Y), lengths=longer).fingerprint}) == 5


def test_nan_in_a_step_is_a_missing_value():
    holes = X.copy()
    holes[2, 3, 1] = np.nan
    data = load((holes, Y), kind="sequence")
    assert data.sequences.frame["x1"].null_count() == 1
    assert [f.message for f in data.findings if f.topic == "missing"] == ['Missing values: "x1" 1.']


def test_B7_a_sequence_of_length_0_is_refused():
    with pytest.raises(DataError, match=r"row 2 needs at least one step; got a sequence of length 0"):
        load([np.ones((2, 1)), np.ones((0, 1))])
    with pytest.raises(DataError, match=r"lengths needs numbers from 1 to 6, the steps of X; got 0 in row 4"):
        load((X, Y), lengths=np.where(np.arange(40) == 4, 0, 6))


def test_B7_sequences_of_length_1_are_loaded():
    assert load((X[:, :1], Y), kind="sequence").sequences.lengths.tolist() == [1] * 40


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([np.ones((2, 1)), np.ones((2, 3))], "equally many values a step"),
        ([np.ones((2, 1, 1))], "equally many values a step"),
        (np.array([["a", "b"]]), "needs numbers of shape"),
        (np.zeros((0, 3, 2)), "got 0 rows"),
    ],
)
def test_arrays_of_other_shapes_are_refused(source, message):
    with pytest.raises(DataError, match=message):
        load(source, kind="sequence")


def test_targets_that_are_too_few_are_refused():
    with pytest.raises(SchemaError, match="one y for each row of X; got 40 rows and 39 values"):
        load((X, Y[:-1]), kind="sequence")
    with pytest.raises(SchemaError, match="a target for each of the 240 steps; got 239"):
        load((X, [np.zeros(6)] * 39 + [np.zeros(5)]), kind="sequence")


def test_lengths_beside_a_table_are_refused():
    with pytest.raises(UsageError, match="lengths needs an array; got dict"):
        load({"x": [1, 2]}, lengths=[1, 1])


def test_columns_named_for_arrays_are_refused():
    with pytest.raises(UsageError, match="holds sequences without columns of their own; time names one"):
        load((X, Y), kind="sequence", time="x0")


def test_other_arrays_are_read_as_the_first_were():
    data = load((X, Y), kind="sequence")
    again = load_like((X, Y), json.loads(json.dumps(data.settings)))
    np.testing.assert_array_equal(again.part, data.part)
    assert len(load_like((X[:5], Y[:5]), data.settings).test) == 5


# series in rows


def wide(**columns):
    """Thirty series of eight steps in the columns t1 to t8."""
    rng = np.random.default_rng(1)
    return {f"t{i}": rng.normal(size=30).tolist() for i in range(1, 9)} | {"label": ["up", "down"] * 15} | columns


def test_numbered_columns_are_the_steps_of_a_series_in_each_row():
    data = load(wide(), kind="sequence", target="label")
    assert (len(data), data.output, data.schema.layout) == (30, "sequence", "wide")
    assert steps_of(data, 4)[:, 0].tolist() == [wide()[f"t{i}"][4] for i in range(1, 9)]
    assert data.why_output == 'a row is a series: its steps are "t1" to "t8"'


def test_empty_cells_at_the_end_of_a_row_are_no_steps_those_within_are_missing():
    columns = wide()
    for name in ("t3", "t7", "t8"):
        columns[name][2] = None
    data = load(columns, kind="sequence", target="label")
    assert data.sequences.lengths[2] == 6
    assert np.isnan(steps_of(data, 2)[:, 0]).tolist() == [False, False, True, False, False, False]


def test_a_column_of_names_names_the_series_and_others_are_left_out():
    data = load(wide(name=[f"series {i}" for i in range(30)], town=["A", "B", "C"] * 10), kind="sequence")
    assert data.id_column == "name"
    assert data.frame["name"][3] == "series 3"
    assert "town" in data.roles.ignored


def test_B7_a_row_without_any_step_is_refused():
    columns = wide()
    for i in range(1, 9):
        columns[f"t{i}"][6] = None
    with pytest.raises(DataError, match="row 7 needs at least one step; got a sequence of length 0"):
        load(columns, kind="sequence", target="label")


def test_series_in_rows_are_read_again_as_they_were():
    data = load(wide(), kind="sequence", target="label")
    again = load_like(wide(), json.loads(json.dumps(data.settings)))
    np.testing.assert_array_equal(again.part, data.part)
    fewer = {name: values[:3] for name, values in wide().items()}
    assert len(load_like(fewer, data.settings).test) == 3
    with pytest.raises(SchemaError, match="needs columns of numbers named t1, t2"):
        load_like({"label": ["up"], "x": [1]}, data.settings)


# one series


def months(n=100, **columns):
    days = pl.date_range(pl.date(2000, 1, 1), pl.date(2020, 1, 1), "1mo", eager=True)[:n]
    rng = np.random.default_rng(2)
    return {
        "month": days.to_list(),
        "sales": rng.normal(size=n).tolist(),
        "rain": rng.normal(size=n).tolist(),
    } | columns


def test_a_whole_table_is_one_series_cut_by_time():
    data = load(months(), kind="sequence")
    assert data.frame["sequence"].to_list() == ["train", "valid", "test"]
    assert data.part.tolist() == [0, 1, 2]
    assert data.sequences.lengths.tolist() == [70, 15, 15]
    assert data.output == "next"
    assert data.train.sequences.frame["month"].max() < data.valid.sequences.frame["month"].min()
    assert data.valid.sequences.frame["month"].max() < data.test.sequences.frame["month"].min()
    np.testing.assert_array_equal(data.sequences.frame["sales"], months()["sales"])


def test_rows_of_a_series_are_sorted_by_their_time():
    backwards = {name: values[::-1] for name, values in months().items()}
    data = load(backwards, kind="sequence", time="month")
    np.testing.assert_array_equal(data.sequences.frame["sales"], months()["sales"])


def test_the_number_to_be_forecast_stands_first_beside_the_others():
    data = load(months(), kind="sequence", target="rain")
    assert [column.name for column in data.columns] == ["rain", "sales"]
    assert (data.output, data.target) == ("next", None)
    assert data.why_output == '"rain" is a number to be forecast'


def test_a_label_of_every_step_is_predicted_for_the_step():
    data = load(months(state=["calm", "storm"] * 50), kind="sequence", target="state")
    assert (data.output, data.target, data.task) == ("step", "state", "classification")


def test_words_are_not_forecast_and_that_is_said():
    data = load(months(state=["calm", "storm"] * 50), kind="sequence")
    assert [column.name for column in data.columns] == ["sales", "rain"]
    assert [f.message for f in data.findings if f.topic == "no numbers"] == [
        '"state" is left out: only numbers are forecast.'
    ]


def test_a_year_that_rises_from_row_to_row_is_the_order_and_no_input():
    years = {"year": list(range(1700, 1800)), "spots": RNG.normal(size=100).tolist()}
    data = load(years, kind="sequence")
    assert data.schema.time.why == "rises by 1 from row to row"
    assert [column.name for column in data.columns] == ["spots"]


def test_a_series_of_too_few_steps_is_refused():
    with pytest.raises(DataError, match="needs at least 10 steps to be one series; got 9"):
        load(months(9), kind="sequence")


def test_a_group_of_one_series_is_refused():
    with pytest.raises(UsageError, match="One series has no groups"):
        load(months(), kind="sequence", group="rain")


def test_a_series_is_cut_again_as_it_was_and_another_one_is_whole():
    data = load(months(), kind="sequence", target="rain")
    settings = json.loads(json.dumps(data.settings))
    assert load_like(months(), settings).sequences.lengths.tolist() == [70, 15, 15]
    other = load_like(months(50), settings)
    assert (other.sequences.lengths.tolist(), other.part.tolist()) == ([50], [2])
    assert other.sequences.frame.columns[:2] == ["rain", "sales"]
