"""A log of events becomes sequences: the events of an entity, in the order of their time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from nnzoo.data.checkup import Finding
from nnzoo.data.complete import complete_rows
from nnzoo.data.kinds import Column, infer_columns, infer_target, parse
from nnzoo.data.rawtable import Reject, Table
from nnzoo.data.roles import IGNORE, Wishes
from nnzoo.data.sequences import Sequences, SequenceTable
from nnzoo.data.splits import SHARES, SPLIT_IN_TIME, TEST, TRAIN, VALID, first_seen_codes, lengths_in_time
from nnzoo.data.values import has_offset
from nnzoo.errors import SchemaError, UsageError, counted, listing, nearest, quote

ORDERS = ("time", "number")
FEW_ENTITIES = 20
MIN_STEPS = 10
"""Steps that a series needs to be cut by time."""


@dataclass(frozen=True, eq=False)
class Ordered:
    """The rows of a table in the order of their time, and what was found on the way.

    Attributes
    ----------
    table : Table
        The rows that have all they need, cells as read but those of the time, the target and the entity.
    codes : ndarray of int64, shape (n_rows,)
        Entity of each row, counted from 0 in the order in which entities are first seen.
    """

    table: Table
    codes: np.ndarray
    findings: list[Finding]
    n_coerced: dict[str, int]


def log_sequences(
    table: Table,
    entity: str,
    wishes: Wishes,
    *,
    time: Column | None = None,
    target: Column | None = None,
    output: str | None = None,
    cut: bool | None = None,
    coerce: bool = False,
    skip: bool = False,
) -> SequenceTable:
    """Return the events of a table as one sequence for each entity.

    A target that is the same in all events of every entity belongs to the entity, empty cells apart; any other belongs
    to the event.

    Parameters
    ----------
    table : Table
        One row an event, cells as read.
    entity : str
        Column that says whose event it is.
    wishes : Wishes
        What the caller has said; ``time`` names the column that orders the events. Without it they stand in the order
        of the only column of times, or in that of the source if there is none.
    time, target : Column, optional
        As an earlier source had them; by default they are inferred.
    output : "sequence", "step" or "next", optional
        As an earlier source had it.
    cut : bool, optional
        Whether each sequence is cut by time into one to train, one to choose and one to test. By default where a few
        long ones go on: fewer than 20 entities, no target and no group.
    coerce, skip : bool
        Take cells that do not fit as missing; leave out rows that lack entity, time or target.

    Raises
    ------
    SchemaError
        A column is not there; entity, time or target is missing in a row; a time is no time; or the target differs
        within an entity where ``output`` is "sequence".
    """
    names = [name for name in table.frame.columns if wishes.kinds.get(name) != IGNORE]
    check_entity(table, entity, wishes)
    time = time or time_column(table, wishes, entity)
    if wishes.target is not None and target is None:
        target = event_target(table, wishes)
    ordered = order_steps(table, time, entity=entity, target=target, coerce=coerce, skip=skip)
    frame, codes = ordered.table.frame, ordered.codes
    owners = [entity, *([wishes.group] if wishes.group else [])]
    entities = _entities(frame, codes, owners, target)
    if wishes.group:
        _check_constant(entities, wishes.group, "group", table.origin)
    decided = _output(entities, target, output, table.origin)
    per_entity = [target.name] if target is not None and decided == "sequence" else []
    steps = [name for name in names if name in frame.columns and name not in (*owners, *per_entity)]
    lengths = np.bincount(codes)
    if cut is None:
        few_and_long = len(lengths) < FEW_ENTITIES and lengths.min() >= MIN_STEPS
        cut = decided == "next" and not wishes.group and few_and_long
    n_pieces = len(SHARES) if cut else 1
    made = SequenceTable(
        frame=entities.select(*owners, *per_entity)[np.repeat(np.arange(len(lengths)), n_pieces)],
        rows=np.arange(1, n_pieces * len(lengths) + 1),
        origin=table.origin,
        fingerprint=table.fingerprint,
        rejects=ordered.table.rejects,
        target=None if target is None else target.name,
        sequences=Sequences(frame.select(steps), lengths_in_time(lengths) if cut else lengths, ordered.table.rows),
        layout="panel" if cut else "log",
        time=time,
        step_target=target if decided == "step" else None,
        why=_why(decided, target),
        part=np.tile(np.array([TRAIN, VALID, TEST], dtype=np.int8), len(lengths)) if cut else None,
        how_split=f"each {quote(entity)} {SPLIT_IN_TIME}" if cut else "",
        ignored=tuple(name for name in table.frame.columns if name not in names),
        findings=ordered.findings,
        n_coerced=ordered.n_coerced,
    )
    if decided == "step" and target is not None:
        return _with_step_targets(made, target, skip=skip)
    return made if target is None else _with_entity_targets(made, target, skip=skip)


def check_entity(table: Table, entity: str, wishes: Wishes) -> None:
    """Raise SchemaError if there is no such column, UsageError if it has another part already."""
    if entity not in table.frame.columns:
        message = f"{table.origin} has no column {quote(entity)} for the entity."
        raise SchemaError(message, nearest(entity, table.frame.columns))
    if entity in (wishes.target, wishes.group, wishes.time) or wishes.kinds.get(entity) == IGNORE:
        raise UsageError(f"The entity needs a column of its own; {quote(entity)} has another part.", "Name another.")


def time_column(table: Table, wishes: Wishes, *taken: str) -> Column | None:
    """Return the column that orders the steps: the one that was named, else the only column of times.

    Raises
    ------
    SchemaError
        The named column holds neither times nor numbers.
    """
    frame = table.frame
    if wishes.time is None:
        apart = {*taken, wishes.target, wishes.group, *(n for n, kind in wishes.kinds.items() if kind == IGNORE)}
        rest = [name for name in frame.columns if name not in apart]
        kinds = {name: kind for name, kind in wishes.kinds.items() if name in rest}
        times = [column for column in infer_columns(frame.select(rest), overrides=kinds) if column.kind == "time"]
        return replace(times[0], why="the only column of times") if len(times) == 1 else None
    kinds = {wishes.time: wishes.kinds[wishes.time]} if wishes.time in wishes.kinds else {}
    (column,) = infer_columns(frame.select(wishes.time), overrides=kinds)
    if column.kind in ("id", "constant") and frame[wishes.time].dtype.is_numeric():
        column = replace(column, kind="number", why="numbers that order the events")
    if column.kind == "constant":
        column = replace(column, kind="time")
    if column.kind not in ORDERS:
        raise SchemaError(
            f"{table.origin}, column {quote(wishes.time)} needs times or numbers to order the events; "
            f"got {column.kind}.",
            f'Name another column, or pass columns={{{wishes.time!r}: "time"}} to see which cell is no time.',
        )
    return column


def event_target(table: Table, wishes: Wishes) -> Column:
    """Return the target with its kind, found in the cells of all events."""
    name = str(wishes.target)
    if name not in table.frame.columns:
        raise SchemaError(
            f"{table.origin} has no column {quote(name)} for the target.", nearest(name, table.frame.columns)
        )
    raw = table.frame[name]
    if raw.null_count() == len(raw):
        message = f"{table.origin} needs values of the target {quote(name)}; got none in {len(raw):,} rows."
        raise SchemaError(message, "Fill in the column, or name another target.")
    kind = wishes.kinds.get(name)
    return infer_target(raw, "category" if wishes.several_labels and kind is None else kind)


def order_steps(
    table: Table,
    time: Column | None,
    *,
    entity: str | None = None,
    target: Column | None = None,
    coerce: bool = False,
    skip: bool = False,
) -> Ordered:
    """Return the rows by entity, then by time; rows of one time stay in the order of the source.

    Raises
    ------
    SchemaError
        Time or entity is missing in a row, or a time is no time.
    """
    columns = [column for column in (time, target) if column is not None]
    columns += [] if entity is None else [Column(entity, "category", "")]
    # a time that is no time is never taken as missing: the step would have no place
    parsed = parse(table.frame, [c for c in columns if c is time], origin=table.origin, rows=table.rows).frame
    others = parse(
        table.frame, [c for c in columns if c is not time], origin=table.origin, rows=table.rows, coerce=coerce
    )
    frame = table.frame.with_columns(*parsed.get_columns(), *others.frame.get_columns())
    needed = {} if entity is None else {"entity": entity}
    needed |= {} if time is None else {"time": time.name}
    kept, rejects = np.ones(frame.height, dtype=bool), []
    if needed:
        kept, rejects = complete_rows(frame, needed, table.rows, table.origin, skip=skip)
    frame, rows = frame.filter(pl.Series(kept)), table.rows[kept]
    codes = np.zeros(frame.height, dtype=np.int64) if entity is None else first_seen_codes(frame[entity])
    order = np.argsort(codes, kind="stable")
    findings = []
    if time is not None:
        times = frame[time.name].to_physical().to_numpy()
        findings = [*_zones(table, time), *_disorder(times[order], codes[order], time.name)]
        order = np.lexsort((times, codes))
    made = replace(table, frame=frame[order], rows=rows[order], rejects=[*table.rejects, *rejects])
    return Ordered(made, codes[order], findings, others.n_coerced)


def _zones(table: Table, time: Column) -> list[Finding]:
    """Say which clock the times count by where some name their offset from UTC and some do not."""
    offsets = has_offset(table.frame[time.name])
    n_with, n_all = int(offsets.sum()), len(offsets) - table.frame[time.name].null_count()
    if not 0 < n_with < n_all:
        return []
    message = (
        f"{n_with:,} of {counted(n_all, 'time')} in {quote(time.name)} name an offset from UTC, the others are taken "
        "as UTC."
    )
    return [Finding("warning", "mixed time zones", time.name, message, "Write the offset in every row.")]


def _disorder(times: np.ndarray, codes: np.ndarray, name: str) -> list[Finding]:
    """Count the steps that stand before an earlier one of their sequence, and those of equal time."""
    same = codes[1:] == codes[:-1]
    n_back = int((same & (times[1:] < times[:-1])).sum())
    by_time = np.lexsort((times, codes))
    n_equal = int((same & (times[by_time][1:] == times[by_time][:-1])).sum())
    findings = []
    if n_back:
        message = f"{counted(n_back, 'step')} stood behind a later one: all were sorted by {quote(name)}."
        findings.append(Finding("warning", "unsorted", name, message, ""))
    if n_equal:
        message = (
            f"{counted(n_equal, 'step')} of a sequence {'has' if n_equal == 1 else 'have'} the same {quote(name)} as "
            "the one before: they stay in the order of the source."
        )
        findings.append(Finding("warning", "equal times", name, message, ""))
    return findings


def _entities(frame: pl.DataFrame, codes: np.ndarray, owners: Sequence[str], target: Column | None) -> pl.DataFrame:
    """Return a row for each entity: the least value of the columns, and in "NAME, most" the largest."""
    names = [*owners, *([target.name] if target else [])]
    spread = [pl.col(name).max().alias(f"{name}, most") for name in names[1:]]
    grouped = frame.select(pl.Series("code", codes).alias("\0code"), *names).group_by("\0code", maintain_order=True)
    return grouped.agg(*(pl.col(name).min() for name in names), *spread).drop("\0code")


def _check_constant(entities: pl.DataFrame, name: str, role: str, origin: str) -> None:
    differs = (entities[name] != entities[f"{name}, most"]).fill_null(value=False)
    if differs.any():
        first = entities.columns[0]
        named = listing(entities.filter(differs)[first].to_list())
        raise SchemaError(
            f"{origin} needs one value of the {role} {quote(name)} for each {quote(first)}; it differs within {named}.",
            f"Name a column that does not change within {quote(first)}.",
        )


def _output(entities: pl.DataFrame, target: Column | None, output: str | None, origin: str) -> str:
    if target is None:
        return "next"
    differs = bool((entities[target.name] != entities[f"{target.name}, most"]).any())
    if output == "sequence":
        _check_constant(entities, target.name, "target", origin)
    return output or ("step" if differs else "sequence")


def _why(output: str, target: Column | None) -> str:
    if target is None:
        return "no target is given, so what comes next is learned"
    if output == "step":
        return f"{quote(target.name)} changes within an entity"
    return f"{quote(target.name)} is the same in all events of an entity"


def _with_entity_targets(made: SequenceTable, target: Column, *, skip: bool) -> SequenceTable:
    """Return the entities that have a target; raise SchemaError at one without, unless they are to be left out."""
    missing = made.frame[target.name].is_null().to_numpy()
    names = made.frame[made.name_column].filter(pl.Series(missing)).to_list()
    if names and (not skip or missing.all()):
        raise SchemaError(
            f"{made.origin} needs the target {quote(target.name)} of every {quote(made.name_column)}; it is missing "
            f"for {listing(names)}.",
            'Fill it in, or pass on_bad_row="skip" (--on-bad-row skip) to leave them out.',
        )
    numbers = made.rows[missing].tolist()
    rejects = [Reject(n, None, f"({quote(name)}) has no target") for n, name in zip(numbers, names, strict=True)]
    return replace(made.taken(~missing), rejects=[*made.rejects, *rejects])


def _with_step_targets(made: SequenceTable, target: Column, *, skip: bool) -> SequenceTable:
    """Return the events that have a target; raise SchemaError at one without, unless they are to be left out."""
    steps = made.sequences
    kept, rejects = complete_rows(steps.frame, {"target": target.name}, steps.numbers, made.origin, skip=skip)
    thinned = replace(made, sequences=steps.keep(kept), rejects=[*made.rejects, *rejects])
    return thinned.taken(thinned.sequences.lengths > 0)
