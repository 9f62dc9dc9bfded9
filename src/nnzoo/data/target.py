"""The target: labels or numbers as an array."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from nnzoo.data import stored
from nnzoo.data.kinds import Column
from nnzoo.errors import SchemaError, UsageError, listing, nearest, quote

TASKS = ("classification", "regression")
LABEL_DTYPES = ("int64", "bool", "str", "float64")
SEPARATOR = "|"

_KINDS = {"int64": ("number",), "bool": ("boolean",), "str": ("category", "number"), "float64": ("number", "boolean")}
_EXACT = 2.0**53


@dataclass(frozen=True)
class Target:
    """What is to be predicted.

    Parameters
    ----------
    name : str
        Name of the column.
    kind : str
        Kind of the column: "number", "boolean" or "category".
    task : str
        "classification" or "regression".
    labels : str
        "single", or "several" where a row has any number of labels, joined by ``|``.
    dtype : str
        Type of the labels: "int64" for whole numbers, "bool", or "str" for all else; "float64" for a regression.
    label_names : tuple of str
        For several labels a row: the names of the indicator columns, sorted. Else empty.
    """

    name: str
    kind: str
    task: str
    labels: str
    dtype: str
    label_names: tuple[str, ...] = ()

    @property
    def column(self) -> Column:
        """The target as a column that ``kinds.parse`` reads."""
        return Column(self.name, self.kind, "target")

    @classmethod
    def learn(cls, values: pl.Series, task: str, *, several_labels: bool = False) -> "Target":
        """Learn the type of the labels from parsed values.

        Raises
        ------
        UsageError
            The task is unknown, or several labels are asked of a regression.
        SchemaError
            A regression has labels that are no numbers; several labels are asked of a column that is not words; or
            whole numbers are too large (beyond 2**53) to be told apart.
        """
        if task not in TASKS:
            raise UsageError(f"The task needs to be known; got {quote(task)}.", nearest(task, TASKS))
        kind = {pl.Float64: "number", pl.Boolean: "boolean"}.get(type(values.dtype), "category")  # type: ignore[arg-type]
        if several_labels:
            return cls(values.name, kind, task, "several", "str", _several_names(values, task, kind))
        if task == "regression":
            if kind == "category":
                hint = 'Say task="classification", or use --coerce if most cells are numbers.'
                raise SchemaError(f"Target {quote(values.name)} needs numbers for a regression; got words.", hint)
            return cls(values.name, kind, task, "single", "float64")
        return cls(values.name, kind, task, "single", _label_dtype(values, kind))

    def encode(self, values: pl.Series, *, origin: str, rows: np.ndarray) -> np.ndarray:
        """Return labels, shape (n_rows,), numbers (n_rows,) in float64, or indicators (n_rows, n_labels) in int8.

        Raises
        ------
        SchemaError
            At the first row whose target is missing or is no label of this type.
        """
        where = np.flatnonzero(values.is_null().to_numpy())
        if len(where):
            needed = "a number" if self.task == "regression" else "a label"
            hint = "Fill it in, or leave the row out."
            if self.labels == "several":
                hint += f" A row without any label is written {quote(SEPARATOR)}."
            raise self._unfit(rows[int(where[0])], origin, needed, "an empty cell", hint)
        if self.labels == "several":
            return self._indicators(values, origin, rows)
        if self.dtype == "int64":
            numbers = values.cast(pl.Float64).to_numpy()
            where = np.flatnonzero(~_is_exact(numbers))
            if len(where):
                hint = "In training all labels were whole numbers; correct the cell."
                raise self._unfit(rows[int(where[0])], origin, "a whole number", str(numbers[where[0]]), hint)
            return numbers.astype(np.int64)
        if self.dtype == "bool":
            return values.to_numpy().astype(bool)
        if self.dtype == "float64":
            return values.cast(pl.Float64).to_numpy().astype(np.float64)
        return np.array([str(value) for value in _labels(values)], dtype=object)

    def to_json(self) -> dict[str, Any]:
        """Return the target as plain JSON."""
        return vars(self) | {"label_names": list(self.label_names)}

    @classmethod
    def from_json(cls, value: object) -> "Target":
        """Return the target that ``to_json`` wrote; raise ModelFileError on anything else."""
        checks = {"name": stored.is_text, "label_names": stored.is_texts, "task": stored.one_of(TASKS)}
        checks |= {"kind": stored.is_text, "labels": stored.one_of(("single", "several"))}
        state = stored.record(value, "target", checks | {"dtype": stored.one_of(LABEL_DTYPES)})
        several = state["labels"] == "several"
        fits = state["kind"] in _KINDS[state["dtype"]] and several == bool(state["label_names"])
        fits = fits and (state["dtype"] == "float64") == (state["task"] == "regression")
        if not fits or (several and (state["dtype"], state["kind"]) != ("str", "category")):
            raise stored.refuse("target", "task, labels and types that go together", "others")
        state["label_names"] = tuple(state["label_names"])
        return cls(**state)

    def _indicators(self, values: pl.Series, origin: str, rows: np.ndarray) -> np.ndarray:
        table = _split_labels(values)
        known = pl.Series(self.label_names, dtype=pl.String)
        places = (
            table["label"].replace_strict(known, np.arange(len(known)), default=-1, return_dtype=pl.Int64).to_numpy()
        )
        where = np.flatnonzero(places < 0)
        if len(where):
            row, label = table.row(int(where[0]))
            hint = nearest(label, self.label_names)
            raise self._unfit(rows[int(row)], origin, "labels known from training", quote(label), hint)
        indicators = np.zeros((len(values), len(known)), dtype=np.int8)
        indicators[table["row"].to_numpy(), places] = 1
        return indicators

    def _unfit(self, row: np.int64, origin: str, needed: str, came: str, hint: str) -> SchemaError:
        return SchemaError(f"{origin}, row {row}, column {quote(self.name)} needs {needed}; got {came}.", hint)


def _several_names(values: pl.Series, task: str, kind: str) -> tuple[str, ...]:
    if task == "regression":
        raise UsageError("Several labels a row need a classification; got a regression.", 'Say task="classification".')
    names = tuple(sorted(_split_labels(values)["label"].unique())) if kind == "category" else ()
    if not names:
        came = f"a {kind} column" if kind != "category" else "none"
        hint = f"Join the labels of a row by {quote(SEPARATOR)}, and give the column the kind category."
        raise SchemaError(f"Target {quote(values.name)} needs words for several labels a row; got {came}.", hint)
    return names


def _split_labels(values: pl.Series) -> pl.DataFrame:
    """Return row and label of every label in every row."""
    table = pl.DataFrame({"row": np.arange(len(values)), "label": values.str.split(SEPARATOR)})
    table = table.explode("label").with_columns(pl.col("label").str.strip_chars())
    return table.filter(pl.col("label").is_not_null() & (pl.col("label") != ""))


def _label_dtype(values: pl.Series, kind: str) -> str:
    if kind != "number":
        return "bool" if kind == "boolean" else "str"
    numbers = values.drop_nulls().to_numpy()
    if not (numbers == np.floor(numbers)).all():
        return "str"
    if not _is_exact(numbers).all():
        hint = "Give the column the kind category."
        raise SchemaError(f"Target {quote(values.name)} needs whole numbers below 2**53; got larger ones.", hint)
    return "int64"


def _is_exact(numbers: np.ndarray) -> np.ndarray:
    return (numbers == np.floor(numbers)) & (np.abs(numbers) < _EXACT)


def _labels(values: pl.Series) -> list[object]:
    return (values + 0.0 if values.dtype == pl.Float64 else values).to_list()


def encode_column(target: Target | None, frame: pl.DataFrame, *, origin: str, rows: np.ndarray) -> np.ndarray:
    """Return the column of the target as ``Target.encode`` does.

    Raises
    ------
    SchemaError
        The column or a cell of it is missing, or a cell is no label of the type that was learned.
    UsageError
        The recipe was learned without a target.
    """
    if target is None:
        raise UsageError("The recipe needs a target to encode; it was learned without one.", "Learn it with one.")
    if target.name not in frame.columns:
        message = f"{origin} needs the target column {quote(target.name)}; got {listing(frame.columns)}."
        raise SchemaError(message, "Add it.")
    return target.encode(frame[target.name], origin=origin, rows=rows)
