import warnings

import numpy as np
import polars as pl
import pytest

from nnzoo.data.loaded import Part
from nnzoo.data.target import Target
from nnzoo.data.text import TextRule
from nnzoo.data.textrecipe import TextRecipe
from nnzoo.data.vocabulary import REPLACEMENT
from nnzoo.errors import ModelFileError, SchemaError, UsageError

RULE = TextRule("t", "word", "", in_order=False, max_length=4)
TRAINING = pl.Series("t", ["a b a b", "a b c", "c a"])
TARGET = Target("y", "number", "regression", "single", "float64")


def learned(**kwargs):
    return TextRecipe.learn(TRAINING, RULE, **kwargs)


def encoded(texts, **kwargs):
    frame = pl.DataFrame({"t": texts}, schema={"t": pl.String})
    return learned().encode(frame, origin="the table", rows=np.arange(1, len(texts) + 1), **kwargs)


def test_codes_are_zero_for_unknown_then_by_frequency_then_empty():
    found = encoded(["A c b z", "", None])
    assert found.X.values.dtype == np.float64
    assert found.X.values.ravel().tolist() == [1, 3, 2, 0, 4, 4]
    assert found.X.lengths.tolist() == [4, 1, 1]
    assert learned().categorical_features == {0: 5}


def test_a_text_is_coded_the_same_alone_and_among_others():
    texts = ["a b", "c z a", "b"]
    together = encoded(texts).X
    for place, text in enumerate(texts):
        np.testing.assert_array_equal(encoded([text]).X[0], together[place])


def test_a_part_without_rows_has_no_codes():
    part = Part("test", pl.DataFrame({"t": []}, schema={"t": pl.String}), np.array([], dtype=np.int64))
    X = learned().encode_part(part, "the table")
    assert (len(X), X.values.shape) == (0, (0, 1))


def test_the_vocabulary_knows_training_rows_only_up_to_the_longest_length():
    recipe = TextRecipe.learn(pl.Series("t", ["a a a a late late"]), RULE)
    assert recipe.vocabulary.tokens == ("a",)


def test_B9_empty_cut_and_replaced_texts_are_counted_and_noted():
    found = encoded(["", "a a a a a", f"a {REPLACEMENT}", "a b"])
    assert found.counts == {
        "t": {"tokens": 9, "unknown_tokens": 1, "empty": 1, "cut": 1, "replaced": 1, "examples": [REPLACEMENT]}
    }
    assert found.notes == [
        "empty text",
        "cut to its first 4 words",
        "1 of 2 words unknown; characters that no file can hold were replaced",
        "",
    ]


def test_B10_unknown_tokens_are_counted_and_more_than_half_of_them_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = encoded(["a b", "x y"])
    assert found.counts["t"] == {"tokens": 4, "unknown_tokens": 2, "examples": ["x", "y"]}
    with pytest.warns(UserWarning, match=r'the table: 3 of 5 words are not known from training, such as "x", "y", "z"'):
        encoded(["a b", "x y z"])


def test_B10_strict_refuses_an_unknown_token_with_its_row():
    with pytest.raises(SchemaError, match=r'the table, row 2, column "t" needs words known from training; got "x"'):
        encoded(["a b", "a x"], strict=True)


def test_a_missing_column_is_refused_by_name():
    with pytest.raises(SchemaError, match='the table needs the column "t" of texts; got "s"'):
        learned().encode(pl.DataFrame({"s": ["a"]}), origin="the table", rows=np.array([1]))


def test_the_output_is_next_without_a_target_and_sequence_with_one():
    assert learned().output == "next"
    recipe = learned(target=TARGET)
    assert recipe.output == "sequence"
    y = recipe.encode_target(pl.DataFrame({"t": ["a"], "y": [2.5]}), origin="the table", rows=np.array([1]))
    assert y.tolist() == [2.5]
    with pytest.raises(UsageError, match="learned without one"):
        learned().encode_target(pl.DataFrame({"y": [1.0]}), origin="the table", rows=np.array([1]))


@pytest.mark.parametrize("target", [None, TARGET])
def test_a_recipe_survives_json(target):
    recipe = learned(target=target)
    assert TextRecipe.from_json(recipe.to_json()) == recipe


def test_a_damaged_recipe_is_refused():
    state = learned().to_json()
    for broken in (state["text"] | {"max_length": 0}, state["text"] | {"name": 3}):
        with pytest.raises(ModelFileError, match="recipe of texts"):
            TextRecipe.from_json({"text": broken, "target": None})


def test_codes_are_decoded_as_text():
    assert learned().decode(np.array([[1.0], [0.0]])) == "a <unk>"
