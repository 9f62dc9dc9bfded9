"""Ranges of parameters, and the check of a network's parameters against them.

A network holds a table ``ranges``: parameter name to range. The same table checks ``fit``, ``--set`` and the parameters
found in a model file, so a value that one of them takes is taken by all.
"""

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nnzoo.errors import ParameterError, listing, nearest, quote


class Range(Protocol):
    """The values that a parameter may take; ``str(range)`` says them in words."""

    def holds(self, value: object) -> bool:
        """Say whether the value lies in the range."""
        ...


@dataclass(frozen=True)
class Whole:
    """A whole number from ``low`` to ``high``, both included."""

    low: int
    high: int = 10**9

    def holds(self, value: object) -> bool:
        """Say whether the value lies in the range."""
        return isinstance(value, numbers.Integral) and not _is_bool(value) and self.low <= int(value) <= self.high

    def __str__(self) -> str:
        return f"a whole number from {self.low} to {self.high}"


@dataclass(frozen=True)
class Real:
    """A finite number from ``low`` to ``high``, both included; ``above=True`` leaves ``low`` itself out."""

    low: float
    high: float = math.inf
    above: bool = False

    def holds(self, value: object) -> bool:
        """Say whether the value lies in the range."""
        if not isinstance(value, numbers.Real) or _is_bool(value) or not math.isfinite(value):
            return False
        number = float(value)
        return (self.low < number if self.above else self.low <= number) and number <= self.high

    def __str__(self) -> str:
        low = f"above {self.low:g}" if self.above else f"from {self.low:g}"
        return f"a number {low}" + ("" if math.isinf(self.high) else f" to {self.high:g}")


@dataclass(frozen=True)
class OneOf:
    """One of a few named values."""

    values: tuple[object, ...]

    def holds(self, value: object) -> bool:
        """Say whether the value lies in the range."""
        return any(type(value) is type(known) and value == known for known in self.values)

    def __str__(self) -> str:
        return "one of " + ", ".join(repr(value) for value in self.values)


@dataclass(frozen=True)
class Truth:
    """True or False."""

    def holds(self, value: object) -> bool:
        """Say whether the value lies in the range."""
        return _is_bool(value)

    def __str__(self) -> str:
        return "True or False"


@dataclass(frozen=True)
class Each:
    """A list or tuple, of ``low`` to ``high`` members, whose members all lie in ``member``."""

    member: Range
    low: int = 0
    high: int = 1000

    def holds(self, value: object) -> bool:
        """Say whether the value lies in the range."""
        if not isinstance(value, list | tuple | np.ndarray):
            return False
        return self.low <= len(value) <= self.high and all(self.member.holds(item) for item in value)

    def __str__(self) -> str:
        return f"a list of {self.low} to {self.high} members, each {self.member}"


@dataclass(frozen=True)
class Labelled:
    """A mapping from labels to values that all lie in ``member``."""

    member: Range

    def holds(self, value: object) -> bool:
        """Say whether the value lies in the range."""
        return isinstance(value, Mapping) and all(self.member.holds(item) for item in value.values())

    def __str__(self) -> str:
        return f"a dict from label to {self.member}"


@dataclass(frozen=True)
class Seed:
    """What scikit-learn takes as ``random_state``: None, a whole number from 0 to 2**32 - 1, or a RandomState."""

    def holds(self, value: object) -> bool:
        """Say whether the value lies in the range."""
        return value is None or isinstance(value, np.random.RandomState) or Whole(0, 2**32 - 1).holds(value)

    def __str__(self) -> str:
        return "None, a whole number from 0 to 4294967295, or a numpy RandomState"


@dataclass(frozen=True)
class Offering:
    """An object that has a method of this name; ``words`` say what such an object is."""

    method: str
    words: str

    def holds(self, value: object) -> bool:
        """Say whether the value lies in the range."""
        return not isinstance(value, type) and callable(getattr(value, self.method, None))

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class AnyOf:
    """Any of several ranges."""

    ranges: tuple[Range, ...]

    def holds(self, value: object) -> bool:
        """Say whether the value lies in the range."""
        return any(one.holds(value) for one in self.ranges)

    def __str__(self) -> str:
        return ", or ".join(str(one) for one in self.ranges)


def either(*ranges: Range) -> AnyOf:
    """Return the union of the ranges."""
    return AnyOf(ranges)


def check_names(owner: str, given: Mapping[str, object], known: Mapping[str, object]) -> None:
    """Raise ParameterError unless every given parameter is known; the message lists the nearest names."""
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ParameterError(f"{owner} has no parameter {listing(unknown)}.", nearest(unknown[0], known))


def check_ranges(owner: str, given: Mapping[str, object], ranges: Mapping[str, Range]) -> None:
    """Raise ParameterError at the first given parameter that lies outside its range."""
    check_names(owner, given, ranges)
    for name, value in given.items():
        if not ranges[name].holds(value):
            raise ParameterError(
                f"{owner}: {name} needs {ranges[name]}; got {quote(repr(value))}.", f"Pass {name}= within that range."
            )


def _is_bool(value: object) -> bool:
    return isinstance(value, bool | np.bool_)
