"""The recipe: from a raw row to numbers, learned on the training rows only and applied the same way ever after.

It travels with the model as plain JSON. Columns are matched by name. How each kind of column is coded stands with its
coder: numbers, truth values and times in ``coders.py``, categories and free text in ``words.py``, the target in
``target.py``. Columns of kind "id" and "constant", and columns that do not vary in training, are not coded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from nnzoo.data import stored
from nnzoo.data.coders import BooleanCoder, Coder, NumberCoder, TimeCoder
from nnzoo.data.kinds import Column, missing_columns, parse
from nnzoo.data.loaded import Part
from nnzoo.data.tally import Tally
from nnzoo.data.target import Target, encode_column
from nnzoo.data.words import (
    ONE_HOT_WITH_CODES,
    ONE_HOT_WITHOUT_CODES,
    CategoryCoder,
    CodeCoder,
    TextCoder,
)
from nnzoo.errors import SchemaError, listing

_CODERS: dict[str, Any] = {
    "number": NumberCoder,
    "boolean": BooleanCoder,
    "category": CategoryCoder,
    "code": CodeCoder,
    "time": TimeCoder,
    "text": TextCoder,
}
_KIND_OF_CODER = {name: name for name in _CODERS} | {"code": "category"}


@dataclass(frozen=True)
class Encoded:
    """Rows as numbers.

    Attributes
    ----------
    X : ndarray of float64, shape (n_rows, n_features)
        Finite, also as float32; C-contiguous.
    counts : dict
        Input column to what was unusual in it, where anything was: "missing", "unknown" and "out_of_range" with their
        numbers of rows, "examples" with at most five unknown categories.
    notes : list of str, length n_rows
        What was unusual in each row, "" where nothing was.
    """

    X: np.ndarray
    counts: dict[str, dict[str, Any]]
    tallies: list[Tally] = field(repr=False)

    @cached_property
    def notes(self) -> list[str]:
        """What was unusual in each row, "" where nothing was."""
        notes = [""] * len(self.X)
        for tally in self.tallies:
            for where, words in tally.notes:
                for row, word in zip(where.tolist(), words(), strict=True):
                    notes[row] = f"{notes[row]}; {word}" if notes[row] else word
        return notes


@dataclass(frozen=True)
class Recipe:
    """How raw rows become numbers.

    Parameters
    ----------
    columns : tuple of Column
        The input columns in the order of the training file.
    coders : tuple
        One coder for each column that is coded, in the same order.
    target : Target or None

    Examples
    --------
    >>> frame = pl.DataFrame({"island": ["Biscoe", "Dream", "Dream"], "mass": [3.0, None, 4.0]})
    >>> recipe = Recipe.learn(frame, [Column("island", "category", ""), Column("mass", "number", "")])
    >>> recipe.feature_names
    ['island=Biscoe', 'island=Dream', 'mass', 'mass is missing']
    >>> recipe.encode(frame, origin="the table", rows=np.arange(1, 4)).notes
    ['', 'mass: missing', '']
    """

    columns: tuple[Column, ...]
    coders: tuple[Coder, ...]
    target: Target | None = None

    @classmethod
    def learn(
        cls,
        frame: pl.DataFrame,
        columns: Sequence[Column],
        *,
        target_name: str | None = None,
        task: str | None = None,
        several_labels: bool = False,
        with_codes: bool = True,
        max_categories: int = 10_000,
    ) -> "Recipe":
        """Learn the recipe from training rows.

        Parameters
        ----------
        frame : polars.DataFrame
            Training rows as ``kinds.parse`` gives them.
        columns : sequence of Column
            The input columns; the target, if among them, is left out.
        target_name : str, optional
            Name of the target column.
        task : {"classification", "regression"}, optional
            Needed with a target.
        several_labels : bool
            A row has any number of labels, joined by ``|``.
        with_codes : bool
            Code a category of more than 16 values as one whole number for an embedding. Without, it is one-hot up to 64
            values and hashed one-hot beyond.
        max_categories : int
            Keep at most this many values of a category, the most frequent ones; the others are unknown.

        Raises
        ------
        SchemaError
            No input column varies, or the target does not fit the task.
        """
        columns = tuple(column for column in columns if column.name != target_name)
        max_one_hot = ONE_HOT_WITH_CODES if with_codes else ONE_HOT_WITHOUT_CODES
        coders = []
        for column in columns:
            if column.name in frame.columns:
                coder = _learn_coder(frame[column.name], column.kind, max_one_hot, with_codes, max_categories)
                coders += [] if coder is None else [coder]
        if not coders:
            names = listing(column.name for column in columns) if columns else "none"
            hint = "Give more rows, or a column that has something to do with the target."
            raise SchemaError(f"The {len(frame)} training rows need an input column that varies; got {names}.", hint)
        target = None
        if target_name is not None:
            target = Target.learn(frame[target_name], str(task), several_labels=several_labels)
        return cls(columns, tuple(coders), target)

    @cached_property
    def feature_names(self) -> list[str]:
        """Names of the encoded columns, none of them twice."""
        names: dict[str, None] = {}
        for name in (name for coder in self.coders for name in coder.names):
            n_before = 1
            unique = name
            while unique in names:
                n_before += 1
                unique = f"{name} ({n_before})"
            names[unique] = None
        return list(names)

    @cached_property
    def categorical_features(self) -> dict[int, int]:
        """Place of each encoded column of codes to its number of codes, 0 for unknown included."""
        starts = np.cumsum([0, *(len(coder.names) for coder in self.coders)]).tolist()
        return {start: coder.n_codes for start, coder in zip(starts, self.coders, strict=False) if coder.n_codes}

    def encode(self, frame: pl.DataFrame, *, origin: str, rows: np.ndarray, strict: bool = False) -> Encoded:
        """Return parsed rows as numbers; each row's numbers depend on that row alone.

        Parameters
        ----------
        frame : polars.DataFrame
            Rows as ``kinds.parse`` gives them, in any order of columns.
        origin : str
            Name of the source for messages.
        rows : ndarray of int64, shape (n_rows,)
            Number of each row in the source, counted from 1.
        strict : bool
            Refuse unknown categories, and missing values where training had none, instead of counting them.

        Raises
        ------
        SchemaError
            A column is missing; or, if strict, at the first row that shows what training never did.
        DataError
            A number leaves float32 after scaling.
        """
        missing = [coder.column for coder in self.coders if coder.column not in frame.columns]
        if missing:
            hint = "Add them." if len(missing) > 1 else "Add it."
            raise SchemaError(f"{origin} needs {missing_columns(missing)}.", hint)
        X = np.empty((len(frame), len(self.feature_names)))
        tallies, at = [], 0
        for coder in self.coders:
            width = len(coder.names)
            tally = Tally(coder.column, origin, rows, strict)
            coder.encode(frame[coder.column], X[:, at : at + width], tally)
            tallies.append(tally)
            at += width
        return Encoded(X, {tally.column: tally.counts for tally in tallies if tally.counts}, tallies)

    def decode(self, X: np.ndarray) -> pl.DataFrame:
        """Return rows (n_rows, n_features) as a table again, each cell the one nearest to its numbers.

        Free text, categories that share columns, and columns that do not vary are left out.
        """
        starts = np.cumsum([0, *(len(coder.names) for coder in self.coders)]).tolist()
        found = (coder.decode(X[:, a:b]) for coder, (a, b) in zip(self.coders, pairwise(starts), strict=True))
        return pl.DataFrame([column for column in found if column is not None])

    def encode_part(self, part: Part, origin: str) -> np.ndarray:
        """Return the rows of a part of loaded data as float64 (n_rows, n_features)."""
        parsed = parse(part.frame, self.columns, origin=origin, rows=part.rows)
        return self.encode(parsed.frame, origin=origin, rows=part.rows).X

    def encode_target(self, frame: pl.DataFrame, *, origin: str, rows: np.ndarray) -> np.ndarray:
        """Return the target as ``Target.encode`` does.

        Raises
        ------
        SchemaError
            The column or a cell of it is missing, or a cell is no label of the type that was learned.
        UsageError
            The recipe was learned without a target.
        """
        return encode_column(self.target, frame, origin=origin, rows=rows)

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as plain JSON: dicts, lists, strings, finite numbers, truth values, None."""
        tag = {cls: name for name, cls in _CODERS.items()}
        return {
            "columns": [column.to_json() for column in self.columns],
            "coders": [{"coder": tag[type(coder)], "state": _plain(coder)} for coder in self.coders],
            "target": None if self.target is None else self.target.to_json(),
        }

    @classmethod
    def from_json(cls, value: object) -> "Recipe":
        """Return the recipe that ``to_json`` wrote; it encodes to the same bits.

        Raises
        ------
        ModelFileError
            At anything that ``to_json`` does not write.
        """
        parts = stored.record(value, "recipe", dict.fromkeys(("columns", "coders", "target"), stored.anything))
        columns = tuple(Column.from_json(part) for part in stored.items(parts["columns"], "columns"))
        coders = tuple(_read_coder(part) for part in stored.items(parts["coders"], "coders"))
        target = None if parts["target"] is None else Target.from_json(parts["target"])
        names = [column.name for column in columns] + ([target.name] if target else [])
        if len(set(names)) < len(names):
            raise stored.refuse("recipe", "columns with different names", "one name twice")
        kinds = {column.name: column.kind for column in columns}
        coded = [(coder.column, _KIND_OF_CODER[name]) for name, coder in coders]
        if not coded or coded != [item for item in kinds.items() if item in set(coded)]:
            raise stored.refuse("recipe", "coders in the order and of the kinds of its columns", "others")
        return cls(columns, tuple(coder for _, coder in coders), target)


def _learn_coder(values: pl.Series, kind: str, max_one_hot: int, with_codes: bool, max_categories: int) -> Coder | None:
    if kind == "category":
        if with_codes and values.drop_nulls().n_unique() > max_one_hot:
            return CodeCoder.learn(values, max_categories)
        return CategoryCoder.learn(values, max_one_hot, max_categories)
    return _CODERS[kind].learn(values) if kind in _CODERS else None


def _read_coder(value: object) -> tuple[str, Coder]:
    part = stored.record(value, "coder", {"coder": stored.one_of(_CODERS), "state": stored.anything})
    return part["coder"], _CODERS[part["coder"]].from_json(part["state"])


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return list(value) if isinstance(value, tuple) else value
