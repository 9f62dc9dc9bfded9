"""Sequences as data: the steps of all rows in one frame, how many each row has, and what stands in a step."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from nnzoo.data import stored
from nnzoo.data.checkup import Finding
from nnzoo.data.kinds import Column
from nnzoo.data.rawtable import Table
from nnzoo.data.roles import NO_INPUT
from nnzoo.ragged import places

OUTPUTS = ("sequence", "step", "next")
LAYOUTS = ("log", "panel", "series", "wide", "array")
IN_TIME = ("panel", "series")
"""Layouts whose sequences are cut by time into pieces to train, to choose and to test."""
NAME = "sequence"


@dataclass(frozen=True, eq=False)
class Sequences:
    """The steps of all rows of some data.

    Attributes
    ----------
    frame : polars.DataFrame
        One row a step, the steps of row 0 first, in the order of time.
    lengths : ndarray of int64, shape (n_rows,)
        Steps of each row, from 1.
    rows : ndarray of int64, shape (n_steps,), or None
        Number of each step in the source, counted from 1; None where the steps have no rows of their own there.

    Examples
    --------
    >>> two = Sequences(pl.DataFrame({"x": [1, 2, 3]}), np.array([1, 2]))
    >>> len(two), two.starts.tolist(), two.take(np.array([1])).frame["x"].to_list()
    (2, [0, 1], [2, 3])
    """

    frame: pl.DataFrame
    lengths: np.ndarray
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def n_steps(self) -> int:
        """Steps of all rows together."""
        return self.frame.height

    @cached_property
    def starts(self) -> np.ndarray:
        """Place of the first step of each row: int64 (n_rows,)."""
        return np.cumsum(self.lengths) - self.lengths

    @cached_property
    def owner(self) -> np.ndarray:
        """Row that each step belongs to, counted from 0: int64 (n_steps,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def numbers(self) -> np.ndarray:
        """Number of each step for messages: that of its row in the source, else its place, from 1."""
        return np.arange(1, self.n_steps + 1) if self.rows is None else self.rows

    def take(self, index: np.ndarray | slice) -> "Sequences":
        """Return the sequences of an array of row numbers, a mask or a slice, in that order."""
        rows = np.arange(len(self))[index]
        where = places(self.starts[rows], self.lengths[rows])
        return Sequences(self.frame[where], self.lengths[rows], None if self.rows is None else self.rows[where])

    def keep(self, steps: np.ndarray) -> "Sequences":
        """Return the steps of a mask; every sequence keeps at least one."""
        lengths = np.bincount(self.owner[steps], minlength=len(self))
        return Sequences(self.frame.filter(pl.Series(steps)), lengths, None if self.rows is None else self.rows[steps])

    def with_frame(self, frame: pl.DataFrame) -> "Sequences":
        """Return the same steps with other columns."""
        return replace(self, frame=frame)


@dataclass(kw_only=True)
class SequenceTable(Table):
    """A table with one row for each sequence: its name, and its target if it has one.

    Attributes
    ----------
    sequences : Sequences
        The steps of each row, cells as read; a time or a target among them is parsed already.
    layout : str
        One of ``LAYOUTS``: how the source was laid out.
    time : Column or None
        Column of the steps that orders them.
    step_target : Column or None
        Column of the steps that holds a target for each step.
    why : str
        Why the output is what it is, in words.
    part : ndarray of int8, shape (n_rows,), or None
        Train, valid or test where the source says it.
    how_split : str
        The rule behind ``part``, in words.
    ignored : tuple of str
        Columns of the source that were not read.
    findings : list of Finding
        What was found on the way.
    n_coerced : dict
        Column to the number of cells that count as missing.
    """

    sequences: Sequences
    layout: str
    time: Column | None = None
    step_target: Column | None = None
    why: str = ""
    part: np.ndarray | None = None
    how_split: str = "as the source has it"
    ignored: tuple[str, ...] = ()
    findings: list[Finding] = field(default_factory=list)
    n_coerced: dict[str, int] = field(default_factory=dict)

    @property
    def name_column(self) -> str:
        """Column that names the sequences."""
        return self.frame.columns[0]

    def taken(self, mask: np.ndarray) -> "SequenceTable":
        """Return the sequences of a mask, booleans of shape (n_rows,)."""
        return replace(
            self,
            frame=self.frame.filter(pl.Series(mask)),
            rows=self.rows[mask],
            sequences=self.sequences.take(mask),
            part=None if self.part is None else self.part[mask],
        )


@dataclass(frozen=True)
class StepSchema:
    """What stands in a step, and what is to be predicted from the steps.

    Attributes
    ----------
    columns : tuple of Column
        All columns of a step but its time and its target. Where what is next is predicted, the one that was asked for
        comes first.
    time : Column or None
        The column that orders the steps.
    name : str
        Column that names the sequences: the entity of a log of events.
    output : "sequence", "step" or "next"
        A target for each sequence, for each step, or none: what comes next.
    why : str
        The reason for the output in words.
    layout : one of ``LAYOUTS``
        How the source was laid out.
    """

    columns: tuple[Column, ...]
    time: Column | None
    name: str
    output: str
    why: str
    layout: str

    @property
    def inputs(self) -> tuple[Column, ...]:
        """The columns of a step from which the network learns, the time left out."""
        return tuple(column for column in self.columns if column.kind not in NO_INPUT)

    def to_json(self) -> dict[str, Any]:
        """Return the schema as plain JSON."""
        columns = [column.to_json() for column in self.columns]
        return vars(self) | {"columns": columns, "time": None if self.time is None else self.time.to_json()}

    @classmethod
    def from_json(cls, value: object) -> "StepSchema":
        """Return the schema that ``to_json`` wrote; raise ModelFileError on anything else."""
        checks: Mapping[str, stored.Check] = {
            "columns": stored.anything,
            "time": stored.anything,
            "name": stored.is_text,
            "output": stored.one_of(OUTPUTS),
            "why": stored.is_text,
            "layout": stored.one_of(LAYOUTS),
        }
        state = stored.record(value, "schema of steps", checks)
        columns = tuple(Column.from_json(item) for item in stored.items(state["columns"], "columns of steps"))
        if len({column.name for column in columns}) < len(columns):
            raise stored.refuse("schema of steps", "columns with different names", "one name twice")
        time = None if state["time"] is None else Column.from_json(state["time"])
        return cls(**(state | {"columns": columns, "time": time}))
