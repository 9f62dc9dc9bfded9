"""Columns that give the target away: equal to it, one target for each value, or computed from it.

A column is named only where chance is no explanation: were the targets dealt to the rows at random, the pattern would
appear with a probability below ``CHANCE``. Whether the column is known when the prediction is needed, only the reader
can say.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from nnzoo.data.kinds import Column
from nnzoo.data.splits import first_seen_codes

CHANCE = 1e-9
MIN_ROWS = 20
MAX_ROWS = 100_000
MAX_SUMMED = 200
_SAME_ORDER = 0.9999
_UNEXPLAINED = 1e-9
_MIN_WEIGHT = 1e-4


@dataclass(frozen=True)
class Leak:
    """Columns that give the target away, and how."""

    columns: tuple[str, ...]
    why: str


def find_leaks(frame: pl.DataFrame, columns: Sequence[Column], target: str, task: str) -> list[Leak]:
    """Return the columns that give the target away.

    Parameters
    ----------
    frame : polars.DataFrame
        Parsed training rows without missing targets; copies of a row count once, and of many rows at most 100,000 are
        looked at.
    columns : sequence of Column
        The columns to look at.
    target : str
        Name of the target column.
    task : str
        "classification" or "regression".
    """
    rows = frame.select(*(column.name for column in columns), target).gather_every(-(-frame.height // MAX_ROWS) or 1)
    if any(column.kind in ("number", "time", "text") for column in columns):  # else equal rows are no copies
        rows = rows.unique(maintain_order=True)
    if rows.height < MIN_ROWS or rows[target].n_unique() < 2:
        return []
    if task == "classification":
        rows = rows.with_columns(pl.Series(target, first_seen_codes(rows[target])))
    leaks = [Leak((name,), why) for name, why in _single(rows, columns, target, task)]
    if task == "regression" and not leaks:
        leaks += _sums(rows, [column.name for column in columns if column.kind == "number"], target)
    return leaks


def _single(rows: pl.DataFrame, columns: Sequence[Column], target: str, task: str) -> Iterator[tuple[str, str]]:
    for column in columns:
        why = _gives_away(rows.select(pl.col(column.name).alias("value"), pl.col(target).alias("target")), column, task)
        if why:
            yield column.name, why


def _gives_away(pairs: pl.DataFrame, column: Column, task: str) -> str:
    """Say in words how the values give the targets away; "" where they do not."""
    if task == "classification" and _tells_by_missing(pairs):
        return "whether it is missing tells the class"
    if _one_target_for_each_value(pairs):
        return "each of its values comes with one value of the target"
    if column.kind not in ("number", "time"):
        return ""
    known = pairs.drop_nulls().with_columns(pl.col("value").to_physical())
    if known.height < max(MIN_ROWS, pairs.height / 2):
        return ""
    if task == "classification":
        return "each class has its own range of it" if _one_range_for_each_class(known) else ""
    return "the target rises or falls exactly with it" if _same_order(known) else ""


def _one_target_for_each_value(pairs: pl.DataFrame) -> bool:
    groups = pairs.group_by("value").agg(n_rows=pl.len(), low=pl.col("target").min(), high=pl.col("target").max())
    repeated = groups.filter(pl.col("n_rows") > 1)
    n_repeated = int(repeated["n_rows"].sum())
    if n_repeated < pairs.height / 2 or bool((repeated["low"] != repeated["high"]).any()):
        return False
    return (n_repeated - repeated.height) * math.log(_largest_share(pairs["target"])) < math.log(CHANCE)


def _largest_share(target: pl.Series) -> float:
    return float(target.value_counts()["count"].to_numpy().max()) / len(target)


def _tells_by_missing(pairs: pl.DataFrame) -> bool:
    missing = pairs.select(pl.col("value").is_null(), "target")
    return missing["value"].n_unique() == 2 and _one_target_for_each_value(missing)


def _one_range_for_each_class(pairs: pl.DataFrame) -> bool:
    """Say whether the classes, in the order of the value, do not overlap."""
    ranges = (
        pairs.group_by("target").agg(n_rows=pl.len(), low=pl.col("value").min(), high=pl.col("value").max()).sort("low")
    )
    if ranges.height < 2 or bool((ranges["low"] <= ranges["high"].shift(1)).fill_null(value=False).any()):
        return False
    orders = math.lgamma(ranges.height + 1) + sum(math.lgamma(n + 1) for n in ranges["n_rows"])
    return orders - math.lgamma(pairs.height + 1) < math.log(CHANCE)


def _same_order(pairs: pl.DataFrame) -> bool:
    ranks = pairs.select(pl.all().rank()).to_numpy()
    if np.ptp(ranks, axis=0).min() == 0:
        return False
    return abs(float(np.corrcoef(ranks.T)[0, 1])) > _SAME_ORDER


def _sums(rows: pl.DataFrame, names: list[str], target: str) -> list[Leak]:
    """Return the columns whose weighted sum is the target in every row."""
    known = rows.select(*names, target).drop_nulls()
    if not 2 <= len(names) <= MAX_SUMMED or known.height < max(3 * len(names), MIN_ROWS, rows.height / 2):
        return []
    scaled = _scaled(known.to_numpy())
    X, y = scaled[:, :-1], scaled[:, -1]
    weights = np.linalg.lstsq(X, y, rcond=None)[0]
    summed = tuple(name for name, weight in zip(names, weights, strict=True) if abs(weight) > _MIN_WEIGHT)
    if not summed or np.mean((y - X @ weights) ** 2) > _UNEXPLAINED:
        return []
    return [Leak(summed, "the target is a weighted sum of them in every row")]


def _scaled(values: np.ndarray) -> np.ndarray:
    """Return the columns with mean 0 and variance 1; a column of one value becomes 0."""
    largest = np.abs(values).max(axis=0)
    values = values / np.where(largest > 0, largest, 1)
    values = values - values.mean(axis=0)
    spread = values.std(axis=0)
    return values / np.where(spread > 0, spread, 1)
