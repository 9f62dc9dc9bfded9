"""Step 1, load: what the data is, which task it sets, and which rows train, choose and test."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nnzoo.data.checkup import check_table
from nnzoo.data.given import attach_target
from nnzoo.data.kinds import parse
from nnzoo.data.loaded import MAX_SEED, Data, Part, from_settings
from nnzoo.data.rawtable import Reject, Table
from nnzoo.data.roles import TASKS, Roles, Wishes, decide_task, find_roles
from nnzoo.data.samples import SAMPLES, sample_path
from nnzoo.data.splits import TEST, Split, split
from nnzoo.data.tables import read_table
from nnzoo.data.target import SEPARATOR
from nnzoo.errors import DataError, SchemaError, UsageError, nearest, quote

__all__ = ["Data", "Part", "load", "load_like"]

MODEL_SUFFIX = ".nnzoo"
_MAX_NAMED_ROWS = 5


def load(
    source: Any,
    *,
    target: Any = None,
    kind: str | None = None,
    task: str | None = None,
    labels: bool = False,
    group: str | None = None,
    time: str | None = None,
    columns: Mapping[str, str] | None = None,
    coerce: bool = False,
    on_bad_row: str = "error",
    seed: int = 0,
) -> Data:
    """Load a table: find what is in each column, which task it sets, split the rows and look for what misleads.

    Parameters
    ----------
    source : path, frame, array, (X, y), dict or list of dicts
        What ``read_table`` reads, or the name of a bundled data set, such as "penguins".
    target : str, or array of shape (n_rows,) or (n_rows, n_labels), optional
        The column to predict, or its values for every row of the source.
    kind : "table", optional
        Kind of the data.
    task : {"classification", "regression"}, optional
        Inferred from the target by default.
    labels : bool, default False
        A row has any number of labels, joined by ``|``.
    group : str, optional
        Column whose equal values stay in one part of the split. It is no input.
    time : str, optional
        Column by which the rows are split: the last ones are the test. It is no input, because rows to come have
        times that training has not seen. A time column without this option is an input.
    columns : mapping, optional
        Column to kind, where the inferred one is wrong: number, category, boolean, time, text, id, constant; or
        "ignore" to leave it out.
    coerce : bool, default False
        Take cells that do not fit the kind of their column as missing, and count them.
    on_bad_row : {"error", "skip"}, default "error"
        "skip": rows that cannot be read, or that have no target, group or time, are left out and listed in
        ``rejects``.
    seed : int, default 0
        Seed of the split.

    Returns
    -------
    Data

    Raises
    ------
    DataError
        The source cannot be read, or no row is left.
    SchemaError
        Columns or cells do not fit.
    UsageError
        An argument does not fit.

    Examples
    --------
    >>> data = load("penguins", target="species")
    >>> data.task, len(data.train), len(data.valid), len(data.test)
    ('classification', 240, 52, 52)
    """
    _check_arguments(source, kind, task, seed)
    table = _read(source, on_bad_row)
    if target is not None and not isinstance(target, str):
        table = attach_target(table, target)
    name = target if isinstance(target, str) else table.target
    wishes = Wishes(name, task, labels, group, time, dict(columns or {}))
    roles = find_roles(table.frame, wishes, table.origin)
    data = _understood(table, roles, coerce=coerce, several_labels=labels, skip=on_bad_row == "skip")
    why = ""
    if roles.target is not None:
        task, why = decide_task(data.frame[roles.target.name], roles.target, wishes, table.origin)
    data = replace(data, task=task, why_task=why, seed=int(seed))
    return _checked(data, _split(data))


def load_like(source: Any, settings: Mapping[str, Any], *, target: Any = None, on_bad_row: str = "error") -> Data:
    """Load another source, or the same one again, as ``settings`` say: nothing is inferred anew.

    The content that the settings were made from is split as it was then. Any other content is not split: all its rows
    are in the test part.

    Parameters
    ----------
    source : as for ``load``
    settings : mapping
        ``Data.settings`` of the data that was loaded before.
    target : array, optional
        Values of the target for every row, if the source has no such column.
    on_bad_row : {"error", "skip"}, default "error"
        As for ``load``.

    Raises
    ------
    ModelFileError
        The settings are not what ``Data.settings`` gives.
    DataError, SchemaError, UsageError
        As for ``load``.
    """
    state, roles = from_settings(settings)
    table = _read(source, on_bad_row)
    if target is not None:
        table = attach_target(table, target)
    same = table.fingerprint == state["fingerprint"]
    data = _understood(
        table,
        roles if same else roles.without_split(),
        coerce=state["coerce"],
        several_labels=state["several_labels"],
        skip=on_bad_row == "skip",
    )
    data = replace(data, task=state["task"], why_task=state["why_task"], seed=state["seed"])
    if same:
        return _checked(data, _split(data))
    everything = np.full(len(data), TEST, dtype=np.int8)
    return _checked(data, Split(everything, "not split: other content than was loaded first, all rows are in the test"))


def _check_arguments(source: Any, kind: str | None, task: str | None, seed: int) -> None:
    if kind not in (None, "table"):
        raise UsageError(f"nnzoo loads data of the kind table; got kind={quote(kind)}.", 'Pass kind="table".')
    if task is not None and task not in TASKS:
        raise UsageError(f"The task needs to be classification or regression; got {quote(task)}.", nearest(task, TASKS))
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed <= MAX_SEED:
        raise UsageError(f"seed needs a whole number from 0 to {MAX_SEED}; got {quote(seed)}.", "Pass seed=0.")


def _read(source: Any, on_bad_row: str) -> Table:
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.suffix.lower() == MODEL_SUFFIX:
            hint = f"Open it with nnzoo.load_model({os.fspath(source)!r})."
            raise UsageError(f"{quote(os.fspath(source))} is a model; load needs data.", hint)
        if isinstance(source, str) and not path.suffix and path.name == source and not path.exists():
            if source not in SAMPLES:
                message = f"There is neither a file nor a bundled data set {quote(source)}."
                raise DataError(message, nearest(source, [*SAMPLES, *_tables_here()]))
            path = sample_path(source)
            return replace(read_table(path), origin=path.name)
    return read_table(source, on_bad_row=on_bad_row).need_rows()


def _understood(table: Table, roles: Roles, *, coerce: bool, several_labels: bool, skip: bool) -> Data:
    """Return the parsed rows that have a target, group and time; task and split are still open."""
    columns = roles.columns if roles.target is None else (*roles.columns, roles.target)
    known = [name for name in table.frame.columns if name not in roles.ignored]
    parsed = parse(table.frame.select(known), columns, origin=table.origin, rows=table.rows, coerce=coerce)
    complete, rejects = _complete(parsed.frame, table, roles, several_labels=several_labels, skip=skip)
    return Data(
        frame=parsed.frame.filter(pl.Series(complete)),
        rows=table.rows[complete],
        roles=roles,
        task=None,
        why_task="",
        several_labels=several_labels,
        part=np.zeros(int(complete.sum()), dtype=np.int8),
        how_split="",
        origin=table.origin,
        fingerprint=table.fingerprint,
        findings=[],
        rejects=[*table.rejects, *rejects],
        n_coerced=parsed.n_coerced,
        extra=parsed.extra,
        coerce=coerce,
    )


def _complete(
    frame: pl.DataFrame, table: Table, roles: Roles, *, several_labels: bool, skip: bool
) -> tuple[np.ndarray, list[Reject]]:
    """Return the mask of the rows that have a target, group and time, and the others as rejects."""
    complete, rejects = np.ones(frame.height, dtype=bool), []
    for role, name in roles.needed.items():
        missing = frame[name].is_null().to_numpy() & complete
        rows = table.rows[missing].tolist()
        if rows and not skip:
            raise _missing(role, name, rows, table.origin, several_labels=role == "target" and several_labels)
        complete &= ~missing
        rejects += [Reject(row, None, f"has no {role} {quote(name)}") for row in rows]
    if not complete.any():
        message = f"{table.origin} needs rows with a {', '.join(roles.needed)}; got 0 rows."
        raise DataError(message, "Fill in these columns.")
    return complete, rejects


def _missing(role: str, name: str, rows: list[int], origin: str, *, several_labels: bool) -> SchemaError:
    named = ", ".join(map(str, rows[:_MAX_NAMED_ROWS]))
    more = f" and {len(rows) - _MAX_NAMED_ROWS:,} more" if len(rows) > _MAX_NAMED_ROWS else ""
    hint = 'Fill it in, or pass on_bad_row="skip" (--on-bad-row skip) to leave such rows out.'
    if several_labels:
        hint += f" A row without any label is written {quote(SEPARATOR)}."
    where = f"row{'s' * (len(rows) > 1)} {named}{more}"
    return SchemaError(f"{origin} needs the {role} {quote(name)} in every row; it is missing in {where}.", hint)


def _split(data: Data) -> Split:
    frame, strata = data.frame, None
    if data.target is not None and data.task == "classification":
        strata = _rarest_label(frame[data.target]) if data.several_labels else frame[data.target]
    groups = None if data.group is None else frame[data.group]
    times = None if data.time is None else frame[data.time]
    return split(len(data), strata=strata, groups=groups, times=times, seed=data.seed)


def _rarest_label(values: pl.Series) -> pl.Series:
    """Return for every row the one of its labels that the fewest rows have."""
    table = pl.DataFrame({"row": np.arange(len(values)), "label": values.str.split(SEPARATOR)})
    table = table.explode("label").with_columns(pl.col("label").str.strip_chars())
    table = table.with_columns(n_rows=pl.len().over("label"))
    return (
        table.sort("row", "n_rows", "label")
        .unique("row", keep="first", maintain_order=True)["label"]
        .alias(values.name)
    )


def _checked(data: Data, parts: Split) -> Data:
    """Return the data with its split and the findings of the check-up."""
    roles = data.roles
    looked_at = [column for column in roles.columns if column.name not in (roles.group, roles.time)]
    findings = check_table(
        data.frame,
        looked_at,
        data.target,
        data.task,
        parts.part,
        data.rejects,
        several_labels=data.several_labels,
        time=data.time,
    )
    return replace(data, part=parts.part, how_split=parts.how, findings=findings)


def _tables_here() -> list[str]:
    return [path.name for path in sorted(Path().glob("*.csv"))[:1000]]
