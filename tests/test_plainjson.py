"""Strict JSON: what is written comes back to the bit, what is doubtful is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnzoo.errors import DataError, ModelFileError
from nnzoo.plainjson import json_bytes, parse_json

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


@given(PLAIN)
def test_what_is_written_comes_back_with_its_types(value):
    written = json_bytes(value)
    assert parse_json(written, DataError) == value
    assert json_bytes(parse_json(written, DataError)) == written  # which tells True from 1 and 1 from 1.0


@pytest.mark.parametrize("value", [-0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, 2.0])
def test_floats_come_back_to_the_last_bit(value):
    back = parse_json(json_bytes(value), DataError)
    assert math.copysign(1, back) == math.copysign(1, value)
    assert back.hex() == value.hex()


def test_equal_values_give_equal_bytes_in_any_order():
    assert json_bytes({"b": [1, 2.5], "a": "é"}) == json_bytes({"a": "é", "b": (1, 2.5)})
    assert json_bytes({"b": [1, 2.5], "a": "é"}) == b'{"a":"\\u00e9","b":[1,2.5]}'


def test_16_levels_are_written_and_read_and_17_are_not():
    assert parse_json(json_bytes(nested(16)), DataError) == nested(16)
    with pytest.raises(ModelFileError, match=r'needs at most 16 levels; "0\.0\.0.* is deeper\. Flatten it'):
        json_bytes(nested(17))
    with pytest.raises(DataError, match="needs closed brackets, at most 16 levels deep; these are not"):
        parse_json(b"[" * 17 + b"]" * 17, DataError)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"params": {"activation": len}}, 'got builtin_function_or_method at "params.activation"'),
        ({"a": [1.0, math.nan]}, 'got nan at "a.1"'),
        ({"a": -math.inf}, 'got -inf at "a"'),
        ({1, 2}, r'got set at "\."'),
        ({"a": 10**5000}, "a number has too many digits"),
    ],
)
def test_what_is_not_plain_is_refused_with_its_place(value, words):
    with pytest.raises(DataError, match=f"^the recipe needs plain values; {words}"):
        json_bytes(value, DataError, owner="the recipe")


def test_keys_that_are_not_text_are_refused():
    with pytest.raises(ModelFileError, match=r'needs text as keys; got "1" at "a"\. Use str\(key\)\.'):
        json_bytes({"a": {1: 2}})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "position 0 is not"),
        (b"[1,]", "position 3 is not"),
        (b"[1] 2", "position 4 is not"),
        (b"[}", "position 1 is not"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', 'the key "c" occurs twice'),
        (b'{"a": 1, "\\u0061": 2}', 'the key "a" occurs twice'),
        (b"[NaN]", "got NaN"),
        (b"[-Infinity]", "got -Infinity"),
        (b"[1e999]", 'the number "1e999" is too large'),
        (b"1" * 5000, "a number has too many digits"),
        (b'["\xff"]', "byte 2 is not UTF-8"),
        (b"\xef\xbb\xbf{}", "position 0 is not"),
        ("{}".encode("utf-16"), "byte 0 is not UTF-8"),
        (b'["\x00"]', "position 2 is not"),
    ],
)
def test_D7_text_that_is_not_strict_json_is_refused(data, words):
    with pytest.raises(ModelFileError, match=f"^the recipe needs strict JSON; {words}. The file is damaged"):
        parse_json(data, ModelFileError, owner="the recipe")


@pytest.mark.parametrize(
    "data", [b"[" * 1000 + b"]" * 1000, b'{"a":' * 1000, b"[]]", b"[[]" * 1000, b'"\\"[' + b'"' + b"[" * 17]
)
def test_D7_deep_or_open_brackets_are_refused(data):
    with pytest.raises(ModelFileError, match="needs closed brackets, at most 16 levels deep"):
        parse_json(data, ModelFileError)


def test_brackets_within_text_do_not_count():
    text = '["[[[[[[[[[[[[[[[[[[[[", "\\\\", "\\"[[[[[[[[[[[[[[[[[[[["]'
    assert parse_json(text.encode(), DataError) == ["[" * 20, "\\", '"' + "[" * 20]
