"""What is in each column: its kind, found from the cells, and the reading of cells as that kind.

| kind | what it holds | read as |
|---|---|---|
| number | numbers, also amounts of time (in seconds) | Float64 |
| category | words or codes that repeat | String |
| boolean | true or false | Boolean |
| time | dates, with or without a clock time | Datetime, microseconds, UTC |
| text | free text of several words | String |
| id | names a row, so nothing can be learned from it | String |
| constant | the same in every row | String |
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import polars as pl

from nnzoo.data import stored
from nnzoo.data.values import (
    TIME_FORMS,
    is_plain,
    is_words,
    slash_form,
    to_numbers,
    to_times,
    to_truth,
    to_words,
)
from nnzoo.errors import DataError, SchemaError, UsageError, listing, nearest, quote

KINDS = ("number", "category", "boolean", "time", "text", "id", "constant")

MAX_CLASSES = 20
_MAX_CLASS_SHARE = 0.1
_MOSTLY = 0.8
_MAX_VALUES_OF_CODE = 10
_MIN_REPEATS_OF_CODE = 5
_MIN_WORDS_OF_TEXT = 4
_MIN_ROWS_OF_ID = 20
_MIN_SHARE_OF_ID = 0.95
_ID_NAME = re.compile(r"(?i:^(.*[ _.-])?(id|uuid|guid|rowid|row[ _]?names?)$|^index$|^unnamed: 0$)|[a-z]I[dD]$")
_NEEDS = {
    "number": "a number",
    "boolean": "true or false",
    "time": "a date such as 2024-05-31, with or without a clock time such as 14:30",
}


@dataclass(frozen=True)
class Column:
    """What is in one column.

    Parameters
    ----------
    name : str
    kind : str
        One of ``KINDS``.
    why : str
        Short words for the reader, such as "3 values".
    form : str
        For times written with slashes, "month first" or "day first"; else "".
    """

    name: str
    kind: str
    why: str
    form: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the column as plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> "Column":
        """Return the column that ``to_json`` wrote; raise ModelFileError on anything else."""
        checks = {"name": stored.is_text, "kind": stored.one_of(KINDS), "why": stored.is_text}
        return cls(**stored.record(value, "column", checks | {"form": stored.one_of(TIME_FORMS)}))


@dataclass(frozen=True)
class Parsed:
    """Cells read as the kinds of their columns.

    Attributes
    ----------
    frame : polars.DataFrame
        The known columns in their known order.
    extra : tuple of str
        Columns that came and are not known; they are left out.
    n_coerced : dict
        Column to the number of cells that did not fit and count as missing; only columns with such cells.
    """

    frame: pl.DataFrame
    extra: tuple[str, ...] = ()
    n_coerced: dict[str, int] = field(default_factory=dict)


def infer_columns(
    frame: pl.DataFrame, *, overrides: Mapping[str, str] | None = None, skip: Collection[str] = ()
) -> tuple[Column, ...]:
    """Find what is in each column.

    Parameters
    ----------
    frame : polars.DataFrame
        Cells as read: strings, or values with types of their own.
    overrides : mapping, optional
        Column to kind, where the kind is to be this one.
    skip : collection of str
        Columns to leave out, such as the target.

    Returns
    -------
    tuple of Column
        In the order of the frame.

    Raises
    ------
    UsageError
        An override names an unknown column or kind.
    SchemaError
        A column holds lists, structures or bytes.

    Examples
    --------
    >>> [column.kind for column in infer_columns(pl.DataFrame({"age": ["31", "4"], "sex": ["f", "m"]}))]
    ['number', 'category']
    """
    overrides = overrides or {}
    for name, kind in overrides.items():
        if name not in frame.columns:
            raise UsageError(f"There is no column {quote(name)} to give a kind to.", nearest(name, frame.columns))
        if kind not in KINDS:
            raise UsageError(f"Column {quote(name)} needs a known kind; got {quote(kind)}.", nearest(kind, KINDS))
    return tuple(_infer(frame[name], overrides.get(name)) for name in frame.columns if name not in skip)


def infer_target(raw: pl.Series, kind: str | None = None) -> Column:
    """Find what is in the target column: numbers, truth values, or words (kind "category").

    Parameters
    ----------
    raw : polars.Series
        Cells as read.
    kind : str, optional
        "number", "category" or "boolean" where it is to be this one.

    Raises
    ------
    UsageError
        Another kind is asked for.
    SchemaError
        The column holds times, lists, structures or bytes.
    """
    kinds = ("number", "category", "boolean")
    if kind is not None and kind not in kinds:
        raise UsageError(
            f"Target {quote(raw.name)} needs the kind {listing(kinds)}; got {quote(kind)}.", "Pass another."
        )
    column = _infer(raw, kind)
    if column.kind == "time":
        message = f"Target {quote(raw.name)} needs numbers or labels; got times."
        raise SchemaError(message, "Predict a number instead, such as the days until then.")
    if column.kind in kinds:
        return column
    if raw.dtype == pl.Boolean:
        return replace(column, kind="boolean")
    is_number = (
        raw.null_count() < len(raw) and column.kind != "text" and not _holds_codes(raw) and not to_numbers(raw)[1].any()
    )
    return replace(column, kind="number" if is_number else "category")


def infer_task(values: pl.Series, kind: str) -> tuple[str, str]:
    """Find the task from the target's values.

    Numbers are a regression, unless they are whole and have one or two values, or at most 20 values that are at most
    a tenth of the rows. All else is a classification.

    Parameters
    ----------
    values : polars.Series
        The target, raw or parsed.
    kind : str
        The kind of its column.

    Returns
    -------
    task : str
        "classification" or "regression".
    why : str
        The reason in words.
    """
    if kind == "boolean":
        return "classification", "true or false"
    if kind != "number":
        return "classification", f"words with {_count(values.drop_nulls().n_unique(), 'value')}"
    numbers = to_numbers(values)[0].drop_nulls()
    n_values = numbers.n_unique()
    few = n_values <= 2 or n_values <= min(MAX_CLASSES, _MAX_CLASS_SHARE * len(numbers))
    if few and _all_whole(numbers):
        return "classification", f"whole numbers with {_count(n_values, 'value')}"
    return "regression", f"numbers with {_count(n_values, 'value')}"


def missing_columns(names: Sequence[str]) -> str:
    """Return which columns are missing, for a message.

    Examples
    --------
    >>> missing_columns(["age"]), missing_columns(["age", "sex"])
    ('the column "age", which is missing', 'the columns "age", "sex", which are missing')
    """
    several = len(names) > 1
    return f"the column{'s' * several} {listing(names)}, which {'are' if several else 'is'} missing"


def parse(
    frame: pl.DataFrame, columns: Sequence[Column], *, origin: str, rows: np.ndarray, coerce: bool = False
) -> Parsed:
    """Read the cells as the kinds of their columns; columns are matched by name.

    What can be changed without loss is taken: numbers written as strings, "True" or 1 for true, dates in the forms of
    ``to_times``. Columns of kind "id" and "constant" may be absent: nothing is learned from them.

    Parameters
    ----------
    frame : polars.DataFrame
        Cells as read.
    columns : sequence of Column
        The columns to read.
    origin : str
        Name of the source for messages.
    rows : ndarray of int64, shape (n_rows,)
        Number of each row in the source, counted from 1.
    coerce : bool
        Take cells that do not fit as missing, and count them.

    Raises
    ------
    SchemaError
        A column is missing, or a cell does not fit its kind and ``coerce`` is False.
    DataError
        A number is infinite.
    """
    known = {column.name for column in columns}
    extra = tuple(name for name in frame.columns if name not in known)
    missing = [c.name for c in columns if c.name not in frame.columns and c.kind not in ("id", "constant")]
    if missing:
        hint = f"Add {'it' if len(missing) == 1 else 'them'}. " + (nearest(missing[0], extra) if extra else "")
        raise SchemaError(f"{origin} needs {missing_columns(missing)}.", hint.rstrip())
    parsed, n_coerced = [], {}
    for column in columns:
        if column.name not in frame.columns:
            continue
        values, bad = _convert(frame[column.name], column)
        if bad.any():
            if not coerce:
                raise _unfit(frame[column.name], bad, column, origin, rows)
            n_coerced[column.name] = int(bad.sum())
        if column.kind == "number":
            _refuse_infinite(values, origin, rows)
        parsed.append(values.alias(column.name))
    return Parsed(pl.DataFrame(parsed), extra, n_coerced)


def _convert(raw: pl.Series, column: Column) -> tuple[pl.Series, pl.Series]:
    _refuse_nested(raw)
    if column.kind == "number":
        return to_numbers(raw)
    if column.kind == "boolean":
        return to_truth(raw)
    if column.kind == "time":
        return to_times(raw, column.form)
    return to_words(raw)


def _unfit(raw: pl.Series, bad: pl.Series, column: Column, origin: str, rows: np.ndarray) -> SchemaError:
    first = int(bad.arg_true()[0])
    where = f"{origin}, row {rows[first]}, column {quote(column.name)}"
    needed = _NEEDS.get(column.kind, "a time in the years 1 to 9999")
    message = f"{where} needs {needed}; got {_quote_cell(raw, first)}."
    return SchemaError(message, "Use --coerce to treat it as missing.")


def _quote_cell(raw: pl.Series, index: int) -> str:
    word = to_words(raw[index : index + 1])[0][0]
    return quote("a time outside the years 1 to 9999" if word is None else word)


def _refuse_infinite(values: pl.Series, origin: str, rows: np.ndarray) -> None:
    infinite = values.is_infinite().fill_null(value=False)
    if infinite.any():
        first = int(infinite.arg_true()[0])
        raise DataError(
            f"{origin}, row {rows[first]}, column {quote(values.name)} needs finite numbers; got {values[first]}.",
            "Put a number there, or leave the cell empty if it is missing.",
        )


def _refuse_nested(raw: pl.Series) -> None:
    if not is_plain(raw.dtype):
        raise SchemaError(
            f"Column {quote(raw.name)} needs one plain value in each cell; got {quote(raw.dtype)}.",
            "Spread it over several columns, or leave it out.",
        )


def _infer(raw: pl.Series, kind: str | None) -> Column:
    _refuse_nested(raw)
    if kind is not None:
        return Column(raw.name, kind, "as you said", slash_form(raw) if kind == "time" else "")
    values = raw.drop_nulls()
    if values.is_empty():
        return Column(raw.name, "constant", "no values")
    if len(values) == len(raw) and values.n_unique() == 1:
        return Column(raw.name, "constant", f"one value: {_quote_cell(values, 0)}")
    if is_words(raw.dtype):
        return _infer_words(values)
    return Column(raw.name, *_infer_typed(values))


def _infer_typed(values: pl.Series) -> tuple[str, str]:
    if values.dtype == pl.Boolean:
        return "boolean", "true or false"
    if isinstance(values.dtype, pl.Date | pl.Datetime):
        return "time", "dates and times"
    numbers, bad = to_numbers(values)
    if bad.any():
        return "category", _count(values.n_unique(), "value")
    if _ID_NAME.search(values.name) and _all_whole(numbers) and numbers.n_unique() == len(values) > 1:
        return "id", "a whole number of its own in every row"
    return "number", "whole numbers" if _all_whole(numbers) else "numbers"


def _infer_words(values: pl.Series) -> Column:
    name, n_values = values.name, values.n_unique()
    if n_values <= _MAX_VALUES_OF_CODE and set(values.cast(pl.String).str.to_lowercase().unique()) == {"true", "false"}:
        return Column(name, "boolean", "true or false")
    numbers, bad = to_numbers(values)
    if not bad.any() and not _holds_codes(values):
        return Column(name, *_infer_typed(numbers.drop_nulls().alias(name)))
    codes = _holds_codes(values) or (n_values <= _MAX_VALUES_OF_CODE and len(values) >= _MIN_REPEATS_OF_CODE * n_values)
    if _mostly_fits(values, bad) and not codes:
        return Column(name, "number", "mostly numbers")
    form = slash_form(values)
    if _mostly_fits(values, to_times(values, form)[1]):
        return Column(name, "time", f"dates, {form}" if form else "dates", form)
    n_words = values.cast(pl.String).str.count_matches(r"\S+").mean()
    if isinstance(n_words, float) and n_words >= _MIN_WORDS_OF_TEXT and n_values > min(len(values), 2000) / 2:
        return Column(name, "text", f"free text, about {n_words:.0f} words a row")
    enough = len(values) >= (2 if _ID_NAME.search(name) else _MIN_ROWS_OF_ID)
    if enough and n_values >= _MIN_SHARE_OF_ID * len(values):
        return Column(name, "id", "a value of its own in (almost) every row")
    return Column(name, "category", _count(n_values, "value"))


def _mostly_fits(values: pl.Series, bad: pl.Series) -> bool:
    """Say whether four fifths of the cells fit, or half of them and the others are at most three marks such as "?"."""
    n_bad = int(bad.sum())
    if n_bad <= (1 - _MOSTLY) * len(values):
        return True
    return n_bad <= len(values) / 2 and values.filter(bad).n_unique() <= 3


def _holds_codes(values: pl.Series) -> bool:
    """Say whether digits are codes, such as the postal code "01234": a number has no zero in front."""
    return is_words(values.dtype) and bool(values.cast(pl.String).str.contains(r"^\s*0\d").any())


def _all_whole(numbers: pl.Series) -> bool:
    return bool((numbers == numbers.floor()).all())


def _count(n: int, thing: str) -> str:
    return f"{n:,} {thing}" + ("" if n == 1 else "s")
