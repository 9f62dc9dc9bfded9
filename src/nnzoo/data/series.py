"""Tables of series become sequences: one series in each row, or one series that is the whole table."""

import itertools
import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from nnzoo.data.checkup import Finding
from nnzoo.data.eventlog import MIN_STEPS, event_target, order_steps, time_column
from nnzoo.data.kinds import Column, infer_columns, parse
from nnzoo.data.rawtable import Table
from nnzoo.data.roles import IGNORE, Wishes, check_wishes
from nnzoo.data.sequencearrays import step_frame
from nnzoo.data.sequences import NAME, Sequences, SequenceTable
from nnzoo.data.splits import PART_NAMES, SPLIT_IN_TIME, TEST, TRAIN, VALID, lengths_in_time
from nnzoo.errors import DataError, SchemaError, listing, quote
from nnzoo.ragged import Ragged

MIN_WIDE = 8
_NUMBERED = re.compile(r"^(.*?)(\d+)$")


# Wide form: one series a row


def wide_columns(frame: pl.DataFrame, apart: Sequence[str | None] = ()) -> list[str]:
    """Return the columns t1, t2, ... that hold the steps of a series in each row; none if there are no such columns.

    They have one stem with numbers that rise, hold numbers, and are at least eight.
    """
    by_stem: dict[str, list[tuple[int, str]]] = {}
    for name in frame.columns:
        found = _NUMBERED.match(name)
        if found and name not in apart:
            by_stem.setdefault(found[1], []).append((int(found[2]), name))
    numbered = max(by_stem.values(), key=len, default=[])
    places = [place for place, _ in numbered]
    if len(numbered) < MIN_WIDE or any(b <= a for a, b in itertools.pairwise(places)):
        return []
    names = [name for _, name in numbered]
    kinds = {column.kind for column in infer_columns(frame.select(names))}
    return names if kinds <= {"number", "constant", "id"} else []


def wide_sequences(table: Table, wishes: Wishes, *, coerce: bool = False) -> SequenceTable:
    """Return the rows of a table as series of one value a step; empty cells at the end of a row are no steps.

    Raises
    ------
    DataError
        A row has no value at all.
    SchemaError
        A cell is no number.
    """
    check_wishes(table.frame.columns, wishes, table.origin)
    ignored = [name for name, kind in wishes.kinds.items() if kind == IGNORE]
    names = wide_columns(table.frame, (wishes.target, wishes.group, *ignored))
    if not names:
        message = f"{table.origin} needs columns of numbers named t1, t2, ... with the steps of a series in each row."
        raise SchemaError(message, f"Name at least {MIN_WIDE} columns so.")
    columns = [Column(name, "number", "a step") for name in names]
    parsed = parse(table.frame.select(names), columns, origin=table.origin, rows=table.rows, coerce=coerce)
    values = parsed.frame.to_numpy()
    known = ~np.isnan(values)
    lengths = np.where(known.any(axis=1), values.shape[1] - np.argmax(known[:, ::-1], axis=1), 0)
    if lengths.min() < 1:
        row = table.rows[int(np.argmin(lengths))]
        raise DataError(
            f"{table.origin}, row {row} needs at least one step; got a sequence of length 0: all cells are empty.",
            "Leave such rows out.",
        )
    rows = Ragged.of_padded(values[:, :, None], lengths)
    rest = table.frame.drop(names)
    apart = [name for name in (wishes.target, wishes.group) if name is not None]
    others = [column for column in infer_columns(rest.drop(*apart, *ignored))] if rest.width else []
    name = next((column.name for column in others if column.kind == "id"), None)
    first = pl.Series(NAME, table.rows) if name is None else rest[name]
    return SequenceTable(
        frame=pl.DataFrame([first, *(rest[each] for each in apart)]),
        rows=table.rows,
        origin=table.origin,
        fingerprint=table.fingerprint,
        rejects=table.rejects,
        target=wishes.target,
        sequences=Sequences(step_frame(rows.values), rows.lengths, np.repeat(table.rows, rows.lengths)),
        layout="wide",
        why=f"a row is a series: its steps are {quote(names[0])} to {quote(names[-1])}",
        ignored=tuple(each for each in rest.columns if each not in (name, *apart)),
        n_coerced=parsed.n_coerced,
    )


# One series: the whole table


def one_series(
    table: Table,
    wishes: Wishes,
    *,
    time: Column | None = None,
    target: Column | None = None,
    cut: bool = True,
    coerce: bool = False,
    skip: bool = False,
) -> SequenceTable:
    """Return all rows of a table as one series; cut by time into a series each to train, to choose and to test.

    A target of numbers is to be forecast: it stands first, beside the other columns of numbers. A target of labels is
    one for each step.

    Parameters
    ----------
    table : Table
        One row a step, cells as read.
    wishes : Wishes
        What the caller has said.
    time, target : Column, optional
        As an earlier source had them; by default they are inferred.
    cut : bool
        Whether to cut the series; else it is one row.
    coerce, skip : bool
        Take cells that do not fit as missing; leave out rows that lack their time.

    Raises
    ------
    DataError
        The series has fewer than 10 steps to be cut.
    SchemaError
        A time is missing or no time, or there is no column of numbers.
    """
    check_wishes(table.frame.columns, wishes, table.origin)
    time = time or time_column(table, wishes) or _counter(table, wishes)
    if target is None and wishes.target is not None:
        target = _label(table, wishes)
    ordered = order_steps(table, time, target=target, coerce=coerce, skip=skip)
    frame, n_steps = ordered.table.frame, len(ordered.codes)
    names, left_out = _series_columns(frame, wishes, time, target)
    if cut and n_steps < MIN_STEPS:
        message = f"{table.origin} needs at least {MIN_STEPS} steps to be one series; got {n_steps}."
        raise DataError(message, "Add steps; for a log of many entities, say entity= (--entity).")
    lengths = lengths_in_time(np.array([n_steps])) if cut else np.array([n_steps])
    called = list(PART_NAMES) if cut else ["all"]
    needed = [column.name for column in (time, target) if column is not None]
    return SequenceTable(
        frame=pl.DataFrame({NAME: called}),
        rows=np.arange(1, len(called) + 1),
        origin=table.origin,
        fingerprint=table.fingerprint,
        rejects=ordered.table.rejects,
        target=None if target is None else target.name,
        sequences=Sequences(frame.select(*needed, *names), lengths, ordered.table.rows),
        layout="series",
        time=time,
        step_target=target,
        why=_why_series(wishes, target),
        part=np.array([TRAIN, VALID, TEST], dtype=np.int8) if cut else None,
        how_split=SPLIT_IN_TIME,
        ignored=left_out,
        findings=[*ordered.findings, *_ignored_words(left_out, wishes)],
        n_coerced=ordered.n_coerced,
    )


def _label(table: Table, wishes: Wishes) -> Column | None:
    """Return the target if it is a label of every step; None if it is a number to be forecast."""
    column = event_target(table, wishes)
    return None if column.kind == "number" and wishes.task != "classification" else column


def _counter(table: Table, wishes: Wishes) -> Column | None:
    """Return the only column of whole numbers that rises by the same amount from row to row, such as a year."""
    ignored = [name for name, kind in wishes.kinds.items() if kind == IGNORE]
    rest = table.frame.drop(*{*ignored, wishes.target} - {None})
    columns = [column for column in infer_columns(rest) if column.kind in ("number", "id")]
    found = []
    for column in columns:
        steps = rest[column.name].cast(pl.Float64, strict=False).diff().drop_nulls()
        if len(steps) == rest.height - 1 and steps.n_unique() == 1 and steps[0] > 0:
            found.append(Column(column.name, "number", f"rises by {steps[0]:g} from row to row"))
    return found[0] if len(found) == 1 < table.frame.width - len(ignored) else None


def _series_columns(
    frame: pl.DataFrame, wishes: Wishes, time: Column | None, target: Column | None
) -> tuple[list[str], tuple[str, ...]]:
    """Return the columns of a step, the one to be forecast first, and those that are left out."""
    apart = {column.name for column in (time, target) if column is not None}
    said = {name for name, kind in wishes.kinds.items() if kind == IGNORE}
    rest = [name for name in frame.columns if name not in apart | said]
    kinds = {name: kind for name, kind in wishes.kinds.items() if name in rest}
    forecast = target is None
    usable = [
        column.name
        for column in infer_columns(frame.select(rest), overrides=kinds)
        if column.kind == "number" or not forecast
    ]
    usable.sort(key=lambda name: name != wishes.target)
    left_out = tuple(name for name in frame.columns if name in said or (name in rest and name not in usable))
    return usable, left_out


def _ignored_words(left_out: tuple[str, ...], wishes: Wishes) -> list[Finding]:
    names = [name for name in left_out if wishes.kinds.get(name) != IGNORE]
    if not names:
        return []
    message = f"{listing(names)} {'is' if len(names) == 1 else 'are'} left out: only numbers are forecast."
    return [Finding("warning", "no numbers", None, message, "")]


def _why_series(wishes: Wishes, target: Column | None) -> str:
    if target is not None:
        return f"{quote(target.name)} is a label of every step"
    return f"{quote(wishes.target)} is a number to be forecast" if wishes.target else "no target is given: a forecast"
