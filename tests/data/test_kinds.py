from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnzoo.data.kinds import KINDS, Column, infer_columns, infer_target, infer_task, parse
from nnzoo.errors import DataError, ModelFileError, SchemaError, UsageError


def kind_of(values, name="x", **options):
    (column,) = infer_columns(pl.DataFrame({name: values}), **options)
    return column.kind


def parse_one(values, kind, *, form="", coerce=False, origin="train.csv"):
    frame = pl.DataFrame({"x": values})
    rows = np.arange(1, len(frame) + 1)
    return parse(frame, [Column("x", kind, "", form)], origin=origin, rows=rows, coerce=coerce)


def read(values, kind, **options):
    return parse_one(values, kind, **options).frame["x"].to_list()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2.5", "-3e4", None], "number"),
        ([1, 2, 3], "number"),
        ([0.5, 1.5, None], "number"),
        ([timedelta(seconds=3), timedelta(seconds=4)], "number"),
        (["Biscoe", "Dream", "Biscoe"], "category"),
        (["Yes", "No", "Yes"], "category"),
        (["01234", "99999", "12345"], "category"),
        (["True", "false", None], "boolean"),
        ([True, False], "boolean"),
        (["2024-05-31", "2024-06-01 10:30"], "time"),
        (["5/31/2024", "6/1/2024"], "time"),
        ([date(2024, 5, 31), date(2024, 6, 1)], "time"),
        (["the cat sat on the mat", "a dog ate my lunch today"], "text"),
        ([f"AB{i}" for i in range(30)], "id"),
        (["a", "a"], "constant"),
        ([7, 7, 7], "constant"),
        ([None, None], "constant"),
    ],
)
def test_kind_is_found_from_the_cells(values, kind):
    assert kind_of(values) == kind


def test_a_value_that_is_sometimes_missing_is_not_constant():
    assert kind_of(["a", None, "a"]) == "category"
    assert kind_of([1.0, None]) == "number"


@pytest.mark.parametrize("name", ["id", "customer_id", "PassengerId", "customerID", "index", "row name", "UUID"])
def test_A8_unique_whole_numbers_under_the_name_of_an_id_are_an_id(name):
    assert kind_of(["17", "4", "29"], name) == "id"
    assert kind_of([17, 4, 29], name) == "id"
    assert kind_of([17, 4, 4], name) == "number"


@pytest.mark.parametrize("name", ["x", "humid", "paid", "bid", "price index", "day"])
def test_unique_whole_numbers_under_another_name_are_numbers(name):
    assert kind_of(list(range(50)), name) == "number"


def test_A8_constant_column_says_its_value():
    assert infer_columns(pl.DataFrame({"x": ["a", "a"]})) == (Column("x", "constant", 'one value: "a"'),)


def test_A8_a_million_categories_are_inferred_as_one_category_column():
    values = pl.Series("x", np.arange(1_000_000) // 2).cast(pl.String)
    (column,) = infer_columns(pl.DataFrame({"x": "c" + values}))
    assert (column.kind, column.why) == ("category", "500,000 values")


def test_a_few_bad_cells_leave_a_number_column_a_number_column():
    assert kind_of([*map(str, range(9)), "12,5"]) == "number"
    assert kind_of(["3.5", "?", "4.5", "?", "2.5"]) == "number"


def test_few_repeated_codes_with_one_that_is_no_number_are_a_category():
    assert kind_of(["0", "1", "2", "3+"] * 5 + ["0"] * 10) == "category"


def test_columns_keep_the_order_of_the_frame_and_skip_leaves_out():
    frame = pl.DataFrame({"b": [1, 2], "a": [1, 2], "y": ["u", "v"]})
    assert [column.name for column in infer_columns(frame, skip=["y"])] == ["b", "a"]


def test_override_gives_the_kind():
    column = infer_columns(pl.DataFrame({"x": ["1", "2"]}), overrides={"x": "category"})[0]
    assert column == Column("x", "category", "as you said")


def test_override_of_a_time_finds_the_order_of_day_and_month():
    column = infer_columns(pl.DataFrame({"x": ["31/05/2024", "01/06/2024"]}), overrides={"x": "time"})[0]
    assert (column.kind, column.form) == ("time", "day first")


def test_override_of_an_unknown_column_is_refused():
    with pytest.raises(UsageError, match=r'no column "ages" to give a kind to. Did you mean "age"?'):
        infer_columns(pl.DataFrame({"age": [1, 2]}), overrides={"ages": "number"})


def test_override_with_an_unknown_kind_is_refused():
    with pytest.raises(UsageError, match=r'Column "age" needs a known kind; got "numbr". Did you mean "number"?'):
        infer_columns(pl.DataFrame({"age": [1, 2]}), overrides={"age": "numbr"})


@pytest.mark.parametrize("values", [[[1], [2]], [{"a": 1}, {"a": 2}], [b"u", b"v"]])
def test_nested_cells_are_refused(values):
    with pytest.raises(SchemaError, match=r'Column "x" needs one plain value in each cell; got'):
        infer_columns(pl.DataFrame({"x": values}))


def test_slash_dates_are_read_in_the_only_order_that_fits():
    assert infer_columns(pl.DataFrame({"x": ["01/02/2024", "31/05/2024"]}))[0].form == "day first"
    assert infer_columns(pl.DataFrame({"x": ["01/02/2024", "05/31/2024"]}))[0].form == "month first"
    assert infer_columns(pl.DataFrame({"x": ["01/02/2024", "05/06/2024"]}))[0].why == "dates, month first"


# --- the task


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["a", "b", "a"], "category", ("classification", "words with 2 values")),
        ([True, False], "boolean", ("classification", "true or false")),
        (["0", "1"], "number", ("classification", "whole numbers with 2 values")),
        ([1.0, 2.0, 3.0] * 10, "number", ("classification", "whole numbers with 3 values")),
        ([1.0, 2.0, 3.0] * 9, "number", ("regression", "numbers with 3 values")),
        (list(range(20)) * 10, "number", ("classification", "whole numbers with 20 values")),
        (list(range(21)) * 10, "number", ("regression", "numbers with 21 values")),
        ([0.5, 1.5], "number", ("regression", "numbers with 2 values")),
        ([5.0, 5.0], "number", ("classification", "whole numbers with 1 value")),
    ],
)
def test_task_is_found_from_the_target(values, kind, expected):
    assert infer_task(pl.Series("y", values), kind) == expected


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2", "3"], "number"),
        (["7", "7"], "number"),
        ([7, 7], "number"),
        ([True, True], "boolean"),
        (["a", "a"], "category"),
        ([f"AB{i}" for i in range(30)], "category"),
        (["007", "007"], "category"),
        (["Yes", "No"], "category"),
        (["True", "False"], "boolean"),
        (["the cat sat on the mat", "a dog ate my lunch today"], "category"),
        ([None, None], "category"),
    ],
)
def test_target_is_numbers_truth_values_or_words(values, kind):
    assert infer_target(pl.Series("y", values)).kind == kind


def test_target_under_the_name_of_an_id_is_still_a_number():
    assert infer_target(pl.Series("class_id", [1, 2, 3])).kind == "number"


def test_times_as_target_are_refused():
    with pytest.raises(SchemaError, match=r'Target "y" needs numbers or labels; got times. Predict a number instead'):
        infer_target(pl.Series("y", [date(2024, 1, 1), date(2024, 1, 2)]))


def test_kind_of_the_target_can_be_given():
    assert infer_target(pl.Series("y", [1, 2]), "category").kind == "category"
    with pytest.raises(UsageError, match=r'Target "y" needs the kind "number", "category", "boolean"; got "text".'):
        infer_target(pl.Series("y", [1, 2]), "text")


# --- parse


def test_numbers_are_read_from_strings_integers_and_truth_values():
    assert read([" 1 ", "2.5", "-3e4", "", "  ", None, "+5", ".5"], "number") == [1, 2.5, -30000, *[None] * 3, 5, 0.5]
    assert read([1, None, 3], "number") == [1.0, None, 3.0]
    assert read([True, False], "number") == [1.0, 0.0]
    assert read([timedelta(seconds=90)], "number") == [90.0]


@pytest.mark.parametrize("values", [["NaN", "1"], [float("nan"), 1.0], ["nan", "1"]])
def test_A6_nan_is_missing(values):
    assert read(values, "number") == [None, 1.0]


@pytest.mark.parametrize("values", [[1.0, float("inf"), float("-inf")], ["1", "inf", "-inf"], ["1", "Infinity", "2"]])
@pytest.mark.parametrize("coerce", [False, True])
def test_A6_inf_is_an_error_with_column_and_first_row(values, coerce):
    with pytest.raises(DataError, match=r'^train.csv, row 2, column "x" needs finite numbers; got inf. Put a number'):
        parse_one(values, "number", coerce=coerce)


@pytest.mark.parametrize("cell", ["12,5", "N/A", "1e999", "-1e400", "1_000", "0x10", "12 kg", "--1"])
def test_A7_text_in_a_numeric_column_names_row_column_and_value(cell):
    with pytest.raises(SchemaError) as caught:
        parse_one(["1", "2", cell, "bad too"], "number")
    assert caught.value.message == f'train.csv, row 3, column "x" needs a number; got "{cell}".'
    assert caught.value.hint == "Use --coerce to treat it as missing."


def test_A7_message_counts_rows_of_the_source():
    frame = pl.DataFrame({"age": ["1", "12,5"]})
    with pytest.raises(SchemaError, match=r'train.csv, row 17, column "age" needs a number; got "12,5".'):
        parse(frame, [Column("age", "number", "")], origin="train.csv", rows=np.array([9, 17]))


def test_A7_coerce_takes_bad_cells_as_missing_and_counts_them():
    parsed = parse_one(["1", "12,5", "N/A", None, "1e999"], "number", coerce=True)
    assert parsed.frame["x"].to_list() == [1.0, None, None, None, None]
    assert parsed.n_coerced == {"x": 3}


def test_coerce_counts_nothing_where_every_cell_fits():
    assert parse_one(["1", "2"], "number", coerce=True).n_coerced == {}


def test_A9_extreme_numbers_are_read_exactly():
    assert read(["1e308", "-1e308", "5e-324", "9007199254740992"], "number") == [1e308, -1e308, 5e-324, 2.0**53]
    assert read([2**63 - 1], "number") == [2.0**63]


def test_A14_columns_are_matched_by_name_and_given_in_the_known_order():
    columns = [Column("a", "number", ""), Column("b", "category", "")]
    frame = pl.DataFrame({"b": ["u"], "a": ["1"]})
    parsed = parse(frame, columns, origin="new.csv", rows=np.array([1]))
    assert parsed.frame.equals(pl.DataFrame({"a": [1.0], "b": ["u"]}))


def test_A15_missing_columns_are_named():
    columns = [Column(name, "number", "") for name in ("age", "height", "weight")]
    with pytest.raises(
        SchemaError, match=r'new.csv needs the columns "age", "weight", which are missing. Add them. Did'
    ):
        parse(pl.DataFrame({"Age": [1], "height": [2]}), columns, origin="new.csv", rows=np.array([1]))


def test_A15_one_missing_column_without_extra_ones_has_a_short_hint():
    with pytest.raises(SchemaError, match=r'needs the column "age", which is missing. Add it.$'):
        parse(
            pl.DataFrame({"b": [1]}),
            [Column("age", "number", ""), Column("b", "number", "")],
            origin="t",
            rows=np.array([1]),
        )


def test_A15_columns_from_which_nothing_is_learned_may_be_absent():
    columns = [Column("a", "number", ""), Column("b", "id", ""), Column("c", "constant", "")]
    parsed = parse(pl.DataFrame({"a": [1]}), columns, origin="new.csv", rows=np.array([1]))
    assert parsed.frame.columns == ["a"]


def test_A15_extra_columns_are_left_out_and_named():
    frame = pl.DataFrame({"z": [[1]], "a": [1], "y": [2]})
    parsed = parse(frame, [Column("a", "number", "")], origin="new.csv", rows=np.array([1]))
    assert (parsed.frame.columns, parsed.extra) == (["a"], ("z", "y"))


def test_A16_lossless_drift_of_numbers_and_words_is_taken():
    assert read(["1", "2"], "number") == read([1, 2], "number") == read([1.0, 2.0], "number")
    assert read(["1", "2"], "category") == read([1, 2], "category") == read([1.0, 2.0], "category")
    assert read([True, False], "category") == ["True", "False"]
    assert read(pl.Series(["u", "v"], dtype=pl.Categorical), "category") == ["u", "v"]
    assert read([0.5, -0.0, float("nan"), 1e300], "category") == ["0.5", "0", None, "1e+300"]


@pytest.mark.parametrize(
    "values", [["True", "False"], ["true", " FALSE "], [1, 0], [1.0, 0.0], ["1", "0"], ["yes", "no"], ["T", "F"]]
)
def test_A16_truth_values_are_taken_in_any_writing(values):
    assert read(values, "boolean") == [True, False]


@pytest.mark.parametrize("values", [["True", "maybe"], [1, 2], [0.0, 0.5]])
def test_A16_what_is_neither_true_nor_false_names_row_and_column(values):
    with pytest.raises(SchemaError, match=r'train.csv, row 2, column "x" needs true or false; got "'):
        parse_one(values, "boolean")


NOON = datetime(2024, 5, 31, 12, 30)


@pytest.mark.parametrize(
    "cell",
    [
        "2024-05-31 12:30",
        "2024-05-31T12:30:00",
        "2024-05-31 12:30:00.000",
        "2024/05/31 12:30",
        "31.05.2024 12:30",
        "31.5.2024 12:30",
        "2024-05-31T12:30Z",
        "2024-05-31T12:30:00UTC",
        "2024-05-31T14:30:00+02:00",
        "2024-05-31T14:30:00+0200",
        "2024-05-31 07:00:00-05:30",
        " 2024-05-31 12:30 ",
    ],
)
def test_A16_known_forms_of_a_time_are_the_same_moment(cell):
    assert read([cell], "time") == [NOON]


def test_A16_typed_times_are_utc_in_microseconds():
    zoned = pl.Series([NOON]).dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    for values in ([NOON], pl.Series([NOON]).cast(pl.Datetime("ns")), pl.Series([NOON]).cast(pl.Datetime("ms")), zoned):
        parsed = parse_one(values, "time").frame["x"]
        assert parsed.to_list() == [NOON]
        assert parsed.dtype == pl.Datetime("us")
    assert read([date(2024, 5, 31)], "time") == [datetime(2024, 5, 31)]


def test_A16_slash_dates_need_a_known_order():
    assert read(["05/31/2024"], "time", form="month first") == [datetime(2024, 5, 31)]
    assert read(["31/5/2024 12:30"], "time", form="day first") == [NOON]
    with pytest.raises(SchemaError, match=r'row 1, column "x" needs a date such as 2024-05-31, .*; got "05/31/2024".'):
        parse_one(["05/31/2024"], "time")
    with pytest.raises(SchemaError, match=r'row 2, column "x" needs a date'):
        parse_one(["05/06/2024", "31/05/2024"], "time", form="month first")


@pytest.mark.parametrize(
    "cell",
    [
        "2024-02-30",
        "2024-13-01",
        "24-05-31",
        "0000-01-01",
        "99999-01-01",
        "2024-05-31 25:00",
        "noon",
        "20240531",
        "2024-05-31 12:30+99:99:99",
    ],
)
def test_A16_what_is_no_time_names_row_and_column(cell):
    with pytest.raises(SchemaError, match=r'train.csv, row 2, column "x" needs a date such as'):
        parse_one(["2024-05-31", cell], "time")


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_typed_times_beyond_the_year_9999_are_refused_where_they_can_occur(unit):
    extreme = pl.Series("x", [0, 2**63 - 1]).cast(pl.Datetime(unit))
    if unit == "ns":
        assert parse_one(extreme, "time").frame["x"].to_list()[1].year == 2262
    else:
        with pytest.raises(SchemaError, match=r'row 2, column "x" needs a date'):
            parse_one(extreme, "time")


@pytest.mark.parametrize("kind", ["number", "category"])
def test_typed_times_that_cannot_be_written_down_are_refused_as_any_kind(kind):
    with pytest.raises(SchemaError, match=r'row 1, column "x" needs a .*; got "a time outside the years 1 to 9999".'):
        parse_one(pl.Series([2**63 - 1]).cast(pl.Datetime("us")), kind)


def test_numbers_are_no_times_and_times_are_no_numbers():
    with pytest.raises(SchemaError, match=r'row 1, column "x" needs a date'):
        parse_one([20240531], "time")
    with pytest.raises(SchemaError, match=r'row 1, column "x" needs a number; got "2024-05-31".'):
        parse_one([date(2024, 5, 31)], "number")


def test_an_empty_string_is_missing():
    assert read(["", "u"], "category") == [None, "u"]


def test_zero_rows_are_read():
    columns = [Column(f"{kind} {form}", kind, "", form) for kind in KINDS for form in ("", "day first")]
    frame = pl.DataFrame({column.name: pl.Series([], dtype=pl.String) for column in columns})
    parsed = parse(frame, columns, origin="t", rows=np.zeros(0, dtype=np.int64)).frame
    assert parsed.shape == (0, len(columns))


def test_nothing_but_nulls_are_read_as_any_kind():
    for kind in KINDS:
        assert read([None, None], kind) == [None, None]


DTYPES = {"number": pl.Float64, "boolean": pl.Boolean, "time": pl.Datetime("us")}
CELLS = st.lists(
    st.none()
    | st.text(max_size=8)
    | st.sampled_from(["1", "2.5", "true", "2024-05-31", "31/05/2024", "nan", "1e999", "0001-01-01 00:00+23:00"]),
    max_size=20,
)


@pytest.mark.slow
@given(CELLS, st.sampled_from(KINDS), st.sampled_from(["", "month first", "day first"]))
def test_coerce_reads_any_finite_string_and_rows_do_not_depend_on_each_other(cells, kind, form):
    cells = [None if cell and "inf" in cell.lower() else cell for cell in cells]
    series = pl.Series(cells, dtype=pl.String)
    together = parse_one(series, kind, form=form, coerce=True).frame["x"]
    assert together.dtype == DTYPES.get(kind, pl.String)
    alone = [parse_one(series[i : i + 1], kind, form=form, coerce=True).frame["x"][0] for i in range(len(series))]
    assert together.to_list() == alone


@given(CELLS)
def test_inferred_columns_can_be_read_and_kept_as_json(cells):
    cells = [None if cell and "inf" in cell.lower() else cell for cell in cells]
    frame = pl.DataFrame({"x": pl.Series(cells, dtype=pl.String)})
    (column,) = infer_columns(frame)
    assert Column.from_json(column.to_json()) == column
    parse(frame, [column], origin="t", rows=np.arange(len(cells)), coerce=True)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"name": "x", "kind": "number", "why": ""},
        {"name": "x", "kind": "numbers", "why": "", "form": ""},
        {"name": 1, "kind": "number", "why": "", "form": ""},
        {"name": "x", "kind": "number", "why": "", "form": "", "more": 1},
    ],
)
def test_column_of_another_shape_in_a_model_file_is_refused(value):
    with pytest.raises(ModelFileError, match=r"The model file, column, needs .*; got "):
        Column.from_json(value)
