"""Sequences as data: which source holds them, what stands in a step, what is to be predicted, and which rows train."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from nnzoo.data.complete import complete_rows
from nnzoo.data.eventlog import log_sequences
from nnzoo.data.imagedata import read_source
from nnzoo.data.kinds import Column, infer_columns, parse
from nnzoo.data.loaded import Data
from nnzoo.data.rawtable import Table
from nnzoo.data.roles import IGNORE, Roles, Wishes, decide_task, target_column
from nnzoo.data.sequencearrays import array_sequences, is_array, is_sequence_array
from nnzoo.data.sequencecheck import check_sequences
from nnzoo.data.sequences import IN_TIME, SequenceTable, StepSchema
from nnzoo.data.series import one_series, wide_columns, wide_sequences
from nnzoo.data.splits import TEST, Split, complete_split, split
from nnzoo.data.tsfile import read_ts, ts_paths
from nnzoo.errors import DataError, SchemaError, UsageError, quote


def read_sequences(
    source: Any, kind: str | None, lengths: Any = None, *, with_test: bool = True
) -> SequenceTable | None:
    """Return the sequences of a source that holds nothing else; None of any other source.

    Parameters
    ----------
    source : path, array, list of arrays, Ragged, (X, y)
        A .ts file, or a folder with a pair of them; a list of arrays (T_i, d); an array, if ``kind`` or ``lengths``
        says that its rows are sequences.
    kind : str or None
        What the caller says.
    lengths : array of shape (n_rows,), optional
    with_test : bool
        Whether the file NAME_TRAIN.ts brings its NAME_TEST.ts.

    Raises
    ------
    DataError, SchemaError
        The source cannot be read.
    UsageError
        ``lengths`` beside anything but an array.
    """
    if kind not in (None, "sequence"):
        return None
    if isinstance(source, str | os.PathLike):
        paths = ts_paths(source)
        if paths is None and lengths is not None:
            raise UsageError("lengths needs an array; got a path.", "Leave lengths out.")
        return None if paths is None else read_ts(paths if with_test else paths[:1])
    if is_sequence_array(source) or (is_array(source) and (kind == "sequence" or lengths is not None)):
        return array_sequences(source, lengths)
    if lengths is not None:
        raise UsageError(f"lengths needs an array; got {type(source).__name__}.", "Leave lengths out.")
    return None


@dataclass(frozen=True)
class How:
    """How cells are read that do not fit, and rows that lack what they need."""

    coerce: bool = False
    skip: bool = False
    several_labels: bool = False
    seed: int = 0


def sequence_data(table: Table, wishes: Wishes, entity: str | None, how: How) -> Data:
    """Return sequences that are understood, checked and split.

    Parameters
    ----------
    table : Table
        As read: sequences, or a table that is a log of events (with ``entity``), a series a row, or one series.
    wishes : Wishes
        What the caller has said.
    entity : str or None
        Column whose equal values are one sequence.
    how : How

    Raises
    ------
    DataError, SchemaError, UsageError
        As for ``load``.
    """
    if isinstance(table, SequenceTable):
        _refuse_wishes(table, wishes, entity)
    else:
        table = _arranged(table, wishes, entity, how)
    if table.step_target is not None and wishes.several_labels:
        raise UsageError("Several labels need a target for each sequence; it has a value for each step.", "")
    schema, roles = _inferred(table, wishes)
    data = _parsed(table, schema, roles, how)
    task, why = None, ""
    if roles.target is not None:
        task, why = decide_task(target_of(data), roles.target, wishes, table.origin)
    data = replace(data, task=task, why_task=why)
    return _checked(data, table, _split(data, table))


def sequence_data_like(table: Table, state: Mapping[str, Any], roles: Roles, how: How, same: bool) -> Data:
    """Return the sequences of another source, or of the same one again, read as the settings ``state`` say.

    Parameters
    ----------
    table : Table
        As read.
    state : mapping
        ``Data.settings`` as ``from_settings`` gives them.
    roles : Roles
    how : How
    same : bool
        The content is that which the settings were made from: it is split as it was then.
    """
    schema: StepSchema = state["sequences"]
    roles = roles if same else roles.without_split()
    target = None if roles.target is None else roles.target.name
    table = _arranged_like(table, schema, roles, how, cut=same)
    if target is not None and table.target not in (None, target):
        table = _renamed(table, target)
    data = _parsed(table, schema, roles, how)
    data = replace(data, task=state["task"], why_task=state["why_task"])
    everything = np.full(len(data), TEST, dtype=np.int8)
    unsplit = Split(everything, "not split: other content than was loaded first, all rows are in the test")
    return _checked(data, table, _split(data, table) if same else unsplit)


def unseen_sequences(source: Any, settings: Mapping[str, Any], *, on_bad_row: str = "error") -> Data:
    """Return the sequences of a source to predict for, read as ``Data.settings`` say; a target is not looked at.

    Raises
    ------
    DataError, SchemaError
        The source cannot be read, or does not fit.
    """
    schema = StepSchema.from_json(settings["sequences"])
    table: Table | None = read_sequences(source, "sequence", with_test=False)
    table = read_source(source, "table", on_bad_row=on_bad_row).need_rows() if table is None else table
    how = How(coerce=bool(settings["coerce"]), skip=on_bad_row == "skip")
    known = None if settings["target"] is None else settings["target"]["name"]
    if not isinstance(table, SequenceTable) and known in table.frame.columns:
        table = replace(table, frame=table.frame.drop(known), target=None)
    ignored = [*settings["ignored"], *([settings["group"]] if settings["group"] else [])]
    roles = Roles((Column(schema.name, "id", ""),), None, None, None, schema.name, tuple(ignored))
    return _parsed(_arranged_like(table, schema, roles, how, cut=False), schema, roles, how)


def target_of(data: Data) -> pl.Series:
    """Return the target of each sequence, or of each step, as the output says.

    Raises
    ------
    UsageError
        There is none.
    """
    if data.target is None or data.sequences is None:
        raise UsageError("The data have no target.", "Pass target= to load.")
    return (data.sequences.frame if data.output == "step" else data.frame)[data.target]


def _refuse_wishes(table: SequenceTable, wishes: Wishes, entity: str | None) -> None:
    said = {"entity": entity, "time": wishes.time, "group": wishes.group}
    said |= {"target": None if wishes.target == table.target else wishes.target}
    named = [role for role, value in said.items() if value is not None]
    if named:
        raise UsageError(
            f"{table.origin} holds sequences without columns of their own; {named[0]} names one.",
            f"Leave {named[0]} out.",
        )


def _arranged(table: Table, wishes: Wishes, entity: str | None, how: How) -> SequenceTable:
    if entity is not None:
        return log_sequences(table, entity, wishes, coerce=how.coerce, skip=how.skip)
    if wishes.time is None and wide_columns(table.frame, (wishes.target, wishes.group)):
        return wide_sequences(table, wishes, coerce=how.coerce)
    if wishes.group is not None:
        raise UsageError("One series has no groups to keep together; got group.", "Say entity= (--entity) instead.")
    return one_series(table, wishes, coerce=how.coerce, skip=how.skip)


def _arranged_like(table: Table, schema: StepSchema, roles: Roles, how: How, *, cut: bool) -> SequenceTable:
    if isinstance(table, SequenceTable):
        return table
    ignored = {name: IGNORE for name in roles.ignored if name in table.frame.columns}
    target = None if roles.target is None else roles.target.name
    wishes = Wishes(target, None, how.several_labels, roles.group, kinds=ignored)
    if schema.layout in ("log", "panel"):
        return log_sequences(
            table,
            schema.name,
            wishes,
            time=schema.time,
            target=roles.target,
            output=None if roles.target is None else schema.output,
            cut=cut and schema.layout == "panel",
            coerce=how.coerce,
            skip=how.skip,
        )
    if schema.layout == "series":
        needed = [column.name for column in (*schema.columns, schema.time, roles.target) if column is not None]
        known = [name for name in table.frame.columns if name in needed]
        table = replace(table, frame=table.frame.select(known))
        wishes = replace(wishes, kinds={column.name: column.kind for column in schema.columns if column.name in known})
        return one_series(
            table, wishes, time=schema.time, target=roles.target, cut=cut, coerce=how.coerce, skip=how.skip
        )
    return wide_sequences(table, wishes, coerce=how.coerce)


def _renamed(table: SequenceTable, target: str) -> SequenceTable:
    """Return the table with the source's own target under the name that it had in training."""
    old = str(table.target)
    if table.step_target is None:
        return replace(table, frame=table.frame.rename({old: target}), target=target)
    sequences = table.sequences.with_frame(table.sequences.frame.rename({old: target}))
    return replace(table, sequences=sequences, step_target=replace(table.step_target, name=target), target=target)


def _inferred(table: SequenceTable, wishes: Wishes) -> tuple[StepSchema, Roles]:
    """Find what is in each column of a step, and give the columns beside the steps their parts."""
    steps, name = table.sequences.frame, table.name_column
    apart = [column.name for column in (table.time, table.step_target) if column is not None]
    rest = steps.drop(apart)
    kinds = {each: kind for each, kind in wishes.kinds.items() if each in rest.columns and kind != IGNORE}
    columns = infer_columns(rest, overrides=kinds)
    target = table.step_target
    if target is None and table.target is not None:
        target = target_column(table.frame[table.target], replace(wishes, target=table.target), table.origin)
    output = "next" if target is None else ("sequence" if table.step_target is None else "step")
    why = table.why or ("one target for each sequence" if target is not None else "no target is given: a forecast")
    schema = StepSchema(columns, table.time, name, output, why, table.layout)
    if not schema.inputs and table.time is None:
        raise SchemaError(f"{table.origin} needs at least one column of the steps to learn from; got none.", "Add one.")
    owners = [Column(name, "id", "names the sequences")]
    owners += [Column(wishes.group, "category", "keeps sequences together")] if wishes.group else []
    return schema, Roles(tuple(owners), target, wishes.group, None, name, table.ignored)


def _parsed(table: SequenceTable, schema: StepSchema, roles: Roles, how: How) -> Data:
    """Return the sequences that have all they need; task, split and findings are still open."""
    by_step = schema.output == "step"
    extra = [roles.target] if roles.target is not None and not by_step else []
    owners = [replace(c, name=table.name_column) if c.name == schema.name else c for c in roles.columns]
    told = parse(table.frame, [*owners, *extra], origin=table.origin, rows=table.rows, coerce=how.coerce)
    frame = told.frame.rename({table.name_column: schema.name})
    needed = {role: name for role, name in roles.needed.items() if name in frame.columns}
    complete, rejects = np.ones(frame.height, dtype=bool), []
    if needed:
        complete, rejects = complete_rows(
            frame, needed, table.rows, table.origin, several_labels=how.several_labels, skip=how.skip
        )
    columns = [*schema.columns, *([schema.time] if schema.time else [])]
    columns += [roles.target] if roles.target is not None and by_step else []
    raw = table.sequences
    steps = parse(raw.frame, columns, origin=table.origin, rows=raw.numbers, coerce=how.coerce)
    sequences = raw.with_frame(steps.frame)
    return Data(
        frame=frame.filter(pl.Series(complete)),
        rows=table.rows[complete],
        roles=roles,
        task=None,
        why_task="",
        several_labels=how.several_labels,
        part=np.zeros(int(complete.sum()), dtype=np.int8),
        how_split="",
        origin=table.origin,
        fingerprint=table.fingerprint,
        findings=[],
        rejects=[*table.rejects, *rejects],
        n_coerced=_summed(table.n_coerced, told.n_coerced, steps.n_coerced),
        extra=steps.extra,
        coerce=how.coerce,
        seed=how.seed,
        sequences=sequences if complete.all() else sequences.take(complete),
        schema=schema,
    )


def _summed(*counts: Mapping[str, int]) -> dict[str, int]:
    return {name: sum(each.get(name, 0) for each in counts) for each in counts for name in each}


def _split(data: Data, table: SequenceTable) -> Split:
    """Return the parts that the source gives, what is missing cut from its training rows; else sequences at random."""
    by_class = data.output == "sequence" and data.task == "classification" and not data.several_labels
    strata = data.frame[data.target] if by_class and data.target is not None else None
    if table.part is not None:
        part = table.part[np.searchsorted(table.rows, data.rows)]
        if table.layout in IN_TIME:
            return Split(part, table.how_split)
        if data.group is not None:
            raise UsageError(f"{table.origin} says itself which rows are train and test.", "Leave group out.")
        found = complete_split(part, strata=strata, seed=data.seed)
        return Split(found.part, found.how.replace("as the source has it", table.how_split))
    groups = None if data.group is None else data.frame[data.group]
    found = split(len(data), strata=strata, groups=groups, seed=data.seed)
    if table.layout != "log":
        return found
    return Split(found.part, f"by {quote(table.name_column)}, none in two parts: {found.how}")


def _checked(data: Data, table: SequenceTable, parts: Split) -> Data:
    if data.sequences is None or data.schema is None:
        raise DataError(f"{data.origin} needs sequences; there are none.", "Load it as a table.")
    found = check_sequences(
        data.sequences,
        data.schema,
        None if data.target is None else target_of(data),
        data.task,
        parts.part,
        data.rejects,
        several_labels=data.several_labels,
    )
    findings = sorted([*table.findings, *found], key=lambda finding: finding.level != "warning")
    return replace(data, part=parts.part, how_split=parts.how, findings=findings)
