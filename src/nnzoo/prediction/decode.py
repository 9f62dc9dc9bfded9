"""From rows as they were read to a table of predictions: parse, encode, run the network, name the columns."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl

from nnzoo.data.kinds import Column, parse
from nnzoo.data.rawtable import Reject, Table
from nnzoo.data.recipe import Recipe
from nnzoo.data.recipesteps import trace_cells
from nnzoo.data.tables import read_chunks
from nnzoo.data.target import SEPARATOR, Target
from nnzoo.errors import DataError, listing, quote
from nnzoo.trace import Step

ROW, PREDICTION, NOTE = "row", "prediction", "note"
MAX_EXAMPLES = 5


class Traced(NamedTuple):
    """One row as the network reads it.

    Attributes
    ----------
    X : array of one row, or Ragged of one sequence
    steps : list of Step
        How it came about from what was written.
    inputs : tuple of str
        Names of its numbers, or of those of a step; empty for pixels and codes.
    """

    X: Any
    steps: list[Step]
    inputs: tuple[str, ...]


class Predicts(Protocol):
    """What this module asks of a network."""

    def predict_rows(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return predictions, and probabilities (n, n_classes) where the network has them."""
        ...

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return one vector a row, where the network makes any."""
        ...


@dataclass
class Decoder:
    """Turns chunks of rows into chunks of predictions, and counts what was unusual in them.

    Parameters
    ----------
    network : Predicts
    recipe : Recipe
    classes : sequence
        The labels that name the columns of probabilities.
    id_column : str or None
        Column that names rows; the row number does where it is None or absent.
    strict : bool
        Refuse what training never saw, instead of counting it.
    on_bad_row : "error" or "skip"
        "skip": a row that does not fit gets an empty prediction and the reason as its note.
    coerce : bool
        Take cells that do not fit their column as missing.
    aside : tuple of str
        Columns that may come and are not used, without a word.

    Attributes
    ----------
    counts : dict
        Column to what was unusual in it so far: "missing", "unknown", "out_of_range" with numbers, "examples".
    n_rows, n_rejected : int
    extra : tuple of str
        Columns that came and were not used.
    """

    network: Predicts
    recipe: Recipe
    classes: Sequence[Any]
    id_column: str | None = None
    strict: bool = False
    on_bad_row: str = "error"
    coerce: bool = False
    aside: tuple[str, ...] = ()
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    n_rows: int = 0
    n_rejected: int = 0
    extra: tuple[str, ...] = ()

    def read(self, source: object) -> Iterator[Table]:
        """Yield the rows of a source in chunks."""
        return read_chunks(source, on_bad_row=self.on_bad_row)

    def decode(self, table: Table) -> pl.DataFrame:
        """Return the predictions of a chunk: the id column or "row", "prediction", "probability_<label>", "note"."""
        index, frame, rejects = self._parse(table)
        rows = table.rows[index]
        encoded = self.recipe.encode(frame, origin=table.origin, rows=rows, strict=self.strict)
        self._count(encoded.counts)
        columns: dict[str, Any] = {self._key: self._keys(table, index)}
        columns |= predicted_columns(self.network, encoded.X, self.recipe.target, self.classes)
        out = pl.DataFrame(columns | {NOTE: encoded.notes}, schema_overrides={NOTE: pl.String})
        rejects = [*table.rejects, *rejects]
        self.n_rows += len(rows) + len(rejects)
        self.n_rejected += len(rejects)
        return out if not rejects else self._with_rejects(out, rows, table, rejects)

    def encode(self, table: Table) -> pl.DataFrame:
        """Return the vector of each row of a chunk: the id column or "row", then "code_1", "code_2", ..."""
        index, frame, rejects = self._parse(table)
        rows = table.rows[index]
        encoded = self.recipe.encode(frame, origin=table.origin, rows=rows, strict=self.strict)
        self._count(encoded.counts)
        self.n_rows += len(rows) + len(rejects)
        self.n_rejected += len(rejects)
        return coded_columns({self._key: self._keys(table, index)}, self.network.transform(encoded.X))

    def trace(self, table: Table) -> Traced:
        """Return the only row of a chunk as the network reads it, and how its cells became numbers."""
        index, frame, _ = self._parse(table)
        X = self.recipe.encode(frame, origin=table.origin, rows=table.rows[index], strict=self.strict).X
        return Traced(X, [trace_cells(self.recipe, frame, X)], tuple(self.recipe.feature_names))

    def warn(self) -> None:
        """Say once, as warnings, what was unusual in all chunks so far."""
        warn_of_columns(self.extra, self.counts)
        if self.n_rejected:
            warnings.warn(
                f"{self.n_rejected:,} of {self.n_rows:,} rows have no prediction; see the notes", stacklevel=3
            )

    @property
    def _key(self) -> str:
        return ROW if self.id_column is None else self.id_column

    def _keys(self, table: Table, index: np.ndarray) -> Any:
        if self.id_column is None:
            return table.rows[index]
        if self.id_column not in table.frame.columns:
            return pl.Series([None] * len(index), dtype=pl.String)
        return table.frame[self.id_column][index]

    def _parse(self, table: Table) -> tuple[np.ndarray, pl.DataFrame, list[Reject]]:
        """Return the places of the rows that fit, these rows parsed, and the others."""
        wanted = self.recipe.columns
        known = {column.name for column in wanted} | {self.id_column, *self.aside}
        if self.recipe.target is not None:
            known.add(self.recipe.target.name)
        self.extra = tuple(name for name in table.frame.columns if name not in known)
        index = np.arange(len(table.rows))
        if self.on_bad_row == "error":
            parsed = parse(table.frame, wanted, origin=table.origin, rows=table.rows, coerce=self.coerce)
            return index, parsed.frame, []
        bad = _find_bad_rows(table, wanted, index, coerce=self.coerce)
        kept = np.setdiff1d(index, list(bad))
        frame = parse(table.frame[kept], wanted, origin=table.origin, rows=table.rows[kept], coerce=self.coerce).frame
        return kept, frame, [Reject(int(table.rows[place]), None, reason) for place, reason in bad.items()]

    def _with_rejects(self, out: pl.DataFrame, rows: np.ndarray, table: Table, rejects: list[Reject]) -> pl.DataFrame:
        """Put rows without a prediction in their places, with the reason as note."""
        numbers = [reject.row or 0 for reject in rejects]
        places = {int(row): place for place, row in enumerate(table.rows)}
        index = np.array([places[n] for n in numbers if n in places], dtype=np.int64)
        keys: list[Any] = numbers
        if self.id_column is not None:
            found = dict(zip(table.rows[index].tolist(), self._keys(table, index).to_list(), strict=True))
            keys = [found.get(n) for n in numbers]
        empty = pl.DataFrame(
            {self._key: pl.Series(keys, dtype=out[self._key].dtype), NOTE: [reject.reason for reject in rejects]}
        )
        order = np.argsort(np.concatenate([rows, np.array(numbers, dtype=np.int64)]), kind="stable")
        return pl.concat([out, empty], how="diagonal").select(out.columns)[order]

    def _count(self, counts: dict[str, dict[str, Any]]) -> None:
        for column, found in counts.items():
            total = self.counts.setdefault(column, {})
            for name, value in found.items():
                if name == "examples":
                    total[name] = list(dict.fromkeys([*total.get(name, ()), *value]))[:MAX_EXAMPLES]
                else:
                    total[name] = total.get(name, 0) + value


def predicted_columns(
    network: Predicts, X: np.ndarray, target: Target | None, classes: Sequence[Any]
) -> dict[str, Any]:
    """Return the columns "prediction" and "probability_<label>" of some rows; without rows they are empty."""
    several = target is not None and target.labels == "several"
    if hasattr(network, "answers"):
        return {name: pl.Series(values) for name, values in network.answers(X).items()}  # pyright: ignore[reportAttributeAccessIssue]
    if len(X) == 0:
        empty = pl.Series([], dtype=pl.Float64)
        return {PREDICTION: empty} | {f"probability_{label}": empty for label in classes}
    prediction, probability = network.predict_rows(X)
    words = _join_labels(prediction, classes) if several else prediction
    columns: dict[str, Any] = {PREDICTION: pl.Series(words.tolist())}
    if probability is not None:
        columns |= {f"probability_{label}": probability[:, i] for i, label in enumerate(classes)}
    return columns


def warn_of_columns(extra: Sequence[str], counts: Mapping[str, Mapping[str, Any]], things: str = "rows") -> None:
    """Warn of columns that the model does not use, and of categories that training never saw."""
    if extra:
        warnings.warn(f"columns that the model does not use: {listing(extra)}", stacklevel=4)
    for column, found in counts.items():
        if found.get("unknown"):
            warnings.warn(
                f"column {quote(column)}: {found['unknown']:,} {things} with categories that training never saw, "
                f"such as {listing(found.get('examples', ()))}; treated as unknown",
                stacklevel=4,
            )


def coded_columns(names: dict[str, Any], codes: Any) -> pl.DataFrame:
    """Return a frame of names and of the columns "code_1", "code_2", ... of an array or sparse matrix (n, n_out)."""
    codes = codes.toarray() if hasattr(codes, "toarray") else codes
    return pl.DataFrame(names | {f"code_{k + 1}": column for k, column in enumerate(codes.T)})


def _find_bad_rows(table: Table, wanted: Sequence[Column], index: np.ndarray, *, coerce: bool) -> dict[int, str]:
    """Return place and reason of each row that does not fit, by halving what does not fit."""
    try:
        parse(table.frame[index], wanted, origin=table.origin, rows=table.rows[index], coerce=coerce)
    except DataError as error:
        if len(index) == 0 or any(
            c.name not in table.frame.columns for c in wanted if c.kind not in ("id", "constant")
        ):
            raise
        if len(index) == 1:
            return {int(index[0]): error.message}
        halves = np.array_split(index, 2)
        return {
            place: why for half in halves for place, why in _find_bad_rows(table, wanted, half, coerce=coerce).items()
        }
    return {}


def _join_labels(indicators: np.ndarray, names: Sequence[Any]) -> np.ndarray:
    joined = [SEPARATOR.join(str(names[k]) for k in np.flatnonzero(row).tolist()) or SEPARATOR for row in indicators]
    return np.array(joined, dtype=object)
