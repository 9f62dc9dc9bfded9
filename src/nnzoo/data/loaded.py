"""What ``load`` gives: the rows with their columns, task, split and findings."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from nnzoo.data import stored, summary
from nnzoo.data.checkup import Finding
from nnzoo.data.kinds import Column
from nnzoo.data.large import Large
from nnzoo.data.pixelrule import PixelRule
from nnzoo.data.rawtable import Reject
from nnzoo.data.roles import TASKS, Roles
from nnzoo.data.sequences import IN_TIME, Sequences, StepSchema
from nnzoo.data.splits import PART_NAMES, TEST, TRAIN, VALID
from nnzoo.data.text import TextRule
from nnzoo.errors import counted

MAX_SEED = 2**32 - 1
KINDS = ("table", "image", "sequence", "text")


@dataclass(frozen=True, eq=False)
class Part:
    """Some rows of the data.

    Attributes
    ----------
    name : str
        "train", "valid", "test" or "all".
    frame : polars.DataFrame
        The parsed rows, with all columns that were read.
    rows : ndarray of int64, shape (n_rows,)
        Number of every row in the source, counted from 1.
    images : ndarray or None
        Of image data: (n_rows, height, width), or (n_rows, height, width, channels); bytes or float32.
    sequences : Sequences or None
        Of sequences: the parsed steps of every row.
    """

    name: str
    frame: pl.DataFrame
    rows: np.ndarray
    images: np.ndarray | None = None
    sequences: Sequences | None = None

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """Rows that are read, understood, checked and split. ``print(data)`` says all that was inferred.

    Attributes
    ----------
    frame : polars.DataFrame
        The parsed rows: numbers in Float64, truth values in Boolean, times in Datetime (UTC), all else in String.
    rows : ndarray of int64, shape (n_rows,)
        Number of every row in the source, counted from 1; a gap is a row that was left out.
    roles : Roles
        Which column plays which part.
    task : str or None
        "classification", "regression", or None without a target.
    why_task : str
        The reason for the task in words.
    several_labels : bool
        The target holds label sets, joined by ``|``.
    part : ndarray of int8, shape (n_rows,)
        0 train, 1 valid, 2 test.
    how_split : str
        The rule of the split in words.
    origin, fingerprint : str
        Name of the source, and SHA-256 of its content.
    findings : list of Finding
        What the check-up found, warnings first.
    rejects : list of Reject
        Rows that were left out, and why.
    n_coerced : dict
        Column to the number of cells that did not fit and count as missing.
    extra : tuple of str
        Columns that came but are not known; only with ``load_like``.
    coerce : bool
        Whether cells that do not fit count as missing.
    seed : int
        Seed of the split.
    images : ndarray or None
        Of image data, one for each row: (n_rows, height, width) if grey, else (n_rows, height, width, channels); bytes,
        or float32 if they came as numbers.
    rule : PixelRule or None
        How images became of one size; None where they came as numbers.
    image_column : str or None
        Column that names the images.
    mirror_safe : bool or None
        Whether a mirror image is of the same class; None where nobody knows.
    sequences : Sequences or None
        Of sequences: the parsed steps of every row; ``frame`` then has a row for each sequence.
    schema : StepSchema or None
        Of sequences: what stands in a step.
    text : TextRule or None
        Of texts: which column holds them, and what a token is.
    large : Large or None
        Of a table larger than the memory: where its rows are; those here were drawn from it at random.
    """

    frame: pl.DataFrame
    rows: np.ndarray
    roles: Roles
    task: str | None
    why_task: str
    several_labels: bool
    part: np.ndarray
    how_split: str
    origin: str
    fingerprint: str
    findings: list[Finding]
    rejects: list[Reject] = field(default_factory=list)
    n_coerced: dict[str, int] = field(default_factory=dict)
    extra: tuple[str, ...] = ()
    coerce: bool = False
    seed: int = 0
    images: np.ndarray | None = None
    rule: PixelRule | None = None
    image_column: str | None = None
    mirror_safe: bool | None = None
    sequences: Sequences | None = None
    schema: StepSchema | None = None
    text: TextRule | None = None
    large: Large | None = None

    @property
    def kind(self) -> str:
        """Kind of the data: "table", "image", "sequence" or "text"."""
        if self.schema is not None:
            return "sequence"
        if self.text is not None:
            return "text"
        return "table" if self.images is None else "image"

    @property
    def thing(self) -> str:
        """What a row is: "row", "image", "sequence", "text", or a "piece" of a series or of a running text."""
        if (self.text is not None and self.text.in_order) or (
            self.schema is not None and self.schema.layout in IN_TIME
        ):
            return "piece"
        return "row" if self.kind == "table" else self.kind

    @property
    def output(self) -> str | None:
        """What is predicted of sequences and texts: "sequence" one target for each, "step" one a step, "next"."""
        if self.text is not None:
            return "next" if self.target is None else "sequence"
        return None if self.schema is None else self.schema.output

    @property
    def why_output(self) -> str:
        """The reason for the output in words."""
        if self.text is not None:
            return f"no target is given: the next {self.text.unit}" if self.target is None else "one target a text"
        return "" if self.schema is None else self.schema.why

    @property
    def columns(self) -> tuple[Column, ...]:
        """The input columns, in the order of the source; of sequences those of a step."""
        return self.roles.inputs if self.schema is None else self.schema.inputs

    @property
    def target(self) -> str | None:
        """Name of the target column."""
        return self.roles.target.name if self.roles.target else None

    @property
    def target_column(self) -> Column | None:
        """The target column."""
        return self.roles.target

    @property
    def id_column(self) -> str | None:
        """Name of the column that names the rows."""
        return self.roles.id_column

    @property
    def group(self) -> str | None:
        """Name of the column whose equal values stay in one part."""
        return self.roles.group

    @property
    def time(self) -> str | None:
        """Name of the column by which the rows are split."""
        return self.roles.time

    @cached_property
    def train(self) -> Part:
        """The rows that the network learns from."""
        return self._rows_of(TRAIN)

    @cached_property
    def valid(self) -> Part:
        """The rows that choose the best weights."""
        return self._rows_of(VALID)

    @cached_property
    def test(self) -> Part:
        """The rows that nothing sees before the evaluation."""
        return self._rows_of(TEST)

    @property
    def all(self) -> Part:
        """All rows, in the order of the source."""
        return Part("all", self.frame, self.rows, self.images, self.sequences)

    def chosen(self, mask: np.ndarray, name: str) -> Part:
        """Return the rows of a mask, booleans of shape (n_rows,), under that name."""
        images = None if self.images is None else self.images[mask]
        sequences = None if self.sequences is None else self.sequences.take(mask)
        return Part(name, self.frame.filter(pl.Series(mask)), self.rows[mask], images, sequences)

    def split_again(self, mask: np.ndarray, part: np.ndarray, how: str) -> "Data":
        """Return the rows of a mask, booleans of shape (n_rows,), as data with other parts, one for each row kept."""
        kept = self.chosen(mask, "all")
        return replace(
            self,
            frame=kept.frame,
            rows=kept.rows,
            images=kept.images,
            sequences=kept.sequences,
            part=part.astype(np.int8),
            how_split=how,
            large=None,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What ``load_like`` needs to read another source the same way, as plain JSON."""
        return {
            "columns": [column.to_json() for column in self.roles.columns],
            "target": self.roles.target.to_json() if self.roles.target else None,
            "task": self.task,
            "why_task": self.why_task,
            "several_labels": self.several_labels,
            "group": self.group,
            "time": self.time,
            "id_column": self.id_column,
            "ignored": list(self.roles.ignored),
            "coerce": self.coerce,
            "seed": self.seed,
            "fingerprint": self.fingerprint,
            "kind": self.kind,
            "rule": None if self.rule is None else self.rule.to_json(),
            "image_column": self.image_column,
            "sequences": None if self.schema is None else self.schema.to_json(),
            "text": None if self.text is None else self.text.to_json(),
            "sample_rows": None if self.large is None else self.large.sample_rows,
        }

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<Data: {counted(len(self), self.thing)} of {self.origin}, target {self.target!r}>"

    def __str__(self) -> str:
        return summary.to_text(summary.describe(self))

    def _repr_html_(self) -> str:
        from nnzoo.pictures.sheets import image_strip

        told = summary.to_html(summary.describe(self))
        if self.images is None or self.images.dtype != np.uint8:
            return told
        return told + image_strip(self.images, None if self.target is None else self.frame[self.target].to_numpy())

    def to_json(self) -> dict[str, Any]:
        """Return all that ``print`` says as plain JSON, the rows themselves left out."""
        return summary.describe(self)

    def _rows_of(self, part: int) -> Part:
        return self.chosen(self.part == part, PART_NAMES[part])


def from_settings(settings: Mapping[str, Any]) -> tuple[dict[str, Any], Roles]:
    """Return what ``Data.settings`` gave, checked, and the roles in it; raise ModelFileError on anything else."""

    def is_name(value: object) -> bool:
        return value is None or stored.is_text(value)

    checks: dict[str, stored.Check] = dict.fromkeys(("columns", "target", "rule", "sequences", "text"), stored.anything)
    checks |= dict.fromkeys(("task", "group", "time", "id_column", "image_column"), is_name)
    checks |= dict.fromkeys(("several_labels", "coerce"), stored.is_truth)
    checks["sample_rows"] = lambda value: value is None or stored.whole(1, 2**62)(value)
    checks |= {"why_task": stored.is_text, "fingerprint": stored.is_text, "ignored": stored.is_texts}
    state = stored.record(
        dict(settings),
        "settings",
        checks | {"seed": stored.whole(0, MAX_SEED), "kind": stored.one_of(KINDS)},
    )
    columns = tuple(Column.from_json(item) for item in stored.items(state["columns"], "settings"))
    target = None if state["target"] is None else Column.from_json(state["target"])
    named = [state[role] for role in ("group", "time", "id_column") if state[role] is not None]
    if not set(named) <= {column.name for column in columns} or state["task"] not in (None, *TASKS):
        raise stored.refuse("settings", "roles of known columns and a known task", "others")
    for name, kind, thing in (("sequences", "sequence", "a schema of steps"), ("text", "text", "a rule of texts")):
        if (state[name] is not None) != (state["kind"] == kind):
            raise stored.refuse("settings", f"{thing} for the kind {kind}, and for no other", "another")
    state["text"] = None if state["text"] is None else TextRule.from_json(state["text"])
    state["sequences"] = None if state["sequences"] is None else StepSchema.from_json(state["sequences"])
    state["rule"] = None if state["rule"] is None else PixelRule.from_json(state["rule"])
    group, time, id_column = (state[role] for role in ("group", "time", "id_column"))
    return state, Roles(columns, target, group, time, id_column, tuple(state["ignored"]))
