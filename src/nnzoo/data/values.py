"""One column of raw cells to typed values: numbers, truth values, times, words.

Every function takes a raw series of any plain type and gives back the values, missing where the cell was empty or does
not fit, and a mask of the cells that hold something that does not fit. What happens to those is the caller's choice.
Only changes that lose nothing are made: ``"3"`` is taken as a number, ``"12,5"`` is not.
"""

import polars as pl

MONTH_FIRST, DAY_FIRST = "month first", "day first"
TIME_FORMS = ("", MONTH_FIRST, DAY_FIRST)

_TRUTH = {"true": True, "t": True, "yes": True, "y": True, "1": True, "1.0": True}
_TRUTH |= {"false": False, "f": False, "no": False, "n": False, "0": False, "0.0": False}
_EXACT = 2.0**53
_CLOCK = r"(\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)"
_ZONE = r"(Z|z|UTC|[+-]\d{2}:?\d{2})"
_STAMP = rf"^(\d{{4}}-\d{{1,2}}-\d{{1,2}})(?:[T ]{_CLOCK}\s?{_ZONE}?)?$"
# First and last day of the years 1 to 9999, counted from 1970.
_DAYS = (-719_162, 2_932_896)
_TICKS_A_DAY = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def is_plain(dtype: pl.DataType) -> bool:
    """Say whether cells of this type hold one plain value: a number, a truth value, a time or words."""
    return not (dtype.is_nested() or dtype in (pl.Binary, pl.Object, pl.Unknown))


def is_words(dtype: pl.DataType) -> bool:
    """Say whether cells of this type are words."""
    return dtype in (pl.String, pl.Categorical, pl.Enum)


def to_numbers(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return the cells as Float64 and the mask of those that are no number.

    ``nan`` and blank cells are missing. ``inf`` is kept as infinite; digits that are too large for a float64
    (``1e999``) are no number.
    """
    if is_words(raw.dtype):
        text = _stripped(raw)
        numbers = text.cast(pl.Float64, strict=False)
        too_large = numbers.is_infinite() & text.str.contains(r"\d")
        bad = (text.is_not_null() & numbers.is_null()) | too_large.fill_null(value=False)
        return _missing_where(numbers.fill_nan(None), bad), bad
    if raw.dtype == pl.Duration:
        return raw.dt.total_microseconds().cast(pl.Float64) / 1e6, _none_bad(raw)
    if raw.dtype.is_numeric() or raw.dtype in (pl.Boolean, pl.Null):
        return raw.cast(pl.Float64).fill_nan(None), _none_bad(raw)
    return _all_bad(raw, pl.Float64())


def to_truth(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return the cells as Boolean and the mask of those that are neither true nor false.

    Taken are true, yes, t, y, 1 and false, no, f, n, 0 in any case.
    """
    if raw.dtype in (pl.Boolean, pl.Null):
        return raw.cast(pl.Boolean), _none_bad(raw)
    if is_words(raw.dtype):
        text = _stripped(raw).str.to_lowercase()
        truth = text.replace_strict(list(_TRUTH), list(_TRUTH.values()), default=None, return_dtype=pl.Boolean)
        return truth, text.is_not_null() & truth.is_null()
    if raw.dtype.is_numeric():
        numbers = raw.cast(pl.Float64).fill_nan(None)
        bad = ((numbers != 0) & (numbers != 1)).fill_null(value=False)
        return _missing_where(numbers, bad).cast(pl.Boolean), bad
    return _all_bad(raw, pl.Boolean())


def to_words(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return the cells as String and the mask of those that cannot be written down: times outside the years 1 to 9999.

    Whole numbers are written without a decimal point, so that 3 and 3.0 are the same category. An empty string is
    missing.
    """
    bad = to_times(raw)[1] if isinstance(raw.dtype, pl.Date | pl.Datetime) else _none_bad(raw)
    if raw.dtype == pl.Boolean:
        words = raw.cast(pl.Int8).replace_strict([0, 1], ["False", "True"], default=None, return_dtype=pl.String)
    elif raw.dtype.is_float():
        numbers = raw.cast(pl.Float64).fill_nan(None) + 0.0
        whole = (numbers == numbers.floor()) & (numbers.abs() <= _EXACT)
        written_whole = numbers.cast(pl.Int64, strict=False).cast(pl.String)
        words = written_whole.zip_with(whole.fill_null(value=False), numbers.cast(pl.String))
    else:
        words = _missing_where(raw, bad).cast(pl.String)
    return _missing_where(words, (words == "").fill_null(value=False)), bad


def to_times(raw: pl.Series, form: str = "") -> tuple[pl.Series, pl.Series]:
    """Return the cells as Datetime in microseconds, UTC without a zone, and the mask of those that are no time.

    Taken are ``2024-05-31``, ``2024/05/31`` and ``31.05.2024``, each with or without a clock time (``14:30``,
    ``14:30:05.25``) and an offset from UTC (``Z``, ``+02:00``); ``05/31/2024`` and ``31/05/2024`` only where ``form``
    says which comes first. A time without an offset counts as UTC. Years run from 1 to 9999.
    """
    if is_words(raw.dtype):
        return _written_times(_stripped(raw), form)
    if raw.dtype == pl.Null:
        return raw.cast(pl.Datetime("us")), _none_bad(raw)
    if not isinstance(raw.dtype, pl.Date | pl.Datetime):
        return _all_bad(raw, pl.Datetime("us"))
    scale = _TICKS_A_DAY[raw.dtype.time_unit] if isinstance(raw.dtype, pl.Datetime) else 1
    ticks = raw.to_physical().cast(pl.Int64)
    first, last = max(_DAYS[0] * scale, -(2**63)), min((_DAYS[1] + 1) * scale - 1, 2**63 - 1)
    bad = ((ticks < first) | (ticks > last)).fill_null(value=False)
    times = _missing_where(raw, bad)
    if isinstance(raw.dtype, pl.Datetime) and raw.dtype.time_zone is not None:
        times = times.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return times.cast(pl.Datetime("us")), bad


def has_offset(raw: pl.Series) -> pl.Series:
    """Return the mask of the written times that name their offset from UTC."""
    if not is_words(raw.dtype):
        return _none_bad(raw)
    return _stripped(raw).str.contains(rf":\d{{2}}(\.\d+)?\s?{_ZONE}$").fill_null(value=False)


def slash_form(raw: pl.Series) -> str:
    """Return which of day and month comes first in dates written with slashes; "" where none is.

    Where both orders fit every date, the month comes first.
    """
    dates = _stripped(raw).drop_nulls() if is_words(raw.dtype) else pl.Series(dtype=pl.String)
    dates = dates.filter(dates.str.contains(r"^\d{1,2}/\d{1,2}/\d{4}"))
    if dates.is_empty():
        return ""
    n_bad = {form: int(to_times(dates, form)[1].sum()) for form in (MONTH_FIRST, DAY_FIRST)}
    return DAY_FIRST if n_bad[DAY_FIRST] < n_bad[MONTH_FIRST] else MONTH_FIRST


def _written_times(text: pl.Series, form: str) -> tuple[pl.Series, pl.Series]:
    year_first = text.str.replace(r"^(\d{4})/(\d{1,2})/", "$1-$2-")
    year_first = year_first.str.replace(r"^(\d{1,2})\.(\d{1,2})\.(\d{4})", "$3-$2-$1")
    if form:
        order = "$3-$2-$1" if form == DAY_FIRST else "$3-$1-$2"
        year_first = year_first.str.replace(r"^(\d{1,2})/(\d{1,2})/(\d{4})", order)
    day, clock = year_first.str.extract(_STAMP, 1), year_first.str.extract(_STAMP, 2).fill_null("0:00")
    with_seconds = clock + pl.Series([":00"]).new_from_index(0, len(clock)).zip_with(
        clock.str.count_matches(":") == 1, pl.Series([""]).new_from_index(0, len(clock))
    )
    times = (day + " " + with_seconds).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")
    zone = year_first.str.extract(_STAMP, 3).str.extract_groups(r"^(?<sign>[+-])(?<hours>\d{2}):?(?<minutes>\d{2})$")
    minutes = zone.struct.field("hours").cast(pl.Int64) * 60 + zone.struct.field("minutes").cast(pl.Int64)
    ahead = minutes.fill_null(0) * (1 - 2 * (zone.struct.field("sign") == "-").fill_null(value=False).cast(pl.Int64))
    times = (times.to_physical() - ahead * 60_000_000).cast(pl.Datetime("us"))
    fitting, out_of_years = to_times(times)
    return fitting, (text.is_not_null() & fitting.is_null()) | out_of_years


def _stripped(raw: pl.Series) -> pl.Series:
    text = raw.cast(pl.String).str.strip_chars()
    return _missing_where(text, (text == "").fill_null(value=False))


def _missing_where(values: pl.Series, mask: pl.Series) -> pl.Series:
    if not mask.any():
        return values
    return values.zip_with(~mask, pl.Series([None], dtype=values.dtype).new_from_index(0, len(values)))


def _none_bad(raw: pl.Series) -> pl.Series:
    return pl.Series([False]).new_from_index(0, len(raw))


def _all_bad(raw: pl.Series, dtype: pl.DataType) -> tuple[pl.Series, pl.Series]:
    return pl.Series([None], dtype=dtype).new_from_index(0, len(raw)), raw.is_not_null()
