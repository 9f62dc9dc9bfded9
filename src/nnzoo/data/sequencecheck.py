"""What a reader should know about sequences before training on them, in plain words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from nnzoo.data.checkup import (
    Finding,
    check_classes,
    check_label_sets,
    check_missing,
    check_parts,
    check_rejects,
    check_unused,
    counted,
)
from nnzoo.data.kinds import Column
from nnzoo.data.leaks import find_leaks
from nnzoo.data.rawtable import Reject
from nnzoo.data.sequences import IN_TIME, Sequences, StepSchema
from nnzoo.data.splits import TRAIN
from nnzoo.errors import quote

LARGE_GAP, LARGE_GAP_OF_REGULAR = 20, 1.5
REGULAR = 0.9
"""Share of equal distances from which on steps are regular, so that a single one left out is a gap."""
LONG = 10
LONG_STEPS = 1000
THING = "sequence"


@dataclass(frozen=True)
class _Context:
    sequences: Sequences
    schema: StepSchema
    target: pl.Series | None
    task: str | None
    several_labels: bool
    part: np.ndarray
    rejects: Sequence[Reject]


def check_sequences(
    sequences: Sequences,
    schema: StepSchema,
    target: pl.Series | None,
    task: str | None,
    part: np.ndarray,
    rejects: Sequence[Reject] = (),
    *,
    several_labels: bool = False,
) -> list[Finding]:
    """Look for what misleads: warnings first, then notes.

    Parameters
    ----------
    sequences : Sequences
        Parsed steps.
    schema : StepSchema
    target : polars.Series or None
        Of each sequence, or of each step, as the schema says; it bears its name.
    task : str or None
    part : ndarray of int8, shape (n_rows,)
        TRAIN, VALID or TEST for every sequence.
    rejects : sequence of Reject
        Rows that were left out.
    several_labels : bool
        The target holds label sets, joined by ``|``.
    """
    context = _Context(sequences, schema, target, task, several_labels, part, rejects)
    checks = [_rejects, _missing, _lengths, _gaps, _copies]
    if (part == TRAIN).any():
        checks += [_unused, _parts, _classes, _leaks]
    findings = [finding for check in checks for finding in check(context)]
    return sorted(findings, key=lambda finding: finding.level != "warning")


def _rejects(context: _Context) -> Iterator[Finding]:
    yield from check_rejects(context.rejects)


def _missing(context: _Context) -> Iterator[Finding]:
    yield from check_missing(context.sequences.frame, context.schema.inputs, "step")


def _unused(context: _Context) -> Iterator[Finding]:
    yield from check_unused(context.schema.columns)


def _parts(context: _Context) -> Iterator[Finding]:
    if context.schema.layout not in IN_TIME:
        yield from check_parts(context.part, THING)


def _lengths(context: _Context) -> Iterator[Finding]:
    lengths = context.sequences.lengths
    median, longest = float(np.median(lengths)), int(lengths.max())
    n_single = int((lengths == 1).sum())
    if n_single:
        message = f"{counted(n_single, THING)} of {len(lengths):,} {'has' if n_single == 1 else 'have'} one step only."
        yield Finding("note", "one step", None, message, "")
    n_long = int(((lengths > LONG * median) & (lengths > LONG_STEPS)).sum())
    if n_long:
        message = (
            f"{counted(n_long, THING)} {'is' if n_long == 1 else 'are'} very long: up to {longest:,} steps, the median "
            f"has {median:,.0f}. Networks with memory learn them in pieces (truncated backpropagation)."
        )
        yield Finding("warning", "very long", None, message, "")


def _gaps(context: _Context) -> Iterator[Finding]:
    time, sequences = context.schema.time, context.sequences
    if time is None:
        return
    ticks = sequences.frame[time.name].to_physical().to_numpy()
    gaps = np.diff(ticks)[np.diff(sequences.owner) == 0]
    gaps = gaps[gaps > 0]
    if not len(gaps):
        return
    median, largest = float(np.median(gaps)), float(gaps.max())
    factor = LARGE_GAP_OF_REGULAR if (gaps == median).mean() >= REGULAR else LARGE_GAP
    n_large = int((gaps > factor * median).sum())
    if n_large:
        message = (
            f"{counted(n_large, 'gap')} in {quote(time.name)} {'is' if n_large == 1 else 'are'} more than {factor:g} "
            f"times the median distance of two steps ({_written(median, time)}); the largest is "
            f"{_written(largest, time)}."
        )
        yield Finding("note", "gaps", time.name, message, "")


def _written(ticks: float, time: Column) -> str:
    if time.kind != "time":
        return f"{ticks:g}"
    seconds = ticks / 1e6
    units = ((86_400, "days"), (3600, "hours"), (60, "minutes"))
    size, unit = next((one for one in units if seconds >= 2 * one[0]), (1, "seconds"))
    return f"{seconds / size:,.4g} {unit}"


def _copies(context: _Context) -> Iterator[Finding]:
    """Count steps that repeat another of their sequence in all columns; without a time, steps may well be equal."""
    if context.schema.time is None:
        return
    steps = context.sequences.frame.with_columns(pl.Series("\0owner", context.sequences.owner))
    n_copies = steps.height - steps.hash_rows().n_unique()
    if n_copies:
        message = (
            f"{counted(n_copies, 'step')} repeat{'s' * (n_copies == 1)} another of the same {THING} in all columns."
        )
        yield Finding("warning", "duplicates", None, message, "Remove them if they were written twice.")


def _classes(context: _Context) -> Iterator[Finding]:
    if context.target is None or context.task != "classification":
        return
    by_step = context.schema.output == "step"
    if context.several_labels:
        yield from check_label_sets(context.target, THING)
        return
    part = context.part[context.sequences.owner] if by_step else context.part
    yield from check_classes(context.target, part, "step" if by_step else THING)


def _leaks(context: _Context) -> Iterator[Finding]:
    """Yield a finding where a column, the time or the number of steps gives the target away."""
    if context.target is None or context.task is None or context.several_labels:
        return
    target = context.target.alias("\0target")
    if context.schema.output == "step":
        rows, columns = context.sequences.frame, list(context.schema.inputs)
        train = (context.part == TRAIN)[context.sequences.owner]
    else:
        rows, columns = _in_short(context)
        train = context.part == TRAIN
    rows = rows.select(column.name for column in columns).with_columns(target).filter(pl.Series(train))
    for leak in find_leaks(rows, columns, target.name, context.task):
        names = ", ".join(name if context.schema.output != "step" else quote(name) for name in leak.columns)
        yield Finding(
            "warning",
            "target given away",
            None,
            f"{names} {'gives' if len(leak.columns) == 1 else 'give'} the target {quote(context.target.name)} away: "
            f"{leak.why}.",
            "If it is not known when you predict, leave out the column, or the steps that come after the target.",
        )


def _in_short(context: _Context) -> tuple[pl.DataFrame, list[Column]]:
    """Return a row for each sequence: its number of steps, and the first and last value of its time and columns."""
    sequences, schema = context.sequences, context.schema
    ends = sequences.starts + sequences.lengths - 1
    made = {"The number of steps": (pl.Series(sequences.lengths, dtype=pl.Float64), "number")}
    for column in (*schema.inputs, *([schema.time] if schema.time else [])):
        values = sequences.frame[column.name]
        made[f"The first {quote(column.name)}"] = (values[sequences.starts], column.kind)
        made[f"The last {quote(column.name)}"] = (values[ends], column.kind)
    frame = pl.DataFrame([values.alias(name) for name, (values, _) in made.items()])
    return frame, [Column(name, kind, "") for name, (_, kind) in made.items()]
