"""What a reader should know about a table before training on it, in plain words."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import polars as pl

from nnzoo.data.kinds import Column
from nnzoo.data.leaks import find_leaks
from nnzoo.data.rawtable import Reject
from nnzoo.data.splits import PART_NAMES, TEST, TRAIN, VALID
from nnzoo.data.target import SEPARATOR
from nnzoo.errors import counted, listing, quote

MANY_VALUES = 100
FEW_ROWS = 10
SMALL_TEST = 30
IMBALANCE = 10
MOSTLY_MISSING = 0.5
MIN_ORDERED = 20


@dataclass(frozen=True)
class Finding:
    """Something the check-up found.

    Attributes
    ----------
    level : str
        "warning" where results may mislead, else "note".
    topic : str
        One word or two, the same for all findings of one sort.
    column : str or None
        The column it is about, if it is about one.
    message : str
        What was found.
    hint : str
        What to do about it; may be empty.
    """

    level: str
    topic: str
    column: str | None
    message: str
    hint: str

    def to_json(self) -> dict[str, str | None]:
        """Return the finding as plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Context:
    """What every check may look at."""

    frame: pl.DataFrame
    columns: Sequence[Column]
    inputs: Sequence[Column]
    target: str | None
    task: str | None
    part: np.ndarray
    rejects: Sequence[Reject]
    several_labels: bool
    time: str | None


def check_table(
    frame: pl.DataFrame,
    columns: Sequence[Column],
    target: str | None,
    task: str | None,
    part: np.ndarray,
    rejects: Sequence[Reject] = (),
    *,
    several_labels: bool = False,
    time: str | None = None,
) -> list[Finding]:
    """Look for what misleads: warnings first, then notes.

    Where no row is for training, only missing and left out rows are reported.

    Parameters
    ----------
    frame : polars.DataFrame
        Parsed rows, with the target where there is one.
    columns : sequence of Column
        The columns but target, group and the split's time.
    target, task : str or None
        Name of the target and its task.
    part : ndarray of int8, shape (n_rows,)
        TRAIN, VALID or TEST for every row.
    rejects : sequence of Reject
        Rows that were left out.
    several_labels : bool
        The target holds label sets, joined by ``|``.
    time : str, optional
        The column by which the rows were split, if they were split by time.
    """
    inputs = [column for column in columns if column.kind not in ("constant", "id") and column.name in frame.columns]
    context = _Context(frame, columns, inputs, target, task, part, rejects, several_labels, time)
    checks = [_rejects, _missing]
    if (part == TRAIN).any():
        checks += [_unused, _leaks, _parts, _copies, _many_values, _row_order]
        checks += [_labels if several_labels else _classes] * (task == "classification")
    findings = [finding for check in checks for finding in check(context)]
    return sorted(findings, key=lambda finding: finding.level != "warning")


def _rejects(context: _Context) -> Iterator[Finding]:
    yield from check_rejects(context.rejects)


def check_rejects(rejects: Sequence[Reject]) -> Iterator[Finding]:
    """Yield a finding if rows were left out."""
    if rejects:
        first = rejects[0]
        where = f"row {first.row}" if first.line is None else f"line {first.line}"
        message = f"{counted(len(rejects), 'row')} left out; the first, {where}, {first.reason}."
        yield Finding("warning", "rows left out", None, message, "")


def _unused(context: _Context) -> Iterator[Finding]:
    yield from check_unused(context.columns)


def check_unused(columns: Sequence[Column]) -> Iterator[Finding]:
    """Yield a finding for every column that is left out because it is constant, or names the rows."""
    for column in columns:
        name = column.name
        if column.kind == "constant":
            message = f"{quote(name)} is left out: it does not vary ({column.why})."
            yield Finding("warning", "constant", name, message, "")
        elif column.kind == "id":
            message = f"{quote(name)} names the rows and is no input: {column.why}."
            hint = f'Pass columns={{{name!r}: "category"}} if it is one.'
            yield Finding("warning", "row name", name, message, hint)


def _leaks(context: _Context) -> Iterator[Finding]:
    if context.target is None or context.task is None or context.several_labels:
        return
    train = context.frame.filter(pl.Series(context.part == TRAIN))
    for leak in find_leaks(train, context.inputs, context.target, context.task):
        names = listing(leak.columns)
        gives = "gives" if len(leak.columns) == 1 else "give"
        yield Finding(
            "warning",
            "target given away",
            leak.columns[0] if len(leak.columns) == 1 else None,
            f"{names} {gives} the target {quote(context.target)} away: {leak.why}.",
            f'If it is not known when you predict, leave it out: columns={{{leak.columns[0]!r}: "ignore"}} (--column).',
        )


def _parts(context: _Context) -> Iterator[Finding]:
    yield from check_parts(context.part)


def check_parts(part: np.ndarray, thing: str = "row") -> Iterator[Finding]:
    """Yield a finding for every part that is empty, and for a test part that is small.

    Parameters
    ----------
    part : ndarray of int8, shape (n_rows,)
        TRAIN, VALID or TEST for every row.
    thing : str
        What a row is called.
    """
    sizes = np.bincount(part, minlength=3)
    for held in (VALID, TEST):
        if sizes[held] == 0:
            message = f"There is no {thing} for the {PART_NAMES[held]} part: {counted(len(part), thing)} in all."
            yield Finding("warning", f"few {thing}s", None, message, f"Add {thing}s.")
    if 0 < sizes[TEST] < SMALL_TEST:
        message = f"The test part has {counted(int(sizes[TEST]), thing)}: the result will be known only roughly."
        yield Finding("note", f"few {thing}s", None, message, "")


def _classes(context: _Context) -> Iterator[Finding]:
    yield from check_classes(context.frame[str(context.target)], context.part)


def check_classes(labels: pl.Series, part: np.ndarray, thing: str = "row") -> Iterator[Finding]:
    """Yield a finding for a single class, for classes of few rows or none in train, and for large ones beside small.

    Parameters
    ----------
    labels : polars.Series of length n_rows
        The class of every row; the series bears the target's name.
    part : ndarray of int8, shape (n_rows,)
        TRAIN, VALID or TEST for every row.
    thing : str
        What a row is called.
    """
    target = labels.name
    table = pl.DataFrame({"label": labels.cast(pl.String), "train": part == TRAIN})
    classes = table.group_by("label", maintain_order=True).agg(n_rows=pl.len(), n_train=pl.col("train").sum())
    single = classes.filter(pl.col("n_rows") == 1, pl.col("n_train") == 1)["label"].to_list()
    few = classes.filter(pl.col("n_rows").is_between(2, FEW_ROWS - 1))["label"].to_list()
    unseen = classes.filter(pl.col("n_train") == 0)["label"].to_list()
    topic, add = f"few {thing}s of a class", f"Add {thing}s, or merge classes."
    if classes.height == 1:
        message = f"{quote(target)} has one class, {quote(classes['label'][0])}: every prediction will be this one."
        yield Finding("warning", "one class", target, message, f"Add {thing}s of another class.")
    if single and classes.height > 1:
        message = f"{_classes_have(single)} 1 {thing}: kept in train, so its predictions are not tested."
        yield Finding("warning", topic, target, message, add)
    if few:
        message = f"{_classes_have(few)} fewer than {FEW_ROWS} {thing}s: its predictions are hardly tested."
        yield Finding("warning", topic, target, message, add)
    if unseen:
        message = f"{_classes_have(unseen)} no {thing} in train: it will never be predicted."
        yield Finding("warning", "class not in train", target, message, "Split in another way.")
    ratio = classes["n_rows"].to_numpy().max() / classes["n_rows"].to_numpy().min()
    if ratio >= IMBALANCE:
        message = f"The largest class has {ratio:,.0f} times the {thing}s of the smallest."
        yield Finding("note", "imbalance", target, message, "Read the balanced accuracy, not the accuracy alone.")


def _classes_have(names: Sequence[str]) -> str:
    return f"{'Class' if len(names) == 1 else 'Classes'} {listing(names)} {'has' if len(names) == 1 else 'have'}"


def _labels(context: _Context) -> Iterator[Finding]:
    yield from check_label_sets(context.frame[str(context.target)])


def check_label_sets(sets: pl.Series, thing: str = "row") -> Iterator[Finding]:
    """Yield a finding for labels that stand in few rows.

    Parameters
    ----------
    sets : polars.Series of str
        The labels of every row, joined by ``|``; the series bears the target's name.
    thing : str
        What a row is called.
    """
    labels = sets.str.split(SEPARATOR).explode().str.strip_chars()
    counts = labels.filter(labels != "").value_counts()
    few = counts.filter(pl.col("count") < FEW_ROWS)[sets.name].sort().to_list()
    if few:
        stand = f"Label {listing(few)} stands" if len(few) == 1 else f"Labels {listing(few)} each stand"
        message = f"{stand} in fewer than {FEW_ROWS} {thing}s, where predictions are hardly tested."
        yield Finding(
            "warning", f"few {thing}s of a label", sets.name, message, f"Add {thing}s, or leave such labels out."
        )


def _copies(context: _Context) -> Iterator[Finding]:
    if not context.inputs:
        return
    rows = context.frame.select(column.name for column in context.inputs).hash_rows().to_numpy()
    by_nature = all(column.kind in ("category", "boolean") for column in context.inputs)
    train = np.unique(rows[context.part == TRAIN])
    for part in (VALID, TEST):
        held = rows[context.part == part]
        n_copies = int(np.isin(held, train).sum())
        if n_copies:
            name = PART_NAMES[part]
            message = (
                f"{n_copies:,} of {counted(len(held), 'row')} of the {name} part equal a training row in all inputs."
            )
            hint = (
                ""
                if by_nature
                else "Remove copies, or keep rows that belong together in one part with group= (--group)."
            )
            yield Finding("note" if by_nature else "warning", "copies across parts", None, message, hint)
    n_copies = len(rows) - len(np.unique(rows))
    if n_copies and not by_nature:
        message = f"{counted(n_copies, 'row')} repeat the inputs of an earlier row."
        yield Finding("note", "copies", None, message, "")


def _missing(context: _Context) -> Iterator[Finding]:
    yield from check_missing(context.frame, context.inputs)


def check_missing(frame: pl.DataFrame, inputs: Sequence[Column], thing: str = "row") -> Iterator[Finding]:
    """Yield findings on the missing values of the inputs.

    Parameters
    ----------
    frame : polars.DataFrame
        Parsed rows.
    inputs : sequence of Column
    thing : str
        What a row is called.
    """
    counts = {column.name: frame[column.name].null_count() for column in inputs}
    counts = {name: n for name, n in counts.items() if n}
    for name, n_missing in counts.items():
        if n_missing > MOSTLY_MISSING * frame.height:
            message = f"{quote(name)} is missing in {100 * n_missing / frame.height:.0f} % of the {thing}s."
            yield Finding("warning", "mostly missing", name, message, "")
    if counts:
        each = ", ".join(f"{quote(name)} {n:,}" for name, n in sorted(counts.items(), key=lambda one: -one[1])[:5])
        rest = f" and {len(counts) - 5} more columns" if len(counts) > 5 else ""
        yield Finding("note", "missing", None, f"Missing values: {each}{rest}.", "")
    for names in _missing_together(frame, counts):
        message = f"{listing(names)} are missing in the same {counted(counts[names[0]], thing)}."
        yield Finding("note", "missing together", None, message, "")


def _missing_together(frame: pl.DataFrame, counts: dict[str, int]) -> list[list[str]]:
    """Return the sets of columns, of two or more missing cells each, that are missing in the same rows."""
    together: dict[bytes, list[str]] = {}
    for name, n_missing in counts.items():
        if n_missing > 1:
            pattern = np.packbits(frame[name].is_null().to_numpy()).tobytes()
            together.setdefault(pattern, []).append(name)
    return [names for names in together.values() if len(names) > 1]


def _many_values(context: _Context) -> Iterator[Finding]:
    for column in context.inputs:
        if column.kind != "category":
            continue
        n_values = context.frame[column.name].drop_nulls().n_unique()
        if n_values > MANY_VALUES:
            message = f"{quote(column.name)} has {n_values:,} different values; rare ones are learned as one."
            hint = f"If new rows bring new values, test for that with group={column.name!r}."
            yield Finding("note", "many values", column.name, message, hint)


def _row_order(context: _Context) -> Iterator[Finding]:
    if context.time is not None:
        return
    for column in context.inputs:
        if column.kind not in ("number", "time"):
            continue
        values = context.frame[column.name].drop_nulls()
        if values.n_unique() >= MIN_ORDERED and (values.is_sorted() or values.is_sorted(descending=True)):
            is_time = column.kind == "time"
            message = f"The rows stand in the order of {quote(column.name)}, but the split is not by time."
            option = f"time={column.name!r} (--time {column.name})"
            hint = f"To predict what comes later, test on the last rows: pass {option}."
            yield Finding("warning" if is_time else "note", "rows in time order", column.name, message, hint)
