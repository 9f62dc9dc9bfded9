"""Coders of numbers, truth values and times: one column of parsed cells to columns of numbers.

A coder learns from training rows only, is frozen afterwards, and holds nothing but plain values. Coders of words are in
``words.py``.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl

from nnzoo.data import stored
from nnzoo.data.tally import Tally

HEAVY_TAIL = 10.0

_QUARTILES_OF_NORMAL = 1.3489795003921634
_MIN_QUARTILES = 1e-6
_LARGE, _SMALL = 1e100, 1e-100
_MICROSECONDS_A_DAY = 86_400_000_000
_WRITTEN = "%Y-%m-%d %H:%M:%S"
_PERIODS = {"month": 12, "day of month": 31, "day of week": 7, "hour": 1440}


class Coder(Protocol):
    """What every column coder offers."""

    @property
    def column(self) -> str:
        """Name of the column that is coded."""
        ...

    @property
    def names(self) -> list[str]:
        """Names of the encoded columns."""
        ...

    @property
    def n_codes(self) -> int:
        """Number of codes if the first encoded column holds codes for an embedding, else 0."""
        ...

    def encode(self, values: pl.Series, out: np.ndarray, tally: Tally) -> None:
        """Write the encoded columns into ``out``, shape (n_rows, len(names))."""
        ...

    def decode(self, X: np.ndarray) -> pl.Series | None:
        """Return the cells nearest to encoded columns (n_rows, len(names)); None where they cannot be told."""
        ...


@dataclass(frozen=True)
class Scale:
    """Robust scaling of numbers: median to 0, spread to 1, heavy tails drawn in.

    z = (x 2^-exponent - center) / spread, then arcsinh(z) if ``heavy``.

    The spread is the distance of the quartiles, divided by 1.349 so that it is the standard deviation where the values
    are normal; or the standard deviation itself where the quartiles (nearly) coincide. Tails are heavy where a training
    value lies more than 10 spreads from the median. ``exponent`` is 0 unless the numbers are so large or small (beyond
    1e100 or 1e-100) that their differences or squares would leave float64.
    """

    exponent: int
    center: float
    spread: float
    low: float
    high: float
    heavy: bool

    @classmethod
    def learn(cls, values: np.ndarray) -> "Scale | None":
        """Return the scale of finite float64 values; None where all are equal or there are none."""
        if len(values) == 0 or values.min() == values.max():
            return None
        largest = float(np.abs(values).max())
        exponent = 0 if _SMALL <= largest <= _LARGE else math.frexp(largest)[1]
        near_one = np.ldexp(values, -exponent)
        lower, center, upper = (float(q) for q in np.percentile(near_one, [25, 50, 75]))
        deviation = float(near_one.std()) or float(near_one.max() - near_one.min())
        spread = (upper - lower) / _QUARTILES_OF_NORMAL
        if spread <= _MIN_QUARTILES * deviation:
            spread = deviation
        heavy = bool(np.abs((near_one - center) / spread).max() > HEAVY_TAIL)
        return cls(exponent, center, spread, float(values.min()), float(values.max()), heavy)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return the scaled values; those that leave float64 become infinite."""
        with np.errstate(over="ignore", under="ignore"):
            z = (np.ldexp(values, -self.exponent) - self.center) / self.spread
        return np.arcsinh(z) if self.heavy else z

    def undo(self, z: np.ndarray) -> np.ndarray:
        """Return the values whose scaled values these are; those that leave float64 become infinite."""
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp((np.sinh(z) if self.heavy else z) * self.spread + self.center, self.exponent)

    @classmethod
    def from_json(cls, value: object) -> "Scale | None":
        """Return the scale that was stored, or None."""
        if value is None:
            return None
        checks: dict[str, stored.Check] = dict.fromkeys(("center", "low", "high"), stored.is_finite)
        checks |= {"exponent": stored.whole(-1100, 1100), "spread": stored.is_positive, "heavy": stored.is_truth}
        scale = cls(**stored.record(value, "scale", checks))
        if scale.low >= scale.high:
            raise stored.refuse("scale", "low below high", "the opposite")
        return scale


@dataclass(frozen=True)
class NumberCoder:
    """A number: one scaled column; missing counts as the median, with a flag column if training had missing values."""

    column: str
    scale: Scale | None
    flag: bool
    n_codes = 0

    @classmethod
    def learn(cls, values: pl.Series) -> "NumberCoder | None":
        """Learn from training values (Float64); None where nothing varies."""
        numbers = values.drop_nulls().to_numpy()
        flag = 0 < len(numbers) < len(values)
        scale = Scale.learn(numbers)
        return cls(values.name, scale, flag) if scale or flag else None

    @property
    def names(self) -> list[str]:
        """Names of the encoded columns."""
        return [self.column] * (self.scale is not None) + flag_name(self.column, self.flag)

    def encode(self, values: pl.Series, out: np.ndarray, tally: Tally) -> None:
        """Write the encoded columns into ``out``."""
        numbers = values.to_numpy().astype(np.float64)
        missing = np.isnan(numbers)
        tally.missing(missing, expected=self.flag)
        if self.flag:
            out[:, -1] = missing
        if self.scale is not None:
            out[:, 0] = _scaled(numbers, missing, self.scale, tally)
            low, high = self.scale.low, self.scale.high
            tally.outside((numbers < low) | (numbers > high), values, low, high)

    def decode(self, X: np.ndarray) -> pl.Series | None:
        """Return numbers, missing where the flag is nearer to 1."""
        if self.scale is None:
            return None
        return _without_missing(pl.Series(self.column, self.scale.undo(X[:, 0])), X, flag=self.flag)

    @classmethod
    def from_json(cls, value: object) -> "NumberCoder":
        """Return the coder that was stored."""
        checks = {"column": stored.is_text, "scale": stored.anything, "flag": stored.is_truth}
        state = stored.record(value, "number coder", checks)
        scale = Scale.from_json(state["scale"])
        if scale is None and not state["flag"]:
            raise stored.refuse("number coder", "a scale or a flag", "neither")
        return cls(state["column"], scale, state["flag"])


@dataclass(frozen=True)
class BooleanCoder:
    """True or false: 1 and 0; missing counts as one half, with a flag column if training had missing values."""

    column: str
    flag: bool
    n_codes = 0

    @classmethod
    def learn(cls, values: pl.Series) -> "BooleanCoder | None":
        """Learn from training values (Boolean); None where nothing varies."""
        return cls(values.name, values.null_count() > 0) if values.n_unique() > 1 else None

    @property
    def names(self) -> list[str]:
        """Names of the encoded columns."""
        return [self.column, *flag_name(self.column, self.flag)]

    def encode(self, values: pl.Series, out: np.ndarray, tally: Tally) -> None:
        """Write the encoded columns into ``out``."""
        missing = values.is_null().to_numpy()
        tally.missing(missing, expected=self.flag)
        out[:, 0] = values.cast(pl.Float64).fill_null(0.5).to_numpy()
        if self.flag:
            out[:, 1] = missing

    def decode(self, X: np.ndarray) -> pl.Series:
        """Return truth values, missing where the flag is nearer to 1."""
        return _without_missing(pl.Series(self.column, X[:, 0] > 0.5), X, flag=self.flag)

    @classmethod
    def from_json(cls, value: object) -> "BooleanCoder":
        """Return the coder that was stored."""
        return cls(**stored.record(value, "boolean coder", {"column": stored.is_text, "flag": stored.is_truth}))


@dataclass(frozen=True)
class TimeCoder:
    """A time: year and elapsed days scaled; month, day of month, day of week and hour as sine and cosine.

    Only parts that vary in training are coded; of the steps of a sequence, only the cycles. The hour includes its
    minutes. Missing counts as 0 in every column, with a flag column if training had missing values.
    """

    column: str
    year: Scale | None
    days: Scale | None
    cycles: tuple[str, ...]
    flag: bool
    n_codes = 0

    @classmethod
    def learn(cls, values: pl.Series) -> "TimeCoder | None":
        """Learn from training values (Datetime, microseconds); None where nothing varies."""
        times = values.drop_nulls()
        flag = 0 < len(times) < len(values)
        days = Scale.learn(_days(times))
        if days is None and not flag:
            return None
        cycles = tuple(part for part in _PERIODS if _phase(times, part).n_unique() > 1)
        return cls(values.name, Scale.learn(_years(times)), days, cycles, flag)

    @property
    def names(self) -> list[str]:
        """Names of the encoded columns."""
        parts = ["year"] * (self.year is not None) + ["days"] * (self.days is not None)
        parts += [f"{part} {wave}" for part in self.cycles for wave in ("sin", "cos")]
        return [f"{self.column}: {part}" for part in parts] + flag_name(self.column, self.flag)

    def encode(self, values: pl.Series, out: np.ndarray, tally: Tally) -> None:
        """Write the encoded columns into ``out``."""
        missing = values.is_null().to_numpy()
        tally.missing(missing, expected=self.flag)
        at = 0
        for scale, part in ((self.year, _years), (self.days, _days)):
            if scale is not None:
                out[:, at] = _scaled(part(values), missing, scale, tally)
                at += 1
        for part in self.cycles:
            out[:, at : at + 2] = _waves(_PERIODS[part])[_phase(values, part).fill_null(-1).to_numpy()]
            at += 2
        if self.flag:
            out[:, -1] = missing
        if self.days is not None:
            self._count_outside(values, self.days, tally)

    def decode(self, X: np.ndarray) -> pl.Series | None:
        """Return times by their elapsed days."""
        if self.days is None:
            return None
        elapsed = self.days.undo(X[:, int(self.year is not None)])
        times = pl.Series(self.column, np.rint(elapsed * _MICROSECONDS_A_DAY)).cast(pl.Int64).cast(pl.Datetime("us"))
        return _without_missing(times, X, flag=self.flag)

    def _count_outside(self, values: pl.Series, days: Scale, tally: Tally) -> None:
        elapsed = _days(values)
        outside = (elapsed < days.low) | (elapsed > days.high)
        if outside.any():
            ends = (pl.Series([days.low, days.high]) * _MICROSECONDS_A_DAY).round().cast(pl.Int64)
            low, high = ends.cast(pl.Datetime("us")).dt.to_string(_WRITTEN)
            tally.outside(outside, values.dt.to_string(_WRITTEN), low, high)

    @classmethod
    def from_json(cls, value: object) -> "TimeCoder":
        """Return the coder that was stored."""
        checks = dict.fromkeys(("year", "days"), stored.anything) | {"column": stored.is_text, "flag": stored.is_truth}
        state = stored.record(value, "time coder", checks | {"cycles": stored.is_texts})
        if state["cycles"] != [part for part in _PERIODS if part in state["cycles"]]:
            raise stored.refuse("time coder", "known parts of a time", "others")
        year, days = (Scale.from_json(state[key]) for key in ("year", "days"))
        if days is None and (year is not None or not (state["flag"] or state["cycles"])):
            raise stored.refuse("time coder", "a scale of days, a cycle alone, or a flag", "none of them")
        return cls(state["column"], year, days, tuple(state["cycles"]), state["flag"])


def _without_missing(values: pl.Series, X: np.ndarray, *, flag: bool) -> pl.Series:
    """Return the values but those whose last encoded column, the flag if there is one, says that they are missing."""
    return values if not flag else values.set(pl.Series(X[:, -1] > 0.5), None)


def flag_name(column: str, flag: bool) -> list[str]:
    """Return the name of the column that flags missing values, if there is one."""
    return [f"{column} is missing"] if flag else []


def _scaled(numbers: np.ndarray, missing: np.ndarray, scale: Scale, tally: Tally) -> np.ndarray:
    encoded = scale.apply(numbers)
    encoded[missing] = 0.0
    tally.check_fits(encoded, numbers)
    return encoded


def _days(times: pl.Series) -> np.ndarray:
    return (times.to_physical().cast(pl.Float64) / _MICROSECONDS_A_DAY).to_numpy().astype(np.float64)


def _years(times: pl.Series) -> np.ndarray:
    return times.dt.year().cast(pl.Float64).to_numpy().astype(np.float64)


def _phase(times: pl.Series, part: str) -> pl.Series:
    """Return the position in the cycle, counted from 0; for the hour, the minute of the day."""
    if part == "month":
        return times.dt.month().cast(pl.Int64) - 1
    if part == "day of month":
        return times.dt.day().cast(pl.Int64) - 1
    if part == "day of week":
        return times.dt.weekday().cast(pl.Int64) - 1
    return times.dt.hour().cast(pl.Int64) * 60 + times.dt.minute().cast(pl.Int64)


def _waves(period: int) -> np.ndarray:
    """Return sine and cosine at each position of a cycle; the last row, for missing, is 0."""
    angles = [2 * math.pi * position / period for position in range(period)]
    return np.array([[math.sin(angle), math.cos(angle)] for angle in angles] + [[0.0, 0.0]])
