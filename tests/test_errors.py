"""Kinds of error, and how messages quote what came in."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nnzoo
from nnzoo import errors
from nnzoo.errors import listing, nearest, quote

KINDS = {
    "UsageError": (ValueError, 2),
    "ParameterError": (ValueError, 2),
    "DataError": (ValueError, 3),
    "SchemaError": (errors.DataError, 3),
    "ModelFileError": (ValueError, 4),
    "CheckpointError": (errors.ModelFileError, 4),
    "TrainingDiverged": (RuntimeError, 5),
    "ResourceError": (RuntimeError, 6),
    "ClusterError": (RuntimeError, 7),
    "ExportError": (RuntimeError, 8),
}


@pytest.mark.parametrize("name", KINDS)
def test_kind_of_error_has_its_base_exit_code_and_hint(name):
    base, exit_code = KINDS[name]
    error = getattr(nnzoo, name)("Perceptron needs rows; got none.", "Give rows.")
    assert isinstance(error, base)
    assert isinstance(error, nnzoo.NnzooError)
    assert (error.exit_code, error.message, error.hint) == (
        exit_code, "Perceptron needs rows; got none.", "Give rows.",
    )  # fmt: skip
    assert str(error) == "Perceptron needs rows; got none. Give rows."


def test_table_above_names_every_kind_of_error():
    there = {
        name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, errors.NnzooError)
    }
    assert there == {*KINDS, "NnzooError"}


def test_error_without_hint_is_its_message_alone():
    error = errors.DataError("t.csv needs rows; got none.")
    assert (str(error), error.hint) == ("t.csv needs rows; got none.", "")


def test_error_survives_the_way_between_processes():
    error = errors.DataError("message", "hint")
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(again), again.message, again.hint) == (errors.DataError, "message", "hint")


def test_quote_escapes_control_characters():
    assert quote("a\nb\x1b[31m\u202e") == '"a\\nb\\x1b[31m\\u202e"'


def test_quote_cuts_after_80_characters():
    assert quote("x" * 80) == '"' + "x" * 80 + '"'
    assert quote("x" * 81) == '"' + "x" * 79 + '…"'


@given(st.text())
def test_quote_is_always_one_printable_line_of_at_most_82_characters(text):
    quoted = quote(text)
    assert len(quoted) <= 82
    assert quoted.isprintable()


@pytest.mark.parametrize(
    ("names", "words"),
    [([], ""), (["a"], '"a"'), (range(5), '"0", "1", "2", "3", "4"'), (range(6), '"0", "1", "2", "3", "4" and 1 more')],
)
def test_listing_names_five_and_counts_the_rest(names, words):
    assert listing(names) == words


def test_nearest_names_what_is_close_in_any_case():
    assert nearest("ReLu", ["relu", "tanh"]) == 'Did you mean "relu"?'


def test_nearest_lists_everything_known_where_nothing_is_close():
    assert nearest("xyz", ["relu", "tanh"]) == 'Known: "relu", "tanh".'
