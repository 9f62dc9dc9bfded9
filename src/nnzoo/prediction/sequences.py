"""From logs of events, series and texts to a table of predictions: one row a sequence, or one a step."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import polars as pl

from nnzoo.data.dataset import Data, Part, load_like
from nnzoo.data.recipesteps import trace_cells, trace_text
from nnzoo.data.sequencedata import unseen_sequences
from nnzoo.data.sequencerecipe import SequenceRecipe
from nnzoo.data.textrecipe import TextRecipe
from nnzoo.errors import UsageError
from nnzoo.prediction.decode import NOTE, PREDICTION, ROW, Traced, coded_columns, predicted_columns, warn_of_columns

CHUNK = 2048
STEP = "step"
LEVEL = 0.9


class PredictsSequences(Protocol):
    """What this module asks of a network with memory."""

    task: str
    output: str

    def predict(self, X: Any) -> Any:
        """Return predictions."""
        ...

    def predict_rows(self, X: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """Return predictions, and probabilities (n, n_classes)."""
        ...

    def forecast(self, X: Any, n_steps: int, *, interval: float | None = None) -> Any:
        """Return what follows."""
        ...

    def transform(self, X: Any) -> np.ndarray:
        """Return one vector a sequence."""
        ...


@dataclass
class SequenceDecoder:
    """Turns sequences into predictions, codes or forecasts, chunk by chunk.

    Parameters
    ----------
    network : PredictsSequences
    recipe : SequenceRecipe or TextRecipe
    classes : sequence
        The labels that name the columns of probabilities.
    settings : mapping
        How the training data were read (``Data.settings``).
    strict : bool
        Refuse what training never saw, instead of counting it.
    on_bad_row : "error" or "skip"
    n_steps : int or None
        Where what is next is predicted of numbers: how many steps to go on.

    Attributes
    ----------
    counts : dict
        Column to what was unusual in it so far.
    n_rows, n_rejected : int
    """

    network: PredictsSequences
    recipe: SequenceRecipe | TextRecipe
    classes: Sequence[Any]
    settings: Mapping[str, Any]
    strict: bool = False
    on_bad_row: str = "error"
    n_steps: int | None = None
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    n_rows: int = 0
    n_rejected: int = 0
    extra: tuple[str, ...] = ()
    _origin: str = ""

    def read(self, source: object) -> Iterator[Part]:
        """Yield the sequences of a source in chunks; what the model does not use is left out and counted."""
        if isinstance(source, Data):
            data = source
        elif isinstance(self.recipe, TextRecipe):
            without_target = {**self.settings, "target": None, "task": None}
            data = load_like(source, without_target, on_bad_row=self.on_bad_row)
        else:
            data = unseen_sequences(source, self.settings, on_bad_row=self.on_bad_row)
        self._origin, self.extra, self.n_rejected = data.origin, data.extra, len(data.rejects)
        self.n_rows = self.n_rejected
        number = np.arange(len(data))
        for start in range(0, len(data), CHUNK):
            yield data.chosen((number >= start) & (number < start + CHUNK), "all")

    def decode(self, part: Part) -> pl.DataFrame:
        """Return the predictions of a chunk.

        Columns: the name of the sequence or "row"; "step" where there is a prediction for each; "prediction";
        "probability_<label>", or "prediction_<column>" where several columns go on; "note" where a row is a sequence.
        """
        X, notes = self._encoded(part)
        key, names = self._names(part)
        self.n_rows += len(part)
        if self.recipe.output == "next":
            return self._next(X, key, names)
        columns = predicted_columns(self.network, X, self.recipe.target, self.classes)
        if self.recipe.output == "sequence":
            return pl.DataFrame({key: names, **columns, NOTE: notes}, schema_overrides={NOTE: pl.String})
        steps = np.concatenate([np.arange(1, n + 1) for n in X.lengths.tolist()])
        owner = np.repeat(np.arange(len(X)), X.lengths)
        return pl.DataFrame({key: names[owner], STEP: steps, **columns})

    def encode(self, part: Part) -> pl.DataFrame:
        """Return the vector of each sequence of a chunk: its name, then "code_1", "code_2", ..."""
        codes = self.network.transform(self._encoded(part)[0])
        key, names = self._names(part)
        self.n_rows += len(part)
        return coded_columns({key: names}, codes)

    def trace(self, part: Part) -> Traced:
        """Return the only sequence of a chunk as the network reads it, and how its steps became numbers."""
        X, _ = self._encoded(part)
        if isinstance(self.recipe, TextRecipe):
            return Traced(X, [trace_text(self.recipe, X.values[:, 0])], (self.recipe.name,))
        frame = self.recipe.frame_of(part)
        gap = None if self.recipe.time is None else self.recipe.time.gap
        step = trace_cells(self.recipe.steps, frame, X.values, f"step {len(X.values)}, the last one,", gap)
        return Traced(X, [step], tuple(self.recipe.feature_names))

    def warn(self) -> None:
        """Say once, as warnings, what was unusual, and how many sequences have no prediction."""
        warn_of_columns(self.extra, self.counts, "steps")
        if self.n_rejected:
            warnings.warn(f"{self.n_rejected:,} rows of the source were left out", stacklevel=3)

    def _encoded(self, part: Part) -> tuple[Any, list[str]]:
        if isinstance(self.recipe, TextRecipe):
            text = self.recipe.encode(part.frame, origin=self._origin, rows=part.rows, strict=self.strict)
            self._count(text.counts)
            return text.X, text.notes
        X, encoded = self.recipe.encode(part, self._origin, strict=self.strict)
        self._count(encoded.counts)
        return X, [""] * len(X)

    def _names(self, part: Part) -> tuple[str, pl.Series]:
        """Return the column that names the sequences, and their names: by default their numbers."""
        if isinstance(self.recipe, SequenceRecipe) and self.recipe.name in part.frame.columns:
            return self.recipe.name, part.frame[self.recipe.name]
        return ROW, pl.Series(ROW, part.rows)

    def _next(self, X: Any, key: str, names: pl.Series) -> pl.DataFrame:
        symbols = self.recipe.symbols
        if symbols or isinstance(self.recipe, TextRecipe):
            codes, probability = self.network.predict_rows(X)
            columns: dict[str, Any] = {PREDICTION: [symbols[int(code)] for code in codes]}
            columns |= {} if probability is None else {"probability": probability.max(axis=1)}
            return pl.DataFrame({key: names, **columns})
        n_steps = self.n_steps or 1
        middle, low, high = (self.recipe.to_units(each) for each in self.network.forecast(X, n_steps, interval=LEVEL))
        owner, steps = np.repeat(np.arange(len(X)), n_steps), np.tile(np.arange(1, n_steps + 1), len(X))
        columns = {key: names[owner], STEP: steps}
        for place, name in enumerate(middle):
            end = "" if place == 0 else f"_{name}"
            columns |= {f"{PREDICTION}{end}": middle[name].ravel()}
            columns |= {f"low{end}": low[name].ravel(), f"high{end}": high[name].ravel()}
        return pl.DataFrame(columns)

    def _count(self, counts: dict[str, dict[str, Any]]) -> None:
        for column, found in counts.items():
            total = self.counts.setdefault(column, {})
            for name, value in found.items():
                total[name] = value if name == "examples" else total.get(name, 0) + value


def check_forecast(network: Any, n_steps: int | None) -> None:
    """Raise UsageError where a number of steps is asked of a network that does not predict what is next."""
    if n_steps is not None and (getattr(network, "output", None) != "next" or network.task != "regression"):
        raise UsageError(
            f"{type(network).__name__} was not trained to go on with numbers; got n_steps={n_steps}.",
            "Leave n_steps out, or train on a series without a target.",
        )
