"""Which column plays which part: input, target, group, time, row name; and which task the target sets."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from nnzoo.data.kinds import MAX_CLASSES, Column, infer_columns, infer_target, infer_task
from nnzoo.errors import SchemaError, UsageError, listing, nearest, quote

TASKS = ("classification", "regression")
IGNORE = "ignore"
NO_INPUT = ("id", "constant")

_AS_SAID = "as you said"
_MAX_SHARE_OF_CLASSES = 0.1
_MIN_ROWS_TO_JUDGE = 20


@dataclass(frozen=True)
class Wishes:
    """What the caller has said about the columns; all else is inferred."""

    target: str | None = None
    task: str | None = None
    several_labels: bool = False
    group: str | None = None
    time: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Roles:
    """Which column plays which part.

    Attributes
    ----------
    columns : tuple of Column
        All columns that are read but the target, in the order of the source.
    target : Column or None
        The target column.
    group, time, id_column : str or None
        The column whose equal values stay in one part, the one by which the rows are split, the one that names rows.
    ignored : tuple of str
        Columns that are not read.
    """

    columns: tuple[Column, ...]
    target: Column | None = None
    group: str | None = None
    time: str | None = None
    id_column: str | None = None
    ignored: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[Column, ...]:
        """The columns from which the network learns."""
        apart = (self.group, self.time)
        return tuple(column for column in self.columns if column.kind not in NO_INPUT and column.name not in apart)

    @property
    def needed(self) -> dict[str, str]:
        """The columns that need a value in every row: role to name."""
        target = self.target.name if self.target else None
        named = {"target": target, "group": self.group, "time": self.time}
        return {role: name for role, name in named.items() if name is not None}

    def without_split(self) -> "Roles":
        """Return the roles for rows that are not split: group and time are not read."""
        apart = tuple(name for name in (self.group, self.time) if name is not None)
        columns = tuple(column for column in self.columns if column.name not in apart)
        return Roles(columns, self.target, None, None, self.id_column, (*self.ignored, *apart))


def find_roles(frame: pl.DataFrame, wishes: Wishes, origin: str) -> Roles:
    """Infer the kind of every column and give each its part.

    Parameters
    ----------
    frame : polars.DataFrame
        Cells as read.
    wishes : Wishes
        What the caller has said.
    origin : str
        Name of the source for messages.

    Raises
    ------
    SchemaError
        There is no column of a wished name, the target or time column holds something else than it needs, or no
        column is left as input.
    UsageError
        The wishes contradict each other, or a kind is unknown.
    """
    check_wishes(frame.columns, wishes, origin)
    ignored = tuple(name for name in frame.columns if wishes.kinds.get(name) == IGNORE)
    kinds = {name: kind for name, kind in wishes.kinds.items() if name not in (*ignored, wishes.target)}
    if wishes.group is not None:
        kinds.setdefault(wishes.group, "category")
    skipped = {*ignored, wishes.target} - {None}
    columns = infer_columns(frame.drop(*skipped), overrides=kinds)
    columns = tuple(_as_time(column, origin) if column.name == wishes.time else column for column in columns)
    names = [c.name for c in columns if c.kind == "id" and c.name not in (wishes.group, wishes.time)]
    said = [name for name in names if wishes.kinds.get(name) == "id"]
    target = None if wishes.target is None else target_column(frame[wishes.target], wishes, origin)
    roles = Roles(columns, target, wishes.group, wishes.time, next(iter([*said, *names]), None), ignored)
    if not roles.inputs:
        raise SchemaError(
            f"{origin} needs at least one column to learn from; got none besides {_others(roles)}.",
            'Add columns, or give one of them a kind, such as columns={"name": "category"}.',
        )
    return roles


def decide_task(values: pl.Series, column: Column, wishes: Wishes, origin: str) -> tuple[str, str]:
    """Return the task that the target sets, and the reason in words.

    Parameters
    ----------
    values : polars.Series
        The parsed target, nothing missing.
    column : Column
        The target column.
    wishes : Wishes
        What the caller has said.
    origin : str
        Name of the source for messages.

    Raises
    ------
    SchemaError
        The wished task does not fit the values.
    """
    name = quote(column.name)
    if wishes.several_labels:
        return "classification", f"several labels a row, {_AS_SAID}"
    task, why = infer_task(values, column.kind)
    n_values = values.n_unique()
    if wishes.task == "regression":
        if column.kind == "category":
            hint = 'Say task="classification", or correct the cells that are no numbers.'
            raise SchemaError(f"{origin}, target {name} needs numbers for a regression; got words.", hint)
        return "regression", _AS_SAID
    if wishes.task == "classification" and task == "regression" and _has_many_values(values, n_values):
        raise SchemaError(
            f"{origin}, target {name} needs labels for a classification; got {n_values:,} distinct numbers.",
            f"Say task='regression', or columns={{{column.name!r}: \"category\"}} if each number is a label.",
        )
    if n_values == len(values) >= _MIN_ROWS_TO_JUDGE and column.kind == "category":
        message = f"{origin}, target {name} needs values that repeat; got a different one in each of {n_values:,} rows."
        raise SchemaError(message, "Nothing can be learned from that: name another target.")
    return (task, why) if wishes.task is None else (wishes.task, _AS_SAID)


def _has_many_values(values: pl.Series, n_values: int) -> bool:
    fractional = bool((values != values.floor()).any())
    return n_values > MAX_CLASSES and (fractional or n_values > _MAX_SHARE_OF_CLASSES * len(values))


def check_wishes(names: list[str], wishes: Wishes, origin: str) -> None:
    """Raise SchemaError or UsageError if a wish names no column, or contradicts another."""
    wished = {"target": wishes.target, "group": wishes.group, "time": wishes.time}
    for role, name in wished.items():
        if name is not None and name not in names:
            raise SchemaError(f"{origin} has no column {quote(name)} for the {role}.", nearest(name, names))
    unknown = [name for name in wishes.kinds if name not in names]
    if unknown:
        raise UsageError(f"{origin} has no column {quote(unknown[0])} to give a kind to.", nearest(unknown[0], names))
    taken = [name for name in wished.values() if name is not None]
    if len(set(taken)) < len(taken):
        raise UsageError(f"target, group and time need different columns; got {listing(taken)}.", "Name another.")
    ignored = [name for name in taken if wishes.kinds.get(name) == IGNORE]
    if ignored:
        raise UsageError(f"Column {quote(ignored[0])} needs to be read; got {IGNORE}.", f"Take {IGNORE} back.")
    if wishes.several_labels and wishes.task == "regression":
        raise UsageError("Several labels a row need a classification; got a regression.", "Leave one of them out.")
    if wishes.target is None and (wishes.task is not None or wishes.several_labels):
        raise UsageError("A task needs a target; got none.", f"Pass target=, one of {listing(names)}.")


def _as_time(column: Column, origin: str) -> Column:
    """Return the column as one that the rows can be ordered by."""
    if column.kind == "id":
        return replace(column, kind="number", why="numbers that order the rows")
    if column.kind not in ("time", "number"):
        raise SchemaError(
            f"{origin}, column {quote(column.name)} needs times or numbers for a split by time; got {column.kind}.",
            f'Give another column, or columns={{{column.name!r}: "time"}} to see which cell is no time.',
        )
    return column


def target_column(raw: pl.Series, wishes: Wishes, origin: str) -> Column:
    """Return the target with its kind; raise SchemaError if it has no value."""
    if raw.null_count() == len(raw):
        message = f"{origin} needs values of the target {quote(raw.name)}; got none in {len(raw):,} rows."
        raise SchemaError(message, "Fill in the column, or name another target.")
    kind = wishes.kinds.get(raw.name)
    return infer_target(raw, "category" if wishes.several_labels and kind is None else kind)


def _others(roles: Roles) -> str:
    names = [*roles.needed.values(), *(column.name for column in roles.columns if column.kind in NO_INPUT)]
    return listing(dict.fromkeys([*names, *roles.ignored])) or "nothing"
