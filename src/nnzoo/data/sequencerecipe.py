"""The recipe of sequences: from the columns of a step to numbers, learned on the training rows only.

The columns of a step are coded as those of a table are. Where the steps have times that are not equally far apart, the
distance to the step before is one more number, log(1 + distance), and the hour, the weekday, the day of the month and
the month are coded where the training rows last long enough to tell them apart. The time itself is no input.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from nnzoo.data import stored
from nnzoo.data.coders import NumberCoder, TimeCoder
from nnzoo.data.kinds import Column
from nnzoo.data.loaded import Part
from nnzoo.data.recipe import Encoded, Recipe
from nnzoo.data.sequences import OUTPUTS, Sequences, StepSchema
from nnzoo.data.target import Target, encode_column
from nnzoo.data.vocabulary import UNKNOWN
from nnzoo.data.words import CodeCoder
from nnzoo.errors import SchemaError, listing, quote
from nnzoo.ragged import Ragged

KEY = "sequences"
MAX_SYMBOLS, MISSING = 10_000, "<missing>"
_DAY = 86_400.0
_MIN_SPAN = {"hour": 2 * _DAY, "day of week": 14 * _DAY, "day of month": 62 * _DAY, "month": 730 * _DAY}
_MICROSECONDS = 1e6


@dataclass(frozen=True)
class StepTime:
    """How the time of a step becomes a number.

    Attributes
    ----------
    column : Column
        The column of times.
    gap : str
        Name of the number log(1 + distance to the step before), in seconds if the column holds times.
    """

    column: Column
    gap: str

    def add_to(self, sequences: Sequences) -> pl.DataFrame:
        """Return the steps with the distance to the step before as one more column; 0 at the first of a sequence."""
        distance = np.log1p(distances(sequences, self.column))
        return sequences.frame.with_columns(pl.Series(self.gap, distance, dtype=pl.Float64))


@dataclass(frozen=True)
class SequenceRecipe:
    """How the steps of sequences become numbers.

    Attributes
    ----------
    steps : Recipe
        Codes the columns of a step.
    time : StepTime or None
        How the time of a step is coded, where it is.
    name : str
        Column that names the sequences.
    output : "sequence", "step" or "next"
    target : Target or None
        Of each sequence, or of each step; None where what comes next is learned.
    """

    steps: Recipe
    time: StepTime | None
    name: str
    output: str
    target: Target | None = None

    @classmethod
    def learn(
        cls, part: Part, schema: StepSchema, *, target: Target | None = None, with_codes: bool = True
    ) -> "SequenceRecipe":
        """Learn the recipe from the training rows.

        Parameters
        ----------
        part : Part
            Training rows.
        schema : StepSchema
        target : Target, optional
        with_codes : bool
            Code a category of more than 16 values as one whole number for an embedding; never where what comes next is
            learned.

        Raises
        ------
        SchemaError
            No column of the steps varies.
        """
        sequences = _sequences_of(part)
        columns, time = list(schema.inputs), None
        if schema.time is not None and _is_irregular(distances(sequences, schema.time), sequences):
            time = StepTime(schema.time, _free_name(f"{schema.time.name}: log distance", sequences.frame.columns))
            columns.append(Column(time.gap, "number", "log(1 + distance to the step before)"))
        frame = sequences.frame if time is None else time.add_to(sequences)
        with_codes = with_codes and schema.output != "next"
        calendar = None if schema.output == "next" else _calendar(sequences.frame, schema.time)
        coded = [column for column in columns if frame[column.name].n_unique() > 1]
        if not coded and calendar is not None and schema.time is not None:
            return cls(Recipe((schema.time,), (calendar,)), None, schema.name, schema.output, target)
        steps = Recipe.learn(frame, columns, with_codes=with_codes)
        if calendar is not None and schema.time is not None:
            steps = replace(steps, columns=(*steps.columns, schema.time), coders=(*steps.coders, calendar))
        return cls(steps, time, schema.name, schema.output, target)

    @classmethod
    def learn_symbols(cls, part: Part, schema: StepSchema) -> "SequenceRecipe":
        """Learn to read each step as one symbol, a code, from the only column of categories; what is next is learned.

        Parameters
        ----------
        part : Part
            Training rows.
        schema : StepSchema

        Raises
        ------
        SchemaError
            There is no column of categories, there are several, or no category repeats.
        """
        columns = [column for column in schema.inputs if column.kind == "category"]
        if len(columns) != 1:
            names = [column.name for column in columns or schema.inputs]
            kind, found = ("ignore", listing(names)) if columns else ("category", "none")
            raise SchemaError(
                f"A step of symbols needs exactly one column of categories; got {found}.",
                f"Say so: columns={{{names[-1]!r}: {kind!r}}} (--column {names[-1]}={kind}).",
            )
        coder = CodeCoder.learn(_sequences_of(part).frame[columns[0].name], MAX_SYMBOLS)
        if coder is None:
            name = quote(columns[0].name)
            raise SchemaError(f"Column {name} needs categories that repeat; got none.", "Give more rows.")
        return cls(Recipe((columns[0],), (coder,)), None, schema.name, "next")

    @property
    def symbols(self) -> tuple[str, ...]:
        """What each code stands for, where a step is one symbol; else empty."""
        coder = self.steps.coders[0]
        if self.output != "next" or not isinstance(coder, CodeCoder):
            return ()
        return (UNKNOWN, *coder.categories, *[MISSING] * coder.with_missing)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of a step."""
        return self.steps.columns

    @property
    def categorical_features(self) -> dict[int, int]:
        """Place of each encoded column of codes to its number of codes."""
        return self.steps.categorical_features

    @property
    def feature_names(self) -> list[str]:
        """Names of the encoded columns of a step."""
        return self.steps.feature_names

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Column of numbers to the place of its scaled values in a step, in the order of the columns."""
        starts = np.cumsum([0, *(len(coder.names) for coder in self.steps.coders)]).tolist()
        pairs = zip(starts, self.steps.coders, strict=False)
        return {c.column: at for at, c in pairs if isinstance(c, NumberCoder) and c.scale is not None}

    def encode(self, part: Part, origin: str, *, strict: bool = False) -> tuple[Ragged, Encoded]:
        """Return the steps as float64, and what was unusual in them; each row's numbers depend on that row alone.

        Raises
        ------
        SchemaError, DataError
            As ``Recipe.encode``.
        """
        sequences = _sequences_of(part)
        encoded = self.steps.encode(self.frame_of(part), origin=origin, rows=sequences.numbers, strict=strict)
        return Ragged(encoded.X, sequences.lengths), encoded

    def frame_of(self, part: Part) -> pl.DataFrame:
        """Return the steps of some rows, with the distance to the step before where it is coded."""
        sequences = _sequences_of(part)
        return sequences.frame if self.time is None else self.time.add_to(sequences)

    def encode_part(self, part: Part, origin: str) -> Ragged:
        """Return the steps of some rows as float64 (n_steps, n_features), finite."""
        return self.encode(part, origin)[0]

    def encode_target(self, part: Part, origin: str) -> np.ndarray | None:
        """Return the target of each row, (n_rows,); or of each step, (n_steps,); None where what is next is learned.

        Raises
        ------
        SchemaError
            The column or a cell of it is missing, or a cell is no label of the type that was learned.
        """
        if self.target is None:
            return None
        if self.output == "step":
            sequences = _sequences_of(part)
            return encode_column(self.target, sequences.frame, origin=origin, rows=sequences.numbers)
        return encode_column(self.target, part.frame, origin=origin, rows=part.rows)

    def to_units(self, X: np.ndarray) -> dict[str, np.ndarray]:
        """Return the columns of numbers of encoded steps (..., n_features) in their own units, each of shape (...).

        The distance to the step before is among them only where there is no other.
        """
        scales = {coder.column: coder.scale for coder in self.steps.coders if isinstance(coder, NumberCoder)}
        gap = None if self.time is None else self.time.gap
        names = [name for name in self.numbers if name != gap] or list(self.numbers)
        found = {name: (scales[name], self.numbers[name]) for name in names}
        return {name: scale.undo(X[..., at]) for name, (scale, at) in found.items() if scale is not None}

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as plain JSON."""
        time = None if self.time is None else {"column": self.time.column.to_json(), "gap": self.time.gap}
        own = {"steps": self.steps.to_json(), "time": time, "name": self.name, "output": self.output}
        return {KEY: own, "target": None if self.target is None else self.target.to_json()}

    @classmethod
    def from_json(cls, value: object) -> "SequenceRecipe":
        """Return the recipe that ``to_json`` wrote; raise ModelFileError at anything else."""
        parts = stored.record(value, "recipe", {KEY: stored.anything, "target": stored.anything})
        checks: dict[str, stored.Check] = dict.fromkeys(("steps", "time"), stored.anything)
        checks |= {"name": stored.is_text, "output": stored.one_of(OUTPUTS)}
        own = stored.record(parts[KEY], "recipe of sequences", checks)
        target = None if parts["target"] is None else Target.from_json(parts["target"])
        if (target is None) != (own["output"] == "next"):
            raise stored.refuse("recipe of sequences", "a target, unless what is next is learned", "another")
        steps = Recipe.from_json(own["steps"])
        time = None if own["time"] is None else _read_time(own["time"], steps)
        return cls(steps, time, own["name"], own["output"], target)


def distances(sequences: Sequences, time: Column) -> np.ndarray:
    """Return how far each step is from the one before, (n_steps,): in seconds if these are times; 0 at the first."""
    if time.name not in sequences.frame.columns:
        raise SchemaError(f"The steps need the column {quote(time.name)}, which is missing.", "Add it.")
    values = sequences.frame[time.name]
    ticks = values.to_physical().to_numpy()
    steps = np.zeros(len(ticks))
    steps[1:] = np.diff(ticks)
    steps[sequences.starts] = 0.0
    return steps / _MICROSECONDS if values.dtype == pl.Datetime else steps


def _sequences_of(part: Part) -> Sequences:
    if part.sequences is None:
        raise SchemaError(f"The recipe needs sequences; the part {part.name} has none.", "Load them with nnzoo.load.")
    return part.sequences


def _is_irregular(steps: np.ndarray, sequences: Sequences) -> bool:
    """Say whether the steps are not equally far apart, within a millionth."""
    inner = np.ones(len(steps), dtype=bool)
    inner[sequences.starts] = False
    inside = steps[inner]
    return len(inside) > 0 and bool(np.ptp(inside) > 1e-6 * np.abs(inside).max())


def _calendar(frame: pl.DataFrame, time: Column | None) -> TimeCoder | None:
    """Return the coder of the parts of the calendar that the training rows last long enough to show."""
    if time is None or time.kind != "time":
        return None
    whole = TimeCoder.learn(frame[time.name])
    if whole is None or whole.days is None:
        return None
    span = (whole.days.high - whole.days.low) * _DAY
    cycles = tuple(part for part in whole.cycles if span >= _MIN_SPAN[part])
    return TimeCoder(time.name, None, None, cycles, flag=False) if cycles else None


def _free_name(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "'"
    return name


def _read_time(value: object, steps: Recipe) -> StepTime:
    state = stored.record(value, "time of steps", {"column": stored.anything, "gap": stored.is_text})
    column = Column.from_json(state["column"])
    coded = {each.name: each.kind for each in steps.columns}
    if column.kind not in ("time", "number") or coded.get(state["gap"]) != "number" or column.name == state["gap"]:
        raise stored.refuse("time of steps", "a time and the number made of it", "others")
    return StepTime(column, state["gap"])
