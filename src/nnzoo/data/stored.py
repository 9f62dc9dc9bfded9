"""Strict reading of the plain JSON that nnzoo itself has written into a model file.

A model file may come from anywhere: what it holds is checked against the exact shape that nnzoo writes, and refused at
the first difference.
"""

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from nnzoo.errors import ModelFileError, listing, quote

Check = Callable[[Any], bool]
_HINT = "The file is damaged or nnzoo did not write it; use another copy, or train again."


def refuse(what: str, needed: str, came: str) -> ModelFileError:
    """Return the error for a part of a model file that is not as nnzoo writes it."""
    return ModelFileError(f"The model file, {what}, needs {needed}; got {came}.", _HINT)


def record(value: object, what: str, checks: Mapping[str, Check]) -> dict[str, Any]:
    """Return the dict if it has exactly these keys and every value passes its check.

    Raises
    ------
    ModelFileError
        At the first difference.
    """
    if type(value) is not dict:
        raise refuse(what, "an object", type(value).__name__)
    if set(value) != set(checks):
        raise refuse(what, f"the keys {listing(sorted(checks))}", listing(sorted(map(str, value))) or "none")
    for key, check in checks.items():
        if not check(value[key]):
            raise refuse(what, f"another value of {quote(key)}", f"an unfit {type(value[key]).__name__}")
    return dict(value)


def items(value: object, what: str) -> list[Any]:
    """Return the value if it is a list."""
    if type(value) is not list:
        raise refuse(what, "a list", type(value).__name__)
    return value


def is_text(value: object) -> bool:
    """Say whether the value is a string."""
    return type(value) is str


def is_truth(value: object) -> bool:
    """Say whether the value is true or false."""
    return type(value) is bool


def is_finite(value: object) -> bool:
    """Say whether the value is a finite float."""
    return type(value) is float and math.isfinite(value)


def is_positive(value: object) -> bool:
    """Say whether the value is a finite float above 0."""
    return type(value) is float and 0 < value < math.inf


def is_texts(value: object) -> bool:
    """Say whether the value is a list of strings, none of them twice."""
    return type(value) is list and all(type(item) is str for item in value) and len(set(value)) == len(value)


def anything(value: object) -> bool:
    """Take the value; it is checked where it is read."""
    return True


def whole(low: int, high: int = 2**53) -> Check:
    """Return the check for a whole number from ``low`` to ``high``."""
    return lambda value: type(value) is int and low <= value <= high


def wholes(low: int, high: int = 2**53) -> Check:
    """Return the check for a list of whole numbers from ``low`` to ``high``."""
    is_whole = whole(low, high)
    return lambda value: type(value) is list and all(is_whole(item) for item in value)


def one_of(known: Collection[str | None]) -> Check:
    """Return the check for one of a few strings, or None where that is among them."""
    return lambda value: (value is None or type(value) is str) and value in known
