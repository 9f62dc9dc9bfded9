"""From the columns of a step to numbers: distances in time, calendar, scales, categories; and what a file may hold."""

import copy
import json
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import NormalDist

import numpy as np
import pytest

from nnzoo.data.dataset import load
from nnzoo.data.recipe import Recipe
from nnzoo.data.sequencerecipe import SequenceRecipe
from nnzoo.errors import ModelFileError, NnzooError, SchemaError
from nnzoo.recipes import learn_recipe

START = datetime(2024, 1, 1)
N = 30


def log(hours, **columns):
    """Events of 30 machines, as many each as there are hours."""
    n = N * len(hours)
    draw = np.random.default_rng(0)
    return {
        "machine": np.repeat([f"m{i:02}" for i in range(N)], len(hours)).tolist(),
        "when": [str(START + timedelta(hours=hour)) for hour in hours] * N,
        "heat": draw.normal(60, 5, n).round(2).tolist(),
        "mode": draw.choice(["idle", "run", "jam"], n).tolist(),
        "broken": np.repeat(np.arange(N) % 2, len(hours)).tolist(),
    } | columns


def loaded(hours, target="broken", **columns):
    table = log(hours, **columns)
    if target is None:
        del table["broken"]
    return load(table, entity="machine", time="when", target=target)


def recipe_of(data):
    found = learn_recipe(data, with_codes=True)
    assert isinstance(found, SequenceRecipe)
    return found


def calendar_of(recipe):
    """Return the names of the numbers that say hour, weekday, day or month."""
    return [name for name in recipe.feature_names if name.endswith((" sin", " cos"))]


def robust(values, learned_from):
    """Return values scaled by the median and the quartiles of others."""
    lower, center, upper = np.percentile(learned_from, [25, 50, 75])
    return (values - center) / ((upper - lower) / (2 * NormalDist().inv_cdf(0.75)))


def test_irregular_distances_are_a_number_of_the_step():
    data = loaded([0, 1, 5, 30])
    recipe = recipe_of(data)
    rows = recipe.encode_part(data.test, "log")
    place = recipe.numbers["when: log distance"]
    distance = np.log1p(np.array([0.0, 3600, 4 * 3600, 25 * 3600]))
    every = np.tile(distance, len(data.train))
    np.testing.assert_allclose(rows[0][:, place], robust(distance, every), rtol=1e-6)


def test_regular_steps_have_no_distance_and_the_time_is_no_input():
    recipe = recipe_of(loaded([0, 1, 2, 3]))
    assert recipe.time is None
    assert not [name for name in recipe.feature_names if name.startswith("when")]


@pytest.mark.parametrize(
    ("days", "parts"),
    [(1, 0), (3, 1), (20, 2), (100, 3), (900, 4)],
)
def test_the_calendar_has_the_parts_that_the_rows_last_long_enough_to_show(days, parts):
    hours = [0, 5, 24 * days // 2 + 1, 24 * days - 7, 24 * days]
    names = calendar_of(recipe_of(loaded(hours)))
    assert len(names) == 2 * parts
    assert len({name.rsplit(" ", 1)[0] for name in names}) == parts


def test_numbers_are_scaled_by_all_steps_of_the_training_rows():
    data = loaded([0, 1, 2, 3])
    recipe = recipe_of(data)
    place = recipe.numbers["heat"]
    raw = data.train.sequences.frame["heat"].to_numpy()
    heat = data.test.sequences.frame["heat"].to_numpy()
    test = recipe.encode_part(data.test, "log").values
    np.testing.assert_allclose(test[:, place], robust(heat, raw))
    np.testing.assert_allclose(recipe.to_units(test)["heat"], heat)


def test_a_row_is_encoded_alike_alone_and_among_others():
    data = loaded([0, 1, 5, 30], heat=[None if i % 7 == 0 else float(i) for i in range(4 * N)])
    recipe = recipe_of(data)
    together = recipe.encode_part(data.test, "log")
    for row in range(len(together)):
        alone = recipe.encode_part(replace(data.test, sequences=data.test.sequences.take(np.array([row]))), "log")
        np.testing.assert_array_equal(alone[0], together[row])
    assert np.isfinite(together.values).all()


def test_a_forecast_has_no_calendar_and_no_codes():
    hours = np.linspace(0, 24 * 900, 40).round().astype(int).tolist()
    words = [f"w{i % 30}" for i in range(40 * N)]
    with_target = recipe_of(loaded(hours, mode=words))
    without = recipe_of(loaded(hours, target=None, mode=words))
    assert with_target.categorical_features
    assert not without.categorical_features
    assert calendar_of(with_target)
    assert not calendar_of(without)


def test_steps_that_never_vary_are_refused():
    with pytest.raises(SchemaError):
        recipe_of(loaded([0, 1, 2, 3], heat=[1.0] * 4 * N, mode=["run"] * 4 * N))


def test_only_the_calendar_varies():
    hours = np.linspace(0, 24 * 21, 22).round().astype(int).tolist()
    data = loaded(hours, heat=[1.0] * 22 * N, mode=["run"] * 22 * N)
    recipe = recipe_of(data)
    assert recipe.feature_names
    assert recipe.feature_names == calendar_of(recipe)


def test_a_missing_time_column_is_said():
    data = loaded([0, 1, 5, 30])
    sequences = data.test.sequences
    part = replace(data.test, sequences=sequences.with_frame(sequences.frame.drop("when")))
    with pytest.raises(SchemaError, match='need the column "when"'):
        recipe_of(data).encode_part(part, "log")


@pytest.mark.parametrize("target", ["broken", None])
def test_stored_and_read_again_it_is_the_same(target):
    recipe = recipe_of(loaded([0, 1, 5, 30], target=target))
    stored = json.loads(json.dumps(recipe.to_json(), allow_nan=False))
    assert SequenceRecipe.from_json(stored) == recipe
    assert isinstance(recipe.steps, Recipe)


def values_within(value, path=()):
    """Yield the path of everything inside nested lists and dictionaries."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield (*path, key)
        yield from values_within(item, (*path, key))


def test_odd_stored_recipes_are_refused_or_read_never_a_crash():
    stored = json.loads(json.dumps(recipe_of(loaded([0, 1, 5, 30])).to_json()))
    refused = 0
    for path in list(values_within(stored)):
        for odd in (None, -1, "odd", [], {"odd": 1}, [None], 1e400):
            bad = copy.deepcopy(stored)
            inner = bad
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = odd
            try:
                SequenceRecipe.from_json(bad)
            except ModelFileError:
                refused += 1
            except NnzooError as error:
                pytest.fail(f"{path} {odd!r}: {error!r}")
    assert refused > 100
