import copy
import itertools
import json
import math
import zlib
from datetime import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnzoo.data.kinds import Column, parse
from nnzoo.data.recipe import Recipe
from nnzoo.data.target import Target
from nnzoo.errors import DataError, ModelFileError, SchemaError, UsageError


def rows_of(frame):
    return np.arange(1, len(frame) + 1)


def learn(values, kind, **options):
    """A recipe of one column "x", learned from raw cells."""
    columns = [Column("x", kind, "")]
    frame = pl.DataFrame({"x": values}, strict=False)
    return Recipe.learn(parse(frame, columns, origin="t", rows=rows_of(frame)).frame, columns, **options)


def encode(recipe, values, *, strict=False):
    frame = pl.DataFrame({"x": values}, strict=False)
    frame = parse(frame, recipe.columns, origin="new.csv", rows=rows_of(frame)).frame
    return recipe.encode(frame, origin="new.csv", rows=rows_of(frame), strict=strict)


def same_bits(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


# --- numbers


def test_number_is_scaled_by_median_and_quartiles():
    # 0..100: median 50, quartiles 25 and 75, spread 50 / 1.34898 = 37.065
    recipe = learn([float(i) for i in range(101)], "number")
    X = encode(recipe, [50.0, 75.0, 100.0]).X
    np.testing.assert_allclose(X[:, 0], [0, 25 * 1.3489795 / 50, 50 * 1.3489795 / 50], rtol=1e-7)
    assert recipe.feature_names == ["x"]


def test_number_whose_quartiles_coincide_is_scaled_by_its_standard_deviation():
    values = [0.0] * 90 + [1.0] * 10  # median 0, standard deviation sqrt(0.1 * 0.9) = 0.3
    np.testing.assert_allclose(encode(learn(values, "number"), [0.0, 1.0]).X[:, 0], [0, 1 / 0.3])


def test_heavy_tails_go_through_arcsinh():
    values = [float(i) for i in range(-50, 51)]
    plain, heavy = learn(values, "number"), learn([*values, 1e6], "number")
    states = [recipe.to_json()["coders"][0]["state"] for recipe in (plain, heavy)]
    assert [state["scale"]["heavy"] for state in states] == [False, True]
    # -50..50 and 1e6: median 0.5, quartiles -24.75 and 25.75
    z = (1e6 - 0.5) / (50.5 / 1.3489795003921634)
    np.testing.assert_allclose(encode(heavy, [1e6]).X[0, 0], math.asinh(z))


def test_A6_missing_number_is_the_median_with_a_flag_where_training_had_missing():
    recipe = learn([1.0, 2.0, 3.0, None], "number")
    encoded = encode(recipe, [2.0, None, float("nan")])
    assert recipe.feature_names == ["x", "x is missing"]
    assert encoded.X.tolist() == [[0, 0], [0, 1], [0, 1]]
    assert encoded.counts == {"x": {"missing": 2}}
    assert encoded.notes == ["", "x: missing", "x: missing"]


def test_A6_missing_number_without_missing_ones_in_training_has_no_flag_and_is_counted():
    recipe = learn([1.0, 2.0, 3.0], "number")
    encoded = encode(recipe, [None])
    assert recipe.feature_names == ["x"]
    assert (encoded.X.tolist(), encoded.counts) == ([[0.0]], {"x": {"missing": 1}})
    with pytest.raises(
        SchemaError, match=r'new.csv, row 1, column "x" needs a value, as in every training row; got an'
    ):
        encode(recipe, [None], strict=True)


def test_strict_takes_missing_values_of_which_training_had_some():
    assert encode(learn([1.0, 2.0, None], "number"), [None], strict=True).counts == {"x": {"missing": 1}}


def test_a_number_that_is_sometimes_there_is_its_flag_alone():
    recipe = learn([5.0, None, 5.0], "number")
    assert recipe.feature_names == ["x is missing"]
    assert encode(recipe, [5.0, None, 7.0]).X.tolist() == [[0], [1], [0]]


def test_A6_infinite_number_in_a_frame_that_was_not_parsed_is_refused():
    recipe = learn([1.0, 2.0, 3.0], "number")
    with pytest.raises(DataError, match=r't, row 2, column "x" needs a number that still fits a float32'):
        recipe.encode(pl.DataFrame({"x": [1.0, math.inf]}), origin="t", rows=np.array([1, 2]))


def test_number_out_of_the_training_range_is_kept_counted_and_noted():
    encoded = encode(learn([1.0, 2.0, 3.0], "number"), [3.5, 1.0, -2.0])
    assert encoded.counts == {"x": {"out_of_range": 2}}
    assert encoded.notes == ["x: 3.5 is outside the training range 1.0 to 3.0", "", encoded.notes[2]]
    assert encoded.X[0, 0] > encoded.X[1, 0] > encoded.X[2, 0]


@pytest.mark.parametrize(
    "values",
    [
        [-1e308, 0.0, 1e308],
        [1.7e308, -1.7e308, 1.0, 2.0],
        [5e-324, 1e-323, 1.5e-323],
        [0.0, 5e-324],
        [2.0**53, 2.0**53 + 2, 2.0**53 + 4],
        [1e308, 1e308 * (1 - 1e-15), 1e308 * (1 - 2e-15)],
        [1.0, 1.0 + 2**-52, 1.0],
        [1e-320] * 3 + [1.0],
    ],
)
def test_A9_extreme_training_numbers_are_told_apart_and_finite(values):
    X = encode(learn(values, "number"), values).X[:, 0]
    assert np.isfinite(X.astype(np.float32)).all()
    assert np.abs(X).max() >= 0.1
    assert (np.argsort(X, kind="stable") == np.argsort(values, kind="stable")).all()


def test_A9_integers_beyond_2_to_53_are_scaled_in_float64():
    X = encode(learn([2**60, 2**60 + 1024, 2**60 + 2048], "number"), [2**60, 2**60 + 2048]).X[:, 0]
    assert X[0] == -X[1]
    assert abs(X[0]) > 0.5


@pytest.mark.parametrize(("training", "value"), [([1.0, 2.0, 3.0], 1e39), ([5e-324, 1e-323, 1.5e-323], 1.0)])
def test_A9_float32_overflow_names_row_and_column(training, value):
    with pytest.raises(DataError, match=r'new.csv, row 2, column "x" needs a number that still fits a float32 after'):
        encode(learn(training, "number"), [training[0], value])


# --- truth values


def test_boolean_is_0_and_1_and_missing_is_one_half():
    recipe = learn([True, False, None], "boolean")
    assert recipe.feature_names == ["x", "x is missing"]
    assert encode(recipe, [True, False, None]).X.tolist() == [[1, 0], [0, 0], [0.5, 1]]
    assert encode(learn([True, False], "boolean"), [None]).X.tolist() == [[0.5]]


# --- categories


def test_few_categories_are_one_hot_in_the_order_of_their_names():
    recipe = learn(["b", "a", "c", "a"], "category")
    assert recipe.feature_names == ["x=a", "x=b", "x=c"]
    assert encode(recipe, ["c", "a"]).X.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert recipe.categorical_features == {}


def test_missing_is_a_category_of_its_own_if_training_had_it():
    recipe = learn(["a", None, "b", "b"], "category")
    assert recipe.feature_names == ["x=a", "x=b", "x is missing"]
    encoded = encode(recipe, [None, "zz"])
    assert encoded.X.tolist() == [[0, 0, 1], [0.25, 0.5, 0.25]]


def test_A17_unknown_category_is_the_average_training_row_counted_with_examples():
    recipe = learn(["a", "b", "b", "b"], "category")
    encoded = encode(recipe, ["Foo", "a", None, "Bar", "Foo"])
    assert encoded.X.tolist() == [[0.25, 0.75], [1, 0], [0.25, 0.75], [0.25, 0.75], [0.25, 0.75]]
    assert encoded.counts == {"x": {"missing": 1, "unknown": 3, "examples": ["Foo", "Bar"]}}
    assert encoded.notes[:3] == ['x: unknown category "Foo"', "", "x: missing"]


def test_A17_strict_refuses_an_unknown_category():
    recipe = learn(["a", "b"], "category")
    with pytest.raises(
        SchemaError, match=r'new.csv, row 2, column "x" needs a category kept from training; got "Foo".'
    ):
        encode(recipe, ["a", "Foo"], strict=True)


def test_A17_at_most_five_examples_are_kept():
    counts = encode(learn(["a", "b"], "category"), list("cdefghij")).counts["x"]
    assert (counts["unknown"], counts["examples"]) == (8, list("cdefg"))


def many(n, repeats=2):
    """Categories c0, c1, ...; the first is the most frequent."""
    return [f"c{i}" for i in range(n) for _ in range(repeats)] + ["c0"]


def test_16_categories_are_one_hot_and_17_are_codes():
    assert len(learn(many(16), "category").feature_names) == 16
    recipe = learn(many(17), "category")
    assert recipe.feature_names == ["x code"]
    assert recipe.categorical_features == {0: 18}


def test_codes_run_by_frequency_and_0_is_unknown_or_rare():
    recipe = learn([*many(17), "rare"], "category")
    encoded = encode(recipe, ["c0", "c1", "c10", "c16", "rare", "Foo", None])
    assert encoded.X[:, 0].tolist() == [1, 2, 3, 9, 0, 0, 0]  # ties stand in the order of their names
    assert encoded.counts["x"] == {"missing": 1, "unknown": 2, "examples": ["rare", "Foo"]}


def test_missing_has_the_last_code_if_it_is_not_rare():
    recipe = learn([*many(17), None, None], "category")
    assert recipe.categorical_features == {0: 19}
    assert encode(recipe, [None, "Foo"]).X[:, 0].tolist() == [18, 0]


def test_A8_a_column_of_many_categories_keeps_only_the_most_frequent():
    recipe = learn(many(30), "category", max_categories=5)
    assert recipe.categorical_features == {0: 6}
    assert encode(recipe, ["c0", "c9"]).X[:, 0].tolist() == [1, 0]


@pytest.mark.slow
def test_A8_a_million_categories_stay_bounded():
    values = pl.select(pl.concat_str(pl.lit("c"), pl.int_range(1_000_000) // 2)).to_series()
    recipe = learn(values, "category")
    assert recipe.categorical_features == {0: 10_001}
    assert len(json.dumps(recipe.to_json())) < 200_000


def test_A8_a_category_in_which_nothing_repeats_is_not_coded():
    with pytest.raises(SchemaError, match=r'The 40 training rows need an input column that varies; got "x".'):
        learn([f"c{i}" for i in range(40)], "category")


def test_without_codes_up_to_64_categories_are_one_hot():
    recipe = learn(many(64), "category", with_codes=False)
    assert recipe.feature_names == sorted(f"x=c{i}" for i in range(64))


def test_without_codes_more_categories_share_64_columns_by_crc32():
    recipe = learn([*many(100), None], "category", with_codes=False)
    encoded = encode(recipe, ["c7", None, "Foo"])
    assert recipe.feature_names == [f"x hash {i}" for i in range(64)] + ["x is missing"]
    assert np.flatnonzero(encoded.X[0]).tolist() == [zlib.crc32(b"c7") % 64]
    assert np.flatnonzero(encoded.X[1]).tolist() == [64]
    np.testing.assert_allclose(encoded.X[2], encode(recipe, [*many(100), None]).X.mean(axis=0))
    assert encoded.counts["x"] == {"missing": 1, "unknown": 1, "examples": ["Foo"]}


# --- times


def test_only_parts_of_a_time_that_vary_are_coded():
    recipe = learn([datetime(2024, 5, 6), datetime(2024, 6, 3)], "time")  # both Mondays, midnight, one year
    expected = ["x: days", "x: month sin", "x: month cos", "x: day of month sin", "x: day of month cos"]
    assert recipe.feature_names == expected


def test_every_part_of_a_time_is_coded_where_all_vary():
    recipe = learn([datetime(2023, 1, 1), datetime(2024, 7, 3, 6, 30), None], "time")
    names = ["x: year", "x: days"]
    names += [
        f"x: {part} {wave}" for part in ("month", "day of month", "day of week", "hour") for wave in ("sin", "cos")
    ]
    assert recipe.feature_names == [*names, "x is missing"]
    X = encode(recipe, [datetime(2024, 7, 3, 6, 30), None]).X
    july, third, wednesday, half_past_six = (2 * math.pi * share for share in (6 / 12, 2 / 31, 2 / 7, 390 / 1440))
    waves = [f(angle) for angle in (july, third, wednesday, half_past_six) for f in (math.sin, math.cos)]
    assert X[0, 2:].tolist() == [*waves, 0]
    assert X[1].tolist() == [0] * 10 + [1]


def test_elapsed_days_are_scaled_like_a_number():
    recipe = learn([datetime(2024, 1, 1), datetime(2024, 1, 2), datetime(2024, 1, 3)], "time")
    days = encode(recipe, [datetime(2024, 1, 2), datetime(2024, 1, 3)]).X[:, recipe.feature_names.index("x: days")]
    np.testing.assert_allclose(days, [0, 1.3489795003921634], rtol=1e-12)


def test_time_out_of_the_training_range_is_counted_and_noted():
    encoded = encode(learn(["2024-01-01", "2024-01-03"], "time"), ["2024-01-03", "2024-02-01"])
    assert encoded.counts == {"x": {"out_of_range": 1}}
    note = "x: 2024-02-01 00:00:00 is outside the training range 2024-01-01 00:00:00 to 2024-01-03 00:00:00"
    assert encoded.notes == ["", note]


# --- text


def test_text_is_log_counts_of_hashed_words_with_norm_one():
    recipe = learn(["The cat. the CAT! dog", None, "bird"], "text")
    groups = sorted(zlib.crc32(word) % 256 for word in (b"the", b"cat", b"dog", b"bird"))
    assert recipe.feature_names == [*(f"x: words {group}" for group in groups), "x is missing"]
    X = encode(recipe, ["dog dog cat", None, "", "never"]).X
    two, one = math.log1p(2), math.log1p(1)
    expected = np.zeros(5)
    expected[groups.index(zlib.crc32(b"dog") % 256)] = two / math.hypot(two, one)
    expected[groups.index(zlib.crc32(b"cat") % 256)] = one / math.hypot(two, one)
    np.testing.assert_allclose(X[0], expected)
    assert X[1].tolist() == X[2].tolist() == [0, 0, 0, 0, 1]


def test_words_of_groups_that_training_never_used_are_ignored():
    assert zlib.crc32(b"never") % 256 not in {zlib.crc32(b"cat") % 256, zlib.crc32(b"dog") % 256}
    assert encode(learn(["cat", "dog"], "text"), ["never"]).X.tolist() == [[0, 0]]


# --- the whole recipe


def whole_frame():
    rng = np.random.default_rng(7)
    n = 120
    hidden = rng.random((6, n)) < 0.1

    def some(values, i):
        return [None if gone else value for value, gone in zip(values, hidden[i], strict=True)]

    frame = pl.DataFrame(
        {
            "mass": some(rng.normal(4200, 800, n).tolist(), 0),
            "income": some(rng.standard_cauchy(n).tolist(), 1),
            "island": some(rng.choice(["Biscoe", "Dream", "Torgersen"], n).tolist(), 2),
            "city": some([f"city {i % 30}" for i in range(n)], 3),
            "member": some((rng.random(n) < 0.5).tolist(), 4),
            "when": some([datetime(2023, 1 + i % 12, 1 + i % 28, i % 24, i % 60) for i in range(n)], 5),
            "note": [f"word{i % 40} and word{i % 7} again" for i in range(n)],
            "code": [f"id {i}" for i in range(n)],
            "same": ["u"] * n,
            "y": rng.choice(["u", "v"], n).tolist(),
        }
    )
    kinds = ["number", "number", "category", "category", "boolean", "time", "text", "id", "constant", "category"]
    columns = [Column(name, kind, "") for name, kind in zip(frame.columns, kinds, strict=True)]
    return parse(frame, columns, origin="t", rows=rows_of(frame)).frame, columns


FRAME, COLUMNS = whole_frame()
RECIPES = [
    Recipe.learn(FRAME, COLUMNS, target_name="y", task="classification", with_codes=with_codes)
    for with_codes in (True, False)
]
WORDS = st.none() | st.text(max_size=6) | st.sampled_from(["Biscoe", "city 3", "word1 and word2"])
NEW_ROWS = st.lists(
    st.tuples(
        st.none() | st.floats(-1e40, 1e40),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        WORDS,
        WORDS,
        st.none() | st.booleans(),
        st.none() | st.datetimes(),
        WORDS,
    ),
    max_size=40,
)


def new_frame(rows):
    names = FRAME.columns[:7]
    return pl.DataFrame(rows, schema={name: FRAME.schema[name] for name in names}, orient="row")


def encode_all(recipe, frame):
    return recipe.encode(frame, origin="t", rows=rows_of(frame))


@pytest.mark.parametrize("recipe", RECIPES, ids=["codes", "no codes"])
def test_encoding_is_finite_float64_in_c_order_with_one_name_a_column(recipe):
    encoded = encode_all(recipe, FRAME)
    assert encoded.X.dtype == np.float64
    assert encoded.X.flags.c_contiguous
    assert np.isfinite(encoded.X).all()
    assert encoded.X.shape == (len(FRAME), len(recipe.feature_names))
    assert len(encoded.notes) == len(FRAME)


def test_id_constant_and_target_are_not_coded():
    assert [coder.column for coder in RECIPES[0].coders] == FRAME.columns[:7]
    assert [column.name for column in RECIPES[0].columns] == FRAME.columns[:9]


@pytest.mark.parametrize("recipe", RECIPES, ids=["codes", "no codes"])
def test_places_of_codes_point_at_columns_of_codes(recipe):
    names = [recipe.feature_names[place] for place in recipe.categorical_features]
    assert names == (["city code"] if recipe is RECIPES[0] else [])


@given(NEW_ROWS, st.sampled_from(RECIPES))
@settings(max_examples=60)
def test_json_round_trip_gives_bit_identical_encoding(rows, recipe):
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json(), allow_nan=False)))
    assert again == recipe
    frame = new_frame(rows)
    a, b = encode_all(recipe, frame), encode_all(again, frame)
    assert same_bits(a.X, b.X)
    assert (a.counts, a.notes) == (b.counts, b.notes)


@given(NEW_ROWS, st.sampled_from(RECIPES), st.lists(st.integers(0, 40), max_size=6), st.randoms())
@settings(max_examples=60)
def test_A14_encoding_does_not_depend_on_chunks_or_on_the_order_of_columns(rows, recipe, cuts, random):
    frame = new_frame(rows)
    whole = encode_all(recipe, frame)
    names = list(frame.columns)
    random.shuffle(names)
    borders = [0, *sorted(min(cut, len(frame)) for cut in cuts), len(frame)]
    numbers = rows_of(frame)
    parts = [
        recipe.encode(frame[a:b].select(names), origin="t", rows=numbers[a:b]) for a, b in itertools.pairwise(borders)
    ]
    assert same_bits(np.concatenate([part.X for part in parts]), whole.X)
    assert [note for part in parts for note in part.notes] == whole.notes


@pytest.mark.parametrize("size", [1, 7, 33])
def test_A14_training_rows_in_chunks_and_views_encode_to_the_same_bits(size):
    whole = encode_all(RECIPES[0], FRAME).X
    chunks = [encode_all(RECIPES[0], FRAME[start : start + size]).X for start in range(0, len(FRAME), size)]
    assert same_bits(np.concatenate(chunks), whole)
    assert same_bits(encode_all(RECIPES[0], FRAME.reverse()).X, np.ascontiguousarray(whole[::-1]))


@given(NEW_ROWS, st.sampled_from(RECIPES))
@settings(max_examples=60)
def test_prediction_rows_never_raise_and_are_finite_in_float32(rows, recipe):
    encoded = encode_all(recipe, new_frame(rows))
    assert np.isfinite(encoded.X.astype(np.float32)).all()
    for name, counts in encoded.counts.items():
        assert name in FRAME.columns
        assert all(0 < count <= len(rows) for key, count in counts.items() if key != "examples")


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, unique=True))
def test_A9_any_training_numbers_encode_to_finite_float32(values):
    X = encode(learn(values, "number"), values).X
    assert np.isfinite(X.astype(np.float32)).all()


def test_zero_rows_encode_to_zero_rows():
    encoded = encode_all(RECIPES[0], FRAME[:0])
    assert encoded.X.shape == (0, len(RECIPES[0].feature_names))
    assert (encoded.counts, encoded.notes) == ({}, [])


def test_learning_twice_gives_the_same_recipe():
    again = Recipe.learn(FRAME, COLUMNS, target_name="y", task="classification")
    assert json.dumps(again.to_json()) == json.dumps(RECIPES[0].to_json())


def test_encoding_leaves_the_frame_as_it_was():
    before = FRAME.clone()
    encode_all(RECIPES[0], FRAME)
    assert FRAME.equals(before)


def test_a_name_that_occurs_twice_among_the_features_is_numbered():
    columns = [Column("x", "number", ""), Column("x is missing", "number", "")]
    frame = pl.DataFrame({"x": [1.0, 2.0, None], "x is missing": [0.0, 1.0, 2.0]})
    assert Recipe.learn(frame, columns).feature_names == ["x", "x is missing", "x is missing (2)"]


def test_A15_missing_column_is_named():
    with pytest.raises(SchemaError, match=r'new.csv needs the column "mass", which is missing. Add it.'):
        RECIPES[0].encode(FRAME.drop("mass"), origin="new.csv", rows=rows_of(FRAME))


@pytest.mark.parametrize("columns", [[], [Column("same", "constant", "")]])
def test_a_recipe_without_a_varying_column_is_refused(columns):
    with pytest.raises(SchemaError, match=r"The 120 training rows need an input column that varies; got"):
        Recipe.learn(FRAME, columns)


@pytest.mark.parametrize("kind", ["number", "boolean", "category", "time", "text"])
def test_a_column_without_values_is_not_coded(kind):
    with pytest.raises(SchemaError, match=r"need an input column that varies"):
        learn([None, None], kind)


# --- the target


def target_of(values, task="classification", **options):
    series = pl.Series("y", values)
    target = Target.learn(series, task, **options)
    assert Target.from_json(json.loads(json.dumps(target.to_json()))) == target
    return target, target.encode(series, origin="t", rows=np.arange(1, len(series) + 1))


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([0.0, 2.0, -1.0], np.int64, [0, 2, -1]),
        ([True, False], np.bool_, [True, False]),
        (["Yes", "No"], object, ["Yes", "No"]),
        ([0.5, 1.0], object, ["0.5", "1.0"]),
    ],
)
def test_labels_keep_their_type(values, dtype, expected):
    target, labels = target_of(values)
    assert labels.dtype == dtype
    assert labels.tolist() == expected
    assert (target.task, target.labels) == ("classification", "single")


def test_regression_target_is_float64_in_its_own_unit():
    target, numbers = target_of([1.5, -3.0], "regression")
    assert same_bits(numbers, np.array([1.5, -3.0]))
    assert (target.task, target.dtype) == ("regression", "float64")
    assert target_of([True, False], "regression")[1].tolist() == [1.0, 0.0]


def test_several_labels_become_indicators_with_sorted_names():
    target, indicators = target_of(["red|round", "blue", " round | red |red", "|"], several_labels=True)
    assert target.label_names == ("blue", "red", "round")
    assert indicators.dtype == np.int8
    assert indicators.tolist() == [[0, 1, 1], [1, 0, 0], [0, 1, 1], [0, 0, 0]]


def test_target_column_can_be_parsed_as_in_training():
    target = target_of([0.0, 2.0])[0]
    frame = parse(pl.DataFrame({"y": ["2", "0"]}), [target.column], origin="t", rows=np.array([1, 2])).frame
    assert target.encode(frame["y"], origin="t", rows=np.array([1, 2])).tolist() == [2, 0]


@pytest.mark.parametrize(
    ("values", "options", "needed"),
    [
        (
            [1.0, 2.0, None],
            {"task": "classification"},
            "a label; got an empty cell. Fill it in, or leave the row out.$",
        ),
        (["a", "b", None], {"task": "classification"}, "a label; got an empty cell."),
        ([True, False, None], {"task": "classification"}, "a label; got an empty cell."),
        ([1.5, 2.5, None], {"task": "regression"}, "a number; got an empty cell."),
        (
            ["a", "b", None],
            {"task": "classification", "several_labels": True},
            'A row without any label is written "|"',
        ),
    ],
)
def test_A5_missing_target_names_the_row(values, options, needed):
    target = Target.learn(pl.Series("y", values), **options)
    with pytest.raises(SchemaError, match=f'train.csv, row 9, column "y" needs .*{needed.replace("|", "[|]")}'):
        target.encode(pl.Series("y", values), origin="train.csv", rows=np.array([3, 5, 9]))


def test_label_that_is_no_whole_number_after_whole_ones_names_the_row():
    target = Target.learn(pl.Series("y", [1.0, 2.0]), "classification")
    with pytest.raises(SchemaError, match=r't, row 2, column "y" needs a whole number; got 2.5.'):
        target.encode(pl.Series("y", [1.0, 2.5]), origin="t", rows=np.array([1, 2]))


def test_label_unknown_among_several_names_the_row():
    target = Target.learn(pl.Series("y", ["red|blue"]), "classification", several_labels=True)
    with pytest.raises(
        SchemaError, match=r'row 2, column "y" needs labels known from training; got "reed". Did you mean'
    ):
        target.encode(pl.Series("y", ["red", "blue|reed"]), origin="t", rows=np.array([1, 2]))


def test_whole_labels_too_large_to_be_told_apart_are_refused():
    with pytest.raises(SchemaError, match=r'Target "y" needs whole numbers below 2\*\*53; got larger ones.'):
        Target.learn(pl.Series("y", [1.0, 2.0**53]), "classification")


def test_words_for_a_regression_are_refused():
    with pytest.raises(SchemaError, match=r'Target "y" needs numbers for a regression; got words.'):
        Target.learn(pl.Series("y", ["a", "b"]), "regression")


def test_unknown_task_is_refused():
    with pytest.raises(UsageError, match=r'The task needs to be known; got "regresion". Did you mean "regression"?'):
        Target.learn(pl.Series("y", [1.0, 2.0]), "regresion")


def test_several_labels_need_words_and_a_classification():
    with pytest.raises(UsageError, match=r"Several labels a row need a classification; got a regression."):
        Target.learn(pl.Series("y", ["a|b"]), "regression", several_labels=True)
    with pytest.raises(SchemaError, match=r'Target "y" needs words for several labels a row; got a number column.'):
        Target.learn(pl.Series("y", [1.0, 2.0]), "classification", several_labels=True)
    with pytest.raises(SchemaError, match=r'Target "y" needs words for several labels a row; got none.'):
        Target.learn(pl.Series("y", ["|", "||"]), "classification", several_labels=True)


def test_recipe_encodes_its_target_and_asks_for_it():
    assert RECIPES[0].encode_target(FRAME, origin="t", rows=rows_of(FRAME)).tolist() == FRAME["y"].to_list()
    with pytest.raises(SchemaError, match=r't needs the target column "y"; got "mass",'):
        RECIPES[0].encode_target(FRAME.drop("y"), origin="t", rows=rows_of(FRAME))
    with pytest.raises(UsageError, match=r"The recipe needs a target to encode; it was learned without one."):
        Recipe.learn(FRAME, COLUMNS).encode_target(FRAME, origin="t", rows=rows_of(FRAME))


# --- the recipe in a model file that may come from anywhere


STORED = [json.loads(json.dumps(recipe.to_json())) for recipe in RECIPES]
ODD = [None, True, False, 0, -1, 1, 2, 10**40, 0.5, -1.0, math.inf, math.nan, "", "x", [], {}, [[]], [1, 1], ["a", "a"]]


def places(value, path=()):
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from places(inner, (*path, key))


PLACES = [(i, path) for i, value in enumerate(STORED) for path in places(value)]


def replaced(value, path, new):
    if not path:
        return new
    value = copy.copy(value)
    value[path[0]] = replaced(value[path[0]], path[1:], new)
    return value


@given(st.sampled_from(PLACES), st.sampled_from(ODD))
@settings(max_examples=400)
def test_a_changed_recipe_is_refused_or_still_encodes_or_names_the_row(place, odd):
    which, path = place
    try:
        recipe = Recipe.from_json(replaced(STORED[which], path, odd))
    except ModelFileError:
        return
    try:
        X = recipe.encode(FRAME, origin="t", rows=rows_of(FRAME)).X
    except DataError:
        return
    assert np.isfinite(X.astype(np.float32)).all()


@given(
    st.recursive(
        st.sampled_from([0, 1.5, "x", None, True]),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["columns", "coders", "target", "coder", "state"]), inner)
        ),
    )
)
def test_anything_else_than_a_recipe_is_refused(value):
    with pytest.raises(ModelFileError, match=r"The model file, "):
        Recipe.from_json(value)


@pytest.mark.parametrize(
    ("path", "odd", "message"),
    [
        ((), [], "The model file, recipe, needs an object; got list."),
        (("coders",), {}, "coders, needs a list; got dict."),
        (("coders",), [], "recipe, needs coders in the order and of the kinds of its columns; got others."),
        (("coders", 0, "coder"), "os.system", 'coder, needs another value of "coder"; got an unfit str.'),
        (("coders", 0, "state", "column"), "income", "recipe, needs coders in the order"),
        (("coders", 0, "state", "scale", "spread"), 0.0, 'scale, needs another value of "spread"; got an unfit float.'),
        (("coders", 0, "state", "scale", "center"), math.nan, 'scale, needs another value of "center"'),
        (("coders", 0, "state", "scale", "exponent"), 10**9, 'scale, needs another value of "exponent"'),
        (("coders", 0, "state", "scale", "low"), 1e300, "scale, needs low below high; got the opposite."),
        (("coders", 2, "state", "counts"), [1], "category coder, needs one count for each category; got 3 categories."),
        (("coders", 2, "state", "categories"), ["a", "a", "b"], 'category coder, needs another value of "categories"'),
        (("coders", 3, "state", "categories"), [], "code coder, needs at least one category; got none."),
        (("coders", 5, "state", "cycles"), ["hour", "month"], "time coder, needs known parts of a time; got others."),
        (("coders", 6, "state", "groups"), [3, 3], "text coder, needs groups in rising order; got another order"),
        (("coders", 6, "state", "groups"), [256], 'text coder, needs another value of "groups"'),
        (("columns", 0, "name"), "income", "recipe, needs columns with different names; got one name twice."),
        (("target", "name"), "mass", "recipe, needs columns with different names; got one name twice."),
        (("target", "task"), "regression", "target, needs task, labels and types that go together; got others."),
        (("target", "labels"), "several", "target, needs task, labels and types that go together; got others."),
    ],
)
def test_each_odd_part_of_a_recipe_is_refused_by_name(path, odd, message):
    with pytest.raises(ModelFileError) as caught:
        Recipe.from_json(replaced(STORED[0], path, odd))
    assert message in caught.value.message
    assert caught.value.hint == "The file is damaged or nnzoo did not write it; use another copy, or train again."


@pytest.mark.parametrize(
    ("path", "needed"), [((0,), "number coder, needs a scale or a flag"), ((5,), "time coder, needs")]
)
def test_a_coder_that_codes_nothing_is_refused(path, needed):
    state = STORED[0]["coders"][path[0]]["state"] | {"flag": False}
    state |= {"scale": None} if "scale" in state else {"year": None, "days": None, "cycles": []}
    with pytest.raises(ModelFileError, match=needed):
        Recipe.from_json(replaced(STORED[0], ("coders", path[0], "state"), state))


def test_decoded_rows_are_those_that_were_encoded():
    frame = pl.DataFrame(
        {
            "mass": [3.0, None, 4.5, 1e6],
            "island": ["Biscoe", "Dream", None, "Dream"],
            "tagged": [True, False, None, True],
            "seen": [datetime(2024, 1, day, 5, 30) for day in (1, 2, 9, 30)],
        }
    )
    columns = [Column(*each, "") for each in (("mass", "number"), ("island", "category"), ("tagged", "boolean"))]
    recipe = Recipe.learn(frame, [*columns, Column("seen", "time", "")])
    X = recipe.encode(frame, origin="the table", rows=np.arange(1, 5)).X
    back = recipe.decode(X)
    assert back.columns == frame.columns
    for name in ("island", "tagged"):
        assert back[name].to_list() == frame[name].to_list()
    np.testing.assert_allclose(back["mass"].to_numpy(), frame["mass"].to_numpy(), rtol=1e-12)
    assert back["seen"].to_list() == frame["seen"].to_list()


def test_decoded_codes_are_the_nearest_ones_and_text_is_left_out():
    words = [f"w{n % 20:02}" for n in range(60)]
    frame = pl.DataFrame({"word": words, "note": [f"some words {n}" for n in range(60)]})
    recipe = Recipe.learn(frame, [Column("word", "category", ""), Column("note", "text", "")])
    X = recipe.encode(frame, origin="the table", rows=np.arange(1, 61)).X
    assert recipe.decode(X + 0.3).to_dict(as_series=False) == {"word": words}
