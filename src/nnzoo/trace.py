"""One step of a computation as plain data: what explanations are made of, and what networks yield of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MAX_SHOWN = 4096
"""Matrices of more numbers are shown by the row that is worked out."""
MAX_TERMS = 12
"""Longer sums are written by their first and last terms; all terms stand in the working."""


@dataclass(frozen=True)
class Working:
    """How one cell of a result comes about: every value that enters it, line by line.

    Attributes
    ----------
    columns : tuple of str
    rows : tuple of tuple
        Texts and numbers, one line a value.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, eq=False)
class Step:
    """One step, with every number that enters it.

    Attributes
    ----------
    op : str
        The operation by one word, such as "dense" or "softmax"; equal words mean equal arithmetic.
    title : str
        What happens, in a few words.
    formula : str
        With symbols.
    numbers : str
        The same with the numbers put in, for the cell that is worked out.
    name : str
        Symbol of the result.
    result : ndarray
    words : str
        One sentence: why this is done.
    operands : mapping of str to ndarray
        What enters the formula, by its symbol.
    cell : tuple of int
        Place in the result of the cell that is worked out, counted from 0; empty where all cells are.
    working : Working or None
        Of that cell.
    labels : tuple of str
        Names of the entries along the last axis of the result; empty where they have none.
    other : tuple of int
        Place of another cell, for the reader to work out; empty where what goes in is shown whole.
    of_other : mapping of str to ndarray
        What that cell needs beside ``operands``, by its symbol.
    view : "numbers", "image", "images" or "curve"
        How the result is looked at: as numbers, as pixels from 0 to 255, as one image for each entry of the first axis,
        or as curves over the first operand, one for each line.
    """

    op: str
    title: str
    formula: str
    numbers: str
    name: str
    result: np.ndarray
    words: str
    operands: Mapping[str, np.ndarray] = field(default_factory=dict)
    cell: tuple[int, ...] = ()
    working: Working | None = None
    labels: tuple[str, ...] = ()
    other: tuple[int, ...] = ()
    of_other: Mapping[str, np.ndarray] = field(default_factory=dict)
    view: str = "numbers"

    @property
    def shapes(self) -> str:
        """Return the shapes of what goes in and comes out, as ``x (4), W (3 x 4) -> z (3)``."""
        inputs = ", ".join(f"{name} {shape(array)}" for name, array in self.operands.items())
        return f"{inputs} → {self.name} {shape(self.result)}" if inputs else f"{self.name} {shape(self.result)}"

    def to_json(self) -> dict[str, Any]:
        """Return the step as plain JSON, arrays as nested lists with their shapes."""
        plain = {
            "operands": {name: _plain(array) for name, array in self.operands.items()},
            "of_other": {name: _plain(array) for name, array in self.of_other.items()},
            "other": list(self.other),
            "result": _plain(self.result),
            "cell": list(self.cell),
            "labels": list(self.labels),
            "working": None,
        }
        if self.working is not None:
            plain["working"] = {"columns": list(self.working.columns), "rows": [list(r) for r in self.working.rows]}
        return vars(self) | plain


def _plain(array: np.ndarray) -> dict[str, Any]:
    return {"shape": list(array.shape), "values": array.tolist()}


def written(value: float) -> str:
    """Return a number as explanations write it: five significant digits.

    Examples
    --------
    >>> written(11.107337), written(60.0), written(-0.00001234567), written(1e20)
    ('11.107', '60', '-1.2346e-05', '1e+20')
    """
    return f"{float(value) + 0.0:.5g}"


def factor(value: float) -> str:
    """Return a number as it stands between others: negative ones in brackets."""
    text = written(value)
    return f"({text})" if text.startswith("-") else text


def sum_of_products(left: np.ndarray, right: np.ndarray, *rest: float) -> str:
    """Return ``1·0 + 0·10 + 2·30`` with further summands; of long sums the first and last terms.

    Examples
    --------
    >>> sum_of_products(np.array([1, 0, 2]), np.array([0, 10, -30]), 5)
    '1·0 + 0·10 + 2·(-30) + 5'
    """
    pairs = zip(np.ravel(left).tolist(), np.ravel(right).tolist(), strict=True)
    return " + ".join([*shortened([f"{factor(a)}·{factor(b)}" for a, b in pairs]), *map(factor, rest)])


def shortened(terms: Sequence[str]) -> list[str]:
    """Return all terms, or of many the first ones, how many are left out, and the last one."""
    if len(terms) <= MAX_TERMS:
        return list(terms)
    return [*terms[: MAX_TERMS - 2], f"… ({len(terms) - MAX_TERMS + 1:,} more)", terms[-1]]


def shape(array: np.ndarray) -> str:
    """Return a shape as ``(28 x 28)``; of a single number ``()``."""
    return f"({' x '.join(map(str, array.shape))})"


def cell_name(name: str, cell: Sequence[int]) -> str:
    """Return the name of a cell, counted from 1: ``z1[3, 4]``.

    Examples
    --------
    >>> cell_name("z1", (2, 3))
    'z1[3, 4]'
    """
    return f"{name}[{', '.join(str(place + 1) for place in cell)}]" if len(cell) else name


def largest(array: np.ndarray) -> tuple[int, ...]:
    """Return the place of the value that is farthest from zero, the first of equal ones."""
    return tuple(int(i) for i in np.unravel_index(int(np.abs(array).argmax()), array.shape)) if array.size else ()


def neighbour(place: int, size: int) -> int:
    """Return another place than this one, where there is one: the first, or else the second."""
    return int(place == 0 and size > 1)


def shown_rows(name: str, matrix: np.ndarray, row: int) -> dict[str, np.ndarray]:
    """Return a matrix under its name; of a large one the row that is worked out."""
    return {name: matrix} if matrix.size <= MAX_SHOWN else {cell_name(name, (row,)): matrix[row]}
