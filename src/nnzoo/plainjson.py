"""Strict, canonical JSON: equal values give equal bytes, and what is read holds no surprise.

Manifests, recipes and lock files are written and read with these two functions alone.
"""

import json
import math
import re
from typing import Any

from nnzoo.errors import ModelFileError, NnzooError, quote

Bytes = bytes | bytearray | memoryview

MAX_DEPTH = 16
STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
TO_SQUARE = bytes.maketrans(b"{}", b"[]")
NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
TOO_MANY = b"[" * (MAX_DEPTH + 1)


class _RefusedError(ValueError):
    """What a hook of the reader refuses."""


def json_bytes(value: object, error: type[NnzooError] = ModelFileError, *, owner: str = "the JSON text") -> bytes:
    """Return a value as canonical JSON: keys sorted, ASCII only, no blanks.

    ``parse_json`` gives back an equal value, floats to the last bit (tuples come back as lists).

    Parameters
    ----------
    value : object
        Dicts with text keys, lists, tuples, text, whole numbers, finite floats, booleans and None; at most 16 deep.
    error : type of NnzooError, default ModelFileError
        What is raised.
    owner : str
        Whose value it is, for the message.

    Raises
    ------
    NnzooError
        Of the given type, when the value holds anything else; the message says where.
    """
    _check_json(value, error, owner, where="", depth=0)
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":")).encode("ascii")
    except ValueError as exc:  # Python neither writes nor reads whole numbers of more than 4300 digits
        raise error(f"{owner} needs plain values; {_reason(exc)}.", "Use shorter numbers.") from exc


def _check_json(value: object, error: type[NnzooError], owner: str, *, where: str, depth: int) -> None:
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return
    if not isinstance(value, dict | list | tuple):
        got = repr(value) if isinstance(value, float) else type(value).__name__
        hint = "Use text, whole numbers, finite numbers, booleans, None, lists and dicts."
        raise error(f"{owner} needs plain values; got {got} at {quote(where or '.')}.", hint)
    if depth == MAX_DEPTH:
        raise error(f"{owner} needs at most {MAX_DEPTH} levels; {quote(where)} is deeper.", "Flatten it.")
    for key, member in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(value, dict) and not isinstance(key, str):
            raise error(
                f"{owner} needs text as keys; got {quote(repr(key))} at {quote(where or '.')}.", "Use str(key)."
            )
        _check_json(member, error, owner, where=f"{where}.{key}" if where else str(key), depth=depth + 1)


def parse_json(data: Bytes, error: type[NnzooError], *, owner: str = "the JSON text") -> Any:
    """Read strict JSON: UTF-8, no duplicate keys, no NaN or Infinity, at most 16 levels deep.

    Depth and brackets are counted on the bytes before anything is built.

    Parameters
    ----------
    data : bytes-like
        The text.
    error : type of NnzooError
        What is raised.
    owner : str
        Whose text it is, for the message.

    Returns
    -------
    object
        Dicts, lists, text, numbers, booleans and None.

    Raises
    ------
    NnzooError
        Of the given type, when the text breaks any of the rules.
    """
    hint = "The file is damaged or was not made by nnzoo."
    if _is_too_deep(bytes(data)):
        raise error(f"{owner} needs closed brackets, at most {MAX_DEPTH} levels deep; these are not.", hint)
    try:
        text = str(data, "utf-8")
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_float=_finite)
    except ValueError as exc:
        raise error(f"{owner} needs strict JSON; {_reason(exc)}.", hint) from exc


def _is_too_deep(data: bytes) -> bool:
    """Peel the innermost brackets off, level by level: linear in the bytes, without a stack."""
    brackets = STRINGS.sub(b"", data).translate(TO_SQUARE, NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        if TOO_MANY in brackets:
            return True
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise _RefusedError(f"the key {quote(twice)} occurs twice")
    return found


def _no_constant(name: str) -> Any:
    raise _RefusedError(f"got {name}")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _RefusedError(f"the number {quote(text)} is too large")
    return value


def _reason(exc: Exception) -> str:
    if isinstance(exc, json.JSONDecodeError):
        return f"position {exc.pos} is not"
    if isinstance(exc, UnicodeDecodeError):
        return f"byte {exc.start} is not UTF-8"
    return str(exc) if isinstance(exc, _RefusedError) else "a number has too many digits"
